//! Raw entries sorted into known settings: every key classified, translated and checked, layers
//! merged.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{Check, Constraint};
use super::error::{ConfigError, ConfigWarning, IgnoredKey, Shown};
use super::keys::{
    ClientKey, RACKS, Roles, STREAMS_KEYS, StreamsKey, StreamsMeaning, TOPIC_KEYS, Treatment, Unit,
    client_key, streams_key,
};
use super::origin::Origin;
use super::processing::ProcessingGuarantee;
use super::scope::Scope;
use super::secret::Secret;
use super::{security, suggest};

/// An entry as the user wrote it.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) key: String,
    pub(crate) value: Secret,
    pub(crate) origin: Origin,
    /// Entries of a higher layer win.
    pub(crate) layer: u32,
}

/// A checked value in its normal spelling.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// The key as written.
    pub(crate) written: String,
    pub(crate) value: Secret,
    pub(crate) origin: Origin,
    pub(crate) layer: u32,
    pub(crate) roles: Roles,
}

impl Setting {
    fn new(raw: &Raw, value: String, roles: Roles) -> Self {
        Self {
            written: raw.key.clone(),
            value: Secret::new(value),
            origin: raw.origin.clone(),
            layer: raw.layer,
            roles,
        }
    }
}

/// All settings by their canonical names, with what was found on the way.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) streams: BTreeMap<&'static str, Setting>,
    pub(crate) clients: BTreeMap<(Scope, &'static str), Setting>,
    pub(crate) security: BTreeMap<&'static str, Setting>,
    pub(crate) topics: BTreeMap<&'static str, Setting>,
    pub(crate) own: BTreeMap<String, Setting>,
    /// Canonical names that were set to something wrong, so that they are not called missing.
    pub(crate) faulty: BTreeSet<&'static str>,
    pub(crate) errors: Vec<ConfigError>,
    pub(crate) warnings: Vec<ConfigWarning>,
    ignored: Vec<IgnoredKey>,
}

const ONE_SECURITY: &str = "all connections share one security setting; set it without a prefix";
const NOT_A_MEMBER: &str = "only the main consumer's member reads it";

impl Settings {
    /// Classifies every entry. Entries must come in the order of their layers.
    pub(crate) fn sort(entries: &[Raw]) -> Self {
        let mut settings = Self::default();
        for raw in entries {
            settings.offer(raw);
        }
        settings.adopt_old_names();
        let ignored = std::mem::take(&mut settings.ignored);
        if !ignored.is_empty() {
            settings.warnings.insert(0, ConfigWarning::NoMeaning(ignored));
        }
        settings
    }

    /// The setting of the first scope that has it.
    pub(crate) fn client(&self, scopes: &[Scope], name: &'static str) -> Option<&Setting> {
        scopes.iter().find_map(|scope| self.clients.get(&(*scope, name)))
    }

    /// Client settings that have no effect beside the others.
    pub(crate) fn idle(
        &self,
        guarantee: ProcessingGuarantee,
        codec: Option<&str>,
    ) -> Vec<IgnoredKey> {
        let why = |name| match client_key(name)?.treatment {
            Treatment::CodecLevel { codec: of, .. } if codec != Some(of) => {
                Some("'compression.type' chooses another codec")
            }
            _ if name == "compression.level" && matches!(codec, None | Some("none")) => {
                Some("'compression.type' chooses no codec")
            }
            _ if name == "transaction.timeout.ms"
                && guarantee == ProcessingGuarantee::AtLeastOnce =>
            {
                Some("there are transactions under exactly-once only")
            }
            _ => None,
        };
        let idle = self.clients.iter().filter_map(|((_, name), setting)| {
            let (key, origin) = (setting.written.clone(), setting.origin.clone());
            Some(IgnoredKey { key, reason: why(name)?, origin })
        });
        idle.collect()
    }

