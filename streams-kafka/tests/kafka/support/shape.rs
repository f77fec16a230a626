//! The topologies that the tests run in processes of their own.

use std::fmt;

use streams_core::error::ProcessorError;
use streams_core::processor::{Context, Processor};
use streams_core::record::Record;
use streams_core::topology::{NodeHandle, RepartitionCount, Topology, TopologyBuilder};
use streams_state::{Stores, TimestampedKeyValueStore, Update};

use super::app::{COUNTS, sink, source};
use super::place::Place;
use super::watch::Watch;

/// The store of the last part of a chain.
pub(crate) const TOTALS: &str = "totals";

/// Counts the records of each key; what comes out says which input it is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One sub-topology, its store on disk.
    Tally,
    /// One sub-topology, its store in memory.
    InMemory,
    /// Three sub-topologies with repartition topics between them: records pass, are counted, and
    /// are counted once more.
    Chain,
    /// One sub-topology that reads two topics, which may have unequal numbers of partitions.
    Merge,
}

/// The second topic of a merge.
pub(crate) fn second(input: &str) -> String {
    format!("{input}-second")
}

/// The repartition topics of a chain.
const LINKS: [&str; 2] = ["counting-repartition", "totalling-repartition"];

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tally => "tally",
            Self::InMemory => "in-memory",
            Self::Chain => "chain",
            Self::Merge => "merge",
        })
    }
}

impl Shape {
    /// The topics that it reads, in the order of the flow.
    pub(crate) fn inputs(self, place: &Place) -> Vec<String> {
        let more = match self {
            Self::Tally | Self::InMemory => Vec::new(),
            Self::Chain => LINKS.map(|link| format!("{}-{link}", place.application)).to_vec(),
            Self::Merge => vec![second(&place.input)],
        };
        std::iter::once(place.input.clone()).chain(more).collect()
    }

    /// How many tasks it has with so many partitions; of a merge, with so many of the topic that has
    /// more.
    pub(crate) const fn tasks(self, partitions: usize) -> usize {
        match self {
            Self::Tally | Self::InMemory | Self::Merge => partitions,
            Self::Chain => 3 * partitions,
        }
    }

    pub(crate) fn topology(self, input: &str, output: &str, watch: &Watch) -> Topology {
        let mut builder = TopologyBuilder::new();
        let read = builder.source("source", [input], source::<String, String>());
        let counted = match self {
            Self::Tally | Self::InMemory => add_tally(&mut builder, read, (self, watch)),
            Self::Chain => {
                let watched = watch.clone();
                let passed = builder.processor("pass", &[read], move |_| Ok(watched.over(Pass)));
                let linked = add_link(&mut builder, passed, LINKS[0]);
                let counted = add_tally(&mut builder, linked, (self, watch));
                let linked = add_link(&mut builder, counted, LINKS[1]);
                let total = Tallying { node: "total", store: TOTALS, told: |text, _| text };
                total.add_to(&mut builder, linked, (self, watch))
            }
            Self::Merge => {
                let other = second(input);
                let other = builder.source("second", [&*other], source::<String, String>());
                let merged = builder.processor("merge", &[read, other], |_| Ok(Pass));
                add_tally(&mut builder, merged, (self, watch))
            }
        };
        builder.sink("sink", &[counted], sink::<String, String>(output));
        builder.build().unwrap()
    }
}

fn add_link(
    builder: &mut TopologyBuilder,
    from: NodeHandle<String, String>,
    topic: &str,
) -> NodeHandle<String, String> {
    builder.add_repartition_topic(topic.into(), RepartitionCount::Derived);
    builder.sink(format!("to-{topic}"), &[from], sink::<String, String>(topic));
    builder.source(format!("from-{topic}"), [topic], source::<String, String>())
}

/// Adds the count of each key's records, with its store.
pub(crate) fn add_tally(
    builder: &mut TopologyBuilder,
    from: NodeHandle<String, String>,
    (shape, watch): (Shape, &Watch),
) -> NodeHandle<String, String> {
    let told = |text, count| format!("{text}={count}");
    Tallying { node: "tally", store: COUNTS, told }.add_to(builder, from, (shape, watch))
}

/// Passes records on as they are.
pub(crate) struct Pass;

impl Processor<String, String> for Pass {
    type OutKey = String;
    type OutValue = String;

    fn process(
        &mut self,
        record: Record<String, String>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        cx.forward(record)?;
        Ok(())
    }
}

/// A count of each key's records.
struct Tallying {
    node: &'static str,
    store: &'static str,
    /// What comes out, of the value and the count.
    told: fn(String, i64) -> String,
}

impl Tallying {
    fn add_to(
        self,
        builder: &mut TopologyBuilder,
        from: NodeHandle<String, String>,
        (shape, watch): (Shape, &Watch),
    ) -> NodeHandle<String, String> {
        let (store, told, watch) = (self.store, self.told, watch.clone());
        let counted = builder.processor(self.node, &[from], move |stores| {
            Ok(watch.over(Tally { counts: stores.store(store)?, told }))
        });
        let counts = Stores::timestamped_key_value::<String, i64>(store);
        let counts = if shape == Shape::InMemory { counts.in_memory() } else { counts };
        builder.store(counts, [counted.id()]);
        counted
    }
}

struct Tally {
    counts: TimestampedKeyValueStore<String, i64>,
    told: fn(String, i64) -> String,
}

impl Processor<String, String> for Tally {
    type OutKey = String;
    type OutValue = String;

    fn process(
        &mut self,
        record: Record<String, String>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        let count = self.counts.update(&record.key, |old| {
            let (count, time) = old.map_or((1, record.timestamp), |old| {
                (old.value + 1, old.timestamp.max(record.timestamp))
            });
            (Update::Put(count, time), count)
        })?;
        let value = (self.told)(record.value.clone(), count);
        cx.forward(record.with_value(value))?;
        Ok(())
    }
}
