//! The states of a member, as data.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::assign::TaskId;
use crate::membership::backoff::Backoff;
use crate::membership::connection::Connection;
use crate::membership::error::OffsetsError;
use crate::membership::event::{CallId, CommittedOffset, TopicInfo};
use crate::membership::names::{Address, Generation, MemberId, TopicName, TopicPartition};
use crate::membership::user_data::{MemberData, SubscriptionData};
use crate::time::Moment;

/// Where the member stands in the group.
#[derive(Debug)]
pub(super) enum Phase {
    /// It has not subscribed.
    Unsubscribed,
    /// It is about to join, or has and waits for the others.
    Joining(Joining),
    /// It leads and is working out the assignment.
    Assigning(Assigning),
    /// It waits for its assignment.
    Syncing(Syncing),
    /// It has one.
    Stable(Stable),
    /// It is going.
    Leaving {
        /// When it says so, once its commits have been answered.
        not_before: Moment,
        /// When it goes without an answer.
        deadline: Moment,
    },
    /// It has gone.
    Left(Farewell),
    /// It cannot go on.
    Failed,
}

/// Whether the coordinator knows that a member has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Farewell {
    Confirmed,
    Unconfirmed,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Joining {
    pub(super) not_before: Moment,
    /// Since when members of another kind hold the group.
    pub(super) mismatch_since: Option<Moment>,
}

#[derive(Debug)]
pub(super) struct Assigning {
    pub(super) generation: Generation,
    pub(super) members: BTreeMap<MemberId, Told>,
    pub(super) watch: Watch,
    pub(super) step: LeaderStep,
}

/// What a member said of itself, as far as the leader can read it.
#[derive(Debug)]
pub(super) enum Told {
    Data(SubscriptionData),
    /// Only which inputs its tasks have.
    Inputs(BTreeSet<TopicPartition>),
    /// It may run anything.
    Nothing,
}

impl Told {
    pub(super) const fn data(&self) -> Option<&SubscriptionData> {
        match self {
            Self::Data(data) => Some(data),
            Self::Inputs(_) | Self::Nothing => None,
        }
    }

    /// Whether it may run a task with these inputs, although its data do not say so.
    pub(super) fn may_run(&self, inputs: &[TopicPartition]) -> bool {
        match self {
            Self::Data(_) => false,
            Self::Inputs(owned) => inputs.iter().any(|input| owned.contains(input)),
            Self::Nothing => true,
        }
    }
}

/// How far the leader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeaderStep {
    /// It asks what partitions there are.
    Describing,
    /// It waits for its owner to say what tasks there are.
    AwaitingTasks,
}

#[derive(Debug)]
pub(super) struct Syncing {
    pub(super) generation: Generation,
    pub(super) role: Role,
}

#[derive(Debug)]
pub(super) struct Stable {
    pub(super) generation: Generation,
    pub(super) role: Role,
    /// When this member begins the follow-up rebalance, if nobody else has.
    pub(super) follow_up: Option<Moment>,
    /// When this member begins a rebalance to see whether copies of state have caught up.
    pub(super) probe: Option<Moment>,
    /// Until when it stays out of a rebalance for tasks that it is giving up.
    pub(super) release_by: Moment,
}

/// What a member does besides running tasks.
#[derive(Debug)]
pub(super) enum Role {
    Follower,
    /// The leader, and static members: one that led and came back is not told that it leads.
    Watcher(Watch),
}

/// The topics that a member looks after, to begin a rebalance when they change.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pub(super) topics: BTreeSet<TopicName>,
    /// What they were; `None` before the first look.
    pub(super) known: Option<BTreeMap<TopicName, TopicInfo>>,
    pub(super) refresh: Moment,
}

/// Who coordinates the group.
#[derive(Debug)]
pub(super) enum Coordinator {
    Unknown { not_before: Moment },
    Finding,
    Known(Connection),
}

/// The connection for questions that any broker can answer.
#[derive(Debug, Default)]
pub(super) struct Bootstrap {
    pub(super) connection: Option<Connection>,
    /// The brokers that were named, beside the servers of the configuration.
    pub(super) brokers: Vec<Address>,
    /// When they are asked for again.
    pub(super) refresh: Moment,
    /// Counts through all of these.
    pub(super) server: usize,
    pub(super) not_before: Moment,
    pub(super) backoff: Backoff,
}

impl Bootstrap {
    /// What is known of the brokers.
    pub(super) fn without_connection(&self) -> Self {
        let (brokers, refresh, server) = (self.brokers.clone(), self.refresh, self.server);
        Self { brokers, refresh, server, ..Self::default() }
    }
}

