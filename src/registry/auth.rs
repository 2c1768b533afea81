//! Authentication schemes of registries. A new scheme is a file of its own plus one arm per match here.

mod basic;

use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;

use super::realm::trusted_realm;
use super::{
    AuthSlot, AuthStep, CredentialStore, Host, Issue, Realm, RegistryTransport, Rejection, ResolveError, TokenServer,
    token,
};
use crate::http::{UrlOrigin, challenge};

/// Authentication scheme of a registry.
#[derive(Clone, Default)]
pub(super) enum AuthScheme {
    /// No response yet.
    #[default]
    Unknown,
    /// No authentication.
    Anonymous,
    /// A password with each request.
    Basic,
    /// A token from this realm, unless a repository has its own. The realm is trusted.
    Bearer(Arc<Realm>),
}

/// Content of a 401.
pub(super) struct AuthDemand {
    pub(super) scheme: AuthScheme,
    /// The repository that a token is demanded for, by the registry's own name.
    pub(super) repository: Option<String>,
    /// True if the token that was sent is invalid rather than insufficient.
    pub(super) is_expired: bool,
}

impl AuthDemand {
    /// Chooses a scheme from the challenges of a 401; tokens are preferred to passwords.
    ///
    /// # Errors
    /// If no challenge is usable, or the realm is not trusted.
    pub(super) fn parse(headers: &HeaderMap, host: &Host, trusted: &[UrlOrigin]) -> Result<Self, ResolveError> {
        let challenges = challenge::parse(headers);
        let mut named = challenges.iter().filter(|challenge| challenge.scheme == "bearer");
        if let Some((bearer, realm)) = named.find_map(|challenge| Some((challenge, challenge.get("realm")?))) {
            let url = trusted_realm(realm, &host.name, &host.origin, trusted)?;
            let service = bearer.get("service").unwrap_or_default().to_owned();
            return Ok(Self {
                scheme: AuthScheme::Bearer(Arc::new(Realm { url, service })),
                repository: bearer.get("scope").and_then(scope_repository),
                is_expired: bearer.get("error") == Some("invalid_token"),
            });
        }
        if challenges.iter().any(|challenge| challenge.scheme == "basic") {
            return Ok(Self { scheme: AuthScheme::Basic, repository: None, is_expired: false });
        }
        let message = format!("`{}` returned 401 {}", host.name, challenge::describe_unusable(headers));
        Err(ResolveError::unauthorized(&host.name, message))
    }
}

/// Returns the name in `repository:name:actions`. Only `pull` is ever requested, whatever the registry demands.
pub(super) fn scope_repository(scope: &str) -> Option<String> {
    let name = scope.strip_prefix("repository:")?.rsplit_once(':')?.0;
    let is_valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/' | b':');
    (!name.is_empty() && name.len() <= 300 && name.bytes().all(is_valid)).then(|| name.to_owned())
}

impl AuthScheme {
    /// Returns true if requests need a slot.
    pub(super) fn has_slots(&self) -> bool {
        !matches!(self, Self::Unknown | Self::Anonymous)
    }

    /// Returns the realm of repositories that have no realm of their own.
    pub(super) fn realm(&self) -> Option<&Arc<Realm>> {
        match self {
            Self::Bearer(realm) => Some(realm),
            Self::Unknown | Self::Anonymous | Self::Basic => None,
        }
    }

    /// Returns true if it replaces `known`. A response without a challenge does not make a registry open, and the first
    /// realm is used for all repositories without their own.
    pub(super) fn replaces(&self, known: &Self) -> bool {
        match (known, self) {
            (Self::Unknown, _) => true,
            (_, Self::Unknown | Self::Anonymous) => false,
            _ => discriminant(known) != discriminant(self),
        }
    }

    /// Returns the authorization for the repositories of `slot`.
    ///
    /// # Errors
    /// If there is none.
    pub(super) async fn authorize(
        &self,
        slot: &AuthSlot,
        store: &CredentialStore,
        transport: &RegistryTransport,
        host: &Host,
    ) -> Result<Issue, ResolveError> {
        match self {
            Self::Bearer(realm) => {
                let realm = slot.realm.as_ref().unwrap_or(realm);
                token::authorize(slot, store, &TokenServer { transport, host, realm, redirect_access: None }).await
            }
            Self::Unknown | Self::Anonymous | Self::Basic => {
                basic::authorize(slot, store, &host.name, transport.http.now()).await
            }
        }
    }

    /// Decides how to continue after the registry rejected the authorization of `slot` and demanded this scheme.
    pub(super) async fn after_rejection(&self, slot: &AuthSlot, rejection: Rejection, now: Duration) -> AuthStep {
        match self {
            Self::Bearer(realm) => token::after_rejection(slot, rejection, realm, now).await,
            Self::Unknown | Self::Anonymous | Self::Basic => basic::after_rejection(slot, rejection, now).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::WWW_AUTHENTICATE;

    use super::*;
    use crate::http::HttpLimits;
    use crate::model::settings::RegistrySettings;

    /// The demand of a registry at `r.example` as text.
    fn demand(headers: &[&str]) -> String {
        let host =
            Host::new(&"r.example".parse().unwrap(), &RegistrySettings::default(), &HttpLimits::default()).unwrap();
        let map = headers.iter().map(|text| (WWW_AUTHENTICATE, text.parse().unwrap())).collect();
        match AuthDemand::parse(&map, &host, &[]) {
            Err(error) => error.message,
            Ok(AuthDemand { scheme, repository, is_expired }) => match scheme.realm() {
                None => "basic".to_owned(),
                Some(realm) => format!("{} {} {repository:?} {is_expired}", realm.url, realm.service),
            },
        }
    }

    #[test]
    fn tokens_are_preferred_to_passwords() {
        for (headers, expected) in [
            (&["Basic realm=\"x\""][..], "basic"),
            (&["Basic"], "basic"),
            (
                &[
                    "Bearer realm=\"https://r.example/t\",service=\"s\",scope=\"repository:x/y:pull\",error=\"invalid_token\"",
                ],
                "https://r.example/t s Some(\"x/y\") true",
            ),
            (&["Basic realm=x", "bearer Realm=\"https://r.example\""], "https://r.example/  None false"),
            (&["Basic realm=x, Bearer realm=\"https://r.example\""], "https://r.example/  None false"),
            (&["Bearer, Basic"], "basic"),
            (&["Bearer"], "`r.example` returned 401 with an unsupported `WWW-Authenticate` header: `Bearer`"),
            (&["Negotiate"], "`r.example` returned 401 with an unsupported `WWW-Authenticate` header: `Negotiate`"),
            (&[], "`r.example` returned 401 without a `WWW-Authenticate` header"),
        ] {
            assert_eq!(demand(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn only_repository_scopes_name_a_repository() {
        for (scope, expected) in [
            ("repository:x:pull,push,delete", Some("x")),
            ("repository:x y:pull", None),
            ("repository::pull", None),
            ("registry:catalog:*", None),
        ] {
            assert_eq!(scope_repository(scope).as_deref(), expected, "{scope}");
        }
    }
}
