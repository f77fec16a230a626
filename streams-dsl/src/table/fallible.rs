//! Operators of tables whose functions may fail. What is left out then is the whole change: rows that
//! are stored stay as they were.

use streams_core::error::ProcessorError;

use super::KTable;
use crate::args::{Derived, Grouped};
use crate::grouped_table::KGroupedTable;
use crate::null::{OrNull, try_into_plain};

impl<'b, K: Clone + 'static, V: Clone + 'static> KTable<'b, K, V> {
    /// As [`filter`](Self::filter), by a predicate that may fail; the processing handler says what
    /// becomes of the change.
    ///
    /// One that is left out changes nothing: a row of the result that is stored stays as it was.
    /// Without a store, an operator that needs the value before, or reads the table from beside as a
    /// join does, has the predicate asked again, and it may fail there too.
    ///
    /// ```
    /// # use streams_dsl::{KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let texts: KTable<'_, String, String> = builder.table("texts");
    /// let large = texts.try_filter(|_, text| text.parse::<i64>().map(|number| number > 9));
    /// large.to_stream().to("large");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut texts = driver.input::<String, String>("texts");
    /// texts.pipe_all([("a", "12"), ("a", "7")])?;
    /// let large = driver.output::<String, Option<String>>("large").read_values()?;
    /// assert_eq!(large, [Some("12".to_owned()), None]);
    /// assert!(texts.pipe("a", "many").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_filter<E: Into<ProcessorError>>(
        self,
        predicate: impl Fn(&K, &V) -> Result<bool, E> + Send + Sync + 'static,
    ) -> Self {
        self.try_filter_with(predicate, Derived::default())
    }

    /// As [`try_filter`](Self::try_filter), with a name or a store.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use streams_core::handler::{Handlers, LogAndSkip};
    /// # use streams_dsl::{KTable, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let texts: KTable<'_, String, String> = builder.table("texts");
    /// let is_large = |_: &String, text: &String| text.parse::<i64>().map(|number| number > 9);
    /// let _ = texts.try_filter_with(is_large, Materialized::named("large"));
    ///
    /// let skip = Handlers { processing: Arc::new(LogAndSkip), ..Handlers::default() };
    /// let driver = TopologyTestDriver::builder(&builder.build()?).handlers(skip).build()?;
    /// driver.input::<String, String>("texts").pipe_all([("a", "12"), ("a", "many")])?;
    /// let large = driver.key_values::<String, String>("large")?.all()?;
    /// assert_eq!(large, [("a".to_owned(), "12".to_owned())]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_filter_with<E: Into<ProcessorError>>(
        self,
        predicate: impl Fn(&K, &V) -> Result<bool, E> + Send + Sync + 'static,
        derived: impl Into<Derived<K, V>>,
    ) -> Self {
        let holds = move |key: &K, value: &V| predicate(key, value).map_err(Into::into);
        self.filtered(holds, derived.into())
    }

    /// As [`filter_not`](Self::filter_not), by a predicate that may fail; see
    /// [`try_filter`](Self::try_filter).
    ///
    /// ```
    /// # use streams_dsl::{KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let texts: KTable<'_, String, String> = builder.table("texts");
    /// let small = texts.try_filter_not(|_, text| text.parse::<i64>().map(|number| number > 9));
    /// small.to_stream().to("small");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut texts = driver.input::<String, String>("texts");
    /// texts.pipe("a", "7")?;
    /// assert_eq!(driver.output::<String, String>("small").read_values()?, ["7"]);
    /// assert!(texts.pipe("a", "many").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_filter_not<E: Into<ProcessorError>>(
        self,
        predicate: impl Fn(&K, &V) -> Result<bool, E> + Send + Sync + 'static,
    ) -> Self {
        self.try_filter_not_with(predicate, Derived::default())
    }

    /// As [`try_filter_not`](Self::try_filter_not), with a name or a store.
    ///
    /// ```
    /// # use streams_dsl::{KTable, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let texts: KTable<'_, String, String> = builder.table("texts");
    /// let is_large = |_: &String, text: &String| text.parse::<i64>().map(|number| number > 9);
    /// texts.try_filter_not_with(is_large, Named::new("small-only")).to_stream().to("small");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("texts").pipe("a", "7")?;
    /// assert_eq!(driver.output::<String, String>("small").read_values()?, ["7"]);
    /// assert!(driver.describe().to_string().contains("Processor: small-only (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_filter_not_with<E: Into<ProcessorError>>(
        self,
        predicate: impl Fn(&K, &V) -> Result<bool, E> + Send + Sync + 'static,
        derived: impl Into<Derived<K, V>>,
    ) -> Self {
        self.try_filter_with(move |key, value| predicate(key, value).map(|holds| !holds), derived)
    }

    /// As [`map_values`](Self::map_values), by a function that may fail; the processing handler says
    /// what becomes of the change, as of one of [`try_filter`](Self::try_filter).
    ///
    /// ```
    /// # use streams_dsl::{KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let texts: KTable<'_, String, String> = builder.table("texts");
    /// let numbers = texts.try_map_values::<i64, _, _>(|text| text.parse::<i64>());
    /// numbers.to_stream().to("numbers");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut texts = driver.input::<String, String>("texts");
    /// texts.pipe("a", "7")?;
    /// assert_eq!(driver.output::<String, i64>("numbers").read_values()?, [7]);
    /// assert!(texts.pipe("a", "many").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_map_values<N, R, E>(
        self,
        f: impl Fn(V) -> Result<R, E> + Send + Sync + 'static,
    ) -> KTable<'b, K, N>
    where
        R: OrNull<N>,
        N: Clone + 'static,
        E: Into<ProcessorError>,
    {
        self.try_map_values_with(f, Derived::default())
    }

    /// As [`try_map_values`](Self::try_map_values), with a name or a store.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use streams_core::handler::{Handlers, LogAndSkip};
    /// # use streams_dsl::{KTable, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let texts: KTable<'_, String, String> = builder.table("texts");
    /// let stored = Materialized::<String, i64>::named("numbers");
    /// let _ = texts.try_map_values_with(|text| text.parse::<i64>(), stored);
    ///
    /// let skip = Handlers { processing: Arc::new(LogAndSkip), ..Handlers::default() };
    /// let driver = TopologyTestDriver::builder(&builder.build()?).handlers(skip).build()?;
    /// driver.input::<String, String>("texts").pipe_all([("a", "7"), ("a", "many")])?;
    /// assert_eq!(driver.key_values::<String, i64>("numbers")?.get(&"a".to_owned())?, Some(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_map_values_with<N, R, E>(
        self,
        f: impl Fn(V) -> Result<R, E> + Send + Sync + 'static,
        derived: impl Into<Derived<K, N>>,
    ) -> KTable<'b, K, N>
    where
        R: OrNull<N>,
        N: Clone + 'static,
        E: Into<ProcessorError>,
    {
        let f = move |_: &K, value| try_into_plain(f(value));
        self.values_mapped(f, derived.into())
    }

    /// As [`group_by_with`](Self::group_by_with), by a function that may fail; the processing
    /// handler says what becomes of the change. One that is left out is neither added to a group nor
    /// taken from one.
    ///
    /// ```
    /// # use streams_dsl::{Grouped, KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let texts: KTable<'_, String, String> = builder.table("texts");
    /// let by_tens = |_: &String, text: String| text.parse::<i64>().map(|n| (n / 10, text));
    /// texts.try_group_by(by_tens, Grouped::new()).count().to_stream().to("counts");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut texts = driver.input::<String, String>("texts");
    /// texts.pipe_all([("a", "12"), ("b", "17")])?;
    /// assert_eq!(driver.output::<i64, i64>("counts").read_map()?[&1], 2);
    /// assert!(texts.pipe("c", "many").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_group_by<K2, V2, S, E>(
        self,
        selector: impl Fn(&K, V) -> Result<(S, V2), E> + Send + Sync + 'static,
        grouped: Grouped<K2, V2>,
    ) -> KGroupedTable<'b, K2, V2>
    where
        S: OrNull<K2>,
        K2: Clone + PartialEq + 'static,
        V2: Clone + 'static,
        E: Into<ProcessorError>,
    {
        self.grouped(move |key, value| selector(key, value).map_err(Into::into), grouped)
    }
}
