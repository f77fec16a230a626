//! Adopting an assignment: the only place where the right to commit is made.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Membership;
use super::reaction::{Reaction, react};
use super::state::{Adopted, Phase, Role, Stable};
use crate::membership::consumer_protocol::ConsumerAssignment;
use crate::membership::error::Trouble;
use crate::membership::event::{Assigned, MemberEvent};
use crate::membership::names::{Generation, MemberId, TopicPartition};
use crate::membership::token::CommitToken;
use crate::membership::user_data::AssignmentData;
use crate::membership::wire::sync_group::SyncGroupResponse;
use crate::membership::wire::{Api, DecodeError};
use crate::time::Moment;

/// How long the group may wait for a member that is giving up tasks: one that joins before it has
/// let go can commit none of them, and they go to others one rebalance later.
const RELEASE_PATIENCE: Duration = Duration::from_secs(2);

impl Membership {
    pub(super) fn on_sync(
        &mut self,
        generation: Generation,
        answer: &SyncGroupResponse,
        now: Moment,
    ) {
        let Phase::Syncing(syncing) = &mut self.phase else { return };
        if syncing.generation != generation {
            return;
        }
        let role = std::mem::replace(&mut syncing.role, Role::Follower);
        match react(Api::SyncGroup, answer.error) {
            Reaction::Done => {}
            Reaction::Rejoin => return self.join_at(now),
            _ => return self.handle_group_error(Api::SyncGroup, answer.error, now),
        }
        match (read(&answer.assignment), self.member.clone()) {
            (Ok((inputs, data)), Some(member)) => {
                let follow_up = data.follow_up.then(|| now.after(self.follow_up_delay()));
                let probe = data.probe_after.map(|after| now.after(after));
                let release_by = now.after(RELEASE_PATIENCE);
                let stable = Stable { generation, role, follow_up, probe, release_by };
                self.phase = Phase::Stable(stable);
                self.tasks.adopt(data.active.clone(), inputs);
                self.adopt(generation, member, &data, now);
            }
            (Err(error), _) => {
                self.trouble(Trouble::UnreadableAssignment { reason: error.to_string() });
                let wait = self.join_backoff.next(self.config.retry_waits(), &mut self.jitter);
                self.join_at(now.after(wait));
            }
            (Ok(_), None) => self.join_at(now),
        }
    }

    /// The follow-up is begun by the members that release tasks. Should they not, the others do,
    /// each after a wait of its own, so that one is enough.
    fn follow_up_delay(&mut self) -> Duration {
        let percent = 100 + (self.jitter.next() % 101) as u32;
        (self.config.follow_up_delay / 100).saturating_mul(percent)
    }

    fn adopt(
        &mut self,
        generation: Generation,
        member: MemberId,
        data: &AssignmentData,
        now: Moment,
    ) {
        self.session.heartbeat_due = now.after(self.heartbeat_wait());
        self.heard(now);
        self.adopted = Some(Adopted { member: member.clone(), generation });
        let (group, instance) = (self.config.group.clone(), self.config.instance.clone());
        self.tell(MemberEvent::Assigned(Assigned {
            token: CommitToken { group, member, generation, instance },
            version: data.version,
            active: data.active.clone(),
            standby: data.standby.clone(),
            revoked: self.tasks.revoking.clone(),
            order: data.order,
        }));
        self.end_stale_commits();
        self.hear(data, now);
        if !matches!(self.phase, Phase::Stable(_)) {
            return;
        }
        let passes_on = self.is_spreading() && self.tasks.revoking.is_empty();
        if passes_on || self.tasks.owes_a_rejoin() || self.wants_to_rejoin() {
            self.rejoin(now);
        }
    }
}

/// The inputs of the tasks, and the data.
fn read(bytes: &[u8]) -> Result<(BTreeSet<TopicPartition>, AssignmentData), DecodeError> {
    let ConsumerAssignment { partitions, user_data } = ConsumerAssignment::decode(bytes)?;
    Ok((partitions, AssignmentData::decode(&user_data)?))
}
