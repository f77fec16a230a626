//! Key to list of values.
//!
//! ```text
//! row    1, count (4), then for each value: length (4), value
//! ```
//!
//! Numbers are big-endian: what Kafka's `ListSerializer` writes for values of various lengths.

use std::cell::Cell;
use std::rc::Rc;

use streams_core::error::{Part, StoreError};
use streams_core::serde::{Payload, SerdeError};

use super::Codec;
use crate::bytes::{Direction, KeyRange};
use crate::layer::Rows;

/// Before lists whose values have lengths of their own.
const VARIABLE: u8 = 1;
const HEAD_BYTES: usize = 1 + size_of::<i32>();
const LENGTH_BYTES: usize = size_of::<i32>();
const EXPECTED: &str = "list of values";

/// A store of keys, each with the values that were added to it, in their order: where outer joins
/// of streams keep what has found no partner. Answers to Kafka's `ListValueStore`.
///
/// A handle: clones are the same store. It stays on its task's thread. Keys are ordered by their
/// bytes. The changelog gets the whole list with each change.
pub struct ListStore<K, V>(Rc<Lists<K, V>>);

struct Lists<K, V> {
    codec: Codec<K, V>,
    buffer: Cell<Vec<u8>>,
}

impl<K, V> Clone for ListStore<K, V> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<K, V> std::fmt::Debug for ListStore<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ListStore").field(&self.0.codec).finish()
    }
}

impl<K: 'static, V: 'static> ListStore<K, V> {
    pub(crate) fn new(codec: Codec<K, V>) -> Self {
        Self(Rc::new(Lists { codec, buffer: Cell::default() }))
    }

    /// Adds a value to the end of a key's list. A value that its serde turns into null deletes the
    /// list.
    ///
    /// # Errors
    /// When key or value cannot be encoded, the list is damaged, or the changelog does not take the
    /// change.
    pub fn push(&self, key: &K, value: &V) -> Result<(), StoreError> {
        let Lists { codec, buffer } = &*self.0;
        codec.with_key(key, |key| {
            let mut value_bytes = codec.take_buffer();
            let payload = codec.encode_value(value, &mut value_bytes)?;
            let put = match payload {
                Payload::Null => codec.layers.put(key, None),
                Payload::Bytes => {
                    let mut list = buffer.take();
                    list.clear();
                    let (old, hint) = codec.layers.read_with(key, |row| {
                        row.is_none_or(|row| {
                            list.extend_from_slice(row);
                            is_list(row)
                        })
                    })?;
                    let put = if old && append(&mut list, &value_bytes).is_some() {
                        codec.layers.put_at(key, Some(&list), hint)
                    } else {
                        Err(damaged(codec))
                    };
                    buffer.set(list);
                    put
                }
            };
            codec.give_back(value_bytes);
            put
        })
    }

    /// Deletes a key's list if there is one.
    ///
    /// # Errors
    /// When the key cannot be encoded, the store not be read, or the changelog does not take the
    /// change.
    pub fn delete_present(&self, key: &K) -> Result<(), StoreError> {
        let codec = &self.0.codec;
        codec.with_key(key, |key| {
            let (is_present, hint) = codec.layers.read_with(key, |row| row.is_some())?;
            if is_present { codec.layers.put_at(key, None, hint) } else { Ok(()) }
        })
    }

    /// Deletes a key's list, and tells the changelog so also where there is none.
    ///
    /// # Errors
    /// When the key cannot be encoded, or the changelog does not take the change.
    pub fn delete(&self, key: &K) -> Result<(), StoreError> {
        let codec = &self.0.codec;
        codec.with_key(key, |key| codec.layers.put(key, None))
    }

    /// All keys with their lists, in the order of the keys' bytes.
    #[must_use]
    pub fn all(&self) -> ListEntries<K, V> {
        let rows = self.0.codec.layers.rows(KeyRange::prefix(&[]), Direction::Forward);
        ListEntries { lists: Rc::clone(&self.0), rows }
    }
}

