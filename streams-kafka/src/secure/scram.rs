//! SCRAM (RFC 5802, RFC 7677): the client proves that it knows the password without sending it, and
//! the broker proves the same.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SecureRandom;
use ring::{digest, hmac, pbkdf2};
use streams_core::config::{Credentials, Secret};
use streams_core::membership::SaslFault;

/// The fewest iterations that are accepted, as in Kafka: fewer would let a false broker learn the
/// password by trying.
const ITERATIONS_MIN: u32 = 4096;
/// The most: a broker cannot keep the group thread busy for longer than about a tenth of a second.
/// Kafka's own brokers go no further than 16384.
const ITERATIONS_MAX: u32 = 131_072;
const NONCE_BYTES: usize = 24;
/// Base64 of "n,,": no channel binding, and no other identity to act as.
const NO_BINDING: &str = "biws";

/// The hash that a mechanism is built on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha512,
}

impl Hash {
    const fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    const fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }
}

/// An exchange that has begun.
pub(super) struct Scram {
    hash: Hash,
    password: Secret,
    nonce: String,
    client_first: String,
    /// What the broker's last message must sign, once the proof is sent.
    expected: Option<Expected>,
}

struct Expected {
    key: hmac::Key,
    signed: String,
}

impl Scram {
    pub(super) fn new(hash: Hash, credentials: &Credentials, nonce: String) -> Self {
        let user = credentials.username.expose().replace('=', "=3D").replace(',', "=2C");
        let client_first = format!("n={user},r={nonce}");
        Self { hash, password: credentials.password.clone(), nonce, client_first, expected: None }
    }

    pub(super) fn first(&self) -> Vec<u8> {
        format!("n,,{}", self.client_first).into_bytes()
    }

    /// The answer to a message of the broker; `None` when the broker has proved itself.
    pub(super) fn answer(&mut self, challenge: &[u8]) -> Result<Option<Vec<u8>>, SaslFault> {
        let text = std::str::from_utf8(challenge);
        let text = text.map_err(|_| SaslFault::Malformed("a SCRAM message is not text"))?;
        match self.expected.take() {
            None => self.prove(text).map(Some),
            Some(expected) => expected.verify(text).map(|()| None),
        }
    }

    fn prove(&mut self, server_first: &str) -> Result<Vec<u8>, SaslFault> {
        let offer = Offer::parse(server_first)?;
        let added = offer.nonce.strip_prefix(self.nonce.as_str());
        if added.is_none_or(str::is_empty) {
            return Err(SaslFault::Malformed(
                "the nonce of the broker does not extend the client's",
            ));
        }
        let mut salted = [0; digest::MAX_OUTPUT_LEN];
        let hash = self.hash.hmac();
        let size = hash.digest_algorithm().output_len();
        let salted = salted.get_mut(..size).unwrap_or_default();
        let password = self.password.expose().as_bytes();
        pbkdf2::derive(self.hash.pbkdf2(), offer.iterations, &offer.salt, password, salted);

        let salted = hmac::Key::new(hash, salted);
        let client_key = hmac::sign(&salted, b"Client Key");
        let stored_key = digest::digest(hash.digest_algorithm(), client_key.as_ref());
        let client_final = format!("c={NO_BINDING},r={}", offer.nonce);
        let signed = format!("{},{server_first},{client_final}", self.client_first);
        let stored_key = hmac::Key::new(hash, stored_key.as_ref());
        let signature = hmac::sign(&stored_key, signed.as_bytes());
        let pairs = client_key.as_ref().iter().zip(signature.as_ref());
        let proof: Vec<u8> = pairs.map(|(key, signature)| key ^ signature).collect();

        let key = hmac::Key::new(hash, hmac::sign(&salted, b"Server Key").as_ref());
        self.expected = Some(Expected { key, signed });
        Ok(format!("{client_final},p={}", STANDARD.encode(proof)).into_bytes())
    }
}

impl Expected {
    fn verify(&self, server_final: &str) -> Result<(), SaslFault> {
        let signature = server_final.split(',').next().and_then(|part| part.strip_prefix("v="));
        let signature = signature.and_then(|signature| STANDARD.decode(signature).ok());
        let signature =
            signature.ok_or(SaslFault::Malformed("a SCRAM message has no signature"))?;
        let verified = hmac::verify(&self.key, self.signed.as_bytes(), &signature);
        verified.map_err(|_| SaslFault::Unproven)
    }
}

/// The broker's first message.
struct Offer<'a> {
    nonce: &'a str,
    salt: Vec<u8>,
    iterations: NonZeroU32,
}

