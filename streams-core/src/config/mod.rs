//! The configuration, under Kafka's own names, parsed once into typed values.
//!
//! Settings come from code, `.properties` texts and environment variables; see
//! [`StreamsConfigBuilder`]. Names of Kafka's Java clients and of librdkafka are both understood.
//! An unknown key is an error that names the nearest one; a key of Java's without meaning here is
//! listed in one warning; a key whose neglect would change results or storage is an error with its
//! remedy. Keys of the user's own start with `app.`. No secret is ever printed.
//!
//! Kafka's precedence among clients holds: `main.consumer.x` over `consumer.x` over `x`.

mod address;
mod assignment;
mod builder;
mod check;
mod clients;
mod cross;
mod environment;
mod error;
mod explain;
mod keys;
mod membership;
mod metrics;
mod names;
mod origin;
mod own;
mod processing;
mod properties;
mod reader;
mod scope;
mod secret;
mod security;
mod settings;
mod state;
mod suggest;
#[cfg(test)]
mod tests;
mod topology;

use std::collections::BTreeSet;

pub use address::HostPort;
pub use assignment::Assignment;
pub use builder::{SettingValue, StreamsConfigBuilder};
pub use check::Constraint;
pub use clients::{ClientRole, ClientSettings};
pub use error::{ConfigError, ConfigErrors, ConfigWarning, IgnoredKey, Shown};
pub use explain::{ExplainedValue, Explanation};
pub use membership::{Membership, OffsetReset, UnknownOffsetReset};
pub use metrics::MetricsSettings;
pub use names::{
    ApplicationId, ClientId, DeadLetterTopic, GroupInstanceId, InvalidName, TopicPrefix,
};
pub use origin::Origin;
pub use own::OwnSettings;
pub use processing::{
    DefaultTimestampExtractor, FailurePolicy, Processing, ProcessingGuarantee, TaskIdle,
};
pub use properties::{PropertiesText, SyntaxFault};
pub use secret::Secret;
pub use security::{
    ClientIdentity, Credentials, HostVerification, OauthClient, OauthTokens, PemSource, Sasl,
    Security, Tls, UnsecuredToken,
};
pub use state::{DefaultStore, State, StoreFormat};
pub use topology::{InternalTopicSettings, Optimization, ReplicationFactor, TopologySettings};

use cross::Parts;
use reader::Reader;
use settings::Settings;

use crate::topology::GeneratedNames;

/// The configuration of an application: typed, checked, and the same for its whole life.
#[derive(Clone, Debug)]
pub struct StreamsConfig {
    application_id: ApplicationId,
    bootstrap_servers: Vec<HostPort>,
    client_id: Option<ClientId>,
    processing: Processing,
    state: State,
    membership: Membership,
    assignment: Assignment,
    topology: TopologySettings,
    internal_topics: InternalTopicSettings,
    metrics: MetricsSettings,
    security: Security,
    clients: [ClientSettings; 5],
    own: OwnSettings,
    explanation: Explanation,
    warnings: Vec<ConfigWarning>,
}

impl StreamsConfig {
    /// Starts an empty configuration.
    pub fn builder() -> StreamsConfigBuilder {
        StreamsConfigBuilder::default()
    }

    fn from_settings(mut settings: Settings, temp_dir: &str) -> Result<Self, ConfigErrors> {
        let mut errors = std::mem::take(&mut settings.errors);
        let mut warnings = std::mem::take(&mut settings.warnings);
        errors.extend(missing(&settings));
        let mut reader = Reader::new(&settings);
        let application_id = reader.parsed::<ApplicationId>("application.id");
        let bootstrap_servers = reader.text("bootstrap.servers");
        let client_id = reader.parsed("client.id");
        let processing = Processing::read(&mut reader);
        let state = State::read(&mut reader, temp_dir);
        let membership = Membership::read(&mut reader);
        let assignment = Assignment::read(&mut reader);
        let topology = TopologySettings::read(&mut reader);
        let internal_topics = InternalTopicSettings::read(&mut reader);
        let metrics = MetricsSettings::read(&mut reader);
        let resolve = |role| ClientSettings::resolve(role, &settings, processing.guarantee);
        let clients = ClientRole::ALL.map(resolve);
        let parts = Parts {
            settings: &settings,
            processing: &processing,
            membership: &membership,
            clients: &clients,
        };
        errors.extend(parts.check());
        let codec = clients.iter().find_map(|client| client.value("compression.type"));
        note_idle(&mut warnings, settings.idle(processing.guarantee, codec));
        let security = read_security(&settings, &mut warnings, &mut errors);
        ConfigErrors::when_any(errors)?;
        let Some(application_id) = application_id else { return Err(NO_APPLICATION_ID.into()) };
        let explanation = explanation(reader, &clients);
        let own = settings.own.into_iter().map(|(key, setting)| (key, setting.value)).collect();
        Ok(Self {
            application_id,
            bootstrap_servers: bootstrap_servers
                .and_then(|list| HostPort::parse_list(&list))
                .unwrap_or_default(),
            client_id,
            processing,
            state,
            membership,
            assignment,
            topology,
            internal_topics,
            metrics,
            security,
            clients,
            own,
            explanation,
            warnings,
        })
    }

