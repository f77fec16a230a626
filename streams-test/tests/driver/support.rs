//! Small topologies for the tests of the driver.

use streams_core::error::ProcessorError;
use streams_core::processor::{
    ConnectedStores, Context, InitContext, Nulls, Processor, Punctuation, PunctuationType, Sink,
    SinkDestination, Source, TimestampExtractor,
};
use streams_core::record::Record;
use streams_core::serde::DefaultSerde;
use streams_core::topology::{RepartitionCount, Topology, TopologyBuilder};
use streams_state::KeyValueStore;

pub(crate) fn source<K: DefaultSerde, V: DefaultSerde>() -> Source<K, V> {
    Source {
        key: K::serde(),
        value: V::serde(),
        timestamps: TimestampExtractor::FailOnInvalid,
        nulls: Nulls::Fail,
    }
}

pub(crate) fn sink<K: DefaultSerde, V: DefaultSerde>(topic: &str) -> Sink<K, V> {
    let destination = SinkDestination::Topic(topic.into());
    Sink { destination, key: K::serde(), value: V::serde(), partitioner: None }
}

/// From `in` to `out`.
pub(crate) fn copy<K, V>() -> Topology
where
    K: DefaultSerde + Clone,
    V: DefaultSerde + Clone,
{
    let mut builder = TopologyBuilder::new();
    let source = builder.source("source", ["in"], source::<K, V>());
    builder.sink("sink", &[source], sink("out"));
    builder.build().unwrap()
}

/// Counts keys in the store `counts`; `bad` is an error, `panic` a panic.
pub(crate) struct Count(KeyValueStore<String, i64>);

impl Count {
    pub(crate) fn new(
        stores: &ConnectedStores<'_, '_>,
    ) -> Result<Self, streams_core::processor::LinkError> {
        Ok(Self(stores.store("counts")?))
    }
}

impl Processor<String, String> for Count {
    type OutKey = String;
    type OutValue = i64;

    fn process(
        &mut self,
        record: Record<String, String>,
        cx: &mut Context<'_, String, i64>,
    ) -> Result<(), ProcessorError> {
        match record.value.as_str() {
            "bad" => return Err("a bad value".into()),
            "panic" => panic!("a panic"),
            _ => {}
        }
        let count = self.0.get(&record.key)?.unwrap_or(0) + 1;
        self.0.put(&record.key, &count)?;
        cx.forward(record.with_value(count))
    }
}

/// From `in` through a count to `out`.
pub(crate) fn count() -> Topology {
    let mut builder = TopologyBuilder::new();
    let source = builder.source("source", ["in"], source::<String, String>());
    let count = builder.processor("count", &[source], Count::new);
    builder.store(streams_state::Stores::key_value::<String, i64>("counts").build(), [count.id()]);
    builder.sink("sink", &[count], sink("out"));
    builder.build().unwrap()
}

/// Makes the value the key.
pub(crate) struct Swap;

impl Processor<String, String> for Swap {
    type OutKey = String;
    type OutValue = String;

    fn process(
        &mut self,
        record: Record<String, String>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        let key = record.value.clone();
        cx.forward(record.with_key(key))
    }
}

/// Counts the values of `in` behind the repartition topic `by-value-repartition`.
pub(crate) fn count_by_value() -> Topology {
    let mut builder = TopologyBuilder::new();
    let input = builder.source("source", ["in"], source::<String, String>());
    let swap = builder.processor("swap", &[input], |_: &ConnectedStores<'_, '_>| Ok(Swap));
    builder.add_repartition_topic("by-value-repartition".into(), RepartitionCount::Derived);
    builder.sink("swapped", &[swap], sink("by-value-repartition"));
    let again = builder.source("again", ["by-value-repartition"], source::<String, String>());
    let count = builder.processor("count", &[again], Count::new);
    builder.store(streams_state::Stores::key_value::<String, i64>("counts").build(), [count.id()]);
    builder.sink("sink", &[count], sink("out"));
    builder.build().unwrap()
}

/// Forwards the time of each punctuation.
struct Clock(PunctuationType);

impl Processor<String, String> for Clock {
    type OutKey = String;
    type OutValue = i64;

    fn init(&mut self, cx: &mut InitContext<'_>) -> Result<(), ProcessorError> {
        cx.schedule(std::time::Duration::from_millis(10), self.0)?;
        Ok(())
    }

    fn process(
        &mut self,
        _: Record<String, String>,
        _: &mut Context<'_, String, i64>,
    ) -> Result<(), ProcessorError> {
        Ok(())
    }

    fn punctuate(
        &mut self,
        punctuation: Punctuation,
        cx: &mut Context<'_, String, i64>,
    ) -> Result<(), ProcessorError> {
        let time = punctuation.timestamp;
        cx.forward(Record::new("tick".to_owned(), time.millis(), time))
    }
}

/// Ticks to `out` each 10 ms.
pub(crate) fn clock(kind: PunctuationType) -> Topology {
    let mut builder = TopologyBuilder::new();
    let source = builder.source("source", ["in"], source::<String, String>());
    let clock =
        builder.processor("clock", &[source], move |_: &ConnectedStores<'_, '_>| Ok(Clock(kind)));
    builder.sink("sink", &[clock], sink("out"));
    builder.build().unwrap()
}

/// From `left` and `right` to `out`.
pub(crate) fn two_inputs() -> Topology {
    let mut builder = TopologyBuilder::new();
    let source = builder.source("source", ["left", "right"], source::<String, String>());
    builder.sink("sink", &[source], sink("out"));
    builder.build().unwrap()
}
