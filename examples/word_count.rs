//! Counts words: in this process with nothing installed, or on a Kafka cluster. One function builds
//! the topology for both.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use millstream::{
    KafkaStreams, Materialized, State, StreamsBuilder, StreamsConfig, TimestampedKeyValueStore,
    Topology, TopologyErrors,
};
use streams_test::{CommitWhen, Layout, TopologyTestDriver};

/// The whole program: read lines, split them into words, count each word.
fn topology(input: &str, output: &str) -> Result<Topology, TopologyErrors> {
    let builder = StreamsBuilder::new();
    builder
        .stream::<Option<String>, String>(input)
        .flat_map_values(|line| words(&line))
        .group_by(|_, word| word.clone())
        .count_with(Materialized::named("counts"))
        .to_stream()
        .to(output);
    builder.build()
}

/// The words of a line: divided by white space, in lower case.
fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_lowercase).collect()
}

/// Counts words.
#[derive(Debug, Parser)]
struct Arguments {
    /// Run in this process on a model of Kafka in memory; nothing is kept.
    #[arg(long, requires = "input", conflicts_with = "bootstrap_servers")]
    local: bool,
    /// The text to count, for --local.
    #[arg(long)]
    input: Option<PathBuf>,
    /// Brokers to connect to.
    #[arg(long, env = "KAFKA_BOOTSTRAP_SERVERS")]
    bootstrap_servers: Option<String>,
    /// The application: its consumer group, and the prefix of its internal topics.
    #[arg(long, default_value = "word-count")]
    application_id: String,
    /// The topic of lines.
    #[arg(long, default_value = "word-count-input")]
    input_topic: String,
    /// The topic of counts: the word as key, a 64-bit big-endian integer as value.
    #[arg(long, default_value = "word-count-output")]
    output_topic: String,
    /// Where local state is kept.
    #[arg(long)]
    state_dir: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    let topology = topology(&arguments.input_topic, &arguments.output_topic)?;
    writeln!(std::io::stderr(), "{}", topology.describe())?;
    match &arguments.input {
        Some(input) if arguments.local => {
            count_here(&topology, &arguments.input_topic, &std::fs::read_to_string(input)?)
        }
        _ => count_on_cluster(topology, &arguments),
    }
}

/// Runs the topology on a model of Kafka in memory, and reads the counts from its store.
fn count_here(topology: &Topology, topic: &str, text: &str) -> Result<(), Box<dyn Error>> {
    let driver = TopologyTestDriver::builder(topology)
        .layout(Layout::TaskPerPartition { partitions: 1 })
        .commit_when(CommitWhen::Every(100))
        .build()?;
    let mut lines = driver.input::<Option<String>, String>(topic);
    let total = text.lines().count();
    for (number, line) in text.lines().enumerate() {
        lines.pipe_value(line)?;
        if (number + 1).is_multiple_of(50) || number + 1 == total {
            writeln!(std::io::stderr(), "{} of {total} lines", number + 1)?;
        }
    }
    let counts = driver.store::<TimestampedKeyValueStore<String, i64>>("counts")?;
    let mut out = std::io::stdout().lock();
    for entry in counts.all()? {
        let (word, count) = entry?;
        writeln!(out, "{word}\t{}", count.value)?;
    }
    Ok(())
}

/// Runs the topology on a cluster until it is interrupted.
fn count_on_cluster(topology: Topology, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let servers = arguments.bootstrap_servers.as_deref();
    let servers = servers.ok_or("name the brokers with --bootstrap-servers, or use --local")?;
    let mut config = StreamsConfig::builder()
        .application_id(&arguments.application_id)
        .bootstrap_servers(servers)
        .set("commit.interval.ms", "1000");
    if let Some(directory) = &arguments.state_dir {
        config = config.set("state.dir", directory.display().to_string());
    }
    let streams =
        Arc::new(KafkaStreams::new(topology, config.environment(std::env::vars()).build()?));
    let interrupted = Arc::clone(&streams);
    ctrlc::set_handler(move || {
        if let Err(error) = interrupted.close(Duration::from_secs(30)) {
            tracing::error!(%error, "not closed in time");
        }
    })?;
    streams.start()?;
    loop {
        match streams.wait_for(State::NotRunning, Duration::from_secs(10)) {
            Ok(()) => return Ok(()),
            Err(_) if streams.state() == State::Error => {
                return Err(streams.error().map_or_else(|| "failed".into(), |e| e.chain().into()));
            }
            Err(_) => {
                let counted = streams.metrics().process_total();
                writeln!(std::io::stderr(), "{} records, {}", counted, streams.state())?;
            }
        }
    }
}
