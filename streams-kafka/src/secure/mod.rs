//! How the membership client secures its connections. librdkafka is given the same settings, and
//! secures its own.

mod login;
mod pem;
mod scram;
mod tls;

pub use self::tls::TlsSetupError;

pub(crate) use self::login::Logins;
pub(crate) use self::tls::{TlsClient, fault};

use streams_core::config::{Sasl, Security};

/// What connections need to be secured, made once.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) tls: Option<TlsClient>,
    pub(crate) sasl: Option<Sasl>,
}

impl Access {
    pub(crate) fn new(security: &Security) -> Result<Self, TlsSetupError> {
        let tls = security.tls().map(TlsClient::new).transpose()?;
        Ok(Self { tls, sasl: security.sasl().cloned() })
    }
}
