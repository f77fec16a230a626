//! The nodes that run user code, and what that code may call.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

use super::edge::{Edge, NodeCell, Push, at_work};
use super::link::{LinkError, NodeLinks, NodeSupplier};
use super::punctuation::{Asked, Punctuation, PunctuationId, PunctuationType, ScheduleError};
use super::{FixedKeyProcessor, Processor, TaskContext};
use crate::config::OwnSettings;
use crate::error::{ProcessorError, ProduceError, Pushed, TaskError};
use crate::names::{ApplicationId, NodeName, StoreName, TaskId};
use crate::record::{FixedKeyRecord, Record, RecordMeta};
use crate::time::Timestamp;

/// Gives a supplier the stores that its processor is connected to.
#[derive(Debug)]
pub struct ConnectedStores<'a, 'l>(&'a NodeLinks<'l>);

impl<'a, 'l> ConnectedStores<'a, 'l> {
    /// Those of a node that is being linked.
    #[must_use]
    pub const fn of(links: &'a NodeLinks<'l>) -> Self {
        Self(links)
    }

    /// The store of this name. `S` is a store handle such as `KeyValueStore<String, i64>`; keep it
    /// in the processor, so that nothing is looked up per record.
    ///
    /// ```
    /// # mod run { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/run.in")); }
    /// # use std::cell::Cell;
    /// # use std::rc::Rc;
    /// let mut node = run::processor(|stores| {
    ///     let counts = stores.store::<Rc<Cell<i64>>>("counts");
    ///     let error = counts.expect_err("it is not connected").to_string();
    ///     assert!(error.contains("\"counts\""), "{error}");
    ///     Ok(run::calls())
    /// });
    /// node.pipe("a", "x", 1)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such store, it is not connected to the processor, or it is of another type.
    pub fn store<S: Clone + 'static>(&self, name: impl Into<StoreName>) -> Result<S, LinkError> {
        self.0.store(&name.into())
    }

    /// The task that the processor is made for.
    ///
    /// ```
    /// # mod run { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/run.in")); }
    /// let mut node = run::processor(|stores| {
    ///     let task = stores.task().to_string();
    ///     Ok(run::calls().process(move |record, cx| cx.forward_to("out", record.with_value(task.clone()))))
    /// });
    /// node.pipe("a", "x", 1)?;
    /// assert_eq!(node.sent(), ["out: a=0_0 @1"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn task(&self) -> TaskId {
        self.0.context().task()
    }

    /// The settings of the program's own, whose names begin with `app.`.
    ///
    /// ```
    /// # mod run { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/run.in")); }
    /// // With `app.limit=5` in the configuration:
    /// let mut node = run::processor(|stores| {
    ///     let limit = stores.own_settings().get("app.limit").map(|limit| limit.expose().to_owned());
    ///     let limit = limit.unwrap_or_default();
    ///     Ok(run::calls().process(move |record, cx| cx.forward_to("out", record.with_value(limit.clone()))))
    /// });
    /// node.pipe("a", "x", 1)?;
    /// assert_eq!(node.sent(), ["out: a=5 @1"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn own_settings(&self) -> &OwnSettings {
        self.0.context().own_settings()
    }
}

