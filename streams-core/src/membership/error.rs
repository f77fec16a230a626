//! What can go wrong for good, and what a commit or fetch can come back with.

use std::time::Duration;

use super::names::{Address, GroupId, InstanceId};
use super::wire::{Api, EncodeError, ErrorCode};

/// The member cannot go on; someone must change something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupFault {
    /// A broker does not speak the version of an API that is needed.
    #[error(
        "broker '{address}' does not speak {api} version {wanted} (it speaks {found}); use Apache \
         Kafka 2.5 or later"
    )]
    MissingApi {
        /// The broker.
        address: Address,
        /// The API.
        api: Api,
        /// The version needed.
        wanted: i16,
        /// What the broker speaks.
        found: String,
    },
    /// The principal may not use the group.
    #[error("not authorised for group '{group}'; grant READ on it to this application's principal")]
    GroupNotAuthorized {
        /// The group.
        group: GroupId,
    },
    /// Another process joined under the same instance id.
    #[error(
        "instance id '{instance}' of group '{group}' is in use by another process; give each \
         process its own `group.instance.id`"
    )]
    InstanceFenced {
        /// The group.
        group: GroupId,
        /// The instance id.
        instance: String,
    },
    /// The broker does not allow the session timeout.
    #[error(
        "session timeout of {} ms is outside the broker's bounds; set `session.timeout.ms` between \
         the broker's `group.min.session.timeout.ms` and `group.max.session.timeout.ms`",
        timeout.as_millis()
    )]
    SessionTimeout {
        /// The timeout asked for.
        timeout: Duration,
    },
    /// The broker takes the group's id for none.
    #[error("group id '{group}' is not allowed by the broker; choose another application id")]
    InvalidGroup {
        /// The group.
        group: GroupId,
    },
    /// The group is full.
    #[error("group '{group}' is full; raise the broker's `group.max.size` or run fewer processes")]
    GroupFull {
        /// The group.
        group: GroupId,
    },
    /// Members of another kind stayed in the group.
    #[error(
        "group '{group}' has held members of another kind for {} s; stop them, or choose another \
         application id",
        waited.as_secs()
    )]
    ProtocolMismatch {
        /// The group.
        group: GroupId,
        /// How long it was retried.
        waited: Duration,
    },
    /// The broker does not take the mechanism.
    #[error(
        "broker '{address}' does not take SASL mechanism '{mechanism}', only {}; set \
         `sasl.mechanism` to one of these",
        enabled.join(", ")
    )]
    Mechanism {
        /// The broker.
        address: Address,
        /// The mechanism.
        mechanism: String,
        /// The mechanisms that it takes.
        enabled: Vec<String>,
    },
    /// The broker's port takes no SASL.
    #[error(
        "broker '{address}' takes no SASL on this port; name its SASL port in \
         `bootstrap.servers`, or set `security.protocol` to PLAINTEXT or SSL, as the port has it"
    )]
    NoSasl {
        /// The broker.
        address: Address,
    },
    /// The broker refused the credentials.
    #[error(
        "broker '{address}' refused the credentials of SASL mechanism '{mechanism}' with {code}; \
         check `sasl.username` and `sasl.password`, or `sasl.jaas.config`, or the token"
    )]
    Authentication {
        /// The broker.
        address: Address,
        /// The mechanism.
        mechanism: String,
        /// The broker's code.
        code: ErrorCode,
    },
    /// The broker did not keep to the mechanism, so that it is not trusted.
    #[error("SASL mechanism '{mechanism}' with broker '{address}' failed: {fault}")]
    SaslExchange {
        /// The broker.
        address: Address,
        /// The mechanism.
        mechanism: String,
        /// What went wrong.
        fault: SaslFault,
    },
    /// A connection cannot be made secure.
    #[error("broker '{address}' {fault}")]
    Tls {
        /// The broker.
        address: Address,
        /// Why.
        fault: TlsFault,
    },
    /// The broker answered with a code that has no way on.
    #[error("{api} for group '{group}' failed with {code}; see the broker's log")]
    Refused {
        /// The group.
        group: GroupId,
        /// The API.
        api: Api,
        /// The broker's code.
        code: ErrorCode,
    },
    /// A request cannot be written.
    #[error("{api} for group '{group}' cannot be written; shorten its names or use fewer tasks")]
    Unwritable {
        /// The group.
        group: GroupId,
        /// The API.
        api: Api,
        /// Why.
        source: EncodeError,
    },
}

impl GroupFault {
    pub(super) fn fenced(group: &GroupId, instance: Option<&InstanceId>) -> Self {
        let instance = instance.map_or("", InstanceId::as_str).to_owned();
        Self::InstanceFenced { group: group.clone(), instance }
    }
}

/// What a SASL mechanism found wrong with a broker's message. No secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SaslFault {
    /// The message is not of the mechanism's form.
    #[error("{0}; is there something else than Kafka at this address?")]
    Malformed(&'static str),
    /// SCRAM: the broker asks for too little or too much work.
    #[error(
        "the broker asks for {asked} iterations, not {min} to {max}; create the user's SCRAM \
         credentials anew with a count between these"
    )]
    Iterations {
        /// How many it asks for.
        asked: u64,
        /// The fewest that protect a password.
        min: u32,
        /// The most that are computed.
        max: u32,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes; see why its random device fails")]
    NoRandomness,
    /// The client cannot use the mechanism.
    #[error("the mechanism cannot be used by this client; use SCRAM-SHA-512")]
    NoMechanism,
    /// SCRAM: the broker's signature is wrong.
    #[error("the broker did not prove that it knows the password; it may be an impostor")]
    Unproven,
}

