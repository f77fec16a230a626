//! From checked settings to `Security`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::jaas::{self, Login, LoginModule};
use super::{
    ClientIdentity, Credentials, HostVerification, OauthClient, OauthTokens, PemSource, Sasl,
    Security, Tls, unsecured,
};
use crate::config::error::{ConfigError, IgnoredKey};
use crate::config::keys::SECURITY_KEYS;
use crate::config::secret::Secret;
use crate::config::settings::{Setting, contradiction};

/// Security settings whose values may be shown; all others are hidden.
const PRINTABLE: &[&str] = &[
    "enable.ssl.certificate.verification",
    "sasl.mechanism",
    "sasl.oauthbearer.grant.type",
    "sasl.oauthbearer.metadata.authentication.type",
    "security.protocol",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.endpoint.identification.algorithm",
    "ssl.keystore.location",
    "ssl.keystore.type",
    "ssl.truststore.location",
    "ssl.truststore.type",
];

/// Whether the value of a known key may be shown.
pub(crate) fn is_printable(name: &str) -> bool {
    PRINTABLE.contains(&name) || !SECURITY_KEYS.iter().any(|key| key.name == name)
}

const TRUSTSTORE_COMMAND: &str =
    "keytool -exportcert -rfc -keystore truststore.jks -alias ALIAS -file ca.pem";
const KEYSTORE_COMMAND: &str = "openssl pkcs12 -in keystore.p12 -nodes -out client.pem (a JKS file first by keytool -importkeystore -srckeystore keystore.jks -destkeystore keystore.p12 -deststoretype PKCS12)";

/// The security of all connections, with the keys that have no effect under it; or all faults beside
/// those that made settings `faulty`, none of which has a value here. The latter may be all there are.
pub(crate) fn parse(
    settings: &BTreeMap<&'static str, Setting>,
    faulty: &BTreeSet<&'static str>,
) -> Result<(Security, Vec<IgnoredKey>), Vec<ConfigError>> {
    let mut parser = Parser { settings, faulty, asked: RefCell::default(), errors: Vec::new() };
    let protocol = parser.word("security.protocol");
    let (with_tls, with_sasl) = match protocol {
        Some("SSL") => (true, false),
        Some("SASL_PLAINTEXT") => (false, true),
        Some("SASL_SSL") => (true, true),
        Some(_) => (false, false),
        // What is meant is not known; what is set for it is checked all the same.
        None => (parser.has(is_of_tls), parser.has(is_of_sasl)),
    };
    let is_unclear = DECISIVE.iter().any(|name| faulty.contains(name));
    if protocol.is_none() && !faulty.contains("security.protocol") {
        parser.refuse_silent_plaintext();
    }
    let tls = with_tls.then(|| parser.tls());
    let sasl = if with_sasl { parser.sasl() } else { None };
    if is_unclear || !parser.errors.is_empty() {
        return Err(parser.errors);
    }
    let security = match (sasl, tls) {
        (None, None) => Security::Plaintext,
        (None, Some(tls)) => Security::Tls(tls),
        (Some(sasl), None) => Security::SaslPlaintext(sasl),
        (Some(sasl), Some(tls)) => Security::SaslTls(sasl, tls),
    };
    let ignored = parser.without_effect(&security);
    Ok((security, ignored))
}

/// Without a good value of these nothing can be secured.
const DECISIVE: [&str; 2] = ["security.protocol", "sasl.mechanism"];

fn is_of_tls(name: &str) -> bool {
    name.contains("ssl.")
}

fn is_of_sasl(name: &str) -> bool {
    name.starts_with("sasl.")
}

struct Parser<'a> {
    settings: &'a BTreeMap<&'static str, Setting>,
    /// Those whose last value was refused.
    faulty: &'a BTreeSet<&'static str>,
    /// Those that were asked for; the others have no effect.
    asked: RefCell<BTreeSet<&'static str>>,
    errors: Vec<ConfigError>,
}

