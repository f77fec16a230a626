//! What a value must be; the equal of Kafka's validators.

use std::fmt;

use super::address::HostPort;
use super::names;
use super::topology::Optimization;

/// What the value of a key must be. A value that passes is kept in one normal spelling.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Check {
    Int {
        min: i64,
        max: i64,
    },
    Bool,
    OneOf(&'static [&'static str]),
    Text,
    /// Kept to the blank; for passwords.
    Raw,
    Acks,
    DebugContexts,
    Name,
    Path,
    HostPorts,
    GroupProtocol,
    ReplicationFactor,
    Optimizations,
    Mechanism,
    OffsetReset,
    Class {
        words: &'static [(&'static str, &'static str)],
        remedy: &'static str,
    },
}

/// The rule that a value broke, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Constraint {
    /// An integer between two bounds, both allowed.
    Integer {
        /// Smallest value allowed.
        min: i64,
        /// Largest value allowed.
        max: i64,
    },
    /// `true` or `false`.
    Boolean,
    /// One of a few words.
    OneOf(Vec<&'static str>),
    /// A name that a group, topic or directory can bear.
    Name,
    /// Anything but nothing.
    NotEmpty,
    /// A rule of one key, in words that follow "must be".
    Rule(&'static str),
    /// A class of Kafka's that Millstream knows; others are given in code.
    KnownClass {
        /// The values that are understood.
        words: Vec<&'static str>,
        /// What to do instead.
        remedy: &'static str,
    },
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer { min: i64::MIN, max: i64::MAX } => f.write_str("an integer"),
            Self::Integer { min, max: i64::MAX } => write!(f, "an integer of at least {min}"),
            Self::Integer { min, max } => write!(f, "an integer from {min} to {max}"),
            Self::Boolean => f.write_str("'true' or 'false'"),
            Self::OneOf(words) => write_words(f, words),
            Self::Name => write!(f, "{}", names::RULE),
            Self::NotEmpty => f.write_str("not empty"),
            Self::Rule(rule) => f.write_str(rule),
            Self::KnownClass { words, remedy } => {
                write_words(f, words)?;
                write!(f, "; {remedy}")
            }
        }
    }
}

fn write_words(f: &mut fmt::Formatter<'_>, words: &[&str]) -> fmt::Result {
    for (at, word) in words.iter().enumerate() {
        let before = match at {
            0 => "",
            _ if at + 1 == words.len() => " or ",
            _ => ", ",
        };
        write!(f, "{before}'{word}'")?;
    }
    Ok(())
}

impl Check {
    /// The value in its normal spelling, or the rule that it breaks.
    pub(crate) fn normal(&self, raw: &str) -> Result<String, Constraint> {
        let value = raw.trim();
        match *self {
            Self::Raw => Ok(raw.to_owned()),
            Self::Int { min, max } => integer(value, min, max),
            Self::Bool => {
                word(value, &["true", "false"]).map(str::to_owned).ok_or(Constraint::Boolean)
            }
            Self::OneOf(words) => word(value, words)
                .map(str::to_owned)
                .ok_or_else(|| Constraint::OneOf(words.to_vec())),
            Self::Text => Ok(value.to_owned()),
            Self::Acks if value.eq_ignore_ascii_case("all") => Ok("-1".to_owned()),
            Self::Acks if matches!(value, "-1" | "1") => Ok(value.to_owned()),
            // DIFFERENCE(no-acks): Kafka takes 0. Deliveries have no offsets then, so that no store
            // would know its position in its changelog.
            Self::Acks => Err(Constraint::Rule(
                "'all', '-1' or '1'; with 0 nobody tells how far a changelog was written",
            )),
            Self::DebugContexts => debug_contexts(value),
            Self::Name if names::is_name(value) => Ok(value.to_owned()),
            Self::Name => Err(Constraint::Name),
            Self::Path if value.is_empty() => Err(Constraint::NotEmpty),
            Self::Path => Ok(value.to_owned()),
            Self::HostPorts => HostPort::parse_list(value)
                .map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
                .ok_or(Constraint::Rule("a list of distinct 'host:port', separated by commas")),
            Self::GroupProtocol => group_protocol(value),
            Self::ReplicationFactor => replication_factor(value),
            Self::Optimizations => Optimization::parse_set(value)
                .map(|set| Optimization::write_set(&set))
                .ok_or(Constraint::Rule(Optimization::RULE)),
            Self::Mechanism => mechanism(value),
            Self::OffsetReset => super::membership::OffsetReset::parse(value)
                .map(|reset| reset.to_string())
                .ok_or(Constraint::Rule(super::membership::OffsetReset::RULE)),
            Self::Class { words, remedy } => class_word(value, words)
                .ok_or_else(|| Constraint::KnownClass { words: plain_words(words), remedy }),
        }
    }
}

