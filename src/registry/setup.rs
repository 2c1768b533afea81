//! Configuration of the registry client.

use std::collections::BTreeMap;
use std::time::Duration;

use globset::{Glob, GlobMatcher};

use super::client::RegistryClient;
use super::credentials::{CredentialSources, CredentialStore};
use super::error::RegistrySetupError;
use super::host::registry_origin;
use super::redirect::RedirectFollower;
use super::transport::RegistryTransport;
use crate::git::RootFiles;
use crate::http::{Authority, HttpClient, HttpConfig, HttpLimits, NameLookup, Proxies, UrlOrigin};
use crate::model::image::RegistryHost;
use crate::model::settings::RegistrySettings;

/// Settings, policy, credentials and limits of the registry client.
#[derive(Clone)]
pub struct RegistryConfig {
    /// `[registry."host"]` of the settings.
    pub registries: BTreeMap<RegistryHost, RegistrySettings>,
    /// PEM files by the path that `ca` names.
    pub authorities: RootFiles,
    /// The operator's rules.
    pub policy: RegistryPolicy,
    /// Locations of credentials.
    pub credentials: CredentialSources,
    /// Proxies for all requests.
    pub proxies: Proxies,
    /// Timeouts and pauses.
    pub limits: HttpLimits,
    /// Timeout of a credential helper.
    pub helper_timeout: Duration,
    /// Replaces the system's name resolution.
    pub lookup: Option<NameLookup>,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            registries: BTreeMap::new(),
            authorities: RootFiles::default(),
            policy: RegistryPolicy::default(),
            credentials: CredentialSources::default(),
            proxies: Proxies::default(),
            limits: HttpLimits::default(),
            helper_timeout: Duration::from_secs(10),
            lookup: None,
        }
    }
}

/// The operator's rules for registries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryPolicy {
    /// Globs over `host[:port]`; none allows every registry.
    pub allowed: Option<Vec<String>>,
    /// Origins, `https://host[:port]`, that registries may name as their token servers.
    pub realms: Vec<String>,
}

/// Parts of a registry client.
pub(super) struct RegistryParts {
    pub(super) settings: BTreeMap<RegistryHost, RegistrySettings>,
    pub(super) allowed: Option<Vec<GlobMatcher>>,
    pub(super) client: RegistryClient,
}

impl RegistryConfig {
    /// Parses and reads everything that the configuration names.
    ///
    /// # Errors
    /// If an authority, a credential file, a proxy or a rule of the policy is invalid.
    pub(super) fn build(self) -> Result<RegistryParts, RegistrySetupError> {
        let Self { registries, authorities, policy, credentials, proxies, limits, helper_timeout, lookup } = self;
        let glob = |text: &String| {
            let glob = Glob::new(text).map_err(|_| RegistrySetupError::AllowedGlob(text.clone()))?;
            Ok::<_, RegistrySetupError>(glob.compile_matcher())
        };
        let realm = |text: &String| UrlOrigin::parse(text).ok_or_else(|| RegistrySetupError::Realm(text.clone()));
        let allowed = policy.allowed.map(|globs| globs.iter().map(glob).collect::<Result<_, _>>()).transpose()?;
        let http = HttpConfig { proxies, lookup, limits, ..hosts(&registries, &authorities)? };
        let transport = RegistryTransport::new(HttpClient::new(http)?);
        let follower = RedirectFollower::new(transport, CredentialStore::open(&credentials, helper_timeout)?);
        let trusted = policy.realms.iter().map(realm).collect::<Result<_, _>>()?;
        Ok(RegistryParts { settings: registries, allowed, client: RegistryClient { follower, trusted } })
    }
}

/// Collects the hosts that the settings name, and their authorities.
fn hosts(
    registries: &BTreeMap<RegistryHost, RegistrySettings>,
    files: &RootFiles,
) -> Result<HttpConfig, RegistrySetupError> {
    let mut config = HttpConfig::default();
    for (registry, settings) in registries {
        let place = |host: &RegistryHost| {
            let plain_http = registries.get(host).is_some_and(|settings| settings.plain_http);
            registry_origin(host, plain_http).map(|origin| origin.place)
        };
        config.named.extend(settings.mirrors.iter().filter_map(|mirror| place(&mirror.registry)));
        let Some(own) = place(registry) else { continue };
        if let Some(path) = &settings.ca {
            let missing = || RegistrySetupError::MissingCa { path: path.clone(), registry: registry.clone() };
            let pem = files.get(path).ok_or_else(missing)?;
            config.authorities.insert(own.clone(), Authority::parse(path, pem)?);
        }
        config.named.insert(own);
    }
    Ok(config)
}
