//! What the nodes and stores of a task share: the record being processed, time, counts, handlers.

use std::cell::{Cell, Ref, RefCell};
use std::time::Duration;

use super::activity::Activity;
use super::punctuation::{Asked, PunctuationId, PunctuationType, ScheduleError, Schedules};
use crate::config::{DefaultTimestampExtractor, OwnSettings};
use crate::error::{Origin, ProcessorError, Pushed, StoreError, TaskError};
use crate::handler::{Handlers, Verdict};
use crate::metrics::{DropCounts, DropReason};
use crate::names::{ApplicationId, NodeName, StoreName, TaskId, TopicPartition};
use crate::record::{Headers, RecordMeta};
use crate::task::commit_metadata::ClosedWindows;
use crate::time::Timestamp;

/// What a task's context is made from.
#[derive(Debug, Clone)]
pub struct ContextParts {
    /// The application.
    pub application_id: ApplicationId,
    /// The task.
    pub task: TaskId,
    /// The task's input partitions, in the order of their queues.
    pub partitions: Vec<TopicPartition>,
    /// What to do with records that fail.
    pub handlers: Handlers,
    /// The time of records whose source has no extractor of its own.
    pub timestamps: DefaultTimestampExtractor,
    /// How often results that wait for the clock are looked for.
    pub emit_intervals: EmitIntervals,
    /// Settings of the program's own.
    pub own_settings: OwnSettings,
}

/// The least wall-clock times between two looks for results that wait for stream time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmitIntervals {
    /// For windows that are given out when they close:
    /// `__emit.interval.ms.kstreams.windowed.aggregation__`, 1 s by default.
    pub windows: Duration,
    /// For records of outer joins without partner:
    /// `__emit.interval.ms.kstreams.outer.join.spurious.results.fix__`, 1 s by default.
    pub outer_joins: Duration,
}

impl EmitIntervals {
    /// Nothing waits for the clock.
    pub const NONE: Self = Self { windows: Duration::ZERO, outer_joins: Duration::ZERO };
}

impl Default for EmitIntervals {
    fn default() -> Self {
        Self { windows: Duration::from_secs(1), outer_joins: Duration::from_secs(1) }
    }
}

/// Up to which times windows were given out.
#[derive(Debug, Default)]
pub(crate) struct Closed {
    pub(crate) windows: ClosedWindows,
    /// Since the last commit.
    pub(crate) changed: bool,
    committed: ClosedWindows,
}

/// The one thing that nodes and stores of a task share. A task stays on its thread, so cells do.
#[derive(Debug)]
pub struct TaskContext {
    parts: ContextParts,
    activity: Cell<Activity>,
    /// Partitions of restored records that are no input of the task; numbered after the inputs.
    elsewhere: RefCell<Vec<TopicPartition>>,
    timestamp: Cell<Timestamp>,
    headers: RefCell<Headers>,
    now: Cell<Timestamp>,
    stream_time: Cell<Timestamp>,
    dropped: Cell<DropCounts>,
    schedules: RefCell<Schedules>,
    closed: RefCell<Closed>,
    /// The node in whose code a panic began, and on what, until its error is made.
    panicked: RefCell<Option<(NodeName, Activity)>>,
    commit_requested: Cell<bool>,
}

/// Time and place as they were before a node took over.
#[derive(Debug)]
pub struct Saved {
    activity: Activity,
    timestamp: Timestamp,
    headers: Headers,
}

impl TaskContext {
    /// The context of a task that has processed nothing.
    #[must_use]
    pub fn new(parts: ContextParts) -> Self {
        Self {
            parts,
            activity: Cell::default(),
            elsewhere: RefCell::default(),
            timestamp: Cell::new(Timestamp::UNKNOWN),
            headers: RefCell::new(Headers::new()),
            now: Cell::new(Timestamp::UNKNOWN),
            stream_time: Cell::new(Timestamp::UNKNOWN),
            dropped: Cell::new(DropCounts::default()),
            schedules: RefCell::new(Schedules::new()),
            closed: RefCell::default(),
            panicked: RefCell::new(None),
            commit_requested: Cell::new(false),
        }
    }

    /// How often results that wait for the clock are looked for.
    pub const fn emit_intervals(&self) -> EmitIntervals {
        self.parts.emit_intervals
    }

    /// Up to which time the windows of a store were given out, in this run or an earlier one.
    pub fn closed_up_to(&self, store: &StoreName) -> Option<Timestamp> {
        self.closed.borrow().windows.get(store).copied()
    }

    /// The windows of a store were given out up to this time; committed with the offsets. Answers
    /// to Kafka's `addProcessorMetadataKeyValue`.
    pub fn close_up_to(&self, store: &StoreName, time: Timestamp) {
        let mut closed = self.closed.borrow_mut();
        closed.changed = true;
        match closed.windows.get_mut(store) {
            Some(known) => *known = time,
            None => drop(closed.windows.insert(store.clone(), time)),
        }
    }

