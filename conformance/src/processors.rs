//! The processors of the case language.

use std::time::Duration;

use millstream::error::ProcessorError;
use millstream::processor::{
    Context, InitContext, LinkError, Processor, Punctuation, PunctuationType, Stores,
};
use millstream::record::Record;
use millstream::KeyValueStore;

use crate::value::Value;

type Key = Option<String>;

/// `dedupe` forwards what differs from the last value of its key; the others keep the last value of
/// each key and forward all of them at each punctuation.
#[derive(Debug, Clone)]
pub(crate) enum Behaviour {
    Dedupe,
    Flush(PunctuationType, Duration),
}

impl Behaviour {
    pub(crate) fn parse(function: &str) -> Self {
        let millis = |text: &str| Duration::from_millis(text.parse().unwrap_or(1));
        match function.split_once(':') {
            Some(("flush_stream_time", every)) => {
                Self::Flush(PunctuationType::StreamTime, millis(every))
            }
            Some((_, every)) => Self::Flush(PunctuationType::WallClock, millis(every)),
            None => Self::Dedupe,
        }
    }
}

pub(crate) struct Custom {
    behaviour: Behaviour,
    store: KeyValueStore<String, String>,
}

impl Custom {
    pub(crate) fn new(
        behaviour: Behaviour,
        store: &str,
        stores: &Stores<'_, '_>,
    ) -> Result<Self, LinkError> {
        Ok(Self { behaviour, store: stores.store(store)? })
    }

    fn keep(&self, key: &String, value: Option<&String>) -> Result<(), ProcessorError> {
        match value {
            Some(value) => self.store.put(key, value)?,
            None => {
                self.store.delete(key)?;
            }
        }
        Ok(())
    }
}

impl Processor<Key, Option<Value>> for Custom {
    type OutKey = Key;
    type OutValue = Option<Value>;

    fn init(&mut self, cx: &mut InitContext<'_>) -> Result<(), ProcessorError> {
        if let Behaviour::Flush(kind, every) = &self.behaviour {
            cx.schedule(*every, *kind);
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
        match self.behaviour {
            Behaviour::Flush(..) => self.keep(key, value.as_ref()),
            Behaviour::Dedupe if self.store.get(key)? == value => Ok(()),
            Behaviour::Dedupe => {
                self.keep(key, value.as_ref())?;
                Ok(cx.forward(record.with_value(value.map(Value::Text)))?)
            }
        }
    }

    fn punctuate(
        &mut self,
        punctuation: Punctuation,
        cx: &mut Context<'_, Key, Option<Value>>,
    ) -> Result<(), ProcessorError> {
        for entry in self.store.all()? {
            let (key, value) = entry?;
            let record = Record::new(
                Some(key.clone()),
                Some(Value::Text(value)),
                punctuation.timestamp,
            );
            cx.forward(record)?;
            self.store.delete(&key)?;
        }
        Ok(())
    }
}
