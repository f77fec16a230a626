//! The two connections: opening, greeting, authenticating, losing them.

use super::{Membership, SaslStep};
use crate::membership::config::Waits;
use crate::membership::connection::{Call, Connection, Stage};
use crate::membership::error::{GroupFault, Trouble};
use crate::membership::event::{Action, ConnectionId};
use crate::membership::machine::state::{Coordinator, Phase};
use crate::membership::names::Address;
use crate::membership::wire::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use crate::membership::wire::sasl_authenticate::{
    SaslAuthenticateRequest, SaslAuthenticateResponse,
};
use crate::membership::wire::sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse};
use crate::membership::wire::{Api, ErrorCode, Request, encode_request};
use crate::time::Moment;
use std::time::Duration;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Bootstrap,
    Coordinator,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy)]
enum Loss<'a> {
    /// The broker closed it while nothing was asked.
    Idle,
    /// It failed, for this reason.
    Failed(&'a str),
}

/// How much longer than the rebalance itself its answer may take.
const REBALANCE_GRACE: Duration = Duration::from_secs(5);

impl Membership {
    pub(super) const fn link(&self, link: Link) -> Option<&Connection> {
        match (link, &self.coordinator) {
            (Link::Bootstrap, _) => self.bootstrap.connection.as_ref(),
            (Link::Coordinator, Coordinator::Known(connection)) => Some(connection),
            (Link::Coordinator, _) => None,
        }
    }

    pub(super) const fn link_mut(&mut self, link: Link) -> Option<&mut Connection> {
        match (link, &mut self.coordinator) {
            (Link::Bootstrap, _) => self.bootstrap.connection.as_mut(),
            (Link::Coordinator, Coordinator::Known(connection)) => Some(connection),
            (Link::Coordinator, _) => None,
        }
    }

    /// The link that a connection is, unless it has been given up.
    pub(super) fn which(&self, id: ConnectionId) -> Option<Link> {
        [Link::Bootstrap, Link::Coordinator]
            .into_iter()
            .find(|link| self.link(*link).is_some_and(|connection| connection.id == id))
    }

    pub(super) fn address(&self, id: ConnectionId) -> Option<Address> {
        let connection = self.which(id).and_then(|link| self.link(link));
        connection.map(|connection| connection.address.clone())
    }

    pub(super) fn is_ready(&self, link: Link) -> bool {
        self.link(link).is_some_and(Connection::is_ready)
    }

    pub(super) fn awaits(&self, link: Link, wanted: impl Fn(Call) -> bool) -> bool {
        self.link(link).is_some_and(|connection| connection.awaits(wanted))
    }

    pub(super) fn open(&mut self, link: Link, address: Address, now: Moment) {
        let id = ConnectionId(self.fresh_id());
        let deadline = now.after(self.config.connect_timeout);
        let connection = Connection::new(id, address.clone(), deadline);
        match link {
            Link::Bootstrap => self.bootstrap.connection = Some(connection),
            Link::Coordinator => self.coordinator = Coordinator::Known(connection),
        }
        self.outbox.push_back(Action::Connect { connection: id, address });
    }

    pub(super) fn send<R: Request>(&mut self, link: Link, call: Call, request: &R, now: Moment) {
        let wait = match call {
            Call::Join => {
                let rebalance = self.config.rebalance_timeout.saturating_add(REBALANCE_GRACE);
                rebalance.max(self.config.request_timeout)
            }
            _ => self.config.request_timeout,
        };
        let client_id = self.config.client_id.clone();
        let Some(connection) = self.link_mut(link) else { return };
        let version = connection.version(R::API);
        match encode_request(request, version, connection.next_correlation(), &client_id) {
            Ok(bytes) => {
                connection.sent(call, version, now, now.after(wait));
                let connection = connection.id;
                self.outbox.push_back(Action::Send { connection, bytes });
            }
            Err(source) => {
                let group = self.config.group.clone();
                self.fail(GroupFault::Unwritable { group, api: R::API, source });
            }
        }
    }

