//! The networks of machines: each may fail by itself, in one direction alone, and to one broker alone.

use std::collections::BTreeMap;
use std::time::Duration;

use streams_core::membership::Moment;
use streams_core::names::TopicPartition;

use super::broker::broker_at;
use super::{KafkaModel, State};

/// A machine that clients run on. Those of a handle that was not told are on machine 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct MachineId(pub u16);

/// What a machine's network carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carries {
    /// All, if late.
    All,
    /// Requests arrive at the brokers, and their answers get lost.
    Requests,
    /// What brokers say arrives, and they hear nothing.
    Answers,
    /// Nothing.
    Nothing,
}

/// What becomes of connections that were open during an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survivors {
    /// What was sent in vain arrives after it, where the client has waited.
    GoOn,
    /// Something on the way has forgotten them: nothing arrives on them, and nobody says so.
    Silent,
}

/// To which brokers a network fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Brokers {
    /// To all.
    All,
    /// To this one. What other brokers know of it, they still tell.
    One(u16),
}

impl Brokers {
    fn has(self, broker: i32) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => i32::from(one) == broker,
        }
    }
}

/// How the network of a machine fails.
///
/// ```
/// use std::time::Duration;
/// use streams_core::membership::Moment;
/// use streams_test::KafkaModel;
/// use streams_test::model::{Brokers, Carries, MachineId, Outage, Survivors};
///
/// let machine = MachineId(1);
/// let (kafka, until) = (KafkaModel::new(), Moment::from_millis(5_000));
/// let (carries, delay, survivors) = (Carries::Requests, Duration::ZERO, Survivors::GoOn);
/// let brokers = Brokers::All;
/// kafka.set_outage(machine, Outage { brokers, carries, delay, until, survivors });
/// assert!(!kafka.on_machine(machine).is_reachable());
/// assert!(kafka.is_reachable(), "of the others nobody notices");
/// kafka.advance_groups(until);
/// assert!(kafka.on_machine(machine).is_reachable());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// To which brokers.
    pub brokers: Brokers,
    /// What still arrives.
    pub carries: Carries,
    /// How much later requests and records arrive.
    pub delay: Duration,
    /// When it is over.
    pub until: Moment,
    /// What is left of connections then.
    pub survivors: Survivors,
}

/// From a machine to a broker.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Route {
    pub(super) machine: MachineId,
    pub(super) broker: i32,
}

/// Since when a connection is there, and between whom.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Path {
    pub(super) route: Route,
    pub(super) since: Moment,
}

/// The networks of all machines.
#[derive(Debug, Default)]
pub(super) struct Links {
    outages: BTreeMap<MachineId, Outage>,
    /// Connections of before this time are silent after it.
    silent: BTreeMap<(MachineId, Brokers), Moment>,
}

impl Links {
    pub(super) fn fail(&mut self, machine: MachineId, outage: Outage) {
        if outage.survivors == Survivors::Silent {
            let silent = self.silent.entry((machine, outage.brokers)).or_default();
            *silent = outage.until.max(*silent);
        }
        self.outages.insert(machine, outage);
    }

    /// All outages are over; connections that are silent stay so.
    pub(super) fn heal(&mut self, now: Moment) {
        self.outages.clear();
        self.silent.values_mut().for_each(|silent| *silent = now.min(*silent));
    }

    fn outage(&self, Route { machine, broker }: Route, now: Moment) -> Option<&Outage> {
        let outage = self.outages.get(&machine)?;
        (outage.until > now && outage.brokers.has(broker)).then_some(outage)
    }

    /// Whether anything arrives on a connection after an outage.
    pub(super) fn is_silent(&self, path: Path, now: Moment) -> bool {
        let Path { route: Route { machine, broker }, since } = path;
        self.silent.iter().any(|((silent, brokers), until)| {
            *silent == machine && brokers.has(broker) && since < *until && *until <= now
        })
    }

    pub(super) fn carries_requests(&self, route: Route, now: Moment) -> bool {
        let outage = self.outage(route, now);
        outage.is_none_or(|one| matches!(one.carries, Carries::All | Carries::Requests))
    }

    pub(super) fn carries_answers(&self, route: Route, now: Moment) -> bool {
        let outage = self.outage(route, now);
        outage.is_none_or(|one| matches!(one.carries, Carries::All | Carries::Answers))
    }

    pub(super) fn is_open(&self, route: Route, now: Moment) -> bool {
        self.carries_requests(route, now) && self.carries_answers(route, now)
    }

