//! ECDSA keys whose secret number begins with zeros. OpenSSH leaves these out, as `mpint` has it (RFC 4251, section 5),
//! while `ssh-key` 0.6 reads whole numbers alone: one key in 256 of P-256, and every other one of P-521.
//!
//! The form is that of OpenSSH's PROTOCOL.key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ssh_key::PrivateKey;

/// How every key of this form begins.
const MAGIC: &[u8] = b"openssh-key-v1\0";
/// To a multiple of what the secret part of an open key is filled up.
const BLOCK: usize = 8;

/// The open key that `text` holds, if it is such a one.
pub(super) fn open(text: &str) -> Option<PrivateKey> {
    let bytes = decoded(text)?;
    let (public, secret) = parts(&bytes)?;
    whole(public, secret)
}

/// The key that `text` holds and `passphrase` opens, if it is such a one; `locked` is what was read of it.
pub(super) fn opened(text: &str, locked: &PrivateKey, passphrase: &str) -> Option<PrivateKey> {
    let bytes = decoded(text)?;
    let (public, secret) = parts(&bytes)?;
    let (key, iv) = locked.kdf().derive_key_and_iv(locked.cipher(), passphrase).ok()?;
    let mut secret = secret.to_vec();
    locked.cipher().decrypt(&key, &iv, &mut secret, None).ok()?;
    whole(public, &secret)
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(body).ok()
}

/// The public key and the secret part.
fn parts(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = bytes.strip_prefix(MAGIC)?;
    let [_cipher, _kdf, _options] = [string(&mut rest)?, string(&mut rest)?, string(&mut rest)?];
    let _keys = number(&mut rest)?;
    Some((string(&mut rest)?, string(&mut rest)?))
}

/// The key of `public` and an open `secret` part, with its number in full.
fn whole(public: &[u8], secret: &[u8]) -> Option<PrivateKey> {
    let mut rest = secret;
    let (check, again) = (number(&mut rest)?, number(&mut rest)?);
    let [kind, curve, point, secret] = [string(&mut rest)?, string(&mut rest)?, string(&mut rest)?, string(&mut rest)?];
    let size = match curve {
        b"nistp256" => 32_usize,
        b"nistp384" => 48,
        b"nistp521" => 66,
        _ => return None,
    };
    if check != again {
        return None;
    }
    let zeros = vec![0; (size + 1).checked_sub(secret.len())?];
    let secret = [&zeros, secret].concat();
    let mut part = [check.to_be_bytes(), check.to_be_bytes()].concat();
    [kind, curve, point, &secret, b""].into_iter().for_each(|text| put(&mut part, text));
    let missing = part.len().next_multiple_of(BLOCK) - part.len();
    part.extend((1..).take(missing));

    let mut key = MAGIC.to_vec();
    [b"none".as_slice(), b"none", b""].into_iter().for_each(|text| put(&mut key, text));
    key.extend(1_u32.to_be_bytes());
    [public, &part].into_iter().for_each(|text| put(&mut key, text));
    PrivateKey::from_bytes(&key).ok()
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    let (number, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u32::from_be_bytes(*number))
}

fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(number(rest)?).ok()?;
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(text)
}

fn put(out: &mut Vec<u8>, text: &[u8]) {
    // What is put was read with a length of this size, but for a few zeros.
    out.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(text);
}
