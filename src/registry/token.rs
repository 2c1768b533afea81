//! The scheme Bearer: tokens for many repositories, requested by one request at a time and renewed before they expire.
//!
//! A token is not trusted to grant anything: only the registry's response shows that. No redirect is followed. Sources:
//! the Docker Registry v2 token specification ("Token Authentication", "OAuth2"), RFC 6749 section 6.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use url::Url;
use url::form_urlencoded::Serializer;

use super::bearer_token::bearer_header;
use super::{
    AuthSlot, AuthStep, BearerToken, CREDENTIAL_TTL, Credential, CredentialStore, FailureKind, Grant, Host, Issue,
    Realm, RegistryReply, RegistryTransport, Rejection, RepositoryNames, RequestError, ResolveError, SendError,
};
use crate::http::{PrivateAccess, UrlOrigin, password_header, quotable, server_time};
use crate::model::image::RegistryHost;
use crate::text::escape;

/// Largest response of a token server, in bytes.
const RESPONSE_MAX: usize = 128 << 10;

/// Access to the token server of one realm.
pub(super) struct TokenServer<'a> {
    pub(super) transport: &'a RegistryTransport,
    pub(super) host: &'a Host,
    pub(super) realm: &'a Realm,
    /// Address rule for the server of a redirect. It gets one request without retries, as part of the redirected one.
    pub(super) redirect_access: Option<PrivateAccess>,
}

/// Answer of a token server.
enum TokenAnswer {
    Token(BearerToken),
    /// The credentials are wrong.
    Unauthorized(ResolveError),
    /// The credentials do not suffice for these repositories, or are wrong.
    Forbidden(ResolveError),
    /// The request cannot be answered; another one may be.
    Refused(ResolveError),
}

/// Returns the header with a valid token, and requests one from `server` if necessary.
///
/// # Errors
/// If there is no token. The failure is shared for some seconds, so that waiting requests do not repeat it.
pub(super) async fn authorize(
    slot: &AuthSlot,
    store: &CredentialStore,
    server: &TokenServer<'_>,
) -> Result<Issue, ResolveError> {
    let http = &server.transport.http;
    let now = http.now();
    let mut state = slot.lock(now).await;
    match &state.grant {
        Grant::Header { header, .. } => return Ok(Issue::Header(header.clone(), state.ticket())),
        Grant::Failed { error, .. } => return Err(error.clone()),
        Grant::Split => return Ok(Issue::Split),
        Grant::None => {}
    }
    let registry = &server.host.name;
    let error = loop {
        let now = http.now();
        let credential = match slot.next_credential(&mut state, store, registry, now).await {
            Ok(credential) => credential,
            Err(error) => break error,
        };
        if let Some(Credential::Token(token)) = credential.as_deref() {
            let Some(header) = bearer_header(token.reveal()) else {
                break ResolveError::unauthorized(registry, format!("invalid `registrytoken` for `{registry}`"));
            };
            state.grant_header(header.clone(), now + CREDENTIAL_TTL);
            return Ok(Issue::Header(header, state.ticket()));
        }
        let has_credential = credential.is_some();
        let _exclusive = match has_credential {
            true => slot.guard.try_exclusively(state.candidate, now).await,
            false => None,
        };
        if has_credential && slot.guard.is_rejected(state.candidate, now) {
            continue;
        }
        match server.request(&slot.repositories, credential.as_deref()).await {
            Ok(TokenAnswer::Token(token)) => {
                if has_credential {
                    slot.guard.accept(state.candidate, http.now());
                }
                state.grant_header(token.header.clone(), http.now() + token.lifetime);
                return Ok(Issue::Header(token.header, state.ticket()));
            }
            // An answer for many repositories may not be true of each.
            Ok(TokenAnswer::Unauthorized(_) | TokenAnswer::Forbidden(_) | TokenAnswer::Refused(_))
                if slot.is_shared() =>
            {
                state.grant = Grant::Split;
                return Ok(Issue::Split);
            }
            Ok(TokenAnswer::Unauthorized(error)) if has_credential => {
                let now = http.now();
                slot.guard.reject(state.candidate, now);
                state.rejected_at = Some(now);
                state.candidate += 1;
                if slot.guard.next(state.candidate, now).is_none() {
                    break login_rejected(slot, state.candidate - 1, registry, error);
                }
            }
            Ok(TokenAnswer::Forbidden(error)) if has_credential => {
                break login_rejected(slot, state.candidate, registry, error);
            }
            Ok(TokenAnswer::Unauthorized(error) | TokenAnswer::Forbidden(error) | TokenAnswer::Refused(error))
            | Err(error) => break error,
        }
    };
    state.fail(error.clone(), http.now());
    Err(error)
}

