//! The application under test: a tally per key, a repartition topic, and a tally of the tallies.
//!
//! Every input record is numbered within its key, and the number is found again in all that comes
//! of it: in both changelogs, in the repartition topic and in the output. So it can be said at any
//! moment which records have arrived where.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use streams_core::error::ProcessorError;
use streams_core::names::{
    ApplicationId, StoreName, SubtopologyId, TaskId, TopicName, TopicPartition,
};
use streams_core::processor::{
    ConnectedStores, Context, InitContext, LinkError, Nulls, Processor, Punctuation,
    PunctuationType, Sink, SinkDestination, Source,
};
use streams_core::record::Record;
use streams_core::serde::DefaultSerde;
use streams_core::store::StoreSpec;
use streams_core::topology::{RepartitionCount, TopicNames, Topology, TopologyBuilder};
use streams_state::{KeyValueStore, Stores};

use super::calls::{Call, Calls};
use super::flaws::Flaws;
use super::plan::{Disks, Plan};
use super::poison::{NO_NUMBER, Poison};

pub(crate) const PARTITIONS: i32 = 3;
pub(crate) const KEYS: u64 = 12;
const GROUPS: u64 = 5;
/// How often the application's code is called by the wall clock.
pub(crate) const PUNCTUATE_EACH_MS: u64 = 1_000;
pub(crate) const INPUT: &str = "in";
pub(crate) const OUTPUT: &str = "out";
const BY_GROUP: &str = "by-group-repartition";
/// Where a store counts these calls.
const TICKS: &str = "ticks";
/// The store of each sub-topology.
pub(crate) const STORES: [&str; 2] = ["first", "second"];

/// How far a key is: the highest number, and how many records were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    pub(crate) last: u64,
    pub(crate) seen: u64,
}

/// The tallies in a value of a store: `key:last:seen` for each key.
pub(crate) fn tallies(value: &str) -> BTreeMap<String, Tally> {
    let one = |text: &str| {
        let mut parts = text.split(':');
        let key = parts.next()?.to_owned();
        let (last, seen) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some((key, Tally { last, seen }))
    };
    value.split(' ').filter_map(one).collect()
}

fn written(tallies: &BTreeMap<String, Tally>) -> String {
    let one = |(key, tally): (&String, &Tally)| format!("{key}:{}:{}", tally.last, tally.seen);
    tallies.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// The key and number in a value of the repartition topic and of the output.
pub(crate) fn number(value: &str) -> Option<(String, u64)> {
    let (key, number) = value.split_once(':')?;
    Some((key.to_owned(), number.parse().ok()?))
}

pub(crate) fn key(number: u64) -> String {
    format!("k{number:02}")
}

/// The group of a key: its number's remainder.
fn group(key: &str) -> String {
    let number: u64 = key.get(1..).and_then(|digits| digits.parse().ok()).unwrap_or(0);
    format!("g{}", number % GROUPS)
}

/// Keeps a tally of what it sees, under the record's key, and passes each record on.
struct Count {
    task: TaskId,
    name: StoreName,
    store: KeyValueStore<String, String>,
    flaws: Flaws,
    calls: Calls,
}

impl Count {
    fn of(
        store: &'static str,
        flaws: &Flaws,
        calls: &Calls,
    ) -> impl Fn(&ConnectedStores<'_, '_>) -> Result<Self, LinkError> + use<> {
        let (flaws, calls) = (flaws.clone(), calls.clone());
        move |stores| {
            let (task, name, store) = (stores.task(), store.into(), stores.store(store)?);
            Ok(Self { task, name, store, flaws: flaws.clone(), calls: calls.clone() })
        }
    }
}

impl Processor<String, String> for Count {
    type OutKey = String;
    type OutValue = String;

    fn init(&mut self, cx: &mut InitContext<'_>) -> Result<(), ProcessorError> {
        let each = Duration::from_millis(PUNCTUATE_EACH_MS);
        cx.schedule(each, PunctuationType::WallClock)?;
        self.calls.add(Call::Start(self.task));
        Ok(())
    }

    fn punctuate(
        &mut self,
        _: Punctuation,
        _: &mut Context<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        self.calls.add(Call::Punctuation(self.task));
        self.flaws.pass_or_panic(1);
        // What is done without reading anything is as much the owner's alone.
        let ticks = self.store.get(&TICKS.to_owned())?.and_then(|ticks| ticks.parse::<u64>().ok());
        self.store.put(&TICKS.to_owned(), &(ticks.unwrap_or(0) + 1).to_string())?;
        Ok(())
    }

    fn process(
        &mut self,
        record: Record<String, String>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        let (key, number) = number(&record.value).ok_or(NO_NUMBER)?;
        self.flaws.pass()?;
        self.flaws.read(self.task, &self.name)?;
        let mut all = tallies(&self.store.get(&record.key)?.unwrap_or_default());
        let tally = all.entry(key).or_default();
        *tally = Tally { last: tally.last.max(number), seen: tally.seen + 1 };
        self.store.put(&record.key, &written(&all))?;
        self.flaws.pass()?;
        cx.forward(record)
    }
}

/// Makes the group the key.
struct Group;

impl Processor<String, String> for Group {
    type OutKey = String;
    type OutValue = String;

    fn process(
        &mut self,
        record: Record<String, String>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        let group = group(&record.key);
        cx.forward(record.with_key(group))
    }
}

/// With a cache, if workers have memory for caches.
fn store(name: &'static str, disks: Disks) -> Arc<dyn StoreSpec> {
    let store = Stores::key_value::<String, String>(name).cached();
    if disks == Disks::Unused { store.in_memory().build() } else { store.build() }
}

fn source(flaws: &Flaws) -> Source<String, String> {
    let (key, value, timestamps) = (String::serde(), flaws.serde(), flaws.timestamps());
    Source { key, value, timestamps, nulls: Nulls::Fail }
}

fn sink(topic: &str, flaws: &Flaws) -> Sink<String, String> {
    let destination = SinkDestination::Topic(topic.into());
    Sink { destination, key: String::serde(), value: flaws.serde(), partitioner: None }
}

/// The topology, and what its topics are called in Kafka.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) topology: Topology,
    pub(crate) names: TopicNames,
    pub(crate) id: ApplicationId,
    pub(crate) flaws: Flaws,
    pub(crate) poison: Poison,
    pub(crate) calls: Calls,
}

