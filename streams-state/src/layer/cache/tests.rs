//! Sizes and orders of Kafka's record cache.

use bytes::Bytes;

use super::*;

fn writer() -> Option<Writer> {
    Some(Writer::default())
}

/// Keys are one byte; the hash does not matter.
fn put(cache: &mut RecordCache, key: u8, value: Option<&[u8]>, writer: Option<Writer>) {
    cache.put((u64::from(key), &[key]), value, writer, None);
}

fn get(cache: &mut RecordCache, key: u8) -> Option<Option<Vec<u8>>> {
    cache.get(u64::from(key), &[key]).map(|(value, _)| value.map(<[u8]>::to_vec))
}

fn keys(entries: &[DirtyEntry]) -> Vec<u8> {
    entries.iter().map(|entry| entry.key[0]).collect()
}

#[test]
fn sizes_are_kafkas() {
    // NamedCacheTest: an entry of one byte and no topic counts 22, its node 25 more.
    let mut cache = RecordCache::default();
    for key in 0..3 {
        put(&mut cache, key, Some(&[0]), None);
    }
    assert_eq!(cache.bytes(), (22 + 25) * 3);
    // ThreadCacheTest: 141 bytes of three such entries, 94 when one is gone.
    assert_eq!(cache.bytes(), 141);
    cache.evict();
    assert_eq!(cache.bytes(), 94);
    // Topic, headers (names in UTF-16 units) and value count; a header without a value does not.
    let mut headers = Headers::new();
    headers.add("a\u{1f600}", Some(Bytes::from_static(b"xyz")));
    headers.add("b", None);
    let long = Writer { topic_chars: 5, headers, ..Writer::default() };
    put(&mut cache, 9, None, Some(long));
    assert_eq!(cache.bytes(), 94 + 25 + 21 + 5 + 3 + 3 + 1);
    put(&mut cache, 9, Some(&[1, 2]), writer());
    assert_eq!(cache.bytes(), 94 + 25 + 21 + 2);
    cache.clear();
    assert_eq!(cache.bytes(), 0);
}

#[test]
fn the_entry_not_used_for_longest_goes_first() {
    let mut cache = RecordCache::default();
    for key in 0..4 {
        put(&mut cache, key, Some(&[key]), None);
    }
    assert_eq!(get(&mut cache, 0), Some(Some(vec![0])));
    put(&mut cache, 1, Some(&[8]), None);
    assert_eq!(get(&mut cache, 9), None);
    for gone in [2, 3, 0, 1] {
        assert!(get(&mut cache, 9).is_none());
        assert!(cache.evict().is_none());
        assert!(!cache.index.iter().any(|at| cache.nodes[*at as usize].key() == [gone]));
    }
    assert!(cache.is_empty());
    assert!(cache.evict().is_none());
}

#[test]
fn dirty_entries_leave_in_the_order_of_their_last_writes() {
    let mut cache = RecordCache::default();
    for key in [0, 1, 2, 3] {
        put(&mut cache, key, Some(&[key]), writer());
    }
    put(&mut cache, 4, Some(&[4]), None);
    put(&mut cache, 1, Some(&[9]), writer());
    get(&mut cache, 2);
    let evicted = cache.evict().unwrap();
    assert_eq!((evicted.key[0], evicted.value.as_deref()), (0, Some(&[0][..])));
    let others = cache.take_dirty();
    assert_eq!(keys(&others), [2, 3, 1]);
    assert_eq!(others[2].value.as_deref(), Some(&[9][..]));
    assert!(cache.take_dirty().is_empty());
    assert_eq!(get(&mut cache, 3), Some(Some(vec![3])));
    // Clean now, so nothing is to be written when it goes.
    for _ in 0..4 {
        assert!(cache.evict().is_none());
    }
    assert!(cache.is_empty());
}

#[test]
fn flushed_deletes_go_unless_written_anew() {
    let mut cache = RecordCache::default();
    for key in [0, 1, 2] {
        put(&mut cache, key, None, writer());
    }
    assert_eq!(keys(&cache.take_dirty()), [0, 1, 2]);
    put(&mut cache, 1, None, writer());
    put(&mut cache, 2, Some(&[2]), None);
    for key in 0..3_u8 {
        cache.remove_deleted(u64::from(key), &[key]);
    }
    assert_eq!(get(&mut cache, 0), None);
    assert_eq!(get(&mut cache, 1), Some(None));
    assert_eq!(get(&mut cache, 2), Some(Some(vec![2])));
}

#[test]
fn a_hint_that_is_out_of_date_does_no_harm() {
    let mut cache = RecordCache::default();
    put(&mut cache, 0, Some(&[0]), None);
    let (_, hint) = cache.get(0, &[0]).unwrap();
    cache.evict();
    put(&mut cache, 1, Some(&[1]), None);
    cache.put((0, &[0]), Some(&[7]), writer(), Some(hint));
    assert_eq!(get(&mut cache, 1), Some(Some(vec![1])));
    assert_eq!(get(&mut cache, 0), Some(Some(vec![7])));
}

#[test]
fn ranges_follow_writes_and_evictions() {
    let mut cache = RecordCache::default();
    put(&mut cache, 5, Some(&[5]), None);
    let all = KeyRange::new(Bound::Unbounded, Bound::Unbounded);
    let found = |cache: &mut RecordCache, direction| -> Vec<u8> {
        cache.range(&all, direction).iter().map(|row| row.key[0]).collect()
    };
    assert_eq!(found(&mut cache, Direction::Forward), [5]);
    put(&mut cache, 3, None, writer());
    put(&mut cache, 7, Some(&[7]), None);
    assert_eq!(found(&mut cache, Direction::Forward), [3, 5, 7]);
    cache.evict();
    assert_eq!(found(&mut cache, Direction::Backward), [7, 3]);
}
