//! Commits: one at a time, in order, under the right that an assignment gave.
//!
//! What a task did without reading anything is a commit without offsets. A broker takes a request that
//! stores none without a look at the group, so that a heartbeat asks it in its place.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Membership;
use super::links::Link;
use super::reaction::{Reaction, react};
use super::state::{Outcome, Phase};
use crate::membership::connection::Call;
use crate::membership::error::OffsetsError;
use crate::membership::event::MemberEvent;
use crate::membership::names::{TopicName, TopicPartition};
use crate::membership::wire::offset_commit::{
    OffsetCommitRequest, OffsetCommitResponse, PartitionCommit,
};
use crate::membership::wire::{Api, ByTopic, ErrorCode};
use crate::time::Moment;

/// The longest text that may be kept with an offset, in bytes, by the protocol. The broker's own
/// limit (`offset.metadata.max.bytes`, 4096) is lower.
const METADATA_BYTES_MAX: usize = i16::MAX as usize;

/// How long a coordinator may take to hear of partitions that it does not know.
const UNKNOWN_MAX: Duration = Duration::from_secs(1);

/// What was not stored of a commit.
struct Failed {
    /// Partitions that the coordinator does not know.
    unknown: BTreeSet<TopicPartition>,
    /// The first one that failed otherwise.
    other: Option<(String, ErrorCode)>,
}

fn failed_of(answer: &OffsetCommitResponse) -> Failed {
    let mut failed = Failed { unknown: BTreeSet::new(), other: None };
    for topic in &answer.topics {
        for one in &topic.partitions {
            let place = || TopicPartition::new(topic.topic.clone(), one.partition);
            match one.error {
                ErrorCode::None => {}
                ErrorCode::UnknownTopicOrPartition => {
                    failed.unknown.insert(place());
                }
                code => {
                    failed.other.get_or_insert_with(|| (place().to_string(), code));
                }
            }
        }
    }
    failed
}

impl Membership {
    pub(super) fn commit_due(&self) -> Option<Moment> {
        let allowed = matches!(self.phase, Phase::Stable(_) | Phase::Leaving { .. });
        let waits = self.commits.len() > 0 && !self.awaits_commit();
        (allowed && waits).then_some(self.commits.not_before)
    }

    fn awaits_commit(&self) -> bool {
        self.awaits(Link::Coordinator, |call| matches!(call, Call::Commit | Call::Claim))
    }

    pub(super) fn send_commit(&mut self, now: Moment) {
        let Some(first) = self.commits.first() else { return };
        if first.offsets.is_empty() {
            let request = self.heartbeat(first.token.generation, first.token.member.clone());
            return self.send(Link::Coordinator, Call::Claim, &request, now);
        }
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
        let Failed { unknown, other } = failed_of(answer);
        let Some((partition, code)) = other else {
            self.heard(sent);
            return self.commit_taken(unknown, now);
        };
        match react(Api::OffsetCommit, code) {
            Reaction::Rejoin => {
                self.end_commit(Err(OffsetsError::Rebalancing));
                if let Phase::Stable(_) = self.phase {
                    self.join_at(now);
                }
            }
            _ => self.commit_refused(Api::OffsetCommit, code, partition, now),
        }
    }

    /// A member of the generation of now is one, be it that others join.
    pub(super) fn on_claim(&mut self, code: ErrorCode, sent: Moment, now: Moment) {
        match react(Api::Heartbeat, code) {
            // The next heartbeat hears of the rebalance, too.
            Reaction::Done | Reaction::Rejoin => {
                self.heard(sent);
                self.end_commit(Ok(()));
            }
            _ => self.commit_refused(Api::Heartbeat, code, self.config.group.to_string(), now),
        }
    }

    fn commit_refused(&mut self, api: Api, code: ErrorCode, place: String, now: Moment) {
        match react(api, code) {
            Reaction::RetryHere => self.delay_commit(api, code, now),
            Reaction::FindAgain => self.handle_group_error(api, code, now),
            Reaction::LoseGeneration | Reaction::LoseMember => {
                self.end_commit(Err(OffsetsError::Fenced));
                self.handle_group_error(api, code, now);
            }
            _ if code == ErrorCode::FencedInstanceId => {
                self.end_commit(Err(OffsetsError::Fenced));
                self.fail_with(api, code);
            }
            _ => self.end_commit(Err(OffsetsError::Refused { partition: place, code })),
        }
    }

    /// All offsets are stored but those of partitions that the coordinator does not know. One that has
    /// just started may hear of them yet; then their topics are gone, and what was read of them can
    /// be committed nowhere.
    fn commit_taken(&mut self, unknown: BTreeSet<TopicPartition>, now: Moment) {
        let Some(commit) = self.commits.first_mut().filter(|_| !unknown.is_empty()) else {
            return self.end_commit(Ok(()));
        };
        if now.since(*commit.unknown_since.get_or_insert(now)) < UNKNOWN_MAX {
            commit.offsets.retain(|place, _| unknown.contains(place));
            return self.commit_later(now);
        }
        // Nobody has looked at the group when all of them are unknown.
        commit.offsets.clear();
        self.commits.not_before = now;
        let topics = unknown.into_iter().map(|place| place.topic).collect();
        self.tell(MemberEvent::TopicsGone(topics));
    }

    fn delay_commit(&mut self, api: Api, code: ErrorCode, now: Moment) {
        self.report_retry(api, code);
        self.commit_later(now);
    }

    fn commit_later(&mut self, now: Moment) {
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
        let sent = self.awaits_commit();
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
        let awaits_fetch = self.awaits(Link::Coordinator, |call| call == Call::Fetch);
        let commits = self.commits.deadline().filter(|_| !self.awaits_commit());
        let fetches = self.fetches.deadline().filter(|_| !awaits_fetch);
        [commits, fetches].into_iter().flatten().min()
    }

    pub(super) fn expire_calls(&mut self, now: Moment) {
        while self.calls_deadline().is_some_and(|deadline| deadline <= now) {
            if self.commits.deadline().is_some_and(|deadline| deadline <= now)
                && !self.awaits_commit()
            {
                self.end_commit(Err(OffsetsError::TimedOut));
            } else {
                self.end_fetch(Err(OffsetsError::TimedOut));
            }
        }
    }
}
