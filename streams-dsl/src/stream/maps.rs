//! Making other keys and values.
//!
//! DIFFERENCE(fallible-closures): what may fail returns a `Result`, in the variants with `try_`;
//! in Kafka a function throws.

use streams_core::error::ProcessorError;
use streams_core::names::NodeName;

use super::{KStream, Step};
use crate::args::Named;
use crate::operators::{flat_map, flat_map_values, map, map_values};
use crate::plan::Effect;

impl<'b, K: Clone + 'static, V: Clone + 'static> KStream<'b, K, V> {
    /// Another key and value for each record; time and headers stay. A null key or value is shown
    /// to the function where the type has it, and an `Option` that it gives may be null. Makes no
    /// topic and no store; a keyed operator behind it repartitions.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// words.map(|key, word| (word, key)).to("swapped");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("a", "b")?;
    /// let first = driver.output::<String, String>("swapped").read_key_value()?;
    /// assert_eq!(first, ("b".to_owned(), "a".to_owned()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map<K2, V2>(
        self,
        f: impl Fn(K, V) -> (K2, V2) + Send + Sync + 'static,
    ) -> KStream<'b, K2, V2>
    where
        K2: Clone + 'static,
        V2: Clone + 'static,
    {
        self.mapped(None, move |key, value| Ok(f(key, value)))
    }

    /// As [`map`](Self::map), with a name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// words.map_with(|key, word| (word, key), Named::new("swap")).to("swapped");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("a", "b")?;
    /// let first = driver.output::<String, String>("swapped").read_key_value()?;
    /// assert_eq!(first, ("b".to_owned(), "a".to_owned()));
    /// assert!(driver.describe().to_string().contains("Processor: swap (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_with<K2, V2>(
        self,
        f: impl Fn(K, V) -> (K2, V2) + Send + Sync + 'static,
        named: Named,
    ) -> KStream<'b, K2, V2>
    where
        K2: Clone + 'static,
        V2: Clone + 'static,
    {
        self.mapped(named.0, move |key, value| Ok(f(key, value)))
    }

    /// As [`map`](Self::map), by a function that may fail; the processing handler says what becomes
    /// of the record.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let texts: KStream<'_, String, String> = builder.stream("texts");
    /// texts.try_map(|key, text| text.parse::<i64>().map(|number| (number, key))).to("by-number");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut texts = driver.input::<String, String>("texts");
    /// texts.pipe("a", "7")?;
    /// let first = driver.output::<i64, String>("by-number").read_key_value()?;
    /// assert_eq!(first, (7, "a".to_owned()));
    /// assert!(texts.pipe("b", "many").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_map<K2, V2, E>(
        self,
        f: impl Fn(K, V) -> Result<(K2, V2), E> + Send + Sync + 'static,
    ) -> KStream<'b, K2, V2>
    where
        K2: Clone + 'static,
        V2: Clone + 'static,
        E: Into<ProcessorError>,
    {
        self.mapped(None, move |key, value| f(key, value).map_err(Into::into))
    }

    /// As [`try_map`](Self::try_map), with a name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let texts: KStream<'_, String, String> = builder.stream("texts");
    /// let swap = |key: String, text: String| text.parse::<i64>().map(|number| (number, key));
    /// texts.try_map_with(swap, Named::new("swap")).to("by-number");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("texts").pipe("a", "7")?;
    /// let first = driver.output::<i64, String>("by-number").read_key_value()?;
    /// assert_eq!(first, (7, "a".to_owned()));
    /// assert!(driver.describe().to_string().contains("Processor: swap (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_map_with<K2, V2, E>(
        self,
        f: impl Fn(K, V) -> Result<(K2, V2), E> + Send + Sync + 'static,
        named: Named,
    ) -> KStream<'b, K2, V2>
    where
        K2: Clone + 'static,
        V2: Clone + 'static,
        E: Into<ProcessorError>,
    {
        self.mapped(named.0, move |key, value| f(key, value).map_err(Into::into))
    }

    fn mapped<K2, V2>(
        self,
        name: Option<NodeName>,
        f: impl Fn(K, V) -> Result<(K2, V2), ProcessorError> + Send + Sync + 'static,
    ) -> KStream<'b, K2, V2>
    where
        K2: Clone + 'static,
        V2: Clone + 'static,
    {
        let template = map::template(f);
        self.then(Step { name, prefix: map::PREFIX, effect: Effect::ChangesKey, template })
    }

    /// Another value for each record; key, time and headers stay, and nothing is repartitioned
    /// because of it. A null value is shown to the function where the type has it. Makes no topic
    /// and no store.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// words.map_values(|word| word.len() as i64).to("lengths");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("key", "seven")?;
    /// assert_eq!(driver.output::<String, i64>("lengths").read_key_value()?, ("key".into(), 5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_values<V2: Clone + 'static>(
        self,
        f: impl Fn(V) -> V2 + Send + Sync + 'static,
    ) -> KStream<'b, K, V2> {
        self.values_mapped(None, move |_, value| Ok(f(value)))
    }

    /// As [`map_values`](Self::map_values), with a name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// words.map_values_with(|word| word.len() as i64, Named::new("length")).to("lengths");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("key", "seven")?;
    /// assert_eq!(driver.output::<String, i64>("lengths").read_key_value()?, ("key".into(), 5));
    /// assert!(driver.describe().to_string().contains("Processor: length (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_values_with<V2: Clone + 'static>(
        self,
        f: impl Fn(V) -> V2 + Send + Sync + 'static,
        named: Named,
    ) -> KStream<'b, K, V2> {
        self.values_mapped(named.0, move |_, value| Ok(f(value)))
    }

    /// As [`map_values`](Self::map_values), by a function that sees the key too.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// words.map_values_with_key(|key, word| format!("{key}: {word}")).to("lines");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("a", "x")?;
    /// assert_eq!(driver.output::<String, String>("lines").read_value()?, "a: x");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_values_with_key<V2: Clone + 'static>(
        self,
        f: impl Fn(&K, V) -> V2 + Send + Sync + 'static,
    ) -> KStream<'b, K, V2> {
        self.values_mapped(None, move |key, value| Ok(f(key, value)))
    }

    /// As [`map_values_with_key`](Self::map_values_with_key), with a name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let line = |key: &String, word| format!("{key}: {word}");
    /// words.map_values_with_key_with(line, Named::new("line")).to("lines");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("a", "x")?;
    /// assert_eq!(driver.output::<String, String>("lines").read_value()?, "a: x");
    /// assert!(driver.describe().to_string().contains("Processor: line (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_values_with_key_with<V2: Clone + 'static>(
        self,
        f: impl Fn(&K, V) -> V2 + Send + Sync + 'static,
        named: Named,
    ) -> KStream<'b, K, V2> {
        self.values_mapped(named.0, move |key, value| Ok(f(key, value)))
    }

    /// As [`map_values`](Self::map_values), by a function that may fail; the processing handler
    /// says what becomes of the record.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use streams_core::handler::{Handlers, LogAndSkip};
    /// # use streams_core::metrics::DropReason;
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let texts: KStream<'_, String, String> = builder.stream("texts");
    /// texts.try_map_values(|text| text.parse::<i64>()).to("numbers");
    ///
    /// let skip = Handlers { processing: Arc::new(LogAndSkip), ..Handlers::default() };
    /// let driver = TopologyTestDriver::builder(&builder.build()?).handlers(skip).build()?;
    /// driver.input::<String, String>("texts").pipe_all([("a", "many"), ("b", "7")])?;
    /// assert_eq!(driver.output::<String, i64>("numbers").read_values()?, [7]);
    /// assert_eq!(driver.dropped().of(DropReason::ProcessingFailed), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_map_values<V2, E>(
        self,
        f: impl Fn(V) -> Result<V2, E> + Send + Sync + 'static,
    ) -> KStream<'b, K, V2>
    where
        V2: Clone + 'static,
        E: Into<ProcessorError>,
    {
        self.values_mapped(None, move |_, value| f(value).map_err(Into::into))
    }

    /// As [`try_map_values`](Self::try_map_values), with a name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let texts: KStream<'_, String, String> = builder.stream("texts");
    /// texts.try_map_values_with(|text| text.parse::<i64>(), Named::new("parse")).to("numbers");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut texts = driver.input::<String, String>("texts");
    /// let error = texts.pipe("a", "many").expect_err("no number");
    /// assert!(error.to_string().contains("parse"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_map_values_with<V2, E>(
        self,
        f: impl Fn(V) -> Result<V2, E> + Send + Sync + 'static,
        named: Named,
    ) -> KStream<'b, K, V2>
    where
        V2: Clone + 'static,
        E: Into<ProcessorError>,
    {
        self.values_mapped(named.0, move |_, value| f(value).map_err(Into::into))
    }

    fn values_mapped<V2: Clone + 'static>(
        self,
        name: Option<NodeName>,
        f: impl Fn(&K, V) -> Result<V2, ProcessorError> + Send + Sync + 'static,
    ) -> KStream<'b, K, V2> {
        let (prefix, template) = (map_values::PREFIX, map_values::template(f));
        self.then(Step { name, prefix, effect: Effect::ChangesValue, template })
    }

    /// Any number of records for each one, with other keys and values, all with its time and
    /// headers. A null key or value is shown to the function where the type has it, and an `Option`
    /// that it gives may be null. Makes no topic and no store; a keyed operator behind it
    /// repartitions.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let lines: KStream<'_, String, String> = builder.stream("lines");
    /// let letters = |_, line: String| {
    ///     line.chars().map(|c| (c.to_string(), 1_i64)).collect::<Vec<_>>()
    /// };
    /// lines.flat_map(letters).to("letters");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("lines").pipe_all([("a", ""), ("b", "xy")])?;
    /// let letters = driver.output::<String, i64>("letters").read_key_values()?;
    /// assert_eq!(letters, [("x".to_owned(), 1), ("y".to_owned(), 1)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flat_map<K2, V2, I>(
        self,
        f: impl Fn(K, V) -> I + Send + Sync + 'static,
    ) -> KStream<'b, K2, V2>
    where
        K2: Clone + 'static,
        V2: Clone + 'static,
        I: IntoIterator<Item = (K2, V2)> + 'static,
    {
        self.flat_mapped(None, move |key, value| Ok(f(key, value)))
    }

    /// As [`flat_map`](Self::flat_map), with a name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// words.flat_map_with(|key, word| [(word, key)], Named::new("swap")).to("swapped");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("a", "b")?;
    /// let first = driver.output::<String, String>("swapped").read_key_value()?;
    /// assert_eq!(first, ("b".to_owned(), "a".to_owned()));
    /// assert!(driver.describe().to_string().contains("Processor: swap (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flat_map_with<K2, V2, I>(
        self,
        f: impl Fn(K, V) -> I + Send + Sync + 'static,
        named: Named,
    ) -> KStream<'b, K2, V2>
    where
        K2: Clone + 'static,
        V2: Clone + 'static,
        I: IntoIterator<Item = (K2, V2)> + 'static,
    {
        self.flat_mapped(named.0, move |key, value| Ok(f(key, value)))
    }

    /// As [`flat_map`](Self::flat_map), by a function that may fail; the processing handler says
    /// what becomes of the record.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let texts: KStream<'_, String, String> = builder.stream("texts");
    /// let both = |key, text: String| text.parse::<i64>().map(|n| [(n, key), (-n, text)]);
    /// texts.try_flat_map(both).to("numbers");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut texts = driver.input::<String, String>("texts");
    /// texts.pipe("a", "7")?;
    /// let numbers = driver.output::<i64, String>("numbers").read_key_values()?;
    /// assert_eq!(numbers, [(7, "a".to_owned()), (-7, "7".to_owned())]);
    /// assert!(texts.pipe("b", "many").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_flat_map<K2, V2, I, E>(
        self,
        f: impl Fn(K, V) -> Result<I, E> + Send + Sync + 'static,
    ) -> KStream<'b, K2, V2>
    where
        K2: Clone + 'static,
        V2: Clone + 'static,
        I: IntoIterator<Item = (K2, V2)> + 'static,
        E: Into<ProcessorError>,
    {
        self.flat_mapped(None, move |key, value| f(key, value).map_err(Into::into))
    }

    /// As [`try_flat_map`](Self::try_flat_map), with a name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let texts: KStream<'_, String, String> = builder.stream("texts");
    /// let swap = |key: String, text: String| text.parse::<i64>().map(|number| [(number, key)]);
    /// texts.try_flat_map_with(swap, Named::new("swap")).to("by-number");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("texts").pipe("a", "7")?;
    /// let first = driver.output::<i64, String>("by-number").read_key_value()?;
    /// assert_eq!(first, (7, "a".to_owned()));
    /// assert!(driver.describe().to_string().contains("Processor: swap (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_flat_map_with<K2, V2, I, E>(
        self,
        f: impl Fn(K, V) -> Result<I, E> + Send + Sync + 'static,
        named: Named,
    ) -> KStream<'b, K2, V2>
    where
        K2: Clone + 'static,
        V2: Clone + 'static,
        I: IntoIterator<Item = (K2, V2)> + 'static,
        E: Into<ProcessorError>,
    {
        self.flat_mapped(named.0, move |key, value| f(key, value).map_err(Into::into))
    }

    fn flat_mapped<K2, V2, I>(
        self,
        name: Option<NodeName>,
        f: impl Fn(K, V) -> Result<I, ProcessorError> + Send + Sync + 'static,
    ) -> KStream<'b, K2, V2>
    where
        K2: Clone + 'static,
        V2: Clone + 'static,
        I: IntoIterator<Item = (K2, V2)> + 'static,
    {
        let template = flat_map::template(f);
        self.then(Step { name, prefix: flat_map::PREFIX, effect: Effect::ChangesKey, template })
    }

    /// Any number of values for each one, all with its key, time and headers. A null value is shown
    /// to the function where the type has it. Makes no topic and no store; nothing is repartitioned
    /// because of it.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let lines: KStream<'_, String, String> = builder.stream("lines");
    /// let words = |line: String| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    /// lines.flat_map_values(words).to("words");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("lines").pipe_all([("a", " "), ("b", "to be")])?;
    /// let words = driver.output::<String, String>("words").read_key_values()?;
    /// assert_eq!(words, [("b".to_owned(), "to".to_owned()), ("b".to_owned(), "be".to_owned())]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flat_map_values<V2, I>(
        self,
        f: impl Fn(V) -> I + Send + Sync + 'static,
    ) -> KStream<'b, K, V2>
    where
        V2: Clone + 'static,
        I: IntoIterator<Item = V2> + 'static,
    {
        self.values_flat_mapped(None, move |_, value| Ok(f(value)))
    }

    /// As [`flat_map_values`](Self::flat_map_values), with a name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// words.flat_map_values_with(|word| [word.clone(), word], Named::new("twice")).to("out");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("a", "x")?;
    /// assert_eq!(driver.output::<String, String>("out").read_values()?, ["x", "x"]);
    /// assert!(driver.describe().to_string().contains("Processor: twice (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flat_map_values_with<V2, I>(
        self,
        f: impl Fn(V) -> I + Send + Sync + 'static,
        named: Named,
    ) -> KStream<'b, K, V2>
    where
        V2: Clone + 'static,
        I: IntoIterator<Item = V2> + 'static,
    {
        self.values_flat_mapped(named.0, move |_, value| Ok(f(value)))
    }

    /// As [`flat_map_values`](Self::flat_map_values), by a function that sees the key too.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// words.flat_map_values_with_key(|key, word| [key.clone(), word]).to("out");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("a", "x")?;
    /// assert_eq!(driver.output::<String, String>("out").read_values()?, ["a", "x"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flat_map_values_with_key<V2, I>(
        self,
        f: impl Fn(&K, V) -> I + Send + Sync + 'static,
    ) -> KStream<'b, K, V2>
    where
        V2: Clone + 'static,
        I: IntoIterator<Item = V2> + 'static,
    {
        self.values_flat_mapped(None, move |key, value| Ok(f(key, value)))
    }

    /// As [`flat_map_values_with_key`](Self::flat_map_values_with_key), with a name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let both = |key: &String, word| [key.clone(), word];
    /// words.flat_map_values_with_key_with(both, Named::new("both")).to("out");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("a", "x")?;
    /// assert_eq!(driver.output::<String, String>("out").read_values()?, ["a", "x"]);
    /// assert!(driver.describe().to_string().contains("Processor: both (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flat_map_values_with_key_with<V2, I>(
        self,
        f: impl Fn(&K, V) -> I + Send + Sync + 'static,
        named: Named,
    ) -> KStream<'b, K, V2>
    where
        V2: Clone + 'static,
        I: IntoIterator<Item = V2> + 'static,
    {
        self.values_flat_mapped(named.0, move |key, value| Ok(f(key, value)))
    }

    /// As [`flat_map_values`](Self::flat_map_values), by a function that may fail; the processing
    /// handler says what becomes of the record.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let texts: KStream<'_, String, String> = builder.stream("texts");
    /// texts.try_flat_map_values(|text| text.parse::<i64>().map(|n| [n, -n])).to("out");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut texts = driver.input::<String, String>("texts");
    /// texts.pipe("a", "7")?;
    /// assert_eq!(driver.output::<String, i64>("out").read_values()?, [7, -7]);
    /// assert!(texts.pipe("a", "many").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_flat_map_values<V2, I, E>(
        self,
        f: impl Fn(V) -> Result<I, E> + Send + Sync + 'static,
    ) -> KStream<'b, K, V2>
    where
        V2: Clone + 'static,
        I: IntoIterator<Item = V2> + 'static,
        E: Into<ProcessorError>,
    {
        self.values_flat_mapped(None, move |_, value| f(value).map_err(Into::into))
    }

    /// As [`try_flat_map_values`](Self::try_flat_map_values), with a name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let texts: KStream<'_, String, String> = builder.stream("texts");
    /// let parse = |text: String| text.parse::<i64>().map(|number| [number]);
    /// texts.try_flat_map_values_with(parse, Named::new("parse")).to("numbers");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("texts").pipe("a", "7")?;
    /// assert_eq!(driver.output::<String, i64>("numbers").read_values()?, [7]);
    /// assert!(driver.describe().to_string().contains("Processor: parse (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_flat_map_values_with<V2, I, E>(
        self,
        f: impl Fn(V) -> Result<I, E> + Send + Sync + 'static,
        named: Named,
    ) -> KStream<'b, K, V2>
    where
        V2: Clone + 'static,
        I: IntoIterator<Item = V2> + 'static,
        E: Into<ProcessorError>,
    {
        self.values_flat_mapped(named.0, move |_, value| f(value).map_err(Into::into))
    }

    fn values_flat_mapped<V2, I>(
        self,
        name: Option<NodeName>,
        f: impl Fn(&K, V) -> Result<I, ProcessorError> + Send + Sync + 'static,
    ) -> KStream<'b, K, V2>
    where
        V2: Clone + 'static,
        I: IntoIterator<Item = V2> + 'static,
    {
        let (prefix, template) = (flat_map_values::PREFIX, flat_map_values::template(f));
        self.then(Step { name, prefix, effect: Effect::ChangesValue, template })
    }

    /// Another key for each record; value, time and headers stay. Nulls are shown to the function
    /// where the types have them, and an `Option` makes a key that may be null. Makes no topic and
    /// no store; a keyed operator behind it repartitions.
    ///
    /// ```
    /// # use streams_core::record::Record;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// words.select_key(|_, word| word.len() as i64).to("by-length");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let at = Timestamp::from_millis(7);
    /// driver.input::<String, String>("words").pipe_at("a", "seven", at)?;
    /// let word = driver.output::<i64, String>("by-length").read_record()?;
    /// assert_eq!(word, Record::new(5, "seven".to_owned(), at));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn select_key<K2: Clone + 'static>(
        self,
        f: impl Fn(&K, &V) -> K2 + Send + Sync + 'static,
    ) -> KStream<'b, K2, V> {
        self.rekeyed(None, move |key, value| Ok(f(key, value)))
    }

    /// As [`select_key`](Self::select_key), with a name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// words.select_key_with(|_, word| word.len() as i64, Named::new("length")).to("by-length");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("a", "seven")?;
    /// let first = driver.output::<i64, String>("by-length").read_key_value()?;
    /// assert_eq!(first, (5, "seven".to_owned()));
    /// assert!(driver.describe().to_string().contains("Processor: length (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn select_key_with<K2: Clone + 'static>(
        self,
        f: impl Fn(&K, &V) -> K2 + Send + Sync + 'static,
        named: Named,
    ) -> KStream<'b, K2, V> {
        self.rekeyed(named.0, move |key, value| Ok(f(key, value)))
    }

    /// As [`select_key`](Self::select_key), by a function that may fail; the processing handler says
    /// what becomes of the record.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let texts: KStream<'_, String, String> = builder.stream("texts");
    /// texts.try_select_key(|_, text| text.parse::<i64>()).to("by-number");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut texts = driver.input::<String, String>("texts");
    /// texts.pipe("a", "7")?;
    /// let first = driver.output::<i64, String>("by-number").read_key_value()?;
    /// assert_eq!(first, (7, "7".to_owned()));
    /// assert!(texts.pipe("b", "many").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_select_key<K2: Clone + 'static, E: Into<ProcessorError>>(
        self,
        f: impl Fn(&K, &V) -> Result<K2, E> + Send + Sync + 'static,
    ) -> KStream<'b, K2, V> {
        self.rekeyed(None, move |key, value| f(key, value).map_err(Into::into))
    }

    /// As [`try_select_key`](Self::try_select_key), with a name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let texts: KStream<'_, String, String> = builder.stream("texts");
    /// let number = |_: &String, text: &String| text.parse::<i64>();
    /// texts.try_select_key_with(number, Named::new("number")).to("by-number");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("texts").pipe("a", "7")?;
    /// let first = driver.output::<i64, String>("by-number").read_key_value()?;
    /// assert_eq!(first, (7, "7".to_owned()));
    /// assert!(driver.describe().to_string().contains("Processor: number (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_select_key_with<K2: Clone + 'static, E: Into<ProcessorError>>(
        self,
        f: impl Fn(&K, &V) -> Result<K2, E> + Send + Sync + 'static,
        named: Named,
    ) -> KStream<'b, K2, V> {
        self.rekeyed(named.0, move |key, value| f(key, value).map_err(Into::into))
    }

    pub(super) fn rekeyed<K2: Clone + 'static>(
        self,
        name: Option<NodeName>,
        f: impl Fn(&K, &V) -> Result<K2, ProcessorError> + Send + Sync + 'static,
    ) -> KStream<'b, K2, V> {
        let template = map::template(move |key: K, value: V| Ok((f(&key, &value)?, value)));
        let prefix = map::SELECT_KEY_PREFIX;
        self.then(Step { name, prefix, effect: Effect::ChangesKey, template })
    }
}
