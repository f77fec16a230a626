//! What leaves a record cache, on its way to the node that owns the store.

use streams_core::error::{Pushed, StoreError};

use crate::layer::{CacheLayer, Layers, Outgoing};

/// Gives `each` what waits to be forwarded. Each call sees the time, place and headers of the
/// record that wrote the entry.
pub(super) fn forward<F>(
    layers: &Layers,
    cache: &CacheLayer,
    decode: impl Fn(Outgoing) -> Result<F, StoreError>,
    each: &mut dyn FnMut(F) -> Pushed,
) -> Pushed {
    let context = layers.context();
    let failed = |error| context.store_failure(error);
    loop {
        cache.forwarding();
        while let Some(out) = cache.next_outgoing(layers).map_err(failed)? {
            let writer = &out.entry.writer;
            let (time, headers) = (writer.timestamp, writer.headers.clone());
            let saved = context.turn_to_cached(writer.place, time, headers);
            let result = decode(out).map_err(failed).and_then(&mut *each);
            context.restore(saved);
            result?;
        }
        cache.forwarded(layers).map_err(failed)?;
        if cache.is_settled() {
            return Ok(());
        }
    }
}

/// Writes out all dirty entries, in the order of their last writes, and gives each to `each`.
pub(super) fn flush<F>(
    layers: &Layers,
    decode: impl Fn(Outgoing) -> Result<F, StoreError>,
    each: &mut dyn FnMut(F) -> Pushed,
) -> Pushed {
    let Some(cache) = layers.cache() else { return Ok(()) };
    // What was evicted when others read the store comes first.
    forward(layers, cache, &decode, each)?;
    let deleted = cache.start_flush();
    let result = forward(layers, cache, decode, each);
    cache.flushed(layers, &deleted);
    result
}
