//! How the membership client secures its connections. librdkafka is given the same settings, and
//! secures its own.

mod login;
mod pem;
mod scram;
mod tls;
mod token;

pub use self::tls::TlsSetupError;
pub use self::token::{OauthToken, TokenProvider};

pub(crate) use self::login::{Logins, Step};
pub(crate) use self::tls::{TlsClient, fault};
pub(crate) use self::token::Tokens;

use std::sync::Arc;

use streams_core::config::{Sasl, Security};

use crate::error::StreamsError;

/// What connections need to be secured, made once.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) tls: Option<TlsClient>,
    pub(crate) sasl: Option<Sasl>,
    /// Of OAUTHBEARER.
    pub(crate) tokens: Option<Arc<Tokens>>,
}

impl Access {
    pub(crate) fn new(
        security: &Security,
        provider: Option<Arc<dyn TokenProvider>>,
    ) -> Result<Self, StreamsError> {
        let tls = security.tls().map(TlsClient::new).transpose()?;
        let tokens = Tokens::of(security, provider)?;
        Ok(Self { tls, sasl: security.sasl().cloned(), tokens })
    }
}
