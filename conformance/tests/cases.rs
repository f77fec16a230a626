//! The kept cases, against the results of Kafka's own test driver; and, without caches, the same
//! results whenever commits come.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;

use serde_json::Value as Json;
use streams_test::{CommitWhen, Layout};

const CASES: &str = include_str!("cases/engine.cases.jsonl");
const EXPECTED: &str = include_str!("cases/engine.expected.jsonl");

/// Differences that are shown in full.
const SHOWN: usize = 5;

/// Where two results part, and what stands there on both sides.
fn first_difference(at: &str, expected: &Json, got: &Json) -> Option<String> {
    if expected == got {
        return None;
    }
    let below = match (expected, got) {
        (Json::Object(expected), Json::Object(got)) => {
            let names = expected.keys().chain(got.keys());
            names.into_iter().find_map(|name| {
                let null = &Json::Null;
                let (expected, got) = (expected.get(name), got.get(name));
                let at = format!("{at}/{name}");
                first_difference(&at, expected.unwrap_or(null), got.unwrap_or(null))
            })
        }
        (Json::Array(expected), Json::Array(got)) => {
            let mut both = expected.iter().zip(got).enumerate();
            both.find_map(|(i, (expected, got))| {
                first_difference(&format!("{at}/{i}"), expected, got)
            })
        }
        (Json::String(expected), Json::String(got)) if expected.contains('\n') => {
            let lines = expected.lines().zip(got.lines()).enumerate();
            let mut parted = lines.filter(|(_, (expected, got))| expected != got);
            parted.next().map(|(i, (expected, got))| {
                format!("  at {at}, line {i}\n    expected {expected}\n    got      {got}")
            })
        }
        _ => None,
    };
    Some(below.unwrap_or_else(|| format!("  at {at}\n    expected {expected}\n    got      {got}")))
}

/// Compares results case by case and fails with the first differences.
fn compare(results: impl Iterator<Item = (String, Json, Json)>) {
    let (mut count, mut differing, mut report) = (0, 0, String::new());
    for (case, expected, got) in results {
        count += 1;
        if let Some(difference) = first_difference("", &expected, &got) {
            differing += 1;
            if differing <= SHOWN {
                writeln!(report, "{}\n{difference}\n  case: {case}", expected["name"]).unwrap();
            }
        }
    }
    assert!(count > 0, "there are no cases");
    assert!(differing == 0, "{differing} of {count} cases differ; the first:\n{report}");
}

#[test]
fn results_are_those_of_kafkas_driver() {
    let expected = EXPECTED.lines().map(|line| serde_json::from_str(line).unwrap());
    compare(CASES.lines().zip(expected).map(|(case, expected): (&str, Json)| {
        (case.to_owned(), expected, conformance::run_case(case))
    }));
}

/// What must not depend on commits: all that was written, and the stores.
fn with_commits(case: &str, layout: Layout, commits: CommitWhen) -> Json {
    conformance::run_case_with(case, |driver| {
        driver.cache_bytes(0).layout(layout).commit_when(commits)
    })
}

fn compare_commits(layout: Layout) {
    let cases = CASES.lines().flat_map(|case| {
        let each = with_commits(case, layout, CommitWhen::EachRecord);
        let others = [CommitWhen::Every(7), CommitWhen::WhenTold];
        others.map(|commits| (case.to_owned(), each.clone(), with_commits(case, layout, commits)))
    });
    compare(cases.collect::<Vec<_>>().into_iter());
}

#[test]
fn without_caches_commits_change_nothing() {
    compare_commits(Layout::OneTask);
}

#[test]
fn without_caches_commits_change_nothing_in_tasks_per_partition() {
    compare_commits(Layout::TaskPerPartition { partitions: 3 });
}
