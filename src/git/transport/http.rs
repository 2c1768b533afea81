//! A remote over HTTP: the stateless smart protocol (gitprotocol-http(5)) through the client of registries and forges.
//!
//! Requests run on a thread of their own, because libgit2's callers block. A redirect is never followed.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use git2::transport::Service;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, USER_AGENT};
use reqwest::{Response, StatusCode};
use tokio::sync::{mpsc, oneshot};
use url::Url;

use super::credential_use::{CredentialUse, Unsent};
use super::failure::{FailureOutlook, FailureSlot, WireFailure};
use super::packet::{FLUSH, LIST_MAX};
use crate::git::GitError;
use crate::git::address::RemoteAddress;
use crate::git::credential::{GitCredentialSources, GitLogin, GitLogins};
use crate::git::error::shown;
use crate::git::url_config;
use crate::http::{
    Authority, ErrorScope, HttpClient, HttpConfig, HttpError, HttpLimits, Proxies, UrlOrigin, challenge, is_retryable,
    password_header, retry_after,
};
use crate::system::clock::Stopwatch;
use crate::system::environment;
use crate::system::lock;
use crate::system::thread;

/// Servers choose the smart protocol by the beginning of this name.
const AGENT: &str = concat!("git/2.0 (pinstream/", env!("CARGO_PKG_VERSION"), ")");
/// The most bytes of an error page that are read.
const PAGE_MAX: usize = 4 << 10;
/// Number of response chunks buffered for libgit2.
const CHUNKS: usize = 16;

/// The server, and the credentials that it accepted.
#[derive(Clone)]
pub(super) struct SmartHttp(Arc<Endpoint>);

struct Endpoint {
    shown: String,
    base: Url,
    origin: UrlOrigin,
    /// The headers of `http.extraHeader`.
    headers: HeaderMap,
    client: HttpClient,
    logins: GitLogins,
    silence: Duration,
    /// The header that the server accepted last, and its source; later requests send it at once.
    accepted: Mutex<Option<(HeaderValue, &'static str)>>,
    worker: OnceLock<Worker>,
}

/// The thread that runs requests.
struct Worker {
    runtime: tokio::runtime::Handle,
    /// The thread ends when this is dropped.
    _stop: oneshot::Sender<()>,
}

/// A response whose status is known.
enum Reply {
    Body(ResponseBody),
    /// The server asks for other credentials; the schemes of its challenges.
    Unauthorized(Vec<String>),
}

impl SmartHttp {
    /// Prepares requests to `address`; connects to nothing.
    ///
    /// # Errors
    /// If Git's configuration for this server is invalid.
    pub(super) fn new(
        address: &RemoteAddress,
        sources: &GitCredentialSources,
        config: Option<&git2::Config>,
        logins: GitLogins,
        silence: Duration,
    ) -> Result<Self, GitError> {
        let invalid = |reason: String| GitError::Unreachable { url: address.shown().to_owned(), reason };
        let malformed = || invalid("its address is malformed".to_owned());
        let base = Url::parse(address.url()).map_err(|_| malformed())?;
        let origin = UrlOrigin::of(&base).ok_or_else(malformed)?;
        let setting = |name: &str| config.and_then(|config| url_config::values(config, &base, name).pop());
        let mut proxies = Proxies::from_environment();
        if let Some(proxy) = setting("proxy") {
            let proxy = Some(proxy).filter(|proxy| !proxy.is_empty());
            proxies = Proxies { https: proxy.clone(), http: proxy, except: proxies.except };
        }
        let configured = || setting("sslcainfo").filter(|path| !path.is_empty()).map(expanded);
        let authority = sources.authorities.clone().or_else(configured).filter(|_| origin.secure);
        let authority = authority.map(|path| {
            let pem =
                std::fs::read(&path).map_err(|error| invalid(format!("cannot read `{}`: {error}", path.display())))?;
            Authority::parse(&path.to_string_lossy(), &pem).map_err(|error| invalid(error.to_string()))
        });
        let place = origin.place.clone();
        let client = HttpClient::new(HttpConfig {
            named: [place.clone()].into(),
            authorities: authority.transpose()?.into_iter().map(|authority| (place.clone(), authority)).collect(),
            proxies,
            lookup: None,
            limits: HttpLimits { request: silence, ..HttpLimits::default() },
        });
        let client = client.map_err(|error| invalid(error.to_string()))?;
        let mut headers = HeaderMap::new();
        for line in config.map(|config| url_config::list(config, &base, "extraheader")).unwrap_or_default() {
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            let name = reqwest::header::HeaderName::try_from(name.trim());
            let (Ok(name), Ok(mut value)) = (name, HeaderValue::try_from(value.trim())) else {
                return Err(invalid("git's `http.extraHeader` is not a valid header".to_owned()));
            };
            value.set_sensitive(true);
            client.redactor.add_header(&value);
            headers.append(name, value);
        }
        let shown = address.shown().to_owned();
        let (accepted, worker) = (Mutex::default(), OnceLock::new());
        Ok(Self(Arc::new(Endpoint { shown, base, origin, headers, client, logins, silence, accepted, worker })))
    }

