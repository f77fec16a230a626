//! The processors of the case language.

use std::time::Duration;

use millstream::error::ProcessorError;
use millstream::processor::PunctuationType::{StreamTime, WallClock};
use millstream::processor::{Context, InitContext, Processor, Punctuation};
use millstream::{KeyValueStore, Record};

use crate::value::Value;

type Key = Option<String>;

/// `dedupe` forwards what differs from the last value of its key; the others keep the last value of
/// each key and forward all of them at each punctuation.
pub(crate) struct Custom {
    pub(crate) function: String,
    pub(crate) store: KeyValueStore<String, String>,
}

impl Processor<Key, Option<Value>> for Custom {
    type OutKey = Key;
    type OutValue = Option<Value>;

    fn init(&mut self, cx: &mut InitContext<'_>) -> Result<(), ProcessorError> {
        if let Some((clock, every)) = self.function.split_once(':') {
            let is_stream_time = clock == "flush_stream_time";
            let kind = if is_stream_time { StreamTime } else { WallClock };
            cx.schedule(Duration::from_millis(every.parse()?), kind)?;
        }
        Ok(())
    }

    fn process(
        &mut self,
        record: Record<Key, Option<Value>>,
        cx: &mut Context<'_, Key, Option<Value>>,
    ) -> Result<(), ProcessorError> {
        let Some(key) = &record.key else { return Ok(()) };
        let value = record.value.as_ref().map(ToString::to_string);
        let is_dedupe = self.function == "dedupe";
        if is_dedupe && self.store.get(key)? == value {
            return Ok(());
        }
        match &value {
            Some(value) => self.store.put(key, value)?,
            None => drop(self.store.delete(key)?),
        }
        if is_dedupe {
            cx.forward(record.with_value(value.map(Value::Text)))?;
        }
        Ok(())
    }

    fn punctuate(
        &mut self,
        punctuation: Punctuation,
        cx: &mut Context<'_, Key, Option<Value>>,
    ) -> Result<(), ProcessorError> {
        for entry in self.store.all()? {
            let (key, value) = entry?;
            let (at, value) = (punctuation.timestamp, Some(Value::Text(value)));
            cx.forward(Record::new(Some(key.clone()), value, at))?;
            self.store.delete(&key)?;
        }
        Ok(())
    }
}
