//! What a case gives: description, topics, stores and counts.

use std::collections::{BTreeMap, BTreeSet};

use millstream::{StoreName, Windowed};
use serde_json::{Value as Json, json};
use streams_test::model::{ModelRecord, TimeFrom};
use streams_test::{Entry, TopologyTestDriver};

use crate::text::{in_window, shown};

/// Stores whose names hold one of these are the library's own affair.
const LEFT_OUT: &str = "JOINTHIS JOINOTHER OUTERTHIS OUTEROTHER OUTERSHARED SUBSCRIPTION \
    -this-join-store -other-join-store -shared-join-store";

/// The result of a case of this name.
pub(crate) fn of(name: &Json, driver: &TopologyTestDriver) -> Json {
    let topics = driver.produced_topics().into_iter().map(|topic| {
        let records = driver.produced(&topic);
        (shown(topic.as_str()), records.iter().map(|one| record(one)).collect::<Json>())
    });
    let is_shown = |name: &StoreName| !LEFT_OUT.split(' ').any(|part| name.as_str().contains(part));
    let stores = driver.store_names().into_iter().filter(is_shown);
    let stores = stores.filter_map(|name| Some((name.to_string(), store(driver, &name)?)));
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

/// The entries of a store in its own order, as text; nothing for a kind that results leave out.
fn store(driver: &TopologyTestDriver, name: &StoreName) -> Option<Json> {
    match (driver.entries::<String, i64>(name), driver.entries::<String, String>(name)) {
        (Ok(counts), _) => Some(counts.into_iter().map(entry).collect()),
        (_, Ok(rows)) => Some(rows.into_iter().map(entry).collect()),
        _ => name.as_str().ends_with("-subscription-store").then(|| subscriptions(driver, name)),
    }
}

fn entry<V: ToString>(Entry { key, window, value, timestamp }: Entry<String, V>) -> Json {
    let in_window = |window| in_window(Windowed { key: key.clone(), window });
    let time = timestamp.map_or_else(String::new, |time| format!(",{time}"));
    json!([window.map_or_else(|| key.clone(), in_window), value.to_string() + &time])
}

/// The store of a foreign-key join's subscriptions, as Java prints it. Its types are not public, so
/// the rows are those of its changelog.
fn subscriptions(driver: &TopologyTestDriver, store: &StoreName) -> Json {
    let changelog = driver.produced(format!("conformance-{store}-changelog"));
    let last: BTreeMap<_, _> = changelog.iter().map(|record| (&record.key, record)).collect();
    let rows = last.into_values().filter_map(|record| {
        let value = subscription(record.value.as_deref()?)?;
        Some(json!([bytes(record.key.as_deref()?), format!("{value},{}", record.timestamp)]))
    });
    rows.collect()
}

/// Kafka's `Bytes#toString`.
fn bytes(bytes: &[u8]) -> String {
    let byte = |byte: &u8| match byte {
        b' '..=b'~' if *byte != b'\\' => char::from(*byte).to_string(),
        _ => format!("\\x{byte:02X}"),
    };
    bytes.iter().map(byte).collect()
}

/// Kafka's `SubscriptionWrapper#toString`, of what is kept: a version, an instruction, a hash of two
/// numbers, a key, a partition.
fn subscription(bytes: &[u8]) -> Option<String> {
    let (&[version, instruction], rest) = bytes.split_first_chunk()?;
    let (hash, rest) = rest.split_first_chunk::<16>()?;
    let (key, partition) = rest.split_last_chunk()?;
    let instruction = if instruction == 2 { "NULL_IF_NO" } else { "ONLY_IF" };
    Some(format!(
        "SubscriptionWrapper{{version={version}, primaryKey={}, \
         instruction=PROPAGATE_{instruction}_FK_VAL_AVAILABLE, hash={:?}, primaryPartition={}}}",
        String::from_utf8_lossy(key),
        hash.as_chunks().0.iter().map(|word| i64::from_be_bytes(*word)).collect::<Vec<_>>(),
        i32::from_be_bytes(*partition)
    ))
}

/// The description with the names in brackets sorted.
fn described(text: &str) -> String {
    let sorted = |line: &str| {
        let (before, rest) = line.split_once(": [")?;
        let (names, after) = rest.rsplit_once(']')?;
        let names: BTreeSet<&str> = names.split(", ").collect();
        Some(format!("{before}: [{}]{after}", Vec::from_iter(names).join(", ")))
    };
    text.split_inclusive('\n').map(|line| sorted(line).unwrap_or_else(|| line.to_owned())).collect()
}
