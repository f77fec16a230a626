//! What a count must be: the fold of its input, compared with all that came out.

use std::collections::{BTreeMap, BTreeSet};

use super::cluster::{Given, Seen};
use super::writer::Receipt;

/// Records of some keys in turn: the value is the number of the record among those of its key.
pub(crate) fn numbered(keys: usize, records: usize, partitions: i32) -> Vec<Given> {
    let mut numbering = Numbering::new(keys, partitions);
    (0..records).map(|_| numbering.next()).collect()
}

/// Gives records of some keys in turn, numbered from 1 for each key, with rising times.
#[derive(Debug)]
pub(crate) struct Numbering {
    keys: usize,
    partitions: i32,
    given: usize,
    /// Where those that were written are.
    receipts: Vec<Receipt>,
    /// How many records other keys have got, which are written apart.
    apart: BTreeMap<String, i64>,
}

/// The time of the first record.
pub(crate) const EPOCH: i64 = 1_700_000_000_000;

impl Numbering {
    pub(crate) const fn new(keys: usize, partitions: i32) -> Self {
        Self { keys, partitions, given: 0, receipts: Vec::new(), apart: BTreeMap::new() }
    }

    pub(crate) const fn given(&self) -> usize {
        self.given
    }

    pub(crate) fn next(&mut self) -> Given {
        let (key, number) = (self.given % self.keys, self.given / self.keys + 1);
        let partition = i32::try_from(key).unwrap() % self.partitions;
        let time = EPOCH + i64::try_from(self.given).unwrap();
        self.given += 1;
        Given::text(partition, &format!("k{key:05}"), &number.to_string(), time)
    }

    /// Keeps where records were written.
    pub(crate) fn keep(&mut self, receipts: Vec<Receipt>) {
        self.receipts.extend(receipts);
    }

    /// Counts records in that were written apart, so many of each key.
    pub(crate) fn count_in(&mut self, apart: &BTreeMap<String, i64>) {
        self.apart.extend(apart.iter().map(|(key, count)| (key.clone(), *count)));
    }

    /// The time of a record.
    fn time(&self, key: &str, number: i64) -> i64 {
        let key: i64 = key.trim_start_matches('k').parse().unwrap();
        EPOCH + (number - 1) * i64::try_from(self.keys).unwrap() + key
    }

    /// How many records a key has got.
    pub(crate) fn given_to(&self, key: usize) -> i64 {
        i64::try_from((self.given + self.keys - 1 - key) / self.keys).unwrap()
    }

    /// The number of a key.
    pub(crate) fn number_of(&self, key: &str) -> Option<usize> {
        let number = key.strip_prefix('k')?.parse().ok()?;
        (number < self.keys).then_some(number)
    }

    pub(crate) const fn keys(&self) -> usize {
        self.keys
    }

    /// How many records each key has got.
    pub(crate) fn truth(&self) -> BTreeMap<String, i64> {
        let numbered = 0..self.keys.min(self.given);
        let numbered = numbered.map(|key| (format!("k{key:05}"), self.given_to(key)));
        numbered.chain(self.apart.clone()).collect()
    }
}

/// What came out for each key, in order: the number of the input record, and the count.
pub(crate) fn tallies(output: &[Seen]) -> BTreeMap<String, Vec<(i64, i64)>> {
    let mut tallies: BTreeMap<String, Vec<(i64, i64)>> = BTreeMap::new();
    for record in output {
        let text = record.value_text();
        let (number, count) = text.split_once('=').unwrap();
        let pair = (number.parse().unwrap(), count.parse().unwrap());
        tallies.entry(record.key_text()).or_default().push(pair);
    }
    tallies
}

/// The last count of each key in a changelog.
pub(crate) fn counts(changelog: &[Seen]) -> BTreeMap<String, i64> {
    let decoded = changelog.iter().map(|record| {
        let value = record.value.as_deref().unwrap();
        let (_, count) = value.split_last_chunk::<8>().unwrap();
        (record.key_text(), i64::from_be_bytes(*count))
    });
    decoded.collect()
}

