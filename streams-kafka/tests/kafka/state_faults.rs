//! State directories that cannot be used, and state that was damaged.

use std::path::{Path, PathBuf};

use streams_kafka::{State, StreamsError};

use crate::support::app::{COUNTS, SOON};
use crate::support::fold::{self, Difference, Numbering};
use crate::support::{App, Given, Place, child, holds_within};

#[track_caller]
fn assert_refused(started: Result<App, StreamsError>, directory: &Path, parts: &[&str]) {
    let error = started.err().unwrap();
    let text = error.chain();
    println!("{text}");
    assert!(matches!(error, StreamsError::State(_)), "{error:?}");
    assert!(text.contains(directory.to_str().unwrap()), "{text}");
    parts.iter().for_each(|part| assert!(text.contains(part), "\"{part}\" is not in: {text}"));
}

#[test]
fn a_state_directory_in_use_is_refused() {
    let place = Place::new("locked", 2);
    let state = place.state("state");
    let directory = state.join(&place.application);
    let process = child::start(&place, &state, &[]);
    process.await_running();
    let started = App::try_start(place.tally(), place.config(&state));
    assert_refused(started, &directory, &["another process", "state.dir"]);
    process.close();

    let app = place.start(place.tally());
    let started = App::try_start(place.tally(), place.config(&state));
    assert_refused(started, &directory, &["state.dir"]);
    app.await_running();
    app.close();
}

#[test]
fn a_state_directory_that_cannot_be_written_is_refused() {
    let place = Place::new("unwritable", 2);
    let file = place.state("file");
    std::fs::write(&file, "not a directory").unwrap();
    for state in [file.clone(), file.join("below")] {
        let started = App::try_start(place.tally(), place.config(&state));
        assert_refused(started, &state, &["writable", "state.dir"]);
    }
}

#[test]
fn a_changelog_that_was_made_again_is_read_from_its_beginning() {
    let place = Place::new("made-again", 1);
    let changelog = place.changelog(COUNTS);
    let write = |key: &str, records: usize| {
        let records: Vec<_> = (0..records).map(|_| Given::text(0, key, "v", 1)).collect();
        place.cluster.write(&place.input, &records);
    };
    write("before", 10);
    let app = place.start(place.tally());
    place.await_output(10);
    app.close();
    assert_eq!(place.cluster.ends(&changelog), [10]);

    // As many records of another state.
    place.cluster.delete(&changelog);
    let is_gone = || place.cluster.partitions(&changelog) == 0;
    holds_within("the changelog is deleted", SOON, is_gone);
    place.cluster.create_with(&changelog, 1, &[("cleanup.policy", "compact")]);
    let count = Some(100_i64.to_be_bytes().to_vec());
    let given = |at| Given { value: count.clone(), ..Given::text(0, &format!("key-{at}"), "", 1) };
    place.cluster.write(&changelog, &(0..10).map(given).collect::<Vec<_>>());
    write("before", 1);
    write("key-3", 1);
    let app = place.start(place.tally());
    place.await_output(12);
    assert_eq!(app.streams.metrics().stores_rebuilt_total(), 1);
    assert_eq!(app.restored_records(), 10);
    app.close();
    let seen = place.cluster.read(&place.output);
    let seen: Vec<_> = seen[10..].iter().map(|one| (one.key_text(), one.value_text())).collect();
    let expected = [("before", "v=1"), ("key-3", "v=101")];
    assert_eq!(seen, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));

    // It is at home there now.
    let app = place.start(place.tally());
    app.await_running();
    assert_eq!(app.streams.metrics().stores_rebuilt_total(), 0);
    assert_eq!(app.restored_records(), 0);
    app.close();
}

#[test]
fn a_changelog_that_was_cut_beyond_a_store_leaves_nothing_of_before() {
    const KEYS: usize = 10;
    let place = Place::new("cut-changelog", 1);
    let changelog = place.changelog(COUNTS);
    // Of one that is compacted alone, a broker deletes nothing so.
    place.cluster.create_with(&changelog, 1, &[("cleanup.policy", "compact,delete")]);
    let mut numbering = Numbering::new(KEYS, 1);
    let mut run = |state: &str, rounds: usize| {
        let records: Vec<_> = (0..rounds * KEYS).map(|_| numbering.next()).collect();
        place.cluster.write(&place.input, &records);
        let app = place.start_in(state, place.tally());
        place.await_output(numbering.given());
        let rebuilt = app.streams.metrics().stores_rebuilt_total();
        app.close();
        rebuilt
    };
    assert_eq!(run("first", 1), 0);
    // Another goes on, and of what it did the last round is left.
    assert_eq!(run("second", 3), 0);
    place.cluster.delete_before(&changelog, 0, 3 * KEYS as i64);
    assert_eq!(run("first", 1), 1);
    // What was cut off counts as well.
    let output = place.cluster.read(&place.output);
    let counts = fold::counts(&place.cluster.read(&changelog));
    assert_eq!(counts, numbering.truth());
    assert_eq!(output.len(), numbering.given());
    assert!(output.iter().rev().take(KEYS).all(|seen| seen.value_text() == "5=5"));
}

