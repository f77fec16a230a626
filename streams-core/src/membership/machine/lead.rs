//! The leader's work: what topics there are, and who gets which task.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Membership;
use super::links::Link;
use super::state::{LeaderStep, Phase, Role, Stable, Told, Watch};
use crate::assign::{Candidate, PlacementPolicy, TaskId, TaskInputs, TaskState, assign};
use crate::membership::connection::Call;
use crate::membership::consumer_protocol::ConsumerAssignment;
use crate::membership::error::{CallRefused, GroupFault};
use crate::membership::event::{MemberEvent, TasksWanted, TopicInfo};
use crate::membership::names::{Generation, MemberId, TopicName};
use crate::membership::user_data::{
    AssignmentData, Order, STANDBY_VERSION, StatePosition, SubscriptionData, USER_DATA_VERSION,
};
use crate::membership::wire::metadata::{MetadataRequest, MetadataResponse};
use crate::membership::wire::sync_group::MemberAssignment;
use crate::membership::wire::{Api, EncodeError, ErrorCode};
use crate::time::Moment;

/// How often the leader looks for topics that were missing.
const MISSING_TOPICS_AGE: Duration = Duration::from_secs(5);

pub(super) type Members = BTreeMap<MemberId, Told>;
type Tasks = BTreeMap<TaskId, TaskInputs>;

impl Membership {
    /// The leader's answer to [`MemberEvent::TasksWanted`]: all tasks of the topology, whose topics
    /// exist by now. They are spread over the members and handed out.
    ///
    /// # Errors
    /// [`CallRefused::NotLeading`] if that generation is over.
    pub fn provide_tasks(
        &mut self,
        generation: Generation,
        tasks: &BTreeMap<TaskId, TaskInputs>,
        now: Moment,
    ) -> Result<(), CallRefused> {
        let Phase::Assigning(assigning) = &mut self.phase else {
            return Err(CallRefused::NotLeading);
        };
        let due = assigning.step == LeaderStep::AwaitingTasks;
        if assigning.generation != generation || !due {
            return Err(CallRefused::NotLeading);
        }
        let mut watch = std::mem::take(&mut assigning.watch);
        watch.note_made(tasks);
        let members = std::mem::take(&mut assigning.members);
        let version = lowest_version(&members).min(self.config.user_data_version);
        let policy = match version {
            STANDBY_VERSION.. => self.config.placement,
            _ => PlacementPolicy::AT_ONCE,
        };
        let states = tasks.iter().map(|(task, inputs)| (*task, inputs.state)).collect();
        let candidates = candidates(&members, tasks);
        let mut assignment = assign(&candidates, &states, &policy);
        assignment.withhold(&unclear(&members, tasks), (&candidates, &states));
        let follow_up = assignment.follow_up_needed();
        // A rebalance follows anyhow when the leader, which alone probes, goes.
        let probe = assignment.probing_needed().then_some(self.config.probing_interval);
        let mut assignments = Vec::new();
        for member in members.keys() {
            let given = assignment.placements.remove(member).unwrap_or_default();
            let (active, standby) = (given.active, given.standby);
            let probe_after = probe.filter(|_| self.member.as_ref() == Some(member));
            let order = Order::GoOn;
            let data = AssignmentData { version, active, standby, follow_up, probe_after, order };
            match encode(&data, tasks) {
                Ok(assignment) => {
                    assignments.push(MemberAssignment { member: member.clone(), assignment });
                }
                Err(source) => {
                    let group = self.config.group.clone();
                    self.fail(GroupFault::Unwritable { group, api: Api::SyncGroup, source });
                    return Ok(());
                }
            }
        }
        self.sync(generation, Role::Watcher(watch), assignments, now);
        Ok(())
    }

    pub(super) fn describe_topics(&mut self, now: Moment) {
        if self.describe_due().is_none_or(|due| due > now) || !self.have_bootstrap(now) {
            return;
        }
        let Some(watch) = self.watch_mut() else { return };
        let topics = watch.topics.iter().cloned().collect();
        self.send(Link::Bootstrap, Call::Metadata, &MetadataRequest { topics }, now);
    }

    const fn watch_mut(&mut self) -> Option<&mut Watch> {
        match &mut self.phase {
            Phase::Assigning(assigning) => Some(&mut assigning.watch),
            Phase::Stable(Stable { role: Role::Watcher(watch), .. }) => Some(watch),
            _ => None,
        }
    }

    pub(super) fn on_metadata(&mut self, answer: MetadataResponse, now: Moment) {
        self.learn_brokers(&answer, now);
        let max_age = self.config.metadata_max_age;
        let Some(watch) = self.watch_mut() else { return };
        let known = known_topics(answer, &watch.topics);
        let complete = known.len() == watch.topics.len();
        watch.refresh = now.after(if complete { max_age } else { max_age.min(MISSING_TOPICS_AGE) });
        match &mut self.phase {
            Phase::Assigning(assigning) => {
                assigning.step = LeaderStep::AwaitingTasks;
                assigning.watch.known = Some(known.clone());
                let readable = assigning.members.iter();
                let members =
                    readable.filter_map(|(id, data)| Some((id.clone(), data.data()?.clone())));
                let absent = assigning.watch.topics.iter().filter(|t| !known.contains_key(*t));
                let wanted = TasksWanted {
                    generation: assigning.generation,
                    members: members.collect(),
                    missing: absent.cloned().collect(),
                    topics: known,
                };
                self.tell(MemberEvent::TasksWanted(wanted));
            }
            Phase::Stable(Stable { role: Role::Watcher(watch), .. }) => {
                let Some(before) = &mut watch.known else {
                    watch.known = Some(known);
                    return;
                };
                let gone: BTreeSet<TopicName> =
                    before.keys().filter(|topic| !known.contains_key(*topic)).cloned().collect();
                let differs = are_others(&known, before);
                // Without those that are gone there would be no assignment, and no commit until then.
                // One that is made again tells by its id that it is another.
                before.extend(known);
                if !gone.is_empty() {
                    self.tell(MemberEvent::TopicsGone(gone));
                }
                if differs {
                    self.rejoin(now);
                }
            }
            _ => {}
        }
    }
}

