//! Where a forge is, and which token may go there.
//!
//! The settings come from the repository, and whoever may commit may change them; the environment is the operator's.
//! So a token is bound to an origin by the environment alone, and the settings can only agree. Sources: the variables
//! that GitHub Actions, GitLab CI, Gitea and Forgejo Actions, Bitbucket and Azure Pipelines document.

use std::collections::BTreeMap;

use reqwest::header::HeaderValue;
use url::Url;

use super::ForgeError;
use crate::http::{Redactor, Secret, UrlOrigin};
use crate::model::settings::publish::{ForgeKind, ForgePlace};
use crate::system::environment;

/// Our own token.
const TOKEN: &str = "PINSTREAM_FORGE_TOKEN";
/// Where the operator says the forge is.
const URL: &str = "PINSTREAM_FORGE_URL";

/// The variables that are read.
const NAMES: [&str; 14] = [
    TOKEN,
    URL,
    "GITHUB_TOKEN",
    "GITHUB_API_URL",
    "GITHUB_SERVER_URL",
    "GITLAB_TOKEN",
    "CI_SERVER_URL",
    "FORGEJO_TOKEN",
    "FORGEJO_SERVER_URL",
    "GITEA_TOKEN",
    "GITEA_SERVER_URL",
    "BITBUCKET_TOKEN",
    "SYSTEM_ACCESSTOKEN",
    "SYSTEM_COLLECTIONURI",
];