    /// Prepares one request; it is sent when its response is read.
    pub(super) fn exchange(&self, service: Service, failure: FailureSlot) -> HttpExchange {
        HttpExchange {
            http: self.clone(),
            service,
            request: Vec::new(),
            body: None,
            watch: Stopwatch::start(),
            failure,
        }
    }

    /// Redacts text that contains a secret.
    pub(super) fn redact(&self, text: &str) -> String {
        self.0.client.redactor.redact(text).into_owned()
    }

    /// Sends a request; after a 401, again with the next credentials.
    fn send(&self, service: Service, request: &Bytes) -> Result<ResponseBody, WireFailure> {
        let endpoint = &*self.0;
        let known = endpoint.accepted().clone();
        let mut tried: Vec<&str> = known.iter().map(|(_, source)| *source).collect();
        let mut authorization = known.map(|(header, _)| header);
        let mut offered: Option<GitLogin> = None;
        let mut logins = endpoint.logins.iter();
        loop {
            let schemes = match self.try_once(service, request, authorization.clone(), &tried)? {
                Reply::Body(body) => {
                    if let Some(login) = &offered {
                        endpoint.logins.report(login, true);
                        *endpoint.accepted() = authorization.map(|header| (header, login.source));
                    }
                    return Ok(body);
                }
                Reply::Unauthorized(schemes) => schemes,
            };
            if endpoint.accepted().take().is_some() {
                tried.clear();
            }
            if let Some(login) = offered.take() {
                endpoint.logins.report(&login, false);
            }
            if !schemes.is_empty() && !schemes.iter().any(|scheme| scheme == "basic") {
                let schemes = shown(&schemes.join(" and "));
                let reason = format!("it only accepts {schemes} authentication, which pinstream does not support");
                return Err(endpoint.unauthorized(&reason, &tried, Unsent::OtherScheme));
            }
            let Some(login) = logins.next() else {
                return Err(endpoint.unauthorized("it returned 401 Unauthorized", &tried, Unsent::InvalidUser));
            };
            let Some(header) = password_header(&login.user, login.password.reveal()) else { continue };
            endpoint.client.redactor.add_header(&header);
            tried.push(login.source);
            (authorization, offered) = (Some(header), Some(login));
        }
    }

    fn try_once(
        &self,
        service: Service,
        request: &Bytes,
        authorization: Option<HeaderValue>,
        tried: &[&str],
    ) -> Result<Reply, WireFailure> {
        let (endpoint, request) = (Arc::clone(&self.0), request.clone());
        let (sender, receiver) = std::sync::mpsc::channel();
        let task = async move {
            let result = endpoint.request(service, request, authorization).await;
            // Nobody waits any more if the pass was interrupted.
            let _ = sender.send(result);
        };
        self.0.worker()?.runtime.spawn(task);
        let stopped = || WireFailure::lasting(GitError::Machine("the thread for requests ended".to_owned()));
        let (response, list) = receiver.recv().map_err(|_| stopped())??;
        let status = response.status;
        if status == StatusCode::UNAUTHORIZED {
            return Ok(Reply::Unauthorized(response.schemes));
        }
        match list {
            Some(body) if status.is_success() => Ok(Reply::Body(body)),
            _ => Err(self.0.refused(&response, tried)),
        }
    }
}

/// The head of a response, and the text of an error page.
struct ResponseHead {
    status: StatusCode,
    schemes: Vec<String>,
    location: Option<String>,
    after: Option<Duration>,
    page: String,
}

/// Expands `~/` of a path in Git's configuration.
fn expanded(path: String) -> PathBuf {
    let below_home = path.strip_prefix("~/").and_then(|rest| Some(PathBuf::from(environment::var("HOME")?).join(rest)));
    below_home.unwrap_or_else(|| path.into())
}

impl Endpoint {
    fn accepted(&self) -> std::sync::MutexGuard<'_, Option<(HeaderValue, &'static str)>> {
        lock(&self.accepted)
    }

    fn worker(&self) -> Result<&Worker, WireFailure> {
        if let Some(worker) = self.worker.get() {
            return Ok(worker);
        }
        let local =
            |error: io::Error| WireFailure::lasting(GitError::Machine(format!("cannot start a thread: {error}")));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(local)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let handle = runtime.handle().clone();
        thread::start(move || drop(runtime.block_on(stopped))).map_err(local)?;
        Ok(self.worker.get_or_init(|| Worker { runtime: handle, _stop: stop }))
    }

