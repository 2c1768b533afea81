//! Signatures with SSH keys: SSHSIG (OpenSSH's PROTOCOL.sshsig) with the namespace `git`, as of git-commit(1) where
//! `gpg.format` is `ssh`.

mod short;

use ssh_key::private::{KeypairData, RsaKeypair};
use ssh_key::rand_core::OsRng;
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, Signature, SshSig};

use rsa::pkcs1v15::SigningKey;
use rsa::sha2::Sha512;
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _};
use rsa::traits::PublicKeyParts as _;
use rsa::{BigUint, RsaPrivateKey};

use super::{Trouble, rsa_of};
use crate::git::credential::GitSecret;

/// What Git's signatures are for.
const NAMESPACE: &str = "git";
/// The hash of what is signed: the default of `ssh-keygen -Y sign`.
const HASH: HashAlg = HashAlg::Sha512;

/// A private key that is open.
pub(in crate::git) struct Key {
    key: PrivateKey,
    /// The same for RSA.
    rsa: Option<SigningKey<Sha512>>,
}

impl Key {
    pub(super) fn read(text: &GitSecret, passphrase: Option<&GitSecret>) -> Result<Self, Trouble> {
        let key = open(text.reveal(), passphrase.map(GitSecret::reveal))?;
        let rsa = match key.key_data() {
            KeypairData::Rsa(pair) => Some(rsa(pair)?),
            KeypairData::Ed25519(_) | KeypairData::Ecdsa(_) => None,
            _ => {
                let why =
                    format!("keys of the kind `{}` cannot sign without their device, or are too weak", key.algorithm());
                return Err(Trouble::Unfit(why, "use an Ed25519, ECDSA or RSA key"));
            }
        };
        Ok(Self { key, rsa })
    }

    pub(super) fn sign(&self, commit: &[u8]) -> Result<String, String> {
        let signed = match &self.rsa {
            None => self.key.sign(NAMESPACE, HASH, commit),
            Some(rsa) => self.sign_with(rsa, commit),
        };
        let pem = signed.and_then(|signature| signature.to_pem(LineEnding::LF));
        pem.map_err(|error| error.to_string())
    }

    /// RSA signs with SHA-512 (RFC 8332), and blinded, so that its time tells nothing of the key.
    fn sign_with(&self, rsa: &SigningKey<Sha512>, commit: &[u8]) -> ssh_key::Result<SshSig> {
        let data = SshSig::signed_data(NAMESPACE, HASH, commit)?;
        let signature = rsa.try_sign_with_rng(&mut OsRng, &data).map_err(|_| ssh_key::Error::Crypto)?;
        let signature = Signature::new(Algorithm::Rsa { hash: Some(HashAlg::Sha512) }, signature.to_vec())?;
        SshSig::new(self.key.public_key().key_data().clone(), NAMESPACE, HASH, signature)
    }
}

fn open(text: &str, passphrase: Option<&str>) -> Result<PrivateKey, Trouble> {
    let Ok(key) = PrivateKey::from_openssh(text) else { return short::open(text).ok_or(Trouble::NoKey) };
    match (key.is_encrypted(), passphrase) {
        (false, _) => Ok(key),
        (true, None) => Err(Trouble::Locked),
        (true, Some(passphrase)) => {
            let opened = key.decrypt(passphrase).ok().or_else(|| short::opened(text, &key, passphrase));
            opened.ok_or(Trouble::WrongPassphrase)
        }
    }
}

/// The key of `pair`, made here: that of `ssh-key` 0.6 takes one of the two primes twice.
fn rsa(pair: &RsaKeypair) -> Result<SigningKey<Sha512>, Trouble> {
    let number = |number: &ssh_key::Mpint| {
        let bytes = number.as_positive_bytes().ok_or(Trouble::NoKey)?;
        Ok(BigUint::from_bytes_be(bytes))
    };
    let (n, e, d) = (number(&pair.public.n)?, number(&pair.public.e)?, number(&pair.private.d)?);
    let primes = vec![number(&pair.private.p)?, number(&pair.private.q)?];
    rsa_of(n.bits())?;
    let key = RsaPrivateKey::from_components(n, e, d, primes).map_err(|_| Trouble::NoKey)?;
    rsa_of(key.size() * 8)?;
    Ok(SigningKey::new(key))
}
