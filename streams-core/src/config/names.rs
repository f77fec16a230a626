//! Names that reach the broker and the file system.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

pub use crate::names::ApplicationId;

/// What a name must be, in words that follow "must be".
pub(crate) const RULE: &str =
    "1 to 249 of the characters a-z, A-Z, 0-9, '.', '_' and '-', and not '.' or '..'";

/// Characters of a refused name that are shown.
const LENGTH_MAX: usize = 249;

/// Kafka's rule for topic names, which these names become parts of.
pub(crate) fn is_name(text: &str) -> bool {
    crate::names::check_name(text).is_ok()
}

/// A name breaks Kafka's rule for names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("name '{name}' must be {RULE}")]
pub struct InvalidName {
    /// The name as given, shortened when long.
    pub name: String,
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                if is_name(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidName { name: text.chars().take(LENGTH_MAX).collect() })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

impl FromStr for ApplicationId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if is_name(text) {
            Ok(Self::from(text))
        } else {
            Err(InvalidName { name: text.chars().take(LENGTH_MAX).collect() })
        }
    }
}

name_type! {
    /// First part of the names by which the broker's logs and quotas know this process's clients.
    ClientId
}
name_type! {
    /// Name that a process keeps across restarts, so that the group waits for it.
    GroupInstanceId
}
name_type! {
    /// First part of the names of internal topics in place of the application id.
    TopicPrefix
}
name_type! {
    /// Topic to which records go that could not be handled.
    DeadLetterTopic
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_to_kafkas_rule() {
        let longest = "a".repeat(249);
        for good in ["a", "orders-v2_x.y", "...", longest.as_str()] {
            assert_eq!(good.parse::<ApplicationId>().unwrap().as_str(), good);
        }
        let too_long = "a".repeat(250);
        for bad in ["", ".", "..", "a b", "a/b", "é", too_long.as_str()] {
            assert!(bad.parse::<ApplicationId>().is_err(), "{bad}");
        }
    }
}
