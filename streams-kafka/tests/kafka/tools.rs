//! A running application, seen by Kafka's own `kafka-consumer-groups`.

use std::collections::{BTreeMap, BTreeSet};

use streams_kafka::KafkaStreams;

use crate::support::app::SOON;
use crate::support::flow::await_drained;
use crate::support::shape::Shape;
use crate::support::tool::{Row, printed};
use crate::support::wait::eventually;
use crate::support::watch::Watch;
use crate::support::{App, Place, fold, holds_within};

/// What `kafka-consumer-groups` runs.
const TOOL: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";

/// The rows that Kafka's tool prints about the group.
fn described(place: &Place, more: &[&str]) -> Vec<Row> {
    let words = [&["--describe", "--group", &*place.application][..], more].concat();
    let mut rows = printed(&place.cluster, TOOL, &words, "GROUP");
    rows.retain(|row| row.get("GROUP") == Some(&place.application));
    rows
}

#[test]
fn kafka_consumer_groups_shows_members_assignments_and_lag() {
    let place = Place::new("tools", 4);
    place.cluster.write(&place.input, &fold::numbered(8, 400, 4));
    let apps = ["one", "other"].map(|state| place.start_in(state, place.tally()));
    let owned = |app: &App| app.streams.metrics().workers.iter().map(|w| w.lags.len()).sum();
    holds_within("the tasks are shared", SOON, || {
        apps.iter().map(owned).all(|tasks: usize| tasks == 2)
    });
    crate::support::flow::await_all_committed(&place, SOON);

    let rows = described(&place, &[]);
    let cells = |title: &str| -> Vec<&str> { rows.iter().map(|row| &*row[title]).collect() };
    let partitions: BTreeSet<&str> = cells("PARTITION").into_iter().collect();
    assert_eq!(partitions, BTreeSet::from(["0", "1", "2", "3"]));
    assert_eq!(cells("TOPIC"), [&*place.input; 4]);
    assert_eq!(cells("CURRENT-OFFSET"), ["100"; 4]);
    assert_eq!(cells("LOG-END-OFFSET"), ["100"; 4]);
    assert_eq!(cells("LAG"), ["0"; 4]);
    let owners = cells("CONSUMER-ID");
    assert!(owners.iter().all(|owner| *owner != "-"), "{owners:?}");
    assert_eq!(owners.iter().collect::<BTreeSet<_>>().len(), 2, "{owners:?}");

    let members = described(&place, &["--members", "--verbose"]);
    assert_eq!(members.len(), 2);
    for member in &members {
        assert_eq!(member["#PARTITIONS"], "2");
        assert!(owners.contains(&&*member["CONSUMER-ID"]), "{member:?}");
        assert!(member.values().any(|cell| cell.contains(&place.input)), "{member:?}");
    }
    let state = described(&place, &["--state"]);
    assert_eq!(state.len(), 1);
    assert!(state[0].values().any(|cell| cell == "Stable"), "{state:?}");
    apps.into_iter().for_each(App::close);
}

/// Three processes of three sub-topologies.
const NAMES: [&str; 3] = ["one", "two", "three"];

fn chain(place: &Place, name: &str) -> KafkaStreams {
    let topology = Shape::Chain.topology(&place.input, &place.output, &Watch::default());
    KafkaStreams::new(topology, place.config(&place.state(name)).build().unwrap())
}

/// A column, of those rows whose topic is wanted.
fn column(rows: &[Row], title: &str, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    rows.iter().filter(|row| wanted(&row["TOPIC"])).map(|row| row[title].clone()).collect()
}

#[test]
fn kafka_consumer_groups_shows_the_lag_of_an_application_that_is_closed_and_of_one_that_pauses() {
    let place = Place::new("lagging", 4);
    let records = fold::numbered(80, 400, 4);
    place.cluster.write(&place.input, &records);
    let first = NAMES.map(|name| chain(&place, name));
    first.iter().for_each(|streams| streams.start().unwrap());
    await_drained(&place, Shape::Chain, SOON);
    first.iter().for_each(|streams| streams.close(SOON).unwrap());
    place.cluster.write(&place.input, &records[..40]);

    let is_input = |topic: &str| topic == place.input;
    let check_lags = |rows: &[Row]| {
        assert_eq!(rows.len(), 12, "three sub-topologies of four partitions");
        assert_eq!(column(rows, "LAG", is_input), ["10"; 4]);
        assert_eq!(column(rows, "CURRENT-OFFSET", is_input), ["100"; 4]);
        assert_eq!(column(rows, "LAG", |topic| !is_input(topic)), ["0"; 8]);
    };
    let rows = described(&place, &[]);
    check_lags(&rows);
    assert_eq!(column(&rows, "CONSUMER-ID", |_| true), ["-"; 12]);

    let paused = NAMES.map(|name| chain(&place, name));
    paused.iter().for_each(KafkaStreams::pause);
    paused.iter().for_each(|streams| streams.start().unwrap());
    let owners = eventually("each has four tasks", SOON * 2, || {
        let rows = described(&place, &[]);
        check_lags(&rows);
        let mut owners = BTreeMap::<String, usize>::new();
        for owner in column(&rows, "CONSUMER-ID", |_| true) {
            *owners.entry(owner).or_default() += 1;
        }
        (!owners.contains_key("-") && owners.values().eq(&[4; 3])).then_some(owners)
    });
    let members = described(&place, &["--members"]);
    let members: BTreeSet<&str> = members.iter().map(|row| &*row["CONSUMER-ID"]).collect();
    assert_eq!(members, owners.keys().map(String::as_str).collect());
    paused.iter().for_each(KafkaStreams::resume);
    await_drained(&place, Shape::Chain, SOON);
    let rows = described(&place, &[]);
    assert_eq!(column(&rows, "LAG", |_| true), ["0"; 12]);
    paused.iter().for_each(|streams| streams.close(SOON).unwrap());
}
