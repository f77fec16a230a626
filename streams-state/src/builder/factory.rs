//! A store as declared.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use streams_core::config::{DefaultStore, State, StoreFormat};
use streams_core::names::{StoreName, TopicName};
use streams_core::store::{Logging, StoreKind, StoreSpec};

use super::millis;
use crate::layer::changelog::{LoggedHeaders, LoggedTimes, RowFormat};
use crate::layer::{Reach, Recency, Retention, Unseen, Versions};
use crate::own::BytesStoreSupplier;
use crate::row_key::RowKeys;

/// Where a store's rows live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Medium {
    Disk,
    Memory,
}

/// What a second row of a key and window does to the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duplicates {
    Replace,
    /// Both are kept, in the order in which they were written.
    Keep,
}

/// Whether a store has a record cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caching {
    Off,
    On,
}

/// Who says something about a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SaidBy {
    Program,
    /// Those that the topology is run with.
    Settings,
}

pub(super) type MakeHandle = dyn Fn(Reach, TopicName) -> Box<dyn Any> + Send + Sync;

/// A store as declared; what every [`StoreSpec`] of this crate is.
#[derive(Clone)]
pub(crate) struct Factory {
    pub(super) name: StoreName,
    pub(super) kind: StoreKind,
    pub(super) medium: Medium,
    pub(super) caching: Caching,
    pub(super) logging: Logging,
    pub(super) retention: Option<Duration>,
    pub(super) window_size: Option<Duration>,
    pub(super) duplicates: Duplicates,
    /// How many rows there may be.
    pub(super) rows_max: Option<usize>,
    pub(super) headers: LoggedHeaders,
    pub(super) times: LoggedTimes,
    /// How the rows are laid out: `dsl.store.format`, for a store on disk.
    pub(super) layout: SaidBy,
    /// The medium: `dsl.store.suppliers.class`.
    pub(super) place: SaidBy,
    /// In place of the medium.
    pub(super) own: Option<Arc<dyn BytesStoreSupplier>>,
    pub(super) make: Arc<MakeHandle>,
    /// Makes the view that shows headers, of a store that may get them by the settings.
    pub(super) make_with_headers: Option<Arc<MakeHandle>>,
}

