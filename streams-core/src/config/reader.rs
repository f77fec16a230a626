//! Typed reading of checked settings; notes each value with its origin.

use std::str::FromStr;
use std::time::Duration;

use super::explain::ExplainedValue;
use super::keys::{StreamsMeaning, defaults, streams_key};
use super::origin::Origin;
use super::scope::Scope;
use super::settings::{Setting, Settings};

/// Reads settings that have passed their checks, so that reading cannot fail.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) explained: Vec<ExplainedValue>,
}

/// Where the main consumer's settings are looked up, the most specific first.
pub(crate) const MEMBER: [Scope; 3] = [Scope::MainConsumer, Scope::Consumer, Scope::Shared];
/// Where the producer's settings are looked up.
pub(crate) const PRODUCER: [Scope; 2] = [Scope::Producer, Scope::Shared];
/// Where the admin client's settings are looked up.
const ADMIN: [Scope; 2] = [Scope::Admin, Scope::Shared];
const ADMIN_TIMEOUT_MS: &str = "15000";

impl<'a> Reader<'a> {
    pub(crate) fn new(settings: &'a Settings) -> Self {
        Self { settings, explained: Vec::new() }
    }

    /// A value of the application, or its default.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<String> {
        let default = match streams_key(key).map(|key| key.meaning) {
            Some(StreamsMeaning::Value(_, default)) => default,
            _ => None,
        };
        self.note(key, self.settings.streams.get(key), default)
    }

    /// A value of a client that Millstream reads itself, or its default.
    pub(crate) fn client_text(&mut self, key: &'static str, scopes: &[Scope]) -> Option<String> {
        self.note(key, self.settings.client(scopes, key), defaults::of_ours(key))
    }

    /// The admin client's `default.api.timeout.ms`, which has another default than the consumers'.
    pub(crate) fn admin_timeout(&mut self) -> Duration {
        let setting = self.settings.client(&ADMIN, "default.api.timeout.ms");
        let millis = self.note("admin.default.api.timeout.ms", setting, Some(ADMIN_TIMEOUT_MS));
        Duration::from_millis(millis.and_then(|text| text.parse().ok()).unwrap_or_default())
    }

    fn note(
        &mut self,
        key: &'static str,
        setting: Option<&Setting>,
        default: Option<&str>,
    ) -> Option<String> {
        let (value, origin) = match (setting, default) {
            (Some(setting), _) => (setting.value.expose().to_owned(), setting.origin.clone()),
            (None, Some(default)) => (default.to_owned(), Origin::Default),
            (None, None) => return None,
        };
        self.explain(key, value.clone(), origin);
        Some(value)
    }

    /// Notes a value that is not a secret.
    pub(crate) fn explain(&mut self, key: &str, value: String, origin: Origin) {
        self.explained.push(ExplainedValue { key: key.to_owned(), value: Some(value), origin });
    }

    pub(crate) fn parsed<T: FromStr>(&mut self, key: &'static str) -> Option<T> {
        self.text(key)?.parse().ok()
    }

    pub(crate) fn whole<T: FromStr + Default>(&mut self, key: &'static str) -> T {
        self.parsed(key).unwrap_or_default()
    }

    pub(crate) fn millis(&mut self, key: &'static str) -> Duration {
        Duration::from_millis(self.whole(key))
    }

    /// None for a negative number of milliseconds, Kafka's "disabled".
    pub(crate) fn millis_unless_negative(&mut self, key: &'static str) -> Option<Duration> {
        u64::try_from(self.whole::<i64>(key)).ok().map(Duration::from_millis)
    }

    pub(crate) fn client_parsed<T: FromStr>(
        &mut self,
        key: &'static str,
        scopes: &[Scope],
    ) -> Option<T> {
        self.client_text(key, scopes)?.parse().ok()
    }

    pub(crate) fn client_millis(&mut self, key: &'static str, scopes: &[Scope]) -> Duration {
        Duration::from_millis(self.client_parsed(key, scopes).unwrap_or_default())
    }
}
