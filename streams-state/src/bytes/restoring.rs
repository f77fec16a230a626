//! Rows that are being restored, until they are written: of each key the last, in the order of the
//! keys, which costs RocksDB a fraction of writing every record of a changelog.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::HashTable;

/// Bytes of rows that one database holds back.
const BYTES_MAX: usize = 8 << 20;
/// Bytes of rows that all databases of the process hold back.
const PROCESS_BYTES_MAX: usize = 64 << 20;
/// Bytes by which a database's share of the process is counted.
const SHARE_BYTES: usize = 64 << 10;

/// One row, in the bytes of its store.
struct Row {
    hash: u64,
    start: usize,
    key_len: u32,
    /// Bytes that the value has at hand; those of the first value.
    room: u32,
    /// `None` deletes the row.
    value_len: Option<u32>,
}

/// The rows of one store.
#[derive(Default)]
pub(crate) struct RestoredRows {
    bytes: Vec<u8>,
    rows: Vec<Row>,
    index: HashTable<u32>,
}

fn slice(bytes: &[u8], start: usize, len: u32) -> &[u8] {
    bytes.get(start..start + len as usize).unwrap_or_default()
}

impl RestoredRows {
    fn held(&self) -> usize {
        self.bytes.len() + self.rows.len() * (size_of::<Row>() + size_of::<u32>())
    }

    fn put(&mut self, hash: u64, key: &[u8], value: Option<&[u8]>) {
        let Self { bytes, rows, index } = self;
        let found = index.find(hash, |at| {
            let row = rows.get(*at as usize);
            row.is_some_and(|row| slice(bytes, row.start, row.key_len) == key)
        });
        let value_len = value.map(|value| value.len() as u32);
        let new = value.unwrap_or_default();
        if let Some(row) = found.and_then(|at| rows.get_mut(*at as usize)) {
            row.value_len = value_len;
            if new.len() > row.room as usize {
                (row.start, row.room) = (bytes.len(), new.len() as u32);
                bytes.extend_from_slice(key);
                bytes.extend_from_slice(new);
            } else {
                let start = row.start + row.key_len as usize;
                if let Some(room) = bytes.get_mut(start..start + new.len()) {
                    room.copy_from_slice(new);
                }
            }
            return;
        }
        let at = rows.len() as u32;
        let start = bytes.len();
        rows.push(Row {
            hash,
            start,
            key_len: key.len() as u32,
            room: new.len() as u32,
            value_len,
        });
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(new);
        index.insert_unique(hash, at, |at| rows.get(*at as usize).map_or(0, |row| row.hash));
    }

    /// The rows in the order of their keys; without a value, a row is to be deleted.
    pub(crate) fn in_order(&mut self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let Self { bytes, rows, index } = self;
        // It holds the places that the rows have before they are sorted.
        index.clear();
        let bytes = &*bytes;
        rows.sort_unstable_by_key(|row| slice(bytes, row.start, row.key_len));
        rows.iter().map(move |row| {
            let value = row.start + row.key_len as usize;
            let key = slice(bytes, row.start, row.key_len);
            (key, row.value_len.map(|len| slice(bytes, value, len)))
        })
    }
}

/// The rows of all stores of a database that are being restored, and the positions they lead to.
pub(crate) struct Restoring {
    stores: Vec<RestoredRows>,
    positions: Vec<Option<i64>>,
    held: usize,
    share: Share,
}

/// What of the process's bytes is this database's.
struct Share {
    all: Arc<AtomicUsize>,
    counted: usize,
}

impl Share {
    fn count(&mut self, held: usize) {
        if held >= self.counted + SHARE_BYTES {
            self.all.fetch_add(held - self.counted, Ordering::Relaxed);
            self.counted = held;
        }
    }

