//! Committed offsets: where the inputs of new tasks begin.

use std::collections::{BTreeMap, BTreeSet};

use streams_core::membership::{CallId, CommittedOffset, Generation, OffsetsError};
use streams_core::names::{TaskId, TopicName, TopicPartition};
use streams_core::plane::StartAt;
use streams_core::roster::Role;
use streams_core::store::ChangelogTopic;
use streams_core::task::commit_metadata::CommitMetadata;
use streams_core::topology::OffsetReset;
use streams_core::worker::{Command, TaskInput, TaskToStart};

use super::{Counted, Group, LookUp, Retry, TOPICS_RETRY};
use crate::error::StreamsError;

/// For whom offsets are being read.
#[derive(Debug)]
pub(super) enum Fetching {
    /// Tasks that are to begin.
    Tasks(Begun),
    /// A worker whose standbys follow inputs.
    Worker(usize),
    /// The leader, before it spreads the tasks.
    Leader(Generation, Counted),
}

/// Tasks that are to begin, as far as they are looked up.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) look_up: LookUp,
    pub(super) inputs: BTreeMap<TaskId, Vec<TopicPartition>>,
    pub(super) changelog_ends: BTreeMap<TopicPartition, i64>,
    pub(super) changelogs: BTreeMap<TopicName, ChangelogTopic>,
}

type Offsets = BTreeMap<TopicPartition, Option<CommittedOffset>>;

impl Group {
    pub(super) fn fetch_offsets(&mut self, begun: Begun) {
        let partitions: BTreeSet<TopicPartition> =
            begun.inputs.values().flatten().cloned().collect();
        let now = self.now();
        match self.membership.fetch_offsets(partitions, now) {
            Ok(call) => {
                self.fetching.insert(call, Fetching::Tasks(begun));
            }
            Err(refused) => {
                tracing::warn!(%refused, "offsets could not be asked for");
                self.look_again(begun.look_up);
            }
        }
    }

    /// Tasks are looked up anew a little later. Those that are to be standbys still are when the member
    /// has left and is back.
    pub(super) fn look_again(&mut self, look_up: LookUp) {
        let at = self.now().after(TOPICS_RETRY);
        self.retries.push((at, Retry::Look(look_up)));
    }

    pub(super) fn on_offsets(
        &mut self,
        call: CallId,
        result: Result<Offsets, OffsetsError>,
    ) -> Result<(), StreamsError> {
        match self.fetching.remove(&call) {
            None => Ok(()),
            Some(Fetching::Tasks(begun)) => self.begin(begun, result),
            Some(Fetching::Worker(worker)) => {
                self.tell_committed(worker, result.unwrap_or_default());
                Ok(())
            }
            Some(Fetching::Leader(generation, mut counted)) => {
                // Without an answer it is not known where they end.
                let ends = result.unwrap_or_default().into_iter();
                let ends = ends.map(|(input, at)| (input, at.map_or(0, |at| at.offset)));
                counted.changelog_ends.extend(ends);
                self.spread(generation, &counted);
                Ok(())
            }
        }
    }

    /// Tasks begin where the group has committed.
    fn begin(
        &mut self,
        begun: Begun,
        result: Result<Offsets, OffsetsError>,
    ) -> Result<(), StreamsError> {
        let offsets = match result {
            Ok(offsets) => offsets,
            Err(OffsetsError::Gone) => {
                self.look_again(begun.look_up);
                return Ok(());
            }
            Err(error @ OffsetsError::Refused { .. }) => return Err(StreamsError::Offsets(error)),
            Err(error) => {
                tracing::warn!(%error, "committed offsets are asked for again");
                self.fetch_offsets(begun);
                return Ok(());
            }
        };
        let Begun { look_up, inputs, changelog_ends, changelogs } = begun;
        let LookUp { round, tasks: roles, .. } = look_up;
        let mut tasks = Vec::new();
        for (task, inputs) in inputs {
            self.inputs_seen.begun(task, &inputs);
            self.gone.begun(&inputs);
            let role = roles.get(&task).copied().unwrap_or(Role::Active);
            let inputs = inputs.into_iter().map(|input| self.start_of(input, role, &offsets));
            let inputs = inputs.collect::<Result<_, StreamsError>>()?;
            let (changelog_ends, changelogs) = (changelog_ends.clone(), changelogs.clone());
            tasks.push(TaskToStart { task, inputs, changelog_ends, changelogs });
        }
        self.roster.prepared(round, tasks);
        Ok(())
    }

    /// How far the group has processed inputs that standbys follow.
    pub(super) fn find_committed(&mut self, worker: usize, inputs: Vec<TopicPartition>) {
        let now = self.now();
        match self.membership.fetch_offsets(inputs.into_iter().collect(), now) {
            Ok(call) => {
                self.fetching.insert(call, Fetching::Worker(worker));
            }
            // It asks again after a while.
            Err(_) => self.tell_committed(worker, Offsets::new()),
        }
    }

    /// How far the group has processed inputs that serve as changelogs, for the leader.
    pub(super) fn find_processed(
        &mut self,
        inputs: BTreeSet<TopicPartition>,
        (generation, counted): (Generation, Counted),
    ) {
        let now = self.now();
        match self.membership.fetch_offsets(inputs, now) {
            Ok(call) => {
                self.fetching.insert(call, Fetching::Leader(generation, counted));
            }
            Err(_) => self.spread(generation, &counted),
        }
    }

