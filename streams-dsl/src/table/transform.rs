//! Values made of a table's rows with the help of stores.

use std::any::TypeId;
use std::sync::Arc;

use streams_core::error::ProcessorError;
use streams_core::processor::{ConnectedStores, LinkError};

use super::KTable;
use crate::args::{Derived, ProcessorStores};
use crate::change::Change;
use crate::operators::table_transform_values;
use crate::plan::{LogicalNode, NodeKind, Plan, Presence, Table};

impl<'b, K: Clone + 'static, V: Clone + 'static> KTable<'b, K, V> {
    /// Makes another value of each row with the help of stores; `None` deletes the row. Kafka's
    /// `transformValues`.
    ///
    /// `supplier` is called for each task; it resolves the stores, which are named in `stores` and
    /// were added by [`add_state_store`](crate::StreamsBuilder::add_state_store), or are declared
    /// there ([`ProcessorStores`]), and gives the transformer. A store that is not there is a fault
    /// when the topology is built. The transformer gets the key and the new value, which is `None`
    /// for a deletion: it is called for those too. Key, timestamp and headers stay. An error of a
    /// store fails the task; any other one goes to the processing handler.
    ///
    /// The result is stored only under a name of its own; see
    /// [`transform_values_with`](Self::transform_values_with). While it is not, an operator that
    /// needs the value before, or reads the table from beside as a join does, has a transformer
    /// asked again, with the stores as they are then. A transformer whose value depends on more than
    /// key and value therefore belongs to a table that is stored.
    ///
    /// ```
    /// use streams_core::processor::ConnectedStores;
    /// use streams_dsl::{KTable, StreamsBuilder};
    /// use streams_state::{KeyValueStore, Stores};
    /// use streams_test::TopologyTestDriver;
    ///
    /// let builder = StreamsBuilder::new();
    /// builder.add_state_store(Stores::key_value::<String, i64>("updates"));
    /// let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let supplier = |stores: &ConnectedStores<'_, '_>| {
    ///     let updates: KeyValueStore<String, i64> = stores.store("updates")?;
    ///     Ok(move |key: &String, price: Option<i64>| {
    ///         let count = updates.get(key)?.unwrap_or(0) + 1;
    ///         updates.put(key, &count)?;
    ///         Ok(price.map(|price| format!("{price}, update {count}")))
    ///     })
    /// };
    /// let texts: KTable<'_, String, String> = prices.transform_values(supplier, &["updates"]);
    /// texts.to_stream().to("texts");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut prices = driver.input::<String, Option<i64>>("prices");
    /// prices.pipe_all([("pear", Some(5)), ("pear", None), ("pear", Some(7))])?;
    /// let texts = driver.output::<String, Option<String>>("texts").read_values()?;
    /// assert_eq!(texts, [Some("5, update 1".to_owned()), None, Some("7, update 3".to_owned())]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn transform_values<N, F>(
        self,
        supplier: impl Fn(&ConnectedStores<'_, '_>) -> Result<F, LinkError> + Send + Sync + 'static,
        stores: impl Into<ProcessorStores>,
    ) -> KTable<'b, K, N>
    where
        N: Clone + 'static,
        F: FnMut(&K, Option<V>) -> Result<Option<N>, ProcessorError> + 'static,
    {
        self.transform_values_with(supplier, stores, Derived::default())
    }

    /// As [`transform_values`](Self::transform_values), with a name or a store. A store without a
    /// name is not made.
    ///
    /// ```
    /// # use streams_core::processor::ConnectedStores;
    /// # use streams_dsl::{KTable, Materialized, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let supplier = |_: &ConnectedStores<'_, '_>| {
    ///     let mut total = 0;
    ///     Ok(move |_: &String, price: Option<i64>| {
    ///         total += price.unwrap_or(0);
    ///         Ok(price.map(|_| total))
    ///     })
    /// };
    /// let stored = (Named::new("sum-up"), Materialized::<String, i64>::named("totals"));
    /// let totals = prices.transform_values_with(supplier, &[], stored);
    /// assert_eq!(totals.store_name(), Some("totals".into()));
    ///
    /// let topology = builder.build()?;
    /// assert!(topology.describe().to_string().contains("sum-up (stores: [totals])"));
    /// # let driver = TopologyTestDriver::new(&topology)?;
    /// driver.input::<String, i64>("prices").pipe_all([("pear", 5), ("plum", 7)])?;
    /// assert_eq!(driver.key_values::<String, i64>("totals")?.get(&"plum".to_owned())?, Some(12));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn transform_values_with<N, F>(
        self,
        supplier: impl Fn(&ConnectedStores<'_, '_>) -> Result<F, LinkError> + Send + Sync + 'static,
        stores: impl Into<ProcessorStores>,
        derived: impl Into<Derived<K, N>>,
    ) -> KTable<'b, K, N>
    where
        N: Clone + 'static,
        F: FnMut(&K, Option<V>) -> Result<Option<N>, ProcessorError> + 'static,
    {
        let Derived { node, store } = derived.into();
        let stores = self.builder.connected(stores.into());
        let supplier = Arc::new(supplier);
        let (parent, of_rows, for_rows) = (self.table, Arc::clone(&supplier), stores.clone());
        let rows = move |plan: &mut Plan| {
            let (supplier, stores) = (Arc::clone(&of_rows), for_rows.clone());
            let rows = plan.view::<K, V>(parent);
            table_transform_values::rows::<K, V, N, F>(supplier, stores, rows)
        };
        let mut plan = self.builder.plan();
        let is_given = store.is_some();
        // Unlike its kin, Kafka takes no index for a store without a name.
        let kept = store.and_then(|given| {
            let name = plan.names.given_store(given.store.clone()?);
            Some(given.key_value_store(name))
        });
        let presence =
            if kept.is_some() { Presence::Queryable } else { Presence::Computed(self.table) };
        let name = plan.names.node_or(node, table_transform_values::PREFIX);
        let mut table = Table::new(presence, kept, move |settings| {
            table_transform_values::template::<K, V, N, F>(Arc::clone(&supplier), settings)
        });
        table = table.with_rows(rows).connected_to(stores);
        if !is_given {
            table = table.inheriting_versions();
        }
        let table = plan.add_table(table);
        let forwards = TypeId::of::<(K, Change<N>)>();
        let node = plan.add(self.node, LogicalNode::new(name, NodeKind::Table(table), forwards));
        KTable::new(self.builder, node, table)
    }
}
