//! Tables of a plan: which are stored, and which send old values. Both are known only when the
//! whole program is.

use std::sync::Arc;

use streams_core::names::StoreName;
use streams_core::names::TopicName;
use streams_core::processor::ProcessorTemplate;
use streams_core::store::{Logging, StoreSpec};
use streams_state::OldValues;

use super::Plan;

/// A table, by its place in the order of addition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TableId(usize);

/// Whether a table has a store.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Presence {
    /// It has, and can be queried by its name.
    Queryable,
    /// It has, under a generated name.
    Stored,
    /// It gets one when somebody needs its rows.
    OnDemand,
    /// Its rows are computed from those of this table as they pass.
    Computed(TableId),
}

/// How insistently old values are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    /// They are needed: a table without a store gets one.
    Needed,
    /// They are taken if a store is there anyway.
    IfStored,
}

pub(crate) type MakeTable = dyn Fn(&TableSettings) -> ProcessorTemplate;

/// What the processor of a table has to know of the rest of the program.
#[derive(Debug, Clone)]
pub(crate) struct TableSettings {
    /// Its store, if it has one.
    pub(crate) store: Option<StoreName>,
    /// Whether each change carries the value before.
    pub(crate) old_values: OldValues,
}

/// A table.
pub(crate) struct Table {
    presence: Presence,
    store: Option<Arc<dyn StoreSpec>>,
    old_values: OldValues,
    make: Box<MakeTable>,
}

impl Table {
    /// A table with this store, should it need one.
    pub(crate) fn new(
        presence: Presence,
        store: Option<Arc<dyn StoreSpec>>,
        make: impl Fn(&TableSettings) -> ProcessorTemplate + 'static,
    ) -> Self {
        Self { presence, store, old_values: OldValues::Omit, make: Box::new(make) }
    }

    /// The same table, whose changes carry old values from the start.
    pub(crate) fn sending_old_values(self) -> Self {
        Self { old_values: OldValues::Send, ..self }
    }

    fn is_stored(&self) -> bool {
        matches!(self.presence, Presence::Queryable | Presence::Stored)
    }

    /// The store that it has in the end.
    pub(super) fn store(&self) -> Option<&Arc<dyn StoreSpec>> {
        self.store.as_ref().filter(|_| self.is_stored())
    }

    /// The source topic becomes the changelog.
    pub(super) fn reuse_topic(&mut self, topic: &TopicName) {
        let logging = Logging::SourceTopic(topic.clone());
        self.store = self.store.take().map(|store| store.with_logging(logging));
    }

    /// Its processor.
    pub(super) fn template(&self) -> ProcessorTemplate {
        let store = self.store().map(|store| store.name().clone());
        (self.make)(&TableSettings { store, old_values: self.old_values })
    }

    /// The name to query it by.
    pub(crate) fn queryable(&self) -> Option<&StoreName> {
        (self.presence == Presence::Queryable).then_some(self.store.as_ref()?.name())
    }
}

impl Plan {
    pub(crate) fn add_table(&mut self, table: Table) -> TableId {
        let id = TableId(self.tables.len());
        self.tables.push(table);
        id
    }

    pub(crate) fn table(&self, id: TableId) -> &Table {
        // Ids come from `add_table`, and tables are never taken out.
        &self.tables[id.0]
    }

    pub(super) fn table_mut(&mut self, id: TableId) -> &mut Table {
        &mut self.tables[id.0]
    }

    /// Makes a table send the value before with each change, and says whether it does.
    pub(crate) fn send_old_values(&mut self, id: TableId, demand: Demand) -> bool {
        if self.table(id).old_values == OldValues::Send {
            return true;
        }
        match (self.table(id).presence.clone(), demand) {
            (Presence::Queryable | Presence::Stored, _) => {}
            (Presence::OnDemand, Demand::IfStored) => return false,
            (Presence::OnDemand, Demand::Needed) => self.table_mut(id).presence = Presence::Stored,
            (Presence::Computed(parent), _) => {
                if !self.send_old_values(parent, demand) {
                    return false;
                }
            }
        }
        self.table_mut(id).old_values = OldValues::Send;
        true
    }
}
