//! What the group thread makes of what it hears.

use std::collections::{BTreeMap, BTreeSet};

use streams_core::membership::{
    CallId, CallRefused, CommittedOffset, GroupFault, MemberEvent, Moment, OffsetsError, Order,
};
use streams_core::names::{TaskId, TopicPartition};
use streams_core::plane::StartAt;
use streams_core::roster::{Role, RosterAction};
use streams_core::task::OffsetToCommit;
use streams_core::task::commit_metadata::CommitMetadata;
use streams_core::topology::OffsetReset;
use streams_core::worker::{Action, Command, CommitFailure, CommitId, TaskInput, TaskToStart};

use super::{Commit, Ends, Input, Life, LookUp, Process, Question, Setting, Told};
use crate::app::INPUT;
use crate::defects::Defect;

type Offsets = BTreeMap<TopicPartition, Option<CommittedOffset>>;

impl Process {
    pub(super) fn subscribe(&mut self, now: Moment) {
        let topics = [INPUT.into(), self.setting.app.repartition()].into();
        self.member.subscribe(topics, self.held.with(self.data.clone()), now);
    }

    pub(super) fn tell_states(&mut self, now: Moment) {
        if let Some(held) = self.roster.news() {
            self.disk.keep_positions(&held.on_disk);
            self.held = held;
            self.subscribe(now);
        }
    }

    fn tell(&mut self, worker: usize, command: Command) {
        let losses = self.losses;
        if let Some(thread) = self.threads.get_mut(&worker) {
            thread.inbox.push_back(Told { losses, command });
        }
    }

    pub(super) fn follow_roster(&mut self, now: Moment) {
        while let Some(action) = self.roster.poll() {
            match action {
                RosterAction::Prepare { round, tasks } => {
                    self.ask(Question::LookUp(LookUp { round, tasks }), now);
                }
                RosterAction::Tell { worker, command } => {
                    if let Command::Release(tasks) | Command::Demote(tasks) = &command
                        && self.is(Defect::ReleasedBeforeCommit)
                    {
                        let tasks: BTreeSet<TaskId> = tasks.iter().copied().collect();
                        self.member.release(&tasks, now);
                    }
                    self.tell(worker, command);
                }
                RosterAction::Release(task) => {
                    self.tell_states(now);
                    self.member.release(&[task].into(), now);
                }
            }
        }
    }

    pub(super) fn handle(&mut self, input: Input, now: Moment) {
        match input {
            Input::TopicsPrepared(generation, prepared) => {
                self.topics_prepared(generation, prepared, now);
            }
            Input::LookedUp(look_up, ends) => self.fetch_offsets(look_up, ends, now),
            Input::LookUpFailed(_) if self.is(Defect::LookUpForgotten) => {}
            Input::LookUpFailed(look_up) => self.ask_later(Question::LookUp(look_up), now),
            Input::EndsFound(worker, ends) => self.tell(worker, ends),
            Input::Worker(worker, losses, action) => self.on_worker((worker, losses), action, now),
            Input::TasksFailed(tasks, response) => self.tasks_failed(&tasks, response, now),
            Input::WorkerEnded(worker) => self.worker_ended(worker, now),
        }
    }

    /// What a task must hold of its changelog that this process had not before.
    fn note_granted(&mut self, tasks: &BTreeSet<TaskId>) {
        self.granted.retain(|task, _| tasks.contains(task));
        let Setting { app, kafka, .. } = &self.setting;
        for task in tasks {
            self.granted.entry(*task).or_insert_with(|| {
                let changelog = app.changelog(*task);
                Some((kafka.topic_identity(&changelog.topic)?, kafka.offsets(&changelog)?.1))
            });
        }
    }

    /// Where the changelogs of tasks that are to run end, as far as their brokers tell.
    pub(super) fn ends(&mut self, look_up: &LookUp) -> Ends {
        let mut ends = Ends::new();
        let app = &self.setting.app;
        let all_known = self.known_ends(look_up.tasks.keys().map(|task| app.changelog(*task)));
        for (task, role) in &look_up.tasks {
            let changelog = self.setting.app.changelog(*task);
            let Some((_, end)) = self.setting.kafka.offsets(&changelog) else { continue };
            let first = *self.first_ends.entry(changelog.clone()).or_insert(end);
            let held = self.roster_position(*task);
            let known = all_known.get(&changelog).copied();
            let end = match self.setting.defect {
                Some(Defect::EndsAskedOnce) => Some(first),
                Some(Defect::PromotedAsItIs) => held.or(known),
                _ => known,
            };
            if let (Role::Active, Some(end)) = (role, end) {
                ends.insert(changelog, end);
            }
        }
        ends
    }

