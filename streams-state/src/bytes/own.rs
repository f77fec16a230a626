//! The rows of a store in a place of the program's own.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use streams_core::store::{StoreIdentity, StoreKind};

use super::metadata::Metadata;
use super::{ByteRows, BytesError, Chunk, Direction, KeyRange, Progress};
use crate::own::{BytesStore, BytesStoreError, ChangedRow, ScanOrder};
use crate::staging::Staged;

/// Bytes of rows that are written at once while the store is restored.
const RESTORING_BYTES_MAX: usize = 1 << 20;

/// Rows that were restored and are not written yet, in the order of their keys.
#[derive(Default)]
struct Restoring {
    rows: BTreeMap<Box<[u8]>, Option<Box<[u8]>>>,
    bytes: usize,
    position: Option<i64>,
}

/// A byte store of the program's own, with what is known about it beside its rows.
pub(crate) struct OwnStore {
    rows: RefCell<Box<dyn BytesStore>>,
    metadata: RefCell<Metadata>,
    restoring: RefCell<Restoring>,
}

impl std::fmt::Debug for OwnStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnStore").field("metadata", &self.metadata).finish_non_exhaustive()
    }
}

fn failed(action: &'static str) -> impl FnOnce(BytesStoreError) -> BytesError {
    move |error| BytesError::of_own(action, error)
}

impl OwnStore {
    /// Rows of a store of this kind. Those of another one, or that do not say what they are, go.
    pub(crate) fn new(mut rows: Box<dyn BytesStore>, kind: StoreKind) -> Result<Self, BytesError> {
        let known = match rows.checkpoint() {
            Ok(checkpoint) => checkpoint.map(|bytes| Metadata::decode(kind, &bytes)),
            Err(BytesStoreError::Damaged(detail)) => {
                tracing::warn!(detail, "a byte store is damaged; it starts empty");
                Some(None)
            }
            Err(error) => return Err(failed("be opened")(error)),
        };
        let metadata = match known {
            Some(Some(metadata)) => metadata,
            // A former process may have ended before its first commit.
            None | Some(None) => {
                rows.clear().map_err(failed("be emptied"))?;
                Metadata::new(kind)
            }
        };
        let (rows, metadata) = (RefCell::new(rows), RefCell::new(metadata));
        Ok(Self { rows, metadata, restoring: RefCell::default() })
    }

    /// All before this offset of the changelog is in the rows.
    pub(crate) fn position(&self) -> Option<i64> {
        self.metadata.borrow().position
    }

    pub(crate) fn identity(&self) -> StoreIdentity {
        self.metadata.borrow().identity.clone()
    }

    /// The store is of this identity from now on; written with what is written next.
    pub(crate) fn identify(&self, identity: StoreIdentity) {
        self.metadata.borrow_mut().identity = identity;
    }

    /// Writes the identity.
    pub(crate) fn keep_identity(&self) -> Result<(), BytesError> {
        let metadata = self.metadata.borrow();
        self.write_rows(&mut std::iter::empty(), &metadata)
    }

    fn write_rows(
        &self,
        changes: &mut dyn Iterator<Item = ChangedRow<'_>>,
        metadata: &Metadata,
    ) -> Result<(), BytesError> {
        let mut rows = self.rows.borrow_mut();
        rows.write(changes, &metadata.encode()).map_err(failed("be written"))
    }

    /// Writes what is staged, with the position that it leads to.
    pub(crate) fn write(&self, staged: &Staged, position: Option<i64>) -> Result<(), BytesError> {
        self.flush_restoring()?;
        let known = self.metadata.borrow().clone();
        let metadata = Metadata { position: position.or(known.position), ..known.clone() };
        let (count, _) = staged.staged_size();
        if count == 0 && metadata == known {
            return Ok(());
        }
        staged.with_staged(|changes| self.write_rows(changes, &metadata))?;
        *self.metadata.borrow_mut() = metadata;
        Ok(())
    }

    /// Adds a row to those being restored; `None` deletes it. `next_offset` is the position then.
    pub(crate) fn restore(
        &self,
        key: &[u8],
        value: Option<&[u8]>,
        next_offset: i64,
    ) -> Result<(), BytesError> {
        let mut restoring = self.restoring.borrow_mut();
        restoring.bytes += key.len() + value.map_or(0, <[u8]>::len);
        restoring.rows.insert(key.into(), value.map(Box::from));
        restoring.position = Some(next_offset);
        let is_full = restoring.bytes >= RESTORING_BYTES_MAX;
        drop(restoring);
        if is_full { self.flush_restoring() } else { Ok(()) }
    }

    /// Writes the rows being restored, with `next_offset` as the position.
    pub(crate) fn restored_up_to(&self, next_offset: i64) -> Result<(), BytesError> {
        self.restoring.borrow_mut().position = Some(next_offset);
        self.flush_restoring()
    }

    fn flush_restoring(&self) -> Result<(), BytesError> {
        let Some(position) = self.restoring.borrow().position else { return Ok(()) };
        let metadata = Metadata { position: Some(position), ..self.metadata.borrow().clone() };
        {
            let restoring = self.restoring.borrow();
            let mut rows = restoring.rows.iter().map(|(key, value)| (&**key, value.as_deref()));
            self.write_rows(&mut rows, &metadata)?;
        }
        self.discard_restoring();
        *self.metadata.borrow_mut() = metadata;
        Ok(())
    }

    /// Drops rows that were to be restored and are not written.
    pub(crate) fn discard_restoring(&self) {
        *self.restoring.borrow_mut() = Restoring::default();
    }

    /// Empties the store. It is of the same topic still.
    pub(crate) fn empty(&self) -> Result<(), BytesError> {
        self.discard_restoring();
        self.rows.borrow_mut().clear().map_err(failed("be emptied"))?;
        let emptied = self.metadata.borrow().emptied();
        *self.metadata.borrow_mut() = emptied;
        self.keep_identity()
    }
}

impl ByteRows for OwnStore {
    fn get(&self, key: &[u8], value: &mut Vec<u8>) -> Result<bool, BytesError> {
        self.rows.borrow().get(key, value).map_err(failed("be read"))
    }

    fn scan(
        &self,
        range: &KeyRange,
        direction: Direction,
        chunk: &mut Chunk,
    ) -> Result<Progress, BytesError> {
        if range.is_empty() {
            return Ok(Progress::Done);
        }
        let order = match direction {
            Direction::Forward => ScanOrder::Ascending,
            Direction::Backward => ScanOrder::Descending,
        };
        let mut progress = Progress::Done;
        let each = &mut |key: &[u8], value: &[u8]| {
            if chunk.is_full() {
                progress = Progress::More;
                return ControlFlow::Break(());
            }
            chunk.push(key, value);
            ControlFlow::Continue(())
        };
        let keys = (range.lower(), range.upper());
        self.rows.borrow().scan(keys, order, each).map_err(failed("be read"))?;
        Ok(progress)
    }

    fn approximate_len(&self) -> Result<u64, BytesError> {
        self.rows.borrow().approximate_num_entries().map_err(failed("be read"))
    }
}
