//! Facts about a forge that requests depend on. Each forge's file defines its own [`ForgeProtocol`].

use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use crate::http::UrlOrigin;
use crate::proposal::draft::{ProposalClosure, ProposalState};
use crate::proposal::truncate::TextLimits;

/// Facts about a forge that requests depend on.
pub(super) struct ForgeProtocol {
    /// Web URL of the public instance; none if there is only self-hosting.
    pub(super) public: Option<&'static str>,
    /// Variables in which the forge's own CI passes a token, in order of preference.
    pub(super) token_variables: &'static [&'static str],
    /// Variables in which its CI names the instance that issued the token, in order of preference.
    pub(super) instance_variables: &'static [&'static str],
    /// Permissions that a token needs, as a sentence.
    pub(super) permissions: &'static str,
    /// Maximum lengths of titles and bodies.
    pub(super) limits: TextLimits,
    /// Headers of every request, in addition to the token.
    pub(super) headers: &'static [(&'static str, &'static str)],
    /// A request with an invalid token is redirected to a login page.
    pub(super) redirects_to_login: bool,
    /// Locates the REST API of the instance at a web URL.
    pub(super) api: fn(&Url) -> Url,
    /// Locates the API that a CI token is for: instance variable, its value, path of the repository. None for the API of
    /// the instance at that value.
    pub(super) token_api: fn(&str, &Url, &str) -> Option<Url>,
    /// Builds the `Authorization` header.
    pub(super) authorization: fn(&str, TokenSource) -> String,
    /// Splits the API's path of a repository into segments.
    pub(super) repository: fn(&str) -> Vec<&str>,
    /// Last segment of the path of all proposals.
    pub(super) proposals: &'static str,
    /// Query of every request to a repository.
    pub(super) query: &'static [(&'static str, &'static str)],
    /// Reports whether the status and body of a creation mean that there is an open proposal already.
    pub(super) exists: fn(u16, &Value) -> bool,
}

/// Facts that differ between all forges.
pub(super) struct Essentials {
    /// See [`ForgeProtocol::api`].
    pub(super) api: fn(&Url) -> Url,
    /// See [`ForgeProtocol::permissions`].
    pub(super) permissions: &'static str,
    /// See [`ForgeProtocol::token_variables`].
    pub(super) token_variables: &'static [&'static str],
}

/// Completes the facts of a forge with those that most of them share.
pub(super) const fn common(essentials: Essentials) -> ForgeProtocol {
    let Essentials { api, permissions, token_variables } = essentials;
    ForgeProtocol {
        public: None,
        token_variables,
        instance_variables: &[],
        permissions,
        limits: TextLimits { title: 240, body: 1_000_000 },
        headers: &[("accept", "application/json")],
        redirects_to_login: false,
        api,
        token_api: |_, _, _| None,
        authorization: bearer,
        repository: repository_of_owner,
        proposals: "pulls",
        query: &[],
        exists: |status, _| status == 409,
    }
}

/// Origin of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenSource {
    /// `PINSTREAM_FORGE_TOKEN`, set by the operator.
    Operator,
    /// A variable of the forge's own CI.
    Ci,
}

impl ForgeProtocol {
    /// Locates the REST API of the public instance.
    pub(super) fn public_api(&self) -> Option<Url> {
        Some((self.api)(&Url::parse(self.public?).ok()?))
    }

    /// Returns the origin of that API.
    pub(super) fn public_origin(&self) -> Option<UrlOrigin> {
        UrlOrigin::of(&self.public_api()?)
    }
}

/// Converts the state of a proposal with this body; all states but `open` and `merged` are closed ones.
pub(super) fn state(name: &str, [open, merged]: [&str; 2], body: &str, closure: ProposalClosure) -> ProposalState {
    match name {
        _ if name == open => ProposalState::Open,
        _ if name == merged => ProposalState::Merged,
        _ => ProposalState::of_closed(body, closure),
    }
}

/// Describes how a proposal ended, from the times at which it was opened and closed.
pub(super) fn closure(is_by_bot: bool, opened: &Value, closed: &Value) -> ProposalClosure {
    let time = |value: &Value| value.as_str()?.parse::<Timestamp>().ok();
    let open_for = time(opened).zip(time(closed)).map(|(opened, closed)| closed.duration_since(opened));
    ProposalClosure { is_by_bot, open_for }
}

/// Splits `/repos/{owner}/{name}`.
fn repository_of_owner(path: &str) -> Vec<&str> {
    std::iter::once("repos").chain(path.split('/')).collect()
}

/// Builds a bearer token (RFC 6750).
pub(super) fn bearer(token: &str, _: TokenSource) -> String {
    format!("Bearer {token}")
}

/// Appends a path to the URL of an instance.
pub(super) fn below(web: &Url, path: &str) -> Url {
    let mut url = web.clone();
    url.set_path(&format!("{}{path}", web.path().trim_end_matches('/')));
    url
}

/// Reads the texts under `key` of the items of a list.
pub(super) fn names(list: &Value, key: &str) -> Vec<String> {
    let all = list.as_array().into_iter().flatten();
    all.filter_map(|one| one[key].as_str().map(str::to_owned)).collect()
}

/// Returns an HTTPS URL on `host`.
pub(super) fn on_host(host: &str, path: &str, web: &Url) -> Url {
    let mut url = web.clone();
    // These fail only for URLs without a host, and for schemes other than `http` and `https`.
    let _ = url.set_scheme("https");
    let _ = url.set_host(Some(host));
    let _ = url.set_port(None);
    url.set_path(path);
    url
}