    /// How far the process' state of a task that it keeps warm is.
    fn roster_position(&self, task: TaskId) -> Option<i64> {
        use streams_core::membership::StatePosition::UpTo;
        let position =
            self.held.positions.get(&task).filter(|_| self.held.standby.contains(&task))?;
        if let UpTo(at) = position { Some(*at) } else { None }
    }

    fn fetch_offsets(&mut self, look_up: LookUp, ends: Ends, now: Moment) {
        let partitions = look_up.tasks.keys().map(|task| self.setting.app.input(*task)).collect();
        match self.member.fetch_offsets(partitions, now) {
            Ok(call) => {
                self.fetching.insert(call, (look_up, ends));
            }
            Err(_) => self.ask_later(Question::LookUp(look_up), now),
        }
    }

    fn on_offsets(&mut self, call: CallId, result: Result<Offsets, OffsetsError>, now: Moment) {
        let Some((look_up, ends)) = self.fetching.remove(&call) else { return };
        let offsets = match result {
            Ok(offsets) => offsets,
            Err(OffsetsError::Gone) => return self.ask_later(Question::LookUp(look_up), now),
            Err(error @ OffsetsError::Refused { .. }) => {
                self.fault = Some(format!("offsets cannot be read: {error}"));
                return;
            }
            Err(_) => return self.fetch_offsets(look_up, ends, now),
        };
        let tasks = look_up.tasks.keys().map(|task| {
            let inputs = vec![self.start_of(*task, &offsets)];
            let topic = self.setting.app.changelog(*task).topic;
            let changelogs = self.setting.kafka.changelog_topic(&topic).map(|known| (topic, known));
            TaskToStart {
                task: *task,
                inputs,
                changelog_ends: ends.clone(),
                changelogs: changelogs.into_iter().collect(),
            }
        });
        self.roster.prepared(look_up.round, tasks.collect());
    }

    fn start_of(&self, task: TaskId, offsets: &Offsets) -> TaskInput {
        let (partition, reset) = (self.setting.app.input(task), OffsetReset::Earliest);
        let stored = offsets.get(&partition).and_then(Option::as_ref);
        let committed = stored.map(|at| CommitMetadata::decode(&at.metadata)).unwrap_or_default();
        let mut offset = stored.map(|at| at.offset);
        if self.is(Defect::NoRewind) {
            offset = offset.max(self.read.get(&partition).copied());
        }
        let start = offset.map_or(StartAt::Reset(reset), StartAt::Offset);
        TaskInput { partition, start, committed, reset }
    }

    pub(super) fn on_member(&mut self, event: MemberEvent, now: Moment) {
        match event {
            MemberEvent::MemberIdGiven(member) => {
                self.said.push(format!("is {member}"));
                self.disk.remember(Some(member));
            }
            MemberEvent::TasksWanted(wanted) => self.ask(Question::Topics(wanted.generation), now),
            MemberEvent::Assigned(assigned) => {
                self.said.push(format!(
                    "adopts generation {}: {:?}, warm {:?}",
                    assigned.token.generation().0,
                    names(&assigned.active),
                    names(&assigned.standby)
                ));
                let running = self.running();
                self.had.extend(assigned.active.iter().copied().chain(running));
                self.had_in.insert(assigned.token.generation().0, self.had.clone());
                self.token = Some(assigned.token);
                if self.life == Life::Up {
                    self.roster.adopt(&assigned.active, &assigned.standby);
                    self.note_granted(&assigned.active);
                    self.adopted = assigned.active;
                }
                if assigned.order == Order::ShutDown && !self.is(Defect::OrderUnheard) {
                    self.ordered_down(now);
                }
            }
            MemberEvent::Lost { reason } => {
                self.said.push(format!("loses all: {reason}"));
                if self.is(Defect::LostTasksRunOn) {
                    self.heard_of_loss = true;
                    return;
                }
                self.lose_all();
            }
            MemberEvent::Committed { call, result } => self.committed(call, result),
            MemberEvent::OffsetsFetched { call, result } => self.on_offsets(call, result, now),
            MemberEvent::Left => self.left(),
            MemberEvent::Failed(GroupFault::InstanceFenced { .. }) => self.fenced(),
            MemberEvent::Failed(fault) => self.fault = Some(format!("the group failed: {fault}")),
            MemberEvent::TopicsGone(_) | MemberEvent::Troubled(_) => {}
        }
    }