    /// `application.id`.
    pub fn application_id(&self) -> &ApplicationId {
        &self.application_id
    }

    /// `bootstrap.servers`, at least one.
    pub fn bootstrap_servers(&self) -> &[HostPort] {
        &self.bootstrap_servers
    }

    /// `client.id`; if none, one is made of the application id and a random part.
    pub fn client_id(&self) -> Option<&ClientId> {
        self.client_id.as_ref()
    }

    /// How records are processed.
    pub fn processing(&self) -> &Processing {
        &self.processing
    }

    /// Where state lives and how much room it may take.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The process as a member of its group.
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// How tasks are spread over processes.
    pub fn assignment(&self) -> &Assignment {
        &self.assignment
    }

    /// What shapes the topology.
    pub fn topology(&self) -> &TopologySettings {
        &self.topology
    }

    /// How internal topics are made and kept.
    pub fn internal_topics(&self) -> &InternalTopicSettings {
        &self.internal_topics
    }

    /// What is told of the work that is done.
    pub fn metrics(&self) -> &MetricsSettings {
        &self.metrics
    }

    /// How connections are secured.
    pub fn security(&self) -> &Security {
        &self.security
    }

    /// Settings of one client in librdkafka's names.
    pub fn client(&self, role: ClientRole) -> &ClientSettings {
        match role {
            ClientRole::MainConsumer => &self.clients[0],
            ClientRole::RestoreConsumer => &self.clients[1],
            ClientRole::GlobalConsumer => &self.clients[2],
            ClientRole::Producer => &self.clients[3],
            ClientRole::Admin => &self.clients[4],
        }
    }

    /// The settings of the program's own.
    pub fn own_settings(&self) -> &OwnSettings {
        &self.own
    }

    /// Every effective value with its origin, secrets masked.
    pub fn explain(&self) -> &Explanation {
        &self.explanation
    }

    /// What the user should know, to be logged once at start.
    pub fn warnings(&self) -> &[ConfigWarning] {
        &self.warnings
    }

    /// Whether everything that is asked for can be had in this release, with a topology that was
    /// built with these optimisations; none for one that was built node by node.
    ///
    /// # Errors
    /// All that cannot: settings that are understood and not available yet, and
    /// `topology.optimization` where it is set and the topology was built with others, since they
    /// decide which internal topics there are.
    pub fn check_available(
        &self,
        built_with: Option<&BTreeSet<Optimization>>,
    ) -> Result<(), ConfigErrors> {
        let mut errors: Vec<ConfigError> = self.not_available().collect();
        errors.extend(built_with.and_then(|built_with| self.other_optimizations(built_with)));
        ConfigErrors::when_any(errors)
    }

    /// Whether the program may leave the names of these stores and internal topics to Millstream.
    ///
    /// ```
    /// # use streams_core::config::StreamsConfig;
    /// # use streams_core::topology::GeneratedNames;
    /// let config = StreamsConfig::builder()
    ///     .application_id("orders")
    ///     .bootstrap_servers("none:9092")
    ///     .set("ensure.explicit.internal.resource.naming", "true")
    ///     .build()?;
    /// let mut generated = GeneratedNames::default();
    /// assert!(config.check_names(&generated).is_ok());
    /// generated.stores.push("KSTREAM-AGGREGATE-STATE-STORE-0000000003".into());
    /// assert!(config.check_names(&generated).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When there are any, and `ensure.explicit.internal.resource.naming` is `true` (KIP-1111).
    pub fn check_names(&self, generated: &GeneratedNames) -> Result<(), ConfigErrors> {
        if generated.is_empty() || !self.topology.ensure_explicit_naming {
            return Ok(());
        }
        let origin = self.origin_of("ensure.explicit.internal.resource.naming");
        let names = generated.clone();
        Err(ConfigError::GeneratedNames { names, origin }.into())
    }

