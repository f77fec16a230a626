//! One store of rows in a task: its layers over its byte store, and how it is restored.

use std::rc::Rc;

use streams_core::error::StoreError;
use streams_core::record::RawRecord;
use streams_core::store::RowOrder;

use crate::bytes::{Bytes, BytesError, OwnStore, Reached};
use crate::layer::changelog::RowFormat;
use crate::layer::expiry::Closed;
use crate::layer::headers_row::write_headers;
use crate::layer::{Layers, Retention};
use crate::row_key::RowKeys;
use crate::staging::{Staged, StagedError};

/// See the module.
pub(crate) struct RowStore {
    pub(crate) layers: Rc<Layers>,
    pub(crate) rows: RowFormat,
}

impl RowStore {
    /// Learns which segments the store has, which is at `position`, and gives the position: none for a
    /// store of the program's own that is found damaged thereby, and is emptied.
    pub(crate) fn learn_segments(&self, position: Option<i64>) -> Result<Option<i64>, StoreError> {
        let is_own = self.with_bytes(|bytes, _| Ok(matches!(bytes, Bytes::Own(_))))?;
        match self.layers.find_segments() {
            Err(StoreError::Corrupted { store, detail }) if is_own => {
                tracing::warn!(%store, detail, "a byte store is damaged; it starts empty");
                self.wipe()?;
                Ok(None)
            }
            found => found.map(|()| position),
        }
    }

    /// The first bytes of the segments to be dropped: of the first, and of the one behind the last.
    pub(crate) fn closed_segments(&self) -> Option<([u8; 8], [u8; 8])> {
        let Closed { from, before } = self.layers.expiry()?.closed()?;
        Some((RowKeys::segment_start(from), RowKeys::segment_start(before)))
    }

    /// The closed segments are dropped; what is written up to now is committed.
    pub(crate) fn forget_closed_segments(&self) {
        let Some(expiry) = self.layers.expiry() else { return };
        if let Some(closed) = expiry.closed() {
            expiry.dropped(closed);
        }
        expiry.committed();
    }

    /// Puts one record of the changelog into the byte store; `row` is a buffer.
    pub(crate) fn restore(
        &self,
        key: &[u8],
        record: &RawRecord<'_>,
        row: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        row.clear();
        if self.rows.has_headers() {
            write_headers(&record.headers, row);
        }
        if self.rows.has_timestamp() {
            row.extend_from_slice(&record.timestamp.millis().to_be_bytes());
        }
        row.extend_from_slice(record.value.unwrap_or_default());
        let value = record.value.map(|_| &**row);
        let next_offset = record.offset.saturating_add(1);
        match self.layers.retention() {
            None => self.restore_bounded(key, value, next_offset),
            Some(retention) => self.restore_windowed(retention, (key, value), next_offset),
        }
    }

    /// Makes what was restored durable.
    pub(crate) fn restored_up_to(&self, next_offset: i64) -> Result<(), StoreError> {
        self.layers.drop_closed();
        self.with_bytes(|bytes, _| match bytes {
            Bytes::Memory(memory) => {
                if let Some((_, before)) = self.closed_segments() {
                    memory.remove_before(&before);
                }
                Ok(())
            }
            Bytes::Rocks(rocks) => {
                rocks.database().restored_up_to(rocks.at(), next_offset)?;
                match self.closed_segments() {
                    Some((from, to)) => rocks.database().drop_range(rocks.at(), (&from, &to)),
                    None => Ok(()),
                }
            }
            Bytes::Own(own) => {
                own.restored_up_to(next_offset)?;
                self.remove_closed(own)
            }
            Bytes::Foreign(_) => Ok(()),
        })?;
        self.forget_closed_segments();
        Ok(())
    }

    /// Puts what is staged into its byte store, unless that is the task's database, which has it
    /// already. `reached` says how far the store has come with it.
    pub(crate) fn take_staged(&self, reached: Reached<'_>) -> Result<(), StoreError> {
        self.with_bytes(|bytes, staged| {
            match bytes {
                Bytes::Memory(memory) => {
                    staged.for_each_staged(|key, value| memory.write(key, value));
                    if let Some((_, before)) = self.closed_segments() {
                        memory.remove_before(&before);
                    }
                }
                Bytes::Rocks(rocks) => {
                    rocks.database().wrote(rocks.at(), staged.staged_size().1);
                    if let Some((from, before)) = self.closed_segments() {
                        rocks.database().drop_files(rocks.at(), (&from, &before));
                    }
                }
                Bytes::Own(own) => {
                    own.write(staged, reached)?;
                    self.remove_closed(own)?;
                }
                Bytes::Foreign(_) => {}
            }
            Ok(())
        })?;
        self.layers.committed();
        self.forget_closed_segments();
        Ok(())
    }

