//! The servers that are asked what any broker knows.

use super::Membership;
use super::links::Link;
use crate::time::Moment;

impl Membership {
    /// When something that is due at `due` can go to a bootstrap server; `None` while one is being
    /// connected to.
    pub(super) fn bootstrap_due(&self, due: Moment) -> Option<Moment> {
        match &self.bootstrap.connection {
            None if self.config.bootstrap.is_empty() => None,
            None => Some(due.max(self.bootstrap.not_before)),
            Some(connection) => connection.is_ready().then_some(due),
        }
    }

    /// Whether a bootstrap server is connected; else begins to connect to the next.
    pub(super) fn have_bootstrap(&mut self, now: Moment) -> bool {
        if self.is_ready(Link::Bootstrap) {
            return true;
        }
        let servers = &self.config.bootstrap;
        let place = self.bootstrap.server.checked_rem(servers.len());
        if self.bootstrap.connection.is_none()
            && let Some(address) = place.and_then(|place| servers.get(place)).cloned()
        {
            self.open(Link::Bootstrap, address, now);
        }
        false
    }
}
