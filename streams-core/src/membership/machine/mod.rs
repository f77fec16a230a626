//! The state machine of a member: bytes and commands in, actions out.

mod adopt;
mod bootstrap;
mod check;
mod commits;
mod drive;
mod fetches;
mod join;
mod lead;
mod leave;
mod links;
mod order;
mod reaction;
mod route;
mod state;
#[cfg(test)]
mod tests;

pub use self::leave::Departure;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::backoff::{Backoff, Jitter};
use super::config::MembershipConfig;
use super::error::{CallRefused, GroupFault, OffsetsError, SaslFault, TlsFault, Trouble};
use super::event::{Action, CallId, CommittedOffset, ConnectionId, MemberEvent};
use super::names::{MemberId, TopicName, TopicPartition};
use super::token::CommitToken;
use super::user_data::MemberData;
use crate::assign::TaskId;
use crate::time::Moment;
use order::{Parting, Word};
use state::{
    Adopted, Bootstrap, CALLS_WAITING_MAX, CallQueue, Coordinator, Joining, Ownership,
    PendingCommit, PendingFetch, Phase, Session, Subscription,
};

/// The step of a SASL exchange that the driver answers with.
#[derive(Clone, PartialEq, Eq)]
pub enum SaslStep {
    /// Send these bytes to the broker.
    Token(Vec<u8>),
    /// The exchange is complete and the broker is who it should be.
    Complete,
    /// The broker's message is wrong: the member fails.
    Failed(SaslFault),
}

impl std::fmt::Debug for SaslStep {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Token(_) => "Token(..)",
            Self::Complete => "Complete",
            Self::Failed(_) => "Failed(..)",
        })
    }
}

/// A member of a group, without sockets and without a clock.
///
/// A driver opens and closes the connections that [`poll`](Self::poll) asks for, moves bytes both
/// ways, and calls [`poll`](Self::poll) until it returns nothing after every call here and whenever
/// [`deadline`](Self::deadline) has passed. Every `now` is of one clock that never goes back.
#[derive(Debug)]
pub struct Membership {
    config: MembershipConfig,
    jitter: Jitter,
    outbox: VecDeque<Action>,
    last_id: u64,
    bootstrap: Bootstrap,
    coordinator: Coordinator,
    coordinator_backoff: Backoff,
    join_backoff: Backoff,
    phase: Phase,
    member: Option<MemberId>,
    adopted: Option<Adopted>,
    tasks: Ownership,
    subscription: Option<Subscription>,
    session: Session,
    commits: CallQueue<PendingCommit>,
    fetches: CallQueue<PendingFetch>,
    dead: BTreeSet<MemberId>,
    dead_not_before: Moment,
    word: Word,
    parting: Option<Parting>,
}

impl Membership {
    /// A member that has not joined.
    #[must_use]
    pub fn new(config: MembershipConfig, now: Moment) -> Self {
        Self {
            jitter: Jitter::new(config.seed),
            config,
            outbox: VecDeque::new(),
            last_id: 0,
            bootstrap: Bootstrap::default(),
            coordinator: Coordinator::Unknown { not_before: now },
            coordinator_backoff: Backoff::default(),
            join_backoff: Backoff::default(),
            phase: Phase::Unsubscribed,
            member: None,
            adopted: None,
            tasks: Ownership::default(),
            subscription: None,
            session: Session::default(),
            commits: CallQueue::new(),
            fetches: CallQueue::new(),
            dead: BTreeSet::new(),
            dead_not_before: now,
            word: Word::default(),
            parting: None,
        }
    }

    /// A member to follow this one, which has left. Its ids are others, so that what is late for the
    /// one is not taken for the other's. An order that was given is given again. Should the group still
    /// know this one, the other takes it out first.
    #[must_use]
    pub fn successor(&self, now: Moment) -> Self {
        let bootstrap = self.bootstrap.without_connection();
        let (last_id, word) = (self.last_id, self.word);
        let mut next = Self { last_id, word, bootstrap, ..Self::new(self.config.clone(), now) };
        if let Some(id) = self.id_in_group() {
            next.leave_dead_member(id.clone());
        }
        next
    }

