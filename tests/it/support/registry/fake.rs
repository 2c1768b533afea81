//! A fake registry: real HTTP, request counts, and wrong answers on request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pinstream::model::image::Digest;

use super::http::{Answer, Request, Server};
use super::image::{Content, Image};
use super::tls::{Authority, Identity};
use crate::support::encoding::base64;

/// A running fake fake registry; dropping it stops it.
pub(crate) struct FakeRegistry {
    server: Server,
    state: Arc<Mutex<State>>,
    authority: Option<Authority>,
}

/// Request counts by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestCounts {
    /// HEAD requests for manifests, including those answered with a challenge.
    pub(crate) head: usize,
    /// GET requests for manifests, blobs and tag lists, including those answered with a challenge.
    pub(crate) get: usize,
    /// Requests to the token server.
    pub(crate) token: usize,
    /// Requests for `/v2/`.
    pub(crate) ping: usize,
    /// Responses with status 401.
    pub(crate) challenged: usize,
}

/// Access rule for reading.
#[derive(Clone, Debug, Default)]
pub(crate) enum Access {
    /// Anybody may read.
    #[default]
    Open,
    /// Requires a user and password.
    Basic(String, String),
    /// Requires a token, which the token server issues for a password, if one is set.
    Token(TokenRules),
}

/// Behaviour of the token server.
#[derive(Clone, Debug)]
pub(crate) struct TokenRules {
    /// Required user and password; `None` issues tokens to everybody.
    pub(crate) user: Option<(String, String)>,
    /// Identity token that POST requests may present.
    pub(crate) identity: Option<String>,
    /// Largest number of scopes in per request; more get a 400.
    pub(crate) scopes: usize,
    /// Grants only the first scope of a request, with status 200.
    pub(crate) grants_first_only: bool,
    /// Number of requests that a token is valid for.
    pub(crate) uses: usize,
    /// `expires_in`
    pub(crate) expires_in: Option<u64>,
    /// Realm in the challenge instead of the server's own.
    pub(crate) realm: Option<String>,
}

impl Default for TokenRules {
    fn default() -> Self {
        Self {
            user: None,
            identity: None,
            scopes: 1000,
            grants_first_only: false,
            uses: usize::MAX,
            expires_in: Some(300),
            realm: None,
        }
    }
}

/// Replaces the registry's answer when it returns one.
pub(crate) type Lie = Box<dyn FnMut(&Request) -> Option<Answer> + Send>;

#[derive(Default)]
struct State {
    tags: BTreeMap<String, BTreeMap<String, Digest>>,
    contents: BTreeMap<(String, String), Content>,
    access: Access,
    lies: Vec<Lie>,
    asked: RequestCounts,
    requests: Vec<Request>,
    /// Tokens with the repositories they grant and the remaining uses.
    tokens: BTreeMap<String, (BTreeSet<String>, usize)>,
    base: String,
}

impl FakeRegistry {
    /// Starts without TLS.
    pub(crate) fn start() -> Self {
        Self::begin(None)
    }

    /// Starts with TLS and a CA of its own.
    pub(crate) fn start_tls() -> Self {
        Self::begin(Some(Authority::new("fake registry")))
    }

