//! The nodes that run user code, and what that code may call.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

use super::edge::{Edge, NodeCell, Push};
use super::link::{LinkError, NodeLinks, NodeSupplier};
use super::punctuation::{Punctuation, PunctuationId, PunctuationType};
use super::{FixedKeyProcessor, Processor, TaskContext};
use crate::error::{ProcessorError, Pushed, TaskError};
use crate::names::{NodeName, StoreName, TaskId};
use crate::record::{FixedKeyRecord, Record, RecordMeta};
use crate::time::Timestamp;

/// Gives a supplier the stores that its processor is connected to.
#[derive(Debug)]
pub struct ConnectedStores<'a, 'l>(&'a NodeLinks<'l>);

impl ConnectedStores<'_, '_> {
    /// The store of this name. `S` is a store handle such as `KeyValueStore<String, i64>`; keep it
    /// in the processor, so that nothing is looked up per record.
    ///
    /// # Errors
    /// When there is no such store, it is not connected to the processor, or it is of another type.
    pub fn store<S: Clone + 'static>(&self, name: impl Into<StoreName>) -> Result<S, LinkError> {
        self.0.store(&name.into())
    }

    /// The task that the processor is made for.
    #[must_use]
    pub fn task(&self) -> TaskId {
        self.0.context().task()
    }
}

/// What a processor may do while it starts: schedule punctuations, and read its restored stores.
#[derive(Debug)]
pub struct InitContext<'a> {
    task: &'a TaskContext,
    node: usize,
}

impl InitContext<'_> {
    /// Calls `punctuate` each `interval` (at least 1 ms). In stream time the first call comes with
    /// the first record, in wall-clock time after one interval.
    pub fn schedule(&mut self, interval: Duration, kind: PunctuationType) -> PunctuationId {
        self.task.schedules().borrow_mut().add(self.node, interval, kind, self.task.now())
    }

    /// The task.
    #[must_use]
    pub const fn task(&self) -> TaskId {
        self.task.task()
    }
}

/// What a processor may do with a record or in a punctuation.
pub struct Context<'a, K, V> {
    task: &'a TaskContext,
    node: usize,
    out: &'a mut Edge<K, V>,
}

impl<K, V> std::fmt::Debug for Context<'_, K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("task", self.task).finish_non_exhaustive()
    }
}

impl<K: Clone, V: Clone> Context<'_, K, V> {
    /// Pushes a record to all children, in their order, before it returns.
    ///
    /// # Errors
    /// When something further down failed the task; pass it on with `?`.
    pub fn forward(&mut self, record: Record<K, V>) -> Result<(), Box<TaskError>> {
        check_timestamp(record.timestamp)?;
        self.out.push(record)
    }

    /// Pushes a record to the child of this name only.
    ///
    /// # Errors
    /// When there is no such child, or something further down failed the task.
    pub fn forward_to(&mut self, child: &str, record: Record<K, V>) -> Result<(), ProcessorError> {
        check_timestamp(record.timestamp)?;
        let at = self.out.children().position(|name| name.as_str() == child);
        let at = at.ok_or_else(|| NoSuchChild(child.to_owned()))?;
        Ok(self.out.push_to(at, record)?)
    }
}

impl<K, V> Context<'_, K, V> {
    /// The same, for a shorter while.
    const fn again(&mut self) -> Context<'_, K, V> {
        Context { task: self.task, node: self.node, out: self.out }
    }

    /// Calls `punctuate` each `interval`; see [`InitContext::schedule`].
    pub fn schedule(&mut self, interval: Duration, kind: PunctuationType) -> PunctuationId {
        self.task.schedules().borrow_mut().add(self.node, interval, kind, self.task.now())
    }

    /// Ends a schedule.
    pub fn cancel(&mut self, schedule: PunctuationId) {
        self.task.schedules().borrow_mut().cancel(schedule);
    }

    /// Where the record was read; `None` in a punctuation.
    #[must_use]
    pub fn meta(&self) -> Option<RecordMeta> {
        self.task.meta()
    }

    /// The task.
    #[must_use]
    pub const fn task(&self) -> TaskId {
        self.task.task()
    }

    /// The greatest record time that the task has seen; negative before the first record.
    #[must_use]
    pub const fn stream_time(&self) -> Timestamp {
        self.task.stream_time()
    }

    /// Wall-clock time, read once a step.
    #[must_use]
    pub const fn wall_clock(&self) -> Timestamp {
        self.task.now()
    }
}

