//! Locates a forge, and decides which token may be sent to it.
//!
//! The settings come from the repository, and everyone who may commit can change them; the environment is the operator's.
//! Therefore only the environment binds a token to an origin, and the settings can only agree. Sources: the variables
//! documented by GitHub Actions, GitLab CI, Forgejo Actions, Bitbucket Pipelines and Azure Pipelines.

use reqwest::header::HeaderValue;
use url::Url;

use super::error::{ForgeError, ForgeResult};
use super::protocol::{ForgeProtocol, TokenSource};
use crate::http::{Redactor, UrlOrigin};
use crate::model::settings::publish::ForgeRepository;

/// The operator's token.
const TOKEN: &str = "PINSTREAM_FORGE_TOKEN";
/// The forge that the operator allows tokens to be sent to.
pub(super) const URL: &str = "PINSTREAM_FORGE_URL";

const EXAMPLE: &str = "use a URL without credentials, e.g. `https://git.acme.example`";

/// Reads a variable of the environment.
pub(super) type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A forge that requests may be sent to.
pub(super) struct ForgeInstance {
    pub(super) protocol: &'static ForgeProtocol,
    /// Path of the repository, for messages.
    pub(super) repository: String,
    /// URL of the web interface.
    pub(super) web: Url,
    /// Base URL of the REST API.
    pub(super) api: Url,
    /// Origin of the API.
    pub(super) origin: UrlOrigin,
    /// The operator named the instance, so its address may be private.
    pub(super) is_named: bool,
    /// `Authorization` header with the token, for `origin` alone.
    authorization: HeaderValue,
}

impl ForgeInstance {
    /// Registers the token as a text that must not be shown.
    pub(super) fn redact_in(&self, redactor: &Redactor) {
        redactor.add_header(&self.authorization);
    }

    /// Returns the `Authorization` header; none for any other origin than the token's.
    pub(super) fn header(&self, origin: &UrlOrigin) -> Option<&HeaderValue> {
        (self.origin == *origin).then_some(&self.authorization)
    }
}

/// Locates the forge of `repository` and the token that may be sent to it.
///
/// # Errors
/// If the environment has no token, or does not bind it to this forge; the help names the variable to set.
pub(super) fn find(
    repository: &ForgeRepository,
    protocol: &'static ForgeProtocol,
    variables: Variables<'_>,
) -> ForgeResult<ForgeInstance> {
    let operator = variables(URL).map(|text| instance_url(URL, &text)).transpose()?;
    let web = match (&repository.url, &operator) {
        (Some(url), Some(own)) if UrlOrigin::of(url) != UrlOrigin::of(own) => {
            let message = format!("`url` is `{}`, but `{URL}` names another forge", shown(url));
            return Err(ForgeError::new(message, format!("correct one of them; tokens are sent only to `{URL}`")));
        }
        (Some(url), _) => url.clone(),
        (None, Some(own)) => own.clone(),
        (None, None) => protocol.public.and_then(|url| Url::parse(url).ok()).ok_or_else(|| {
            let forge = repository.forge;
            ForgeError::new(
                format!("{forge} has no public instance"),
                format!("add `url` to `[publish.{}]`", forge.key()),
            )
        })?,
    };
    let api = (protocol.api)(&web);
    let origin = UrlOrigin::of(&api)
        .ok_or_else(|| ForgeError::new("the URL of the forge has no host", "correct `url` in `[publish]`"))?;
    if !origin.secure && operator.is_none() {
        let help = format!("use `https://`, or set `{URL}` to `{}`", shown(&web));
        return Err(ForgeError::new(format!("refusing to send a token to `{origin}` unencrypted"), &help));
    }
    let is_named = operator.is_some();
    let (name, text, source) = match variables(TOKEN) {
        // A token of the operator is for the instance that the operator named, and for the public one.
        Some(_) if repository.url.is_some() && !is_named && protocol.public_origin().as_ref() != Some(&origin) => {
            let message =
                format!("`{TOKEN}` is not sent to `{origin}`: a URL in `pinstream.toml` alone does not authorize that");
            let help =
                format!("if you trust this forge, set `{URL}` to `{}` in the environment of the token", shown(&web));
            return Err(ForgeError::new(message, &help));
        }
        Some(text) => (TOKEN, text, TokenSource::Operator),
        None => {
            let (name, text) = ci_token(repository, protocol, variables, &origin, &web)?;
            (name, text, TokenSource::Ci)
        }
    };
    let mut authorization = HeaderValue::try_from((protocol.authorization)(text.trim(), source)).map_err(|_| {
        ForgeError::new(
            format!("`{name}` contains characters that are not allowed in a token"),
            "set it to the token alone",
        )
    })?;
    authorization.set_sensitive(true);
    Ok(ForgeInstance { protocol, repository: repository.path.clone(), web, api, origin, is_named, authorization })
}

/// Finds the token of the forge's own CI and its name, if that CI belongs to the same instance.
fn ci_token(
    repository: &ForgeRepository,
    protocol: &ForgeProtocol,
    variables: Variables<'_>,
    origin: &UrlOrigin,
    web: &Url,
) -> ForgeResult<(&'static str, String)> {
    let first = |names: &[&'static str]| names.iter().find_map(|name| Some((*name, variables(name)?)));
    let Some((name, text)) = first(protocol.token_variables) else {
        let own = protocol.token_variables.join("` or `");
        let message = format!("no token for {} found", repository.forge);
        return Err(ForgeError::new(message, format!("set `{TOKEN}` (or `{own}`) in the environment of pinstream")));
    };
    let bound = match first(protocol.instance_variables) {
        Some((variable, value)) => {
            let url = instance_url(variable, &value)?;
            let api = (protocol.token_api)(variable, &url, &repository.path);
            UrlOrigin::of(&api.unwrap_or_else(|| (protocol.api)(&url)))
        }
        None => protocol.public_origin(),
    };
    if bound.as_ref() == Some(origin) {
        return Ok((name, text));
    }
    let message = match bound {
        Some(bound) => format!("`{name}` is a token for `{bound}`, but the forge is `{origin}`"),
        None => format!("the environment does not say that `{name}` is a token for `{origin}`"),
    };
    Err(ForgeError::new(message, format!("set `{TOKEN}` to a token for that forge, and `{URL}` to `{}`", shown(web))))
}

/// Parses the URL of an instance in `variable`.
fn instance_url(variable: &str, text: &str) -> ForgeResult<Url> {
    let url = Url::parse(text.trim()).ok().filter(|url| {
        let is_bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        matches!(url.scheme(), "https" | "http") && url.has_host() && is_bare
    });
    url.ok_or_else(|| ForgeError::new(format!("invalid `{variable}`: not the URL of a forge"), EXAMPLE))
}

fn shown(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests;
