//! What the functions of an aggregation take of a value, and how each kind of windows is aggregated.

use streams_core::window::Windowed;
use streams_state::{SessionStore, TimestampedWindowStore};

use super::WindowedKStream;
use crate::args::Materialized;
use crate::null::OrNull;
use crate::operators::fold::Merge;
use crate::operators::window_node;
use crate::table::KTable;
use crate::window::{FixedWindows, SessionWindows, SlidingWindows, Windowing};

/// Windows in which values `V`, plain `N`, are aggregated; sealed. Sliding windows hand the
/// functions the plain value, all others the value as it is.
pub trait Takes<V, N>: Windowing {
    /// What the functions get.
    type Taken: OrNull<N> + Clone;

    /// Whether a count without a store name takes an index more, as in Kafka.
    const COUNT_TAKES_INDEX: bool;

    /// The table of a fold; its names begin as given, where they are generated.
    fn folded<'b, S, K, A, F>(
        stream: WindowedKStream<'b, K, V, Self, S>,
        stored: (&'static str, Materialized<K, A>),
        fold: F,
    ) -> KTable<'b, Windowed<K>, A>
    where
        S: OrNull<K> + Clone,
        K: Clone + 'static,
        A: Clone + 'static,
        F: Merge<K, Self::Taken, A>;
}

impl<V: OrNull<N> + Clone, N, W: FixedWindows> Takes<V, N> for W {
    type Taken = V;

    const COUNT_TAKES_INDEX: bool = true;

    fn folded<'b, S, K, A, F>(
        stream: WindowedKStream<'b, K, V, Self, S>,
        stored: (&'static str, Materialized<K, A>),
        fold: F,
    ) -> KTable<'b, Windowed<K>, A>
    where
        S: OrNull<K> + Clone,
        K: Clone + 'static,
        A: Clone + 'static,
        F: Merge<K, V, A>,
    {
        let template = window_node::template::<S, V, K, V, A, W, F, TimestampedWindowStore<K, A>>;
        stream.aggregated(stored, Materialized::window_store, (fold, template))
    }
}

impl<V: OrNull<N>, N: Clone + 'static> Takes<V, N> for SlidingWindows {
    type Taken = N;

    const COUNT_TAKES_INDEX: bool = false;

    fn folded<'b, S, K, A, F>(
        stream: WindowedKStream<'b, K, V, Self, S>,
        stored: (&'static str, Materialized<K, A>),
        fold: F,
    ) -> KTable<'b, Windowed<K>, A>
    where
        S: OrNull<K> + Clone,
        K: Clone + 'static,
        A: Clone + 'static,
        F: Merge<K, N, A>,
    {
        let template =
            window_node::template::<S, V, K, N, A, Self, F, TimestampedWindowStore<K, A>>;
        stream.aggregated(stored, Materialized::sliding_store, (fold, template))
    }
}

impl<V: OrNull<N> + Clone, N> Takes<V, N> for SessionWindows {
    type Taken = V;

    const COUNT_TAKES_INDEX: bool = true;

    fn folded<'b, S, K, A, F>(
        stream: WindowedKStream<'b, K, V, Self, S>,
        stored: (&'static str, Materialized<K, A>),
        fold: F,
    ) -> KTable<'b, Windowed<K>, A>
    where
        S: OrNull<K> + Clone,
        K: Clone + 'static,
        A: Clone + 'static,
        F: Merge<K, V, A>,
    {
        let template = window_node::template::<S, V, K, V, A, Self, F, SessionStore<K, A>>;
        stream.aggregated(stored, Materialized::session_store, (fold, template))
    }
}

/// Windows that never become one, as sessions do; sealed.
pub trait Separate: Windowing {}

impl<W: FixedWindows> Separate for W {}
impl Separate for SlidingWindows {}
