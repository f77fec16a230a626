//! Settings of each client in librdkafka's names.

use std::collections::BTreeMap;

use super::explain::ExplainedValue;
use super::keys::{Roles, Treatment, client_key, codec_level_key, defaults};
use super::origin::Origin;
use super::processing::ProcessingGuarantee;
use super::scope::Scope;
use super::settings::{Setting, Settings};

/// A client of the data plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientRole {
    /// Reads the input of tasks.
    MainConsumer,
    /// Reads changelogs to rebuild state.
    RestoreConsumer,
    /// Reads the topics of global tables.
    GlobalConsumer,
    /// Writes output, repartition topics and changelogs.
    Producer,
    /// Makes topics, deletes processed records, asks for offsets.
    Admin,
}

impl ClientRole {
    pub(crate) const ALL: [Self; 5] = [
        Self::MainConsumer,
        Self::RestoreConsumer,
        Self::GlobalConsumer,
        Self::Producer,
        Self::Admin,
    ];

    /// From the widest to the most specific, which wins.
    pub(crate) fn scopes(self) -> &'static [Scope] {
        match self {
            Self::MainConsumer => &[Scope::Shared, Scope::Consumer, Scope::MainConsumer],
            Self::RestoreConsumer => &[Scope::Shared, Scope::Consumer, Scope::RestoreConsumer],
            Self::GlobalConsumer => &[Scope::Shared, Scope::Consumer, Scope::GlobalConsumer],
            Self::Producer => &[Scope::Shared, Scope::Producer],
            Self::Admin => &[Scope::Shared, Scope::Admin],
        }
    }

    fn roles(self) -> Roles {
        match self {
            Self::MainConsumer | Self::RestoreConsumer | Self::GlobalConsumer => Roles::CONSUMER,
            Self::Producer => Roles::PRODUCER,
            Self::Admin => Roles::ADMIN,
        }
    }

    fn defaults(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::MainConsumer | Self::RestoreConsumer | Self::GlobalConsumer => defaults::CONSUMER,
            Self::Producer => defaults::PRODUCER,
            Self::Admin => defaults::ADMIN,
        }
    }

    fn prefix(self) -> &'static str {
        self.scopes().last().map_or("", |scope| scope.prefix())
    }
}

/// First wait, longest wait, and the default of the longest.
pub(crate) const BACKOFFS: [(&str, &str, i64); 2] = [
    ("reconnect.backoff.ms", "reconnect.backoff.max.ms", 1_000),
    ("retry.backoff.ms", "retry.backoff.max.ms", 1_000),
];

/// Kafka's default for the requests of a producer.
pub(crate) const REQUEST_TIMEOUT_MS: i64 = 30_000;

#[derive(Clone, Debug, PartialEq, Eq)]
struct ClientValue {
    value: String,
    origin: Origin,
}

/// Settings of one client in librdkafka's names. Not among them are the addresses, the client id,
/// security, and the bounds of queues, which the shell divides among the clients of the process; it
/// lowers `fetch.max.bytes` and `max.partition.fetch.bytes` to what they leave.
/// None of them is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSettings {
    role: ClientRole,
    values: BTreeMap<&'static str, ClientValue>,
}

impl ClientSettings {
    pub(crate) fn resolve(
        role: ClientRole,
        settings: &Settings,
        guarantee: ProcessingGuarantee,
    ) -> Self {
        let mut values: BTreeMap<_, _> = role
            .defaults()
            .iter()
            .filter_map(|(name, value)| {
                let value = under(guarantee, name, value)?.to_owned();
                Some((*name, ClientValue { value, origin: Origin::Default }))
            })
            .collect();
        for scope in role.scopes() {
            let own = settings.clients.iter().filter(|((of, _), _)| of == scope);
            for ((_, name), setting) in own {
                if setting.roles.meets(role.roles()) && !is_ours(name) {
                    values.insert(name, ClientValue::of(setting));
                }
            }
        }
        let mut client = Self { role, values };
        client.choose_codec_level(settings);
        client.settle_idempotence();
        client.settle_bounds();
        client
    }

