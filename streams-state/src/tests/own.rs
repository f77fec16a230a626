//! Stores in a place of the program's own.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::ops::{Bound, ControlFlow};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use streams_core::error::{StoreError, chain};
use streams_core::store::{ChangelogTopic, RowOrder, StateBackend, TaskStores};
use streams_core::time::Timestamp;

use crate::own::remove_by_key;
use crate::testing::{Fixture, ScratchDirectory, handle};
use crate::{
    BytesStore, BytesStoreError, BytesStoreSupplier, ChangedRow, EachRow, KeyValueStore,
    MemoryBackend, ScanOrder, StorePlace, Stores, TimestampedKeyValueStore, WindowStore,
};

/// What outlasts the process.
#[derive(Debug, Default)]
pub(super) struct Kept {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    checkpoint: Option<Vec<u8>>,
    directories: Vec<Option<PathBuf>>,
    writes: usize,
    /// What expired.
    removed: Vec<(Vec<u8>, Vec<u8>)>,
    fault: Option<Fault>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Writes are refused.
    Broken,
    /// There is no space.
    Full,
    /// What expired is not removed.
    Stuck,
    /// Writes panic.
    Panicking,
    /// Reads find damage.
    Torn,
    /// Scans find damage.
    TornBehind,
}

/// A database for one store.
#[derive(Debug, Clone, Default)]
pub(super) struct Shelf(Arc<Mutex<Kept>>);

impl Shelf {
    fn with<R>(&self, with: impl FnOnce(&mut Kept) -> R) -> R {
        with(&mut self.0.lock().unwrap())
    }

    fn rows(&self) -> usize {
        self.with(|kept| kept.rows.len())
    }

    fn read<R>(&self, read: impl FnOnce(&Kept) -> R) -> Result<R, BytesStoreError> {
        self.with(|kept| match kept.fault {
            Some(Fault::Torn) => Err(BytesStoreError::Damaged("torn".to_owned())),
            _ => Ok(read(kept)),
        })
    }
}

impl BytesStoreSupplier for Shelf {
    fn open(&self, place: StorePlace<'_>) -> Result<Box<dyn BytesStore>, BytesStoreError> {
        self.with(|kept| kept.directories.push(place.directory.map(Into::into)));
        Ok(Box::new(self.clone()))
    }
}

impl BytesStore for Shelf {
    fn get(&self, key: &[u8], value: &mut Vec<u8>) -> Result<bool, BytesStoreError> {
        let found = self.read(|kept| kept.rows.get(key).cloned())?;
        value.extend_from_slice(found.as_deref().unwrap_or_default());
        Ok(found.is_some())
    }

    fn scan(
        &self,
        keys: (Bound<&[u8]>, Bound<&[u8]>),
        order: ScanOrder,
        each: &mut EachRow<'_>,
    ) -> Result<(), BytesStoreError> {
        if self.with(|kept| kept.fault == Some(Fault::TornBehind)) {
            return Err(BytesStoreError::Damaged("torn".to_owned()));
        }
        let rows = self.read(|kept| {
            let rows = kept.rows.range::<[u8], _>(keys);
            rows.map(|(key, value)| (key.clone(), value.clone())).collect::<Vec<_>>()
        })?;
        let mut each = |(key, value): (Vec<u8>, Vec<u8>)| each(&key, &value);
        let _: ControlFlow<()> = match order {
            ScanOrder::Ascending => rows.into_iter().try_for_each(&mut each),
            ScanOrder::Descending => rows.into_iter().rev().try_for_each(&mut each),
        };
        Ok(())
    }

    fn approximate_num_entries(&self) -> Result<u64, BytesStoreError> {
        Ok(self.rows() as u64)
    }

    fn write(
        &mut self,
        changes: &mut dyn Iterator<Item = ChangedRow<'_>>,
        checkpoint: &[u8],
    ) -> Result<(), BytesStoreError> {
        assert!(self.with(|kept| kept.fault != Some(Fault::Panicking)), "out of ink");
        self.with(|kept| {
            match kept.fault {
                Some(Fault::Broken) => return Err(std::io::Error::other("broken").into()),
                Some(Fault::Full) => {
                    return Err(std::io::Error::from(ErrorKind::StorageFull).into());
                }
                _ => {}
            }
            let mut last = None;
            for (key, value) in changes {
                assert!(last.as_deref() < Some(key), "in the order of their keys");
                last = Some(key.to_vec());
                match value {
                    Some(value) => kept.rows.insert(key.to_vec(), value.to_vec()),
                    None => kept.rows.remove(key),
                };
            }
            kept.checkpoint = Some(checkpoint.to_vec());
            kept.writes += 1;
            Ok(())
        })
    }

