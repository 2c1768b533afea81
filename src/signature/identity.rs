//! Signer identities and issuers in `verify`.

use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::model::image::NameError;
use crate::text::escape::is_deceptive;

/// The longest identity or issuer, in bytes.
const LENGTH_MAX: usize = 1_000;

/// The wildcard for any text.
const ANY: char = '*';

/// An identity in a certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CertificateIdentity {
    /// The issuer that authenticated the signer.
    pub issuer: Issuer,
    /// The signer.
    pub identity: Identity,
    /// The file of the root with the trusted authorities and logs; `None` for those of Sigstore's public instance.
    pub trusted_root: Option<String>,
}

/// An OpenID Connect issuer, which authenticates signers; its URL is compared exactly.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Issuer(String);

impl Issuer {
    /// Returns the URL of the issuer.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Issuer {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let plain = plain(text, "issuer")?;
        let is_address = |url: &Url| {
            let bare = url.username().is_empty() && url.password().is_none();
            url.scheme() == "https" && bare && url.query().is_none() && url.fragment().is_none()
        };
        if plain.starts_with("https://") && !plain.contains(ANY) && Url::parse(plain).is_ok_and(|url| is_address(&url))
        {
            return Ok(Self(plain.to_owned()));
        }
        let help = "write its exact URL, e.g. `https://token.actions.githubusercontent.com`";
        Err(NameError::new(format!("invalid issuer `{text}`: not an `https` URL")).help(help))
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A signer's identity in a certificate, with `*` for any text, including none and slashes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity(String);

impl Identity {
    /// Returns true if `text` matches entirely.
    pub fn matches(&self, text: &str) -> bool {
        let Some((start, rest)) = self.0.split_once(ANY) else { return self.0 == text };
        let (middle, end) = rest.rsplit_once(ANY).unwrap_or(("", rest));
        let Some(mut inner) = text.strip_prefix(start).and_then(|text| text.strip_suffix(end)) else { return false };
        // The leftmost match leaves the most text for the parts after it.
        middle.split(ANY).all(|part| inner.split_once(part).map(|(_, rest)| inner = rest).is_some())
    }
}

impl FromStr for Identity {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let plain = plain(text, "identity")?;
        if plain.chars().all(|c| c == ANY) {
            let help = "write the common part of the accepted signers, e.g. `https://github.com/acme/*`";
            return Err(NameError::new(format!("identity `{text}` matches every signer")).help(help));
        }
        Ok(Self(plain.to_owned()))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks that `text` is not empty, not too long, and printable.
fn plain<'a>(text: &'a str, what: &str) -> Result<&'a str, NameError> {
    let help = "write it as in the certificate, e.g. `https://github.com/acme/web/.github/workflows/release.yml@refs/heads/main`";
    let message = match text {
        "" => format!("empty {what}"),
        _ if text.len() > LENGTH_MAX => format!("{what} longer than {LENGTH_MAX} bytes"),
        _ if text.trim() != text || text.contains(|c| is_deceptive(c) || c == '`') => {
            format!("{what} with surrounding blanks or invisible characters")
        }
        _ => return Ok(text),
    };
    Err(NameError::new(message).help(help))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(pattern: &str, those: &[&str], others: &[&str]) {
        let identity: Identity = pattern.parse().unwrap();
        for text in those {
            assert!(identity.matches(text), "{pattern} {text}");
        }
        for text in others {
            assert!(!identity.matches(text), "{pattern} {text}");
        }
    }

    #[test]
    fn an_identity_is_exact_but_for_its_stars() {
        check("me@a.example", &["me@a.example"], &["Me@a.example", "me@a.example ", "xme@a.example", "", "*"]);
        check("a*", &["a", "ab", "a/b*"], &["ba", ""]);
        check("*a", &["a", "ba"], &["ab"]);
        check("a*a", &["aa", "aba"], &["a", "ab"]);
        check("a*bc*d", &["abcd", "axbcyd", "abcbcd"], &["abd", "acbd", "abc", "bcd", "abcdx"]);
        check("a**b", &["ab", "axb"], &["a", "b"]);
        check("a*b*b", &["abb", "axbyb"], &["ab"]);
        // A dot and a question mark are themselves.
        check(
            "https://github.com/acme/*@refs/tags/v*",
            &["https://github.com/acme/web/x.yml@refs/tags/v1"],
            &[
                "https://github.com/acmes/web/x.yml@refs/tags/v1",
                "https://github.com/acme/web/x.yml@refs/heads/v1",
                "https://githubxcom/acme/web/x.yml@refs/tags/v1",
                "xhttps://github.com/acme/web/x.yml@refs/tags/v1",
            ],
        );
    }

    /// The plain way to say what a pattern means, in time that grows with the power of its stars.
    fn means(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|at| means(rest, &text[at..])),
            Some((byte, rest)) => text.first() == Some(byte) && means(rest, &text[1..]),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_pattern_matches_literally_except_for_wildcards(pattern in "[ab*]{1,8}", text in "[ab]{0,10}") {
            if let Ok(identity) = pattern.parse::<Identity>() {
                prop_assert_eq!(identity.matches(&text), means(pattern.as_bytes(), text.as_bytes()));
            }
        }
    }

    #[test]
    fn empty_and_universal_identities_are_rejected() {
        let said = |text: &str| text.parse::<Identity>().map_err(|error| error.message);
        assert_eq!(said("*"), Err("identity `*` matches every signer".to_owned()));
        assert_eq!(said("***"), Err("identity `***` matches every signer".to_owned()));
        assert_eq!(said(""), Err("empty identity".to_owned()));
        assert_eq!(said(&"x".repeat(1_001)), Err("identity longer than 1000 bytes".to_owned()));
        for text in [" a", "a\n", "a\u{202e}b", "a\u{200b}", "a`b"] {
            let message = "identity with surrounding blanks or invisible characters";
            assert_eq!(said(text), Err(message.to_owned()), "{text:?}");
        }
        assert_eq!(said("a b"), Ok("a b".parse().unwrap()));
    }

    #[test]
    fn an_issuer_is_an_address_and_stays_as_it_was_written() {
        for text in ["https://accounts.google.com", "https://a.example/Auth/", "https://a.example:8443/x"] {
            assert_eq!(text.parse::<Issuer>().unwrap().as_str(), text);
        }
        for text in [
            "http://a.example",
            "a.example",
            "https://",
            "https://*.example",
            "https://a.example?x",
            "https://a.example#x",
            "https://me@a.example",
            "HTTPS://a.example",
            "",
            " https://a.example",
        ] {
            assert!(text.parse::<Issuer>().is_err(), "{text}");
        }
    }
}