/// When the coordinator was last heard of.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) heartbeat_due: Moment,
    pub(super) expires: Moment,
    pub(super) heard: Moment,
    /// When another broker was asked last whether the coordinator is still who it was.
    pub(super) checked: Moment,
}

/// What the member runs.
#[derive(Debug, Default)]
pub(super) struct Ownership {
    pub(super) active: BTreeSet<TaskId>,
    /// Given up, but not yet released by the owner.
    pub(super) revoking: BTreeSet<TaskId>,
    /// What the last join said that it owns.
    pub(super) announced: BTreeSet<TaskId>,
    /// The inputs of the active tasks.
    inputs: BTreeSet<TopicPartition>,
    /// Those of the tasks before, among them what was given up.
    inputs_before: BTreeSet<TopicPartition>,
}

impl Ownership {
    pub(super) fn owned(&self) -> BTreeSet<TaskId> {
        self.active.union(&self.revoking).copied().collect()
    }

    /// The inputs of all that is owned.
    pub(super) fn owned_inputs(&self) -> BTreeSet<TopicPartition> {
        if self.revoking.is_empty() {
            return self.inputs.clone();
        }
        self.inputs.union(&self.inputs_before).cloned().collect()
    }

    /// Takes over a new assignment and says what it takes away.
    pub(super) fn adopt(&mut self, active: BTreeSet<TaskId>, inputs: BTreeSet<TopicPartition>) {
        self.inputs_before = self.owned_inputs();
        self.inputs = inputs;
        self.revoking = self.owned().difference(&active).copied().collect();
        self.active = active;
    }

    /// Whether something that the last join announced has been released since: the leader may be
    /// withholding it from another member.
    pub(super) fn owes_a_rejoin(&self) -> bool {
        let owned = self.owned();
        self.revoking.is_empty() && self.announced.iter().any(|task| !owned.contains(task))
    }
}

#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) topics: BTreeSet<TopicName>,
    pub(super) data: MemberData,
    pub(super) sequence: i32,
    /// The sequence that the last join said.
    pub(super) announced: i32,
}

/// The member and generation of the last assignment adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Adopted {
    pub(super) member: MemberId,
    pub(super) generation: Generation,
}

#[derive(Debug)]
pub(super) struct PendingCommit {
    pub(super) call: CallId,
    pub(super) token: Adopted,
    pub(super) offsets: BTreeMap<TopicPartition, CommittedOffset>,
    /// Since when the coordinator does not know some of the partitions.
    pub(super) unknown_since: Option<Moment>,
}

#[derive(Debug)]
pub(super) struct PendingFetch {
    pub(super) call: CallId,
    pub(super) partitions: BTreeSet<TopicPartition>,
}

/// Calls in their order; only the first is ever in flight, so that a retry overtakes nothing.
#[derive(Debug)]
pub(super) struct CallQueue<T> {
    waiting: VecDeque<(Moment, T)>,
    pub(super) not_before: Moment,
    pub(super) backoff: Backoff,
}

/// How many calls of one kind may wait.
pub(super) const CALLS_WAITING_MAX: usize = 1024;

impl<T> CallQueue<T> {
    pub(super) fn new() -> Self {
        let (not_before, backoff) = (Moment::default(), Backoff::default());
        Self { waiting: VecDeque::new(), not_before, backoff }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn push(&mut self, deadline: Moment, call: T) {
        self.waiting.push_back((deadline, call));
    }

    pub(super) fn first(&self) -> Option<&T> {
        self.waiting.front().map(|(_, call)| call)
    }

    pub(super) fn first_mut(&mut self) -> Option<&mut T> {
        self.waiting.front_mut().map(|(_, call)| call)
    }

    /// Ends the first call.
    pub(super) fn pop(&mut self) -> Option<T> {
        self.not_before = Moment::default();
        self.backoff.reset();
        self.waiting.pop_front().map(|(_, call)| call)
    }

    pub(super) fn drain(&mut self) -> Vec<T> {
        self.waiting.drain(..).map(|(_, call)| call).collect()
    }

    /// Ends all calls but the first `kept`.
    pub(super) fn split_off(&mut self, kept: usize) -> Vec<T> {
        let ended = self.waiting.split_off(kept.min(self.waiting.len()));
        ended.into_iter().map(|(_, call)| call).collect()
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        self.waiting.front().map(|(deadline, _)| *deadline)
    }
}

/// The end of a call, before it is told.
pub(super) type Outcome<T> = Result<T, OffsetsError>;
