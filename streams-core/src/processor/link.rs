//! Linking: a topology and a task become processors that call each other. The only place where
//! types are erased and checked.

use std::any::{Any, TypeId, type_name};
use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use super::edge::{Edge, NodeCell, Push};
use super::node::{Lifecycle, Punctuated};
use super::sink::{LinkedSink, Sink, SinkSetting};
use super::source::{LinkedSource, Source, SourceNode};
use super::wrapper::Wrapped;
use super::{ProcessorWrapper, TaskContext};
use crate::error::Pushed;
use crate::names::{NodeName, StoreName, TopicName};
use crate::outbox::SharedOutbox;
use crate::record::Record;
use crate::store::{Access, GlobalStores, TaskStores};
use crate::topology::NodeId;

/// Why a task could not be linked. All are faults of the program, found at the start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// A processor asked for a store that it is not connected to.
    #[error(
        "store \"{store}\" is not connected to processor \"{node}\"; name it where the processor is added"
    )]
    NotConnected {
        /// The store.
        store: StoreName,
        /// The processor.
        node: NodeName,
    },
    /// A processor asked for a store as another type than it has.
    #[error(
        "store \"{store}\" of processor \"{node}\" is not a {wanted}; ask for the kind of store, the key and the value that it was added with"
    )]
    StoreType {
        /// The store.
        store: StoreName,
        /// The processor.
        node: NodeName,
        /// The type that was asked for.
        wanted: &'static str,
    },
    /// Parent and child do not agree on the types of key and value.
    #[error("node \"{child}\" does not take {given}, which its parent forwards")]
    EdgeType {
        /// The child.
        child: NodeName,
        /// What the parent forwards.
        given: &'static str,
    },
    /// The supplier of a processor failed.
    #[error("the supplier of processor \"{node}\" failed")]
    Supplier {
        /// The processor.
        node: NodeName,
        /// What it said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A node whose store has a record cache that forwards what it writes out.
pub trait FlushCache {
    /// Writes out the dirty entries of the cache, in the order of their last writes, and forwards
    /// each.
    ///
    /// # Errors
    /// When a failure was judged to fail the task.
    fn flush_cache(&mut self) -> Pushed;
}

/// Makes the node of one task. One supplier serves all tasks.
pub trait NodeSupplier<K, V, KO, VO>: Send + Sync + 'static {
    /// The node, with `out` as the way to its children.
    ///
    /// # Errors
    /// When a store is missing or of another type.
    fn make(
        &self,
        links: &mut NodeLinks<'_>,
        out: Edge<KO, VO>,
    ) -> Result<NodeCell<K, V>, LinkError>;
}

impl<K, V, KO, VO, F> NodeSupplier<K, V, KO, VO> for F
where
    F: Fn(&mut NodeLinks<'_>, Edge<KO, VO>) -> Result<NodeCell<K, V>, LinkError>
        + Send
        + Sync
        + 'static,
{
    fn make(
        &self,
        links: &mut NodeLinks<'_>,
        out: Edge<KO, VO>,
    ) -> Result<NodeCell<K, V>, LinkError> {
        self(links, out)
    }
}

/// A value as what it is anyway, where two types are one in some programs only.
pub fn same_type<A: 'static, B: 'static>(value: A) -> Option<B> {
    let value: Box<dyn Any> = Box::new(value);
    value.downcast::<B>().ok().map(|same| *same)
}

/// A node to be asked to flush the cache of a store.
pub(crate) struct Flush {
    pub(crate) store: StoreName,
    pub(crate) name: NodeName,
    pub(crate) node: Rc<RefCell<dyn FlushCache>>,
}

/// What linked nodes left with their task, apart from the graph itself.
#[derive(Default)]
pub(crate) struct Registry {
    /// In reverse topological order, as nodes are linked.
    pub(crate) lifecycles: Vec<Rc<RefCell<dyn Lifecycle>>>,
    pub(crate) punctuated: Vec<Rc<RefCell<dyn Punctuated>>>,
    pub(crate) flushes: Vec<Flush>,
    /// By number of the sink.
    pub(crate) sinks: Vec<NodeName>,
    /// What nodes share, by the name that they agree on.
    shared: Vec<(NodeName, Rc<dyn Any>)>,
}

/// What a node finds around it while it is made.
pub struct NodeLinks<'a> {
    name: &'a NodeName,
    connected: &'a [StoreName],
    context: &'a Rc<TaskContext>,
    stores: &'a dyn TaskStores,
    globals: Option<&'a dyn GlobalStores>,
    registry: &'a mut Registry,
}

impl fmt::Debug for NodeLinks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeLinks").field("name", &self.name).finish_non_exhaustive()
    }
}

