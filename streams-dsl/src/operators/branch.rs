//! Gives a record to the first branch whose predicate holds, else to the default branch if there is
//! one. Kafka's `KStreamBranch`.

use std::sync::Arc;

use streams_core::error::{ProcessorError, Pushed};
use streams_core::names::NodeName;
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;

use super::Place;

pub(crate) const PREFIX: &str = "KSTREAM-BRANCH-";

pub(crate) type Predicate<K, V> = dyn Fn(&K, &V) -> Result<bool, ProcessorError> + Send + Sync;

/// A branch: the node that takes its records, and which these are; none for the default.
pub(crate) struct Case<K, V> {
    pub(crate) child: NodeName,
    pub(crate) holds: Option<Arc<Predicate<K, V>>>,
}

impl<K, V> Clone for Case<K, V> {
    fn clone(&self) -> Self {
        Self { child: self.child.clone(), holds: self.holds.clone() }
    }
}

struct Branch<K, V> {
    /// Those with predicates first.
    cases: Vec<Placed<K, V>>,
    out: Edge<K, V>,
    place: Place,
}

/// A case, by the place of its child.
struct Placed<K, V> {
    child: usize,
    holds: Option<Arc<Predicate<K, V>>>,
}

impl<K: Clone, V: Clone> Push<K, V> for Branch<K, V> {
    fn push(&mut self, record: Record<K, V>) -> Pushed {
        for case in &self.cases {
            let takes = match &case.holds {
                Some(holds) => holds(&record.key, &record.value),
                None => Ok(true),
            };
            match takes {
                Ok(true) => return self.out.push_to(case.child, record),
                Ok(false) => {}
                Err(error) => return self.place.fail(error),
            }
        }
        Ok(())
    }
}

/// Gives each record to the first of `cases` that takes it.
pub(crate) fn template<K, V>(cases: Vec<Case<K, V>>) -> ProcessorTemplate
where
    K: Clone + 'static,
    V: Clone + 'static,
{
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<K, V>| {
        let placed = cases.iter().filter_map(|case| {
            let child = out.children().position(|name| *name == case.child)?;
            Some(Placed { child, holds: case.holds.clone() })
        });
        let mut placed: Vec<_> = placed.collect();
        placed.sort_by_key(|case| case.holds.is_none());
        Ok(NodeCell::<K, V>::owned(Branch { cases: placed, out, place: Place::of(links) }))
    })
}
