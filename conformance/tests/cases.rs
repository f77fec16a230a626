//! The kept cases, against the results of Kafka's own test driver; and, without caches, the same
//! results whenever commits come.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value as Json;
use streams_test::{CommitWhen, Layout};

/// Cases and their results, by what they are about.
const SETS: [(&str, &str); 9] = [
    (include_str!("cases/drawn.cases.jsonl"), include_str!("cases/drawn.expected.jsonl")),
    // Written by hand: names, numbers where text is expected, halves of surrogate pairs, cycles, what a
    // node is told that needs a store, streams that are read, merged and grouped twice, a cache that
    // global stores share, sessions of one time, caches that evict while another does, and what scans
    // of windows use of a cache.
    (include_str!("cases/edges.cases.jsonl"), include_str!("cases/edges.expected.jsonl")),
    (include_str!("cases/engine.cases.jsonl"), include_str!("cases/engine.expected.jsonl")),
    (include_str!("cases/joins.cases.jsonl"), include_str!("cases/joins.expected.jsonl")),
    (
        include_str!("cases/stream-joins.cases.jsonl"),
        include_str!("cases/stream-joins.expected.jsonl"),
    ),
    (include_str!("cases/suppress.cases.jsonl"), include_str!("cases/suppress.expected.jsonl")),
    (include_str!("cases/versioned.cases.jsonl"), include_str!("cases/versioned.expected.jsonl")),
    // Written by hand: joins by key and by foreign key, waits and changes of tables of windows and
    // sessions, and joins of their streams.
    (
        include_str!("cases/windowed-tables.cases.jsonl"),
        include_str!("cases/windowed-tables.expected.jsonl"),
    ),
    (include_str!("cases/windows.cases.jsonl"), include_str!("cases/windows.expected.jsonl")),
];

fn cases() -> impl Iterator<Item = &'static str> {
    SETS.into_iter().flat_map(|(cases, _)| cases.lines())
}

/// The lines on which two results part, with the lines before them.
fn first_difference(expected: &Json, got: &Json) -> String {
    let lines = |json| serde_json::to_string_pretty(json).unwrap().replace("\\n", "\n");
    let (expected, got) = (lines(expected), lines(got));
    let same = expected.lines().zip(got.lines()).take_while(|(a, b)| a == b).count();
    let before: Vec<&str> = expected.lines().take(same).skip(same.saturating_sub(6)).collect();
    let line = |text: &str| text.lines().nth(same).map(str::to_owned);
    format!("{}\nexpected: {:?}\n     got: {:?}", before.join("\n"), line(&expected), line(&got))
}

/// Fails with the first cases that differ.
fn compare(results: impl Iterator<Item = (Json, Json)>) {
    let results: Vec<_> = results.collect();
    let differing = results.iter().filter(|(expected, got)| expected != got);
    let first = differing.clone().take(5).map(|(expected, got)| {
        format!("\n\n{}: {}", expected["name"], first_difference(expected, got))
    });
    let first: String = first.collect();
    assert!(!results.is_empty(), "there are no cases");
    assert!(first.is_empty(), "{} of {} cases differ{first}", differing.count(), results.len());
}

#[test]
fn results_are_those_of_kafkas_driver() {
    let expected = SETS.into_iter().flat_map(|(_, expected)| expected.lines());
    let expected = expected.map(|line| serde_json::from_str(line).unwrap());
    compare(expected.zip(cases().map(|case| conformance::run_case(case, |driver| driver))));
}

#[test]
fn only_window_close_says_that_windows_are_given_out_when_they_close() {
    let (member, other) = (r#", "emit": "window_close""#, r#", "emit": "late""#);
    let run = |case: &str| conformance::run_case(case, |driver| driver);
    let closing = || cases().filter(move |case| case.contains(member));
    compare(
        closing().map(|case| (run(&case.replace(member, "")), run(&case.replace(member, other)))),
    );
    assert!(closing().any(|case| run(case) != run(&case.replace(member, ""))));
}

/// The result without the changelogs of buffers, which are written when a task commits: the producer
/// gives their records the time.
fn without_buffers(mut result: Json) -> Json {
    if let Some(topics) = result["topics"].as_object_mut() {
        topics.retain(|_, records| !records[0]["ts"].is_null());
    }
    result
}

#[test]
fn without_caches_commits_change_nothing() {
    for layout in [Layout::OneTask, Layout::TaskPerPartition { partitions: 3 }] {
        let run = |case, commits| {
            without_buffers(conformance::run_case(case, |driver| {
                driver.cache_bytes(0).layout(layout).commit_when(commits)
            }))
        };
        compare(cases().flat_map(|case| {
            let each = run(case, CommitWhen::EachRecord);
            let others = [CommitWhen::Every(7), CommitWhen::WhenTold];
            others.map(|commits| (each.clone(), run(case, commits)))
        }));
    }
}
