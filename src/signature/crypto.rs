//! Verification of digital signatures with OpenSSL, the one cryptographic library of the program.
//!
//! [`install`] makes it the back end of Sigstore's library, which checks the format of keys before it passes them on.
//! Nothing here creates keys or signs.

use std::fmt;

use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcKey, EcPoint, PointConversionForm};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::md::{Md, MdRef};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Verifier};
use sha2::digest::DynDigest;
use sha2::{Sha256, Sha384, Sha512};
use sigstore_verify::crypto::{self, CryptoProvider, Error, HashContext, SigningScheme};
use sigstore_verify::types::HashAlgorithm;

const P256: Nid = Nid::X9_62_PRIME256V1;
const P384: Nid = Nid::SECP384R1;

/// Makes OpenSSL the back end of Sigstore's library. Every use of that library comes after a call of this.
pub(super) fn install() {
    // Fails if it is installed already.
    let _ = crypto::install_default_provider(&OpenSsl);
}

/// An ECDSA public key on the curve P-256, as an uncompressed point (SEC 1, section 2.3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct P256Key(Vec<u8>);

impl P256Key {
    /// Reads a `PUBLIC KEY` block of PEM (RFC 7468, section 13).
    pub(super) fn from_pem(block: &str) -> Option<Self> {
        let key = PKey::public_key_from_pem(block.as_bytes()).ok()?.ec_key().ok()?;
        key.check_key().ok().filter(|()| key.group().curve_name() == Some(P256))?;
        let mut context = BigNumContext::new().ok()?;
        let form = PointConversionForm::UNCOMPRESSED;
        key.public_key().to_bytes(key.group(), form, &mut context).ok().map(Self)
    }

    /// Verifies a signature of a message with this SHA-256 hash.
    pub(super) fn verify(&self, hash: &[u8], signature: &EcdsaSignature) -> bool {
        ec_key(P256, &self.0).and_then(|key| signature.0.verify(hash, &key)).unwrap_or(false)
    }
}

/// An ECDSA signature (RFC 3279, section 2.2.3).
pub(super) struct EcdsaSignature(EcdsaSig);

impl EcdsaSignature {
    /// Reads a signature in DER; none if the bytes have any other encoding.
    pub(super) fn from_der(bytes: &[u8]) -> Option<Self> {
        let signature = EcdsaSig::from_der(bytes).ok()?;
        (signature.to_der().ok()? == bytes).then_some(Self(signature))
    }
}

/// OpenSSL as the back end of Sigstore's library. ML-DSA, which no public instance uses, is unsupported.
#[derive(Debug)]
struct OpenSsl;

impl CryptoProvider for OpenSsl {
    fn hash(&self, algorithm: HashAlgorithm) -> crypto::Result<Box<dyn HashContext>> {
        Ok(Box::new(Hasher(match algorithm {
            HashAlgorithm::Sha2256 => Box::new(Sha256::default()),
            HashAlgorithm::Sha2384 => Box::new(Sha384::default()),
            HashAlgorithm::Sha2512 => Box::new(Sha512::default()),
            _ => return Err(Error::UnsupportedAlgorithm(algorithm.to_string())),
        })))
    }

    fn verify_raw(&self, scheme: SigningScheme, key: &[u8], data: &[u8], signature: &[u8]) -> crypto::Result<()> {
        if scheme == SigningScheme::Ed25519 {
            let verify = || {
                let key = PKey::public_key_from_raw_bytes(key, Id::ED25519)?;
                Verifier::new_without_digest(&key)?.verify_oneshot(signature, data)
            };
            return outcome(scheme, verify());
        }
        let algorithm = scheme.hash_algorithm().ok_or_else(|| unsupported(scheme))?;
        let mut hasher = self.hash(algorithm)?;
        hasher.update(data);
        self.verify_prehashed(scheme, key, &hasher.finalize(), signature)
    }

