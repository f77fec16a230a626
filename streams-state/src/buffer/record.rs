//! A row as the changelog has it: version 3 of Kafka's format is written, all since 0 are read.
//!
//! Version 3: context, prior value, old value, new value, time. The context: timestamp, offset, topic,
//! partition, headers. Values, topic and header names have their length in 4 bytes before them, -1
//! for null; an old value of length -2 is the prior one.

use bytes::Bytes;
use streams_core::record::{Header, Headers};

use super::row::{Row, RowContext, RowValues};

/// The header of a changelog record that says its version.
pub(crate) const VERSION_HEADER: &str = "v";

/// The version that is written.
pub(crate) const VERSION: u8 = 3;

const NULL: i32 = -1;
const PRIOR: i32 = -2;

/// A partition as a changelog record names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Source<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
}

/// Writes a row in version 3. Without a source the update came from a punctuation.
// DIFFERENCE(suppressed-punctuation): in Kafka the commit fails, as there is no topic to write.
pub(crate) fn write(row: &Row<'_>, source: Option<Source<'_>>, out: &mut Vec<u8>) {
    let Row { time, values: RowValues { prior, old, new }, context, .. } = row;
    let source = source.unwrap_or(Source { topic: "", partition: -1 });
    let offset = context.origin.map_or(-1, |(_, offset)| offset);
    out.extend_from_slice(&context.timestamp.to_be_bytes());
    out.extend_from_slice(&offset.to_be_bytes());
    write_value(Some(source.topic.as_bytes()), out);
    out.extend_from_slice(&source.partition.to_be_bytes());
    write_length(context.headers.len(), out);
    for Header { name, value } in context.headers.iter() {
        write_value(Some(name.as_bytes()), out);
        write_value(value.as_deref(), out);
    }
    write_value(*prior, out);
    match old {
        Some(_) if old == prior => out.extend_from_slice(&PRIOR.to_be_bytes()),
        old => write_value(*old, out),
    }
    write_value(*new, out);
    out.extend_from_slice(&time.to_be_bytes());
}

fn write_length(length: usize, out: &mut Vec<u8>) {
    // Kafka takes no record of 2 GiB, let alone a longer value.
    out.extend_from_slice(&i32::try_from(length).unwrap_or(i32::MAX).to_be_bytes());
}

fn write_value(value: Option<&[u8]>, out: &mut Vec<u8>) {
    match value {
        None => out.extend_from_slice(&NULL.to_be_bytes()),
        Some(value) => {
            write_length(value.len(), out);
            out.extend_from_slice(value);
        }
    }
}

/// A changelog record as far as its version matters.
#[derive(Debug, Clone)]
pub(crate) struct Logged<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    /// What the version header holds.
    pub(crate) version: Option<&'a [u8]>,
    /// The context of the changelog record is that of the row in version 0.
    pub(crate) context: Context<'a>,
}

/// Where a record lies, and what comes with it.
#[derive(Debug, Clone)]
pub(crate) struct Context<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) headers: Headers,
}

/// The row in a changelog record. `number` numbers the partition of its context, `prior` is the prior
/// value of the row that the buffer has of the key, which versions 0 and 1 do not write.
pub(crate) fn read<'a>(
    record: Logged<'a>,
    prior: Option<&'a [u8]>,
    number: impl Fn(Source<'_>) -> u32,
) -> Result<Row<'a>, &'static str> {
    let Logged { key, value, version, context } = record;
    let row = |context: Context<'_>, values, time| {
        let Context { source, offset, timestamp, headers } = context;
        let origin = (!source.topic.is_empty()).then(|| (number(source), offset));
        Row { time, key, values, context: RowContext { timestamp, origin, headers } }
    };
    let mut rest = Reader(value);
    match version {
        None => {
            let time = rest.i64()?;
            let (old, new) = rest.change()?;
            Ok(row(context, RowValues { prior: prior.or(old), old, new }, time))
        }
        Some([1]) => {
            let (time, context) = (rest.i64()?, rest.context()?);
            let (old, new) = Reader(rest.value()?.ok_or(CUT)?).change()?;
            Ok(row(context, RowValues { prior: prior.or(old), old, new }, time))
        }
        Some([2]) => {
            // Kafka 2.4.0, 2.4.1 and 2.5.0 wrote version 3 and called it 2.
            let (context, values, time) = version_2(rest).or_else(|_| version_3(rest))?;
            Ok(row(context, values, time))
        }
        Some([VERSION]) => {
            let (context, values, time) = version_3(rest)?;
            Ok(row(context, values, time))
        }
        Some(_) => Err("is of an unknown version"),
    }
}

type OldAndNew<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

type Read<'a> = Result<(Context<'a>, RowValues<'a>, i64), &'static str>;

