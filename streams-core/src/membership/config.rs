//! Settings of a member.

use std::time::Duration;

use super::names::{Address, GroupId, InstanceId};
use super::user_data::USER_DATA_VERSION;
use crate::assign::PlacementPolicy;

/// Settings of a member, with Kafka's names and defaults where Kafka has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipConfig {
    /// `group.id`: for a streams application, its application id.
    pub group: GroupId,
    /// `group.instance.id`: with one the member is static, and keeps its place when it comes back
    /// within the session timeout. None by default.
    pub instance: Option<InstanceId>,
    /// `client.id`: shown in the brokers' logs and quotas.
    pub client_id: String,
    /// `bootstrap.servers`.
    pub bootstrap: Vec<Address>,
    /// The SASL mechanism to use on each connection; none by default.
    pub sasl_mechanism: Option<String>,
    /// `session.timeout.ms`: a member silent for so long is taken out. 10 s; a broker allows 6 s to
    /// 30 min by default.
    pub session_timeout: Duration,
    /// `heartbeat.interval.ms`: 2 s.
    pub heartbeat_interval: Duration,
    /// How long a rebalance waits for the members to join (in Kafka, `max.poll.interval.ms`): 5
    /// min.
    pub rebalance_timeout: Duration,
    /// `request.timeout.ms`: a connection that does not answer for so long is given up. 30 s.
    pub request_timeout: Duration,
    /// How long a connection may take to be made and authenticated: 10 s.
    pub connect_timeout: Duration,
    /// `retry.backoff.ms`: the first wait after a request that failed, doubled with each further one.
    /// 100 ms.
    pub backoff: Duration,
    /// `retry.backoff.max.ms`: the longest of these waits. 1 s.
    pub backoff_max: Duration,
    /// `reconnect.backoff.ms`: the first wait after a connection that failed, doubled with each
    /// further one. 50 ms.
    pub reconnect_backoff: Duration,
    /// `reconnect.backoff.max.ms`: the longest of these waits. 1 s.
    pub reconnect_backoff_max: Duration,
    /// How long a commit or a fetch of offsets is tried: 60 s.
    pub offsets_timeout: Duration,
    /// How long leaving may take before the member goes without an answer: 5 s.
    pub leave_timeout: Duration,
    /// How long another kind of client in the group is put up with: 60 s.
    pub mismatch_timeout: Duration,
    /// `metadata.max.age.ms`: how often the leader looks for new partitions. 5 min.
    pub metadata_max_age: Duration,
    /// How long the owners of withheld tasks are waited for to release them, before another member
    /// begins the follow-up rebalance: 10 s, to twice that.
    pub follow_up_delay: Duration,
    /// How many copies of state there are and when a task moves to one; the leader's counts.
    pub placement: PlacementPolicy,
    /// `probing.rebalance.interval.ms`: how often a rebalance sees whether copies have caught up,
    /// while some are waited for. 10 min.
    pub probing_interval: Duration,
    /// The version of the user data that the member says it understands: the newest. A lower one
    /// makes it a member of an older release.
    pub user_data_version: i16,
    /// Seed of the jitter in waits; any number, different in each process.
    pub seed: u64,
}

impl MembershipConfig {
    /// Settings for a group, with defaults for the rest.
    #[must_use]
    pub fn new(group: impl Into<GroupId>, bootstrap: Vec<Address>) -> Self {
        Self {
            group: group.into(),
            instance: None,
            client_id: "millstream".to_owned(),
            bootstrap,
            sasl_mechanism: None,
            session_timeout: Duration::from_secs(10),
            heartbeat_interval: Duration::from_secs(2),
            rebalance_timeout: Duration::from_secs(300),
            request_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_secs(1),
            reconnect_backoff: Duration::from_millis(50),
            reconnect_backoff_max: Duration::from_secs(1),
            offsets_timeout: Duration::from_secs(60),
            leave_timeout: Duration::from_secs(5),
            mismatch_timeout: Duration::from_secs(60),
            metadata_max_age: Duration::from_secs(300),
            follow_up_delay: Duration::from_secs(10),
            placement: PlacementPolicy::default(),
            probing_interval: Duration::from_secs(600),
            user_data_version: USER_DATA_VERSION,
            seed: 0,
        }
    }

    /// Between requests that failed.
    pub(super) const fn retry_waits(&self) -> Waits {
        Waits { first: self.backoff, longest: self.backoff_max }
    }

    /// Between connections that failed.
    pub(super) const fn reconnect_waits(&self) -> Waits {
        Waits { first: self.reconnect_backoff, longest: self.reconnect_backoff_max }
    }
}

/// Bounds of the waits after failures of one kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits {
    pub(super) first: Duration,
    pub(super) longest: Duration,
}
