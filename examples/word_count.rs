//! Counts words: in this process with nothing installed, or on a Kafka cluster. One function builds
//! the topology for both.

mod on_kafka;

use std::error::Error;
use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use clap::Parser;
use millstream::error::chain;
use millstream::{
    KafkaStreams, Materialized, State, StreamsBuilder, StreamsConfig, TimestampedKeyValueStore,
    Topology, TopologyErrors, WaitError,
};
use on_kafka::{Cluster, Progress};
use streams_test::{CommitWhen, Layout, TopologyTestDriver};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

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

/// Counts words, on the Kafka that --bootstrap-servers or KAFKA_BOOTSTRAP_SERVERS names until it is
/// interrupted, or with --local in this process. Other settings come from variables such as
/// STREAMS_NUM_STREAM_THREADS; RUST_LOG says what is logged, as info or warn,librdkafka=off.
#[derive(Debug, Parser)]
struct Arguments {
    /// Run in this process on a model of Kafka in memory; nothing is kept.
    #[arg(long, requires = "input", conflicts_with_all = ["bootstrap_servers", "application_id", "state_dir"])]
    local: bool,
    /// The text to count; on a cluster it is written to the input topic, the topics are created
    /// where they are missing, and the program ends when the text is counted.
    #[arg(long)]
    input: Option<PathBuf>,
    /// Brokers to connect to.
    #[arg(long)]
    bootstrap_servers: Option<String>,
    /// The application: its consumer group, and the prefix of its internal topics. Default:
    /// word-count.
    #[arg(long)]
    application_id: Option<String>,
    /// The topic of lines.
    #[arg(long, default_value = "word-count-input")]
    input_topic: String,
    /// The topic of counts: the word as key, a 64-bit big-endian integer as value.
    #[arg(long, default_value = "word-count-output")]
    output_topic: String,
    /// Where local state is kept. Default: millstream in the folder of temporary files.
    #[arg(long)]
    state_dir: Option<PathBuf>,
}

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How the close after an interrupt ended.
type Closed = Receiver<Result<(), WaitError>>;

fn main() -> ExitCode {
    let is_terminal = std::io::stderr().is_terminal();
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    let log = tracing_subscriber::fmt().with_env_filter(filter.from_env_lossy());
    log.with_writer(std::io::stderr).with_ansi(is_terminal).init();
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("error: {}", chain(&*error)));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Outcome<()> {
    let text = arguments.input.as_deref().map(read).transpose()?;
    let topology = topology(&arguments.input_topic, &arguments.output_topic)?;
    let config = if arguments.local { None } else { Some(config(arguments)?) };
    tell(&topology.describe().to_string());
    match (config, text) {
        (Some(config), Some(text)) => count_text_on_cluster(topology, config, arguments, &text),
        (Some(config), None) => count_until_interrupted(topology, config),
        (None, text) => count_here(&topology, &arguments.input_topic, &text.unwrap_or_default()),
    }
}

/// The text of a file.
fn read(path: &Path) -> Result<String, String> {
    let name = path.display();
    let bytes = fs::read(path)
        .map_err(|error| format!("'{name}' cannot be read: {error}; give --input another file"))?;
    String::from_utf8(bytes).map_err(|error| {
        let read = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..read].iter().filter(|byte| **byte == b'\n').count();
        format!("'{name}' is not UTF-8 on line {line}; convert it, as by iconv --to-code UTF-8")
    })
}

/// Runs the topology on a model of Kafka in memory, and reads the counts from its store.
fn count_here(topology: &Topology, topic: &str, text: &str) -> Outcome<()> {
    tell("on a model of Kafka in memory: nothing is kept");
    let driver = TopologyTestDriver::builder(topology)
        .layout(Layout::TaskPerPartition { partitions: 1 })
        .commit_when(CommitWhen::Every(100))
        .build()?;
    let mut lines = driver.input::<Option<String>, String>(topic);
    let total = text.lines().count();
    for (number, line) in text.lines().enumerate() {
        lines.pipe_value(line)?;
        if (number + 1).is_multiple_of(50) || number + 1 == total {
            tell(&format!("{} of {total} lines", number + 1));
        }
    }
    let counts = driver.store::<TimestampedKeyValueStore<String, i64>>("counts")?;
    let entries = counts.all()?.map(|entry| entry.map(|(word, count)| (word, count.value)));
    print(entries.collect::<Result<Vec<_>, _>>()?)
}

/// Runs the topology on a cluster until it is interrupted.
fn count_until_interrupted(topology: Topology, config: StreamsConfig) -> Outcome<()> {
    let (streams, closed) = start(topology, config)?;
    loop {
        match streams.wait_for(State::NotRunning, Duration::from_secs(10)) {
            Ok(()) => return Ok(closed.recv_timeout(CLOSE_MAX)??),
            Err(WaitError::TimedOut { state, .. }) => {
                tell(&format!("{} records, {state}", streams.metrics().process_total()));
            }
            Err(ended) => return Err(ended.into()),
        }
    }
}

