//! Stores in a place of the program's own, beside those of any backend.

use std::path::Path;
use std::sync::Arc;

use streams_core::error::StoreError;
use streams_core::store::{OpenStores, StoreToOpen};

use super::private;
use crate::bytes::{Bytes, BytesError, OwnStore, guarded};
use crate::own::{BytesStoreSupplier, StorePlace};
use crate::task::factory;

/// Who opens a store, if the program does.
pub(super) fn supplier(store: &StoreToOpen) -> Option<&Arc<dyn BytesStoreSupplier>> {
    factory(&*store.spec).ok()?.own()
}

/// Opens a store of the program's own, with its position; `None` for another one. Its directory is
/// below that of the task.
pub(super) fn open(
    request: &OpenStores,
    store: &StoreToOpen,
    directory: Option<&Path>,
) -> Result<Option<(Bytes, Option<i64>)>, StoreError> {
    let Some(supplier) = supplier(store) else { return Ok(None) };
    let name = store.spec.name();
    let failed = |error: BytesError| error.of_store(name);
    let action = "be opened";
    let directory = directory.filter(|_| supplier.is_persistent());
    let directory = directory.map(|directory| directory.join(format!("store.{name}")));
    if let Some(directory) = &directory {
        let made = private::create_directory(directory);
        made.map_err(|error| failed(BytesError::of_system(action, error)))?;
    }
    let place = StorePlace {
        store: name,
        kind: store.spec.kind(),
        retention: store.spec.retention(),
        task: request.task,
        directory: directory.as_deref(),
    };
    let rows = guarded(|| supplier.open(place));
    let rows = rows.map_err(|error| failed(BytesError::of_own(action, error)))?;
    let own = OwnStore::new(rows, store.spec.kind()).map_err(failed)?;
    let position = own.position();
    Ok(Some((Bytes::Own(own), position)))
}