impl<'a> Parser<'a> {
    fn setting(&self, name: &str) -> Option<&'a Setting> {
        let (name, setting) = self.settings.get_key_value(name)?;
        self.asked.borrow_mut().insert(name);
        // One of a lower layer does not count beside it.
        (!self.faulty.contains(name)).then_some(setting)
    }

    fn has(&self, is_wanted: fn(&str) -> bool) -> bool {
        self.settings.keys().any(|name| is_wanted(name))
    }

    fn without_effect(&self, security: &Security) -> Vec<IgnoredKey> {
        let asked = self.asked.borrow();
        let unused = self.settings.iter().filter(|(name, _)| !asked.contains(*name));
        let why = |name: &str| {
            let is_of_protocol = (is_of_tls(name) && security.tls().is_none())
                || (is_of_sasl(name) && security.sasl().is_none());
            if is_of_protocol {
                "'security.protocol' does not call for it"
            } else {
                "the other settings of security do not call for it"
            }
        };
        let ignored = |(name, setting): (&&'static str, &Setting)| {
            let (key, origin) = (setting.written.clone(), setting.origin.clone());
            IgnoredKey { key, reason: why(name), origin }
        };
        unused.map(ignored).collect()
    }

    fn word(&self, name: &str) -> Option<&'a str> {
        self.setting(name).map(|setting| setting.value.expose())
    }

    fn incompatible(&mut self, setting: &Setting, other: &str, reason: &'static str) {
        self.errors.push(ConfigError::Incompatible {
            key: setting.written.clone(),
            origin: setting.origin.clone(),
            other: other.to_owned(),
            reason,
        });
    }

    /// Credentials without a protocol: sending nothing of them, in the clear, is not what was
    /// meant.
    fn refuse_silent_plaintext(&mut self) {
        if let Some((_, setting)) = self.settings.first_key_value() {
            let reason = "it is not set, and nothing would be secured; set it to SSL, SASL_SSL or SASL_PLAINTEXT";
            self.incompatible(setting, "security.protocol", reason);
        }
    }

    /// The one of two spellings that counts; they must agree at one layer.
    fn either(
        &mut self,
        one: Option<(PemSource, &'a Setting)>,
        other: Option<(PemSource, &'a Setting)>,
    ) -> Option<(PemSource, &'a Setting)> {
        match (one, other) {
            (Some(one), Some(other)) => {
                self.errors.extend(contradiction(one.1, other.1));
                Some(if other.1.layer > one.1.layer { other } else { one })
            }
            (one, other) => one.or(other),
        }
    }

    fn file(&self, name: &str) -> Option<(PemSource, &'a Setting)> {
        let setting = self.setting(name)?;
        Some((PemSource::File(setting.value.expose().to_owned()), setting))
    }

    fn inline(&self, name: &str) -> Option<(PemSource, &'a Setting)> {
        let setting = self.setting(name)?;
        Some((PemSource::Inline(setting.value.clone()), setting))
    }

    fn tls(&mut self) -> Tls {
        if let Some(setting) = self.setting("enable.ssl.certificate.verification")
            && setting.value.expose() == "false"
        {
            self.errors.push(ConfigError::Refused {
                key: setting.written.clone(),
                remedy: "certificates are always verified; name the authority by 'ssl.ca.location'",
                origin: setting.origin.clone(),
            });
        }
        Tls {
            ca: self.ca(),
            identity: self.identity(),
            host_verification: match self.word("ssl.endpoint.identification.algorithm") {
                None | Some("https") => HostVerification::Https,
                Some(_) => HostVerification::Disabled,
            },
        }
    }

    fn ca(&mut self) -> Option<PemSource> {
        let store = self.store("ssl.truststore", TRUSTSTORE_COMMAND, "ssl.ca.location");
        let (file, inline) = (self.file("ssl.ca.location"), self.inline("ssl.ca.pem"));
        let own = self.either(file, inline);
        self.either(own, store).map(|(source, _)| source)
    }

    fn identity(&mut self) -> Option<ClientIdentity> {
        let instead = "ssl.certificate.location' and 'ssl.key.location";
        let store = self.store("ssl.keystore", KEYSTORE_COMMAND, instead);
        let file = self.file("ssl.certificate.location");
        let inline = self.inline("ssl.certificate.pem");
        let own = self.either(file, inline);
        let certificate = self.either(own, store.clone());
        let (file, inline) = (self.file("ssl.key.location"), self.inline("ssl.key.pem"));
        let own = self.either(file, inline);
        let key = self.either(own, store);
        match (certificate, key) {
            (Some((certificate, _)), Some((key, _))) => {
                let key_password = self.setting("ssl.key.password").map(|it| it.value.clone());
                Some(ClientIdentity { certificate, key, key_password })
            }
            (Some((_, alone)), None) => {
                let reason = "a certificate needs its private key; set both";
                self.incompatible(alone, "ssl.key.location", reason);
                None
            }
            (None, Some((_, alone))) => {
                let reason = "a private key needs its certificate; set both";
                self.incompatible(alone, "ssl.certificate.location", reason);
                None
            }
            (None, None) => None,
        }
    }

    /// A store of Java's: taken if it is PEM, else refused with the command that converts it.
    fn store(
        &mut self,
        prefix: &str,
        command: &'static str,
        instead: &'static str,
    ) -> Option<(PemSource, &'a Setting)> {
        // Java asks for the type of PEM that is inline, too.
        let type_key = format!("{prefix}.type");
        let kind = self.word(&type_key);
        let (source, setting) = self.file(&format!("{prefix}.location"))?;
        if self.faulty.contains(&*type_key) {
            return None;
        }
        if kind == Some("PEM") {
            if let Some(password) = self.setting(&format!("{prefix}.password")) {
                let reason =
                    "a PEM file has no password; that of a private key is 'ssl.key.password'";
                self.incompatible(password, &type_key, reason);
            }
            return Some((source, setting));
        }
        let path = setting.value.expose();
        let looks_pem = [".pem", ".crt", ".cer"].iter().any(|end| path.ends_with(end));
        if kind.is_none() && looks_pem {
            let reason = "a store without a type is JKS to Kafka; set the type to PEM";
            self.incompatible(setting, &type_key, reason);
        } else {
            self.errors.push(ConfigError::KeyStore {
                key: setting.written.clone(),
                command,
                instead,
                origin: setting.origin.clone(),
            });
        }
        None
    }

    fn sasl(&mut self) -> Option<Sasl> {
        let login = self.login();
        let Some(mechanism) = self.setting("sasl.mechanism") else {
            if self.faulty.contains("sasl.mechanism") {
                return None;
            }
            self.errors.push(ConfigError::Missing {
                key: "sasl.mechanism",
                remedy: "Kafka's default, GSSAPI, is not supported; set PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER",
            });
            return None;
        };
        let needed = match mechanism.value.expose() {
            "PLAIN" => LoginModule::Plain,
            "OAUTHBEARER" => LoginModule::OauthBearer,
            _ => LoginModule::Scram,
        };
        if login.as_ref().is_some_and(|(login, _)| login.module != needed) {
            let reason = "its login module is of another mechanism";
            self.incompatible(mechanism, "sasl.jaas.config", reason);
            return None;
        }
        match mechanism.value.expose() {
            "PLAIN" => self.credentials(login).map(Sasl::Plain),
            "SCRAM-SHA-256" => self.credentials(login).map(Sasl::ScramSha256),
            "SCRAM-SHA-512" => self.credentials(login).map(Sasl::ScramSha512),
            _ => self.oauth(login).map(Sasl::OauthBearer),
        }
    }

    fn login(&mut self) -> Option<(Login, &'a Setting)> {
        let setting = self.setting("sasl.jaas.config")?;
        match jaas::parse(setting.value.expose()) {
            Ok(login) => Some((login, setting)),
            Err(reason) => {
                self.errors.push(ConfigError::Jaas { reason, origin: setting.origin.clone() });
                None
            }
        }
    }

    /// A value from its own key or from the login line; they must agree at one layer.
    fn field(
        &mut self,
        key: &'static str,
        login: Option<&(Login, &'a Setting)>,
        option: &str,
    ) -> Option<Secret> {
        let own = self.setting(key);
        let from_login = login.and_then(|(login, setting)| {
            let value = login.option(option)?;
            Some(Setting { value, ..(*setting).clone() })
        });
        match (own, from_login) {
            (Some(own), Some(from_login)) => {
                self.errors.extend(contradiction(own, &from_login));
                let wins = from_login.layer > own.layer;
                Some(if wins { from_login.value.clone() } else { own.value.clone() })
            }
            (own, from_login) => own.cloned().or(from_login).map(|setting| setting.value.clone()),
        }
    }

    fn required(
        &mut self,
        key: &'static str,
        login: Option<&(Login, &'a Setting)>,
        option: &str,
    ) -> Option<Secret> {
        let value = self.field(key, login, option);
        let told = self.errors.iter().any(|error| matches!(error, ConfigError::Jaas { .. }));
        if value.is_none() && !told && !self.faulty.contains(key) {
            let remedy = "set it, or 'sasl.jaas.config' as in Java";
            self.errors.push(ConfigError::Missing { key, remedy });
        }
        value
    }

    fn credentials(&mut self, login: Option<(Login, &'a Setting)>) -> Option<Credentials> {
        let username = self.required("sasl.username", login.as_ref(), "username");
        let password = self.required("sasl.password", login.as_ref(), "password");
        Some(Credentials { username: username?, password: password? })
    }

    fn oauth(&mut self, login: Option<(Login, &'a Setting)>) -> Option<OauthTokens> {
        const ID: &str = "sasl.oauthbearer.client.credentials.client.id";
        const SECRET: &str = "sasl.oauthbearer.client.credentials.client.secret";
        const URL: &str = "sasl.oauthbearer.token.endpoint.url";
        if [ID, SECRET, URL].iter().all(|key| self.setting(key).is_none()) {
            let Some((line, setting)) = &login else { return Some(OauthTokens::Provided) };
            match unsecured::token(line) {
                Ok(Some(token)) => return Some(OauthTokens::Unsecured(token)),
                Ok(None) if line.is_bare() => return Some(OauthTokens::Provided),
                Ok(None) => {}
                Err(reason) => {
                    self.errors.push(ConfigError::Jaas { reason, origin: setting.origin.clone() });
                    return None;
                }
            }
        }
        let id = self.required(ID, login.as_ref(), "clientId");
        let secret = self.required(SECRET, login.as_ref(), "clientSecret");
        let url = self.required(URL, None, "");
        // Each has one value that passes its check, which holds for fetched tokens.
        for key in ["grant.type", "metadata.authentication.type"] {
            self.setting(&format!("sasl.oauthbearer.{key}"));
        }
        let scope = self.field("sasl.oauthbearer.scope", login.as_ref(), "scope");
        let extensions = self
            .setting("sasl.oauthbearer.extensions")
            .map(|setting| setting.value.clone())
            .or_else(|| login.as_ref().and_then(|(login, _)| extensions(login)));
        Some(OauthTokens::Fetched(OauthClient {
            token_endpoint_url: url?,
            id: id?,
            secret: secret?,
            scope: scope.map(|scope| scope.expose().to_owned()),
            extensions,
        }))
    }
}

/// Options `extension_name="value"` in librdkafka's form.
fn extensions(login: &Login) -> Option<Secret> {
    let pairs: Vec<String> = login
        .options()
        .filter_map(|(name, value)| {
            Some(format!("{}={}", name.strip_prefix("extension_")?, value.expose()))
        })
        .collect();
    (!pairs.is_empty()).then(|| Secret::new(pairs.join(",")))
}
