//! Lists of values.
//!
//! ```text
//! variable size   1, count (4), then for each entry: length (4), entry; for a null: -1 (4)
//! constant size   0, count of nulls (4), index of each (4), count (4), the entries that are not null
//! ```
//!
//! Numbers are big-endian, and the count is that of all entries.

use std::fmt;

use super::{Payload, Serde, SerdeError, SharedSerde};
use crate::names::TopicName;

const CONSTANT_SIZE: u8 = 0;
const VARIABLE_SIZE: u8 = 1;
const NUMBER_BYTES: usize = size_of::<i32>();
/// Stands where an entry has its length.
const NULL: i32 = -1;
const EXPECTED: &str = "list";

/// A list of what another serde reads and writes, as Kafka's `Serdes.ListSerde` writes it. Entries
/// may be null where that serde is one of `Option`.
///
/// ```
/// use streams_core::serde::{DefaultSerde, ListSerde, Serde};
///
/// let (serde, topic) = (ListSerde::new(Option::<String>::serde()), "lists".into());
/// let list = vec![Some("ab".to_owned()), None];
/// let mut bytes = Vec::new();
/// serde.encode(&topic, &list, &mut bytes)?;
/// assert_eq!(bytes, b"\x01\0\0\0\x02\0\0\0\x02ab\xff\xff\xff\xff");
/// assert_eq!(serde.decode(&topic, Some(&bytes))?, list);
/// # Ok::<(), streams_core::serde::SerdeError>(())
/// ```
pub struct ListSerde<T> {
    entry: SharedSerde<T>,
    size: EntrySize,
}

/// How many bytes each entry takes.
#[derive(Debug, Clone, Copy)]
enum EntrySize {
    Variable,
    /// At least 1, or the bytes would not bound how many entries are read.
    Constant(usize),
}

impl<T> ListSerde<T> {
    /// Lists whose entries each have a length of their own, as Java writes those of text, bytes,
    /// booleans and types of one's own.
    ///
    /// ```
    /// # use streams_core::serde::{DefaultSerde, ListSerde, Serde};
    /// let (serde, mut bytes) = (ListSerde::new(bool::serde()), Vec::new());
    /// serde.encode(&"lists".into(), &vec![true], &mut bytes)?;
    /// assert_eq!(bytes, [1, 0, 0, 0, 1, 0, 0, 0, 1, 1]);
    /// # Ok::<(), streams_core::serde::SerdeError>(())
    /// ```
    #[must_use]
    pub const fn new(entry: SharedSerde<T>) -> Self {
        Self { entry, size: EntrySize::Variable }
    }

    /// Lists whose entries take `BYTES` bytes each, as Java writes those of `Short` (2), `Integer`
    /// and `Float` (4), `Long` and `Double` (8), and `UUID` (36). An entry of another size is an
    /// error; 0 bytes do not compile. Reads also what [`new`](Self::new) writes, as Java does.
    ///
    /// ```
    /// # use streams_core::serde::{DefaultSerde, ListSerde, Serde};
    /// let (serde, topic) = (ListSerde::of_width::<2>(Option::<i16>::serde()), "lists".into());
    /// let list = vec![Some(258), None];
    /// let mut bytes = Vec::new();
    /// serde.encode(&topic, &list, &mut bytes)?;
    /// assert_eq!(bytes, b"\0\0\0\0\x01\0\0\0\x01\0\0\0\x02\x01\x02");
    /// assert_eq!(serde.decode(&topic, Some(&bytes))?, list);
    /// # Ok::<(), streams_core::serde::SerdeError>(())
    /// ```
    #[must_use]
    pub fn of_width<const BYTES: usize>(entry: SharedSerde<T>) -> Self {
        const { assert!(BYTES > 0, "an entry takes at least one byte") };
        Self { entry, size: EntrySize::Constant(BYTES) }
    }
}

impl<T> fmt::Debug for ListSerde<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListSerde").field("size", &self.size).finish_non_exhaustive()
    }
}