    fn begin(authority: Option<Authority>) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let handled = Arc::clone(&state);
        let identity: Option<Identity> = authority.as_ref().map(|authority| authority.identity(&[]));
        let server = Server::start(identity.as_ref(), Arc::new(move |request| lock(&handled).handle(request)));
        let scheme = if authority.is_some() { "https" } else { "http" };
        lock(&state).base = format!("{scheme}://{}", server.host());
        Self { server, state, authority }
    }

    /// `127.0.0.1:port`
    pub(crate) fn host(&self) -> String {
        self.server.host()
    }

    /// `http://127.0.0.1:port`, or with TLS.
    pub(crate) fn base(&self) -> String {
        lock(&self.state).base.clone()
    }

    /// CA certificate in PEM.
    pub(crate) fn ca(&self) -> Vec<u8> {
        self.authority.as_ref().unwrap().pem()
    }

    /// Stores an image and returns the digest that the tag now has.
    pub(crate) fn push(&self, repository: &str, tag: &str, image: &Image) -> Digest {
        let built = image.build();
        let mut state = lock(&self.state);
        let digest = built.top.digest.clone();
        for content in built.children.into_iter().chain(built.blobs).chain([built.top]) {
            state.contents.insert((repository.to_owned(), content.digest.to_string()), content);
        }
        state.tags.entry(repository.to_owned()).or_default().insert(tag.to_owned(), digest.clone());
        digest
    }

    /// Stores content unchanged, and points `tag` at it if there is one.
    pub(crate) fn put(&self, repository: &str, tag: Option<&str>, content: Content) {
        let mut state = lock(&self.state);
        if let Some(tag) = tag {
            let tags = state.tags.entry(repository.to_owned()).or_default();
            tags.insert(tag.to_owned(), content.digest.clone());
        }
        state.contents.insert((repository.to_owned(), content.digest.to_string()), content);
    }

    /// Removes a tag.
    pub(crate) fn remove(&self, repository: &str, tag: &str) {
        lock(&self.state).tags.entry(repository.to_owned()).or_default().remove(tag);
    }

    /// Sets the access rule.
    pub(crate) fn require(&self, access: Access) {
        lock(&self.state).access = access;
    }

    /// Answers `status` to every request whose target contains `part`.
    pub(crate) fn fail(&self, part: &str, status: u16) {
        self.fail_times(part, status, usize::MAX);
    }

    /// Does so `times` times, then answers normally.
    pub(crate) fn fail_times(&self, part: &str, status: u16, times: usize) {
        let part = part.to_owned();
        let mut left = times;
        self.lie(move |request| {
            (left > 0 && request.target.contains(&part)).then(|| {
                left -= 1;
                Answer::new(status)
            })
        });
    }

    /// Replaces answers by those of `lie`. The latest one has precedence.
    pub(crate) fn lie(&self, lie: impl FnMut(&Request) -> Option<Answer> + Send + 'static) {
        lock(&self.state).lies.insert(0, Box::new(lie));
    }

    /// Lists `count` tags for every repository, at most `page` per page, with links; `n` is honoured up to `page`.
    pub(crate) fn list_many(&self, count: usize, page: usize) {
        self.lie(move |request| {
            if !request.path().ends_with("/tags/list") {
                return None;
            }
            let first = |key: &str| request.query(key).into_iter().next();
            let size = first("n").map_or(page, |n| n.parse::<usize>().unwrap().min(page));
            let start = first("last").map_or(0, |last| last.rsplit('.').next().unwrap().parse::<usize>().unwrap() + 1);
            let end = count.min(start + size);
            let names: Vec<String> = (start..end).map(|number| format!("1.0.{number}")).collect();
            let answer = Answer::new(200).body(serde_json::json!({"name": "a", "tags": names}).to_string());
            let link = || format!("<{}?n={size}&last=1.0.{}>; rel=\"next\"", request.path(), end - 1);
            Some(if end < count { answer.header("link", link()) } else { answer })
        });
    }

    /// Removes all lies.
    pub(crate) fn clear_lies(&self) {
        lock(&self.state).lies.clear();
    }

    /// Request counts so far.
    pub(crate) fn counts(&self) -> RequestCounts {
        lock(&self.state).asked
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        lock(&self.state).requests.clone()
    }

    /// Resets counts and requests.
    pub(crate) fn forget(&self) {
        let mut state = lock(&self.state);
        state.asked = RequestCounts::default();
        state.requests.clear();
    }

    /// Number of connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.server.connections()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn handle(&mut self, request: &Request) -> Answer {
        self.requests.push(request.clone());
        let path = request.path().to_owned();
        match (path.as_str(), request.method.as_str()) {
            ("/token", _) => self.asked.token += 1,
            ("/v2/", _) => self.asked.ping += 1,
            (_, "HEAD") => self.asked.head += 1,
            _ => self.asked.get += 1,
        }
        let answer = self.lies.iter_mut().find_map(|lie| lie(request));
        let answer =
            answer.unwrap_or_else(|| if path == "/token" { self.token(request) } else { self.content(request) });
        self.asked.challenged += usize::from(answer.status == 401 && path != "/token");
        answer
    }

    fn content(&mut self, request: &Request) -> Answer {
        let path = request.path().strip_prefix("/v2/").unwrap_or_default().to_owned();
        for (middle, kind) in [("/manifests/", 'm'), ("/blobs/", 'b'), ("/tags/list", 't')] {
            let Some((repository, name)) = path.split_once(middle) else { continue };
            if let Some(challenge) = self.challenge(repository, request) {
                return challenge;
            }
            return match kind {
                't' => match self.tags.get(repository) {
                    Some(tags) => {
                        let names: Vec<&String> = tags.keys().collect();
                        let list = serde_json::json!({"name": repository, "tags": names});
                        Answer::new(200).header("content-type", "application/json").body(list.to_string())
                    }
                    None => Answer::new(404),
                },
                _ => {
                    let named = self.tags.get(repository).and_then(|tags| tags.get(name)).map(ToString::to_string);
                    let digest = named.filter(|_| kind == 'm').unwrap_or_else(|| name.to_owned());
                    match self.contents.get(&(repository.to_owned(), digest)) {
                        Some(content) => Answer::new(200)
                            .header("content-type", &*content.media_type)
                            .header("docker-content-digest", content.digest.as_str())
                            .body(&*content.bytes),
                        None => Answer::new(404),
                    }
                }
            };
        }
        Answer::new(if path.is_empty() { 200 } else { 404 })
    }

    /// Returns the challenge for a request that may not read `repository`.
    fn challenge(&mut self, repository: &str, request: &Request) -> Option<Answer> {
        let authorization = request.header("authorization").unwrap_or_default();
        match &self.access {
            Access::Open => None,
            Access::Basic(user, password) => (authorization != basic(user, password))
                .then(|| Answer::new(401).header("www-authenticate", "Basic realm=\"fake\"")),
            Access::Token(rules) => {
                let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
                let error = match self.tokens.get_mut(token) {
                    Some((_, 0)) => ",error=\"invalid_token\"",
                    Some((granted, uses)) if granted.contains(repository) => {
                        *uses -= 1;
                        return None;
                    }
                    Some(_) => ",error=\"insufficient_scope\"",
                    None if token.is_empty() => "",
                    None => ",error=\"invalid_token\"",
                };
                let realm = rules.realm.clone().unwrap_or_else(|| format!("{}/token", self.base));
                let challenge =
                    format!("Bearer realm=\"{realm}\",service=\"fake\",scope=\"repository:{repository}:pull\"{error}");
                Some(Answer::new(401).header("www-authenticate", challenge))
            }
        }
    }

    fn token(&mut self, request: &Request) -> Answer {
        let Access::Token(rules) = &self.access else { return Answer::new(404) };
        let authorization = request.header("authorization");
        let (is_known, scopes) = if request.method == "POST" {
            let form: BTreeMap<String, String> = url::form_urlencoded::parse(&request.body).into_owned().collect();
            let scopes = form.get("scope").map(|text| text.split(' ').map(str::to_owned).collect()).unwrap_or_default();
            let is_refresh = form.get("grant_type").is_some_and(|kind| kind == "refresh_token");
            (is_refresh && form.get("refresh_token") == rules.identity.as_ref(), scopes)
        } else {
            let expected = rules.user.as_ref().map(|(user, password)| basic(user, password));
            (authorization == expected.as_deref() || expected.is_none(), request.query("scope"))
        };
        if !is_known {
            return Answer::new(401);
        }
        if scopes.len() > rules.scopes {
            return Answer::new(400);
        }
        let granted = scopes.iter().take(if rules.grants_first_only { 1 } else { usize::MAX });
        let granted = granted.filter_map(|scope| scope.strip_prefix("repository:")?.strip_suffix(":pull"));
        let token = format!("token-{}", self.tokens.len());
        let mut answer = serde_json::json!({"token": token});
        if let Some(seconds) = rules.expires_in {
            answer["expires_in"] = seconds.into();
        }
        self.tokens.insert(token, (granted.map(str::to_owned).collect(), rules.uses));
        Answer::new(200).header("content-type", "application/json").body(answer.to_string())
    }
}

/// Builds the header for a user and password.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64(format!("{user}:{password}")))
}
