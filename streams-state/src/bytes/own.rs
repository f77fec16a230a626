//! The rows of a store in a place of the program's own.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError, RwLock};

use streams_core::error::catch_panic;
use streams_core::store::{StoreIdentity, StoreKind};

use super::metadata::Metadata;
use super::{ByteRows, BytesError, Chunk, Direction, InputPositions, KeyRange, Progress};
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

/// The rows, to be read; clones are the same. The lock is taken where memory does not know a row, and
/// only a global store has several threads that wait for it.
#[derive(Clone)]
pub(crate) struct OwnRows(Arc<RwLock<Box<dyn BytesStore>>>);

impl std::fmt::Debug for OwnRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OwnRows")
    }
}

impl OwnRows {
    fn read<R>(
        &self,
        read: impl FnOnce(&dyn BytesStore) -> Result<R, BytesStoreError>,
    ) -> Result<R, BytesError> {
        let rows = self.0.read().unwrap_or_else(PoisonError::into_inner);
        guarded(|| read(&**rows)).map_err(failed("be read"))
    }

    fn change(
        &self,
        action: &'static str,
        change: impl FnOnce(&mut dyn BytesStore) -> Result<(), BytesStoreError>,
    ) -> Result<(), BytesError> {
        let mut rows = self.0.write().unwrap_or_else(PoisonError::into_inner);
        guarded(|| change(&mut **rows)).map_err(failed(action))
    }
}

/// How far a store has come with what is written to it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reached<'a> {
    /// As far as before.
    Same,
    /// To this offset of its changelog.
    Changelog(i64),
    /// A global store, to these offsets of its topic.
    Inputs(&'a InputPositions),
}

/// What is known about a store beside its rows; as bytes, its checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    metadata: Metadata,
    /// Of a global store.
    inputs: Option<InputPositions>,
}

impl Known {
    const fn of(metadata: Metadata) -> Self {
        Self { metadata, inputs: None }
    }

    fn after(&self, reached: Reached<'_>) -> Self {
        let mut after = self.clone();
        match reached {
            Reached::Same => {}
            Reached::Changelog(position) => after.metadata.position = Some(position),
            Reached::Inputs(inputs) => after.inputs = Some(inputs.clone()),
        }
        after
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = self.metadata.encode();
        if let Some(inputs) = &self.inputs {
            bytes.extend_from_slice(&inputs.encode());
        }
        bytes
    }

    fn decode(kind: StoreKind, bytes: &[u8]) -> Option<Self> {
        let (metadata, behind) = Metadata::read(kind, bytes)?;
        Some(Self { metadata, inputs: InputPositions::decode(behind) })
    }
}

/// A byte store of the program's own, with what is known about it beside its rows.
pub(crate) struct OwnStore {
    rows: OwnRows,
    known: RefCell<Known>,
    restoring: RefCell<Restoring>,
}

impl std::fmt::Debug for OwnStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnStore").field("known", &self.known).finish_non_exhaustive()
    }
}

/// What a program's store says. Its panic is an error of that store: the thread has other tasks.
pub(crate) fn guarded<R>(
    call: impl FnOnce() -> Result<R, BytesStoreError>,
) -> Result<R, BytesStoreError> {
    catch_panic(call).unwrap_or_else(|text| {
        Err(BytesStoreError::Failed(format!("its code panicked: {text}").into()))
    })
}

fn failed(action: &'static str) -> impl FnOnce(BytesStoreError) -> BytesError {
    move |error| BytesError::of_own(action, error)
}

