//! The SASL exchanges of the open connections.

use std::collections::BTreeMap;
use std::fmt;

use streams_core::config::{Credentials, Sasl};
use streams_core::membership::{ConnectionId, SaslFault, SaslStep};

use super::scram::{self, Hash, Scram};

/// One exchange for each connection that is being authenticated.
pub(crate) struct Logins {
    sasl: Option<Sasl>,
    running: BTreeMap<ConnectionId, Exchange>,
}

enum Exchange {
    /// User and password are sent.
    Plain,
    Scram(Box<Scram>),
}

impl fmt::Debug for Logins {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mechanism = self.sasl.as_ref().map(Sasl::mechanism);
        out.debug_struct("Logins").field("mechanism", &mechanism).finish_non_exhaustive()
    }
}

impl Logins {
    pub(crate) const fn new(sasl: Option<Sasl>) -> Self {
        Self { sasl, running: BTreeMap::new() }
    }

    /// The next step, after this message of the broker; the first one of a connection begins it.
    pub(crate) fn step(&mut self, connection: ConnectionId, challenge: &[u8]) -> SaslStep {
        let step = match self.running.remove(&connection) {
            None => self.begin(connection),
            Some(exchange) => self.go_on(connection, exchange, challenge),
        };
        step.unwrap_or_else(SaslStep::Failed)
    }

    fn begin(&mut self, connection: ConnectionId) -> Result<SaslStep, SaslFault> {
        let (exchange, first) = match &self.sasl {
            Some(Sasl::Plain(credentials)) => (Exchange::Plain, plain(credentials)),
            Some(Sasl::ScramSha256(credentials)) => scram(Hash::Sha256, credentials)?,
            Some(Sasl::ScramSha512(credentials)) => scram(Hash::Sha512, credentials)?,
            Some(Sasl::OauthBearer(_)) | None => return Err(SaslFault::NoMechanism),
        };
        self.running.insert(connection, exchange);
        Ok(SaslStep::Token(first))
    }

    fn go_on(
        &mut self,
        connection: ConnectionId,
        exchange: Exchange,
        challenge: &[u8],
    ) -> Result<SaslStep, SaslFault> {
        let Exchange::Scram(mut scram) = exchange else { return Ok(SaslStep::Complete) };
        let Some(answer) = scram.answer(challenge)? else { return Ok(SaslStep::Complete) };
        self.running.insert(connection, Exchange::Scram(scram));
        Ok(SaslStep::Token(answer))
    }

    /// Forgets what a connection that has ended did not finish.
    pub(crate) fn forget(&mut self, connection: ConnectionId) {
        self.running.remove(&connection);
    }
}

/// RFC 4616: whom to act as, which is the user itself; the user; the password.
fn plain(credentials: &Credentials) -> Vec<u8> {
    let Credentials { username, password } = credentials;
    [b"", username.expose().as_bytes(), password.expose().as_bytes()].join(&0)
}

fn scram(hash: Hash, credentials: &Credentials) -> Result<(Exchange, Vec<u8>), SaslFault> {
    let scram = Scram::new(hash, credentials, scram::nonce()?);
    let first = scram.first();
    Ok((Exchange::Scram(Box::new(scram)), first))
}

#[cfg(test)]
mod tests {
    use streams_core::config::Secret;

    use super::*;

    #[test]
    fn a_password_is_sent_as_it_is_and_never_printed() {
        let (username, password) = (Secret::new("alice"), Secret::new("open=sesame"));
        let credentials = Credentials { username, password };
        assert_eq!(plain(&credentials), b"\0alice\0open=sesame");
        let logins = Logins::new(Some(Sasl::Plain(credentials)));
        assert_eq!(format!("{logins:?}"), "Logins { mechanism: Some(\"PLAIN\"), .. }");
    }
}
