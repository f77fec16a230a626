//! A running application, seen by Kafka's own `kafka-consumer-groups`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::support::app::SOON;
use crate::support::{App, Place, broker, fold, holds_within};

/// What `kafka-consumer-groups` runs.
const TOOL: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";

/// The rows that Kafka's tool prints about the group, by the titles of their columns.
fn described(place: &Place, more: &[&str]) -> Vec<BTreeMap<String, String>> {
    let mut tool = Command::new("docker");
    tool.args([
        "run",
        "--rm",
        "--network",
        "host",
        "--entrypoint",
        "java",
        broker::image().as_str(),
    ]);
    tool.args(["-Xmx256m", "-cp", "/opt/kafka/libs/*", TOOL, "--bootstrap-server"]);
    tool.args([place.cluster.servers(), "--describe", "--group", &place.application]).args(more);
    let output = tool.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text} {}", String::from_utf8_lossy(&output.stderr));
    println!("{text}");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let mut lines = text.lines().map(words).skip_while(|row| !row.iter().any(|w| w == "GROUP"));
    let titles = lines.next().unwrap_or_default();
    let rows = lines.filter(|row| row.first() == Some(&place.application));
    rows.map(|row| titles.iter().cloned().zip(row).collect()).collect()
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
