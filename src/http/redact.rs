//! Secrets: a type that cannot be printed, and redaction of text from servers and hooks that echo them.
//!
//! A server can echo a credential in any text that ends up in a message: a media type, a digest, a redirect. The server
//! knows the secret anyway; readers of our output must not. Hooks may find secrets in files of the same user.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;

use crate::system::lock;
use crate::text::{encoding, escape};

/// Shorter secrets are ordinary words and not redacted.
const LENGTH_MIN: usize = 8;
/// Length of a part that gives away a longer secret; messages are cut.
const PART: usize = 24;
/// Length from which a line of a secret of several lines is masked by itself, e.g. of a private key.
const LINE_MIN: usize = 32;
/// Replacement of a secret.
const MASK: &str = "***";
/// Replacement of a text that contains a secret.
const REDACTED: &str = "response not shown: it contains a credential that was sent";

/// Every secret that this process has read.
static KNOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Secret text: it has no `Debug`, `Display` or `Serialize`, so it cannot be printed by accident.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret text.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        remember(&text);
        Self(text)
    }

    /// Returns the text, to be sent or passed to a program.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

/// Has `secret` masked in the output of hooks.
pub(crate) fn remember(secret: &str) {
    let is_telling = |line: &&str| line.len() >= LINE_MIN && !line.contains(char::is_whitespace);
    let lines = secret.lines().map(str::trim).filter(is_telling);
    let whole = Some(secret.trim()).filter(|secret| secret.len() >= LENGTH_MIN);
    lock(&KNOWN).extend(whole.into_iter().chain(lines).map(str::to_owned));
}

/// Replaces the known secrets in a text: plain, percent-encoded, or in base64.
#[derive(Default)]
pub(crate) struct SecretMask {
    plain: Vec<String>,
    encoded: Vec<String>,
}

impl SecretMask {
    /// Masks every secret that this process has read.
    pub(crate) fn known() -> Self {
        let mut plain: Vec<String> = lock(&KNOWN).iter().cloned().collect();
        // A secret may contain another one.
        plain.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
        let encoded = plain.iter().flat_map(|secret| encodings(secret)).collect();
        Self { plain, encoded }
    }

    /// Masks the secrets in `text`.
    pub(crate) fn apply(&self, text: &str) -> String {
        let mask = |text: String, secret: &String| match text.contains(secret.as_str()) {
            true => text.replace(secret.as_str(), MASK),
            false => text,
        };
        self.plain.iter().chain(&self.encoded).fold(text.to_owned(), mask)
    }

    /// Masks the secrets in a text that was cut off at its end, which may divide a secret.
    pub(crate) fn apply_to_beginning(&self, text: &str) -> String {
        let mut text = self.apply(text);
        let divided = |secret: &String| {
            parts(secret).map(|(begin, _)| begin).rfind(|begin| tells(begin) && text.ends_with(begin)).map(str::len)
        };
        if let Some(length) = self.plain.iter().filter_map(divided).max() {
            text.replace_range(text.len() - length.., MASK);
        }
        text
    }

    /// Masks the secrets in a text that was cut off at its beginning.
    pub(crate) fn apply_to_end(&self, text: &str) -> String {
        let mut text = self.apply(text);
        let divided = |secret: &String| {
            parts(secret).map(|(_, end)| end).find(|end| tells(end) && text.starts_with(end)).map(str::len)
        };
        if let Some(length) = self.plain.iter().filter_map(divided).max() {
            text.replace_range(..length, MASK);
        }
        text
    }
}

/// Returns whether a part of a secret is long enough to tell something about it.
fn tells(part: &str) -> bool {
    part.len() >= 4
}

/// Splits a secret at each place into two parts.
fn parts(secret: &str) -> impl DoubleEndedIterator<Item = (&str, &str)> {
    (1..secret.len()).filter(|at| secret.is_char_boundary(*at)).map(|at| secret.split_at(at))
}