    pub(super) fn greet(&mut self, id: ConnectionId, now: Moment) {
        let Some(link) = self.which(id) else { return };
        let request = ApiVersionsRequest {
            software_name: env!("CARGO_PKG_NAME").to_owned(),
            software_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        self.send(link, Call::Versions, &request, now);
    }

    pub(super) fn on_versions(&mut self, link: Link, answer: &ApiVersionsResponse, now: Moment) {
        let sasl = self.config.sasl_mechanism.clone();
        let Some(connection) = self.link_mut(link) else { return };
        let address = connection.address.clone();
        for api in Api::ALL {
            let is_sasl = matches!(api, Api::SaslHandshake | Api::SaslAuthenticate);
            if is_sasl && sasl.is_none() {
                continue;
            }
            let range = answer.apis.iter().find(|range| range.key == api.key());
            if let Some(version) = range.and_then(|range| api.choose(range.min, range.max)) {
                connection.agree(api, version);
                continue;
            }
            let wanted = api.versions().last().copied().unwrap_or_default();
            let found = match range {
                Some(range) => format!("versions {} to {}", range.min, range.max),
                None if answer.error == ErrorCode::None => "no version".to_owned(),
                None => answer.error.to_string(),
            };
            return self.fail(GroupFault::MissingApi { address, api, wanted, found });
        }
        match sasl {
            None => connection.stage = Stage::Ready { renew: None },
            Some(mechanism) => {
                let request = SaslHandshakeRequest { mechanism };
                self.send(link, Call::SaslHandshake, &request, now);
            }
        }
    }

    pub(super) fn on_handshake(&mut self, link: Link, answer: SaslHandshakeResponse) {
        match answer.error {
            ErrorCode::None => self.ask_driver(link, Vec::new()),
            ErrorCode::UnsupportedSaslMechanism => {
                let enabled = answer.mechanisms;
                self.fail_sasl(link, |address, mechanism| GroupFault::Mechanism {
                    address,
                    mechanism,
                    enabled,
                });
            }
            ErrorCode::IllegalSaslState => {
                self.fail_sasl(link, |address, _| GroupFault::NoSasl { address });
            }
            code => self.fail_sasl(link, |address, mechanism| GroupFault::Authentication {
                address,
                mechanism,
                code,
            }),
        }
    }

    pub(super) fn continue_sasl(&mut self, id: ConnectionId, step: SaslStep, now: Moment) {
        let Some(link) = self.which(id) else { return };
        match step {
            SaslStep::Token(auth) => {
                let request = SaslAuthenticateRequest { auth };
                self.send(link, Call::SaslAuthenticate, &request, now);
            }
            SaslStep::Complete => {
                if let Some(connection) = self.link_mut(link)
                    && let Stage::Opening { .. } = connection.stage
                {
                    connection.stage = Stage::Ready { renew: connection.renewal };
                }
            }
            SaslStep::Failed(fault) => {
                self.fail_sasl(link, |address, mechanism| GroupFault::SaslExchange {
                    address,
                    mechanism,
                    fault,
                });
            }
        }
    }

    pub(super) fn on_authenticated(
        &mut self,
        link: Link,
        answer: SaslAuthenticateResponse,
        now: Moment,
    ) {
        if answer.error != ErrorCode::None {
            let code = answer.error;
            return self.fail_sasl(link, |address, mechanism| GroupFault::Authentication {
                address,
                mechanism,
                code,
            });
        }
        // A broker closes a connection that goes on after its session: replace it a while before.
        let lifetime = u64::try_from(answer.session_lifetime_ms).unwrap_or_default();
        if let Some(connection) = self.link_mut(link)
            && lifetime > 0
        {
            connection.renewal = Some(now.after(Duration::from_millis(lifetime / 10 * 8)));
        }
        self.ask_driver(link, answer.auth);
    }

    fn ask_driver(&mut self, link: Link, challenge: Vec<u8>) {
        if let Some(connection) = self.link(link) {
            let connection = connection.id;
            self.outbox.push_back(Action::Authenticate { connection, challenge });
        }
    }

    fn fail_sasl(&mut self, link: Link, fault: impl FnOnce(Address, String) -> GroupFault) {
        let Some(connection) = self.link(link) else { return };
        let address = connection.address.clone();
        let mechanism = self.config.sasl_mechanism.clone().unwrap_or_default();
        self.fail(fault(address, mechanism));
    }

    /// Gives up connections that did not answer in time, and replaces those that must be renewed.
    pub(super) fn expire_connections(&mut self, now: Moment) {
        for link in [Link::Bootstrap, Link::Coordinator] {
            let Some(connection) = self.link(link) else { continue };
            if connection.deadline().is_none_or(|deadline| deadline > now) {
                continue;
            }
            let (id, address) = (connection.id, connection.address.clone());
            self.outbox.push_back(Action::Disconnect { connection: id });
            let idle = connection_is_idle(self.link(link));
            match (idle, link) {
                (true, Link::Bootstrap) => self.bootstrap.connection = None,
                (true, Link::Coordinator) => self.open(Link::Coordinator, address, now),
                (false, _) => self.connection_lost(id, Loss::Failed("no answer in time"), now),
            }
        }
    }

    /// Closes a connection that did wrong.
    pub(super) fn hang_up(&mut self, link: Link, reason: &str, now: Moment) {
        if let Some(id) = self.link(link).map(|connection| connection.id) {
            self.outbox.push_back(Action::Disconnect { connection: id });
            self.connection_lost(id, Loss::Failed(reason), now);
        }
    }

    /// The other side closed a connection: in peace, if nothing was asked on it.
    pub(super) fn closed(&mut self, id: ConnectionId, reason: &str, now: Moment) {
        let link = self.which(id).and_then(|link| self.link(link));
        if connection_is_idle(link) {
            return self.connection_lost(id, Loss::Idle, now);
        }
        // So does a broker at which a client must authenticate first.
        let was_greeted_only = link.is_some_and(|connection| connection.answered() == 1);
        let hint = match &self.config.sasl_mechanism {
            None if was_greeted_only => {
                "; if it stays so, compare `security.protocol` with the broker's listener"
            }
            _ => "",
        };
        self.connection_lost(id, Loss::Failed(&format!("{reason}{hint}")), now);
    }

    fn connection_lost(&mut self, id: ConnectionId, loss: Loss<'_>, now: Moment) {
        let Some(link) = self.which(id) else { return };
        let Some(connection) = self.link(link) else { return };
        let address = connection.address.clone();
        match link {
            Link::Bootstrap => {
                self.bootstrap.connection = None;
                if let Loss::Failed(_) = loss {
                    let waits = self.config.reconnect_waits();
                    let wait = self.bootstrap.backoff.next(waits, &mut self.jitter);
                    self.bootstrap.not_before = now.after(wait);
                    self.bootstrap.server = self.bootstrap.server.wrapping_add(1);
                }
                if let Coordinator::Finding = self.coordinator {
                    self.coordinator = Coordinator::Unknown { not_before: now };
                }
            }
            Link::Coordinator => self.find_again(self.config.reconnect_waits(), now),
        }
        if let Loss::Failed(reason) = loss {
            self.trouble(Trouble::Connection { address, reason: reason.to_owned() });
        }
    }

    /// Looks for the coordinator again, after a wait.
    pub(super) fn forget_coordinator(&mut self, now: Moment) {
        self.find_again(self.config.retry_waits(), now);
    }

    /// An answer that was due never comes.
    fn find_again(&mut self, waits: Waits, now: Moment) {
        let wait = self.coordinator_backoff.next(waits, &mut self.jitter);
        self.coordinator = Coordinator::Unknown { not_before: now.after(wait) };
        match self.phase {
            Phase::Assigning(_) | Phase::Syncing(_) => self.join_at(now),
            // Another coordinator gives members of another kind a new session.
            Phase::Joining(ref mut joining) => joining.mismatch_since = None,
            _ => {}
        }
    }

    /// Closes the coordinator's connection, which still works, and looks for the coordinator again.
    pub(super) fn leave_coordinator(&mut self, now: Moment) {
        if let Some(id) = self.link(Link::Coordinator).map(|connection| connection.id) {
            self.outbox.push_back(Action::Disconnect { connection: id });
        }
        self.forget_coordinator(now);
    }

    pub(super) fn close_all(&mut self) {
        for link in [Link::Bootstrap, Link::Coordinator] {
            if let Some(connection) = self.link(link).map(|connection| connection.id) {
                self.outbox.push_back(Action::Disconnect { connection });
            }
        }
        self.bootstrap.connection = None;
        self.coordinator = Coordinator::Unknown { not_before: Moment::default() };
    }
}

fn connection_is_idle(connection: Option<&Connection>) -> bool {
    connection.is_some_and(|connection| connection.is_ready() && !connection.awaits(|_| true))
}
