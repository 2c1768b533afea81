//! Tokens: had once for many repositories, by one request at a time, and renewed before they expire.
//!
//! A token is believed to grant nothing: only the registry's answer tells. Source: the Docker Registry v2 token
//! specification ("Token Authentication", "OAuth2"), RFC 6749 section 6 for identity tokens.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use tokio::sync::Mutex;
use url::form_urlencoded::Serializer;

use super::credential::{Credential, CredentialStore};
use super::host::Realm;
use super::login::{ExclusiveTry, LockoutGuard};
use super::{FailureKind, ResolveError};
use crate::model::image::RegistryHost;

/// How long a token lives whose server does not say (token specification, `expires_in`).
const USUAL_LIFE: u64 = 60;
/// The longest life of a token that is believed: no pass is longer.
const LONGEST_LIFE: u64 = 24 * 60 * 60;
/// How long a failed token request stands for all who ask; a refusal stands for the rest of the pass.
const FAILURE_STANDS: Duration = Duration::from_secs(5);

/// The authorization of one repository, or of several that are asked for together.
pub(super) struct TokenSlot {
    /// What the token is for.
    pub(super) repositories: Vec<String>,
    /// Where its tokens are had; none for passwords. Some registries have a token server for each repository.
    pub(super) realm: Option<Arc<Realm>>,
    /// Where its credential may be.
    pub(super) login: Arc<LockoutGuard>,
    state: Mutex<SlotState>,
}

#[derive(Default)]
struct SlotState {
    /// The candidate that is used.
    at: usize,
    /// Whether a credential was refused for these repositories.
    refused: bool,
    grant: Grant,
    /// Counts grants, so that a refusal of an old one does not void a new one.
    stamp: u64,
}

#[derive(Default)]
enum Grant {
    #[default]
    None,
    /// To be sent, until then.
    Header(HeaderValue, Option<Duration>),
    Failed(ResolveError, Duration),
    /// The token server does not serve several repositories in one request.
    Split,
}

/// What a slot hands out.
pub(super) enum TokenIssue {
    /// To be sent.
    Header(HeaderValue, TokenTicket),
    /// The repositories of this slot are to be asked for one by one.
    Split,
}

/// Where a header came from, for who has to say what became of it.
pub(super) struct TokenTicket {
    /// The grant.
    stamp: u64,
    /// The candidate.
    pub(super) at: usize,
    /// Held until an answer says whether the password is right.
    pub(super) turn: Option<ExclusiveTry>,
}

/// What a token server said.
pub(super) enum TokenAnswer {
    /// A token.
    Token(BearerToken),
    /// These credentials are wrong.
    Unauthorized(ResolveError),
    /// It does not like the request, or has no good answer to it; another one it may answer.
    Refused(ResolveError),
}

/// A token, with its life.
pub(super) struct BearerToken {
    header: HeaderValue,
    life: Duration,
}

impl TokenSlot {
    /// A slot that nothing was asked for yet.
    pub(super) fn new(repositories: Vec<String>, realm: Option<Arc<Realm>>, login: Arc<LockoutGuard>) -> Self {
        Self { repositories, realm, login, state: Mutex::default() }
    }

    /// Whether it stands for several repositories.
    pub(super) fn is_shared(&self) -> bool {
        self.repositories.len() > 1
    }

    /// The header of the password, for registries that take one with each request.
    ///
    /// # Errors
    /// Where there is no credential, or all were refused.
    pub(super) async fn basic(
        &self,
        store: &CredentialStore,
        registry: &RegistryHost,
    ) -> Result<TokenIssue, ResolveError> {
        loop {
            let (header, stamp, at) = self.password(store, registry).await?;
            // Not while the state is held: who gives the turn back may need that first.
            let turn = self.login.turn(at).await;
            if !self.login.is_refused(at) {
                return Ok(TokenIssue::Header(header, TokenTicket { stamp, at, turn }));
            }
        }
    }

    async fn password(
        &self,
        store: &CredentialStore,
        registry: &RegistryHost,
    ) -> Result<(HeaderValue, u64, usize), ResolveError> {
        let mut state = self.state.lock().await;
        if let Grant::Header(header, _) = &state.grant
            && !self.login.is_refused(state.at)
        {
            return Ok((header.clone(), state.stamp, state.at));
        }
        while let Some((at, candidate)) = self.login.next(state.at) {
            state.at = at;
            match store.get(candidate).await?.as_deref() {
                Some(Credential::Password { user, password }) => {
                    let header = basic_header(user, password.reveal()).ok_or_else(|| {
                        unauthorized(registry, "asks for a password; the one configured is malformed")
                    })?;
                    state.grant = Grant::Header(header.clone(), None);
                    state.stamp += 1;
                    return Ok((header, state.stamp, at));
                }
                // An identity token is for token servers.
                Some(Credential::Identity(_)) | None => state.at += 1,
            }
        }
        Err(match state.refused || self.login.has_refused() {
            false => unauthorized(registry, "asks for a password, and none is configured"),
            true => unauthorized(registry, "did not accept the password that is configured"),
        })
    }