/// What the environment says of forges. It cannot be printed.
#[derive(Clone, Default)]
pub struct ForgeEnvironment(BTreeMap<&'static str, Secret>);

impl ForgeEnvironment {
    /// What the environment of the process says.
    pub fn from_environment() -> Self {
        Self::of(environment::var)
    }

    /// What `var` says of each variable that is known.
    pub fn of(var: impl Fn(&str) -> Option<String>) -> Self {
        Self(NAMES.into_iter().filter_map(|name| Some((name, Secret::new(var(name)?)))).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(Secret::reveal)
    }
}

/// A forge that may be spoken to.
pub(super) struct ForgeInstance {
    pub(super) kind: ForgeKind,
    /// The repository, as messages name it.
    pub(super) repository: String,
    /// What paths of its interface are put behind.
    pub(super) api: Url,
    /// Where GraphQL is answered, on GitHub.
    pub(super) graphql: Url,
    /// Where both are.
    pub(super) origin: UrlOrigin,
    /// Whether that may be a private address: the operator named it.
    pub(super) is_named: bool,
    pub(super) token: ForgeToken,
}

/// A token and the one origin that it goes to. It cannot be printed.
#[derive(Clone)]
pub(super) struct ForgeToken {
    header: HeaderValue,
    origin: UrlOrigin,
}

impl ForgeToken {
    /// Tells `confided` what is not to be repeated.
    pub(super) fn confide(&self, confided: &Redactor) {
        confided.add_header(&self.header);
    }

    /// The header for `origin`; none where it is not the token's.
    pub(super) fn header(&self, origin: &UrlOrigin) -> Option<&HeaderValue> {
        (self.origin == *origin).then_some(&self.header)
    }
}

/// Where the forge of `place` is, and the token that may go there.
///
/// # Errors
/// Where the environment does not say so; the way out names the variable.
pub(super) fn find(place: &ForgePlace, environment: &ForgeEnvironment) -> Result<ForgeInstance, ForgeError> {
    let kind = place.kind;
    let operator = match environment.get(URL) {
        Some(text) => Some(address(text).ok_or_else(|| {
            setup(format!("`{URL}` is not the address of a forge"), "as `https://git.acme.example`; it holds no token")
        })?),
        None => None,
    };
    let web = match (&place.url, &operator) {
        (Some(url), Some(own)) if UrlOrigin::of(url) != UrlOrigin::of(own) => {
            let message = format!("the settings name the forge at `{}`, and `{URL}` another one", shown(url));
            return Err(setup(message, &format!("see which is right: `{URL}` says where tokens may go")));
        }
        (Some(url), _) => url.clone(),
        (None, Some(own)) => own.clone(),
        (None, None) => public(kind)?,
    };
    let (api, graphql) = interface(kind, &web)?;
    let origin = UrlOrigin::of(&api).ok_or_else(|| setup("the forge has no host", "see its `url` in `[publish]`"))?;
    if !origin.secure && operator.is_none() {
        let help = format!("use `https://`, or have the operator set `{URL}` to `{}`", shown(&web));
        return Err(setup(format!("`{origin}` would have a token sent in the clear"), &help));
    }
    let token = token(place, environment, &origin, &web, place.url.is_some() && operator.is_none())?;
    let repository = place.repository.clone();
    Ok(ForgeInstance { kind, repository, api, graphql, origin, is_named: operator.is_some(), token })
}

/// The first token that the environment has for `kind`, if it may go to `origin`.
fn token(
    place: &ForgePlace,
    environment: &ForgeEnvironment,
    origin: &UrlOrigin,
    web: &Url,
    is_own_instance: bool,
) -> Result<ForgeToken, ForgeError> {
    let kind = place.kind;
    let organization = place.repository.split('/').next().unwrap_or_default();
    // The names that the forge's own CI gives a token, and what says there where the forge is.
    let (names, places): (&[&str], &[&str]) = match kind {
        ForgeKind::GitHub => (&["GITHUB_TOKEN"], &["GITHUB_API_URL", "GITHUB_SERVER_URL"]),
        ForgeKind::GitLab => (&["GITLAB_TOKEN"], &["CI_SERVER_URL"]),
        // Their runners also set what GitHub's do.
        ForgeKind::Gitea => {
            (&["FORGEJO_TOKEN", "GITEA_TOKEN"], &["FORGEJO_SERVER_URL", "GITEA_SERVER_URL", "GITHUB_SERVER_URL", URL])
        }
        ForgeKind::Bitbucket => (&["BITBUCKET_TOKEN"], &[]),
        ForgeKind::Azure => (&["SYSTEM_ACCESSTOKEN"], &["SYSTEM_COLLECTIONURI"]),
    };
    let web = shown(web);
    if let Some(text) = environment.get(TOKEN) {
        // Without the operator's word only the public instance is sure.
        if is_own_instance
            && public(kind).and_then(|url| interface(kind, &url)).ok().and_then(|(api, _)| UrlOrigin::of(&api)).as_ref()
                != Some(origin)
        {
            let message = format!("`{TOKEN}` is not sent to `{origin}`: only the settings name that place");
            return Err(setup(message, &format!("if that is meant, set `{URL}` to `{web}` beside the token")));
        }
        return bind(kind, TOKEN, text, origin);
    }
    let Some((name, text)) = names.iter().find_map(|name| Some((*name, environment.get(name)?))) else {
        let own = names.join("` or `");
        let message = format!("there is no token for {kind}");
        return Err(setup(message, &format!("set `{TOKEN}` (or `{own}`) in the environment of pinstream")));
    };
    let said = places.iter().find_map(|place| Some((*place, environment.get(place)?)));
    let bound = match said {
        Some((place, text)) => {
            let url = address(text)
                .ok_or_else(|| setup(format!("`{place}` is no address"), "as `https://git.acme.example`"))?;
            // What says where the interface is says it whole.
            let api = match place {
                "GITHUB_API_URL" => url,
                // The name that organizations had before is of the same service.
                "SYSTEM_COLLECTIONURI" if url.host_str() == Some(&format!("{organization}.visualstudio.com")) => {
                    public(kind)?
                }
                _ => interface(kind, &url)?.0,
            };
            UrlOrigin::of(&api)
        }
        None => public(kind).and_then(|url| interface(kind, &url)).ok().and_then(|(api, _)| UrlOrigin::of(&api)),
    };
    if bound.as_ref() != Some(origin) {
        let message = match bound {
            Some(bound) => format!("`{name}` is for `{bound}`, and the forge is at `{origin}`"),
            None => format!("nothing says that `{name}` is for `{origin}`"),
        };
        return Err(setup(message, &format!("set `{TOKEN}` to a token of that forge, and `{URL}` to `{web}`")));
    }
    bind(kind, name, text, origin)
}

/// The header that `text` is sent as.
fn bind(kind: ForgeKind, name: &str, text: &str, origin: &UrlOrigin) -> Result<ForgeToken, ForgeError> {
    let text = text.trim();
    let value = match kind {
        ForgeKind::Gitea => format!("token {text}"),
        // A personal access token is a password without a user; what Microsoft's login gives is a JWT.
        ForgeKind::Azure if name == TOKEN && !text.starts_with("eyJ") => {
            use base64::Engine as _;
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!(":{text}")))
        }
        _ => format!("Bearer {text}"),
    };
    let mut header = HeaderValue::try_from(value).map_err(|_| {
        setup(format!("`{name}` has characters that no token has"), "set it to the token alone, in one line")
    })?;
    header.set_sensitive(true);
    Ok(ForgeToken { header, origin: origin.clone() })
}

