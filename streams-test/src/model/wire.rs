//! Records on their way from producers to the log, while calls may fail.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use streams_core::error::ProduceError;
use streams_core::membership::Moment;
use streams_core::names::TopicPartition;
use streams_core::outbox::{Purpose, TopicId};
use streams_core::plane::Delivery;
use streams_core::processor::Activity;

use super::link::MachineId;
use super::{NewRecord, State, WriterId};

/// A record that was sent, and not acknowledged.
#[derive(Debug)]
struct OnItsWay {
    due: Moment,
    partition: TopicPartition,
    record: NewRecord,
    tag: Tag,
    end: End,
}

/// What is told with what became of a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tag {
    pub(super) purpose: Purpose,
    pub(super) activity: Activity,
    pub(super) topic: TopicId,
}

impl Tag {
    pub(super) const fn told(self, outcome: Result<i64, ProduceError>) -> Delivery {
        let Self { purpose, activity, topic } = self;
        Delivery { purpose, activity, topic, outcome }
    }
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Acknowledged,
    /// It is not acknowledged in time, though it may be in the log.
    TimesOut,
}

/// What one producer has sent. Records of a partition arrive in order, without gaps.
#[derive(Debug, Default)]
pub(super) struct Lane {
    machine: MachineId,
    on_their_way: VecDeque<OnItsWay>,
    last_due: BTreeMap<TopicPartition, Moment>,
    /// With the partition of each.
    deliveries: VecDeque<(i32, Delivery)>,
    life: Life,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Life {
    #[default]
    Open,
    /// A record timed out: the producer can send no more in order.
    Broken,
    /// The producer is gone, and nobody hears what becomes of its records.
    Gone,
}

fn timed_out() -> ProduceError {
    ProduceError::Unavailable {
        code: "REQUEST_TIMED_OUT".to_owned(),
        message: "no acknowledgement came in time".to_owned(),
    }
}

impl State {
    /// Puts a record on its way.
    pub(super) fn dispatch(
        &mut self,
        machine: MachineId,
        partition: TopicPartition,
        (record, tag): (NewRecord, Tag),
    ) -> Result<(), ProduceError> {
        let now = self.groups.now();
        let late = self.links.delay(self.route(machine, partition.partition), now);
        let due = now.after(self.network.delay()).after(late);
        let end = if self.network.loses_delivery() { End::TimesOut } else { End::Acknowledged };
        let lane = self.lanes.entry(record.writer).or_default();
        if lane.life == Life::Broken {
            return Err(timed_out());
        }
        lane.machine = machine;
        let last = lane.last_due.entry(partition.clone()).or_insert(due);
        *last = due.max(*last);
        lane.on_their_way.push_back(OnItsWay { due: *last, partition, record, tag, end });
        Ok(())
    }

    /// Appends the records that are due.
    pub(super) fn deliver(&mut self) {
        let mut lanes = std::mem::take(&mut self.lanes);
        for lane in lanes.values_mut() {
            self.deliver_lane(lane);
        }
        lanes.retain(|_, lane| lane.life != Life::Gone || !lane.on_their_way.is_empty());
        self.lanes = lanes;
    }

    fn deliver_lane(&mut self, lane: &mut Lane) {
        let now = self.groups.now();
        let mut waiting = BTreeSet::new();
        for sent in std::mem::take(&mut lane.on_their_way) {
            let partition = sent.partition.partition;
            let route = self.route(lane.machine, partition);
            let is_ready = sent.due <= now
                && self.links.carries_requests(route, now)
                && self.network.has_leader(partition, now);
            if lane.life != Life::Broken && (!is_ready || waiting.contains(&sent.partition)) {
                waiting.insert(sent.partition.clone());
                lane.on_their_way.push_back(sent);
                continue;
            }
            let tag = sent.tag;
            let outcome = match (lane.life, sent.end) {
                (Life::Broken, _) => Err(timed_out()),
                (_, End::TimesOut) => {
                    if self.network.dice.below(2) == 0 {
                        let _ = self.append(&sent.partition, sent.record);
                    }
                    lane.life = Life::Broken;
                    Err(timed_out())
                }
                (_, End::Acknowledged) => self.append(&sent.partition, sent.record),
            };
            lane.deliveries.push_back((partition, tag.told(outcome)));
        }
        if lane.life == Life::Broken {
            let left = lane.on_their_way.drain(..);
            let failed =
                left.map(|sent| (sent.partition.partition, sent.tag.told(Err(timed_out()))));
            lane.deliveries.extend(failed);
        }
    }

    /// What became of a producer's records, as far as it hears, and of how many it has not heard.
    pub(super) fn delivered(
        &mut self,
        writer: WriterId,
        machine: MachineId,
    ) -> (VecDeque<Delivery>, usize) {
        let Some(lane) = self.lanes.get_mut(&writer) else { return Default::default() };
        let (told, now) = (std::mem::take(&mut lane.deliveries), self.groups.now());
        // That it has given up, it knows by itself.
        let (knows, on_their_way) = (lane.life == Life::Broken, lane.on_their_way.len());
        let hears = |(partition, _): &(i32, Delivery)| {
            knows || self.links.carries_answers(self.route(machine, *partition), now)
        };
        let (heard, unheard): (VecDeque<_>, VecDeque<_>) = told.into_iter().partition(hears);
        let unknown = on_their_way + unheard.len();
        if let Some(lane) = self.lanes.get_mut(&writer) {
            lane.deliveries = unheard;
        }
        (heard.into_iter().map(|(_, delivery)| delivery).collect(), unknown)
    }

    /// Why a producer can send no more.
    pub(super) fn failure(&self, writer: WriterId) -> Option<ProduceError> {
        let is_broken = self.lanes.get(&writer).is_some_and(|lane| lane.life == Life::Broken);
        is_broken.then(|| ProduceError::ProducerFailed {
            code: "REQUEST_TIMED_OUT".to_owned(),
            message: "a record may be in the log, or not".to_owned(),
        })
    }

    /// Another takes the place and the number of a producer that can send no more.
    pub(super) fn renew(&mut self, writer: WriterId) {
        if let Some(lane) = self.lanes.get_mut(&writer)
            && lane.life == Life::Broken
        {
            lane.life = Life::Open;
            lane.last_due.clear();
        }
    }

    /// The producer is gone. Of each partition some records may have left already: they arrive,
    /// however late.
    pub(super) fn abandon(&mut self, writer: WriterId) {
        let Some(mut lane) = self.lanes.remove(&writer) else { return };
        lane.life = Life::Gone;
        let mut left = BTreeMap::<TopicPartition, u64>::new();
        for sent in &lane.on_their_way {
            *left.entry(sent.partition.clone()).or_default() += 1;
        }
        let mut late = BTreeMap::new();
        for (partition, count) in &mut left {
            *count = self.network.dice.below(*count + 1);
            late.insert(partition.clone(), self.network.long_delay());
        }
        lane.on_their_way.retain_mut(|sent| {
            sent.end = End::Acknowledged;
            sent.due = sent.due.after(late.get(&sent.partition).copied().unwrap_or_default());
            match left.get_mut(&sent.partition) {
                Some(count) if *count > 0 => {
                    *count -= 1;
                    true
                }
                _ => false,
            }
        });
        if !lane.on_their_way.is_empty() {
            self.lanes.insert(writer, lane);
        }
    }
}
