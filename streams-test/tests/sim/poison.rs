//! Input that the application cannot read, and what its handlers made of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use streams_core::error::{Origin, TaskError};
use streams_core::handler::{ErrorHandler, Handlers, Verdict};
use streams_core::names::TopicPartition;
use streams_core::record::RecordMeta;
use streams_test::model::{Dice, NewRecord};

use super::flaws::Flaws;

/// What the application's code says of a value that is text, but has no number.
pub(crate) const NO_NUMBER: &str = "a value without number";
/// Bytes that no text has.
const NOT_UTF8: [u8; 3] = [0x6b, 0xff, 0xfe];

/// A place in an input.
pub(crate) type At = (TopicPartition, i64);

/// What became of records that cannot be read. Clones are one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Poison(Arc<Mutex<Judged>>);

#[derive(Debug, Default)]
struct Judged {
    /// How often a handler has left out the record at a place.
    left_out: BTreeMap<At, u64>,
    /// How many left out records workers have reported.
    reported: u64,
}

/// A record that no task can process.
pub(crate) fn record(dice: &mut Dice, key: String) -> NewRecord {
    let (key, text) = (Some(Bytes::from(key)), Some(Bytes::from("no number")));
    let garbage = || Some(Bytes::copy_from_slice(&NOT_UTF8));
    let (key, value) = match dice.below(5) {
        0 => (garbage(), text),
        1 => (key, garbage()),
        2 => (None, text),
        3 => (key, None),
        _ => (key, text),
    };
    NewRecord { key, value, ..NewRecord::default() }
}

impl Poison {
    fn judged(&self) -> MutexGuard<'_, Judged> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Handlers that leave out what cannot be read, and nothing else.
    pub(crate) fn handlers(&self, flaws: &Flaws) -> Handlers {
        let handler = || -> Arc<dyn ErrorHandler> {
            let (poison, flaws) = (self.clone(), flaws.clone());
            Arc::new(move |error: &TaskError| poison.verdict(error, &flaws))
        };
        Handlers { deserialization: handler(), processing: handler(), ..Handlers::default() }
    }

    fn verdict(&self, error: &TaskError, flaws: &Flaws) -> Verdict {
        let record = match error {
            TaskError::Deserialization { record, .. } => record,
            TaskError::Processing { origin: Origin::Record(record), source, .. }
                if source.to_string() == NO_NUMBER =>
            {
                record
            }
            _ => return Verdict::Fail,
        };
        flaws.pass_or_panic(1);
        let RecordMeta { topic, partition, offset } = record.clone();
        let at = (TopicPartition { topic, partition }, offset);
        *self.judged().left_out.entry(at).or_default() += 1;
        Verdict::Skip
    }

    /// A worker says how many records it has left out.
    pub(crate) fn report(&self, dropped: u64) {
        self.judged().reported += dropped;
    }

    pub(crate) fn was_left_out(&self, partition: &TopicPartition, offset: i64) -> bool {
        self.judged().left_out.contains_key(&(partition.clone(), offset))
    }

    /// How often each was left out.
    pub(crate) fn left_out(&self) -> BTreeMap<At, u64> {
        self.judged().left_out.clone()
    }

    /// Whether workers have counted what their handlers left out, and nothing else.
    pub(crate) fn is_counted(&self) -> Result<(), String> {
        let judged = self.judged();
        let (left_out, reported) = (judged.left_out.values().sum::<u64>(), judged.reported);
        if left_out != reported {
            return Err(format!("{reported} records are said to be left out, and {left_out} were"));
        }
        Ok(())
    }
}
