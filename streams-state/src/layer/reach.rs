//! The layers of a store as one of its views may use them.

use std::ops::Deref;
use std::rc::Rc;

use streams_core::error::StoreError;

use super::Layers;
use super::layers::Hint;
use crate::view::PutVersion;

/// What the holder of a view may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    ReadWrite,
    /// All changes are refused.
    Read,
}

/// A store's layers, for reading and perhaps for writing. Answers to Kafka's
/// `AbstractReadOnlyDecorator`.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    layers: Rc<Layers>,
    access: Access,
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
        Self { layers, access }
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
