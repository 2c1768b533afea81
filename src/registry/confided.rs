//! What was sent to registries and forges in confidence, so that no message repeats it after a server that does.
//!
//! A server that sends back what it was sent does so where it is told of: in a type, a digest, a place that it redirects
//! to. It knows the secret anyway; those who read our output do not.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;

use super::ResolveError;

/// Shorter than this, a secret is taken for a word like any other.
const LENGTH_MIN: usize = 8;
/// How much of a longer secret gives it away: messages are cut.
const PART: usize = 24;
/// What stands in place of a text that repeats one.
const INSTEAD: &str = "what came repeats a credential that was sent, so it is not shown";

/// The secrets that were sent so far.
#[derive(Default)]
pub(crate) struct Redactor(Mutex<BTreeSet<String>>);

impl Redactor {
    /// Takes an `Authorization` header that is about to be sent: what stands in it, and the password within that.
    pub(crate) fn header(&self, header: &HeaderValue) {
        let Some((scheme, value)) = header.to_str().ok().and_then(|text| text.split_once(' ')) else { return };
        if scheme == "Basic"
            && let Some(login) = STANDARD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok())
            && let Some((_, password)) = login.split_once(':')
        {
            self.secret(password);
        }
        self.secret(value);
    }

    /// Takes a secret that is about to be sent.
    pub(super) fn secret(&self, secret: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if secret.len() >= LENGTH_MIN && !all.contains(secret) {
            all.insert(secret.to_owned());
        }
    }

    /// `text`, unless it repeats a secret.
    pub(crate) fn unless_repeated<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.is_in(text) { INSTEAD.into() } else { text.into() }
    }

    /// The same of an error.
    pub(super) fn error(&self, error: ResolveError) -> ResolveError {
        let is_repeated = self.is_in(&error.message) || error.help.as_ref().is_some_and(|help| self.is_in(help));
        if is_repeated { ResolveError { message: INSTEAD.to_owned(), help: None, ..error } } else { error }
    }

    /// Whether `text` holds a secret, or enough of one, as it is or percent-encoded.
    fn is_in(&self, text: &str) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_plain = |text: &[u8]| {
            all.iter().any(|secret| {
                let part = secret.len().min(PART);
                text.windows(part).any(|window| match part < PART {
                    true => window == secret.as_bytes(),
                    false => secret.as_bytes().windows(PART).any(|part| part == window),
                })
            })
        };
        is_plain(text.as_bytes()) || is_plain(&decoded(text.as_bytes()))
    }
}

/// `text` with each `%XX` as the byte that it stands for.
fn decoded(mut text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    while let [first, rest @ ..] = text {
        let digits = rest.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        text = if byte.is_some() { &rest[2..] } else { rest };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::FailureKind;

    #[track_caller]
    fn check(confided: &Redactor, text: &str, is_repeated: bool) {
        let shown = confided.unless_repeated(text);
        assert_eq!(shown, if is_repeated { INSTEAD } else { text });
        let error = confided.error(ResolveError::new(FailureKind::Integrity, text).help("try again"));
        let expected = if is_repeated { (INSTEAD, None) } else { (text, Some("try again")) };
        assert_eq!((error.message.as_str(), error.help.as_deref()), expected);
    }

    #[test]
    fn t22_what_repeats_a_secret_is_not_shown() {
        let confided = Redactor::default();
        check(&confided, "`hunter22/%` is no type", false);
        confided.header(&HeaderValue::from_static("Basic bWU6aHVudGVyMjIvJQ=="));
        confided.header(&HeaderValue::from_static("Bearer abcdefghijklmnopqrstuvwxyz0123456789"));
        check(&confided, "`hunter22/%` is no type", true);
        check(&confided, "`/a/hunter22%2F%25` is no place", true);
        check(&confided, "`Basic bWU6aHVudGVyMjIvJQ==` is no type", true);
        check(&confided, "`Bearer abcdefghijklmnopqrstuvwx…` is no type", true);
        check(&confided, "`lmnopqrstuvwxyz0123456789`", true);
        check(&confided, "`lmnopqrstuvwxyz`, `hunter22`, 100 %, `%zz`", false);
    }

    #[test]
    fn short_secrets_are_words_like_others() {
        let confided = Redactor::default();
        confided.secret("docker");
        confided.header(&HeaderValue::from_static("Negotiate"));
        check(&confided, "`docker.io/library/a` is not there", false);
    }
}
