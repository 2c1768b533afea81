//! Secrets: a type that cannot be printed, and redaction of text from servers that echo them.
//!
//! A server can echo a credential in any text that ends up in a message: a media type, a digest, a redirect. The server
//! knows the secret anyway; readers of our output must not.

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
/// Replacement of a text that contains a secret.
const REDACTED: &str = "response not shown: it contains a credential that was sent";

/// Secret text: it has no `Debug`, `Display` or `Serialize`, so it cannot be printed by accident.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text, to be sent or passed to a program.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
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

    #[test]
    fn short_secrets_are_not_redacted() {
        let redactor = Redactor::default();
        redactor.add("docker");
        redactor.add_header(&HeaderValue::from_static("Negotiate"));
        check(&redactor, "`docker.io/library/a` is not there", false);
    }
}