/// How what came out differs from the fold of the input.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Input records that nothing came out for.
    pub(crate) lost: usize,
    /// Outputs beyond the first for an input record.
    pub(crate) doubled: usize,
    /// Outputs that skip input records which come out later only.
    pub(crate) disordered: usize,
    /// Keys whose last count is below the true one.
    pub(crate) low: usize,
    /// Keys whose last count is above the true one.
    pub(crate) high: usize,
    /// Keys that never went in.
    pub(crate) foreign: usize,
    /// Keys whose last count differs between output and changelog.
    pub(crate) split: usize,
}

/// Compares output and changelog of a tally with what went in.
pub(crate) fn difference(
    truth: &BTreeMap<String, i64>,
    output: &[Seen],
    changelog: &[Seen],
) -> Difference {
    let (tallies, counts) = (tallies(output), counts(changelog));
    let is_foreign = |key: &&String| !truth.contains_key(*key);
    let mut found = Difference {
        foreign: tallies.keys().chain(counts.keys()).filter(is_foreign).count(),
        ..Difference::default()
    };
    for (key, records) in truth {
        let seen = tallies.get(key).map_or(&[][..], Vec::as_slice);
        let mut times = vec![0_usize; usize::try_from(*records).unwrap() + 1];
        let mut latest = 0;
        for (number, _) in seen {
            // A number that was never given is an index out of bounds: the test fails.
            times[usize::try_from(*number).unwrap()] += 1;
            found.disordered += usize::from(*number > latest + 1);
            latest = latest.max(*number);
        }
        found.lost += times.iter().skip(1).filter(|times| **times == 0).count();
        found.doubled += times.iter().map(|times| times.saturating_sub(1)).sum::<usize>();
        let last = counts.get(key).copied().unwrap_or(0);
        found.low += usize::from(last < *records);
        found.high += usize::from(last > *records);
        found.split += usize::from(seen.last().map_or(0, |(_, count)| *count) != last);
    }
    found
}

/// The records that were given and are not in the input topic, each with what is known of it.
pub(crate) fn absent(numbering: &Numbering, input: &[Seen]) -> Vec<String> {
    let there: BTreeSet<_> =
        input.iter().map(|seen| (seen.key_text(), seen.value_text())).collect();
    let all = numbering.truth().into_iter();
    let all = all.flat_map(|(key, last)| (1..=last).map(move |number| (key.clone(), number)));
    let absent = all.filter(|(key, number)| !there.contains(&(key.clone(), number.to_string())));
    absent.map(|(key, number)| told(numbering, &key, number, input)).collect()
}

/// Where a record that is absent was said to be, and what is there.
fn told(numbering: &Numbering, key: &str, number: i64, input: &[Seen]) -> String {
    if numbering.apart.contains_key(key) {
        return format!("{key}={number}, which was written apart");
    }
    let time = numbering.time(key, number);
    let Some(receipt) = numbering.receipts.iter().find(|one| one.timestamp == time) else {
        return format!("{key}={number}, of which nothing was told");
    };
    let Receipt { partition, offset, .. } = *receipt;
    let of_partition = || input.iter().filter(|seen| seen.partition == partition);
    let there = of_partition().find(|seen| seen.offset == offset).map_or_else(
        || format!("ends at {:?}", of_partition().map(|seen| seen.offset + 1).max()),
        |seen| format!("holds {}={} there", seen.key_text(), seen.value_text()),
    );
    format!("{key}={number} was acknowledged at {partition}/{offset}; the partition {there}")
}

/// Nothing lost, doubled, disordered or miscounted.
#[track_caller]
pub(crate) fn assert_exact(truth: &BTreeMap<String, i64>, output: &[Seen], changelog: &[Seen]) {
    assert_eq!(difference(truth, output, changelog), Difference::default());
}
