//! Who goes, of its own accord or since its time is over.

use streams_core::membership::wire::ErrorCode;
use streams_core::membership::wire::leave_group::{LeavingMember, LeftMember};
use streams_core::membership::{MemberId, Moment};

use super::{Group, Phase};
use crate::model::broker::member::Reply;

impl Group {
    pub(in crate::model::broker) fn leave(
        &mut self,
        leaving: Vec<LeavingMember>,
        now: Moment,
    ) -> Vec<LeftMember> {
        let left = leaving.into_iter().map(|member| {
            let error = self.leave_one(&member);
            LeftMember { member, error }
        });
        let left: Vec<LeftMember> = left.collect();
        let any_left = left.iter().any(|one| one.error == ErrorCode::None);
        if any_left && self.phase != Phase::Empty {
            self.rebalance(now);
        }
        left
    }

    fn leave_one(&mut self, leaving: &LeavingMember) -> ErrorCode {
        let instance = leaving.instance.as_ref();
        let id = match leaving.member.as_ref().filter(|id| !id.as_str().is_empty()) {
            None => match instance.and_then(|instance| self.holder(instance)) {
                Some(holder) => holder,
                None => return ErrorCode::UnknownMemberId,
            },
            Some(id) if self.promised.remove(id).is_some() => return ErrorCode::None,
            Some(id) => match self.check_member(id, instance) {
                ErrorCode::None => id.clone(),
                error => return error,
            },
        };
        self.forget(&id);
        ErrorCode::None
    }

    /// Takes a member out. One that waits for a rebalance to end is told; a sync is not answered.
    pub(super) fn forget(&mut self, id: &MemberId) {
        let Some(member) = self.roll.members.remove(id) else { return };
        if let Some(to) = member.joining {
            let refused = Reply::join_refused(ErrorCode::UnknownMemberId, String::new());
            self.replies.push((to, refused));
        }
        self.unsynced.remove(id);
        if self.roll.leader.as_ref() == Some(id) {
            self.roll.leader = self.roll.members.keys().next().cloned();
        }
    }

    /// Takes out members that were silent for too long, and ends what waited long enough.
    pub(in crate::model::broker) fn expire(&mut self, now: Moment) {
        let promised = self.promised.len();
        self.promised.retain(|_, until| *until > now);
        let silent = self.roll.members.iter().filter(|(_, m)| m.expires <= now && !m.is_excused());
        let silent: Vec<MemberId> = silent.map(|(id, _)| id.clone()).collect();
        silent.iter().for_each(|id| self.forget(id));
        let is_changed = !silent.is_empty() || self.promised.len() < promised;
        match self.phase {
            Phase::Joining { .. } if is_changed && self.all_joined() => self.end_joining(now),
            Phase::Syncing | Phase::Stable if !silent.is_empty() => self.prepare(now),
            _ => {}
        }
        self.expire_joining(now);
        self.expire_syncing(now);
    }

    fn expire_syncing(&mut self, now: Moment) {
        let is_settled = matches!(self.phase, Phase::Syncing | Phase::Stable);
        if is_settled && !self.unsynced.is_empty() && self.sync_until <= now {
            for id in std::mem::take(&mut self.unsynced) {
                self.forget(&id);
            }
            self.prepare(now);
        }
    }
}
