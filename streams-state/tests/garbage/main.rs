//! How much memory stores take for records of a changelog that are not what they should be, and for
//! the rows that come of them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::expect_used, reason = "what opens stores is a benchmark's too")]
#![expect(dead_code, reason = "there is no directory here")]

#[path = "../../benches/common/mod.rs"]
mod common;
#[path = "../../../streams-core/tests/garbage/damage.rs"]
mod damage;
#[path = "../../../streams-core/tests/garbage/spoilt.rs"]
mod spoilt;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use streams_core::record::{Header, Headers, RawRecord};
use streams_core::serde::DefaultSerde;
use streams_core::store::{Logging, StoreSpec, TaskStores};
use streams_core::time::Timestamp;
use streams_state::{
    KeyValueStore, ListStore, MemoryBackend, SessionStore, Stores, SuppressionBuffer, Timestamped,
    TimestampedKeyValueStore, VersionedKeyValueStore, WindowStore,
};

use crate::common::{handle, open};
use crate::spoilt::{BYTES_FREE, allocated_by, spoilt};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// How many times the bytes of a record a store may take for it.
const TIMES: usize = 2;
/// Where a value of four bytes becomes one of a vector.
const TIMES_OF_LISTS: usize = 16;

const STORE: &str = "rows";
const DAY: Duration = Duration::from_hours(24);

type Text = Vec<u8>;
type Buffer = SuppressionBuffer<Text, Text>;

/// A kind of store, with what its changelog may hold.
struct Kind {
    name: &'static str,
    spec: Arc<dyn StoreSpec>,
    keys: Vec<Vec<u8>>,
    values: Vec<Vec<u8>>,
    headers: Headers,
    times: usize,
    /// Reads all rows.
    read: fn(&dyn TaskStores),
}

impl Kind {
    fn new(name: &'static str, spec: Arc<dyn StoreSpec>, read: fn(&dyn TaskStores)) -> Self {
        let (keys, values) = (vec![b"key".to_vec()], vec![b"value".to_vec()]);
        Self { name, spec, keys, values, headers: Headers::new(), times: TIMES, read }
    }

    /// One sound part of a record with many of the other that are not, and the other way round.
    fn garbage(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let [key, value] = [&self.keys, &self.values].map(|all| all.first().unwrap());
        let keys = spoilt(&self.keys).into_iter().map(|key| (key, value.clone()));
        let values = spoilt(&self.values).into_iter().map(|value| (key.clone(), value));
        keys.chain(values).collect()
    }

    /// Restores a record in a store that is empty, and reads what is there then.
    fn check(&self, (key, value): &(Vec<u8>, Vec<u8>)) {
        let mut stores = open(&MemoryBackend::new(), 0, &[Arc::clone(&self.spec)], 0);
        let record = RawRecord {
            key: Some(key),
            value: Some(value),
            timestamp: Timestamp::from_millis(7),
            offset: 0,
            leader_epoch: None,
            headers: self.headers.clone(),
        };
        let taken = allocated_by(|| {
            let restored = stores.restore(0, &record).and_then(|()| stores.restored_up_to(0, 1));
            if restored.is_ok() {
                (self.read)(&*stores);
            }
        });
        let given = key.len() + value.len();
        let max = self.times * given + BYTES_FREE;
        let head = |bytes: &[u8]| bytes[..bytes.len().min(60)].to_vec();
        let (key, value) = (head(key), head(value));
        let name = self.name;
        assert!(taken <= max as u64, "{name}: {taken} B for {given} B: {key:?} {value:?}");
    }
}

fn kinds() -> Vec<Kind> {
    let window = b"key\0\0\0\0\0\0\0\x07\0\0\0\0".to_vec();
    let session = b"key\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x07".to_vec();
    let list = b"\x01\0\0\0\x02\0\0\0\x02ab\0\0\0\0".to_vec();
    let change = b"\0\0\0\0\0\0\0\x06\0\0\0\0\0\0\0\x1e\0\0\0\x01t\0\0\0\0\0\0\0\x01\0\0\0\x01h\
                   \0\0\0\x01v\0\0\0\x01p\xff\xff\xff\xfe\0\0\0\x01b\0\0\0\0\0\0\0\x04";
    let version = Header { name: "v".into(), value: Some(Bytes::from_static(&[3])) };
    let text = || Text::serde();
    vec![
        Kind::new("keys", Stores::key_value::<Text, i64>(STORE).build(), |stores| {
            let rows: KeyValueStore<Text, i64> = handle(stores, STORE);
            rows.all().unwrap().for_each(drop);
        }),
        Kind::new("times", Stores::timestamped_key_value::<Text, Text>(STORE).build(), |stores| {
            let rows: TimestampedKeyValueStore<Text, Text> = handle(stores, STORE);
            rows.all().unwrap().for_each(drop);
        }),
        Kind {
            keys: vec![window],
            ..Kind::new(
                "windows",
                Stores::window::<Text, Text>(STORE, DAY, DAY).build(),
                |stores| {
                    let rows: WindowStore<Text, Text> = handle(stores, STORE);
                    rows.all().unwrap().for_each(drop);
                },
            )
        },
        Kind {
            keys: vec![session],
            ..Kind::new("sessions", Stores::session::<Text, Text>(STORE, DAY).build(), |stores| {
                let rows: SessionStore<Text, Text> = handle(stores, STORE);
                rows.fetch(&b"key".to_vec()).unwrap().for_each(drop);
            })
        },
        Kind::new(
            "versions",
            Stores::versioned_key_value::<Text, Text>(STORE, DAY).build(),
            |stores| {
                let rows: VersionedKeyValueStore<Text, Text> = handle(stores, STORE);
                let _: Option<Timestamped<Text>> = rows.get(&b"key".to_vec()).unwrap();
            },
        ),
        Kind {
            values: vec![list],
            times: TIMES_OF_LISTS,
            ..Kind::new("lists", ListStore::declare(STORE, text(), text()).build(), |stores| {
                let rows: ListStore<Text, Text> = handle(stores, STORE);
                rows.all().for_each(drop);
            })
        },
        Kind {
            values: vec![change.to_vec()],
            headers: Headers::from_iter([version]),
            ..Kind::new(
                "buffer",
                Buffer::declared(STORE, (text(), text()), Logging::On([].into())),
                |stores| {
                    let buffer: Buffer = handle(stores, STORE);
                    drop(buffer.emit_first(&mut |_| Ok(())));
                },
            )
        },
    ]
}

#[test]
fn no_record_of_a_changelog_takes_more_memory_than_its_bytes_justify() {
    let kinds = kinds();
    let garbage: Vec<_> = kinds.iter().map(Kind::garbage).collect();
    let _profiler = dhat::Profiler::builder().testing().build();
    for (kind, garbage) in kinds.iter().zip(garbage) {
        garbage.iter().for_each(|record| kind.check(record));
    }
}
