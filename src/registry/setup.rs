//! Configuration of the registry client.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use globset::Glob;

use super::host::registry_origin;
use super::{CredentialSources, CredentialStore, Registry, RegistrySetupError, RegistryTransport};
use crate::git::RootFiles;
use crate::http::{Authority, HttpClient, HttpConfig, HttpLimits, NameLookup, Proxies, UrlOrigin};
use crate::model::image::RegistryHost;
use crate::model::settings::RegistrySettings;

/// Default timeout of a credential helper.
const HELPER_TIMEOUT: Duration = Duration::from_secs(10);

/// Settings, policy, credentials and limits of the registry client.
#[derive(Clone, Default)]
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
    /// Timeout of a credential helper; 10 seconds by default.
    pub helper_timeout: Option<Duration>,
    /// Replaces the system's name resolution.
    pub lookup: Option<NameLookup>,
}

/// The operator's rules for registries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryPolicy {
    /// Globs over `host[:port]`; none allows every registry.
    pub allowed: Option<Vec<String>>,
    /// Origins, `https://host[:port]`, that registries may name as their token servers.
    pub realms: Vec<String>,
}

impl Registry {
    /// Creates a client; sends nothing.
    ///
    /// # Errors
    /// If an authority, a credential file, a proxy or a rule of the policy is invalid.
    pub fn new(config: RegistryConfig) -> Result<Self, RegistrySetupError> {
        let RegistryConfig { registries, authorities, policy, credentials, proxies, limits, helper_timeout, lookup } =
            config;
        let glob = |text: &String| {
            let glob = Glob::new(text).map_err(|_| RegistrySetupError::AllowedGlob(text.clone()))?;
            Ok::<_, RegistrySetupError>(glob.compile_matcher())
        };
        let realm = |text: &String| UrlOrigin::parse(text).ok_or_else(|| RegistrySetupError::Realm(text.clone()));
        let allowed = policy.allowed.map(|globs| globs.iter().map(glob).collect::<Result<_, _>>()).transpose()?;
        let http = HttpConfig { proxies, lookup, limits, ..hosts(&registries, &authorities)? };
        Ok(Self {
            allowed,
            endpoints: Mutex::default(),
            transport: RegistryTransport::new(HttpClient::new(http)?),
            credentials: CredentialStore::open(&credentials, helper_timeout.unwrap_or(HELPER_TIMEOUT))?,
            guests: Mutex::default(),
            trusted: policy.realms.iter().map(realm).collect::<Result<_, _>>()?,
            settings: registries,
        })
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
