//! A worker for each workload on one thread.

mod input;
mod join;
mod output;
mod partitioner;
mod state;
mod store;
mod windows;
mod work;

use crate::ffi::error::ClientError;
use std::time::{Duration, Instant};

/// Why the program stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("usage: limit WORKLOAD BOOTSTRAP APP_ID GUARANTEE CACHE_BYTES STATE_DIR THREADS")]
    Usage,
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("offsets could not be committed: {0}")]
    Commit(#[from] rdkafka::error::KafkaError),
    #[error(transparent)]
    Store(#[from] rocksdb::Error),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("partition {partition} cannot be read: {message}")]
    Read { partition: i32, message: String },
    #[error("a record was not delivered: {0}")]
    Lost(String),
    #[error("unexpected data: {0}")]
    Data(&'static str),
}

/// What to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Workload {
    Passthrough,
    Json,
    Count,
    RepartitionCount,
    Window,
    StreamJoin,
}

/// The command line.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) workload: Workload,
    pub(crate) bootstrap: String,
    pub(crate) app: String,
    pub(crate) state: String,
    pub(crate) started: Instant,
}

impl Arguments {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, Error> {
        let [workload, bootstrap, app, _, _, state, _] = arguments else {
            return Err(Error::Usage);
        };
        let workload = match workload.as_str() {
            "passthrough" => Workload::Passthrough,
            "json" => Workload::Json,
            "count" => Workload::Count,
            "repartition-count" => Workload::RepartitionCount,
            "window" => Workload::Window,
            "stream-join" => Workload::StreamJoin,
            _ => return Err(Error::Usage),
        };
        let [bootstrap, app, state] = [bootstrap, app, state].map(String::clone);
        Ok(Self { workload, bootstrap, app, state, started: now() })
    }
}

/// Runs until the process is told to stop: with nothing joined there is nothing to leave.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let mut work = work::Work::new(arguments)?;
    announce(arguments.started.elapsed());
    work.run()
}

#[expect(clippy::print_stdout, reason = "the benchmark reads this line")]
fn announce(after: Duration) {
    println!("RUNNING {}", after.as_millis());
}

#[expect(clippy::disallowed_methods, reason = "a program's own clock")]
fn now() -> Instant {
    Instant::now()
}

/// `key=value,...` from the environment.
fn overrides(name: &str) -> Vec<(String, String)> {
    let text = std::env::var(name).unwrap_or_default();
    text.split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

/// A number from the environment.
fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}
