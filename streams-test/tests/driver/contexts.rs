//! What processors ask of their contexts, and where failures say that they happened.

use std::sync::Arc;
use std::time::Duration;

use streams_core::error::{ProcessorError, StoreError, TaskError};
use streams_core::handler::{Handlers, LogAndSkip};
use streams_core::metrics::DropReason;
use streams_core::names::{TopicName, TopicPartition};
use streams_core::processor::{
    ConnectedStores, Context, InitContext, Partitions, Processor, Punctuation, PunctuationType,
    Sink,
};
use streams_core::record::Record;
use streams_core::time::Timestamp;
use streams_core::topology::{Topology, TopologyBuilder};
use streams_test::{CommitWhen, DriverBuilder, TestError, TopologyTestDriver};

use crate::support;

/// Does what a value says.
struct Obey;

impl Processor<String, String> for Obey {
    type OutKey = String;
    type OutValue = String;

    fn init(&mut self, cx: &mut InitContext<'_>) -> Result<(), ProcessorError> {
        assert_eq!(cx.application_id().as_str(), "app");
        assert_eq!((cx.stream_time().is_known(), cx.wall_clock().millis()), (false, 3));
        let id = cx.schedule(Duration::from_millis(1), PunctuationType::WallClock)?;
        cx.cancel(id);
        assert!(cx.schedule(Duration::ZERO, PunctuationType::WallClock).is_err());
        cx.schedule_from(
            Timestamp::from_millis(25),
            Duration::from_millis(10),
            PunctuationType::WallClock,
        )?;
        Ok(())
    }

    fn process(
        &mut self,
        record: Record<String, String>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        match record.value.as_str() {
            "commit" => cx.commit(),
            "panic" => panic!("as told"),
            "store" => return Err(StoreError::Closed("held".into()).into()),
            "early" => return cx.forward(record.with_timestamp(Timestamp::from_millis(-3))),
            _ => {}
        }
        cx.forward(record)
    }

    fn punctuate(
        &mut self,
        punctuation: Punctuation,
        cx: &mut Context<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        if punctuation.timestamp.millis() > 100 {
            panic!("too late");
        }
        cx.commit();
        cx.forward(Record::new("tick".to_owned(), "at".to_owned(), punctuation.timestamp))
    }
}

/// `in` through `obey`, a second node and a sink whose partitioner does what the value says.
fn topology() -> Topology {
    let mut builder = TopologyBuilder::new();
    let source = builder.source("source", ["in"], support::source::<String, String>());
    let obey = builder.processor("obey", &[source], |_: &ConnectedStores<'_, '_>| Ok(Obey));
    let swap = builder.processor("swap", &[obey], |_: &ConnectedStores<'_, '_>| Ok(support::Swap));
    let partitioner = |_: &TopicName, _: &String, value: &String, _: i32| match value.as_str() {
        "nowhere" => Partitions::Many(Vec::new()),
        "twice" => Partitions::Many(vec![0, 0]),
        "wrong" => Partitions::One(9),
        _ => Partitions::Default,
    };
    let sink: Sink<String, String> = support::sink("out");
    builder.sink("sink", &[swap], Sink { partitioner: Some(Arc::new(partitioner)), ..sink });
    builder.build().unwrap()
}

fn driver(set_up: impl FnOnce(DriverBuilder) -> DriverBuilder) -> TopologyTestDriver {
    let topology = topology();
    let driver = TopologyTestDriver::builder(&topology).application_id("app");
    set_up(driver.wall_clock(Timestamp::from_millis(3))).build().unwrap()
}

fn failure(value: &str) -> String {
    let error = driver(|driver| driver).input::<String, String>("in").pipe("k", value);
    error.unwrap_err().to_string()
}

fn skipping(driver: DriverBuilder) -> DriverBuilder {
    let skip = || Arc::new(LogAndSkip);
    driver.handlers(Handlers { deserialization: skip(), processing: skip(), production: skip() })
}