    fn tell_committed(&self, worker: usize, offsets: Offsets) {
        let known = offsets.into_iter().filter_map(|(input, at)| Some((input, at?.offset)));
        self.tell(worker, Command::Processed(known.collect()));
    }

    fn start_of(
        &self,
        partition: TopicPartition,
        role: Role,
        offsets: &Offsets,
    ) -> Result<TaskInput, StreamsError> {
        let reset = match role {
            Role::Active => self.reset_of(&partition),
            // A standby reads no input.
            Role::Standby => OffsetReset::Earliest,
        };
        let (start, committed) = match (offsets.get(&partition), reset) {
            (Some(Some(committed)), _) => {
                (StartAt::Offset(committed.offset), CommitMetadata::decode(&committed.metadata))
            }
            (_, OffsetReset::Fail) => return Err(StreamsError::NoOffset(partition)),
            (_, reset) => (StartAt::Reset(reset), CommitMetadata::default()),
        };
        Ok(TaskInput { partition, start, committed, reset })
    }

    /// The policy of the source that reads a partition, else that of the application.
    fn reset_of(&self, partition: &TopicPartition) -> OffsetReset {
        let topology = &self.parts.topology;
        let in_kafka = |topic| self.parts.names.in_kafka(topology, topic) == partition.topic;
        let parts = topology.subtopologies().iter();
        let topic = parts.flat_map(|part| &part.source_topics).find(|topic| in_kafka(topic));
        let reset = topic.and_then(|topic| topology.offset_reset(topic));
        reset.unwrap_or(self.parts.offset_reset)
    }
}

#[cfg(test)]
mod tests {
    use streams_core::membership::{Action, Departure};
    use streams_core::roster::RosterAction;

    use super::super::Life;
    use super::*;
    use crate::group::testing::Idle;
    use crate::worker_thread::WorkerHandle;

    impl Group {
        /// Whether the leader waits to hear how far inputs are processed.
        pub(in crate::group) fn asks_how_far_is_processed(&self) -> bool {
            self.fetching.values().any(|one| matches!(one, Fetching::Leader(..)))
        }
    }

    /// A standby's inputs are known, and its offsets are to be asked for.
    fn begun(group: &mut Group) -> Begun {
        group.roster.adopt(&BTreeSet::new(), &[TaskId::new(0, 0)].into());
        let Some(RosterAction::Prepare { round, tasks }) = group.roster.poll() else {
            panic!("nothing is to be looked up");
        };
        let look_up = LookUp { round, tasks, failures: 0 };
        let (inputs, changelog_ends, changelogs) = Default::default();
        Begun { look_up, inputs, changelog_ends, changelogs }
    }

    /// A worker is late, and the member leaves for a while.
    fn leave(group: &mut Group) {
        group.life = Life::Outside;
        let now = group.now();
        group.membership.leave(Departure::ToReturn, now);
        while let Some(action) = group.membership.poll(now) {
            if let Action::Event(event) = action {
                group.on_member_event(event).unwrap();
            }
        }
    }

    /// It is looked up again, but not before the member is back: there is no runtime to ask in.
    fn check(group: &mut Group) {
        assert!(group.fetching.is_empty());
        for _ in 0..2 {
            assert!(matches!(group.retries[..], [(_, Retry::Look(_))]), "{:?}", group.retries);
            group.started -= TOPICS_RETRY;
            group.retry_if_due();
        }
        group.life = Life::Closing;
        group.started -= TOPICS_RETRY;
        group.retry_if_due();
        assert!(group.retries.is_empty());
    }

    #[test]
    fn a_standby_whose_member_leaves_while_it_is_looked_up_is_looked_up_again() {
        let mut idle = Idle::counting("offsets-gone");
        let group = &mut idle.group;
        let begun = begun(group);
        group.fetch_offsets(begun);
        assert_eq!(group.fetching.len(), 1);
        leave(group);
        check(group);
    }

    #[test]
    fn a_standby_that_was_counted_after_its_member_had_left_is_looked_up_again() {
        let mut idle = Idle::counting("offsets-refused");
        let group = &mut idle.group;
        let begun = begun(group);
        leave(group);
        group.fetch_offsets(begun);
        check(group);
    }

    /// Also where nothing is known of them: the worker waits for the word.
    #[test]
    fn a_worker_that_asks_for_committed_offsets_is_answered() {
        let mut idle = Idle::counting("offsets-followed");
        let group = &mut idle.group;
        let (listener, heard) = WorkerHandle::to_listener();
        group.parts.workers.insert(1, listener);
        let (input, other) = (TopicPartition::new("in", 0), TopicPartition::new("in", 1));
        group.find_committed(1, vec![input.clone(), other.clone()]);
        let call = *group.fetching.keys().next().unwrap();
        let at = CommittedOffset { offset: 7, leader_epoch: None, metadata: String::new() };
        group.on_offsets(call, Ok([(input.clone(), Some(at)), (other, None)].into())).unwrap();
        group.find_committed(1, vec![input.clone()]);
        leave(group);
        group.find_committed(1, vec![input.clone()]);
        let told = heard.try_iter().map(|told| match told.command {
            Command::Processed(inputs) => inputs,
            other => panic!("{other:?}"),
        });
        let told: Vec<BTreeMap<TopicPartition, i64>> = told.collect();
        assert_eq!(told, [[(input, 7)].into(), BTreeMap::new(), BTreeMap::new()]);
    }
}
