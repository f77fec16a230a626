//! What a member asks of its driver, and what it tells its owner.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{GroupFault, LossReason, OffsetsError, Trouble};
use super::names::{Address, Generation, MemberId, TopicId, TopicName, TopicPartition};
use super::token::CommitToken;
use super::user_data::{Order, SubscriptionData};
use crate::assign::TaskId;

/// One attempt at a connection; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub(super) u64);

/// What the driver must do next.
#[derive(Debug)]
pub enum Action {
    /// Open a TCP (and TLS) connection, then call `on_connected`; or, if it fails, `on_disconnected`
    /// or `on_insecure`.
    Connect {
        /// The connection's id from now on.
        connection: ConnectionId,
        /// Where to.
        address: Address,
    },
    /// Write these bytes to the connection.
    Send {
        /// Which.
        connection: ConnectionId,
        /// A whole frame.
        bytes: Vec<u8>,
    },
    /// Close the connection; nothing more is expected of it.
    Disconnect {
        /// Which.
        connection: ConnectionId,
    },
    /// Answer a step of the SASL exchange with `on_sasl_step`.
    Authenticate {
        /// Which connection.
        connection: ConnectionId,
        /// The broker's last message; empty at the start.
        challenge: Vec<u8>,
    },
    /// Tell the owner.
    Event(MemberEvent),
}

/// What a member tells its owner.
#[derive(Debug)]
pub enum MemberEvent {
    /// The coordinator gave the member its id: keep it beside the state, for `leave_dead_member`.
    MemberIdGiven(MemberId),
    /// This member leads: answer with `provide_tasks`.
    TasksWanted(TasksWanted),
    /// A new assignment is in force.
    Assigned(Assigned),
    /// All tasks are lost at once. Nothing of them may be committed.
    Lost {
        /// Why.
        reason: LossReason,
    },
    /// A commit has come to its end.
    Committed {
        /// Which.
        call: CallId,
        /// The outcome.
        result: Result<(), OffsetsError>,
    },
    /// A fetch of offsets has come to its end.
    OffsetsFetched {
        /// Which.
        call: CallId,
        /// The positions; `None` for a partition where none is stored.
        result: Result<BTreeMap<TopicPartition, Option<CommittedOffset>>, OffsetsError>,
    },
    /// These topics, which members consume, do not exist any more. Commits go on without their
    /// offsets, and no rebalance begins: whether they may come back is for the owner to decide.
    TopicsGone(BTreeSet<TopicName>),
    /// Something is being retried.
    Troubled(Trouble),
    /// The member left; nothing follows.
    Left,
    /// The member failed for good; nothing follows.
    Failed(GroupFault),
}

/// Names a commit or a fetch, to know its result by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub(super) u64);

/// A new assignment.
#[derive(Debug)]
pub struct Assigned {
    /// The right to commit in this generation, for the tasks that are active and those revoked.
    pub token: CommitToken,
    /// The version that the whole group understands.
    pub version: i16,
    /// All tasks to run, those that ran before among them.
    pub active: BTreeSet<TaskId>,
    /// Tasks whose state to keep warm.
    pub standby: BTreeSet<TaskId>,
    /// Tasks to commit, close and then `release`.
    pub revoked: BTreeSet<TaskId>,
    /// What all members shall do.
    pub order: Order,
}

/// What the leader needs to know to define the tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TasksWanted {
    /// The generation that is being assigned.
    pub generation: Generation,
    /// What each member said of itself.
    pub members: BTreeMap<MemberId, SubscriptionData>,
    /// The topics that members consume and that exist.
    pub topics: BTreeMap<TopicName, TopicInfo>,
    /// Topics that members consume and that do not exist or may not be described.
    pub missing: BTreeSet<TopicName>,
}

/// What is known of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicInfo {
    /// How many partitions it has.
    pub partitions: u32,
    /// Its id, if the broker gives one.
    pub id: Option<TopicId>,
}

/// A position to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: i64,
    /// The leader's epoch of the last record read.
    pub leader_epoch: Option<i32>,
    /// Text kept with the offset.
    pub metadata: String,
}