    fn give_back(&mut self) {
        self.all.fetch_sub(self.counted, Ordering::Relaxed);
        self.counted = 0;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Restoring {
    /// For so many stores; `all` counts the bytes of the process.
    pub(crate) fn new(stores: usize, all: Arc<AtomicUsize>) -> Self {
        Self {
            stores: std::iter::repeat_with(RestoredRows::default).take(stores).collect(),
            positions: vec![None; stores],
            held: 0,
            share: Share { all, counted: 0 },
        }
    }

    /// Takes a row, which leads to this position; `hash` is the key's.
    pub(crate) fn put(
        &mut self,
        at: usize,
        (hash, key, value): (u64, &[u8], Option<&[u8]>),
        next_offset: i64,
    ) {
        if let Some(rows) = self.stores.get_mut(at) {
            let before = rows.held();
            rows.put(hash, key, value);
            self.held += rows.held() - before;
        }
        self.reached(at, next_offset);
        self.share.count(self.held);
    }

    /// The rows of a store lead to this position.
    pub(crate) fn reached(&mut self, at: usize, next_offset: i64) {
        if let Some(position) = self.positions.get_mut(at) {
            *position = Some(next_offset);
        }
    }

    /// Whether the rows are to be written now.
    pub(crate) fn is_full(&self) -> bool {
        let is_large = self.share.counted >= SHARE_BYTES;
        self.held >= BYTES_MAX
            || is_large && self.share.all.load(Ordering::Relaxed) >= PROCESS_BYTES_MAX
    }

    pub(crate) fn bytes(&self) -> usize {
        self.stores.iter().map(|rows| rows.bytes.len()).sum()
    }

    pub(crate) fn rows_by_store(&mut self) -> impl Iterator<Item = (usize, &mut RestoredRows)> {
        self.stores.iter_mut().enumerate().filter(|(_, rows)| !rows.rows.is_empty())
    }

    /// The stores that have a new position, and it.
    pub(crate) fn positions(&self) -> Vec<(usize, i64)> {
        let positions = self.positions.iter().enumerate();
        positions.filter_map(|(at, position)| Some((at, (*position)?))).collect()
    }

    /// Forgets everything, and gives the memory back.
    pub(crate) fn clear(&mut self) {
        self.stores.iter_mut().for_each(|rows| *rows = RestoredRows::default());
        self.positions.iter_mut().for_each(|position| *position = None);
        self.held = 0;
        self.share.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(restoring: &mut Restoring, at: usize) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let mut stores = restoring.rows_by_store();
        let Some((_, rows)) = stores.find(|(store, _)| *store == at) else { return Vec::new() };
        rows.in_order().map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec))).collect()
    }

    #[test]
    fn the_last_value_of_each_key_is_left_in_the_order_of_keys() {
        let mut restoring = Restoring::new(2, Arc::default());
        // Equal hashes: keys are compared.
        for (key, value, next) in [
            (&b"b"[..], Some(&b"1"[..]), 1),
            (b"a", Some(b"22"), 2),
            (b"b", Some(b"longer"), 3),
            (b"a", Some(b"3"), 4),
            (b"c", Some(b"4"), 5),
            (b"c", None, 6),
            (b"d", None, 7),
            (b"d", Some(b"5"), 8),
        ] {
            restoring.put(1, (7, key, value), next);
        }
        assert_eq!(rows(&mut restoring, 0), []);
        let expected = [
            (b"a".to_vec(), Some(b"3".to_vec())),
            (b"b".to_vec(), Some(b"longer".to_vec())),
            (b"c".to_vec(), None),
            (b"d".to_vec(), Some(b"5".to_vec())),
        ];
        assert_eq!(rows(&mut restoring, 1), expected);
        assert_eq!(restoring.positions(), [(1, 8)]);
        restoring.clear();
        assert_eq!((rows(&mut restoring, 1), restoring.positions()), (vec![], vec![]));
    }

    #[test]
    fn one_database_is_full_at_its_bound_and_each_when_the_process_is() {
        let all = Arc::new(AtomicUsize::new(0));
        let value = vec![0; SHARE_BYTES];
        let mut one = Restoring::new(1, Arc::clone(&all));
        let mut puts = 0_u64;
        while !one.is_full() {
            one.put(0, (puts, &puts.to_be_bytes(), Some(&value)), 0);
            puts += 1;
        }
        assert_eq!(puts as usize, BYTES_MAX / SHARE_BYTES);
        let mut small = Restoring::new(1, Arc::clone(&all));
        small.put(0, (0, b"", None), 1);
        all.fetch_add(PROCESS_BYTES_MAX, Ordering::Relaxed);
        assert!(!small.is_full(), "little rows are not worth a write");
        small.put(0, (1, b"large", Some(&value)), 2);
        assert!(small.is_full());
        small.clear();
        drop(one);
        assert_eq!(all.load(Ordering::Relaxed), PROCESS_BYTES_MAX);
    }
}