    /// The header with a token, fetched by `ask` where there is none that still holds.
    ///
    /// # Errors
    /// Where no token was had. The failure stands for a moment, so that many who wait do not all ask again.
    pub(super) async fn bearer<'a, F>(
        &'a self,
        store: &CredentialStore,
        registry: &RegistryHost,
        now: impl Fn() -> Duration,
        ask: impl Fn(&'a [String], Option<Arc<Credential>>) -> F,
    ) -> Result<TokenIssue, ResolveError>
    where
        F: Future<Output = Result<TokenAnswer, ResolveError>>,
    {
        let mut state = self.state.lock().await;
        let issue = |header: HeaderValue, state: &SlotState| {
            TokenIssue::Header(header, TokenTicket { stamp: state.stamp, at: state.at, turn: None })
        };
        match &state.grant {
            Grant::Header(header, until) if until.is_none_or(|until| now() < until) => {
                return Ok(issue(header.clone(), &state));
            }
            Grant::Failed(error, since) if is_final(error) || now() < *since + FAILURE_STANDS => {
                return Err(error.clone());
            }
            Grant::Split => return Ok(TokenIssue::Split),
            _ => {}
        }
        let error = loop {
            let credential = match self.login.next(state.at) {
                Some((at, candidate)) => {
                    state.at = at;
                    match store.get(candidate).await {
                        Ok(Some(credential)) => Some(credential),
                        Ok(None) => {
                            state.at += 1;
                            continue;
                        }
                        Err(error) => break error,
                    }
                }
                // Never on to anonymous: a wrong password is to be seen.
                None if state.refused || self.login.has_refused() => {
                    break unauthorized(registry, "did not accept the credentials configured");
                }
                None => None,
            };
            let has_credential = credential.is_some();
            let turn = if has_credential { self.login.turn(state.at).await } else { None };
            if has_credential && self.login.is_refused(state.at) {
                continue;
            }
            let answer = ask(&self.repositories, credential).await;
            match answer {
                Ok(TokenAnswer::Token(token)) => {
                    if has_credential {
                        self.login.accept(state.at);
                    }
                    state.grant = Grant::Header(token.header.clone(), Some(now() + token.life));
                    state.stamp += 1;
                    return Ok(issue(token.header, &state));
                }
                // What a token server says of many, it may not say of each.
                Ok(TokenAnswer::Unauthorized(_) | TokenAnswer::Refused(_)) if self.is_shared() => {
                    state.grant = Grant::Split;
                    return Ok(TokenIssue::Split);
                }
                Ok(TokenAnswer::Unauthorized(error)) => {
                    if !has_credential {
                        break error;
                    }
                    self.login.refuse(state.at);
                    state.refused = true;
                    state.at += 1;
                    if self.login.next(state.at).is_none() {
                        break error;
                    }
                }
                Ok(TokenAnswer::Refused(error)) | Err(error) => break error,
            }
            drop(turn);
        };
        state.grant = Grant::Failed(error.clone(), now());
        Err(error)
    }

    /// Notes that the grant of `ticket` is not accepted any more, so that the next one who asks has a new one.
    pub(super) async fn void(&self, ticket: &TokenTicket) {
        let mut state = self.state.lock().await;
        if state.stamp == ticket.stamp {
            state.grant = Grant::None;
        }
    }

    /// Notes that the registry refused the grant of `ticket`. Whether there is another credential to try.
    pub(super) async fn advance(&self, ticket: &TokenTicket) -> bool {
        let mut state = self.state.lock().await;
        if state.stamp != ticket.stamp {
            return true;
        }
        state.refused = true;
        let Some((next, _)) = self.login.next(state.at + 1) else { return false };
        state.at = next;
        state.grant = Grant::None;
        true
    }
}

/// Whether a failure is one that asking again in this pass does not change.
fn is_final(error: &ResolveError) -> bool {
    matches!(error.kind, FailureKind::Unauthorized | FailureKind::Refused)
}

fn unauthorized(registry: &RegistryHost, what: &str) -> ResolveError {
    ResolveError::new(FailureKind::Unauthorized, format!("`{registry}` {what}"))
        .help(format!("run `docker login {registry}`, or see the credentials of this environment"))
}

/// `Basic` and the credentials (RFC 7617, section 2), marked so that no log shows it.
pub(super) fn basic_header(user: &str, password: &str) -> Option<HeaderValue> {
    if user.contains(':') {
        return None;
    }
    let mut header =
        HeaderValue::try_from(format!("Basic {}", base64(format!("{user}:{password}").as_bytes()))).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// Base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let part = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = part(0) << 16 | part(1) << 8 | part(2);
        for at in 0..4 {
            match at <= chunk.len() {
                true => out.push(char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize])),
                false => out.push('='),
            }
        }
    }
    out
}

/// The query of a token request with GET.
pub(super) fn query(realm: &Realm, repositories: &[String]) -> String {
    let mut query = Serializer::new(String::new());
    if !realm.service.is_empty() {
        query.append_pair("service", &realm.service);
    }
    for repository in repositories {
        query.append_pair("scope", &format!("repository:{repository}:pull"));
    }
    query.finish()
}

