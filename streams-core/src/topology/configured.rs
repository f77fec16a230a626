//! A topology as the settings want it that it is run with.

use std::sync::Arc;

use super::Topology;
use crate::config::State;
use crate::store::StoreSpec;

impl Topology {
    /// The same topology, with its stores as the settings want them: `dsl.store.format` and
    /// `dsl.store.suppliers.class`. What the program says itself stays.
    ///
    /// ```
    /// # use streams_core::config::StreamsConfig;
    /// # use streams_core::topology::TopologyBuilder;
    /// let config = StreamsConfig::builder()
    ///     .application_id("orders")
    ///     .bootstrap_servers("none:9092")
    ///     .set("dsl.store.format", "headers")
    ///     .build()?;
    /// let topology = TopologyBuilder::new().build()?;
    /// let configured = topology.configured(config.state());
    /// assert_eq!(configured.describe().to_string(), topology.describe().to_string());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn configured(&self, settings: &State) -> Self {
        self.with_stores(|store| store.configured(settings))
    }

    /// The same topology with other stores of the same names; `change` gives those that differ.
    #[must_use]
    pub fn with_stores(
        &self,
        change: impl Fn(&dyn StoreSpec) -> Option<Arc<dyn StoreSpec>>,
    ) -> Self {
        let mut parts = self.parts().clone();
        for store in parts.stores.values_mut() {
            if let Some(changed) = change(&**store) {
                *store = changed;
            }
        }
        Self(Arc::new(parts))
    }
}
