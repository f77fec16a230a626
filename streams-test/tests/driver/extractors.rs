//! Where the time of a record comes from.

use std::sync::Arc;
use std::time::Duration;

use streams_core::config::DefaultTimestampExtractor;
use streams_core::metrics::DropReason;
use streams_core::processor::{Extraction, Source, TimestampExtractor};
use streams_core::time::Timestamp;
use streams_core::topology::{Topology, TopologyBuilder};
use streams_test::{DriverBuilder, TopologyTestDriver};

use crate::support;

fn copy(timestamps: TimestampExtractor<String, String>) -> Topology {
    let mut builder = TopologyBuilder::new();
    let source = Source { timestamps, ..support::source::<String, String>() };
    let source = builder.source("source", ["in"], source);
    builder.sink("sink", &[source], support::sink("out"));
    builder.build().unwrap()
}

/// Pipes records of these times and gives those that were written, or the error; and how many were
/// left out.
fn times(
    extractor: TimestampExtractor<String, String>,
    set_up: impl FnOnce(DriverBuilder) -> DriverBuilder,
    piped: &[i64],
) -> (Result<Vec<i64>, String>, u64) {
    let driver = TopologyTestDriver::builder(&copy(extractor));
    let driver = set_up(driver).build().unwrap();
    let mut input = driver.input::<String, String>("in");
    driver.advance_wall_clock(Duration::from_millis(500)).unwrap();
    let piped = piped
        .iter()
        .try_for_each(|time| input.pipe_at("k", time.to_string(), Timestamp::from_millis(*time)));
    let records = driver.output::<String, String>("out").read_records().unwrap();
    let written = records.iter().map(|record| record.timestamp.millis()).collect();
    let dropped = driver.dropped().of(DropReason::InvalidTimestamp);
    (piped.map(|()| written).map_err(|error| error.to_string()), dropped)
}

#[test]
fn each_extractor_treats_a_negative_time_in_its_own_way() {
    use TimestampExtractor::{By, PartitionTimeOnInvalid, SkipInvalid, WallClock};
    let piped = [7, -1, 9];
    let run = |extractor| times(extractor, |driver| driver, &piped);
    assert_eq!(run(SkipInvalid), (Ok(vec![7, 9]), 1));
    assert_eq!(run(PartitionTimeOnInvalid), (Ok(vec![7, 7, 9]), 0));
    assert_eq!(run(WallClock), (Ok(vec![500, 500, 500]), 0));
    let of_value = |it: &Extraction<'_, String, String>| {
        let time: i64 = it.value.parse().unwrap_or(-1);
        Timestamp::from_millis(if time == 9 { -1 } else { time + 100 })
    };
    assert_eq!(run(By(Arc::new(of_value))), (Ok(vec![107, 99]), 1));
}

#[test]
fn a_negative_time_fails_by_default() {
    for extractor in [TimestampExtractor::FailOnInvalid, TimestampExtractor::Configured] {
        let (result, dropped) = times(extractor, |driver| driver, &[7, -5, 9]);
        let error = result.unwrap_err();
        assert!(error.contains("found the timestamp -5 in topic \"in\" partition 0 offset 1"));
        assert_eq!(dropped, 0);
    }
    let first = times(TimestampExtractor::PartitionTimeOnInvalid, |driver| driver, &[-1]);
    assert!(first.0.is_err(), "the partition has no time yet");
}

#[test]
fn the_configured_extractor_serves_sources_without_their_own() {
    let configured = |default: DefaultTimestampExtractor| {
        let set_up = move |driver: DriverBuilder| driver.default_timestamps(default);
        let own = times(TimestampExtractor::SkipInvalid, set_up, &[7, -1, 9]);
        assert_eq!(own, (Ok(vec![7, 9]), 1), "its own goes before");
        times(TimestampExtractor::Configured, set_up, &[7, -1, 9])
    };
    assert_eq!(configured(DefaultTimestampExtractor::SkipInvalid), (Ok(vec![7, 9]), 1));
    let partition = configured(DefaultTimestampExtractor::PartitionTimeOnInvalid);
    assert_eq!(partition, (Ok(vec![7, 7, 9]), 0));
    assert_eq!(configured(DefaultTimestampExtractor::WallClock).0, Ok(vec![500; 3]));
    assert!(configured(DefaultTimestampExtractor::FailOnInvalid).0.is_err());
}
