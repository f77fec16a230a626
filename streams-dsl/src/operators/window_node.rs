//! The node of an aggregation in windows, of which kind ever: it takes the key and the value that
//! the windows need, and settles what the user's function failed with.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use streams_core::error::{ProcessorError, Pushed, TaskError};
use streams_core::metrics::DropReason;
use streams_core::names::StoreName;
use streams_core::processor::{
    Edge, FlushCache, NodeCell, NodeLinks, ProcessorTemplate, Push, TaskContext,
};
use streams_core::record::Record;
use streams_core::window::Windowed;
use streams_state::OldValues;

use super::Place;
use super::window_close::Closing;
use super::window_output::{Forwards, OwnedWindows, WindowOutput};
use crate::change::Change;
use crate::null::OrNull;
use crate::window::EmitStrategy;

/// What a windowed aggregation does: which windows, when its results leave, and its store.
#[derive(Debug, Clone)]
pub(crate) struct Windowing<W> {
    pub(crate) windows: W,
    pub(crate) emit: EmitStrategy,
    pub(crate) store: StoreName,
}

/// What an aggregation in windows works with in one task.
pub(crate) struct State<W, F, O, T> {
    pub(super) windows: W,
    pub(super) fold: Arc<F>,
    pub(super) output: O,
    pub(super) closing: Closing,
    /// The greatest time of a record; not kept over restarts, as in Kafka.
    pub(super) stream_time: i64,
    taken: PhantomData<fn(T)>,
}

/// Why a record was not taken in.
pub(crate) enum Failure {
    /// The user's function failed.
    Function(ProcessorError),
    /// The task cannot go on.
    Task(Box<TaskError>),
}

impl From<ProcessorError> for Failure {
    fn from(error: ProcessorError) -> Self {
        Self::Function(error)
    }
}

impl From<Box<TaskError>> for Failure {
    fn from(error: Box<TaskError>) -> Self {
        Self::Task(error)
    }
}

/// What was taken in, or why not. As in Kafka, windows that were changed before a failure stay so.
pub(crate) type TakenIn = Result<(), Failure>;

/// Folds records into the windows that they belong to.
pub(crate) trait TakeIn<K, T>: 'static {
    fn take_in(&mut self, record: Record<K, T>, task: &TaskContext) -> TakenIn;
}

struct WindowNode<X, K, T> {
    state: X,
    place: Place,
    taken: PhantomData<fn(K, T)>,
}

impl<S, V, K, T, X> Push<S, V> for WindowNode<X, K, T>
where
    S: OrNull<K>,
    V: OrNull<T>,
    X: TakeIn<K, T>,
{
    #[inline]
    fn push(&mut self, record: Record<S, V>) -> Pushed {
        let Self { state, place, .. } = self;
        let Record { key, value, timestamp, headers } = record;
        let Some(key) = key.into_plain() else { return place.drop_record(DropReason::NullKey) };
        let Some(value) = value.into_plain() else {
            return place.drop_record(DropReason::NullValue);
        };
        let record = Record { key, value, timestamp, headers };
        place.with_record(record, |record, task| match state.take_in(record, task) {
            Ok(()) => Ok(()),
            Err(Failure::Function(error)) => place.fail(error),
            Err(Failure::Task(error)) => Err(error),
        })
    }
}

impl<W, F, St, K, A, T> FlushCache for WindowNode<State<W, F, WindowOutput<St, K, A>, T>, K, T>
where
    St: OwnedWindows<K, A>,
{
    fn flush_cache(&mut self) -> Pushed {
        self.state.output.flush()
    }
}

/// Folds a stream of keys `S` and values `V`, as `K` and `T`, into a table of windows of `A` that a
/// store `St` keeps.
pub(crate) fn template<S, V, K, T, A, W, F, St>(
    fold: Arc<F>,
    windowing: &Windowing<W>,
    old_values: OldValues,
) -> ProcessorTemplate
where
    S: OrNull<K>,
    V: OrNull<T>,
    K: Clone + 'static,
    T: 'static,
    A: Clone + 'static,
    W: Copy + Send + Sync + 'static,
    F: Send + Sync + 'static,
    St: OwnedWindows<K, A>,
    State<W, F, WindowOutput<St, K, A>, T>: TakeIn<K, T>,
{
    let Windowing { windows, emit, store } = windowing.clone();
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<Windowed<K>, Change<A>>| {
        let output = WindowOutput::<St, K, A>::of(links, &store, (old_values, emit), out)?;
        let flushes = output.forwards == Forwards::FromCache;
        let state = State {
            windows,
            fold: Arc::clone(&fold),
            output,
            closing: Closing::of(links, &store),
            stream_time: -1,
            taken: PhantomData::<fn(T)>,
        };
        let node = WindowNode { state, place: Place::of(links), taken: PhantomData::<fn(K, T)> };
        if !flushes {
            return Ok(NodeCell::<S, V>::owned(node));
        }
        let node = Rc::new(RefCell::new(node));
        links.on_flush(&store, &node);
        Ok(NodeCell::shared(&node))
    })
}
