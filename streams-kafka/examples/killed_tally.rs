//! The application that the tests on real Kafka run in processes of their own, and kill.

#![expect(clippy::disallowed_methods, reason = "tests on real Kafka live by the real clock")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "its parent sees it fail")]
#![expect(clippy::print_stdout, reason = "its parent reads what it prints")]

#[path = "../tests/kafka/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the rest of it belongs to the parent")]
mod support;

use std::sync::Arc;
use std::time::Duration;

use streams_core::config::StreamsConfig;
use streams_core::worker::RestorePhase;
use streams_kafka::{KafkaStreams, State, StreamsError, UncaughtErrorResponse};

use self::support::app::{SOON, show_logs};
use self::support::child::{MARK, Told};
use self::support::shape::Shape;
use self::support::wait::let_live;
use self::support::watch::Watch;

const TELL_EVERY: Duration = Duration::from_millis(20);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [application, servers, input, output, state, shape, settings @ ..] = words.as_slice()
    else {
        panic!("the arguments are APPLICATION SERVERS INPUT OUTPUT STATE SHAPE [KEY=VALUE...]")
    };
    show_logs();
    let config = StreamsConfig::builder()
        .application_id(application)
        .bootstrap_servers(servers)
        .set("state.dir", state.as_str())
        .set("commit.interval.ms", "200");
    let settings = settings.iter().map(|setting| setting.split_once('=').unwrap());
    let (uncaught, settings): (Vec<_>, Vec<_>) = settings.partition(|(key, _)| *key == "uncaught");
    let response = match uncaught.as_slice() {
        [] => UncaughtErrorResponse::ShutDownClient,
        [(_, "replace")] => UncaughtErrorResponse::Replace,
        other => panic!("nothing answers to {other:?}"),
    };
    let config = settings.into_iter().fold(config, |config, (key, value)| config.set(key, value));
    let watch = Watch(Some(Arc::new(|task, event| tell(&Told::Task(task, event)))));
    let shapes = [Shape::Tally, Shape::InMemory, Shape::Chain, Shape::Merge];
    let shape = shapes.into_iter().find(|one| one.to_string() == *shape).unwrap();
    let topology = shape.topology(input, output, &watch);
    let streams = KafkaStreams::builder(topology, config.build().unwrap())
        .uncaught_error_handler(move |error: &StreamsError| {
            tell(&Told::Failed(error.chain()));
            response
        })
        .on_state_change(|new, _| tell(&Told::State(new)))
        .on_restore(|progress| match progress.phase {
            RestorePhase::Began => tell(&Told::Restoring),
            RestorePhase::Reading => {}
            RestorePhase::Ended => {
                let records = i64::try_from(progress.records).unwrap();
                let (start, next) = (progress.start, progress.next);
                tell(&Told::Restored { start, next, records });
            }
        })
        .build();
    let streams = Arc::new(streams);
    streams.start().unwrap();
    close_when_told(Arc::clone(&streams));
    while !streams.state().is_final() {
        let metrics = streams.metrics();
        let (processed, commits) = (metrics.process_total(), metrics.commit_total());
        tell(&Told::Progress { processed, commits });
        let_live(TELL_EVERY);
    }
    let error = streams.error().map(|error| error.chain());
    assert_eq!(streams.state(), State::NotRunning, "{error:?}");
}

fn tell(told: &Told) {
    match told {
        Told::State(state) => println!("{MARK}state {state}"),
        Told::Restoring => println!("{MARK}restoring"),
        Told::Restored { start, next, records } => {
            println!("{MARK}restored {start} {next} {records}");
        }
        Told::Progress { processed, commits } => println!("{MARK}progress {processed} {commits}"),
        Told::Task(task, event) => println!("{MARK}task {task} {event}"),
        Told::Failed(error) => println!("{MARK}failed {}", error.replace('\n', " ")),
    }
}

/// A word on standard input closes the application; its end, when the parent dies, ends the
/// process.
fn close_when_told(streams: Arc<KafkaStreams>) {
    let listener = std::thread::Builder::new().name("parent-listener".to_owned());
    listener
        .spawn(move || {
            let mut line = String::new();
            let read = std::io::stdin().read_line(&mut line);
            if !matches!(read, Ok(1..)) {
                std::process::exit(3);
            }
            streams.close(SOON).unwrap();
        })
        .unwrap();
}
