//! Byte stores of a program's own, which outlast who opened them.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use streams_core::store::StoreKind;
use streams_state::{
    BytesStore, BytesStoreError, BytesStoreSupplier, ChangedRow, EachRow, ScanOrder, StorePlace,
};

use self::map::Map;

mod map {
    include!("../../../streams-state/doc/map.in");
}

/// The rows of a store.
#[derive(Clone, Default)]
pub(crate) struct Shelf {
    rows: Arc<Mutex<Map>>,
    /// Whether there is no space for more.
    is_full: Arc<AtomicBool>,
}

impl Shelf {
    /// Until told otherwise there is no space, or there is.
    pub(crate) fn fill(&self) {
        self.is_full.store(true, Ordering::Relaxed);
    }

    pub(crate) fn make_room(&self) {
        self.is_full.store(false, Ordering::Relaxed);
    }
}

impl BytesStore for Shelf {
    fn get(&self, key: &[u8], value: &mut Vec<u8>) -> Result<bool, BytesStoreError> {
        self.rows.lock().unwrap().get(key, value)
    }

    fn scan(
        &self,
        keys: (Bound<&[u8]>, Bound<&[u8]>),
        order: ScanOrder,
        each: &mut EachRow<'_>,
    ) -> Result<(), BytesStoreError> {
        self.rows.lock().unwrap().scan(keys, order, each)
    }

    fn approximate_num_entries(&self) -> Result<u64, BytesStoreError> {
        self.rows.lock().unwrap().approximate_num_entries()
    }

    fn write(
        &mut self,
        changes: &mut dyn Iterator<Item = ChangedRow<'_>>,
        checkpoint: &[u8],
    ) -> Result<(), BytesStoreError> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into());
        }
        self.rows.lock().unwrap().write(changes, checkpoint)
    }

    fn checkpoint(&self) -> Result<Option<Vec<u8>>, BytesStoreError> {
        self.rows.lock().unwrap().checkpoint()
    }

    fn clear(&mut self) -> Result<(), BytesStoreError> {
        self.rows.lock().unwrap().clear()
    }
}

/// By name and task.
type Kept = BTreeMap<(String, String), (Shelf, StoreKind)>;

/// The stores of an application.
#[derive(Clone, Default)]
pub(crate) struct Shelves(Arc<Mutex<Kept>>);

impl Shelves {
    /// The kinds of the stores that were opened, by their names.
    pub(crate) fn kinds(&self) -> BTreeMap<String, StoreKind> {
        let shelves = self.0.lock().unwrap();
        shelves.iter().map(|((name, _), (_, kind))| (name.clone(), *kind)).collect()
    }

    /// All stores, for a test to fail.
    pub(crate) fn each(&self, with: impl Fn(&Shelf)) {
        self.0.lock().unwrap().values().for_each(|(shelf, _)| with(shelf));
    }
}

impl BytesStoreSupplier for Shelves {
    fn open(&self, place: StorePlace<'_>) -> Result<Box<dyn BytesStore>, BytesStoreError> {
        let mut shelves = self.0.lock().unwrap();
        let whose = (place.store.to_string(), place.task.to_string());
        let (shelf, kind) = shelves.entry(whose).or_insert((Shelf::default(), place.kind));
        assert_eq!(*kind, place.kind);
        Ok(Box::new(shelf.clone()))
    }
}
