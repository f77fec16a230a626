//! The driver with one task for each sub-topology and partition, committing when told.

use streams_core::murmur2::partition_for_key;
use streams_core::names::TopicPartition;
use streams_core::time::Timestamp;
use streams_state::KeyValueStore;
use streams_test::{CommitWhen, KafkaModel, Layout, TestError, TopologyTestDriver};

type Counts = KeyValueStore<String, i64>;

const FOUR: Layout = Layout::TaskPerPartition { partitions: 4 };

fn counts(driver: &TopologyTestDriver, key: &str, partition: i32) -> Option<i64> {
    let counts: Counts = driver.store_at("counts", partition).unwrap();
    counts.get(&key.to_owned()).unwrap()
}

#[test]
fn records_are_routed_by_partition() {
    let topology = crate::support::count_by_value();
    let driver = TopologyTestDriver::builder(&topology).layout(FOUR).topic("in", 2).build();
    let driver = driver.unwrap();
    let mut input = driver.input::<String, String>("in");
    for at in 0..40 {
        input.pipe(format!("key-{at}"), ["x", "y", "z"][at % 3]).unwrap();
    }
    for (value, count) in [("x", 14), ("y", 13), ("z", 13)] {
        // The repartition topic has as many partitions as `in`.
        let owner = partition_for_key(value.as_bytes(), 2);
        assert_eq!(counts(&driver, value, owner), Some(count), "{value}");
        assert_eq!(counts(&driver, value, 1 - owner), None, "{value}");
    }
    let kafka = driver.kafka();
    assert_eq!(kafka.partitions(&"topology-test-driver-by-value-repartition".into()), Some(2));
    assert_eq!(kafka.partitions(&"topology-test-driver-counts-changelog".into()), Some(2));
    assert_eq!(kafka.partitions(&"out".into()), Some(4));
}

#[test]
fn records_without_a_key_go_round() {
    let topology = crate::support::copy::<Option<String>, String>();
    let driver = TopologyTestDriver::builder(&topology).layout(FOUR).build().unwrap();
    let mut input = driver.input::<Option<String>, String>("in");
    input.pipe_values(["a", "b", "c", "d", "e"]).unwrap();
    let partitions: Vec<i32> =
        driver.kafka().records(&"in".into()).iter().map(|record| record.partition).collect();
    assert_eq!(partitions, [0, 1, 2, 3, 0]);
}

#[test]
fn nothing_is_committed_until_told_and_a_restart_goes_back() {
    let topology = crate::support::count();
    let driver = TopologyTestDriver::builder(&topology).commit_when(CommitWhen::WhenTold);
    let driver = driver.build().unwrap();
    let mut input = driver.input::<String, String>("in");
    let (group, partition) = ("topology-test-driver".into(), TopicPartition::new("in", 0));
    input.pipe_all([("a", "x"), ("a", "x")]).unwrap();
    assert_eq!(driver.kafka().committed_offset(&group, &partition), None);
    driver.commit().unwrap();
    let committed = driver.kafka().committed_offset(&group, &partition).unwrap();
    assert_eq!(committed.offset, 2);
    input.pipe("a", "x").unwrap();
    assert_eq!(counts(&driver, "a", 0), Some(3));
    driver.restart().unwrap();
    assert_eq!(counts(&driver, "a", 0), Some(3), "back to 2, and the third record again");
    let sent = driver.output::<String, i64>("out").read_values().unwrap();
    assert_eq!(sent, [1, 2, 3, 3], "at least once");
}

#[test]
fn a_failed_record_leaves_no_trace_in_the_store() {
    let topology = crate::support::count();
    let driver = TopologyTestDriver::builder(&topology).commit_when(CommitWhen::WhenTold);
    let driver = driver.build().unwrap();
    let mut input = driver.input::<String, String>("in");
    input.pipe("a", "x").unwrap();
    driver.commit().unwrap();
    input.pipe("a", "x").unwrap();
    input.pipe("a", "bad").unwrap_err();
    assert!(matches!(driver.restart(), Err(TestError::Task(_))), "the bad record is still there");
    let changes = driver.output::<String, i64>("topology-test-driver-counts-changelog");
    assert_eq!(changes.len(), 3, "the second record twice");
}

#[test]
fn a_second_run_takes_up_where_the_first_one_ended() {
    let topology = crate::support::count_by_value();
    let kafka = KafkaModel::new();
    kafka.create_topic("in", 2, Default::default()).unwrap();
    kafka.create_topic("out", 1, Default::default()).unwrap();
    let run = || {
        let driver = TopologyTestDriver::builder(&topology).kafka(kafka.clone()).layout(FOUR);
        driver.build().unwrap()
    };
    let owner = partition_for_key(b"x", 2);
    {
        let driver = run();
        let mut input = driver.input::<String, String>("in");
        input.pipe_all([("1", "x"), ("2", "x"), ("3", "y")]).unwrap();
    }
    let driver = run();
    assert_eq!(counts(&driver, "x", owner), Some(2), "restored from the changelog");
    let mut output = driver.output::<String, i64>("out");
    assert!(output.is_empty(), "nothing is processed again");
    driver.input::<String, String>("in").pipe("4", "x").unwrap();
    assert_eq!(output.read_values().unwrap(), [3]);
}

#[test]
fn stream_time_survives_a_restart() {
    let topology = crate::support::clock(streams_core::processor::PunctuationType::StreamTime);
    let kafka = KafkaModel::new();
    let builder = || TopologyTestDriver::builder(&topology).kafka(kafka.clone());
    kafka.create_topic("out", 1, Default::default()).unwrap();
    let at = Timestamp::from_millis;
    let driver = builder().build().unwrap();
    driver.input::<String, String>("in").pipe_at("a", "x", at(100)).unwrap();
    drop(driver);
    let driver = builder().build().unwrap();
    driver.input::<String, String>("in").pipe_at("a", "x", at(50)).unwrap();
    let ticks = driver.output::<String, i64>("out").read_values().unwrap();
    assert_eq!(ticks, [100], "the time that was committed, not that of the record");
}
