//! A row of a buffer as it lies in memory: no more bytes than Kafka counts for it, so that a bound in
//! bytes holds in memory too.
//!
//! The key, what Kafka counts for the row, the context, the values, the headers. Numbers are of
//! variable length. The time of its place in the buffer is beside it.

use bytes::Bytes;
use streams_core::record::{Header, Headers};

/// Where a row's update came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowContext {
    pub(crate) timestamp: i64,
    /// The partition, as the task numbers it, and the offset; `None` for a punctuation.
    pub(crate) origin: Option<(u32, i64)>,
    pub(crate) headers: Headers,
}

/// The values of a row, as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowValues<'a> {
    /// What the table held before the row came into the buffer.
    pub(crate) prior: Option<&'a [u8]>,
    /// What it held before the last update.
    pub(crate) old: Option<&'a [u8]>,
    pub(crate) new: Option<&'a [u8]>,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row<'a> {
    /// The buffer is in the order of time, then key.
    pub(crate) time: i64,
    pub(crate) key: &'a [u8],
    pub(crate) values: RowValues<'a>,
    pub(crate) context: RowContext,
}

/// The old value is the prior one.
const SAME: u64 = 1;

impl Row<'_> {
    /// The bytes that Kafka counts for the row; `topic_units` are the UTF-16 units of its topic.
    pub(crate) fn counted(&self, topic_units: usize) -> usize {
        let Self { key, values: RowValues { prior, old, new }, context, .. } = self;
        let len = |value: &Option<&[u8]>| value.map_or(0, <[u8]>::len);
        let old = if prior == old { 0 } else { len(old) };
        let header = |header: &Header| {
            header.name.encode_utf16().count() + header.value.as_ref().map_or(0, Bytes::len)
        };
        let headers: usize = context.headers.iter().map(header).sum();
        // Of the place in the buffer, the timestamp, the offset and the partition.
        let fixed = 3 * size_of::<i64>() + size_of::<i32>();
        fixed + key.len() + len(prior) + old + len(new) + topic_units + headers
    }

    /// Writes the row.
    pub(crate) fn write(&self, counted: usize, out: &mut Vec<u8>) {
        write_bytes(0, self.key, out);
        write_number(counted as u64, out);
        let RowContext { timestamp, origin, headers } = &self.context;
        write_signed(timestamp.wrapping_sub(self.time), out);
        match origin {
            None => write_number(0, out),
            Some((number, offset)) => {
                write_number(u64::from(*number) + 1, out);
                write_signed(*offset, out);
            }
        }
        let RowValues { prior, old, new } = self.values;
        write_value(prior, out);
        match old {
            Some(_) if old == prior => write_number(SAME, out),
            Some(old) => write_bytes(2, old, out),
            None => write_number(0, out),
        }
        write_value(new, out);
        for Header { name, value } in headers.iter() {
            write_bytes(0, name.as_bytes(), out);
            write_value(value.as_deref(), out);
        }
    }
}

/// The length of a row, before it.
pub(super) fn write_length(length: usize, out: &mut Vec<u8>) {
    write_number(length as u64, out);
}

/// What [`write_length`] tells the length of, and what is behind it.
pub(super) fn split_length(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut rest = Reader(bytes);
    let row = rest.bytes(0);
    (row, rest.0)
}

/// The key of a row.
pub(crate) fn key_of(row: &[u8]) -> &[u8] {
    Reader(row).bytes(0)
}

/// The bytes that Kafka counts for a row.
pub(crate) fn counted(row: &[u8]) -> usize {
    let mut rest = Reader(row);
    rest.bytes(0);
    usize::try_from(rest.number()).unwrap_or(usize::MAX)
}

/// A row as [`Row::write`] wrote it.
pub(crate) fn read(time: i64, row: &[u8]) -> Row<'_> {
    let (mut row, mut rest) = read_up_to_headers(time, row);
    while !rest.0.is_empty() {
        let name = String::from_utf8_lossy(rest.bytes(0));
        row.context.headers.add(&*name, rest.value().map(Bytes::copy_from_slice));
    }
    row
}

/// The same without its headers, which have to be allocated.
pub(crate) fn read_without_headers(time: i64, row: &[u8]) -> Row<'_> {
    read_up_to_headers(time, row).0
}