    pub(crate) fn closed(&self) -> Ref<'_, Closed> {
        self.closed.borrow()
    }

    /// Takes over what another run committed with one partition; the latest counts.
    pub(crate) fn resume_closed(&self, committed: &ClosedWindows) {
        let mut closed = self.closed.borrow_mut();
        for (store, time) in committed {
            let known = closed.windows.entry(store.clone()).or_insert(*time);
            *known = (*known).max(*time);
        }
        closed.committed = closed.windows.clone();
    }

    pub(crate) fn closed_committed(&self) {
        let mut closed = self.closed.borrow_mut();
        if closed.changed {
            closed.changed = false;
            closed.committed = closed.windows.clone();
        }
    }

    pub(crate) fn discard_closed(&self) {
        let mut closed = self.closed.borrow_mut();
        closed.changed = false;
        closed.windows = closed.committed.clone();
    }

    /// The application.
    pub const fn application_id(&self) -> &ApplicationId {
        &self.parts.application_id
    }

    /// The task.
    pub const fn task(&self) -> TaskId {
        self.parts.task
    }

    /// Settings of the program's own.
    pub const fn own_settings(&self) -> &OwnSettings {
        &self.parts.own_settings
    }

    /// The task's input partitions.
    #[inline]
    pub fn partitions(&self) -> &[TopicPartition] {
        &self.parts.partitions
    }

    /// What to do with records that fail.
    pub const fn handlers(&self) -> &Handlers {
        &self.parts.handlers
    }

    /// The time of records whose source has no extractor of its own.
    pub const fn default_timestamps(&self) -> DefaultTimestampExtractor {
        self.parts.timestamps
    }

    /// Where the record being processed was read; `None` when it is no record, as in a punctuation.
    pub fn meta(&self) -> Option<RecordMeta> {
        self.meta_at(self.place()?)
    }

    fn meta_at(&self, (number, offset): (u32, i64)) -> Option<RecordMeta> {
        let TopicPartition { topic, partition } = self.numbered(number)?;
        Some(RecordMeta { topic, partition, offset })
    }

    /// The partition of a number that [`place`](Self::place) or [`number_of`](Self::number_of) gave.
    pub fn numbered(&self, number: u32) -> Option<TopicPartition> {
        let (at, inputs) = (number as usize, &self.parts.partitions);
        let input = inputs.get(at).cloned();
        input.or_else(|| self.elsewhere.borrow().get(at.checked_sub(inputs.len())?).cloned())
    }

    /// The number of a partition that a restored record was read from: that of an input, or one of
    /// its own.
    pub fn number_of(&self, topic: &str, partition: i32) -> u32 {
        let is_it =
            |known: &TopicPartition| known.partition == partition && known.topic.as_str() == topic;
        let inputs = &self.parts.partitions;
        let mut elsewhere = self.elsewhere.borrow_mut();
        let at = inputs.iter().chain(elsewhere.iter()).position(is_it).unwrap_or_else(|| {
            elsewhere.push(TopicPartition::new(topic, partition));
            inputs.len() + elsewhere.len() - 1
        });
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    /// What the task is doing, for an error.
    pub fn origin(&self) -> Origin {
        self.origin_of(self.activity())
    }

    /// The same of something that the task did.
    pub fn origin_of(&self, activity: Activity) -> Origin {
        match activity {
            Activity::Record { input, offset } => {
                self.meta_at((input, offset)).map_or(Origin::Punctuation, Origin::Record)
            }
            Activity::Punctuation => Origin::Punctuation,
            Activity::Restoration => Origin::Restoration,
            Activity::Start => Origin::Start,
            Activity::Commit => Origin::Commit,
            Activity::Close => Origin::Close,
        }
    }

    /// What the task is doing.
    #[inline]
    pub const fn activity(&self) -> Activity {
        self.activity.get()
    }

    /// The time of the record that the current node was given.
    pub const fn timestamp(&self) -> Timestamp {
        self.timestamp.get()
    }

    /// The headers of the record that the current node was given.
    pub fn headers(&self) -> Headers {
        self.headers.borrow().clone()
    }

    /// Wall-clock time as of the step being taken.
    pub const fn now(&self) -> Timestamp {
        self.now.get()
    }

    /// The greatest time of a record that the task has taken.
    pub const fn stream_time(&self) -> Timestamp {
        self.stream_time.get()
    }

    /// Counts a dropped record.
    pub fn drop_record(&self, reason: DropReason) {
        let mut counts = self.dropped.get();
        counts.add(reason);
        self.dropped.set(counts);
    }

    pub(crate) fn take_dropped(&self) -> DropCounts {
        self.dropped.take()
    }

    /// How many records were dropped since the counts were taken last.
    pub const fn dropped(&self) -> DropCounts {
        self.dropped.get()
    }

    pub(crate) fn set_now(&self, now: Timestamp) {
        self.now.set(now);
    }

    pub(crate) fn set_stream_time(&self, time: Timestamp) {
        self.stream_time.set(time);
    }

    pub(crate) const fn schedules(&self) -> &RefCell<Schedules> {
        &self.schedules
    }

    pub(crate) fn schedule(
        &self,
        node: usize,
        asked: Asked,
    ) -> Result<PunctuationId, ScheduleError> {
        let now = match asked.kind {
            PunctuationType::StreamTime => self.stream_time(),
            PunctuationType::WallClock => self.now(),
        };
        self.schedules.borrow_mut().add(node, asked, now)
    }

    pub(crate) fn request_commit(&self) {
        self.commit_requested.set(true);
    }

    pub(crate) const fn is_commit_requested(&self) -> bool {
        self.commit_requested.get()
    }

    pub(crate) fn forget_commit_request(&self) {
        self.commit_requested.set(false);
    }

    /// A panic passes through a node; the first one is where it began.
    pub(crate) fn panicked_in(&self, node: &NodeName, activity: Activity) {
        self.panicked.borrow_mut().get_or_insert_with(|| (node.clone(), activity));
    }

    /// Where a panic began: the node, where it was one's code, and what the task was doing.
    pub(crate) fn take_panicked(&self) -> (Option<NodeName>, Origin) {
        match self.panicked.borrow_mut().take() {
            Some((node, activity)) => (Some(node), self.origin_of(activity)),
            None => (None, self.origin()),
        }
    }

    /// The task turns to something else.
    #[inline]
    pub(crate) fn enter(&self, activity: Activity, timestamp: Timestamp, headers: Headers) {
        self.activity.set(activity);
        self.timestamp.set(timestamp);
        self.headers.replace(headers);
    }

    /// The task commits. Time and headers stay those of the last record, as in Kafka.
    pub(crate) fn enter_commit(&self) {
        self.activity.set(Activity::Commit);
    }

    /// A node turns to a record of its own time and headers, which its stores shall see; give the
    /// result back to [`restore`](Self::restore).
    #[must_use]
    pub fn turn_to(&self, timestamp: Timestamp, headers: &Headers) -> Saved {
        Saved {
            activity: self.activity.get(),
            timestamp: self.timestamp.replace(timestamp),
            headers: self.headers.replace(headers.clone()),
        }
    }

    /// What [`turn_to`](Self::turn_to) changed is again as it was.
    pub fn restore(&self, saved: Saved) {
        self.enter(saved.activity, saved.timestamp, saved.headers);
    }

    /// The place of the record being processed, to be put back for an entry that a cache held.
    pub const fn place(&self) -> Option<(u32, i64)> {
        self.activity.get().place()
    }

    /// A cached entry is written with the place, time and headers of the record that made it.
    #[must_use]
    pub fn turn_to_cached(
        &self,
        place: Option<(u32, i64)>,
        timestamp: Timestamp,
        headers: Headers,
    ) -> Saved {
        Saved {
            activity: self.activity.replace(Activity::at(place)),
            timestamp: self.timestamp.replace(timestamp),
            headers: self.headers.replace(headers),
        }
    }

    /// A store's failure, with its place.
    pub fn store_failure(&self, source: StoreError) -> Box<TaskError> {
        Box::new(TaskError::Store { node: None, origin: self.origin(), source })
    }

    /// Turns the result of a node's own code into that of a push: an error goes to the processing
    /// handler, unless it comes from further down, where it was handled, or from a store.
    ///
    /// # Errors
    /// When the record must not be left out.
    pub fn settle(&self, node: &NodeName, result: Result<(), ProcessorError>) -> Pushed {
        let Err(ProcessorError(error)) = result else { return Ok(()) };
        let error = match error.downcast::<Box<TaskError>>() {
            Ok(further_down) => return Err(*further_down),
            Err(error) => error,
        };
        let error = match error.downcast::<StoreError>() {
            Ok(store) => return Err(self.store_failure(*store).in_node(node)),
            Err(error) => error,
        };
        let (node, origin) = (node.clone(), self.origin());
        let failure = TaskError::Processing { node, origin, source: error };
        self.judge(failure, Judge::Processing)
    }

    /// Asks the handler in charge about a failure.
    pub(crate) fn judge(&self, failure: TaskError, judge: Judge) -> Pushed {
        let (handler, reason) = match judge {
            Judge::Processing => (&self.handlers().processing, DropReason::ProcessingFailed),
            Judge::Production => (&self.handlers().production, DropReason::ProductionFailed),
            Judge::Deserialization => (&self.handlers().deserialization, DropReason::Undecodable),
        };
        match handler.verdict(&failure) {
            Verdict::Fail => Err(Box::new(failure)),
            Verdict::Skip => {
                self.drop_record(reason);
                Ok(())
            }
        }
    }
}

/// Which handler is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Judge {
    Deserialization,
    Processing,
    Production,
}