    fn verify_prehashed(
        &self,
        scheme: SigningScheme,
        key: &[u8],
        digest: &[u8],
        signature: &[u8],
    ) -> crypto::Result<()> {
        use SigningScheme as S;
        let ec = |curve| (ec_key(curve, key).and_then(PKey::from_ec_key), None);
        let rsa = |padding| (Rsa::public_key_from_der_pkcs1(key).and_then(PKey::from_rsa), Some(padding));
        let (key, padding) = match scheme {
            S::EcdsaP256Sha256 | S::EcdsaP256Sha384 => ec(P256),
            S::EcdsaP384Sha256 | S::EcdsaP384Sha384 => ec(P384),
            S::RsaPkcs1Sha256 | S::RsaPkcs1Sha384 | S::RsaPkcs1Sha512 => rsa(Padding::PKCS1),
            S::RsaPssSha256 | S::RsaPssSha384 | S::RsaPssSha512 => rsa(Padding::PKCS1_PSS),
            _ => return Err(unsupported(scheme)),
        };
        let hash = match scheme.hash_algorithm() {
            Some(HashAlgorithm::Sha2256) => Md::sha256(),
            Some(HashAlgorithm::Sha2384) => Md::sha384(),
            Some(HashAlgorithm::Sha2512) => Md::sha512(),
            _ => return Err(unsupported(scheme)),
        };
        outcome(scheme, key.and_then(|key| verify(&key, padding, hash, digest, signature)))
    }
}

/// A hash that is being computed.
struct Hasher(Box<dyn DynDigest + Send>);

impl HashContext for Hasher {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finalize(self: Box<Self>) -> Vec<u8> {
        self.0.finalize().into_vec()
    }
}

fn verify(
    key: &PKey<Public>,
    padding: Option<Padding>,
    hash: &MdRef,
    digest: &[u8],
    signature: &[u8],
) -> Result<bool, ErrorStack> {
    let mut context = PkeyCtx::new(key)?;
    context.verify_init()?;
    if let Some(padding) = padding {
        context.set_rsa_padding(padding)?;
    }
    context.set_signature_md(hash)?;
    if padding == Some(Padding::PKCS1_PSS) {
        context.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
    }
    context.verify(digest, signature)
}

/// Reads an uncompressed point; fails if it is not on the curve.
fn ec_key(curve: Nid, point: &[u8]) -> Result<EcKey<Public>, ErrorStack> {
    let group = EcGroup::from_curve_name(curve)?;
    let point = EcPoint::from_bytes(&group, point, &mut *BigNumContext::new()?)?;
    let key = EcKey::from_public_key(&group, &point)?;
    key.check_key()?;
    Ok(key)
}

fn outcome(scheme: SigningScheme, verified: Result<bool, impl fmt::Display>) -> crypto::Result<()> {
    match verified {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(Error::Verification(format!("{} signature invalid", scheme.name()))),
    }
}

fn unsupported(scheme: SigningScheme) -> Error {
    Error::UnsupportedAlgorithm(scheme.name().to_owned())
}

#[cfg(test)]
mod tests {
    use openssl::hash::MessageDigest;
    use openssl::pkey::Private;
    use openssl::sign::Signer;

    use super::*;

    /// Checks that a signature verifies, and that a changed message, signature or key does not.
    fn check(scheme: SigningScheme, keys: [&[u8]; 2], sign: impl Fn(&[u8]) -> Vec<u8>) {
        let signature = sign(b"message");
        let verify = |key, data: &[u8], signature: &[u8]| OpenSsl.verify_raw(scheme, key, data, signature).is_ok();
        assert!(verify(keys[0], b"message", &signature), "{scheme:?}");
        assert!(!verify(keys[0], b"massage", &signature), "{scheme:?}");
        assert!(!verify(keys[1], b"message", &signature), "{scheme:?}");
        assert!(!verify(keys[0], b"message", &signature[1..]), "{scheme:?}");
        let mut changed = signature.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(!verify(keys[0], b"message", &changed), "{scheme:?}");
        assert!(!verify(&keys[0][1..], b"message", &signature), "{scheme:?}");
    }

