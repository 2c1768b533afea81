//! Origins: scheme, host and port; credentials, redirects and private addresses are bound to them.

use std::fmt;

use url::Url;

/// Scheme, host and port of a URL (RFC 6454, section 4); the port is always explicit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct UrlOrigin {
    pub(crate) secure: bool,
    pub(crate) place: HostPort,
}

/// Host and port of a server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct HostPort {
    host: String,
    port: u16,
}

impl UrlOrigin {
    /// Returns the origin of an HTTP URL; none for other schemes.
    pub(crate) fn of(url: &Url) -> Option<Self> {
        let secure = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = url.host_str()?.to_owned();
        Some(Self { secure, place: HostPort { host, port: url.port_or_known_default()? } })
    }

    /// Parses `https://host[:port]` without a path, query or user.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        bare.then(|| Self::of(&url)).flatten()
    }

    /// Formats the host as `[registry."…"]` names it: `host`, or `host:port` for a port that is not the scheme's
    /// default.
    pub(crate) fn host(&self) -> String {
        match (self.place.port, self.secure) {
            (443, true) | (80, false) => self.place.host.clone(),
            (port, _) => format!("{}:{port}", self.place.host),
        }
    }
}

impl HostPort {
    /// Name or address, as in URLs.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for UrlOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.host())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_compare_by_explicit_port_and_print_without_the_default_one() {
        let of = |text: &str| UrlOrigin::parse(text).map(|origin| origin.to_string());
        assert_eq!(of("https://Auth.Example:443/").as_deref(), Some("https://auth.example"));
        assert_eq!(of("http://a.example:8080").as_deref(), Some("http://a.example:8080"));
        assert_eq!(UrlOrigin::parse("https://a"), UrlOrigin::parse("https://a:443"));
        assert_ne!(UrlOrigin::parse("https://a"), UrlOrigin::parse("http://a:443"));
        for bad in ["ftp://a", "https://u@a", "https://a/x", "https://a/?q", "a", ""] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
