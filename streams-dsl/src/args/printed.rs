//! Where `print` writes.

use std::fmt::{self, Debug};
use std::fs::File;
use std::io::{self, LineWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use streams_core::names::NodeName;

pub(crate) type Line<K, V> = dyn Fn(&K, &V) -> String + Send + Sync;

/// Where `print` writes, and how a record is written. Answers to Kafka's `Printed`.
///
/// A line is `[label]: key, value`; the label is the name of the node whose records are printed.
///
/// DIFFERENCE(print-debug): keys and values are written by their `Debug`, for want of a `toString`
/// that every type has; [`with_mapper`](Self::with_mapper) writes them otherwise.
pub struct Printed<K, V> {
    pub(crate) name: Option<NodeName>,
    pub(crate) label: Option<String>,
    pub(crate) line: Arc<Line<K, V>>,
    pub(crate) printer: Printer,
}

/// The shared end of all tasks that print.
#[derive(Clone)]
pub(crate) struct Printer(Arc<Mutex<dyn Write + Send>>);

impl Printer {
    /// Writes one line. As in Java, a failure of the output is no failure of the program.
    pub(crate) fn print(&self, label: &str, line: &str) {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let written = writeln!(out, "[{label}]: {line}").and_then(|()| out.flush());
        if let Err(error) = written {
            tracing::warn!(label, %error, "a record could not be printed");
        }
    }
}

impl<K: Debug, V: Debug> Printed<K, V> {
    /// Prints to standard output.
    #[must_use]
    pub fn to_stdout() -> Self {
        Self::to_writer(io::stdout())
    }

    /// Prints to standard error.
    #[must_use]
    pub fn to_stderr() -> Self {
        Self::to_writer(io::stderr())
    }

    /// Prints to a new file in place of one that is there.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn to_file(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self::to_writer(LineWriter::new(File::create(path)?)))
    }

    /// Prints to any writer.
    pub fn to_writer(writer: impl Write + Send + 'static) -> Self {
        Self {
            name: None,
            label: None,
            line: Arc::new(|key, value| format!("{key:?}, {value:?}")),
            printer: Printer(Arc::new(Mutex::new(writer))),
        }
    }
}

impl<K, V> Printed<K, V> {
    /// What stands in brackets before each record.
    #[must_use]
    pub fn with_label(self, label: impl Into<String>) -> Self {
        Self { label: Some(label.into()), ..self }
    }

    /// How a record is written.
    #[must_use]
    pub fn with_mapper(self, mapper: impl Fn(&K, &V) -> String + Send + Sync + 'static) -> Self {
        Self { line: Arc::new(mapper), ..self }
    }

    /// The node has this name.
    #[must_use]
    pub fn with_name(self, name: impl Into<NodeName>) -> Self {
        Self { name: Some(name.into()), ..self }
    }
}

impl<K, V> Debug for Printed<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Printed");
        debug.field("name", &self.name).field("label", &self.label).finish_non_exhaustive()
    }
}
