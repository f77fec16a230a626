//! Gathering settings from code, files and the environment.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::StreamsConfig;
use super::environment;
use super::error::{ConfigError, ConfigErrors, ConfigWarning};
use super::origin::Origin;
use super::properties::{self, PropertiesText};
use super::secret::Secret;
use super::settings::{Raw, Settings};

/// A value given in code.
#[derive(Clone, Debug)]
pub struct SettingValue(Secret);

impl From<&str> for SettingValue {
    fn from(text: &str) -> Self {
        Self(Secret::new(text))
    }
}

impl From<String> for SettingValue {
    fn from(text: String) -> Self {
        Self(Secret::new(text))
    }
}

impl From<Secret> for SettingValue {
    fn from(secret: Secret) -> Self {
        Self(secret)
    }
}

impl From<bool> for SettingValue {
    fn from(value: bool) -> Self {
        Self(Secret::new(value.to_string()))
    }
}

impl From<i32> for SettingValue {
    fn from(value: i32) -> Self {
        Self(Secret::new(value.to_string()))
    }
}

impl From<i64> for SettingValue {
    fn from(value: i64) -> Self {
        Self(Secret::new(value.to_string()))
    }
}

impl From<u32> for SettingValue {
    fn from(value: u32) -> Self {
        Self(Secret::new(value.to_string()))
    }
}

impl From<u64> for SettingValue {
    fn from(value: u64) -> Self {
        Self(Secret::new(value.to_string()))
    }
}

/// In milliseconds, whole ones; what is below is cut off.
impl From<Duration> for SettingValue {
    fn from(value: Duration) -> Self {
        Self(Secret::new(value.as_millis().to_string()))
    }
}

const LAYER_CODE: u32 = 0;
const LAYER_KAFKA_ENVIRONMENT: u32 = u32::MAX - 1;
const LAYER_ENVIRONMENT: u32 = u32::MAX;

/// Gathers settings under Kafka's names. Code is overridden by files, a file by those added after
/// it, and files by the environment, whatever the order of the calls.
///
/// ```
/// use streams_core::config::{PropertiesText, StreamsConfig};
///
/// let file = PropertiesText {
///     origin: "app.properties".into(),
///     text: "num.stream.threads = 4\nproducer.linger.ms = 20".into(),
/// };
/// let config = StreamsConfig::builder()
///     .application_id("orders")
///     .bootstrap_servers("localhost:9092")
///     .properties(&file)
///     .environment([("STREAMS_NUM_STREAM_THREADS".into(), "8".into())])
///     .build()?;
/// assert_eq!(config.processing().num_stream_threads, 8);
/// # Ok::<(), streams_core::config::ConfigErrors>(())
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct StreamsConfigBuilder {
    entries: Vec<Raw>,
    errors: Vec<ConfigError>,
    warnings: Vec<ConfigWarning>,
    files: u32,
    temp_dir: Option<String>,
}

impl fmt::Debug for StreamsConfigBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.entries.iter().map(|entry| (&entry.key, &entry.origin));
        f.debug_map().entries(keys).finish()
    }
}

impl StreamsConfigBuilder {
    /// Sets `application.id`.
    pub fn application_id(self, id: impl Into<String>) -> Self {
        self.set("application.id", id.into())
    }

    /// Sets `bootstrap.servers`, addresses `host:port` separated by commas.
    pub fn bootstrap_servers(self, servers: impl Into<String>) -> Self {
        self.set("bootstrap.servers", servers.into())
    }

    /// Sets any key by its name in Kafka or librdkafka; a later call for the same key wins.
    pub fn set(mut self, key: impl Into<String>, value: impl Into<SettingValue>) -> Self {
        let SettingValue(value) = value.into();
        let (key, origin) = (key.into(), Origin::Code);
        self.entries.push(Raw { key, value, origin, layer: LAYER_CODE });
        self
    }

    /// Adds the text of a `.properties` file, in Java's syntax.
    pub fn properties(mut self, file: &PropertiesText) -> Self {
        let name: std::sync::Arc<str> = file.origin.as_str().into();
        // The layers above are the environment's.
        self.files = (self.files + 1).min(LAYER_KAFKA_ENVIRONMENT - 1);
        let mut seen: BTreeMap<String, Secret> = BTreeMap::new();
        for parsed in properties::parse(&file.text) {
            let at = |line| Origin::File { name: name.clone(), line };
            match parsed {
                Ok(entry) => {
                    let (key, value) = (entry.key, Secret::new(entry.value));
                    let origin = at(entry.line);
                    let before = seen.insert(key.clone(), value.clone());
                    if before.is_some_and(|before| before != value) {
                        let (key, origin) = (key.clone(), origin.clone());
                        self.warnings.push(ConfigWarning::Repeated { key, origin });
                    }
                    self.entries.push(Raw { key, value, origin, layer: self.files });
                }
                Err(error) => {
                    let (origin, fault) = (at(error.line), error.fault);
                    self.errors.push(ConfigError::Syntax { origin, fault });
                }
            }
        }
        self
    }

    /// Adds environment variables: those that begin with `STREAMS_`, in capitals, with `_` for a
    /// dot, `__` for an underscore and `___` for a dash, as in `STREAMS_PROCESSING_GUARANTEE`; and
    /// `KAFKA_BOOTSTRAP_SERVERS`. Of the others only `TMPDIR` is read, for the default of
    /// `state.dir`.
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let sorted: BTreeMap<String, String> = variables.into_iter().collect();
        for (variable, value) in sorted {
            let (key, layer) = if let Some(name) = variable.strip_prefix(environment::PREFIX) {
                let Some(key) = environment::key(name) else {
                    let reason = environment::REASON;
                    self.errors.push(ConfigError::Variable { variable, reason });
                    continue;
                };
                (key, LAYER_ENVIRONMENT)
            } else if variable == environment::BOOTSTRAP_SERVERS {
                ("bootstrap.servers".to_owned(), LAYER_KAFKA_ENVIRONMENT)
            } else {
                if variable == "TMPDIR" && !value.is_empty() {
                    self.temp_dir = Some(value);
                }
                continue;
            };
            let origin = Origin::Environment { variable: variable.into() };
            self.entries.push(Raw { key, value: Secret::new(value), origin, layer });
        }
        self
    }

    /// Parses everything.
    ///
    /// # Errors
    /// All faults at once, each with its place: unknown keys, values out of range, keys that cannot
    /// be set, names that contradict each other, what is missing.
    pub fn build(mut self) -> Result<StreamsConfig, ConfigErrors> {
        self.entries.sort_by_key(|entry| entry.layer);
        let mut settings = Settings::sort(&self.entries);
        self.errors.append(&mut settings.errors);
        settings.errors = self.errors;
        settings.warnings.append(&mut self.warnings);
        StreamsConfig::from_settings(settings, self.temp_dir.as_deref().unwrap_or("/tmp"))
    }
}