    fn on_worker(&mut self, (worker, losses): (usize, u64), action: Action, now: Moment) {
        match action {
            Action::Commit { id, offsets, .. } => self.commit((worker, losses), id, offsets, now),
            Action::FindEnds(changelogs) => self.ask(Question::Ends(worker, changelogs), now),
            // No store is kept in its source topic.
            Action::FindCommitted(_) => self.tell(worker, Command::Processed(BTreeMap::new())),
            Action::Running(task) => {
                self.said.push(format!("runs {task}"));
                self.roster.running(task);
            }
            Action::Closed(task) => self.roster.closed(task),
            Action::Demoted(task) => self.roster.demoted(task),
            Action::Holds(held) => self.roster.holds(held),
            Action::Restored(_) => {}
            Action::Done => self.worker_done(worker, now),
            // Its thread asks the handler first.
            Action::Failed { .. } => {}
        }
    }

    /// A request from before the tasks were lost is refused, whatever the group says by now.
    fn commit(
        &mut self,
        (worker, losses): (usize, u64),
        id: CommitId,
        offsets: Vec<OffsetToCommit>,
        now: Moment,
    ) {
        let processed = offsets.iter().map(|at| (at.partition.clone(), at.offset)).collect();
        if self.is(Defect::PurgedWhenRead) {
            self.purge.extend(self.ends_of_inputs());
        }
        let is_current = losses == self.losses || self.is(Defect::NewestGenerationAtCommit);
        let token = self.token.as_ref().filter(|_| is_current);
        let Some(token) = token else {
            return self.answer(worker, id, Err(CommitFailure::Fenced));
        };
        if offsets.is_empty() && self.is(Defect::CommitUnasked) {
            return self.answer(worker, id, Ok(()));
        }
        let offsets = offsets.into_iter().map(|offset| {
            let OffsetToCommit { partition, offset, leader_epoch, metadata } = offset;
            (partition, CommittedOffset { offset, leader_epoch, metadata })
        });
        match self.member.commit(token, offsets.collect(), now) {
            Ok(call) => {
                self.commits.insert(call, Commit { worker, id, processed });
            }
            Err(CallRefused::Gone) => {
                self.answer(worker, id, Err(CommitFailure::Fatal("the member is gone".to_owned())));
            }
            Err(CallRefused::StaleToken | CallRefused::Rebalancing) => {
                self.answer(worker, id, Err(CommitFailure::Rebalancing));
            }
            Err(refused) => {
                let why = CommitFailure::Retriable(refused.to_string());
                self.answer(worker, id, Err(why));
            }
        }
    }

    fn committed(&mut self, call: CallId, result: Result<(), OffsetsError>) {
        let Some(Commit { worker, id, processed }) = self.commits.remove(&call) else { return };
        let is_in_doubt = matches!(result, Err(OffsetsError::TimedOut));
        let is_taken = result.is_ok() || (is_in_doubt && self.is(Defect::DoubtTakenForCommit));
        if is_taken {
            self.purge.extend(processed);
        }
        let result = if is_taken { Ok(()) } else { result };
        let result = result.map_err(|error| match error {
            OffsetsError::Fenced => CommitFailure::Fenced,
            OffsetsError::StaleToken | OffsetsError::Rebalancing => CommitFailure::Rebalancing,
            OffsetsError::TimedOut => CommitFailure::Retriable(error.to_string()),
            other => CommitFailure::Fatal(other.to_string()),
        });
        self.answer(worker, id, result);
    }

    fn answer(&mut self, worker: usize, id: CommitId, result: Result<(), CommitFailure>) {
        self.tell(worker, Command::Committed(id, result));
    }

    /// Where the inputs of running tasks end, which is about where they are read to.
    pub(super) fn ends_of_inputs(&self) -> BTreeMap<TopicPartition, i64> {
        let inputs = self.running().into_iter().map(|task| self.setting.app.input(task));
        inputs
            .filter_map(|input| Some((input.clone(), self.setting.kafka.offsets(&input)?.1)))
            .collect()
    }
}

fn names(tasks: &BTreeSet<TaskId>) -> String {
    tasks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
