//! Processors of the user's own, with stores and punctuations.

use std::time::Duration;

use streams_core::error::ProcessorError;
use streams_core::processor::{
    Context, FixedKeyContext, FixedKeyProcessor, InitContext, Processor, Punctuation,
    PunctuationType,
};
use streams_core::record::{FixedKeyRecord, Record};
use streams_dsl::{KStream, Named, StreamsBuilder};
use streams_state::{KeyValueStore, Stores};

use crate::{drive, pipe, written};

/// Forwards what it holds each 10 ms of stream time.
struct Gather(KeyValueStore<String, String>);

impl Processor<String, String> for Gather {
    type OutKey = String;
    type OutValue = String;

    fn init(&mut self, cx: &mut InitContext<'_>) -> Result<(), ProcessorError> {
        cx.schedule(Duration::from_millis(10), PunctuationType::StreamTime);
        Ok(())
    }

    fn process(
        &mut self,
        record: Record<String, String>,
        _: &mut Context<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        Ok(self.0.put(&record.key, &record.value)?)
    }

    fn punctuate(
        &mut self,
        punctuation: Punctuation,
        cx: &mut Context<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        for entry in self.0.all()? {
            let (key, value) = entry?;
            self.0.delete(&key)?;
            cx.forward(Record::new(key, value, punctuation.timestamp))?;
        }
        Ok(())
    }
}

/// Says whether a value is the first of its key.
struct First(KeyValueStore<String, String>);

impl FixedKeyProcessor<String, String> for First {
    type OutValue = i64;

    fn process(
        &mut self,
        record: FixedKeyRecord<String, String>,
        cx: &mut FixedKeyContext<'_, String, i64>,
    ) -> Result<(), ProcessorError> {
        let before = self.0.put_if_absent(record.key(), record.value())?;
        Ok(cx.forward(record.with_value(i64::from(before.is_none())))?)
    }
}

#[test]
fn a_processor_has_stores_and_is_called_by_time() {
    let builder = StreamsBuilder::new();
    builder.add_state_store(Stores::key_value::<String, String>("held"));
    builder.add_state_store(Stores::key_value::<String, String>("seen").in_memory());
    let texts: KStream<'_, String, String> = builder.stream("in");
    let gathered = texts.process(|stores| Ok(Gather(stores.store("held")?)), &["held"]);
    gathered.to("gathered");
    let named = Named::new("first");
    texts
        .process_values_with(|stores| Ok(First(stores.store("seen")?)), &["seen"], named)
        .to("first");
    // A processor may have changed the key, one of a fixed key has not.
    gathered.group_by_key().count().to_stream().to("counts");

    let topology = builder.build().unwrap();
    let text = topology.describe().to_string();
    assert!(text.contains("Processor: KSTREAM-PROCESSOR-0000000001 (stores: [held])"), "{text}");
    assert!(text.contains("Processor: first (stores: [seen])"), "{text}");
    assert_eq!(topology.subtopologies().len(), 2);

    let driver = drive(&topology, &["b x 11", "a y 12"]);
    assert_eq!(written::<i64>(&driver, "first"), "b=1@11 a=1@12");
    assert_eq!(written::<String>(&driver, "gathered"), "b=x@11");
    pipe(&driver, &["a z 30"]);
    assert_eq!(written::<i64>(&driver, "first"), "b=1@11 a=1@12 a=0@30");
    assert_eq!(written::<String>(&driver, "gathered"), "b=x@11 a=z@30");
    assert_eq!(written::<i64>(&driver, "counts"), "b=1@11 a=1@30");
}
