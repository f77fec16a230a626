//! Certificates and keys from PEM.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use streams_core::config::{ClientIdentity, PemSource};

use super::tls::TlsSetupError;

/// A PEM text and what to call it in an error.
struct Pem {
    text: Vec<u8>,
    origin: String,
}

impl Pem {
    fn read(source: &PemSource, what: &'static str) -> Result<Self, TlsSetupError> {
        match source {
            PemSource::Inline(text) => {
                let text = text.expose().as_bytes().to_vec();
                Ok(Self { text, origin: format!("{what} in the configuration") })
            }
            PemSource::File(path) => {
                let origin = format!("{what} '{path}'");
                match std::fs::read(path) {
                    Ok(text) => Ok(Self { text, origin }),
                    Err(error) => Err(TlsSetupError::Unreadable { origin, error }),
                }
            }
        }
    }

    fn certificates(self) -> Result<Vec<CertificateDer<'static>>, TlsSetupError> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.text).collect();
        match certificates {
            Ok(certificates) if !certificates.is_empty() => Ok(certificates),
            _ => Err(TlsSetupError::NoCertificate { origin: self.origin }),
        }
    }
}

pub(super) fn certificates(
    source: &PemSource,
    what: &'static str,
) -> Result<Vec<CertificateDer<'static>>, TlsSetupError> {
    Pem::read(source, what)?.certificates()
}

/// The client's private key. DIFFERENCE(encrypted-key): a key under a password is refused, with the
/// command that decrypts it.
pub(super) fn key(identity: &ClientIdentity) -> Result<PrivateKeyDer<'static>, TlsSetupError> {
    let pem = Pem::read(&identity.key, "the private key")?;
    let says_so = |text: &[u8]| text.windows(9).any(|part| part == b"ENCRYPTED");
    if says_so(&pem.text) {
        return Err(TlsSetupError::EncryptedKey { origin: pem.origin });
    }
    PrivateKeyDer::from_pem_slice(&pem.text)
        .map_err(|_| TlsSetupError::NoKey { origin: pem.origin })
}
