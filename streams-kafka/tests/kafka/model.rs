//! The model of Kafka against Kafka: the same random requests go to the coordinators of both, and
//! every answer must be the same, but for the ids that each gives out.

mod script;
mod side;

use std::thread;

use streams_test::KafkaModel;

use self::script::Script;
use self::side::{InModel, OnBroker};
use crate::support::Place;
use crate::support::flow::setting;

/// Groups that are tried; more with `MILLSTREAM_SCRIPTS`.
const SCRIPTS: u64 = 25;
/// Requests to each group, if its leader stays known.
const REQUESTS: usize = 60;

/// Rounds of requests, with time between them, and groups of which that is done at the same time.
const ROUNDS: u32 = 6;
const AT_ONCE: usize = 16;

/// How many groups are tried, and the first one.
fn scripts() -> (u64, u64) {
    (setting("MILLSTREAM_SCRIPTS", SCRIPTS), setting("MILLSTREAM_SEED", 0))
}

#[test]
fn the_model_answers_as_a_broker_does() {
    let (scripts, first) = scripts();
    let place = Place::new("model", 2);
    let kafka = KafkaModel::new();
    kafka.create_topic(place.input.as_str(), 2, Default::default()).unwrap();
    let mut compared = 0;
    for seed in first..first + scripts {
        let group = format!("{}-{seed}", place.application);
        let broker = OnBroker::coordinator(place.cluster.servers(), &group);
        let model = InModel::new(&kafka);
        compared += Script::new(seed, &group, &place.input, (broker, model)).run(REQUESTS);
    }
    println!("{compared} answers compared");
    assert!(compared > scripts as usize * REQUESTS / 4, "{compared} answers only");
}

/// A broker's time is real, so groups are tried side by side.
#[test]
fn the_model_ends_sessions_and_rebalances_as_a_broker_does() {
    let (scripts, first) = scripts();
    let place = Place::new("rounds", 2);
    let (servers, application, topic) = (place.cluster.servers(), &place.application, &place.input);
    let run = |seed: u64| {
        let kafka = KafkaModel::new();
        kafka.create_topic(topic.as_str(), 2, Default::default()).unwrap();
        let group = format!("{application}-{seed}");
        let sides = (OnBroker::coordinator(servers, &group), InModel::new(&kafka));
        Script::new(seed, &group, topic, sides).run_in_rounds(ROUNDS)
    };
    let seeds: Vec<u64> = (first..first + scripts.div_ceil(3)).collect();
    let mut found: Vec<(usize, usize)> = Vec::new();
    for seeds in seeds.chunks(AT_ONCE) {
        thread::scope(|scope| {
            let run = &run;
            let groups: Vec<_> = seeds.iter().map(|seed| scope.spawn(move || run(*seed))).collect();
            found.extend(groups.into_iter().map(|group| group.join().unwrap()));
        });
    }
    let compared: usize = found.iter().map(|(compared, _)| compared).sum();
    let ended: usize = found.iter().map(|(_, ended)| ended).sum();
    println!("{compared} answers compared in rounds, {ended} of them because time had passed");
    assert!(compared > seeds.len() * ROUNDS as usize, "{compared} answers only");
    assert!(ended * 4 > seeds.len(), "{ended} ends only");
}
