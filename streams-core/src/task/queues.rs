//! Input queues of a task, and the choice of the next record by time.
//!
//! One queue for each input partition. The heads are read (bytes to values, time extracted) when
//! they become heads; the next record is the head with the least time. Among equal times the choice
//! is that of `java.util.PriorityQueue`, so that results equal Kafka's record by record.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::time::Duration;

use crate::error::TaskError;
use crate::java_order::{PriorityQueue, partition_map_order};
use crate::names::TopicPartition;
use crate::processor::{Loaded, SourceNode};
use crate::record::RecordBatch;
use crate::time::{Moment, Timestamp};

/// How long a task waits for partitions without data before it goes on with the others. Kafka's
/// `max.task.idle.ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskIdle {
    /// -1: it never waits.
    Disabled,
    /// It waits while records are known to lie on the broker, and this long when none are.
    UpTo(Duration),
}

#[derive(Debug, Clone, Copy)]
struct Head {
    timestamp: Timestamp,
    offset: i64,
    leader_epoch: Option<i32>,
    /// All that was left of the queue was left out; only the offset counts.
    skipped: bool,
}

struct Queue {
    source: usize,
    batches: VecDeque<Box<dyn RecordBatch>>,
    /// The next record of the first batch.
    cursor: usize,
    /// Records in the batches after the head.
    behind: usize,
    head: Option<Head>,
    partition_time: Timestamp,
    /// The partition's time as of the last commit.
    committed_time: Timestamp,
    /// The offset after the last record that was added.
    end: Option<(i64, Option<i32>)>,
    /// Records on the broker that were not fetched yet; unknown before the first fetch.
    lag: Option<i64>,
    idle_until: Option<Moment>,
}

impl Queue {
    fn len(&self) -> usize {
        self.behind + usize::from(self.head.is_some())
    }

    /// Reads records until one can be processed. When all are left out, the last one stays as the
    /// head, so that its offset is committed.
    fn load_head(
        &mut self,
        slot: usize,
        sources: &mut [Box<dyn SourceNode>],
    ) -> Result<(), Box<TaskError>> {
        let Some(source) = sources.get_mut(self.source) else { return Ok(()) };
        let mut last_skipped = None;
        while self.head.is_none() {
            let Some(batch) = self.batches.front() else { break };
            if self.cursor >= batch.len() {
                self.batches.pop_front();
                self.cursor = 0;
                continue;
            }
            let raw = batch.record(self.cursor);
            self.cursor += 1;
            self.behind -= 1;
            let (offset, leader_epoch) = (raw.offset, raw.leader_epoch);
            match source.load(slot, &raw, self.partition_time)? {
                Loaded::Ready(timestamp) => {
                    self.head = Some(Head { timestamp, offset, leader_epoch, skipped: false });
                }
                Loaded::Skipped => {
                    let timestamp = Timestamp::UNKNOWN;
                    last_skipped = Some(Head { timestamp, offset, leader_epoch, skipped: true });
                }
            }
        }
        if self.head.is_none() {
            self.head = last_skipped;
        }
        Ok(())
    }
}

/// The record that was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) slot: usize,
    pub(super) source: usize,
    pub(super) offset: i64,
    pub(super) timestamp: Timestamp,
    /// Nothing is to be processed; the offset was consumed.
    pub(super) skipped: bool,
}

/// What is to be committed for a partition: the next offset, with the leader epoch where known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NextOffset {
    pub(super) offset: i64,
    pub(super) leader_epoch: Option<i32>,
    pub(super) partition_time: Timestamp,
}

pub(super) struct PartitionQueues {
    queues: Vec<Queue>,
    by_time: PriorityQueue<(Timestamp, usize)>,
    stream_time: Timestamp,
    idle: TaskIdle,
    /// The order in which Kafka looks at the queues: it stops at the first that is waited for.
    visits: Vec<usize>,
    /// Whether a queue may have a time until which it is waited for.
    is_idling: bool,
}

fn by_time(a: &(Timestamp, usize), b: &(Timestamp, usize)) -> Ordering {
    a.0.cmp(&b.0)
}

impl PartitionQueues {
    pub(super) fn new(source_of: &[usize], partitions: &[TopicPartition], idle: TaskIdle) -> Self {
        let queue = |source: &usize| Queue {
            source: *source,
            batches: VecDeque::new(),
            cursor: 0,
            behind: 0,
            head: None,
            partition_time: Timestamp::UNKNOWN,
            committed_time: Timestamp::UNKNOWN,
            end: None,
            lag: None,
            idle_until: None,
        };
        Self {
            queues: source_of.iter().map(queue).collect(),
            by_time: PriorityQueue::new(),
            stream_time: Timestamp::UNKNOWN,
            idle,
            visits: partition_map_order(partitions),
            is_idling: false,
        }
    }

    /// The partition's time as it was committed.
    pub(super) fn set_partition_time(&mut self, slot: usize, time: Timestamp) {
        if let Some(queue) = self.queues.get_mut(slot) {
            queue.partition_time = queue.partition_time.max(time);
            queue.committed_time = queue.partition_time;
            self.stream_time = self.stream_time.max(time);
        }
    }