/// What every context of a processor can do; each has `place`.
macro_rules! task_calls {
    () => {
        /// Calls `punctuate` each `interval`. In stream time the first call comes with the first
        /// record, in wall-clock time after one interval.
        ///
        /// ```
        /// # mod run { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/run.in")); }
        /// # use std::time::Duration;
        /// # use streams_core::processor::PunctuationType;
        /// # use streams_core::record::Record;
        /// let node = run::calls().init(|cx| {
        ///     cx.schedule(Duration::from_millis(10), PunctuationType::WallClock)?;
        ///     Ok(())
        /// });
        /// let tick = |time| Record::new("tick".to_owned(), "now".to_owned(), time);
        /// let mut node = node.punctuate(move |at, cx| cx.forward(tick(at.timestamp))).start();
        /// node.wall_clock(9)?;
        /// node.wall_clock(12)?;
        /// assert_eq!(node.sent(), ["out: tick=now @12", "other: tick=now @12"]);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        ///
        /// # Errors
        /// When the interval is shorter than 1 ms, or the processor fills a global store.
        pub fn schedule(
            &mut self,
            interval: Duration,
            kind: PunctuationType,
        ) -> Result<PunctuationId, ScheduleError> {
            let (task, node) = self.place();
            task.schedule(node, Asked { interval, kind, anchor: None })
        }

        /// Calls `punctuate` at `start` and each `interval` after it; what of that is over is left
        /// out (KIP-1146).
        ///
        /// ```
        /// # mod run { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/run.in")); }
        /// # use std::time::Duration;
        /// # use streams_core::processor::PunctuationType;
        /// # use streams_core::record::Record;
        /// # use streams_core::time::Timestamp;
        /// let node = run::calls().init(|cx| {
        ///     let (start, every) = (Timestamp::from_millis(7), Duration::from_millis(100));
        ///     cx.schedule_from(start, every, PunctuationType::WallClock)?;
        ///     Ok(())
        /// });
        /// let tick = |time| Record::new("tick".to_owned(), "now".to_owned(), time);
        /// let mut node = node.punctuate(move |at, cx| cx.forward(tick(at.timestamp))).start();
        /// node.wall_clock(6)?;
        /// node.wall_clock(7)?;
        /// node.wall_clock(106)?;
        /// assert_eq!(node.sent(), ["out: tick=now @7", "other: tick=now @7"]);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        ///
        /// # Errors
        /// When the interval is shorter than 1 ms, the start is negative, or the processor fills a
        /// global store.
        pub fn schedule_from(
            &mut self,
            start: Timestamp,
            interval: Duration,
            kind: PunctuationType,
        ) -> Result<PunctuationId, ScheduleError> {
            let (task, node) = self.place();
            task.schedule(node, Asked { interval, kind, anchor: Some(start) })
        }

        /// Ends a schedule.
        ///
        /// ```
        /// # mod run { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/run.in")); }
        /// # use std::time::Duration;
        /// # use streams_core::processor::PunctuationType;
        /// # use streams_core::record::Record;
        /// let node = run::calls().init(|cx| {
        ///     cx.schedule(Duration::from_millis(10), PunctuationType::WallClock)?;
        ///     Ok(())
        /// });
        /// let node = node.punctuate(|at, cx| {
        ///     cx.cancel(at.id);
        ///     cx.forward(Record::new("once".to_owned(), "now".to_owned(), at.timestamp))
        /// });
        /// let mut node = node.start();
        /// node.wall_clock(10)?;
        /// node.wall_clock(20)?;
        /// assert_eq!(node.sent(), ["out: once=now @10", "other: once=now @10"]);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        pub fn cancel(&mut self, schedule: PunctuationId) {
            self.place().0.schedules().borrow_mut().cancel(schedule);
        }

        /// Asks for a commit soon, without waiting for `commit.interval.ms`. It comes after the
        /// record that is being processed, and maybe after others.
        ///
        /// ```
        /// # mod run { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/run.in")); }
        /// let node = run::calls().process(|record, cx| {
        ///     if record.value == "important" {
        ///         cx.commit();
        ///     }
        ///     cx.forward(record)
        /// });
        /// let mut node = node.start();
        /// node.pipe("a", "usual", 1)?;
        /// assert!(!node.is_commit_requested());
        /// node.pipe("a", "important", 2)?;
        /// assert!(node.is_commit_requested());
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        pub fn commit(&mut self) {
            self.place().0.request_commit();
        }

        /// The application's id.
        ///
        /// ```
        /// # mod run { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/run.in")); }
        /// let node = run::calls().process(|record, cx| {
        ///     let application = cx.application_id().to_string();
        ///     cx.forward(record.with_value(application))
        /// });
        /// let mut node = node.start();
        /// node.pipe("a", "x", 1)?;
        /// assert_eq!(node.sent(), ["out: a=app @1", "other: a=app @1"]);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub const fn application_id(&self) -> &ApplicationId {
            self.place().0.application_id()
        }

        /// The settings of the program's own, whose names begin with `app.`. Kafka's `appConfigs` and
        /// `appConfigsWithPrefix`.
        ///
        /// ```
        /// # mod run { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/run.in")); }
        /// // With `app.limit=5` in the configuration:
        /// let node = run::calls().process(|record, cx| {
        ///     let limit = cx.own_settings().get("app.limit").map(|limit| limit.expose().to_owned());
        ///     cx.forward_to("out", record.with_value(limit.unwrap_or_default()))
        /// });
        /// let mut node = node.start();
        /// node.pipe("a", "x", 1)?;
        /// assert_eq!(node.sent(), ["out: a=5 @1"]);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub const fn own_settings(&self) -> &OwnSettings {
            self.place().0.own_settings()
        }

        /// The task.
        ///
        /// ```
        /// # mod run { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/run.in")); }
        /// let node = run::calls().process(|record, cx| {
        ///     let task = cx.task().to_string();
        ///     cx.forward(record.with_value(task))
        /// });
        /// let mut node = node.start();
        /// node.pipe("a", "x", 1)?;
        /// assert_eq!(node.sent(), ["out: a=0_0 @1", "other: a=0_0 @1"]);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub const fn task(&self) -> TaskId {
            self.place().0.task()
        }

        /// The greatest record time that the task has seen; negative before the first record.
        ///
        /// ```
        /// # mod run { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/run.in")); }
        /// let node = run::calls().process(|record, cx| {
        ///     let is_late = record.timestamp < cx.stream_time();
        ///     if is_late { cx.forward_to("other", record) } else { cx.forward_to("out", record) }
        /// });
        /// let mut node = node.start();
        /// node.pipe("a", "x", 50)?;
        /// node.pipe("a", "y", 40)?;
        /// assert_eq!(node.sent(), ["out: a=x @50", "other: a=y @40"]);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub const fn stream_time(&self) -> Timestamp {
            self.place().0.stream_time()
        }

        /// Wall-clock time, read once a step.
        ///
        /// ```
        /// # mod run { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/run.in")); }
        /// let node = run::calls().process(|record, cx| {
        ///     let now = cx.wall_clock();
        ///     cx.forward(record.with_timestamp(now))
        /// });
        /// let mut node = node.start();
        /// node.pipe("a", "x", 50)?;
        /// assert_eq!(node.sent(), ["out: a=x @0", "other: a=x @0"]);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub const fn wall_clock(&self) -> Timestamp {
            self.place().0.now()
        }
    };
}

