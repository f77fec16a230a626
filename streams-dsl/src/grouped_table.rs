//! Tables grouped by a new key.

use std::any::TypeId;
use std::marker::PhantomData;
use std::sync::Arc;

use streams_core::serde::DefaultSerde;

use crate::args::Materialized;
use crate::builder::StreamsBuilder;
use crate::change::Change;
use crate::null::OrNull;
use crate::operators::table_aggregate::{
    self, AGGREGATE_PREFIX, Adjust, Aggregation, REDUCE_PREFIX, Reduction,
};
use crate::plan::{LogicalNode, NodeKind, Presence, Table, TableGrouping};
use crate::table::KTable;

/// A table whose rows are grouped by a new key, to be aggregated. Answers to Kafka's
/// `KGroupedTable`.
///
/// A group's time is the latest of itself and of the change; the change has the headers of the
/// record that made it. The rows pass through `<application id>-<name>-repartition`, called after
/// the grouping or else the store, which has the changelog topic `<application id>-<store
/// name>-changelog`.
///
/// When a row moves from one group to another, the groups are adjusted one after the other, in
/// different tasks: until the second is, the row counts in neither.
#[must_use = "a grouped table does nothing until it is aggregated"]
pub struct KGroupedTable<'b, K, V> {
    builder: &'b StreamsBuilder,
    grouping: TableGrouping,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for KGroupedTable<'_, K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for KGroupedTable<'_, K, V> {}

impl<K, V> std::fmt::Debug for KGroupedTable<'_, K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("KGroupedTable").field(&self.grouping).finish()
    }
}

impl<'b, K, V> KGroupedTable<'b, K, V> {
    pub(crate) const fn new(builder: &'b StreamsBuilder, grouping: TableGrouping) -> Self {
        Self { builder, grouping, types: PhantomData }
    }
}

impl<'b, K: Clone + 'static, V: Clone + 'static> KGroupedTable<'b, K, V> {
    /// How many rows each group has. A group that lost its last row counts 0.
    pub fn count(self) -> KTable<'b, K, i64>
    where
        K: DefaultSerde,
    {
        self.count_with(Materialized::new())
    }

    /// As [`count`](Self::count), with a store or a name.
    pub fn count_with(self, materialized: impl Into<Materialized<K, i64>>) -> KTable<'b, K, i64> {
        let more = |_: &K, _: V, count: i64| count + 1;
        let fewer = |_: &K, _: V, count: i64| count - 1;
        self.aggregate_with(|| 0_i64, more, fewer, materialized)
    }

    /// The rows of each group, put together two by two. `adder` gets the aggregate and a new value,
    /// `subtractor` the aggregate and a value that is no longer there. The first value is the first
    /// aggregate. A function that gives `None` deletes it.
    pub fn reduce<R, S>(
        self,
        adder: impl Fn(V, V) -> R + Send + Sync + 'static,
        subtractor: impl Fn(V, V) -> S + Send + Sync + 'static,
    ) -> KTable<'b, K, V>
    where
        R: OrNull<V>,
        S: OrNull<V>,
        K: DefaultSerde,
        V: DefaultSerde,
    {
        self.reduce_with(adder, subtractor, Materialized::new())
    }

    /// As [`reduce`](Self::reduce), with a store or a name.
    pub fn reduce_with<R, S>(
        self,
        adder: impl Fn(V, V) -> R + Send + Sync + 'static,
        subtractor: impl Fn(V, V) -> S + Send + Sync + 'static,
        materialized: impl Into<Materialized<K, V>>,
    ) -> KTable<'b, K, V>
    where
        R: OrNull<V>,
        S: OrNull<V>,
    {
        let reduction = Reduction::new(adder, subtractor);
        self.adjusted(REDUCE_PREFIX, materialized.into(), reduction)
    }

    /// The rows of each group, taken into an aggregate one by one: `adder` takes a new value in,
    /// `subtractor` takes one out that is no longer there. It starts from what `initial` gives. An
    /// aggregate `Option<A>` may be null, which deletes it.
    pub fn aggregate<A, I>(
        self,
        initial: impl Fn() -> I + Send + Sync + 'static,
        adder: impl Fn(&K, V, I) -> I + Send + Sync + 'static,
        subtractor: impl Fn(&K, V, I) -> I + Send + Sync + 'static,
    ) -> KTable<'b, K, A>
    where
        I: OrNull<A>,
        K: DefaultSerde,
        A: DefaultSerde + Clone,
    {
        self.aggregate_with(initial, adder, subtractor, Materialized::new())
    }

    /// As [`aggregate`](Self::aggregate), with a store or a name.
    pub fn aggregate_with<A, I>(
        self,
        initial: impl Fn() -> I + Send + Sync + 'static,
        adder: impl Fn(&K, V, I) -> I + Send + Sync + 'static,
        subtractor: impl Fn(&K, V, I) -> I + Send + Sync + 'static,
        materialized: impl Into<Materialized<K, A>>,
    ) -> KTable<'b, K, A>
    where
        I: OrNull<A>,
        A: Clone + 'static,
    {
        let aggregation = Aggregation::new(initial, adder, subtractor);
        self.adjusted(AGGREGATE_PREFIX, materialized.into(), aggregation)
    }

    fn adjusted<A, F>(
        self,
        prefix: &str,
        materialized: Materialized<K, A>,
        adjust: F,
    ) -> KTable<'b, K, A>
    where
        A: Clone + 'static,
        F: Adjust<K, V, A>,
    {
        let mut plan = self.builder.plan();
        let presence =
            if materialized.store.is_some() { Presence::Queryable } else { Presence::Stored };
        // Kafka calls the store of a reduce as that of an aggregate.
        let store = plan.names.store_or(materialized.store.clone(), AGGREGATE_PREFIX);
        let spec = materialized.key_value_store(store.clone());
        let given = materialized.node;
        let parent = plan.regrouped_table(self.grouping, &store, given.as_ref());
        let name = plan.names.node_or(given, prefix);
        let adjust = Arc::new(adjust);
        let table = plan.add_table(Table::new(presence, Some(spec), move |settings| {
            let adjust = Arc::clone(&adjust);
            table_aggregate::template::<K, V, A, F>(adjust, &store, settings.old_values)
        }));
        let forwards = TypeId::of::<(K, Change<A>)>();
        let node = plan.add(parent, LogicalNode::new(name, NodeKind::Table(table), forwards));
        KTable::new(self.builder, node, table)
    }
}
