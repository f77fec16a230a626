//! The stores that processors can have: several, of all kinds, of others, and global ones.

use std::collections::BTreeMap;
use std::time::Duration;

use streams_core::error::{ProcessorError, StoreError};
use streams_core::processor::{ConnectedStores, Context, LinkError, Processor};
use streams_core::record::Record;
use streams_core::time::Timestamp;
use streams_core::topology::{Topology, TopologyBuilder};
use streams_core::window::Window;
use streams_state::{
    KeyValueStore, PutVersion, SessionStore, Stores, TimestampedKeyValueStore,
    TimestampedWindowStore, VersionedKeyValueStore, WindowStore,
};
use streams_test::model::{AutoCreate, KafkaModel};
use streams_test::{Entry, TestError, TopologyTestDriver};

use crate::support;

/// Writes what comes to a store, as it is.
struct Fill(KeyValueStore<String, String>);

impl Processor<String, String> for Fill {
    type OutKey = String;
    type OutValue = String;

    fn process(
        &mut self,
        record: Record<String, String>,
        _: &mut Context<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        Ok(self.0.put(&record.key, &record.value)?)
    }
}

/// Forwards what a store has under the value; `!` writes to it.
struct LookUp(KeyValueStore<String, String>);

impl Processor<String, String> for LookUp {
    type OutKey = String;
    type OutValue = String;

    fn process(
        &mut self,
        record: Record<String, String>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        match record.value.as_str() {
            "!put" => self.0.put(&record.key, &record.value)?,
            "!delete" => drop(self.0.delete(&record.key)?),
            "!absent" => drop(self.0.put_if_absent(&record.key, &record.value)?),
            _ => {}
        }
        let found = self.0.get(&record.value)?.unwrap_or_default();
        cx.forward(record.with_value(found))
    }
}

fn fill(stores: &ConnectedStores<'_, '_>) -> Result<Fill, LinkError> {
    Ok(Fill(stores.store("held")?))
}

fn look_up(stores: &ConnectedStores<'_, '_>) -> Result<LookUp, LinkError> {
    Ok(LookUp(stores.store("held")?))
}

fn source() -> streams_core::processor::Source<String, String> {
    support::source()
}

/// `in` is looked up in a store that is filled from `reference`.
fn read_only() -> Topology {
    let mut builder = TopologyBuilder::new();
    let held = Stores::key_value::<String, String>("held").build();
    let filled = ("reference-source", "reference", source());
    builder.read_only_store(held, filled, ("fill", fill));
    let input = builder.source("source", ["in"], source());
    let look_up = builder.processor("look-up", &[input], look_up);
    builder.connect(look_up.id(), "held");
    builder.sink("sink", &[look_up], support::sink("out"));
    builder.build().unwrap()
}

#[test]
fn a_read_only_store_is_filled_and_restored_from_its_topic() {
    let topology = read_only();
    let kafka = KafkaModel::new().auto_create(AutoCreate::Partitions(1));
    kafka.create_topic("reference", 1, BTreeMap::new()).unwrap();
    for lost in [false, true] {
        // The second driver finds offsets that are committed, and no state.
        let driver = TopologyTestDriver::builder(&topology).kafka(kafka.clone()).build().unwrap();
        if !lost {
            driver.input::<String, String>("reference").pipe("x", "one").unwrap();
        }
        driver.input::<String, String>("in").pipe("a", "x").unwrap();
        let found = driver.output::<String, String>("out").read_values().unwrap();
        assert_eq!(found.last().map(String::as_str), Some("one"));
        let written = driver.produced_topics();
        assert!(written.iter().all(|topic| topic.as_str() == "out"), "{written:?}");
    }
}

fn with_global() -> Topology {
    let mut builder = TopologyBuilder::new();
    let held = Stores::key_value::<String, String>("held").build();
    builder.global_store(held, ("global-source", "reference", source()), ("fill", fill));
    let input = builder.source("source", ["in"], source());
    let look_up = builder.processor("look-up", &[input], look_up);
    builder.sink("sink", &[look_up], support::sink("out"));
    builder.build().unwrap()
}

#[test]
fn a_task_reads_a_global_store_and_cannot_write_it() {
    let driver = TopologyTestDriver::new(&with_global()).unwrap();
    driver.input::<String, String>("reference").pipe("x", "one").unwrap();
    driver.input::<String, String>("in").pipe("a", "x").unwrap();
    assert_eq!(driver.output::<String, String>("out").read_values().unwrap(), ["one"]);
    for change in ["!put", "!delete", "!absent"] {
        let driver = TopologyTestDriver::new(&with_global()).unwrap();
        driver.input::<String, String>("reference").pipe("x", "one").unwrap();
        let error = driver.input::<String, String>("in").pipe("a", change).unwrap_err();
        let TestError::Task(error) = error else { panic!("{error}") };
        let cause = std::error::Error::source(&*error).unwrap().to_string();
        assert_eq!(cause, StoreError::ReadOnly("held".into()).to_string());
        let held: KeyValueStore<String, String> = driver.store("held").unwrap();
        assert_eq!(held.all().unwrap().count(), 1, "{change}");
    }
}

