//! Workers that are added and removed while records flow.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use streams_kafka::{KafkaStreams, State, StreamThreadError};

use crate::support::app::SOON;
use crate::support::flow::{await_all_committed, compare, while_records_flow};
use crate::support::fold::{Difference, Numbering};
use crate::support::{Place, holds_within};

/// How many tasks each worker that has some had at its last commit.
fn loads(streams: &KafkaStreams) -> Vec<usize> {
    let mut loads: Vec<usize> =
        streams.metrics().workers.iter().map(|worker| worker.lags.len()).collect();
    loads.retain(|tasks| *tasks > 0);
    loads.sort_unstable();
    loads
}

/// The states that a listener was told of.
type Told = Arc<Mutex<Vec<State>>>;

fn start(place: &Place) -> (KafkaStreams, Told) {
    let told = Told::default();
    let (tell, config) = (Arc::clone(&told), place.config(&place.state("state")));
    let streams = KafkaStreams::builder(place.tally(), config.build().unwrap())
        .on_state_change(move |state, _| tell.lock().unwrap().push(state))
        .build();
    streams.start().unwrap();
    streams.wait_for(State::Running, SOON).unwrap();
    (streams, told)
}

/// As in Kafka, each change leads through a rebalance.
#[track_caller]
fn await_rebalance(told: &Told) {
    let rebalanced = || *told.lock().unwrap() == [State::Rebalancing, State::Running];
    holds_within("the state goes through REBALANCING to RUNNING", SOON, rebalanced);
    told.lock().unwrap().clear();
}

#[test]
fn workers_come_and_go_and_each_record_counts_once() {
    let place = Place::new("threads", 4);
    let mut numbering = Numbering::new(100, 4);
    let name = |number: usize| format!("{}-worker-{number}", place.application);
    let (streams, told) = start(&place);
    while_records_flow(&place, &mut numbering, 2000, || {
        holds_within("one worker has all tasks", SOON, || loads(&streams) == [4]);
        told.lock().unwrap().clear();
        assert_eq!(streams.add_stream_thread(), Ok(name(2)));
        await_rebalance(&told);
        holds_within("two workers share", SOON, || loads(&streams) == [2, 2]);
        assert_eq!(streams.add_stream_thread(), Ok(name(3)));
        await_rebalance(&told);
        holds_within("three workers share", SOON, || loads(&streams) == [1, 1, 2]);

        assert_eq!(streams.remove_stream_thread_within(SOON), Ok(name(1)), "the eldest");
        await_rebalance(&told);
        holds_within("two workers have all tasks", SOON, || loads(&streams) == [2, 2]);
        assert_eq!(streams.add_stream_thread(), Ok(name(1)), "the lowest free number");
        await_rebalance(&told);

        for number in [2, 3, 1] {
            assert_eq!(streams.remove_stream_thread(), Ok(name(number)));
        }
        assert_eq!(streams.remove_stream_thread(), Err(StreamThreadError::NoneLeft));
        let left = || place.cluster.members(&place.application) == 0;
        holds_within("a process without workers is no member", SOON, left);
        assert!(matches!(streams.state(), State::Running | State::Rebalancing));
        assert_eq!(streams.add_stream_thread(), Ok(name(1)));
        holds_within("the new worker has all tasks", SOON, || loads(&streams) == [4]);
    });
    await_all_committed(&place, SOON);
    streams.wait_for(State::Running, SOON).unwrap();
    streams.close(SOON).unwrap();
    let refused = StreamThreadError::NotAtWork(State::NotRunning);
    assert_eq!(streams.add_stream_thread(), Err(refused));
    assert_eq!(compare(&place, &numbering), Difference::default());
}

#[test]
fn two_processes_share_by_the_number_of_their_workers() {
    let place = Place::new("uneven", 6);
    let (first, _) = start(&place);
    let config = place.config(&place.state("second")).build().unwrap();
    let second = KafkaStreams::new(place.tally(), config);
    second.start().unwrap();
    let share = |streams: &KafkaStreams| loads(streams).iter().sum::<usize>();
    let mut numbering = Numbering::new(100, 6);
    while_records_flow(&place, &mut numbering, 1000, || {
        let even = || share(&first) == 3 && share(&second) == 3;
        holds_within("both have three tasks", SOON, even);
        first.add_stream_thread().unwrap();
        let uneven = || share(&first) == 4 && share(&second) == 2;
        holds_within("they share by workers", SOON, uneven);
        first.remove_stream_thread_within(Duration::from_secs(20)).unwrap();
        holds_within("both have three tasks again", SOON, even);
    });
    await_all_committed(&place, SOON);
    let restored: BTreeMap<_, _> =
        [("first", &first), ("second", &second)].map(|(n, s)| (n, s.metrics().restorations)).into();
    println!("{restored:?}");
    first.close(SOON).unwrap();
    second.close(SOON).unwrap();
    assert_eq!(compare(&place, &numbering), Difference::default());
}
