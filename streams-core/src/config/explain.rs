//! Every effective value with its origin.

use std::fmt;

use super::origin::Origin;

/// One effective value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedValue {
    /// The key; settings handed to librdkafka have the client in front, as in `producer.linger.ms`.
    pub key: String,
    /// The value; none if it is secret or could be.
    pub value: Option<String>,
    /// Where it came from.
    pub origin: Origin,
}

/// Every effective value with its origin. Its text shows no secret: passwords, keys, and the values
/// of the user's own `app.` keys are masked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation(pub(crate) Vec<ExplainedValue>);

impl Explanation {
    /// The values, those of the application first.
    pub fn iter(&self) -> impl Iterator<Item = &ExplainedValue> {
        self.0.iter()
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|ExplainedValue { key, value, origin }| {
            writeln!(f, "{key} = {} ({origin})", value.as_deref().unwrap_or("***"))
        })
    }
}