    /// Removes the closed segments of a store of the program's own: behind the write that closes them,
    /// since one that fails takes that back.
    fn remove_closed(&self, own: &OwnStore) -> Result<(), BytesError> {
        match self.closed_segments() {
            Some((from, before)) => own.remove((&from, &before)),
            None => Ok(()),
        }
    }

    /// Drops what is staged, and what was restored and is not written.
    pub(crate) fn discard(&self) {
        let dropped = self.with_bytes(|bytes, _| {
            if let Bytes::Own(own) = bytes {
                own.discard_restoring();
            }
            Ok(())
        });
        if let Err(error) = dropped {
            tracing::debug!(%error, "a closed store has nothing to drop");
        }
        self.layers.discard();
    }

    /// Empties the store.
    pub(crate) fn wipe(&self) -> Result<(), StoreError> {
        self.with_bytes(|bytes, _| match bytes {
            Bytes::Memory(memory) => {
                memory.clear();
                Ok(())
            }
            Bytes::Rocks(rocks) => rocks.database().empty(rocks.at()),
            Bytes::Own(own) => own.empty(),
            Bytes::Foreign(_) => Ok(()),
        })?;
        self.layers.emptied();
        Ok(())
    }

    /// As [`restore_row`](Self::restore_row), and takes the row out that has to go for it.
    fn restore_bounded(
        &self,
        key: &[u8],
        value: Option<&[u8]>,
        next_offset: i64,
    ) -> Result<(), StoreError> {
        self.restore_row(key, value, next_offset)?;
        match self.layers.recency().and_then(|recency| recency.written(key, value)) {
            Some(eldest) => self.restore_row(&eldest, None, next_offset),
            None => Ok(()),
        }
    }

    /// Puts one row into the byte store; `None` deletes it. `next_offset` is the position then.
    fn restore_row(
        &self,
        key: &[u8],
        value: Option<&[u8]>,
        next_offset: i64,
    ) -> Result<(), StoreError> {
        let hash = self.layers.hash(key);
        self.layers.staged().changed_below(hash, key);
        self.with_bytes(|bytes, _| match bytes {
            Bytes::Memory(memory) => {
                memory.write(key, value);
                Ok(())
            }
            Bytes::Rocks(rocks) => rocks.restore((hash, key, value), next_offset),
            Bytes::Own(own) => own.restore(key, value, next_offset),
            Bytes::Foreign(_) => Ok(()),
        })
    }

    /// Puts one record of the changelog into a store that expires. A record that is too old is left
    /// out.
    fn restore_windowed(
        &self,
        retention: &Retention,
        (key, value): (&[u8], Option<&[u8]>),
        next_offset: i64,
    ) -> Result<(), StoreError> {
        let keys = retention.keys;
        let Some(row) = keys.read_changelog(key) else {
            tracing::warn!(store = %self.layers.name(), next_offset, "a changelog record whose key has no window is left out");
            return Ok(());
        };
        if !retention.takes(row) {
            return Ok(());
        }
        let mut bytes = Vec::new();
        if keys.order == RowOrder::TimeFirstIndexed {
            keys.write_index(row, &mut bytes);
            // Without its row the entry is none: as long as it is alone, the position stays before both.
            self.restore_row(&bytes, value.map(|_| &[][..]), next_offset.saturating_sub(1))?;
            bytes.clear();
        }
        keys.write_row(row, &mut bytes);
        self.restore_row(&bytes, value, next_offset)
    }

    /// Its number in the task's database.
    pub(crate) fn at_in_database(&self) -> Option<usize> {
        let at = self.layers.staged().with_bytes(|bytes| match bytes {
            Bytes::Rocks(rocks) => Some(rocks.at()),
            Bytes::Memory(_) | Bytes::Foreign(_) | Bytes::Own(_) => None,
        });
        at.ok().flatten()
    }

    pub(crate) fn with_bytes<R>(
        &self,
        with: impl FnOnce(&Bytes, &Staged) -> Result<R, BytesError>,
    ) -> Result<R, StoreError> {
        let staged = self.layers.staged();
        let result = staged.with_bytes(|bytes| with(bytes, staged));
        result
            .and_then(|result| result.map_err(StagedError::from))
            .map_err(|error| self.layers.failed(error))
    }
}
