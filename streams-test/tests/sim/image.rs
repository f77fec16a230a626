//! What lies on disk of one store, and what may become of it while nobody looks.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use streams_core::record::{Headers, RawRecord};
use streams_core::store::StoreIdentity;
use streams_core::time::Timestamp;
use streams_test::model::Dice;

/// Rows by their keys.
pub(crate) type Rows = BTreeMap<String, String>;

/// From where on a store was filled: the truth, whatever the store says of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Began {
    /// Which of the topics that its changelog has been one after the other.
    pub(crate) topic: Option<u64>,
    /// The first offset read since it was empty.
    pub(crate) offset: Option<i64>,
}

/// What lies on disk of one store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) rows: Rows,
    pub(crate) position: Option<i64>,
    pub(crate) identity: StoreIdentity,
    pub(crate) began: Began,
    checksum: u64,
}

impl Image {
    pub(crate) fn new(
        (rows, position): (Rows, Option<i64>),
        identity: StoreIdentity,
        began: Began,
    ) -> Self {
        let checksum = checksum(&rows, position);
        Self { rows, position, identity, began, checksum }
    }

    /// Whether it is not what was written.
    pub(crate) fn is_damaged(&self) -> bool {
        self.checksum != checksum(&self.rows, self.position)
    }

    /// The position alone.
    pub(crate) fn without_rows(self) -> Self {
        Self { rows: Rows::new(), ..self }
    }

    /// A byte of it is flipped, or a row gets lost.
    pub(crate) fn damage(&mut self, dice: &mut Dice) {
        let at = dice.index(self.rows.len());
        let Some(row) = self.rows.keys().nth(at).cloned() else {
            // Nothing but its position is there.
            self.position = self.position.map(|position| position + 1);
            return;
        };
        if dice.one_in(2) {
            self.rows.remove(&row);
            return;
        }
        if let Some(value) = self.rows.get_mut(&row) {
            let mut bytes = std::mem::take(value).into_bytes();
            let at = dice.index(bytes.len());
            if let Some(byte) = bytes.get_mut(at) {
                // It stays text.
                *byte ^= 1;
            }
            *value = String::from_utf8(bytes).unwrap();
        }
    }
}

fn checksum(rows: &Rows, position: Option<i64>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (rows, position).hash(&mut hasher);
    hasher.finish()
}

/// A row as a record that restores it.
pub(crate) fn record<'a>(key: &'a str, value: &'a str) -> RawRecord<'a> {
    RawRecord {
        key: Some(key.as_bytes()),
        value: Some(value.as_bytes()),
        timestamp: Timestamp::from_millis(0),
        offset: 0,
        leader_epoch: None,
        headers: Headers::default(),
    }
}

/// What a store holds after these records of its changelog.
pub(crate) fn fold<'a>(
    records: impl Iterator<Item = (&'a Option<Bytes>, &'a Option<Bytes>)>,
) -> Rows {
    let mut rows = Rows::new();
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    for (key, value) in records {
        let Some(key) = key else { continue };
        match value {
            Some(value) => rows.insert(text(key), text(value)),
            None => rows.remove(&text(key)),
        };
    }
    rows
}