    /// The partitions' times are committed.
    pub(super) fn committed(&mut self) {
        for queue in &mut self.queues {
            queue.committed_time = queue.partition_time;
        }
    }

    pub(super) const fn stream_time(&self) -> Timestamp {
        self.stream_time
    }

    pub(super) fn set_lag(&mut self, slot: usize, lag: Option<i64>) {
        if let Some(queue) = self.queues.get_mut(slot) {
            queue.lag = lag;
        }
    }

    /// Behind the last record there may be a transaction's marker, which is committed too.
    pub(super) fn reached_end(&mut self, slot: usize, offset: i64) {
        if let Some(Queue { end: Some((end, _)), .. }) = self.queues.get_mut(slot) {
            *end = (*end).max(offset);
        }
    }

    pub(super) fn lag(&self, slot: usize) -> Option<i64> {
        self.queues.get(slot)?.lag
    }

    pub(super) fn buffered(&self, slot: usize) -> usize {
        self.queues.get(slot).map_or(0, Queue::len)
    }

    /// Bytes of the records of a partition that wait while another has none; 0 where none waits.
    pub(super) fn waiting_bytes(&self, slot: usize) -> usize {
        if self.by_time.is_empty() || self.by_time.len() == self.queues.len() {
            return 0;
        }
        let Some(queue) = self.queues.get(slot) else { return 0 };
        let batches = queue.batches.iter().enumerate();
        batches.map(|(at, one)| one.bytes_from(if at == 0 { queue.cursor } else { 0 })).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_time.is_empty()
    }

    /// Forgets what was read since the last commit; times are again what they were then.
    pub(super) fn clear(&mut self) {
        self.by_time.clear();
        for queue in &mut self.queues {
            queue.batches.clear();
            (queue.cursor, queue.behind) = (0, 0);
            (queue.head, queue.end) = (None, None);
            (queue.lag, queue.idle_until) = (None, None);
            queue.partition_time = queue.committed_time;
        }
        let times = self.queues.iter().map(|queue| queue.committed_time);
        self.stream_time = times.max().unwrap_or(Timestamp::UNKNOWN);
    }

    pub(super) fn add(
        &mut self,
        slot: usize,
        batch: Box<dyn RecordBatch>,
        sources: &mut [Box<dyn SourceNode>],
    ) -> Result<(), Box<TaskError>> {
        let Some(queue) = self.queues.get_mut(slot) else { return Ok(()) };
        let Some(last) = batch.len().checked_sub(1) else { return Ok(()) };
        let last = batch.record(last);
        queue.end = Some((last.offset + 1, last.leader_epoch));
        let was_empty = queue.len() == 0;
        queue.behind += batch.len();
        queue.batches.push_back(batch);
        if was_empty {
            queue.load_head(slot, sources)?;
            if let Some(head) = queue.head {
                self.by_time.offer((head.timestamp, slot), by_time);
            }
        }
        Ok(())
    }

    /// Whether a record may be taken now, or the task should wait for partitions without data.
    pub(super) fn is_ready(&mut self, now: Moment) -> bool {
        let TaskIdle::UpTo(idle) = self.idle else { return !self.by_time.is_empty() };
        if self.by_time.len() == self.queues.len() && !self.is_idling {
            return !self.queues.is_empty();
        }
        for slot in &self.visits {
            let Some(queue) = self.queues.get_mut(*slot) else { continue };
            if queue.len() > 0 {
                queue.idle_until = None;
                continue;
            }
            if queue.lag != Some(0) {
                queue.idle_until = None;
                return false;
            }
            let until = *queue.idle_until.get_or_insert_with(|| now.after(idle));
            self.is_idling = true;
            if now < until {
                return false;
            }
        }
        self.is_idling = self.queues.iter().any(|queue| queue.idle_until.is_some());
        !self.by_time.is_empty()
    }

    /// Takes the record with the least time. Call [`taken`](Self::taken) once it was processed.
    pub(super) fn take(&mut self) -> Option<Chosen> {
        let (_, slot) = self.by_time.poll(by_time)?;
        let queue = self.queues.get_mut(slot)?;
        let head = queue.head.take()?;
        queue.partition_time = queue.partition_time.max(head.timestamp);
        self.stream_time = self.stream_time.max(head.timestamp);
        Some(Chosen {
            slot,
            source: queue.source,
            offset: head.offset,
            timestamp: head.timestamp,
            skipped: head.skipped,
        })
    }

    /// The next record of that partition becomes its head.
    pub(super) fn taken(
        &mut self,
        slot: usize,
        sources: &mut [Box<dyn SourceNode>],
    ) -> Result<(), Box<TaskError>> {
        let Some(queue) = self.queues.get_mut(slot) else { return Ok(()) };
        queue.load_head(slot, sources)?;
        if let Some(head) = queue.head {
            self.by_time.offer((head.timestamp, slot), by_time);
        }
        Ok(())
    }

    /// The offset to commit for a partition from which records were processed.
    pub(super) fn next_offset(&self, slot: usize) -> Option<NextOffset> {
        let queue = self.queues.get(slot)?;
        let head = queue.head.map(|head| (head.offset, head.leader_epoch));
        let (offset, leader_epoch) = head.or(queue.end)?;
        Some(NextOffset { offset, leader_epoch, partition_time: queue.partition_time })
    }
}
