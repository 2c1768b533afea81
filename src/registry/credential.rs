//! Credentials: where docker, podman and GitLab keep them, bound to the host and port they were stored for.
//!
//! Nothing here is sent anywhere, and no credential can be printed: [`Secret`] and `Credential` have no `Debug`,
//! `Display` or `Serialize`. Sources: docker's `config.json`, containers-auth.json(5), docker-credential-helpers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential};
use serde::Deserialize;
use tokio::sync::OnceCell;

use super::text::plain;
use super::{FailureKind, ImportError};
use crate::image::RegistryHost;
use crate::world::environment;

/// The largest credential file that is read, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// A text that is never shown.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes a text out of sight.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one who sends it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

/// What a registry or its token server is shown.
pub(super) enum Credential {
    /// A user with a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token that buys tokens (`identitytoken`).
    Identity(Secret),
}

/// Where credentials are looked for: the values of the variables that docker, podman and GitLab know.
#[derive(Clone, Default)]
pub struct Sources {
    /// `HOME`
    pub home: Option<PathBuf>,
    /// `DOCKER_CONFIG`: the folder of docker's `config.json`.
    pub docker_config: Option<PathBuf>,
    /// `REGISTRY_AUTH_FILE`: podman's file.
    pub registry_auth_file: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`: the folder above podman's `containers/auth.json`.
    pub xdg_runtime_dir: Option<PathBuf>,
    /// `DOCKER_AUTH_CONFIG`: the text of a `config.json` itself.
    pub docker_auth_config: Option<Secret>,
}

impl Sources {
    /// The sources that the environment of the process names.
    pub fn from_environment() -> Self {
        let path = |name| environment::var(name).map(PathBuf::from);
        Self {
            home: path("HOME"),
            docker_config: path("DOCKER_CONFIG"),
            registry_auth_file: path("REGISTRY_AUTH_FILE"),
            xdg_runtime_dir: path("XDG_RUNTIME_DIR"),
            docker_auth_config: environment::var("DOCKER_AUTH_CONFIG").map(Secret),
        }
    }

    /// The files, the first having the first word.
    fn files(&self) -> Vec<PathBuf> {
        let docker = self.docker_config.clone().or_else(|| self.home.as_ref().map(|home| home.join(".docker")));
        let podman = self.registry_auth_file.clone().map_or_else(
            || {
                let runtime = self.xdg_runtime_dir.as_ref().map(|folder| folder.join("containers/auth.json"));
                let home = self.home.as_ref().map(|home| home.join(".config/containers/auth.json"));
                runtime.into_iter().chain(home).collect()
            },
            |file| vec![file],
        );
        podman.into_iter().chain(docker.map(|folder| folder.join("config.json"))).collect()
    }
}

/// One entry that may hold the credential of a repository: a file of the store and a key of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Candidate {
    file: usize,
    key: String,
}

/// One credential once it is asked for: none where the entry turned out empty.
type Found = Arc<OnceCell<Result<Option<Arc<Credential>>, ImportError>>>;

/// All credential files, read once, and what helpers said so far.
pub(super) struct Store {
    files: Vec<File>,
    found: Mutex<HashMap<Candidate, Found>>,
    /// How long a helper may take.
    patience: Duration,
}

struct File {
    /// As messages name it.
    name: String,
    text: Arc<Secret>,
    /// Key as written, with the host and path it stands for.
    keys: Vec<(String, Bound)>,
    /// Whether a helper is asked for hosts that have no entry (`credsStore`).
    has_store: bool,
}

/// What a key of a file is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    /// `host[:port]`
    host: String,
    /// The path prefix; may be empty.
    path: String,
}

/// The keys of a `config.json`; the values are read by `docker_credential`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keys {
    #[serde(default)]
    auths: BTreeMap<String, serde::de::IgnoredAny>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, serde::de::IgnoredAny>,
    creds_store: Option<String>,
}

impl Store {
    /// Reads all files of `sources`; a missing one means anonymous.
    ///
    /// # Errors
    /// A sentence that names the file that cannot be read, without any of its text.
    pub(super) fn open(sources: &Sources, patience: Duration) -> Result<Self, String> {
        let mut files = Vec::new();
        if let Some(text) = &sources.docker_auth_config {
            files.push(File::read("DOCKER_AUTH_CONFIG".to_owned(), text.clone())?);
        }
        for path in sources.files() {
            let name = path.display().to_string();
            if let Some(text) = read_small(&path).map_err(|error| format!("`{name}` cannot be read: {error}"))? {
                files.push(File::read(name, Secret(text))?);
            }
        }
        Ok(Self { files, found: Mutex::default(), patience })
    }

    /// The entries for `repository`, the best first: the longest path prefix, then the earlier file.
    pub(super) fn candidates(&self, registry: &RegistryHost, path: &str) -> Vec<Candidate> {
        let host = usual_host(registry.as_str());
        let mut found: Vec<(usize, Candidate)> = Vec::new();
        for (file, content) in self.files.iter().enumerate() {
            let mut matched = false;
            for (key, bound) in &content.keys {
                if bound.host == host && covers(&bound.path, path) {
                    matched = true;
                    found.push((bound.path.len(), Candidate { file, key: key.clone() }));
                }
            }
            if content.has_store && !matched {
                let key = if host == "docker.io" { "https://index.docker.io/v1/" } else { registry.as_str() };
                found.push((0, Candidate { file, key: key.to_owned() }));
            }
        }
        found.sort_by(|(a, x), (b, y)| b.cmp(a).then_with(|| x.cmp(y)));
        found.into_iter().map(|(_, candidate)| candidate).collect()
    }

    /// The credential of `candidate`, asking its helper at most once.
    ///
    /// # Errors
    /// Where a helper fails or takes too long, or an entry cannot be decoded.
    pub(super) async fn get(&self, candidate: &Candidate) -> Result<Option<Arc<Credential>>, ImportError> {
        let cell = {
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(found.entry(candidate.clone()).or_default())
        };
        cell.get_or_init(|| self.retrieve(candidate)).await.clone()
    }

    async fn retrieve(&self, candidate: &Candidate) -> Result<Option<Arc<Credential>>, ImportError> {
        let file = &self.files[candidate.file];
        let (text, key) = (Arc::clone(&file.text), candidate.key.clone());
        let (send, receive) = tokio::sync::oneshot::channel();
        // A thread of its own: a helper that hangs must not hold up the end of the runtime.
        let asked = std::thread::Builder::new().name("credential".to_owned()).spawn(move || {
            let found = docker_credential::get_credential_from_reader(text.reveal().as_bytes(), &key);
            // Nobody waits any more where the time was up; there is nothing to tell then.
            drop(send.send(found));
        });
        let failed = |what: &str| {
            ImportError::new(
                FailureKind::Unauthorized,
                format!("the credential for `{}` in `{}` {what}", plain(&candidate.key), file.name),
            )
        };
        asked.map_err(|error| failed(&format!("cannot be asked for: {error}")))?;
        let found = match tokio::time::timeout(self.patience, receive).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) => return Err(failed("was not handed out: its helper failed")),
            Err(_) => {
                let help = "see whether `docker-credential-… get` waits for a person";
                let seconds = self.patience.as_secs_f32();
                return Err(failed(&format!("was not handed out by its helper within {seconds} s")).help(help));
            }
        };
        match found {
            Ok(DockerCredential::UsernamePassword(user, password)) if user.is_empty() && password.is_empty() => {
                Ok(None)
            }
            Ok(DockerCredential::UsernamePassword(user, password)) => {
                Ok(Some(Arc::new(Credential::Password { user, password: Secret(password) })))
            }
            Ok(DockerCredential::IdentityToken(token)) => Ok(Some(Arc::new(Credential::Identity(Secret(token))))),
            Err(CredentialRetrievalError::NoCredentialConfigured | CredentialRetrievalError::ConfigNotFound) => {
                Ok(None)
            }
            // Helpers say in words alone that they have nothing (docker-credential-helpers, `errCredentialsNotFound`).
            Err(CredentialRetrievalError::HelperFailure { stdout, .. }) if stdout.contains("not found") => Ok(None),
            Err(CredentialRetrievalError::HelperFailure { helper, .. }) => {
                Err(failed(&format!("was not handed out: `{}` failed", plain(&helper))))
            }
            Err(CredentialRetrievalError::HelperCommunicationError) => {
                Err(failed("was not handed out: its helper cannot be run")
                    .help("put the `docker-credential-…` program it names on the `PATH`"))
            }
            Err(CredentialRetrievalError::MalformedHelperResponse) => {
                Err(failed("was not handed out: its helper's answer cannot be read"))
            }
            Err(
                CredentialRetrievalError::CredentialDecodingError
                | CredentialRetrievalError::CredentialMismatchError
                | CredentialRetrievalError::ConfigReadError,
            ) => Err(failed("cannot be decoded")),
        }
    }

    /// Groups `repositories` of one registry by the credentials that they would be asked for with.
    pub(super) fn group<'a>(
        &self,
        registry: &RegistryHost,
        paths: impl Iterator<Item = &'a str>,
    ) -> BTreeMap<Vec<Candidate>, BTreeSet<&'a str>> {
        let mut groups: BTreeMap<Vec<Candidate>, BTreeSet<&str>> = BTreeMap::new();
        for path in paths {
            groups.entry(self.candidates(registry, path)).or_default().insert(path);
        }
        groups
    }
}

impl File {
    fn read(name: String, text: Secret) -> Result<Self, String> {
        // The error of the parser may quote the file, so only its place is told.
        let keys: Keys = serde_json::from_str(text.reveal()).map_err(|error| {
            format!("`{name}` is not a docker configuration: line {}, column {}", error.line(), error.column())
        })?;
        let mut written: BTreeSet<String> = keys.auths.into_keys().collect();
        written.extend(keys.cred_helpers.into_keys());
        let keys_bound = written.into_iter().map(|key| (bound(&key), key)).map(|(bound, key)| (key, bound)).collect();
        let has_store = keys.creds_store.is_some_and(|store| !store.is_empty());
        Ok(Self { name, text: Arc::new(text), keys: keys_bound, has_store })
    }
}

/// What `key` is bound to: `host[:port][/path]`, or the URL that `docker login` writes.
fn bound(key: &str) -> Bound {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    let (host, path) = rest.unwrap_or(key).split_once('/').unwrap_or((rest.unwrap_or(key), ""));
    let path = path.trim_end_matches('/');
    let path = if rest.is_some() && matches!(path, "v1" | "v2") { "" } else { path };
    Bound { host: usual_host(host), path: path.to_owned() }
}

/// `host` in lower case, without the port that goes without saying, and `docker.io` by its one name.
fn usual_host(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix(":443").unwrap_or(&host);
    match host {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        other => other.to_owned(),
    }
}

/// Whether `prefix` is `path` or whole components of its beginning.
fn covers(prefix: &str, path: &str) -> bool {
    prefix.is_empty() || path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn read_small(path: &Path) -> io::Result<Option<String>> {
    use io::Read as _;
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(FILE_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_MAX {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Repository;

    #[track_caller]
    fn check(config: &str, image: &str, expected: &[&str]) {
        let sources = Sources { docker_auth_config: Some(Secret::new(config)), ..Sources::default() };
        let store = Store::open(&sources, Duration::from_secs(1)).unwrap();
        let repository: Repository = image.parse().unwrap();
        let found = store.candidates(repository.registry(), repository.path());
        assert_eq!(found.iter().map(|found| found.key.as_str()).collect::<Vec<_>>(), expected, "{image}");
    }

    #[test]
    fn the_longest_path_comes_first_and_no_other_port_matches() {
        let config = r#"{"auths": {
            "quay.io": {}, "quay.io/acme": {}, "quay.io/acme/web": {}, "quay.io/ac": {},
            "r.example:5000": {}, "https://r.example/v2/": {}, "https://index.docker.io/v1/": {}, "docker.io/acme": {}
        }}"#;
        check(config, "quay.io/acme/web", &["quay.io/acme/web", "quay.io/acme", "quay.io"]);
        check(config, "quay.io/acme/webby", &["quay.io/acme", "quay.io"]);
        check(config, "r.example:5000/a", &["r.example:5000"]);
        check(config, "r.example/a", &["https://r.example/v2/"]);
        check(config, "r.example:443/a", &["https://r.example/v2/"]);
        check(config, "r.example:5001/a", &[]);
        check(config, "evil.example/quay.io", &[]);
        check(config, "docker.io/acme/a", &["docker.io/acme", "https://index.docker.io/v1/"]);
        check(config, "docker.io/library/python", &["https://index.docker.io/v1/"]);
    }

    #[test]
    fn a_store_is_asked_for_hosts_that_have_no_entry() {
        let config = r#"{"credsStore": "pass", "credHelpers": {"gcr.io": "gcloud"}, "auths": {}}"#;
        check(config, "gcr.io/a/b", &["gcr.io"]);
        check(config, "quay.io/a/b", &["quay.io"]);
        check(config, "docker.io/a/b", &["https://index.docker.io/v1/"]);
    }

    #[test]
    fn t22_a_broken_file_is_named_and_not_quoted() {
        let sources = Sources { docker_auth_config: Some(Secret::new("{\"auths\": canary}")), ..Sources::default() };
        let error = Store::open(&sources, Duration::from_secs(1)).err().unwrap();
        assert_eq!(error, "`DOCKER_AUTH_CONFIG` is not a docker configuration: line 1, column 11");
    }
}