impl NodeLinks<'_> {
    /// The node's name.
    #[must_use]
    pub const fn name(&self) -> &NodeName {
        self.name
    }

    /// The task's context, to be kept by nodes that need time, place or counts.
    #[must_use]
    pub const fn context(&self) -> &Rc<TaskContext> {
        self.context
    }

    /// The handle of a connected store, or of a global one.
    ///
    /// # Errors
    /// When it is not connected or of another type.
    pub fn store<S: Clone + 'static>(&self, store: &StoreName) -> Result<S, LinkError> {
        let node = || self.name.clone();
        let (handle, other) = if self.connected.contains(store) {
            (self.stores.handle(store), self.stores.handle_with_headers(store, Access::ReadWrite))
        } else {
            let missing = || LinkError::NotConnected { store: store.clone(), node: node() };
            let globals = self.globals.ok_or_else(missing)?;
            let handle = globals.handle(store).ok_or_else(missing)?;
            (Some(handle), globals.handle_with_headers(store))
        };
        // DIFFERENCE(format-handles): in Kafka such a store has the type with headers alone.
        let mut handles = [handle, other].into_iter().flatten();
        let handle = handles.find_map(|handle| handle.downcast::<S>().ok());
        handle.map(|handle| *handle).ok_or_else(|| LinkError::StoreType {
            store: store.clone(),
            node: node(),
            wanted: type_name::<S>(),
        })
    }

    /// What several nodes of one task share under a name; made for the first that asks. With
    /// another type than the first asked for, it is a new one.
    pub fn shared<T: Default + 'static>(&mut self, name: &NodeName) -> Rc<T> {
        let known = self.registry.shared.iter().filter(|(known, _)| known == name);
        let found = known.filter_map(|(_, shared)| Rc::clone(shared).downcast::<T>().ok()).next();
        found.unwrap_or_else(|| {
            let made = Rc::new(T::default());
            self.registry.shared.push((name.clone(), Rc::clone(&made) as Rc<dyn Any>));
            made
        })
    }

    /// The node wants to be asked to flush the cache of this store before each commit.
    pub fn on_flush<N: FlushCache + 'static>(&mut self, store: &StoreName, node: &Rc<RefCell<N>>) {
        let node: Rc<RefCell<N>> = Rc::clone(node);
        let (store, name) = (store.clone(), self.name.clone());
        self.registry.flushes.push(Flush { store, name, node });
    }

    pub(crate) fn next_number(&self) -> usize {
        self.registry.punctuated.len()
    }

    pub(crate) fn register<N: Lifecycle + Punctuated + 'static>(&mut self, node: &Rc<RefCell<N>>) {
        let (starts, punctuated): (Rc<RefCell<N>>, Rc<RefCell<N>>) =
            (Rc::clone(node), Rc::clone(node));
        self.registry.lifecycles.push(starts);
        self.registry.punctuated.push(punctuated);
    }
}

/// Turns templates into nodes, children first.
pub(crate) struct Linker<'a> {
    pub(crate) context: Rc<TaskContext>,
    pub(crate) stores: &'a dyn TaskStores,
    pub(crate) globals: Option<&'a dyn GlobalStores>,
    pub(crate) outbox: SharedOutbox,
    pub(crate) task_number: u32,
    /// From the name in the topology to the name in Kafka.
    pub(crate) topic_name: &'a dyn Fn(&TopicName) -> TopicName,
    pub(crate) wrapper: Option<&'a dyn ProcessorWrapper>,
    /// By node: its [`NodeCell`], and how many parents still want it.
    pub(crate) linked: Vec<Option<(Box<dyn Any>, usize)>>,
    pub(crate) registry: Registry,
}

/// A node as its template sees it.
pub(crate) struct NodePlace<'a> {
    pub(crate) name: &'a NodeName,
    pub(crate) connected: &'a [StoreName],
    pub(crate) children: &'a [(NodeId, NodeName)],
}

