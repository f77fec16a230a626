//! Damaged files: a store gives a state that it had, or says that it is damaged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use streams_core::error::StoreError;
use streams_core::store::TaskStores;

use crate::testing::{Fixture, ScratchDirectory, handle};
use crate::{KeyValueStore, Stores};

type Store = KeyValueStore<u32, Vec<u8>>;

/// Files of the database, without those that hold no state.
fn files(database: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(database).unwrap().map(|entry| entry.unwrap().path());
    let state = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        !name.starts_with("LOG") && !name.starts_with("OPTIONS") && name != "LOCK"
    };
    let mut files: Vec<_> = entries.filter(state).collect();
    files.sort();
    files
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn fixture() -> Fixture {
    let spec = |name: &str| Stores::key_value::<u32, Vec<u8>>(name).build();
    Fixture::new(vec![spec("s"), spec("t")], 0)
}

/// Writes to both stores in turns, with commits between; some of it ends in sorted files.
fn fill(fixture: &Fixture, scratch: &ScratchDirectory) {
    let backend = scratch.backend();
    let mut stores = backend.open_task(fixture.request()).unwrap();
    let [s, t] = ["s", "t"].map(|name| handle::<Store>(&stores, name));
    for round in 0..12_u32 {
        for key in 0..40_u32 {
            let key = key.wrapping_mul(7919) % 97;
            s.put(&key, &vec![u8::try_from(round).unwrap(); 20]).unwrap();
            t.put(&key, &vec![u8::try_from(round + 100).unwrap(); 20]).unwrap();
            s.delete(&(key / 2)).unwrap();
        }
        let end = fixture.end();
        stores.commit(&[(0, end), (1, end)]).unwrap();
        if round % 5 == 4 {
            stores.database().unwrap().compact();
        }
    }
}

fn fold(fixture: &Fixture, store: &str, end: i64) -> BTreeMap<u32, Vec<u8>> {
    let mut rows = BTreeMap::new();
    let topic = format!("app-{store}-changelog");
    for sent in &fixture.outbox.borrow().sent[..usize::try_from(end).unwrap()] {
        if sent.topic != topic.as_str() {
            continue;
        }
        let key = u32::from_be_bytes(sent.key.clone().try_into().unwrap());
        match &sent.value {
            Some(value) => drop(rows.insert(key, value.clone())),
            None => drop(rows.remove(&key)),
        }
    }
    rows
}

/// Reads every row by scan and by key.
fn read(store: &Store) -> Result<BTreeMap<u32, Vec<u8>>, StoreError> {
    let rows: BTreeMap<_, _> = store.all()?.collect::<Result<_, _>>()?;
    for key in 0..100 {
        assert_eq!(store.get(&key)?.as_ref(), rows.get(&key));
    }
    Ok(rows)
}

#[derive(Debug, Default)]
struct Seen {
    intact: u32,
    older: u32,
    rebuilt: u32,
}

