//! What a case gives: description, topics, stores and counts.

use std::collections::{BTreeMap, BTreeSet};

use millstream::foreign_key::{CombinedKey, Subscription};
use millstream::{StoreName, Windowed};
use serde_json::{Value as Json, json};
use streams_test::model::{ModelRecord, TimeFrom};
use streams_test::{Entry, TopologyTestDriver as Driver};

use crate::node::Key;
use crate::text::{Row, in_window, shown};

/// Stores whose names hold one of these are the library's own affair.
const LEFT_OUT: &str = "JOINTHIS JOINOTHER OUTERTHIS OUTEROTHER OUTERSHARED SUBSCRIPTION \
    -this-join-store -other-join-store -shared-join-store";

/// The result of a case of this name.
pub(crate) fn of(name: &Json, driver: &Driver) -> Json {
    let records = |topic| driver.produced(topic).iter().map(|one| record(one)).collect::<Json>();
    let topics = driver.produced_topics().into_iter();
    let topics = topics.map(|topic| (shown(topic.as_str()), records(topic)));
    let names = driver.store_names();
    let is_shown = |name: &StoreName| !LEFT_OUT.split(' ').any(|part| name.as_str().contains(part));
    let rows = |name| store::<String>(driver, name).or_else(|| store::<Windowed<_>>(driver, name));
    let stores = names.iter().filter(|name| is_shown(name));
    let stores = stores.filter_map(|name| Some((name.to_string(), rows(name)?)));
    json!({
        "name": name,
        "describe": described(&driver.describe().to_string()),
        "topics": topics.collect::<Json>(),
        "stores": stores.collect::<Json>(),
        "metrics": { "dropped-records-total": driver.dropped().total() },
    })
}

fn hex(bytes: Option<&[u8]>) -> Json {
    bytes.map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()).into()
}

fn record(record: &ModelRecord) -> Json {
    let time = (record.time_from == TimeFrom::Producer).then_some(record.timestamp.millis());
    let (key, value) = (hex(record.key.as_deref()), hex(record.value.as_deref()));
    let mut json = json!({ "key": key, "value": value, "ts": time });
    if !record.headers.is_empty() {
        let pairs = record.headers.iter().map(|one| json!([*one.name, hex(one.value.as_deref())]));
        json["headers"] = pairs.collect();
    }
    json
}

/// The entries of a store of keys `K` in its own order, as text; nothing for a kind that results leave
/// out.
fn store<K: Key>(driver: &Driver, name: &StoreName) -> Option<Json> {
    rows::<K, i64>(driver, name)
        .or_else(|| rows::<K, String>(driver, name))
        .or_else(|| subscriptions::<K>(driver, name))
}

fn rows<K: Key, V: Row>(driver: &Driver, name: &StoreName) -> Option<Json> {
    let rows = driver.entries::<K, V>(name).ok()?;
    Some(rows.into_iter().map(|row| entry(row.key.to_string(), row)).collect())
}

fn entry<K, V: ToString>(key: String, Entry { window, value, timestamp, .. }: Entry<K, V>) -> Json {
    let key = if let Some(window) = window { in_window(Windowed { key, window }) } else { key };
    let time = timestamp.map_or_else(String::new, |time| format!(",{time}"));
    json!([key, value.to_string() + &time])
}

/// What rows of primary keys `K` subscribe to. Their keys are shown as bytes, which the changelog has.
fn subscriptions<K: Key>(driver: &Driver, name: &StoreName) -> Option<Json> {
    let rows = driver.entries::<CombinedKey<String, K>, Subscription<K>>(name).ok()?;
    let log = driver.produced(format!("conformance-{name}-changelog"));
    let last = BTreeMap::from_iter(log.iter().map(|one| ((one.partition, &one.key), &one.value)));
    let keys = last.into_iter().filter_map(|((_, key), value)| value.as_ref().and(key.as_deref()));
    Some(keys.zip(rows).map(|(key, row)| entry(bytes(key), row)).collect())
}

/// Kafka's `Bytes#toString`.
fn bytes(bytes: &[u8]) -> String {
    let byte = |byte: &u8| match byte {
        b' '..=b'~' if *byte != b'\\' => char::from(*byte).to_string(),
        _ => format!("\\x{byte:02X}"),
    };
    bytes.iter().map(byte).collect()
}

/// The description with the names in brackets sorted.
fn described(text: &str) -> String {
    let sorted = |(names, after): (&str, &str)| {
        let names: BTreeSet<&str> = names.split(", ").collect();
        format!("[{}]{after}", Vec::from_iter(names).join(", "))
    };
    text.split('[').map(|part| part.split_once(']').map_or_else(|| part.into(), sorted)).collect()
}
