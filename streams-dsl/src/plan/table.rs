//! Tables of a plan: which are stored, and which send old values. Both are known only when the
//! whole program is.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use streams_core::names::StoreName;
use streams_core::names::TopicName;
use streams_core::processor::ProcessorTemplate;
use streams_core::store::{Logging, StoreKind, StoreSpec};
use streams_state::OldValues;

use super::{NodeKind, Plan, PlanId};
use crate::change::Age;
use crate::view::{Kept, Open, TableView, of_keys};

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
    /// Its rows are computed from those of two tables as they pass.
    Joined,
}

/// How insistently old values are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    /// They are needed: a table without a store gets one.
    Needed,
    /// They are taken if a store is there anyway.
    IfStored,
}

/// What a node of tables gets as changes (KIP-914).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// Each one is the last of its row so far.
    Plain,
    /// Those of a versioned table, some of which come late.
    Versioned,
}

impl Input {
    /// Whether an operator that needs the latest rows leaves a change out.
    pub(crate) fn leaves_out(self, age: Age) -> bool {
        self == Self::Versioned && age == Age::Late
    }
}

/// Whether a table keeps the versions of its rows. Answers to Kafka's `isOutputVersioned`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Versions {
    Kept,
    NotKept,
    /// If those that it is computed from do.
    Inherited,
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

/// How the rows of a table that is not stored are computed: the views that they are computed from
/// may take stores into use.
pub(crate) type ComputeRows<K, V> = dyn Fn(&mut Plan) -> TableView<K, V>;

/// A table.
pub(crate) struct Table {
    presence: Presence,
    /// The tables of a join, which send old values whenever the join does.
    joins: Option<[TableId; 2]>,
    /// An `Arc<ComputeRows<K, V>>` of the table's types, where rows can be computed.
    rows: Option<Box<dyn Any>>,
    store: Option<Arc<dyn StoreSpec>>,
    /// An `Open<K, V>` of the table's types, which reads the store.
    open: Option<Box<dyn Any>>,
    versions: Versions,
    old_values: OldValues,
    /// Others that its processor uses.
    connected: Vec<StoreName>,
    make: Box<MakeTable>,
}

impl Table {
    /// A table of `K` and `V` with this store, should it need one.
    pub(crate) fn new<K: 'static, V: 'static>(
        presence: Presence,
        kept: Option<Kept<K, V>>,
        make: impl Fn(&TableSettings) -> ProcessorTemplate + 'static,
    ) -> Self {
        let (joins, rows) = (None, None);
        let open = kept.as_ref().map(|kept| Box::new(kept.open) as Box<dyn Any>);
        let store = kept.map(|kept| kept.spec);
        let kind = store.as_ref().map(|store| store.kind());
        let versions = match kind {
            Some(StoreKind::Versioned(_)) => Versions::Kept,
            _ => Versions::NotKept,
        };
        let (old_values, make) = (OldValues::Omit, Box::new(make));
        let connected = Vec::new();
        Self { presence, joins, rows, store, open, versions, old_values, connected, make }
    }

    /// The same table, whose processor uses these stores.
    pub(crate) fn connected_to(self, stores: Vec<StoreName>) -> Self {
        Self { connected: stores, ..self }
    }

    pub(super) fn connected(&self) -> &[StoreName] {
        &self.connected
    }

    /// The same table, as versioned as the one that it is computed from.
    pub(crate) fn inheriting_versions(self) -> Self {
        Self { versions: Versions::Inherited, ..self }
    }

    /// The same table, whose changes carry old values from the start.
    pub(crate) fn sending_old_values(self) -> Self {
        Self { old_values: OldValues::Send, ..self }
    }

    /// The same table, as the join of these two.
    pub(crate) fn joining(self, tables: [TableId; 2]) -> Self {
        Self { joins: Some(tables), ..self }
    }

    /// The same table, whose rows are computed so where it is not stored.
    pub(crate) fn with_rows<K: 'static, V: 'static>(
        self,
        rows: impl Fn(&mut Plan) -> TableView<K, V> + 'static,
    ) -> Self {
        let rows: Arc<ComputeRows<K, V>> = Arc::new(rows);
        Self { rows: Some(Box::new(rows)), ..self }
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

    /// What its processors have to know.
    pub(super) fn settings(&self) -> TableSettings {
        let store = self.store().map(|store| store.name().clone());
        TableSettings { store, old_values: self.old_values }
    }

    /// Its processor.
    pub(super) fn template(&self) -> ProcessorTemplate {
        (self.make)(&self.settings())
    }

    /// The name to query it by.
    // DIFFERENCE(foreign-key-store-name): in Kafka a foreign-key join without a store has one too.
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

    /// What the nodes below this one get.
    pub(crate) fn input_from(&self, node: PlanId) -> Input {
        if self.keeps_versions(node) { Input::Versioned } else { Input::Plain }
    }

    fn keeps_versions(&self, id: PlanId) -> bool {
        let node = self.node(id);
        let table = match &node.kind {
            NodeKind::Table(table) => Some(*table),
            NodeKind::TableWriter(writer) => Some(writer.table),
            NodeKind::TableSource(source) => Some(source.table),
            NodeKind::TableJoin(join) => Some(join.table),
            NodeKind::Root => return false,
            _ => None,
        };
        match table.map_or(Versions::Inherited, |table| self.table(table).versions) {
            Versions::Kept => true,
            Versions::NotKept => false,
            Versions::Inherited => node.parents.iter().all(|parent| self.keeps_versions(*parent)),
        }
    }

    /// How long the store of a table keeps versions, if it does.
    pub(crate) fn history_of(&self, store: &StoreName) -> Option<Duration> {
        let mut specs = self.tables.iter().filter_map(Table::store);
        let spec = specs.find(|spec| spec.name() == store)?;
        spec.retention().filter(|_| matches!(spec.kind(), StoreKind::Versioned(_)))
    }

    /// Makes a table send the value before with each change, and says whether it does.
    pub(crate) fn send_old_values(&mut self, id: TableId, demand: Demand) -> bool {
        if self.table(id).old_values == OldValues::Send {
            return true;
        }
        for joined in self.table(id).joins.into_iter().flatten() {
            self.send_old_values(joined, Demand::Needed);
        }
        match (self.table(id).presence.clone(), demand) {
            (Presence::Queryable | Presence::Stored | Presence::Joined, _) => {}
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

    /// The rows of a table, for a node beside it. A table that is read from a topic gets a store.
    pub(crate) fn view<K: 'static, V: 'static>(&mut self, id: TableId) -> TableView<K, V> {
        if self.table(id).presence == Presence::OnDemand {
            self.table_mut(id).presence = Presence::Stored;
        }
        let table = self.table(id);
        let rows = table.rows.as_ref().filter(|_| !table.is_stored());
        let rows = rows.and_then(|rows| rows.downcast_ref::<Arc<ComputeRows<K, V>>>()).cloned();
        let open = table.open.as_ref().and_then(|open| open.downcast_ref::<Open<K, V>>());
        match (rows, table.store(), open) {
            (Some(rows), ..) => rows(self),
            (None, Some(store), Some(open)) => TableView::of_store(store.name(), *open),
            // A table that is neither stored nor computed is not made; linking would name it.
            (None, ..) => TableView::of_store(&format!("table #{}", id.0).into(), of_keys),
        }
    }
}