fn version_2(mut rest: Reader<'_>) -> Read<'_> {
    let context = rest.context()?;
    let (old, new) = Reader(rest.value()?.ok_or(CUT)?).change()?;
    let prior = rest.value()?;
    Ok((context, RowValues { prior, old, new }, rest.i64()?))
}

fn version_3(mut rest: Reader<'_>) -> Read<'_> {
    let (context, prior) = (rest.context()?, rest.value()?);
    let old = match rest.i32()? {
        PRIOR => prior,
        length => rest.of_length(length)?,
    };
    let new = rest.value()?;
    Ok((context, RowValues { prior, old, new }, rest.i64()?))
}

const CUT: &str = "is cut off, or is none of a suppressed update";

/// What is left to be read of a record.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (array, rest) = self.0.split_first_chunk::<N>().ok_or(CUT)?;
        self.0 = rest;
        Ok(*array)
    }

    fn i64(&mut self) -> Result<i64, &'static str> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    fn i32(&mut self) -> Result<i32, &'static str> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    fn of_length(&mut self, length: i32) -> Result<Option<&'a [u8]>, &'static str> {
        if length == NULL {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| CUT)?;
        let (value, rest) = self.0.split_at_checked(length).ok_or(CUT)?;
        self.0 = rest;
        Ok(Some(value))
    }

    fn value(&mut self) -> Result<Option<&'a [u8]>, &'static str> {
        let length = self.i32()?;
        self.of_length(length)
    }

    /// The old and the new value in the older form.
    fn change(mut self) -> Result<OldAndNew<'a>, &'static str> {
        Ok((self.value()?, self.value()?))
    }

    fn context(&mut self) -> Result<Context<'a>, &'static str> {
        let (timestamp, offset) = (self.i64()?, self.i64()?);
        let topic = std::str::from_utf8(self.value()?.ok_or(CUT)?).map_err(|_| CUT)?;
        let partition = self.i32()?;
        let mut headers = Headers::new();
        for _ in 0..self.i32()? {
            // Whoever wrote it had the name as text.
            let name = std::str::from_utf8(self.value()?.ok_or(CUT)?).map_err(|_| CUT)?;
            headers.add(name, self.value()?.map(Bytes::copy_from_slice));
        }
        Ok(Context { source: Source { topic, partition }, offset, timestamp, headers })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use proptest::prelude::*;

    use super::super::row::read as read_from_memory;
    use super::*;
    use crate::damage::rubbish;

    const SOURCE: Source<'static> = Source { topic: "in", partition: 2 };

    fn headers() -> Headers {
        let mut headers = Headers::new();
        headers.add("h", Some(Bytes::from_static(b"x")));
        headers.add("n", None);
        headers
    }

    fn row<'a>(values: [Option<&'a [u8]>; 3], headers: Headers) -> Row<'a> {
        let [prior, old, new] = values;
        let context = RowContext { timestamp: 5, origin: Some((7, 9)), headers };
        Row { time: 4, key: b"k", values: RowValues { prior, old, new }, context }
    }

    fn logged<'a>(value: &'a [u8], version: Option<&'a [u8]>) -> Logged<'a> {
        let source = Source { topic: "log", partition: 2 };
        let context = Context { source, offset: 30, timestamp: 6, headers: headers() };
        Logged { key: b"k", value, version, context }
    }

    fn read_back<'a>(
        value: &'a [u8],
        version: Option<&'a [u8]>,
        prior: Option<&'a [u8]>,
    ) -> Result<Row<'a>, &'static str> {
        read(logged(value, version), prior, |source| if source == SOURCE { 7 } else { 8 })
    }

    /// The context of the rows of these tests, as in Kafka.
    fn context_bytes() -> Vec<u8> {
        let mut bytes = vec![0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9];
        bytes.extend_from_slice(b"\0\0\0\x02in\0\0\0\x02\0\0\0\x02");
        bytes.extend_from_slice(b"\0\0\0\x01h\0\0\0\x01x\0\0\0\x01n\xff\xff\xff\xff");
        bytes
    }

    fn with_context(after: &[u8]) -> Vec<u8> {
        [&context_bytes(), after].concat()
    }

    #[test]
    fn version_3_is_kafkas_to_the_byte() {
        let same = row([Some(b"a"), Some(b"a"), Some(b"b")], headers());
        let mut out = Vec::new();
        write(&same, Some(SOURCE), &mut out);
        let end = b"\0\0\0\x01a\xff\xff\xff\xfe\0\0\0\x01b\0\0\0\0\0\0\0\x04";
        assert_eq!(out, with_context(end));
        assert_eq!(read_back(&out, Some(&[3]), None), Ok(same));
        let other = row([None, None, None], headers());
        out.clear();
        write(&other, Some(SOURCE), &mut out);
        let end = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\x04";
        assert_eq!(out, with_context(end));
        assert_eq!(read_back(&out, Some(&[3]), Some(b"ignored")), Ok(other));
    }

    #[test]
    fn a_punctuation_has_no_topic() {
        let mut none = row([None, None, Some(b"b")], Headers::new());
        none.context.origin = None;
        let mut out = Vec::new();
        write(&none, None, &mut out);
        let context = read_back(&out, Some(&[3]), None).unwrap().context;
        assert_eq!(context.origin, None);
    }

    #[test]
    fn version_0_takes_its_context_from_the_changelog_record() {
        let value = b"\0\0\0\0\0\0\0\x04\0\0\0\x01a\0\0\0\x01b";
        let read = read_back(value, None, None).unwrap();
        assert_eq!(read.values, row([Some(b"a"), Some(b"a"), Some(b"b")], headers()).values);
        assert_eq!(read.time, 4);
        let origin = Some((8, 30));
        assert_eq!(read.context, RowContext { timestamp: 6, origin, headers: headers() });
        let read = read_back(value, None, Some(b"p")).unwrap();
        assert_eq!(read.values.prior, Some(&b"p"[..]));
    }

    #[test]
    fn version_1_has_the_time_first_and_no_prior_value() {
        let change = b"\0\0\0\x09\xff\xff\xff\xff\0\0\0\x01b";
        let value = [&[0, 0, 0, 0, 0, 0, 0, 4][..], &with_context(change)].concat();
        let read = read_back(&value, Some(&[1]), Some(b"p"));
        assert_eq!(read, Ok(row([Some(b"p"), None, Some(b"b")], headers())));
    }

    #[test]
    fn version_2_is_itself_or_a_version_3_of_that_name() {
        let change = b"\0\0\0\x0a\0\0\0\x01a\0\0\0\x01b\0\0\0\x01p\0\0\0\0\0\0\0\x04";
        let expected = row([Some(b"p"), Some(b"a"), Some(b"b")], headers());
        let value = with_context(change);
        assert_eq!(read_back(&value, Some(&[2]), None), Ok(expected.clone()));
        let mut value = Vec::new();
        write(&expected, Some(SOURCE), &mut value);
        assert_eq!(read_back(&value, Some(&[2]), None), Ok(expected));
    }

    #[test]
    fn a_record_without_headers_may_say_so_and_rubbish_is_refused() {
        let mut value = Vec::new();
        write(&row([None, None, Some(b"b")], Headers::new()), Some(SOURCE), &mut value);
        value[26..30].copy_from_slice(&[0xff; 4]);
        let read = read_back(&value, Some(&[3]), None);
        assert_eq!(read, Ok(row([None, None, Some(b"b")], Headers::new())));
        for length in 0..value.len() {
            assert!(read_back(&value[..length], Some(&[3]), None).is_err(), "{length}");
        }
        for version in [&[][..], &[4], &[3, 3]] {
            assert!(read_back(&value, Some(version), None).is_err());
        }
        let mut value = with_context(VALUES_3);
        assert!(read_back(&value, Some(&[3]), None).is_ok());
        // In the name of a header.
        value[34] = 0xff;
        assert_eq!(read_back(&value, Some(&[3]), None), Err(CUT));
    }

    /// What is behind the context in version 3.
    const VALUES_3: &[u8] = b"\0\0\0\x01p\xff\xff\xff\xfe\0\0\0\x01b\0\0\0\0\0\0\0\x04";

    /// A record of each version.
    fn encodings() -> Vec<Vec<u8>> {
        let version_0 = b"\0\0\0\0\0\0\0\x04\0\0\0\x01a\0\0\0\x01b".to_vec();
        let version_1 = with_context(b"\0\0\0\x09\xff\xff\xff\xff\0\0\0\x01b");
        let version_1 = [&version_0[..8], &version_1].concat();
        let version_2 = b"\0\0\0\x0a\0\0\0\x01a\0\0\0\x01b\0\0\0\x01p\0\0\0\0\0\0\0\x04";
        vec![version_0, version_1, with_context(version_2), with_context(VALUES_3)]
    }

    proptest! {
        #[test]
        fn damaged_records_are_refused_or_come_back_as_they_were_read(
            value in rubbish(encodings()),
            version in prop::option::of((0_u8..5).prop_map(|version| [version])),
        ) {
            let told = RefCell::new(None);
            let number = |source: Source<'_>| {
                *told.borrow_mut() = Some((source.topic.to_owned(), source.partition));
                7
            };
            let version = version.as_ref().map(|version| &version[..]);
            if let Ok(row) = read(logged(&value, version), Some(b"prior"), number) {
                let told = told.borrow();
                let source = told.as_ref().map(|(topic, partition)| {
                    Source { topic: topic.as_str(), partition: *partition }
                });
                let (mut written, mut in_memory) = (Vec::new(), Vec::new());
                write(&row, source, &mut written);
                let again = read(logged(&written, Some(&[VERSION])), None, |_| 7);
                prop_assert_eq!(again.as_ref(), Ok(&row));
                row.write(row.counted(0), &mut in_memory);
                prop_assert_eq!(read_from_memory(row.time, &in_memory), row);
            }
        }
    }
}