    fn remove_range(&mut self, from: &[u8], before: &[u8]) -> Result<(), BytesStoreError> {
        self.with(|kept| {
            if kept.fault == Some(Fault::Stuck) {
                return Err(std::io::Error::other("stuck"));
            }
            kept.removed.push((from.to_vec(), before.to_vec()));
            Ok(())
        })?;
        remove_by_key(self, from, before)
    }

    fn checkpoint(&self) -> Result<Option<Vec<u8>>, BytesStoreError> {
        self.read(|kept| kept.checkpoint.clone())
    }

    fn clear(&mut self) -> Result<(), BytesStoreError> {
        self.with(|kept| {
            (kept.checkpoint, kept.fault) = (None, None);
            kept.rows.clear();
        });
        Ok(())
    }
}

type Plain = KeyValueStore<String, i64>;
type Windows = WindowStore<String, Vec<u8>>;

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn key(key: &str) -> String {
    key.to_owned()
}

fn fixture(shelf: &Shelf) -> Fixture {
    Fixture::new(vec![Stores::key_value::<String, i64>("s").kept_in(shelf.clone()).build()], 0)
}

#[test]
fn it_holds_what_was_committed_with_the_position_and_nothing_else() {
    let (shelf, backend) = (Shelf::default(), MemoryBackend::new());
    let fixture = fixture(&shelf);
    let mut stores = fixture.open(&backend);
    let plain: Plain = handle(&*stores, "s");
    plain.put(&key("a"), &1).unwrap();
    plain.put(&key("b"), &2).unwrap();
    assert_eq!((plain.get(&key("a")).unwrap(), shelf.rows()), (Some(1), 0));
    stores.commit(&[(0, 2)]).unwrap();
    assert_eq!((plain.get(&key("a")).unwrap(), shelf.rows()), (Some(1), 2));
    plain.delete(&key("a")).unwrap();
    assert_eq!(plain.all().unwrap().count(), 1);
    drop((plain, stores));
    // The process ended before the next commit.
    let mut stores = fixture.open(&backend);
    assert_eq!(stores.position(0), Some(2));
    let plain: Plain = handle(&*stores, "s");
    assert_eq!(plain.get(&key("a")).unwrap(), Some(1));
    let writes = shelf.with(|kept| kept.writes);
    stores.commit(&[(0, 2)]).unwrap();
    assert_eq!(shelf.with(|kept| kept.writes), writes, "there was nothing new");
    assert_eq!(plain.reverse_all().unwrap().map(|row| row.unwrap().1).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn a_commit_that_it_refuses_fails_and_changes_nothing() {
    for fault in [Fault::Broken, Fault::Full, Fault::Panicking] {
        refuse(fault);
    }
}

fn refuse(fault: Fault) {
    let (shelf, backend) = (Shelf::default(), MemoryBackend::new());
    let fixture = fixture(&shelf);
    let mut stores = fixture.open(&backend);
    let plain: Plain = handle(&*stores, "s");
    plain.put(&key("a"), &1).unwrap();
    stores.commit(&[(0, 1)]).unwrap();
    plain.put(&key("a"), &2).unwrap();
    shelf.with(|kept| kept.fault = Some(fault));
    let error = stores.commit(&[(0, 2)]).unwrap_err();
    match fault {
        // A full place is waited for.
        Fault::Full => assert!(matches!(error, StoreError::DiskFull { .. }), "{error:?}"),
        Fault::Panicking => assert!(chain(&error).ends_with("its code panicked: out of ink")),
        _ => assert!(matches!(error, StoreError::Io { .. }), "{error:?}"),
    }
    assert_eq!(error.is_passing(), fault == Fault::Full);
    stores.discard();
    shelf.with(|kept| kept.fault = None);
    assert_eq!((plain.get(&key("a")).unwrap(), stores.position(0)), (Some(1), Some(1)));
    fixture.restore(&mut *stores, 0, 2);
    assert_eq!((plain.get(&key("a")).unwrap(), stores.position(0)), (Some(2), Some(2)));
}

#[test]
fn it_is_restored_in_bulk_and_emptied() {
    let (shelf, backend) = (Shelf::default(), MemoryBackend::new());
    let fixture = fixture(&shelf);
    let stores = fixture.open(&backend);
    let plain: Plain = handle(&*stores, "s");
    for at in 0..100_i64 {
        plain.put(&format!("k{:02}", at % 50), &at).unwrap();
    }
    drop((plain, stores));
    let mut stores = fixture.open(&backend);
    let topic = ChangelogTopic { cluster_id: Some("c".into()), ..ChangelogTopic::default() };
    stores.belongs_to(0, &topic);
    fixture.restore(&mut *stores, 0, 100);
    assert_eq!((shelf.rows(), shelf.with(|kept| kept.writes)), (50, 1));
    drop(stores);
    let mut stores = fixture.open(&backend);
    assert_eq!(
        (stores.position(0), stores.identity(0).cluster_id.as_deref()),
        (Some(100), Some("c"))
    );
    stores.wipe(0).unwrap();
    assert_eq!((stores.position(0), shelf.rows()), (None, 0));
    assert_eq!(
        stores.identity(0).cluster_id.as_deref(),
        Some("c"),
        "it is of the same topic still"
    );
}

#[test]
fn what_was_restored_and_not_written_is_dropped_with_what_is_staged() {
    let (shelf, backend) = (Shelf::default(), MemoryBackend::new());
    let fixture = fixture(&shelf);
    let mut stores = fixture.open(&backend);
    let plain: Plain = handle(&*stores, "s");
    plain.put(&key("a"), &1).unwrap();
    let sent = fixture.outbox.borrow().sent[0].clone();
    let record = streams_core::record::RawRecord {
        key: Some(&sent.key),
        value: sent.value.as_deref(),
        timestamp: at(0),
        offset: 0,
        leader_epoch: None,
        headers: sent.headers.clone(),
    };
    stores.restore(0, &record).unwrap();
    stores.discard();
    stores.commit(&[(0, 0)]).unwrap();
    assert_eq!((shelf.rows(), stores.position(0)), (0, Some(0)));
}

#[test]
fn rows_of_another_kind_of_store_or_without_a_checkpoint_go() {
    let (shelf, backend) = (Shelf::default(), MemoryBackend::new());
    let plain = fixture(&shelf);
    let mut stores = plain.open(&backend);
    handle::<Plain>(&*stores, "s").put(&key("a"), &1).unwrap();
    stores.commit(&[(0, 1)]).unwrap();
    drop(stores);
    let spec = Stores::timestamped_key_value::<String, i64>("s").kept_in(shelf.clone()).build();
    let timestamped = Fixture::new(vec![spec], 0);
    let stores = timestamped.open(&backend);
    assert_eq!((stores.position(0), shelf.rows()), (None, 0));
    let rows: TimestampedKeyValueStore<String, i64> = handle(&*stores, "s");
    assert_eq!(rows.get(&key("a")).unwrap(), None);
    drop((rows, stores));
    shelf.with(|kept| kept.rows.insert(vec![1], vec![2]));
    assert_eq!((plain.open(&backend).position(0), shelf.rows()), (None, 0));
}

#[test]
fn damage_is_told_and_cured_by_emptying() {
    let (shelf, backend) = (Shelf::default(), MemoryBackend::new());
    let fixture = fixture(&shelf);
    let mut stores = fixture.open(&backend);
    let plain: Plain = handle(&*stores, "s");
    plain.put(&key("a"), &1).unwrap();
    stores.commit(&[(0, 1)]).unwrap();
    drop((plain, stores));
    let mut stores = fixture.open(&backend);
    let plain: Plain = handle(&*stores, "s");
    shelf.with(|kept| kept.fault = Some(Fault::Torn));
    let error = plain.get(&key("a")).unwrap_err();
    assert!(matches!(error, StoreError::Corrupted { .. }), "{error:?}");
    stores.wipe(0).unwrap();
    assert_eq!(plain.get(&key("a")).unwrap(), None);
    shelf.with(|kept| kept.fault = Some(Fault::Torn));
    drop((plain, stores));
    let stores = fixture.open(&backend);
    assert_eq!(stores.position(0), None, "damage that is found at the start empties it too");
}

#[test]
fn it_lies_beside_stores_in_the_database_below_the_task_s_directory() {
    let (shelf, scratch) = (Shelf::default(), ScratchDirectory::new("own"));
    let own = Stores::key_value::<String, i64>("s").kept_in(shelf.clone()).build();
    let fixture = Fixture::new(vec![Stores::key_value::<String, i64>("t").build(), own], 0);
    let backend = scratch.backend();
    let mut stores = fixture.open(&backend);
    for name in ["s", "t"] {
        handle::<Plain>(&*stores, name).put(&key("a"), &1).unwrap();
    }
    stores.commit(&[(0, 1), (1, 2)]).unwrap();
    drop(stores);
    let stores = fixture.open(&backend);
    assert_eq!((stores.position(0), stores.position(1)), (Some(1), Some(2)));
    for name in ["s", "t"] {
        assert_eq!(handle::<Plain>(&*stores, name).get(&key("a")).unwrap(), Some(1));
    }
    let directory = scratch.path().join("app/0_0/store.s");
    assert!(directory.is_dir());
    assert_eq!(
        shelf.with(|kept| kept.directories.clone()),
        [Some(directory.clone()), Some(directory)]
    );
}

#[test]
fn unlogged_rows_are_written_before_the_offsets() {
    let (shelf, backend) = (Shelf::default(), MemoryBackend::new());
    let spec = Stores::key_value::<String, i64>("s").kept_in(shelf.clone()).without_changelog();
    let fixture = Fixture::new(vec![spec.build()], 0);
    let mut stores: Box<dyn TaskStores> = fixture.open(&backend);
    handle::<Plain>(&*stores, "s").put(&key("a"), &1).unwrap();
    stores.commit_unlogged().unwrap();
    assert_eq!(shelf.rows(), 1);
    drop(stores);
    let stores = fixture.open(&backend);
    assert_eq!(handle::<Plain>(&*stores, "s").get(&key("a")).unwrap(), Some(1));
}

const HOUR: Duration = Duration::from_secs(3_600);
/// Half of what windows are kept.
const SEGMENT: i64 = 1_800_000;

fn windows(shelf: &Shelf, order: RowOrder) -> Fixture {
    let store = Stores::window::<String, Vec<u8>>("s", Duration::from_millis(10), HOUR);
    Fixture::new(vec![store.ordered(order).kept_in(shelf.clone()).build()], 0)
}

fn starts(windows: &Windows) -> Vec<i64> {
    windows.all().unwrap().map(|entry| entry.unwrap().0.window.start.millis()).collect()
}

/// Opens the store anew, without what was staged.
fn opened_again(fixture: &Fixture, backend: &dyn StateBackend) -> (Box<dyn TaskStores>, Windows) {
    let stores = fixture.open(backend);
    let windows = handle(&*stores, "s");
    (stores, windows)
}

#[test]
fn closed_segments_go_once_each_behind_the_commit_that_closed_them() {
    let (shelf, backend) = (Shelf::default(), MemoryBackend::new());
    let fixture = windows(&shelf, RowOrder::KeyFirst);
    let (mut stores, view) = opened_again(&fixture, &backend);
    for step in 0..10 {
        view.put(&key("a"), &vec![1], at(step * SEGMENT)).unwrap();
        stores.commit(&[(0, fixture.end())]).unwrap();
        stores.commit(&[(0, fixture.end())]).unwrap();
    }
    assert_eq!(shelf.rows(), 3);
    let range = |step: i64| ((step - 1).to_be_bytes().to_vec(), step.to_be_bytes().to_vec());
    assert_eq!(shelf.with(|kept| kept.removed.clone()), (1..8).map(range).collect::<Vec<_>>());
    drop((stores, view));
    let (_stores, view) = opened_again(&fixture, &backend);
    assert_eq!(starts(&view), [7, 8, 9].map(|step| step * SEGMENT));
}

#[test]
fn what_expired_and_was_not_removed_goes_later() {
    let (shelf, backend) = (Shelf::default(), MemoryBackend::new());
    let fixture = windows(&shelf, RowOrder::KeyFirst);
    let (mut stores, view) = opened_again(&fixture, &backend);
    view.put(&key("a"), &vec![1], at(0)).unwrap();
    stores.commit(&[(0, 1)]).unwrap();
    view.put(&key("a"), &vec![2], at(10 * SEGMENT)).unwrap();
    shelf.with(|kept| kept.fault = Some(Fault::Stuck));
    let error = stores.commit(&[(0, 2)]).unwrap_err();
    assert!(error.to_string().contains("be rid of what has expired"), "{error}");
    stores.discard();
    // The task reads on from the position that it knows, which the rows are ahead of.
    assert_eq!((stores.position(0), shelf.rows()), (Some(1), 2));
    shelf.with(|kept| kept.fault = None);
    fixture.restore(&mut *stores, 0, 2);
    assert_eq!((starts(&view), shelf.rows()), (vec![10 * SEGMENT], 1));
}

#[test]
fn a_store_of_windows_that_is_found_damaged_when_it_is_opened_starts_empty() {
    let (shelf, backend) = (Shelf::default(), MemoryBackend::new());
    let fixture = windows(&shelf, RowOrder::KeyFirst);
    let (mut stores, view) = opened_again(&fixture, &backend);
    view.put(&key("a"), &vec![1], at(0)).unwrap();
    stores.commit(&[(0, 1)]).unwrap();
    drop((stores, view));
    shelf.with(|kept| kept.fault = Some(Fault::TornBehind));
    let (mut stores, view) = opened_again(&fixture, &backend);
    assert_eq!((stores.position(0), shelf.rows()), (None, 0));
    fixture.restore(&mut *stores, 0, 1);
    assert_eq!(starts(&view), [0]);
}

/// A crash may come between any two writes.
#[test]
fn an_entry_of_an_index_is_not_restored_without_its_row() {
    let (shelf, backend) = (Shelf::default(), MemoryBackend::new());
    let fixture = windows(&shelf, RowOrder::TimeFirstIndexed);
    let (stores, view) = opened_again(&fixture, &backend);
    // Keys of the index and of the row, each 8 + 1 + 1 + 8 + 4 bytes, leave room for less than a key.
    view.put(&key("a"), &vec![0; (1 << 20) - 2 * 22 - 1], at(0)).unwrap();
    view.put(&key("b"), &vec![1], at(0)).unwrap();
    drop((stores, view));
    let (mut stores, view) = opened_again(&fixture, &backend);
    let outbox = fixture.outbox.borrow().sent.clone();
    for (offset, sent) in (0..).zip(&outbox) {
        let record = streams_core::record::RawRecord {
            key: Some(&sent.key),
            value: sent.value.as_deref(),
            timestamp: at(sent.timestamp),
            offset,
            leader_epoch: None,
            headers: sent.headers.clone(),
        };
        stores.restore(0, &record).unwrap();
    }
    assert_eq!(shelf.rows(), 3, "the entry of the index has filled the buffer");
    drop((stores, view));
    let (mut stores, view) = opened_again(&fixture, &backend);
    assert_eq!(stores.position(0), Some(1));
    fixture.restore(&mut *stores, 0, 2);
    assert_eq!(view.get(&key("b"), at(0)).unwrap(), Some(vec![1]));
}

#[test]
fn a_place_is_told_whose_rows_it_keeps() {
    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<String>>>);

    impl BytesStoreSupplier for Told {
        fn open(&self, place: StorePlace<'_>) -> Result<Box<dyn BytesStore>, BytesStoreError> {
            self.0.lock().unwrap().push(format!(
                "{} {} {:?} {:?}",
                place.task, place.store, place.kind, place.retention
            ));
            Ok(Box::new(Shelf::default()))
        }
    }

    let told = Told::default();
    let visits = Stores::session::<String, i64>("visits", HOUR).in_memory().kept_in(told.clone());
    let bounded = Stores::key_value::<String, i64>("few").lru_map(1).kept_in(told.clone());
    let fixture = Fixture::new(vec![visits.build(), bounded.build()], 0);
    let mut stores = fixture.open(&MemoryBackend::new());
    let session = "Session(Segments { interval_ms: 1800000, order: KeyFirst })";
    let expected =
        [format!("0_0 visits {session} Some(3600s)"), "0_0 few KeyValue None".to_owned()];
    assert_eq!(*told.0.lock().unwrap(), expected);
    let few: Plain = handle(&*stores, "few");
    few.put(&key("a"), &1).unwrap();
    few.put(&key("b"), &2).unwrap();
    stores.commit(&[]).unwrap();
    assert_eq!(few.all().unwrap().count(), 2, "it has no bound");
}
