//! Tokens for SASL OAUTHBEARER (RFC 7628): from the program, or made here without a signature.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use streams_core::config::{OauthTokens, Sasl, Secret, Security, UnsecuredToken};
use streams_core::error::catch_panic;
use streams_core::time::Timestamp;

use crate::clock;
use crate::error::StreamsError;
use crate::ffi::token::{GivesToken, Token};

/// A token by which brokers know the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthToken {
    value: Secret,
    expires: Timestamp,
    principal: String,
    extensions: Vec<(String, String)>,
}

impl OauthToken {
    /// A token, mostly a JSON Web Token, that is good until this time. The principal is for the logs;
    /// a broker takes it from the token.
    #[must_use]
    pub fn new(value: impl Into<String>, expires: Timestamp, principal: impl Into<String>) -> Self {
        let (value, principal) = (Secret::new(value), principal.into());
        Self { value, expires, principal, extensions: Vec::new() }
    }

    /// Sends a SASL extension with it (KIP-342), such as `logicalCluster`.
    #[must_use]
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extensions.push((name.into(), value.into()));
        self
    }
}

/// Gives tokens for SASL OAUTHBEARER: what a login callback handler does in Kafka. Any function that
/// returns a token is one.
///
/// It is called on threads of the clients, which may wait for it, when a connection is made and no
/// token is there, and again when 70 % of a token's time are over. All clients of a process share a
/// token.
///
/// DIFFERENCE(token-retry): in Kafka the application does not start when the first token cannot be
/// had. Here an error or a panic is logged, and it is tried again.
pub trait TokenProvider: Send + Sync + 'static {
    /// A token that is good for a while.
    ///
    /// # Errors
    /// When none can be had now. No secret should be in the text.
    fn token(&self) -> Result<OauthToken, Box<dyn Error + Send + Sync>>;
}

impl<F> TokenProvider for F
where
    F: Fn() -> Result<OauthToken, Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
{
    fn token(&self) -> Result<OauthToken, Box<dyn Error + Send + Sync>> {
        self()
    }
}

/// The tokens of a process.
pub(crate) struct Tokens {
    provider: Arc<dyn TokenProvider>,
    /// The last one, and until when it is used.
    last: Mutex<Option<(OauthToken, i64)>>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

impl Tokens {
    /// Where the tokens come from that the configuration asks for; `None` if it asks for none. What
    /// the program gives goes before.
    pub(crate) fn of(
        security: &Security,
        provider: Option<Arc<dyn TokenProvider>>,
    ) -> Result<Option<Arc<Self>>, StreamsError> {
        let Some(Sasl::OauthBearer(tokens)) = security.sasl() else { return Ok(None) };
        let provider: Arc<dyn TokenProvider> = match (provider, tokens) {
            (Some(provider), _) => provider,
            (None, OauthTokens::Unsecured(token)) => Arc::new(Unsecured(token.clone())),
            (None, OauthTokens::Fetched(_)) => return Err(StreamsError::TokensNotFetched),
            (None, _) => return Err(StreamsError::NoTokens),
        };
        Ok(Some(Arc::new(Self { provider, last: Mutex::new(None) })))
    }

    fn token(&self, now: i64) -> Result<OauthToken, String> {
        // Held meanwhile, so that clients that need a token at once ask for one.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((token, until)) = &*last
            && now < *until
        {
            return Ok(token.clone());
        }
        let token = catch_panic(|| self.provider.token())?.map_err(|error| error.to_string())?;
        let left = token.expires.millis().saturating_sub(now);
        *last = Some((token.clone(), now.saturating_add(left / 10 * 7)));
        Ok(token)
    }

