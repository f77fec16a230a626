//! Looking at records.

use streams_core::error::ProcessorError;
use streams_core::names::NodeName;

use super::{KStream, Step};
use crate::args::{Named, Printed};
use crate::operators::{for_each, peek, print};
use crate::plan::Effect;

impl<'b, K: Clone + 'static, V: Clone + 'static> KStream<'b, K, V> {
    /// The same records, each shown to a function in passing, before it goes on with its key,
    /// value, time and headers. Nulls, where the types have them, are shown too. Makes no topic and
    /// no store. A record that is processed again after a failure is shown again.
    ///
    /// ```
    /// # use std::sync::mpsc::channel;
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// let (sender, seen) = channel();
    /// words.peek(move |_, word| sender.send(word.clone()).expect("heard")).to("out");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe_all([("a", "to"), ("b", "be")])?;
    /// assert_eq!(seen.try_iter().collect::<Vec<_>>(), ["to", "be"]);
    /// assert_eq!(driver.output::<String, String>("out").read_values()?, ["to", "be"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn peek(self, f: impl Fn(&K, &V) + Send + Sync + 'static) -> Self {
        self.peeked(None, move |key, value| {
            f(key, value);
            Ok(())
        })
    }

    /// As [`peek`](Self::peek), with a name.
    ///
    /// ```
    /// # use std::sync::mpsc::channel;
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let (sender, seen) = channel();
    /// let show = move |_: &String, word: &String| sender.send(word.clone()).expect("heard");
    /// words.peek_with(show, Named::new("show")).to("out");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe_all([("a", "to"), ("b", "be")])?;
    /// assert_eq!(seen.try_iter().collect::<Vec<_>>(), ["to", "be"]);
    /// assert_eq!(driver.output::<String, String>("out").read_values()?, ["to", "be"]);
    /// assert!(driver.describe().to_string().contains("Processor: show (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn peek_with(self, f: impl Fn(&K, &V) + Send + Sync + 'static, named: Named) -> Self {
        self.peeked(named.0, move |key, value| {
            f(key, value);
            Ok(())
        })
    }

    /// As [`peek`](Self::peek), by a function that may fail; the processing handler says whether to
    /// go on, and then the record does not.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let texts: KStream<'_, String, String> = builder.stream("texts");
    /// texts.try_peek(|_, text| text.parse::<i64>().map(|_| ())).to("numbers");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut texts = driver.input::<String, String>("texts");
    /// texts.pipe("a", "7")?;
    /// assert_eq!(driver.output::<String, String>("numbers").read_values()?, ["7"]);
    /// let error = texts.pipe("b", "many").expect_err("no number");
    /// assert!(error.to_string().contains("KSTREAM-PEEK-0000000001"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_peek<E: Into<ProcessorError>>(
        self,
        f: impl Fn(&K, &V) -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        self.peeked(None, move |key, value| f(key, value).map_err(Into::into))
    }

    /// As [`try_peek`](Self::try_peek), with a name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let texts: KStream<'_, String, String> = builder.stream("texts");
    /// let check = |_: &String, text: &String| text.parse::<i64>().map(|_| ());
    /// texts.try_peek_with(check, Named::new("check")).to("numbers");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut texts = driver.input::<String, String>("texts");
    /// let error = texts.pipe("b", "many").expect_err("no number");
    /// assert!(error.to_string().contains("check"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_peek_with<E: Into<ProcessorError>>(
        self,
        f: impl Fn(&K, &V) -> Result<(), E> + Send + Sync + 'static,
        named: Named,
    ) -> Self {
        self.peeked(named.0, move |key, value| f(key, value).map_err(Into::into))
    }

    fn peeked(
        self,
        name: Option<NodeName>,
        f: impl Fn(&K, &V) -> Result<(), ProcessorError> + Send + Sync + 'static,
    ) -> Self {
        let template = peek::template(f);
        self.then(Step { name, prefix: peek::PREFIX, effect: Effect::None, template })
    }

    /// Hands key and value of each record to a function, nulls too where the types have them;
    /// nothing comes after it, and no topic or store is made. What the function does is no part of
    /// a commit: a record that is processed again after a failure is handed to it again. For time
    /// and headers, see [`process`](Self::process).
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use std::sync::atomic::{AtomicI64, Ordering};
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// let total = Arc::new(AtomicI64::new(0));
    /// let sum = Arc::clone(&total);
    /// numbers.for_each(move |_, number| {
    ///     sum.fetch_add(number, Ordering::Relaxed);
    /// });
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe_all([("a", 7), ("b", 12)])?;
    /// assert_eq!(total.load(Ordering::Relaxed), 19);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn for_each(self, f: impl Fn(K, V) + Send + Sync + 'static) {
        self.each_handed(None, move |key, value| {
            f(key, value);
            Ok(())
        });
    }

    /// As [`for_each`](Self::for_each), with a name.
    ///
    /// ```
    /// # use std::sync::mpsc::channel;
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let (sender, seen) = channel();
    /// let hand = move |_: String, word: String| sender.send(word).expect("heard");
    /// words.for_each_with(hand, Named::new("hand"));
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe_all([("a", "to"), ("b", "be")])?;
    /// assert_eq!(seen.try_iter().collect::<Vec<_>>(), ["to", "be"]);
    /// let text = driver.describe().to_string();
    /// assert!(text.contains("Processor: hand (stores: [])\n      --> none"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn for_each_with(self, f: impl Fn(K, V) + Send + Sync + 'static, named: Named) {
        self.each_handed(named.0, move |key, value| {
            f(key, value);
            Ok(())
        });
    }

    /// As [`for_each`](Self::for_each), by a function that may fail; the processing handler says
    /// whether to go on.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let texts: KStream<'_, String, String> = builder.stream("texts");
    /// texts.try_for_each(|_, text| text.parse::<i64>().map(|_| ()));
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut texts = driver.input::<String, String>("texts");
    /// texts.pipe("a", "7")?;
    /// let error = texts.pipe("b", "many").expect_err("no number");
    /// assert!(error.to_string().contains("KSTREAM-FOREACH-0000000001"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_for_each<E: Into<ProcessorError>>(
        self,
        f: impl Fn(K, V) -> Result<(), E> + Send + Sync + 'static,
    ) {
        self.each_handed(None, move |key, value| f(key, value).map_err(Into::into));
    }

    /// As [`try_for_each`](Self::try_for_each), with a name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let texts: KStream<'_, String, String> = builder.stream("texts");
    /// texts.try_for_each_with(|_, text| text.parse::<i64>().map(|_| ()), Named::new("check"));
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut texts = driver.input::<String, String>("texts");
    /// let error = texts.pipe("b", "many").expect_err("no number");
    /// assert!(error.to_string().contains("check"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_for_each_with<E: Into<ProcessorError>>(
        self,
        f: impl Fn(K, V) -> Result<(), E> + Send + Sync + 'static,
        named: Named,
    ) {
        self.each_handed(named.0, move |key, value| f(key, value).map_err(Into::into));
    }

    fn each_handed(
        self,
        name: Option<NodeName>,
        f: impl Fn(K, V) -> Result<(), ProcessorError> + Send + Sync + 'static,
    ) {
        let (prefix, template) = (for_each::PREFIX, for_each::template(f));
        let _: KStream<'b, (), ()> =
            self.then(Step { name, prefix, effect: Effect::None, template });
    }

    /// Prints key and value of each record; nothing comes after it, and no topic or store is made.
    /// A line is `[label]: key, value`, where the label is the name of the node whose records are
    /// printed, and a null is `None`; see [`Printed`]. Time and headers are not printed; for them,
    /// see [`process`](Self::process). An output that fails is logged, and fails nothing else.
    ///
    /// ```
    /// # use std::io::{BufRead, BufReader};
    /// # use streams_dsl::{KStream, Printed, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// let (read, write) = std::io::pipe()?;
    /// words.print(Printed::to_writer(write));
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("a", "be")?;
    /// let mut line = String::new();
    /// BufReader::new(read).read_line(&mut line)?;
    /// assert_eq!(line, "[KSTREAM-SOURCE-0000000000]: \"a\", \"be\"\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn print(self, printed: Printed<K, V>) {
        let Printed { name, label, line, printer } = printed;
        let label =
            label.unwrap_or_else(|| self.builder.plan().name_of(self.node).as_str().to_owned());
        let (prefix, template) = (print::PREFIX, print::template(&label, line, printer));
        let _: KStream<'b, (), ()> =
            self.then(Step { name, prefix, effect: Effect::None, template });
    }
}
