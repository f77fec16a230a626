//! Where state lives and how much room it may take.

use std::path::PathBuf;
use std::time::Duration;

use super::reader::Reader;

/// The store of an operator that names none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DefaultStore {
    /// `rocksDB`, the default.
    #[default]
    RocksDb,
    /// `in_memory`.
    InMemory,
}

/// `dsl.store.format`: what the values of stores hold beside the value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreFormat {
    /// `DEFAULT`: the timestamp where there is use for it.
    #[default]
    Default,
    /// `HEADERS`: the timestamp and the record's headers.
    Headers,
}

/// Where state lives and how much room it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct State {
    /// `state.dir`; by default `millstream` in the temporary directory (`TMPDIR` of the environment
    /// that was given, or `/tmp`). DIFFERENCE(state-dir): Kafka's default ends in `kafka-streams`;
    /// the files differ, and one directory must not serve both.
    pub dir: PathBuf,
    /// `statestore.cache.max.bytes`: record caches of the process, 10 MiB by default.
    pub cache_bytes_max: u64,
    /// `state.memory.budget.bytes`: memory of all stores of the process, at least 16 MiB; if none, it
    /// is taken from the memory limit of the container or machine.
    pub memory_budget_bytes: Option<u64>,
    /// `state.cleanup.delay.ms`: how long the state of a task that has gone is kept, 10 minutes by
    /// default.
    pub cleanup_delay: Duration,
    /// `state.cleanup.dir.max.age.ms`: the state of a task in which nothing was written for so long
    /// is removed at start; none, the default, keeps it. As in Kafka, that of global stores stays.
    pub cleanup_dir_age_max: Option<Duration>,
    /// `dsl.store.suppliers.class` or `default.dsl.store`, RocksDB by default.
    pub default_store: DefaultStore,
    /// `dsl.store.format`.
    pub store_format: StoreFormat,
}

impl State {
    pub(crate) fn read(reader: &mut Reader<'_>, temp_dir: &str) -> Self {
        let dir = reader.text("state.dir").map_or_else(
            || {
                let dir = PathBuf::from(temp_dir).join("millstream");
                let shown = dir.display().to_string();
                reader.explain("state.dir", shown, super::origin::Origin::Default);
                dir
            },
            PathBuf::from,
        );
        Self {
            dir,
            cache_bytes_max: reader.whole("statestore.cache.max.bytes"),
            memory_budget_bytes: reader.parsed("state.memory.budget.bytes"),
            cleanup_delay: reader.millis("state.cleanup.delay.ms"),
            cleanup_dir_age_max: reader.millis_unless_negative("state.cleanup.dir.max.age.ms"),
            default_store: default_store(reader),
            store_format: match reader.text("dsl.store.format").as_deref() {
                Some("HEADERS") => StoreFormat::Headers,
                _ => StoreFormat::Default,
            },
        }
    }
}

/// As in Kafka, the suppliers win over the older key.
fn default_store(reader: &mut Reader<'_>) -> DefaultStore {
    let older = reader.text("default.dsl.store");
    match reader.text("dsl.store.suppliers.class").or(older).as_deref() {
        Some("in_memory") => DefaultStore::InMemory,
        _ => DefaultStore::RocksDb,
    }
}
