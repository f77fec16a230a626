//! Commits: one at a time, in order, under the right that an assignment gave.

use std::collections::BTreeMap;

use super::Membership;
use super::links::Link;
use super::reaction::{Reaction, react};
use super::state::{Outcome, Phase};
use crate::membership::connection::Call;
use crate::membership::error::OffsetsError;
use crate::membership::event::MemberEvent;
use crate::membership::names::TopicName;
use crate::membership::wire::offset_commit::{
    OffsetCommitRequest, OffsetCommitResponse, PartitionCommit,
};
use crate::membership::wire::{Api, ByTopic, ErrorCode};
use crate::time::Moment;

/// The longest text that may be kept with an offset, in bytes, by the protocol. The broker's own
/// limit (`offset.metadata.max.bytes`, 4096) is lower.
const METADATA_BYTES_MAX: usize = i16::MAX as usize;

impl Membership {
    pub(super) fn commit_due(&self) -> Option<Moment> {
        let in_flight = self.awaits(Link::Coordinator, |call| call == Call::Commit);
        let allowed = matches!(self.phase, Phase::Stable(_) | Phase::Leaving { .. });
        (allowed && !in_flight && self.commits.len() > 0).then_some(self.commits.not_before)
    }

    pub(super) fn send_commit(&mut self, now: Moment) {
        let Some(first) = self.commits.first() else { return };
        if first.offsets.values().any(|offset| offset.metadata.len() > METADATA_BYTES_MAX) {
            let (partition, code) =
                (self.config.group.to_string(), ErrorCode::OffsetMetadataTooLarge);
            return self.end_commit(Err(OffsetsError::Refused { partition, code }));
        }
        let mut topics = BTreeMap::<&TopicName, Vec<PartitionCommit>>::new();
        for (place, position) in &first.offsets {
            topics.entry(&place.topic).or_default().push(PartitionCommit {
                partition: place.partition,
                offset: position.offset,
                leader_epoch: position.leader_epoch,
                metadata: Some(position.metadata.clone()),
            });
        }
        let topics = topics.into_iter();
        let topics = topics.map(|(name, partitions)| ByTopic { topic: name.clone(), partitions });
        let request = OffsetCommitRequest {
            group: self.config.group.clone(),
            generation: first.token.generation,
            member: first.token.member.clone(),
            instance: self.config.instance.clone(),
            topics: topics.collect(),
        };
        self.send(Link::Coordinator, Call::Commit, &request, now);
    }

    pub(super) fn on_commit(&mut self, answer: &OffsetCommitResponse, sent: Moment, now: Moment) {
        let failed = answer.topics.iter().find_map(|topic| {
            let failed = topic.partitions.iter().find(|one| one.error != ErrorCode::None)?;
            Some((format!("{}-{}", topic.topic, failed.partition), failed.error))
        });
        let Some((partition, code)) = failed else {
            self.heard(sent);
            return self.end_commit(Ok(()));
        };
        match react(Api::OffsetCommit, code) {
            Reaction::RetryHere => self.delay_commit(code, now),
            Reaction::FindAgain => self.handle_group_error(Api::OffsetCommit, code, now),
            Reaction::Rejoin => {
                self.end_commit(Err(OffsetsError::Rebalancing));
                if let Phase::Stable(_) = self.phase {
                    self.join_at(now);
                }
            }
            Reaction::LoseGeneration | Reaction::LoseMember => {
                self.end_commit(Err(OffsetsError::Fenced));
                self.handle_group_error(Api::OffsetCommit, code, now);
            }
            _ if code == ErrorCode::FencedInstanceId => {
                self.end_commit(Err(OffsetsError::Fenced));
                self.fail_with(Api::OffsetCommit, code);
            }
            _ => self.end_commit(Err(OffsetsError::Refused { partition, code })),
        }
    }

    fn delay_commit(&mut self, code: ErrorCode, now: Moment) {
        self.report_retry(Api::OffsetCommit, code);
        let wait = self.commits.backoff.next(self.config.retry_waits(), &mut self.jitter);
        self.commits.not_before = now.after(wait);
    }

    fn end_commit(&mut self, result: Outcome<()>) {
        if let Some(commit) = self.commits.pop() {
            self.tell(MemberEvent::Committed { call: commit.call, result });
        }
    }

    pub(super) fn end_commits(&mut self, error: &OffsetsError) {
        for commit in self.commits.drain() {
            let result = Err(error.clone());
            self.tell(MemberEvent::Committed { call: commit.call, result });
        }
    }

    /// Ends the commits that were not sent yet: the member is joining.
    pub(super) fn end_waiting_commits(&mut self) {
        let sent = self.awaits(Link::Coordinator, |call| call == Call::Commit);
        for commit in self.commits.split_off(usize::from(sent)) {
            let result = Err(OffsetsError::Rebalancing);
            self.tell(MemberEvent::Committed { call: commit.call, result });
        }
    }

    /// Ends the commits that waited under an assignment that is over.
    pub(super) fn end_stale_commits(&mut self) {
        while let Some(first) = self.commits.first()
            && self.adopted.as_ref() != Some(&first.token)
        {
            self.end_commit(Err(OffsetsError::StaleToken));
        }
    }

    /// When the first call of either kind has waited too long. One in flight waits for its answer.
    pub(super) fn calls_deadline(&self) -> Option<Moment> {
        let idle = |call: Call| !self.awaits(Link::Coordinator, |other| other == call);
        let commits = self.commits.deadline().filter(|_| idle(Call::Commit));
        let fetches = self.fetches.deadline().filter(|_| idle(Call::Fetch));
        [commits, fetches].into_iter().flatten().min()
    }

    pub(super) fn expire_calls(&mut self, now: Moment) {
        while self.calls_deadline().is_some_and(|deadline| deadline <= now) {
            if self.commits.deadline().is_some_and(|deadline| deadline <= now)
                && !self.awaits(Link::Coordinator, |call| call == Call::Commit)
            {
                self.end_commit(Err(OffsetsError::TimedOut));
            } else {
                self.end_fetch(Err(OffsetsError::TimedOut));
            }
        }
    }
}
