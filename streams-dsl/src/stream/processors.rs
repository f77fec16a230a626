//! Processors of the user's own.

use streams_core::processor::{
    ConnectedStores, FixedKeyNode, FixedKeyProcessor, LinkError, Processor, ProcessorNode,
    ProcessorTemplate,
};

use super::KStream;
use crate::args::{Named, ProcessorStores};
use crate::plan::{Effect, Partitioning, Processing};

const PROCESSOR_PREFIX: &str = "KSTREAM-PROCESSOR-";
const VALUES_PROCESSOR_PREFIX: &str = "KSTREAM-PROCESSVALUES-";

impl<'b, K: Clone + 'static, V: Clone + 'static> KStream<'b, K, V> {
    /// Puts a processor of the program's own behind the stream: it gets each record whole, with
    /// nulls where the types have them, and forwards what it will, with the key, value, time and
    /// headers that it gives. Kafka's `process` (KIP-820).
    ///
    /// `supplier` is called once for each task and resolves the stores, which are named in `stores`
    /// and were added by [`add_state_store`](crate::StreamsBuilder::add_state_store), with their
    /// changelogs, or are declared in `stores`; see [`ProcessorStores`]. There is no other store,
    /// and no topic. A store that is not there is a fault when the topology is built. A keyed
    /// operator behind it repartitions; [`process_values`](Self::process_values) saves that.
    ///
    /// ```
    /// # use streams_core::error::ProcessorError;
    /// # use streams_core::processor::{Context, Processor};
    /// # use streams_core::record::Record;
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// struct Twice;
    ///
    /// impl Processor<String, String> for Twice {
    ///     type OutKey = String;
    ///     type OutValue = String;
    ///
    ///     fn process(
    ///         &mut self,
    ///         word: Record<String, String>,
    ///         cx: &mut Context<'_, String, String>,
    ///     ) -> Result<(), ProcessorError> {
    ///         cx.forward(word.clone())?;
    ///         cx.forward(word.with_key("copy".to_owned()))
    ///     }
    /// }
    ///
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// words.process(|_| Ok(Twice), &[]).to("out");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("a", "x")?;
    /// let keys: Vec<_> = driver.output::<String, String>("out").read_map()?.into_keys().collect();
    /// assert_eq!(keys, ["a", "copy"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn process<P: Processor<K, V>>(
        self,
        supplier: impl Fn(&ConnectedStores<'_, '_>) -> Result<P, LinkError> + Send + Sync + 'static,
        stores: impl Into<ProcessorStores>,
    ) -> KStream<'b, P::OutKey, P::OutValue> {
        self.process_with(supplier, stores, Named::default())
    }

    /// As [`process`](Self::process), with a name.
    ///
    /// ```
    /// # use streams_core::error::ProcessorError;
    /// # use streams_core::processor::{ConnectedStores, Context, Processor};
    /// # use streams_core::record::Record;
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_state::{KeyValueStore, Stores};
    /// # use streams_test::TopologyTestDriver;
    /// # struct Longest(KeyValueStore<String, String>);
    /// # impl Processor<String, String> for Longest {
    /// #     type OutKey = String;
    /// #     type OutValue = String;
    /// #     fn process(
    /// #         &mut self,
    /// #         word: Record<String, String>,
    /// #         cx: &mut Context<'_, String, String>,
    /// #     ) -> Result<(), ProcessorError> {
    /// #         let known = self.0.get(&word.key)?.unwrap_or_default();
    /// #         if word.value.len() > known.len() {
    /// #             self.0.put(&word.key, &word.value)?;
    /// #             cx.forward(word)?;
    /// #         }
    /// #         Ok(())
    /// #     }
    /// # }
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// builder.add_state_store(Stores::key_value::<String, String>("longest"));
    /// let supplier = |stores: &ConnectedStores<'_, '_>| Ok(Longest(stores.store("longest")?));
    /// words.process_with(supplier, &["longest"], Named::new("keep-longest")).to("out");
    ///
    /// let topology = builder.build()?;
    /// assert!(topology.describe().to_string().contains("keep-longest (stores: [longest])"));
    /// # let driver = TopologyTestDriver::new(&topology)?;
    /// # driver.input::<String, String>("words").pipe_all([("a", "three"), ("a", "two")])?;
    /// # assert_eq!(driver.output::<String, String>("out").read_values()?, ["three"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn process_with<P: Processor<K, V>>(
        self,
        supplier: impl Fn(&ConnectedStores<'_, '_>) -> Result<P, LinkError> + Send + Sync + 'static,
        stores: impl Into<ProcessorStores>,
        named: Named,
    ) -> KStream<'b, P::OutKey, P::OutValue> {
        let template = ProcessorTemplate::new(ProcessorNode::new(supplier));
        let stores = self.builder.connected(stores.into());
        // Kafka's optimiser does not know what a processor does to key and value.
        let processing = Processing { template, stores };
        let name = self.builder.plan().names.given_or(named.0, PROCESSOR_PREFIX);
        self.processed(name, Effect::None, Partitioning::Stale, processing)
    }

    /// As [`process`](Self::process), for a processor that cannot change the key, so that nothing
    /// is repartitioned because of it. It gets null keys and values where the types have them, and
    /// may change value, time and headers. Kafka's `processValues` (KIP-820).
    ///
    /// `supplier` is called once for each task and resolves the stores, which are named in `stores`
    /// and were added by [`add_state_store`](crate::StreamsBuilder::add_state_store), with their
    /// changelogs, or are declared in `stores`; see [`ProcessorStores`]. There is no other store,
    /// and no topic. A store that is not there is a fault when the topology is built.
    ///
    /// ```
    /// # use streams_core::error::ProcessorError;
    /// # use streams_core::processor::{FixedKeyContext, FixedKeyProcessor};
    /// # use streams_core::record::FixedKeyRecord;
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// struct Length;
    ///
    /// impl FixedKeyProcessor<String, String> for Length {
    ///     type OutValue = i64;
    ///
    ///     fn process(
    ///         &mut self,
    ///         word: FixedKeyRecord<String, String>,
    ///         cx: &mut FixedKeyContext<'_, String, i64>,
    ///     ) -> Result<(), ProcessorError> {
    ///         let length = word.value().len() as i64;
    ///         cx.forward(word.with_value(length))
    ///     }
    /// }
    ///
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// let lengths = words.process_values(|_| Ok(Length), &[]);
    /// lengths.group_by_key().reduce(i64::max).to_stream().to("longest");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe_all([("a", "three"), ("a", "two")])?;
    /// assert_eq!(driver.output::<String, Option<i64>>("longest").read_map()?["a"], Some(5));
    /// assert!(!driver.describe().to_string().contains("repartition"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn process_values<P: FixedKeyProcessor<K, V>>(
        self,
        supplier: impl Fn(&ConnectedStores<'_, '_>) -> Result<P, LinkError> + Send + Sync + 'static,
        stores: impl Into<ProcessorStores>,
    ) -> KStream<'b, K, P::OutValue> {
        self.process_values_with(supplier, stores, Named::default())
    }

    /// As [`process_values`](Self::process_values), with a name.
    ///
    /// ```
    /// # use streams_core::error::ProcessorError;
    /// # use streams_core::processor::{FixedKeyContext, FixedKeyProcessor};
    /// # use streams_core::record::FixedKeyRecord;
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # struct Length;
    /// # impl FixedKeyProcessor<String, String> for Length {
    /// #     type OutValue = i64;
    /// #     fn process(
    /// #         &mut self,
    /// #         word: FixedKeyRecord<String, String>,
    /// #         cx: &mut FixedKeyContext<'_, String, i64>,
    /// #     ) -> Result<(), ProcessorError> {
    /// #         let length = word.value().len() as i64;
    /// #         cx.forward(word.with_value(length))
    /// #     }
    /// # }
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// words.process_values_with(|_| Ok(Length), &[], Named::new("length")).to("lengths");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("a", "three")?;
    /// assert_eq!(driver.output::<String, i64>("lengths").read_values()?, [5]);
    /// assert!(driver.describe().to_string().contains("Processor: length (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn process_values_with<P: FixedKeyProcessor<K, V>>(
        self,
        supplier: impl Fn(&ConnectedStores<'_, '_>) -> Result<P, LinkError> + Send + Sync + 'static,
        stores: impl Into<ProcessorStores>,
        named: Named,
    ) -> KStream<'b, K, P::OutValue> {
        let template = ProcessorTemplate::new(FixedKeyNode::new(supplier));
        let stores = self.builder.connected(stores.into());
        let processing = Processing { template, stores };
        let name = self.builder.plan().names.given_or(named.0, VALUES_PROCESSOR_PREFIX);
        self.processed(name, Effect::None, self.partitioning(), processing)
    }
}