impl OwnStore {
    /// Rows of a store of this kind. Those of another one, or that do not say what they are, go.
    pub(crate) fn new(mut rows: Box<dyn BytesStore>, kind: StoreKind) -> Result<Self, BytesError> {
        let known = match guarded(|| rows.checkpoint()) {
            Ok(checkpoint) => checkpoint.and_then(|bytes| Known::decode(kind, &bytes)),
            Err(BytesStoreError::Damaged(detail)) => {
                tracing::warn!(detail, "a byte store is damaged; it starts empty");
                None
            }
            Err(error) => return Err(failed("be opened")(error)),
        };
        let known = match known {
            Some(known) => known,
            // A former process may have ended before its first commit.
            None => {
                guarded(|| rows.clear()).map_err(failed("be emptied"))?;
                Known::of(Metadata::new(kind))
            }
        };
        let (rows, known) = (OwnRows(Arc::new(RwLock::new(rows))), RefCell::new(known));
        Ok(Self { rows, known, restoring: RefCell::default() })
    }

    /// The rows, which others may read too.
    pub(crate) const fn rows(&self) -> &OwnRows {
        &self.rows
    }

    /// All before this offset of the changelog is in the rows.
    pub(crate) fn position(&self) -> Option<i64> {
        self.known.borrow().metadata.position
    }

    /// How far the inputs of a global store are in the rows.
    pub(crate) fn input_positions(&self) -> Option<InputPositions> {
        self.known.borrow().inputs.clone()
    }

    pub(crate) fn identity(&self) -> StoreIdentity {
        self.known.borrow().metadata.identity.clone()
    }

    /// The store is of this identity from now on; written with what is written next.
    pub(crate) fn identify(&self, identity: StoreIdentity) {
        self.known.borrow_mut().metadata.identity = identity;
    }

    /// Writes the identity.
    pub(crate) fn keep_identity(&self) -> Result<(), BytesError> {
        self.write_rows(&mut std::iter::empty(), &self.known.borrow())
    }

    fn write_rows(
        &self,
        changes: &mut dyn Iterator<Item = ChangedRow<'_>>,
        known: &Known,
    ) -> Result<(), BytesError> {
        self.rows.change("be written", |rows| rows.write(changes, &known.encode()))
    }

    /// Writes what is staged, and how far the store has come with it.
    pub(crate) fn write(&self, staged: &Staged, reached: Reached<'_>) -> Result<(), BytesError> {
        self.flush_restoring()?;
        let next = self.known.borrow().after(reached);
        let (count, _) = staged.staged_size();
        if count == 0 && next == *self.known.borrow() {
            return Ok(());
        }
        staged.with_staged(|changes| self.write_rows(changes, &next))?;
        *self.known.borrow_mut() = next;
        Ok(())
    }

    /// Removes the rows between these keys, which have expired.
    pub(crate) fn remove(&self, (from, before): (&[u8], &[u8])) -> Result<(), BytesError> {
        self.rows.change("be rid of what has expired", |rows| rows.remove_range(from, before))
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
        let next = self.known.borrow().after(Reached::Changelog(position));
        {
            let restoring = self.restoring.borrow();
            let mut rows = restoring.rows.iter().map(|(key, value)| (&**key, value.as_deref()));
            self.write_rows(&mut rows, &next)?;
        }
        self.discard_restoring();
        *self.known.borrow_mut() = next;
        Ok(())
    }

    /// Drops rows that were to be restored and are not written.
    pub(crate) fn discard_restoring(&self) {
        *self.restoring.borrow_mut() = Restoring::default();
    }

    /// Empties the store. It is of the same topic still.
    pub(crate) fn empty(&self) -> Result<(), BytesError> {
        self.discard_restoring();
        self.rows.change("be emptied", |rows| rows.clear())?;
        let emptied = self.known.borrow().metadata.emptied();
        *self.known.borrow_mut() = Known::of(emptied);
        self.keep_identity()
    }
}

impl ByteRows for OwnRows {
    fn get(&self, key: &[u8], value: &mut Vec<u8>) -> Result<bool, BytesError> {
        self.read(|rows| rows.get(key, value))
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
        self.read(|rows| rows.scan((range.lower(), range.upper()), order, each))?;
        Ok(progress)
    }

    fn approximate_len(&self) -> Result<u64, BytesError> {
        self.read(|rows| rows.approximate_num_entries())
    }
}
