//! Stores in a place of the program's own: what an application gives, logs and keeps with them is what
//! it is on RocksDB, through commits, failures and restarts.

use std::sync::Arc;
use std::time::Duration;

use streams_core::config::StreamsConfig;
use streams_core::serde::DefaultSerde;
use streams_core::store::{StateBackend, StoreKind};
use streams_core::time::Timestamp;
use streams_core::topology::Topology;
use streams_core::window::Windowed;
use streams_dsl::{
    Consumed, EmitStrategy, GlobalKTable, JoinWindows, KStream, KTable, Materialized,
    SessionWindows, SlidingWindows, StreamJoined, StreamsBuilder, TableJoined, TimeWindows,
};
use streams_state::{
    BytesStore, BytesStoreError, BytesStoreSupplier, MemoryBackend, MemoryBudget, RocksBackend,
    StateDirectory, StorePlace, Stores, VersionedKeyValueStore,
};
use streams_test::model::KafkaModel;
use streams_test::{CommitWhen, Entry, TopologyTestDriver};

use crate::scratch::ScratchDirectory;
use crate::shelf::Shelves;

/// Who keeps the rows.
#[derive(Clone)]
enum Keeper {
    RocksDb,
    /// One supplier for all stores of operators.
    ForAll(Shelves),
    /// Each operator names its supplier.
    Each(Shelves),
}

impl Keeper {
    fn stored<V: DefaultSerde>(&self, name: &str) -> Materialized<String, V> {
        let stored = Materialized::named(name);
        if let Self::Each(shelves) = self { stored.kept_in(shelves.clone()) } else { stored }
    }

    /// One supplier for an application is not asked about versions.
    fn versioned<V: DefaultSerde>(&self, name: &str) -> Materialized<String, V> {
        let stored = Materialized::named(name).versioned(MINUTE);
        match self {
            Self::RocksDb => stored,
            Self::ForAll(shelves) | Self::Each(shelves) => stored.kept_in(shelves.clone()),
        }
    }