/// What a processor may do while it starts: schedule punctuations, and read its restored stores.
#[derive(Debug)]
pub struct InitContext<'a> {
    task: &'a TaskContext,
    node: usize,
}

impl InitContext<'_> {
    task_calls!();

    const fn place(&self) -> (&TaskContext, usize) {
        (self.task, self.node)
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
    /// ```
    /// # mod run { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/run.in")); }
    /// let node = run::calls().process(|record, cx| {
    ///     cx.forward(record.clone())?;
    ///     cx.forward(record.with_value("again".to_owned()))
    /// });
    /// let mut node = node.start();
    /// node.pipe("a", "x", 1)?;
    /// assert_eq!(
    ///     node.sent(),
    ///     ["out: a=x @1", "other: a=x @1", "out: a=again @1", "other: a=again @1"]
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the record's timestamp is negative, or something further down failed the task; pass
    /// either on with `?`.
    pub fn forward(&mut self, record: Record<K, V>) -> Result<(), ProcessorError> {
        check_timestamp(record.timestamp)?;
        Ok(self.out.push(record)?)
    }

    /// Pushes a record to the child of this name only.
    ///
    /// ```
    /// # mod run { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/run.in")); }
    /// let node = run::calls().process(|record, cx| {
    ///     let child = if record.value.is_empty() { "other" } else { "out" };
    ///     cx.forward_to(child, record)
    /// });
    /// let mut node = node.start();
    /// node.pipe("a", "x", 1)?;
    /// node.pipe("b", "", 2)?;
    /// assert_eq!(node.sent(), ["out: a=x @1", "other: b= @2"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`forward`](Self::forward), and when there is no such child.
    pub fn forward_to(&mut self, child: &str, record: Record<K, V>) -> Result<(), ProcessorError> {
        check_timestamp(record.timestamp)?;
        let at = self.out.children().position(|name| name.as_str() == child);
        let at = at.ok_or_else(|| NoSuchChild(child.to_owned()))?;
        Ok(self.out.push_to(at, record)?)
    }
}