fn integer(value: &str, min: i64, max: i64) -> Result<String, Constraint> {
    match value.parse::<i64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(number.to_string()),
        _ => Err(Constraint::Integer { min, max }),
    }
}

fn word(value: &str, words: &[&'static str]) -> Option<&'static str> {
    words.iter().find(|word| word.eq_ignore_ascii_case(value)).copied()
}

/// Contexts of librdkafka's log that never show what is secret.
fn debug_contexts(value: &str) -> Result<String, Constraint> {
    const KNOWN: [&str; 18] = [
        "generic",
        "broker",
        "topic",
        "metadata",
        "feature",
        "queue",
        "msg",
        "protocol",
        "cgrp",
        "fetch",
        "interceptor",
        "plugin",
        "consumer",
        "admin",
        "eos",
        "mock",
        "assignor",
        "telemetry",
    ];
    let shows_secrets = |context: &str| matches!(context, "security" | "conf" | "all");
    let contexts: Vec<&str> = value.split(',').map(str::trim).collect();
    if contexts.iter().any(|context| shows_secrets(context)) {
        return Err(Constraint::Rule(
            "without the contexts 'security', 'conf' and 'all', which print secrets",
        ));
    }
    if !value.is_empty() && contexts.iter().any(|context| !KNOWN.contains(context)) {
        return Err(Constraint::Rule(
            "a list of librdkafka's contexts, such as 'broker' or 'fetch', separated by commas",
        ));
    }
    Ok(contexts.join(","))
}

fn group_protocol(value: &str) -> Result<String, Constraint> {
    word(value, &["classic"]).map(str::to_owned).ok_or(Constraint::Rule(
        "'classic'; the streams protocol is not available yet, and every broker speaks the classic one",
    ))
}

fn replication_factor(value: &str) -> Result<String, Constraint> {
    match integer(value, -1, i64::from(i16::MAX)) {
        Ok(number) if number != "0" => Ok(number),
        _ => Err(Constraint::Rule("at least 1, or -1 for the broker's default")),
    }
}

fn mechanism(value: &str) -> Result<String, Constraint> {
    const KNOWN: [&str; 4] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];
    if value.eq_ignore_ascii_case("GSSAPI") {
        return Err(Constraint::Rule(
            "other than GSSAPI, which is not supported; add a SCRAM user or a listener with OAUTHBEARER, or run in Java",
        ));
    }
    word(value, &KNOWN).map(str::to_owned).ok_or_else(|| Constraint::OneOf(KNOWN.to_vec()))
}

/// The word for a class by its simple name, or a word of ours itself.
fn class_word(value: &str, words: &[(&'static str, &'static str)]) -> Option<String> {
    let simple = value.rsplit(['.', '$']).next().unwrap_or(value);
    words
        .iter()
        .find(|(class, word)| {
            class.eq_ignore_ascii_case(simple) || word.eq_ignore_ascii_case(value)
        })
        .map(|(_, word)| (*word).to_owned())
}

fn plain_words(words: &[(&'static str, &'static str)]) -> Vec<&'static str> {
    let mut plain: Vec<&'static str> = Vec::new();
    for (_, word) in words {
        if !plain.contains(word) {
            plain.push(word);
        }
    }
    plain
}