fn is_list(row: &[u8]) -> bool {
    row.len() >= HEAD_BYTES && row.first() == Some(&VARIABLE)
}

/// Adds a value to the bytes of a list, which may be empty; `None` when there is no room for its
/// numbers.
fn append(list: &mut Vec<u8>, value: &[u8]) -> Option<()> {
    if list.is_empty() {
        list.extend_from_slice(&[VARIABLE, 0, 0, 0, 0]);
    }
    let length = i32::try_from(value.len()).ok()?;
    let count = list.get_mut(1..)?.first_chunk_mut::<LENGTH_BYTES>()?;
    *count = i32::from_be_bytes(*count).checked_add(1)?.to_be_bytes();
    list.extend_from_slice(&length.to_be_bytes());
    list.extend_from_slice(value);
    Some(())
}

/// The values of a list.
fn split(row: &[u8]) -> Option<Vec<&[u8]>> {
    let (head, mut rest) = row.split_first_chunk::<HEAD_BYTES>()?;
    let [VARIABLE, count @ ..] = head else { return None };
    let mut values = Vec::new();
    for _ in 0..i32::from_be_bytes(*count) {
        let (length, tail) = rest.split_first_chunk::<LENGTH_BYTES>()?;
        let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
        let (value, tail) = tail.split_at_checked(length)?;
        values.push(value);
        rest = tail;
    }
    rest.is_empty().then_some(values)
}

fn damaged<K: 'static, V: 'static>(codec: &Codec<K, V>) -> StoreError {
    let source = "its lengths do not add up".into();
    codec.failed("read", Part::Value, SerdeError::Invalid { expected: EXPECTED, source })
}

/// Keys and their lists, as they were when the scan started. To be finished before the task commits:
/// afterwards it gives [`StoreError::StaleIterator`].
pub struct ListEntries<K, V> {
    lists: Rc<Lists<K, V>>,
    rows: Rows,
}

impl<K, V> std::fmt::Debug for ListEntries<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListEntries").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl<K: 'static, V: 'static> Iterator for ListEntries<K, V> {
    type Item = Result<(K, Vec<V>), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let codec = &self.lists.codec;
        let row = self.rows.next_row().transpose()?;
        Some(row.and_then(|(key, row)| {
            let values = split(row).ok_or_else(|| damaged(codec))?;
            let values = values.into_iter().map(|value| codec.decode_value(value));
            Ok((codec.decode_key(key)?, values.collect::<Result<_, _>>()?))
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::damage::rubbish;

    fn list_of(values: &[&[u8]]) -> Vec<u8> {
        let mut list = Vec::new();
        values.iter().for_each(|value| append(&mut list, value).unwrap());
        list
    }

    #[test]
    fn lists_have_kafkas_bytes() {
        let list = list_of(&[b"ab", b""]);
        assert_eq!(list, b"\x01\0\0\0\x02\0\0\0\x02ab\0\0\0\0");
        assert_eq!(split(&list), Some(vec![&b"ab"[..], b""]));
    }

    #[test]
    fn damaged_lists_are_refused() {
        for row in [&b""[..], b"\x01\0\0", b"\0\0\0\0\0", b"\x01\0\0\0\0x"] {
            assert_eq!(split(row), None);
        }
        let too_long = b"\x01\0\0\0\x01\0\0\0\x09ab";
        assert_eq!(split(too_long), None);
        assert_eq!(split(b"\x01\0\0\0\x01\xff\xff\xff\xff"), None);
    }

    proptest! {
        #[test]
        fn damaged_lists_are_refused_or_come_back(row in rubbish(vec![list_of(&[b"ab", b""])])) {
            if let Some(values) = split(&row).filter(|values| !values.is_empty()) {
                let written = list_of(&values);
                prop_assert_eq!(&written, &row);
            }
        }
    }
}
