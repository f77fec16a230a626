//! Where `print` writes.

use std::fmt::{self, Debug};
use std::fs::File;
use std::io::{self, LineWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use streams_core::names::NodeName;

use super::Named;

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
    ///
    /// ```
    /// # use streams_dsl::{KStream, Printed, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// words.print(Printed::to_stdout());
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Processor: KSTREAM-PRINTER-0000000001 (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn to_stdout() -> Self {
        Self::to_writer(io::stdout())
    }

    /// Prints to standard error.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Printed, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// words.print(Printed::to_stderr().with_label("words"));
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Processor: KSTREAM-PRINTER-0000000001 (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn to_stderr() -> Self {
        Self::to_writer(io::stderr())
    }

    /// Prints to a new file in place of one that is there.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Printed, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let path = std::env::temp_dir().join(format!("printed-words-{}", std::process::id()));
    /// words.print(Printed::to_file(&path)?);
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("a", "be")?;
    /// let text = std::fs::read_to_string(&path)?;
    /// assert_eq!(text, "[KSTREAM-SOURCE-0000000000]: \"a\", \"be\"\n");
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn to_file(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self::to_writer(LineWriter::new(File::create(path)?)))
    }

    /// Prints to any writer, which is flushed after each line. A failure of it is logged, and fails
    /// nothing else.
    ///
    /// ```
    /// # use std::io::{BufRead, BufReader};
    /// # use streams_dsl::{KStream, Printed, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let numbers: KStream<'_, Option<String>, i64> = builder.stream("numbers");
    /// let (read, write) = std::io::pipe()?;
    /// numbers.print(Printed::to_writer(write));
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe_value(7)?;
    /// let mut line = String::new();
    /// BufReader::new(read).read_line(&mut line)?;
    /// assert_eq!(line, "[KSTREAM-SOURCE-0000000000]: None, 7\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    /// What stands in brackets before each record; the name of the node whose records are printed
    /// by default.
    ///
    /// ```
    /// # use std::io::{BufRead, BufReader};
    /// # use streams_dsl::{KStream, Printed, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let (read, write) = std::io::pipe()?;
    /// words.print(Printed::to_writer(write).with_label("words"));
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("a", "be")?;
    /// let mut line = String::new();
    /// BufReader::new(read).read_line(&mut line)?;
    /// assert_eq!(line, "[words]: \"a\", \"be\"\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_label(self, label: impl Into<String>) -> Self {
        Self { label: Some(label.into()), ..self }
    }

    /// How a record is written; `key, value` by their `Debug` by default. Kafka's
    /// `withKeyValueMapper`.
    ///
    /// ```
    /// # use std::io::{BufRead, BufReader};
    /// # use streams_dsl::{KStream, Printed, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let (read, write) = std::io::pipe()?;
    /// let mapper = |key: &String, word: &String| format!("{word} of {key}");
    /// words.print(Printed::to_writer(write).with_label("words").with_mapper(mapper));
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("a", "be")?;
    /// let mut line = String::new();
    /// BufReader::new(read).read_line(&mut line)?;
    /// assert_eq!(line, "[words]: be of a\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_mapper(self, mapper: impl Fn(&K, &V) -> String + Send + Sync + 'static) -> Self {
        Self { line: Arc::new(mapper), ..self }
    }

    /// The node has this name; the label stays.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Printed, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// words.print(Printed::to_stdout().with_name("show"));
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Processor: show (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_name(self, name: impl Into<Named>) -> Self {
        Self { name: name.into().0, ..self }
    }
}

impl<K, V> Debug for Printed<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Printed");
        debug.field("name", &self.name).field("label", &self.label).finish_non_exhaustive()
    }
}
