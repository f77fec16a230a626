//! Names of stores and internal topics that the program did not give (KIP-1111).

use std::collections::BTreeSet;
use std::fmt;

use super::Topology;
use crate::names::{StoreName, TopicName};
use crate::store::Logging;

/// Stores and internal topics of a topology that have a generated name, such as
/// `KSTREAM-AGGREGATE-STATE-STORE-0000000003`. The number is a place in the program: an operator
/// that is put before it changes the name, and what lies under the old one is left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GeneratedNames {
    /// The stores.
    pub stores: Vec<StoreName>,
    /// Their changelogs, without the application's prefix.
    pub changelogs: Vec<TopicName>,
    /// The repartition topics, and those of joins by a foreign key, without the prefix.
    pub repartition_topics: Vec<TopicName>,
}

impl GeneratedNames {
    /// Whether the program named all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.stores.is_empty() && self.repartition_topics.is_empty()
    }

    /// Those of a topology, of what `generated` names.
    pub(super) fn of(topology: &Topology, generated: &BTreeSet<String>) -> Self {
        // DIFFERENCE(explicit-naming): Kafka notes a name when a table is declared, stored or not, and
        // none of a join by a foreign key.
        let stores = topology.stores().filter(|store| generated.contains(store.name().as_str()));
        let stores: Vec<_> = stores.collect();
        let logged = stores.iter().filter(|store| matches!(store.logging(), Logging::On(_)));
        let changelogs = logged.map(|store| format!("{}-changelog", store.name()).into());
        let topics = topology.parts().repartition_topics.keys();
        let topics = topics.filter(|topic| generated.contains(topic.as_str()));
        Self {
            changelogs: changelogs.collect(),
            repartition_topics: topics.cloned().collect(),
            stores: stores.into_iter().map(|store| store.name().clone()).collect(),
        }
    }
}

fn quoted<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for GeneratedNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            ("changelogs", quoted(self.changelogs.iter().map(TopicName::as_str))),
            ("stores", quoted(self.stores.iter().map(StoreName::as_str))),
            ("repartition topics", quoted(self.repartition_topics.iter().map(TopicName::as_str))),
        ];
        let kinds = kinds.into_iter().filter(|(_, names)| !names.is_empty());
        let kinds: Vec<_> = kinds.map(|(kind, names)| format!("{kind} {names}")).collect();
        f.write_str(&kinds.join("; "))
    }
}
