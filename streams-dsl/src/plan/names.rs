//! Generated names. Indices are taken also where a name is given, so that a program's other names
//! stay as Kafka would have them.

use std::collections::BTreeSet;

use streams_core::names::{NameError, NodeName, StoreName, check_name};

/// The counter that nodes and stores share.
#[derive(Debug, Default)]
pub(crate) struct Names {
    next: u32,
    /// Given names that break Kafka's rule.
    faults: Vec<NameError>,
    /// Names of stores and internal topics that were not given.
    generated: BTreeSet<String>,
}

/// Whose a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    /// The program's.
    Given,
    /// Made up, or put together of one that was.
    Generated,
}

impl Naming {
    /// That of a name that is used where there is one, else a generated one.
    pub(crate) const fn of<T>(given: Option<&T>) -> Self {
        if given.is_some() { Self::Given } else { Self::Generated }
    }
}

impl Names {
    fn index(&mut self) -> u32 {
        let index = self.next;
        self.next += 1;
        index
    }

    /// A generated name of a node, such as `KSTREAM-MAP-0000000007`.
    pub(crate) fn node(&mut self, prefix: &str) -> NodeName {
        format!("{prefix}{:010}", self.index()).into()
    }

    /// A generated name of a store, such as `KSTREAM-AGGREGATE-STATE-STORE-0000000003`.
    pub(crate) fn store(&mut self, prefix: &str) -> StoreName {
        let name = format!("{prefix}STATE-STORE-{:010}", self.index());
        self.note_generated(&name);
        name.into()
    }

    /// Takes an index that nothing is named by.
    pub(crate) fn skip(&mut self) {
        self.index();
    }

    /// Notes that a store or an internal topic has a name which was not given.
    pub(crate) fn note_generated(&mut self, name: &str) {
        self.generated.insert(name.to_owned());
    }

    /// Whose the name of a store is.
    pub(crate) fn naming_of(&self, store: &StoreName) -> Naming {
        if self.generated.contains(store.as_str()) { Naming::Generated } else { Naming::Given }
    }

    /// The names of stores and internal topics that were not given.
    pub(super) fn generated(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.generated)
    }

    /// The given name, or a generated one.
    pub(crate) fn node_or(&mut self, given: Option<NodeName>, prefix: &str) -> NodeName {
        let generated = self.node(prefix);
        given.map_or(generated, |given| self.given(given))
    }

    /// The given name, or a generated one, which alone takes an index.
    pub(crate) fn given_or(&mut self, given: Option<NodeName>, prefix: &str) -> NodeName {
        match given {
            Some(given) => self.given(given),
            None => self.node(prefix),
        }
    }

    /// The given name of a store, or a generated one, which alone takes an index.
    pub(crate) fn store_or(&mut self, given: Option<StoreName>, prefix: &str) -> StoreName {
        match given {
            Some(given) => self.given_store(given),
            None => self.store(prefix),
        }
    }

    /// The given name of a store.
    pub(crate) fn given_store(&mut self, name: StoreName) -> StoreName {
        self.check(name.as_str());
        name
    }

    /// A given name. Kafka's rule holds for what a program names itself; names that are put
    /// together of one, or of nobody's making, may break it.
    pub(crate) fn given(&mut self, name: NodeName) -> NodeName {
        self.check(name.as_str());
        name
    }

    fn check(&mut self, name: &str) {
        let fault = check_name(name).err();
        self.faults.extend(fault.filter(|fault| !self.faults.contains(fault)));
    }

    /// The faults that were found.
    pub(super) fn faults(&mut self) -> Vec<NameError> {
        std::mem::take(&mut self.faults)
    }

    /// The given name with a suffix, or a generated one.
    pub(crate) fn suffixed(
        &mut self,
        given: Option<&NodeName>,
        suffix: &str,
        prefix: &str,
    ) -> NodeName {
        let generated = self.node(prefix);
        let Some(given) = given else { return generated };
        self.check(given.as_str());
        self.given(format!("{given}{suffix}").into())
    }
}

const REPARTITION_SUFFIX: &str = "-repartition";

/// The names around a repartition topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RepartitionNames {
    pub(crate) topic: String,
    pub(crate) sink: NodeName,
    pub(crate) filter: NodeName,
    pub(crate) source: NodeName,
}

impl Names {
    /// Names for a repartition topic called after `base`.
    pub(crate) fn repartition(&mut self, base: &str, naming: Naming) -> RepartitionNames {
        let topic = if base.ends_with(REPARTITION_SUFFIX) {
            base.to_owned()
        } else {
            format!("{base}{REPARTITION_SUFFIX}")
        };
        if naming == Naming::Generated {
            self.note_generated(&topic);
        }
        let sink = self.node("KSTREAM-SINK-");
        let filter = self.node("KSTREAM-FILTER-");
        let source = self.node("KSTREAM-SOURCE-");
        if is_generated(base) {
            return RepartitionNames { topic, sink, filter, source };
        }
        let called = |suffix: &str| NodeName::from(format!("{topic}{suffix}"));
        RepartitionNames {
            sink: called("-sink"),
            filter: called("-filter"),
            source: called("-source"),
            topic,
        }
    }
}

/// Kafka's `KSTREAM.*-[0-9]{10}`.
fn is_generated(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("KSTREAM") else { return false };
    let Some(at) = rest.len().checked_sub(11) else { return false };
    let tail = rest.as_bytes().get(at..).unwrap_or_default();
    matches!(tail, [b'-', digits @ ..] if digits.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_name_takes_an_index_too() {
        let mut names = Names::default();
        assert_eq!(names.node_or(Some("mine".into()), "KSTREAM-MAP-"), "mine");
        assert_eq!(names.node_or(None, "KSTREAM-MAP-"), "KSTREAM-MAP-0000000001");
        assert_eq!(names.store("KSTREAM-REDUCE-"), "KSTREAM-REDUCE-STATE-STORE-0000000002");
        let given = NodeName::from("words");
        assert_eq!(names.suffixed(Some(&given), "-source", "KSTREAM-SOURCE-"), "words-source");
        assert_eq!(names.suffixed(None, "-sink", "KSTREAM-SINK-"), "KSTREAM-SINK-0000000004");
    }

    #[test]
    fn names_around_a_repartition_topic_follow_a_given_name() {
        let mut names = Names::default();
        let given = names.repartition("words", Naming::Given);
        assert_eq!(given.topic, "words-repartition");
        assert_eq!(given.sink, "words-repartition-sink");
        let generated =
            names.repartition("KSTREAM-AGGREGATE-STATE-STORE-0000000009", Naming::Generated);
        assert_eq!(generated.source, "KSTREAM-SOURCE-0000000005");
        assert_eq!(names.repartition("x-repartition", Naming::Given).topic, "x-repartition");
        assert!(!is_generated("KSTREAM-000000001") && !is_generated("KSTREAM-00000000x1"));
    }
}
