//! The SASL exchanges of the open connections.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use streams_core::config::{Credentials, Sasl};
use streams_core::membership::{ConnectionId, SaslFault, SaslStep};

use super::scram::{self, Hash, Scram};
use super::token::Tokens;

/// One exchange for each connection that is being authenticated.
pub(crate) struct Logins {
    sasl: Option<Sasl>,
    tokens: Option<Arc<Tokens>>,
    running: BTreeMap<ConnectionId, Exchange>,
}

enum Exchange {
    /// User and password are sent.
    Plain,
    Scram(Box<Scram>),
    /// The token is sent.
    Bearer,
}

/// How an exchange goes on.
#[derive(Debug)]
pub(crate) enum Step {
    /// So.
    Now(SaslStep),
    /// As [`Logins::token_given`] says when the token is there; its provider may take its time.
    ByToken(Arc<Tokens>),
}

impl fmt::Debug for Logins {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mechanism = self.sasl.as_ref().map(Sasl::mechanism);
        out.debug_struct("Logins").field("mechanism", &mechanism).finish_non_exhaustive()
    }
}

impl Logins {
    pub(crate) const fn new(sasl: Option<Sasl>, tokens: Option<Arc<Tokens>>) -> Self {
        Self { sasl, tokens, running: BTreeMap::new() }
    }

    /// The next step, after this message of the broker; the first one of a connection begins it.
    pub(crate) fn step(&mut self, connection: ConnectionId, challenge: &[u8]) -> Step {
        let step = match self.running.remove(&connection) {
            None => match &self.tokens {
                Some(tokens) => return Step::ByToken(Arc::clone(tokens)),
                None => self.begin(connection),
            },
            Some(exchange) => self.go_on(connection, exchange, challenge),
        };
        Step::Now(step.unwrap_or_else(SaslStep::Failed))
    }

    /// The first message of an exchange by token.
    pub(crate) fn token_given(&mut self, connection: ConnectionId, message: Vec<u8>) -> SaslStep {
        self.running.insert(connection, Exchange::Bearer);
        SaslStep::Token(message)
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
        let mut scram = match exchange {
            Exchange::Scram(scram) => scram,
            // What the broker has against the token; after the answer that it expects, it refuses.
            Exchange::Bearer if !challenge.is_empty() => return Ok(SaslStep::Token(vec![1])),
            Exchange::Plain | Exchange::Bearer => return Ok(SaslStep::Complete),
        };
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
        let logins = Logins::new(Some(Sasl::Plain(credentials)), None);
        assert_eq!(format!("{logins:?}"), "Logins { mechanism: Some(\"PLAIN\"), .. }");
    }
}
