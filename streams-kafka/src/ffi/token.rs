//! Tokens of SASL OAUTHBEARER, handed to librdkafka when it asks for them.

use super::error::text;
use rdkafka::bindings as rd;
use std::ffi::{CString, NulError, c_char, c_void};
use std::fmt;
use std::sync::Arc;

const REASON_BYTES: usize = 512;

/// A token as librdkafka takes it.
pub(crate) struct Token {
    pub(crate) value: String,
    /// Milliseconds since 1970.
    pub(crate) expires_ms: i64,
    pub(crate) principal: String,
    pub(crate) extensions: Vec<(String, String)>,
}

/// Gives a token, or says why it cannot. Called on a thread of librdkafka's, which waits for it. It
/// must not panic.
pub(crate) trait GivesToken: Send + Sync {
    fn give(&self) -> Result<Token, String>;
}

impl fmt::Debug for dyn GivesToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GivesToken")
    }
}

/// At a place that stays while a client may ask.
pub(super) type TokenSource = Box<Arc<dyn GivesToken>>;

/// Lets the clients of these settings ask `source`, on their background thread.
///
/// # Safety
/// `conf` is live, and `source` outlives the client that is made from it.
pub(super) unsafe fn ask(conf: *mut rd::rd_kafka_conf_t, source: &TokenSource) {
    let opaque: *const Arc<dyn GivesToken> = &raw const **source;
    // SAFETY: the settings are live. The opaque value is used by `refresh` alone.
    unsafe {
        rd::rd_kafka_conf_set_opaque(conf, opaque.cast_mut().cast());
        rd::rd_kafka_conf_set_oauthbearer_token_refresh_cb(conf, Some(refresh));
        rd::rd_kafka_conf_enable_sasl_queue(conf, 1);
    }
}

/// Lets the client ask without being polled.
///
/// # Safety
/// `client` is live and of settings that [`ask`] was called for.
pub(super) unsafe fn begin(client: *mut rd::rd_kafka_t) {
    // SAFETY: the handle is live; an error is ours to destroy, and null is allowed.
    unsafe {
        let error = rd::rd_kafka_sasl_background_callbacks_enable(client);
        if !error.is_null() {
            tracing::error!("tokens cannot be given: {}", text(rd::rd_kafka_error_string(error)));
            rd::rd_kafka_error_destroy(error);
        }
    }
}

/// # Safety
/// Called by librdkafka for a client that [`ask`] was called for.
unsafe extern "C" fn refresh(
    client: *mut rd::rd_kafka_t,
    _config: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: what `ask` put there; it outlives the client.
    let source = unsafe { &*opaque.cast_const().cast::<Arc<dyn GivesToken>>() };
    let given = source.give().and_then(|token| {
        let token = CToken::new(token).map_err(|_| "it has a zero byte".to_owned())?;
        // SAFETY: the client is live while it calls.
        unsafe { token.set(client) }
    });
    if let Err(reason) = given {
        tracing::error!("no token for SASL OAUTHBEARER: {reason}; asked for again in ten seconds");
        let reason = CString::new(reason).unwrap_or_default();
        // SAFETY: the client is live, and the text ends in zero. librdkafka copies it.
        unsafe { rd::rd_kafka_oauthbearer_set_token_failure(client, reason.as_ptr()) };
    }
}

struct CToken {
    value: CString,
    expires_ms: i64,
    principal: CString,
    /// Names and values in turn.
    extensions: Vec<CString>,
}

impl CToken {
    fn new(token: Token) -> Result<Self, NulError> {
        let pairs = token.extensions.into_iter().flat_map(|(name, value)| [name, value]);
        Ok(Self {
            value: CString::new(token.value)?,
            expires_ms: token.expires_ms,
            principal: CString::new(token.principal)?,
            extensions: pairs.map(CString::new).collect::<Result<_, _>>()?,
        })
    }

    /// # Safety
    /// `client` is live.
    unsafe fn set(&self, client: *mut rd::rd_kafka_t) -> Result<(), String> {
        let mut pairs: Vec<*const c_char> =
            self.extensions.iter().map(|text| text.as_ptr()).collect();
        let mut reason: [c_char; REASON_BYTES] = [0; REASON_BYTES];
        // SAFETY: all texts end in zero and are copied; the reason is written within its size.
        unsafe {
            let code = rd::rd_kafka_oauthbearer_set_token(
                client,
                self.value.as_ptr(),
                self.expires_ms,
                self.principal.as_ptr(),
                pairs.as_mut_ptr(),
                pairs.len(),
                reason.as_mut_ptr(),
                REASON_BYTES,
            );
            if code == rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                Ok(())
            } else {
                Err(text(reason.as_ptr()))
            }
        }
    }
}