    fn point(key: &EcKey<Private>) -> Vec<u8> {
        let mut context = BigNumContext::new().unwrap();
        key.public_key().to_bytes(key.group(), PointConversionForm::UNCOMPRESSED, &mut context).unwrap()
    }

    #[test]
    fn signatures_of_every_scheme_are_verified() {
        use SigningScheme as S;
        let hashes = [MessageDigest::sha256(), MessageDigest::sha384(), MessageDigest::sha512()];
        for (curve, hash, scheme) in [
            (P256, hashes[0], S::EcdsaP256Sha256),
            (P256, hashes[1], S::EcdsaP256Sha384),
            (P384, hashes[0], S::EcdsaP384Sha256),
            (P384, hashes[1], S::EcdsaP384Sha384),
        ] {
            let new = || EcKey::generate(&EcGroup::from_curve_name(curve).unwrap()).unwrap();
            let (key, other) = (new(), new());
            let points = [point(&key), point(&other)];
            let key = PKey::from_ec_key(key).unwrap();
            check(scheme, [&points[0], &points[1]], |data| {
                Signer::new(hash, &key).unwrap().sign_oneshot_to_vec(data).unwrap()
            });
        }
        let (key, other) = (Rsa::generate(2048).unwrap(), Rsa::generate(2048).unwrap());
        let public = [key.public_key_to_der_pkcs1().unwrap(), other.public_key_to_der_pkcs1().unwrap()];
        let key = PKey::from_rsa(key).unwrap();
        for (padding, schemes) in [
            (Padding::PKCS1, [S::RsaPkcs1Sha256, S::RsaPkcs1Sha384, S::RsaPkcs1Sha512]),
            (Padding::PKCS1_PSS, [S::RsaPssSha256, S::RsaPssSha384, S::RsaPssSha512]),
        ] {
            for (scheme, hash) in schemes.into_iter().zip(hashes) {
                check(scheme, [&public[0], &public[1]], |data| {
                    let mut signer = Signer::new(hash, &key).unwrap();
                    signer.set_rsa_padding(padding).unwrap();
                    if padding == Padding::PKCS1_PSS {
                        signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH).unwrap();
                    }
                    signer.sign_oneshot_to_vec(data).unwrap()
                });
            }
        }
        let (key, other) = (PKey::generate_ed25519().unwrap(), PKey::generate_ed25519().unwrap());
        let public = [key.raw_public_key().unwrap(), other.raw_public_key().unwrap()];
        check(S::Ed25519, [&public[0], &public[1]], |data| {
            Signer::new_without_digest(&key).unwrap().sign_oneshot_to_vec(data).unwrap()
        });
        assert!(OpenSsl.verify_raw(S::MlDsa44, &[0; 1312], b"", b"").is_err());
    }

    #[test]
    fn hashes_are_those_of_the_standard() {
        // FIPS 180-4, the hash of the empty message.
        let check = |algorithm, start: &[u8], length| {
            let hash = OpenSsl.hash(algorithm).unwrap().finalize();
            assert!(hash.starts_with(start) && hash.len() == length, "{hash:x?}");
        };
        check(HashAlgorithm::Sha2256, &[0xe3, 0xb0, 0xc4, 0x42], 32);
        check(HashAlgorithm::Sha2384, &[0x38, 0xb0, 0x60, 0xa7], 48);
        check(HashAlgorithm::Sha2512, &[0xcf, 0x83, 0xe1, 0x35], 64);
    }

    #[test]
    fn a_signature_has_one_encoding() {
        let der = [0x30, 6, 2, 1, 1, 2, 1, 1];
        assert!(EcdsaSignature::from_der(&der).is_some());
        assert!(EcdsaSignature::from_der(&[&der[..], &[0]].concat()).is_none());
        assert!(EcdsaSignature::from_der(&[0x30, 7, 2, 2, 0, 1, 2, 1, 1]).is_none());
        assert!(EcdsaSignature::from_der(b"").is_none());
    }
}
