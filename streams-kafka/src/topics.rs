//! What is known of the cluster's topics; internal ones are made and checked here.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::park_timeout;
use std::time::Duration;

use streams_core::names::{StoreName, TopicName, TopicPartition};
use streams_core::plane::StartAt;
use streams_core::topology::{
    InternalTopic, InternalTopicKind, OffsetReset, PartitionCountError, PartitionCounts,
    PatternConflict, TopicNames, Topology,
};

use streams_core::config::StreamsConfig;

use crate::clock;
use crate::error::StreamsError;
use crate::ffi::admin::Admin;
use crate::ffi::error::{ClientError, Code};
use crate::ffi::topics::{At, NewTopic, PartitionOffset, TopicError, Visible};

/// Why the topics of a topology are not as they must be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TopicsError {
    /// The partitions of topics do not fit the topology.
    #[error("the topics do not fit the topology: {}", list(.0))]
    Partitions(Vec<PartitionCountError>),
    /// A topic matches two patterns.
    #[error(transparent)]
    Patterns(PatternConflict),
    /// An internal topic exists with another number of partitions.
    #[error(
        "internal topic \"{topic}\" has {actual} partitions, but {expected} are needed; the number of partitions of its inputs has changed: reset the application, or give it another application.id"
    )]
    Changed {
        /// The topic.
        topic: TopicName,
        /// How many it must have.
        expected: i32,
        /// How many it has.
        actual: i32,
    },
    /// An internal topic could not be made.
    #[error("internal topic \"{topic}\" could not be created: {problem}")]
    Create {
        /// The topic.
        topic: TopicName,
        /// What the broker said.
        problem: String,
    },
    /// An internal topic was deleted while the application read it.
    #[error(
        "internal topic \"{topic}\" does not exist any more, and what was in it is lost; restart the application, which creates it anew and empty"
    )]
    InternalGone {
        /// The topic.
        topic: TopicName,
    },
    /// A global store has no topic to be filled from.
    #[error("topic \"{topic}\" of global store \"{store}\" does not exist; create it")]
    NoGlobalTopic {
        /// The topic.
        topic: TopicName,
        /// The store.
        store: StoreName,
    },
    /// The brokers do not tell about a topic.
    #[error("{0}")]
    Refused(String),
    /// The brokers could not be asked.
    #[error("the brokers could not be asked about topics: {0}")]
    Ask(String),
}

fn list(errors: &[PartitionCountError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl TopicsError {
    /// Whether waiting may help: a topic may yet be made, a broker come back.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Ask(_) | Self::NoGlobalTopic { .. } => true,
            Self::Partitions(errors) => {
                errors.iter().all(|e| matches!(e, PartitionCountError::MissingTopic(_)))
            }
            Self::Patterns(_)
            | Self::Changed { .. }
            | Self::Create { .. }
            | Self::InternalGone { .. }
            | Self::Refused(_) => false,
        }
    }
}

/// The topics of a topology, as they are now.
#[derive(Debug)]
pub(crate) struct Found {
    /// Its patterns stand for topics that exist.
    pub(crate) topology: Topology,
    pub(crate) counts: PartitionCounts,
    existing: BTreeMap<TopicName, i32>,
}

impl Found {
    /// Whether there is such a topic.
    pub(crate) fn exists(&self, topic: &TopicName) -> bool {
        self.existing.contains_key(topic)
    }
}

/// How long an answer is waited for before the question is put to another broker.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long partitions that a client does not know are asked for.
const UNKNOWN_MAX: Duration = Duration::from_secs(1);
const UNKNOWN_RETRY: Duration = Duration::from_millis(50);

/// Makes a client for questions about topics.
pub(crate) struct MakeAdmin(pub(crate) Box<dyn Fn() -> Result<Admin, StreamsError> + Send + Sync>);

impl std::fmt::Debug for MakeAdmin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MakeAdmin")
    }
}

/// The topics of a cluster, asked for when needed.
#[derive(Debug)]
pub(crate) struct Topics {
    admin: Mutex<Arc<Admin>>,
    make: MakeAdmin,
    replication: i32,
    /// `topic.*`: over the defaults, under those of an operator.
    settings: BTreeMap<String, String>,
    /// Of changelogs of stores that expire, beyond what the store keeps.
    additional_retention: Duration,
    /// How long one question to the brokers may take.
    ask_max: Duration,
    /// Whether it was told that topics may not be described.
    told_refusal: AtomicBool,
}

