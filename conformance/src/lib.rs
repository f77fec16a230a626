//! Runs conformance cases: each is built by the public DSL, run by the test driver, and its result
//! written as the reference writes it.

mod build;
mod cogroups;
mod functions;
mod joins;
mod node;
mod processors;
mod result;
#[macro_use]
mod stream;
mod subscriptions;
mod table;
mod text;
mod value;
mod windows;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use millstream::config::StreamsConfigBuilder;
use millstream::processor::EmitIntervals;
use millstream::{Headers, Record, StreamsBuilder, StreamsConfig, Timestamp, Topology};
use serde_json::{Map, Value as Json};
use streams_test::model::{AutoCreate, KafkaModel};
use streams_test::{DriverBuilder, TopologyTestDriver};

/// 0 unless a case says otherwise.
const EMIT_INTERVALS: [&str; 2] = [
    "__emit.interval.ms.kstreams.windowed.aggregation__",
    "__emit.interval.ms.kstreams.outer.join.spurious.results.fix__",
];

/// Why a case has no result.
pub type Failure = Box<dyn std::error::Error>;

/// Runs one case, a line of JSON. The result is one too; a failure is a result with `error`.
#[must_use]
pub fn run_case(line: &str) -> Json {
    run_case_with(line, |driver| driver)
}

/// Runs one case on a driver with other settings than Kafka's, and commits at the end.
pub fn run_case_with(line: &str, set_up: impl FnOnce(DriverBuilder) -> DriverBuilder) -> Json {
    let case: Json = serde_json::from_str(&text::without_halves(line)).unwrap_or_default();
    let ran = catch_unwind(AssertUnwindSafe(|| run(&case, set_up)));
    let ran = ran.unwrap_or_else(|_| Err("panic".into()));
    let failed =
        |failure: Failure| Map::from_iter([("error".to_owned(), failure.to_string().into())]);
    let mut result = Map::from_iter([("name".to_owned(), case["name"].clone())]);
    result.extend(ran.unwrap_or_else(failed));
    result.into()
}

fn run(
    case: &Json,
    set_up: impl FnOnce(DriverBuilder) -> DriverBuilder,
) -> Result<Map<String, Json>, Failure> {
    let config = StreamsConfig::builder().application_id("conformance").bootstrap_servers("no:1");
    let config = configured(case, config).build()?;
    let topology = topology(case, &config)?;
    let mut driver = TopologyTestDriver::builder(&topology)
        .config(&config)
        .emit_intervals(EmitIntervals {
            windows: config.topology().windowed_emit_interval,
            outer_joins: config.topology().outer_join_emit_interval,
        })
        .wall_clock(Timestamp::from_millis(case["wall_clock_ms"].as_i64().unwrap_or(0)));
    let sinks = case["nodes"].as_array().into_iter().flatten().filter(|node| node["op"] == "to");
    let mut topics = sinks.filter_map(|node| node["topic"].as_str());
    if let Some(changelog) = topics.find(|topic| topic.ends_with("-changelog")) {
        // Kafka's driver takes a null key there, a broker refuses it: let it be a plain topic.
        let kafka = KafkaModel::new().auto_create(AutoCreate::Partitions(1));
        kafka.create_topic(changelog, 1, std::collections::BTreeMap::new())?;
        driver = driver.kafka(kafka);
    }
    let driver = set_up(driver).build()?;
    for step in case["input"].as_array().into_iter().flatten() {
        input(&driver, step)?;
    }
    driver.commit()?;
    result::of(&driver)
}

/// Adds the settings of a case.
pub fn configured(case: &Json, config: StreamsConfigBuilder) -> StreamsConfigBuilder {
    let config = EMIT_INTERVALS.into_iter().fold(config, |config, key| config.set(key, 0));
    let properties = case["properties"].as_object().into_iter().flatten();
    properties.fold(config, |config, (key, value)| config.set(key, as_text(value)))
}

/// The topology of a case, optimised as the settings say.
///
/// # Errors
///
/// A case that the DSL refuses, as in its result.
pub fn topology(case: &Json, config: &StreamsConfig) -> Result<Topology, Failure> {
    let builder = StreamsBuilder::new();
    build::all(&builder, &case["nodes"])?;
    let topology = builder.build_with(config.topology().optimizations.clone());
    topology.map_err(|_| "TopologyException".into())
}

/// Pipes a record, or moves the clock.
fn input(driver: &TopologyTestDriver, step: &Json) -> Result<(), Failure> {
    if let Some(millis) = step["advance_wall_clock_ms"].as_u64() {
        return Ok(driver.advance_wall_clock(Duration::from_millis(millis))?);
    }
    let topic = step["topic"].as_str().unwrap_or_default();
    Ok(driver.input::<Option<Vec<u8>>, Option<Vec<u8>>>(topic).pipe_record(record(step))?)
}

/// The record that a step of a case's input pipes.
#[must_use]
pub fn record(step: &Json) -> Record<Option<Vec<u8>>, Option<Vec<u8>>> {
    let timestamp = Timestamp::from_millis(step["ts"].as_i64().unwrap_or(0));
    let (key, value, mut headers) = (bytes(&step["key"]), bytes(&step["value"]), Headers::new());
    for (name, value) in step["headers"].as_object().into_iter().flatten() {
        headers.add(name.as_str(), Some(as_text(value).into_bytes().into()));
    }
    Record { key, value, timestamp, headers }
}

fn bytes(json: &Json) -> Option<Vec<u8>> {
    let number = json.as_i64().map(|number| number.to_be_bytes().to_vec());
    number.or_else(|| (!json.is_null()).then(|| as_text(json).into_bytes()))
}

/// What JSON says, as bytes show it.
fn as_text(json: &Json) -> String {
    json.as_str().map_or_else(|| json.to_string(), text::shown)
}