impl Watch {
    /// Topics that the leader has made for these tasks, since it looked, are no change.
    fn note_made(&mut self, tasks: &Tasks) {
        let Some(known) = &mut self.known else { return };
        let mut made: BTreeMap<&TopicName, u32> = BTreeMap::new();
        let read = tasks.values().flat_map(|inputs| &inputs.partitions);
        for one in read.filter(|one| self.topics.contains(&one.topic)) {
            let partitions = made.entry(&one.topic).or_default();
            *partitions = (*partitions).max(u32::try_from(one.partition).map_or(0, |at| at + 1));
        }
        for (topic, partitions) in made {
            known.entry(topic.clone()).or_insert(TopicInfo { partitions, id: None });
        }
    }
}

/// Whether topics are new, or others than before. One whose id is not known may be the same.
fn are_others(
    topics: &BTreeMap<TopicName, TopicInfo>,
    before: &BTreeMap<TopicName, TopicInfo>,
) -> bool {
    topics.iter().any(|(topic, now)| {
        before.get(topic).is_none_or(|before| {
            let ids = before.id.zip(now.id);
            before.partitions != now.partitions || ids.is_some_and(|(before, now)| before != now)
        })
    })
}

fn known_topics(
    answer: MetadataResponse,
    wanted: &BTreeSet<TopicName>,
) -> BTreeMap<TopicName, TopicInfo> {
    let mut known = BTreeMap::new();
    for topic in answer.topics {
        let partitions = u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX);
        if let (ErrorCode::None, Some(name)) = (topic.error, topic.name)
            && wanted.contains(&name)
        {
            known.insert(name, TopicInfo { partitions, id: topic.id });
        }
    }
    known
}

pub(super) fn lowest_version(members: &Members) -> i16 {
    let versions = members.values().filter_map(Told::data).map(|data| data.version);
    versions.min().unwrap_or(USER_DATA_VERSION).min(USER_DATA_VERSION)
}

/// Tasks that may run where nobody can read of it. They stay where they are known to run, and are
/// given to nobody else until those members, who are given nothing, own their inputs no more.
fn unclear(members: &Members, tasks: &Tasks) -> BTreeSet<TaskId> {
    let may_run = |inputs: &TaskInputs| members.values().any(|m| m.may_run(&inputs.partitions));
    tasks.iter().filter(|(_, inputs)| may_run(inputs)).map(|(task, _)| *task).collect()
}

/// Members whose data could not be read are given nothing, so they are no candidates.
fn candidates(members: &Members, tasks: &Tasks) -> BTreeMap<MemberId, Candidate> {
    let readable = || members.iter().filter_map(|(id, data)| Some((id, data.data()?)));
    let mut ends: BTreeMap<TaskId, i64> = BTreeMap::new();
    for (task, position) in readable().flat_map(|(_, data)| &data.member.positions) {
        if let StatePosition::UpTo(position) = position {
            let end = ends.entry(*task).or_insert(*position);
            *end = (*end).max(*position);
        }
    }
    for (task, inputs) in tasks {
        if let TaskState::Logged { end: Some(end) } = inputs.state {
            ends.insert(*task, end);
        }
    }
    let candidate = |(id, data): (&MemberId, &SubscriptionData)| {
        let logged = |task: &TaskId| tasks.get(task).is_some_and(|one| one.state.is_logged());
        let lags = data.member.positions.iter().filter(|(task, _)| logged(task));
        let lags = lags.filter_map(|(task, position)| match position {
            // Of one that has just been closed, its state is told the next time.
            StatePosition::Running => data.owned.contains(task).then_some((*task, 0)),
            StatePosition::UpTo(position) => {
                let end = ends.get(task).copied().unwrap_or(*position);
                Some((*task, u64::try_from(end.saturating_sub(*position)).unwrap_or(0)))
            }
        });
        let candidate = Candidate {
            process: data.member.process,
            workers: data.member.workers,
            owned: data.owned.clone(),
            standby: data.member.standby.clone(),
            lags: lags.collect(),
        };
        (id.clone(), candidate)
    };
    readable().map(candidate).collect()
}

pub(super) fn encode(data: &AssignmentData, tasks: &Tasks) -> Result<Vec<u8>, EncodeError> {
    let inputs = data.active.iter().filter_map(|task| tasks.get(task));
    let partitions = inputs.flat_map(|inputs| inputs.partitions.iter().cloned()).collect();
    ConsumerAssignment { partitions, user_data: data.encode()? }.encode()
}
