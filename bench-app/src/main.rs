//! The workloads that are measured beside Java Kafka Streams.
//!
//! `bench-app WORKLOAD BOOTSTRAP APP_ID alos|eos CACHE_BYTES STATE_DIR THREADS` runs until SIGTERM,
//! commits each second, and prints `RUNNING <ms since its start>` each time it reaches RUNNING.
//! `STREAMS_STATE_MEMORY_BUDGET_BYTES` and the like change other settings.

#![forbid(unsafe_code)]

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use millstream::error::chain;
use millstream::{
    Consumed, JoinWindows, Json, KTable, KafkaStreams, Materialized, State, StreamJoined,
    StreamsBuilder, StreamsConfig, TimeWindows, Topic, Topology, WaitError, serde,
};
use serde_json::Value;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The address of the topic that all workloads read.
const INPUT: &str = "bench-in";
const TABLE: &str = "bench-table";
const OUTPUT: &str = "bench-out";
/// The other topic of a join of streams.
const RIGHT_INPUT: &str = "bench-in2";
const MINUTE: Duration = Duration::from_secs(60);

fn topology(workload: &str) -> Result<Topology, Box<dyn Error>> {
    let builder = StreamsBuilder::new();
    match workload {
        "passthrough" => builder
            .stream::<Vec<u8>, Vec<u8>>(INPUT)
            .filter(|_, value| !value.is_empty())
            .map_values(|value| value)
            .to(OUTPUT),
        "json" => builder
            .stream(Topic::with_serdes(INPUT, serde::Utf8, Json::<Value>::new()))
            .filter(|_, value| value["amount"].as_f64().is_some_and(|amount| amount >= 500.0))
            .map_values(|mut value| {
                value["vip"] = Value::Bool(true);
                value
            })
            .to(Topic::with_serdes(OUTPUT, serde::Utf8, Json::<Value>::new())),
        "count" => builder
            .stream::<String, Vec<u8>>(INPUT)
            .group_by_key()
            .count_with(Materialized::named("counts"))
            .to_stream()
            .to(OUTPUT),
        "repartition-count" => builder
            .stream::<String, Vec<u8>>(INPUT)
            .select_key(|key, _| key.chars().skip(1).collect::<String>())
            .group_by_key()
            .count_with(Materialized::named("counts"))
            .to_stream()
            .to(OUTPUT),
        "window" => builder
            .stream::<String, Vec<u8>>(INPUT)
            .group_by_key()
            .windowed_by(TimeWindows::of_size(MINUTE).with_grace(MINUTE))
            .count_with(Materialized::named("wcounts"))
            .to_stream()
            .map(|windowed, count| (windowed.key, count))
            .to(OUTPUT),
        "table-join" => {
            let table: KTable<'_, String, Vec<u8>> =
                builder.table_with(TABLE, Consumed::new(), Materialized::named("tbl"));
            builder
                .stream::<String, Vec<u8>>(INPUT)
                .join_table(table, |_: &Vec<u8>, row: &Vec<u8>| row.clone())
                .to(OUTPUT);
        }
        "stream-join" => {
            let left = builder.stream::<String, Vec<u8>>(INPUT);
            let right = builder.stream::<String, Vec<u8>>(RIGHT_INPUT);
            let seconds = Duration::from_secs(5);
            let windows = JoinWindows::of_time_difference(seconds).with_grace(seconds);
            let joined = StreamJoined::new().with_store_name("j");
            let value = |_: &Vec<u8>, other: &Vec<u8>| other.clone();
            left.join_with(right, value, windows, joined).to(OUTPUT);
        }
        other => return Err(format!("there is no workload \"{other}\" here yet").into()),
    }
    Ok(builder.build()?)
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [workload, bootstrap, application, guarantee, cache, state_dir, threads] = &arguments[..]
    else {
        return Err(
            "bench-app WORKLOAD BOOTSTRAP APP_ID alos|eos CACHE_BYTES STATE_DIR THREADS".into()
        );
    };
    let guarantee = if guarantee == "eos" { "exactly_once_v2" } else { "at_least_once" };
    let config = StreamsConfig::builder()
        .application_id(application)
        .bootstrap_servers(bootstrap)
        .set("processing.guarantee", guarantee)
        .set("statestore.cache.max.bytes", cache.as_str())
        .set("state.dir", state_dir.as_str())
        .set("num.stream.threads", threads.as_str())
        .set("commit.interval.ms", "1000")
        .set("auto.offset.reset", "earliest")
        .set("replication.factor", "1")
        .environment(std::env::vars_os())
        .build()?;
    let started = started_millis();
    let streams = KafkaStreams::builder(topology(workload)?, config)
        .on_state_change(move |state, _| {
            if state == State::Running {
                // The reader may be gone.
                let _ = writeln!(std::io::stdout(), "RUNNING {}", now_millis() - started);
            }
        })
        .build();
    let streams = Arc::new(streams);
    let stopped = Arc::clone(&streams);
    ctrlc::set_handler(move || {
        if let Err(error) = stopped.close(Duration::from_secs(20)) {
            let _ = writeln!(std::io::stderr(), "error: {}", chain(&error));
        }
    })?;
    streams.start()?;
    loop {
        match streams.wait_for(State::NotRunning, Duration::from_secs(60)) {
            Ok(()) => return Ok(()),
            Err(WaitError::TimedOut { .. }) => {}
            Err(ended) => return Err(ended.into()),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the program's own clock")]
fn now_millis() -> u128 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis())
}

/// When this process started, from the system's boot time and the process's start after it.
fn started_millis() -> u128 {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let stat = read("/proc/self/stat");
    let ticks = stat
        .rsplit(')')
        .next()
        .and_then(|rest| rest.split_whitespace().nth(19)?.parse::<u128>().ok());
    let boot = read("/proc/stat");
    let boot =
        boot.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<u128>().ok());
    match (ticks, boot) {
        // Kernel ticks are hundredths of a second on every Linux that Rust runs on; the boot time
        // is whole seconds, so use uptime.
        (Some(ticks), Some(_)) => {
            let uptime = read("/proc/uptime");
            let uptime = uptime.split_whitespace().next().and_then(|text| text.parse::<f64>().ok());
            let up_millis = uptime.map_or(0, |seconds| (seconds * 1000.0) as u128);
            now_millis() - up_millis.saturating_sub(ticks * 10)
        }
        _ => now_millis(),
    }
}
