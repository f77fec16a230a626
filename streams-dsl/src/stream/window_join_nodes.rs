//! The nodes of joins of two streams within windows of time.

use std::any::TypeId;
use std::sync::Arc;

use streams_core::error::ProcessorError;
use streams_core::names::{NodeName, StoreName};
use streams_core::processor::{ProcessorTemplate, same_type};
use streams_core::serde::SharedSerde;
use streams_core::store::StoreSpec;
use streams_core::topology::TopologyError;
use streams_state::StoreBuilder;

use super::KStream;
use crate::args::StreamJoined;
use crate::null::{OrNull, nullable_serde};
use crate::operators::window_join::{
    self, JoinKind, JoinRecords, Joining, LeftSide, RightSide, SelfJoining, window,
};
use crate::operators::{pass_through, repartition};
use crate::plan::{
    Channel, Keeper, LogicalNode, NodeKind, NullKeys, Partitioning, Plan, PlanId, StreamJoin,
    StreamSide,
};
use crate::window::JoinWindows;

/// What a join is asked for.
pub(super) struct JoinParts<NK, V, W, F> {
    pub(super) kind: JoinKind,
    pub(super) windows: JoinWindows,
    pub(super) joined: StreamJoined<NK, V, W>,
    pub(super) joiner: F,
}

impl<'b, K: Clone + 'static, V: Clone + 'static> KStream<'b, K, V> {
    pub(super) fn joined_with_stream<NK, NV, W, NW, KO, R, F>(
        self,
        other: KStream<'b, K, W>,
        parts: JoinParts<NK, V, W, F>,
    ) -> KStream<'b, KO, R>
    where
        K: OrNull<NK> + OrNull<KO>,
        V: OrNull<NV>,
        W: OrNull<NW> + Clone,
        NK: Clone + 'static,
        NV: 'static,
        NW: 'static,
        KO: Clone + 'static,
        R: Clone + 'static,
        F: JoinRecords<K, NV, NW, R>,
    {
        let JoinParts { kind, windows, joined, joiner } = parts;
        let mut plan = self.builder.plan();
        let is_ours = std::ptr::eq(self.builder, other.builder);
        let other = if is_ours { other.node } else { self.node };
        let key = || nullable_serde::<K, NK>(Arc::clone(&joined.key));
        let name = joined.name.as_ref();
        let channel = repartition::channel::<K, V, NK>(key(), Arc::clone(&joined.value), None);
        let this = repartitioned(&mut plan, self.node, (name, "-left"), channel);
        let value = Arc::clone(&joined.other_value);
        let channel = repartition::channel::<K, W, NK>(key(), value, None);
        let other = repartitioned(&mut plan, other, (name, "-right"), channel);
        let names = JoinNames::new(&mut plan, kind, name);
        if !is_ours {
            plan.fault(TopologyError::ForeignNode(names.merge));
            return KStream::new(self.builder, self.node);
        }
        if let Some(problem) = windows.problem().or_else(|| joined.problem(windows)) {
            plan.fault(TopologyError::Windows { node: names.merge.clone(), problem });
        }
        let stores = names.stores(kind, &joined, windows, key());
        stores.note_generated(&mut plan, &joined);
        let windowed = [
            plan.add(this, kept::<K, V, NK>(&names.this_window, &stores.this)),
            plan.add(other, kept::<K, W, NK>(&names.other_window, &stores.other)),
        ];
        let null_keys = match kind {
            JoinKind::Inner => NullKeys::Dropped,
            JoinKind::Left | JoinKind::Outer => NullKeys::Joined,
        };
        let merge = names.merge.clone();
        let shape = Shape { kind, windows, names, stores, windowed };
        let join = shape.join::<K, V, W, NK, NV, NW, KO, R, F>(joiner);
        let types = TypeId::of::<(KO, R)>();
        let node = LogicalNode::new(merge, NodeKind::StreamJoin(join), types);
        let node = plan.add(this, node.null_keys(null_keys));
        plan.attach(other, node);
        plan.copartition(vec![node]);
        KStream::new(self.builder, node)
    }
}

