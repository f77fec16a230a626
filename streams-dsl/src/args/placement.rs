//! Where the rows of a store lie, and where its changes go.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use streams_state::{BytesStoreSupplier, StoreBuilder};

/// Medium and changelog of a store that is made for an operator.
#[derive(Debug, Clone)]
pub(crate) struct Placement {
    pub(crate) medium: Medium,
    pub(crate) changelog: Changelog,
}

#[derive(Clone)]
pub(crate) enum Medium {
    /// Disk, unless `dsl.store.suppliers.class` or a supplier for the topology says otherwise.
    AsConfigured,
    Disk,
    Memory,
    /// A place of the program's own.
    Own(Arc<dyn BytesStoreSupplier>),
}

impl fmt::Debug for Medium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AsConfigured => "AsConfigured",
            Self::Disk => "Disk",
            Self::Memory => "Memory",
            Self::Own(_) => "Own",
        })
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Changelog {
    Off,
    /// With these settings over the defaults.
    On(BTreeMap<String, String>),
}

impl Placement {
    /// As configured, with a changelog.
    pub(crate) const fn new() -> Self {
        Self { medium: Medium::AsConfigured, changelog: Changelog::On(BTreeMap::new()) }
    }

    pub(crate) fn in_memory(self) -> Self {
        Self { medium: Medium::Memory, ..self }
    }

    pub(crate) fn on_disk(self) -> Self {
        Self { medium: Medium::Disk, ..self }
    }

    pub(crate) fn kept_in(self, supplier: impl BytesStoreSupplier) -> Self {
        Self { medium: Medium::Own(Arc::new(supplier)), ..self }
    }

    pub(crate) fn without_changelog(self) -> Self {
        Self { changelog: Changelog::Off, ..self }
    }

    pub(crate) fn with_changelog_settings(
        self,
        settings: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Self {
        let settings = settings.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self { changelog: Changelog::On(settings.collect()), ..self }
    }

    /// The same with one more setting of the changelog, if there is one.
    pub(crate) fn with_setting(mut self, name: &str, value: &str) -> Self {
        if let Changelog::On(settings) = &mut self.changelog {
            settings.insert(name.to_owned(), value.to_owned());
        }
        self
    }

    /// The store in its place.
    pub(crate) fn place<S>(&self, store: StoreBuilder<S>) -> StoreBuilder<S> {
        let store = match &self.medium {
            Medium::AsConfigured => store.placed_by_settings(),
            Medium::Disk => store,
            Medium::Memory => store.in_memory(),
            Medium::Own(supplier) => store.kept_in_shared(Arc::clone(supplier)),
        };
        match &self.changelog {
            Changelog::Off => store.without_changelog(),
            Changelog::On(settings) => store.with_changelog_settings(settings.clone()),
        }
    }
}
