//! All stores in memory.

use std::sync::Arc;

use streams_core::error::StoreError;
use streams_core::store::{OpenStores, StateBackend, StoresOf, TaskStores};

use super::{MemoryBudget, own};
use crate::bytes::{Bytes, MemoryStore};
use crate::process::{Inputs, StoresOfProcess};
use crate::staging::OverlayBudget;
use crate::task::StoresOfTask;

/// Bytes of recently read rows that all stores keep beside their maps.
const RECENT_BYTES_MAX: usize = 64 << 20;

/// Keeps all stores in memory, also those that ask for a disk: for tests, and for trying things
/// out. What they hold is lost when their task is closed.
#[derive(Debug, Clone)]
pub struct MemoryBackend {
    budget: Arc<OverlayBudget>,
}

impl MemoryBackend {
    /// A backend without any store.
    #[must_use]
    pub fn new() -> Self {
        Self::within(MemoryBudget::of_machine())
    }

    /// A backend whose buffers take no more than their part of this budget. Key-value stores, windows
    /// and sessions take what they need.
    #[must_use]
    pub fn within(budget: MemoryBudget) -> Self {
        let recent = OverlayBudget::new(RECENT_BYTES_MAX);
        Self { budget: Arc::new(recent.buffers_up_to(budget.rows_bytes())) }
    }
}

impl Default for MemoryBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl StateBackend for MemoryBackend {
    fn open(&self, request: OpenStores) -> Result<Box<dyn TaskStores>, StoreError> {
        let open = |store| match own::open(&request, store, None)? {
            Some(own) => Ok(own),
            None => Ok((Bytes::Memory(MemoryStore::of(&request.owner)), None)),
        };
        let bytes = request.stores.iter().map(open).collect::<Result<_, StoreError>>()?;
        let inputs = Inputs::of(&request);
        let owner = request.owner.clone();
        let stores = StoresOfTask::open(request, bytes, None, &self.budget)?;
        match owner {
            StoresOf::Task => Ok(Box::new(stores)),
            StoresOf::Process { .. } => {
                Ok(Box::new(StoresOfProcess::new(stores, inputs, &self.budget)?))
            }
        }
    }
}
