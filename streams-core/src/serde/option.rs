//! Values that may be null.

use std::sync::Arc;

use super::{DefaultSerde, Payload, Serde, SerdeError, SharedSerde};
use crate::names::TopicName;

/// `None` is Kafka's null, `Some` is what the inner serde makes of it.
pub struct OptionSerde<T>(SharedSerde<T>);

impl<T> OptionSerde<T> {
    /// Adds null to what `inner` reads and writes.
    ///
    /// ```
    /// # use streams_core::serde::{DefaultSerde, Serde};
    /// # use streams_core::serde::OptionSerde;
    /// let (serde, topic) = (OptionSerde::new(i64::serde()), "prices".into());
    /// assert_eq!(serde.decode(&topic, None)?, None);
    /// assert_eq!(serde.decode(&topic, Some(&[0, 0, 0, 0, 0, 0, 0, 7]))?, Some(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn new(inner: SharedSerde<T>) -> Self {
        Self(inner)
    }
}

impl<T> std::fmt::Debug for OptionSerde<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OptionSerde")
    }
}

impl<T: 'static> Serde<Option<T>> for OptionSerde<T> {
    fn encode(
        &self,
        topic: &TopicName,
        value: &Option<T>,
        out: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        value.as_ref().map_or(Ok(Payload::Null), |value| self.0.encode(topic, value, out))
    }

    fn decode(&self, topic: &TopicName, bytes: Option<&[u8]>) -> Result<Option<T>, SerdeError> {
        bytes.map(|bytes| self.0.decode(topic, Some(bytes))).transpose()
    }

    fn window_bytes(&self) -> usize {
        self.0.window_bytes()
    }
}

impl<T: DefaultSerde> DefaultSerde for Option<T> {
    fn serde() -> SharedSerde<Self> {
        Arc::new(OptionSerde::new(T::serde()))
    }
}
