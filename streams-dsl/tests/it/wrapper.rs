//! Code around the processors of a topology.

use std::sync::{Arc, Mutex};

use streams_core::error::{ProcessorError, TaskError};
use streams_core::handler::{Handlers, LogAndSkip};
use streams_core::metrics::DropReason;
use streams_core::names::{NodeName, TaskId};
use streams_core::processor::{AroundProcessor, ProcessorWrapper, RecordHead};
use streams_core::topology::Topology;
use streams_dsl::{Consumed, Named, StreamsBuilder};
use streams_test::TopologyTestDriver;

use super::{Texts, pipe};

/// Notes what it sees, and fails records of a time at a processor.
#[derive(Clone, Default)]
struct Notes {
    lines: Arc<Mutex<Vec<String>>>,
    fails: Option<(&'static str, i64)>,
}

impl Notes {
    fn note(&self, line: String) {
        self.lines.lock().unwrap().push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }
}

impl ProcessorWrapper for Notes {
    fn wrap(&self, processor: &NodeName, task: TaskId) -> Option<Box<dyn AroundProcessor>> {
        if processor.as_str() == "quiet" {
            return None;
        }
        let (notes, name) = (self.clone(), processor.to_string());
        self.note(format!("{name} in {task}"));
        Some(Box::new(Around { notes, name }))
    }
}

struct Around {
    notes: Notes,
    name: String,
}

impl AroundProcessor for Around {
    fn before(&mut self, record: RecordHead<'_>) -> Result<(), ProcessorError> {
        let time = record.timestamp.millis();
        self.notes.note(format!("{}({time}, {} headers", self.name, record.headers.len()));
        match self.notes.fails {
            Some((name, at)) if (name, at) == (self.name.as_str(), time) => {
                Err(std::io::Error::other("told to").into())
            }
            _ => Ok(()),
        }
    }

    fn after(&mut self, result: Result<(), &TaskError>) {
        let outcome = if result.is_ok() { "ok" } else { "failed" };
        self.notes.note(format!("{}) {outcome}", self.name));
    }
}

fn topology() -> Topology {
    let builder = StreamsBuilder::new();
    let texts: Texts<'_> = builder.stream_with("in", Consumed::named("read"));
    let loud = texts.filter_with(|_, _| true, Named::new("loud"));
    loud.map_values_with(|value| value, Named::new("quiet"))
        .filter_with(|_, value| value.as_deref() != Some("no"), Named::new("last"))
        .to("out");
    builder.build().unwrap()
}

#[test]
fn it_runs_before_and_after_each_processor_and_what_is_below_it() {
    let notes = Notes::default();
    let driver = TopologyTestDriver::new(&topology().wrapped_by(notes.clone())).unwrap();
    assert_eq!(notes.take(), ["last in 0_0", "loud in 0_0"]);
    pipe(&driver, &["a yes 5", "a no 6"]);
    let seen = ["loud(5, 1 headers", "last(5, 1 headers", "last) ok", "loud) ok"];
    let left_out = ["loud(6, 1 headers", "last(6, 1 headers", "last) ok", "loud) ok"];
    assert_eq!(notes.take(), [seen, left_out].concat());
    assert_eq!(driver.produced("out").len(), 1);
}

#[test]
fn what_it_fails_goes_to_the_processing_handler() {
    let notes = Notes { fails: Some(("last", 5)), ..Notes::default() };
    let topology = topology().wrapped_by(notes.clone());
    let skip = Handlers { processing: Arc::new(LogAndSkip), ..Handlers::default() };
    let driver = TopologyTestDriver::builder(&topology).handlers(skip).build().unwrap();
    notes.take();
    pipe(&driver, &["a yes 5", "a yes 6"]);
    assert_eq!(notes.take()[..3], ["loud(5, 1 headers", "last(5, 1 headers", "loud) ok"]);
    assert_eq!(
        (driver.produced("out").len(), driver.dropped().of(DropReason::ProcessingFailed)),
        (1, 1)
    );

    let driver = TopologyTestDriver::new(&topology).unwrap();
    let input =
        driver.input::<super::Text, super::Text>("in").pipe_record(super::record("a yes 5"));
    let error = input.unwrap_err().to_string();
    assert!(error.contains("last"), "{error}");
    assert_eq!(notes.take().last().map(String::as_str), Some("loud) failed"));
}
