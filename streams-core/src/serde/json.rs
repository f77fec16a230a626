//! JSON through serde.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Payload, Serde, SerdeError};
use crate::names::TopicName;

/// A value as JSON text, by serde.
pub struct Json<T>(PhantomData<fn() -> T>);

impl<T> Json<T> {
    /// The JSON serde of `T`.
    ///
    /// ```
    /// # use streams_core::serde::Json;
    /// # use streams_core::serde::Serde;
    /// let (serde, topic) = (Json::<Vec<i64>>::new(), "lists".into());
    /// let mut bytes = Vec::new();
    /// serde.encode(&topic, &vec![1, 2], &mut bytes)?;
    /// assert_eq!(bytes, b"[1,2]");
    /// assert_eq!(serde.decode(&topic, Some(&bytes))?, [1, 2]);
    /// assert!(serde.decode(&topic, None).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> Default for Json<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> std::fmt::Debug for Json<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Json")
    }
}

impl<T: Serialize + DeserializeOwned + 'static> Serde<T> for Json<T> {
    fn encode(&self, _: &TopicName, value: &T, out: &mut Vec<u8>) -> Result<Payload, SerdeError> {
        serde_json::to_writer(out, value)
            .map_err(|e| SerdeError::Invalid { expected: "JSON value", source: Box::new(e) })?;
        Ok(Payload::Bytes)
    }

    fn decode(&self, _: &TopicName, bytes: Option<&[u8]>) -> Result<T, SerdeError> {
        let bytes = bytes.ok_or(SerdeError::Null { expected: "JSON value" })?;
        serde_json::from_slice(bytes)
            .map_err(|e| SerdeError::Invalid { expected: "JSON value", source: Box::new(e) })
    }
}
