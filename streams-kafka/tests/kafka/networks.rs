//! A network that is slow, breaks connections, or carries bytes one way only.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use streams_core::names::TaskId;

use crate::support::app::SOON;
use crate::support::broker::{Broker, Listener, Secured, free_port};
use crate::support::commits::{committed_by, steps_back};
use crate::support::fleet::{SESSION, SHORT_SESSION};
use crate::support::flow::{self, Dice, await_all_committed, await_passed, while_records_flow};
use crate::support::fold::Numbering;
use crate::support::owners::{Life, Owners, Pause};
use crate::support::proxy::{Proxy, Way};
use crate::support::shape::Shape;
use crate::support::wait::let_live;
use crate::support::watch::{TaskEvent, Watch, clock};
use crate::support::{App, Place, holds_within};

const PARTITIONS: i32 = 4;
const KEYS: usize = 80;
const DELAY: Duration = Duration::from_millis(500);
/// How long nothing comes one way, in the long form; in the short form until another has taken over.
const CUT: Duration = Duration::from_secs(30);
/// Broken connections: for so long, and so often.
const RESETS: Duration = Duration::from_secs(5);
const RESET_EVERY: Duration = Duration::from_millis(100);

/// An application, and what its tasks went through.
struct Side {
    app: App,
    events: Arc<Mutex<Vec<(TaskId, TaskEvent)>>>,
}

impl Side {
    fn start(place: &Place, state: &str, servers: &str) -> Self {
        let events = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&events);
        let watch = Watch(Some(Arc::new(move |task: TaskId, event: TaskEvent| {
            told.lock().unwrap().push((task, event));
        })));
        let topology = Shape::Tally.topology(&place.input, &place.output, &watch);
        let config = place.config_with(&place.state(state), &SHORT_SESSION);
        let app = App::start(topology, config.bootstrap_servers(servers));
        app.await_running();
        Self { app, events }
    }

    fn tasks(&self) -> usize {
        self.app.streams.metrics().workers.iter().map(|worker| worker.lags.len()).sum()
    }

    fn commits(&self) -> u64 {
        self.app.streams.metrics().commit_total()
    }

    /// Its life, in which it was out of touch at these times.
    fn life(&self, slot: usize, away: &[Pause]) -> Life {
        let events = self.events.lock().unwrap().clone();
        Life { slot, events, ended: None, pauses: away.to_vec() }
    }
}

/// Two applications on one broker, the first of which reaches it through a proxy.
struct World {
    _broker: Broker,
    place: Place,
    proxy: Proxy,
    behind: Side,
    beside: Side,
}

impl World {
    fn new() -> Self {
        let (outside, inside) = (free_port(), 9097);
        let proxy = Proxy::to(outside);
        let listener = Listener::new(("PROXIED", "PLAINTEXT"), inside, outside);
        let listeners = vec![listener.behind(proxy.port())];
        let broker = Broker::start_secured(Secured { listeners, ..Secured::default() });
        let place = Place::on(broker.cluster(), "networks", PARTITIONS);
        let behind = Side::start(&place, "behind", &format!("127.0.0.1:{}", proxy.port()));
        let beside = Side::start(&place, "beside", place.cluster.servers());
        Self { _broker: broker, place, proxy, behind, beside }
    }

    /// Waits until both have half of the tasks, and commit.
    fn await_shared(&self, when: &str) -> Duration {
        let half = PARTITIONS.unsigned_abs() as usize / 2;
        let both = [&self.behind, &self.beside];
        let shared = holds_within(when, SOON, || both.iter().all(|side| side.tasks() == half));
        let commits = || both.map(Side::commits);
        let before = commits();
        holds_within(when, SOON, || commits().iter().zip(before).all(|(now, then)| *now > then));
        shared
    }

    /// Nothing comes this way until the other has all tasks and has committed beyond where the one was.
    /// When it was out of touch.
    fn cut(&self, way: Way) -> Pause {
        let from = clock();
        self.proxy.cut(way);
        let all = PARTITIONS.unsigned_abs() as usize;
        let taken = || self.beside.tasks() == all;
        holds_within("the other takes over", SESSION + SOON, taken);
        await_passed(&self.place, &self.place.cluster.ends(&self.place.input));
        let_live(flow::bar(CUT, Duration::ZERO).saturating_sub(clock().saturating_sub(from)));
        self.proxy.mend();
        Pause { from, to: Some(clock()) }
    }

    /// Ends one connection in eight, again and again. Who is put out meanwhile may not hear of it.
    fn break_connections(&self, dice: &mut Dice) -> Pause {
        let from = clock();
        for _ in 0..RESETS.as_millis() / RESET_EVERY.as_millis() {
            self.proxy.reset(|_| dice.one_in(8));
            let_live(RESET_EVERY);
        }
        Pause { from, to: Some(clock()) }
    }
}

#[test]
fn a_network_that_fails_one_way_delays_and_breaks_connections_loses_nothing() {
    let (rounds, mut dice) = (flow::rounds(1), flow::dice());
    let world = World::new();
    let mut numbering = Numbering::new(KEYS, PARTITIONS);
    let (mut back, mut away) = (Vec::new(), Vec::new());
    while_records_flow(&world.place, &mut numbering, 1000, || {
        world.await_shared("both run");
        for _ in 0..rounds {
            world.proxy.delay(DELAY);
            let_live(DELAY * 10);
            world.await_shared("both run, slowly");
            world.proxy.mend();
            back.push(world.await_shared("both run without delay"));
            for way in [Way::ToBroker, Way::FromBroker] {
                away.push(world.cut(way));
                back.push(world.await_shared("both run, in touch again"));
            }
            away.push(world.break_connections(&mut dice));
            back.push(world.await_shared("both run after all"));
        }
    });
    await_all_committed(&world.place, SOON);
    let World { behind, beside, place, .. } = &world;
    for Side { app, .. } in [behind, beside] {
        assert!(app.streams.error().is_none(), "{:?}", app.streams.error());
        app.streams.close(SOON).unwrap();
    }
    let owners = Owners::of(&[behind.life(0, &away), beside.life(1, &[])], clock());
    let (all, stale) = steps_back(&committed_by(&place.cluster, &place.application));
    let found = flow::compare(place, &numbering);
    println!(
        "{} records, {rounds} rounds: {found:?}; shared {back:?} later; {stale} of {all} commits went \
         back; longest pause of a task {:?}",
        numbering.given(),
        owners.pause_max(),
    );
    assert!(owners.doubled().is_empty(), "{:?}", owners.doubled());
    assert_eq!(stale, 0, "commits went back");
    assert_eq!((found.lost, found.disordered, found.low), (0, 0, 0), "{found:?}");
    assert_eq!((found.foreign, found.split), (0, 0), "{found:?}");
}
