//! A network that is slow, breaks connections, or carries bytes one way only.

use std::time::{Duration, Instant};

use crate::support::app::SOON;
use crate::support::broker::{Broker, Listener, Secured, free_port};
use crate::support::fleet::{SESSION, SHORT_SESSION};
use crate::support::flow::{self, Dice, await_all_committed, while_records_flow};
use crate::support::fold::Numbering;
use crate::support::proxy::{Proxy, Way};
use crate::support::wait::let_live;
use crate::support::{App, Place, holds_within};

const PARTITIONS: i32 = 4;
const KEYS: usize = 80;
const DELAY: Duration = Duration::from_millis(500);
/// How long nothing comes one way, in the long form; in the short form until another has taken over.
const CUT: Duration = Duration::from_secs(30);
/// Broken connections: for so long, and so often.
const RESETS: Duration = Duration::from_secs(5);
const RESET_EVERY: Duration = Duration::from_millis(100);

/// Two applications on one broker, the first of which reaches it through a proxy.
struct World {
    _broker: Broker,
    place: Place,
    proxy: Proxy,
    behind: App,
    beside: App,
}

impl World {
    fn new() -> Self {
        let (outside, inside) = (free_port(), 9097);
        let proxy = Proxy::to(outside);
        let listener = Listener::new(("PROXIED", "PLAINTEXT"), inside, outside);
        let listeners = vec![listener.behind(proxy.port())];
        let broker = Broker::start_secured(Secured { listeners, ..Secured::default() });
        let place = Place::on(broker.cluster(), "networks", PARTITIONS);
        let start = |state: &str, servers: &str| {
            let config = place.config(&place.state(state)).bootstrap_servers(servers);
            let config =
                SHORT_SESSION.iter().fold(config, |config, (key, value)| config.set(*key, *value));
            let app = App::start(place.tally(), config);
            app.await_running();
            app
        };
        let behind = start("behind", &format!("127.0.0.1:{}", proxy.port()));
        let beside = start("beside", place.cluster.servers());
        Self { _broker: broker, place, proxy, behind, beside }
    }

    fn tasks(app: &App) -> usize {
        app.streams.metrics().workers.iter().map(|worker| worker.lags.len()).sum()
    }

    /// Waits until both have half of the tasks, and commit.
    fn await_shared(&self, when: &str) -> Duration {
        let half = PARTITIONS.unsigned_abs() as usize / 2;
        let both = [&self.behind, &self.beside];
        let shared = holds_within(when, SOON, || both.iter().all(|app| Self::tasks(app) == half));
        let commits = || both.map(|app| app.streams.metrics().commit_total());
        let before = commits();
        holds_within(when, SOON, || commits().iter().zip(before).all(|(now, then)| *now > then));
        shared
    }

    /// Waits until the other has all tasks.
    fn await_taken_over(&self) {
        let all = PARTITIONS.unsigned_abs() as usize;
        let taken = || Self::tasks(&self.beside) == all;
        holds_within("the other takes over", SESSION + SOON, taken);
    }
}

#[test]
fn a_network_that_fails_one_way_delays_and_breaks_connections_loses_nothing() {
    let (rounds, mut dice) = (flow::rounds(1), flow::dice());
    let world = World::new();
    let mut numbering = Numbering::new(KEYS, PARTITIONS);
    let mut back = Vec::new();
    while_records_flow(&world.place, &mut numbering, 1000, || {
        world.await_shared("both run");
        for _ in 0..rounds {
            world.proxy.delay(DELAY);
            let_live(DELAY * 10);
            world.await_shared("both run, slowly");
            world.proxy.mend();
            back.push(world.await_shared("both run without delay"));
            for way in [Way::ToBroker, Way::FromBroker] {
                let since = Instant::now();
                world.proxy.cut(way);
                world.await_taken_over();
                let_live(flow::bar(CUT, Duration::ZERO).saturating_sub(since.elapsed()));
                world.proxy.mend();
                back.push(world.await_shared("both run, in touch again"));
            }
            break_connections(&world.proxy, &mut dice);
            back.push(world.await_shared("both run after all"));
        }
    });
    await_all_committed(&world.place, SOON);
    let World { behind, beside, place, .. } = &world;
    for app in [behind, beside] {
        assert!(app.streams.error().is_none(), "{:?}", app.streams.error());
        app.streams.close(SOON).unwrap();
    }
    let found = flow::compare(place, &numbering);
    println!("{} records, {rounds} rounds: {found:?}; shared {back:?} later", numbering.given());
    assert_eq!((found.lost, found.disordered, found.low), (0, 0, 0), "{found:?}");
    assert_eq!((found.foreign, found.split), (0, 0), "{found:?}");
}

/// One in eight, again and again.
fn break_connections(proxy: &Proxy, dice: &mut Dice) {
    for _ in 0..RESETS.as_millis() / RESET_EVERY.as_millis() {
        proxy.reset(|_| dice.one_in(8));
        let_live(RESET_EVERY);
    }
}
