//! Error codes of Kafka and librdkafka, and the errors of this module.

use rdkafka::bindings as rd;
use std::ffi::{CStr, c_char};
use std::fmt;
use std::ptr::NonNull;
use thiserror::Error;

/// Functions that return a code, declared with `i32` in the place of the bindings' enum (see the
/// rules of the module).
pub(super) mod raw {
    use super::rd;
    use std::ffi::{c_char, c_int, c_void};

    unsafe extern "C" {
        pub(crate) fn rd_kafka_err2name(err: i32) -> *const c_char;
        pub(crate) fn rd_kafka_err2str(err: i32) -> *const c_char;
        pub(crate) fn rd_kafka_error_code(error: *const rd::rd_kafka_error_t) -> i32;
        pub(crate) fn rd_kafka_event_error(event: *mut rd::rd_kafka_event_t) -> i32;
        pub(crate) fn rd_kafka_topic_result_error(
            result: *const rd::rd_kafka_topic_result_t,
        ) -> i32;
        pub(crate) fn rd_kafka_ConfigResource_error(
            resource: *const rd::rd_kafka_ConfigResource_t,
        ) -> i32;
        pub(crate) fn rd_kafka_position(
            rk: *mut rd::rd_kafka_t,
            list: *mut rd::rd_kafka_topic_partition_list_t,
        ) -> i32;
        pub(crate) fn rd_kafka_get_watermark_offsets(
            rk: *mut rd::rd_kafka_t,
            topic: *const c_char,
            partition: i32,
            low: *mut i64,
            high: *mut i64,
        ) -> i32;
        pub(crate) fn rd_kafka_metadata(
            rk: *mut rd::rd_kafka_t,
            all: c_int,
            only: *mut rd::rd_kafka_topic_t,
            metadata: *mut *const rd::rd_kafka_metadata,
            timeout_ms: c_int,
        ) -> i32;
        #[cfg(test)]
        pub(crate) fn rd_kafka_test_fatal_error(
            rk: *mut rd::rd_kafka_t,
            err: i32,
            reason: *const c_char,
        ) -> i32;
        pub(crate) fn rd_kafka_producev(rk: *mut rd::rd_kafka_t, ...) -> i32;
        pub(crate) fn rd_kafka_message_headers(
            message: *const rd::rd_kafka_message_t,
            headers: *mut *mut rd::rd_kafka_headers_t,
        ) -> i32;
        pub(crate) fn rd_kafka_header_get_all(
            headers: *const rd::rd_kafka_headers_t,
            index: usize,
            name: *mut *const c_char,
            value: *mut *const c_void,
            size: *mut usize,
        ) -> i32;
        pub(crate) fn rd_kafka_header_add(
            headers: *mut rd::rd_kafka_headers_t,
            name: *const c_char,
            name_size: isize,
            value: *const c_void,
            value_size: isize,
        ) -> i32;
    }
}

/// A Kafka error code (0 and above) or one of librdkafka's own (below 0).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Code(pub(crate) i32);

impl Code {
    pub(crate) const NONE: Self = Self(0);
    /// The end of the partition was reached (`enable.partition.eof`).
    pub(crate) const PARTITION_EOF: Self = Self(-191);
    pub(crate) const TIMED_OUT: Self = Self(-185);
    /// The client knows of no such partition.
    pub(crate) const NO_ENTRY: Self = Self(-156);
    pub(crate) const QUEUE_FULL: Self = Self(-184);
    /// The start offset lies outside the log and `auto.offset.reset` is `error`.
    pub(crate) const OFFSET_OUT_OF_RANGE: Self = Self(-140);
    /// The log was cut off below a position that was read already.
    pub(crate) const LOG_TRUNCATION: Self = Self(-139);
    /// The broker does not speak a request.
    pub(crate) const UNSUPPORTED_FEATURE: Self = Self(-165);
    pub(crate) const UNSUPPORTED_VERSION: Self = Self(35);
    pub(crate) const MESSAGE_TOO_LARGE: Self = Self(10);
    pub(crate) const UNKNOWN_TOPIC_OR_PARTITION: Self = Self(3);
    pub(crate) const TOPIC_AUTHORIZATION_FAILED: Self = Self(29);
    pub(crate) const CLUSTER_AUTHORIZATION_FAILED: Self = Self(31);
    pub(crate) const TOPIC_ALREADY_EXISTS: Self = Self(36);
    pub(crate) const NOT_CONTROLLER: Self = Self(41);
    pub(crate) const POLICY_VIOLATION: Self = Self(44);

    /// Whether a record that came back with this code may be taken the next time: Kafka's retriable
    /// exceptions, and librdkafka's codes for brokers that are away or slow. It says nothing against
    /// the record.
    pub(crate) const fn is_passing_for_producer(self) -> bool {
        matches!(
            self.0,
            // Of librdkafka: the way to the broker, time-outs, a full queue, purged records.
            -195 | -193 | -192 | -187 | -185 | -184 | -182 | -180 | -166 | -164 | -153 | -152 | -151
                // Damaged on its way; the leader, a broker, the network or replicas away.
                | 2 | 5..=9 | 13..=16 | 19 | 20
                // Storage, epochs that changed with a leader, throttling.
                | 56 | 74 | 75 | 78 | 89
        )
    }

