//! The keys of stores that expire: a key and its window, as rows and as in Kafka's changelogs.
//!
//! ```text
//! changelog key      key, start (8), sequence (4)         of a window
//!                    key, end (8), start (8)              of a session
//! row, key first     segment (8), changelog key
//! row, time first    segment (8), 0, start, key, sequence
//!                    segment (8), 0, end, start, key
//! index              segment (8), 1, changelog key
//! ```
//!
//! Numbers are big-endian. Answers to Kafka's `WindowKeySchema`, `SessionKeySchema` and their
//! prefixed forms.

use streams_core::store::{RowOrder, Segments, StoreKind};

const LONG: usize = size_of::<i64>();
const INT: usize = size_of::<i32>();
/// Before rows that are ordered by time.
const BASE: u8 = 0;
/// Before the index of such rows.
const INDEX: u8 = 1;

/// What a row's key says of its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WindowForm {
    /// The start, and a sequence number.
    Window,
    /// The end and the start.
    Session,
}

/// A key and its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowKey<'a> {
    pub(crate) key: &'a [u8],
    /// The time by which the row expires: the start of a window, the end of a session.
    pub(crate) time: i64,
    /// The sequence number of a window, the start of a session.
    pub(crate) detail: i64,
}

/// The segment of a time, of segments of this length.
pub(crate) const fn segment_of(time: i64, interval_ms: i64) -> i64 {
    // As Java: towards zero, also for times before it.
    time / interval_ms
}

/// How the keys of a store are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowKeys {
    pub(crate) form: WindowForm,
    pub(crate) order: RowOrder,
    interval_ms: i64,
}

impl RowKeys {
    /// The layout of a store; `None` for one that does not expire.
    pub(crate) fn of(kind: StoreKind) -> Option<Self> {
        let (form, Segments { interval_ms, order }) = match kind {
            StoreKind::Window(segments)
            | StoreKind::TimestampedWindow(segments)
            | StoreKind::TimestampedWindowWithHeaders(segments) => (WindowForm::Window, segments),
            StoreKind::Session(segments) | StoreKind::SessionWithHeaders(segments) => {
                (WindowForm::Session, segments)
            }
            _ => return None,
        };
        Some(Self { form, order, interval_ms: interval_ms.max(1) })
    }

    /// Milliseconds of a segment.
    pub(crate) const fn interval_ms(&self) -> i64 {
        self.interval_ms
    }

    /// The segment of a time.
    pub(crate) const fn segment_of(&self, time: i64) -> i64 {
        segment_of(time, self.interval_ms)
    }

    /// The first time of a segment.
    pub(crate) const fn start_of(&self, segment: i64) -> i64 {
        segment.saturating_mul(self.interval_ms)
    }

    /// The last time of a segment; `None` for one without end.
    pub(crate) fn end_of(&self, segment: i64) -> Option<i64> {
        segment.checked_add(1)?.checked_mul(self.interval_ms)?.checked_sub(1)
    }

    /// The segment that a row's key begins with.
    pub(crate) fn segment_in(row: &[u8]) -> Option<i64> {
        row.first_chunk().map(|segment| i64::from_be_bytes(*segment))
    }

    const fn detail_len(&self) -> usize {
        match self.form {
            WindowForm::Window => INT,
            WindowForm::Session => LONG,
        }
    }

    fn put_detail(&self, detail: i64, out: &mut Vec<u8>) {
        match self.form {
            // A sequence number has 31 bits.
            WindowForm::Window => out.extend_from_slice(&(detail as i32).to_be_bytes()),
            WindowForm::Session => out.extend_from_slice(&detail.to_be_bytes()),
        }
    }