impl<T: 'static> Serde<Vec<T>> for ListSerde<T> {
    fn encode(
        &self,
        topic: &TopicName,
        value: &Vec<T>,
        out: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        match self.size {
            EntrySize::Variable => self.encode_variable(topic, value, out)?,
            EntrySize::Constant(width) => self.encode_constant(topic, value, width, out)?,
        }
        Ok(Payload::Bytes)
    }

    // What is behind the last entry is left alone, as in Java.
    fn decode(&self, topic: &TopicName, bytes: Option<&[u8]>) -> Result<Vec<T>, SerdeError> {
        let mut rest = Rest(bytes.ok_or(SerdeError::Null { expected: EXPECTED })?);
        match (rest.take(1)?, self.size) {
            ([VARIABLE_SIZE], _) => {
                let count = rest.count()?;
                (0..count).map(|_| self.entry.decode(topic, rest.entry()?)).collect()
            }
            ([CONSTANT_SIZE], EntrySize::Constant(width)) => {
                let nulls = rest.nulls()?;
                let count = rest.count()?;
                let entries = (0..count).map(|index| {
                    let is_null = nulls.binary_search(&index).is_ok();
                    let entry = if is_null { None } else { Some(rest.take(width)?) };
                    self.entry.decode(topic, entry)
                });
                entries.collect()
            }
            ([CONSTANT_SIZE], EntrySize::Variable) => {
                Err(invalid("its entries are of one size; read it by `ListSerde::of_width`"))
            }
            _ => Err(invalid("its first byte is neither 0 nor 1")),
        }
    }
}

impl<T: 'static> ListSerde<T> {
    fn encode_variable(
        &self,
        topic: &TopicName,
        entries: &[T],
        out: &mut Vec<u8>,
    ) -> Result<(), SerdeError> {
        out.push(VARIABLE_SIZE);
        out.extend_from_slice(&number(entries.len())?);
        for entry in entries {
            let length_at = out.len();
            out.extend_from_slice(&NULL.to_be_bytes());
            let start = out.len();
            if self.entry.encode(topic, entry, out)? == Payload::Bytes {
                let length = number(out.len() - start)?;
                out[length_at..start].copy_from_slice(&length);
            }
        }
        Ok(())
    }

    fn encode_constant(
        &self,
        topic: &TopicName,
        entries: &[T],
        width: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), SerdeError> {
        out.push(CONSTANT_SIZE);
        let nulls_at = out.len();
        out.extend_from_slice(&number(0)?);
        let indexes_at = out.len();
        out.extend_from_slice(&number(entries.len())?);
        let mut indexes = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let start = out.len();
            match self.entry.encode(topic, entry, out)? {
                Payload::Null => indexes.extend_from_slice(&number(index)?),
                Payload::Bytes if out.len() - start == width => {}
                Payload::Bytes => {
                    let actual = out.len() - start;
                    return Err(SerdeError::Width { expected: "list entry", width, actual });
                }
            }
        }
        // Which entries are null is known once they are encoded, but stands before them.
        if !indexes.is_empty() {
            let nulls = number(indexes.len() / NUMBER_BYTES)?;
            out[nulls_at..indexes_at].copy_from_slice(&nulls);
            drop(out.splice(indexes_at..indexes_at, indexes));
        }
        Ok(())
    }
}

/// What is still to be read of a list. Nothing is allocated for what its counts promise, only for
/// what is there.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    // DIFFERENCE(cut-list): a list that is cut within an entry is an error, and an empty entry may be
    // the last; Java fills the former up with zeros, and does not read the latter though it writes it.
    fn take(&mut self, length: usize) -> Result<&'a [u8], SerdeError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(cut)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<i32, SerdeError> {
        let (number, rest) = self.0.split_first_chunk::<NUMBER_BYTES>().ok_or_else(cut)?;
        self.0 = rest;
        Ok(i32::from_be_bytes(*number))
    }

    fn count(&mut self) -> Result<i32, SerdeError> {
        let count = self.number()?;
        if count < 0 { Err(invalid("a count is negative")) } else { Ok(count) }
    }

    /// The bytes of an entry of variable size, or null.
    fn entry(&mut self) -> Result<Option<&'a [u8]>, SerdeError> {
        let length = self.number()?;
        if length == NULL {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| invalid("a length is negative"))?;
        self.take(length).map(Some)
    }

    /// The indexes of entries of constant size that are null, in order; those that are read may be in
    /// any, as in Java.
    fn nulls(&mut self) -> Result<Vec<i32>, SerdeError> {
        let count = self.count()?;
        let mut indexes = (0..count).map(|_| self.number()).collect::<Result<Vec<_>, _>>()?;
        indexes.sort_unstable();
        Ok(indexes)
    }
}