/// Names the file of candidate `index` in the error of a token server that did not accept its login.
fn login_rejected(slot: &AuthSlot, index: usize, registry: &RegistryHost, error: ResolveError) -> ResolveError {
    match slot.guard.source(index) {
        Some(source) => ResolveError::login_rejected(registry, &error.message, source),
        None => error,
    }
}

/// Decides how to continue after the registry rejected a token and named `realm`.
pub(super) async fn after_rejection(
    slot: &AuthSlot,
    rejection: Rejection,
    realm: &Arc<Realm>,
    now: Duration,
) -> AuthStep {
    let Rejection { mut ticket, repository, is_expired } = rejection;
    drop(ticket.exclusive.take());
    let is_ours = repository.as_ref().is_none_or(|name| slot.repositories.contains(name));
    if slot.realm.as_ref() != Some(realm) {
        // This repository has another token server, which says nothing about the credential.
        AuthStep::Split(RepositoryNames { realm: Some(Arc::clone(realm)), repository })
    } else if is_expired {
        slot.void(&ticket, now).await;
        AuthStep::Renewed
    } else if slot.is_shared() || !is_ours {
        AuthStep::Split(RepositoryNames { realm: None, repository })
    } else if slot.advance(&ticket, now).await {
        AuthStep::Retry
    } else {
        let source = slot.guard.source(ticket.candidate).map(str::to_owned);
        AuthStep::Denied { event: format!("denied access to `{}`", slot.repositories.concat()), source }
    }
}

