//! What to do with a record that fails: the handlers of Kafka's `*.exception.handler` settings.
//!
//! DIFFERENCE(panics-reset): a panic is shown to no handler and resets the task; in Kafka every
//! exception goes to one.

use std::fmt;
use std::sync::Arc;

use crate::config::{FailurePolicy, Processing};
use crate::error::TaskError;

/// What a handler decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The task fails with this error.
    Fail,
    /// The record is left out and counted as dropped.
    Skip,
}

/// Decides about a failed record. Any function of the error is one. Answers to Kafka's
/// `DeserializationExceptionHandler`, `ProcessingExceptionHandler` (KIP-1033) and
/// `ProductionExceptionHandler`.
///
/// ```
/// # use std::num::ParseIntError;
/// # use streams_core::error::{Origin, TaskError};
/// # use streams_core::handler::{ErrorHandler, Verdict};
/// let skip_no_numbers = |error: &TaskError| match error {
///     TaskError::Processing { source, .. } if source.is::<ParseIntError>() => Verdict::Skip,
///     _ => Verdict::Fail,
/// };
/// let (node, origin) = ("sum".into(), Origin::Punctuation);
/// let source = "seven".parse::<i64>().expect_err("it has no digits").into();
/// let failure = TaskError::Processing { node, origin, source };
/// assert_eq!(skip_no_numbers.verdict(&failure), Verdict::Skip);
/// ```
pub trait ErrorHandler: Send + Sync + 'static {
    /// Whether the task fails or the record is left out.
    fn verdict(&self, error: &TaskError) -> Verdict;
}

impl<F: Fn(&TaskError) -> Verdict + Send + Sync + 'static> ErrorHandler for F {
    fn verdict(&self, error: &TaskError) -> Verdict {
        self(error)
    }
}

/// Fails. Kafka's `LogAndFail...`, its default.
///
/// ```
/// # use streams_core::error::{Origin, TaskError};
/// # use streams_core::handler::{ErrorHandler, LogAndFail, Verdict};
/// # let failure =
/// #     TaskError::Processing { node: "a".into(), origin: Origin::Punctuation, source: "b".into() };
/// assert_eq!(LogAndFail.verdict(&failure), Verdict::Fail);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct LogAndFail;

impl ErrorHandler for LogAndFail {
    fn verdict(&self, _: &TaskError) -> Verdict {
        Verdict::Fail
    }
}

/// Logs a warning, leaves the record out and counts it. Kafka's `LogAndContinue...`.
///
/// ```
/// # use streams_core::error::{Origin, TaskError};
/// # use streams_core::handler::{ErrorHandler, LogAndSkip, Verdict};
/// # let failure =
/// #     TaskError::Processing { node: "a".into(), origin: Origin::Punctuation, source: "b".into() };
/// assert_eq!(LogAndSkip.verdict(&failure), Verdict::Skip);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct LogAndSkip;

impl ErrorHandler for LogAndSkip {
    fn verdict(&self, error: &TaskError) -> Verdict {
        tracing::warn!(error = error as &dyn std::error::Error, "record left out");
        Verdict::Skip
    }
}

/// The three handlers of an application. All fail by default.
///
/// ```
/// # use std::sync::Arc;
/// # use streams_core::error::{Origin, TaskError};
/// # use streams_core::handler::{Handlers, LogAndSkip, Verdict};
/// let handlers = Handlers { processing: Arc::new(LogAndSkip), ..Handlers::default() };
/// # let failure =
/// #     TaskError::Processing { node: "a".into(), origin: Origin::Punctuation, source: "b".into() };
/// assert_eq!(handlers.processing.verdict(&failure), Verdict::Skip);
/// assert_eq!(handlers.production.verdict(&failure), Verdict::Fail);
/// ```
#[derive(Clone)]
pub struct Handlers {
    /// For input that cannot be read.
    pub deserialization: Arc<dyn ErrorHandler>,
    /// For errors of user code.
    pub processing: Arc<dyn ErrorHandler>,
    /// For output that cannot be encoded or written.
    pub production: Arc<dyn ErrorHandler>,
}

impl From<&Processing> for Handlers {
    /// Those that the configuration names.
    fn from(processing: &Processing) -> Self {
        let handler = |policy| -> Arc<dyn ErrorHandler> {
            match policy {
                FailurePolicy::Fail => Arc::new(LogAndFail),
                FailurePolicy::Continue => Arc::new(LogAndSkip),
            }
        };
        Self {
            deserialization: handler(processing.on_deserialization_error),
            processing: handler(processing.on_processing_error),
            production: handler(processing.on_production_error),
        }
    }
}

impl Default for Handlers {
    fn default() -> Self {
        Self {
            deserialization: Arc::new(LogAndFail),
            processing: Arc::new(LogAndFail),
            production: Arc::new(LogAndFail),
        }
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handlers").finish_non_exhaustive()
    }
}
