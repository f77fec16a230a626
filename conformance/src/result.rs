//! What a case gives: description, topics, stores and counts.

use millstream::{
    KeyValueStore, SessionStore, StoreName, Timestamped, TimestampedKeyValueStore,
    TimestampedWindowStore, VersionedKeyValueStore, Windowed, WindowedEntries,
};
use serde_json::{Map, Value as Json, json};
use streams_test::model::{ModelRecord, TimeFrom};
use streams_test::{TestError, TopologyTestDriver};

use crate::value::Value;
use crate::{Failure, subscriptions, text};

/// Stores whose names hold one of these are the library's own affair.
const LEFT_OUT: &str = "JOINTHIS JOINOTHER OUTERTHIS OUTEROTHER OUTERSHARED SUBSCRIPTION \
    -this-join-store -other-join-store -shared-join-store -Buffer";

/// Every part of the result.
pub(crate) fn of(driver: &TopologyTestDriver) -> Result<Map<String, Json>, Failure> {
    let topics = driver.produced_topics().into_iter().map(|topic| {
        let records = driver.produced(&topic);
        (text::shown(topic.as_str()), records.iter().map(|r| record(r)).collect())
    });
    let is_shown = |name: &StoreName| {
        let is_versioned = driver.store::<VersionedKeyValueStore<String, Value>>(name).is_ok();
        !is_versioned && !LEFT_OUT.split(' ').any(|part| name.as_str().contains(part))
    };
    let stores = driver.store_names().into_iter().filter(is_shown).map(|name| {
        let entries = store(driver, &name)?;
        Ok((name.to_string(), entries))
    });
    let parts = [
        ("describe", described(&driver.describe().to_string()).into()),
        ("topics", Json::Object(topics.collect())),
        ("stores", Json::Object(stores.collect::<Result<_, Failure>>()?)),
        ("metrics", json!({ "dropped-records-total": driver.dropped().total() })),
    ];
    Ok(parts.into_iter().map(|(part, json)| (part.to_owned(), json)).collect())
}

fn hex(bytes: Option<&[u8]>) -> Json {
    let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    bytes.map(digits).into()
}

fn record(record: &ModelRecord) -> Json {
    let time = (record.time_from == TimeFrom::Producer).then_some(record.timestamp.millis());
    let (key, value) = (hex(record.key.as_deref()), hex(record.value.as_deref()));
    let mut json = json!({ "key": key, "value": value, "ts": time });
    if !record.headers.is_empty() {
        let pair = |(name, value): (&str, Option<&[u8]>)| json!([name, hex(value)]);
        let headers = record.headers.iter().map(|one| (&*one.name, one.value.as_deref()));
        json["headers"] = headers.map(pair).collect();
    }
    json
}

/// The entries of a store in its own order, as text.
fn store(driver: &TopologyTestDriver, name: &StoreName) -> Result<Json, Failure> {
    let plain = driver.store::<KeyValueStore<String, String>>(name);
    if !matches!(plain, Err(TestError::StoreType { .. })) {
        return plain?
            .all()?
            .map(|entry| Ok(entry.map(|(key, value)| json!([key, value]))?))
            .collect();
    }
    if let Ok(counts) = driver.store::<TimestampedKeyValueStore<String, i64>>(name) {
        return rows(&counts);
    }
    if let Ok(values) = driver.store::<TimestampedKeyValueStore<String, Value>>(name) {
        return rows(&values);
    }
    if let Ok(counts) = driver.store::<TimestampedWindowStore<String, i64>>(name) {
        return windowed(counts.all()?, with_time);
    }
    if let Ok(values) = driver.store::<TimestampedWindowStore<String, Value>>(name) {
        return windowed(values.all()?, with_time);
    }
    match driver.store::<SessionStore<String, i64>>(name) {
        Ok(counts) => windowed(counts.fetch_keys(..)?, |count| count.to_string()),
        Err(_) => match driver.store::<SessionStore<String, Value>>(name) {
            Err(TestError::StoreType { .. }) => subscriptions::rows(driver, name),
            values => windowed(values?.fetch_keys(..)?, |value| value.to_string()),
        },
    }
}

fn with_time<V: ToString>(row: &Timestamped<V>) -> String {
    format!("{},{}", row.value.to_string(), row.timestamp)
}

fn windowed<V: 'static>(
    entries: WindowedEntries<String, V>,
    text: impl Fn(&V) -> String,
) -> Result<Json, Failure> {
    let entries = entries.map(|entry| {
        let (Windowed { key, window }, value) = entry?;
        Ok(json!([format!("{key}@{}/{}", window.start, window.end), text(&value)]))
    });
    entries.collect()
}

fn rows<V: ToString + 'static>(
    store: &TimestampedKeyValueStore<String, V>,
) -> Result<Json, Failure> {
    let entries = store.all()?.map(|entry| {
        let (key, row) = entry?;
        Ok(json!([key, with_time(&row)]))
    });
    entries.collect()
}

/// The description with the names in brackets sorted.
fn described(text: &str) -> String {
    let sorted = |line: &str| {
        let (before, rest) = line.split_once(": [")?;
        let (names, after) = rest.rsplit_once(']')?;
        let mut names: Vec<&str> = names.split(", ").collect();
        names.sort_unstable();
        Some(format!("{before}: [{}]{after}", names.join(", ")))
    };
    text.split_inclusive('\n').map(|line| sorted(line).unwrap_or_else(|| line.to_owned())).collect()
}
