//! The store of a foreign-key join's subscriptions, as Java prints keys and values. Its types are
//! not public, so the rows are those of its changelog.

use std::collections::BTreeMap;

use millstream::StoreName;
use serde_json::{Value as Json, json};
use streams_test::TopologyTestDriver;

use crate::Failure;

const INSTRUCTIONS: [&str; 4] = [
    "DELETE_KEY_NO_PROPAGATE",
    "DELETE_KEY_AND_PROPAGATE",
    "PROPAGATE_NULL_IF_NO_FK_VAL_AVAILABLE",
    "PROPAGATE_ONLY_IF_FK_VAL_AVAILABLE",
];

/// The rows of the store, in the order of their keys.
pub(crate) fn rows(driver: &TopologyTestDriver, store: &StoreName) -> Result<Json, Failure> {
    let mut rows = BTreeMap::new();
    for record in driver.produced(format!("conformance-{store}-changelog")) {
        let key = record.key.clone().unwrap_or_default();
        match &record.value {
            Some(value) => rows.insert(key, (value.clone(), record.timestamp)),
            None => rows.remove(&key),
        };
    }
    let rows = rows.iter().map(|(key, (value, time))| {
        let value = subscription(value).ok_or_else(|| format!("{store} has no rows"))?;
        Ok(json!([bytes(key), format!("{value},{time}")]))
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

/// Kafka's `SubscriptionWrapper#toString`.
fn subscription(bytes: &[u8]) -> Option<String> {
    let (&[first, instruction], rest) = bytes.split_first_chunk()?;
    let (hash, rest) = if first & 0x80 == 0 {
        let (low, rest) = rest.split_first_chunk()?;
        let (high, rest) = rest.split_first_chunk()?;
        let [low, high] = [low, high].map(|word| i64::from_be_bytes(*word));
        (format!("[{low}, {high}]"), rest)
    } else {
        ("null".to_owned(), rest)
    };
    let (key, partition) = rest.split_last_chunk()?;
    let (version, partition) = (first & 0x7f, i32::from_be_bytes(*partition));
    let (key, instruction) =
        (String::from_utf8_lossy(key), INSTRUCTIONS.get(usize::from(instruction))?);
    Some(format!(
        "SubscriptionWrapper{{version={version}, primaryKey={key}, instruction={instruction}, \
         hash={hash}, primaryPartition={partition}}}"
    ))
}
