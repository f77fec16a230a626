//! Typed keys and values over a store's layers.

use std::cell::Cell;
use std::ops::{Bound, RangeBounds};

use streams_core::error::{Part, StoreError};
use streams_core::names::{StoreName, TopicName};
use streams_core::serde::{Payload, SerdeError, SharedSerde};

use crate::bytes::{Direction, KeyRange};
use crate::layer::{Layers, Reach, Rows};

/// The bytes of the ends of a range of keys.
pub(crate) type KeyBounds = (Bound<Box<[u8]>>, Bound<Box<[u8]>>);

/// What a view lies over.
pub(crate) trait Base {
    /// The store's name.
    fn name(&self) -> &StoreName;

    /// Appends what a row has before that which the view shows.
    #[inline]
    fn write_unseen(&self, row: &mut Vec<u8>) {
        let _ = row;
    }

    /// What the view shows of a row.
    #[inline]
    fn seen<'r>(&self, row: &'r [u8]) -> Result<&'r [u8], SerdeError> {
        Ok(row)
    }
}

impl Base for Reach {
    fn name(&self) -> &StoreName {
        let layers: &Layers = self;
        layers.name()
    }

    #[inline]
    fn write_unseen(&self, row: &mut Vec<u8>) {
        self.unseen().write(self.context(), row);
    }

    #[inline]
    fn seen<'r>(&self, row: &'r [u8]) -> Result<&'r [u8], SerdeError> {
        self.unseen().behind(row)
    }
}

/// What a view lies over, which is the layers of a store unless it is of a kind of its own, and the
/// serdes of the view.
pub(crate) struct Codec<K, V, L = Reach> {
    pub(crate) layers: L,
    key: SharedSerde<K>,
    value: SharedSerde<V>,
    /// The changelog topic, which serdes get as their topic.
    topic: TopicName,
    key_buffer: Cell<Vec<u8>>,
    row_buffer: Cell<Vec<u8>>,
}

impl<K: 'static, V: 'static, L: Base> Codec<K, V, L> {
    pub(crate) fn new(
        layers: L,
        topic: TopicName,
        key: SharedSerde<K>,
        value: SharedSerde<V>,
    ) -> Self {
        Self { layers, key, value, topic, key_buffer: Cell::default(), row_buffer: Cell::default() }
    }

    pub(crate) fn failed(
        &self,
        action: &'static str,
        part: Part,
        source: SerdeError,
    ) -> StoreError {
        StoreError::Serde { store: self.layers.name().clone(), action, part, source }
    }

    fn encode_key(&self, key: &K, out: &mut Vec<u8>) -> Result<(), StoreError> {
        let null = SerdeError::Null { expected: "key of a store" };
        match self.key.encode(&self.topic, key, out) {
            Ok(Payload::Bytes) => Ok(()),
            Ok(Payload::Null) => Err(self.failed("write", Part::Key, null)),
            Err(source) => Err(self.failed("write", Part::Key, source)),
        }
    }

    /// Shows `with` the bytes of a key.
    pub(crate) fn with_key<R>(
        &self,
        key: &K,
        with: impl FnOnce(&[u8]) -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        let mut bytes = self.key_buffer.take();
        bytes.clear();
        let result = self.encode_key(key, &mut bytes).and_then(|()| with(&bytes));
        self.key_buffer.set(bytes);
        result
    }

    /// Appends a row of this value.
    pub(crate) fn encode_value(&self, value: &V, out: &mut Vec<u8>) -> Result<Payload, StoreError> {
        self.layers.write_unseen(out);
        self.append_value(value, out)
    }

    fn append_value(&self, value: &V, out: &mut Vec<u8>) -> Result<Payload, StoreError> {
        let encoded = self.value.encode(&self.topic, value, out);
        encoded.map_err(|source| self.failed("write", Part::Value, source))
    }

    /// A buffer to be kept across user code; give it back when it is done with.
    pub(crate) fn take_buffer(&self) -> Vec<u8> {
        let mut buffer = self.row_buffer.take();
        buffer.clear();
        buffer
    }

    pub(crate) fn give_back(&self, buffer: Vec<u8>) {
        self.row_buffer.set(buffer);
    }

    /// Shows `with` a row: `head`, then the value's bytes; or `None` when the value's serde gives
    /// null.
    pub(crate) fn with_row<R>(
        &self,
        head: &[u8],
        value: &V,
        with: impl FnOnce(Option<&[u8]>) -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        let mut row = self.row_buffer.take();
        row.clear();
        self.layers.write_unseen(&mut row);
        row.extend_from_slice(head);
        let result = self.append_value(value, &mut row).and_then(|payload| match payload {
            Payload::Bytes => with(Some(&row)),
            Payload::Null => with(None),
        });
        self.row_buffer.set(row);
        result
    }

    pub(crate) fn decode_key(&self, bytes: &[u8]) -> Result<K, StoreError> {
        let key = self.key.decode(&self.topic, Some(bytes));
        key.map_err(|source| self.failed("read", Part::Key, source))
    }

    /// The value of a row.
    pub(crate) fn decode_value(&self, row: &[u8]) -> Result<V, StoreError> {
        self.read_value(self.seen(row)?)
    }

    /// What the view shows of a row.
    #[inline]
    pub(crate) fn seen<'r>(&self, row: &'r [u8]) -> Result<&'r [u8], StoreError> {
        self.layers.seen(row).map_err(|source| self.failed("read", Part::Value, source))
    }

    /// The value of these bytes, before which the row had others.
    pub(crate) fn read_value(&self, bytes: &[u8]) -> Result<V, StoreError> {
        let value = self.value.decode(&self.topic, Some(bytes));
        value.map_err(|source| self.failed("read", Part::Value, source))
    }
}

impl<K: 'static, V: 'static> Codec<K, V> {
    fn bound(&self, bound: Bound<&K>) -> Result<Bound<Box<[u8]>>, StoreError> {
        let encode = |key: &K| {
            let mut bytes = Vec::new();
            self.encode_key(key, &mut bytes).map(|()| bytes.into_boxed_slice())
        };
        Ok(match bound {
            Bound::Unbounded => Bound::Unbounded,
            Bound::Included(key) => Bound::Included(encode(key)?),
            Bound::Excluded(key) => Bound::Excluded(encode(key)?),
        })
    }

    /// The rows whose keys' bytes lie between those of the bounds.
    pub(crate) fn range(
        &self,
        range: &impl RangeBounds<K>,
        direction: Direction,
    ) -> Result<Rows, StoreError> {
        let (lower, upper) = self.bounds(range)?;
        Ok(self.layers.rows(KeyRange::new(lower, upper), direction))
    }

    /// The ends of a range of keys; a warning when they leave no key between them.
    pub(crate) fn bounds(&self, range: &impl RangeBounds<K>) -> Result<KeyBounds, StoreError> {
        let (lower, upper) = (self.bound(range.start_bound())?, self.bound(range.end_bound())?);
        if KeyRange::new(lower.clone(), upper.clone()).is_empty() {
            let store = self.layers.name();
            tracing::warn!(%store, "a range is empty: its keys' bytes are in the wrong order");
        }
        Ok((lower, upper))
    }
}

impl<K, V, L: std::fmt::Debug> std::fmt::Debug for Codec<K, V, L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.layers.fmt(f)
    }
}
