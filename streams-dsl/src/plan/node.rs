//! The nodes of a plan.

use std::any::{Any, TypeId};
use std::sync::Arc;

use indexmap::IndexSet;
use streams_core::names::{NodeName, StoreName, TopicName};
use streams_core::processor::{Nulls, ProcessorTemplate, SinkTemplate, SourceTemplate};
use streams_core::store::StoreSpec;
use streams_core::topology::{OffsetReset, RepartitionCount};

use super::Partitioning;
use super::names::RepartitionNames;
use super::table::{MakeTable, TableId};
use crate::window::KeyWindows;

/// A node, by its place in the order of addition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PlanId(pub(super) usize);

/// What a node does to records, as far as repartitioning is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Neither key nor value are changed, or the optimiser takes it so.
    None,
    /// Another key, and maybe another value.
    ChangesKey,
    /// Another value.
    ChangesValue,
    /// Two streams become one.
    Merges,
}

/// A node of a plan.
pub(crate) struct LogicalNode {
    /// Its name; for a repartition that of its source, which is what others see of it.
    pub(crate) name: NodeName,
    pub(crate) kind: NodeKind,
    pub(crate) effect: Effect,
    pub(crate) partitioning: Partitioning,
    pub(crate) null_keys: NullKeys,
    /// A node beside it that is joined: its topics must match those above this node, though no edge
    /// leads there.
    pub(crate) joined_with: Option<PlanId>,
    /// Those of the keys that it forwards, if it puts them into windows.
    pub(crate) windows: Option<KeyWindows>,
    /// The types of key and value that it forwards, as a pair.
    pub(crate) forwards: TypeId,
    pub(super) parents: IndexSet<PlanId>,
    pub(super) children: IndexSet<PlanId>,
    pub(super) priority: usize,
}

/// What a node becomes in the topology.
pub(crate) enum NodeKind {
    Root,
    /// A store that processors are connected to.
    Store(Arc<dyn StoreSpec>),
    StreamSource(StreamSource),
    TableSource(TableSource),
    Processor(Processing),
    /// A processor whose changes are a table.
    Table(TableId),
    /// A processor that writes rows of a table whose changes come together in another node.
    TableWriter(TableWriter),
    TableJoin(TableJoin),
    StreamJoin(StreamJoin),
    /// A join of a stream with itself by one store.
    SelfJoin(SelfJoin),
    Repartition(Repartition),
    TableRepartition(TableRepartition),
    Sink(Sinking),
    GlobalStore(GlobalStore),
    /// A processor with a store that comes with it, and may come with others too.
    Keeper(Keeper),
    /// A sink whose topic is internal to the application.
    InternalSink(InternalSink),
}

pub(crate) struct StreamSource {
    pub(crate) topics: Vec<TopicName>,
    /// In place of topics.
    pub(crate) pattern: Option<String>,
    pub(crate) reset: Option<OffsetReset>,
    pub(crate) nulls: Nulls,
    pub(crate) template: SourceTemplate,
}

/// One of several processors that write the rows of a table.
pub(crate) struct TableWriter {
    pub(crate) table: TableId,
    pub(crate) make: Box<MakeTable>,
}

/// A source and the processor that makes a table of it.
pub(crate) struct TableSource {
    pub(crate) source: NodeName,
    pub(crate) topic: TopicName,
    pub(crate) reset: Option<OffsetReset>,
    pub(crate) template: SourceTemplate,
    pub(crate) table: TableId,
}

/// The processors of a join of two tables: one for the changes of each, and one that puts the
/// results together.
pub(crate) struct TableJoin {
    pub(crate) this: JoinSide,
    pub(crate) other: JoinSide,
    /// The result.
    pub(crate) table: TableId,
}

/// The processor for the changes of one table of a join.
pub(crate) struct JoinSide {
    pub(crate) name: NodeName,
    /// The table's node.
    pub(crate) changes: PlanId,
    /// Where the rows of the other table are.
    pub(crate) stores: Vec<StoreName>,
    pub(crate) make: Box<MakeTable>,
}

/// The processors of a join of two streams: one for each, behind that which keeps its records, and
/// one that puts the results together.
pub(crate) struct StreamJoin {
    pub(crate) this: StreamSide,
    pub(crate) other: StreamSide,
    pub(crate) merge: ProcessorTemplate,
    /// The store of records without partner, in a left or outer join.
    pub(crate) unmatched: Option<Arc<dyn StoreSpec>>,
    /// Joins by one store, if both streams are of one type.
    pub(crate) with_itself: Option<ProcessorTemplate>,
}

