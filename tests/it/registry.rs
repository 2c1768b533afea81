//! The registry client against a fake registry that misbehaves on request, and against Debian's with `skopeo` as a
//! witness.

mod counts;
mod credentials;
mod helpers;
mod http2;
mod later;
mod lies;
mod load;
mod logins;
mod memory;
mod nginx;
mod platforms;
mod proxy;
mod reach;
mod real;
mod realm;
mod redirect;
mod scopes;
mod shown;
mod slow;
mod status;
mod tags;

use std::collections::BTreeMap;
use std::time::Duration;

use pinstream::http::{HttpLimits, Secret};
use pinstream::model::image::{Digest, ImageRef, Repository};
use pinstream::model::settings::RegistrySettings;
use pinstream::registry::credentials::CredentialSources;
use pinstream::registry::{FailureKind, Registry, RegistryConfig, ResolveError};

use crate::support::encoding::base64;

/// Runs a future on a runtime like the program's.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Limits short enough for tests.
pub(crate) fn fast() -> HttpLimits {
    HttpLimits {
        connect: Duration::from_secs(5),
        request: Duration::from_secs(5),
        retry_after: Duration::from_secs(2),
        backoff: Duration::from_millis(1),
        throttle: Duration::from_millis(1),
        slow: Duration::from_secs(1),
    }
}

/// Configuration that names `hosts`, without TLS.
pub(crate) fn plain(hosts: &[String]) -> RegistryConfig {
    let settings = RegistrySettings { plain_http: true, requests: 64, ..RegistrySettings::default() };
    let registries = hosts.iter().map(|host| (host.parse().unwrap(), settings.clone())).collect();
    RegistryConfig { registries, limits: fast(), ..RegistryConfig::default() }
}

/// Configuration that names `hosts`, with TLS and the authority `ca`.
pub(crate) fn secure(hosts: &[String], ca: Vec<u8>) -> RegistryConfig {
    let settings = RegistrySettings { ca: Some("ca.pem".to_owned()), requests: 64, ..RegistrySettings::default() };
    let registries = hosts.iter().map(|host| (host.parse().unwrap(), settings.clone())).collect();
    let authorities = BTreeMap::from([("ca.pem".to_owned(), ca)]);
    RegistryConfig { registries, authorities, limits: fast(), ..RegistryConfig::default() }
}

/// Credentials in a `config.json`, by host or `host/path`.
pub(crate) fn passwords(entries: &[(&str, &str, &str)]) -> CredentialSources {
    let auths: serde_json::Map<_, _> = entries
        .iter()
        .map(|(key, user, password)| {
            let auth = base64(format!("{user}:{password}"));
            ((*key).to_owned(), serde_json::json!({"auth": auth}))
        })
        .collect();
    let text = serde_json::json!({"auths": auths}).to_string();
    CredentialSources { docker_auth_config: Some(Secret::new(text)), ..CredentialSources::default() }
}

pub(crate) fn image(text: &str) -> ImageRef {
    text.parse().unwrap()
}

pub(crate) fn repository(text: &str) -> Repository {
    text.parse().unwrap()
}

/// Resolves a tag and fetches its manifest, as a pass does.
pub(crate) async fn import(registry: &Registry, image: &ImageRef) -> Result<Digest, ResolveError> {
    let digest = registry.digest(image).await?;
    let verified = registry.manifest(image.repository(), &digest).await?;
    assert_eq!(*verified.digest(), digest);
    Ok(digest)
}

/// Resolves `image` and returns the kind of failure with its message and help.
pub(crate) fn failure(setup: RegistryConfig, image: &ImageRef) -> (FailureKind, String) {
    let registry = Registry::new(setup).unwrap();
    let error = run(import(&registry, image)).unwrap_err();
    (error.kind, format!("{} {}", error.message, error.help.unwrap_or_default()))
}
