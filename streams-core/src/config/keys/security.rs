//! Security settings in the vocabularies of Java and of librdkafka; each means one field of
//! `Security`.

use super::Treatment::{Ignored, Refused, Security};
use super::{ALL, BOOL, Check, ClientKey, TEXT, one_of, row};

const fn field(name: &'static str) -> ClientKey {
    known_as(name, name)
}

const fn known_as(name: &'static str, to: &'static str) -> ClientKey {
    checked(name, to, TEXT)
}

const fn checked(name: &'static str, to: &'static str, check: Check) -> ClientKey {
    row(name, ALL, Security { to, check })
}

const fn ignored(name: &'static str, reason: &'static str) -> ClientKey {
    row(name, ALL, Ignored(reason))
}

const fn refused(name: &'static str, remedy: &'static str) -> ClientKey {
    row(name, ALL, Refused(remedy))
}

const KERBEROS: &str = "Kerberos is not used";
const JAVA_TLS: &str = "it chooses among Java's own TLS providers";
const PACE: &str = "tokens are renewed in good time without it";
const BROKER_SIDE: &str = "it concerns the broker's check of tokens";
const ASSERTION: &str =
    "tokens are got by client credentials only; set the client's id and secret and remove it";
const WEAKER: &str = "leaving it out would weaken security, and only OpenSSL knows it; remove it";
const CALLBACK: &str =
    "a Java class cannot log in here; use PLAIN, SCRAM or OAUTHBEARER and remove it";
const POINTER: &str = "it is a pointer of the C library, not a setting; remove it";
const MECHANISMS: Check = Check::Mechanism;
const PROTOCOLS: Check = one_of(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]);
const STORE_TYPES: Check = one_of(&["JKS", "PKCS12", "PEM"]);

