//! Processors: the typed graph that a task runs.
//!
//! A record moves by plain calls, depth-first. Types are erased once, while a task is linked.

mod activity;
mod context;
mod edge;
mod link;
mod node;
mod punctuation;
mod sink;
mod source;
mod wrapper;

use crate::error::{ProcessorError, TaskError};
use crate::names::{NodeName, TaskId};
use crate::record::{FixedKeyRecord, Headers, Record};
use crate::time::Timestamp;

pub use self::activity::Activity;
pub use self::context::{ContextParts, EmitIntervals, TaskContext};
pub(crate) use self::edge::at_work;
pub use self::edge::{Edge, NodeCell, Push};
pub(crate) use self::link::{Flush, Forwards, Linker, NodePlace, Registry, Takes};
pub use self::link::{
    FlushCache, LinkError, NodeLinks, NodeSupplier, ProcessorTemplate, SinkTemplate,
    SourceTemplate, same_type,
};
pub use self::node::{
    ConnectedStores, Context, FixedKeyContext, FixedKeyNode, InitContext, ProcessorNode,
};
pub use self::punctuation::{Punctuation, PunctuationId, PunctuationType, ScheduleError};
pub use self::sink::{
    ExtractTopic, Partitions, RecordContext, Sink, SinkDestination, StreamPartitioner,
};
pub use self::source::{ExtractTimestamp, Extraction, Nulls, Source, TimestampExtractor};
pub(crate) use self::source::{Loaded, SourceNode};

/// A processor: user code between two nodes of the topology, with stores and timers if it wants.
/// Answers to Kafka's `Processor` (KIP-478); its input types are parameters, its output types are
/// associated.
///
/// One is made per task by its supplier and never leaves the task's thread.
///
/// ```
/// # mod run { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/run.in")); }
/// # use std::time::Duration;
/// # use streams_core::error::ProcessorError;
/// # use streams_core::processor::{Context, InitContext, Processor, Punctuation, PunctuationType};
/// # use streams_core::record::Record;
/// /// Forwards each record, and each ten milliseconds of stream time how many there were.
/// #[derive(Default)]
/// struct Counted(i64);
///
/// impl Processor<String, String> for Counted {
///     type OutKey = String;
///     type OutValue = String;
///
///     fn init(&mut self, cx: &mut InitContext<'_>) -> Result<(), ProcessorError> {
///         cx.schedule(Duration::from_millis(10), PunctuationType::StreamTime)?;
///         Ok(())
///     }
///
///     fn process(
///         &mut self,
///         record: Record<String, String>,
///         cx: &mut Context<'_, String, String>,
///     ) -> Result<(), ProcessorError> {
///         self.0 += 1;
///         cx.forward_to("out", record)
///     }
///
///     fn punctuate(
///         &mut self,
///         at: Punctuation,
///         cx: &mut Context<'_, String, String>,
///     ) -> Result<(), ProcessorError> {
///         let count = std::mem::take(&mut self.0).to_string();
///         cx.forward_to("other", Record::new("count".to_owned(), count, at.timestamp))
///     }
/// }
///
/// let mut counted = run::processor(|_| Ok(Counted::default()));
/// counted.pipe("a", "x", 1)?;
/// counted.pipe("b", "y", 12)?;
/// assert_eq!(
///     counted.sent(),
///     ["out: a=x @1", "other: count=1 @1", "out: b=y @12", "other: count=1 @12"]
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Processor<K, V>: 'static {
    /// The key of what it forwards.
    type OutKey: Clone + 'static;
    /// The value of what it forwards.
    type OutValue: Clone + 'static;

    /// Called once, when the task's stores are restored and before the first record.
    ///
    /// # Errors
    /// Any error fails the task.
    fn init(&mut self, cx: &mut InitContext<'_>) -> Result<(), ProcessorError> {
        let _ = cx;
        Ok(())
    }

    /// Called for each record, in order for each input partition.
    ///
    /// # Errors
    /// Any error is shown to the processing handler, which fails the task or leaves the record out.
    fn process(
        &mut self,
        record: Record<K, V>,
        cx: &mut Context<'_, Self::OutKey, Self::OutValue>,
    ) -> Result<(), ProcessorError>;

    /// Called when a punctuation that this processor scheduled is due.
    ///
    /// # Errors
    /// As for [`process`](Self::process).
    fn punctuate(
        &mut self,
        punctuation: Punctuation,
        cx: &mut Context<'_, Self::OutKey, Self::OutValue>,
    ) -> Result<(), ProcessorError> {
        let _ = (punctuation, cx);
        Ok(())
    }

    /// Called when the task closes in good order.
    ///
    /// # Errors
    /// Any error is logged.
    fn close(&mut self) -> Result<(), ProcessorError> {
        Ok(())
    }
}

