//! Token servers: which realm a registry may name, so that no credential reaches a foreign server.
//!
//! Pure: nothing is sent here.

use url::Url;

use super::ResolveError;
use crate::http::{UrlOrigin, quotable};
use crate::model::image::RegistryHost;
use crate::text::escape;

/// Registries whose token server has another host name, run by the same organization.
const PAIRS: [(&str, &str); 7] = [
    ("docker.io", "https://auth.docker.io"),
    ("index.docker.io", "https://auth.docker.io"),
    ("registry-1.docker.io", "https://auth.docker.io"),
    ("registry.gitlab.com", "https://gitlab.com"),
    ("docker.elastic.co", "https://docker-auth.elastic.co"),
    ("registry.suse.com", "https://scc.suse.com"),
    ("lscr.io", "https://ghcr.io"),
];

/// A token server that may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Realm {
    pub(super) url: Url,
    /// The registry's name at the token server.
    pub(super) service: String,
}

/// Parses the realm that `registry` at `origin` names. Accepted are its own origin, a known pair, and the `trusted`
/// origins of the operator.
///
/// # Errors
/// A refusal that names realm and registry; the help says how the operator allows it.
pub(super) fn trusted_realm(
    realm: &str,
    registry: &RegistryHost,
    origin: &UrlOrigin,
    trusted: &[UrlOrigin],
) -> Result<Url, ResolveError> {
    let refuse = |reason: &str| {
        let shown = quotable(&escape::mask_credentials(realm.split('?').next().unwrap_or_default()));
        let message = format!("`{registry}` names `{shown}` as its token server, which is not trusted: {reason}");
        ResolveError::refused(message)
    };
    // URLs that parsers disagree about are rejected before parsing.
    let is_plain = realm.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let url = Url::parse(realm).ok().filter(|_| is_plain).ok_or_else(|| refuse("not a valid URL"))?;
    let Some(found) = UrlOrigin::of(&url) else { return Err(refuse("not an HTTP URL")) };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("the URL contains a user"));
    }
    if !found.secure && origin.secure {
        return Err(refuse("it has no TLS, but the registry has"));
    }
    let is_pair = |(name, server): &(&str, &str)| {
        *name == registry.as_str() && UrlOrigin::parse(server).is_some_and(|server| server == found)
    };
    if found == *origin || PAIRS.iter().any(is_pair) || trusted.contains(&found) {
        return Ok(url);
    }
    Err(refuse("it is on another host")
        .help(format!("if it belongs to the registry, add `\"{found}\"` to `realms` in the `--policy` file")))
}

#[cfg(test)]
mod tests {
    use super::super::host::registry_origin;
    use super::*;
    use crate::registry::FailureKind;

    #[test]
    fn t10_realms_are_the_same_origin_a_known_pair_or_listed() {
        let is_trusted = |realm: &str, registry: &str, plain_http: bool, trusted: &[&str]| {
            let registry: RegistryHost = registry.parse().unwrap();
            let origin = registry_origin(&registry, plain_http).unwrap();
            let trusted: Vec<UrlOrigin> = trusted.iter().filter_map(|text| UrlOrigin::parse(text)).collect();
            trusted_realm(realm, &registry, &origin, &trusted).is_ok()
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
            assert!(is_trusted(realm, registry, false, &[]), "{realm} {registry}");
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
            assert!(!is_trusted(realm, "r.example", false, &[]), "{realm}");
        }
        assert!(is_trusted("https://login.corp/t", "r.example", false, &["https://login.corp"]));
        assert!(!is_trusted("https://login.corp:8443/t", "r.example", false, &["https://login.corp"]));
        assert!(!is_trusted("http://login.corp/t", "r.example", false, &["http://login.corp"]));
        assert!(is_trusted("http://login.corp/t", "r.example", true, &["http://login.corp"]));
        assert!(is_trusted("http://r.example/t", "r.example", true, &[]));
    }

    #[test]
    fn r16_lscr_io_uses_the_tokens_of_ghcr_io() {
        let origin = |registry: &RegistryHost| registry_origin(registry, false).unwrap();
        let check = |realm: &str, registry: &str| {
            let registry = registry.parse().unwrap();
            trusted_realm(realm, &registry, &origin(&registry), &[]).is_ok()
        };
        assert!(check("https://ghcr.io/token", "lscr.io"));
        assert!(!check("https://lscr.io/token", "ghcr.io") && !check("http://ghcr.io/token", "lscr.io"));
    }

    #[test]
    fn a_foreign_realm_is_named_with_its_registry_and_a_remedy() {
        let registry: RegistryHost = "r.example".parse().unwrap();
        let origin = registry_origin(&registry, false).unwrap();
        let error = trusted_realm("https://evil.example/t", &registry, &origin, &[]).unwrap_err();
        assert_eq!(error.kind, FailureKind::Refused);
        assert_eq!(
            error.message,
            "`r.example` names `https://evil.example/t` as its token server, which is not trusted: it is on another host"
        );
        assert_eq!(
            error.help.as_deref(),
            Some("if it belongs to the registry, add `\"https://evil.example\"` to `realms` in the `--policy` file")
        );
    }
}
