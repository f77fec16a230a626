//! A row of versions of a key that later ones replaced.
//!
//! ```text
//! row       end (8), start (8), versions, the latest first
//! version   time (8), 0 for a deletion, else length of the value + 1 (4), value
//! ```
//!
//! Each version holds until the one before it in the row begins, the first one until the end of the
//! row; from there on the key was deleted, unless another row or the latest version begins there. A
//! row without versions says only that. Numbers are big-endian.

const LONG: usize = size_of::<i64>();
const INT: usize = size_of::<u32>();
const HEAD: usize = 2 * LONG;

/// A row that is being read.
#[derive(Debug, Clone, Copy)]
pub(super) struct VersionRow<'a>(&'a [u8]);

/// A version, and where it is in its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version<'a> {
    pub(super) time: i64,
    /// `None` for a deletion.
    pub(super) value: Option<&'a [u8]>,
    /// When the next one begins.
    pub(super) until: i64,
    at: usize,
    behind: usize,
}

fn long(bytes: &[u8], at: usize) -> Option<i64> {
    bytes.get(at..)?.first_chunk().map(|long| i64::from_be_bytes(*long))
}

fn put_version(time: i64, value: Option<&[u8]>, out: &mut Vec<u8>) {
    let length = value.map_or(0, |value| u32::try_from(value.len() + 1).unwrap_or(u32::MAX));
    out.extend_from_slice(&time.to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value.unwrap_or_default());
}

fn put_head(end: i64, start: i64, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&end.to_be_bytes());
    out.extend_from_slice(&start.to_be_bytes());
}

impl<'a> VersionRow<'a> {
    /// `None` for what is no row.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        (bytes.len() >= HEAD).then_some(Self(bytes))
    }

    /// When the last of its versions was replaced.
    pub(super) fn end(self) -> i64 {
        long(self.0, 0).unwrap_or(i64::MAX)
    }

    /// When the first of its versions began; the end, if it has none.
    pub(super) fn start(self) -> i64 {
        long(self.0, LONG).unwrap_or(i64::MAX)
    }

    fn versions(self) -> &'a [u8] {
        self.0.get(HEAD..).unwrap_or_default()
    }

    fn version_at(self, at: usize, until: i64) -> Option<Version<'a>> {
        let time = long(self.0, at)?;
        let rest = self.0.get(at + LONG..)?;
        let (length, rest) = rest.split_first_chunk::<INT>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let value = match length.checked_sub(1) {
            None => None,
            Some(length) => Some(rest.get(..length)?),
        };
        let behind = at + LONG + INT + value.map_or(0, <[u8]>::len);
        Some(Version { time, value, until, at, behind })
    }

    /// The version as of a time that lies between start and end.
    pub(super) fn find(self, time: i64) -> Option<Version<'a>> {
        let (mut at, mut until) = (HEAD, self.end());
        loop {
            let version = self.version_at(at, until)?;
            if version.time <= time {
                return Some(version);
            }
            (at, until) = (version.behind, version.time);
        }
    }

    /// Writes a row of one version.
    pub(super) fn write_one((time, until): (i64, i64), value: Option<&[u8]>, out: &mut Vec<u8>) {
        put_head(until, time, out);
        put_version(time, value, out);
    }

    /// Writes a row that says that the key was deleted at a time.
    pub(super) fn write_deletion(time: i64, out: &mut Vec<u8>) {
        put_head(time, time, out);
    }

    /// Writes the row with one more version behind all others.
    pub(super) fn write_later(
        self,
        (time, until): (i64, i64),
        value: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) {
        // What the new version contradicts goes.
        let (mut at, mut end) = (HEAD, self.end());
        while end > time
            && let Some(version) = self.version_at(at, end)
        {
            (at, end) =
                if version.time < time { (at, time) } else { (version.behind, version.time) };
        }
        let kept = self.0.get(at..).unwrap_or_default();
        let gap = end < time;
        let first = if gap { end } else { time };
        put_head(until, if kept.is_empty() { first } else { self.start() }, out);
        put_version(time, value, out);
        if gap {
            put_version(end, None, out);
        }
        out.extend_from_slice(kept);
    }

    /// Writes the row with one more version before all others.
    pub(super) fn write_earlier(self, time: i64, value: Option<&[u8]>, out: &mut Vec<u8>) {
        put_head(self.end(), time, out);
        out.extend_from_slice(self.versions());
        put_version(time, value, out);
    }

    /// Writes the row with one more version, which takes over from `before`.
    pub(super) fn write_behind(
        self,
        before: &Version<'_>,
        (time, value): (i64, Option<&[u8]>),
        out: &mut Vec<u8>,
    ) {
        self.splice((before.at, before.at), (time, value), self.start(), out);
    }

    /// Writes the row with another version in the place of `old`.
    pub(super) fn write_instead(
        self,
        old: &Version<'_>,
        (time, value): (i64, Option<&[u8]>),
        out: &mut Vec<u8>,
    ) {
        let is_first = old.behind == self.0.len();
        let start = if is_first { time } else { self.start() };
        self.splice((old.at, old.behind), (time, value), start, out);
    }

    fn splice(
        self,
        (from, to): (usize, usize),
        (time, value): (i64, Option<&[u8]>),
        start: i64,
        out: &mut Vec<u8>,
    ) {
        put_head(self.end(), start, out);
        out.extend_from_slice(self.0.get(HEAD..from).unwrap_or_default());
        put_version(time, value, out);
        out.extend_from_slice(self.0.get(to..).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::damage::rubbish;

    /// A row of three versions, of which the middle one is a deletion.
    fn encoding() -> Vec<u8> {
        let (mut one, mut two, mut three) = (Vec::new(), Vec::new(), Vec::new());
        VersionRow::write_one((1, 5), Some(b"a"), &mut one);
        VersionRow(&one).write_later((5, 8), None, &mut two);
        VersionRow(&two).write_later((8, 9), Some(b"bc"), &mut three);
        three
    }

    proptest! {
        #[test]
        fn what_is_found_in_a_damaged_row_comes_back(
            bytes in rubbish(vec![encoding()]),
            time in 0..12_i64,
        ) {
            if let Some(row) = VersionRow::read(&bytes) {
                let mut written = Vec::new();
                row.write_later((time, time + 1), Some(b"x"), &mut written);
                row.write_earlier(time, None, &mut written);
                if let Some(found) = row.find(time) {
                    row.write_behind(&found, (time, None), &mut written);
                    row.write_instead(&found, (found.time, found.value), &mut written);
                    prop_assert_eq!(&written[HEAD..], &bytes[HEAD..]);
                }
            }
        }
    }
}
