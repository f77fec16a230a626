//! The processors of the case language.

use std::time::Duration;

use millstream::error::ProcessorError;
use millstream::processor::PunctuationType::{StreamTime, WallClock};
use millstream::processor::{Context, InitContext, Processor, Punctuation};
use millstream::{KeyValueStore, Record};

use crate::text::Text;

type Done = Result<(), ProcessorError>;

/// `dedupe` forwards what differs from the last value of its key; the others keep the last value of
/// each key and forward all of them at each punctuation.
pub(crate) struct Custom {
    pub(crate) function: String,
    pub(crate) store: KeyValueStore<String, String>,
}

impl Processor<Text, Text> for Custom {
    type OutKey = Text;
    type OutValue = Text;

    fn init(&mut self, cx: &mut InitContext<'_>) -> Done {
        let Some((clock, every)) = self.function.split_once(':') else { return Ok(()) };
        let kind = if clock == "flush_stream_time" { StreamTime } else { WallClock };
        cx.schedule(Duration::from_millis(every.parse()?), kind)?;
        Ok(())
    }

    fn process(&mut self, record: Record<Text, Text>, cx: &mut Context<'_, Text, Text>) -> Done {
        let Some(key) = &record.key else { return Ok(()) };
        let is_dedupe = self.function == "dedupe";
        if is_dedupe && self.store.get(key)? == record.value {
            return Ok(());
        }
        match &record.value {
            Some(value) => self.store.put(key, value)?,
            None => drop(self.store.delete(key)?),
        }
        if is_dedupe { cx.forward(record) } else { Ok(()) }
    }

    fn punctuate(&mut self, at: Punctuation, cx: &mut Context<'_, Text, Text>) -> Done {
        for entry in self.store.all()? {
            let (key, value) = entry?;
            cx.forward(Record::new(Some(key.clone()), Some(value), at.timestamp))?;
            self.store.delete(&key)?;
        }
        Ok(())
    }
}