    /// Appends the key of a row.
    pub(crate) fn write_row(&self, row: RowKey<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.segment_of(row.time).to_be_bytes());
        match self.order {
            RowOrder::KeyFirst => self.write_changelog(row, out),
            RowOrder::TimeFirst | RowOrder::TimeFirstIndexed => {
                out.push(BASE);
                out.extend_from_slice(&row.time.to_be_bytes());
                if self.form == WindowForm::Session {
                    out.extend_from_slice(&row.detail.to_be_bytes());
                }
                out.extend_from_slice(row.key);
                if self.form == WindowForm::Window {
                    self.put_detail(row.detail, out);
                }
            }
        }
    }

    /// Appends the key of a row's entry in the index.
    pub(crate) fn write_index(&self, row: RowKey<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.segment_of(row.time).to_be_bytes());
        out.push(INDEX);
        self.write_changelog(row, out);
    }

    /// Appends the key that a row has in the changelog.
    pub(crate) fn write_changelog(&self, row: RowKey<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(row.key);
        out.extend_from_slice(&row.time.to_be_bytes());
        self.put_detail(row.detail, out);
    }

    /// Reads the key of a row or of an entry in the index.
    pub(crate) fn read_row<'a>(&self, row: &'a [u8]) -> Option<RowKey<'a>> {
        let (_, rest) = row.split_at_checked(LONG)?;
        if self.order == RowOrder::KeyFirst {
            return self.read_changelog(rest);
        }
        let (tag, rest) = rest.split_first()?;
        if *tag == INDEX {
            return self.read_changelog(rest);
        }
        let (time, rest) = long(rest)?;
        match self.form {
            WindowForm::Window => {
                let (key, sequence) = rest.split_last_chunk::<INT>()?;
                Some(RowKey { key, time, detail: i64::from(i32::from_be_bytes(*sequence)) })
            }
            WindowForm::Session => {
                let (detail, key) = long(rest)?;
                Some(RowKey { key, time, detail })
            }
        }
    }

    /// Reads a key of the changelog.
    pub(crate) fn read_changelog<'a>(&self, key: &'a [u8]) -> Option<RowKey<'a>> {
        let (rest, detail) = key.split_at_checked(key.len().checked_sub(self.detail_len())?)?;
        let (key, time) = rest.split_last_chunk::<LONG>()?;
        let detail = match self.form {
            WindowForm::Window => i64::from(i32::from_be_bytes(*detail.first_chunk()?)),
            WindowForm::Session => i64::from_be_bytes(*detail.first_chunk()?),
        };
        Some(RowKey { key, time: i64::from_be_bytes(*time), detail })
    }

    /// The key that a row has in the changelog, made in `buffer` where the row does not hold it.
    pub(crate) fn changelog_key<'a>(&self, row: &'a [u8], buffer: &'a mut Vec<u8>) -> &'a [u8] {
        if self.order == RowOrder::KeyFirst {
            return row.get(LONG..).unwrap_or_default();
        }
        buffer.clear();
        if let Some(row) = self.read_row(row) {
            self.write_changelog(row, buffer);
        }
        buffer
    }

    /// Whether this is the key of a row, and not of an entry in the index.
    pub(crate) fn is_row(&self, row: &[u8]) -> bool {
        self.order == RowOrder::KeyFirst || row.get(LONG) == Some(&BASE)
    }

    /// Rows of a segment are at or behind this.
    pub(crate) fn segment_start(segment: i64) -> [u8; LONG] {
        segment.to_be_bytes()
    }

    /// The first bytes of a segment's rows, and those of its index.
    pub(crate) fn base_of(&self, segment: i64) -> Vec<u8> {
        let mut prefix = segment.to_be_bytes().to_vec();
        if self.order != RowOrder::KeyFirst {
            prefix.push(BASE);
        }
        prefix
    }

    /// The first bytes of a segment's rows by key: of the index, where there is one.
    pub(crate) fn by_key_of(&self, segment: i64) -> Vec<u8> {
        let mut prefix = segment.to_be_bytes().to_vec();
        if self.order != RowOrder::KeyFirst {
            prefix.push(INDEX);
        }
        prefix
    }
}

fn long(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (long, rest) = bytes.split_first_chunk::<LONG>()?;
    Some((i64::from_be_bytes(*long), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn layouts() -> impl Strategy<Value = RowKeys> {
        let orders = vec![RowOrder::KeyFirst, RowOrder::TimeFirst, RowOrder::TimeFirstIndexed];
        let forms = vec![WindowForm::Window, WindowForm::Session];
        (prop::sample::select(orders), prop::sample::select(forms), 1..100_i64)
            .prop_map(|(order, form, interval_ms)| RowKeys { form, order, interval_ms })
    }

    #[test]
    fn changelog_keys_are_kafkas() {
        let segments = Segments { interval_ms: 60_000, order: RowOrder::KeyFirst };
        let window = RowKeys::of(StoreKind::TimestampedWindow(segments)).unwrap();
        let mut bytes = Vec::new();
        window.write_changelog(RowKey { key: b"ab", time: 258, detail: 3 }, &mut bytes);
        assert_eq!(bytes, b"ab\0\0\0\0\0\0\x01\x02\0\0\0\x03");
        let session = RowKeys::of(StoreKind::Session(segments)).unwrap();
        bytes.clear();
        session.write_changelog(RowKey { key: b"ab", time: 258, detail: 3 }, &mut bytes);
        assert_eq!(bytes, b"ab\0\0\0\0\0\0\x01\x02\0\0\0\0\0\0\0\x03");
        assert_eq!(RowKeys::of(StoreKind::KeyValue), None);
    }

    #[test]
    fn segments_are_divided_as_in_java() {
        let keys =
            RowKeys { form: WindowForm::Window, order: RowOrder::KeyFirst, interval_ms: 100 };
        let segments = [-150, -99, 0, 99, 100].map(|time| keys.segment_of(time));
        assert_eq!(segments, [-1, 0, 0, 0, 1]);
    }

    proptest! {
        #[test]
        fn keys_are_read_as_written(
            keys in layouts(),
            key in prop::collection::vec(any::<u8>(), 0..6),
            time in 0..1000_i64,
            detail in 0..1000_i64,
        ) {
            let row = RowKey { key: &key, time, detail };
            let (mut bytes, mut changelog, mut buffer) = (Vec::new(), Vec::new(), Vec::new());
            keys.write_row(row, &mut bytes);
            prop_assert_eq!(keys.read_row(&bytes), Some(row));
            prop_assert_eq!(RowKeys::segment_in(&bytes), Some(keys.segment_of(time)));
            keys.write_changelog(row, &mut changelog);
            prop_assert_eq!(keys.read_changelog(&changelog), Some(row));
            prop_assert_eq!(keys.changelog_key(&bytes, &mut buffer), &changelog[..]);
            if keys.order == RowOrder::TimeFirstIndexed {
                bytes.clear();
                keys.write_index(row, &mut bytes);
                prop_assert_eq!(keys.read_row(&bytes), Some(row));
            }
        }

        #[test]
        fn what_is_no_key_is_refused_and_another_comes_back(
            keys in layouts(),
            bytes in prop::collection::vec(any::<u8>(), 0..30),
        ) {
            prop_assert!(keys.read_row(&bytes[..bytes.len().min(7)]).is_none());
            let mut written = Vec::new();
            if let Some(row) = keys.read_changelog(&bytes) {
                keys.write_changelog(row, &mut written);
                prop_assert_eq!(&written, &bytes);
            }
            if let Some(row) = keys.read_row(&bytes) {
                written.clear();
                keys.write_row(row, &mut written);
                prop_assert_eq!(keys.read_row(&written), Some(row));
            }
        }
    }
}
