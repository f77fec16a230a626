//! The stores of a processor.

use std::sync::Arc;

use streams_core::names::StoreName;
use streams_core::store::StoreSpec;

/// The stores that a processor is connected to: `&["a", "b"]` for stores that were
/// [added](crate::StreamsBuilder::add_state_store), `[Stores::key_value::<String, i64>("a")]` for
/// declarations, which adds them, `&[]` for none; and this type for some of each, or for declarations
/// of several types.
///
/// A declaration that several processors share is given to each of them as a clone of one
/// `Arc<dyn StoreSpec>`; another one of the same name is a fault when the topology is built. Kafka's
/// names of stores in `process`, and `ConnectedStoreProvider` (KIP-401).
///
/// ```
/// # use streams_core::error::ProcessorError;
/// # use streams_core::processor::{ConnectedStores, Context, Processor};
/// # use streams_core::record::Record;
/// # use streams_dsl::{KStream, ProcessorStores, StreamsBuilder};
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
/// builder.add_state_store(Stores::key_value::<String, i64>("counts"));
/// let stores = ProcessorStores::from([Stores::key_value::<String, String>("longest")]);
/// let stores = stores.and(Stores::key_value::<String, i64>("lengths")).and_named("counts");
/// let supplier = |stores: &ConnectedStores<'_, '_>| Ok(Longest(stores.store("longest")?));
/// words.process(supplier, stores).to("out");
///
/// let topology = builder.build()?;
/// let mut stores = topology.subtopologies()[0].stores.clone();
/// stores.sort();
/// assert_eq!(stores, ["counts", "lengths", "longest"]);
/// # let driver = TopologyTestDriver::new(&topology)?;
/// # driver.input::<String, String>("words").pipe_all([("a", "three"), ("a", "two")])?;
/// # assert_eq!(driver.output::<String, String>("out").read_values()?, ["three"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ProcessorStores {
    pub(crate) names: Vec<StoreName>,
    pub(crate) added: Vec<Arc<dyn StoreSpec>>,
}

impl ProcessorStores {
    /// And a store that is declared so, which adds it.
    #[must_use]
    pub fn and(mut self, store: impl Into<Arc<dyn StoreSpec>>) -> Self {
        let store = store.into();
        self.names.push(store.name().clone());
        self.added.push(store);
        self
    }

    /// And the store of this name, which is added to the builder or comes with another processor.
    #[must_use]
    pub fn and_named(mut self, store: impl Into<StoreName>) -> Self {
        self.names.push(store.into());
        self
    }
}

impl From<&[&str]> for ProcessorStores {
    fn from(names: &[&str]) -> Self {
        Self { names: names.iter().map(|name| (*name).into()).collect(), added: Vec::new() }
    }
}

impl<const N: usize> From<&[&str; N]> for ProcessorStores {
    fn from(names: &[&str; N]) -> Self {
        names.as_slice().into()
    }
}

impl<S: Into<Arc<dyn StoreSpec>>, const N: usize> From<[S; N]> for ProcessorStores {
    fn from(declared: [S; N]) -> Self {
        let added: Vec<Arc<dyn StoreSpec>> = declared.map(Into::into).into();
        Self { names: added.iter().map(|store| store.name().clone()).collect(), added }
    }
}
