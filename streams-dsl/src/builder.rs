//! Where a program's streams and tables begin, and where they become a topology.

use std::any::TypeId;
use std::cell::{RefCell, RefMut};
use std::sync::Arc;

use indexmap::IndexSet;
use streams_core::config::Optimization;
use streams_core::names::{StoreName, TopicName};
use streams_core::processor::{
    ConnectedStores, LinkError, Processor, ProcessorNode, ProcessorTemplate, SourceTemplate,
};
use streams_core::serde::{OptionSerde, SharedSerde};
use streams_core::store::StoreSpec;
use streams_core::topology::{Topic, Topology, TopologyError, TopologyErrors};
use streams_state::{BytesStoreSupplier, OldValues, kept_in};

use crate::args::{Consumed, Materialized, ProcessorStores, Serdes, Topics};
use crate::change::Change;
use crate::global_table::GlobalKTable;
use crate::operators::table_source;
use crate::plan::{
    GlobalStore, LogicalNode, NodeKind, Plan, Presence, StreamSource, Table, TableSettings,
    TableSource,
};
use crate::stream::KStream;
use crate::table::KTable;

/// Describes a topology by streams and tables. Answers to Kafka's `StreamsBuilder`.
///
/// Streams and tables borrow it and can be copied; [`build`](Self::build) ends their life. Faults,
/// such as two nodes of one name, are collected and reported there, all at once.
pub struct StreamsBuilder {
    plan: RefCell<Plan>,
    /// Who keeps the rows of operators, if the program does.
    keeper: RefCell<Option<Arc<dyn BytesStoreSupplier>>>,
}

impl Default for StreamsBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for StreamsBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StreamsBuilder")
    }
}

