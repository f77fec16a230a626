//! Connections by hand: authentication, silence, wrong answers.

use std::time::Duration;

use super::world::config;
use crate::membership::wire::api_versions::{ApiRange, ApiVersionsRequest, ApiVersionsResponse};
use crate::membership::wire::find_coordinator::FindCoordinatorRequest;
use crate::membership::wire::find_coordinator::FindCoordinatorResponse;
use crate::membership::wire::join_group::{JoinGroupRequest, JoinGroupResponse};
use crate::membership::wire::metadata::{Broker, MetadataRequest, MetadataResponse};
use crate::membership::wire::sasl_authenticate::{
    SaslAuthenticateRequest, SaslAuthenticateResponse,
};
use crate::membership::wire::sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse};
use crate::membership::wire::{Api, ErrorCode, Request, decode_request_header, encode_response};
use crate::membership::{
    Action, Address, ConnectionId, Generation, GroupFault, MemberEvent, Membership,
    MembershipConfig, Moment, SaslFault, SaslStep, TlsFault,
};

struct Wire {
    member: Membership,
    now: Moment,
    connection: Option<ConnectionId>,
    /// The ports of the brokers that it is told of.
    named: Vec<i32>,
    is_answered: bool,
}

impl Wire {
    fn new(mechanism: Option<&str>) -> Self {
        let mut config = config();
        config.sasl_mechanism = mechanism.map(str::to_owned);
        Self::of(config)
    }

    fn of(config: MembershipConfig) -> Self {
        let now = Moment::from_millis(0);
        let mut member = Membership::new(config, now);
        member.subscribe(["clicks".into()].into(), crate::membership::MemberData::default(), now);
        Self { member, now, connection: None, named: Vec::new(), is_answered: false }
    }

    /// What it does next, but for asking who the brokers are: it is told, unless it waits for another
    /// answer.
    fn next(&mut self) -> Option<Action> {
        let next = self.member.poll(self.now);
        let Some(Action::Send { connection, bytes }) = &next else { return next };
        let (header, _) = decode_request_header(&bytes[4..]).unwrap();
        if header.api != Api::Metadata {
            self.is_answered = false;
            return next;
        }
        if !self.is_answered {
            return self.next();
        }
        let one = |id| Broker { id, host: "b".to_owned(), port: id };
        let (brokers, topics) = (self.named.iter().copied().map(one).collect(), Vec::new());
        let told = MetadataResponse { brokers, cluster_id: None, topics };
        let (version, correlation) = (header.version, header.correlation);
        let bytes = encode_response::<MetadataRequest>(&told, version, correlation).unwrap();
        self.member.on_bytes(*connection, &bytes, self.now);
        self.next()
    }

    fn wait(&mut self, millis: u64) {
        self.now = self.now.after(Duration::from_millis(millis));
    }

