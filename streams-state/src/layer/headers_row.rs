//! Headers at the beginning of a row: their length in bytes, then how many they are, and of each the
//! name and the value with their lengths. Numbers are Kafka's signed varints; the length of a null
//! is -1. No headers are a length of 0. Answers to Kafka's `HeadersSerializer` (KIP-1271).

use std::sync::Arc;

use bytes::Bytes;
use streams_core::record::Headers;

fn write_varint(value: i32, out: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 31)).cast_unsigned();
    while rest > 0x7f {
        out.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    out.push(rest.to_le_bytes()[0]);
}

fn write_length(length: usize, out: &mut Vec<u8>) {
    write_varint(i32::try_from(length).unwrap_or(i32::MAX), out);
}

fn read_varint(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let (mut value, mut rest) = (0_u32, bytes);
    for shift in (0..=28).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        (value, rest) = (value | (u32::from(byte & 0x7f) << shift), behind);
        if byte & 0x80 == 0 {
            let half = (value >> 1).cast_signed();
            return Some((if value & 1 == 0 { half } else { !half }, rest));
        }
    }
    None
}

/// Bytes with their length; the outer `None` when there are none, the inner for a null.
fn read_bytes(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (length, rest) = read_varint(bytes)?;
    let Ok(length) = usize::try_from(length) else { return Some((None, rest)) };
    let (found, rest) = rest.split_at_checked(length)?;
    Some((Some(found), rest))
}

/// Appends headers with the length before them.
pub(crate) fn write_headers(headers: &Headers, out: &mut Vec<u8>) {
    if headers.is_empty() {
        out.push(0);
        return;
    }
    let mut bytes = Vec::new();
    write_length(headers.len(), &mut bytes);
    for header in headers.iter() {
        write_length(header.name.len(), &mut bytes);
        bytes.extend_from_slice(header.name.as_bytes());
        match &header.value {
            None => write_varint(-1, &mut bytes),
            Some(value) => {
                write_length(value.len(), &mut bytes);
                bytes.extend_from_slice(value);
            }
        }
    }
    write_length(bytes.len(), out);
    out.extend_from_slice(&bytes);
}

/// Parts a row into the bytes of its headers and the rest; `None` when it has no such beginning.
pub(crate) fn split_headers(row: &[u8]) -> Option<(&[u8], &[u8])> {
    let (headers, rest) = read_bytes(row)?;
    Some((headers?, rest))
}

/// The headers of a row; `None` when the bytes are none.
pub(crate) fn read_headers(bytes: &[u8]) -> Option<Headers> {
    let mut headers = Headers::new();
    if bytes.is_empty() {
        return Some(headers);
    }
    let (count, mut rest) = read_varint(bytes)?;
    for _ in 0..count {
        let (name, behind) = read_bytes(rest)?;
        let (value, behind) = read_bytes(behind)?;
        let name: Arc<str> = std::str::from_utf8(name?).ok()?.into();
        headers.add(name, value.map(Bytes::copy_from_slice));
        rest = behind;
    }
    rest.is_empty().then_some(headers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::damage::rubbish;

    #[test]
    fn numbers_are_read_as_written() {
        for value in [0, 1, -1, 63, -64, 64, 300, 1 << 20, i32::MAX, i32::MIN] {
            let mut bytes = Vec::new();
            write_varint(value, &mut bytes);
            bytes.push(9);
            assert_eq!(read_varint(&bytes), Some((value, &[9][..])), "{value}");
        }
        assert_eq!(read_varint(&[0x80; 5]), None);
        assert_eq!(read_varint(&[0x80]), None);
    }

    #[test]
    fn headers_have_kafkas_bytes() {
        let mut headers = Headers::new();
        let mut row = Vec::new();
        write_headers(&headers, &mut row);
        assert_eq!(row, [0]);
        headers.add("a", Some(Bytes::from_static(b"xy")));
        headers.add("ü", None);
        row.clear();
        write_headers(&headers, &mut row);
        row.push(7);
        // 10 bytes: 2 headers, "a" and "xy", "ü" and a null.
        assert_eq!(row, [20, 4, 2, b'a', 4, b'x', b'y', 4, 0xc3, 0xbc, 1, 7]);
        let (bytes, rest) = split_headers(&row).unwrap();
        assert_eq!((read_headers(bytes), rest), (Some(headers), &[7][..]));
    }

    #[test]
    fn other_bytes_are_refused() {
        assert_eq!(split_headers(&[]), None);
        assert_eq!(split_headers(&[20, 4]), None);
        assert_eq!(split_headers(&[1]), None);
        for bytes in [&[4][..], &[2, 2, b'a'], &[2, 1, 1], &[2, 2, 0xff, 1], &[2, 2, b'a', 1, 0]] {
            assert_eq!(read_headers(bytes), None, "{bytes:?}");
        }
    }

    fn encoding() -> Vec<u8> {
        let (mut headers, mut row) = (Headers::new(), Vec::new());
        headers.add("a", Some(Bytes::from_static(b"xy")));
        headers.add("b", None);
        write_headers(&headers, &mut row);
        row.extend_from_slice(b"value");
        row
    }

    proptest! {
        #[test]
        fn damaged_headers_are_refused_or_come_back(row in rubbish(vec![encoding()])) {
            let parts = split_headers(&row);
            let read = parts.and_then(|(bytes, rest)| Some((read_headers(bytes)?, rest)));
            if let Some((headers, rest)) = read {
                let mut written = Vec::new();
                write_headers(&headers, &mut written);
                written.extend_from_slice(rest);
                let (bytes, behind) = split_headers(&written).unwrap();
                prop_assert_eq!((read_headers(bytes), behind), (Some(headers), rest));
            }
        }
    }
}