    /// Sends one request; returns the head of the response, and the body of a successful one.
    async fn request(
        self: &Arc<Self>,
        service: Service,
        request: Bytes,
        authorization: Option<HeaderValue>,
    ) -> Result<(ResponseHead, Option<ResponseBody>), WireFailure> {
        let name = match service {
            Service::UploadPackLs | Service::UploadPack => "git-upload-pack",
            Service::ReceivePackLs | Service::ReceivePack => "git-receive-pack",
        };
        let is_list = matches!(service, Service::UploadPackLs | Service::ReceivePackLs);
        let below = self.base.as_str().trim_end_matches('/');
        let url = match is_list {
            true => format!("{below}/info/refs?service={name}"),
            false => format!("{below}/{name}"),
        };
        let url = Url::parse(&url).map_err(|error| self.failed(error.to_string(), FailureOutlook::Lasting))?;
        let access = self.client.access(&self.origin);
        let route =
            self.client.route(&url, &self.origin, access, None).await.map_err(|error| self.transport(&error))?;
        let mut builder = if is_list { route.client.get(url) } else { route.client.post(url).body(request) };
        builder = builder.headers(self.headers.clone()).header(USER_AGENT, AGENT);
        if let Some(authorization) = authorization {
            builder = builder.header(AUTHORIZATION, authorization);
        }
        let expected = match is_list {
            true => format!("application/x-{name}-advertisement"),
            false => {
                builder = builder.header(CONTENT_TYPE, format!("application/x-{name}-request"));
                builder = builder.header(ACCEPT, format!("application/x-{name}-result"));
                format!("application/x-{name}-result")
            }
        };
        let sent = tokio::time::timeout(self.silence, self.client.send(builder, &self.origin)).await;
        let mut response = sent.map_err(|_| self.silent())?.map_err(|error| self.transport(&error))?;
        let mut head = self.head(&response);
        if !head.status.is_success() {
            head.page = self.page(&mut response).await;
            return Ok((head, None));
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if kind.split(';').next().unwrap_or_default().trim() != expected {
            let reason = "the response is not from a Git server; check the path of the repository";
            return Err(self.failed(reason.to_owned(), FailureOutlook::Lasting));
        }
        let body = if is_list { self.list(response).await? } else { self.stream(response) };
        Ok((head, Some(body)))
    }

    fn head(&self, response: &Response) -> ResponseHead {
        let headers = response.headers();
        let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
        let schemes = challenge::parse(headers).into_iter().map(|challenge| challenge.scheme).collect();
        ResponseHead {
            status: response.status(),
            schemes,
            location: headers.get(LOCATION).and_then(text),
            after: retry_after(headers),
            page: String::new(),
        }
    }

    /// Reads the beginning of an error page, if it is plain text.
    async fn page(&self, response: &mut Response) -> String {
        let is_text = |value: &HeaderValue| value.as_bytes().starts_with(b"text/plain");
        let is_text = response.headers().get(CONTENT_TYPE).is_some_and(is_text);
        let mut page = Vec::new();
        let read = async {
            while let Ok(Some(chunk)) = response.chunk().await {
                page.extend_from_slice(&chunk);
                if page.len() > PAGE_MAX {
                    break;
                }
            }
        };
        // The beginning of a page is enough.
        let _ = tokio::time::timeout(self.silence, read).await;
        page.truncate(if is_text { PAGE_MAX } else { 0 });
        String::from_utf8_lossy(&page).into_owned()
    }

    /// Reads a list of refs completely, so that a truncated one can be requested again.
    async fn list(&self, mut response: Response) -> Result<ResponseBody, WireFailure> {
        let read = self.client.read_body(&mut response, &self.origin, LIST_MAX);
        let read = tokio::time::timeout(self.silence.saturating_mul(4), read).await;
        let (bytes, _) = read.map_err(|_| self.silent())?.map_err(|error| self.transport(&error))?;
        if !bytes.ends_with(FLUSH) {
            return Err(self.failed("the list of refs is incomplete".to_owned(), FailureOutlook::Transient));
        }
        Ok(ResponseBody { current: bytes.into(), rest: None })
    }

    /// Forwards a response as it arrives.
    fn stream(self: &Arc<Self>, mut response: Response) -> ResponseBody {
        let (sender, receiver) = mpsc::channel(CHUNKS);
        let endpoint = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                let chunk = match tokio::time::timeout(endpoint.silence, response.chunk()).await {
                    Ok(Ok(Some(chunk))) => Ok(chunk),
                    Ok(Ok(None)) => return,
                    Ok(Err(_)) => Err(endpoint.failed("the connection was lost".to_owned(), FailureOutlook::Transient)),
                    Err(_) => Err(endpoint.silent()),
                };
                let is_last = chunk.is_err();
                if sender.send(chunk).await.is_err() || is_last {
                    return;
                }
            }
        });
        ResponseBody { current: Bytes::new(), rest: Some(receiver) }
    }

    /// Classifies a status that is not a success.
    fn refused(&self, response: &ResponseHead, tried: &[&str]) -> WireFailure {
        let status = response.status;
        let mut reason = format!("it returned {status}");
        let page = shown(&self.client.redactor.redact(&response.page));
        if !page.is_empty() {
            reason = format!("{reason}: {page}");
        }
        if status == StatusCode::FORBIDDEN {
            return self.unauthorized(&reason, tried, Unsent::NoChallenge);
        }
        let unsent = self.credentials(tried).unsent(Unsent::NoChallenge);
        let unsent = unsent.map(|unsent| format!("; {unsent}")).unwrap_or_default();
        if status.is_redirection() {
            let target = response.location.as_deref().unwrap_or("another address");
            let target = shown(&self.client.redactor.redact(target));
            let reason = format!("{reason} with a redirect to `{target}`; if you trust it, use that address{unsent}");
            return self.failed(reason, FailureOutlook::Answered);
        }
        if status == StatusCode::NOT_FOUND {
            reason = format!("{reason}; check the path of the repository{unsent}");
        }
        let outlook = if is_retryable(status) { FailureOutlook::Transient } else { FailureOutlook::Answered };
        WireFailure { after: response.after, ..self.failed(reason, outlook) }
    }

    fn unauthorized(&self, reason: &str, tried: &[&str], unsent: Unsent) -> WireFailure {
        let (credentials, help) = self.credentials(tried).describe(unsent);
        let (url, reason) = (self.shown.clone(), format!("{reason}; {credentials}"));
        WireFailure::new(GitError::Unauthorized { url, reason, help }, FailureOutlook::Answered)
    }

    fn credentials<'a>(&self, tried: &'a [&'a str]) -> CredentialUse<'a> {
        let has_extra_header = self.headers.contains_key(AUTHORIZATION);
        CredentialUse { configured: self.logins.configured(), has_extra_header, tried }
    }

    fn silent(&self) -> WireFailure {
        WireFailure::silent(self.shown.clone(), self.silence)
    }

    /// Classifies a failure of the connection.
    fn transport(&self, error: &HttpError) -> WireFailure {
        let reason = shown(&self.client.redactor.redact(&error.to_string()));
        match error {
            HttpError::Tls { is_untrusted, .. } => WireFailure::lasting(GitError::Untrusted {
                url: self.shown.clone(),
                reason: match is_untrusted {
                    true => format!(
                        "{reason}; add the issuer to the machine's certificate store (package `ca-certificates`), or set \
                         `GIT_SSL_CAINFO` to a PEM file"
                    ),
                    false => reason,
                },
            }),
            _ if error.scope() == ErrorScope::Transient => self.failed(reason, FailureOutlook::Transient),
            _ => self.failed(reason, FailureOutlook::Lasting),
        }
    }

    fn failed(&self, reason: String, outlook: FailureOutlook) -> WireFailure {
        WireFailure::new(GitError::Unreachable { url: self.shown.clone(), reason }, outlook)
    }
}