    #[track_caller]
    fn connects(&mut self, port: u16) {
        match self.next() {
            Some(Action::Connect { connection, address }) => {
                assert_eq!(address, Address::new("b", port));
                self.connection = Some(connection);
            }
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn accept(&mut self) {
        self.member.on_connected(self.connection.unwrap(), self.now);
        let apis = Api::ALL.map(|api| ApiRange { key: api.key(), min: 0, max: 12 }).to_vec();
        self.answer::<ApiVersionsRequest>(&ApiVersionsResponse { error: ErrorCode::None, apis });
    }

    /// Takes the next request, which must be this one, and answers it.
    #[track_caller]
    fn answer<R: Request>(&mut self, response: &R::Response) -> R {
        let Some(Action::Send { connection, bytes }) = self.next() else { panic!("no request") };
        assert_eq!(Some(connection), self.connection);
        let (header, mut body) = decode_request_header(&bytes[4..]).unwrap();
        assert_eq!(header.api, R::API);
        let request = R::decode(&mut body).unwrap();
        let bytes = encode_response::<R>(response, header.version, header.correlation).unwrap();
        self.member.on_bytes(connection, &bytes, self.now);
        self.is_answered = true;
        request
    }

    #[track_caller]
    fn authenticate(&mut self, expected: &[u8], step: SaslStep) {
        match self.next() {
            Some(Action::Authenticate { connection, challenge }) => {
                assert_eq!(challenge, expected);
                self.member.on_sasl_step(connection, step, self.now);
            }
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn troubled(&mut self, part: &str) {
        match self.next() {
            Some(Action::Event(MemberEvent::Troubled(trouble))) => {
                assert!(trouble.to_string().contains(part), "{trouble}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn hangs_up(&mut self) {
        let hung_up = self.next();
        assert!(matches!(hung_up, Some(Action::Disconnect { .. })), "{hung_up:?}");
    }
}

fn handshake(error: ErrorCode) -> SaslHandshakeResponse {
    SaslHandshakeResponse { error, mechanisms: vec!["SCRAM-SHA-256".to_owned()] }
}

fn authenticated(error: ErrorCode, auth: &[u8], lifetime: i64) -> SaslAuthenticateResponse {
    let (auth, session_lifetime_ms) = (auth.to_vec(), lifetime);
    SaslAuthenticateResponse { error, message: None, auth, session_lifetime_ms }
}

fn found() -> FindCoordinatorResponse {
    let (error, message, host) = (ErrorCode::None, None, "b".to_owned());
    FindCoordinatorResponse { error, message, node: 1, host, port: 9 }
}

#[test]
fn a_sasl_exchange_takes_as_many_steps_as_it_needs() {
    let mut wire = Wire::new(Some("SCRAM-SHA-256"));
    wire.connects(1);
    wire.accept();
    let asked: SaslHandshakeRequest = wire.answer(&handshake(ErrorCode::None));
    assert_eq!(asked.mechanism, "SCRAM-SHA-256");
    wire.authenticate(b"", SaslStep::Token(b"first".to_vec()));
    let sent: SaslAuthenticateRequest = wire.answer(&authenticated(ErrorCode::None, b"salt", 0));
    assert_eq!(sent.auth, b"first");
    wire.authenticate(b"salt", SaslStep::Token(b"proof".to_vec()));
    let _: SaslAuthenticateRequest = wire.answer(&authenticated(ErrorCode::None, b"v", 60_000));
    wire.authenticate(b"v", SaslStep::Complete);
    let _: FindCoordinatorRequest = wire.answer(&found());
    wire.connects(9);
}

#[test]
fn a_session_is_renewed_before_the_broker_ends_it() {
    let mut wire = Wire::new(Some("PLAIN"));
    wire.connects(1);
    wire.accept();
    let _: SaslHandshakeRequest = wire.answer(&handshake(ErrorCode::None));
    wire.authenticate(b"", SaslStep::Token(Vec::new()));
    let _: SaslAuthenticateRequest = wire.answer(&authenticated(ErrorCode::None, b"", 10_000));
    wire.authenticate(b"", SaslStep::Complete);
    let _: FindCoordinatorRequest = wire.answer(&found());
    wire.connects(9);
    wire.wait(7_999);
    assert!(wire.next().is_none());
    wire.wait(1);
    assert_eq!(wire.member.deadline(), Some(wire.now));
    wire.hangs_up();
}

#[test]
fn wrong_credentials_and_mechanisms_are_final() {
    for (hello, auth) in [
        (ErrorCode::UnsupportedSaslMechanism, ErrorCode::None),
        (ErrorCode::IllegalSaslState, ErrorCode::None),
        (ErrorCode::None, ErrorCode::SaslAuthenticationFailed),
    ] {
        let mut wire = Wire::new(Some("PLAIN"));
        wire.connects(1);
        wire.accept();
        let _: SaslHandshakeRequest = wire.answer(&handshake(hello));
        if hello == ErrorCode::None {
            wire.authenticate(b"", SaslStep::Token(Vec::new()));
            let _: SaslAuthenticateRequest = wire.answer(&authenticated(auth, b"", 0));
        }
        wire.hangs_up();
        let Some(Action::Event(MemberEvent::Failed(fault))) = wire.next() else { panic!() };
        let told = match hello {
            ErrorCode::None => "broker 'b:1' refused the credentials of SASL mechanism 'PLAIN'",
            ErrorCode::IllegalSaslState => "broker 'b:1' takes no SASL on this port; name its",
            _ => "broker 'b:1' does not take SASL mechanism 'PLAIN', only SCRAM-SHA-256;",
        };
        assert!(fault.to_string().starts_with(told), "{fault}");
        assert_eq!(wire.member.deadline(), None);
    }
}

#[test]
fn a_broker_that_breaks_the_exchange_is_final() {
    let mut wire = Wire::new(Some("SCRAM-SHA-256"));
    wire.connects(1);
    wire.accept();
    let _: SaslHandshakeRequest = wire.answer(&handshake(ErrorCode::None));
    wire.authenticate(b"", SaslStep::Failed(SaslFault::Unproven));
    wire.hangs_up();
    let Some(Action::Event(MemberEvent::Failed(fault))) = wire.next() else { panic!() };
    let (address, mechanism) = (Address::new("b", 1), "SCRAM-SHA-256".to_owned());
    let fault_told = SaslFault::Unproven;
    assert_eq!(fault, GroupFault::SaslExchange { address, mechanism, fault: fault_told });
}

#[test]
fn a_connection_that_cannot_be_secured_is_final_unless_it_was_given_up() {
    let mut wire = Wire::new(None);
    wire.connects(1);
    let old = wire.connection.unwrap();
    wire.member.on_disconnected(old, "gone", wire.now);
    wire.troubled("gone");
    wire.member.on_insecure(old, TlsFault::NotTls);
    assert!(wire.next().is_none());
    wire.now = wire.member.deadline().unwrap();
    wire.connects(2);
    wire.member.on_insecure(wire.connection.unwrap(), TlsFault::OtherHost);
    wire.hangs_up();
    let Some(Action::Event(MemberEvent::Failed(fault))) = wire.next() else { panic!() };
    assert_eq!(
        fault,
        GroupFault::Tls { address: Address::new("b", 2), fault: TlsFault::OtherHost }
    );
}

#[test]
fn a_server_that_does_not_answer_is_followed_by_the_next() {
    let mut wire = Wire::new(None);
    wire.connects(1);
    wire.accept();
    let Some(Action::Send { .. }) = wire.next() else { panic!("no request") };
    assert_eq!(wire.member.deadline(), Some(Moment::from_millis(30_000)));
    wire.wait(30_000);
    wire.hangs_up();
    wire.troubled("connection to broker 'b:1' lost: no answer in time");
    assert!(wire.next().is_none());
    wire.now = wire.member.deadline().unwrap();
    wire.connects(2);
    wire.wait(10_000);
    wire.hangs_up();
    wire.troubled("no answer in time");
    wire.now = wire.member.deadline().unwrap();
    wire.connects(1);
}

/// Waits as `reconnect.backoff.ms` and `reconnect.backoff.max.ms` say; requests are tried again after
/// others.
fn slow_to_reconnect() -> MembershipConfig {
    let (reconnect_backoff, longest) = (Duration::from_secs(2), Duration::from_secs(6));
    MembershipConfig { reconnect_backoff, reconnect_backoff_max: longest, ..config() }
}

impl Wire {
    /// Lets the connection be refused, and waits for as long as the member does, in milliseconds.
    #[track_caller]
    fn refuse(&mut self) -> u128 {
        self.member.on_disconnected(self.connection.unwrap(), "connection refused", self.now);
        self.troubled("connection refused");
        assert!(self.next().is_none());
        let next = self.member.deadline().unwrap();
        let waited = next.since(self.now).as_millis();
        self.now = next;
        waited
    }
}

#[track_caller]
fn assert_about(found: u128, millis: u128) {
    assert!((millis * 8 / 10..=millis * 12 / 10).contains(&found), "{found} for {millis}");
}

#[test]
fn servers_that_refuse_are_tried_in_turn_and_ever_less_often() {
    let mut wire = Wire::of(slow_to_reconnect());
    for (port, millis) in [(1, 2000), (2, 4000), (1, 6000), (2, 6000)] {
        wire.connects(port);
        assert_about(wire.refuse(), millis);
    }
}

#[test]
fn brokers_that_were_named_take_their_turn_after_the_servers() {
    let mut wire = Wire::new(None);
    // The first is a server, two are no addresses.
    wire.named = vec![2, 7, -1, 1 << 16, 8];
    wire.connects(1);
    wire.accept();
    let _: FindCoordinatorRequest = wire.answer(&found());
    let bootstrap = wire.connection;
    wire.connects(9);
    wire.refuse();
    wire.connection = bootstrap;
    let Some(Action::Send { .. }) = wire.next() else { panic!("no request") };
    for port in [2, 7, 8, 1, 2] {
        wire.refuse();
        wire.connects(port);
    }
}

#[test]
fn a_coordinator_that_refuses_connections_is_looked_for_ever_less_often() {
    let mut wire = Wire::of(slow_to_reconnect());
    wire.connects(1);
    wire.accept();
    let bootstrap = wire.connection;
    for millis in [2000, 4000, 6000, 6000] {
        wire.connection = bootstrap;
        let _: FindCoordinatorRequest = wire.answer(&found());
        wire.connects(9);
        assert_about(wire.refuse(), millis);
    }
}

#[test]
fn a_coordinator_that_cannot_be_told_is_asked_for_as_any_request_is_retried() {
    let mut wire = Wire::of(slow_to_reconnect());
    wire.connects(1);
    wire.accept();
    let error = ErrorCode::CoordinatorNotAvailable;
    let _: FindCoordinatorRequest = wire.answer(&FindCoordinatorResponse { error, ..found() });
    wire.troubled("is tried again after");
    assert!(wire.next().is_none());
    assert_about(wire.member.deadline().unwrap().since(wire.now).as_millis(), 100);
}

#[test]
fn a_sync_is_waited_for_no_longer_than_any_request() {
    let mut wire = Wire::new(None);
    wire.connects(1);
    wire.accept();
    let _: FindCoordinatorRequest = wire.answer(&found());
    let bootstrap = wire.connection;
    wire.connects(9);
    let coordinator = wire.connection;
    wire.accept();
    let _: JoinGroupRequest = wire.answer(&JoinGroupResponse {
        error: ErrorCode::None,
        generation: Generation(1),
        protocol: "millstream".to_owned(),
        leader: "another".to_owned(),
        member: "this".to_owned(),
        members: Vec::new(),
    });
    let told = wire.next();
    assert!(matches!(told, Some(Action::Event(MemberEvent::MemberIdGiven(_)))), "{told:?}");
    let Some(Action::Send { connection, .. }) = wire.next() else { panic!("no sync") };
    assert_eq!(Some(connection), coordinator);
    assert!(wire.next().is_none());
    let sent = wire.now;
    // Others say that it coordinates still.
    wire.connection = bootstrap;
    for checks in 1..6 {
        wire.now = wire.member.deadline().unwrap();
        assert_eq!(wire.now.since(sent), Duration::from_secs(5 * checks));
        let _: FindCoordinatorRequest = wire.answer(&found());
        assert!(wire.next().is_none());
    }
    wire.now = wire.member.deadline().unwrap();
    assert_eq!(wire.now.since(sent), Duration::from_secs(30));
    let Some(Action::Disconnect { connection }) = wire.next() else { panic!("it waits") };
    assert_eq!(Some(connection), coordinator);
    wire.troubled("no answer in time");
}

#[test]
fn an_answer_out_of_turn_closes_the_connection() {
    let mut wire = Wire::new(None);
    wire.connects(1);
    wire.accept();
    let Some(Action::Send { connection, .. }) = wire.next() else { panic!("no request") };
    let version = Api::FindCoordinator.best();
    let bytes = encode_response::<FindCoordinatorRequest>(&found(), version, 77).unwrap();
    wire.member.on_bytes(connection, &bytes, wire.now);
    wire.hangs_up();
    wire.troubled("correlation id 77 came where 1 was due");
}

#[test]
fn a_port_that_speaks_tls_is_final() {
    let mut wire = Wire::new(None);
    wire.connects(1);
    wire.member.on_connected(wire.connection.unwrap(), wire.now);
    let Some(Action::Send { connection, .. }) = wire.next() else { panic!("no request") };
    // A fatal alert: unexpected message.
    wire.member.on_bytes(connection, &[0x15, 3, 3, 0, 2, 2, 10], wire.now);
    wire.hangs_up();
    let Some(Action::Event(MemberEvent::Failed(fault))) = wire.next() else { panic!() };
    assert_eq!(
        fault.to_string(),
        "broker 'b:1' speaks TLS on this port; set `security.protocol` to SSL or SASL_SSL"
    );
    assert_eq!(wire.member.deadline(), None);
}

#[test]
fn a_port_that_closes_after_the_greeting_makes_one_think_of_the_protocol() {
    const HINT: &str = "compare `security.protocol`";
    let mut wire = Wire::new(None);
    wire.connects(1);
    wire.accept();
    let Some(Action::Send { .. }) = wire.next() else { panic!("no request") };
    wire.member.on_disconnected(wire.connection.unwrap(), "closed", wire.now);
    wire.troubled(HINT);
    // One that has answered more is of the right protocol.
    wire.now = wire.member.deadline().unwrap();
    wire.connects(2);
    wire.accept();
    let _: FindCoordinatorRequest = wire.answer(&found());
    let bootstrap = wire.connection;
    wire.connects(9);
    wire.member.on_disconnected(bootstrap.unwrap(), "closed", wire.now);
    assert!(wire.next().is_none(), "nothing was asked on it");
}

#[test]
fn bytes_of_a_connection_that_was_given_up_are_ignored() {
    let mut wire = Wire::new(None);
    wire.connects(1);
    let old = wire.connection.unwrap();
    wire.member.on_disconnected(old, "gone", wire.now);
    wire.troubled("gone");
    wire.member.on_connected(old, wire.now);
    wire.member.on_bytes(old, &[255; 64], wire.now);
    wire.member.on_disconnected(old, "gone", wire.now);
    assert!(wire.next().is_none());
}
