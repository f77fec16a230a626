//! What failures say of the place where they happened.

use std::sync::Arc;

use streams_core::error::{ProcessorError, TaskError};
use streams_core::names::TopicName;
use streams_core::processor::{
    ConnectedStores, Context, Extraction, InitContext, Processor, Source, TimestampExtractor,
};
use streams_core::record::Record;
use streams_core::serde::{DefaultSerde, Payload, Serde, SerdeError, SharedSerde};
use streams_core::time::Timestamp;
use streams_core::topology::{Topology, TopologyBuilder};
use streams_dsl::{Materialized, StreamsBuilder};
use streams_test::{DriverBuilder, TestError, TopologyTestDriver};

use crate::support;

/// Text whose reading panics where it says so.
#[derive(Debug, Clone)]
struct Fragile(String);

struct FragileSerde;

impl Serde<Fragile> for FragileSerde {
    fn encode(
        &self,
        topic: &TopicName,
        value: &Fragile,
        out: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        String::serde().encode(topic, &value.0, out)
    }

    fn decode(&self, topic: &TopicName, bytes: Option<&[u8]>) -> Result<Fragile, SerdeError> {
        let text = String::serde().decode(topic, bytes)?;
        assert_ne!(text, "break", "it broke");
        Ok(Fragile(text))
    }
}

impl DefaultSerde for Fragile {
    fn serde() -> SharedSerde<Self> {
        Arc::new(FragileSerde)
    }
}

/// Fails, or panics, where it is told to; `None` where it is not.
#[derive(Clone, Copy, Default)]
struct Doomed {
    init: Option<Doom>,
    close: Option<Doom>,
}

#[derive(Clone, Copy)]
enum Doom {
    Error,
    Panic,
}

fn meet(doom: Option<Doom>) -> Result<(), ProcessorError> {
    match doom {
        None => Ok(()),
        Some(Doom::Error) => Err("as told".into()),
        Some(Doom::Panic) => panic!("as told"),
    }
}

impl Processor<String, String> for Doomed {
    type OutKey = String;
    type OutValue = String;

    fn init(&mut self, _: &mut InitContext<'_>) -> Result<(), ProcessorError> {
        meet(self.init)
    }

    fn process(
        &mut self,
        record: Record<String, String>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        cx.forward(record)
    }

    fn close(&mut self) -> Result<(), ProcessorError> {
        meet(self.close)
    }
}

fn doomed(doomed: Doomed) -> Topology {
    let mut builder = TopologyBuilder::new();
    let source = builder.source("source", ["in"], support::source::<String, String>());
    builder.processor("doomed", &[source], move |_: &ConnectedStores<'_, '_>| Ok(doomed));
    builder.build().unwrap()
}

/// What the driver says to records of which the third is bad.
fn third_is_bad(
    topology: &Topology,
    set_up: impl FnOnce(DriverBuilder) -> DriverBuilder,
) -> TestError {
    let driver = set_up(TopologyTestDriver::builder(topology)).build().unwrap();
    let mut input = driver.input::<String, String>("in");
    let error = input.pipe_all([("a", "x"), ("b", "x"), ("c", "break")]).unwrap_err();
    assert!(
        matches!(&error, TestError::Task(error) if matches!(**error, TaskError::Panic { .. })),
        "{error}"
    );
    error
}

#[test]
fn a_panic_of_a_sources_serde_names_the_record_that_it_read() {
    let mut builder = TopologyBuilder::new();
    let source = builder.source("source", ["in"], support::source::<String, Fragile>());
    builder.sink("sink", &[source], support::sink("out"));
    let error = third_is_bad(&builder.build().unwrap(), |driver| driver);
    let place = "user code of node \"source\" panicked on topic \"in\" partition 0 offset 2";
    assert!(error.to_string().starts_with(place), "{error}");
}

#[test]
fn a_panic_of_a_timestamp_extractor_names_the_record_that_it_read() {
    let extract = |it: &Extraction<'_, String, String>| {
        assert_ne!(it.value, "break", "no time");
        Timestamp::from_millis(5)
    };
    let mut builder = TopologyBuilder::new();
    let timestamps = TimestampExtractor::By(Arc::new(extract));
    let source = Source { timestamps, ..support::source::<String, String>() };
    let source = builder.source("source", ["in"], source);
    builder.sink("sink", &[source], support::sink("out"));
    let error = third_is_bad(&builder.build().unwrap(), |driver| driver);
    let place = "user code of node \"source\" panicked on topic \"in\" partition 0 offset 2";
    assert!(error.to_string().starts_with(place), "{error}");
}

#[test]
fn a_failure_at_the_start_of_a_task_says_so() {
    let start = |doom| {
        let topology = doomed(Doomed { init: Some(doom), ..Doomed::default() });
        TopologyTestDriver::new(&topology).unwrap_err().to_string()
    };
    assert_eq!(start(Doom::Error), "node \"doomed\" failed on the start of the task");
    let panicked = "user code of node \"doomed\" panicked on the start of the task: as told";
    assert_eq!(start(Doom::Panic), panicked);
}

#[test]
fn a_failure_at_the_close_of_a_task_says_so() {
    let close = |doom| {
        let topology = doomed(Doomed { close: Some(doom), ..Doomed::default() });
        let driver = TopologyTestDriver::new(&topology).unwrap();
        driver.input::<String, String>("in").pipe("k", "v").unwrap();
        driver.close().unwrap_err().to_string()
    };
    assert_eq!(close(Doom::Error), "node \"doomed\" failed on the close of the task");
    let panicked = "user code of node \"doomed\" panicked on the close of the task: as told";
    assert_eq!(close(Doom::Panic), panicked);
}

/// What is in a record cache is read back when a commit writes it out.
#[test]
fn a_panic_while_a_cache_is_written_out_names_the_node_and_the_record_of_the_entry() {
    let builder = StreamsBuilder::new();
    let take = |_: &String, text: String, _: Fragile| Fragile(text);
    builder
        .stream::<String, String>("in")
        .group_by_key()
        .aggregate_with(|| Fragile(String::new()), take, Materialized::named("last"))
        .to_stream()
        .for_each(|_, _| {});
    let error = third_is_bad(&builder.build().unwrap(), |driver| driver);
    let place = "user code of node \"KSTREAM-AGGREGATE-0000000001\" panicked on topic \"in\" \
                 partition 0 offset 2";
    assert!(error.to_string().starts_with(place), "{error}");
}