    fn offer(&mut self, raw: &Raw) {
        if raw.key.starts_with("app.") {
            let own = Setting::new(raw, raw.value.expose().to_owned(), Roles::EVERY);
            self.own.insert(raw.key.clone(), own);
            return;
        }
        if raw.key.starts_with("client.tag.") {
            self.refuse(raw, RACKS);
            return;
        }
        let (scope, name) = Scope::split(&raw.key);
        if scope == Scope::Shared
            && let Some(key) = streams_key(name)
            && !matches!(key.meaning, StreamsMeaning::Client)
        {
            self.offer_streams(key, raw);
            return;
        }
        match client_key(name) {
            Some(key) if key.roles.meets(scope.roles()) => self.offer_client(scope, key, raw),
            Some(key) => self.errors.push(ConfigError::WrongClient {
                key: raw.key.clone(),
                instead: suggest::under_right_prefix(key),
                origin: raw.origin.clone(),
            }),
            None => self.offer_topic(raw),
        }
    }

    fn offer_streams(&mut self, key: &'static StreamsKey, raw: &Raw) {
        match key.meaning {
            StreamsMeaning::Value(check, _) => {
                self.store_streams(key.name, check, raw);
            }
            StreamsMeaning::OldNameOf(new) => self.store_streams_like(new, key.name, raw),
            StreamsMeaning::SpellingOf(to) => self.store_streams_like(to, to, raw),
            StreamsMeaning::Client => {}
            StreamsMeaning::Ignored(reason) => self.ignore(raw, reason),
            StreamsMeaning::Refused(remedy) => self.refuse(raw, remedy),
        }
    }

    /// Stores under `at` what passes the check of the key `like`.
    fn store_streams_like(&mut self, like: &str, at: &'static str, raw: &Raw) {
        if let Some(StreamsMeaning::Value(check, _)) = streams_key(like).map(|key| key.meaning) {
            self.store_streams(at, check, raw);
        }
    }

    fn store_streams(&mut self, name: &'static str, check: Check, raw: &Raw) {
        if let Some(value) = self.checked(name, check, raw) {
            let setting = Setting::new(raw, value, Roles::EVERY);
            self.errors.extend(place(&mut self.streams, name, setting));
        }
    }

    fn offer_client(&mut self, scope: Scope, key: &'static ClientKey, raw: &Raw) {
        let off_group = matches!(scope, Scope::RestoreConsumer | Scope::GlobalConsumer);
        match key.treatment {
            Treatment::Ours(_) if off_group => self.ignore(raw, NOT_A_MEMBER),
            Treatment::Pass(check)
            | Treatment::Ours(check)
            | Treatment::CodecLevel { check, .. } => {
                self.store_client(scope, key, (key.name, Unit::Same, check), raw);
            }
            Treatment::Becomes { to, unit, check } => {
                self.store_client(scope, key, (to, unit, check), raw);
            }
            Treatment::Fixed { value, .. }
                if value.eq_ignore_ascii_case(raw.value.expose().trim()) => {}
            Treatment::Fixed { reason, .. } => self.refuse(raw, reason),
            Treatment::Security { .. } if scope != Scope::Shared => {
                self.refuse(raw, ONE_SECURITY);
            }
            Treatment::Security { to, check } => {
                if let Some(value) = self.checked(to, check, raw) {
                    let setting = Setting::new(raw, value, key.roles);
                    self.errors.extend(place(&mut self.security, to, setting));
                }
            }
            Treatment::Ignored(reason) => self.ignore(raw, reason),
            Treatment::Refused(remedy) => self.refuse(raw, remedy),
        }
    }