/// The node that keeps the records of one stream.
fn kept<K, V, N>(name: &NodeName, store: &Arc<dyn StoreSpec>) -> LogicalNode
where
    K: OrNull<N> + Clone,
    V: Clone + 'static,
    N: 'static,
{
    let template = window::template::<K, V, N>(store.name());
    let kind = NodeKind::Keeper(Keeper { template, store: Arc::clone(store), others: Vec::new() });
    LogicalNode::new(name.clone(), kind, TypeId::of::<(K, V)>())
}

/// A join whose nodes have names and stores.
struct Shape {
    kind: JoinKind,
    windows: JoinWindows,
    names: JoinNames,
    stores: JoinStores,
    /// The nodes that keep the records.
    windowed: [PlanId; 2],
}

impl Shape {
    fn join<K, V, W, NK, NV, NW, KO, R, F>(self, joiner: F) -> StreamJoin
    where
        K: OrNull<NK> + OrNull<KO> + Clone,
        V: OrNull<NV> + Clone,
        W: OrNull<NW> + Clone,
        NK: 'static,
        NV: 'static,
        NW: 'static,
        KO: Clone + 'static,
        R: Clone + 'static,
        F: JoinRecords<K, NV, NW, R>,
    {
        let Self { kind, windows, names, stores, windowed } = self;
        let (of_this, of_other) = (stores.this.name().clone(), stores.other.name().clone());
        let unmatched = stores.unmatched.as_ref().map(|store| store.name().clone());
        let joining = |others: &StoreName| {
            let (others, unmatched) = (others.clone(), unmatched.clone());
            Joining { kind, windows, others, unmatched, join: names.merge.clone() }
        };
        let joiner = Arc::new(joiner);
        let with_itself =
            with_itself::<K, V, NK, NV, NW, KO, R, F>((windows, of_this.clone()), &joiner);
        let left = Arc::clone(&joiner);
        let left = move |key: &K, own: Option<&NV>, other: Option<&NW>| left(key, own, other);
        let left = window_join::template::<LeftSide, K, V, W, NK, NV, NW, KO, R, _>(
            joining(&of_other),
            left,
        );
        let right = move |key: &K, own: Option<&NW>, other: Option<&NV>| joiner(key, other, own);
        let right = window_join::template::<RightSide, K, V, W, NK, NW, NV, KO, R, _>(
            joining(&of_this),
            right,
        );
        let [this, other] = windowed;
        StreamJoin {
            this: StreamSide { name: names.this, window: this, store: of_this, template: left },
            other: StreamSide {
                name: names.other,
                window: other,
                store: of_other,
                template: right,
            },
            merge: pass_through::template::<KO, R>(),
            unmatched: stores.unmatched,
            with_itself,
        }
    }
}

/// The node whose records are joined: behind a repartition topic if the key was changed.
fn repartitioned(
    plan: &mut Plan,
    node: PlanId,
    (name, suffix): (Option<&NodeName>, &str),
    channel: Channel,
) -> PlanId {
    if plan.node(node).partitioning == Partitioning::ByKey {
        return node;
    }
    let name = name.map(|name| plan.names.given(format!("{name}{suffix}").into()));
    plan.repartitioned_for_join(node, name.as_ref(), channel)
}

/// The processor that joins by one store, if both streams have values of one type.
fn with_itself<K, V, NK, NV, NW, KO, R, F>(
    (windows, store): (JoinWindows, StoreName),
    joiner: &Arc<F>,
) -> Option<ProcessorTemplate>
where
    K: OrNull<NK> + OrNull<KO> + Clone,
    V: OrNull<NV>,
    NK: 'static,
    NV: 'static,
    NW: 'static,
    KO: Clone + 'static,
    R: Clone + 'static,
    F: JoinRecords<K, NV, NW, R>,
{
    let joiner: Arc<Joiner<K, NV, NW, R>> = Arc::<F>::clone(joiner);
    let joiner = same_type::<_, Arc<Joiner<K, NV, NV, R>>>(joiner)?;
    let joining = SelfJoining { windows, store, joiner };
    Some(window_join::self_template::<K, V, NK, NV, KO, R>(joining))
}

type Joiner<K, A, B, R> =
    dyn Fn(&K, Option<&A>, Option<&B>) -> Result<Option<R>, ProcessorError> + Send + Sync;