/// Grouped by concern.
#[rustfmt::skip]
pub(crate) const SECURITY_KEYS: &[ClientKey] = &[
    checked("security.protocol", "security.protocol", PROTOCOLS),
    ignored("security.providers", JAVA_TLS),

    field("ssl.ca.location"),
    field("ssl.ca.pem"),
    known_as("ssl.truststore.certificates", "ssl.ca.pem"),
    field("ssl.truststore.location"),
    checked("ssl.truststore.type", "ssl.truststore.type", STORE_TYPES),
    field("ssl.truststore.password"),
    field("ssl.certificate.location"),
    field("ssl.certificate.pem"),
    known_as("ssl.keystore.certificate.chain", "ssl.certificate.pem"),
    field("ssl.key.location"),
    field("ssl.key.pem"),
    known_as("ssl.keystore.key", "ssl.key.pem"),
    checked("ssl.key.password", "ssl.key.password", Check::Raw),
    field("ssl.keystore.location"),
    checked("ssl.keystore.type", "ssl.keystore.type", STORE_TYPES),
    field("ssl.keystore.password"),
    checked("ssl.endpoint.identification.algorithm", "ssl.endpoint.identification.algorithm", one_of(&["https", "none", ""])),
    checked("enable.ssl.certificate.verification", "enable.ssl.certificate.verification", BOOL),
    refused("ssl.ca.certificate.stores", "only Windows has certificate stores; export the certificates as PEM and set 'ssl.ca.location'"),
    refused("ssl.cipher.suites", "suites are those of TLS 1.2 and 1.3 held safe today; remove it"),
    refused("ssl.crl.location", WEAKER),
    refused("ssl.curves.list", WEAKER),
    refused("ssl.sigalgs.list", WEAKER),
    refused("ssl.engine.factory.class", CALLBACK),
    refused("ssl.engine.id", "keys are read from PEM only; remove it"),
    refused("ssl.engine.location", "keys are read from PEM only; remove it"),
    refused("ssl.providers", WEAKER),
    refused("ssl.certificate.verify_cb", POINTER),
    refused("ssl_engine_callback_data", POINTER),
    refused("ssl_ca", POINTER),
    refused("ssl_certificate", POINTER),
    refused("ssl_key", POINTER),
    ignored("ssl.enabled.protocols", "TLS 1.2 and 1.3 are used"),
    ignored("ssl.protocol", "TLS 1.2 and 1.3 are used"),
    ignored("ssl.keymanager.algorithm", JAVA_TLS),
    ignored("ssl.provider", JAVA_TLS),
    ignored("ssl.secure.random.implementation", JAVA_TLS),
    ignored("ssl.trustmanager.algorithm", JAVA_TLS),

    checked("sasl.mechanism", "sasl.mechanism", MECHANISMS),
    checked("sasl.mechanisms", "sasl.mechanism", MECHANISMS),
    checked("sasl.username", "sasl.username", Check::Raw),
    checked("sasl.password", "sasl.password", Check::Raw),
    field("sasl.jaas.config"),
    refused("sasl.client.callback.handler.class", CALLBACK),
    refused("sasl.login.callback.handler.class", CALLBACK),
    refused("sasl.login.class", CALLBACK),
    ignored("sasl.login.connect.timeout.ms", PACE),
    ignored("sasl.login.read.timeout.ms", PACE),
    ignored("sasl.login.refresh.buffer.seconds", PACE),
    ignored("sasl.login.refresh.min.period.seconds", PACE),
    ignored("sasl.login.refresh.window.factor", PACE),
    ignored("sasl.login.refresh.window.jitter", PACE),
    ignored("sasl.login.retry.backoff.max.ms", PACE),
    ignored("sasl.login.retry.backoff.ms", PACE),
    ignored("sasl.kerberos.keytab", KERBEROS),
    ignored("sasl.kerberos.kinit.cmd", KERBEROS),
    ignored("sasl.kerberos.min.time.before.relogin", KERBEROS),
    ignored("sasl.kerberos.principal", KERBEROS),
    ignored("sasl.kerberos.service.name", KERBEROS),
    ignored("sasl.kerberos.ticket.renew.jitter", KERBEROS),
    ignored("sasl.kerberos.ticket.renew.window.factor", KERBEROS),

    field("sasl.oauthbearer.token.endpoint.url"),
    field("sasl.oauthbearer.scope"),
    field("sasl.oauthbearer.extensions"),
    field("sasl.oauthbearer.client.credentials.client.id"),
    checked("sasl.oauthbearer.client.credentials.client.secret", "sasl.oauthbearer.client.credentials.client.secret", Check::Raw),
    known_as("sasl.oauthbearer.client.id", "sasl.oauthbearer.client.credentials.client.id"),
    checked("sasl.oauthbearer.client.secret", "sasl.oauthbearer.client.credentials.client.secret", Check::Raw),
    ignored("sasl.oauthbearer.method", "tokens are got by client credentials"),
    checked("sasl.oauthbearer.grant.type", "sasl.oauthbearer.grant.type", one_of(&["client_credentials"])),
    checked("sasl.oauthbearer.metadata.authentication.type", "sasl.oauthbearer.metadata.authentication.type", one_of(&["none"])),
    refused("sasl.oauthbearer.config", "unsecured tokens are not made here; set the token endpoint and the client's id and secret"),
    refused("enable.sasl.oauthbearer.unsecure.jwt", "unsecured tokens are not made here; remove it"),
    refused("sasl.oauthbearer.jwt.retriever.class", CALLBACK),
    refused("sasl.oauthbearer.jwt.validator.class", CALLBACK),
    refused("sasl.oauthbearer.assertion.algorithm", ASSERTION),
    refused("sasl.oauthbearer.assertion.claim.aud", ASSERTION),
    refused("sasl.oauthbearer.assertion.claim.exp.seconds", ASSERTION),
    refused("sasl.oauthbearer.assertion.claim.iss", ASSERTION),
    refused("sasl.oauthbearer.assertion.claim.jti.include", ASSERTION),
    refused("sasl.oauthbearer.assertion.claim.nbf.seconds", ASSERTION),
    refused("sasl.oauthbearer.assertion.claim.sub", ASSERTION),
    refused("sasl.oauthbearer.assertion.file", ASSERTION),
    refused("sasl.oauthbearer.assertion.jwt.template.file", ASSERTION),
    refused("sasl.oauthbearer.assertion.template.file", ASSERTION),
    refused("sasl.oauthbearer.assertion.private.key.file", ASSERTION),
    refused("sasl.oauthbearer.assertion.private.key.passphrase", ASSERTION),
    refused("sasl.oauthbearer.assertion.private.key.pem", ASSERTION),
    refused("https.ca.location", "the token endpoint is checked by the system's certificates; remove it"),
    refused("https.ca.pem", "the token endpoint is checked by the system's certificates; remove it"),
    ignored("sasl.oauthbearer.header.urlencode", "the header is encoded as RFC 6749 says"),
    ignored("sasl.oauthbearer.clock.skew.seconds", BROKER_SIDE),
    ignored("sasl.oauthbearer.expected.audience", BROKER_SIDE),
    ignored("sasl.oauthbearer.expected.issuer", BROKER_SIDE),
    ignored("sasl.oauthbearer.jwks.endpoint.refresh.ms", BROKER_SIDE),
    ignored("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", BROKER_SIDE),
    ignored("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", BROKER_SIDE),
    ignored("sasl.oauthbearer.jwks.endpoint.url", BROKER_SIDE),
    ignored("sasl.oauthbearer.scope.claim.name", BROKER_SIDE),
    ignored("sasl.oauthbearer.sub.claim.name", BROKER_SIDE),
];