    /// The first message of an exchange.
    pub(crate) fn first_message(&self) -> Result<Vec<u8>, String> {
        let token = self.token(clock::now_millis())?;
        let mut message = format!("n,,\u{1}auth=Bearer {}", token.value.expose());
        for (name, value) in &token.extensions {
            message.push_str(&format!("\u{1}{name}={value}"));
        }
        message.push_str("\u{1}\u{1}");
        Ok(message.into_bytes())
    }
}

impl GivesToken for Tokens {
    fn give(&self) -> Result<Token, String> {
        let OauthToken { value, expires, principal, extensions } =
            self.token(clock::now_millis())?;
        let (value, expires_ms) = (value.expose().to_owned(), expires.millis());
        Ok(Token { value, expires_ms, principal, extensions })
    }
}

/// Makes tokens that nobody signs, as Java's client does for tests.
struct Unsecured(UnsecuredToken);

impl TokenProvider for Unsecured {
    fn token(&self) -> Result<OauthToken, Box<dyn Error + Send + Sync>> {
        Ok(unsecured(&self.0, clock::now_millis()))
    }
}

fn unsecured(token: &UnsecuredToken, now: i64) -> OauthToken {
    let lifetime = i64::try_from(token.lifetime.as_millis()).unwrap_or(i64::MAX);
    let expires = now.saturating_add(lifetime);
    let seconds = |millis: i64| format!("{}.{:03}", millis / 1000, millis % 1000);
    let (iat, exp) = (seconds(now), seconds(expires));
    let claims = format!("{{\"exp\":{exp},\"iat\":{iat},{}}}", token.claims);
    let [header, claims] = [r#"{"alg":"none"}"#, &claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let made = OauthToken::new(
        format!("{header}.{claims}."),
        Timestamp::from_millis(expires),
        token.principal.as_str(),
    );
    token.extensions.iter().fold(made, |made, (name, value)| made.extension(name, value))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use streams_core::config::StreamsConfig;

    use super::*;

    fn security(jaas: &str) -> Security {
        let config = StreamsConfig::builder()
            .application_id("tokens")
            .bootstrap_servers("b:9092")
            .set("security.protocol", "SASL_PLAINTEXT")
            .set("sasl.mechanism", "OAUTHBEARER");
        let config = if jaas.is_empty() { config } else { config.set("sasl.jaas.config", jaas) };
        config.build().unwrap().security().clone()
    }

    #[test]
    fn an_unsecured_token_claims_what_the_login_line_says() {
        let line = "x.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"alice\";";
        let Security::SaslPlaintext(Sasl::OauthBearer(OauthTokens::Unsecured(described))) =
            security(line)
        else {
            panic!()
        };
        let token = unsecured(&described, 1_000_250);
        assert_eq!(token.expires.millis(), 4_600_250);
        let parts: Vec<&str> = token.value.expose().split('.').collect();
        let [header, claims, ""] = parts[..] else { panic!("{parts:?}") };
        let decode = |part| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        assert_eq!(decode(header), r#"{"alg":"none"}"#);
        assert_eq!(decode(claims), r#"{"exp":4600.250,"iat":1000.250,"sub":"alice"}"#);
    }

    #[test]
    fn without_tokens_the_remedy_is_named() {
        assert!(Tokens::of(&Security::Plaintext, None).unwrap().is_none());
        let error = Tokens::of(&security(""), None).unwrap_err().to_string();
        assert!(error.contains("KafkaStreamsBuilder::token_provider"), "{error}");
        let provider = || Err("away".into());
        assert!(Tokens::of(&security(""), Some(Arc::new(provider))).unwrap().is_some());
    }

    #[test]
    fn a_token_is_shared_until_most_of_its_time_is_over() {
        let asked = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&asked);
        let provider = move || {
            let number = counted.fetch_add(1, Ordering::Relaxed);
            assert!(number != 1, "no luck");
            let expires = Timestamp::from_millis(1000 + 1000 * i64::from(number));
            Ok(OauthToken::new("t", expires, "me").extension("pool", "p1"))
        };
        let tokens = Tokens::of(&security(""), Some(Arc::new(provider))).unwrap().unwrap();
        let times = [0, 699].map(|now| tokens.token(now).unwrap().expires.millis());
        assert_eq!((times, asked.load(Ordering::Relaxed)), ([1000, 1000], 1));
        assert!(tokens.token(700).unwrap_err().contains("no luck"), "a panic is an error");
        assert_eq!(tokens.token(700).unwrap().expires.millis(), 3000);
        assert!(!format!("{tokens:?} {:?}", tokens.token(701)).contains("\"t\""));
    }

    #[test]
    fn the_first_message_is_that_of_rfc_7628() {
        let far = Timestamp::from_millis(i64::MAX);
        let provider = move || Ok(OauthToken::new("abc.def.", far, "me").extension("pool", "p1"));
        let tokens = Tokens::of(&security(""), Some(Arc::new(provider))).unwrap().unwrap();
        let message = tokens.first_message().unwrap();
        assert_eq!(message, b"n,,\x01auth=Bearer abc.def.\x01pool=p1\x01\x01");
    }
}