impl Linker<'_> {
    fn edge<K: 'static, V: 'static>(
        &mut self,
        children: &[(NodeId, NodeName)],
    ) -> Result<Edge<K, V>, LinkError> {
        let cells = children.iter().map(|(id, name)| {
            let cell = self.cell(*id).ok_or_else(|| LinkError::EdgeType {
                child: name.clone(),
                given: type_name::<(K, V)>(),
            })?;
            Ok((name.clone(), cell))
        });
        let cells = cells.collect::<Result<_, LinkError>>()?;
        Ok(Edge::new(Rc::clone(&self.context), cells))
    }

    /// The node as one that takes `K` and `V`: it does, or it takes what may be null.
    fn cell<K: 'static, V: 'static>(&mut self, id: NodeId) -> Option<NodeCell<K, V>> {
        if let Some(cell) = self.exact::<K, V>(id) {
            return Some(cell);
        }
        if let Some(cell) = self.exact::<Option<K>, V>(id) {
            return Some(NodeCell::owned(Widening(cell, |record: Record<K, V>| {
                let Record { key, value, timestamp, headers } = record;
                Record { key: Some(key), value, timestamp, headers }
            })));
        }
        if let Some(cell) = self.exact::<K, Option<V>>(id) {
            return Some(NodeCell::owned(Widening(cell, |record: Record<K, V>| {
                let Record { key, value, timestamp, headers } = record;
                Record { key, value: Some(value), timestamp, headers }
            })));
        }
        let cell = self.exact::<Option<K>, Option<V>>(id)?;
        Some(NodeCell::owned(Widening(cell, |record: Record<K, V>| {
            let Record { key, value, timestamp, headers } = record;
            Record { key: Some(key), value: Some(value), timestamp, headers }
        })))
    }

    fn exact<K: 'static, V: 'static>(&mut self, id: NodeId) -> Option<NodeCell<K, V>> {
        let slot = self.linked.get_mut(id.at)?;
        let (cell, wanted) = slot.as_mut()?;
        if !cell.is::<NodeCell<K, V>>() {
            return None;
        }
        if *wanted > 1 {
            *wanted -= 1;
            return cell.downcast_mut::<NodeCell<K, V>>().map(NodeCell::share);
        }
        let (cell, _) = slot.take()?;
        cell.downcast::<NodeCell<K, V>>().ok().map(|cell| *cell)
    }
}

/// A node that takes what may be null, below one that forwards plain keys or values.
struct Widening<K, V, F>(NodeCell<K, V>, F);

impl<K, V, KP, VP, F> Push<KP, VP> for Widening<K, V, F>
where
    K: 'static,
    V: 'static,
    F: Fn(Record<KP, VP>) -> Record<K, V>,
{
    #[inline]
    fn push(&mut self, record: Record<KP, VP>) -> Pushed {
        self.0.push((self.1)(record))
    }
}

/// The types of key and value that a node takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Takes {
    types: TypeId,
    /// As the compiler calls them.
    pub(crate) name: &'static str,
}

/// The types of key and value that a node forwards.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Forwards {
    /// Those, and those that take what may be null.
    fits: [TypeId; 4],
    /// As the compiler calls them.
    pub(crate) name: &'static str,
}

impl Takes {
    fn of<K: 'static, V: 'static>() -> Self {
        Self { types: TypeId::of::<(K, V)>(), name: type_name::<(K, V)>() }
    }
}

impl Forwards {
    fn of<K: 'static, V: 'static>() -> Self {
        let fits = [
            TypeId::of::<(K, V)>(),
            TypeId::of::<(Option<K>, V)>(),
            TypeId::of::<(K, Option<V>)>(),
            TypeId::of::<(Option<K>, Option<V>)>(),
        ];
        Self { fits, name: type_name::<(K, V)>() }
    }

    /// Whether a child that takes these can be linked; see [`Linker::cell`].
    pub(crate) fn fit(&self, child: &Takes) -> bool {
        self.fits.contains(&child.types)
    }
}

/// A processor of a topology, of erased types.
#[derive(Clone)]
pub struct ProcessorTemplate(Arc<dyn LinkProcessor>);

impl fmt::Debug for ProcessorTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProcessorTemplate")
    }
}

trait LinkProcessor: Send + Sync {
    fn takes(&self) -> Takes;

    /// `None` for a sink.
    fn forwards(&self) -> Option<Forwards>;

    fn link(
        &self,
        place: &NodePlace<'_>,
        linker: &mut Linker<'_>,
    ) -> Result<Box<dyn Any>, LinkError>;
}

struct Typed<S, T>(S, PhantomData<fn() -> T>);

impl ProcessorTemplate {
    /// The template of the nodes that `supplier` makes.
    pub fn new<K, V, KO, VO>(supplier: impl NodeSupplier<K, V, KO, VO>) -> Self
    where
        K: 'static,
        V: 'static,
        KO: 'static,
        VO: 'static,
    {
        Self(Arc::new(Typed(supplier, PhantomData::<fn() -> (K, V, KO, VO)>)))
    }

    pub(crate) fn takes(&self) -> Takes {
        self.0.takes()
    }

    pub(crate) fn forwards(&self) -> Option<Forwards> {
        self.0.forwards()
    }

