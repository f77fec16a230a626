//! Global tables.

use std::marker::PhantomData;

use streams_core::names::StoreName;

use crate::builder::StreamsBuilder;
use crate::view::TableView;

/// A table that every task has whole: the last value of each key, over all partitions of a topic.
/// Answers to Kafka's `GlobalKTable`.
///
/// A handle: copy it to use a table twice. It is read to its end before any record is processed, and
/// kept up to date from then on, at its own pace: a join sees it as it is at that moment, whatever
/// the times of records.
#[must_use = "a global table does nothing by itself; see `KStream::join_global`"]
pub struct GlobalKTable<'b, K, V> {
    builder: &'b StreamsBuilder,
    /// The number of the table among the builder's.
    table: GlobalTableId,
    types: PhantomData<fn() -> (K, V)>,
}

/// A global table, by its place in the order of addition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GlobalTableId(pub(crate) usize);

impl<K, V> Clone for GlobalKTable<'_, K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for GlobalKTable<'_, K, V> {}

impl<K, V> std::fmt::Debug for GlobalKTable<'_, K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GlobalKTable({})", self.store_name())
    }
}

impl<'b, K, V> GlobalKTable<'b, K, V> {
    pub(crate) const fn new(builder: &'b StreamsBuilder, table: GlobalTableId) -> Self {
        Self { builder, table, types: PhantomData }
    }

    /// The table's store, which processors may read. Every global table has one.
    ///
    /// ```
    /// # use streams_dsl::{GlobalKTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let users: GlobalKTable<'_, String, String> = builder.global_table("users");
    /// let store = users.store_name();
    /// assert_eq!(store, "users-STATE-STORE-0000000000");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("users").pipe("1", "ann")?;
    /// let users = driver.key_values::<String, String>(store)?;
    /// assert_eq!(users.get(&"1".to_owned())?.as_deref(), Some("ann"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn store_name(self) -> StoreName {
        self.builder.plan().global_store(self.table)
    }

    pub(crate) fn view(self) -> TableView<K, V>
    where
        K: 'static,
        V: 'static,
    {
        TableView::of_global(&self.store_name())
    }

    pub(crate) fn is_of(self, builder: &StreamsBuilder) -> bool {
        std::ptr::eq(self.builder, builder)
    }
}