fn number(count: usize) -> Result<[u8; NUMBER_BYTES], SerdeError> {
    let number = i32::try_from(count);
    Ok(number.map_err(|_| invalid("it is longer than a 32-bit integer tells"))?.to_be_bytes())
}

fn invalid(why: &'static str) -> SerdeError {
    SerdeError::Invalid { expected: EXPECTED, source: why.into() }
}

fn cut() -> SerdeError {
    invalid("it is cut")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{DefaultSerde, Parsed};
    use super::*;
    use crate::damage::rubbish;

    type Texts = Vec<Option<String>>;
    type Shorts = Vec<Option<i16>>;

    fn of_text() -> ListSerde<Option<String>> {
        ListSerde::new(Option::serde())
    }

    fn of_shorts() -> ListSerde<Option<i16>> {
        ListSerde::of_width::<2>(Option::serde())
    }

    fn bytes_of<T>(serde: &impl Serde<T>, list: &T) -> Vec<u8> {
        let mut out = Vec::new();
        assert_eq!(serde.encode(&"t".into(), list, &mut out).unwrap(), Payload::Bytes);
        out
    }

    fn read<T>(serde: &impl Serde<T>, bytes: &[u8]) -> Result<T, SerdeError> {
        serde.decode(&"t".into(), Some(bytes))
    }

    fn texts(texts: &[Option<&str>]) -> Texts {
        texts.iter().map(|text| text.map(str::to_owned)).collect()
    }

    #[track_caller]
    fn check<T: PartialEq + fmt::Debug>(serde: &impl Serde<T>, list: &T, bytes: &[u8]) {
        assert_eq!(bytes_of(serde, list), bytes);
        assert_eq!(&read(serde, bytes).unwrap(), list);
    }

    #[test]
    fn lists_have_kafkas_bytes() {
        let list = texts(&[Some("ab"), None, Some(""), Some("c")]);
        let bytes = b"\x01\0\0\0\x04\0\0\0\x02ab\xff\xff\xff\xff\0\0\0\0\0\0\0\x01c";
        check(&of_text(), &list, bytes);
        check(&of_text(), &vec![], b"\x01\0\0\0\0");
        check(&ListSerde::new(bool::serde()), &vec![true], b"\x01\0\0\0\x01\0\0\0\x01\x01");
        let bytes = b"\0\0\0\0\0\0\0\0\x02\x01\x02\xff\xff";
        check(&of_shorts(), &vec![Some(258), Some(-1)], bytes);
        check(&ListSerde::of_width::<2>(i16::serde()), &vec![258, -1], bytes);
        check(&of_shorts(), &vec![], b"\0\0\0\0\0\0\0\0\0");
        let longs = ListSerde::of_width::<8>(Option::<i64>::serde());
        let bytes = b"\0\0\0\0\x02\0\0\0\0\0\0\0\x02\0\0\0\x03\0\0\0\0\0\0\0\x07";
        check(&longs, &vec![None, Some(7), None], bytes);
    }

    #[test]
    fn text_of_one_size_is_as_that_of_javas_uuids() {
        let serde = ListSerde::of_width::<3>(Parsed::<i32>::shared());
        check(&serde, &vec![123, -45], b"\0\0\0\0\0\0\0\0\x02123-45");
    }

    #[test]
    fn a_list_is_appended_and_may_hold_lists() {
        let inner: SharedSerde<Shorts> = std::sync::Arc::new(of_shorts());
        let mut out = b"before".to_vec();
        let list = vec![vec![Some(1), None], vec![]];
        ListSerde::new(inner).encode(&"t".into(), &list, &mut out).unwrap();
        let first = b"\0\0\0\0\x01\0\0\0\x01\0\0\0\x02\0\x01";
        let second = b"\0\0\0\0\0\0\0\0\0";
        let before = &b"before\x01\0\0\0\x02"[..];
        assert_eq!(out, [before, &[0, 0, 0, 15], first, &[0, 0, 0, 9], second].concat());
    }

    #[test]
    fn an_entry_of_another_size_is_refused() {
        let serde = ListSerde::of_width::<2>(String::serde());
        let list = vec!["ab".to_owned(), "c".to_owned()];
        let error = serde.encode(&"t".into(), &list, &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "1 bytes where a list entry takes 2");
    }

    #[test]
    fn what_java_reads_is_read() {
        // Lengths before entries that need none, bytes behind the last, nulls in any order.
        assert_eq!(read(&of_shorts(), b"\x01\0\0\0\x01\0\0\0\x02\x01\x02").unwrap(), [Some(258)]);
        let behind = b"\0\0\0\0\0\0\0\0\x01\x01\x02\x09";
        assert_eq!(read(&of_shorts(), behind).unwrap(), [Some(258)]);
        let nulls = b"\0\0\0\0\x03\0\0\0\x01\0\0\0\0\0\0\0\x09\0\0\0\x03\x01\x02";
        assert_eq!(read(&of_shorts(), nulls).unwrap(), [None, None, Some(258)]);
    }

    #[test]
    fn an_empty_entry_may_be_the_last() {
        let list = texts(&[Some("ab"), Some("")]);
        check(&of_text(), &list, b"\x01\0\0\0\x02\0\0\0\x02ab\0\0\0\0");
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert!(matches!(of_text().decode(&"t".into(), None), Err(SerdeError::Null { .. })));
        let [cut, negative_count] = [&b"\x01\0\0\0\x01\0\0\0\x02a"[..], b"\x01\xff\xff\xff\xff"];
        let negative_length = b"\x01\0\0\0\x01\xff\xff\xff\xfe";
        let endless = b"\x01\x7f\xff\xff\xff\x7f\xff\xff\xff";
        let constant = b"\0\0\0\0\0\0\0\0\0";
        for bytes in [&b""[..], b"\x02", cut, negative_count, negative_length, endless, constant] {
            assert!(matches!(read(&of_text(), bytes), Err(SerdeError::Invalid { .. })));
        }
        let cut = &b"\0\0\0\0\0\0\0\0\x01\x01"[..];
        for bytes in [cut, b"\0\x7f\xff\xff\xff", b"\0\0\0\0\0\x7f\xff\xff\xff"] {
            assert!(matches!(read(&of_shorts(), bytes), Err(SerdeError::Invalid { .. })));
        }
        let without_nulls = ListSerde::of_width::<2>(i16::serde());
        let null = read(&without_nulls, b"\0\0\0\0\x01\0\0\0\0\0\0\0\x01");
        assert!(matches!(null, Err(SerdeError::Null { .. })));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(text: Texts, shorts: Shorts) {
            prop_assert_eq!(read(&of_text(), &bytes_of(&of_text(), &text)).unwrap(), text);
            prop_assert_eq!(read(&of_shorts(), &bytes_of(&of_shorts(), &shorts)).unwrap(), shorts);
        }

        #[test]
        fn damaged_lists_are_refused_or_come_back(
            bytes in rubbish(vec![
                bytes_of(&of_text(), &texts(&[Some("ab"), None, Some("")])),
                bytes_of(&of_shorts(), &vec![Some(1), None, Some(2)]),
            ]),
        ) {
            if let Ok(list) = read(&of_text(), &bytes) {
                prop_assert!(bytes.starts_with(&bytes_of(&of_text(), &list)));
            }
            if let Ok(list) = read(&of_shorts(), &bytes) {
                prop_assert!(list.len() <= bytes.len());
                let written = bytes_of(&of_shorts(), &list);
                prop_assert_eq!(read(&of_shorts(), &written).unwrap(), list);
            }
        }
    }
}
