//! The brokers, their coordinators, and the passing of time.

use std::time::Duration;

use streams_core::membership::{GroupId, Moment};

use super::group::Group;
use super::{AcceptedCommit, Line};
use crate::model::{FaultRates, KafkaModel};

impl KafkaModel {
    /// Lets the time of the groups and of what is on its way pass: members that were silent for too
    /// long are taken out, rebalances that nobody joins any more are ended, requests and records
    /// that were delayed arrive. This clock never goes back.
    pub fn advance_groups(&self, now: Moment) {
        let mut state = self.state();
        state.groups.advance(now);
        state.deliver();
        // What cannot be read was reported to the connection that sent it.
        let _ = state.work();
    }

    /// When [`advance_groups`](Self::advance_groups) will have something to do with the groups.
    #[must_use]
    pub fn group_deadline(&self) -> Option<Moment> {
        self.state().groups.groups.values().filter_map(Group::deadline).min()
    }

    /// The ids of a group's members, in order.
    #[must_use]
    pub fn group_members(&self, group: &GroupId) -> Vec<String> {
        let state = self.state();
        state.groups.groups.get(group).map(Group::member_ids).unwrap_or_default()
    }

    /// `group.initial.rebalance.delay.ms`: how long a group that was empty waits for more members.
    /// None by default. For groups that are made from now on.
    pub fn set_initial_rebalance_delay(&self, delay: Duration) {
        self.state().groups.initial_delay = delay;
    }

    /// How many brokers there are, at ports 9092 and up; one by default. Partition `n` is led by
    /// the broker of the remainder.
    pub fn set_brokers(&self, brokers: u16) {
        self.state().network.set_brokers(brokers.into());
    }

    /// From now on calls fail so often, as the seed determines.
    pub fn set_faults(&self, seed: u64, rates: FaultRates) {
        self.state().network.set_rates(seed, rates);
    }

    /// Nothing goes wrong any more: all brokers are up, and what is on its way arrives in time.
    pub fn end_faults(&self) {
        let mut state = self.state();
        let now = state.groups.now;
        state.network.heal();
        state.links.heal(now);
    }

    /// The number of the broker that coordinates the groups, which is the first one until they
    /// [move](Self::move_coordinator).
    #[must_use]
    pub fn coordinator(&self) -> u16 {
        u16::try_from(self.state().network.coordinator()).unwrap_or_default()
    }

    /// Another broker coordinates the groups: what was not written down is forgotten, and for a
    /// while it says that it loads.
    pub fn move_coordinator(&self, loading: Duration) {
        let mut state = self.state();
        let coordinator = state.network.coordinator();
        if let Some(next) = state.network.up_after(coordinator) {
            state.move_coordinator(next, loading);
        }
    }

    /// Stops a broker. Its connections end, its groups move, and its partitions have no leader for
    /// a while. The last one that is up stays.
    pub fn stop_broker(&self, broker: u16, leaderless: Duration) {
        let broker = i32::from(broker);
        let mut state = self.state();
        let until = state.groups.now.after(leaderless);
        state.network.stop(broker, until);
        let Some(next) = state.network.up_after(broker) else {
            return state.network.start(broker);
        };
        for connection in state.groups.connections.values_mut() {
            if connection.path.route.broker == broker {
                connection.state = Line::Closed;
            }
        }
        if state.network.coordinator() == broker {
            state.move_coordinator(next, leaderless);
        }
    }

    /// Starts a broker that was stopped.
    pub fn start_broker(&self, broker: u16) {
        self.state().network.start(broker.into());
    }

    /// Stops all brokers, until [`start_all_brokers`](Self::start_all_brokers): no partition has a
    /// leader, and nobody can connect.
    pub fn stop_all_brokers(&self) {
        let mut state = self.state();
        let never = Moment::from_millis(u64::MAX);
        (0..state.network.brokers()).for_each(|broker| state.network.stop(broker, never));
        for connection in state.groups.connections.values_mut() {
            connection.state = Line::Closed;
        }
    }

    /// Starts all brokers that were stopped. For a while the coordinator says that it loads.
    pub fn start_all_brokers(&self, loading: Duration) {
        let mut state = self.state();
        (0..state.network.brokers()).for_each(|broker| state.network.start(broker));
        let coordinator = state.network.coordinator();
        state.move_coordinator(coordinator, loading);
    }

    /// From now on accepted commits are kept for [`take_commits`](Self::take_commits).
    pub fn keep_commits(&self) {
        self.state().groups.accepted.get_or_insert_default();
    }

    /// The commits of members that were accepted since the last call, in order.
    #[must_use]
    pub fn take_commits(&self) -> Vec<AcceptedCommit> {
        let mut state = self.state();
        state.groups.accepted.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

impl super::super::State {
    fn move_coordinator(&mut self, to: i32, loading: Duration) {
        let now = self.groups.now;
        self.network.set_coordinator(to, now.after(loading));
        for group in self.groups.groups.values_mut() {
            group.move_away(now);
        }
        self.groups.send_replies();
    }
}
