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
/// What a row takes beside its bytes: its place in the table, and one in the order of keys.
const ROW_BYTES: usize = size_of::<Row>() + 1 + size_of::<&Row>();

/// One row, in the bytes of its store. They are so few that 32 bits number them.
struct Row {
    hash: u64,
    start: u32,
    key_len: u32,
    /// Bytes that the value has at hand; those of the first value.
    room: u32,
    /// `None` deletes the row.
    value_len: Option<u32>,
}

impl Row {
    fn key<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        slice(bytes, self.start as usize, self.key_len)
    }

    fn value<'b>(&self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        Some(slice(bytes, self.start as usize + self.key_len as usize, self.value_len?))
    }
}

/// The rows of one store.
#[derive(Default)]
pub(crate) struct RestoredRows {
    bytes: Vec<u8>,
    rows: HashTable<Row>,
}

fn slice(bytes: &[u8], start: usize, len: u32) -> &[u8] {
    bytes.get(start..start + len as usize).unwrap_or_default()
}

impl RestoredRows {
    fn held(&self) -> usize {
        self.bytes.len() + self.rows.len() * ROW_BYTES
    }

    fn put(&mut self, hash: u64, key: &[u8], value: Option<&[u8]>) {
        let Self { bytes, rows } = self;
        let value_len = value.map(|value| value.len() as u32);
        let new = value.unwrap_or_default();
        let found = rows.find_mut(hash, |row| row.hash == hash && row.key(bytes) == key);
        if let Some(row) = found {
            row.value_len = value_len;
            let at = row.start as usize + row.key_len as usize;
            if new.len() > row.room as usize {
                (row.start, row.room) = (bytes.len() as u32, new.len() as u32);
                bytes.extend_from_slice(key);
                bytes.extend_from_slice(new);
            } else if let Some(room) = bytes.get_mut(at..at + new.len()) {
                room.copy_from_slice(new);
            }
            return;
        }
        let (start, room) = (bytes.len() as u32, new.len() as u32);
        let row = Row { hash, start, key_len: key.len() as u32, room, value_len };
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(new);
        rows.insert_unique(hash, row, |row| row.hash);
    }

    /// The rows in the order of their keys; without a value, a row is to be deleted.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let bytes = self.bytes.as_slice();
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        rows.sort_unstable_by_key(|row| row.key(bytes));
        rows.into_iter().map(move |row| (row.key(bytes), row.value(bytes)))
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

    pub(crate) fn rows_by_store(&self) -> impl Iterator<Item = (usize, &RestoredRows)> {
        self.stores.iter().enumerate().filter(|(_, rows)| !rows.rows.is_empty())
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

    fn rows(restoring: &Restoring, at: usize) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
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
        assert_eq!(rows(&restoring, 0), []);
        let expected = [
            (b"a".to_vec(), Some(b"3".to_vec())),
            (b"b".to_vec(), Some(b"longer".to_vec())),
            (b"c".to_vec(), None),
            (b"d".to_vec(), Some(b"5".to_vec())),
        ];
        assert_eq!(rows(&restoring, 1), expected);
        assert_eq!(restoring.positions(), [(1, 8)]);
        restoring.clear();
        assert_eq!((rows(&restoring, 1), restoring.positions()), (vec![], vec![]));
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
