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

use std::process::{Command, Output};

use support::{Place, broker};

/// Runs the example that cargo has built beside this test, over a text.
fn count(place: &Place, text: &str) -> Output {
    let input = place.state("text.txt");
    std::fs::write(&input, text).unwrap();
    let this = std::env::current_exe().unwrap();
    let program = this.ancestors().nth(2).unwrap().join("examples/word_count");
    let mut command = Command::new(program);
    command.env("KAFKA_BOOTSTRAP_SERVERS", place.cluster.servers());
    command.env_remove("STREAMS_BOOTSTRAP_SERVERS");
    command.args(["--application-id", &place.application, "--input-topic", &place.input]);
    command.args(["--output-topic", &place.output, "--state-dir"]).arg(place.state("state"));
    command.arg("--input").arg(input).output().unwrap()
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
