//! How values become one: count, reduce, aggregate. What the functions may fail with goes to the
//! processing handler, and the aggregate stays as it was.

use std::marker::PhantomData;

use streams_core::error::ProcessorError;
use streams_state::OldValues;

use crate::null::{Nullable, OrNull};

/// The new aggregate, and with [`OldValues::Send`] what is taken for the one before.
type Folded<A> = (Option<A>, Option<A>);

/// Takes values `T` into an aggregate `A`, one by one.
pub trait Fold<K, T, A: 'static>: Send + Sync + 'static {
    /// The aggregate as the functions see it.
    type Seen: OrNull<A>;

    /// What is there before the first value.
    fn start(&self) -> Self::Seen;

    /// One more value.
    fn add(&self, key: &K, value: T, before: Self::Seen) -> Result<Option<A>, ProcessorError>;

    /// One more value, on what is stored.
    #[inline]
    fn fold(
        &self,
        key: &K,
        value: T,
        stored: Option<A>,
        old_values: OldValues,
    ) -> Result<Folded<A>, ProcessorError>
    where
        A: Clone,
    {
        let before = stored.map_or_else(|| self.start(), Nullable::from_plain);
        // As in Kafka, a row that was not there counts as one with the initial value.
        let old = match old_values {
            OldValues::Send => before.as_plain().cloned(),
            OldValues::Omit => None,
        };
        Ok((self.add(key, value, before)?, old))
    }
}

/// A fold whose aggregates can be put together, as when sessions become one.
pub trait Merge<K, T, A: 'static>: Fold<K, T, A> {
    /// One more session.
    fn merge(&self, key: &K, before: Self::Seen, session: A) -> Result<Self::Seen, ProcessorError>;
}

/// Starts from `initial`. `I` is the aggregate as the functions see it: `A`, or `Option<A>`.
pub(crate) struct Aggregation<G, F, I, M = ()> {
    initial: G,
    add: F,
    merge: M,
    seen_as: PhantomData<fn() -> I>,
}

impl<G, F, I> Aggregation<G, F, I> {
    pub(crate) const fn new(initial: G, add: F) -> Self {
        Self { initial, add, merge: (), seen_as: PhantomData }
    }

    /// The same, with a function that makes one aggregate of two.
    pub(crate) fn merging<M>(self, merge: M) -> Aggregation<G, F, I, M> {
        let Self { initial, add, seen_as, .. } = self;
        Aggregation { initial, add, merge, seen_as }
    }
}

impl<K, T, A, I, G, F, M> Fold<K, T, A> for Aggregation<G, F, I, M>
where
    A: 'static,
    I: OrNull<A>,
    G: Fn() -> I + Send + Sync + 'static,
    F: Fn(&K, T, I) -> Result<I, ProcessorError> + Send + Sync + 'static,
    M: Send + Sync + 'static,
{
    type Seen = I;

    #[inline]
    fn start(&self) -> I {
        (self.initial)()
    }

    #[inline]
    fn add(&self, key: &K, value: T, before: I) -> Result<Option<A>, ProcessorError> {
        Ok((self.add)(key, value, before)?.into_plain())
    }
}

impl<K, T, A, I, G, F, M> Merge<K, T, A> for Aggregation<G, F, I, M>
where
    A: 'static,
    I: OrNull<A>,
    G: Fn() -> I + Send + Sync + 'static,
    F: Fn(&K, T, I) -> Result<I, ProcessorError> + Send + Sync + 'static,
    M: Fn(&K, I, I) -> Result<I, ProcessorError> + Send + Sync + 'static,
{
    fn merge(&self, key: &K, before: I, session: A) -> Result<I, ProcessorError> {
        (self.merge)(key, before, I::from_plain(session))
    }
}

/// Starts from the first value.
pub(crate) struct Reduction<F, R> {
    reduce: F,
    gives: PhantomData<fn() -> R>,
}

impl<F, R> Reduction<F, R> {
    pub(crate) const fn new(reduce: F) -> Self {
        Self { reduce, gives: PhantomData }
    }
}

impl<K, T, N, R, F> Fold<K, T, N> for Reduction<F, R>
where
    N: 'static,
    T: OrNull<N>,
    R: OrNull<N>,
    F: Fn(N, T) -> Result<R, ProcessorError> + Send + Sync + 'static,
{
    type Seen = Option<N>;

    #[inline]
    fn start(&self) -> Option<N> {
        None
    }

    #[inline]
    fn add(&self, _: &K, value: T, before: Option<N>) -> Result<Option<N>, ProcessorError> {
        match before {
            None => Ok(value.into_plain()),
            Some(before) => Ok((self.reduce)(before, value)?.into_plain()),
        }
    }
}

impl<K, T, N, R, F> Merge<K, T, N> for Reduction<F, R>
where
    N: 'static,
    T: OrNull<N>,
    R: OrNull<N>,
    F: Fn(N, T) -> Result<R, ProcessorError> + Send + Sync + 'static,
{
    fn merge(&self, key: &K, before: Option<N>, session: N) -> Result<Option<N>, ProcessorError> {
        match before {
            None => Ok(Some(session)),
            Some(before) => self.add(key, T::from_plain(session), Some(before)),
        }
    }
}