    fn not_available(&self) -> impl Iterator<Item = ConfigError> {
        let exactly_once = (self.processing.guarantee == ProcessingGuarantee::ExactlyOnce)
            .then_some(("processing.guarantee", "exactly_once_v2"));
        let dead_letters = self.processing.dead_letter_topic.as_ref();
        let dead_letters =
            dead_letters.map(|topic| ("errors.dead.letter.queue.topic.name", topic.as_str()));
        let upgrade = self.assignment.upgrade_from.as_ref();
        let upgrade = upgrade.map(|version| ("upgrade.from", version.as_str()));
        let asked = [
            (exactly_once, "set it to at_least_once"),
            (dead_letters, "remove it"),
            (upgrade, "stop all members, start them in this version, and remove it"),
        ];
        asked.into_iter().filter_map(|(setting, remedy)| {
            let (key, value) = setting?;
            let origin = self.origin_of(key);
            Some(ConfigError::NotAvailable { key, value: value.to_owned(), remedy, origin })
        })
    }

    // DIFFERENCE(optimization-mismatch): Kafka does not compare the two.
    fn other_optimizations(&self, built_with: &BTreeSet<Optimization>) -> Option<ConfigError> {
        let (key, wanted) = ("topology.optimization", &self.topology.optimizations);
        (built_with != wanted && self.is_set(key)).then(|| ConfigError::OtherOptimizations {
            wanted: Optimization::write_set(wanted),
            built_with: Optimization::write_set(built_with),
            origin: self.origin_of(key),
        })
    }

    fn origin_of(&self, key: &str) -> Origin {
        let mut values = self.explanation.iter();
        values.find(|value| value.key == key).map_or(Origin::Default, |value| value.origin.clone())
    }

    fn is_set(&self, key: &str) -> bool {
        self.origin_of(key) != Origin::Default
    }
}

const NO_APPLICATION_ID: ConfigError = ConfigError::Missing {
    key: "application.id",
    remedy: "it names the group, the internal topics and the state directory",
};
const NO_BOOTSTRAP_SERVERS: ConfigError = ConfigError::Missing {
    key: "bootstrap.servers",
    remedy: "set it, or the environment variable KAFKA_BOOTSTRAP_SERVERS, to 'host:port'",
};

fn missing(settings: &Settings) -> impl Iterator<Item = ConfigError> {
    [("application.id", NO_APPLICATION_ID), ("bootstrap.servers", NO_BOOTSTRAP_SERVERS)]
        .into_iter()
        .filter(|(key, _)| !settings.streams.contains_key(key) && !settings.faulty.contains(key))
        .map(|(_, error)| error)
}

/// The security setting; plaintext beside a fault that keeps it from being used.
fn read_security(
    settings: &Settings,
    warnings: &mut Vec<ConfigWarning>,
    errors: &mut Vec<ConfigError>,
) -> Security {
    match security::parse(&settings.security, &settings.faulty) {
        Ok((security, idle)) => {
            note_idle(warnings, idle);
            security
        }
        Err(faults) => {
            errors.extend(faults);
            Security::Plaintext
        }
    }
}

/// Adds keys without effect to the one warning that lists them.
fn note_idle(warnings: &mut Vec<ConfigWarning>, idle: Vec<IgnoredKey>) {
    if idle.is_empty() {
        return;
    }
    match warnings.first_mut() {
        Some(ConfigWarning::NoMeaning(keys)) => keys.extend(idle),
        _ => warnings.insert(0, ConfigWarning::NoMeaning(idle)),
    }
}

fn explanation(mut reader: Reader<'_>, clients: &[ClientSettings]) -> Explanation {
    let settings = reader.settings;
    if !settings.security.contains_key("security.protocol") {
        reader.explain("security.protocol", "PLAINTEXT".to_owned(), Origin::Default);
    }
    let mut all = reader.explained;
    all.sort_by(|one, other| one.key.cmp(&other.key));
    for (name, setting) in &settings.security {
        let shown = security::is_printable(name).then(|| setting.value.expose().to_owned());
        let (key, origin) = (setting.written.clone(), setting.origin.clone());
        all.push(ExplainedValue { key, value: shown, origin });
    }
    all.extend(clients.iter().flat_map(ClientSettings::explain));
    for setting in settings.own.values() {
        let (key, origin) = (setting.written.clone(), setting.origin.clone());
        all.push(ExplainedValue { key, value: None, origin });
    }
    Explanation(all)
}
