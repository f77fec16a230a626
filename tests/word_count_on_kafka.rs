//! The example `word_count` on a real Kafka, as `scripts/quickstart` runs it where one is named.

#![expect(clippy::disallowed_methods, reason = "tests on real Kafka live by the real clock")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../streams-kafka/tests/kafka/support/mod.rs"]
#[expect(
    dead_code,
    unused_imports,
    reason = "the rest of it belongs to the tests of streams-kafka"
)]
mod support;

use std::fs::File;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use support::wait::eventually;
use support::{Given, Place, broker, holds_within};

/// What the program gives itself to close.
const CLOSE_MAX: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_secs(60);

/// The example that cargo has built beside this test, for this place.
fn word_count(place: &Place) -> Command {
    let this = std::env::current_exe().unwrap();
    let program = this.ancestors().nth(2).unwrap().join("examples/word_count");
    let mut command = Command::new(program);
    command.env("KAFKA_BOOTSTRAP_SERVERS", place.cluster.servers());
    command.env_remove("STREAMS_BOOTSTRAP_SERVERS");
    command.args(["--application-id", &place.application, "--input-topic", &place.input]);
    command.args(["--output-topic", &place.output, "--state-dir"]).arg(place.state("state"));
    command
}

/// Runs the example over a text.
fn count(place: &Place, text: &str) -> Output {
    let input = place.state("text.txt");
    std::fs::write(&input, text).unwrap();
    word_count(place).arg("--input").arg(input).output().unwrap()
}

/// The example at work until it is interrupted, which is ended with the test.
struct Running(Child);

impl Running {
    fn start(place: &Place) -> Self {
        let told = File::create(place.state("told.txt")).unwrap();
        let mut command = word_count(place);
        Self(command.stdout(Stdio::null()).stderr(told).spawn().unwrap())
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, but where the test has failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_text_is_counted_on_the_brokers_that_the_environment_names() {
    let place = Place::without_topics(broker::shared(), "word-count");
    let (text, runs) = (
        "To be or not\nto BE\n",
        ["be\t2\nnot\t1\nor\t1\nto\t2\n", "be\t4\nnot\t2\nor\t2\nto\t4\n"],
    );
    for expected in runs {
        let output = count(&place, text);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{told}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected, "{told}");
        assert!(told.contains("lines read") && told.contains("words counted"), "{told}");
    }
}

#[test]
fn an_interrupt_and_a_termination_close_the_program_in_order() {
    let place = Place::on(broker::shared(), "word-count-ended", 1);
    let group = place.application.clone();
    for (round, signal) in (1..).zip(["-INT", "-TERM"]) {
        let mut running = Running::start(&place);
        place.cluster.write(&place.input, &[Given::text(0, "", "to be or not to be", 1)]);
        holds_within("the words are counted", SOON, || {
            place.cluster.read(&place.output).iter().any(|seen| {
                let count = seen.value.as_deref() == Some(&i64::to_be_bytes(2 * round)[..]);
                seen.key_text() == "to" && count
            })
        });
        assert_eq!(place.cluster.members(&group), 1);

        running.signal(signal);
        let ended = eventually("it has ended", CLOSE_MAX, || running.0.try_wait().unwrap());
        let told = std::fs::read_to_string(place.state("told.txt")).unwrap();
        assert_eq!(ended.code(), Some(0), "after {signal}:\n{told}");
        assert!(!told.contains("ERROR") && !told.contains("error:"), "after {signal}:\n{told}");
        // Nobody waits for its session to expire.
        assert_eq!(place.cluster.members(&group), 0, "after {signal}:\n{told}");
        let committed = place.cluster.committed(&group, &place.input);
        let offsets: Vec<i64> = committed.into_iter().flatten().map(|(offset, _)| offset).collect();
        assert_eq!(offsets, [round], "after {signal}:\n{told}");
    }
}
