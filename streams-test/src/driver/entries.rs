//! What a store holds, whatever its kind.

use streams_core::error::StoreError;
use streams_core::names::StoreName;
use streams_core::time::Timestamp;
use streams_core::window::{Window, Windowed};
use streams_state::{
    KeyValueStore, SessionStore, Timestamped, TimestampedKeyValueStore, TimestampedWindowStore,
    WindowStore,
};

use super::{TestError, TopologyTestDriver};

/// A row of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<K, V> {
    /// Its key.
    pub key: K,
    /// Its window, in stores of windows and sessions.
    pub window: Option<Window>,
    /// Its value.
    pub value: V,
    /// When its value was written, in stores that keep it.
    pub timestamp: Option<Timestamp>,
}

impl<K, V> Entry<K, V> {
    fn plain((key, value): (K, V)) -> Self {
        Self { key, window: None, value, timestamp: None }
    }

    fn of_window((Windowed { key, window }, value): (Windowed<K>, V)) -> Self {
        Self { window: Some(window), ..Self::plain((key, value)) }
    }
}

impl<K, V> Entry<K, Timestamped<V>> {
    fn with_time(self) -> Entry<K, V> {
        let Self { key, window, value: Timestamped { value, timestamp }, .. } = self;
        Entry { key, window, value, timestamp: Some(timestamp) }
    }
}

fn all<T, K, V>(
    rows: impl Iterator<Item = Result<T, StoreError>>,
    entry: impl Fn(T) -> Entry<K, V>,
) -> Result<Vec<Entry<K, V>>, StoreError> {
    rows.map(|row| row.map(&entry)).collect()
}

impl TopologyTestDriver {
    /// The rows of a store of partition 0, in the store's own order, whatever kind it is of: keys
    /// and values, windows or sessions, with times or without. Not of a versioned store, whose rows
    /// are several for each key.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder, TimeWindows};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let clicks: KStream<'_, String, String> = builder.stream("clicks");
    /// let windows = TimeWindows::of_size(Duration::from_millis(10));
    /// let clicks = clicks.group_by_key().windowed_by(windows);
    /// let _ = clicks.count_with(Materialized::named("counts"));
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut clicks = driver.input::<String, String>("clicks");
    /// clicks.pipe_at("ann", "x", Timestamp::from_millis(17))?;
    /// let [count] = &driver.entries::<String, i64>("counts")?[..] else { panic!("one key came") };
    /// assert_eq!((count.key.as_str(), count.value), ("ann", 1));
    /// assert_eq!(count.window.map(|window| window.start), Some(Timestamp::from_millis(10)));
    /// assert_eq!(count.timestamp, Some(Timestamp::from_millis(17)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such store, it is of other types, or a row cannot be read.
    pub fn entries<K: 'static, V: 'static>(
        &self,
        name: impl Into<StoreName>,
    ) -> Result<Vec<Entry<K, V>>, TestError> {
        let store = name.into();
        let rows = self.rows(&store)?;
        rows.map_err(|source| TestError::Read { store, source })
    }

    fn rows<K: 'static, V: 'static>(
        &self,
        name: &StoreName,
    ) -> Result<Result<Vec<Entry<K, V>>, StoreError>, TestError> {
        if let Ok(store) = self.store::<KeyValueStore<K, V>>(name) {
            return Ok(store.all().and_then(|rows| all(rows, Entry::plain)));
        }
        if let Ok(store) = self.store::<TimestampedKeyValueStore<K, V>>(name) {
            return Ok(store.all().and_then(|rows| all(rows, |row| Entry::plain(row).with_time())));
        }
        if let Ok(store) = self.store::<WindowStore<K, V>>(name) {
            return Ok(store.all().and_then(|rows| all(rows, Entry::of_window)));
        }
        if let Ok(store) = self.store::<TimestampedWindowStore<K, V>>(name) {
            let entry = |row| Entry::of_window(row).with_time();
            return Ok(store.all().and_then(|rows| all(rows, entry)));
        }
        let store = self.store::<SessionStore<K, V>>(name)?;
        Ok(store.fetch_keys(..).and_then(|rows| all(rows, Entry::of_window)))
    }
}
