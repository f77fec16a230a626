//! TLS: whom to trust, and why a handshake failed.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};
use streams_core::config::{HostVerification, Tls};
use streams_core::membership::TlsFault;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::pem;

/// Why TLS cannot be set up from the configuration. No part of a key is in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsSetupError {
    /// A file cannot be read.
    #[error("{origin} cannot be read: {error}")]
    Unreadable {
        /// Which.
        origin: String,
        /// Why.
        error: io::Error,
    },
    /// There is no certificate.
    #[error("{origin} holds no certificate in PEM; convert it, as by 'openssl x509 -inform der'")]
    NoCertificate {
        /// Where.
        origin: String,
    },
    /// There is no private key.
    #[error(
        "{origin} holds no private key in PEM; convert it, as by 'openssl pkcs8 -topk8 -nocrypt'"
    )]
    NoKey {
        /// Where.
        origin: String,
    },
    /// The private key is under a password.
    #[error(
        "{origin} is encrypted, which is not available; decrypt it by 'openssl pkcs8 -in KEY -out \
         PLAIN' into a file that only this user may read, and remove 'ssl.key.password'"
    )]
    EncryptedKey {
        /// Where.
        origin: String,
    },
    /// The system trusts nobody.
    #[error("the system has no certificates of authorities; set 'ssl.ca.location'")]
    NobodyTrusted,
    /// Certificate and key cannot be used.
    #[error("the certificates or the key cannot be used: {0}")]
    Unusable(String),
}

/// Makes connections over TLS.
#[derive(Clone)]
pub(crate) struct TlsClient {
    connector: TlsConnector,
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TlsClient").finish_non_exhaustive()
    }
}

impl TlsClient {
    pub(crate) fn new(tls: &Tls) -> Result<Self, TlsSetupError> {
        let unusable = |error: &dyn fmt::Display| TlsSetupError::Unusable(error.to_string());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = Arc::new(roots(tls)?);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
        let verifier = verifier.build().map_err(|error| unusable(&error))?;
        let verifier: Arc<dyn ServerCertVerifier> = match tls.host_verification {
            HostVerification::Https => verifier,
            HostVerification::Disabled => Arc::new(AnyHost(verifier)),
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match &tls.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain = pem::certificates(&identity.certificate, "the certificate")?;
                let built = builder.with_client_auth_cert(chain, pem::key(identity)?);
                built.map_err(|error| unusable(&error))?
            }
        };
        Ok(Self { connector: TlsConnector::from(Arc::new(config)) })
    }

    pub(crate) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let handshake = self.connector.connect(name, stream).await;
        handshake.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                let text = "the TLS handshake was broken off; if it stays so, the port may not be \
                            for TLS: compare 'security.protocol' with the broker's listener";
                io::Error::new(error.kind(), text)
            }
            _ => error,
        })
    }
}

fn roots(tls: &Tls) -> Result<RootCertStore, TlsSetupError> {
    let mut roots = RootCertStore::empty();
    let Some(source) = &tls.ca else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return if roots.is_empty() { Err(TlsSetupError::NobodyTrusted) } else { Ok(roots) };
    };
    for certificate in pem::certificates(source, "the certificate of the authority")? {
        roots.add(certificate).map_err(|error| TlsSetupError::Unusable(error.to_string()))?;
    }
    Ok(roots)
}

/// Takes a certificate of a trusted authority for any host. The chain is verified before the name,
/// so that an error of the name says that the chain is good.
#[derive(Debug)]
struct AnyHost(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyHost {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verifier = &self.0;
        match verifier.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        ) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// What is wrong for good, if that is why a connection ended. The refusal of a client's certificate
/// comes after the handshake, as TLS 1.3 has it.
pub(crate) fn fault(error: &io::Error) -> Option<TlsFault> {
    use AlertDescription as Alert;
    match error.get_ref()?.downcast_ref::<Error>()? {
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => Some(TlsFault::OtherHost),
        Error::InvalidCertificate(reason) => {
            Some(TlsFault::NotTrusted { reason: reason.to_string() })
        }
        Error::InvalidMessage(_) => Some(TlsFault::NotTls),
        Error::AlertReceived(
            alert @ (Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::CertificateRequired
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::HandshakeFailure
            | Alert::ProtocolVersion),
        ) => Some(TlsFault::Refused { reason: format!("{alert:?}") }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::super::pem::tests::{CERTIFICATE, KEY, OTHER_KEY, identity, inline};
    use super::*;

    fn tls(key: &str) -> Tls {
        let mut tls = Tls::default();
        (tls.ca, tls.identity) = (Some(inline(CERTIFICATE)), Some(identity(key)));
        tls
    }

    fn fault_of(error: Error) -> Option<TlsFault> {
        fault(&io::Error::new(io::ErrorKind::InvalidData, error))
    }

    #[test]
    fn certificates_and_keys_must_fit() {
        TlsClient::new(&tls(KEY)).unwrap();
        let error = TlsClient::new(&tls(OTHER_KEY)).unwrap_err();
        assert!(matches!(error, TlsSetupError::Unusable(_)), "{error}");
        let mut untrusting = tls(KEY);
        untrusting.ca = Some(inline("nothing"));
        let error = TlsClient::new(&untrusting).unwrap_err().to_string();
        assert!(error.starts_with("the certificate of the authority in the configuration"));
    }

    #[test]
    fn what_lasts_is_a_fault_and_what_may_pass_is_none() {
        let expired = Error::InvalidCertificate(CertificateError::Expired);
        let Some(TlsFault::NotTrusted { reason }) = fault_of(expired) else { panic!() };
        assert!(reason.contains("Expired"), "{reason}");
        let other = Error::InvalidCertificate(CertificateError::NotValidForName);
        assert_eq!(fault_of(other), Some(TlsFault::OtherHost));
        let refused = Error::AlertReceived(AlertDescription::CertificateRequired);
        let reason = "CertificateRequired".to_owned();
        assert_eq!(fault_of(refused), Some(TlsFault::Refused { reason }));
        assert_eq!(fault_of(Error::AlertReceived(AlertDescription::InternalError)), None);
        assert_eq!(fault(&io::Error::from(io::ErrorKind::ConnectionReset)), None);
    }

    /// How a handshake fails with a server that does this with the connection.
    fn handshake(serve: impl FnOnce(std::net::TcpStream) + Send + 'static) -> io::Error {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let client = TlsClient::new(&tls(KEY)).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| serve(server.accept().unwrap().0));
            runtime.block_on(async {
                let stream = TcpStream::connect(address).await.unwrap();
                client.connect("test", stream).await.unwrap_err()
            })
        })
    }

    #[test]
    fn a_port_without_tls_makes_one_think_of_the_protocol() {
        let error = handshake(drop);
        assert!(error.to_string().contains("'security.protocol'"), "{error}");
        assert_eq!(fault(&error), None, "it may be a broker that is being stopped");
        let error = handshake(|mut stream| {
            io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
            // Kept open until the client has gone, so that its answer is not overtaken by a reset.
            let _ = io::copy(&mut stream, &mut io::sink());
        });
        assert_eq!(fault(&error), Some(TlsFault::NotTls), "{error}");
    }

    #[test]
    fn an_alert_at_once_is_the_refusal_it_is() {
        let error = handshake(|mut stream| {
            io::Write::write_all(&mut stream, &[0x15, 3, 3, 0, 2, 2, 40]).unwrap();
            let _ = io::copy(&mut stream, &mut io::sink());
        });
        let reason = "HandshakeFailure".to_owned();
        assert_eq!(fault(&error), Some(TlsFault::Refused { reason }), "{error}");
    }
}