fn read_up_to_headers(time: i64, row: &[u8]) -> (Row<'_>, Reader<'_>) {
    let mut rest = Reader(row);
    let key = rest.bytes(0);
    rest.number();
    let timestamp = time.wrapping_add(rest.signed());
    let number = rest.number().checked_sub(1);
    let origin = number.map(|number| (u32::try_from(number).unwrap_or(u32::MAX), rest.signed()));
    let prior = rest.value();
    let old = match rest.number() {
        0 => None,
        SAME => prior,
        length => Some(rest.take(length - 2)),
    };
    let new = rest.value();
    let context = RowContext { timestamp, origin, headers: Headers::new() };
    (Row { time, key, values: RowValues { prior, old, new }, context }, rest)
}

fn write_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn write_signed(number: i64, out: &mut Vec<u8>) {
    write_number((number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned(), out);
}

/// The length, more by `above`, then the bytes.
fn write_bytes(above: u64, bytes: &[u8], out: &mut Vec<u8>) {
    write_number(bytes.len() as u64 + above, out);
    out.extend_from_slice(bytes);
}

fn write_value(value: Option<&[u8]>, out: &mut Vec<u8>) {
    match value {
        None => write_number(0, out),
        Some(value) => write_bytes(1, value, out),
    }
}

/// What is left to be read of a row. A row is never shorter than it says, as nobody else writes it.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> u64 {
        let (mut number, mut shift) = (0, 0);
        while let Some((byte, rest)) = self.0.split_first() {
            self.0 = rest;
            number |= u64::from(byte & 0x7f).wrapping_shl(shift);
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        number
    }

    fn signed(&mut self) -> i64 {
        let number = self.number();
        (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
    }

    fn take(&mut self, length: u64) -> &'a [u8] {
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(self.0.len());
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn bytes(&mut self, above: u64) -> &'a [u8] {
        let length = self.number().saturating_sub(above);
        self.take(length)
    }

    fn value(&mut self) -> Option<&'a [u8]> {
        let length = self.number().checked_sub(1)?;
        Some(self.take(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_as_it_was_written() {
        let mut headers = Headers::new();
        headers.add("trace", Some(Bytes::from_static(b"xyz")));
        headers.add("null", None);
        let long = vec![7; 300];
        let values: [[Option<&[u8]>; 3]; 4] = [
            [None, None, Some(b"new")],
            [Some(b"a"), Some(b"a"), None],
            [Some(b""), None, Some(b"")],
            [Some(b"a"), Some(&long), Some(b"b")],
        ];
        let origins = [None, Some((0, 0)), Some((3, i64::MAX)), Some((200, -1))];
        for (at, [prior, old, new]) in values.into_iter().enumerate() {
            for headers in [Headers::new(), headers.clone()] {
                let context = RowContext { timestamp: -1, origin: origins[at], headers };
                let values = RowValues { prior, old, new };
                let row = Row { time: i64::MAX - 5, key: b"key", values, context };
                let mut bytes = Vec::new();
                row.write(row.counted(5), &mut bytes);
                assert_eq!(read(row.time, &bytes), row);
                assert_eq!(key_of(&bytes), row.key);
                assert_eq!(counted(&bytes), row.counted(5));
            }
        }
    }

    #[test]
    fn a_row_counts_as_in_kafka() {
        let mut headers = Headers::new();
        headers.add("né", Some(Bytes::from_static(b"xyz")));
        let context = RowContext { timestamp: 1, origin: Some((0, 1)), headers };
        let values = RowValues { prior: Some(b"ab"), old: Some(b"ab"), new: Some(b"c") };
        let row = Row { time: 1, key: b"key", values, context };
        // 8 + 3 of the place, 3 of values, 8 + 8 + 5 + 4 + 2 + 3 of the context.
        assert_eq!(row.counted(5), 8 + 3 + 3 + 8 + 8 + 5 + 4 + 2 + 3);
        let values = RowValues { old: None, ..row.values };
        assert_eq!(Row { values, ..row.clone() }.counted(5), row.counted(5));
        let values = RowValues { old: Some(b"xy"), ..row.values };
        assert_eq!(Row { values, ..row.clone() }.counted(5), row.counted(5) + 2);
    }
}