/// A processor forwarded to a child that it does not have.
#[derive(Debug, thiserror::Error)]
#[error("there is no child \"{0}\"; add the processor as its parent")]
struct NoSuchChild(String);

fn check_timestamp(timestamp: Timestamp) -> Result<(), Box<TaskError>> {
    if timestamp.is_known() {
        return Ok(());
    }
    Err(Box::new(TaskError::Production {
        topic: "".into(),
        source: crate::error::ProduceError::NegativeTimestamp(timestamp.millis()),
    }))
}

/// What a fixed-key processor may do with a record or in a punctuation.
pub struct FixedKeyContext<'a, K, V>(Context<'a, K, V>);

impl<K, V> std::fmt::Debug for FixedKeyContext<'_, K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl<K: Clone, V: Clone> FixedKeyContext<'_, K, V> {
    /// Pushes a record to all children, in their order, before it returns.
    ///
    /// # Errors
    /// When something further down failed the task; pass it on with `?`.
    pub fn forward(&mut self, record: FixedKeyRecord<K, V>) -> Result<(), Box<TaskError>> {
        self.0.forward(record.into_record())
    }

    /// Pushes a record to the child of this name only.
    ///
    /// # Errors
    /// When there is no such child, or something further down failed the task.
    pub fn forward_to(
        &mut self,
        child: &str,
        record: FixedKeyRecord<K, V>,
    ) -> Result<(), ProcessorError> {
        self.0.forward_to(child, record.into_record())
    }
}

impl<K, V> FixedKeyContext<'_, K, V> {
    /// Calls `punctuate` each `interval`; see [`InitContext::schedule`].
    pub fn schedule(&mut self, interval: Duration, kind: PunctuationType) -> PunctuationId {
        self.0.schedule(interval, kind)
    }

    /// Ends a schedule.
    pub fn cancel(&mut self, schedule: PunctuationId) {
        self.0.cancel(schedule);
    }

    /// Where the record was read; `None` in a punctuation.
    #[must_use]
    pub fn meta(&self) -> Option<RecordMeta> {
        self.0.meta()
    }

    /// The task.
    #[must_use]
    pub const fn task(&self) -> TaskId {
        self.0.task()
    }

    /// The greatest record time that the task has seen; negative before the first record.
    #[must_use]
    pub const fn stream_time(&self) -> Timestamp {
        self.0.stream_time()
    }

    /// Wall-clock time, read once a step.
    #[must_use]
    pub const fn wall_clock(&self) -> Timestamp {
        self.0.wall_clock()
    }
}

/// A node that starts and ends with its task.
pub(crate) trait Lifecycle {
    /// Called in topological order, once the stores are restored.
    fn init(&mut self) -> Pushed;
    /// Called when the task closes in good order.
    fn close(&mut self);
}

/// A node that can be called by time.
pub(crate) trait Punctuated {
    fn punctuate(&mut self, punctuation: Punctuation) -> Pushed;
}

/// Makes a node of a [`Processor`] for each task. `make` is the supplier.
pub struct ProcessorNode<F> {
    make: F,
}

impl<F> ProcessorNode<F> {
    /// The node of the processors that `make` supplies.
    pub const fn new(make: F) -> Self {
        Self { make }
    }
}

impl<F> std::fmt::Debug for ProcessorNode<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProcessorNode")
    }
}

impl<K, V, P, F> NodeSupplier<K, V, P::OutKey, P::OutValue> for ProcessorNode<F>
where
    K: 'static,
    V: 'static,
    P: Processor<K, V>,
    F: Fn(&ConnectedStores<'_, '_>) -> Result<P, LinkError> + Send + Sync + 'static,
{
    fn make(
        &self,
        links: &mut NodeLinks<'_>,
        out: Edge<P::OutKey, P::OutValue>,
    ) -> Result<NodeCell<K, V>, LinkError> {
        self.make_in(links, out)
    }
}

/// A processor in its task.
struct Running<P, K, V, I> {
    processor: P,
    out: Edge<K, V>,
    task: Rc<TaskContext>,
    name: NodeName,
    number: usize,
    input: PhantomData<I>,
}

impl<P, K, V> Push<K, V> for Running<P, P::OutKey, P::OutValue, fn(K, V)>
where
    P: Processor<K, V>,
{
    fn push(&mut self, record: Record<K, V>) -> Pushed {
        let saved = self.task.turn_to(record.timestamp, &record.headers);
        let mut cx = Context { task: &self.task, node: self.number, out: &mut self.out };
        let result = self.processor.process(record, &mut cx);
        let settled = self.task.settle(&self.name, result);
        self.task.restore(saved);
        settled
    }
}

