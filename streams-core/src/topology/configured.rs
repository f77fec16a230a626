//! A topology as the settings want it that it is run with.

use std::sync::Arc;

use super::{Parts, Topology};
use crate::config::State;
use crate::processor::ProcessorWrapper;
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

    /// The same topology, with code around each of its processors, also of those that fill global
    /// stores; in place of that which it had. Without any, nothing is linked and nothing is asked.
    /// Kafka's `processor.wrapper.class`.
    ///
    /// ```
    /// # use streams_core::error::ProcessorError;
    /// # use streams_core::names::{NodeName, TaskId};
    /// # use streams_core::processor::{AroundProcessor, ProcessorWrapper, RecordHead};
    /// # use streams_core::topology::TopologyBuilder;
    /// # use std::sync::Arc;
    /// # use std::sync::atomic::{AtomicU64, Ordering};
    /// /// Counts what processors are given.
    /// #[derive(Clone, Default)]
    /// struct Given(Arc<AtomicU64>);
    ///
    /// impl ProcessorWrapper for Given {
    ///     fn wrap(&self, _: &NodeName, _: TaskId) -> Option<Box<dyn AroundProcessor>> {
    ///         Some(Box::new(self.clone()))
    ///     }
    /// }
    ///
    /// impl AroundProcessor for Given {
    ///     fn before(&mut self, _: RecordHead<'_>) -> Result<(), ProcessorError> {
    ///         self.0.fetch_add(1, Ordering::Relaxed);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let given = Given::default();
    /// let topology = TopologyBuilder::new().build()?.wrapped_by(given.clone());
    /// assert_eq!(given.0.load(Ordering::Relaxed), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn wrapped_by(&self, wrapper: impl ProcessorWrapper) -> Self {
        let wrapper: Option<Arc<dyn ProcessorWrapper>> = Some(Arc::new(wrapper));
        Self(Arc::new(Parts { wrapper, ..self.parts().clone() }))
    }
}