/// Why a connection cannot be made secure. Another attempt would end the same way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFault {
    /// The certificate is expired, or signed by nobody who is trusted, or wrong otherwise.
    #[error(
        "shows a certificate that is not trusted ({reason}); name the authority that signed it by \
         `ssl.ca.location`, or give the broker a valid one"
    )]
    NotTrusted {
        /// What is wrong with it.
        reason: String,
    },
    /// The certificate is good, and of another host.
    #[error(
        "shows a certificate of another host; connect by a name that is in its subjectAltName, or \
         leave `ssl.endpoint.identification.algorithm` empty"
    )]
    OtherHost,
    /// What came is not TLS.
    #[error("does not speak TLS on this port; set `security.protocol` to what the port is for")]
    NotTls,
    /// What came in the clear is TLS.
    #[error("speaks TLS on this port; set `security.protocol` to SSL or SASL_SSL")]
    OnlyTls,
    /// The broker refused the handshake, mostly for the client's certificate.
    #[error(
        "refused the TLS handshake ({reason}); check the client's certificate in \
         `ssl.certificate.location` and `ssl.key.location`"
    )]
    Refused {
        /// The alert that it sent.
        reason: String,
    },
}

/// Why the member lost all its tasks: what they staged must be dropped, and nothing more committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LossReason {
    /// The coordinator no longer takes the member's id or generation.
    #[error("the group went on without this member: {code}")]
    Fenced {
        /// The broker's code.
        code: ErrorCode,
    },
}

/// Why a call is refused at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallRefused {
    /// The token is not that of the last adopted assignment.
    #[error("the assignment of this token is over; commit with the token of the last one")]
    StaleToken,
    /// The group is rebalancing: commit again with the token of the new assignment, which comes.
    #[error("the group is rebalancing")]
    Rebalancing,
    /// Too many calls wait.
    #[error("{waiting} calls wait for the coordinator; wait for their results first")]
    TooManyWaiting {
        /// How many wait.
        waiting: usize,
    },
    /// The member left, is leaving or failed.
    #[error("the member is no longer in the group")]
    Gone,
    /// The generation for which tasks are given is over.
    #[error("no assignment is due for this generation")]
    NotLeading,
}

/// Why a commit or a fetch of offsets failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OffsetsError {
    /// A new assignment was adopted before the commit could be sent: send it again with the new
    /// token, if the tasks are still there.
    #[error("a newer assignment was adopted before the commit could be sent")]
    StaleToken,
    /// The group is rebalancing: send it again with the token of the new assignment, if the tasks
    /// are still there.
    #[error("the group is rebalancing")]
    Rebalancing,
    /// The member was fenced: the tasks are lost.
    #[error("the member was fenced")]
    Fenced,
    /// No answer in the time allowed; whether a commit was stored is not known.
    #[error("no answer from the coordinator of the group in the time allowed")]
    TimedOut,
    /// The broker refused it.
    #[error("the broker refused the offset of '{partition}' with {code}")]
    Refused {
        /// The first partition refused, or the group's name.
        partition: String,
        /// The broker's code.
        code: ErrorCode,
    },
    /// The member left or failed.
    #[error("the member is no longer in the group")]
    Gone,
}

/// Something that is retried, and that an operator should hear of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// A connection failed.
    #[error("connection to broker '{address}' lost: {reason}")]
    Connection {
        /// The broker.
        address: Address,
        /// Why.
        reason: String,
    },
    /// The broker asked to try again.
    #[error("{api} is tried again after {code}")]
    Retry {
        /// The API.
        api: Api,
        /// The broker's code.
        code: ErrorCode,
    },
    /// Members of another kind are in the group; it is retried for a while.
    #[error(
        "group '{group}' holds members of another kind; tried for {} s more",
        left.as_secs()
    )]
    ProtocolMismatch {
        /// The group.
        group: GroupId,
        /// How long it is still tried.
        left: Duration,
    },
    /// No heartbeat was answered for a whole session timeout. The tasks run on; commits may fail.
    #[error("no heartbeat was answered for {} ms", silent.as_millis())]
    Silent {
        /// For how long.
        silent: Duration,
    },
    /// A member sent a subscription that cannot be read. It is given no tasks, and nobody is given one
    /// that it may still run.
    #[error(
        "the subscription of member '{member}' cannot be read: {reason}; it is given no tasks, and \
         those that it may still run are given to nobody else; should this go on, stop that process"
    )]
    UnreadableMember {
        /// The member.
        member: String,
        /// Why.
        reason: String,
    },
    /// The leader sent an assignment that cannot be read; the group is joined again.
    #[error("the assignment from the leader cannot be read: {reason}")]
    UnreadableAssignment {
        /// Why.
        reason: String,
    },
    /// The member goes without an answer from the coordinator that it has left.
    #[error(
        "no coordinator confirmed within {} ms that this process has left; others have its tasks when \
         its session is over at the latest",
        waited.as_millis()
    )]
    LeaveUnanswered {
        /// How long it was waited for.
        waited: Duration,
    },
    /// The member goes although the coordinator does not let it leave.
    #[error(
        "the coordinator refused with {code} that this process leaves; others have its tasks when \
         its session is over"
    )]
    LeaveRefused {
        /// The broker's code.
        code: ErrorCode,
    },
    /// The member leaves although others may not have heard that all shall close.
    #[error(
        "it is not known whether all processes have heard that they shall close; stop those that \
         still run"
    )]
    OrderUnconfirmed,
}
