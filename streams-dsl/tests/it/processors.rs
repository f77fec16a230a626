//! Processors of the user's own, with stores and punctuations.

use std::sync::Arc;
use std::time::Duration;

use streams_core::error::{ProcessorError, TaskError};
use streams_core::processor::{
    ConnectedStores, Context, FixedKeyContext, FixedKeyProcessor, InitContext, Processor,
    Punctuation, PunctuationType, ScheduleError,
};
use streams_core::record::{FixedKeyRecord, Record};
use streams_core::store::StoreSpec;
use streams_dsl::{Consumed, KStream, KTable, Named, StreamsBuilder};
use streams_state::{KeyValueStore, Stores};
use streams_test::{TestError, TopologyTestDriver};

use crate::{drive, pipe, written};

/// Forwards what it holds each 10 ms of stream time.
struct Gather(KeyValueStore<String, String>);

impl Processor<String, String> for Gather {
    type OutKey = String;
    type OutValue = String;

    fn init(&mut self, cx: &mut InitContext<'_>) -> Result<(), ProcessorError> {
        cx.schedule(Duration::from_millis(10), PunctuationType::StreamTime)?;
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
        cx.forward(record.with_value(i64::from(before.is_none())))
    }
}

/// Holds the first record of each ten milliseconds of wall-clock time, for one child only.
struct Throttle(Option<FixedKeyRecord<String, String>>);

impl FixedKeyProcessor<String, String> for Throttle {
    type OutValue = String;

    fn process(
        &mut self,
        record: FixedKeyRecord<String, String>,
        cx: &mut FixedKeyContext<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        if self.0.is_none() {
            cx.schedule(Duration::from_millis(10), PunctuationType::WallClock)?;
            self.0 = Some(record.with_value(cx.task().to_string()));
        }
        Ok(())
    }

    fn punctuate(
        &mut self,
        punctuation: Punctuation,
        cx: &mut FixedKeyContext<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        cx.cancel(punctuation.id);
        assert_eq!(cx.meta(), None, "there is no record in a punctuation");
        let Some(held) = self.0.take() else { return Ok(()) };
        cx.forward_to("chosen", held.clone())?;
        let unknown = cx.forward_to("nobody", held);
        assert!(unknown.is_err_and(|error| error.to_string().contains("\"nobody\"")));
        Ok(())
    }
}

#[test]
fn a_fixed_key_processor_is_called_by_time_and_chooses_a_child() {
    let builder = StreamsBuilder::new();
    let texts: KStream<'_, String, String> = builder.stream("in");
    let throttled = texts.process_values(|_| Ok(Throttle(None)), &[]);
    throttled.to_with("chosen", streams_dsl::Produced::named("chosen"));
    throttled.to("others");
    let driver = drive(&builder.build().unwrap(), &["a x 1", "b y 2"]);
    driver.advance_wall_clock(Duration::from_millis(10)).unwrap();
    driver.advance_wall_clock(Duration::from_millis(10)).unwrap();
    pipe(&driver, &["c z 3"]);
    driver.advance_wall_clock(Duration::from_millis(10)).unwrap();
    assert_eq!(written::<String>(&driver, "chosen"), "a=0_0@1 c=0_0@3");
    assert_eq!(written::<String>(&driver, "others"), "");
}

#[test]
fn processors_share_a_store_that_comes_with_each_of_them() {
    let builder = StreamsBuilder::new();
    let seen: Arc<dyn StoreSpec> = Stores::key_value::<String, String>("seen").into();
    let first = |stores: &ConnectedStores<'_, '_>| Ok(First(stores.store("seen")?));
    for topic in ["one", "other"] {
        let texts: KStream<'_, String, String> = builder.stream(topic);
        texts.process_values(first, [Arc::clone(&seen)]).to("firsts");
    }
    let table: KTable<'_, String, String> = builder.table("table");
    let supplier = |stores: &ConnectedStores<'_, '_>| {
        let seen: KeyValueStore<String, String> = stores.store("seen")?;
        Ok(move |key: &String, _: Option<String>| Ok(seen.get(key)?))
    };
    let known: KTable<'_, String, String> = table.transform_values(supplier, [seen]);
    known.to_stream().to("known");
    let topology = builder.build().unwrap();
    assert_eq!(topology.subtopologies().len(), 1, "they share a store");
    let driver = TopologyTestDriver::new(&topology).unwrap();
    driver.input::<String, String>("one").pipe("a", "x").unwrap();
    driver.input::<String, String>("other").pipe("a", "y").unwrap();
    driver.input::<String, String>("table").pipe("a", "z").unwrap();
    let firsts = driver.output::<String, i64>("firsts").read_values().unwrap();
    assert_eq!(firsts, [1, 0]);
    let known = driver.output::<String, Option<String>>("known").read_values().unwrap();
    assert_eq!(known, [Some("x".to_owned())]);
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

/// Keeps the stream time at which a key came.
struct Clock(KeyValueStore<String, i64>);

impl Processor<String, String> for Clock {
    type OutKey = ();
    type OutValue = ();

    fn process(
        &mut self,
        record: Record<String, String>,
        cx: &mut Context<'_, (), ()>,
    ) -> Result<(), ProcessorError> {
        Ok(self.0.put(&record.key, &cx.stream_time().millis())?)
    }
}

#[test]
fn a_processor_of_a_global_store_sees_stream_time_and_schedules_nothing() {
    let builder = StreamsBuilder::new();
    let store = Stores::key_value::<String, String>("rows");
    builder.add_global_store::<String, String, _>(store, "rows", Consumed::new(), |stores| {
        Ok(Gather(stores.store("rows")?))
    });
    let error = TopologyTestDriver::new(&builder.build().unwrap()).unwrap_err();
    let TestError::Task(error) = error else { panic!("{error}") };
    let TaskError::Processing { source, .. } = *error else { panic!("{error}") };
    assert_eq!(source.downcast_ref(), Some(&ScheduleError::GlobalStore));

    let builder = StreamsBuilder::new();
    let store = Stores::key_value::<String, i64>("times");
    builder.add_global_store::<String, String, _>(store, "times", Consumed::new(), |stores| {
        Ok(Clock(stores.store("times")?))
    });
    let driver = TopologyTestDriver::new(&builder.build().unwrap()).unwrap();
    pipe(&driver, &["times: a 1 7", "times: b 2 3"]);
    let times = driver.key_values::<String, i64>("times").unwrap();
    assert_eq!(times.get(&"b".to_owned()).unwrap(), Some(7));
}
