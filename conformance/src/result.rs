//! What a case gives: description, topics, stores and counts.

use millstream::names::StoreName;
use millstream::{KeyValueStore, TimestampedKeyValueStore};
use serde_json::{Map, Value as Json, json};
use streams_test::model::{ModelRecord, TimeFrom};
use streams_test::{TestError, TopologyTestDriver};

use crate::Failure;
use crate::value::Value;

/// Every part of the result.
pub(crate) fn of(driver: &TopologyTestDriver) -> Result<Map<String, Json>, Failure> {
    let mut topics = Map::new();
    for topic in driver.produced_topics() {
        let records = driver.produced(&topic);
        topics.insert(topic.to_string(), records.iter().map(|r| record(r)).collect());
    }
    let mut stores = Map::new();
    for name in driver.store_names() {
        stores.insert(name.to_string(), store(driver, &name)?);
    }
    let mut result = Map::new();
    result.insert("describe".to_owned(), described(&driver.describe().to_string()).into());
    result.insert("topics".to_owned(), topics.into());
    result.insert("stores".to_owned(), stores.into());
    let dropped = driver.dropped().total();
    result.insert("metrics".to_owned(), json!({ "dropped-records-total": dropped }));
    Ok(result)
}

fn hex(bytes: Option<&[u8]>) -> Json {
    let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    bytes.map_or(Json::Null, |bytes| digits(bytes).into())
}

fn record(record: &ModelRecord) -> Json {
    let time = (record.time_from == TimeFrom::Producer).then_some(record.timestamp.millis());
    let mut json = json!({
        "key": hex(record.key.as_deref()),
        "value": hex(record.value.as_deref()),
        "ts": time,
    });
    if !record.headers.is_empty() {
        let headers = record.headers.iter();
        let pairs = headers.map(|header| json!([&*header.name, hex(header.value.as_deref())]));
        json["headers"] = pairs.collect();
    }
    json
}

/// The entries of a store in its own order, as text.
fn store(driver: &TopologyTestDriver, name: &StoreName) -> Result<Json, Failure> {
    match driver.store::<TimestampedKeyValueStore<String, Value>>(name) {
        Ok(store) => {
            let entries = store.all()?.map(|entry| {
                let (key, row) = entry?;
                Ok(json!([key, format!("{},{}", row.value, row.timestamp)]))
            });
            entries.collect()
        }
        Err(TestError::StoreType { .. }) => {
            let store = driver.store::<KeyValueStore<String, String>>(name)?;
            let entries = store.all()?.map(|entry| {
                let (key, value) = entry?;
                Ok(json!([key, value]))
            });
            entries.collect()
        }
        Err(error) => Err(error.into()),
    }
}

/// The description with the names in brackets sorted, and one name for all topic extractors.
fn described(text: &str) -> String {
    text.lines().map(|line| line_described(line) + "\n").collect()
}

fn line_described(line: &str) -> String {
    let mut line = line.to_owned();
    if let Some((before, after)) = line.split_once("extractor class: ")
        && let Some((_, end)) = after.split_once(')')
    {
        line = format!("{before}extractor class: dynamic){end}");
    }
    for list in ["topics: [", "stores: ["] {
        if let Some((before, after)) = line.split_once(list)
            && let Some((names, end)) = after.split_once(']')
        {
            let mut names: Vec<&str> = names.split(", ").collect();
            names.sort_unstable();
            line = format!("{before}{list}{}]{end}", names.join(", "));
        }
    }
    line
}