impl<'a> Offer<'a> {
    fn parse(text: &'a str) -> Result<Self, SaslFault> {
        let malformed = || SaslFault::Malformed("a SCRAM message lacks its nonce, salt or count");
        let mut parts = text.split(',');
        let mut part = |name| parts.next().and_then(|part| part.strip_prefix(name));
        let nonce = part("r=").ok_or_else(malformed)?;
        let salt = part("s=").and_then(|salt| STANDARD.decode(salt).ok()).ok_or_else(malformed)?;
        let asked: u64 = part("i=").and_then(|count| count.parse().ok()).ok_or_else(malformed)?;
        let iterations = u32::try_from(asked).ok();
        let iterations = iterations
            .filter(|count| (ITERATIONS_MIN..=ITERATIONS_MAX).contains(count))
            .and_then(NonZeroU32::new);
        let (min, max) = (ITERATIONS_MIN, ITERATIONS_MAX);
        let iterations = iterations.ok_or(SaslFault::Iterations { asked, min, max })?;
        Ok(Self { nonce, salt, iterations })
    }
}

/// A nonce that was never used.
pub(super) fn nonce() -> Result<String, SaslFault> {
    let mut bytes = [0; NONCE_BYTES];
    let filled = ring::rand::SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| SaslFault::NoRandomness)?;
    Ok(STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const OFFER: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn scram(hash: Hash, user: &str) -> Scram {
        let (username, password) = (Secret::new(user), Secret::new("pencil"));
        Scram::new(hash, &Credentials { username, password }, NONCE.to_owned())
    }

    fn proof(scram: &mut Scram, offer: &str) -> String {
        String::from_utf8(scram.answer(offer.as_bytes()).unwrap().unwrap()).unwrap()
    }

    /// The example of RFC 7677.
    #[test]
    fn sha_256_is_that_of_the_rfc() {
        let mut scram = scram(Hash::Sha256, "user");
        assert_eq!(scram.first(), format!("n,,n=user,r={NONCE}").into_bytes());
        assert_eq!(
            proof(&mut scram, OFFER),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        let signature = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert_eq!(scram.answer(signature), Ok(None));
    }

    /// The same example; the results are those of Python's `hashlib` and `hmac`.
    #[test]
    fn sha_512_escapes_the_name_and_proves_both_sides() {
        let mut scram = scram(Hash::Sha512, "a,b=c");
        assert_eq!(scram.first(), format!("n,,n=a=2Cb=3Dc,r={NONCE}").into_bytes());
        let sent = proof(&mut scram, OFFER);
        let expected = "p=3P2hGBpy5FLg01q88wEL8u+lWZSHhFEw9sbnaQHQPI9KHtgXZYzTja638ImhaIp/GuzNCjDAc9z2/Bmc5Y4E0A==";
        assert!(sent.ends_with(expected), "{sent}");
        let signature = b"v=aJYIkYOxhCCN7Hh2oDQwM4Q0AbP1o3AUZYtc/9rytD4eJ0YoT9AeXfOKBoqAjYwpdndvR99r/K67aQt31og4Ww==";
        assert_eq!(scram.answer(signature), Ok(None));
    }

    #[test]
    fn a_broker_without_the_password_is_not_believed() {
        for (answer, fault) in [
            ("v=AAAA", SaslFault::Unproven),
            ("v=", SaslFault::Unproven),
            ("v=?", SaslFault::Malformed("a SCRAM message has no signature")),
            ("e=other-error", SaslFault::Malformed("a SCRAM message has no signature")),
            ("", SaslFault::Malformed("a SCRAM message has no signature")),
        ] {
            let mut scram = scram(Hash::Sha256, "user");
            proof(&mut scram, OFFER);
            assert_eq!(scram.answer(answer.as_bytes()), Err(fault), "{answer}");
        }
    }

    #[test]
    fn work_is_bounded_both_ways() {
        for (asked, taken) in [
            (0, false),
            (4095, false),
            (4096, true),
            (131_072, true),
            (131_073, false),
            (u64::from(u32::MAX) + 4097, false),
        ] {
            let offer = format!("r={NONCE}x,s=AAAA,i={asked}");
            let answer = scram(Hash::Sha256, "user").answer(offer.as_bytes());
            let (min, max) = (ITERATIONS_MIN, ITERATIONS_MAX);
            let refused = Err(SaslFault::Iterations { asked, min, max });
            assert_eq!(answer == refused, !taken, "{asked}");
            assert_eq!(answer.is_ok(), taken, "{asked}");
        }
    }

    #[test]
    fn offers_of_other_forms_are_refused() {
        let nonce = format!("r={NONCE},s=AAAA,i=4096");
        for offer in ["", "e=no", "r=x,s=AAAA,i=4096", "r=,s=,i=", "m=x,r=y", nonce.as_str()] {
            let answer = scram(Hash::Sha256, "user").answer(offer.as_bytes());
            assert!(matches!(answer, Err(SaslFault::Malformed(_))), "{offer}");
        }
        assert!(scram(Hash::Sha512, "user").answer(&[0xff]).is_err());
    }

    #[test]
    fn nonces_differ_and_hold_no_comma() {
        let (one, other) = (nonce().unwrap(), nonce().unwrap());
        assert!(one != other && one.len() == 32 && !one.contains(','));
    }
}
