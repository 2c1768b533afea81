//! Signatures with OpenPGP keys (RFC 9580): detached and armored, as of git-commit(1) where `gpg.format` is `openpgp`.

use jiff::Timestamp;
use pgp::composed::{
    ArmorOptions, Deserializable as _, DetachedSignature, SignedSecretKey, SignedSecretSubKey, SubpacketConfig,
};
use pgp::packet::{SecretKey, SecretSubkey, Signature, SignatureType, Subpacket, SubpacketData};
use pgp::types::{KeyDetails, KeyVersion, Password, PublicParams, S2kParams, SecretParams, SigningKey, StringToKey};
use rsa::traits::PublicKeyParts as _;
use ssh_key::rand_core::OsRng;

use super::{Trouble, rsa_of};
use crate::git::credential::GitSecret;

/// A private key that can be opened, and the part of it that signs.
pub(in crate::git) struct Key {
    part: Part,
    passphrase: Password,
}

/// The part of a key that signs.
enum Part {
    Primary(Box<SecretKey>),
    Sub(Box<SecretSubkey>),
}

impl Key {
    pub(super) fn read(text: &GitSecret, passphrase: Option<&GitSecret>, now: Timestamp) -> Result<Self, Trouble> {
        let (key, _) = SignedSecretKey::from_string(text.reveal()).map_err(|_| Trouble::NoKey)?;
        let part = signing_part(key, seconds(now))?;
        let (params, secret) = match &part {
            Part::Primary(key) => (key.public_params(), key.secret_params()),
            Part::Sub(key) => (key.public_params(), key.secret_params()),
        };
        is_strong(params)?;
        let passphrase = match (secret.is_encrypted(), passphrase) {
            (false, _) => Password::empty(),
            (true, None) => return Err(Trouble::Locked),
            (true, Some(passphrase)) => Password::from(passphrase.reveal()),
        };
        let opened = match &part {
            Part::Primary(key) => key.unlock(&passphrase, |_, _| Ok(())),
            Part::Sub(key) => key.unlock(&passphrase, |_, _| Ok(())),
        };
        opened.and_then(|inner| inner).map_err(|_| Trouble::WrongPassphrase)?;
        Ok(Self { part, passphrase })
    }

    pub(super) fn sign(&self, commit: &[u8], now: Timestamp) -> Result<String, String> {
        let signed = match &self.part {
            Part::Primary(key) => sign_with(&**key, &self.passphrase, commit, now),
            Part::Sub(key) => sign_with(&**key, &self.passphrase, commit, now),
        };
        signed.map_err(|error| error.to_string())
    }
}

fn sign_with(
    key: &impl SigningKey,
    passphrase: &Password,
    commit: &[u8],
    now: Timestamp,
) -> pgp::errors::Result<String> {
    let time = pgp::types::Timestamp::from_secs(seconds(now));
    let hashed = vec![
        Subpacket::regular(SubpacketData::IssuerFingerprint(key.fingerprint()))?,
        Subpacket::regular(SubpacketData::SignatureCreationTime(time))?,
    ];
    // Older programs find the key of a version 4 signature by this alone (RFC 9580, section 5.2.3.12).
    let unhashed = match key.version() {
        KeyVersion::V4 => vec![Subpacket::regular(SubpacketData::IssuerKeyId(key.legacy_key_id()))?],
        _ => Vec::new(),
    };
    let config = SubpacketConfig::UserDefined { hashed, unhashed };
    let signature =
        DetachedSignature::sign_binary_data_with_subpackets(OsRng, key, passphrase, key.hash_alg(), commit, config)?;
    signature.to_armored_string(ArmorOptions::default())
}

/// Of the parts that may sign, are not revoked or expired, and are here with their secret: the newest subkey, or else
/// the primary key.
fn signing_part(key: SignedSecretKey, now: u32) -> Result<Part, Trouble> {
    let SignedSecretKey { primary_key, details, secret_subkeys, .. } = key;
    if !details.revocation_signatures.is_empty() {
        return Err(Trouble::Unfit("it is revoked".to_owned(), "use the key that came in its place"));
    }
    let certified = || details.users.iter().flat_map(|user| &user.signatures).chain(&details.direct_signatures);
    if let Some(newest) = newest(certified())
        && is_over(newest, &primary_key, now)
    {
        return Err(Trouble::Unfit(
            "it has expired".to_owned(),
            "extend it, as with `gpg --quick-set-expire`, and export it anew",
        ));
    }
    let may_sign = |sub: &SignedSecretSubKey| {
        let SignedSecretSubKey { key, signatures } = sub;
        let is_revoked = signatures.iter().any(|one| one.typ() == Some(SignatureType::SubkeyRevocation));
        let bound = newest(signatures.iter());
        let fits = bound.is_some_and(|bound| bound.key_flags().sign() && !is_over(bound, key, now));
        fits && !is_revoked && is_here(key.secret_params())
    };
    let subkeys = secret_subkeys.into_iter().filter(may_sign).map(|sub| sub.key);
    if let Some(newest) = subkeys.max_by_key(KeyDetails::created_at) {
        return Ok(Part::Sub(Box::new(newest)));
    }
    let signs = newest(certified()).is_some_and(|newest| newest.key_flags().sign());
    if signs && is_here(primary_key.secret_params()) {
        return Ok(Part::Primary(Box::new(primary_key)));
    }
    let why = "none of its parts may sign and is there with its secret".to_owned();
    Err(Trouble::Unfit(why, "export a key with a part for signing that is neither revoked nor expired, nor on a card"))
}

/// The last of what a key says of itself.
fn newest<'a>(signatures: impl Iterator<Item = &'a Signature>) -> Option<&'a Signature> {
    signatures.filter(|one| one.typ() != Some(SignatureType::SubkeyRevocation)).max_by_key(|one| one.created())
}

/// Whether `key` has expired, as `signature` says.
fn is_over(signature: &Signature, key: &impl KeyDetails, now: u32) -> bool {
    let time = signature.key_expiration_time().map_or(0, pgp::types::Duration::as_secs);
    time > 0 && key.created_at().as_secs().saturating_add(time) <= now
}

/// Whether the secret is there: GnuPG leaves a mark where it is elsewhere, as on a card (RFC 9580, section 3.7.1, for
/// private and experimental use).
fn is_here(secret: &SecretParams) -> bool {
    let SecretParams::Encrypted(secret) = secret else { return true };
    let s2k = match secret.string_to_key_params() {
        S2kParams::Aead { s2k, .. } | S2kParams::Cfb { s2k, .. } | S2kParams::MalleableCfb { s2k, .. } => s2k,
        S2kParams::Unprotected | S2kParams::LegacyCfb { .. } => return true,
    };
    !matches!(s2k, StringToKey::Private { .. })
}

fn is_strong(params: &PublicParams) -> Result<(), Trouble> {
    match params {
        PublicParams::RSA(params) => rsa_of(params.key.n().bits()),
        PublicParams::ECDSA(_) | PublicParams::EdDSALegacy(_) | PublicParams::Ed25519(_) | PublicParams::Ed448(_) => {
            Ok(())
        }
        _ => Err(Trouble::Unfit(
            "its algorithm is too weak, or not known".to_owned(),
            "use an Ed25519, ECDSA or RSA key",
        )),
    }
}

/// Seconds since 1970, as OpenPGP counts.
fn seconds(time: Timestamp) -> u32 {
    u32::try_from(time.as_second()).unwrap_or(u32::MAX)
}
