//! The topics that serdes are told for parts of a record, such as a key inside a value. They do not
//! exist, but a serde may look a schema up by their names.

use std::sync::OnceLock;

use streams_core::names::{ApplicationId, StoreName, TopicName};

/// `<application id>-<subscription topic>-<part>`.
#[derive(Debug)]
pub(crate) struct PseudoTopic {
    /// The subscription topic and the part.
    name: String,
    /// What the topics that a serde is called with end in, behind the prefix.
    topics: [String; 2],
    /// The last topic that was given, and the pseudo-topic of the same prefix: all but the first
    /// look-ups of a serde find it here.
    known: [OnceLock<(TopicName, TopicName)>; 2],
}

impl PseudoTopic {
    /// A part of what is written to the subscription topic and to the changelog of the subscription
    /// store.
    pub(crate) fn new(subscriptions: &TopicName, store: &StoreName, part: &str) -> Self {
        Self {
            name: format!("{subscriptions}-{part}"),
            topics: [subscriptions.to_string(), format!("{store}-changelog")],
            known: [OnceLock::new(), OnceLock::new()],
        }
    }

    /// Its name in an application.
    pub(crate) fn of_application(&self, application: &ApplicationId) -> TopicName {
        format!("{application}-{}", self.name).into()
    }

    /// Its name beside the topic that is written or read.
    pub(super) fn beside(&self, topic: &TopicName) -> TopicName {
        for (end, known) in self.topics.iter().zip(&self.known) {
            let Some(prefix) = topic.as_str().strip_suffix(end.as_str()) else { continue };
            let name = || TopicName::from(format!("{prefix}{}", self.name));
            let (given, pseudo) = known.get_or_init(|| (topic.clone(), name()));
            return if given == topic { pseudo.clone() } else { name() };
        }
        topic.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_that_of_the_topic_at_hand() {
        let pseudo = PseudoTopic::new(&"S-topic".into(), &"STORE".into(), "pk");
        for prefix in ["app", "other"] {
            let name = format!("{prefix}-S-topic-pk");
            assert_eq!(pseudo.beside(&format!("{prefix}-S-topic").into()), name.as_str());
            assert_eq!(pseudo.beside(&format!("{prefix}-STORE-changelog").into()), name.as_str());
            assert_eq!(pseudo.of_application(&prefix.into()), name.as_str());
        }
    }
}
