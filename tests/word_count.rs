//! The example `word_count` as a user starts it: what it prints, and what it says when it cannot.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Command, Output};

/// Where nobody listens.
const NOWHERE: &str = "127.0.0.1:1";

/// The example that cargo has built beside this test.
fn word_count() -> Command {
    let this = std::env::current_exe().unwrap();
    let program = this.ancestors().nth(2).unwrap().join("examples/word_count");
    let built = "cargo builds it with `cargo test`, or `cargo build --example word_count`";
    assert!(program.is_file(), "{} is missing; {built}", program.display());
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("STREAMS_") || name_text == "KAFKA_BOOTSTRAP_SERVERS" {
            command.env_remove(&name);
        }
    }
    command
}

/// A file of this test run.
fn file(name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[track_caller]
fn assert_fails(output: &Output, code: i32, words: &[&str]) {
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(words.iter().all(|words| told.contains(words)), "{words:?} are not in:\n{told}");
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn local_counts_come_sorted_by_word() {
    let input = file("sorted.txt", "to be or not\nto be\n\n  that is\n");
    let output = word_count().args(["--local", "--input"]).arg(input).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "be\t2\nis\t1\nnot\t1\nor\t1\nthat\t1\nto\t2\n");
}

#[test]
fn words_end_at_any_white_space_and_are_lower_case() {
    let words = "A\u{2003}a\u{a0}\u{c9}cole \u{e9}COLE\u{3000}\u{1e9e} \u{df}\tz\r\n";
    let input = file("unicode.txt", words);
    let output = word_count().args(["--local", "--input"]).arg(input).output().unwrap();
    assert_eq!(text(&output.stdout), "a\t2\nz\t1\n\u{df}\t2\n\u{e9}cole\t2\n");
}

#[test]
fn the_local_run_does_not_heed_named_brokers() {
    let input = file("named.txt", "a a\n");
    let mut command = word_count();
    command.env("KAFKA_BOOTSTRAP_SERVERS", NOWHERE).args(["--local", "--input"]).arg(input);
    assert_eq!(text(&command.output().unwrap().stdout), "a\t2\n");
}

#[test]
fn a_missing_text_is_named() {
    let output = word_count().args(["--local", "--input", "no/such.txt"]).output().unwrap();
    assert_fails(&output, 1, &["error: 'no/such.txt' cannot be read: ", "--input another file"]);
}

#[test]
fn a_text_that_is_not_utf_8_is_named_with_its_line() {
    let input = file("latin-1.txt", b"one\ntwo\ncaf\xe9\n");
    let output = word_count().args(["--local", "--input"]).arg(input).output().unwrap();
    assert_fails(&output, 1, &["latin-1.txt' is not UTF-8 on line 3; convert it"]);
}

#[test]
fn a_line_may_have_any_length() {
    let input = file("long.txt", "a bc ".repeat(500_000) + &"d".repeat(2_000_000));
    let output = word_count().args(["--local", "--input"]).arg(input).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let longest = "d".repeat(2_000_000);
    assert_eq!(text(&output.stdout), format!("a\t500000\nbc\t500000\n{longest}\t1\n"));
}

#[test]
fn a_text_without_words_has_no_counts() {
    for text in ["", "\n", " \n\t \r\n"] {
        let input = file("wordless.txt", text);
        let output = word_count().args(["--local", "--input"]).arg(input).output().unwrap();
        assert!(output.status.success(), "{}", self::text(&output.stderr));
        assert_eq!(self::text(&output.stdout), "");
    }
}

#[test]
fn without_a_kafka_it_says_how_to_name_one() {
    let output = word_count().output().unwrap();
    assert_fails(&output, 1, &["error: no Kafka is named: ", "--bootstrap-servers", "--local"]);
}

#[test]
fn brokers_beside_local_are_a_contradiction() {
    let arguments = ["--local", "--input", "a.txt", "--bootstrap-servers", NOWHERE];
    assert_fails(&word_count().args(arguments).output().unwrap(), 2, &["--bootstrap-servers"]);
}

#[test]
fn arguments_win_over_variables() {
    // Nothing can be made below a file, so the error tells which folder was meant.
    let (given, ambient) = (file("given", ""), file("ambient", ""));
    let mut command = word_count();
    command.args(["--bootstrap-servers", NOWHERE, "--state-dir"]).arg(given.join("state"));
    command.env("STREAMS_STATE_DIR", ambient.join("state"));
    command.env("KAFKA_BOOTSTRAP_SERVERS", "not an address");
    let given = given.display().to_string();
    assert_fails(&command.output().unwrap(), 1, &["error: the state directory", &given]);
}

#[test]
fn a_topic_that_cannot_be_is_told_at_once() {
    let mut command = word_count();
    command.args(["--bootstrap-servers", NOWHERE, "--input-topic", "two words"]);
    let words = ["error: Kafka takes no topic of such a name: the name \"two words\" holds other"];
    assert_fails(&command.output().unwrap(), 1, &words);
}

#[test]
fn a_wrong_argument_is_told_in_words() {
    let mut command = word_count();
    command.args(["--bootstrap-servers", NOWHERE, "--application-id", "two words"]);
    let words = ["error: configuration: value 'two words' for 'application.id' (command line)"];
    assert_fails(&command.output().unwrap(), 1, &words);
}

#[cfg(unix)]
#[test]
fn variables_that_are_not_text_are_no_reason_to_fall() {
    use std::os::unix::ffi::OsStrExt;

    let odd: OsString = OsStr::from_bytes(b"\xff\xfe").to_owned();
    let mut command = word_count();
    command.env("ODD", &odd).env("STREAMS_STATE_DIR", &odd).args(["--bootstrap-servers", NOWHERE]);
    let words = ["error: configuration: environment variable 'STREAMS_STATE_DIR' is not UTF-8"];
    assert_fails(&command.output().unwrap(), 1, &words);
}
