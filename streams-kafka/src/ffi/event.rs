//! Events of a client: errors, logs, and the carriers of delivery reports and admin results.

use super::client::Client;
use super::error::{Code, raw, text};
use rdkafka::bindings as rd;
use std::ffi::c_int;
use std::ptr::NonNull;
use std::sync::Arc;

/// A problem of the whole client. Most pass by themselves (a broker is away); after a fatal one the
/// client must be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientProblem {
    pub(crate) code: Code,
    pub(crate) severity: Severity,
    pub(crate) message: String,
}

/// Whether a client survives a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    Passing,
    Fatal,
}

/// An event that is destroyed when it is dropped.
#[derive(Debug)]
pub(super) struct Event {
    raw: NonNull<rd::rd_kafka_event_t>,
    _client: Arc<Client>,
}

impl Event {
    /// Takes over an event; `None` if it is null.
    ///
    /// # Safety
    /// `raw` is null or an event of `client` that nobody else will destroy.
    pub(super) unsafe fn own(client: &Arc<Client>, raw: *mut rd::rd_kafka_event_t) -> Option<Self> {
        NonNull::new(raw).map(|raw| Self { raw, _client: Arc::clone(client) })
    }

    pub(super) fn raw(&self) -> *mut rd::rd_kafka_event_t {
        self.raw.as_ptr()
    }

    pub(super) fn kind(&self) -> c_int {
        // SAFETY: the event is live.
        unsafe { rd::rd_kafka_event_type(self.raw()) }
    }

    /// The code and message of an event that carries a failure.
    pub(super) fn failure(&self) -> Option<(Code, String)> {
        // SAFETY: the event is live, and so is its text until it is copied.
        unsafe {
            match Code(raw::rd_kafka_event_error(self.raw())) {
                Code::NONE => None,
                code => Some((code, text(rd::rd_kafka_event_error_string(self.raw())))),
            }
        }
    }

    /// Sends a log line to `tracing`, or returns a problem.
    pub(super) fn problem(&self) -> Option<ClientProblem> {
        match self.kind() {
            rd::RD_KAFKA_EVENT_LOG => {
                self.log();
                None
            }
            rd::RD_KAFKA_EVENT_ERROR => self.failure().map(|(code, message)| {
                // SAFETY: the event is live and an error.
                let fatal = unsafe { rd::rd_kafka_event_error_is_fatal(self.raw()) } != 0;
                let severity = if fatal { Severity::Fatal } else { Severity::Passing };
                ClientProblem { code, severity, message }
            }),
            _ => None,
        }
    }

    fn log(&self) {
        let (mut facility, mut line, mut level) = (std::ptr::null(), std::ptr::null(), 0);
        // SAFETY: a live log event fills the three; its texts live as long as it does.
        let (facility, line) = unsafe {
            if rd::rd_kafka_event_log(self.raw(), &raw mut facility, &raw mut line, &raw mut level)
                != 0
            {
                return;
            }
            (text(facility), text(line))
        };
        // Syslog's levels.
        match level {
            ..=3 => tracing::error!(target: "librdkafka", %facility, "{line}"),
            4 => tracing::warn!(target: "librdkafka", %facility, "{line}"),
            5 | 6 => tracing::info!(target: "librdkafka", %facility, "{line}"),
            _ => tracing::debug!(target: "librdkafka", %facility, "{line}"),
        }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: live and ours.
        unsafe { rd::rd_kafka_event_destroy(self.raw()) }
    }
}
