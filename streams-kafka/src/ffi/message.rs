//! Fetched records, lent by a batch that owns their memory.

use super::client::Client;
use super::error::{Code, raw, text};
use super::headers::{HeadersRef, bytes};
use rdkafka::bindings as rd;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

/// Messages of one partition in the order of their offsets, destroyed when the batch is dropped.
/// While it lives it pins the fetch responses that they came in, so it should be used up soon.
#[derive(Debug)]
pub(crate) struct Batch {
    messages: Vec<NonNull<rd::rd_kafka_message_t>>,
    _client: Arc<Client>,
}

// SAFETY: the messages have one owner and are tied to no thread. Not `Sync`: headers are parsed on
// first use, inside the message.
unsafe impl Send for Batch {}

/// One entry of a batch.
#[derive(Debug)]
pub(crate) enum Fetched<'b> {
    Record(RawMessage<'b>),
    /// The end was reached at this offset (only with `enable.partition.eof`).
    End {
        offset: i64,
    },
    /// The partition cannot be read on; for [`Code::OFFSET_OUT_OF_RANGE`] and
    /// [`Code::LOG_TRUNCATION`] until it is assigned anew.
    Failed {
        code: Code,
        offset: i64,
        message: String,
    },
}

impl Batch {
    /// # Safety
    /// Every pointer is a live message of `client` that nobody else will destroy.
    pub(super) unsafe fn own(
        client: &Arc<Client>,
        messages: Vec<NonNull<rd::rd_kafka_message_t>>,
    ) -> Self {
        Self { messages, _client: Arc::clone(client) }
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<Fetched<'_>> {
        let message = RawMessage { raw: *self.messages.get(index)?, batch: PhantomData };
        Some(match message.code() {
            Code::NONE => Fetched::Record(message),
            Code::PARTITION_EOF => Fetched::End { offset: message.offset() },
            code => {
                Fetched::Failed { code, offset: message.offset(), message: message.error_text() }
            }
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Fetched<'_>> {
        (0..self.messages.len()).filter_map(|index| self.get(index))
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        for message in &self.messages {
            // SAFETY: live and ours; nothing borrows from it any more.
            unsafe { rd::rd_kafka_message_destroy(message.as_ptr()) }
        }
    }
}

/// A record in librdkafka's memory. Not `Send`, not `Sync`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawMessage<'b> {
    raw: NonNull<rd::rd_kafka_message_t>,
    batch: PhantomData<&'b Batch>,
}

// Fields are read one by one through the pointer: no reference to the whole is made, since its code
// may lie outside the enum.
impl<'b> RawMessage<'b> {
    #[inline]
    fn code(self) -> Code {
        // SAFETY: live for `'b`; the code is read as the number that it is.
        Code(unsafe { (&raw const (*self.raw.as_ptr()).err).cast::<i32>().read() })
    }

    fn error_text(self) -> String {
        // SAFETY: live for `'b`; the text of a failed message belongs to it.
        unsafe { text(rd::rd_kafka_message_errstr(self.raw.as_ptr())) }
    }

    #[inline]
    pub(crate) fn key(self) -> Option<&'b [u8]> {
        // SAFETY: live for `'b`, with its memory.
        unsafe { bytes((*self.raw.as_ptr()).key, (*self.raw.as_ptr()).key_len) }
    }

    #[inline]
    pub(crate) fn value(self) -> Option<&'b [u8]> {
        // SAFETY: live for `'b`, with its memory.
        unsafe { bytes((*self.raw.as_ptr()).payload, (*self.raw.as_ptr()).len) }
    }

    #[inline]
    pub(crate) fn offset(self) -> i64 {
        // SAFETY: live for `'b`.
        unsafe { (*self.raw.as_ptr()).offset }
    }

    /// Milliseconds since 1970; -1 if the record has none.
    #[inline]
    pub(crate) fn timestamp(self) -> i64 {
        // SAFETY: live for `'b`; the kind of timestamp is not asked for.
        unsafe { rd::rd_kafka_message_timestamp(self.raw.as_ptr(), std::ptr::null_mut()) }
    }

    /// The leader epoch of the record's batch; -1 if unknown.
    pub(crate) fn leader_epoch(self) -> i32 {
        // SAFETY: live for `'b`.
        unsafe { rd::rd_kafka_message_leader_epoch(self.raw.as_ptr()) }
    }

    /// The headers, parsed at the first call; `None` without any. Headers that cannot be parsed
    /// count as none.
    #[inline]
    pub(crate) fn headers(self) -> Option<HeadersRef<'b>> {
        let mut headers = std::ptr::null_mut();
        // SAFETY: live for `'b`, and used by one thread, as `Self` and a shared `Batch` do not
        // leave theirs. What comes back belongs to the message.
        unsafe {
            match raw::rd_kafka_message_headers(self.raw.as_ptr(), &raw mut headers) {
                0 => NonNull::new(headers).map(|headers| HeadersRef::lend(headers)),
                _ => None,
            }
        }
    }
}
