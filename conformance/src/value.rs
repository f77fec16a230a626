//! Values of a case: text or a number, and how they become bytes.

use std::fmt;
use std::sync::Arc;

use crate::text;
use millstream::TopicName;
use millstream::serde::{DefaultSerde, OptionSerde, Payload, Serde, SerdeError, SharedSerde};

/// A value that is not null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Long(i64),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Long(number) => number.fmt(f),
        }
    }
}

/// The value as text; `null` for null.
pub(crate) fn text(value: Option<&Value>) -> String {
    value.map_or_else(|| "null".to_owned(), ToString::to_string)
}

/// The value type of a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Long,
}

impl Kind {
    pub(crate) fn serde(self) -> SharedSerde<Value> {
        Arc::new(ValueSerde(self))
    }

    pub(crate) fn nullable(self) -> SharedSerde<Option<Value>> {
        Arc::new(OptionSerde::new(self.serde()))
    }
}

/// Text as UTF-8, or a number as eight bytes; a value of the other kind has no encoding.
struct ValueSerde(Kind);

impl Serde<Value> for ValueSerde {
    fn encode(
        &self,
        topic: &TopicName,
        value: &Value,
        out: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        match (self.0, value) {
            (Kind::Text, Value::Text(text)) => text::serde().encode(topic, text, out),
            (Kind::Long, Value::Long(number)) => i64::serde().encode(topic, number, out),
            _ => Err(SerdeError::Invalid { expected: "text", source: "another type".into() }),
        }
    }

    fn decode(&self, topic: &TopicName, bytes: Option<&[u8]>) -> Result<Value, SerdeError> {
        match self.0 {
            Kind::Text => text::serde().decode(topic, bytes).map(Value::Text),
            Kind::Long => i64::serde().decode(topic, bytes).map(Value::Long),
        }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Long(number)
    }
}
