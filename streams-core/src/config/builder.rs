//! Gathering settings from code, files and the environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
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

/// `KAFKA_BOOTSTRAP_SERVERS` stands in many environments for reasons of their own.
const LAYER_AMBIENT: u32 = 0;
const LAYER_CODE: u32 = 1;
const LAYER_ENVIRONMENT: u32 = u32::MAX - 1;
const LAYER_COMMAND_LINE: u32 = u32::MAX;

/// Gathers settings under Kafka's names. Code is overridden by files, a file by those added after
/// it, files by the environment, and the environment by the command line, whatever the order of the
/// calls.
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
///     .environment([("STREAMS_NUM_STREAM_THREADS", "8")])
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
    /// The layer of the last file, above that of code.
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
    ///
    /// ```
    /// # use streams_core::config::StreamsConfig;
    /// let config = StreamsConfig::builder()
    ///     .application_id("orders")
    ///     .bootstrap_servers("localhost:9092")
    ///     .build()?;
    /// assert_eq!(config.application_id().as_str(), "orders");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn application_id(self, id: impl Into<String>) -> Self {
        self.set("application.id", id.into())
    }

    /// Sets `bootstrap.servers`, addresses `host:port` separated by commas.
    ///
    /// ```
    /// # use streams_core::config::StreamsConfig;
    /// let builder = StreamsConfig::builder().application_id("orders");
    /// assert!(builder.clone().build().is_err());
    /// assert!(builder.clone().bootstrap_servers("localhost").build().is_err());
    /// assert!(builder.bootstrap_servers("one:9092,two:9092").build().is_ok());
    /// ```
    pub fn bootstrap_servers(self, servers: impl Into<String>) -> Self {
        self.set("bootstrap.servers", servers.into())
    }

    /// Sets any key by its name in Kafka or librdkafka; a later call for the same key wins.
    ///
    /// ```
    /// # use streams_core::config::StreamsConfig;
    /// let config = StreamsConfig::builder()
    ///     .application_id("orders")
    ///     .bootstrap_servers("localhost:9092")
    ///     .set("num.stream.threads", 2_u64)
    ///     .set("num.stream.threads", "4")
    ///     .build()?;
    /// assert_eq!(config.processing().num_stream_threads, 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set(mut self, key: impl Into<String>, value: impl Into<SettingValue>) -> Self {
        let SettingValue(value) = value.into();
        let (key, origin) = (key.into(), Origin::Code);
        self.entries.push(Raw { key, value, origin, layer: LAYER_CODE });
        self
    }

    /// Sets any key from an argument of the program: over code, files and the environment, because
    /// whoever types it means this one run. A later call for the same key wins.
    ///
    /// ```
    /// use streams_core::config::StreamsConfig;
    ///
    /// let config = StreamsConfig::builder()
    ///     .application_id("orders")
    ///     .bootstrap_servers("localhost:9092")
    ///     .environment([("STREAMS_STATE_DIR", "/var/lib/orders")])
    ///     .argument("state.dir", "/tmp/orders")
    ///     .build()?;
    /// assert_eq!(config.state().dir.to_str(), Some("/tmp/orders"));
    /// # Ok::<(), streams_core::config::ConfigErrors>(())
    /// ```
    pub fn argument(mut self, key: impl Into<String>, value: impl Into<SettingValue>) -> Self {
        let SettingValue(value) = value.into();
        let (key, origin) = (key.into(), Origin::CommandLine);
        self.entries.push(Raw { key, value, origin, layer: LAYER_COMMAND_LINE });
        self
    }

    /// Adds the text of a `.properties` file, in Java's syntax.
    ///
    /// ```
    /// # use streams_core::config::StreamsConfig;
    /// # use streams_core::config::PropertiesText;
    /// let text = "num.stream.threads = 4".to_owned();
    /// let file = PropertiesText { origin: "app.properties".to_owned(), text };
    /// let config = StreamsConfig::builder()
    ///     .application_id("orders")
    ///     .bootstrap_servers("localhost:9092")
    ///     .properties(&file)
    ///     .set("num.stream.threads", "2")
    ///     .build()?;
    /// // A file is over code, in whatever order they come.
    /// assert_eq!(config.processing().num_stream_threads, 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn properties(mut self, file: &PropertiesText) -> Self {
        let name: std::sync::Arc<str> = file.origin.as_str().into();
        // The layers above are those of the environment and of the command line.
        self.files = (self.files.max(LAYER_CODE) + 1).min(LAYER_ENVIRONMENT - 1);
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
    /// dot, `__` for an underscore and `___` for a dash, as in `STREAMS_PROCESSING_GUARANTEE`. Of
    /// the others two are read, as defaults where nothing else is set and they are not empty:
    /// `KAFKA_BOOTSTRAP_SERVERS`, and `TMPDIR` for `state.dir`.
    ///
    /// ```
    /// # use streams_core::config::StreamsConfig;
    /// let config = StreamsConfig::builder()
    ///     .application_id("orders")
    ///     .environment([
    ///         ("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092"),
    ///         ("STREAMS_NUM_STREAM_THREADS", "4"),
    ///     ])
    ///     .build()?;
    /// assert_eq!(config.processing().num_stream_threads, 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn environment<N, V>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        let sorted: BTreeMap<OsString, OsString> = variables.collect();
        let before = self.entries.len();
        for (name, value) in sorted {
            let variable = name.to_string_lossy().into_owned();
            let is_ambient = [environment::BOOTSTRAP_SERVERS, environment::TEMPORARY]
                .contains(&variable.as_str());
            if !variable.starts_with(environment::PREFIX) && (!is_ambient || value.is_empty()) {
                continue;
            }
            match (name.into_string(), value.into_string()) {
                (Ok(variable), Ok(value)) => self.variable(variable, value),
                _ => self.errors.push(ConfigError::NotUtf8 { variable }),
            }
        }
        self.errors.extend(contradictions(&self.entries[before..]));
        self
    }

    fn variable(&mut self, variable: String, value: String) {
        let (key, layer) = if let Some(name) = variable.strip_prefix(environment::PREFIX) {
            let Some(key) = environment::key(name) else {
                let reason = environment::REASON;
                self.errors.push(ConfigError::Variable { variable, reason });
                return;
            };
            (key, LAYER_ENVIRONMENT)
        } else if variable == environment::TEMPORARY {
            self.temp_dir = Some(value);
            return;
        } else {
            ("bootstrap.servers".to_owned(), LAYER_AMBIENT)
        };
        let origin = Origin::Environment { variable: variable.into() };
        self.entries.push(Raw { key, value: Secret::new(value), origin, layer });
    }

    /// Parses everything.
    ///
    /// ```
    /// # use streams_core::config::StreamsConfig;
    /// let faults = StreamsConfig::builder()
    ///     .application_id("orders")
    ///     .bootstrap_servers("localhost:9092")
    ///     .set("num.stream.treads", "4")
    ///     .build()
    ///     .expect_err("a word is misspelt");
    /// assert!(faults.to_string().contains("num.stream.threads"), "{faults}");
    /// ```
    ///
    /// # Errors
    /// All faults at once, each with its place: unknown keys, values out of range, keys that cannot
    /// be set, names that contradict each other, what is missing.
    pub fn build(mut self) -> Result<StreamsConfig, ConfigErrors> {
        self.forget_unwanted_ambient();
        self.entries.sort_by_key(|entry| entry.layer);
        let mut settings = Settings::sort(&self.entries);
        self.errors.append(&mut settings.errors);
        settings.errors = self.errors;
        settings.warnings.append(&mut self.warnings);
        StreamsConfig::from_settings(settings, self.temp_dir.as_deref().unwrap_or("/tmp"))
    }

    /// What stands in the environment for others need not be right where it is not asked for.
    fn forget_unwanted_ambient(&mut self) {
        let names_brokers = |key: &str| matches!(key, "bootstrap.servers" | "metadata.broker.list");
        let is_own = |entry: &Raw| entry.layer > LAYER_AMBIENT && names_brokers(&entry.key);
        if self.entries.iter().any(is_own) {
            self.entries.retain(|entry| entry.layer > LAYER_AMBIENT);
        }
    }
}

/// Names of variables that differ in their letters' case alone stand for one key.
fn contradictions(variables: &[Raw]) -> impl Iterator<Item = ConfigError> {
    let own = variables.iter().filter(|one| one.layer == LAYER_ENVIRONMENT);
    let twins = own.enumerate().filter_map(|(at, one)| {
        let mut before = variables.iter().filter(|other| other.layer == one.layer).take(at);
        let first = before.find(|other| other.key == one.key && other.value != one.value)?;
        Some((first, one))
    });
    twins.map(|(first, second)| ConfigError::Contradiction {
        first: first.key.clone(),
        first_origin: first.origin.clone(),
        second: second.key.clone(),
        second_origin: second.origin.clone(),
    })
}