/// The processor for the records of one stream of a join.
pub(crate) struct StreamSide {
    pub(crate) name: NodeName,
    /// The node that keeps this stream's records.
    pub(crate) window: PlanId,
    /// Where it keeps them.
    pub(crate) store: StoreName,
    pub(crate) template: ProcessorTemplate,
}

/// The processor of a join of a stream with itself.
pub(crate) struct SelfJoin {
    /// The node that keeps the records.
    pub(crate) window: PlanId,
    /// Where it keeps them.
    pub(crate) store: StoreName,
    pub(crate) template: ProcessorTemplate,
}

/// Whether a node takes records without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NullKeys {
    Dropped,
    /// A left join pairs them with nothing; repartitions above let them through.
    Joined,
}

pub(crate) struct Processing {
    pub(crate) template: ProcessorTemplate,
    /// Stores that were added apart.
    pub(crate) stores: Vec<StoreName>,
}

/// Filter, sink and source around a repartition topic.
pub(crate) struct Repartition {
    pub(crate) names: RepartitionNames,
    pub(crate) channel: Channel,
    pub(crate) origin: RepartitionOrigin,
    pub(crate) filter: KeyFilter,
}

/// Who asked for a repartition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RepartitionOrigin {
    /// A keyed operator behind a change of the key.
    Operator,
    /// The program, by `repartition()`.
    Program(RepartitionCount),
}

impl Repartition {
    /// Whether it may become one with others that carry the same records.
    pub(crate) fn can_merge(&self) -> bool {
        self.origin == RepartitionOrigin::Operator
    }
}

/// Which records a repartition node lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyFilter {
    All,
    /// Those with a key.
    Keyed,
}

/// How records travel through a repartition topic.
#[derive(Clone)]
pub(crate) struct Channel {
    /// Of key and value, as a pair.
    pub(crate) types: TypeId,
    pub(crate) all: ProcessorTemplate,
    pub(crate) keyed: ProcessorTemplate,
    pub(crate) sink: Arc<dyn Fn(&TopicName) -> SinkTemplate>,
    pub(crate) source: SourceTemplate,
    /// The `Serdes` of the types.
    pub(crate) serdes: Arc<dyn Any>,
}

/// Sink and source around the repartition topic of a grouped table.
pub(crate) struct TableRepartition {
    pub(crate) topic: TopicName,
    pub(crate) sink: NodeName,
    pub(crate) channel: TableChannel,
}

/// How the changes of a grouped table travel through its repartition topic.
#[derive(Clone)]
pub(crate) struct TableChannel {
    /// Of key and change, as a pair.
    pub(crate) types: TypeId,
    pub(crate) sink: Arc<dyn Fn(&TopicName) -> SinkTemplate>,
    pub(crate) source: SourceTemplate,
}

/// A source and the processor that fills a global store.
pub(crate) struct GlobalStore {
    pub(crate) source: NodeName,
    pub(crate) topic: TopicName,
    pub(crate) template: SourceTemplate,
    pub(crate) processor: ProcessorTemplate,
    pub(crate) store: Arc<dyn StoreSpec>,
}

pub(crate) struct Keeper {
    pub(crate) template: ProcessorTemplate,
    pub(crate) store: Arc<dyn StoreSpec>,
    /// Others, that were added apart.
    pub(crate) others: Vec<StoreName>,
}

pub(crate) struct InternalSink {
    pub(crate) topic: TopicName,
    pub(crate) template: SinkTemplate,
}

pub(crate) struct Sinking {
    /// Without one, it is computed.
    pub(crate) topic: Option<TopicName>,
    pub(crate) template: SinkTemplate,
}

impl LogicalNode {
    /// A node that changes nothing and carries keys where they belong.
    pub(crate) fn new(name: NodeName, kind: NodeKind, forwards: TypeId) -> Self {
        Self {
            name,
            kind,
            effect: Effect::None,
            partitioning: Partitioning::ByKey,
            null_keys: NullKeys::Dropped,
            joined_with: None,
            windows: None,
            forwards,
            parents: IndexSet::new(),
            children: IndexSet::new(),
            priority: 0,
        }
    }

    pub(crate) fn effect(self, effect: Effect) -> Self {
        Self { effect, ..self }
    }

    pub(crate) fn partitioning(self, partitioning: Partitioning) -> Self {
        Self { partitioning, ..self }
    }

    pub(crate) fn null_keys(self, null_keys: NullKeys) -> Self {
        Self { null_keys, ..self }
    }

    pub(crate) fn in_windows(self, windows: KeyWindows) -> Self {
        Self { windows: Some(windows), ..self }
    }

    pub(crate) fn joined_with(self, other: PlanId) -> Self {
        Self { joined_with: Some(other), ..self }
    }
}