impl StreamsBuilder {
    /// A builder of an empty topology. Generated names are numbered by it, from 0, as in Kafka.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// words.to("out");
    ///
    /// let topology = builder.build()?;
    /// let source = "Source: KSTREAM-SOURCE-0000000000 (topics: [words])";
    /// assert!(topology.describe().to_string().contains(source));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self { plan: RefCell::new(Plan::new()), keeper: RefCell::default() }
    }

    /// The plan. Never held while code of others runs.
    pub(crate) fn plan(&self) -> RefMut<'_, Plan> {
        self.plan.borrow_mut()
    }

    /// A stream of the records of one or several topics, which must exist: a name, a list of names,
    /// a [`Topic`] or [`Topics`]. Keys and values are read by the default serdes of their types, or
    /// those of the `Topic`; a record's time is its timestamp in Kafka, and its headers are those
    /// that it has there.
    ///
    /// A null key or value that the types do not have is a deserialization error; take an `Option`
    /// for what may be null, or see [`Consumed::skip_nulls`].
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream(["new-words", "old-words"]);
    /// words.to("words");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut old = driver.input::<String, String>("old-words");
    /// old.pipe("a", "x")?;
    /// assert_eq!(driver.output::<String, String>("words").read_values()?, ["x"]);
    /// assert!(old.pipe_tombstone("a").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stream<K, V>(&self, topics: impl Into<Topics<K, V>>) -> KStream<'_, K, V>
    where
        K: Clone + 'static,
        V: Clone + 'static,
    {
        self.stream_with(topics, Consumed::new())
    }

    /// As [`stream`](Self::stream), with a name, timestamps, or a place to begin.
    ///
    /// ```
    /// # use streams_dsl::{Consumed, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let consumed = Consumed::named("read-words").skip_nulls();
    /// let words: KStream<'_, String, String> = builder.stream_with("words", consumed);
    /// words.to("out");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut words = driver.input::<String, String>("words");
    /// words.pipe_tombstone("a")?;
    /// words.pipe("a", "x")?;
    /// assert_eq!(driver.output::<String, String>("out").read_values()?, ["x"]);
    /// assert!(driver.describe().to_string().contains("Source: read-words (topics: [words])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stream_with<K, V>(
        &self,
        topics: impl Into<Topics<K, V>>,
        consumed: Consumed<K, V>,
    ) -> KStream<'_, K, V>
    where
        K: Clone + 'static,
        V: Clone + 'static,
    {
        let Topics { names: topics, pattern, serdes: Serdes { key, value } } = topics.into();
        // As in Kafka, a topic that is named twice is read once.
        let topics: IndexSet<TopicName> = topics.into_iter().collect();
        let topics = topics.into_iter().collect();
        let mut plan = self.plan();
        let name = plan.names.node_or(consumed.name.clone(), table_source::STREAM_PREFIX);
        let (reset, nulls) = (consumed.reset, consumed.nulls);
        let template = SourceTemplate::new(consumed.source(key, value));
        let source = StreamSource { topics, pattern, reset, nulls, template };
        let kind = NodeKind::StreamSource(source);
        let node = plan.add(Plan::ROOT, LogicalNode::new(name, kind, TypeId::of::<(K, V)>()));
        KStream::new(self, node)
    }

    /// A table of the last value of each key in a topic. A null value deletes the key; a null key
    /// is dropped and counted. A row's time is its record's, and a change has the record's headers.
    /// The order of the topic counts: a record older than the row replaces it, with a warning.
    ///
    /// The table has a store, `<topic>-STATE-STORE-<number>`, only if an operator needs its rows or
    /// it is given a name. Its changelog is `<application id>-<store>-changelog`, or the topic
    /// itself with [`Optimization::ReuseKTableSourceTopics`].
    ///
    /// ```
    /// # use streams_core::metrics::DropReason;
    /// # use streams_dsl::{KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let cities: KTable<'_, String, String> = builder.table("city-of-person");
    /// cities.to_stream().to("moves");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut cities = driver.input::<String, String>("city-of-person");
    /// cities.pipe("ann", "Oslo")?;
    /// cities.pipe_tombstone("ann")?;
    /// cities.pipe_value("nowhere")?;
    /// let moves = driver.output::<String, Option<String>>("moves").read_values()?;
    /// assert_eq!(moves, [Some("Oslo".to_owned()), None]);
    /// assert_eq!(driver.dropped().of(DropReason::NullKey), 1);
    /// assert!(driver.store_names().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn table<K, V>(&self, topic: impl Into<Topic<K, V>>) -> KTable<'_, K, V>
    where
        K: Clone + 'static,
        V: Clone + 'static,
    {
        let topic = topic.into();
        let (key, value) = (Arc::clone(topic.key_serde()), Arc::clone(topic.value_serde()));
        self.table_with(topic, Consumed::new(), Materialized::with_shared_serdes(key, value))
    }

    /// As [`table`](Self::table). With a store name the table is stored, and found under it by the
    /// test driver.
    ///
    /// ```
    /// # use streams_dsl::{Consumed, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let stored = Materialized::<String, String>::named("cities");
    /// let _ = builder.table_with("city-of-person", Consumed::new(), stored);
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("city-of-person").pipe("ann", "Oslo")?;
    /// let cities = driver.key_values::<String, String>("cities")?;
    /// assert_eq!(cities.get(&"ann".to_owned())?.as_deref(), Some("Oslo"));
    /// assert_eq!(driver.produced("topology-test-driver-cities-changelog").len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn table_with<K, V>(
        &self,
        topic: impl Into<Topic<K, V>>,
        consumed: Consumed<Option<K>, Option<V>>,
        materialized: Materialized<K, V>,
    ) -> KTable<'_, K, V>
    where
        K: Clone + 'static,
        V: Clone + 'static,
    {
        let topic = topic.into();
        let mut plan = self.plan();
        let presence =
            if materialized.store.is_some() { Presence::Queryable } else { Presence::OnDemand };
        let prefix = format!("{}-", topic.name());
        let store = plan.names.store_or(materialized.store.clone(), &prefix);
        let store = materialized.key_value_store(store);
        let named = consumed.name.clone();
        let source = plan.names.suffixed(named.as_ref(), "-source", table_source::STREAM_PREFIX);
        let name = plan.names.node_or(named, table_source::PREFIX);
        let table = plan.add_table(Table::new(presence, Some(store), |settings| {
            table_source::template::<Option<K>, Option<V>, K, V>(settings)
        }));
        let key: SharedSerde<Option<K>> = Arc::new(OptionSerde::new(Arc::clone(topic.key_serde())));
        let value: SharedSerde<Option<V>> =
            Arc::new(OptionSerde::new(Arc::clone(topic.value_serde())));
        let reset = consumed.reset;
        let template = SourceTemplate::new(consumed.source(key, value));
        let topic = topic.name().clone();
        let kind = NodeKind::TableSource(TableSource { source, topic, reset, template, table });
        let forwards = TypeId::of::<(K, Change<V>)>();
        let node = plan.add(Plan::ROOT, LogicalNode::new(name, kind, forwards));
        KTable::new(self, node, table)
    }

    /// A global table of the last value of each key in a topic, over all of its partitions. A null
    /// value deletes the key; a null key is dropped and counted. A row's time is its record's;
    /// headers are not kept.
    ///
    /// Every process holds the whole table, in a store that has no changelog but the topic itself
    /// and is called `<topic>-STATE-STORE-<number>` unless it is given a name. The topic is read to
    /// its end before any record is processed, whatever `auto.offset.reset` says, and followed from
    /// then on. It must exist: a missing one is waited for a minute.
    ///
    /// ```
    /// # use streams_dsl::{GlobalKTable, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let cities: GlobalKTable<'_, String, String> = builder.global_table("cities");
    /// let visits: KStream<'_, String, String> = builder.stream("visits");
    /// let by_city = |_: &String, city: &String| city.clone();
    /// visits.join_global(cities, by_city, |city: &String, land: &String| format!("{city}, {land}"))
    ///     .to("out");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("cities").pipe("Oslo", "Norway")?;
    /// driver.input::<String, String>("visits").pipe("ann", "Oslo")?;
    /// let out = driver.output::<String, String>("out").read_map()?;
    /// assert_eq!(out["ann"], "Oslo, Norway");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn global_table<K, V>(&self, topic: impl Into<Topic<K, V>>) -> GlobalKTable<'_, K, V>
    where
        K: Clone + 'static,
        V: Clone + 'static,
    {
        let topic = topic.into();
        let (key, value) = (Arc::clone(topic.key_serde()), Arc::clone(topic.value_serde()));
        self.global_table_with(topic, Consumed::new(), Materialized::with_shared_serdes(key, value))
    }

    /// As [`global_table`](Self::global_table), with a name, timestamps, or a store. Changelog
    /// settings have no effect.
    ///
    /// ```
    /// # use streams_dsl::{Consumed, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let stored = Materialized::<String, String>::named("cities");
    /// let cities = builder.global_table_with("city-of-person", Consumed::new(), stored);
    /// assert_eq!(cities.store_name(), "cities");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("city-of-person").pipe("ann", "Oslo")?;
    /// let cities = driver.key_values::<String, String>("cities")?;
    /// assert_eq!(cities.get(&"ann".to_owned())?.as_deref(), Some("Oslo"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn global_table_with<K, V>(
        &self,
        topic: impl Into<Topic<K, V>>,
        consumed: Consumed<Option<K>, Option<V>>,
        materialized: Materialized<K, V>,
    ) -> GlobalKTable<'_, K, V>
    where
        K: Clone + 'static,
        V: Clone + 'static,
    {
        let topic = topic.into();
        let mut plan = self.plan();
        let prefix = format!("{}-", topic.name());
        let store = plan.names.store_or(materialized.store.clone(), &prefix);
        let kept = materialized.key_value_store(store.clone());
        if materialized.is_versioned() {
            plan.fault(TopologyError::GlobalVersions(store.clone()));
        }
        let named = consumed.name.clone();
        let source = plan.names.suffixed(named.as_ref(), "-source", table_source::STREAM_PREFIX);
        let name = plan.names.node_or(named, table_source::PREFIX);
        let old_values = OldValues::Omit;
        let settings = TableSettings { store: Some(store.clone()), old_values };
        let processor = table_source::template::<Option<K>, Option<V>, K, V>(&settings);
        let key: SharedSerde<Option<K>> = Arc::new(OptionSerde::new(Arc::clone(topic.key_serde())));
        let value: SharedSerde<Option<V>> =
            Arc::new(OptionSerde::new(Arc::clone(topic.value_serde())));
        let template = SourceTemplate::new(consumed.source(key, value));
        let topic = topic.name().clone();
        let kind = GlobalStore { source, topic, template, processor, store: kept.spec };
        let kind = NodeKind::GlobalStore(kind);
        plan.add(Plan::ROOT, LogicalNode::new(name, kind, TypeId::of::<()>()));
        GlobalKTable::new(self, plan.add_global_table(store))
    }

    /// Adds a store that every task can read by its name, and that is filled from all partitions of
    /// a topic by a processor of its own, `supplier`'s. Kafka's `addGlobalStore`.
    ///
    /// The processor gets each record whole, with the time that `consumed` finds and the record's
    /// headers; what it forwards goes nowhere. A null key or value that the types do not have is a
    /// deserialization error, or left out by [`Consumed::skip_nulls`].
    ///
    /// The topic, which must exist, is the store's changelog, whatever its declaration says: its
    /// records pass the processor again where the store is filled anew. Other processors must only
    /// read the store.
    ///
    /// ```
    /// # use streams_core::processor::{ConnectedStores as Connected, Context, Processor};
    /// # use streams_core::error::ProcessorError;
    /// # use streams_core::record::Record;
    /// # use streams_dsl::{Consumed, StreamsBuilder};
    /// # use streams_state::{KeyValueStore, Stores};
    /// # use streams_test::TopologyTestDriver;
    /// struct Longest(KeyValueStore<String, String>);
    ///
    /// impl Processor<String, String> for Longest {
    ///     type OutKey = ();
    ///     type OutValue = ();
    ///
    ///     fn process(
    ///         &mut self,
    ///         record: Record<String, String>,
    ///         _: &mut Context<'_, (), ()>,
    ///     ) -> Result<(), ProcessorError> {
    ///         let known = self.0.get(&record.key)?.unwrap_or_default();
    ///         if record.value.len() > known.len() {
    ///             self.0.put(&record.key, &record.value)?;
    ///         }
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let builder = StreamsBuilder::new();
    /// let store = Stores::key_value::<String, String>("longest");
    /// let fill = |stores: &Connected<'_, '_>| Ok(Longest(stores.store("longest")?));
    /// builder.add_global_store::<String, String, _>(store, "words", Consumed::new(), fill);
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut words = driver.input::<String, String>("words");
    /// words.pipe_all([("a", "three"), ("a", "two")])?;
    /// let longest: KeyValueStore<String, String> = driver.store("longest")?;
    /// assert_eq!(longest.get(&"a".to_owned())?.as_deref(), Some("three"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_global_store<K, V, P>(
        &self,
        store: impl Into<Arc<dyn StoreSpec>>,
        topic: impl Into<Topic<K, V>>,
        consumed: Consumed<K, V>,
        supplier: impl Fn(&ConnectedStores<'_, '_>) -> Result<P, LinkError> + Send + Sync + 'static,
    ) where
        K: Clone + 'static,
        V: Clone + 'static,
        P: Processor<K, V>,
    {
        let (store, topic) = (store.into(), topic.into());
        let mut plan = self.plan();
        let named = consumed.name.clone();
        let source = plan.names.suffixed(named.as_ref(), "-source", table_source::STREAM_PREFIX);
        let name = plan.names.node_or(named, table_source::PREFIX);
        let (key, value) = (Arc::clone(topic.key_serde()), Arc::clone(topic.value_serde()));
        let template = SourceTemplate::new(consumed.source(key, value));
        let processor = ProcessorTemplate::new(ProcessorNode::new(supplier));
        let topic = topic.name().clone();
        let kind = GlobalStore { source, topic, template, processor, store };
        let kind = NodeKind::GlobalStore(kind);
        plan.add(Plan::ROOT, LogicalNode::new(name, kind, TypeId::of::<()>()));
    }

    /// Adds a store for [`process`](KStream::process) and its kin, made by `streams_state::Stores`,
    /// with the changelog `<application id>-<name>-changelog` unless told otherwise. Processors are
    /// connected to it by its name.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::error::ProcessorError;
    /// # use streams_core::processor::{Context, Processor};
    /// # use streams_core::record::Record;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_state::{PutVersion, Stores, VersionedKeyValueStore};
    /// # use streams_test::TopologyTestDriver;
    ///
    /// /// Notes prices, and forwards what each was 10 ms before.
    /// struct Before(VersionedKeyValueStore<String, i64>);
    ///
    /// impl Processor<String, i64> for Before {
    ///     type OutKey = String;
    ///     type OutValue = Option<i64>;
    ///
    ///     fn process(
    ///         &mut self,
    ///         price: Record<String, i64>,
    ///         cx: &mut Context<'_, String, Option<i64>>,
    ///     ) -> Result<(), ProcessorError> {
    ///         self.0.put(&price.key, &price.value, price.timestamp)?;
    ///         let before = Timestamp::from_millis(price.timestamp.millis() - 10);
    ///         let before = self.0.as_of(&price.key, before)?.map(|version| version.value);
    ///         cx.forward(price.with_value(before))
    ///     }
    /// }
    ///
    /// let builder = StreamsBuilder::new();
    /// let history = Duration::from_secs(60);
    /// builder.add_state_store(Stores::versioned_key_value::<String, i64>("prices", history));
    /// let prices: KStream<'_, String, i64> = builder.stream("prices");
    /// prices.process(|stores| Ok(Before(stores.store("prices")?)), &["prices"]).to("before");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut input = driver.input::<String, i64>("prices");
    /// for (price, millis) in [(5, 100), (7, 110), (6, 104)] {
    ///     input.pipe_at("pear", price, Timestamp::from_millis(millis))?;
    /// }
    /// let before = driver.output::<String, Option<i64>>("before").read_values()?;
    /// assert_eq!(before, [None, Some(5), None]);
    ///
    /// let store: VersionedKeyValueStore<String, i64> = driver.store("prices")?;
    /// let pear = "pear".to_owned();
    /// let as_of = |millis| store.as_of(&pear, Timestamp::from_millis(millis));
    /// assert_eq!(as_of(109)?.map(|version| version.value), Some(6));
    /// assert_eq!(as_of(103)?.map(|version| version.value), Some(5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_state_store(&self, store: impl Into<Arc<dyn StoreSpec>>) {
        let store = store.into();
        let name = store.name().as_str().into();
        let kind = NodeKind::Store(store);
        self.plan().add(Plan::ROOT, LogicalNode::new(name, kind, TypeId::of::<()>()));
    }

    /// The names of a processor's stores, once those that come with it are added.
    pub(crate) fn connected(&self, stores: ProcessorStores) -> Vec<StoreName> {
        stores.added.into_iter().for_each(|store| self.add_state_store(store));
        stores.names
    }

    /// Keeps the rows of all tables, global ones too, of windows, sessions and joins in a place of the
    /// program's own, where it does not say where they are; see `StoreBuilder::kept_in`. Versioned
    /// tables, and stores that the program adds, stay where they are, and so do those that `supplier`
    /// does not keep ([`BytesStoreSupplier::keeps`]). `dsl.store.format` holds for all of them. Kafka's
    /// `dsl.store.suppliers.class` with `DslStoreSuppliers` of one's own.
    ///
    /// ```
    /// # mod map { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/../streams-state/doc/map.in")); }
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # use streams_state::{BytesStore, BytesStoreError, BytesStoreSupplier, StorePlace};
    /// # use streams_test::TopologyTestDriver;
    /// # struct Maps;
    /// # impl BytesStoreSupplier for Maps {
    /// #     fn open(&self, _: StorePlace<'_>) -> Result<Box<dyn BytesStore>, BytesStoreError> {
    /// #         Ok(Box::new(map::Map::default()))
    /// #     }
    /// #     fn is_persistent(&self) -> bool {
    /// #         false
    /// #     }
    /// # }
    /// let builder = StreamsBuilder::new();
    /// builder.keep_stores_in(Maps);
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// let _ = words.group_by_key().count_with(Materialized::named("counts"));
    /// let _ = words.group_by_key().count_with(Materialized::named("others").on_disk());
    ///
    /// let topology = builder.build()?;
    /// let on_disk = topology.stores().filter(|store| store.is_persistent());
    /// assert_eq!(on_disk.map(|store| store.name().as_str()).collect::<Vec<_>>(), ["others"]);
    /// let driver = TopologyTestDriver::new(&topology)?;
    /// driver.input::<String, String>("words").pipe("be", "x")?;
    /// assert_eq!(driver.key_values::<String, i64>("counts")?.get(&"be".to_owned())?, Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keep_stores_in(&self, supplier: impl BytesStoreSupplier) {
        self.keeper.replace(Some(Arc::new(supplier)));
    }

    /// The topology, without optional optimisations.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// words.filter_with(|_, word| word.len() > 3, Named::new("long")).to("long");
    /// words.filter_with(|_, word| word.len() < 3, Named::new("long")).to("short");
    ///
    /// let faults = builder.build().expect_err("two nodes of one name");
    /// assert_eq!(faults.0.len(), 1);
    /// assert!(faults.to_string().contains("two nodes \"long\""));
    /// ```
    ///
    /// # Errors
    /// All faults that were found, each with its name and remedy.
    pub fn build(self) -> Result<Topology, TopologyErrors> {
        self.build_with([])
    }

    /// The topology, with these optimisations: Kafka's `topology.optimization`.
    ///
    /// ```
    /// # use streams_core::config::Optimization;
    /// # use streams_dsl::{Consumed, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let stored = Materialized::<String, String>::named("cities");
    /// let _ = builder.table_with("city-of-person", Consumed::new(), stored);
    /// let topology = builder.build_with([Optimization::ReuseKTableSourceTopics])?;
    ///
    /// let driver = TopologyTestDriver::new(&topology)?;
    /// driver.input::<String, String>("city-of-person").pipe("ann", "Oslo")?;
    /// // The table's topic is its changelog.
    /// assert!(driver.produced_topics().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`build`](Self::build).
    pub fn build_with(
        self,
        optimizations: impl IntoIterator<Item = Optimization>,
    ) -> Result<Topology, TopologyErrors> {
        let topology = self.plan.into_inner().build(&optimizations.into_iter().collect())?;
        let Some(keeper) = self.keeper.into_inner() else { return Ok(topology) };
        Ok(topology.with_stores(|store| kept_in(store, &keeper)))
    }
}