    /// Joins the group, or says anew what the member wants and what it is. Other topics than
    /// before begin a rebalance; new data alone travel with the next one.
    pub fn subscribe(&mut self, topics: BTreeSet<TopicName>, data: MemberData, now: Moment) {
        let before = self.subscription.take();
        let (sequence, announced) =
            before.as_ref().map_or((0, 0), |before| (before.sequence, before.announced));
        let changed = before.is_none_or(|before| before.topics != topics);
        self.subscription = Some(Subscription { topics, data, sequence, announced });
        match self.phase {
            Phase::Unsubscribed => self.join_at(now),
            _ if changed => self.rejoin(now),
            _ => {}
        }
    }

    /// Begins a rebalance, in which the group hears what the member says of itself now. One that is
    /// under way, and in which it has spoken already, is completed first.
    pub fn rejoin(&mut self, now: Moment) {
        if let Some(subscription) = &mut self.subscription {
            subscription.sequence = subscription.sequence.wrapping_add(1);
        }
        if let Phase::Stable(_) = self.phase {
            self.join_at(now);
        }
    }

    /// Whether a rebalance that the member has asked for is still ahead.
    #[must_use]
    pub fn wants_to_rejoin(&self) -> bool {
        self.subscription.as_ref().is_some_and(|one| one.sequence != one.announced)
    }

    /// Says that tasks that were revoked are committed and closed. When all are, the follow-up
    /// rebalance begins, in which others get them.
    pub fn release(&mut self, tasks: &BTreeSet<TaskId>, now: Moment) {
        self.tasks.revoking.retain(|task| !tasks.contains(task));
        if let Phase::Stable(_) = self.phase
            && self.tasks.owes_a_rejoin()
        {
            self.rejoin(now);
        }
    }

    /// Stores positions under the right that an assignment gave. Between joining and the new
    /// assignment none are taken, and those that wait come back with [`OffsetsError::Rebalancing`]:
    /// a join may take as long as the slowest member, and what waits for its commit would stand
    /// still. Without positions, the group is asked whether the right holds, and nothing is stored.
    ///
    /// # Errors
    /// [`CallRefused`] if the token is of an older assignment, the group is rebalancing, too many
    /// calls wait, or the member has gone.
    pub fn commit(
        &mut self,
        token: &CommitToken,
        offsets: BTreeMap<TopicPartition, CommittedOffset>,
        now: Moment,
    ) -> Result<CallId, CallRefused> {
        self.refuse_if_gone()?;
        let (member, generation) = (token.member.clone(), token.generation);
        let adopted = Adopted { member, generation };
        if token.group != self.config.group || self.adopted.as_ref() != Some(&adopted) {
            return Err(CallRefused::StaleToken);
        }
        if self.is_rebalancing() {
            return Err(CallRefused::Rebalancing);
        }
        refuse_if_full(self.commits.len())?;
        let call = CallId(self.fresh_id());
        let deadline = now.after(self.config.offsets_timeout);
        let commit = PendingCommit { call, token: adopted, offsets, unknown_since: None };
        self.commits.push(deadline, commit);
        Ok(call)
    }

    /// Reads stored positions. Ones that an open transaction may still change are waited for.
    ///
    /// # Errors
    /// [`CallRefused`] if too many calls wait or the member has gone.
    pub fn fetch_offsets(
        &mut self,
        partitions: BTreeSet<TopicPartition>,
        now: Moment,
    ) -> Result<CallId, CallRefused> {
        self.refuse_if_gone()?;
        refuse_if_full(self.fetches.len())?;
        let call = CallId(self.fresh_id());
        let deadline = now.after(self.config.offsets_timeout);
        self.fetches.push(deadline, PendingFetch { call, partitions });
        Ok(call)
    }