    fn joined<V: DefaultSerde, W: DefaultSerde>(&self) -> StreamJoined<String, V, W> {
        let joined = StreamJoined::new().with_store_name("pair");
        if let Self::Each(shelves) = self { joined.kept_in(shelves.clone()) } else { joined }
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const HALF: Duration = Duration::from_secs(30);

/// Writes a table of windows, the windows as part of the keys.
fn write(table: KTable<'_, Windowed<String>, i64>, topic: &str) {
    table.to_stream().map(|key, count| (key.to_string(), count)).to(topic);
}

fn both(one: &String, other: &String) -> String {
    format!("{one}+{other}")
}

fn either(one: Option<&String>, other: Option<&String>) -> String {
    let text = |text: Option<&String>| text.map_or("null", String::as_str).to_owned();
    both(&text(one), &text(other))
}

fn windows(keeper: &Keeper, ours: KStream<'_, String, String>) {
    let grouped = ours.group_by_key();
    let tumbling = grouped.windowed_by(TimeWindows::of_size(HALF).with_grace(MINUTE));
    write(tumbling.count_with(keeper.stored("tumbling")), "tumbling-out");
    let closing = tumbling.with_emit_strategy(EmitStrategy::OnWindowClose);
    write(closing.count_with(keeper.stored("closing")), "closing-out");
    let sliding = grouped.windowed_by(SlidingWindows::of_time_difference(HALF).with_grace(HALF));
    write(sliding.count_with(keeper.stored("sliding")), "sliding-out");
    let closing = sliding.with_emit_strategy(EmitStrategy::OnWindowClose);
    write(closing.count_with(keeper.stored("sliding-closing")), "sliding-closing-out");
    let sessions = grouped.windowed_by(SessionWindows::of_inactivity_gap(HALF).with_grace(MINUTE));
    write(sessions.count_with(keeper.stored("sessions")), "sessions-out");
    let closing = sessions.with_emit_strategy(EmitStrategy::OnWindowClose);
    write(closing.count_with(keeper.stored("sessions-closing")), "sessions-closing-out");
}

fn topology(keeper: &Keeper) -> Topology {
    let builder = StreamsBuilder::new();
    if let Keeper::ForAll(shelves) = keeper {
        builder.keep_stores_in(shelves.clone());
    }
    let ours: KStream<'_, String, String> = builder.stream("in");
    let theirs: KStream<'_, String, String> = builder.stream("other");
    windows(keeper, ours);
    let within = JoinWindows::of_time_difference(HALF).with_grace(HALF);
    ours.outer_join_with(theirs, either, within, keeper.joined()).to("pairs");
    let global: GlobalKTable<'_, String, String> =
        builder.global_table_with("global", Consumed::new(), keeper.stored("names"));
    ours.join_global(global, |key: &String, _: &String| key.clone(), both).to("named");
    let prices: KTable<'_, String, String> =
        builder.table_with("prices", Consumed::new(), keeper.versioned("prices-rows"));
    ours.join_table(prices, both).to("priced");
    let table: KTable<'_, String, String> =
        builder.table_with("table", Consumed::new(), keeper.stored("rows"));
    let of_other = |value: &String| value[..1].to_owned();
    let joined = TableJoined::named("link");
    let linked = table.foreign_key_join_with(table, of_other, both, joined, keeper.stored("links"));
    linked.to_stream().to("linked");
    builder.build().unwrap()
}

const TOPICS: [&str; 5] = ["in", "other", "global", "prices", "table"];

/// A small generator, so that a seed tells the whole run.
struct Seed(u64);

impl Seed {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % end
    }
}

enum Step {
    /// Topic, key, value, time in milliseconds.
    Pipe(&'static str, String, Option<String>, i64),
    Commit,
    /// Back to the last commit.
    Fail,
    /// Another process.
    Restart,
}

/// Time goes on, so that windows close and segments go, with records that are late.
fn steps(seed: u64) -> Vec<Step> {
    let mut seed = Seed(seed);
    let mut now = 0;
    let mut step = |_| match seed.below(40) {
        0 => Step::Restart,
        1 => Step::Fail,
        2..=5 => Step::Commit,
        _ => {
            now += seed.below(9_000);
            let topic = TOPICS[usize::try_from(seed.below(7)).unwrap().saturating_sub(2)];
            let key = ["a", "b", "c"][usize::try_from(seed.below(3)).unwrap()].to_owned();
            let value = ["a", "b", "c", "ab", "bc"][usize::try_from(seed.below(5)).unwrap()];
            let deletes = topic != "in" && topic != "other" && seed.below(4) == 0;
            let late = [0, 0, 0, 20_000, 70_000, 200_000][usize::try_from(seed.below(6)).unwrap()];
            let time = i64::try_from(now.saturating_sub(late)).unwrap();
            Step::Pipe(topic, key, (!deletes).then(|| value.to_owned()), time)
        }
    };
    (0..300).map(&mut step).collect()
}

impl ScratchDirectory {
    fn backend(&self) -> Arc<dyn StateBackend> {
        let directory = StateDirectory::open(self.path(), &"app".into()).unwrap();
        Arc::new(RocksBackend::new(directory, MemoryBudget::of(16 << 20)))
    }
}

fn config(format: &str) -> StreamsConfig {
    let config = StreamsConfig::builder().application_id("app").bootstrap_servers("none:1");
    config
        .set("__emit.interval.ms.kstreams.outer.join.spurious.results.fix__", "0")
        .set("__emit.interval.ms.kstreams.windowed.aggregation__", "0")
        .set("dsl.store.format", format)
        .build()
        .unwrap()
}

/// All that an application shows: its topics by name, then its stores.
type Seen = Vec<(String, Vec<String>)>;

fn shown<K: std::fmt::Debug, V: std::fmt::Debug>(entries: Vec<Entry<K, V>>) -> Vec<String> {
    entries.iter().map(|entry| format!("{entry:?}")).collect()
}

fn seen(driver: &TopologyTestDriver) -> Seen {
    let topics = driver.produced_topics().into_iter().map(|topic| {
        let records = driver.produced(topic.clone()).into_iter().map(|record| {
            let (key, value) = (&record.key, &record.value);
            format!("{key:?} {value:?} @{} {:?}", record.timestamp, record.headers)
        });
        (topic.to_string(), records.collect())
    });
    let mut seen: Seen = topics.collect();
    for store in
        ["tumbling", "closing", "sliding", "sliding-closing", "sessions", "sessions-closing"]
    {
        seen.push((store.to_owned(), shown(driver.entries::<String, i64>(store).unwrap())));
    }
    for store in ["names", "rows", "links"] {
        seen.push((store.to_owned(), shown(driver.entries::<String, String>(store).unwrap())));
    }
    for store in ["pair-outer-this-join-store", "pair-outer-other-join-store"] {
        seen.push((store.to_owned(), shown(driver.entries::<String, String>(store).unwrap())));
    }
    let prices: VersionedKeyValueStore<String, String> = driver.store("prices-rows").unwrap();
    let versions = (0..300).map(|at| {
        let at = Timestamp::from_millis(at * 5_000);
        format!("{:?}", ["a", "b", "c"].map(|key| prices.as_of(&key.to_owned(), at).unwrap()))
    });
    seen.push(("prices-rows".to_owned(), versions.collect()));
    seen
}

/// What is seen after each commit of a run.
fn run(keeper: &Keeper, steps: &[Step], format: &str) -> Vec<Seen> {
    let (topology, scratch) = (topology(keeper), ScratchDirectory::new("own-stores"));
    let backend = || match keeper {
        Keeper::RocksDb => scratch.backend(),
        // What is not kept by the program is rebuilt.
        Keeper::ForAll(_) | Keeper::Each(_) => Arc::new(MemoryBackend::new()),
    };
    let start = |kafka: Option<KafkaModel>| {
        let driver = TopologyTestDriver::builder(&topology).config(&config(format));
        let driver = driver.commit_when(CommitWhen::WhenTold).state(backend());
        let driver = match kafka {
            Some(kafka) => driver.kafka(kafka),
            None => driver,
        };
        driver.build().unwrap()
    };
    let (mut driver, mut all) = (start(None), Vec::new());
    for step in steps {
        match step {
            Step::Pipe(topic, key, value, time) => {
                let mut input = driver.input::<String, Option<String>>(*topic);
                let time = Timestamp::from_millis(*time);
                input.pipe_at(key.as_str(), value.clone(), time).unwrap();
            }
            Step::Commit => {
                driver.commit().unwrap();
                all.push(seen(&driver));
            }
            Step::Fail => driver.restart().unwrap(),
            Step::Restart => {
                let kafka = driver.kafka();
                drop(driver);
                driver = start(Some(kafka));
                all.push(seen(&driver));
            }
        }
    }
    driver.commit().unwrap();
    all.push(seen(&driver));
    all
}

#[track_caller]
fn compare(expected: &[Seen], actual: &[Seen], what: &str) {
    assert_eq!(expected.len(), actual.len(), "{what}");
    for (number, (expected, actual)) in expected.iter().zip(actual).enumerate() {
        for (expected, actual) in expected.iter().zip(actual) {
            assert_eq!(expected, actual, "{what}, commit {number}");
        }
        assert_eq!(expected.len(), actual.len(), "{what}, commit {number}");
    }
}

#[test]
fn an_application_is_the_same_on_stores_of_its_own() {
    for seed in 1..=12 {
        let steps = steps(seed);
        let expected = run(&Keeper::RocksDb, &steps, "default");
        for keeper in [Keeper::ForAll(Shelves::default()), Keeper::Each(Shelves::default())] {
            let actual = run(&keeper, &steps, "default");
            compare(&expected, &actual, &format!("seed {seed}"));
            let (Keeper::ForAll(shelves) | Keeper::Each(shelves)) = &keeper else { continue };
            let stores = topology(&keeper);
            let names: Vec<String> =
                stores.stores().map(|store| store.name().to_string()).collect();
            let missing = names.iter().filter(|name| !shelves.kinds().contains_key(*name));
            let missing: Vec<_> = missing.collect();
            match keeper {
                Keeper::Each(_) => assert_eq!(missing, ["link-subscription-store"]),
                _ => assert!(missing.is_empty(), "{missing:?}"),
            }
        }
    }
}

#[test]
fn one_supplier_for_all_stores_heeds_the_format_with_headers() {
    for seed in 1..=4 {
        let steps = steps(seed);
        let expected = run(&Keeper::RocksDb, &steps, "headers");
        let shelves = Shelves::default();
        let actual = run(&Keeper::ForAll(shelves.clone()), &steps, "headers");
        compare(&expected, &actual, &format!("seed {seed}"));
        let kinds = shelves.kinds();
        assert_eq!(kinds["rows"], StoreKind::TimestampedKeyValueWithHeaders);
        assert!(matches!(kinds["sessions"], StoreKind::SessionWithHeaders(_)));
    }
}

#[test]
fn a_supplier_keeps_what_it_says() {
    struct Sessions(Shelves);

    impl BytesStoreSupplier for Sessions {
        fn open(&self, place: StorePlace<'_>) -> Result<Box<dyn BytesStore>, BytesStoreError> {
            assert_eq!(place.retention, Some(HALF + MINUTE));
            self.0.open(place)
        }

        fn keeps(&self, kind: StoreKind) -> bool {
            matches!(kind, StoreKind::Session(_))
        }
    }

    let (builder, shelves) = (StreamsBuilder::new(), Shelves::default());
    builder.keep_stores_in(Sessions(shelves.clone()));
    windows(&Keeper::RocksDb, builder.stream("in"));
    let driver = TopologyTestDriver::new(&builder.build().unwrap()).unwrap();
    driver.input::<String, String>("in").pipe("a", "x").unwrap();
    assert_eq!(shelves.kinds().into_keys().collect::<Vec<_>>(), ["sessions", "sessions-closing"]);
}

#[test]
fn the_places_of_a_join_are_said_for_each_stream_or_for_all() {
    let windows = JoinWindows::of_time_difference(HALF);
    let store = |name: &str| {
        let (size, retention) = (windows.size(), windows.retention());
        Stores::window::<String, String>(name, size, retention).retaining_duplicates()
    };
    let joined = || StreamJoined::<String, String, String>::new().with_store_name("pair");
    let [this, all, memory] = [Shelves::default(), Shelves::default(), Shelves::default()];
    let ways = [
        (joined().with_this_store(store("mine").kept_in(this.clone())), &this, vec!["mine"]),
        (
            joined().with_this_store(store("mine")).kept_in(all.clone()),
            &all,
            vec!["mine-outer-shared-join-store", "pair-outer-other-join-store"],
        ),
        (joined().kept_in(memory.clone()).in_memory(), &memory, vec![]),
    ];
    for (joined, shelves, expected) in ways {
        let builder = StreamsBuilder::new();
        let ours: KStream<'_, String, String> = builder.stream("in");
        ours.outer_join_with(builder.stream("other"), either, windows, joined).to("pairs");
        let driver = TopologyTestDriver::new(&builder.build().unwrap()).unwrap();
        driver.input::<String, String>("in").pipe("a", "x").unwrap();
        assert_eq!(shelves.kinds().into_keys().collect::<Vec<_>>(), expected);
    }
}