    /// Whether any of these brokers can be asked.
    pub(super) fn is_reachable(
        &self,
        machine: MachineId,
        mut brokers: impl Iterator<Item = i32>,
        now: Moment,
    ) -> bool {
        brokers.any(|broker| self.is_open(Route { machine, broker }, now))
    }

    /// How much later something arrives.
    pub(super) fn delay(&self, route: Route, now: Moment) -> Duration {
        self.outage(route, now).map_or(Duration::ZERO, |outage| outage.delay)
    }

    /// When what waits at a machine can arrive.
    pub(super) fn over_at(&self, route: Route, now: Moment) -> Moment {
        self.outage(route, now).map_or(now, |outage| outage.until)
    }
}

impl KafkaModel {
    /// A handle on the same model, whose clients are on this machine.
    #[must_use]
    pub fn on_machine(&self, machine: MachineId) -> Self {
        Self { machine, ..self.clone() }
    }

    /// From now on the network of a machine fails, for a while.
    pub fn set_outage(&self, machine: MachineId, outage: Outage) {
        self.state().links.fail(machine, outage);
    }

    /// Whether any broker is up at which requests from the machine of this handle arrive now, and
    /// whose answers arrive here.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        let state = self.state();
        let up = (0..state.network.brokers()).filter(|broker| state.network.is_up(*broker));
        state.links.is_reachable(self.machine, up, state.groups.now())
    }

    /// As [`is_reachable`](Self::is_reachable), of the broker that leads a partition. One that has no
    /// leader for a while is not answered for.
    #[must_use]
    pub fn leader_answers(&self, partition: &TopicPartition) -> bool {
        let state = self.state();
        let (at, now) = (partition.partition, state.groups.now());
        state.network.has_leader(at, now) && state.links.is_open(state.route(self.machine, at), now)
    }

    /// Whether the network carries requests from the machine of this handle to the broker that leads a
    /// partition, be it up or not, and its answers.
    #[must_use]
    pub fn reaches_leader(&self, partition: &TopicPartition) -> bool {
        let state = self.state();
        let route = state.route(self.machine, partition.partition);
        state.links.is_open(route, state.groups.now())
    }

    /// As [`reaches_leader`](Self::reaches_leader), of the broker at this port.
    #[must_use]
    pub fn reaches_port(&self, port: u16) -> bool {
        let state = self.state();
        let route = Route { machine: self.machine, broker: broker_at(port) };
        state.links.is_open(route, state.groups.now())
    }
}

impl State {
    /// The way from a machine to the leader of a partition.
    pub(super) fn route(&self, machine: MachineId, partition: i32) -> Route {
        Route { machine, broker: self.network.leader(partition) }
    }
}

#[cfg(test)]
mod tests {
    use streams_core::membership::wire::api_versions::ApiVersionsRequest;
    use streams_core::membership::wire::{Api, encode_request};
    use streams_core::outbox::{Destination, OutRecord, Outbox as _, Purpose};
    use streams_core::processor::Activity;
    use streams_core::record::Headers;

    use super::*;
    use crate::model::{FaultRates, ModelConnection, ModelOutbox};

    const MACHINE: MachineId = MachineId(3);

    const LASTS: Outage = Outage {
        brokers: Brokers::All,
        carries: Carries::Nothing,
        delay: Duration::ZERO,
        until: Moment::from_millis(50),
        survivors: Survivors::GoOn,
    };

    fn at(millis: u64) -> Moment {
        Moment::from_millis(millis)
    }

    /// A topic, and a machine whose network fails from now until 50.
    fn failing(carries: Carries, survivors: Survivors) -> KafkaModel {
        let kafka = KafkaModel::new();
        kafka.create_topic("topic", 1, BTreeMap::new()).unwrap();
        kafka.set_faults(0, FaultRates::NONE);
        kafka.set_outage(MACHINE, Outage { carries, survivors, ..LASTS });
        kafka.on_machine(MACHINE)
    }

    fn send(outbox: &mut ModelOutbox) {
        send_to(outbox, 0);
    }

    fn send_to(outbox: &mut ModelOutbox, partition: i32) {
        let topic = outbox.topic(&"topic".into());
        let record = OutRecord {
            topic,
            destination: Destination::Partition(partition),
            key: None,
            value: None,
            timestamp: None,
            headers: &Headers::new(),
            purpose: Purpose::Output { task: 0, sink: 0 },
            activity: Activity::Record { input: 0, offset: 0 },
        };
        outbox.send(record).unwrap();
    }

    fn end(kafka: &KafkaModel) -> i64 {
        kafka.offsets(&TopicPartition::new("topic", 0)).unwrap().1
    }

