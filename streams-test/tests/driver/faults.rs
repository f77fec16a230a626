//! Faults of topologies that are built node by node: all are found by `build`.

use streams_core::processor::ConnectedStores;
use streams_core::topology::{RepartitionCount, TopologyBuilder};
use streams_state::Stores as StoreBuilders;

use crate::support::{self, Count};

#[track_caller]
fn check(builder: TopologyBuilder, expected: &[&str]) {
    let faults = builder.build().unwrap_err().0;
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
    for (fault, expected) in faults.iter().zip(expected) {
        assert!(fault.contains(expected), "{fault}");
    }
}

#[test]
fn handles_of_another_builder_are_refused() {
    let mut other = TopologyBuilder::new();
    let foreign = other.source("theirs", ["there"], support::source::<String, String>());
    let mut builder = TopologyBuilder::new();
    let source = builder.source("source", ["in"], support::source::<String, String>());
    builder.sink("sink", &[source, foreign], support::sink("out"));
    builder.connect(foreign.id(), "counts");
    builder.copartition([source.id(), foreign.id()]);
    check(
        builder,
        &[
            "node \"sink\" has a parent from another builder",
            "was given to connect() for store \"counts\"",
            "was given to copartition()",
        ],
    );
}

#[test]
fn each_kind_of_node_has_its_place() {
    let mut builder = TopologyBuilder::new();
    let source = builder.source("source", ["in"], support::source::<String, String>());
    let count = builder.processor("count", &[source], Count::new);
    let sink = builder.sink("sink", &[count], support::sink("out"));
    let counts = StoreBuilders::key_value::<String, i64>("counts").build();
    builder.store(counts, [source.id(), count.id(), sink]);
    let numbers = support::sink::<String, i64>("more");
    let template = streams_core::processor::SinkTemplate::new(numbers);
    builder.add_sink("below".into(), vec![sink], Some("more".into()), template);
    builder.copartition([count.id()]);
    check(
        builder,
        &[
            "store \"counts\" is connected to \"source\", which is no processor",
            "store \"counts\" is connected to \"sink\", which is no processor",
            "node \"count\" is to be co-partitioned, but is no source",
            "\"sink\", a parent of \"below\", is a sink",
        ],
    );
}

#[test]
fn a_global_store_is_connected_to_nobody() {
    let mut builder = TopologyBuilder::new();
    let source = builder.source("source", ["in"], support::source::<String, String>());
    let count = builder.processor("count", &[source], Count::new);
    let counts = StoreBuilders::key_value::<String, i64>("counts");
    let filled = ("global-source", "there", support::source::<String, String>());
    builder.global_store(counts, filled, ("fill", Count::new));
    builder.connect(count.id(), "counts");
    check(builder, &["processor \"count\" is connected to the global store \"counts\""]);
}

#[test]
fn types_are_compared_along_every_edge() {
    let mut builder = TopologyBuilder::new();
    let source = builder.source("source", ["in"], support::source::<String, String>());
    let texts = support::sink::<String, Option<String>>("widened");
    let widened = streams_core::processor::SinkTemplate::new(texts);
    builder.add_sink("widened".into(), vec![source.id()], Some("widened".into()), widened);
    let numbers = support::sink::<String, i64>("numbers");
    let numbers = streams_core::processor::SinkTemplate::new(numbers);
    builder.add_sink("numbers".into(), vec![source.id()], Some("numbers".into()), numbers);
    check(
        builder,
        &[
            "node \"numbers\" takes (alloc::string::String, i64), but its parent \"source\" forwards",
        ],
    );
}

#[test]
fn a_repartition_topic_is_written_and_read() {
    let mut builder = TopologyBuilder::new();
    let source = builder.source("source", ["in"], support::source::<String, String>());
    builder.sink("sink", &[source], support::sink("written"));
    builder.add_repartition_topic("written".into(), RepartitionCount::Fixed(2));
    builder.add_repartition_topic("written".into(), RepartitionCount::Fixed(3));
    builder.processor("count", &[source], |_: &ConnectedStores<'_, '_>| Ok(support::Swap));
    check(
        builder,
        &[
            "the repartition topics [\"written\"] must have equally many partitions",
            "no source of the topology names the repartition topic \"written\"",
        ],
    );
}
