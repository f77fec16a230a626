//! The model: topics, offsets, sending and reading.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use streams_core::error::ProduceError;
use streams_core::murmur2::partition_for_key;
use streams_core::names::{TopicName, TopicPartition};
use streams_core::outbox::{Destination, OutRecord, Outbox as _, Purpose};
use streams_core::plane::{DataPlane as _, FetchError, Fetched, ReadFor, StartAt};
use streams_core::processor::Activity;
use streams_core::record::Headers;
use streams_core::time::Timestamp;
use streams_core::topology::OffsetReset;

use super::*;

fn topic() -> TopicName {
    "topic".into()
}

fn partition(partition: i32) -> TopicPartition {
    TopicPartition::new("topic", partition)
}

fn model(partitions: i32) -> KafkaModel {
    let model = KafkaModel::new();
    model.create_topic("topic", partitions, BTreeMap::new()).unwrap();
    model
}

fn record(key: &'static str, value: Option<&'static str>) -> NewRecord {
    NewRecord {
        key: Some(Bytes::from_static(key.as_bytes())),
        value: value.map(|value| Bytes::from_static(value.as_bytes())),
        ..NewRecord::default()
    }
}

fn at(model: &KafkaModel, time: i64) {
    let record = NewRecord { timestamp: Some(Timestamp::from_millis(time)), ..record("k", None) };
    model.append(&partition(0), record).unwrap();
}

fn offsets(batch: &Fetched) -> Vec<i64> {
    match batch {
        Fetched::Records(batch) => (0..batch.len()).map(|at| batch.record(at).offset).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_model_is_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&KafkaModel::new());
}

#[test]
fn topics_come_and_go() {
    let model = model(3);
    assert_eq!(model.partitions(&topic()), Some(3));
    let again = model.create_topic("topic", 1, BTreeMap::new());
    assert_eq!(again, Err(ModelError::TopicExists(topic())));
    let none = model.create_topic("none", 0, BTreeMap::new());
    assert_eq!(none, Err(ModelError::NoPartitions("none".into())));
    assert!(matches!(model.create_topic("a b", 1, BTreeMap::new()), Err(ModelError::Name(_))));
    let identity = model.topic_identity(&topic());
    model.delete_topic(&topic()).unwrap();
    assert_eq!(model.topics(), Vec::<TopicName>::new());
    model.create_topic("topic", 1, BTreeMap::new()).unwrap();
    assert_ne!(model.topic_identity(&topic()), identity);
}

#[test]
fn topics_are_made_by_sending_only_where_that_is_on() {
    let refused = KafkaModel::new().append(&partition(0), record("k", None));
    assert_eq!(refused, Err(ProduceError::UnknownTopic { topic: topic() }));
    let model = KafkaModel::new().auto_create(AutoCreate::Partitions(2));
    assert_eq!(model.append(&partition(1), record("k", None)), Ok(0));
    let outside = model.append(&partition(2), record("k", None));
    assert!(matches!(outside, Err(ProduceError::NoSuchPartition { partitions: 2, .. })));
}

