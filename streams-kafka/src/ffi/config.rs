//! Settings of a client: checked by librdkafka when they are set, with the key named in the error.

use super::error::{ClientError, text};
use super::partition_error;
use super::token::{self, GivesToken, TokenSource};
use rdkafka::bindings as rd;
use std::ffi::{CString, c_char};
use std::ptr::NonNull;
use std::sync::Arc;

const REASON_BYTES: usize = 512;

/// What a client is for: each role has its own defaults and its own settings that a user cannot
/// change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Consumer,
    Producer,
    Admin,
}

impl Role {
    /// Set first, so that the caller's own pairs win.
    fn defaults(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Consumer => &[
                ("check.crcs", "true"),
                ("auto.offset.reset", "error"),
                // DIFFERENCE(fetch-wait): Kafka waits for 500 ms. Here one fetch is on its way to a
                // broker at a time: while one that asks for idle partitions alone waits, those that
                // have records run dry.
                ("fetch.wait.max.ms", "20"),
                ("fetch.queue.backoff.ms", "10"),
            ],
            Self::Producer => &[
                ("acks", "all"),
                ("enable.idempotence", "true"),
                ("compression.type", "none"),
                ("linger.ms", "50"),
                ("batch.size", "131072"),
                ("queue.buffering.max.kbytes", "32768"),
                // What waits fits a core's own cache: each message is read again when it is sent,
                // and when it is acknowledged. DIFFERENCE(queued-records): Kafka counts bytes alone.
                ("queue.buffering.max.messages", "10000"),
            ],
            // A client that connects where it is asked to forgets how long it is to wait before it
            // tries again: as long as a question waits for a broker that is gone, it would do nothing
            // else.
            Self::Admin => &[("enable.sparse.connections", "false")],
        }
    }

    /// Set last: what this module relies on.
    pub(crate) fn forced(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Consumer => &[
                ("log.queue", "true"),
                ("enable.auto.commit", "false"),
                ("enable.auto.offset.store", "false"),
                ("statistics.interval.ms", "0"),
            ],
            Self::Producer | Self::Admin => {
                &[("log.queue", "true"), ("statistics.interval.ms", "0")]
            }
        }
    }

    fn events(self) -> i32 {
        match self {
            Self::Producer => {
                rd::RD_KAFKA_EVENT_DR | rd::RD_KAFKA_EVENT_ERROR | rd::RD_KAFKA_EVENT_LOG
            }
            Self::Consumer | Self::Admin => rd::RD_KAFKA_EVENT_ERROR | rd::RD_KAFKA_EVENT_LOG,
        }
    }
}

/// Settings for one client.
#[derive(Debug)]
pub(crate) struct Config {
    raw: NonNull<rd::rd_kafka_conf_t>,
    role: Role,
    tokens: Option<TokenSource>,
}

impl Config {
    /// The defaults of `role`, then `pairs` in order, then what the role does not let anyone
    /// change.
    ///
    /// # Errors
    /// A key that librdkafka does not know, or a value that it refuses.
    pub(crate) fn new<'a>(
        role: Role,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ClientError> {
        // SAFETY: no arguments; the result is owned by `Config`.
        let raw = NonNull::new(unsafe { rd::rd_kafka_conf_new() })
            .ok_or_else(|| ClientError::Create { reason: "out of memory".to_owned() })?;
        let mut config = Self { raw, role, tokens: None };
        for &(key, value) in role.defaults() {
            config.set(key, value)?;
        }
        for (key, value) in pairs {
            config.set(key, value)?;
        }
        for &(key, value) in role.forced() {
            config.set(key, value)?;
        }
        // SAFETY: `raw` is live.
        unsafe {
            rd::rd_kafka_conf_set_events(config.raw.as_ptr(), role.events());
            if role == Role::Consumer {
                partition_error::listen(config.raw.as_ptr());
            }
        }
        Ok(config)
    }

    /// Sets one key. The error never repeats the value, which may be a secret.
    fn set(&mut self, key: &str, value: &str) -> Result<(), ClientError> {
        let name = c_string(key)?;
        let value = CString::new(value).map_err(|_| ClientError::InvalidSetting {
            key: key.to_owned(),
            reason: "its value contains a zero byte".to_owned(),
        })?;
        let mut reason: [c_char; REASON_BYTES] = [0; REASON_BYTES];
        // SAFETY: `raw` is live, both strings end in zero, and the reason is written within the
        // given size.
        let outcome = unsafe {
            rd::rd_kafka_conf_set(
                self.raw.as_ptr(),
                name.as_ptr(),
                value.as_ptr(),
                reason.as_mut_ptr(),
                REASON_BYTES,
            )
        };
        match outcome {
            rd::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK => Ok(()),
            rd::rd_kafka_conf_res_t::RD_KAFKA_CONF_UNKNOWN => {
                Err(ClientError::UnknownSetting { key: key.to_owned() })
            }
            rd::rd_kafka_conf_res_t::RD_KAFKA_CONF_INVALID => Err(ClientError::InvalidSetting {
                key: key.to_owned(),
                // SAFETY: librdkafka ends what it writes with a zero byte.
                reason: unsafe { text(reason.as_ptr()) },
            }),
        }
    }