/// One store of each kind.
struct All {
    plain: KeyValueStore<String, String>,
    timestamped: TimestampedKeyValueStore<String, String>,
    versioned: VersionedKeyValueStore<String, String>,
    windows: WindowStore<String, String>,
    timestamped_windows: TimestampedWindowStore<String, String>,
    sessions: SessionStore<String, String>,
}

impl All {
    fn new(stores: &ConnectedStores<'_, '_>) -> Result<Self, LinkError> {
        Ok(Self {
            plain: stores.store("plain")?,
            timestamped: stores.store("timestamped")?,
            versioned: stores.store("versioned")?,
            windows: stores.store("windows")?,
            timestamped_windows: stores.store("timestamped-windows")?,
            sessions: stores.store("sessions")?,
        })
    }
}

impl Processor<String, String> for All {
    type OutKey = String;
    type OutValue = String;

    fn process(
        &mut self,
        record: Record<String, String>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        let Record { key, value, timestamp, .. } = &record;
        let row = streams_state::Timestamped { value: value.clone(), timestamp: *timestamp };
        self.plain.put(key, value)?;
        self.timestamped.put(key, value, *timestamp)?;
        assert_eq!(self.versioned.put(key, value, *timestamp)?, PutVersion::Latest);
        self.windows.put(key, value, *timestamp)?;
        self.timestamped_windows.put(key, &row, *timestamp)?;
        self.sessions.put(key, Window::new(*timestamp, *timestamp), value)?;
        let found = [
            self.plain.get(key)?.is_some(),
            self.timestamped.get(key)? == Some(row.clone()),
            self.versioned.as_of(key, *timestamp)? == Some(row.clone()),
            self.windows.get(key, *timestamp)?.is_some(),
            self.timestamped_windows.get(key, *timestamp)? == Some(row),
            self.sessions.fetch(key)?.count() == 1,
        ];
        let found = found.into_iter().filter(|found| *found).count();
        cx.forward(record.with_value(found.to_string()))
    }
}

#[test]
fn a_processor_has_several_stores_of_any_kind() {
    let mut builder = TopologyBuilder::new();
    let input = builder.source("source", ["in"], source());
    let all = builder.processor("all", &[input], All::new);
    let (size, kept) = (Duration::from_millis(10), Duration::from_secs(60));
    builder.store(Stores::key_value::<String, String>("plain"), [all.id()]);
    builder.store(Stores::timestamped_key_value::<String, String>("timestamped"), [all.id()]);
    builder.store(Stores::versioned_key_value::<String, String>("versioned", kept), [all.id()]);
    builder.store(Stores::window::<String, String>("windows", size, kept), [all.id()]);
    let windows = Stores::timestamped_window::<String, String>("timestamped-windows", size, kept);
    builder.store(windows, [all.id()]);
    builder.store(Stores::session::<String, String>("sessions", kept), [all.id()]);
    builder.sink("sink", &[all], support::sink("out"));
    let driver = TopologyTestDriver::new(&builder.build().unwrap()).unwrap();
    let time = Timestamp::from_millis(5);
    driver.input::<String, String>("in").pipe_at("a", "x", time).unwrap();
    assert_eq!(driver.output::<String, String>("out").read_values().unwrap(), ["6"]);
    let changelogs = driver.produced_topics().into_iter();
    let changelogs = changelogs.filter(|topic| topic.as_str().ends_with("-changelog"));
    assert_eq!(changelogs.count(), 6);
    let entry = |window, timestamp| {
        vec![Entry { key: "a".to_owned(), window, value: "x".to_owned(), timestamp }]
    };
    let (window, session) = (Window::new(time, time.plus(size)), Window::new(time, time));
    let table = [
        ("plain", entry(None, None)),
        ("timestamped", entry(None, Some(time))),
        ("windows", entry(Some(window), None)),
        ("timestamped-windows", entry(Some(window), Some(time))),
        ("sessions", entry(Some(session), None)),
    ];
    for (store, entries) in table {
        assert_eq!(driver.entries::<String, String>(store).unwrap(), entries, "{store}");
        let wrong = driver.entries::<String, i64>(store);
        assert!(matches!(wrong, Err(TestError::StoreType { .. })), "{store}");
    }
    let versioned = driver.entries::<String, String>("versioned");
    assert!(matches!(versioned, Err(TestError::StoreType { .. })));
    let none = driver.entries::<String, String>("none");
    assert!(matches!(none, Err(TestError::NoStore { .. })));
}
