//! What a group committed, as its coordinator keeps it: the records of `__consumer_offsets`.

use std::collections::BTreeMap;

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

    fn text(&mut self) -> String {
        let length = usize::try_from(self.short()).unwrap();
        String::from_utf8(self.bytes(length).to_vec()).unwrap()
    }
}

/// Offsets in the order in which the coordinator took them, by topic and partition.
pub(crate) fn committed_by(cluster: &Cluster, group: &str) -> BTreeMap<(String, i32), Vec<i64>> {
    let mut committed: BTreeMap<(String, i32), Vec<i64>> = BTreeMap::new();
    for record in cluster.read("__consumer_offsets") {
        let (Some(key), Some(value)) = (&record.key, &record.value) else { continue };
        let (mut key, mut value) = (Reader(key), Reader(value));
        // Others are those of members.
        if !matches!(key.short(), 0 | 1) || key.text() != group {
            continue;
        }
        let topic = key.text();
        let partition = i32::from_be_bytes(key.bytes(4).try_into().unwrap());
        value.short();
        let offset = i64::from_be_bytes(value.bytes(8).try_into().unwrap());
        committed.entry((topic, partition)).or_default().push(offset);
    }
    committed
}

/// How many commits there were, and how many of them went back.
pub(crate) fn steps_back(cluster: &Cluster, group: &str) -> (usize, usize) {
    let committed = committed_by(cluster, group);
    let all = committed.values().map(Vec::len).sum();
    let pairs = committed.values().flat_map(|offsets| offsets.windows(2));
    (all, pairs.filter(|pair| pair[1] < pair[0]).count())
}
