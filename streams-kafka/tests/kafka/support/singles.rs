//! Keys that get a record or two at chosen moments, beside those that are written all the time: what
//! is wrong with their rows is not put right by the next record.

use std::collections::BTreeMap;

use super::cluster::{Given, Seen};
use super::fold::{EPOCH, tallies};

/// Names such keys, and counts their records.
#[derive(Debug)]
pub(crate) struct Singles {
    partitions: i32,
    given: BTreeMap<String, i64>,
}

impl Singles {
    pub(crate) const fn new(partitions: i32) -> Self {
        Self { partitions, given: BTreeMap::new() }
    }

    /// So many keys that have no record yet, of all partitions in turn.
    pub(crate) fn fresh(&mut self, count: usize) -> Vec<String> {
        let known = self.given.len();
        let keys: Vec<String> = (known..known + count).map(|at| format!("s{at:05}")).collect();
        self.given.extend(keys.iter().map(|key| (key.clone(), 0)));
        keys
    }

    fn number(key: &str) -> i32 {
        key[1..].parse().unwrap()
    }

    pub(crate) fn partition(&self, key: &str) -> i32 {
        Self::number(key) % self.partitions
    }

    /// The next record of a key.
    pub(crate) fn next_of(&mut self, key: &str) -> Given {
        let given = self.given.get_mut(key).unwrap();
        *given += 1;
        let (number, time) = (given.to_string(), EPOCH + i64::from(Self::number(key)));
        Given::text(self.partition(key), key, &number, time)
    }

    /// How many records each has got.
    pub(crate) const fn given(&self) -> &BTreeMap<String, i64> {
        &self.given
    }

    /// What came out of those that got two records, where the row that was counted on for the second
    /// was not that of the last owner to count the first. That one's is the highest: it began with
    /// all rows of those before it.
    pub(crate) fn astray(&self, output: &[Seen]) -> Vec<String> {
        let tallies = tallies(output);
        let twice = self.given.iter().filter(|(_, given)| **given == 2);
        let seen = twice.map(|(key, _)| (key, tallies.get(key).map_or(&[][..], Vec::as_slice)));
        let astray = seen.filter(|(_, seen)| {
            let kept = seen.iter().filter(|(number, _)| *number == 1).map(|(_, count)| *count);
            let second = seen.iter().find(|(number, _)| *number == 2).map(|(_, count)| *count);
            second != kept.max().map(|kept| kept + 1)
        });
        astray.map(|(key, seen)| format!("{key}: {seen:?}")).collect()
    }
}