/// A processor that cannot change the key, so that no repartitioning follows it. Answers to Kafka's
/// `FixedKeyProcessor` (KIP-820).
///
/// ```
/// # mod run { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/run.in")); }
/// # use streams_core::error::ProcessorError;
/// # use streams_core::processor::{FixedKeyContext, FixedKeyProcessor};
/// # use streams_core::record::FixedKeyRecord;
/// struct Upper;
///
/// impl FixedKeyProcessor<String, String> for Upper {
///     type OutValue = String;
///
///     fn process(
///         &mut self,
///         record: FixedKeyRecord<String, String>,
///         cx: &mut FixedKeyContext<'_, String, String>,
///     ) -> Result<(), ProcessorError> {
///         let upper = record.value().to_uppercase();
///         cx.forward_to("out", record.with_value(upper))
///     }
/// }
///
/// let mut upper = run::fixed_key_processor(|_| Ok(Upper));
/// upper.pipe("a", "x", 1)?;
/// assert_eq!(upper.sent(), ["out: a=X @1"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait FixedKeyProcessor<K, V>: 'static {
    /// The value of what it forwards.
    type OutValue: Clone + 'static;

    /// Called once, when the task's stores are restored and before the first record.
    ///
    /// # Errors
    /// Any error fails the task.
    fn init(&mut self, cx: &mut InitContext<'_>) -> Result<(), ProcessorError> {
        let _ = cx;
        Ok(())
    }

    /// Called for each record, in order for each input partition.
    ///
    /// # Errors
    /// Any error is shown to the processing handler, which fails the task or leaves the record out.
    fn process(
        &mut self,
        record: FixedKeyRecord<K, V>,
        cx: &mut FixedKeyContext<'_, K, Self::OutValue>,
    ) -> Result<(), ProcessorError>;

    /// Called when a punctuation that this processor scheduled is due. What it forwards has to be
    /// made of a record that it was given, and kept: only such a one has a key of this stream.
    // DIFFERENCE(fixed-key-punctuate): in Kafka it is a closure that is given to `schedule`.
    ///
    /// # Errors
    /// As for [`process`](Self::process).
    fn punctuate(
        &mut self,
        punctuation: Punctuation,
        cx: &mut FixedKeyContext<'_, K, Self::OutValue>,
    ) -> Result<(), ProcessorError> {
        let _ = (punctuation, cx);
        Ok(())
    }

    /// Called when the task closes in good order.
    ///
    /// # Errors
    /// Any error is logged.
    fn close(&mut self) -> Result<(), ProcessorError> {
        Ok(())
    }
}

/// Code around the processors of a topology, those of its operators too: for traces, measures, and
/// faults in tests. Given by [`Topology::wrapped_by`](crate::topology::Topology::wrapped_by). Answers
/// to Kafka's `ProcessorWrapper` (KIP-1112).
///
/// DIFFERENCE(processor-wrapper): one of Kafka's puts another processor, which sees keys, values and
/// the context, in place of each one, and may add stores.
pub trait ProcessorWrapper: Send + Sync + 'static {
    /// What goes around a processor in a task, which is made with it; `None` for nothing.
    fn wrap(&self, processor: &NodeName, task: TaskId) -> Option<Box<dyn AroundProcessor>>;
}

/// What is known of a record whatever its types are.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RecordHead<'a> {
    /// Its time.
    pub timestamp: Timestamp,
    /// Its headers.
    pub headers: &'a Headers,
}

/// Code around one processor in one task. It never leaves the task's thread.
pub trait AroundProcessor {
    /// The processor is about to be given a record.
    ///
    /// # Errors
    /// As if the processor had failed, which then does not get the record: the processing handler is
    /// asked.
    fn before(&mut self, record: RecordHead<'_>) -> Result<(), ProcessorError> {
        let _ = record;
        Ok(())
    }

    /// It is done with the record, and so are those below it, or one of them has failed in a way that
    /// ends the task.
    fn after(&mut self, result: Result<(), &TaskError>) {
        let _ = result;
    }
}
