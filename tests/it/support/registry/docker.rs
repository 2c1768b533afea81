//! Debian's `docker-registry`: anonymous, with passwords over TLS, or with tokens from a server of the test.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pinstream::model::image::Digest;
use serde_json::json;
use tempfile::TempDir;

use super::fake::basic;
use super::http::{Answer, Request, Server, request};
use super::image::{Content, Image};
use super::tls::{Authority, Identity};
use crate::support::canary::CANARY;
use crate::support::encoding::{base64, base64url};
use crate::support::signing_key::SigningKey;

/// User and password that protected registries accept.
pub(crate) const USER: (&str, &str) = ("alice", CANARY);
/// The same as a line of `htpasswd` (bcrypt, cost 5).
const HTPASSWD: &str = "alice:$2y$05$bRCpfAVgU3AhukEYYzBkmuMVCzWBHGFHGS4wNucLGfK/q1lK9dgY6";

/// Builds the `Authorization` header of a push for a scope.
type Authorize = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// A running registry; dropping it kills the process.
pub(crate) struct DockerRegistry {
    process: Child,
    host: String,
    authority: Option<Authority>,
    /// Header of pushes.
    authorization: Authorize,
    tokens: Option<TokenServer>,
    folder: TempDir,
}

/// A token server that signs with RS256 and counts requests.
pub(crate) struct TokenServer {
    server: Server,
    asked: Arc<AtomicUsize>,
}

impl TokenServer {
    /// `https://127.0.0.1:port`, for the realms of the policy.
    pub(crate) fn origin(&self) -> String {
        format!("https://{}", self.server.host())
    }

    /// `127.0.0.1:port`
    pub(crate) fn host(&self) -> String {
        self.server.host()
    }