#[test]
fn a_row_that_no_serde_reads_is_an_error_that_names_the_store() {
    let place = Place::new("bad-row", 1);
    let write = |key: &str| place.cluster.write(&place.input, &[Given::text(0, key, "v", 1)]);
    write("good");
    let app = place.start(place.tally());
    place.await_output(1);
    app.close();
    std::fs::remove_dir_all(place.state("state")).unwrap();
    // Too short for a time and a count.
    place.cluster.write(&place.changelog(COUNTS), &[Given::text(0, "bad", "xyz", 1)]);
    write("good");
    let app = place.start(place.tally());
    place.await_output(2);
    write("bad");
    let error = app.await_error();
    assert!(error.contains(COUNTS) && !error.contains("panicked"), "{error}");
    assert!(app.streams.close(SOON).is_ok());
}

/// Opening a database moves the rows of its log into a table, so that there is one to be damaged.
fn move_rows_into_tables(place: &Place) {
    let app = start_small(place);
    app.await_running();
    app.close();
}

/// The database of a task.
fn database(place: &Place, task: &str) -> PathBuf {
    place.state("state").join(&place.application).join(task).join("rocksdb")
}

/// Files of a database whose names begin or end so.
fn files(database: &Path, part: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(database).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with(part) || name.ends_with(part)
        })
        .filter(|path| std::fs::metadata(path).unwrap().len() > 0)
        .collect();
    files.sort();
    files
}

/// Which bytes of a file are turned over.
#[derive(Debug, Clone, Copy)]
enum Bytes {
    /// Some, all over it.
    AllOver,
    /// Some of its first half: rows, which are read only when a record asks for them.
    FirstHalf,
}

fn damage(file: &Path, where_to: Bytes) {
    let mut bytes = std::fs::read(file).unwrap();
    let (until, step) = match where_to {
        Bytes::AllOver => (bytes.len(), (bytes.len() / 16).max(1)),
        Bytes::FirstHalf => (bytes.len() / 2, 512),
    };
    bytes[..until].iter_mut().step_by(step).for_each(|byte| *byte ^= 0x55);
    std::fs::write(file, bytes).unwrap();
}

/// With so little memory that rows reach the tables on disk.
fn start_small(place: &Place) -> App {
    let config = place.config(&place.state("state"));
    App::start(place.tally(), config.set("state.memory.budget.bytes", 16 << 20))
}

/// Starts until it runs to the end of the input; damage that is found while records are processed
/// stops it with an error, and the next start finds the store marked.
#[track_caller]
fn run_to_the_end(place: &Place, records: usize) -> (App, usize) {
    for errors in 0..3 {
        let app = start_small(place);
        let all = || place.cluster.ends(&place.output).iter().sum::<i64>() >= records as i64;
        let is_over = || all() || app.streams.state() == State::Error;
        holds_within("the output is complete, or an error is told", SOON, is_over);
        if app.streams.state() != State::Error {
            return (app, errors);
        }
        let text = app.streams.error().unwrap().chain();
        println!("{text}");
        assert!(text.contains(COUNTS) && text.contains("is corrupt"), "{text}");
    }
    panic!("damage was not repaired by new starts");
}

#[test]
fn damaged_files_cost_the_store_of_their_task_alone() {
    let place = Place::new("damage", 2);
    let mut numbering = Numbering::new(60_000, 2);
    let write = |numbering: &mut Numbering, records| {
        let records: Vec<_> = (0..records).map(|_| numbering.next()).collect();
        place.cluster.write(&place.input, &records);
    };
    write(&mut numbering, 60_000);
    let app = start_small(&place);
    place.await_output(numbering.given());
    app.close();
    let parts = [
        ("CURRENT", Bytes::AllOver),
        ("MANIFEST-", Bytes::AllOver),
        (".log", Bytes::AllOver),
        (".sst", Bytes::AllOver),
        (".sst", Bytes::FirstHalf),
    ];
    for (part, bytes) in parts {
        move_rows_into_tables(&place);
        let found = files(&database(&place, "0_0"), part);
        assert!(!found.is_empty(), "no {part} to damage");
        found.iter().for_each(|file| damage(file, bytes));
        write(&mut numbering, 4000);
        let output = place.cluster.ends(&place.output).iter().sum::<i64>();
        let (app, errors) = run_to_the_end(&place, numbering.given());
        let restored = app.restored();
        app.close();
        let records: Vec<(i32, u64)> =
            restored.iter().map(|r| (r.partition.partition, r.records)).collect();
        println!("{part}, {bytes:?}: {} files, {errors} errors, restored {records:?}", found.len());
        let of = |partition| records.iter().filter(move |(p, _)| *p == partition);
        assert!(of(1).all(|(_, records)| *records == 0), "the other task kept its store");
        let seen = place.cluster.read(&place.output);
        let changelog = place.cluster.read(&place.changelog(COUNTS));
        let difference = fold::difference(&numbering.truth(), &seen, &changelog);
        let Difference { lost, disordered, low, foreign, split, .. } = difference;
        assert_eq!((lost, disordered, low, foreign, split), (0, 0, 0, 0, 0), "{difference:?}");
        if errors == 0 {
            assert_eq!(seen.len() as i64, output + 4000);
        }
    }
}