/// The public instance.
fn public(kind: ForgeKind) -> Result<Url, ForgeError> {
    let text = match kind {
        ForgeKind::GitHub => "https://github.com",
        ForgeKind::GitLab => "https://gitlab.com",
        ForgeKind::Bitbucket => "https://bitbucket.org",
        ForgeKind::Azure => "https://dev.azure.com",
        ForgeKind::Gitea => "",
    };
    address(text).ok_or_else(|| {
        setup("there is no public instance that `gitea` could mean", "add its `url` to `[publish.gitea]`")
    })
}

/// Where the interface of the instance at `web` is, and its GraphQL.
fn interface(kind: ForgeKind, web: &Url) -> Result<(Url, Url), ForgeError> {
    let host = web.host_str().unwrap_or_default();
    let below = |path: &str| {
        let mut url = web.clone();
        url.set_path(&format!("{}{path}", web.path().trim_end_matches('/')));
        url
    };
    let at = |host: &str, path: &str| {
        address(&format!("https://{host}{path}"))
            .ok_or_else(|| setup("the forge has no host", "see its `url` in `[publish]`"))
    };
    Ok(match kind {
        ForgeKind::GitHub if matches!(host, "github.com" | "api.github.com") => {
            (at("api.github.com", "")?, at("api.github.com", "/graphql")?)
        }
        // GitHub Enterprise Cloud with data residency.
        ForgeKind::GitHub if host.ends_with(".ghe.com") && web.scheme() == "https" => {
            let host = format!("api.{}", host.trim_start_matches("api."));
            (at(&host, "")?, at(&host, "/graphql")?)
        }
        ForgeKind::GitHub => (below("/api/v3"), below("/api/graphql")),
        ForgeKind::GitLab => (below("/api/v4"), below("/api/graphql")),
        ForgeKind::Gitea => (below("/api/v1"), below("/api/v1")),
        ForgeKind::Bitbucket if matches!(host, "bitbucket.org" | "api.bitbucket.org") => {
            (at("api.bitbucket.org", "/2.0")?, at("api.bitbucket.org", "/2.0")?)
        }
        ForgeKind::Bitbucket => (below("/2.0"), below("/2.0")),
        ForgeKind::Azure => (below(""), below("")),
    })
}

/// `text` as an address, without any credential.
fn address(text: &str) -> Option<Url> {
    let url = Url::parse(text.trim()).ok()?;
    let is_bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    (matches!(url.scheme(), "https" | "http") && url.has_host() && is_bare).then_some(url)
}

fn shown(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

fn setup(message: impl Into<String>, help: &str) -> ForgeError {
    ForgeError::Setup { message: message.into(), help: help.to_owned() }
}

#[cfg(test)]
mod tests;