#[test]
fn settings_refuse_records() {
    let model = KafkaModel::new();
    let settings = [("max.message.bytes", "3"), ("cleanup.policy", "compact")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    model.create_topic("topic", 1, settings.into()).unwrap();
    let too_large = model.append(&partition(0), record("key", Some("v")));
    assert_eq!(too_large, Err(ProduceError::TooLarge { bytes: 4 }));
    let without_key = model.append(&partition(0), NewRecord::default());
    assert!(matches!(without_key, Err(ProduceError::Refused { .. })));
}

#[test]
fn compaction_keeps_the_last_of_each_key() {
    let model = model(1);
    for (key, value) in
        [("a", Some("1")), ("b", Some("1")), ("a", None), ("b", Some("2")), ("c", None)]
    {
        model.append(&partition(0), record(key, value)).unwrap();
    }
    let left = |model: &KafkaModel| -> Vec<i64> {
        model.records(&topic()).iter().map(|record| record.offset).collect()
    };
    model.compact(&topic(), Tombstones::Keep).unwrap();
    assert_eq!(left(&model), [2, 3, 4]);
    model.compact(&topic(), Tombstones::Drop).unwrap();
    assert_eq!(left(&model), [3, 4], "the last record stays");
    assert_eq!(model.offsets(&partition(0)), Some((0, 5)));
    let mut plane = ModelPlane::new(&model);
    let input = plane.open(&partition(0), StartAt::Offset(0), ReadFor::Restore);
    assert_eq!(offsets(&plane.fetch(input, 10)), [3, 4]);
}

#[test]
fn a_time_leads_to_an_offset() {
    let model = model(1);
    [10, 30, 20].into_iter().for_each(|time| at(&model, time));
    let offset = |time| model.offset_for_time(&partition(0), Timestamp::from_millis(time));
    assert_eq!([offset(5), offset(20), offset(31)], [Some(0), Some(1), Some(3)]);
}

#[test]
fn a_record_without_time_gets_the_models() {
    let model = model(1);
    model.set_now(Timestamp::from_millis(77));
    model.append(&partition(0), record("k", None)).unwrap();
    let records = model.records(&topic());
    assert_eq!(records[0].timestamp, Timestamp::from_millis(77));
    assert_eq!(records[0].time_from, TimeFrom::Clock);
}

#[test]
fn an_outbox_chooses_partitions_as_kafka_does() {
    let model = model(5);
    let mut outbox = ModelOutbox::new(&model);
    let id = outbox.topic(&topic());
    assert_eq!(outbox.topic(&topic()), id);
    assert_eq!(outbox.partitions(id), Ok(5));
    let mut send = |key: Option<&[u8]>, destination| {
        outbox.send(OutRecord {
            topic: id,
            destination,
            key,
            value: None,
            timestamp: None,
            headers: &Headers::new(),
            purpose: Purpose::Output { task: 3, sink: 1 },
            activity: Activity::Record { input: 0, offset: 5 },
        })
    };
    send(Some(b"foobar"), Destination::ByKey).unwrap();
    send(None, Destination::ByKey).unwrap();
    send(None, Destination::ByKey).unwrap();
    send(Some(b"foobar"), Destination::Partition(4)).unwrap();
    assert!(send(None, Destination::Partition(5)).is_err());
    let records = model.records(&topic());
    let partitions: Vec<i32> = records.iter().map(|record| record.partition).collect();
    assert_eq!(partitions, [partition_for_key(b"foobar", 5), 0, 1, 4]);
    let deliveries: Vec<_> = outbox.deliveries().collect();
    assert_eq!(deliveries.len(), 4);
    assert_eq!(deliveries[0].purpose, Purpose::Output { task: 3, sink: 1 });
    assert_eq!(deliveries[0].activity, Activity::Record { input: 0, offset: 5 });
    assert_eq!(outbox.deliveries().count(), 0, "each is told once");
}

#[test]
fn a_plane_reads_in_batches_and_knows_the_lag() {
    let model = model(1);
    (0..5).for_each(|time| at(&model, time));
    let mut plane = ModelPlane::new(&model);
    let input = plane.open(&partition(0), StartAt::Offset(1), ReadFor::Input);
    assert_eq!(plane.lag(input), Some(4));
    assert_eq!(offsets(&plane.fetch(input, 3)), [1, 2, 3]);
    assert_eq!(plane.lag(input), Some(1));
    assert_eq!(offsets(&plane.fetch(input, 3)), [4]);
    assert!(matches!(plane.fetch(input, 3), Fetched::Nothing));
    at(&model, 5);
    assert_eq!(offsets(&plane.fetch(input, 3)), [5]);
    plane.close(input);
    assert!(matches!(plane.fetch(input, 3), Fetched::Nothing));
}

#[test]
fn restoring_reports_each_end_once() {
    let model = model(1);
    let mut plane = ModelPlane::new(&model);
    let start = StartAt::Reset(OffsetReset::Earliest);
    let input = plane.open(&partition(0), start, ReadFor::Restore);
    assert!(matches!(plane.fetch(input, 10), Fetched::End(0)));
    assert!(matches!(plane.fetch(input, 10), Fetched::Nothing));
    at(&model, 0);
    assert_eq!(offsets(&plane.fetch(input, 10)), [0]);
    assert!(matches!(plane.fetch(input, 10), Fetched::End(1)));
}

#[test]
fn resets_begin_where_they_say() {
    let model = model(1);
    model.set_now(Timestamp::from_millis(100));
    [10, 60, 95].into_iter().for_each(|time| at(&model, time));
    model.delete_before(&partition(0), 1).unwrap();
    let mut plane = ModelPlane::new(&model);
    let mut lag = |start| {
        let input = plane.open(&partition(0), start, ReadFor::Input);
        plane.lag(input)
    };
    assert_eq!(lag(StartAt::Reset(OffsetReset::Earliest)), Some(2));
    assert_eq!(lag(StartAt::Reset(OffsetReset::Latest)), Some(0));
    let back = OffsetReset::By(Duration::from_millis(10));
    assert_eq!(lag(StartAt::Reset(back)), Some(1));
    let before = plane.open(&partition(0), StartAt::Offset(0), ReadFor::Input);
    let error = FetchError::OutOfRange { partition: partition(0), offset: 0 };
    assert!(matches!(plane.fetch(before, 1), Fetched::Failed(e) if e == error));
    let missing = TopicPartition::new("none", 0);
    let input = plane.open(&missing, StartAt::Offset(0), ReadFor::Input);
    assert!(matches!(plane.fetch(input, 1), Fetched::Failed(FetchError::Missing(_))));
}

#[test]
fn offsets_are_committed_for_groups() {
    let model = model(2);
    let committed =
        CommittedOffset { offset: 7, leader_epoch: None, metadata: "AgAAAAAAAAPo".to_owned() };
    let group = "group".into();
    model.commit_offsets(&group, [(partition(1), committed.clone())]).unwrap();
    assert_eq!(model.committed_offset(&group, &partition(1)), Some(committed.clone()));
    assert_eq!(model.committed_offset(&group, &partition(0)), None);
    assert_eq!(model.committed_offset(&"other".into(), &partition(1)), None);
    let missing = model.commit_offsets(&group, [(partition(2), committed)]);
    assert_eq!(missing, Err(ModelError::UnknownPartition(partition(2))));
    model.delete_topic(&topic()).unwrap();
    assert_eq!(model.committed_offset(&group, &partition(1)), None);
}
