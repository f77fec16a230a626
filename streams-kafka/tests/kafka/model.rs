//! The model of Kafka against Kafka: the same random requests go to the coordinators of both, and
//! every answer must be the same, but for the ids that each gives out.

mod script;
mod side;

use streams_test::KafkaModel;

use self::script::Script;
use self::side::{InModel, OnBroker};
use crate::support::Place;

/// Groups that are tried; more with `MILLSTREAM_SCRIPTS`.
const SCRIPTS: u64 = 25;
/// Requests to each group, if its leader stays known.
const REQUESTS: usize = 60;

#[test]
fn the_model_answers_as_a_broker_does() {
    let scripts = std::env::var("MILLSTREAM_SCRIPTS").map_or(SCRIPTS, |text| text.parse().unwrap());
    let first = std::env::var("MILLSTREAM_SEED").map_or(0, |text| text.parse().unwrap());
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
