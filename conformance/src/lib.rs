//! Runs conformance cases: each is built by the public DSL, run by the test driver, and its result
//! written as the reference writes it.

mod build;
mod functions;
mod joins;
mod node;
mod processors;
mod result;
mod stream;
mod subscriptions;
mod table;
mod value;
mod windows;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use millstream::config::Optimization;
use millstream::processor::EmitIntervals;
use millstream::{Headers, Record, StreamsBuilder, Timestamp, Topology};
use serde_json::{Map, Value as Json};
use streams_test::{DriverBuilder, TaskIdle, TopologyTestDriver};

/// Why a case has no result.
struct Failure(String);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Runs one case, a line of JSON. The result is one too; a failure is a result with `error`.
#[must_use]
pub fn run_case(line: &str) -> Json {
    run_case_with(line, |driver| driver)
}

/// Runs one case on a driver with other settings than Kafka's, and commits at the end.
pub fn run_case_with(line: &str, set_up: impl FnOnce(DriverBuilder) -> DriverBuilder) -> Json {
    let case: Json = serde_json::from_str(line).unwrap_or_default();
    let ran = catch_unwind(AssertUnwindSafe(|| run(&case, set_up)));
    let ran = ran.unwrap_or_else(|_| Err(Failure("panic".to_owned())));
    let failed = |failure: Failure| Map::from_iter([("error".to_owned(), failure.0.into())]);
    let mut result = Map::from_iter([("name".to_owned(), case["name"].clone())]);
    result.extend(ran.unwrap_or_else(failed));
    result.into()
}

fn run(
    case: &Json,
    set_up: impl FnOnce(DriverBuilder) -> DriverBuilder,
) -> Result<Map<String, Json>, Failure> {
    let topology = topology(case)?;
    let number = |name: &str| case["properties"][name].as_str().and_then(|text| text.parse().ok());
    let idle: i64 = number("max.task.idle.ms").unwrap_or(0);
    let idle = u64::try_from(idle).map(|millis| TaskIdle::UpTo(Duration::from_millis(millis)));
    let cache = number("statestore.cache.max.bytes").unwrap_or(10 << 20);
    let emit = |name: &str| Duration::from_millis(number(name).unwrap_or(0).unsigned_abs());
    let driver = TopologyTestDriver::builder(&topology)
        .application_id("conformance")
        .emit_intervals(EmitIntervals {
            windows: emit("__emit.interval.ms.kstreams.windowed.aggregation__"),
            outer_joins: emit("__emit.interval.ms.kstreams.outer.join.spurious.results.fix__"),
        })
        .task_idle(idle.unwrap_or(TaskIdle::Disabled))
        .cache_bytes(usize::try_from(cache).unwrap_or(0))
        .wall_clock(Timestamp::from_millis(case["wall_clock_ms"].as_i64().unwrap_or(0)));
    let driver = set_up(driver).build()?;
    for step in case["input"].as_array().into_iter().flatten() {
        input(&driver, step)?;
    }
    driver.commit()?;
    result::of(&driver)
}

fn topology(case: &Json) -> Result<Topology, Failure> {
    let builder = StreamsBuilder::new();
    build::all(&builder, &case["nodes"])?;
    let wanted = case["properties"]["topology.optimization"].as_str().unwrap_or("none");
    let mut chosen = Vec::new();
    if wanted.contains("all") || wanted.contains("reuse.ktable.source.topics") {
        chosen.push(Optimization::ReuseKTableSourceTopics);
    }
    if wanted.contains("all") || wanted.contains("merge.repartition.topics") {
        chosen.push(Optimization::MergeRepartitionTopics);
    }
    builder.build_with(chosen).map_err(|_| Failure("TopologyException".to_owned()))
}

/// Pipes a record, or moves the clock.
fn input(driver: &TopologyTestDriver, step: &Json) -> Result<(), Failure> {
    if let Some(millis) = step["advance_wall_clock_ms"].as_u64() {
        return Ok(driver.advance_wall_clock(Duration::from_millis(millis))?);
    }
    let timestamp = Timestamp::from_millis(step["ts"].as_i64().unwrap_or(0));
    let (key, value, mut headers) = (bytes(&step["key"]), bytes(&step["value"]), Headers::new());
    for (name, value) in step["headers"].as_object().into_iter().flatten() {
        headers.add(name.as_str(), bytes(value).map(Into::into));
    }
    let mut topic = driver
        .input::<Option<Vec<u8>>, Option<Vec<u8>>>(step["topic"].as_str().unwrap_or_default());
    Ok(topic.pipe_record(Record { key, value, timestamp, headers })?)
}

fn bytes(json: &Json) -> Option<Vec<u8>> {
    let number = json.as_i64().map(|number| number.to_be_bytes().to_vec());
    number.or_else(|| json.as_str().map(|text| text.as_bytes().to_vec()))
}