impl App {
    pub(crate) fn new(flaws: Flaws, plan: &Plan) -> Self {
        let [first, second] = STORES;
        let calls = Calls::default();
        let mut builder = TopologyBuilder::new();
        let input = builder.source("input", [INPUT], source(&flaws));
        let count = builder.processor("count", &[input], Count::of(first, &flaws, &calls));
        builder.store(store(first, plan.disks), [count.id()]);
        let group = builder.processor("group", &[count], |_: &ConnectedStores<'_, '_>| Ok(Group));
        builder.add_repartition_topic(BY_GROUP.into(), RepartitionCount::Derived);
        builder.sink("to-group", &[group], sink(BY_GROUP, &flaws));
        let again = builder.source("by-group", [BY_GROUP], source(&flaws));
        let again_count = Count::of(second, &flaws, &calls);
        let count = builder.processor("count-again", &[again], again_count);
        builder.store(store(second, plan.disks), [count.id()]);
        builder.sink("output", &[count], sink(OUTPUT, &flaws));
        let id = ApplicationId::from("app");
        let (topology, names) = (builder.build().unwrap(), TopicNames::new(&id));
        Self { topology, names, id, flaws, poison: Poison::default(), calls }
    }

    pub(crate) fn repartition(&self) -> TopicName {
        self.names.in_kafka(&self.topology, &BY_GROUP.into())
    }

    pub(crate) fn changelog_topic(&self, store: &str) -> TopicName {
        self.names.changelog(&store.into())
    }

    /// All topics, to be made before the application starts.
    pub(crate) fn topics(&self) -> Vec<TopicName> {
        let changelogs = STORES.map(|store| self.changelog_topic(store));
        [INPUT.into(), OUTPUT.into(), self.repartition()].into_iter().chain(changelogs).collect()
    }

    pub(crate) fn tasks() -> impl Iterator<Item = TaskId> {
        (0..2_u32).flat_map(|part| (0..PARTITIONS).map(move |at| TaskId::new(part, at)))
    }

    pub(crate) fn input(&self, task: TaskId) -> TopicPartition {
        let topic =
            if task.subtopology == SubtopologyId(0) { INPUT.into() } else { self.repartition() };
        TopicPartition { topic, partition: task.partition }
    }

    /// The task that reads a partition.
    pub(crate) fn reader(&self, input: &TopicPartition) -> TaskId {
        TaskId::new(u32::from(input.topic.as_str() != INPUT), input.partition)
    }

    pub(crate) fn changelog(&self, task: TaskId) -> TopicPartition {
        let store = STORES[task.subtopology.0 as usize];
        TopicPartition { topic: self.changelog_topic(store), partition: task.partition }
    }
}
