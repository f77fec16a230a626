//! Settings of the program's own.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::Secret;

/// The settings of the program's own, whose names begin with `app.`; shared by all tasks. Their values
/// may be secret, so they show nothing of themselves but by [`Secret::expose`].
///
/// A program reads them by [`StreamsConfig::own_settings`](super::StreamsConfig::own_settings), a
/// processor by `own_settings` of its context. Kafka's `appConfigs` and `appConfigsWithPrefix`, which
/// give the other settings too.
///
/// ```
/// # use streams_core::config::StreamsConfig;
/// let config = StreamsConfig::builder()
///     .application_id("orders")
///     .bootstrap_servers("localhost:9092")
///     .set("app.limit", "5")
///     .set("app.rates.url", "http://localhost")
///     .build()?;
///
/// let own = config.own_settings();
/// assert_eq!(own.get("app.limit").map(|limit| limit.expose()), Some("5"));
/// let rates: Vec<_> = own.with_prefix("app.rates.").map(|(name, _)| name).collect();
/// assert_eq!(rates, ["url"]);
/// assert!(own.get("application.id").is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct OwnSettings(Arc<BTreeMap<String, Secret>>);

impl OwnSettings {
    /// The value of a setting, named with its `app.`; `None` if it is not set.
    pub fn get(&self, name: &str) -> Option<&Secret> {
        self.0.get(name)
    }

    /// Those whose names begin so, named without it, in the order of their names.
    pub fn with_prefix<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a Secret)> {
        let named = self.0.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        named.map_while(move |(name, value)| Some((name.strip_prefix(prefix)?, value)))
    }
}

impl FromIterator<(String, Secret)> for OwnSettings {
    fn from_iter<I: IntoIterator<Item = (String, Secret)>>(settings: I) -> Self {
        Self(Arc::new(settings.into_iter().collect()))
    }
}
