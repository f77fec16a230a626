//! Committed offsets: where the inputs of new tasks begin.

use std::collections::{BTreeMap, BTreeSet};

use streams_core::membership::{CallId, CommittedOffset, OffsetsError};
use streams_core::names::{TaskId, TopicName, TopicPartition};
use streams_core::plane::StartAt;
use streams_core::roster::Role;
use streams_core::store::ChangelogTopic;
use streams_core::task::commit_metadata::CommitMetadata;
use streams_core::topology::OffsetReset;
use streams_core::worker::{Command, TaskInput, TaskToStart};

use super::{Group, LookUp, Retry, TOPICS_RETRY};
use crate::error::StreamsError;

/// Tasks whose offsets are being read.
#[derive(Debug)]
pub(super) struct Fetching {
    pub(super) look_up: LookUp,
    pub(super) inputs: BTreeMap<TaskId, Vec<TopicPartition>>,
    pub(super) changelog_ends: BTreeMap<TopicPartition, i64>,
    pub(super) changelogs: BTreeMap<TopicName, ChangelogTopic>,
}

type Offsets = BTreeMap<TopicPartition, Option<CommittedOffset>>;

impl Group {
    pub(super) fn fetch_offsets(&mut self, fetching: Fetching) {
        let partitions: BTreeSet<TopicPartition> =
            fetching.inputs.values().flatten().cloned().collect();
        let now = self.now();
        match self.membership.fetch_offsets(partitions, now) {
            Ok(call) => {
                self.fetching.insert(call, fetching);
            }
            Err(refused) => {
                tracing::warn!(%refused, "offsets could not be asked for");
                self.look_again(fetching.look_up);
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
        if let Some(worker) = self.followers.remove(&call) {
            self.tell_committed(worker, result.unwrap_or_default());
            return Ok(());
        }
        let Some(fetching) = self.fetching.remove(&call) else { return Ok(()) };
        let offsets = match result {
            Ok(offsets) => offsets,
            Err(OffsetsError::Gone) => {
                self.look_again(fetching.look_up);
                return Ok(());
            }
            Err(error @ OffsetsError::Refused { .. }) => return Err(StreamsError::Offsets(error)),
            Err(error) => {
                tracing::warn!(%error, "committed offsets are asked for again");
                self.fetch_offsets(fetching);
                return Ok(());
            }
        };
        let Fetching { look_up, inputs, changelog_ends, changelogs } = fetching;
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
                self.followers.insert(call, worker);
            }
            // It asks again after a while.
            Err(_) => self.tell_committed(worker, Offsets::new()),
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

    /// A standby's inputs are known, and its offsets are to be asked for.
    fn fetching(group: &mut Group) -> Fetching {
        group.roster.adopt(&BTreeSet::new(), &[TaskId::new(0, 0)].into());
        let Some(RosterAction::Prepare { round, tasks }) = group.roster.poll() else {
            panic!("nothing is to be looked up");
        };
        let look_up = LookUp { round, tasks, failures: 0 };
        let (inputs, changelog_ends, changelogs) = Default::default();
        Fetching { look_up, inputs, changelog_ends, changelogs }
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
        let fetching = fetching(group);
        group.fetch_offsets(fetching);
        assert_eq!(group.fetching.len(), 1);
        leave(group);
        check(group);
    }

    #[test]
    fn a_standby_that_was_counted_after_its_member_had_left_is_looked_up_again() {
        let mut idle = Idle::counting("offsets-refused");
        let group = &mut idle.group;
        let fetching = fetching(group);
        leave(group);
        group.fetch_offsets(fetching);
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
        let call = *group.followers.keys().next().unwrap();
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
