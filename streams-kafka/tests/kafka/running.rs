//! Applications that nothing happens to.

use std::time::Duration;

use bytes::Bytes;
use streams_core::task::commit_metadata::CommitMetadata;
use streams_core::time::Timestamp;

use crate::support::app::{App, COUNTS, SOON, stateless};
use crate::support::fold::{self, EPOCH};
use crate::support::{Given, Place, holds_within};

#[test]
fn a_stateless_topology_keeps_order_times_and_headers() {
    let place = Place::new("stateless", 3);
    let mut records = fold::numbered(30, 3000, 3);
    for (at, record) in records.iter_mut().enumerate().filter(|(at, _)| at % 7 == 0) {
        record.headers = vec![
            ("number".to_owned(), Some(at.to_be_bytes().to_vec())),
            ("null".to_owned(), None),
            ("null".to_owned(), Some(Vec::new())),
        ];
    }
    place.cluster.write(&place.input, &records);
    let app = place.start(stateless(&place.input, &place.output, |record| {
        record.headers.add("seen", Some(Bytes::from_static(b"yes")));
        record.value.push('!');
        Ok(record.value != "50!")
    }));
    let expected: Vec<Given> = records
        .iter()
        .filter(|record| record.value.as_deref() != Some(b"50"))
        .cloned()
        .map(|mut record| {
            record.headers.push(("seen".to_owned(), Some(b"yes".to_vec())));
            record.value.as_mut().unwrap().push(b'!');
            record
        })
        .collect();
    place.await_output(expected.len());
    app.close();

    let seen = place.cluster.read(&place.output);
    assert_eq!(seen.len(), expected.len());
    for key in 0..30 {
        let key = Some(format!("k{key:05}").into_bytes());
        let given = expected.iter().filter(|record| record.key == key);
        let given = given.map(|record| (&record.value, record.timestamp, &record.headers));
        let seen = seen.iter().filter(|record| record.key == key);
        let seen = seen.map(|record| (&record.value, record.timestamp, &record.headers));
        assert!(given.eq(seen), "{key:?}");
    }
}

#[test]
fn a_count_commits_closes_and_goes_on_without_restoring() {
    let place = Place::new("count", 3);
    let mut numbering = fold::Numbering::new(50, 3);
    let first: Vec<Given> = (0..5000).map(|_| numbering.next()).collect();
    place.cluster.write(&place.input, &first);
    let app = place.start(place.tally());
    let cold = app.await_running();
    place.await_output(5000);
    app.close();
    assert_eq!(place.cluster.members(&place.application), 0, "the member has left");
    let (output, changelog) =
        (place.cluster.read(&place.output), place.cluster.read(&place.changelog(COUNTS)));
    fold::assert_exact(&numbering.truth(), &output, &changelog);
    let in_order = |partition| output.iter().filter(move |record| record.partition == partition);
    assert!((0..3).all(|partition| in_order(partition).all(|record| record.timestamp >= EPOCH)));

    for (partition, committed) in
        place.cluster.committed(&place.application, &place.input).into_iter().enumerate()
    {
        let of_partition = first.iter().filter(|r| r.partition as usize == partition);
        let last = of_partition.clone().map(|record| record.timestamp).max().unwrap();
        let (offset, metadata) = committed.unwrap();
        assert_eq!(offset, i64::try_from(of_partition.count()).unwrap());
        let committed = CommitMetadata::decode(&metadata);
        assert_eq!(committed.partition_time, Timestamp::from_millis(last));
    }

    let second: Vec<Given> = (0..1000).map(|_| numbering.next()).collect();
    let app = place.start(place.tally());
    let warm = app.await_running();
    assert_eq!(app.restored_records(), 0, "{:?}", app.restored());
    place.cluster.write(&place.input, &second);
    place.await_output(6000);
    app.close();
    let (output, changelog) =
        (place.cluster.read(&place.output), place.cluster.read(&place.changelog(COUNTS)));
    fold::assert_exact(&numbering.truth(), &output, &changelog);
    println!("RUNNING after {cold:?} at first, after {warm:?} with its state kept");
    assert!(warm < Duration::from_secs(5), "{warm:?}");
}

#[test]
fn lost_state_is_restored_from_the_changelog() {
    let place = Place::new("lost", 2);
    let mut numbering = fold::Numbering::new(500, 2);
    let first: Vec<Given> = (0..20_000).map(|_| numbering.next()).collect();
    place.cluster.write(&place.input, &first);
    let app = place.start(place.tally());
    place.await_output(20_000);
    app.close();
    std::fs::remove_dir_all(place.state("state")).unwrap();

    let app = place.start(place.tally());
    let took = app.await_running();
    let restored = app.restored_records();
    assert_eq!(restored, 20_000, "{:?}", app.restored());
    let second: Vec<Given> = (0..1000).map(|_| numbering.next()).collect();
    place.cluster.write(&place.input, &second);
    place.await_output(21_000);
    app.close();
    let (output, changelog) =
        (place.cluster.read(&place.output), place.cluster.read(&place.changelog(COUNTS)));
    fold::assert_exact(&numbering.truth(), &output, &changelog);
    println!("restored {restored} records; RUNNING after {took:?}");
}

#[test]
fn commits_come_by_their_interval_and_lag_is_told() {
    let place = Place::new("interval", 1);
    place.cluster.write(&place.input, &fold::numbered(5, 100, 1));
    let app = place.start(place.tally());
    let committed = || place.cluster.committed(&place.application, &place.input);
    holds_within("the offset is committed while it runs", SOON, || {
        matches!(committed().first(), Some(Some((100, _))))
    });
    let metrics = app.streams.metrics();
    assert_eq!((metrics.process_total(), metrics.dropped_records_total()), (100, 0));
    // They are found between commits, so the last ones may still be those of before.
    holds_within("the lag of what was processed is told", SOON, || {
        let metrics = app.streams.metrics();
        let lags = metrics.workers.iter().flat_map(|w| w.lags.values().flatten());
        lags.map(|(_, lag)| *lag).eq([0])
    });
    app.close();
}

/// A batch that is not full waits for `linger.ms`, but never while records wait for its room.
#[test]
fn a_full_queue_sends_what_waits_for_its_batch_to_fill() {
    const QUEUE: usize = 100;
    let (place, records) = (Place::new("full-queue", 3), fold::numbered(30, 3000, 3));
    place.cluster.write(&place.input, &records);
    let config = place.config(&place.state("state")).set("commit.interval.ms", "100000");
    let config = config.set("producer.linger.ms", "80000");
    let config = config.set("producer.queue.buffering.max.messages", QUEUE.to_string());
    let app = App::start(stateless(&place.input, &place.output, |_| Ok(true)), config);
    place.await_output(records.len() - QUEUE);
    app.close();
    assert_eq!(place.cluster.read(&place.output).len(), records.len());
}
