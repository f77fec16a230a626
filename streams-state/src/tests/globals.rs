//! Global stores that expire, as the threads see them that read them.

use std::sync::Arc;
use std::time::Duration;

use streams_core::store::{OpenStores, StateBackend, StoreSpec, StoresOf, TaskStores};
use streams_core::time::Timestamp;

use super::own::Shelf;
use crate::testing::{Fixture, ScratchDirectory, handle};
use crate::{MemoryBackend, StoreBuilder, Stores, VersionedKeyValueStore, WindowStore};

const HOUR: Duration = Duration::from_secs(3_600);
const HALF_HOUR_MS: i64 = 1_800_000;

type Windows = WindowStore<String, i64>;
type Versions = VersionedKeyValueStore<String, i64>;

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A view on the thread that fills the store and one on a thread that reads it, and who commits.
fn views<S: 'static>(
    spec: Arc<dyn StoreSpec>,
    backend: &dyn StateBackend,
) -> (Box<dyn TaskStores>, [S; 2]) {
    let fixture = Fixture::new(vec![spec], 0);
    let owner = StoresOf::Process { filled_by_input: vec![0] };
    let stores = backend.open(OpenStores { owner, ..fixture.request() }).unwrap();
    let read = stores.shared().unwrap().of_worker(&fixture.context);
    let read = *read.handle(&"s".into()).unwrap().downcast().unwrap();
    let views = [handle(&*stores, "s"), read];
    (stores, views)
}

fn windows() -> StoreBuilder<Windows> {
    Stores::window("s", Duration::from_millis(10), HOUR)
}

fn versions() -> StoreBuilder<Versions> {
    Stores::versioned_key_value("s", HOUR)
}

fn starts(windows: &Windows) -> Vec<i64> {
    let rows = windows.fetch(&"a".to_owned(), ..).unwrap();
    rows.map(|row| row.unwrap().0.millis() / HALF_HOUR_MS).collect()
}

fn read_windows(spec: Arc<dyn StoreSpec>, backend: &dyn StateBackend) {
    let (mut stores, [filled, read]) = views::<Windows>(spec, backend);
    let a = "a".to_owned();
    for step in 0..6 {
        filled.put(&a, &step, at(step * HALF_HOUR_MS)).unwrap();
        let seen = starts(&read);
        assert!(!seen.contains(&step), "{seen:?} before it is committed");
        stores.commit(&[(0, step + 1)]).unwrap();
        assert_eq!(starts(&read), starts(&filled), "at {step}");
        for start in 0..=step {
            let of = |windows: &Windows| windows.get(&a, at(start * HALF_HOUR_MS)).unwrap();
            assert_eq!(of(&read), of(&filled), "{start} at {step}");
        }
    }
    assert_eq!(starts(&read).last(), Some(&5));
}

fn read_versions(spec: Arc<dyn StoreSpec>, backend: &dyn StateBackend) {
    let (mut stores, [filled, read]) = views::<Versions>(spec, backend);
    let a = "a".to_owned();
    for step in 0..6 {
        filled.put(&a, &step, at(step * HALF_HOUR_MS)).unwrap();
        stores.commit(&[(0, step + 1)]).unwrap();
        for time in 0..=step {
            let of = |versions: &Versions| versions.as_of(&a, at(time * HALF_HOUR_MS)).unwrap();
            assert_eq!(of(&read), of(&filled), "{time} at {step}");
        }
    }
    let before = read.as_of(&a, at(4 * HALF_HOUR_MS)).unwrap();
    assert_eq!(before.map(|row| row.value), Some(4));
}

#[test]
fn who_reads_a_global_store_sees_new_segments_and_what_has_expired() {
    let (scratch, memory) = (ScratchDirectory::new("globals"), MemoryBackend::new());
    read_windows(windows().build(), &scratch.backend());
    read_windows(windows().build(), &memory);
    read_windows(windows().in_memory().build(), &memory);
    read_windows(windows().kept_in(Shelf::default()).build(), &memory);
    let scratch = ScratchDirectory::new("global-versions");
    read_versions(versions().build(), &scratch.backend());
    read_versions(versions().build(), &memory);
    read_versions(versions().kept_in(Shelf::default()).build(), &memory);
}
