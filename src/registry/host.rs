//! One registry host: its name, its origin and its limits.

use url::Url;

use super::ResolveError;
use crate::http::{HostLimiter, HttpLimits, UrlOrigin};
use crate::model::image::RegistryHost;
use crate::model::settings::RegistrySettings;

/// A registry host and its limiter.
pub(super) struct Host {
    /// The name in the definitions.
    pub(super) name: RegistryHost,
    /// The origin that requests are sent to.
    pub(super) origin: UrlOrigin,
    /// `origin` as a URL, parsed once.
    pub(super) base: Url,
    /// Concurrency limit, pauses and circuit breakers.
    pub(super) limiter: HostLimiter<ResolveError>,
}

impl Host {
    /// Creates a host; none if its name is not valid in a URL.
    pub(super) fn new(name: &RegistryHost, settings: &RegistrySettings, limits: &HttpLimits) -> Option<Self> {
        let origin = registry_origin(name, settings.plain_http)?;
        let base = Url::parse(&origin.to_string()).ok()?;
        let limiter = HostLimiter::new(settings.requests, limits.throttle);
        Some(Self { name: name.clone(), origin, base, limiter })
    }

    /// Returns the name of a repository at this host, or of a token server.
    pub(super) fn scope_name(&self, scope: &str) -> String {
        if scope.contains("://") { scope.to_owned() } else { format!("{}/{scope}", self.name) }
    }
}

/// Returns the origin of `registry`. Docker Hub is served by `registry-1.docker.io`.
pub(super) fn registry_origin(registry: &RegistryHost, plain_http: bool) -> Option<UrlOrigin> {
    let scheme = if plain_http { "http" } else { "https" };
    let host = match registry.as_str() {
        "docker.io" | "index.docker.io" => "registry-1.docker.io",
        other => other,
    };
    Url::parse(&format!("{scheme}://{host}/")).ok().as_ref().and_then(UrlOrigin::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_io_is_served_by_registry_1() {
        let origin = registry_origin(&"docker.io".parse().unwrap(), false).unwrap();
        assert_eq!(origin.to_string(), "https://registry-1.docker.io");
    }
}