/// The names of a join's nodes, and what those of its stores begin with.
struct JoinNames {
    this_window: NodeName,
    other_window: NodeName,
    /// As generated, whatever name was given.
    generated: (NodeName, NodeName),
    this: NodeName,
    other: NodeName,
    merge: NodeName,
    suffixes: (&'static str, &'static str),
}

/// The stores of a join.
struct JoinStores {
    this: Arc<dyn StoreSpec>,
    other: Arc<dyn StoreSpec>,
    unmatched: Option<Arc<dyn StoreSpec>>,
}

impl JoinStores {
    /// Notes those whose names the program gave neither for the join nor with a store of its own.
    fn note_generated<K, V, W>(&self, plan: &mut Plan, joined: &StreamJoined<K, V, W>) {
        if joined.store.is_some() {
            return;
        }
        let this = [Some(&self.this), self.unmatched.as_ref()].into_iter().flatten();
        let this = this.filter(|_| joined.this_store.is_none());
        let other = [&self.other].into_iter().filter(|_| joined.other_store.is_none());
        this.chain(other).for_each(|store| plan.names.note_generated(store.name().as_str()));
    }
}

impl JoinNames {
    fn new(plan: &mut Plan, kind: JoinKind, name: Option<&NodeName>) -> Self {
        let names = &mut plan.names;
        let this_window = names.suffixed(name, "-this-windowed", window::PREFIX);
        let other_window = names.suffixed(name, "-other-windowed", window::PREFIX);
        let (this_prefix, this_suffix) = match kind {
            JoinKind::Outer => (window_join::OUTER_THIS_PREFIX, "-outer-this-join"),
            JoinKind::Inner | JoinKind::Left => (window_join::THIS_PREFIX, "-this-join"),
        };
        let (other_prefix, other_suffix) = match kind {
            JoinKind::Inner => (window_join::OTHER_PREFIX, "-other-join"),
            JoinKind::Left | JoinKind::Outer => {
                (window_join::OUTER_OTHER_PREFIX, "-outer-other-join")
            }
        };
        let generated = (names.node(this_prefix), names.node(other_prefix));
        let mut called = |suffix, generated: &NodeName| match name {
            Some(name) => names.given(format!("{name}{suffix}").into()),
            None => generated.clone(),
        };
        let this = called(this_suffix, &generated.0);
        let other = called(other_suffix, &generated.1);
        let merge = names.suffixed(name, "-merge", pass_through::MERGE_PREFIX);
        let suffixes = (this_suffix, other_suffix);
        Self { this_window, other_window, generated, this, other, merge, suffixes }
    }

    fn stores<K, NK, V, W>(
        &self,
        kind: JoinKind,
        joined: &StreamJoined<NK, V, W>,
        windows: JoinWindows,
        key: SharedSerde<K>,
    ) -> JoinStores
    where
        K: 'static,
        NK: 'static,
        V: 'static,
        W: 'static,
    {
        let base = |generated: &NodeName, suffix| match &joined.store {
            Some(store) => format!("{store}{suffix}"),
            None => generated.to_string(),
        };
        let this = base(&self.generated.0, self.suffixes.0);
        let other = base(&self.generated.1, self.suffixes.1);
        let unmatched = (kind != JoinKind::Inner).then(|| {
            let name = self.unmatched(kind, joined);
            let values = (Arc::clone(&joined.value), Arc::clone(&joined.other_value));
            joined.unmatched_store(window_join::unmatched_store(&name, key, values))
        });
        JoinStores {
            this: joined.store_of_this(&this, windows),
            other: joined.store_of_other(&other, windows),
            unmatched,
        }
    }

    /// The name of the store of records without partner.
    fn unmatched<NK, V, W>(&self, kind: JoinKind, joined: &StreamJoined<NK, V, W>) -> String {
        let suffix = if kind == JoinKind::Outer { "outer" } else { "left" };
        let given = joined.this_store.as_ref().map(StoreBuilder::name);
        match given.or(joined.store.as_ref()) {
            Some(base) => format!("{base}-{suffix}-shared-join-store"),
            None => {
                let generated = self.generated.0.as_str();
                let index = generated.rsplit('-').next().unwrap_or_default();
                format!("{}{index}-store", window_join::SHARED_PREFIX)
            }
        }
    }
}
