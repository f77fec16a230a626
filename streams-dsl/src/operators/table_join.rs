//! Joins the changes of one table with the rows of another, key by key. The result's time is the
//! later of the two rows'; headers are the change's. A joiner that gives nothing deletes the row. A
//! late change of a versioned table is dropped and counted. Kafka's
//! `KTableKTable{Inner,Left,Right,Outer}Join`, which differ in what has to be there.

use std::sync::Arc;

use streams_core::error::{ProcessorError, Pushed};
use streams_core::metrics::DropReason;
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;
use streams_state::{OldValues, Timestamped};

use super::Place;
use crate::change::Change;
use crate::plan::{Input, TableSettings};
use crate::view::{LookUp, LookedUp, TableView, View};

pub(crate) const THIS_PREFIX: &str = "KTABLE-JOINTHIS-";
pub(crate) const OTHER_PREFIX: &str = "KTABLE-JOINOTHER-";

/// Whether a join has a result without a value of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Required,
    Optional,
}

/// What the sides of a join need, each seen from itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needs {
    pub(crate) own: Need,
    pub(crate) other: Need,
}

impl Needs {
    /// The same join, seen from the other side.
    pub(crate) const fn reversed(self) -> Self {
        Self { own: self.other, other: self.own }
    }

    const fn are_met<A, B>(self, own: Option<&A>, other: Option<&B>) -> bool {
        (own.is_some() || matches!(self.own, Need::Optional) && other.is_some())
            && (other.is_some() || matches!(self.other, Need::Optional))
    }
}

/// Puts two values together; called where the join's needs are met.
pub(crate) trait JoinValues<K, A, B, R>:
    Fn(&K, Option<&A>, Option<&B>) -> Result<Option<R>, ProcessorError> + Send + Sync + 'static
{
}

impl<K, A, B, R, F> JoinValues<K, A, B, R> for F where
    F: Fn(&K, Option<&A>, Option<&B>) -> Result<Option<R>, ProcessorError> + Send + Sync + 'static
{
}

struct TableJoin<K, B, R, F> {
    needs: Needs,
    input: Input,
    others: View<K, B>,
    joiner: Arc<F>,
    old_values: OldValues,
    out: Edge<K, Change<R>>,
    place: Place,
}

impl<K, A, B, R, F> Push<K, Change<A>> for TableJoin<K, B, R, F>
where
    K: Clone,
    R: Clone,
    F: Fn(&K, Option<&A>, Option<&B>) -> Result<Option<R>, ProcessorError>,
{
    fn push(&mut self, record: Record<K, Change<A>>) -> Pushed {
        let Record { key, value: Change { new, old, age }, timestamp, headers } = record;
        if self.input.leaves_out(age) {
            return self.place.drop_record(DropReason::OutOfOrder);
        }
        let other = match self.others.look_up(&key) {
            Ok(other) => other,
            Err(error) => return self.place.fail(error),
        };
        // Nothing to tell: the row has no partner that it needs, or nothing was there before.
        let is_news = match (&other, self.needs.other) {
            (Some(_), _) => true,
            (None, Need::Required) => false,
            (None, Need::Optional) => new.is_some() || old.is_some(),
        };
        if !is_news {
            return Ok(());
        }
        let timestamp = other.as_ref().map_or(timestamp, |other| other.timestamp.max(timestamp));
        let other = other.as_ref().map(|other| &other.value);
        let join = |own: Option<&A>| {
            if self.needs.are_met(own, other) { (self.joiner)(&key, own, other) } else { Ok(None) }
        };
        let joined = join(new.as_ref()).and_then(|new| {
            let old = if self.old_values == OldValues::Send { join(old.as_ref())? } else { None };
            Ok(Change { new, old, age })
        });
        match joined {
            Ok(value) => self.out.push(Record { key, value, timestamp, headers }),
            Err(error) => self.place.fail(error),
        }
    }
}

/// Joins the changes of a table of `A` with the rows of one of `B`.
pub(crate) fn template<K, A, B, R, F>(
    (needs, input): (Needs, Input),
    others: &TableView<K, B>,
    joiner: Arc<F>,
    settings: &TableSettings,
) -> ProcessorTemplate
where
    K: Clone + 'static,
    A: 'static,
    B: 'static,
    R: Clone + 'static,
    F: JoinValues<K, A, B, R>,
{
    let (others, old_values) = (others.clone(), settings.old_values);
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<K, Change<R>>| {
        let (others, joiner) = (others.link(links)?, Arc::clone(&joiner));
        let place = Place::of(links);
        let node = TableJoin { needs, input, others, joiner, old_values, out, place };
        Ok(NodeCell::<K, Change<A>>::owned(node))
    })
}

/// The rows of a join that is not stored.
struct JoinedRows<K, A, B, F> {
    needs: Needs,
    own: View<K, A>,
    others: View<K, B>,
    joiner: Arc<F>,
}

impl<K, A, B, R, F> LookUp<K, R> for JoinedRows<K, A, B, F>
where
    F: Fn(&K, Option<&A>, Option<&B>) -> Result<Option<R>, ProcessorError>,
{
    fn look_up(&self, key: &K) -> LookedUp<R> {
        let own = self.own.look_up(key)?;
        if own.is_none() && self.needs.own == Need::Required {
            return Ok(None);
        }
        let other = self.others.look_up(key)?;
        let times = own.iter().map(|row| row.timestamp);
        let times = times.chain(other.iter().map(|row| row.timestamp));
        let Some(timestamp) = times.max() else { return Ok(None) };
        let own = own.as_ref().map(|row| &row.value);
        let other = other.as_ref().map(|row| &row.value);
        if !self.needs.are_met(own, other) {
            return Ok(None);
        }
        let value = (self.joiner)(key, own, other)?;
        Ok(value.map(|value| Timestamped { value, timestamp }))
    }
}

/// The rows of the join of two tables, computed from theirs.
pub(crate) fn rows<K, A, B, R, F>(
    needs: Needs,
    own: TableView<K, A>,
    others: TableView<K, B>,
    joiner: Arc<F>,
) -> TableView<K, R>
where
    K: 'static,
    A: 'static,
    B: 'static,
    R: 'static,
    F: JoinValues<K, A, B, R>,
{
    own.combined(others, move |own, others| {
        let joiner = Arc::clone(&joiner);
        JoinedRows { needs, own, others, joiner }
    })
}
