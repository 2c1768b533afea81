//! Origins: scheme, host and port, by which credentials are bound, redirects are judged and private addresses are
//! allowed.

use std::fmt;

use url::Url;

use crate::model::image::RegistryHost;

/// Scheme, host and port of a URL (RFC 6454, section 4), with the port written out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct UrlOrigin {
    /// Whether it is spoken to over TLS.
    pub(crate) secure: bool,
    /// Host and port.
    pub(crate) place: HostPort,
}

/// Host and port, as the settings name a registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct HostPort {
    host: String,
    port: u16,
}

impl UrlOrigin {
    /// The origin of `url`; none unless it is an HTTP URL with a host.
    pub(crate) fn of(url: &Url) -> Option<Self> {
        let secure = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = url.host_str()?.to_owned();
        Some(Self { secure, place: HostPort { host, port: url.port_or_known_default()? } })
    }

    /// The origin that `registry` is spoken to at. `docker.io` is a name that only people use.
    pub(crate) fn of_registry(registry: &RegistryHost, plain_http: bool) -> Option<Self> {
        let scheme = if plain_http { "http" } else { "https" };
        let host = match registry.as_str() {
            "docker.io" | "index.docker.io" => "registry-1.docker.io",
            other => other,
        };
        Url::parse(&format!("{scheme}://{host}/")).ok().as_ref().and_then(Self::of)
    }

    /// The origin that an operator wrote: `https://host[:port]`, with nothing after it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        bare.then(|| Self::of(&url)).flatten()
    }
}

impl HostPort {
    /// The host: a name, or an address as URLs write it.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `host` or `host:port` as a key of the settings would name it.
    pub(crate) fn key(&self, secure: bool) -> String {
        match (self.port, secure) {
            (443, true) | (80, false) => self.host.clone(),
            (port, _) => format!("{}:{port}", self.host),
        }
    }
}

impl fmt::Display for UrlOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.place.key(self.secure))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_have_their_port_written_out_and_are_shown_without_the_known_one() {
        let of = |text: &str| UrlOrigin::parse(text).map(|origin| origin.to_string());
        assert_eq!(of("https://Auth.Example:443/").as_deref(), Some("https://auth.example"));
        assert_eq!(of("http://a.example:8080").as_deref(), Some("http://a.example:8080"));
        assert_eq!(UrlOrigin::parse("https://a"), UrlOrigin::parse("https://a:443"));
        assert_ne!(UrlOrigin::parse("https://a"), UrlOrigin::parse("http://a:443"));
        for bad in ["ftp://a", "https://u@a", "https://a/x", "https://a/?q", "a", ""] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn docker_io_is_spoken_to_at_registry_1() {
        let origin = UrlOrigin::of_registry(&"docker.io".parse().unwrap(), false).unwrap();
        assert_eq!(origin.to_string(), "https://registry-1.docker.io");
    }
}
