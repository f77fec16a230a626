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

#[cfg(test)]
pub(super) mod tests {
    use streams_core::config::{Secret, StreamsConfig};

    use super::*;

    /// Signed by itself, for a host called test.
    pub(in crate::secure) const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBhjCCASygAwIBAgIUevro52vWQ+M6Ey5JWpAXBhRiQwcwCgYIKoZIzj0EAwIw\n\
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjgyMzMzMzdaGA8yMTI2MTEwNDIzMzMz\n\
N1owDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABF2W\n\
lRwXjyQhdTBtaFm43DH6Wv01waTynzpr9oY+a+OtYcr+zVR8y/JAzIgzZOhMJx9v\n\
fU/3z8Wz6XhGtxqIq5ijZDBiMB0GA1UdDgQWBBRBwIBJqQOxyc3Xr1+uBV9vfe8z\n\
1TAfBgNVHSMEGDAWgBRBwIBJqQOxyc3Xr1+uBV9vfe8z1TAPBgNVHRMBAf8EBTAD\n\
AQH/MA8GA1UdEQQIMAaCBHRlc3QwCgYIKoZIzj0EAwIDSAAwRQIgNh1MRbw0e1KL\n\
Sl+hbwMyjU0wJeOH7zzb7OKGYPa4nVcCIQC3mFsSqtL7J8UyWrmaIYWIfQz7PLKg\n\
v5RPA4uGt/kKuw==\n\
-----END CERTIFICATE-----\n\
";
    /// Of the certificate.
    pub(in crate::secure) const KEY: &str = "\
-----BEGIN PRIVATE KEY-----\n\
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQglEX/sq5YC31BXlGW\n\
p8qhSy7pfGnrTWAP53t/HCPFccKhRANCAARdlpUcF48kIXUwbWhZuNwx+lr9NcGk\n\
8p86a/aGPmvjrWHK/s1UfMvyQMyIM2ToTCcfb31P98/Fs+l4RrcaiKuY\n\
-----END PRIVATE KEY-----\n\
";
    /// Of another.
    pub(in crate::secure) const OTHER_KEY: &str = "\
-----BEGIN PRIVATE KEY-----\n\
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgcreE3Vqj7fas0ntx\n\
iPhZWaDovduy6E2TuAY7tnxH23ahRANCAARblV/EqvenvV+sokH2sM3A+M0MlZHb\n\
B3tokjRL3LoSHPNkUu3dgdiVEf41FPOJ+uDTvfmHit3yOyU3Yovpv+Uc\n\
-----END PRIVATE KEY-----\n\
";

    pub(in crate::secure) fn inline(text: &str) -> PemSource {
        PemSource::Inline(Secret::new(text))
    }

    pub(in crate::secure) fn identity(key: &str) -> ClientIdentity {
        let config = StreamsConfig::builder()
            .application_id("pem")
            .bootstrap_servers("b:9092")
            .set("security.protocol", "SSL")
            .set("ssl.certificate.pem", CERTIFICATE)
            .set("ssl.key.pem", key);
        config.build().unwrap().security().tls().unwrap().identity.clone().unwrap()
    }

    fn refused(source: &PemSource) -> String {
        certificates(source, "the certificate").unwrap_err().to_string()
    }

    #[test]
    fn a_chain_is_read_whole() {
        let chain = inline(&format!("a comment\n{CERTIFICATE}{KEY}{CERTIFICATE}"));
        assert_eq!(certificates(&chain, "the certificate").unwrap().len(), 2);
    }

    #[test]
    fn what_holds_no_certificate_is_named_with_the_remedy() {
        let said = "the certificate in the configuration holds no certificate in PEM";
        for text in ["", "DER", KEY, "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----"] {
            let error = refused(&inline(text));
            assert!(error.starts_with(said) && error.contains("openssl x509"), "{error}");
        }
        let missing = PemSource::File("/no/such/ca.pem".to_owned());
        let error = refused(&missing);
        assert!(error.starts_with("the certificate '/no/such/ca.pem' cannot be read"), "{error}");
    }

    #[test]
    fn a_key_that_cannot_be_used_is_named_and_not_shown() {
        key(&identity(KEY)).unwrap();
        let encrypted = KEY.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let error = key(&identity(&encrypted)).unwrap_err().to_string();
        assert!(error.contains("is encrypted") && error.contains("openssl pkcs8 -in"), "{error}");
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n";
        assert!(matches!(key(&identity(old)), Err(TlsSetupError::EncryptedKey { .. })));
        let error = key(&identity(CERTIFICATE)).unwrap_err().to_string();
        assert!(error.contains("holds no private key in PEM"), "{error}");
        assert!(!error.contains("MII"), "{error}");
    }
}
