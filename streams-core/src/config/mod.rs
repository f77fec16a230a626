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

use std::collections::{BTreeMap, BTreeSet};

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
    own: BTreeMap<String, Secret>,
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

    /// The value of a key of the user's own, named with its `app.`.
    pub fn own(&self, key: &str) -> Option<&Secret> {
        self.own.get(key)
    }

    /// Every effective value with its origin, secrets masked.
    pub fn explain(&self) -> &Explanation {
        &self.explanation
    }

    /// What the user should know, to be logged once at start.
    pub fn warnings(&self) -> &[ConfigWarning] {
        &self.warnings
    }

    /// Whether everything that is asked for can be had in this release.
    ///
    /// # Errors
    /// Names the first setting that is understood and not available yet.
    pub fn check_available(&self) -> Result<(), NotAvailable> {
        let not_yet =
            |key, value: &str, remedy| Err(NotAvailable { key, value: value.to_owned(), remedy });
        if self.processing.guarantee == ProcessingGuarantee::ExactlyOnce {
            let remedy = "set it to at_least_once";
            return not_yet("processing.guarantee", "exactly_once_v2", remedy);
        }
        if self.state.store_format == StoreFormat::Headers {
            return not_yet("dsl.store.format", "HEADERS", "remove it");
        }
        if let Some(topic) = &self.processing.dead_letter_topic {
            let key = "errors.dead.letter.queue.topic.name";
            return not_yet(key, topic.as_str(), "remove it");
        }
        if self.state.default_store == DefaultStore::InMemory {
            let remedy = "remove it, and ask for each store in memory by 'Materialized'";
            return not_yet("dsl.store.suppliers.class", "in_memory", remedy);
        }
        if let Some(version) = &self.assignment.upgrade_from {
            let remedy = "stop all members, start them in this version, and remove it";
            return not_yet("upgrade.from", version, remedy);
        }
        if self.topology.ensure_explicit_naming {
            let remedy = "name what needs a name, and remove it";
            return not_yet("ensure.explicit.internal.resource.naming", "true", remedy);
        }
        Ok(())
    }

    /// Whether a topology was built with the optimisations that `topology.optimization` asks for,
    /// where the key is set at all. A topology that was built node by node has none.
    ///
    /// # Errors
    /// When it was built with others: they decide which internal topics there are.
    pub fn check_optimizations(
        &self,
        built_with: Option<&BTreeSet<Optimization>>,
    ) -> Result<(), OtherOptimizations> {
        let wanted = &self.topology.optimizations;
        let is_set = |value: &ExplainedValue| {
            value.key == "topology.optimization" && value.origin != Origin::Default
        };
        match built_with {
            Some(built_with) if built_with != wanted && self.explanation.iter().any(is_set) => {
                Err(OtherOptimizations {
                    wanted: Optimization::write_set(wanted),
                    built_with: Optimization::write_set(built_with),
                })
            }
            _ => Ok(()),
        }
    }
}

/// A setting asks for something that this release does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{key}' is '{value}', which is not available yet; {remedy}")]
pub struct NotAvailable {
    /// The key.
    pub key: &'static str,
    /// Its value.
    pub value: String,
    /// What to do instead.
    pub remedy: &'static str,
}

/// A topology was built with other optimisations than the configuration asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'topology.optimization' is '{wanted}', but the topology was built with '{built_with}'; give the configuration's optimizations to 'build_with', or remove the key"
)]
pub struct OtherOptimizations {
    /// What the configuration asks for.
    pub wanted: String,
    /// What the topology was built with.
    pub built_with: String,
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
    let decisive = ["security.protocol", "sasl.mechanism"];
    if decisive.iter().any(|key| settings.faulty.contains(key)) {
        return Security::Plaintext;
    }
    match security::parse(&settings.security) {
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
