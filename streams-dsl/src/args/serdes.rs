//! The serdes that arguments hold.

use std::sync::Arc;

use streams_core::serde::{DefaultSerde, SharedSerde};
use streams_core::topology::Topic;

/// How keys and values are written and read.
pub(crate) struct Serdes<K, V> {
    pub(crate) key: SharedSerde<K>,
    pub(crate) value: SharedSerde<V>,
}

impl<K: DefaultSerde, V: DefaultSerde> Default for Serdes<K, V> {
    fn default() -> Self {
        Self { key: K::serde(), value: V::serde() }
    }
}

impl<K, V> Clone for Serdes<K, V> {
    fn clone(&self) -> Self {
        Self { key: Arc::clone(&self.key), value: Arc::clone(&self.value) }
    }
}

impl<K, V> From<&Topic<K, V>> for Serdes<K, V> {
    fn from(topic: &Topic<K, V>) -> Self {
        Self { key: Arc::clone(topic.key_serde()), value: Arc::clone(topic.value_serde()) }
    }
}

/// The constructors of an argument by its serdes, over its own `of`, which says what else is in it
/// at first. Inherent methods of several types can be shared no other way; each is documented where
/// it is made.
macro_rules! by_serdes {
    (
        $argument:ident:
        $(#[doc = $new:literal])+
        new,
        $(#[doc = $with_serdes:literal])+
        with_serdes,
        $(#[doc = $with_shared_serdes:literal])+
        with_shared_serdes,
    ) => {
        impl<K, V> $argument<K, V> {
            $(#[doc = $new])+
            #[must_use]
            pub fn new() -> Self
            where
                K: streams_core::serde::DefaultSerde,
                V: streams_core::serde::DefaultSerde,
            {
                Self::of($crate::args::serdes::Serdes::default())
            }

            $(#[doc = $with_serdes])+
            pub fn with_serdes(
                key: impl streams_core::serde::Serde<K>,
                value: impl streams_core::serde::Serde<V>,
            ) -> Self {
                Self::with_shared_serdes(std::sync::Arc::new(key), std::sync::Arc::new(value))
            }

            $(#[doc = $with_shared_serdes])+
            #[must_use]
            pub fn with_shared_serdes(
                key: streams_core::serde::SharedSerde<K>,
                value: streams_core::serde::SharedSerde<V>,
            ) -> Self {
                Self::of($crate::args::serdes::Serdes { key, value })
            }
        }

        impl<K, V> Default for $argument<K, V>
        where
            K: streams_core::serde::DefaultSerde,
            V: streams_core::serde::DefaultSerde,
        {
            fn default() -> Self {
                Self::new()
            }
        }
    };
}

pub(super) use by_serdes;