#[test]
fn every_failure_names_record_and_node() {
    let place = "topic \"in\" partition 0 offset 0";
    assert_eq!(
        failure("panic"),
        format!("user code of node \"obey\" panicked on {place}: as told")
    );
    assert_eq!(failure("store"), format!("a state store of node \"obey\" failed on {place}"));
    assert_eq!(failure("early"), format!("node \"obey\" failed on {place}"));
    let wrong =
        format!("a record for topic \"out\", from node \"sink\" on {place}, could not be written");
    assert_eq!(failure("wrong"), wrong);
}

#[test]
fn a_panic_in_a_punctuation_names_its_node() {
    let driver = driver(|driver| driver);
    let error = driver.advance_wall_clock(Duration::from_secs(1)).unwrap_err();
    let expected = "user code of node \"obey\" panicked on a punctuation: too late";
    assert_eq!(error.to_string(), expected);
    assert!(matches!(error, TestError::Task(error) if matches!(*error, TaskError::Panic { .. })));
}

#[test]
fn handlers_skip_what_the_processor_or_the_sink_got_wrong() {
    let driver = driver(skipping);
    let mut input = driver.input::<String, String>("in");
    for value in ["early", "wrong", "nowhere", "twice", "plain"] {
        input.pipe("k", value).unwrap();
    }
    let written = driver.output::<String, String>("out").read_values().unwrap();
    assert_eq!(written, ["twice", "twice", "plain"]);
    assert_eq!(driver.dropped().of(DropReason::ProcessingFailed), 1);
    assert_eq!(driver.dropped().of(DropReason::ProductionFailed), 2);
}

#[test]
fn a_commit_is_made_when_a_processor_asks_for_it() {
    let driver = driver(|driver| driver.commit_when(CommitWhen::WhenTold));
    let committed = || {
        let at = TopicPartition::new("in", 0);
        driver.kafka().committed_offset(&"app".into(), &at).map(|committed| committed.offset)
    };
    let mut input = driver.input::<String, String>("in");
    input.pipe("k", "plain").unwrap();
    assert_eq!(committed(), None);
    input.pipe("k", "commit").unwrap();
    assert_eq!(committed(), Some(2));
    input.pipe("k", "plain").unwrap();
    assert_eq!(committed(), Some(2), "the wish is fulfilled");
    driver.advance_wall_clock(Duration::from_millis(22)).unwrap();
    assert_eq!(committed(), Some(3), "the punctuation asked");
}

#[test]
fn an_anchored_punctuation_comes_at_its_times() {
    let driver = driver(|driver| driver);
    let mut ticks = driver.output::<String, String>("out");
    for (millis, expected) in [(21, 0), (1, 1), (9, 0), (1, 1)] {
        driver.advance_wall_clock(Duration::from_millis(millis)).unwrap();
        assert_eq!(ticks.read_records().unwrap().len(), expected);
    }
}

/// Fails to close.
struct Stuck;

impl Processor<String, String> for Stuck {
    type OutKey = String;
    type OutValue = String;

    fn process(
        &mut self,
        record: Record<String, String>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        cx.forward_to("right", record)
    }

    fn close(&mut self) -> Result<(), ProcessorError> {
        Err("it is stuck".into())
    }
}

#[test]
fn a_processor_chooses_a_child_and_its_failure_to_close_is_told() {
    let mut builder = TopologyBuilder::new();
    let source = builder.source("source", ["in"], support::source::<String, String>());
    let stuck = builder.processor("stuck", &[source], |_: &ConnectedStores<'_, '_>| Ok(Stuck));
    builder.sink("left", &[stuck], support::sink("left"));
    builder.sink("right", &[stuck], support::sink("right"));
    let driver = TopologyTestDriver::new(&builder.build().unwrap()).unwrap();
    let mut input = driver.input::<String, String>("in");
    input.pipe("k", "v").unwrap();
    assert!(driver.output::<String, String>("left").is_empty());
    assert_eq!(driver.output::<String, String>("right").read_values().unwrap(), ["v"]);
    let error = driver.close().unwrap_err();
    assert_eq!(error.to_string(), "node \"stuck\" failed on the close of the task");
}
