//! The typed view of a buffer.

use std::rc::Rc;

use streams_core::error::{Pushed, StoreError};
use streams_core::names::{NodeName, StoreName};
use streams_core::record::Headers;
use streams_core::serde::Payload;
use streams_core::time::Timestamp;

use super::row::{RowContext, read, read_without_headers};
use super::rows::TimedRow;
use super::store::BufferStore;
use crate::view::Codec;

/// Updates of a table that wait to go on, in the order of time, then of the keys' bytes.
///
/// A handle for the operator `suppress`: clones are the same buffer. It stays on its task's thread.
pub struct SuppressionBuffer<K, V> {
    codec: Rc<Codec<K, V, Rc<BufferStore>>>,
}

/// An update that waited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buffered<K, V> {
    /// The row's key.
    pub key: K,
    /// What the table held before the last update.
    pub old: Option<V>,
    /// What it held after.
    pub new: Option<V>,
    /// The time of the last update.
    pub timestamp: Timestamp,
    /// The headers of the last update.
    pub headers: Headers,
    /// Where the last update came from, as the task's context has it.
    place: Option<(u32, i64)>,
}

impl<K, V> Clone for SuppressionBuffer<K, V> {
    fn clone(&self) -> Self {
        Self { codec: Rc::clone(&self.codec) }
    }
}

impl<K, V> std::fmt::Debug for SuppressionBuffer<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SuppressionBuffer").field(&self.codec.layers).finish()
    }
}

impl<K: 'static, V: 'static> SuppressionBuffer<K, V> {
    pub(super) fn new(codec: Codec<K, V, Rc<BufferStore>>) -> Self {
        Self { codec: Rc::new(codec) }
    }

    fn buffer(&self) -> &BufferStore {
        &self.codec.layers
    }

    /// The buffer's name.
    #[must_use]
    pub fn name(&self) -> &StoreName {
        self.buffer().name()
    }

    /// The operator whose updates wait, for metrics.
    pub fn counts_for(&self, node: &NodeName) {
        self.buffer().counts_for(node);
    }

    /// Counts an update that went on: not all that leave do.
    pub fn count_emitted(&self) {
        self.buffer().count_emitted();
    }

    /// How many updates wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer().len()
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of what waits, as Kafka counts them.
    #[must_use]
    pub fn counted_bytes(&self) -> usize {
        self.buffer().counted_bytes()
    }

    /// Bytes that all buffers of the process may take, once they have taken them.
    #[must_use]
    pub fn spent_budget(&self) -> Option<usize> {
        self.buffer().spent_budget()
    }

    /// Lets an update wait, with the time, headers and place of the record being processed. In the
    /// order it is at `time`; if one of its key waits already, it takes that one's place.
    ///
    /// # Errors
    /// When the key or a value cannot be encoded.
    pub fn put(
        &self,
        time: Timestamp,
        key: &K,
        (old, new): (Option<&V>, Option<&V>),
    ) -> Result<(), StoreError> {
        let mut values = self.codec.take_buffer();
        let result = self.codec.with_key(key, |key| {
            let old = self.encode(old, &mut values)?;
            let split = values.len();
            let new = self.encode(new, &mut values)?;
            let (old_bytes, new_bytes) = values.split_at_checked(split).unwrap_or_default();
            self.buffer().put(
                time.millis(),
                key,
                (old.map(|()| old_bytes), new.map(|()| new_bytes)),
            )
        });
        self.codec.give_back(values);
        result
    }

    /// Appends the bytes of a value, where there is one.
    fn encode(&self, value: Option<&V>, out: &mut Vec<u8>) -> Result<Option<()>, StoreError> {
        let Some(value) = value else { return Ok(None) };
        let before = out.len();
        match self.codec.encode_value(value, out)? {
            Payload::Bytes => Ok(Some(())),
            Payload::Null => {
                out.truncate(before);
                Ok(None)
            }
        }
    }

    /// The time of the first update.
    ///
    /// # Errors
    /// When the buffer is closed.
    pub fn first_time(&self) -> Result<Option<Timestamp>, StoreError> {
        self.buffer().first(|row| row.map(|(time, _)| Timestamp::from_millis(time)))
    }

    /// Gives `each` the first update, then takes it out; `each` sees the time, headers and place of
    /// the record that it came from.
    ///
    /// # Errors
    /// What `each` returns, after which the update still waits; or when it cannot be decoded.
    pub fn emit_first(&self, each: &mut dyn FnMut(Buffered<K, V>) -> Pushed) -> Pushed {
        let task = self.buffer().task();
        let failed = |error| task.store_failure(error);
        let first = self.buffer().first(|row| row.map(|row| self.decode(row)).transpose());
        let Some(first) = first.and_then(|first| first).map_err(failed)? else { return Ok(()) };
        let saved = task.turn_to_cached(first.place, first.timestamp, first.headers.clone());
        let result = each(first);
        task.restore(saved);
        result?;
        self.buffer().remove_first().map_err(failed)
    }

    fn decode(&self, (time, row): TimedRow<'_>) -> Result<Buffered<K, V>, StoreError> {
        let row = read(time, row);
        let value = |bytes: Option<&[u8]>| bytes.map(|b| self.codec.decode_value(b)).transpose();
        let RowContext { timestamp, origin, headers } = row.context;
        Ok(Buffered {
            key: self.codec.decode_key(row.key)?,
            old: value(row.values.old)?,
            new: value(row.values.new)?,
            timestamp: Timestamp::from_millis(timestamp),
            headers,
            place: origin,
        })
    }

    /// What the table held under a key before its update began to wait; the outer `None` when none
    /// waits.
    ///
    /// # Errors
    /// When the key cannot be encoded or the value not be decoded.
    pub fn prior(&self, key: &K) -> Result<Option<Option<V>>, StoreError> {
        self.codec.with_key(key, |key| {
            self.buffer().get(key, |row| {
                let prior = row.map(|(time, row)| read_without_headers(time, row).values.prior);
                let prior =
                    prior.map(|bytes| bytes.map(|b| self.codec.decode_value(b)).transpose());
                prior.transpose()
            })?
        })
    }

    /// Writes what changed to the changelog. Part of each commit.
    ///
    /// # Errors
    /// When the changelog does not take a record.
    pub fn log_changes(&self) -> Result<(), StoreError> {
        self.buffer().log_changes()
    }
}
