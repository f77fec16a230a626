//! What each known key means, as data: one table per vocabulary.

pub(crate) mod defaults;
mod kafka_clients;
mod librdkafka;
mod security;
mod streams;
mod topics;

pub(crate) use super::check::Check;
pub(crate) use kafka_clients::KAFKA_CLIENT_KEYS;
pub(crate) use librdkafka::LIBRDKAFKA_KEYS;
pub(crate) use security::SECURITY_KEYS;
pub(crate) use streams::{RACKS, STREAMS_KEYS, StreamsKey, StreamsMeaning};
pub(crate) use topics::TOPIC_KEYS;

const INT_MAX: i64 = i32::MAX as i64;
const LONG_MAX: i64 = i64::MAX;
const BOOL: Check = Check::Bool;
const TEXT: Check = Check::Text;
const ACKS: Check = Check::Acks;
const DEBUG: Check = Check::DebugContexts;
const NAME: Check = Check::Name;
const OFFSET_RESET: Check = Check::OffsetReset;

const C: Roles = Roles(1);
const P: Roles = Roles(2);
const A: Roles = Roles(4);
const CP: Roles = Roles(3);
const CA: Roles = Roles(5);
const PA: Roles = Roles(6);
const ALL: Roles = Roles(7);

/// The kinds of client that know a key, as a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Roles(u8);

impl Roles {
    pub(crate) const CONSUMER: Self = C;
    pub(crate) const PRODUCER: Self = P;
    pub(crate) const ADMIN: Self = A;
    pub(crate) const EVERY: Self = ALL;

    pub(crate) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// How a value changes when a key is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Same,
    /// Java's -1, "what the system gives" or "never", is librdkafka's 0.
    MinusOneIsZero,
    KbytesToBytes,
}

/// What becomes of a client's key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Treatment {
    /// Handed to librdkafka under its own name.
    Pass(Check),
    /// Another spelling, or Java's name, of the setting `to`; checked before the unit is converted.
    Becomes { to: &'static str, unit: Unit, check: Check },
    /// Read by Millstream itself.
    Ours(Check),
    /// Accepted when it says what holds anyway.
    Fixed { value: &'static str, reason: &'static str },
    /// Level of one codec; counts only when that codec is chosen.
    CodecLevel { codec: &'static str, check: Check },
    /// Part of the security setting, under the name `to`.
    Security { to: &'static str, check: Check },
    /// Without meaning here; listed in a warning.
    Ignored(&'static str),
    /// An error, with its remedy.
    Refused(&'static str),
}

/// One row of a table of client keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientKey {
    pub(crate) name: &'static str,
    pub(crate) roles: Roles,
    pub(crate) treatment: Treatment,
}

const fn row(name: &'static str, roles: Roles, treatment: Treatment) -> ClientKey {
    ClientKey { name, roles, treatment }
}

const fn int(min: i64, max: i64) -> Check {
    Check::Int { min, max }
}

const fn one_of(words: &'static [&'static str]) -> Check {
    Check::OneOf(words)
}

/// The row of a client's key in any of the vocabularies.
pub(crate) fn client_key(name: &str) -> Option<&'static ClientKey> {
    client_keys().find(|key| key.name == name)
}

/// The row of a key of the application as a whole.
pub(crate) fn streams_key(name: &str) -> Option<&'static StreamsKey> {
    STREAMS_KEYS.iter().find(|key| key.name == name)
}

/// All client keys, Kafka's vocabulary first.
pub(crate) fn client_keys() -> impl Iterator<Item = &'static ClientKey> {
    KAFKA_CLIENT_KEYS.iter().chain(SECURITY_KEYS).chain(LIBRDKAFKA_KEYS)
}

/// Kafka's key for the level of a codec.
pub(crate) fn codec_level_key(codec: &str) -> Option<&'static str> {
    KAFKA_CLIENT_KEYS.iter().find_map(|key| match key.treatment {
        Treatment::CodecLevel { codec: of, .. } if of == codec => Some(key.name),
        _ => None,
    })
}
