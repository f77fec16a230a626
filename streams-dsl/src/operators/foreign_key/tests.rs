//! What the sides of a join write to each other and to their store, damaged on its way.

use std::sync::Arc;

use proptest::prelude::*;
use streams_core::serde::{DefaultSerde, Serde};

use super::{
    CombinedKey, CombinedKeySerde, Instruction, PseudoTopic, Response, ResponseSerde, Subscription,
    SubscriptionSerde,
};
use crate::damage::rubbish;

fn pseudo(part: &str) -> Arc<PseudoTopic> {
    Arc::new(PseudoTopic::new(&"S".into(), &"STORE".into(), part))
}

fn subscriptions() -> SubscriptionSerde<String> {
    SubscriptionSerde::new(String::serde(), pseudo("pk"))
}

fn responses() -> ResponseSerde<String> {
    ResponseSerde::new(String::serde())
}

fn keys() -> CombinedKeySerde<String, i64> {
    CombinedKeySerde::new((String::serde(), pseudo("fk")), (i64::serde(), pseudo("pk")))
}

fn encodings<T>(serde: &impl Serde<T>, values: &[T]) -> Vec<Vec<u8>> {
    let encode = |value: &T| {
        let mut out = Vec::new();
        serde.encode(&"app-S".into(), value, &mut out).unwrap();
        out
    };
    values.iter().map(encode).collect()
}

fn encoded_subscriptions() -> Vec<Vec<u8>> {
    let of = |hash, primary_partition| Subscription {
        hash,
        instruction: Instruction::PropagateNullIfNoForeignRow,
        primary_key: "ab".to_owned(),
        primary_partition,
    };
    let values =
        [of(Some([1, 2]), Some(7)), of(Some([1, 2]), None), of(None, Some(7)), of(None, None)];
    encodings(&subscriptions(), &values)
}

fn encoded_responses() -> Vec<Vec<u8>> {
    let of = |hash, foreign: Option<&str>| {
        let foreign = foreign.map(str::to_owned);
        Response { hash, foreign, primary_partition: None }
    };
    encodings(&responses(), &[of(Some([1, 2]), Some("xy")), of(None, Some("xy")), of(None, None)])
}

fn encoded_keys() -> Vec<Vec<u8>> {
    encodings(&keys(), &[CombinedKey { foreign: Some("abc".to_owned()), primary: 5 }])
}

/// What is read of these bytes is written as these bytes.
fn comes_back<T>(serde: &impl Serde<T>, bytes: &[u8]) -> Result<(), TestCaseError> {
    let topic = "app-S".into();
    if let Ok(value) = serde.decode(&topic, Some(bytes)) {
        let mut written = Vec::new();
        serde.encode(&topic, &value, &mut written).unwrap();
        prop_assert_eq!(&written[..], bytes);
    }
    Ok(())
}

proptest! {
    #[test]
    fn damaged_subscriptions_are_refused_or_come_back(bytes in rubbish(encoded_subscriptions())) {
        comes_back(&subscriptions(), &bytes)?;
    }

    #[test]
    fn damaged_responses_are_refused_or_come_back(bytes in rubbish(encoded_responses())) {
        comes_back(&responses(), &bytes)?;
    }

    #[test]
    fn damaged_keys_are_refused_or_come_back(bytes in rubbish(encoded_keys())) {
        comes_back(&keys(), &bytes)?;
    }
}
