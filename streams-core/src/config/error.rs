//! Faults and warnings of a configuration.

use std::fmt;

use super::check::Constraint;
use super::origin::Origin;
use super::properties::SyntaxFault;
use crate::topology::GeneratedNames;

/// One fault of a configuration. No message shows a value that could be secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A key without default is not set.
    #[error("'{key}' is not set; {remedy}")]
    Missing {
        /// The key.
        key: &'static str,
        /// How to set it.
        remedy: &'static str,
    },
    /// No such key; the value is not shown, since nobody knows what it is.
    #[error("unknown key '{key}' ({origin});{} keys of your own start with 'app.'", meant(.nearest))]
    UnknownKey {
        /// The key as written.
        key: String,
        /// The known key most like it, if one is near.
        nearest: Option<String>,
        /// Where it was set.
        origin: Origin,
    },
    /// A key of one client was given to another.
    #[error("'{key}' ({origin}) has no meaning for that client; it is set as '{instead}'")]
    WrongClient {
        /// The key as written.
        key: String,
        /// A key that would be understood.
        instead: String,
        /// Where it was set.
        origin: Origin,
    },
    /// A value breaks the rule of its key.
    #[error("{value} for '{key}' ({origin}) must be {constraint}")]
    InvalidValue {
        /// The key as written.
        key: String,
        /// The value, unless it could be secret.
        value: Shown,
        /// The rule.
        constraint: Constraint,
        /// Where it was set.
        origin: Origin,
    },
    /// A key whose neglect would change results, storage or security, or that Millstream sets
    /// itself.
    #[error("'{key}' ({origin}) cannot be set: {remedy}")]
    Refused {
        /// The key as written.
        key: String,
        /// What to do instead.
        remedy: &'static str,
        /// Where it was set.
        origin: Origin,
    },
    /// Two names of one setting have different values at one place.
    #[error(
        "'{first}' ({first_origin}) and '{second}' ({second_origin}) mean one setting and differ; remove one"
    )]
    Contradiction {
        /// One name as written.
        first: String,
        /// Where it was set.
        first_origin: Origin,
        /// The other name as written.
        second: String,
        /// Where it was set.
        second_origin: Origin,
    },
    /// Values that are good by themselves do not go together.
    #[error("'{key}' ({origin}) does not go with '{other}': {reason}")]
    Incompatible {
        /// The key to change.
        key: String,
        /// Where it was set.
        origin: Origin,
        /// The key that it does not go with.
        other: String,
        /// Why, and what to do.
        reason: &'static str,
    },
    /// A setting asks for something that this release does not have.
    #[error("'{key}' ({origin}) is '{value}', which is not available yet; {remedy}")]
    NotAvailable {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What to do instead.
        remedy: &'static str,
        /// Where it was set.
        origin: Origin,
    },
    /// Names were generated, and the configuration asks for names that the program gives.
    #[error(
        "'ensure.explicit.internal.resource.naming' ({origin}) is 'true', but these names were generated: {names}; give names to the operators, by 'Materialized', 'Grouped', 'Joined', 'StreamJoined' and such, or remove the key"
    )]
    GeneratedNames {
        /// What has such a name.
        names: GeneratedNames,
        /// Where it was set.
        origin: Origin,
    },
    /// A topology was built with other optimisations than the configuration asks for.
    #[error(
        "'topology.optimization' ({origin}) is '{wanted}', but the topology was built with '{built_with}'; give the configuration's optimizations to 'build_with', or remove the key"
    )]
    OtherOptimizations {
        /// What the configuration asks for.
        wanted: String,
        /// What the topology was built with.
        built_with: String,
        /// Where it was set.
        origin: Origin,
    },
    /// A login line is not of a form that is understood; none of it is shown.
    #[error("'sasl.jaas.config' ({origin}) {reason}")]
    Jaas {
        /// What is wrong, and the remedy.
        reason: &'static str,
        /// Where it was set.
        origin: Origin,
    },
    /// A key store of Java's.
    #[error("'{key}' ({origin}) is not PEM; convert it by `{command}` and set '{instead}'")]
    KeyStore {
        /// The key as written.
        key: String,
        /// A command that writes the PEM file.
        command: &'static str,
        /// The key, or keys, to set then.
        instead: &'static str,
        /// Where it was set.
        origin: Origin,
    },
    /// A `.properties` text is malformed.
    #[error("{origin}: {fault}")]
    Syntax {
        /// File and line.
        origin: Origin,
        /// What is wrong.
        fault: SyntaxFault,
    },
    /// An environment variable that is read holds other bytes than text.
    #[error("environment variable '{variable}' is not UTF-8; write its name and value as UTF-8")]
    NotUtf8 {
        /// Name of the variable, what is not UTF-8 replaced.
        variable: String,
    },
    /// The name of an environment variable stands for no key.
    #[error("environment variable '{variable}' stands for no key: {reason}")]
    Variable {
        /// Name of the variable.
        variable: String,
        /// Why.
        reason: &'static str,
    },
}

fn meant(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!(" did you mean '{name}'?")).unwrap_or_default()
}

/// A value in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shown {
    /// The value, shortened when long.
    Plain(String),
    /// A value that is not shown.
    Hidden,
}

impl Shown {
    const LENGTH_MAX: usize = 80;

    pub(crate) fn plain(text: &str) -> Self {
        Self::Plain(text.chars().take(Self::LENGTH_MAX).collect())
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => write!(f, "value '{text}'"),
            Self::Hidden => f.write_str("the value (not shown)"),
        }
    }
}

/// All faults of a configuration, in the order in which they were found; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    pub(crate) fn when_any(errors: Vec<ConfigError>) -> Result<(), Self> {
        if errors.is_empty() { Ok(()) } else { Err(Self(errors)) }
    }

    /// The faults.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [only] => write!(f, "configuration: {only}"),
            all => {
                write!(f, "configuration has {} faults", all.len())?;
                all.iter().try_for_each(|error| write!(f, "\n  {error}"))
            }
        }
    }
}

impl std::error::Error for ConfigErrors {}

/// A key that was set and does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoredKey {
    /// The key as written.
    pub key: String,
    /// Why it does nothing.
    pub reason: &'static str,
    /// Where it was set.
    pub origin: Origin,
}

/// Something that the user should know and that hinders nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigWarning {
    /// Keys of Kafka's that have no meaning here, all in one warning.
    NoMeaning(Vec<IgnoredKey>),
    /// A deprecated key is set beside the one that replaced it, and does nothing.
    Replaced {
        /// The deprecated key.
        old: &'static str,
        /// The key that counts.
        new: &'static str,
    },
    /// A key is set twice in one file; the last counts.
    Repeated {
        /// The key.
        key: String,
        /// Where it was set last.
        origin: Origin,
    },
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMeaning(keys) => {
                f.write_str("keys without meaning here:")?;
                keys.iter().enumerate().try_for_each(|(at, ignored)| {
                    let before = if at == 0 { " " } else { "; " };
                    let IgnoredKey { key, reason, origin } = ignored;
                    write!(f, "{before}'{key}' ({origin}): {reason}")
                })
            }
            Self::Replaced { old, new } => {
                write!(f, "'{old}' is ignored, since '{new}' is set as well")
            }
            Self::Repeated { key, origin } => {
                write!(f, "'{key}' is set twice; the last ({origin}) counts")
            }
        }
    }
}
