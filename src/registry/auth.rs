//! Challenges: how a registry wants to be asked, and whether the token server it names may see a secret.
//!
//! Pure: nothing is sent here. Sources: RFC 9110 section 11, RFC 6750 section 3, the Docker Registry v2 token
//! specification (OCI Distribution leaves authentication to it).

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use url::Url;

use super::origin::UrlOrigin;
use super::text::plain;
use super::{FailureKind, ResolveError};
use crate::model::image::RegistryHost;
use crate::text::escape;

/// The longest challenge that is read, in bytes.
const CHALLENGE_MAX: usize = 4096;

/// Registries whose token server has another name, both run by the same people.
const PAIRS: [(&str, &str); 6] = [
    ("docker.io", "https://auth.docker.io"),
    ("index.docker.io", "https://auth.docker.io"),
    ("registry-1.docker.io", "https://auth.docker.io"),
    ("registry.gitlab.com", "https://gitlab.com"),
    ("docker.elastic.co", "https://docker-auth.elastic.co"),
    ("registry.suse.com", "https://scc.suse.com"),
];

/// What a 401 asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A user and a password with each request.
    Basic,
    /// A token.
    Bearer(BearerChallenge),
}

/// What a Bearer challenge says.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct BearerChallenge {
    /// Where tokens are had, as it was sent: not to be trusted before [`judge`].
    pub(super) realm: String,
    /// What the token server knows the registry by.
    pub(super) service: String,
    /// The repository that it asks a token for, by the registry's own name of it.
    pub(super) repository: Option<String>,
    /// Why the token that was sent does not do (RFC 6750, section 3.1).
    pub(super) error: String,
}

impl Challenge {
    /// The challenge of an answer; tokens are preferred to passwords.
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        let mut basic = None;
        for header in headers.get_all(WWW_AUTHENTICATE) {
            let Some(text) = header.to_str().ok().filter(|text| text.len() <= CHALLENGE_MAX) else { continue };
            let Ok(challenges) = http_auth::parse_challenges(text) else { continue };
            for challenge in challenges {
                if challenge.scheme.eq_ignore_ascii_case("basic") {
                    basic = Some(Self::Basic);
                } else if challenge.scheme.eq_ignore_ascii_case("bearer") {
                    let mut bearer = BearerChallenge::default();
                    for (name, value) in &challenge.params {
                        match name.to_ascii_lowercase().as_str() {
                            "realm" => bearer.realm = value.to_unescaped(),
                            "service" => bearer.service = value.to_unescaped(),
                            "scope" => bearer.repository = repository_of(&value.to_unescaped()),
                            "error" => bearer.error = value.to_unescaped(),
                            _ => {}
                        }
                    }
                    return Some(Self::Bearer(bearer));
                }
            }
        }
        basic
    }
}

/// The name within `repository:name:actions`. What is asked for is always `pull`, whatever a registry would like.
fn repository_of(scope: &str) -> Option<String> {
    let name = scope.strip_prefix("repository:")?.rsplit_once(':')?.0;
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/' | b':');
    (!name.is_empty() && name.len() <= 300 && name.bytes().all(good)).then(|| name.to_owned())
}