impl Topics {
    pub(crate) fn new(
        make: MakeAdmin,
        replication: i32,
        config: &StreamsConfig,
    ) -> Result<Self, StreamsError> {
        let settings = config.internal_topics().settings.iter();
        let settings = settings.map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let additional_retention = config.internal_topics().additional_retention;
        let (admin, told_refusal) = (Mutex::new(Arc::new((make.0)()?)), AtomicBool::new(false));
        let ask_max = config.processing().admin_timeout;
        Ok(Self { admin, make, replication, settings, additional_retention, ask_max, told_refusal })
    }

    /// How long one question to the brokers may take.
    pub(crate) const fn ask_max(&self) -> Duration {
        self.ask_max
    }

    /// Whether it was told already that topics may not be described; from now on it was.
    pub(crate) fn told_refusal(&self) -> bool {
        self.told_refusal.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn with_admin<T>(
        &self,
        ask: impl FnOnce(&Admin) -> Result<T, ClientError>,
    ) -> Result<T, TopicsError> {
        self.ask_once(ask).map_err(|error| TopicsError::Ask(error.to_string()))
    }

    fn ask_once<T>(
        &self,
        ask: impl FnOnce(&Admin) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let admin = Arc::clone(&self.admin());
        while let Some(problem) = admin.poll() {
            tracing::warn!(code = %problem.code, "{}", problem.message);
        }
        let answer = ask(&admin);
        if matches!(answer, Err(ClientError::TimedOut { .. })) {
            self.replace(&admin);
        }
        answer
    }

    fn admin(&self) -> MutexGuard<'_, Arc<Admin>> {
        self.admin.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// librdkafka puts questions to the broker that it heard to be the controller, and once that one
    /// is gone it does nothing but connect to it. Another client asks anew which it is.
    fn replace(&self, silent: &Arc<Admin>) {
        let mut admin = self.admin();
        if !Arc::ptr_eq(&admin, silent) {
            return;
        }
        match (self.make.0)() {
            Ok(anew) => *admin = Arc::new(anew),
            Err(error) => tracing::warn!(%error, "questions about topics go the same way"),
        }
    }

    /// Asks again when there is no answer, for as long as one question may take: of what is only
    /// read.
    fn ask_again<T>(
        &self,
        ask: impl Fn(&Admin, Duration) -> Result<T, ClientError>,
    ) -> Result<T, TopicsError> {
        let began = clock::monotonic();
        loop {
            let passed = clock::monotonic().saturating_duration_since(began);
            let left = self.ask_max.saturating_sub(passed);
            match self.ask_once(|admin| ask(admin, left.min(PATIENCE))) {
                Err(ClientError::TimedOut { .. }) if left > PATIENCE => {}
                answer => return answer.map_err(|error| TopicsError::Ask(error.to_string())),
            }
        }
    }

    /// How many partitions a topic has; `None` when it does not exist. The brokers are asked about
    /// this topic alone.
    pub(crate) fn partitions(&self, topic: &TopicName) -> Result<Option<i32>, TopicsError> {
        // No topic has such a name, and the client does not ask for it.
        if topic.as_str().is_empty() || topic.as_str().contains('\0') {
            return Ok(None);
        }
        let ask = |admin: &Admin, within| admin.describe_topics(&[topic.as_str()], within);
        match self.ask_again(ask)?.pop() {
            Some(Ok(found)) => Ok(Some(i32::try_from(found.partitions).unwrap_or(i32::MAX))),
            Some(Err(TopicError::Unknown { .. })) | None => Ok(None),
            // As a new topic has no leader yet.
            Some(Err(error)) if error.is_passing() => Ok(None),
            Some(Err(error)) => Err(TopicsError::Refused(error.to_string())),
        }
    }

    /// Where a reader begins that goes this far back in time: at the first record that is not older,
    /// else at the end. KIP-1106.
    pub(crate) fn start_by(
        &self,
        partition: &TopicPartition,
        age: Duration,
    ) -> Result<StartAt, TopicsError> {
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let from = clock::now_millis().saturating_sub(age);
        let found = self.offset_at(partition, from)?;
        Ok(found.map_or(StartAt::Reset(OffsetReset::Latest), StartAt::Offset))
    }

    /// The first offset of a record that is not older than `from`, in milliseconds since 1970.
    fn offset_at(&self, partition: &TopicPartition, from: i64) -> Result<Option<i64>, TopicsError> {
        let question = (partition.topic.as_str(), partition.partition, At::Timestamp(from));
        let ask = |admin: &Admin| admin.list_offsets([question], Visible::All, self.ask_max);
        let answer = self.with_admin(ask)?.pop();
        Ok(answer.map(|answer| answer.offset).filter(|offset| *offset >= 0))
    }

    /// Where these partitions end, as far as the brokers tell.
    pub(crate) fn ends(&self, partitions: &[TopicPartition]) -> BTreeMap<TopicPartition, i64> {
        self.ends_within(partitions, self.ask_max)
    }

    /// As [`ends`](Self::ends), for so long at most.
    pub(crate) fn ends_within(
        &self,
        partitions: &[TopicPartition],
        wait: Duration,
    ) -> BTreeMap<TopicPartition, i64> {
        if partitions.is_empty() {
            return BTreeMap::new();
        }
        let answers = self.ask_ends(partitions, wait.min(self.ask_max));
        let answers = answers.unwrap_or_else(|error| {
            tracing::warn!(%error, "the ends of changelogs are found by reading them");
            Vec::new()
        });
        let known = answers.into_iter().filter(|answer| answer.code == Code::NONE);
        known
            .filter(|answer| answer.offset >= 0)
            .map(|answer| (TopicPartition::new(answer.topic, answer.partition), answer.offset))
            .collect()
    }

    /// Asks again for a moment where the client knows of no such partition: it may have been made
    /// just now.
    fn ask_ends(
        &self,
        partitions: &[TopicPartition],
        wait: Duration,
    ) -> Result<Vec<PartitionOffset>, ClientError> {
        let began = clock::monotonic();
        loop {
            let questions = partitions.iter().map(|p| (p.topic.as_str(), p.partition, At::Latest));
            let answer = self.ask_once(|admin| admin.list_offsets(questions, Visible::All, wait));
            let is_unknown = matches!(answer, Err(ClientError::Call { code: Code::NO_ENTRY, .. }));
            let passed = clock::monotonic().saturating_duration_since(began);
            if !is_unknown || passed >= wait.min(UNKNOWN_MAX) {
                return answer;
            }
            park_timeout(UNKNOWN_RETRY);
        }
    }

    /// Deletes the records before these offsets, and gives those that were refused.
    pub(crate) fn delete_before(
        &self,
        mut offsets: BTreeMap<TopicPartition, i64>,
    ) -> BTreeMap<TopicPartition, i64> {
        let before = offsets.iter().map(|(p, offset)| (p.topic.as_str(), p.partition, *offset));
        let answers = self.with_admin(|admin| admin.delete_records(before, self.ask_max));
        let answers = answers.unwrap_or_else(|error| {
            tracing::debug!(%error, "processed records were not deleted");
            Vec::new()
        });
        for PartitionOffset { topic, partition, code, .. } in answers {
            if code == Code::NONE {
                offsets.remove(&TopicPartition::new(topic, partition));
            } else {
                tracing::debug!(%topic, partition, %code, "processed records were not deleted");
            }
        }
        offsets
    }

    /// All topics with their partitions.
    pub(crate) fn all(&self) -> Result<BTreeMap<TopicName, i32>, TopicsError> {
        self.all_within(self.ask_max)
    }

    /// As [`all`](Self::all), with an answer within this time where that is less.
    pub(crate) fn all_within(
        &self,
        wait: Duration,
    ) -> Result<BTreeMap<TopicName, i32>, TopicsError> {
        let topics = self.with_admin(|admin| admin.list_topics(wait.min(self.ask_max)))?;
        let counts = topics.into_iter();
        Ok(counts.map(|(name, n)| (name.into(), i32::try_from(n).unwrap_or(i32::MAX))).collect())
    }

    /// The partitions of a topology's topics, from what exists now, and the topology for these.
    pub(crate) fn counts(
        &self,
        topology: &Topology,
        names: &TopicNames,
    ) -> Result<Found, TopicsError> {
        let existing = self.all()?;
        let topology = topology.matching(names, existing.keys()).map_err(TopicsError::Patterns)?;
        let counts = PartitionCounts::derive(&topology, |topic| existing.get(topic).copied());
        Ok(Found { topology, counts: counts.map_err(TopicsError::Partitions)?, existing })
    }

    /// Makes the internal topics that are missing, and checks those that are there.
    pub(crate) fn prepare(
        &self,
        topology: &Topology,
        names: &TopicNames,
    ) -> Result<Found, TopicsError> {
        let found = self.counts(topology, names)?;
        let Found { topology, counts, existing } = &found;
        let mut missing = Vec::new();
        for topic in topology.internal_topics(names) {
            let expected = match &topic.kind {
                InternalTopicKind::Repartition(_) => {
                    repartition_count(topology, names, counts, &topic.name)
                }
                InternalTopicKind::Changelog(store) => counts.of_changelog(topology, store),
            };
            match existing.get(&topic.name).copied() {
                // Of a pattern that matches nothing yet.
                _ if expected == 0 => {}
                None => missing.push((topic, expected)),
                Some(actual) if actual == expected => {}
                Some(actual) => {
                    return Err(TopicsError::Changed { topic: topic.name, expected, actual });
                }
            }
        }
        self.create(&missing)?;
        Ok(found)
    }

    fn create(&self, missing: &[(InternalTopic, i32)]) -> Result<(), TopicsError> {
        if missing.is_empty() {
            return Ok(());
        }
        let of_topic =
            |topic: &InternalTopic| topic.settings(&self.settings, self.additional_retention);
        let settings: Vec<_> = missing.iter().map(|(topic, _)| of_topic(topic)).collect();
        let settings: Vec<Vec<(&str, &str)>> = settings.iter().map(pairs).collect();
        let new: Vec<NewTopic<'_>> = missing
            .iter()
            .zip(&settings)
            .map(|((topic, partitions), settings)| NewTopic {
                name: topic.name.as_str(),
                partitions: *partitions,
                replication: self.replication,
                settings,
            })
            .collect();
        let results = self.with_admin(|admin| admin.create_topics(&new, self.ask_max))?;
        for ((topic, partitions), result) in missing.iter().zip(results) {
            match result {
                Ok(_) => tracing::info!(topic = %topic.name, partitions, "internal topic created"),
                // Another member was faster.
                Err(TopicError::AlreadyExists { .. }) => {}
                Err(error) => return Err(not_created(&topic.name, &error)),
            }
        }
        Ok(())
    }
}

fn not_created(topic: &TopicName, error: &TopicError) -> TopicsError {
    let (topic, problem) = (topic.clone(), error.to_string());
    if error.is_passing() {
        TopicsError::Ask(problem)
    } else {
        TopicsError::Create { topic, problem }
    }
}

fn pairs(settings: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
    settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn repartition_count(
    topology: &Topology,
    names: &TopicNames,
    counts: &PartitionCounts,
    in_kafka: &TopicName,
) -> i32 {
    let inputs = topology.subtopologies().iter().flat_map(|part| &part.source_topics);
    let topic = inputs.into_iter().find(|topic| names.in_kafka(topology, topic) == *in_kafka);
    topic.and_then(|topic| counts.of(topic)).unwrap_or(0)
}

/// What is found where these topics exist, with a partition each.
#[cfg(test)]
pub(crate) fn found(topology: &Topology, names: &TopicNames, existing: &[&str]) -> Found {
    let existing: BTreeMap<TopicName, i32> =
        existing.iter().map(|topic| ((*topic).into(), 1)).collect();
    let topology = topology.matching(names, existing.keys()).unwrap();
    let counts = PartitionCounts::derive(&topology, |topic| existing.get(topic).copied());
    Found { topology, counts: counts.unwrap(), existing }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use rdkafka::mocking::MockCluster;

    use super::*;
    use crate::clients::Clients;
    use crate::clock;

    /// The time that the threads of librdkafka's clients were at work, in hundredths of a second.
    fn work() -> u64 {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
        let of_clients = stats.filter(|stat| stat.contains("(rdk:"));
        let times = of_clients.flat_map(|stat| {
            let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
            let times = fields.skip(11).take(2).map(|time| time.parse::<u64>().unwrap());
            times.collect::<Vec<_>>()
        });
        times.sum()
    }

    #[test]
    fn a_topic_that_cannot_be_made_yet_is_tried_again() {
        let not_created = |code: i32| {
            let name = "app-changelog".to_owned();
            let error = TopicError::check(name, Code(code), || "because".to_owned()).unwrap_err();
            not_created(&"app-changelog".into(), &error)
        };
        // A request that took too long, a controller that has moved, too many such requests.
        for code in [7, 41, 89] {
            let error = not_created(code);
            assert!(error.is_passing(), "{error}");
            assert!(error.to_string().contains("app-changelog"), "{error}");
        }
        // A policy, a right, a replication factor.
        for code in [44, 29, 38] {
            assert!(matches!(not_created(code), TopicsError::Create { .. }), "{code}");
        }
    }

    #[test]
    fn while_a_question_waits_for_a_broker_that_is_gone_its_client_rests() {
        let broker = MockCluster::new(1).unwrap();
        let config = StreamsConfig::builder().application_id("app");
        let config = config.bootstrap_servers(broker.bootstrap_servers());
        let config = config.set("admin.default.api.timeout.ms", 2_000).build().unwrap();
        let clients = Clients::new(config, None).unwrap();
        broker.create_topic("topic", 1, 1).unwrap();
        let ends = || clients.topics().ends(&[TopicPartition::new("topic", 0)]).len();
        let began = clock::monotonic();
        while ends() == 0 {
            assert!(began.elapsed() < Duration::from_secs(30), "the broker does not answer");
        }
        drop(broker);
        let before = work();
        assert_eq!(ends(), 0);
        let took = work().saturating_sub(before);
        assert!(took < 50, "{took} hundredths of 2 s were spent on calling it");
    }
}
