//! TLS for clients: which server certificates are trusted, and what a failed handshake means.

use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, InvalidMessage, RootCertStore, SignatureScheme};

use crate::system::lock;

/// The certificates that a client trusts.
pub(super) enum TrustedCertificates<'a> {
    /// None: for connections without TLS.
    None,
    /// Those of the machine (`SSL_CERT_FILE`, `SSL_CERT_DIR`, else its certificate store).
    Machine,
    /// These only.
    Only(&'a [CertificateDer<'static>]),
}

/// Failure to set up TLS on this machine.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsSetupError {
    #[error(transparent)]
    Library(#[from] rustls::Error),
    #[error(transparent)]
    Verifier(#[from] VerifierBuilderError),
    #[error(transparent)]
    Store(rustls_native_certs::Error),
    #[error("no certificate store found; install `ca-certificates`, or set `SSL_CERT_FILE` to a PEM file")]
    NoStore,
}

/// Builds the settings of a client.
///
/// # Errors
/// If the machine has no certificate store, or none of the certificates can be read.
pub(super) fn client(trusted: &TrustedCertificates<'_>) -> Result<ClientConfig, TlsSetupError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let certificates = match trusted {
        TrustedCertificates::None => Vec::new(),
        TrustedCertificates::Machine => machine()?,
        TrustedCertificates::Only(certificates) => certificates.to_vec(),
    };
    let mut config = match certificates.is_empty() {
        true => builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth(),
        false => {
            let verifier = Arc::new(ServerVerifier::new(certificates, provider)?);
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Reads the certificates of the machine, once per process: a pass may have several clients and pools.
fn machine() -> Result<Vec<CertificateDer<'static>>, TlsSetupError> {
    static MACHINE: Mutex<Option<Vec<CertificateDer<'static>>>> = Mutex::new(None);
    let mut known = lock(&MACHINE);
    if let Some(certificates) = &*known {
        return Ok(certificates.clone());
    }
    let found = rustls_native_certs::load_native_certs();
    match found.certs.is_empty() {
        false => Ok(known.insert(found.certs).clone()),
        true => Err(found.errors.into_iter().next().map_or(TlsSetupError::NoStore, TlsSetupError::Store)),
    }
}

/// Verifies a server's certificate by a chain to a trusted one. Also accepts an explicitly trusted CA certificate as
/// that of a server, e.g. one from `openssl req -x509`.
#[derive(Debug)]
struct ServerVerifier {
    chains: Arc<WebPkiServerVerifier>,
    trusted: Vec<CertificateDer<'static>>,
}

impl ServerVerifier {
    fn new(trusted: Vec<CertificateDer<'static>>, provider: Arc<CryptoProvider>) -> Result<Self, VerifierBuilderError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(trusted.iter().cloned());
        Ok(Self { chains: WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?, trusted })
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.chains.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            // The validity is checked before the mark, the name after it.
            Err(error) if is_authority(&error) && self.trusted.contains(certificate) => {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// Returns whether a certificate was rejected because it is marked as one of an authority.
fn is_authority(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidCertificate(CertificateError::Other(other)) if other.to_string().contains("CaUsedAsEndEntity"))
}

/// Finds the TLS failure among the causes of an error.
pub(super) fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    // An I/O error hides the error that it contains from `source`.
    let inner = error
        .downcast_ref::<io::Error>()
        .and_then(|error| error.get_ref())
        .map(|inner| inner as &(dyn Error + 'static));
    error.downcast_ref().or_else(|| cause(inner?)).or_else(|| cause(error.source()?))
}

/// Returns whether a failure says that one peer rejected the other, at whatever time.
pub(super) fn is_about_peers(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::AlertReceived(_) | rustls::Error::InvalidCertificate(_))
}

/// Returns whether a certificate was rejected because no trusted certificate vouches for it.
pub(super) fn is_untrusted(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) || is_authority(error)
}

/// Describes a TLS failure in the terms of certificates and servers.
pub(super) fn reason(error: &rustls::Error) -> String {
    use CertificateError as C;
    match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            C::UnknownIssuer => "the issuer of its certificate is not trusted".to_owned(),
            C::Expired | C::ExpiredContext { .. } => "its certificate has expired".to_owned(),
            C::NotValidYet | C::NotValidYetContext { .. } => "its certificate is not valid yet".to_owned(),
            C::NotValidForName => "its certificate is for a different name".to_owned(),
            C::NotValidForNameContext { presented, .. } if !presented.is_empty() => {
                format!("its certificate is for a different name ({})", presented.join(", "))
            }
            C::NotValidForNameContext { .. } => "its certificate contains no server name".to_owned(),
            _ if is_authority(error) => "it presented a CA certificate that is not itself trusted".to_owned(),
            other => format!("its certificate is invalid: {other}"),
        },
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => "this port does not speak TLS".to_owned(),
        rustls::Error::AlertReceived(alert) => format!("it aborted the handshake (alert `{alert:?}`)"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tls_failure_is_found_behind_other_errors() {
        let tls = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls.clone()));
        assert_eq!(cause(&wrapped), Some(&tls));
        assert_eq!(cause(&io::Error::other("connection closed")), None);
    }

    #[test]
    fn only_a_rejected_peer_is_a_tls_failure_of_an_open_connection() {
        let invalid = rustls::Error::InvalidCertificate;
        for (error, is_about_peers, is_untrusted) in [
            (invalid(CertificateError::UnknownIssuer), true, true),
            (invalid(CertificateError::NotValidForName), true, false),
            (rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired), true, false),
            (rustls::Error::DecryptError, false, false),
            (rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType), false, false),
        ] {
            let found = (super::is_about_peers(&error), super::is_untrusted(&error));
            assert_eq!(found, (is_about_peers, is_untrusted), "{error}");
        }
    }

    #[test]
    fn failures_are_described_without_terms_of_the_library() {
        let invalid = rustls::Error::InvalidCertificate;
        for (error, expected) in [
            (invalid(CertificateError::UnknownIssuer), "the issuer of its certificate is not trusted"),
            (invalid(CertificateError::Expired), "its certificate has expired"),
            (rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType), "this port does not speak TLS"),
            (
                rustls::Error::AlertReceived(rustls::AlertDescription::ProtocolVersion),
                "it aborted the handshake (alert `ProtocolVersion`)",
            ),
        ] {
            assert_eq!(reason(&error), expected);
        }
    }
}
