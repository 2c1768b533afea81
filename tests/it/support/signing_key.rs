//! Private keys for tests: ECDSA on the curve P-256, and RSA. Both sign SHA-256 hashes.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};

use super::encoding::pem;

/// A generated key pair that signs certificates, tokens and images.
#[derive(Clone)]
pub(crate) enum SigningKey {
    P256(Arc<EcdsaKeyPair>),
    Rsa(Arc<RsaKeyPair>),
}

impl SigningKey {
    pub(crate) fn p256() -> Self {
        Self::P256(Arc::new(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap()))
    }

    /// Generates an RSA key of 2048 bits.
    pub(crate) fn rsa() -> Self {
        Self::Rsa(Arc::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
    }

    /// Public key as a `SubjectPublicKeyInfo` (RFC 5280, section 4.1.2.7).
    pub(crate) fn public_der(&self) -> Vec<u8> {
        let der: PublicKeyX509Der<'_> = match self {
            Self::P256(key) => key.public_key().as_der().unwrap(),
            Self::Rsa(key) => key.public_key().as_der().unwrap(),
        };
        der.as_ref().to_vec()
    }

    pub(crate) fn public_pem(&self) -> String {
        pem("PUBLIC KEY", &self.public_der())
    }

    /// Private key as a `PrivateKeyInfo` (PKCS #8: RFC 5208, section 5).
    pub(crate) fn private_der(&self) -> Vec<u8> {
        match self {
            Self::P256(key) => key.to_pkcs8v1().unwrap().as_ref().to_vec(),
            Self::Rsa(key) => AsDer::<Pkcs8V1Der<'_>>::as_der(&**key).unwrap().as_ref().to_vec(),
        }
    }

    /// Signs `bytes`: ECDSA in DER, or RSA with the padding of PKCS #1 version 1.5.
    pub(crate) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::P256(key) => key.sign(&random, bytes).unwrap().as_ref().to_vec(),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, bytes, &mut signature).unwrap();
                signature
            }
        }
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}
