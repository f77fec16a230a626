//! Cases of the conformance tests on real Kafka: topics of three partitions, two instances, and one of
//! them stops and starts again while records flow. What they lead to must be what Kafka Streams' own
//! driver gives.
//!
//! Partitions and instances have no order among each other, so only cases with one outcome, whatever
//! the order, can be held against the reference: those whose outcome does not change when a task per
//! partition takes the input in several orders.

#![expect(clippy::disallowed_methods, reason = "tests on real Kafka live by the real clock")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod case;
mod outcome;
mod run;
#[path = "../../streams-kafka/tests/kafka/support/mod.rs"]
#[expect(dead_code, reason = "the rest of it belongs to the tests of streams-kafka")]
mod support;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread;

use self::case::{Case, Lines};
use crate::support::broker::{Broker, Secured};
use crate::support::cluster::Cluster;
use crate::support::flow::{Dice, setting};

/// What a reader of the output needs: how many cases there are, and where they begin.
const COUNT: u64 = 24;
const SEED: u64 = 1;
/// Cases that run at the same time.
const AT_ONCE: usize = 10;

/// Gives cases with one outcome, in an order that the seed decides.
struct Deck {
    left: Vec<Lines>,
    dice: Dice,
    wanted: usize,
    left_out: usize,
}

impl Deck {
    fn new(seed: u64, wanted: usize) -> Self {
        let mut left = case::cases();
        if let Ok(only) = std::env::var("MILLSTREAM_CASE") {
            left.retain(|(case, _)| case.contains(&format!("\"name\": \"{only}\"")));
        }
        Self { left, dice: Dice::new(seed), wanted, left_out: 0 }
    }

    fn next(deck: &Mutex<Self>) -> Option<Case> {
        loop {
            let (case, orders) = {
                let mut deck = deck.lock().unwrap();
                if deck.wanted == 0 || deck.left.is_empty() {
                    return None;
                }
                deck.wanted -= 1;
                let at = usize::try_from(deck.dice.next()).unwrap() % deck.left.len();
                (deck.left.swap_remove(at), deck.dice.next())
            };
            match Case::with_one_outcome(&case, &mut Dice::new(orders)) {
                Some(case) => return Some(case),
                None => {
                    let mut deck = deck.lock().unwrap();
                    deck.wanted += 1;
                    deck.left_out += 1;
                }
            }
        }
    }
}

/// The broker keeps records that are older than any retention: those of the cases are of 1970.
fn broker() -> (Option<Broker>, Cluster) {
    match std::env::var("KAFKA_BOOTSTRAP_SERVERS") {
        Ok(servers) if !servers.is_empty() => (None, Cluster::at(&servers)),
        _ => {
            let never = ("LOG_RETENTION_CHECK_INTERVAL_MS", i64::MAX.to_string());
            let settings = [never, ("LOG_CLEANER_ENABLE", "false".to_owned())];
            let settings = settings.map(|(name, value)| (name.to_owned(), value)).into();
            let broker = Broker::start_secured(Secured { settings, ..Secured::default() });
            let cluster = broker.cluster();
            (Some(broker), cluster)
        }
    }
}

#[test]
fn cases_end_with_the_results_of_the_reference() {
    let (seed, count) = (setting("MILLSTREAM_SEED", SEED), setting("MILLSTREAM_CASES", COUNT));
    let wanted = usize::try_from(count).unwrap();
    let (_broker, cluster) = broker();
    let deck = Mutex::new(Deck::new(seed, wanted));
    let (done, failed) = (Mutex::new(0), Mutex::new(VecDeque::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = Deck::next(&deck) {
                    let run = AssertUnwindSafe(|| run::differences(&case, &cluster));
                    let failed_to_run = |_| vec!["it failed, as was said above".to_owned()];
                    match catch_unwind(run).unwrap_or_else(failed_to_run) {
                        differences if differences.is_empty() => *done.lock().unwrap() += 1,
                        differences => failed.lock().unwrap().push_back((case, differences)),
                    }
                }
            });
        }
    });
    let (done, failed) = (done.into_inner().unwrap(), failed.into_inner().unwrap());
    let left_out = deck.into_inner().unwrap().left_out;
    println!(
        "cases on three partitions: {done} agree, {} differ (seed {seed}; {left_out} were left out, their outcome depends on the order)",
        failed.len()
    );
    for (case, differences) in &failed {
        println!("{}:\n{}", case.name(), differences.join("\n"));
    }
    assert_eq!(
        (done, failed.len()),
        (wanted, 0),
        "MILLSTREAM_SEED={seed} MILLSTREAM_CASES={count}"
    );
}