/// Returns the other forms of a secret: percent-encoded, and in base64 at each of the three offsets within a longer text,
/// without the digits that depend on the surrounding bytes.
fn encodings(secret: &str) -> Vec<String> {
    let percent = encoding::percent_encode(secret, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    let base64 = [0, 2, 3].into_iter().enumerate().flat_map(|(before, begin)| {
        let text = STANDARD.encode([&vec![0; before], secret.as_bytes()].concat());
        let text = text[begin..(before + secret.len()) * 8 / 6].to_owned();
        [text.replace('+', "-").replace('/', "_"), text]
    });
    std::iter::once(percent).filter(|percent| percent != secret).chain(base64).collect()
}

/// Set of the secrets sent so far; redacts text that contains one.
#[derive(Default)]
pub(crate) struct Redactor(Mutex<BTreeSet<String>>);

impl Redactor {
    /// Registers the credential of an `Authorization` header before it is sent, and the password within it.
    pub(crate) fn add_header(&self, header: &HeaderValue) {
        let Ok(text) = header.to_str() else { return };
        let Some((scheme, value)) = text.split_once(' ') else { return self.add(text) };
        if scheme.eq_ignore_ascii_case("basic")
            && let Some(login) = STANDARD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok())
            && let Some((_, password)) = login.split_once(':')
        {
            self.add(password);
        }
        self.add(value);
    }

    /// Registers a secret before it is sent.
    pub(crate) fn add(&self, secret: &str) {
        if secret.len() >= LENGTH_MIN {
            let mut all = lock(&self.0);
            if !all.contains(secret) {
                all.insert(secret.to_owned());
            }
        }
    }

    /// Returns `text`, or a replacement if it contains a secret.
    pub(crate) fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.is_in(text) { REDACTED.into() } else { text.into() }
    }

    /// Returns true if `text` contains a secret or a telling part of one, plain or percent-encoded.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        let all = lock(&self.0);
        let is_plain = |text: &[u8]| {
            all.iter().any(|secret| {
                let part = secret.len().min(PART);
                text.windows(part).any(|window| match part < PART {
                    true => window == secret.as_bytes(),
                    false => secret.as_bytes().windows(PART).any(|part| part == window),
                })
            })
        };
        is_plain(text.as_bytes()) || is_plain(&encoding::percent_decode_lossy(text.as_bytes()))
    }
}

/// Encodes user and password for the scheme Basic (RFC 7617); marked as sensitive so that no log shows it. None if the
/// user contains a colon, which would end it (section 2).
pub(crate) fn password_header(user: &str, password: &str) -> Option<HeaderValue> {
    if user.contains(':') {
        return None;
    }
    let mut header = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// Escapes text sent by a server for use within backticks of a message: one line, at most 200 characters, without
/// control characters or backticks.
pub(crate) fn quotable(text: &str) -> String {
    escape::terminal(text.trim()).replace('`', "\\u{60}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(redactor: &Redactor, text: &str, is_redacted: bool) {
        assert_eq!(redactor.redact(text), if is_redacted { REDACTED } else { text });
    }

    #[test]
    fn t22_text_that_contains_a_secret_is_redacted() {
        let redactor = Redactor::default();
        check(&redactor, "`hunter22/%` is no type", false);
        redactor.add_header(&HeaderValue::from_static("Basic bWU6aHVudGVyMjIvJQ=="));
        redactor.add_header(&HeaderValue::from_static("Bearer abcdefghijklmnopqrstuvwxyz0123456789"));
        check(&redactor, "`hunter22/%` is no type", true);
        check(&redactor, "`/a/hunter22%2F%25` is no place", true);
        check(&redactor, "`Basic bWU6aHVudGVyMjIvJQ==` is no type", true);
        check(&redactor, "`Bearer abcdefghijklmnopqrstuvwx…` is no type", true);
        check(&redactor, "`lmnopqrstuvwxyz0123456789`", true);
        check(&redactor, "`lmnopqrstuvwxyz`, `hunter22`, 100 %, `%zz`", false);
    }

    #[track_caller]
    fn check_mask(secrets: &[&str], text: &str, expected: &str) {
        let plain: Vec<String> = secrets.iter().map(ToString::to_string).collect();
        let encoded = plain.iter().flat_map(|secret| encodings(secret)).collect();
        assert_eq!(SecretMask { plain, encoded }.apply(text), expected);
    }

    #[test]
    fn s02_secrets_are_masked_in_every_form() {
        check_mask(&["hunter22/%"], "a hunter22/% b hunter22%2F%25 c", "a *** b *** c");
        for before in ["", "m", "me"] {
            let text = STANDARD.encode(format!("{before}hunter22/%zz"));
            let masked = SecretMask { plain: Vec::new(), encoded: encodings("hunter22/%") }.apply(&text);
            assert!(masked.contains(MASK) && masked.len() < 12, "{text}: {masked}");
        }
        check_mask(&["hunter22/%"], "hunter22", "hunter22");
    }

    #[test]
    fn s02_a_secret_that_a_cut_divides_is_masked() {
        let mask = SecretMask { plain: vec!["hunter22/%".to_owned()], encoded: Vec::new() };
        assert_eq!(mask.apply_to_beginning("hunter22/% and hunter2"), "*** and ***");
        assert_eq!(mask.apply_to_end("ter22/% and hunter22/%"), "*** and ***");
        assert_eq!(mask.apply_to_beginning("nothing"), "nothing");
    }

    #[test]
    fn s02_a_secret_is_known_once_it_is_read() {
        let key = format!("-----BEGIN KEY-----\n{}\nshort\n", "k3y/".repeat(16));
        drop(Secret::new(key));
        let masked = SecretMask::known().apply(&format!("{}\nshort\n", "k3y/".repeat(16)));
        assert_eq!(masked, "***\nshort\n");
    }

    #[test]
    fn short_secrets_are_not_redacted() {
        let redactor = Redactor::default();
        redactor.add("docker");
        redactor.add_header(&HeaderValue::from_static("Negotiate"));
        check(&redactor, "`docker.io/library/a` is not there", false);
    }
}
