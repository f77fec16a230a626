//! Fetches of stored positions.

use std::collections::BTreeMap;

use super::Membership;
use super::links::Link;
use super::reaction::{Reaction, react};
use super::state::Outcome;
use crate::membership::connection::Call;
use crate::membership::error::OffsetsError;
use crate::membership::event::{CommittedOffset, MemberEvent};
use crate::membership::names::{TopicName, TopicPartition};
use crate::membership::wire::offset_fetch::{OffsetFetchRequest, OffsetFetchResponse};
use crate::membership::wire::{Api, ByTopic, ErrorCode};
use crate::time::Moment;

type Positions = BTreeMap<TopicPartition, Option<CommittedOffset>>;

impl Membership {
    pub(super) fn fetch_due(&self) -> Option<Moment> {
        let in_flight = self.awaits(Link::Coordinator, |call| call == Call::Fetch);
        (!in_flight && self.fetches.len() > 0).then_some(self.fetches.not_before)
    }

    pub(super) fn send_fetch(&mut self, now: Moment) {
        let Some(first) = self.fetches.first() else { return };
        let mut topics = BTreeMap::<&TopicName, Vec<i32>>::new();
        for place in &first.partitions {
            topics.entry(&place.topic).or_default().push(place.partition);
        }
        let topics = topics.into_iter();
        let topics = topics.map(|(name, partitions)| ByTopic { topic: name.clone(), partitions });
        let request =
            OffsetFetchRequest { group: self.config.group.clone(), topics: topics.collect() };
        self.send(Link::Coordinator, Call::Fetch, &request, now);
    }

    pub(super) fn on_fetch(&mut self, answer: OffsetFetchResponse, now: Moment) {
        let group = self.config.group.to_string();
        let whole = Some((group, answer.error)).filter(|(_, code)| *code != ErrorCode::None);
        let failed = whole.or_else(|| {
            answer.topics.iter().find_map(|topic| {
                let failed = topic.partitions.iter().find(|one| one.error != ErrorCode::None)?;
                Some((format!("{}-{}", topic.topic, failed.partition), failed.error))
            })
        });
        let Some((partition, code)) = failed else {
            let positions = self.positions(answer);
            return self.end_fetch(Ok(positions));
        };
        match react(Api::OffsetFetch, code) {
            Reaction::RetryHere | Reaction::Rejoin => {
                self.report_retry(Api::OffsetFetch, code);
                let wait = self.fetches.backoff.next(self.config.retry_waits(), &mut self.jitter);
                self.fetches.not_before = now.after(wait);
            }
            Reaction::FindAgain => {
                self.report_retry(Api::OffsetFetch, code);
                self.leave_coordinator(now);
            }
            _ if code == ErrorCode::GroupAuthorizationFailed => {
                self.fail_with(Api::OffsetFetch, code);
            }
            _ => self.end_fetch(Err(OffsetsError::Refused { partition, code })),
        }
    }

    /// The positions of exactly the partitions asked for.
    fn positions(&self, answer: OffsetFetchResponse) -> Positions {
        let asked = self.fetches.first().map(|fetch| fetch.partitions.iter().cloned());
        let mut positions: Positions = asked.into_iter().flatten().map(|one| (one, None)).collect();
        for topic in answer.topics {
            for one in topic.partitions.into_iter().filter(|one| one.offset >= 0) {
                let place = TopicPartition::new(topic.topic.clone(), one.partition);
                if let Some(position) = positions.get_mut(&place) {
                    let metadata = one.metadata.map(String::from).unwrap_or_default();
                    let (offset, leader_epoch) = (one.offset, one.leader_epoch);
                    *position = Some(CommittedOffset { offset, leader_epoch, metadata });
                }
            }
        }
        positions
    }

    pub(super) fn end_fetch(&mut self, result: Outcome<Positions>) {
        if let Some(fetch) = self.fetches.pop() {
            self.tell(MemberEvent::OffsetsFetched { call: fetch.call, result });
        }
    }
}
