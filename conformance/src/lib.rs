//! Runs conformance cases: each is built by the public DSL, run by the test driver, and its result
//! written as the reference writes it.

mod functions;
mod node;
mod operators;
mod processors;
mod result;
mod text;
mod windows;

use millstream::config::StreamsConfigBuilder;
use millstream::{Record, StreamsBuilder, StreamsConfig, Timestamp, Topology};
use serde_json::{Value as Json, json};
use streams_test::{DriverBuilder, TopologyTestDriver as Driver};

/// Why a case has no result.
pub type Failure = Box<dyn std::error::Error>;

/// Runs one case, a line of JSON, on a driver with Kafka's settings or others, and commits at the end.
/// The result is a line of JSON too; a failure is a result with `error`.
pub fn run_case(line: &str, set_up: impl FnOnce(DriverBuilder) -> DriverBuilder) -> Json {
    let case: Json = serde_json::from_str(line).unwrap_or_default();
    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&case, set_up)));
    let ran = ran.unwrap_or_else(|_| Err("panic".into()));
    ran.unwrap_or_else(|failure| json!({ "name": case["name"], "error": failure.to_string() }))
}

fn run(case: &Json, set_up: impl FnOnce(DriverBuilder) -> DriverBuilder) -> Result<Json, Failure> {
    let config = StreamsConfig::builder().application_id("conformance").bootstrap_servers("no:1");
    let config = configured(case, config).build()?;
    let start = Timestamp::from_millis(case["wall_clock_ms"].as_i64().unwrap_or(0));
    let topology = topology(case, &config)?;
    let driver = set_up(Driver::builder(&topology).config(&config).wall_clock(start)).build()?;
    for step in items(&case["input"]) {
        match (step["advance_wall_clock_ms"].as_u64(), step["topic"].as_str()) {
            (Some(ms), _) => driver.advance_wall_clock(std::time::Duration::from_millis(ms))?,
            (None, topic) => driver.input(topic.unwrap_or_default()).pipe_record(record(step))?,
        }
    }
    driver.commit()?;
    Ok(result::of(&case["name"], &driver))
}

fn items(list: &Json) -> impl Iterator<Item = &Json> {
    list.as_array().into_iter().flatten()
}

/// Adds the settings of a case.
pub fn configured(case: &Json, config: StreamsConfigBuilder) -> StreamsConfigBuilder {
    let config = config
        .set("__emit.interval.ms.kstreams.windowed.aggregation__", 0)
        .set("__emit.interval.ms.kstreams.outer.join.spurious.results.fix__", 0);
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
    node::build(&builder, &case["nodes"])?;
    let topology = builder.build_with(config.topology().optimizations.clone());
    topology.map_err(|_| "TopologyException".into())
}

/// The record that a step of a case's input pipes.
pub fn record(step: &Json) -> Record<Option<Vec<u8>>, Option<Vec<u8>>> {
    let timestamp = Timestamp::from_millis(step["ts"].as_i64().unwrap_or(0));
    let mut record = Record::new(bytes(&step["key"]), bytes(&step["value"]), timestamp);
    for (name, value) in step["headers"].as_object().into_iter().flatten() {
        record.headers.add(name.as_str(), Some(as_text(value).into_bytes().into()));
    }
    record
}

fn bytes(json: &Json) -> Option<Vec<u8>> {
    let number = json.as_i64().map(|number| number.to_be_bytes().to_vec());
    number.or_else(|| (!json.is_null()).then(|| as_text(json).into_bytes()))
}

/// What JSON says, as bytes show it.
fn as_text(json: &Json) -> String {
    json.as_str().map_or_else(|| json.to_string(), str::to_owned)
}
