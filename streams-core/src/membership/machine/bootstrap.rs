//! The brokers that are asked what any of them knows: the servers of the configuration, and those
//! that one of them has named.

use super::Membership;
use super::links::Link;
use crate::membership::connection::Call;
use crate::membership::names::Address;
use crate::membership::wire::metadata::{MetadataRequest, MetadataResponse};
use crate::time::Moment;

/// How many brokers are remembered: of so many, one is there.
const BROKERS_MAX: usize = 64;

impl Membership {
    /// When something that is due at `due` can go to any broker; `None` while one is being connected
    /// to.
    pub(super) fn bootstrap_due(&self, due: Moment) -> Option<Moment> {
        match &self.bootstrap.connection {
            None if self.config.bootstrap.is_empty() => None,
            None => Some(due.max(self.bootstrap.not_before)),
            Some(connection) => connection.is_ready().then_some(due),
        }
    }

    /// Whether a broker is connected; else begins to connect to the next.
    pub(super) fn have_bootstrap(&mut self, now: Moment) -> bool {
        if self.is_ready(Link::Bootstrap) {
            return true;
        }
        let servers = || self.config.bootstrap.iter().chain(&self.bootstrap.brokers);
        let place = self.bootstrap.server.checked_rem(servers().count());
        if self.bootstrap.connection.is_none()
            && let Some(address) = place.and_then(|place| servers().nth(place)).cloned()
        {
            self.open(Link::Bootstrap, address, now);
        }
        false
    }

    /// When the brokers are asked for, so that a member finds its way when the servers of its
    /// configuration are away.
    pub(super) fn brokers_due(&self) -> Option<Moment> {
        let asked = self.awaits(Link::Bootstrap, |call| call == Call::Brokers);
        let due = self.bootstrap_due(self.bootstrap.refresh);
        due.filter(|_| !asked && self.wants_coordinator())
    }

    pub(super) fn ask_for_brokers(&mut self, now: Moment) {
        if self.brokers_due().is_some_and(|due| due <= now) && self.have_bootstrap(now) {
            let request = MetadataRequest { topics: Vec::new() };
            self.send(Link::Bootstrap, Call::Brokers, &request, now);
        }
    }

    /// Each answer about topics names the brokers too.
    pub(super) fn learn_brokers(&mut self, answer: &MetadataResponse, now: Moment) {
        self.bootstrap.backoff.reset();
        self.bootstrap.refresh = now.after(self.config.metadata_max_age);
        // One that has just started may know of none yet.
        if answer.brokers.is_empty() {
            return;
        }
        let named = answer.brokers.iter();
        let named = named.filter_map(|broker| Address::told(&broker.host, broker.port));
        let named = named.filter(|broker| !self.config.bootstrap.contains(broker));
        self.bootstrap.brokers = named.take(BROKERS_MAX).collect();
    }
}