    /// Number of token requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl DockerRegistry {
    /// Starts a registry that anybody may read and write, without TLS.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::run(folder, "", None, Box::new(|_| None), None)
    }

    /// Starts a pull-through cache of `upstream`, `host:port` without TLS.
    pub(crate) fn start_cache(upstream: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::run(folder, &format!("proxy:\n  remoteurl: http://{upstream}\n"), None, Box::new(|_| None), None)
    }

    /// Removes a tag from the storage, as if it had never been pulled through.
    pub(crate) fn forget(&self, repository: &str, tag: &str) {
        let tags = format!("storage/docker/registry/v2/repositories/{repository}/_manifests/tags");
        std::fs::remove_dir_all(self.folder.path().join(tags).join(tag)).unwrap();
    }

    /// Starts a registry over TLS that only [`USER`] may use.
    pub(crate) fn start_htpasswd() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("htpasswd");
        std::fs::write(&file, HTPASSWD).unwrap();
        let auth = format!("auth:\n  htpasswd:\n    realm: test\n    path: {}\n", file.display());
        let header = basic(USER.0, USER.1);
        let authority = Authority::new("docker registry");
        Self::run(folder, &auth, Some(authority), Box::new(move |_| Some(header.clone())), None)
    }

    /// Starts a registry over TLS that requires tokens; the token server issues them to [`USER`].
    pub(crate) fn start_token() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("docker registry");
        // The registry accepts RS256.
        let signer = Arc::new(Identity::self_signed("tests", SigningKey::rsa(), &[]));
        let bundle = folder.path().join("bundle.pem");
        std::fs::write(&bundle, signer.certificate_pem()).unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let (count, key) = (Arc::clone(&asked), Arc::clone(&signer));
        let handler = move |request: &Request| {
            count.fetch_add(1, Ordering::SeqCst);
            if request.header("authorization") != Some(&basic(USER.0, USER.1)) {
                return Answer::new(401);
            }
            let token = sign(&key, &request.query("scope"));
            Answer::new(200).body(json!({"token": token, "expires_in": 300}).to_string())
        };
        let server = Server::start(Some(&authority.identity(&[])), Arc::new(handler));
        let auth = format!(
            "auth:\n  token:\n    realm: https://{}/token\n    service: test\n    issuer: tests\n    rootcertbundle: {}\n",
            server.host(),
            bundle.display()
        );
        let push = move |scope: &str| Some(format!("Bearer {}", sign(&signer, &[scope.to_owned()])));
        Self::run(folder, &auth, Some(authority), Box::new(push), Some(TokenServer { server, asked }))
    }

    fn run(
        folder: TempDir,
        auth: &str,
        authority: Option<Authority>,
        authorization: Authorize,
        tokens: Option<TokenServer>,
    ) -> Self {
        let tls = authority.as_ref().map_or_else(String::new, |authority| {
            let identity = authority.identity(&[]);
            let (certificate, key) = (folder.path().join("tls.pem"), folder.path().join("tls.key"));
            std::fs::write(&certificate, identity.certificate_pem()).unwrap();
            std::fs::write(&key, identity.key_pem()).unwrap();
            format!("  tls:\n    certificate: {}\n    key: {}\n", certificate.display(), key.display())
        });
        // Another process may take the free port first; then another port is tried.
        for _ in 0..10 {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
            let root = folder.path().join("storage").display().to_string();
            // The log shows the HTTP version, which is negotiated only over TLS.
            let quiet = authority.is_none();
            let text = format!(
                "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: {quiet}\nstorage:\n  filesystem:\n    rootdirectory: {root}\n\
                 {auth}http:\n  addr: {free}\n{tls}"
            );
            let config = folder.path().join("config.yml");
            std::fs::write(&config, text).unwrap();
            let mut command = Command::new("docker-registry");
            command
                .arg("serve")
                .arg(&config)
                .env_clear()
                .env("PATH", "/usr/bin:/bin")
                .env("OTEL_TRACES_EXPORTER", "none");
            let log = std::fs::File::create(folder.path().join("log")).unwrap();
            let mut process =
                command.stdout(log.try_clone().unwrap()).stderr(log).stdin(Stdio::null()).spawn().unwrap();
            let ping = Request { method: "GET".to_owned(), target: "/v2/".to_owned(), ..Request::default() };
            let deadline = Instant::now() + Duration::from_secs(20);
            while Instant::now() < deadline && process.try_wait().unwrap().is_none() {
                if request(&free, authority.as_ref(), &ping).is_ok() {
                    return Self { process, host: free, authority, authorization, tokens, folder };
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            drop(process.kill());
            drop(process.wait());
        }
        panic!("docker-registry did not start: {}", std::fs::read_to_string(folder.path().join("log")).unwrap());
    }

    /// Access log in Apache's combined format; written only with TLS.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// `127.0.0.1:port`
    pub(crate) fn host(&self) -> String {
        self.host.clone()
    }

    /// CA certificate of the registry and its token server, in PEM.
    pub(crate) fn ca(&self) -> Vec<u8> {
        self.authority.as_ref().unwrap().pem()
    }

    /// The registry's token server.
    pub(crate) fn tokens(&self) -> &TokenServer {
        self.tokens.as_ref().unwrap()
    }

    /// Pushes an image and returns the digest that the tag now has.
    pub(crate) fn push(&self, repository: &str, tag: &str, image: &Image) -> Digest {
        let built = image.build();
        for blob in &built.blobs {
            self.push_blob(repository, blob);
        }
        for child in &built.children {
            self.push_manifest(repository, child.digest.as_str(), child);
        }
        self.push_manifest(repository, tag, &built.top);
        built.top.digest
    }

    /// Points another tag at an image that has been pushed already, with one request.
    pub(crate) fn retag(&self, repository: &str, tag: &str, image: &Image) -> Digest {
        let built = image.build();
        self.push_manifest(repository, tag, &built.top);
        built.top.digest
    }

    pub(crate) fn push_blob(&self, repository: &str, blob: &Content) {
        let begun = self.send(repository, "POST", &format!("/v2/{repository}/blobs/uploads/"), None, b"");
        assert_eq!(begun.status, 202, "{begun:?}");
        let location = begun.header("location").unwrap();
        let target = match url::Url::parse(location) {
            Ok(url) => format!("{}?{}", url.path(), url.query().unwrap_or_default()),
            Err(_) => location.to_owned(),
        };
        let joint = if target.contains('?') { '&' } else { '?' };
        let target = format!("{target}{joint}digest={}", blob.digest);
        let done = self.send(repository, "PUT", &target, Some("application/octet-stream"), &blob.bytes);
        assert_eq!(done.status, 201, "{done:?}");
    }

    pub(crate) fn push_manifest(&self, repository: &str, reference: &str, manifest: &Content) {
        let target = format!("/v2/{repository}/manifests/{reference}");
        let done = self.send(repository, "PUT", &target, Some(&manifest.media_type), &manifest.bytes);
        assert_eq!(done.status, 201, "{}", String::from_utf8_lossy(&done.body));
        assert_eq!(done.header("docker-content-digest"), Some(manifest.digest.as_str()));
    }

    fn send(
        &self,
        repository: &str,
        method: &str,
        target: &str,
        content_type: Option<&str>,
        body: &[u8],
    ) -> super::http::Received {
        let authorization = (self.authorization)(&format!("repository:{repository}:pull,push"));
        let mut headers = Vec::new();
        headers.extend(authorization.map(|value| ("authorization".to_owned(), value)));
        headers.extend(content_type.map(|value| ("content-type".to_owned(), value.to_owned())));
        let message = Request { method: method.to_owned(), target: target.to_owned(), headers, body: body.to_owned() };
        request(&self.host, self.authority.as_ref(), &message).unwrap()
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Builds a JSON Web Token for `scopes` (Docker Registry v2 token specification, "JWT").
fn sign(signer: &Identity, scopes: &[String]) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let access: Vec<_> = scopes
        .iter()
        .filter_map(|scope| {
            let (name, actions) = scope.strip_prefix("repository:")?.rsplit_once(':')?;
            let actions: Vec<&str> = actions.split(',').collect();
            Some(json!({"type": "repository", "name": name, "actions": actions}))
        })
        .collect();
    let chain = base64(&signer.certificate);
    let header = json!({"typ": "JWT", "alg": "RS256", "x5c": [chain]});
    let claims = json!({
        "iss": "tests", "sub": USER.0, "aud": "test", "exp": now + 300, "nbf": now - 60, "iat": now,
        "jti": now.to_string(), "access": access,
    });
    let text = format!("{}.{}", base64url(header.to_string()), base64url(claims.to_string()));
    let signature = signer.key.sign(text.as_bytes());
    format!("{text}.{}", base64url(signature))
}
