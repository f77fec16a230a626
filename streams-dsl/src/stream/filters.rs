//! Leaving records out.

use streams_core::error::ProcessorError;
use streams_core::names::NodeName;

use super::{KStream, Step};
use crate::args::Named;
use crate::operators::filter;
use crate::plan::Effect;

impl<K: Clone + 'static, V: Clone + 'static> KStream<'_, K, V> {
    /// The records for which the predicate holds, each with its key, value, time and headers.
    /// Nulls, where the types have them, are shown to the predicate. Makes no topic and no store;
    /// nothing is repartitioned because of it.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// numbers.filter(|_, number| *number > 9).to("large");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe_all([("a", 7_i64), ("b", 12_i64)])?;
    /// assert_eq!(driver.output::<String, i64>("large").read_values()?, [12]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filter(self, predicate: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Self {
        self.filtered(None, move |key, value| Ok(predicate(key, value)))
    }

    /// As [`filter`](Self::filter), with a name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// numbers.filter_with(|_, number| *number > 9, Named::new("large-only")).to("large");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe_all([("a", 7), ("b", 12)])?;
    /// assert_eq!(driver.output::<String, i64>("large").read_values()?, [12]);
    /// assert!(driver.describe().to_string().contains("Processor: large-only (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filter_with(
        self,
        predicate: impl Fn(&K, &V) -> bool + Send + Sync + 'static,
        named: Named,
    ) -> Self {
        self.filtered(named.0, move |key, value| Ok(predicate(key, value)))
    }

    /// The records for which the predicate does not hold; otherwise as [`filter`](Self::filter):
    /// key, value, time and headers stay, and nulls are shown to the predicate.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let texts: KStream<'_, String, Option<String>> = builder.stream("texts");
    /// texts.filter_not(|_, text| text.is_none()).to("present");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut texts = driver.input::<String, String>("texts");
    /// texts.pipe("a", "x")?;
    /// texts.pipe_tombstone("a")?;
    /// assert_eq!(driver.output::<String, String>("present").read_values()?, ["x"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filter_not(self, predicate: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Self {
        self.filtered(None, move |key, value| Ok(!predicate(key, value)))
    }

    /// As [`filter_not`](Self::filter_not), with a name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// numbers.filter_not_with(|_, number| *number > 9, Named::new("small-only")).to("small");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe_all([("a", 7), ("b", 12)])?;
    /// assert_eq!(driver.output::<String, i64>("small").read_values()?, [7]);
    /// assert!(driver.describe().to_string().contains("Processor: small-only (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filter_not_with(
        self,
        predicate: impl Fn(&K, &V) -> bool + Send + Sync + 'static,
        named: Named,
    ) -> Self {
        self.filtered(named.0, move |key, value| Ok(!predicate(key, value)))
    }

    /// As [`filter`](Self::filter), by a predicate that may fail; the processing handler says what
    /// becomes of the record.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let texts: KStream<'_, String, String> = builder.stream("texts");
    /// texts.try_filter(|_, text| text.parse::<i64>().map(|number| number > 9)).to("large");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut texts = driver.input::<String, String>("texts");
    /// texts.pipe_all([("a", "7"), ("b", "12")])?;
    /// assert_eq!(driver.output::<String, String>("large").read_values()?, ["12"]);
    /// assert!(texts.pipe("c", "many").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_filter<E: Into<ProcessorError>>(
        self,
        predicate: impl Fn(&K, &V) -> Result<bool, E> + Send + Sync + 'static,
    ) -> Self {
        self.filtered(None, move |key, value| predicate(key, value).map_err(Into::into))
    }

    /// As [`try_filter`](Self::try_filter), with a name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let texts: KStream<'_, String, String> = builder.stream("texts");
    /// let is_large = |_: &String, text: &String| text.parse::<i64>().map(|number| number > 9);
    /// texts.try_filter_with(is_large, Named::new("large-only")).to("large");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("texts").pipe_all([("a", "7"), ("b", "12")])?;
    /// assert_eq!(driver.output::<String, String>("large").read_values()?, ["12"]);
    /// assert!(driver.describe().to_string().contains("Processor: large-only (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_filter_with<E: Into<ProcessorError>>(
        self,
        predicate: impl Fn(&K, &V) -> Result<bool, E> + Send + Sync + 'static,
        named: Named,
    ) -> Self {
        self.filtered(named.0, move |key, value| predicate(key, value).map_err(Into::into))
    }

    /// As [`filter_not`](Self::filter_not), by a predicate that may fail; see
    /// [`try_filter`](Self::try_filter).
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use streams_core::handler::{Handlers, LogAndSkip};
    /// # use streams_core::metrics::DropReason;
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let texts: KStream<'_, String, String> = builder.stream("texts");
    /// texts.try_filter_not(|_, text| text.parse::<i64>().map(|number| number > 9)).to("small");
    ///
    /// let skip = Handlers { processing: Arc::new(LogAndSkip), ..Handlers::default() };
    /// let driver = TopologyTestDriver::builder(&builder.build()?).handlers(skip).build()?;
    /// let mut texts = driver.input::<String, String>("texts");
    /// texts.pipe_all([("a", "7"), ("b", "many"), ("c", "12")])?;
    /// assert_eq!(driver.output::<String, String>("small").read_values()?, ["7"]);
    /// assert_eq!(driver.dropped().of(DropReason::ProcessingFailed), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_filter_not<E: Into<ProcessorError>>(
        self,
        predicate: impl Fn(&K, &V) -> Result<bool, E> + Send + Sync + 'static,
    ) -> Self {
        self.try_filter(move |key, value| predicate(key, value).map(|holds| !holds))
    }

    /// As [`try_filter_not`](Self::try_filter_not), with a name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let texts: KStream<'_, String, String> = builder.stream("texts");
    /// let is_large = |_: &String, text: &String| text.parse::<i64>().map(|number| number > 9);
    /// texts.try_filter_not_with(is_large, Named::new("small-only")).to("small");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("texts").pipe_all([("a", "7"), ("b", "12")])?;
    /// assert_eq!(driver.output::<String, String>("small").read_values()?, ["7"]);
    /// assert!(driver.describe().to_string().contains("Processor: small-only (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_filter_not_with<E: Into<ProcessorError>>(
        self,
        predicate: impl Fn(&K, &V) -> Result<bool, E> + Send + Sync + 'static,
        named: Named,
    ) -> Self {
        self.try_filter_with(move |key, value| predicate(key, value).map(|holds| !holds), named)
    }

    fn filtered(
        self,
        name: Option<NodeName>,
        holds: impl Fn(&K, &V) -> Result<bool, ProcessorError> + Send + Sync + 'static,
    ) -> Self {
        let template = filter::template(holds);
        self.then(Step { name, prefix: filter::PREFIX, effect: Effect::None, template })
    }
}
