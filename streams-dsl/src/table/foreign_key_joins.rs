//! Joins of two tables by a foreign key.

use streams_core::error::ProcessorError;
use streams_core::serde::DefaultSerde;
use streams_core::topology::TopologyError;

use super::KTable;
use super::foreign_key_nodes::{Functions, Given, result};
use crate::args::{Materialized, TableJoined};
use crate::null::{OrNull, try_into_plain};
use crate::operators::table_join::Need;

impl<'b, K: Clone + 'static, V: Clone + 'static> KTable<'b, K, V> {
    /// The table of this table's keys, each with what `joiner` makes of its value and of the row of
    /// the other table that the value refers to: `extractor` gives that row's key. Many rows may
    /// refer to one. A row that refers to nothing, or to a row that is not there, is not in the
    /// result. A `None` of the extractor is counted as dropped; a `None` of the joiner deletes.
    ///
    /// A change of either table changes the result. Its time is the later one of the two rows' when
    /// this table changed, and the other row's when that did; its headers are those of the change.
    /// A deletion may come for a row that never was.
    ///
    /// The tables may have different numbers of partitions. They get stores, if they come from
    /// topics. The join makes the topics `<application
    /// id>-KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-<number>-topic` and `<application
    /// id>-KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-<number>-topic`, and the store
    /// `KTABLE-FK-JOIN-SUBSCRIPTION-STATE-STORE-<number>` with the changelog `<application
    /// id>-<store>-changelog`; a name that is given takes the place of the generated ones
    /// ([`TableJoined::with_name`]). Bytes of all are Kafka's. The result has a store if it is
    /// given one, or if an operator needs its rows.
    ///
    /// ```
    /// # use streams_dsl::{KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let books: KTable<'_, String, String> = builder.table("author-of-book");
    /// let authors: KTable<'_, String, String> = builder.table("country-of-author");
    /// let countries = books.foreign_key_join(
    ///     authors,
    ///     |author| author.clone(),
    ///     |author: &String, country: &String| format!("{author} of {country}"),
    /// );
    /// assert_eq!(countries.store_name(), None);
    /// countries.to_stream().to("books");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("country-of-author").pipe("Ibsen", "Norway")?;
    /// driver.input::<String, String>("author-of-book").pipe("Peer Gynt", "Ibsen")?;
    /// let books = driver.output::<String, Option<String>>("books").read_map()?;
    /// assert_eq!(books["Peer Gynt"].as_deref(), Some("Ibsen of Norway"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn foreign_key_join<KO, VO, N, F, R>(
        self,
        other: KTable<'b, KO, VO>,
        extractor: impl Fn(&V) -> F + Send + Sync + 'static,
        joiner: impl Fn(&V, &VO) -> R + Send + Sync + 'static,
    ) -> KTable<'b, K, N>
    where
        K: DefaultSerde,
        V: DefaultSerde,
        KO: DefaultSerde + Clone,
        VO: DefaultSerde + Clone,
        N: DefaultSerde + Clone,
        F: OrNull<KO>,
        R: OrNull<N>,
    {
        let (joined, stored) = (TableJoined::new(), Materialized::new());
        self.foreign_key_join_with(other, extractor, joiner, joined, stored)
    }

    /// As [`foreign_key_join`](Self::foreign_key_join), with a name, serdes or
    /// partitioners, and a store for the result.
    ///
    /// ```
    /// # use streams_dsl::{KTable, Materialized, StreamsBuilder, TableJoined};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let books: KTable<'_, String, String> = builder.table("author-of-book");
    /// # let authors: KTable<'_, String, String> = builder.table("country-of-author");
    /// let author = |author: &String| author.clone();
    /// let land = |_: &String, country: &String| country.clone();
    /// let stored = Materialized::<String, String>::named("lands");
    /// let joined = TableJoined::named("land");
    /// let _ = books.foreign_key_join_with(authors, author, land, joined, stored);
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("country-of-author").pipe("Ibsen", "Norway")?;
    /// driver.input::<String, String>("author-of-book").pipe("Brand", "Ibsen")?;
    /// let lands = driver.key_values::<String, String>("lands")?;
    /// assert_eq!(lands.get(&"Brand".to_owned())?.as_deref(), Some("Norway"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn foreign_key_join_with<KO, VO, N, F, R>(
        self,
        other: KTable<'b, KO, VO>,
        extractor: impl Fn(&V) -> F + Send + Sync + 'static,
        joiner: impl Fn(&V, &VO) -> R + Send + Sync + 'static,
        joined: TableJoined<K, V, KO, VO>,
        materialized: Materialized<K, N>,
    ) -> KTable<'b, K, N>
    where
        KO: Clone + 'static,
        VO: Clone + 'static,
        N: Clone + 'static,
        F: OrNull<KO>,
        R: OrNull<N>,
    {
        let extractor = move |_: &K, value: &V| extractor(value);
        self.foreign_key_join_with_key_with(other, extractor, joiner, joined, materialized)
    }

    /// As [`foreign_key_join`](Self::foreign_key_join), by an extractor that sees the key too.
    ///
    /// ```
    /// # use streams_core::metrics::DropReason;
    /// # use streams_dsl::{KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let sales: KTable<'_, String, i64> = builder.table("sales");
    /// # let shops: KTable<'_, String, String> = builder.table("shops");
    /// // A sale is called after its shop: `oslo-17`.
    /// let shop = |sale: &String, _: &i64| sale.split_once('-').map(|(shop, _)| shop.to_owned());
    /// let line = |price: &i64, owner: &String| format!("{price} for {owner}");
    /// let lines = sales.foreign_key_join_with_key::<String, _, String, _, _>(shops, shop, line);
    /// lines.to_stream().to("lines");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("shops").pipe("oslo", "ann")?;
    /// driver.input::<String, i64>("sales").pipe_all([("oslo-17", 5), ("17", 5)])?;
    /// let lines = driver.output::<String, Option<String>>("lines").read_map()?;
    /// assert_eq!(lines["oslo-17"].as_deref(), Some("5 for ann"));
    /// assert_eq!(driver.dropped().of(DropReason::NullKey), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn foreign_key_join_with_key<KO, VO, N, F, R>(
        self,
        other: KTable<'b, KO, VO>,
        extractor: impl Fn(&K, &V) -> F + Send + Sync + 'static,
        joiner: impl Fn(&V, &VO) -> R + Send + Sync + 'static,
    ) -> KTable<'b, K, N>
    where
        K: DefaultSerde,
        V: DefaultSerde,
        KO: DefaultSerde + Clone,
        VO: DefaultSerde + Clone,
        N: DefaultSerde + Clone,
        F: OrNull<KO>,
        R: OrNull<N>,
    {
        let (joined, stored) = (TableJoined::new(), Materialized::new());
        self.foreign_key_join_with_key_with(other, extractor, joiner, joined, stored)
    }

    /// As [`foreign_key_join_with_key`](Self::foreign_key_join_with_key), with a name, serdes or
    /// partitioners, and a store for the result.
    ///
    /// ```
    /// # use streams_dsl::{KTable, Materialized, StreamsBuilder, TableJoined};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let sales: KTable<'_, String, String> = builder.table("sales");
    /// # let shops: KTable<'_, String, String> = builder.table("shops");
    /// let shop = |sale: &String, _: &String| sale.clone();
    /// let owner = |_: &String, owner: &String| owner.clone();
    /// let stored = Materialized::<String, String>::named("owners");
    /// let joined = TableJoined::named("owner");
    /// let owners = sales.foreign_key_join_with_key_with(shops, shop, owner, joined, stored);
    /// assert_eq!(owners.store_name(), Some("owners".into()));
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("shops").pipe("pear-1", "Ann")?;
    /// driver.input::<String, String>("sales").pipe("pear-1", "3 pieces")?;
    /// let owners = driver.key_values::<String, String>("owners")?;
    /// assert_eq!(owners.get(&"pear-1".to_owned())?.as_deref(), Some("Ann"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn foreign_key_join_with_key_with<KO, VO, N, F, R>(
        self,
        other: KTable<'b, KO, VO>,
        extractor: impl Fn(&K, &V) -> F + Send + Sync + 'static,
        joiner: impl Fn(&V, &VO) -> R + Send + Sync + 'static,
        joined: TableJoined<K, V, KO, VO>,
        materialized: Materialized<K, N>,
    ) -> KTable<'b, K, N>
    where
        KO: Clone + 'static,
        VO: Clone + 'static,
        N: Clone + 'static,
        F: OrNull<KO>,
        R: OrNull<N>,
    {
        let extractor = move |key: &K, value: &V| Ok::<_, ProcessorError>(extractor(key, value));
        let joiner = move |value: &V, other: &VO| Ok::<_, ProcessorError>(joiner(value, other));
        self.try_foreign_key_join(other, extractor, joiner, joined, materialized)
    }

    /// As [`foreign_key_join_with_key_with`](Self::foreign_key_join_with_key_with), by an extractor
    /// and a joiner that may fail; the processing handler says what becomes of the change. One whose
    /// extractor fails leaves the row subscribed as it was, one whose joiner fails leaves the result.
    ///
    /// ```
    /// # use streams_core::error::ProcessorError;
    /// # use streams_dsl::{KTable, Materialized, StreamsBuilder, TableJoined};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let orders: KTable<'_, String, String> = builder.table("orders");
    /// let customers: KTable<'_, i64, String> = builder.table("customers");
    /// // `7: pears` is what customer 7 has ordered.
    /// let customer = |_: &String, order: &String| -> Result<i64, ProcessorError> {
    ///     Ok(order.split_once(':').ok_or("no customer")?.0.parse()?)
    /// };
    /// let line = |order: &String, name: &String| Ok::<_, ProcessorError>(format!("{order} ({name})"));
    /// let (joined, stored) = (TableJoined::new(), Materialized::<String, String>::named("lines"));
    /// let _ = orders.try_foreign_key_join(customers, customer, line, joined, stored);
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<i64, String>("customers").pipe(7, "ann")?;
    /// let mut orders = driver.input::<String, String>("orders");
    /// orders.pipe("1", "7: pears")?;
    /// let lines = driver.key_values::<String, String>("lines")?;
    /// assert_eq!(lines.get(&"1".to_owned())?.as_deref(), Some("7: pears (ann)"));
    /// assert!(orders.pipe("2", "seven: plums").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_foreign_key_join<KO, VO, N, F, R, E, G>(
        self,
        other: KTable<'b, KO, VO>,
        extractor: impl Fn(&K, &V) -> Result<F, E> + Send + Sync + 'static,
        joiner: impl Fn(&V, &VO) -> Result<R, G> + Send + Sync + 'static,
        joined: TableJoined<K, V, KO, VO>,
        materialized: Materialized<K, N>,
    ) -> KTable<'b, K, N>
    where
        KO: Clone + 'static,
        VO: Clone + 'static,
        N: Clone + 'static,
        F: OrNull<KO>,
        R: OrNull<N>,
        E: Into<ProcessorError>,
        G: Into<ProcessorError>,
    {
        let functions = Functions {
            extract: move |key: &K, value: &V| try_into_plain(extractor(key, value)),
            foreign: Need::Required,
            joiner: move |value: &V, other: Option<&VO>| {
                let Some(other) = other else { return Ok(None) };
                try_into_plain(joiner(value, other))
            },
        };
        self.joined_by_foreign_key(other, functions, joined, materialized)
    }

    /// The table of this table's keys, each with what `joiner` makes of its value and of the row of
    /// the other table that the value refers to, `None` where that row, or the reference to it, is
    /// missing: `extractor` gives that row's key. Many rows may refer to one. A `None` of the
    /// extractor is no reference, and not counted; a `None` of the joiner deletes, also a row that
    /// never was. A row that leaves this table leaves the result.
    ///
    /// A change of either table changes the result. Its time is the later one of the two rows' when
    /// this table changed, or this row's alone, and the other row's when that did; its headers are
    /// those of the change.
    ///
    /// The tables may have different numbers of partitions. They get stores, if they come from
    /// topics. The join makes the topics `<application
    /// id>-KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-<number>-topic` and `<application
    /// id>-KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-<number>-topic`, and the store
    /// `KTABLE-FK-JOIN-SUBSCRIPTION-STATE-STORE-<number>` with the changelog `<application
    /// id>-<store>-changelog`; a name that is given takes the place of the generated ones
    /// ([`TableJoined::with_name`]). Bytes of all are Kafka's. The result has a store if it is
    /// given one, or if an operator needs its rows.
    ///
    /// ```
    /// # use streams_dsl::{KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let books: KTable<'_, String, String> = builder.table("author-of-book");
    /// let authors: KTable<'_, String, String> = builder.table("country-of-author");
    /// let countries = books.foreign_key_left_join(
    ///     authors,
    ///     |author| author.clone(),
    ///     |_: &String, country: Option<&String>| country.map_or("?".to_owned(), String::clone),
    /// );
    /// countries.to_stream().to("books");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("author-of-book").pipe("Hamlet", "Shakespeare")?;
    /// let books = driver.output::<String, Option<String>>("books").read_map()?;
    /// assert_eq!(books["Hamlet"].as_deref(), Some("?"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn foreign_key_left_join<KO, VO, N, F, R>(
        self,
        other: KTable<'b, KO, VO>,
        extractor: impl Fn(&V) -> F + Send + Sync + 'static,
        joiner: impl Fn(&V, Option<&VO>) -> R + Send + Sync + 'static,
    ) -> KTable<'b, K, N>
    where
        K: DefaultSerde,
        V: DefaultSerde,
        KO: DefaultSerde + Clone,
        VO: DefaultSerde + Clone,
        N: DefaultSerde + Clone,
        F: OrNull<KO>,
        R: OrNull<N>,
    {
        let (joined, stored) = (TableJoined::new(), Materialized::new());
        self.foreign_key_left_join_with(other, extractor, joiner, joined, stored)
    }

    /// As [`foreign_key_left_join`](Self::foreign_key_left_join), with a name, serdes or
    /// partitioners, and a store for the result.
    ///
    /// ```
    /// # use streams_dsl::{KTable, Materialized, StreamsBuilder, TableJoined};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let books: KTable<'_, String, String> = builder.table("author-of-book");
    /// # let authors: KTable<'_, String, String> = builder.table("country-of-author");
    /// let author = |author: &String| author.clone();
    /// let land = |_: &String, land: Option<&String>| land.cloned().unwrap_or("?".to_owned());
    /// let stored = Materialized::<String, String>::named("lands");
    /// let joined = TableJoined::named("land");
    /// let _ = books.foreign_key_left_join_with(authors, author, land, joined, stored);
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("author-of-book").pipe("Brand", "Ibsen")?;
    /// let lands = driver.key_values::<String, String>("lands")?;
    /// assert_eq!(lands.get(&"Brand".to_owned())?.as_deref(), Some("?"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn foreign_key_left_join_with<KO, VO, N, F, R>(
        self,
        other: KTable<'b, KO, VO>,
        extractor: impl Fn(&V) -> F + Send + Sync + 'static,
        joiner: impl Fn(&V, Option<&VO>) -> R + Send + Sync + 'static,
        joined: TableJoined<K, V, KO, VO>,
        materialized: Materialized<K, N>,
    ) -> KTable<'b, K, N>
    where
        KO: Clone + 'static,
        VO: Clone + 'static,
        N: Clone + 'static,
        F: OrNull<KO>,
        R: OrNull<N>,
    {
        let extractor = move |_: &K, value: &V| extractor(value);
        self.foreign_key_left_join_with_key_with(other, extractor, joiner, joined, materialized)
    }

    /// As [`foreign_key_left_join`](Self::foreign_key_left_join), by an extractor that sees the key
    /// too.
    ///
    /// ```
    /// # use streams_dsl::{KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let sales: KTable<'_, String, i64> = builder.table("sales");
    /// # let shops: KTable<'_, String, String> = builder.table("shops");
    /// let shop = |sale: &String, _: &i64| sale.split_once('-').map(|(shop, _)| shop.to_owned());
    /// let line = |price: &i64, owner: Option<&String>| format!("{price} for {owner:?}");
    /// sales
    ///     .foreign_key_left_join_with_key::<String, _, String, _, _>(shops, shop, line)
    ///     .to_stream()
    ///     .to("lines");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("sales").pipe("17", 5)?;
    /// let lines = driver.output::<String, Option<String>>("lines").read_map()?;
    /// assert_eq!(lines["17"].as_deref(), Some("5 for None"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn foreign_key_left_join_with_key<KO, VO, N, F, R>(
        self,
        other: KTable<'b, KO, VO>,
        extractor: impl Fn(&K, &V) -> F + Send + Sync + 'static,
        joiner: impl Fn(&V, Option<&VO>) -> R + Send + Sync + 'static,
    ) -> KTable<'b, K, N>
    where
        K: DefaultSerde,
        V: DefaultSerde,
        KO: DefaultSerde + Clone,
        VO: DefaultSerde + Clone,
        N: DefaultSerde + Clone,
        F: OrNull<KO>,
        R: OrNull<N>,
    {
        let (joined, stored) = (TableJoined::new(), Materialized::new());
        self.foreign_key_left_join_with_key_with(other, extractor, joiner, joined, stored)
    }

    /// As [`foreign_key_left_join_with_key`](Self::foreign_key_left_join_with_key), with a name,
    /// serdes or partitioners, and a store for the result.
    ///
    /// ```
    /// # use streams_dsl::{KTable, Materialized, StreamsBuilder, TableJoined};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let sales: KTable<'_, String, String> = builder.table("sales");
    /// # let shops: KTable<'_, String, String> = builder.table("shops");
    /// let shop = |sale: &String, _: &String| sale.clone();
    /// let owner = |_: &String, owner: Option<&String>| owner.cloned().unwrap_or_default();
    /// let stored = Materialized::<String, String>::named("owners");
    /// let joined = TableJoined::named("owner");
    /// let owners = sales.foreign_key_left_join_with_key_with(shops, shop, owner, joined, stored);
    /// assert_eq!(owners.store_name(), Some("owners".into()));
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("shops").pipe("pear-1", "Ann")?;
    /// driver.input::<String, String>("sales").pipe("pear-1", "3 pieces")?;
    /// let owners = driver.key_values::<String, String>("owners")?;
    /// assert_eq!(owners.get(&"pear-1".to_owned())?.as_deref(), Some("Ann"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn foreign_key_left_join_with_key_with<KO, VO, N, F, R>(
        self,
        other: KTable<'b, KO, VO>,
        extractor: impl Fn(&K, &V) -> F + Send + Sync + 'static,
        joiner: impl Fn(&V, Option<&VO>) -> R + Send + Sync + 'static,
        joined: TableJoined<K, V, KO, VO>,
        materialized: Materialized<K, N>,
    ) -> KTable<'b, K, N>
    where
        KO: Clone + 'static,
        VO: Clone + 'static,
        N: Clone + 'static,
        F: OrNull<KO>,
        R: OrNull<N>,
    {
        let extractor = move |key: &K, value: &V| Ok::<_, ProcessorError>(extractor(key, value));
        let joiner =
            move |value: &V, other: Option<&VO>| Ok::<_, ProcessorError>(joiner(value, other));
        self.try_foreign_key_left_join(other, extractor, joiner, joined, materialized)
    }

    /// As [`foreign_key_left_join_with_key_with`](Self::foreign_key_left_join_with_key_with), by an
    /// extractor and a joiner that may fail; see
    /// [`try_foreign_key_join`](Self::try_foreign_key_join).
    ///
    /// ```
    /// # use streams_dsl::{KTable, Materialized, StreamsBuilder, TableJoined};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let orders: KTable<'_, String, String> = builder.table("orders");
    /// let customers: KTable<'_, i64, String> = builder.table("customers");
    /// let customer = |_: &String, order: &String| order.parse::<i64>();
    /// let line = |order: &String, name: Option<&String>| {
    ///     name.map(|name| format!("for {name}")).ok_or_else(|| format!("nobody is {order}"))
    /// };
    /// let (joined, stored) = (TableJoined::new(), Materialized::<String, String>::new());
    /// let lines = orders.try_foreign_key_left_join(customers, customer, line, joined, stored);
    /// lines.to_stream().to("lines");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<i64, String>("customers").pipe(7, "ann")?;
    /// let mut orders = driver.input::<String, String>("orders");
    /// orders.pipe("1", "7")?;
    /// assert_eq!(driver.output::<String, String>("lines").read_values()?, ["for ann"]);
    /// assert!(orders.pipe("2", "8").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_foreign_key_left_join<KO, VO, N, F, R, E, G>(
        self,
        other: KTable<'b, KO, VO>,
        extractor: impl Fn(&K, &V) -> Result<F, E> + Send + Sync + 'static,
        joiner: impl Fn(&V, Option<&VO>) -> Result<R, G> + Send + Sync + 'static,
        joined: TableJoined<K, V, KO, VO>,
        materialized: Materialized<K, N>,
    ) -> KTable<'b, K, N>
    where
        KO: Clone + 'static,
        VO: Clone + 'static,
        N: Clone + 'static,
        F: OrNull<KO>,
        R: OrNull<N>,
        E: Into<ProcessorError>,
        G: Into<ProcessorError>,
    {
        let functions = Functions {
            extract: move |key: &K, value: &V| try_into_plain(extractor(key, value)),
            foreign: Need::Optional,
            joiner: move |value: &V, other: Option<&VO>| try_into_plain(joiner(value, other)),
        };
        self.joined_by_foreign_key(other, functions, joined, materialized)
    }

    fn joined_by_foreign_key<KO, VO, N, F, J>(
        self,
        other: KTable<'b, KO, VO>,
        functions: Functions<F, J>,
        joined: TableJoined<K, V, KO, VO>,
        materialized: Materialized<K, N>,
    ) -> KTable<'b, K, N>
    where
        KO: Clone + 'static,
        VO: Clone + 'static,
        N: Clone + 'static,
        F: Fn(&K, &V) -> Result<Option<KO>, ProcessorError> + Send + Sync + 'static,
        J: Fn(&V, Option<&VO>) -> Result<Option<N>, ProcessorError> + Send + Sync + 'static,
    {
        let mut plan = self.builder.plan();
        let Some(other) = other.in_plan_of(self.builder) else {
            let name = plan.name_of(self.node).clone();
            plan.fault(TopologyError::ForeignNode(name.clone()));
            let (node, table) = result(&mut plan, (self.node, self.node), name, materialized);
            return KTable::new(self.builder, node, table);
        };
        let this = (self.node, self.table);
        let given = Given::new(&mut plan, [this, other], joined);
        let (node, table) = given.join(&mut plan, functions, materialized);
        KTable::new(self.builder, node, table)
    }
}