/// One request and its response.
pub(super) struct HttpExchange {
    http: SmartHttp,
    service: Service,
    request: Vec<u8>,
    body: Option<ResponseBody>,
    watch: Stopwatch,
    failure: FailureSlot,
}

/// The body of a response.
struct ResponseBody {
    current: Bytes,
    rest: Option<mpsc::Receiver<Result<Bytes, WireFailure>>>,
}

impl Write for HttpExchange {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.request.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for HttpExchange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let endpoint = &self.http.0;
        let checked = WireFailure::check_time(&self.watch, &endpoint.shown, endpoint.silence);
        checked.map_err(|failure| self.failure.report(failure))?;
        let body = match &mut self.body {
            Some(body) => body,
            None => {
                let request = Bytes::from(std::mem::take(&mut self.request));
                let body = self.http.send(self.service, &request).map_err(|failure| self.failure.report(failure))?;
                self.body.insert(body)
            }
        };
        while body.current.is_empty() {
            match body.rest.as_mut().and_then(mpsc::Receiver::blocking_recv) {
                Some(Ok(chunk)) => body.current = chunk,
                Some(Err(failure)) => return Err(self.failure.report(failure)),
                // libgit2 reads no further than the end of a response.
                None if self.service == Service::UploadPack => {
                    let reason = "the response is incomplete".to_owned();
                    return Err(self.failure.report(self.http.0.failed(reason, FailureOutlook::Transient)));
                }
                None => return Ok(0),
            }
        }
        let size = buffer.len().min(body.current.len());
        buffer[..size].copy_from_slice(&body.current.split_to(size));
        Ok(size)
    }
}