impl<P, K, V> Lifecycle for Running<P, P::OutKey, P::OutValue, fn(K, V)>
where
    P: Processor<K, V>,
{
    fn init(&mut self) -> Pushed {
        let result = self.processor.init(&mut InitContext { task: &self.task, node: self.number });
        result.map_err(|ProcessorError(source)| {
            let (node, origin) = (self.name.clone(), self.task.origin());
            Box::new(TaskError::Processing { node, origin, source })
        })
    }

    fn close(&mut self) {
        if let Err(error) = self.processor.close() {
            tracing::warn!(node = %self.name, %error, "processor failed to close");
        }
    }
}

impl<P, K, V> Punctuated for Running<P, P::OutKey, P::OutValue, fn(K, V)>
where
    P: Processor<K, V>,
{
    fn punctuate(&mut self, punctuation: Punctuation) -> Pushed {
        let mut cx = Context { task: &self.task, node: self.number, out: &mut self.out };
        let result = self.processor.punctuate(punctuation, &mut cx);
        self.task.settle(&self.name, result)
    }
}

/// Makes a node of a [`FixedKeyProcessor`] for each task. `make` is the supplier.
pub struct FixedKeyNode<F> {
    make: F,
}

impl<F> FixedKeyNode<F> {
    /// The node of the processors that `make` supplies.
    pub const fn new(make: F) -> Self {
        Self { make }
    }
}

impl<F> std::fmt::Debug for FixedKeyNode<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FixedKeyNode")
    }
}

impl<K, V, P, F> NodeSupplier<K, V, K, P::OutValue> for FixedKeyNode<F>
where
    K: Clone + 'static,
    V: 'static,
    P: FixedKeyProcessor<K, V>,
    F: Fn(&ConnectedStores<'_, '_>) -> Result<P, LinkError> + Send + Sync + 'static,
{
    fn make(
        &self,
        links: &mut NodeLinks<'_>,
        out: Edge<K, P::OutValue>,
    ) -> Result<NodeCell<K, V>, LinkError> {
        let inner = ProcessorNode::new(|stores: &ConnectedStores<'_, '_>| {
            Ok(FixedKey((self.make)(stores)?))
        });
        inner.make_in(links, out)
    }
}

impl<F> ProcessorNode<F> {
    /// As [`NodeSupplier::make`], for a supplier that does not outlive the call.
    fn make_in<K, V, P>(
        &self,
        links: &mut NodeLinks<'_>,
        out: Edge<P::OutKey, P::OutValue>,
    ) -> Result<NodeCell<K, V>, LinkError>
    where
        K: 'static,
        V: 'static,
        P: Processor<K, V>,
        F: Fn(&ConnectedStores<'_, '_>) -> Result<P, LinkError>,
    {
        let processor = (self.make)(&ConnectedStores(links))?;
        let task = Rc::clone(links.context());
        let (number, name) = (links.next_number(), links.name().clone());
        let input = PhantomData::<fn(K, V)>;
        let node = Rc::new(RefCell::new(Running { processor, out, task, name, number, input }));
        links.register(&node);
        Ok(NodeCell::shared(&node))
    }
}

/// A fixed-key processor as a processor.
struct FixedKey<P>(P);

impl<K, V, P> Processor<K, V> for FixedKey<P>
where
    K: Clone + 'static,
    P: FixedKeyProcessor<K, V>,
{
    type OutKey = K;
    type OutValue = P::OutValue;

    fn init(&mut self, cx: &mut InitContext<'_>) -> Result<(), ProcessorError> {
        self.0.init(cx)
    }

    fn process(
        &mut self,
        record: Record<K, V>,
        cx: &mut Context<'_, K, P::OutValue>,
    ) -> Result<(), ProcessorError> {
        self.0.process(FixedKeyRecord::new(record), &mut FixedKeyContext(cx.again()))
    }

    fn punctuate(
        &mut self,
        punctuation: Punctuation,
        cx: &mut Context<'_, K, P::OutValue>,
    ) -> Result<(), ProcessorError> {
        self.0.punctuate(punctuation, &mut FixedKeyContext(cx.again()))
    }

    fn close(&mut self) -> Result<(), ProcessorError> {
        self.0.close()
    }
}