impl std::fmt::Debug for Factory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Factory")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("medium", &self.medium)
            .field("caching", &self.caching)
            .field("logging", &self.logging)
            .field("retention", &self.retention)
            .field("window_size", &self.window_size)
            .field("duplicates", &self.duplicates)
            .field("rows_max", &self.rows_max)
            .field("layout", &self.layout)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl Factory {
    /// How the rows hold their values; `None` for a kind of store that is not made here.
    pub(crate) const fn rows(&self) -> Option<RowFormat> {
        match self.kind {
            StoreKind::KeyValue
            | StoreKind::Window(_)
            | StoreKind::Session(_)
            | StoreKind::Versioned(_) => Some(RowFormat::Plain),
            StoreKind::TimestampedKeyValue | StoreKind::TimestampedWindow(_) => {
                Some(RowFormat::Timestamped)
            }
            StoreKind::SessionWithHeaders(_) => Some(RowFormat::WithHeaders),
            StoreKind::TimestampedKeyValueWithHeaders
            | StoreKind::TimestampedWindowWithHeaders(_) => Some(RowFormat::TimestampedWithHeaders),
            _ => None,
        }
    }

    /// Who opens its byte store, if that is the program's own.
    pub(crate) const fn own(&self) -> Option<&Arc<dyn BytesStoreSupplier>> {
        self.own.as_ref()
    }

    /// The same store in a place of the program's own, unless the program did say where it is or
    /// `supplier` does not keep such stores. As in Kafka, versioned stores are not asked about.
    fn kept_in(&self, supplier: &Arc<dyn BytesStoreSupplier>) -> Option<Arc<dyn StoreSpec>> {
        let is_versioned = matches!(self.kind, StoreKind::Versioned(_));
        let is_said = self.place == SaidBy::Program || self.rows_max.is_some();
        if is_said || is_versioned || !supplier.keeps(self.kind) {
            return None;
        }
        let own = Some(Arc::clone(supplier));
        Some(Arc::new(Self { own, place: SaidBy::Program, ..self.clone() }))
    }

    /// What lets rows expire.
    pub(crate) fn retention_layer(&self) -> Option<Retention> {
        let keys = RowKeys::of(self.kind)?;
        Some(Retention::new(keys, millis(self.retention?), self.medium))
    }

    pub(crate) const fn duplicates(&self) -> Duplicates {
        self.duplicates
    }

    /// What keeps versions.
    pub(crate) fn versions_layer(&self) -> Option<Versions> {
        match (self.kind, self.retention) {
            (StoreKind::Versioned(segments), Some(history)) => {
                Some(Versions::new(segments.interval_ms, millis(history)))
            }
            _ => None,
        }
    }

    /// What keeps rows out that were not used for longest.
    pub(crate) fn recency_layer(&self) -> Option<Recency> {
        self.rows_max.map(Recency::new)
    }

    pub(crate) const fn logged_headers(&self) -> LoggedHeaders {
        self.headers
    }

    pub(crate) const fn logged_times(&self) -> LoggedTimes {
        self.times
    }

    pub(crate) const fn caching(&self) -> Caching {
        self.caching
    }

    /// The typed view. `topic` is what its serdes get as their topic.
    pub(crate) fn handle(&self, layers: Reach, topic: &TopicName) -> Box<dyn Any> {
        (self.make)(layers.hiding(self.unseen()), topic.clone())
    }

    /// The view of a store that has headers by the settings, which shows them.
    pub(crate) fn handle_with_headers(
        &self,
        layers: Reach,
        topic: &TopicName,
    ) -> Option<Box<dyn Any>> {
        let make = self.make_with_headers.as_ref().filter(|_| self.unseen() != Unseen::Nothing)?;
        Some(make(layers, topic.clone()))
    }

    /// What rows have, and the operator that declared the store does not see. As in Kafka, the
    /// stores of tables have rows without headers, whatever those of the record are.
    fn unseen(&self) -> Unseen {
        let has_headers = self.rows().is_some_and(RowFormat::has_headers);
        if self.layout == SaidBy::Program || !has_headers {
            return Unseen::Nothing;
        }
        match (self.headers, self.kind) {
            (LoggedHeaders::None, _) => Unseen::NoHeaders,
            (LoggedHeaders::OfRecord, StoreKind::TimestampedWindowWithHeaders(_)) => {
                Unseen::HeadersAndTimeOfRecord
            }
            (LoggedHeaders::OfRecord, _) => Unseen::HeadersOfRecord,
        }
    }

    /// What kind of store this is when its rows have headers.
    const fn kind_with_headers(&self) -> Option<StoreKind> {
        match self.kind {
            StoreKind::TimestampedKeyValue => Some(StoreKind::TimestampedKeyValueWithHeaders),
            StoreKind::Window(segments) | StoreKind::TimestampedWindow(segments) => {
                Some(StoreKind::TimestampedWindowWithHeaders(segments))
            }
            StoreKind::Session(segments) => Some(StoreKind::SessionWithHeaders(segments)),
            _ => None,
        }
    }
}

/// This store in a place of the program's own, if it is one that an operator has and the program did
/// not say where it is: Kafka's `DslStoreSuppliers`.
pub fn kept_in(
    store: &dyn StoreSpec,
    supplier: &Arc<dyn BytesStoreSupplier>,
) -> Option<Arc<dyn StoreSpec>> {
    store.as_any().downcast_ref::<Factory>()?.kept_in(supplier)
}

impl StoreSpec for Factory {
    fn name(&self) -> &StoreName {
        &self.name
    }

    fn kind(&self) -> StoreKind {
        self.kind
    }

    fn is_persistent(&self) -> bool {
        match &self.own {
            Some(supplier) => supplier.is_persistent(),
            None => self.medium == Medium::Disk,
        }
    }

    fn logging(&self) -> &Logging {
        &self.logging
    }

    fn retention(&self) -> Option<Duration> {
        self.retention
    }

    fn with_logging(&self, logging: Logging) -> Arc<dyn StoreSpec> {
        Arc::new(Self { logging, ..self.clone() })
    }

    fn configured(&self, settings: &State) -> Option<Arc<dyn StoreSpec>> {
        let in_memory = self.place == SaidBy::Settings
            && settings.default_store == DefaultStore::InMemory
            && !matches!(self.kind, StoreKind::Versioned(_));
        let medium = if in_memory { Medium::Memory } else { self.medium };
        // As in Kafka, there is no format with headers for stores in memory.
        let has_headers = self.layout == SaidBy::Settings
            && settings.store_format == StoreFormat::Headers
            && medium == Medium::Disk;
        let kind = self.kind_with_headers().filter(|_| has_headers).unwrap_or(self.kind);
        if (medium, kind) == (self.medium, self.kind) {
            return None;
        }
        Some(Arc::new(Self { medium, kind, ..self.clone() }))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
