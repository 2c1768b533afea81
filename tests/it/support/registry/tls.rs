//! TLS for tests: a CA, servers on loopback that it vouches for, and clients that trust it alone.

use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::support::certificate::{SubjectName, UnsignedCertificate, authority, subject_names};
use crate::support::encoding::pem;
use crate::support::signing_key::SigningKey;

/// Start of every validity: 2020-09-13.
const START: i64 = 1_600_000_000;
const MONTH: i64 = 30 * 24 * 60 * 60;

/// A certificate authority.
pub(crate) struct Authority {
    name: String,
    identity: Identity,
}

/// Certificate and key of a server.
#[derive(Clone)]
pub(crate) struct Identity {
    /// The certificate in DER.
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: SigningKey,
}

/// The server's side of TLS.
#[derive(Clone)]
pub(crate) struct TlsAcceptor(Arc<ServerConfig>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), identity: Identity::self_signed(name, SigningKey::p256(), &[]) }
    }

    /// CA certificate in PEM, the content of a `ca` file.
    pub(crate) fn pem(&self) -> Vec<u8> {
        self.identity.certificate_pem().into_bytes()
    }

    /// Issues a certificate for `127.0.0.1`, `localhost` and `names`.
    pub(crate) fn identity(&self, names: &[&str]) -> Identity {
        let key = SigningKey::p256();
        let loopback = [SubjectName::Ip(Ipv4Addr::LOCALHOST), SubjectName::Dns("localhost")];
        let names: Vec<_> = loopback.into_iter().chain(names.iter().copied().map(SubjectName::Dns)).collect();
        let certificate = UnsignedCertificate {
            subject: Some("server"),
            issuer: &self.name,
            key: &key,
            validity: START..now() + MONTH,
            extensions: vec![subject_names(false, &names)],
        };
        Identity { certificate: certificate.sign(&self.identity.key), key }
    }

    /// Begins TLS with a server that this authority vouches for.
    pub(crate) fn connect(
        &self,
        name: &str,
        mut stream: TcpStream,
    ) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_slice(&self.identity.certificate)).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        Ok(StreamOwned::new(connection, stream))
    }
}

impl Identity {
    /// Creates an authority that vouches for itself, and may be a server with one of `names`.
    pub(crate) fn self_signed(name: &str, key: SigningKey, names: &[&str]) -> Self {
        Self::self_signed_until(name, key, names, now() + MONTH)
    }

    /// Creates one that is valid until a time in Unix seconds.
    pub(crate) fn self_signed_until(name: &str, key: SigningKey, names: &[&str], end: i64) -> Self {
        let mut extensions = vec![authority()];
        if !names.is_empty() {
            let names: Vec<_> = names.iter().copied().map(SubjectName::Dns).collect();
            extensions.push(subject_names(false, &names));
        }
        let validity = START..end;
        let certificate = UnsignedCertificate { subject: Some(name), issuer: name, key: &key, validity, extensions };
        Self { certificate: certificate.sign(&key), key }
    }

    pub(crate) fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    pub(crate) fn key_pem(&self) -> String {
        pem("PRIVATE KEY", &self.key.private_der())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor_of(&[])
    }

    /// Offers these protocols (ALPN).
    pub(crate) fn acceptor_of(&self, protocols: &[&str]) -> TlsAcceptor {
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.private_der()));
        let certificates = vec![CertificateDer::from(self.certificate.clone())];
        let mut config = config.with_single_cert(certificates, key).unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor(Arc::new(config))
    }
}

impl TlsAcceptor {
    /// Completes the handshake with a client.
    pub(crate) fn accept(&self, mut stream: TcpStream) -> io::Result<StreamOwned<ServerConnection, TcpStream>> {
        let mut connection = ServerConnection::new(Arc::clone(&self.0)).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        Ok(StreamOwned::new(connection, stream))
    }
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
