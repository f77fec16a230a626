//! The layers of a store as one of its views may use them.

use std::ops::Deref;
use std::rc::Rc;

use streams_core::error::StoreError;
use streams_core::store::Access;

use super::layers::Hint;
use super::{Layers, Unseen};
use crate::view::PutVersion;

/// A store's layers, for reading and perhaps for writing. Answers to Kafka's
/// `AbstractReadOnlyDecorator`.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    layers: Rc<Layers>,
    access: Access,
    unseen: Unseen,
}

impl Deref for Reach {
    type Target = Rc<Layers>;

    #[inline]
    fn deref(&self) -> &Rc<Layers> {
        &self.layers
    }
}

impl Reach {
    pub(crate) const fn new(layers: Rc<Layers>, access: Access) -> Self {
        Self { layers, access, unseen: Unseen::Nothing }
    }

    /// The same for a view that does not show this.
    pub(crate) fn hiding(self, unseen: Unseen) -> Self {
        Self { unseen, ..self }
    }

    #[inline]
    pub(crate) const fn unseen(&self) -> Unseen {
        self.unseen
    }

    #[inline]
    fn check(&self) -> Result<(), StoreError> {
        match self.access {
            Access::ReadWrite => Ok(()),
            Access::Read => Err(StoreError::ReadOnly(self.layers.name().clone())),
        }
    }

    /// As [`Layers::put`].
    #[inline]
    pub(crate) fn put(&self, key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
        self.check()?;
        self.layers.put(key, value)
    }

    /// As [`Layers::put_at`].
    #[inline]
    pub(crate) fn put_at(
        &self,
        key: &[u8],
        value: Option<&[u8]>,
        hint: Hint,
    ) -> Result<(), StoreError> {
        self.check()?;
        self.layers.put_at(key, value, hint)
    }

    /// As [`Layers::put_version`].
    pub(crate) fn put_version(
        &self,
        key: &[u8],
        value: Option<&[u8]>,
        time: i64,
    ) -> Result<PutVersion, StoreError> {
        self.check()?;
        self.layers.put_version(key, value, time)
    }
}
