//! What a count of very many records must be.

use super::cluster::Seen;
use super::fold::{Difference, Numbering};

/// What is known of a key of a [`Ledger`].
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    /// The highest number of an input record that came out, and the count beside the last.
    latest: i64,
    told: i64,
    /// The last count in the changelog.
    kept: i64,
}

/// Finds the same as [`difference`](super::fold::difference), and holds a few numbers for each key
/// instead of all records.
#[derive(Debug)]
pub(crate) struct Ledger<'a> {
    numbering: &'a Numbering,
    keys: Vec<Entry>,
    given: usize,
    found: Difference,
}

impl<'a> Ledger<'a> {
    pub(crate) fn of(numbering: &'a Numbering) -> Self {
        let (keys, found) = (vec![Entry::default(); numbering.keys()], Difference::default());
        Self { numbering, keys, given: 0, found }
    }

    pub(crate) const fn enter_input(&mut self) {
        self.given += 1;
    }

    pub(crate) fn enter_output(&mut self, record: &Seen) {
        let Some(key) = self.numbering.number_of(&record.key_text()) else {
            self.found.foreign += 1;
            return;
        };
        let text = record.value_text();
        let (number, count) = text.split_once('=').unwrap();
        let (number, entry): (i64, _) = (number.parse().unwrap(), &mut self.keys[key]);
        self.found.doubled += usize::from(number <= entry.latest);
        self.found.disordered += usize::from(number > entry.latest + 1);
        entry.latest = entry.latest.max(number);
        entry.told = count.parse().unwrap();
    }

    pub(crate) fn enter_change(&mut self, record: &Seen) {
        let (_, count) = record.value.as_deref().unwrap().split_last_chunk::<8>().unwrap();
        match self.numbering.number_of(&record.key_text()) {
            Some(key) => self.keys[key].kept = i64::from_be_bytes(*count),
            None => self.found.foreign += 1,
        }
    }

    /// The difference, and how many records the input topic does not have.
    pub(crate) fn close(self) -> (Difference, usize) {
        let mut found = self.found;
        for (key, entry) in self.keys.iter().enumerate() {
            let truth = self.numbering.given_to(key);
            found.lost += usize::try_from(truth - entry.latest).unwrap();
            found.low += usize::from(entry.kept < truth);
            found.high += usize::from(entry.kept > truth);
            found.split += usize::from(entry.told != entry.kept);
        }
        (found, self.numbering.given() - self.given)
    }
}