impl<K, V> Context<'_, K, V> {
    task_calls!();

    /// Where the record was read; `None` in a punctuation.
    ///
    /// ```
    /// # mod run { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/run.in")); }
    /// let node = run::calls().process(|record, cx| {
    ///     let place = cx.meta().map(|meta| meta.to_string());
    ///     cx.forward_to("out", record.with_value(place.unwrap_or_default()))
    /// });
    /// let mut node = node.start();
    /// node.pipe("a", "x", 1)?;
    /// assert_eq!(node.sent(), ["out: a=topic \"in\" partition 0 offset 0 @1"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn meta(&self) -> Option<RecordMeta> {
        self.task.meta()
    }

    const fn place(&self) -> (&TaskContext, usize) {
        (self.task, self.node)
    }

    /// The same, for a shorter while.
    const fn again(&mut self) -> Context<'_, K, V> {
        Context { task: self.task, node: self.node, out: self.out }
    }
}

/// A processor forwarded to a child that it does not have.
#[derive(Debug, thiserror::Error)]
#[error("there is no child \"{0}\"; add the processor as its parent")]
struct NoSuchChild(String);

fn check_timestamp(timestamp: Timestamp) -> Result<(), ProduceError> {
    if timestamp.is_known() {
        return Ok(());
    }
    Err(ProduceError::NegativeTimestamp(timestamp.millis()))
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
    /// ```
    /// # mod run { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/run.in")); }
    /// let mut node = run::calls().start_values(|record, cx| {
    ///     let length = record.value().len().to_string();
    ///     cx.forward(record.with_value(length))
    /// });
    /// node.pipe("a", "three", 1)?;
    /// assert_eq!(node.sent(), ["out: a=5 @1", "other: a=5 @1"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Context::forward`].
    pub fn forward(&mut self, record: FixedKeyRecord<K, V>) -> Result<(), ProcessorError> {
        self.0.forward(record.into_record())
    }

    /// Pushes a record to the child of this name only.
    ///
    /// ```
    /// # mod run { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/run.in")); }
    /// let mut node = run::calls().start_values(|record, cx| {
    ///     let child = if record.value().is_empty() { "other" } else { "out" };
    ///     cx.forward_to(child, record)
    /// });
    /// node.pipe("a", "x", 1)?;
    /// node.pipe("b", "", 2)?;
    /// assert_eq!(node.sent(), ["out: a=x @1", "other: b= @2"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Context::forward_to`].
    pub fn forward_to(
        &mut self,
        child: &str,
        record: FixedKeyRecord<K, V>,
    ) -> Result<(), ProcessorError> {
        self.0.forward_to(child, record.into_record())
    }
}

impl<K, V> FixedKeyContext<'_, K, V> {
    task_calls!();

    /// Where the record was read; `None` in a punctuation.
    ///
    /// ```
    /// # mod run { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/run.in")); }
    /// let mut node = run::calls().start_values(|record, cx| {
    ///     let place = cx.meta().map(|meta| meta.to_string());
    ///     cx.forward_to("out", record.with_value(place.unwrap_or_default()))
    /// });
    /// node.pipe("a", "x", 1)?;
    /// assert_eq!(node.sent(), ["out: a=topic \"in\" partition 0 offset 0 @1"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn meta(&self) -> Option<RecordMeta> {
        self.0.meta()
    }

    const fn place(&self) -> (&TaskContext, usize) {
        self.0.place()
    }
}

/// A node that starts and ends with its task.
pub(crate) trait Lifecycle {
    /// Called in topological order, once the stores are restored.
    fn init(&mut self) -> Pushed;
    /// Called when the task closes in good order.
    fn close(&mut self) -> Pushed;
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

impl<P, K, V, I> Running<P, K, V, I> {
    /// A failure that no handler is asked about.
    fn failure(&self, ProcessorError(source): ProcessorError) -> Box<TaskError> {
        let (node, origin) = (self.name.clone(), self.task.origin());
        Box::new(TaskError::Processing { node, origin, source })
    }
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
        let mut cx = InitContext { task: &self.task, node: self.number };
        let result = at_work(&self.task, &self.name, || self.processor.init(&mut cx));
        result.map_err(|error| self.failure(error))
    }

    fn close(&mut self) -> Pushed {
        let result = at_work(&self.task, &self.name, || self.processor.close());
        result.map_err(|error| self.failure(error))
    }
}

impl<P, K, V> Punctuated for Running<P, P::OutKey, P::OutValue, fn(K, V)>
where
    P: Processor<K, V>,
{
    fn punctuate(&mut self, punctuation: Punctuation) -> Pushed {
        let mut cx = Context { task: &self.task, node: self.number, out: &mut self.out };
        let run = || self.processor.punctuate(punctuation, &mut cx);
        let result = at_work(&self.task, &self.name, run);
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