    pub(crate) fn link(
        &self,
        place: &NodePlace<'_>,
        linker: &mut Linker<'_>,
    ) -> Result<Box<dyn Any>, LinkError> {
        self.0.link(place, linker)
    }
}

impl<K, V, KO, VO, S> LinkProcessor for Typed<S, (K, V, KO, VO)>
where
    K: 'static,
    V: 'static,
    KO: 'static,
    VO: 'static,
    S: NodeSupplier<K, V, KO, VO>,
{
    fn takes(&self) -> Takes {
        Takes::of::<K, V>()
    }

    fn forwards(&self) -> Option<Forwards> {
        Some(Forwards::of::<KO, VO>())
    }

    fn link(
        &self,
        place: &NodePlace<'_>,
        linker: &mut Linker<'_>,
    ) -> Result<Box<dyn Any>, LinkError> {
        let out = linker.edge::<KO, VO>(place.children)?;
        let mut links = NodeLinks {
            name: place.name,
            connected: place.connected,
            context: &linker.context,
            stores: linker.stores,
            globals: linker.globals,
            registry: &mut linker.registry,
        };
        let cell: NodeCell<K, V> = self.0.make(&mut links, out)?;
        let around =
            linker.wrapper.and_then(|wrapper| wrapper.wrap(place.name, linker.context.task()));
        Ok(Box::new(match around {
            Some(around) => Wrapped::cell(cell, around, (place.name, &linker.context)),
            None => cell,
        }))
    }
}

/// A sink of a topology, of erased types.
#[derive(Clone)]
pub struct SinkTemplate(Arc<dyn LinkProcessor>);

impl fmt::Debug for SinkTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SinkTemplate")
    }
}

impl SinkTemplate {
    /// The template of this sink.
    pub fn new<K: 'static, V: 'static>(sink: Sink<K, V>) -> Self {
        Self(Arc::new(sink))
    }

    pub(crate) fn takes(&self) -> Takes {
        self.0.takes()
    }

    pub(crate) fn link(
        &self,
        place: &NodePlace<'_>,
        linker: &mut Linker<'_>,
    ) -> Result<Box<dyn Any>, LinkError> {
        self.0.link(place, linker)
    }
}

impl<K: 'static, V: 'static> LinkProcessor for Sink<K, V> {
    fn takes(&self) -> Takes {
        Takes::of::<K, V>()
    }

    fn forwards(&self) -> Option<Forwards> {
        None
    }

    fn link(
        &self,
        place: &NodePlace<'_>,
        linker: &mut Linker<'_>,
    ) -> Result<Box<dyn Any>, LinkError> {
        let sinks = &mut linker.registry.sinks;
        let number = u32::try_from(sinks.len()).unwrap_or(u32::MAX);
        sinks.push(place.name.clone());
        let setting = SinkSetting {
            name: place.name.clone(),
            number,
            context: Rc::clone(&linker.context),
            outbox: Rc::clone(&linker.outbox),
            task_number: linker.task_number,
        };
        let node = LinkedSink::new(self.clone(), setting, linker.topic_name);
        Ok(Box::new(NodeCell::<K, V>::owned(node)))
    }
}

/// A source of a topology, of erased types.
#[derive(Clone)]
pub struct SourceTemplate(Arc<dyn LinkSource>);

impl fmt::Debug for SourceTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SourceTemplate")
    }
}

trait LinkSource: Send + Sync {
    fn forwards(&self) -> Forwards;

    fn link(
        &self,
        place: &NodePlace<'_>,
        linker: &mut Linker<'_>,
    ) -> Result<Box<dyn SourceNode>, LinkError>;
}

impl SourceTemplate {
    /// The template of this source.
    pub fn new<K: Clone + 'static, V: Clone + 'static>(source: Source<K, V>) -> Self {
        Self(Arc::new(source))
    }

    pub(crate) fn forwards(&self) -> Forwards {
        self.0.forwards()
    }

    pub(crate) fn link(
        &self,
        place: &NodePlace<'_>,
        linker: &mut Linker<'_>,
    ) -> Result<Box<dyn SourceNode>, LinkError> {
        self.0.link(place, linker)
    }
}

impl<K: Clone + 'static, V: Clone + 'static> LinkSource for Source<K, V> {
    fn forwards(&self) -> Forwards {
        Forwards::of::<K, V>()
    }

    fn link(
        &self,
        place: &NodePlace<'_>,
        linker: &mut Linker<'_>,
    ) -> Result<Box<dyn SourceNode>, LinkError> {
        let out = linker.edge::<K, V>(place.children)?;
        let context = Rc::clone(&linker.context);
        Ok(Box::new(LinkedSource::new(self.clone(), place.name.clone(), context, out)))
    }
}