    /// Takes a member that is known to be dead out of the group, before this one joins: the one
    /// that held the lock of this process's state before it. A static member needs none of it,
    /// since it takes its own place again.
    pub fn leave_dead_member(&mut self, member: MemberId) {
        if self.config.instance.is_none() && self.dead.len() < DEAD_MEMBERS_MAX {
            self.dead.insert(member);
        }
    }

    /// The id that the coordinator gave this member.
    #[must_use]
    pub const fn member_id(&self) -> Option<&MemberId> {
        self.member.as_ref()
    }

    /// The connection that was asked for stands.
    pub fn on_connected(&mut self, connection: ConnectionId, now: Moment) {
        self.greet(connection, now);
    }

    /// A connection could not be made, or was closed, by the other side or by an error.
    pub fn on_disconnected(&mut self, connection: ConnectionId, reason: &str, now: Moment) {
        self.closed(connection, reason, now);
    }

    /// A connection could not be made secure, or the broker refused it as such: the member fails.
    pub fn on_insecure(&mut self, connection: ConnectionId, fault: TlsFault) {
        if let Some(address) = self.address(connection) {
            self.fail(GroupFault::Tls { address, fault });
        }
    }

    /// Bytes came in, cut anywhere.
    pub fn on_bytes(&mut self, connection: ConnectionId, bytes: &[u8], now: Moment) {
        self.receive(connection, bytes, now);
    }

    /// The driver's answer to [`Action::Authenticate`].
    pub fn on_sasl_step(&mut self, connection: ConnectionId, step: SaslStep, now: Moment) {
        self.continue_sasl(connection, step, now);
    }

    /// The next thing to do, until there is nothing.
    pub fn poll(&mut self, now: Moment) -> Option<Action> {
        if self.outbox.is_empty() {
            self.advance(now);
        }
        self.outbox.pop_front()
    }

    /// When [`poll`](Self::poll) must be called again if nothing happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        self.next_deadline()
    }

    fn refuse_if_gone(&self) -> Result<(), CallRefused> {
        match self.phase {
            Phase::Leaving { .. } | Phase::Left(_) | Phase::Failed => Err(CallRefused::Gone),
            _ => Ok(()),
        }
    }

    const fn fresh_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn tell(&mut self, event: MemberEvent) {
        self.outbox.push_back(Action::Event(event));
    }

    fn trouble(&mut self, trouble: Trouble) {
        self.tell(MemberEvent::Troubled(trouble));
    }

    const fn is_rebalancing(&self) -> bool {
        matches!(self.phase, Phase::Joining(_) | Phase::Assigning(_) | Phase::Syncing(_))
    }

    const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Left(_) | Phase::Failed)
    }

    fn join_at(&mut self, not_before: Moment) {
        let mismatch_since = match &self.phase {
            Phase::Joining(joining) => joining.mismatch_since,
            _ => None,
        };
        self.phase = Phase::Joining(Joining { not_before, mismatch_since });
    }

    /// Ends everything; `phase` is where the member ends up.
    fn finish(&mut self, phase: Phase) {
        self.phase = phase;
        self.close_all();
        self.adopted = None;
        self.tasks = Ownership::default();
        self.end_commits(&OffsetsError::Gone);
        for fetch in self.fetches.drain() {
            let result = Err(OffsetsError::Gone);
            self.tell(MemberEvent::OffsetsFetched { call: fetch.call, result });
        }
    }

    fn fail(&mut self, fault: GroupFault) {
        if !self.is_over() {
            self.finish(Phase::Failed);
            self.tell(MemberEvent::Failed(fault));
        }
    }
}

/// How many dead members may be waiting to be taken out.
const DEAD_MEMBERS_MAX: usize = 16;

const fn refuse_if_full(waiting: usize) -> Result<(), CallRefused> {
    if waiting < CALLS_WAITING_MAX { Ok(()) } else { Err(CallRefused::TooManyWaiting { waiting }) }
}
