//! What the cluster tells about the topics that stores are restored from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use streams_core::membership::TopicId;
use streams_core::names::TopicName;
use streams_core::store::{ChangelogTopic, Deletions};

use crate::ffi::admin::Admin;
use crate::ffi::topics::{Each, TopicError};
use crate::topics::{Topics, TopicsError};

impl Topics {
    /// The cluster's id, and ids and settings of these topics. What this principal may not ask for
    /// is unknown: Kafka Streams needs neither, so an application goes on without.
    ///
    /// # Errors
    /// No broker answered, or a topic is not known to it yet: asking again may help.
    pub(crate) fn describe(
        &self,
        topics: &BTreeSet<TopicName>,
    ) -> Result<BTreeMap<TopicName, ChangelogTopic>, TopicsError> {
        if topics.is_empty() {
            return Ok(BTreeMap::new());
        }
        let names: Vec<&str> = topics.iter().map(TopicName::as_str).collect();
        let wait = self.ask_max();
        let cluster_id = self.with_admin(|admin| admin.cluster_id(wait))?;
        let cluster_id: Option<Arc<str>> = (!cluster_id.is_empty()).then(|| cluster_id.into());
        let ids = self.ask_each(|admin| admin.describe_topics(&names, wait))?;
        let settings = self.ask_each(|admin| admin.describe_configs(&names, wait))?;
        let mut known: BTreeMap<TopicName, ChangelogTopic> = topics
            .iter()
            .map(|topic| {
                let cluster_id = cluster_id.clone();
                (topic.clone(), ChangelogTopic { cluster_id, ..ChangelogTopic::default() })
            })
            .collect();
        for described in ids {
            if let Some(topic) = known.get_mut(&TopicName::from(described.topic)) {
                topic.topic_id = described.id.map(TopicId);
            }
        }
        for configured in settings {
            if let Some(topic) = known.get_mut(&TopicName::from(configured.topic)) {
                let of = |name| configured.settings.get(name).map(String::as_str);
                topic.deletions =
                    Deletions::from_settings(of("cleanup.policy"), of("delete.retention.ms"));
            }
        }
        Ok(known)
    }

    /// The answers that there are. A refusal is told once.
    fn ask_each<T>(&self, ask: impl FnOnce(&Admin) -> Each<T>) -> Result<Vec<T>, TopicsError> {
        let answers = match self.with_admin(|admin| Ok(ask(admin)))? {
            Ok(answers) => answers,
            Err(error) if error.is_refusal() => {
                self.refused(&error.to_string());
                return Ok(Vec::new());
            }
            Err(error) => return Err(TopicsError::Ask(error.to_string())),
        };
        let mut given = Vec::new();
        for answer in answers {
            match answer {
                Ok(answer) => given.push(answer),
                // A broker hears of a new topic a little later.
                Err(error @ TopicError::Unknown { .. }) => {
                    return Err(TopicsError::Ask(error.to_string()));
                }
                Err(error) => self.refused(&error.to_string()),
            }
        }
        Ok(given)
    }

    fn refused(&self, error: &str) {
        if !self.told_refusal() {
            tracing::warn!(%error, "the ids and settings of changelogs are not known, so a store is trusted however old it is; grant DESCRIBE and DESCRIBE_CONFIGS on them");
        }
    }
}