/// Whether tokens for `registry`, spoken to at `origin`, may be had from `realm`: the same origin, a known pair, or
/// one of the operator's `trusted` origins.
///
/// # Errors
/// A refusal that names realm and registry and says how the operator allows it.
pub(super) fn judge(
    realm: &str,
    registry: &RegistryHost,
    origin: &UrlOrigin,
    trusted: &[UrlOrigin],
) -> Result<Url, ResolveError> {
    let refuse = |why: &str| {
        let shown = plain(&escape::mask_credentials(realm.split('?').next().unwrap_or_default()));
        ResolveError::new(
            FailureKind::Refused,
            format!("`{registry}` sends its clients to `{shown}` for a token: {why}"),
        )
    };
    // What readers of URLs disagree about is not read at all.
    let is_plain = realm.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let url = Url::parse(realm).ok().filter(|_| is_plain).ok_or_else(|| refuse("that is not a plain URL"))?;
    let Some(asked) = UrlOrigin::of(&url) else { return Err(refuse("tokens are had over https alone")) };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("a realm has no user in it"));
    }
    if !asked.secure && origin.secure {
        return Err(refuse("a registry with TLS has no token server without it"));
    }
    let pair = |(name, other): &(&str, &str)| {
        *name == registry.as_str() && UrlOrigin::parse(other).is_some_and(|other| other == asked)
    };
    if asked == *origin || PAIRS.iter().any(pair) || trusted.contains(&asked) {
        return Ok(url);
    }
    Err(refuse("nothing was sent to that foreign server").help(format!(
        "if it is the registry's own, the operator adds `\"{asked}\"` to `realms` in the `--policy` file"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[&str], expected: Option<Challenge>) {
        let map = headers.iter().map(|text| (WWW_AUTHENTICATE, text.parse().unwrap())).collect();
        assert_eq!(Challenge::read(&map), expected, "{headers:?}");
    }

    fn bearer(realm: &str, service: &str, repository: Option<&str>, error: &str) -> Option<Challenge> {
        let [realm, service, error] = [realm, service, error].map(str::to_owned);
        Some(Challenge::Bearer(BearerChallenge { realm, service, repository: repository.map(str::to_owned), error }))
    }

    #[test]
    fn challenges_are_read_and_tokens_preferred() {
        check(&["Basic realm=\"x\""], Some(Challenge::Basic));
        check(
            &["Bearer realm=\"https://a/t\",service=\"s\",scope=\"repository:x/y:pull\",error=\"invalid_token\""],
            bearer("https://a/t", "s", Some("x/y"), "invalid_token"),
        );
        check(&["Basic realm=x", "bearer Realm=\"https://a\""], bearer("https://a", "", None, ""));
        check(&["Basic realm=x, Bearer realm=\"https://a\""], bearer("https://a", "", None, ""));
        check(&["Bearer"], bearer("", "", None, ""));
        check(&["Negotiate"], None);
        check(&["Bearer realm=\"unclosed"], None);
        check(&[], None);
        check(&["Bearer realm=r,scope=\"repository:x:pull,push,delete\""], bearer("r", "", Some("x"), ""));
        check(&["Bearer realm=r,scope=\"repository:x y:pull\""], bearer("r", "", None, ""));
        check(&["Bearer realm=r,scope=\"registry:catalog:*\""], bearer("r", "", None, ""));
        check(&[&format!("Bearer realm=\"{}\"", "x".repeat(5000))], None);
    }

    #[test]
    fn t10_realms_are_the_same_origin_a_known_pair_or_listed() {
        let judged = |realm: &str, registry: &str, plain_http: bool, trusted: &[&str]| {
            let registry: RegistryHost = registry.parse().unwrap();
            let origin = UrlOrigin::of_registry(&registry, plain_http).unwrap();
            let trusted: Vec<UrlOrigin> = trusted.iter().filter_map(|text| UrlOrigin::parse(text)).collect();
            judge(realm, &registry, &origin, &trusted).is_ok()
        };
        for (realm, registry) in [
            ("https://auth.docker.io/token", "docker.io"),
            ("https://auth.docker.io/token", "index.docker.io"),
            ("https://auth.docker.io/token", "registry-1.docker.io"),
            ("https://gitlab.com/jwt/auth", "registry.gitlab.com"),
            ("https://ghcr.io/token", "ghcr.io"),
            ("https://GHCR.io:443/token", "ghcr.io"),
            ("https://r.example:5000/t?x=y", "r.example:5000"),
        ] {
            assert!(judged(realm, registry, false, &[]), "{realm} {registry}");
        }
        for realm in [
            "https://evil.example/token",
            "https://r.example.evil.example/",
            "https://auth.r.example/",
            "https://r.example:444/",
            "http://r.example/",
            "https://u@r.example/",
            "https://u:p@r.example/",
            "https://r.example@evil.example/",
            "https://r.example\\@evil.example/",
            "https://ｒ.example.evil/",
            "https://r.examp\u{131}e/",
            "https://auth.docker.io/token",
            "ftp://r.example/",
            "//r.example/token",
            "/token",
            "",
            "javascript:alert(1)",
            "https://127.0.0.1/",
            "https://[::ffff:127.0.0.1]/",
            "https://169.254.169.254/",
        ] {
            assert!(!judged(realm, "r.example", false, &[]), "{realm}");
        }
        assert!(judged("https://login.corp/t", "r.example", false, &["https://login.corp"]));
        assert!(!judged("https://login.corp:8443/t", "r.example", false, &["https://login.corp"]));
        assert!(!judged("http://login.corp/t", "r.example", false, &["http://login.corp"]));
        assert!(judged("http://login.corp/t", "r.example", true, &["http://login.corp"]));
        assert!(judged("http://r.example/t", "r.example", true, &[]));
    }

    #[test]
    fn a_foreign_realm_is_named_with_its_registry_and_the_way_out() {
        let registry: RegistryHost = "r.example".parse().unwrap();
        let origin = UrlOrigin::of_registry(&registry, false).unwrap();
        let error = judge("https://evil.example/t", &registry, &origin, &[]).unwrap_err();
        assert_eq!(error.kind, FailureKind::Refused);
        assert_eq!(
            error.message,
            "`r.example` sends its clients to `https://evil.example/t` for a token: nothing was sent to that foreign server"
        );
        assert_eq!(
            error.help.as_deref(),
            Some(
                "if it is the registry's own, the operator adds `\"https://evil.example\"` to `realms` in the \
                 `--policy` file"
            )
        );
    }
}
