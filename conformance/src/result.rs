//! What a case gives: description, topics, stores and counts.

use millstream::{
    KeyValueStore, SessionStore, StoreName, Timestamped, TimestampedKeyValueStore,
    TimestampedWindowStore, Windowed, WindowedEntries,
};
use serde_json::{Map, Value as Json, json};
use streams_test::model::{ModelRecord, TimeFrom};
use streams_test::{TestError, TopologyTestDriver};

use crate::value::Value;
use crate::{Failure, subscriptions};

/// Every part of the result.
pub(crate) fn of(driver: &TopologyTestDriver) -> Result<Map<String, Json>, Failure> {
    let topics = driver.produced_topics().into_iter().map(|topic| {
        let records = driver.produced(&topic);
        (topic.to_string(), records.iter().map(|r| record(r)).collect())
    });
    let shown = driver.store_names().into_iter().filter(is_shown);
    let stores = shown.map(|name| {
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

/// Stores whose rows a case does not show.
const HIDDEN: [&str; 9] = [
    "JOINTHIS",
    "JOINOTHER",
    "OUTERTHIS",
    "OUTEROTHER",
    "OUTERSHARED",
    "SUBSCRIPTION",
    "-this-join-store",
    "-other-join-store",
    "-shared-join-store",
];

fn is_shown(store: &StoreName) -> bool {
    !HIDDEN.iter().any(|part| store.as_str().contains(part))
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

/// The description with the names in brackets sorted, and one name for all topic extractors.
fn described(text: &str) -> String {
    let line = |line: &str| {
        let line = within(line, "extractor class: ", ")", |_| "dynamic".to_owned());
        within(&within(&line, "topics: [", "]", sorted), "stores: [", "]", sorted) + "\n"
    };
    text.lines().map(line).collect()
}

fn sorted(names: &str) -> String {
    let mut names: Vec<&str> = names.split(", ").collect();
    names.sort_unstable();
    names.join(", ")
}

fn within(line: &str, from: &str, to: &str, change: fn(&str) -> String) -> String {
    let parts =
        line.split_once(from).and_then(|(before, rest)| Some((before, rest.split_once(to)?)));
    let changed =
        parts.map(|(before, (part, end))| format!("{before}{from}{}{to}{end}", change(part)));
    changed.unwrap_or_else(|| line.to_owned())
}