/// The form of a token request with an identity token.
pub(super) fn form(realm: &Realm, repositories: &[String], identity: &str) -> String {
    let scopes: Vec<String> = repositories.iter().map(|repository| format!("repository:{repository}:pull")).collect();
    Serializer::new(String::new())
        .append_pair("grant_type", "refresh_token")
        .append_pair("service", &realm.service)
        .append_pair("client_id", "pinstream")
        .append_pair("scope", &scopes.join(" "))
        .append_pair("refresh_token", identity)
        .finish()
}

/// What is not needed is read as it comes: no token is refused for a life or a time that is written in an odd way.
#[derive(Deserialize)]
struct TokenTable {
    token: Option<String>,
    access_token: Option<String>,
    #[serde(default)]
    expires_in: serde_json::Value,
    #[serde(default)]
    issued_at: serde_json::Value,
}

impl BearerToken {
    /// The token in the body of a token server's answer; none where there is no good one.
    pub(super) fn read(body: &[u8], now: Timestamp) -> Option<Self> {
        let table: TokenTable = serde_json::from_slice(body).ok()?;
        let text = table.token.filter(|text| !text.is_empty()).or(table.access_token)?;
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        let mut header = HeaderValue::try_from(format!("Bearer {text}")).ok()?;
        header.set_sensitive(true);
        let life = Duration::from_secs(seconds(&table.expires_in).unwrap_or(USUAL_LIFE).min(LONGEST_LIFE));
        let issued = table.issued_at.as_str().and_then(|text| text.parse::<Timestamp>().ok());
        let age = issued.and_then(|issued| Duration::try_from(now.duration_since(issued)).ok());
        // An age beyond the token's life says that the clocks differ, not that the token is old.
        let left = life.saturating_sub(age.filter(|age| *age < life).unwrap_or_default());
        let margin = (left / 5).min(Duration::from_secs(10));
        Some(Self { header, life: left.saturating_sub(margin) })
    }
}

/// Whole seconds, more than none, out of a number or the text of one.
fn seconds(value: &serde_json::Value) -> Option<u64> {
    let number = match value {
        serde_json::Value::Number(number) => number.as_f64()?,
        serde_json::Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    // The cast keeps to the ends of the range.
    (number >= 1.0).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_specification() {
        for (text, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes()), expected);
        }
        assert_eq!(base64(&[0xff, 0xfe, 0xfd, 0x3e]), "//79Pg==");
    }

    #[test]
    fn a_token_lives_as_long_as_its_server_says_less_a_margin() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let life = |body: &str| BearerToken::read(body.as_bytes(), now).map(|token| token.life.as_secs());
        assert_eq!(life(r#"{"token": "a"}"#), Some(50));
        assert_eq!(life(r#"{"access_token": "a", "expires_in": 300}"#), Some(290));
        assert_eq!(life(r#"{"token": "a", "expires_in": 300, "issued_at": "2025-12-31T23:59:00Z"}"#), Some(230));
        assert_eq!(life(r#"{"token": "a", "expires_in": 300, "issued_at": "2020-01-01T00:00:00Z"}"#), Some(290));
        assert_eq!(life(r#"{"token": "a", "expires_in": 300, "issued_at": "2030-01-01T00:00:00Z"}"#), Some(290));
        assert_eq!(life(r#"{"token": "a", "expires_in": 5}"#), Some(4));
        assert_eq!(life(r#"{"token": "a", "expires_in": 0}"#), Some(50));
        assert_eq!(life(r#"{"token": "a", "expires_in": 300.7}"#), Some(290));
        assert_eq!(life(r#"{"token": "a", "expires_in": "300", "issued_at": "2025-12-31T23:59:00Z"}"#), Some(230));
        for odd in [
            r#""expires_in": null, "issued_at": null"#,
            r#""expires_in": "soon", "issued_at": "yesterday""#,
            r#""expires_in": -1, "issued_at": "2026-01-01T00:00:00""#,
            r#""expires_in": [], "issued_at": 1767225600"#,
        ] {
            assert_eq!(life(&format!("{{\"token\": \"a\", {odd}}}")), Some(50), "{odd}");
        }
        for bad in ["", "{}", r#"{"token": ""}"#, r#"{"token": "a\nb"}"#, r#"{"token": 1}"#, "[]", "null"] {
            assert_eq!(life(bad), None, "{bad}");
        }
    }

    #[test]
    fn t14_a_token_for_ever_lives_a_day() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        for life in ["18446744073709551615", "1e300", "\"99999999999999999999999\"", "86401"] {
            let token =
                BearerToken::read(format!("{{\"token\": \"a\", \"expires_in\": {life}}}").as_bytes(), now).unwrap();
            assert_eq!(token.life.as_secs(), LONGEST_LIFE - 10, "{life}");
            assert!(Duration::from_secs(u64::from(u32::MAX)).checked_add(token.life).is_some());
        }
    }

    #[test]
    fn one_request_asks_for_several_repositories() {
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