impl TokenServer<'_> {
    /// Requests a token for `repositories`.
    async fn request(
        &self,
        repositories: &[String],
        credential: Option<&Credential>,
    ) -> Result<TokenAnswer, ResolveError> {
        let Self { transport, host, realm, redirect_access } = self;
        let http = &transport.http;
        let origin = UrlOrigin::of(&realm.url).ok_or_else(|| {
            ResolveError::unauthorized(&host.name, format!("`{}` names a token server that is not HTTP", host.name))
        })?;
        let access = redirect_access.unwrap_or_else(|| http.access(&origin));
        let authority = redirect_access.is_none().then_some(&host.origin.place);
        let client = http.route(&realm.url, &origin, access, authority).await?.client;
        let send = || self.send(&client, &origin, repositories, credential);
        if redirect_access.is_some() {
            return interpret(&send().await.map_err(ResolveError::from)?, host, &origin);
        }
        match transport.with_retry(host, &origin.to_string(), &origin, send).await {
            Ok(reply) => interpret(&reply, host, &origin),
            Err(RequestError::Status(error)) if error.kind != FailureKind::RateLimited => {
                Ok(TokenAnswer::Refused(error))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sends one request: a POST with an identity token, a GET otherwise.
    async fn send(
        &self,
        client: &Client,
        origin: &UrlOrigin,
        repositories: &[String],
        credential: Option<&Credential>,
    ) -> Result<RegistryReply, SendError> {
        let http = &self.transport.http;
        let request = if let Some(Credential::Identity(identity)) = credential {
            http.redactor.add(identity.reveal());
            client.post(self.realm.url.clone()).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form(
                self.realm,
                repositories,
                identity.reveal(),
            ))
        } else {
            let mut url = self.realm.url.clone();
            let query = match url.query().filter(|query| !query.is_empty()) {
                Some(own) => format!("{own}&{}", query(self.realm, repositories)),
                None => query(self.realm, repositories),
            };
            url.set_query(Some(&query));
            client.get(url)
        };
        let request = match credential {
            Some(Credential::Password { user, password }) => {
                let registry = &self.host.name;
                let header =
                    password_header(user, password.reveal()).ok_or_else(|| ResolveError::unsendable_user(registry))?;
                http.redactor.add_header(&header);
                request.header(AUTHORIZATION, header)
            }
            _ => request,
        };
        self.transport.counters().token += 1;
        let response = http.send(request, origin).await?;
        tracing::debug!("token {origin} {}", response.status().as_u16());
        let reply = self.transport.receive(response, origin, RESPONSE_MAX).await?;
        // The quota of another server is not the registry's.
        Ok(RegistryReply { is_foreign: *origin != self.host.origin, ..reply })
    }
}

/// Interprets the response of the token server at `origin`.
///
/// # Errors
/// If it redirects: the request may have contained a secret.
fn interpret(reply: &RegistryReply, host: &Host, origin: &UrlOrigin) -> Result<TokenAnswer, ResolveError> {
    let registry = &host.name;
    let server = format!("token server `{origin}` of `{registry}`");
    let status = reply.status.as_u16();
    let reason = reply.reason_suffix();
    let error = |kind| ResolveError::new(kind, format!("{server} returned {status}{reason}"));
    Ok(match status {
        200 => match BearerToken::parse(&reply.body, server_time(&reply.headers)) {
            Some(token) => TokenAnswer::Token(token),
            None => {
                let message = format!("{server} returned no valid token");
                TokenAnswer::Refused(ResolveError::new(FailureKind::Unauthorized, message))
            }
        },
        401 => {
            TokenAnswer::Unauthorized(ResolveError::unauthorized(registry, format!("{server} returned 401{reason}")))
        }
        301 | 302 | 303 | 307 | 308 => {
            // The query may be a key, and the URL may contain a password.
            let to = reply.headers.get(LOCATION).and_then(|to| to.to_str().ok()).filter(|to| Url::parse(to).is_ok());
            let to = to
                .and_then(|to| to.split('?').next())
                .map(|to| format!("`{}`", quotable(&escape::mask_credentials(to))));
            let to = to.unwrap_or_else(|| "another URL".to_owned());
            let message = format!("{server} redirects to {to}; token requests follow no redirects");
            return Err(ResolveError::refused(message));
        }
        403 => TokenAnswer::Forbidden(error(FailureKind::Unauthorized)),
        _ => TokenAnswer::Refused(error(FailureKind::Network)),
    })
}

/// Encodes the query of a token request with GET.
fn query(realm: &Realm, repositories: &[String]) -> String {
    let mut query = Serializer::new(String::new());
    if !realm.service.is_empty() {
        query.append_pair("service", &realm.service);
    }
    for repository in repositories {
        query.append_pair("scope", &format!("repository:{repository}:pull"));
    }
    query.finish()
}

/// Encodes the form of a token request with an identity token.
fn form(realm: &Realm, repositories: &[String], identity: &str) -> String {
    let scopes: Vec<String> = repositories.iter().map(|repository| format!("repository:{repository}:pull")).collect();
    Serializer::new(String::new())
        .append_pair("grant_type", "refresh_token")
        .append_pair("service", &realm.service)
        .append_pair("client_id", "pinstream")
        .append_pair("scope", &scopes.join(" "))
        .append_pair("refresh_token", identity)
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_names_several_repositories() {
        let realm = Realm { url: "https://a/t".parse().unwrap(), service: "r.example".to_owned() };
        let repositories = ["a/b".to_owned(), "c".to_owned()];
        assert_eq!(
            query(&realm, &repositories),
            "service=r.example&scope=repository%3Aa%2Fb%3Apull&scope=repository%3Ac%3Apull"
        );
        assert_eq!(
            form(&realm, &repositories, "s&t"),
            "grant_type=refresh_token&service=r.example&client_id=pinstream\
             &scope=repository%3Aa%2Fb%3Apull+repository%3Ac%3Apull&refresh_token=s%26t"
        );
    }
}
