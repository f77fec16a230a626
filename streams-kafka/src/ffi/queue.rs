//! Queues of librdkafka, and waking a thread when one of them is no longer empty.

use super::client::{Client, milliseconds};
use super::event::Event;
use rdkafka::bindings as rd;
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;
use std::thread::Thread;
use std::time::Duration;

/// Unparks one thread. Cheap to clone; one for each worker.
#[derive(Debug, Clone)]
pub(crate) struct Waker(Arc<Thread>);

impl Waker {
    /// Wakes the calling thread.
    pub(crate) fn current() -> Self {
        Self(Arc::new(std::thread::current()))
    }

    pub(crate) fn wake(&self) {
        self.0.unpark();
    }
}

/// Runs on a thread of librdkafka with the queue locked: it must not call librdkafka, block or
/// panic.
unsafe extern "C" fn unpark(_: *mut rd::rd_kafka_t, thread: *mut c_void) {
    // SAFETY: the address inside the `Arc<Thread>` that the queue keeps until after the callback is
    // taken off.
    unsafe { &*thread.cast::<Thread>() }.unpark();
}

/// A reference to a queue.
#[derive(Debug)]
pub(super) struct Queue {
    raw: NonNull<rd::rd_kafka_queue_t>,
    waker: Option<Waker>,
    client: Arc<Client>,
}

// SAFETY: queues are locked inside librdkafka and not tied to a thread. Not `Sync`: one reader at a
// time.
unsafe impl Send for Queue {}

impl Queue {
    /// Takes over a reference; `None` if it is null.
    ///
    /// # Safety
    /// `raw` is null or a queue reference of `client` that nobody else will destroy.
    pub(super) unsafe fn own(client: &Arc<Client>, raw: *mut rd::rd_kafka_queue_t) -> Option<Self> {
        NonNull::new(raw).map(|raw| Self { raw, waker: None, client: Arc::clone(client) })
    }

    pub(super) fn raw(&self) -> *mut rd::rd_kafka_queue_t {
        self.raw.as_ptr()
    }

    pub(super) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// Unparks `waker` each time the queue gets its first entry. What is in the queue already, or
    /// is left in it, wakes nobody: poll once after this call, and poll until empty before parking.
    pub(super) fn wake(&mut self, waker: &Waker) {
        let waker = waker.clone();
        let thread = Arc::as_ptr(&waker.0).cast_mut().cast::<c_void>();
        // SAFETY: `thread` stays valid while `self.waker` is kept. Setting the callback takes the
        // queue's lock, which is held while a callback runs, so that an earlier one is over before
        // its waker is dropped below.
        unsafe { rd::rd_kafka_queue_cb_event_enable(self.raw(), Some(unpark), thread) };
        self.waker = Some(waker);
    }

    /// The next event, waiting for it at most `timeout`.
    pub(super) fn poll(&self, timeout: Duration) -> Option<Event> {
        // SAFETY: the queue is live; the event belongs to the caller.
        let event = unsafe { rd::rd_kafka_queue_poll(self.raw(), milliseconds(timeout)) };
        // SAFETY: null, or an event that nobody else owns.
        unsafe { Event::own(&self.client, event) }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the reference is ours. The callback is taken off first, under the queue's lock;
        // only then may the waker go, with the fields. A queue may outlive its reference inside
        // librdkafka, which is why the callback may not stay.
        unsafe {
            if self.waker.is_some() {
                rd::rd_kafka_queue_cb_event_enable(self.raw(), None, std::ptr::null_mut());
            }
            rd::rd_kafka_queue_destroy(self.raw());
        }
    }
}
