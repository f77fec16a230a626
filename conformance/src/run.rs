//! From a case to its result.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use millstream::config::Optimization;
use millstream::record::{Headers, Record};
use millstream::task::TaskIdle;
use millstream::time::Timestamp;
use millstream::{StreamsBuilder, Topology};
use serde_json::{Map, Value as Json};
use streams_test::{CommitWhen, TopologyTestDriver};

use crate::{Failure, build, result};

/// When a case commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commits {
    /// As Kafka's driver: after each record, with the caches of the case.
    AsKafka,
    /// After each record, without caches.
    EachRecord,
    /// After this many records, without caches.
    Every(u32),
    /// Once, at the end, without caches.
    AtEnd,
}

/// Runs one case, a line of JSON. The result is one too; a failure is a result with `error`.
#[must_use]
pub fn run_case(line: &str) -> String {
    run_case_with(line, Commits::AsKafka).to_string()
}

/// Runs one case with other commits than Kafka's driver.
#[must_use]
pub fn run_case_with(line: &str, commits: Commits) -> Json {
    let case: Json = serde_json::from_str(line).unwrap_or_default();
    let ran = catch_unwind(AssertUnwindSafe(|| run(&case, commits)));
    let ran = ran.unwrap_or_else(|_| Err(Failure("panic".to_owned())));
    let mut result = ran.unwrap_or_else(|failure| {
        Map::from_iter([("error".to_owned(), failure.to_string().into())])
    });
    result.insert("name".to_owned(), case["name"].clone());
    result.into()
}

fn run(case: &Json, commits: Commits) -> Result<Map<String, Json>, Failure> {
    let topology = topology(case)?;
    let property = |name: &str| case["properties"][name].as_str();
    let idle = property("max.task.idle.ms").and_then(|text| text.parse::<i64>().ok());
    let idle = match idle.map(u64::try_from) {
        None => TaskIdle::UpTo(Duration::ZERO),
        Some(Ok(millis)) => TaskIdle::UpTo(Duration::from_millis(millis)),
        Some(Err(_)) => TaskIdle::Disabled,
    };
    let cache = property("statestore.cache.max.bytes").and_then(|text| text.parse().ok());
    let wall_clock = case["wall_clock_ms"].as_i64().unwrap_or(0);
    let (cache, commit_when) = match commits {
        Commits::AsKafka => (cache.unwrap_or(10 << 20), CommitWhen::EachRecord),
        Commits::EachRecord => (0, CommitWhen::EachRecord),
        Commits::Every(records) => (0, CommitWhen::Every(records)),
        Commits::AtEnd => (0, CommitWhen::WhenTold),
    };
    let driver = TopologyTestDriver::builder(&topology)
        .application_id("conformance")
        .task_idle(idle)
        .cache_bytes(cache)
        .wall_clock(Timestamp::from_millis(wall_clock))
        .commit_when(commit_when)
        .build()?;
    for step in case["input"].as_array().into_iter().flatten() {
        input(&driver, step)?;
    }
    if commits != Commits::AsKafka {
        driver.commit()?;
    }
    result::of(&driver)
}

fn topology(case: &Json) -> Result<Topology, Failure> {
    let builder = StreamsBuilder::new();
    build::all(&builder, case["nodes"].as_array().map_or(&[], Vec::as_slice))?;
    let all = [
        ("reuse.ktable.source.topics", Optimization::ReuseKTableSourceTopics),
        ("merge.repartition.topics", Optimization::MergeRepartitionTopics),
        ("single.store.self.join", Optimization::SingleStoreSelfJoin),
    ];
    let wanted = case["properties"]["topology.optimization"].as_str().unwrap_or("none");
    let is_wanted = |name: &str| wanted == "all" || wanted.split(',').any(|one| one.trim() == name);
    let chosen = all.into_iter().filter(|(name, _)| is_wanted(name)).map(|(_, chosen)| chosen);
    builder.build_with(chosen).map_err(|_| Failure("TopologyException".to_owned()))
}

/// Pipes a record, or moves the clock.
fn input(driver: &TopologyTestDriver, step: &Json) -> Result<(), Failure> {
    if let Some(millis) = step["advance_wall_clock_ms"].as_u64() {
        return Ok(driver.advance_wall_clock(Duration::from_millis(millis))?);
    }
    let mut headers = Headers::new();
    for (name, value) in step["headers"].as_object().into_iter().flatten() {
        headers.add(name.as_str(), value.as_str().map(|text| text.to_owned().into()));
    }
    let topic = step["topic"].as_str().unwrap_or_default();
    let time = Timestamp::from_millis(step["ts"].as_i64().unwrap_or(0));
    let record = Record { key: bytes(&step["key"]), value: bytes(&step["value"]), timestamp: time, headers };
    Ok(driver.input::<Option<Vec<u8>>, Option<Vec<u8>>>(topic).pipe_record(record)?)
}

fn bytes(json: &Json) -> Option<Vec<u8>> {
    match json.as_i64() {
        Some(number) => Some(number.to_be_bytes().to_vec()),
        None => json.as_str().map(|text| text.as_bytes().to_vec()),
    }
}