    /// Whether it says that a topic, or a partition that there was, does not exist.
    pub(crate) const fn is_unknown_topic(self) -> bool {
        matches!(self, Self::UNKNOWN_TOPIC_OR_PARTITION | Self(-188 | -190))
    }

    /// Whether it says that the producer has failed, and nothing of the record: a fatal problem of the
    /// client; sequence numbers, epochs and ids of producers.
    pub(crate) const fn is_of_producer(self) -> bool {
        matches!(self.0, -150 | 45 | 47 | 49 | 59 | 90)
    }

    /// The name in Kafka's protocol, `TOPIC_ALREADY_EXISTS`, or librdkafka's.
    pub(crate) fn name(self) -> String {
        // SAFETY: takes any number; the text is static or belongs to this thread, and is copied
        // here.
        unsafe { text(raw::rd_kafka_err2name(self.0)) }
    }

    /// A sentence about the code.
    pub(crate) fn describe(self) -> String {
        // SAFETY: as in `name`.
        unsafe { text(raw::rd_kafka_err2str(self.0)) }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// What a call into librdkafka may fail with.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum ClientError {
    #[error("librdkafka has no setting \"{key}\": check its spelling")]
    UnknownSetting { key: String },
    #[error("the setting \"{key}\" cannot be used: {reason}")]
    InvalidSetting { key: String, reason: String },
    #[error("\"{text}\" contains a zero byte: remove it")]
    ZeroByte { text: String },
    #[error("a Kafka client could not be made: {reason}")]
    Create { reason: String },
    #[error(
        "the queue of partition {partition} of \"{topic}\" is still in use: drop it before the partition is assigned again"
    )]
    QueueInUse { topic: String, partition: i32 },
    #[error("\"{call}\" failed with {code}: {message}")]
    Call { call: &'static str, code: Code, message: String },
    #[error(
        "\"{call}\" had no answer in time: check that a broker can be reached, or allow more time"
    )]
    TimedOut { call: &'static str },
}

impl ClientError {
    /// Whether a broker does not do this for us, or at all: asking again is of no use.
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Call {
                code: Code::TOPIC_AUTHORIZATION_FAILED
                    | Code::CLUSTER_AUTHORIZATION_FAILED
                    | Code::UNSUPPORTED_FEATURE
                    | Code::UNSUPPORTED_VERSION,
                ..
            }
        )
    }

    /// Whether it says that a topic, or a partition that there was, does not exist.
    pub(crate) const fn is_unknown_topic(&self) -> bool {
        matches!(self, Self::Call { code, .. } if code.is_unknown_topic())
    }

    /// `Ok` for code 0, otherwise the error of `call`.
    pub(super) fn check(call: &'static str, code: i32) -> Result<(), Self> {
        match Code(code) {
            Code::NONE => Ok(()),
            Code::TIMED_OUT => Err(Self::TimedOut { call }),
            code => Err(Self::Call { call, code, message: code.describe() }),
        }
    }

    /// Consumes an error object; null means success.
    ///
    /// # Safety
    /// `error` is null or a live error object that the caller owns.
    pub(super) unsafe fn take(
        call: &'static str,
        error: *mut rd::rd_kafka_error_t,
    ) -> Result<(), Self> {
        let Some(error) = NonNull::new(error) else { return Ok(()) };
        // SAFETY: live and owned, by this function's contract; the text is copied before the object
        // goes.
        unsafe {
            let code = Code(raw::rd_kafka_error_code(error.as_ptr()));
            let message = text(rd::rd_kafka_error_string(error.as_ptr()));
            rd::rd_kafka_error_destroy(error.as_ptr());
            Err(Self::Call { call, code, message })
        }
    }
}

/// Copies a C string; null gives the empty string.
///
/// # Safety
/// `pointer` is null or points at a string that ends in a zero byte.
pub(super) unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: by this function's contract.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_nothing_against_a_record_is_passing() {
        let passing = ["_MSG_TIMED_OUT", "_ALL_BROKERS_DOWN", "_QUEUE_FULL", "NOT_ENOUGH_REPLICAS"];
        let all = (-200..130).map(Code).filter(|code| code.is_passing_for_producer());
        let all: Vec<String> = all.map(Code::name).collect();
        for name in passing {
            assert!(all.iter().any(|one| one == name), "{name} is not in {all:?}");
        }
        for code in [Code::MESSAGE_TOO_LARGE, Code::TOPIC_AUTHORIZATION_FAILED, Code(-150)] {
            assert!(!code.is_passing_for_producer(), "{code}");
        }
    }

    #[test]
    fn codes_are_named_known_or_not() {
        assert_eq!(Code::TOPIC_ALREADY_EXISTS.name(), "TOPIC_ALREADY_EXISTS");
        assert_eq!(Code::QUEUE_FULL.name(), "_QUEUE_FULL");
        assert!(Code(12_345).name().contains("12345"));
    }
}
