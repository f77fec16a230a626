//! The long form of the kill test, which `scripts/soak` runs; `cargo test` leaves it out.

#![expect(clippy::disallowed_methods, reason = "tests on real Kafka live by the real clock")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "figures are part of the result")]

#[path = "kafka/crashes.rs"]
mod crashes;
#[path = "kafka/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the rest of it belongs to the other tests")]
mod support;

use std::time::{Duration, Instant};

use crate::crashes::{End, Lives};
use crate::support::broker::Broker;
use crate::support::flow::{Dice, await_all_committed, compare, setting, while_records_flow};
use crate::support::fold::Numbering;
use crate::support::{Place, child};

const RECORDS_A_SECOND: usize = 3000;
/// All input must be committed so soon after the last disturbance.
const DRAIN_MAX: Duration = Duration::from_secs(120);

#[test]
fn soak() {
    let seconds = setting("MILLSTREAM_SOAK_SECONDS", 120);
    let kills = setting("MILLSTREAM_SOAK_KILLS", seconds / 2).max(1);
    let seed = setting("MILLSTREAM_SOAK_SEED", 1);
    println!("soak: {seconds} s, about {kills} kills, seed {seed}");
    let broker = Broker::start();
    let place = Place::on(broker.cluster(), "soak", 4);
    let (mut numbering, mut lives, mut dice) =
        (Numbering::new(1000, 4), Lives::default(), Dice::new(seed));
    let (state, mut restarts) = (place.state("state"), 0);
    let mean = Duration::from_secs(seconds) / u32::try_from(kills).unwrap();
    let began = Instant::now();
    while_records_flow(&place, &mut numbering, RECORDS_A_SECOND, || {
        while began.elapsed() < Duration::from_secs(seconds) && lives.kills < kills as usize {
            let end = if dice.one_in(8) { End::Close } else { End::Kill };
            let after = dice.between(Duration::ZERO, mean);
            let process = child::start(&place, &state, &[]);
            if dice.one_in(16) {
                process.await_running();
                broker.kill();
                broker.start_again();
                restarts += 1;
            }
            lives.live(process, end, after);
        }
    });
    let last = child::start(&place, &state, &[]);
    await_all_committed(&place, DRAIN_MAX);
    lives.live(last, End::Close, Duration::ZERO);
    let found = compare(&place, &numbering);
    println!("records           {}", numbering.given());
    println!("kills             {}", lives.kills);
    println!("clean stops       {}", lives.closes);
    println!("broker kills      {restarts}");
    println!("lost              {}", found.lost);
    println!("doubled           {}", found.doubled);
    println!("out of order      {}", found.disordered);
    println!("counts too low    {}", found.low);
    println!("counts above      {}", found.high);
    println!("replayed offsets  {} of {}", lives.replayed, lives.whole);
    println!("longest pause     {:?}", lives.pause_max);
    println!("longest start     {:?}", lives.to_running_max);
    assert_eq!((found.lost, found.disordered, found.low), (0, 0, 0), "{found:?}");
    assert_eq!((found.foreign, found.split), (0, 0), "{found:?}");
}