/// Opens the stores and sees that each is in a state that it had, or says that it is damaged; then
/// it is rebuilt.
fn check(fixture: &Fixture, scratch: &ScratchDirectory, seen: &mut Seen) {
    let end = fixture.end();
    let backend = scratch.backend();
    let mut stores = backend.open_task(fixture.request()).unwrap();
    for (number, name) in ["s", "t"].into_iter().enumerate() {
        let store: Store = handle(&stores, name);
        let position = stores.position(number);
        match read(&store) {
            Ok(rows) => {
                assert_eq!(rows, fold(fixture, name, position.unwrap_or(0)));
                match position {
                    None => seen.rebuilt += 1,
                    Some(position) if position == end => seen.intact += 1,
                    Some(_) => seen.older += 1,
                }
            }
            Err(StoreError::Corrupted { .. }) => {
                seen.rebuilt += 1;
                if stores.wipe(number).is_err() {
                    // The whole database is to be set aside at the next start.
                    return;
                }
                assert_eq!(stores.position(number), None);
                assert_eq!(read(&store).unwrap(), BTreeMap::new());
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    // Both can be written again.
    for (number, name) in ["s", "t"].into_iter().enumerate() {
        let from = stores.position(number).unwrap_or(0);
        let (rows, before) = (fold(fixture, name, end), fold(fixture, name, from));
        let store: Store = handle(&stores, name);
        for key in before.keys().filter(|key| !rows.contains_key(key)) {
            store.delete(key).unwrap();
        }
        rows.iter().for_each(|(key, value)| store.put(key, value).unwrap());
        stores.commit(&[(number, end)]).unwrap();
        assert_eq!(read(&store).unwrap(), rows);
    }
}

#[test]
fn a_flipped_bit_anywhere_gives_no_wrong_answer() {
    let original = ScratchDirectory::new("intact");
    let fixture = fixture();
    fill(&fixture, &original);
    let sent = fixture.outbox.borrow().sent.clone();
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut seen = Seen::default();
    for _ in 0..200 {
        let scratch = ScratchDirectory::new("flipped");
        copy(original.path(), scratch.path());
        let files = files(&scratch.path().join("app/0_0/rocksdb"));
        let file = &files[random.next_u32() as usize % files.len()];
        let mut bytes = std::fs::read(file).unwrap();
        if bytes.is_empty() {
            continue;
        }
        let at = random.next_u32() as usize % bytes.len();
        bytes[at] ^= 1 << (random.next_u32() % 8);
        std::fs::write(file, bytes).unwrap();
        check(&fixture, &scratch, &mut seen);
        fixture.outbox.borrow_mut().sent.clone_from(&sent);
    }
    // The flips do reach what matters.
    assert!(seen.intact > 0 && seen.rebuilt > 20, "{seen:?}");
}

#[test]
fn a_missing_or_short_file_gives_no_wrong_answer() {
    let original = ScratchDirectory::new("intact");
    let fixture = fixture();
    fill(&fixture, &original);
    let sent = fixture.outbox.borrow().sent.clone();
    let mut seen = Seen::default();
    let count = files(&original.path().join("app/0_0/rocksdb")).len();
    for number in 0..count {
        for part in [None, Some(0), Some(2), Some(3)] {
            let scratch = ScratchDirectory::new("short");
            copy(original.path(), scratch.path());
            let file = files(&scratch.path().join("app/0_0/rocksdb")).remove(number);
            match part {
                None => std::fs::remove_file(&file).unwrap(),
                Some(quarters) => {
                    let bytes = std::fs::read(&file).unwrap();
                    std::fs::write(&file, &bytes[..bytes.len() * quarters / 4]).unwrap();
                }
            }
            check(&fixture, &scratch, &mut seen);
            fixture.outbox.borrow_mut().sent.clone_from(&sent);
        }
    }
    assert!(seen.rebuilt > 0, "{seen:?}");
}

#[test]
fn damaged_databases_are_kept_up_to_a_bound() {
    let scratch = ScratchDirectory::new("kept");
    let fixture = fixture();
    for _ in 0..4 {
        fill(&fixture, &scratch);
        std::fs::write(scratch.path().join("app/0_0/rocksdb/CURRENT"), "MANIFEST-9\n").unwrap();
        drop(scratch.backend().open_task(fixture.request()).unwrap());
    }
    let names = std::fs::read_dir(scratch.path().join("app/0_0")).unwrap();
    let mut names: Vec<_> =
        names.map(|name| name.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["rocksdb", "rocksdb.corrupt-3", "rocksdb.corrupt-4"]);
}

#[test]
fn a_store_found_damaged_starts_empty_after_the_next_start_too() {
    let scratch = ScratchDirectory::new("marked");
    let fixture = fixture();
    fill(&fixture, &scratch);
    let database = scratch.path().join("app/0_0/rocksdb");
    // The data blocks of one sorted file.
    let file = files(&database).into_iter().find(|file| file.extension() == Some("sst".as_ref()));
    let file = file.unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[..200].fill(0x55);
    std::fs::write(&file, bytes).unwrap();
    let backend = scratch.backend();
    let stores = backend.open_task(fixture.request()).unwrap();
    let damaged: Vec<_> =
        ["s", "t"].into_iter().filter(|name| read(&handle(&stores, name)).is_err()).collect();
    assert_eq!(damaged.len(), 1);
    drop(stores);
    let stores = backend.open_task(fixture.request()).unwrap();
    let empty = usize::from(damaged == ["t"]);
    assert_eq!(stores.position(empty), None);
    assert_eq!(stores.position(1 - empty), Some(fixture.end()));
    assert_eq!(read(&handle(&stores, damaged[0])).unwrap(), BTreeMap::new());
}