    fn store_client(
        &mut self,
        scope: Scope,
        key: &ClientKey,
        (to, unit, check): (&'static str, Unit, Check),
        raw: &Raw,
    ) {
        if let Some(value) = self.checked(to, check, raw) {
            let setting = Setting::new(raw, converted(value, unit), key.roles);
            self.errors.extend(place(&mut self.clients, (scope, to), setting));
        }
    }

    fn offer_topic(&mut self, raw: &Raw) {
        let known = raw
            .key
            .strip_prefix("topic.")
            .and_then(|name| TOPIC_KEYS.iter().find(|known| **known == name));
        if let Some(name) = known {
            let value = raw.value.expose().trim().to_owned();
            self.topics.insert(name, Setting::new(raw, value, Roles::EVERY));
        } else {
            self.errors.push(ConfigError::UnknownKey {
                key: raw.key.clone(),
                nearest: suggest::nearest(&raw.key),
                origin: raw.origin.clone(),
            });
        }
    }

    /// The normal spelling of a value, or none and a fault.
    fn checked(&mut self, name: &'static str, check: Check, raw: &Raw) -> Option<String> {
        match check.normal(raw.value.expose()) {
            Ok(value) => {
                self.faulty.remove(name);
                Some(value)
            }
            Err(constraint) => {
                self.faulty.insert(name);
                self.errors.push(invalid(name, constraint, raw));
                None
            }
        }
    }

    fn ignore(&mut self, raw: &Raw, reason: &'static str) {
        let (key, origin) = (raw.key.clone(), raw.origin.clone());
        self.ignored.push(IgnoredKey { key, reason, origin });
    }

    fn refuse(&mut self, raw: &Raw, remedy: &'static str) {
        let (key, origin) = (raw.key.clone(), raw.origin.clone());
        self.errors.push(ConfigError::Refused { key, remedy, origin });
    }

    /// As in Kafka, a deprecated name counts only where the new one is not set at all.
    fn adopt_old_names(&mut self) {
        for key in STREAMS_KEYS {
            let StreamsMeaning::OldNameOf(new) = key.meaning else { continue };
            let Some(setting) = self.streams.remove(key.name) else { continue };
            if self.streams.contains_key(new) {
                self.warnings.push(ConfigWarning::Replaced { old: key.name, new });
            } else {
                self.streams.insert(new, setting);
            }
        }
        // As in Kafka; the words of the older one are still read where it stands alone.
        let (old, new) = ("default.dsl.store", "dsl.store.suppliers.class");
        if self.streams.contains_key(old) && self.streams.contains_key(new) {
            self.warnings.push(ConfigWarning::Replaced { old, new });
        }
    }
}

fn invalid(name: &str, constraint: Constraint, raw: &Raw) -> ConfigError {
    let value =
        if security::is_printable(name) { Shown::plain(raw.value.expose()) } else { Shown::Hidden };
    ConfigError::InvalidValue {
        key: raw.key.clone(),
        value,
        constraint,
        origin: raw.origin.clone(),
    }
}

/// Puts a setting in its place unless a higher layer holds it; two names of one layer must agree.
pub(crate) fn place<K: Ord>(
    map: &mut BTreeMap<K, Setting>,
    at: K,
    new: Setting,
) -> Option<ConfigError> {
    match map.get(&at) {
        Some(old) if old.layer > new.layer => None,
        Some(old) if old.layer == new.layer && old.written != new.written => {
            contradiction(old, &new)
        }
        _ => {
            map.insert(at, new);
            None
        }
    }
}

/// A fault if two settings that mean one thing differ at one layer.
pub(crate) fn contradiction(one: &Setting, other: &Setting) -> Option<ConfigError> {
    (one.layer == other.layer && one.value != other.value).then(|| ConfigError::Contradiction {
        first: one.written.clone(),
        first_origin: one.origin.clone(),
        second: other.written.clone(),
        second_origin: other.origin.clone(),
    })
}

/// The value in librdkafka's unit, or in bytes; it has passed its check.
fn converted(value: String, unit: Unit) -> String {
    match unit {
        Unit::MinusOneIsZero if value == "-1" => "0".to_owned(),
        Unit::Same | Unit::MinusOneIsZero => value,
        Unit::KbytesToBytes => match value.parse::<i64>() {
            Ok(kbytes) => kbytes.saturating_mul(1024).to_string(),
            Err(_) => value,
        },
    }
}