/// Runs the topology on a cluster, writes a text to its input, and prints the counts as they stand
/// in its output when all is counted. A second run counts the text once more.
fn count_text_on_cluster(
    topology: Topology,
    config: StreamsConfig,
    arguments: &Arguments,
    text: &str,
) -> Outcome<()> {
    let (input, output) = (&arguments.input_topic, &arguments.output_topic);
    let application = config.application_id().to_string();
    let servers: Vec<String> = config.bootstrap_servers().iter().map(ToString::to_string).collect();
    let cluster = Cluster::connect(&servers.join(","), &application)?;
    cluster.create([input, output])?;
    let (streams, _) = start(topology, config)?;
    cluster.write(input, text)?;
    await_all(&streams, &cluster, input, "lines read")?;
    // What is committed of the input was acknowledged here before.
    await_all(&streams, &cluster, &format!("{application}-counts-repartition"), "words counted")?;
    streams.close(CLOSE_MAX)?;
    print(cluster.counts(output)?)
}

/// Commits come every second, so nothing for so long means that something is wrong.
const STANDSTILL_MAX: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(300);
const CLOSE_MAX: Duration = Duration::from_secs(30);

/// Waits until the application has committed all of a topic, and tells how far it is.
fn await_all(streams: &KafkaStreams, cluster: &Cluster, topic: &str, what: &str) -> Outcome<()> {
    let (mut before, mut still) = (None, Duration::ZERO);
    loop {
        match cluster.progress(topic) {
            Ok(Progress { done, all }) => {
                if before != Some((done, all)) {
                    tell(&format!("{done} of {all} {what}, {}", streams.state()));
                    (before, still) = (Some((done, all)), Duration::ZERO);
                }
                if done == all {
                    return Ok(());
                }
            }
            // A cluster that is just up has no coordinator yet.
            Err(_) => still += on_kafka::ASK_MAX,
        }
        if still > STANDSTILL_MAX {
            let seconds = STANDSTILL_MAX.as_secs();
            return Err(format!("nothing was committed of \"{topic}\" for {seconds} s").into());
        }
        match streams.wait_for(State::NotRunning, LOOK_EVERY) {
            Ok(()) => return Err("interrupted before all was counted".into()),
            Err(WaitError::TimedOut { waited, .. }) => still += waited,
            Err(ended) => return Err(ended.into()),
        }
    }
}

/// The settings: arguments win over variables.
fn config(arguments: &Arguments) -> Outcome<StreamsConfig> {
    let is_named = |name| std::env::var_os(name).is_some_and(|servers| !servers.is_empty());
    if arguments.bootstrap_servers.is_none()
        && !is_named("KAFKA_BOOTSTRAP_SERVERS")
        && !is_named("STREAMS_BOOTSTRAP_SERVERS")
    {
        return Err("no Kafka is named: give --bootstrap-servers HOST:PORT or set \
                    KAFKA_BOOTSTRAP_SERVERS, or count here with --local --input FILE"
            .into());
    }
    let given = [
        ("application.id", arguments.application_id.clone()),
        ("bootstrap.servers", arguments.bootstrap_servers.clone()),
        ("state.dir", arguments.state_dir.as_ref().map(|dir| dir.display().to_string())),
    ];
    let config = StreamsConfig::builder()
        .application_id("word-count")
        .set("commit.interval.ms", "1000")
        .environment(std::env::vars_os());
    let config = given.into_iter().fold(config, |config, (key, value)| match value {
        Some(value) => config.argument(key, value),
        None => config,
    });
    Ok(config.build()?)
}

/// Starts the application; an interrupt closes it, and what came of that is told.
fn start(topology: Topology, config: StreamsConfig) -> Outcome<(Arc<KafkaStreams>, Closed)> {
    let streams = Arc::new(KafkaStreams::new(topology, config));
    let interrupted = Arc::clone(&streams);
    let (tell_closed, closed) = mpsc::channel();
    ctrlc::set_handler(move || {
        // Who does not listen has ended already.
        let _ = tell_closed.send(interrupted.close(CLOSE_MAX));
    })?;
    streams.start()?;
    Ok((streams, closed))
}

/// Prints words and counts in the order of the words.
fn print(counts: impl IntoIterator<Item = (String, i64)>) -> Outcome<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for (word, count) in counts {
        writeln!(out, "{word}\t{count}")?;
    }
    Ok(out.flush()?)
}

/// Tells the user how it goes; the counts alone go to the standard output.
fn tell(line: &str) {
    // Without anybody to read it the program still counts.
    let _ = writeln!(std::io::stderr(), "{line}");
}
