//! How a stream is repartitioned before a join.

use std::fmt;
use std::time::Duration;

use streams_core::names::NodeName;
use streams_core::serde::DefaultSerde;

use super::serdes::by_serdes;
use super::{Named, Serdes};

/// How the records of a stream are written to a repartition topic before a join with a table, where
/// one is needed, and the name of the join. Answers to Kafka's `Joined`.
///
/// `K` is the plain key; `V` is the stream's value, which may be an `Option`.
///
/// ```
/// use streams_dsl::Joined;
///
/// let joined = Joined::<String, i64>::named("with-prices");
/// assert!(format!("{joined:?}").contains("with-prices"));
/// ```
pub struct Joined<K, V> {
    pub(crate) name: Option<NodeName>,
    pub(crate) serdes: Serdes<K, V>,
    pub(crate) grace: Option<Duration>,
}

impl<K, V> Joined<K, V> {
    const fn of(serdes: Serdes<K, V>) -> Self {
        Self { name: None, serdes, grace: None }
    }

    /// The default serdes, and this name.
    ///
    /// ```
    /// # use streams_dsl::{Joined, KStream, KTable, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let orders: KStream<'_, String, i64> = builder.stream("orders");
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let by_kind = orders.select_key(|kind, _| kind.to_lowercase());
    /// let joined = Joined::named("priced");
    /// by_kind.join_table_with(prices, |amount: &i64, price| amount * price, joined).to("totals");
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Processor: priced (stores: [prices-STATE-STORE-0000000001])"));
    /// assert!(text.contains("Sink: priced-repartition-sink (topic: priced-repartition)"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn named(name: impl Into<NodeName>) -> Self
    where
        K: DefaultSerde,
        V: DefaultSerde,
    {
        Self::new().with_name(name)
    }

    /// The join's node has this name, and the repartition topic is
    /// `<application id>-<name>-repartition`.
    ///
    /// ```
    /// # use streams_core::serde::{Number, Utf8};
    /// # use streams_dsl::{Joined, KStream, KTable, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let orders: KStream<'_, String, i64> = builder.stream("orders");
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let joined = Joined::with_serdes(Utf8, Number).with_name("priced");
    /// orders.join_table_with(prices, |amount, price| amount * price, joined).to("totals");
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Processor: priced "));
    /// assert!(!text.contains("repartition"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_name(self, name: impl Into<Named>) -> Self {
        Self { name: name.into().0, ..self }
    }

    /// A record of the stream waits until a record that is later by `grace` has come, so that the
    /// table can catch up; it is then joined with the row as it was at its own time. A record that
    /// comes after that is joined at once. The table must be
    /// [versioned](crate::Materialized::versioned), with a history of at least `grace`. Answers to
    /// Kafka's `withGracePeriod` (KIP-923).
    ///
    /// The store of those that wait is called `<name>-Buffer`, after the join's node; its changelog
    /// is `<application id>-<name>-Buffer-changelog`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{Consumed, Joined, KStream, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let history = Materialized::named("prices").versioned(Duration::from_secs(60));
    /// let prices = builder.table_with::<String, i64>("prices", Consumed::new(), history);
    /// let orders: KStream<'_, String, i64> = builder.stream("orders");
    /// let joined = Joined::new().with_grace_period(Duration::from_millis(10));
    /// orders.join_table_with(prices, |amount, price| amount * price, joined).to("totals");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut orders = driver.input::<String, i64>("orders");
    /// let at = Timestamp::from_millis;
    /// orders.pipe_at("pear", 2, at(20))?;
    /// driver.input::<String, i64>("prices").pipe_at("pear", 5, at(15))?;
    /// assert!(driver.output::<String, i64>("totals").is_empty());
    /// orders.pipe_at("plum", 1, at(30))?;
    /// assert_eq!(driver.output::<String, i64>("totals").read_values()?, [10]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_grace_period(self, grace: Duration) -> Self {
        Self { grace: Some(grace), ..self }
    }
}

by_serdes! {
    Joined:
    /// The default serdes of the types, and a generated name.
    ///
    /// ```
    /// # use streams_dsl::{Joined, KStream, KTable, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let orders: KStream<'_, String, i64> = builder.stream("orders");
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let total = |amount: &i64, price: &i64| amount * price;
    /// orders.join_table_with(prices, total, Joined::new()).to("totals");
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Processor: KSTREAM-JOIN-0000000004 "), "{text}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    new,
    /// These serdes, and a generated name. They are used where the stream is repartitioned, and
    /// for what waits in a grace period.
    ///
    /// ```
    /// # use streams_core::serde::{Json, Utf8};
    /// # use streams_dsl::{Joined, KStream, KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let lines: KStream<'_, String, String> = builder.stream("lines");
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let lists = lines.map(|_, line| (line.clone(), vec![line]));
    /// let joined = Joined::with_serdes(Utf8, Json::new()).with_name("priced");
    /// let price = |_: &Vec<String>, price: &i64| *price;
    /// lists.join_table_with(prices, price, joined).to("prices-of-lists");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("prices").pipe("pear", 5)?;
    /// driver.input::<String, String>("lines").pipe("a", "pear")?;
    /// assert_eq!(driver.output::<String, i64>("prices-of-lists").read_values()?, [5]);
    /// let sent = driver.produced("topology-test-driver-priced-repartition");
    /// assert_eq!(sent[0].value.as_deref(), Some(&br#"["pear"]"#[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    with_serdes,
    /// As [`with_serdes`](Self::with_serdes), with serdes that others use too.
    ///
    /// ```
    /// # use streams_core::serde::DefaultSerde;
    /// # use streams_dsl::{Joined, KStream, KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let orders: KStream<'_, String, i64> = builder.stream("orders");
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let joined = Joined::with_shared_serdes(String::serde(), i64::serde());
    /// orders.join_table_with(prices, |amount, price| amount * price, joined).to("totals");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("prices").pipe("pear", 5)?;
    /// driver.input::<String, i64>("orders").pipe("pear", 2)?;
    /// assert_eq!(driver.output::<String, i64>("totals").read_values()?, [10]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    with_shared_serdes,
}

impl<K, V> Clone for Joined<K, V> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), serdes: self.serdes.clone(), grace: self.grace }
    }
}

impl<K, V> fmt::Debug for Joined<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined")
            .field("name", &self.name)
            .field("grace", &self.grace)
            .finish_non_exhaustive()
    }
}
