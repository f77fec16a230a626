//! Declaring buffers.

use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;

use streams_core::names::{StoreName, TopicName};
use streams_core::serde::SharedSerde;
use streams_core::store::{Logging, StoreKind, StoreSpec};

use super::store::BufferStore;
use super::view::SuppressionBuffer;
use crate::view::Codec;

type MakeHandle = dyn Fn(Rc<BufferStore>, TopicName) -> Box<dyn Any> + Send + Sync;

/// A buffer as declared.
#[derive(Clone)]
pub(crate) struct BufferFactory {
    name: StoreName,
    logging: Logging,
    make: Arc<MakeHandle>,
}

impl std::fmt::Debug for BufferFactory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("BufferFactory");
        debug.field("name", &self.name).field("logging", &self.logging).finish_non_exhaustive()
    }
}

impl BufferFactory {
    /// The typed view. `topic` is what its serdes get as their topic.
    pub(crate) fn handle(&self, buffer: &Rc<BufferStore>, topic: &TopicName) -> Box<dyn Any> {
        (self.make)(Rc::clone(buffer), topic.clone())
    }
}

impl StoreSpec for BufferFactory {
    fn name(&self) -> &StoreName {
        &self.name
    }

    fn kind(&self) -> StoreKind {
        StoreKind::TimeOrderedBuffer
    }

    fn is_persistent(&self) -> bool {
        false
    }

    fn logging(&self) -> &Logging {
        &self.logging
    }

    fn with_logging(&self, logging: Logging) -> Arc<dyn StoreSpec> {
        Arc::new(Self { logging, ..self.clone() })
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<K: 'static, V: 'static> SuppressionBuffer<K, V> {
    /// Declares a buffer, for a topology.
    pub fn declared(
        name: impl Into<StoreName>,
        (key, value): (SharedSerde<K>, SharedSerde<V>),
        logging: Logging,
    ) -> Arc<dyn StoreSpec> {
        let make = move |buffer: Rc<BufferStore>, topic| -> Box<dyn Any> {
            let codec = Codec::new(buffer, topic, Arc::clone(&key), Arc::clone(&value));
            Box::new(Self::new(codec))
        };
        Arc::new(BufferFactory { name: name.into(), logging, make: Arc::new(make) })
    }
}
