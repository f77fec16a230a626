//! The order to close, on its way through the group.
//!
//! Who hears of it says so with each join, and goes only when the leader has told that all members
//! of a generation had said it. Until then each assignment with the order is followed by another
//! rebalance, in which those hear of it whose last sync was refused since others joined again.
//!
//! DIFFERENCE(order-for-all): in Kafka who is told goes at once. A member whose sync comes after
//! that is sent back to join, and finds nobody who would tell it.

use std::collections::BTreeMap;

use super::Membership;
use super::lead::{Members, encode, lowest_version};
use super::leave::Departure;
use super::state::{Ownership, Phase, Role, Told, Watch};
use crate::membership::error::{GroupFault, Trouble};
use crate::membership::names::Generation;
use crate::membership::user_data::{AssignmentData, ORDER_VERSION, Order};
use crate::membership::wire::Api;
use crate::membership::wire::sync_group::MemberAssignment;
use crate::time::Moment;

/// How far the order to close has come, as a member knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Word {
    /// There is none.
    #[default]
    Unspoken,
    /// This member gave it or has heard of it.
    Spreading,
    /// All members of a generation have.
    Known,
}

/// A member that goes when all know of the order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parting {
    departure: Departure,
    /// When it goes in any case.
    by: Moment,
}

impl Membership {
    /// Asks all members to close, in a rebalance. Each hears of it by its
    /// [`Assigned`](crate::membership::Assigned), the one that asks among them.
    pub fn order_shutdown(&mut self, now: Moment) {
        if self.word == Word::Unspoken {
            self.word = Word::Spreading;
        }
        self.rejoin(now);
    }

    /// What this member tells the others to do, since its owner wants it or since it was told.
    #[must_use]
    pub const fn order(&self) -> Order {
        match self.word {
            Word::Unspoken => Order::GoOn,
            Word::Spreading | Word::Known => Order::ShutDown,
        }
    }

    /// A member that [leaves](Self::leave) does not wait any longer until all know of the order.
    pub fn hasten(&mut self, now: Moment) {
        if let Some(Parting { departure, .. }) = self.parting.take()
            && !self.is_over()
        {
            if self.word == Word::Spreading {
                self.trouble(Trouble::OrderUnconfirmed);
            }
            self.go(departure, now);
        }
    }

    /// Whether others may have to hear of the order from this member.
    pub(super) const fn is_spreading(&self) -> bool {
        matches!(self.word, Word::Spreading) && !matches!(self.phase, Phase::Unsubscribed)
    }

    /// Stays without tasks until all know.
    pub(super) fn part(&mut self, departure: Departure, now: Moment) {
        // Whoever does not answer is out after its session, and the next rebalance is without it.
        let patience = self.config.session_timeout + self.config.heartbeat_interval;
        self.parting = Some(Parting { departure, by: now.after(patience) });
        self.tasks = Ownership::default();
        self.rejoin(now);
    }

    pub(super) fn parting_deadline(&self) -> Option<Moment> {
        self.parting.map(|parting| parting.by)
    }

    pub(super) fn expire_parting(&mut self, now: Moment) {
        if self.parting_deadline().is_some_and(|deadline| deadline <= now) {
            self.hasten(now);
        }
    }

    /// What an assignment says of the order. A group that cannot be told is not waited for.
    pub(super) fn hear(&mut self, data: &AssignmentData, now: Moment) {
        match data.order {
            Order::ShutDown if !data.follow_up => self.word = Word::Known,
            Order::ShutDown if self.word == Word::Unspoken => self.word = Word::Spreading,
            Order::GoOn | Order::ShutDown => {}
        }
        if self.word == Word::Known || data.version < ORDER_VERSION {
            self.hasten(now);
        }
    }

    /// The leader tells all members to close, and gives nobody a task.
    pub(super) fn assign_order(
        &mut self,
        generation: Generation,
        members: &Members,
        watch: Watch,
        now: Moment,
    ) {
        let all_know =
            members.values().filter_map(Told::data).all(|data| data.order == Order::ShutDown);
        let data = AssignmentData {
            version: lowest_version(members).min(self.config.user_data_version),
            order: Order::ShutDown,
            follow_up: !all_know,
            ..AssignmentData::default()
        };
        match encode(&data, &BTreeMap::new()) {
            Ok(assignment) => {
                let all = members.keys().cloned();
                let all =
                    all.map(|member| MemberAssignment { member, assignment: assignment.clone() });
                self.sync(generation, Role::Watcher(watch), all.collect(), now);
            }
            Err(source) => {
                let group = self.config.group.clone();
                self.fail(GroupFault::Unwritable { group, api: Api::SyncGroup, source });
            }
        }
    }
}

/// Whether members are to be told to close, and can be.
pub(super) fn is_ordered(members: &Members) -> bool {
    let is_asked =
        members.values().filter_map(Told::data).any(|data| data.order == Order::ShutDown);
    is_asked && lowest_version(members) >= ORDER_VERSION
}
