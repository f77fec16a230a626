//! What is understood, and not to be had in this release.

use std::collections::BTreeSet;
use std::time::Duration;

use expect_test::expect;

use super::config;
use crate::config::ClientRole;

#[test]
fn exactly_once_is_understood_and_not_available() {
    let config = config("processing.guarantee=exactly_once_v2");
    assert_eq!(config.processing().commit_interval, Duration::from_millis(100));
    let isolation = |role| config.client(role).value("isolation.level").map(str::to_owned);
    assert_eq!(isolation(ClientRole::MainConsumer).as_deref(), Some("read_committed"));
    assert_eq!(config.client(ClientRole::Producer).value("message.timeout.ms"), None);
    expect!["configuration: 'processing.guarantee' (app.properties:1) is 'exactly_once_v2', which is not available yet; set it to at_least_once"]
        .assert_eq(&config.check_available(None).unwrap_err().to_string());
}

#[test]
fn all_that_is_not_available_is_told_at_once() {
    let config = config(
        "processing.guarantee=exactly_once_v2\nerrors.dead.letter.queue.topic.name=dead\nupgrade.from=3.9\ntopology.optimization=single.store.self.join",
    );
    expect![[r#"
        configuration has 4 faults
          'processing.guarantee' (app.properties:1) is 'exactly_once_v2', which is not available yet; set it to at_least_once
          'errors.dead.letter.queue.topic.name' (app.properties:2) is 'dead', which is not available yet; remove it
          'upgrade.from' (app.properties:3) is '3.9', which is not available yet; stop all members, start them in this version, and remove it
          'topology.optimization' (app.properties:4) is 'single.store.self.join', but the topology was built with 'none'; give the configuration's optimizations to 'build_with', or remove the key"#]]
    .assert_eq(&config.check_available(Some(&BTreeSet::new())).unwrap_err().to_string());
}

#[test]
fn what_is_as_it_is_anyway_is_available() {
    let same = "default.dsl.store=rocksDB\nensure.explicit.internal.resource.naming=false";
    assert!(config(same).check_available(None).is_ok());
}

#[test]
fn a_topology_is_built_with_the_optimizations_that_are_configured() {
    let all = config("topology.optimization=all");
    let built_with = all.topology().optimizations.clone();
    assert!(all.check_available(Some(&built_with)).is_ok());
    assert!(all.check_available(None).is_ok(), "the Processor API has none");
    assert!(all.check_available(Some(&BTreeSet::new())).is_err());
    assert!(config("").check_available(Some(&built_with)).is_ok(), "the key is not set");
}