    /// The client asks here for tokens of SASL OAUTHBEARER.
    pub(crate) fn tokens(mut self, source: Arc<dyn GivesToken>) -> Self {
        self.tokens = Some(Box::new(source));
        self
    }

    /// Where the client that is to be made asks; it keeps the source for as long as it lives.
    pub(super) fn take_tokens(&mut self) -> Option<TokenSource> {
        let source = self.tokens.take()?;
        // SAFETY: `raw` is live; the caller keeps what it is given.
        unsafe { token::ask(self.raw.as_ptr(), &source) };
        Some(source)
    }

    pub(super) fn role(&self) -> Role {
        self.role
    }

    /// Makes the handle. On failure librdkafka leaves the settings with us, and they are dropped
    /// here.
    pub(super) fn create(self) -> Result<NonNull<rd::rd_kafka_t>, ClientError> {
        let mut reason: [c_char; REASON_BYTES] = [0; REASON_BYTES];
        let kind = match self.role {
            Role::Consumer => rd::rd_kafka_type_t::RD_KAFKA_CONSUMER,
            Role::Producer | Role::Admin => rd::rd_kafka_type_t::RD_KAFKA_PRODUCER,
        };
        // SAFETY: `raw` is live; on success librdkafka owns it, and `self` is not dropped then.
        let handle =
            unsafe { rd::rd_kafka_new(kind, self.raw.as_ptr(), reason.as_mut_ptr(), REASON_BYTES) };
        match NonNull::new(handle) {
            Some(handle) => {
                let _owned_by_the_handle = std::mem::ManuallyDrop::new(self);
                Ok(handle)
            }
            // SAFETY: ends in a zero byte, as in `set`.
            None => Err(ClientError::Create { reason: unsafe { text(reason.as_ptr()) } }),
        }
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        // SAFETY: live and owned by `self`: `create` does not drop it once a handle owns it.
        unsafe { rd::rd_kafka_conf_destroy(self.raw.as_ptr()) }
    }
}

/// A string for C.
pub(super) fn c_string(text: &str) -> Result<CString, ClientError> {
    CString::new(text).map_err(|_| ClientError::ZeroByte { text: text.replace('\0', "\\0") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_named() {
        let error = Config::new(Role::Producer, [("no.such.key", "1")]).unwrap_err();
        assert_eq!(error, ClientError::UnknownSetting { key: "no.such.key".to_owned() });
    }

    #[test]
    fn a_refused_value_names_its_key() {
        let error = Config::new(Role::Producer, [("linger.ms", "soon")]).unwrap_err();
        assert!(matches!(error, ClientError::InvalidSetting { key, .. } if key == "linger.ms"));
    }

    #[test]
    fn a_zero_byte_is_refused_without_repeating_a_value() {
        let error = Config::new(Role::Admin, [("sasl.password", "sec\0ret")]).unwrap_err();
        assert!(!error.to_string().contains("sec"));
        assert!(matches!(
            Config::new(Role::Admin, [("a\0b", "")]),
            Err(ClientError::ZeroByte { .. })
        ));
    }

    fn value(config: &Config, key: &str) -> String {
        let (key, mut bytes) = (c_string(key).unwrap(), [0; REASON_BYTES]);
        let mut size = bytes.len();
        let (raw, into) = (config.raw.as_ptr(), bytes.as_mut_ptr());
        // SAFETY: `raw` and the key are live; no more than `size` bytes are written.
        let found = unsafe { rd::rd_kafka_conf_get(raw, key.as_ptr(), into, &raw mut size) };
        assert_eq!(found, rd::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK);
        // SAFETY: what was written ends in a zero byte.
        unsafe { text(bytes.as_ptr()) }
    }

    #[test]
    fn fetches_wait_shortly_for_partitions_at_rest_unless_told_otherwise() {
        let (key, none) = ("fetch.wait.max.ms", <[(&str, &str); 0]>::default());
        assert_eq!(value(&Config::new(Role::Consumer, none).unwrap(), key), "20");
        assert_eq!(value(&Config::new(Role::Consumer, [(key, "300")]).unwrap(), key), "300");
    }

    #[test]
    fn contradictory_settings_fail_when_the_client_is_made() {
        let config = Config::new(Role::Producer, [("acks", "1")]).unwrap();
        assert!(matches!(config.create(), Err(ClientError::Create { .. })));
    }
}
