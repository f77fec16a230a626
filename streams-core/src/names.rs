//! Names and identifiers as types: topics, stores, nodes, applications, tasks.

use std::fmt;
use std::sync::Arc;

/// Why a text cannot be the name of a topic, store, node or application.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is empty.
    #[error("a name is empty; give it at least one character")]
    Empty,
    /// The name is `.` or `..`, which no file system takes.
    #[error("the name \"{0}\" is reserved; choose another")]
    Reserved(String),
    /// The name has more than 249 characters.
    #[error("the name \"{0}\" has more than 249 characters; shorten it")]
    TooLong(String),
    /// The name holds a character that Kafka refuses.
    #[error("the name \"{0}\" holds other characters than letters, digits, '.', '_' and '-'")]
    Character(String),
}

/// Kafka's rule for the names of topics, nodes and stores.
///
/// ```
/// # use streams_core::names::check_name;
/// assert!(check_name("orders-2.daily_sum").is_ok());
/// assert!(check_name("daily sum").is_err());
/// assert!(check_name("..").is_err());
/// ```
///
/// # Errors
/// When the name is empty, `.` or `..`, longer than 249 characters, or holds other characters
/// than `[a-zA-Z0-9._-]`.
pub fn check_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name == "." || name == ".." {
        return Err(NameError::Reserved(name.to_owned()));
    }
    if name.len() > 249 {
        return Err(NameError::TooLong(name.to_owned()));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !name.chars().all(allowed) {
        return Err(NameError::Character(name.to_owned()));
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether Kafka would take this name.
            ///
            /// # Errors
            /// What is wrong with it, see [`check_name`].
            pub fn check(&self) -> Result<(), NameError> {
                check_name(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(name.into())
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self(name.into())
            }
        }

        impl From<&Self> for $name {
            fn from(name: &Self) -> Self {
                name.clone()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                &*self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                &*self.0 == *other
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// The name of a Kafka topic.
    TopicName
}
name! {
    /// The name of a state store, unique in its topology.
    StoreName
}
name! {
    /// The name of a node of the topology, as `describe()` prints it.
    NodeName
}
name! {
    /// Kafka's `application.id`: the consumer group, and the prefix of internal topics.
    ApplicationId
}

/// The number of a sub-topology: a connected part of the topology, whose tasks are independent of
/// the others'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubtopologyId(pub u32);

impl fmt::Display for SubtopologyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A task: one sub-topology on one partition of its inputs. Prints as Kafka's, `0_3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    /// Which part of the topology the task runs.
    pub subtopology: SubtopologyId,
    /// Which partition of its input topics the task reads.
    pub partition: i32,
}

impl TaskId {
    /// The task of this sub-topology and partition.
    ///
    /// ```
    /// # use streams_core::names::TaskId;
    /// assert_eq!(TaskId::new(1, 3).to_string(), "1_3");
    /// ```
    #[must_use]
    pub const fn new(subtopology: u32, partition: i32) -> Self {
        Self { subtopology: SubtopologyId(subtopology), partition }
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.subtopology, self.partition)
    }
}

/// One partition of a topic. Prints as Kafka's, `orders-3`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicName,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// The partition of this topic and number.
    ///
    /// ```
    /// # use streams_core::names::TopicPartition;
    /// assert_eq!(TopicPartition::new("orders", 3).to_string(), "orders-3");
    /// ```
    pub fn new(topic: impl Into<TopicName>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafkas_rule_for_names() {
        for good in ["a", "KSTREAM-MAP-0000000001", "a.b_c-d", "..."] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        assert_eq!(check_name(""), Err(NameError::Empty));
        assert_eq!(check_name(".."), Err(NameError::Reserved("..".into())));
        assert_eq!(check_name("a b"), Err(NameError::Character("a b".into())));
        assert!(matches!(check_name(&"x".repeat(250)), Err(NameError::TooLong(_))));
    }

    #[test]
    fn tasks_and_partitions_print_as_in_kafka() {
        assert_eq!(TaskId::new(0, 3).to_string(), "0_3");
        assert_eq!(TopicPartition::new("orders", 2).to_string(), "orders-2");
    }
}
