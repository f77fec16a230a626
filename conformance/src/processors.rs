//! The processors of the case language.

use millstream::processor::PunctuationType::{StreamTime, WallClock};
use millstream::processor::{Context, InitContext, Processor, Punctuation};
use millstream::{KeyValueStore, Record};

use crate::node::Key;
use crate::text::Text;

type Out<'a, K> = Context<'a, Option<K>, Text>;
type Done = Result<(), millstream::error::ProcessorError>;

/// `dedupe` forwards what differs from the last value of its key; the others keep the last value of
/// each key and forward all of them at each punctuation.
pub(crate) struct Custom<K> {
    pub(crate) function: String,
    pub(crate) store: KeyValueStore<K, String>,
}

impl<K: Key> Processor<Option<K>, Text> for Custom<K> {
    type OutKey = Option<K>;
    type OutValue = Text;

    fn init(&mut self, cx: &mut InitContext<'_>) -> Done {
        let Some((clock, every)) = self.function.split_once(':') else { return Ok(()) };
        let kind = if clock == "flush_stream_time" { StreamTime } else { WallClock };
        cx.schedule(std::time::Duration::from_millis(every.parse()?), kind)?;
        Ok(())
    }

    fn process(&mut self, record: Record<Option<K>, Text>, cx: &mut Out<'_, K>) -> Done {
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

    fn punctuate(&mut self, at: Punctuation, cx: &mut Out<'_, K>) -> Done {
        for entry in self.store.all()? {
            let (key, value) = entry?;
            cx.forward(Record::new(Some(key.clone()), Some(value), at.timestamp))?;
            self.store.delete(&key)?;
        }
        Ok(())
    }
}
