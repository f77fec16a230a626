//! How connections are secured: one value, read once from Java's or librdkafka's names.

mod jaas;
mod parse;
#[cfg(test)]
mod tests;
mod unsecured;

pub(crate) use parse::{is_printable, parse};

use std::collections::BTreeMap;
use std::time::Duration;

use super::secret::Secret;

/// How every connection of the process is secured. There is one such value, so that no client can
/// be left in the clear by mistake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// `PLAINTEXT`, the default: neither encrypted nor authenticated.
    #[default]
    Plaintext,
    /// `SSL`: encrypted; the client may show a certificate.
    Tls(Tls),
    /// `SASL_PLAINTEXT`: authenticated, not encrypted.
    SaslPlaintext(Sasl),
    /// `SASL_SSL`: authenticated and encrypted.
    SaslTls(Sasl, Tls),
}

/// Encryption, and who vouches for whom. The broker's certificate chain is always verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tls {
    /// Certificates of the authorities to trust; if none, the system's.
    pub ca: Option<PemSource>,
    /// The client's own certificate and key, if the broker asks for them.
    pub identity: Option<ClientIdentity>,
    /// Whether the broker's certificate must name its host.
    pub host_verification: HostVerification,
}

/// `ssl.endpoint.identification.algorithm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostVerification {
    /// `https`, the default: the certificate must name the host.
    #[default]
    Https,
    /// Empty, or `none`: any certificate of a trusted authority is good.
    Disabled,
}

/// Certificate and private key of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientIdentity {
    /// The certificate and its chain.
    pub certificate: PemSource,
    /// The private key; may be the same file as the certificate.
    pub key: PemSource,
    /// What the key is encrypted with, if it is.
    pub key_password: Option<Secret>,
}

/// PEM text or the file that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PemSource {
    /// Path of a file.
    File(String),
    /// The text itself.
    Inline(Secret),
}

/// Authentication by SASL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sasl {
    /// `PLAIN`: the password is sent as it is.
    Plain(Credentials),
    /// `SCRAM-SHA-256`.
    ScramSha256(Credentials),
    /// `SCRAM-SHA-512`.
    ScramSha512(Credentials),
    /// `OAUTHBEARER`: by a token.
    OauthBearer(OauthTokens),
}

/// Where the tokens of `OAUTHBEARER` come from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OauthTokens {
    /// The program gives them.
    Provided,
    /// They are made here, and nobody vouches for them: for brokers of tests.
    Unsecured(UnsecuredToken),
    /// They are fetched from an OAuth server, as these settings say.
    Fetched(OauthClient),
}

/// What an unsecured token claims: the options `unsecuredLogin...` of Java's
/// `OAuthBearerLoginModule`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnsecuredToken {
    /// Who it is for.
    pub principal: String,
    /// How long it is good for; an hour by default.
    pub lifetime: Duration,
    /// The claims beside its times, as members of a JSON object.
    pub claims: String,
    /// SASL extensions, by name.
    pub extensions: BTreeMap<String, String>,
}

/// A user and its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user. Often an API key, so it is not printed either.
    pub username: Secret,
    /// Its password.
    pub password: Secret,
}

/// A client of an OAuth server, by the grant `client_credentials`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OauthClient {
    /// Where tokens are fetched.
    pub token_endpoint_url: Secret,
    /// Id of the client.
    pub id: Secret,
    /// Its secret.
    pub secret: Secret,
    /// The scope to ask for, if any.
    pub scope: Option<String>,
    /// SASL extensions, `name=value` separated by commas, if any.
    pub extensions: Option<Secret>,
}

impl Security {
    /// Kafka's name of the protocol.
    pub fn protocol(&self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Tls(_) => "SSL",
            Self::SaslPlaintext(_) => "SASL_PLAINTEXT",
            Self::SaslTls(..) => "SASL_SSL",
        }
    }

    /// How connections are encrypted, if they are.
    pub fn tls(&self) -> Option<&Tls> {
        match self {
            Self::Tls(tls) | Self::SaslTls(_, tls) => Some(tls),
            Self::Plaintext | Self::SaslPlaintext(_) => None,
        }
    }

    /// How the client authenticates by SASL, if it does.
    pub fn sasl(&self) -> Option<&Sasl> {
        match self {
            Self::SaslPlaintext(sasl) | Self::SaslTls(sasl, _) => Some(sasl),
            Self::Plaintext | Self::Tls(_) => None,
        }
    }

    /// The same in librdkafka's names. Tokens of `OAUTHBEARER` are not among them: the client hands
    /// them over when librdkafka asks.
    pub fn librdkafka_settings(&self) -> Vec<(&'static str, Secret)> {
        let mut all = vec![("security.protocol", Secret::new(self.protocol().to_lowercase()))];
        if let Some(tls) = self.tls() {
            tls.write(&mut all);
        }
        if let Some(sasl) = self.sasl() {
            all.push(("sasl.mechanism", Secret::new(sasl.mechanism())));
            if let Some(Credentials { username, password }) = sasl.credentials() {
                all.push(("sasl.username", username.clone()));
                all.push(("sasl.password", password.clone()));
            }
        }
        all
    }
}

impl Tls {
    fn write(&self, all: &mut Vec<(&'static str, Secret)>) {
        let host = match self.host_verification {
            HostVerification::Https => "https",
            HostVerification::Disabled => "none",
        };
        all.push(("enable.ssl.certificate.verification", Secret::new("true")));
        all.push(("ssl.endpoint.identification.algorithm", Secret::new(host)));
        if let Some(ca) = &self.ca {
            all.push(ca.named("ssl.ca.location", "ssl.ca.pem"));
        }
        if let Some(identity) = &self.identity {
            all.push(identity.certificate.named("ssl.certificate.location", "ssl.certificate.pem"));
            all.push(identity.key.named("ssl.key.location", "ssl.key.pem"));
            let password = identity.key_password.iter();
            all.extend(password.map(|password| ("ssl.key.password", password.clone())));
        }
    }
}

impl PemSource {
    fn named(&self, file: &'static str, inline: &'static str) -> (&'static str, Secret) {
        match self {
            Self::File(path) => (file, Secret::new(path.clone())),
            Self::Inline(text) => (inline, text.clone()),
        }
    }
}

impl Sasl {
    /// Kafka's name of the mechanism.
    pub fn mechanism(&self) -> &'static str {
        match self {
            Self::Plain(_) => "PLAIN",
            Self::ScramSha256(_) => "SCRAM-SHA-256",
            Self::ScramSha512(_) => "SCRAM-SHA-512",
            Self::OauthBearer(_) => "OAUTHBEARER",
        }
    }

    /// User and password, if the mechanism has them.
    pub fn credentials(&self) -> Option<&Credentials> {
        match self {
            Self::Plain(it) | Self::ScramSha256(it) | Self::ScramSha512(it) => Some(it),
            Self::OauthBearer(_) => None,
        }
    }
}
