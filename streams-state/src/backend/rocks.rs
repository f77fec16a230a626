//! Stores on disk: a RocksDB database for each task, and one for the global stores.
//!
//! DIFFERENCE(local-layout): Kafka has one for each store.

use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use streams_core::error::StoreError;
use streams_core::store::{OpenStores, StateBackend, StoreToOpen, StoresOf, TaskStores};

use super::state_dir::refuse_link;
use super::{MemoryBudget, StateDirectory, own, private};
use crate::bytes::{
    Bytes, BytesError, MemoryStore, RocksDatabase, RocksShared, RocksStore, StoreOnDisk,
    damage_mark,
};
use crate::process::{Inputs, StoresOfProcess};
use crate::staging::OverlayBudget;
use crate::task::StoresOfTask;

/// Damaged databases of a task that are kept, to be looked at.
const SET_ASIDE_MAX: usize = 2;

/// Keeps stores on disk, below the application's state directory.
///
/// A database that RocksDB finds damaged when it is opened is set aside under the name
/// `rocksdb.corrupt-<n>`, and its stores start empty; so does a single store whose rows were found
/// damaged when they were read. Both are rebuilt from their changelogs.
#[derive(Debug)]
pub struct RocksBackend {
    directory: StateDirectory,
    shared: Arc<RocksShared>,
    rows: Arc<OverlayBudget>,
}

impl RocksBackend {
    /// Stores in this directory, within this memory.
    #[must_use]
    pub fn new(directory: StateDirectory, budget: MemoryBudget) -> Self {
        let shared = Arc::new(RocksShared::new(budget));
        Self { directory, shared, rows: Arc::new(OverlayBudget::new(budget.rows_bytes())) }
    }

    /// The directory.
    #[must_use]
    pub const fn directory(&self) -> &StateDirectory {
        &self.directory
    }

    fn database(
        &self,
        directory: &Path,
        stores: Vec<StoreOnDisk>,
    ) -> Result<RocksDatabase, StoreError> {
        let first = stores.first().map_or_else(|| "?".into(), |store| store.name.clone());
        let path = directory.join("rocksdb");
        refuse_link(&path)?;
        let failed =
            |error: std::io::Error| BytesError::of_system("be opened", error).of_store(&first);
        if damage_mark(&path).exists() {
            set_aside(&path).map_err(failed)?;
        }
        private::create_directory(&path).map_err(failed)?;
        let detail = match RocksDatabase::open(&path, stores.clone(), &self.shared) {
            Ok(database) => return Ok(database),
            Err(BytesError::Damaged(detail)) => detail,
            Err(error) => return Err(error.of_store(&first)),
        };
        tracing::warn!(path = %path.display(), detail, "the database is damaged; it is set aside, and its stores are rebuilt from their changelogs");
        set_aside(&path).map_err(failed)?;
        private::create_directory(&path).map_err(failed)?;
        let database = RocksDatabase::open(&path, stores, &self.shared);
        database.map_err(|error| error.of_store(&first))
    }
}

/// Renames a damaged database; keeps the last few.
fn set_aside(path: &Path) -> std::io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str()))
    else {
        return Ok(());
    };
    let prefix = format!("{name}.corrupt-");
    let mut kept = Vec::new();
    for entry in fs::read_dir(parent)? {
        let entry = entry?.file_name();
        let number = entry.to_str().and_then(|entry| entry.strip_prefix(&prefix));
        kept.extend(number.and_then(|number| number.parse::<u32>().ok()));
    }
    kept.sort_unstable();
    let next = kept.last().map_or(1, |last| last.saturating_add(1));
    let surplus = (kept.len() + 1).saturating_sub(SET_ASIDE_MAX);
    for number in kept.iter().take(surplus) {
        fs::remove_dir_all(parent.join(format!("{prefix}{number}")))?;
    }
    if path.exists() {
        fs::rename(path, parent.join(format!("{prefix}{next}")))?;
    }
    match fs::remove_file(damage_mark(path)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl StateBackend for RocksBackend {
    fn open(&self, request: OpenStores) -> Result<Box<dyn TaskStores>, StoreError> {
        match request.owner {
            StoresOf::Task => Ok(Box::new(self.open_task(request)?)),
            StoresOf::Process { .. } => {
                let inputs = Inputs::of(&request);
                let stores = self.open_task(request)?;
                Ok(Box::new(StoresOfProcess::new(stores, inputs, &self.rows)?))
            }
        }
    }
}

impl RocksBackend {
    pub(crate) fn open_task(&self, request: OpenStores) -> Result<StoresOfTask, StoreError> {
        let is_in_database =
            |store: &StoreToOpen| store.spec.is_persistent() && own::supplier(store).is_none();
        let on_disk = request.stores.iter().filter(|store| is_in_database(store)).map(|store| {
            let (name, kind) = (store.spec.name().clone(), store.spec.kind());
            StoreOnDisk { name, kind }
        });
        let on_disk: Vec<_> = on_disk.collect();
        let directory = match request.stores.iter().any(|store| store.spec.is_persistent()) {
            true => Some(match request.owner {
                StoresOf::Task => self.directory.task_directory(request.task)?,
                StoresOf::Process { .. } => self.directory.global_directory()?,
            }),
            false => None,
        };
        let database = match &directory {
            Some(directory) if !on_disk.is_empty() => {
                Some(Rc::new(self.database(directory, on_disk)?))
            }
            _ => None,
        };
        let mut at = 0;
        let mut bytes = Vec::with_capacity(request.stores.len());
        for store in &request.stores {
            if let Some(own) = own::open(&request, store, directory.as_deref())? {
                bytes.push(own);
                continue;
            }
            match &database {
                Some(database) if store.spec.is_persistent() => {
                    let rocks = RocksStore::new(Rc::clone(database), at, store.spec.name());
                    bytes.push((Bytes::Rocks(rocks), database.position(at)));
                    at += 1;
                }
                _ => bytes.push((Bytes::Memory(MemoryStore::of(&request.owner)), None)),
            }
        }
        StoresOfTask::open(request, bytes, database, &self.rows)
    }
}