    #[test]
    fn records_arrive_and_their_producer_does_not_hear_of_it() {
        let kafka = failing(Carries::Requests, Survivors::GoOn);
        let mut outbox = ModelOutbox::new(&kafka);
        send(&mut outbox);
        kafka.advance_groups(at(10));
        assert_eq!((end(&kafka), outbox.deliveries().count()), (1, 0));
        assert_eq!(outbox.on_their_way(), 1);
        kafka.advance_groups(at(50));
        assert_eq!((end(&kafka), outbox.deliveries().count()), (1, 1));
    }

    #[test]
    fn records_wait_for_a_network_that_carries_no_requests() {
        let kafka = failing(Carries::Answers, Survivors::GoOn);
        let mut outbox = ModelOutbox::new(&kafka);
        send(&mut outbox);
        kafka.advance_groups(at(10));
        assert_eq!((end(&kafka), outbox.deliveries().count()), (0, 0));
        kafka.advance_groups(at(50));
        assert_eq!((end(&kafka), outbox.deliveries().count()), (1, 1));
    }

    fn ask(connection: &mut ModelConnection, now: u64) {
        let request =
            ApiVersionsRequest { software_name: "test".into(), software_version: "1".into() };
        let version = Api::ApiVersions.best();
        let bytes = encode_request(&request, version, 1, "test").unwrap();
        connection.receive(&bytes, at(now)).unwrap();
    }

    #[test]
    fn answers_come_when_the_network_carries_them_again() {
        for carries in [Carries::Requests, Carries::Answers, Carries::Nothing] {
            let kafka = failing(carries, Survivors::GoOn);
            let mut connection = kafka.connect();
            ask(&mut connection, 10);
            assert!(connection.take_output().is_empty(), "{carries:?}");
            kafka.advance_groups(at(50));
            assert!(!connection.take_output().is_empty(), "{carries:?}");
        }
    }

    #[test]
    fn where_one_broker_is_cut_off_the_others_answer() {
        let kafka = KafkaModel::new();
        kafka.set_brokers(2);
        kafka.create_topic("topic", 2, BTreeMap::new()).unwrap();
        kafka.set_faults(0, FaultRates::NONE);
        kafka.set_outage(MACHINE, Outage { brokers: Brokers::One(0), ..LASTS });
        let kafka = kafka.on_machine(MACHINE);
        let mut outbox = ModelOutbox::new(&kafka);
        (0..2).for_each(|partition| send_to(&mut outbox, partition));
        let mut connections = [0, 1].map(|broker| kafka.connect_to(9092 + broker).unwrap());
        connections.iter_mut().for_each(|connection| ask(connection, 10));
        kafka.advance_groups(at(10));
        let answers = connections.each_mut().map(|connection| !connection.take_output().is_empty());
        assert_eq!((answers, outbox.deliveries().count()), ([false, true], 1));
        let reaches = [0, 1].map(|at| kafka.reaches_leader(&TopicPartition::new("topic", at)));
        assert_eq!((reaches, kafka.is_reachable()), ([false, true], true));
        kafka.advance_groups(at(50));
        assert_eq!(outbox.deliveries().count(), 1);
    }

    #[test]
    fn brokers_that_are_stopped_do_not_answer() {
        let kafka = KafkaModel::new();
        kafka.set_brokers(2);
        let partitions = [0, 1].map(|at| TopicPartition::new("topic", at));
        let answers = || {
            let led = partitions.each_ref().map(|partition| kafka.leader_answers(partition));
            (led, kafka.is_reachable())
        };
        kafka.stop_broker(0, Duration::from_millis(10));
        assert_eq!(answers(), ([false, true], true));
        kafka.advance_groups(at(10));
        assert_eq!(answers(), ([true, true], true), "the other one leads both");
        kafka.stop_all_brokers();
        assert_eq!(answers(), ([false, false], false));
        kafka.start_all_brokers(Duration::ZERO);
        assert_eq!(answers(), ([true, true], true));
    }

    #[test]
    fn silent_connections_stay_silent_and_new_ones_are_not() {
        let kafka = failing(Carries::Answers, Survivors::Silent);
        let mut old = kafka.connect();
        ask(&mut old, 10);
        kafka.advance_groups(at(30));
        kafka.end_faults();
        let mut new = kafka.connect();
        for connection in [&mut old, &mut new] {
            ask(connection, 40);
        }
        kafka.advance_groups(at(60));
        assert!(old.take_output().is_empty() && !old.is_closed());
        assert!(!new.take_output().is_empty());
    }
}
