//! Global stores that may have missed deletions, since their topic forgets them after a while.

use std::collections::BTreeMap;

use streams_core::names::TopicPartition;
use streams_core::time::Timestamp;
use streams_test::KafkaModel;

use super::{NOW, RATES, ScratchDirectory, cluster, global_at, run_at, send, settings};

const DELETIONS_KEPT_MS: i64 = 60_000;

/// A cluster whose global topic is compacted and forgets deletions after a minute, with 60 records.
fn forgetful_cluster() -> KafkaModel {
    let kafka = cluster();
    kafka.delete_topic(&"rates".into()).unwrap();
    let settings = [
        ("cleanup.policy", "compact".to_owned()),
        ("delete.retention.ms", DELETIONS_KEPT_MS.to_string()),
    ];
    let settings = settings.map(|(key, value)| (key.to_owned(), value));
    kafka.create_topic("rates", RATES, settings.into()).unwrap();
    (1..=60).for_each(|at| send(&kafka, ("rates", at % RATES), &format!("k{at}"), at.into()));
    kafka
}

fn after(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOW.millis() + millis)
}

/// A process that starts and, at each of these times, looks for the ends of the topic if it wants
/// to; then it is gone. How many records it read.
fn process(scratch: &ScratchDirectory, kafka: &KafkaModel, from: i64, looks: &[i64]) -> u64 {
    let settings = settings(scratch.backend());
    let mut globals = global_at(&settings, kafka, after(from));
    let told = run_at(&mut globals, &settings, after(from));
    assert!(told.is_filled);
    let (records, mut wanted) = (told.records(), told.ends_of);
    for at in looks {
        let found = |partition: TopicPartition| {
            let (_, end) = kafka.offsets(&partition)?;
            Some((partition, end))
        };
        wanted.extend(run_at(&mut globals, &settings, after(*at)).ends_of);
        globals.ends_found(after(*at), &wanted.drain(..).filter_map(found).collect());
        wanted.extend(run_at(&mut globals, &settings, after(*at)).ends_of);
    }
    records
}

#[test]
fn a_store_that_is_older_than_its_topics_deletions_is_filled_anew() {
    let (scratch, kafka) = (ScratchDirectory::new("globals"), forgetful_cluster());
    assert_eq!(process(&scratch, &kafka, 0, &[]), 60);
    assert_eq!(process(&scratch, &kafka, DELETIONS_KEPT_MS, &[]), 0, "not too old yet");
    assert_eq!(process(&scratch, &kafka, DELETIONS_KEPT_MS + 1, &[]), 60);
    // It is of that time now.
    assert_eq!(process(&scratch, &kafka, 2 * DELETIONS_KEPT_MS, &[]), 0);
}

#[test]
fn a_store_that_reaches_the_ends_of_its_topic_is_as_young_as_the_question() {
    let (scratch, kafka) = (ScratchDirectory::new("globals"), forgetful_cluster());
    assert_eq!(process(&scratch, &kafka, 0, &[0, 50_000]), 60);
    // A process that is frozen, and asks for nothing meanwhile, proves nothing by waking up.
    assert_eq!(process(&scratch, &kafka, 100_000, &[]), 0);
    assert_eq!(process(&scratch, &kafka, 50_000 + DELETIONS_KEPT_MS + 1, &[]), 60);
}

#[test]
fn a_store_that_lags_is_not_in_step() {
    let (scratch, kafka) = (ScratchDirectory::new("globals"), forgetful_cluster());
    let settings = settings(scratch.backend());
    let mut globals = global_at(&settings, &kafka, NOW);
    let told = run_at(&mut globals, &settings, NOW);
    // Some records more than were read, of one partition.
    let ends = told.ends_of.iter().map(|partition| {
        let (_, end) = kafka.offsets(partition).unwrap();
        (partition.clone(), end + i64::from(partition.partition))
    });
    let ends: BTreeMap<_, _> = ends.collect();
    assert_eq!(ends.len(), RATES as usize);
    globals.ends_found(after(50_000), &ends);
    run_at(&mut globals, &settings, after(50_000));
    drop((globals, settings));
    assert_eq!(process(&scratch, &kafka, DELETIONS_KEPT_MS + 1, &[]), 60);
}
