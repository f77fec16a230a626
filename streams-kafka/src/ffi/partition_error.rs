//! Errors that librdkafka tells of a partition while it is read: by a callback on the reading thread,
//! and not as an entry of the partition's queue.

use super::error::{Code, text};
use rdkafka::bindings as rd;
use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};

thread_local! {
    static IS_UNKNOWN: Cell<bool> = const { Cell::new(false) };
}

/// Lets the client that is made from these settings tell.
///
/// # Safety
/// `conf` is live.
pub(super) unsafe fn listen(conf: *mut rd::rd_kafka_conf_t) {
    // SAFETY: the settings are live; the callback uses no opaque value.
    unsafe { rd::rd_kafka_conf_set_error_cb(conf, Some(told)) };
}

/// Reads a partition. Whether brokers do not know it, beside what was read.
pub(super) fn watching<T>(read: impl FnOnce() -> T) -> (T, bool) {
    IS_UNKNOWN.set(false);
    let read = read();
    (read, IS_UNKNOWN.get())
}

/// # Safety
/// Called by librdkafka with a text that ends in zero.
unsafe extern "C" fn told(
    _client: *mut rd::rd_kafka_t,
    code: c_int,
    reason: *const c_char,
    _opaque: *mut c_void,
) {
    if Code(code).is_unknown_topic() {
        // Repeated every second for each partition; whoever reads says it once.
        IS_UNKNOWN.set(true);
    } else {
        // SAFETY: the text lives until this returns, and is copied.
        let reason = unsafe { text(reason) };
        tracing::error!(target: "librdkafka", facility = "ERROR", "{reason}");
    }
}
