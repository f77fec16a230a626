//! What a group committed, and how often it was shared out anew, as its coordinator keeps it: the
//! records of `__consumer_offsets`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::cluster::Cluster;

/// Reads a record of the coordinator; its integers are big-endian, its texts have their lengths
/// before them.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(count);
        self.0 = rest;
        bytes
    }

    fn short(&mut self) -> i16 {
        i16::from_be_bytes(self.bytes(2).try_into().unwrap())
    }

    fn number(&mut self) -> i32 {
        i32::from_be_bytes(self.bytes(4).try_into().unwrap())
    }

    fn text(&mut self) -> String {
        let length = usize::try_from(self.short()).unwrap();
        String::from_utf8(self.bytes(length).to_vec()).unwrap()
    }
}

/// What begins the key of a record about a group's members.
const GROUP_KEY: i16 = 2;
/// The last version of its value that has texts of this form.
const GROUP_VALUE_MAX: i16 = 3;

/// An offset that the coordinator took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) offset: i64,
    /// By its clock, since 1970.
    pub(crate) at: Duration,
}

/// By topic and partition, in the order in which the coordinator took them.
pub(crate) type Commits = BTreeMap<(String, i32), Vec<Taken>>;

pub(crate) fn committed_by(cluster: &Cluster, group: &str) -> Commits {
    let mut committed = Commits::new();
    for record in cluster.read("__consumer_offsets") {
        let (Some(key), Some(value)) = (&record.key, &record.value) else { continue };
        let (mut key, mut value) = (Reader(key), Reader(value));
        // Others are those of members.
        if !matches!(key.short(), 0 | 1) || key.text() != group {
            continue;
        }
        let topic = key.text();
        let partition = key.number();
        value.short();
        let offset = i64::from_be_bytes(value.bytes(8).try_into().unwrap());
        let at = Duration::from_millis(record.timestamp.unsigned_abs());
        committed.entry((topic, partition)).or_default().push(Taken { offset, at });
    }
    committed
}

/// The generation that the coordinator kept last: each rebalance begins another.
pub(crate) fn generation(cluster: &Cluster, group: &str) -> i32 {
    let generation = cluster.read("__consumer_offsets").into_iter().rev().find_map(|record| {
        let (key, value) = record.key.zip(record.value)?;
        let (mut key, mut value) = (Reader(&key), Reader(&value));
        if key.short() != GROUP_KEY || key.text() != group {
            return None;
        }
        let version = value.short();
        assert!(version <= GROUP_VALUE_MAX, "groups are kept in version {version}");
        // The kind of group.
        value.text();
        Some(value.number())
    });
    generation.unwrap()
}

/// How many commits there were, and how many of them went back.
pub(crate) fn steps_back(commits: &Commits) -> (usize, usize) {
    let all = commits.values().map(Vec::len).sum();
    let pairs = commits.values().flat_map(|taken| taken.windows(2));
    (all, pairs.filter(|pair| pair[1].offset < pair[0].offset).count())
}