    /// The client that they are for.
    pub fn role(&self) -> ClientRole {
        self.role
    }

    /// Name and value of each setting, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (*name, value.value.as_str()))
    }

    /// The value of a setting, if it is not left to librdkafka's default.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.value.as_str())
    }

    pub(crate) fn explain(&self) -> impl Iterator<Item = ExplainedValue> {
        self.values.iter().map(|(name, value)| ExplainedValue {
            key: format!("{}{name}", self.role.prefix()),
            value: Some(value.value.clone()),
            origin: value.origin.clone(),
        })
    }

    /// Where a setting was set, none if it is a default.
    pub(crate) fn set_at(&self, name: &str) -> Option<&Origin> {
        let value = self.values.get(name)?;
        (value.origin != Origin::Default).then_some(&value.origin)
    }

    /// Kafka has a level for each codec; librdkafka has one for the codec in use.
    fn choose_codec_level(&mut self, settings: &Settings) {
        let Some(level) = self.value("compression.type").and_then(codec_level_key) else { return };
        let nearest_first: Vec<Scope> = self.role.scopes().iter().rev().copied().collect();
        if let Some(setting) = settings.client(&nearest_first, level) {
            self.values.entry("compression.level").or_insert_with(|| ClientValue::of(setting));
        }
    }

    /// As in Kafka: idempotence that nobody asked for gives way to settings that rule it out.
    fn settle_idempotence(&mut self) {
        if self.rules_out_idempotence().is_none() || self.set_at("enable.idempotence").is_some() {
            return;
        }
        if let Some(value) = self.values.get_mut("enable.idempotence") {
            "false".clone_into(&mut value.value);
        }
    }

    /// As in Kafka: bounds that nobody set give way to what they bound.
    fn settle_bounds(&mut self) {
        for (first, most, default) in BACKOFFS {
            if let Some(first) = self.number(first)
                && first > default
            {
                let value = ClientValue { value: first.to_string(), origin: Origin::Default };
                let of_default = self.values.get(most).is_none_or(ClientValue::is_default);
                if of_default {
                    self.values.insert(most, value);
                }
            }
        }
        let (linger, request) = (self.number("linger.ms"), self.number("socket.timeout.ms"));
        let least = linger.unwrap_or_default() + request.unwrap_or(REQUEST_TIMEOUT_MS);
        if let Some(delivery) = self.values.get_mut("message.timeout.ms")
            && delivery.origin == Origin::Default
            && delivery.value.parse::<i64>().is_ok_and(|millis| millis < least)
        {
            delivery.value = least.to_string();
        }
    }

    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.value(name)?.parse().ok()
    }

    /// The setting that idempotence does not allow, if there is one.
    pub(crate) fn rules_out_idempotence(&self) -> Option<&'static str> {
        const IN_FLIGHT: &str = "max.in.flight.requests.per.connection";
        match (self.number("acks"), self.number("retries"), self.number(IN_FLIGHT)) {
            (Some(0 | 1), _, _) => Some("acks"),
            (_, Some(0), _) => Some("retries"),
            (_, _, Some(6..)) => Some(IN_FLIGHT),
            _ => None,
        }
    }
}

impl ClientValue {
    fn is_default(&self) -> bool {
        self.origin == Origin::Default
    }

    fn of(setting: &Setting) -> Self {
        Self { value: setting.value.expose().to_owned(), origin: setting.origin.clone() }
    }
}

fn is_ours(name: &str) -> bool {
    client_key(name).is_some_and(|key| {
        matches!(key.treatment, Treatment::Ours(_) | Treatment::CodecLevel { .. })
    })
}

/// What a default is under the guarantee.
fn under(guarantee: ProcessingGuarantee, name: &str, value: &'static str) -> Option<&'static str> {
    match (guarantee, name) {
        (ProcessingGuarantee::ExactlyOnce, "isolation.level") => Some("read_committed"),
        // librdkafka fits it to the timeout of the transaction, and refuses a longer one.
        (ProcessingGuarantee::ExactlyOnce, "message.timeout.ms") => None,
        _ => Some(value),
    }
}
