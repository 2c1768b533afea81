//! Credentials: where docker, podman and GitLab keep them, bound to the host and port they were stored for.
//!
//! What counts is the port that is really spoken to: a credential stored for `r.example` is for port 443 with TLS, and
//! no setting of a repository has it sent in the clear to port 80.
//!
//! Nothing here is sent anywhere, and no credential can be printed: [`Secret`] and `Credential` have no `Debug`,
//! `Display` or `Serialize`. Sources: docker's `config.json`, containers-auth.json(5), docker-credential-helpers.

mod helper;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential};
use serde::Deserialize;
use tokio::sync::OnceCell;
use url::Url;

use super::origin::UrlOrigin;
use super::text::plain;
use super::{FailureKind, ResolveError};
use crate::model::image::RegistryHost;
use crate::system::environment;
use helper::HelperError;

/// The largest credential file that is read, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// A text that is never shown.
#[derive(Clone)]
pub struct RegistrySecret(String);

impl RegistrySecret {
    /// Takes a text out of sight.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one who sends it.
    pub(crate) fn reveal(&self) -> &str {
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
        password: RegistrySecret,
    },
    /// A token that buys tokens (`identitytoken`).
    Identity(RegistrySecret),
}

/// Where credentials are looked for: the values of the variables that docker, podman and GitLab know.
#[derive(Clone, Default)]
pub struct CredentialSources {
    /// `HOME`
    pub home: Option<PathBuf>,
    /// `DOCKER_CONFIG`: the folder of docker's `config.json`.
    pub docker_config: Option<PathBuf>,
    /// `REGISTRY_AUTH_FILE`: podman's file.
    pub registry_auth_file: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`: the folder above podman's `containers/auth.json`.
    pub xdg_runtime_dir: Option<PathBuf>,
    /// `DOCKER_AUTH_CONFIG`: the text of a `config.json` itself.
    pub docker_auth_config: Option<RegistrySecret>,
}

impl CredentialSources {
    /// The sources that the environment of the process names.
    pub fn from_environment() -> Self {
        let path = |name| environment::var(name).map(PathBuf::from);
        Self {
            home: path("HOME"),
            docker_config: path("DOCKER_CONFIG"),
            registry_auth_file: path("REGISTRY_AUTH_FILE"),
            xdg_runtime_dir: path("XDG_RUNTIME_DIR"),
            docker_auth_config: environment::var("DOCKER_AUTH_CONFIG").map(RegistrySecret),
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
pub(super) struct CredentialCandidate {
    file: usize,
    key: String,
}

/// One credential once it is asked for: none where the entry turned out empty.
type FoundCredential = Arc<OnceCell<Result<Option<Arc<Credential>>, ResolveError>>>;

/// All credential files, read once, and what helpers said so far.
pub(super) struct CredentialStore {
    files: Vec<CredentialFile>,
    found: Mutex<HashMap<CredentialCandidate, FoundCredential>>,
    /// How long a helper may take.
    patience: Duration,
}

struct CredentialFile {
    /// As messages name it.
    name: String,
    entries: BTreeMap<String, AuthEntry>,
    /// The helper that is asked for hosts that have no entry (`credsStore`).
    store: Option<String>,
}

/// What a file says under one key.
struct AuthEntry {
    bound: EntryScope,
    /// The helper that has it (`credHelpers`).
    helper: Option<String>,
    /// A `config.json` that holds this entry alone, so that no other can be taken for it.
    alone: Option<Arc<RegistrySecret>>,
}

/// What a key of a file is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct EntryScope {
    /// The host; `docker.io` by its one name.
    host: String,
    port: u16,
    /// Whether it is for TLS alone.
    is_secure: bool,
    /// The path prefix; may be empty.
    path: String,
}

/// The keys of a `config.json`; the values of `auths` are read by `docker_credential`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfigKeys {
    #[serde(default)]
    auths: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

impl CredentialStore {
    /// Reads all files of `sources`; a missing one means anonymous.
    ///
    /// # Errors
    /// A sentence that names the file that cannot be read, without any of its text.
    pub(super) fn open(sources: &CredentialSources, patience: Duration) -> Result<Self, String> {
        let mut files = Vec::new();
        if let Some(text) = &sources.docker_auth_config {
            files.push(CredentialFile::read("DOCKER_AUTH_CONFIG".to_owned(), text)?);
        }
        for path in sources.files() {
            let name = path.display().to_string();
            if let Some(text) = read_small(&path).map_err(|error| format!("`{name}` cannot be read: {error}"))? {
                files.push(CredentialFile::read(name, &RegistrySecret(text))?);
            }
        }
        Ok(Self { files, found: Mutex::default(), patience })
    }

    /// The entries for `path` of `registry`, which is spoken to at `origin`, the best first: the longest path prefix,
    /// then the earlier file.
    pub(super) fn candidates(
        &self,
        registry: &RegistryHost,
        origin: &UrlOrigin,
        path: &str,
    ) -> Vec<CredentialCandidate> {
        let mut found: Vec<(usize, CredentialCandidate)> = Vec::new();
        for (file, content) in self.files.iter().enumerate() {
            let fits =
                |(_, entry): &(&String, &AuthEntry)| entry.bound.is_for(origin) && covers(&entry.bound.path, path);
            let before = found.len();
            let entries = content.entries.iter().filter(fits);
            found.extend(
                entries.map(|(key, entry)| (entry.bound.path.len(), CredentialCandidate { file, key: key.clone() })),
            );
            if content.store.is_some() && found.len() == before {
                found.push((0, CredentialCandidate { file, key: store_key(registry, origin) }));
            }
        }
        found.sort_by(|(a, x), (b, y)| b.cmp(a).then_with(|| x.cmp(y)));
        found.into_iter().map(|(_, candidate)| candidate).collect()
    }

    /// The credential of `candidate`, asking its helper at most once.
    ///
    /// # Errors
    /// Where a helper fails or takes too long, or an entry cannot be decoded.
    pub(super) async fn get(&self, candidate: &CredentialCandidate) -> Result<Option<Arc<Credential>>, ResolveError> {
        let cell = {
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(found.entry(candidate.clone()).or_default())
        };
        cell.get_or_init(|| self.retrieve(candidate)).await.clone()
    }

    async fn retrieve(&self, candidate: &CredentialCandidate) -> Result<Option<Arc<Credential>>, ResolveError> {
        let file = &self.files[candidate.file];
        let entry = file.entries.get(&candidate.key);
        if let Some(helper) = entry.and_then(|entry| entry.helper.as_ref()) {
            return self.ask_helper(candidate, helper).await;
        }
        let text = entry.and_then(|entry| entry.alone.as_deref()).map_or("{}", RegistrySecret::reveal);
        let found = match docker_credential::get_credential_from_reader(text.as_bytes(), &candidate.key) {
            Ok(DockerCredential::UsernamePassword(user, password)) if user.is_empty() && password.is_empty() => None,
            Ok(DockerCredential::UsernamePassword(user, password)) => {
                Some(Credential::Password { user, password: RegistrySecret(password) })
            }
            Ok(DockerCredential::IdentityToken(token)) => Some(Credential::Identity(RegistrySecret(token))),
            // Where a store is in use, docker leaves an empty entry in the file to remember the host by.
            Err(CredentialRetrievalError::NoCredentialConfigured) => match &file.store {
                Some(store) => return self.ask_helper(candidate, store).await,
                None => None,
            },
            Err(_) => return Err(self.failed(candidate, "cannot be decoded")),
        };
        Ok(found.map(Arc::new))
    }

    async fn ask_helper(
        &self,
        candidate: &CredentialCandidate,
        helper: &str,
    ) -> Result<Option<Arc<Credential>>, ResolveError> {
        let trouble = match helper::ask(helper, &candidate.key, self.patience).await {
            Ok(found) => return Ok(found.map(Arc::new)),
            Err(trouble) => trouble,
        };
        let program = helper::program(&plain(helper));
        let failed = |what: &str| self.failed(candidate, &format!("was not handed out: {what}"));
        Err(match trouble {
            HelperError::Missing => failed(&format!("`{program}` cannot be run")).help("put it on the `PATH`"),
            HelperError::Failed => failed(&format!("`{program}` failed")),
            HelperError::Unreadable => failed(&format!("the answer of `{program}` cannot be read")),
            HelperError::Late => {
                let seconds = self.patience.as_secs_f32();
                failed(&format!("`{program}` did not answer within {seconds} s"))
                    .help(format!("see whether `{program} get` waits for a person"))
            }
        })
    }

    fn failed(&self, candidate: &CredentialCandidate, what: &str) -> ResolveError {
        let name = &self.files[candidate.file].name;
        let message = format!("the credential for `{}` in `{name}` {what}", plain(&candidate.key));
        ResolveError::new(FailureKind::Unauthorized, message)
    }

    /// Groups repositories of one registry by the credentials that they would be asked for with.
    pub(super) fn group<'a>(
        &self,
        registry: &RegistryHost,
        origin: &UrlOrigin,
        paths: impl Iterator<Item = &'a str>,
    ) -> BTreeMap<Vec<CredentialCandidate>, BTreeSet<&'a str>> {
        let mut groups: BTreeMap<Vec<CredentialCandidate>, BTreeSet<&str>> = BTreeMap::new();
        for path in paths {
            groups.entry(self.candidates(registry, origin, path)).or_default().insert(path);
        }
        groups
    }
}

impl CredentialFile {
    fn read(name: String, text: &RegistrySecret) -> Result<Self, String> {
        // The error of the parser may quote the file, so only its place is told.
        let ConfigKeys { mut auths, mut cred_helpers, creds_store } =
            serde_json::from_str(text.reveal()).map_err(|error| {
                format!("`{name}` is not a docker configuration: line {}, column {}", error.line(), error.column())
            })?;
        let keys: BTreeSet<String> = auths.keys().chain(cred_helpers.keys()).cloned().collect();
        let entry = |key: String| {
            let bound = EntryScope::read(&key)?;
            let helper = cred_helpers.remove(&key).filter(|helper| !helper.is_empty());
            let alone = auths.remove(&key).map(|value| serde_json::json!({"auths": {key.as_str(): value}}).to_string());
            Some((key, AuthEntry { bound, helper, alone: alone.map(|text| Arc::new(RegistrySecret(text))) }))
        };
        let entries = keys.into_iter().filter_map(entry).collect();
        Ok(Self { name, entries, store: creds_store.filter(|store| !store.is_empty()) })
    }
}

impl EntryScope {
    /// What `key` is bound to: `host[:port][/path]`, or the URL that `docker login` writes; none where it is neither.
    fn read(key: &str) -> Option<Self> {
        let (scheme, rest) = match (key.strip_prefix("https://"), key.strip_prefix("http://")) {
            (Some(rest), _) => (Some("https"), rest),
            (None, Some(rest)) => (Some("http"), rest),
            (None, None) => (None, key),
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let url = Url::parse(&format!("{}://{host}/", scheme.unwrap_or("https"))).ok()?;
        let origin = UrlOrigin::of(&url)?;
        let path = path.trim_end_matches('/');
        let path = if scheme.is_some() && matches!(path, "v1" | "v2") { "" } else { path };
        Some(Self {
            host: usual_host(origin.place.host()).to_owned(),
            port: origin.place.port(),
            // A port of its own says which server is meant, however that one is spoken to.
            is_secure: scheme == Some("https") || origin.place.port() == 443,
            path: path.to_owned(),
        })
    }

    fn is_for(&self, origin: &UrlOrigin) -> bool {
        let UrlOrigin { secure, place } = origin;
        self.host == usual_host(place.host()) && self.port == place.port() && (*secure || !self.is_secure)
    }
}

/// What a store is asked for: the registry, with its port where that is not the one a store takes for granted.
fn store_key(registry: &RegistryHost, origin: &UrlOrigin) -> String {
    match (usual_host(origin.place.host()), origin.place.port(), origin.secure) {
        ("docker.io", _, true) => "https://index.docker.io/v1/".to_owned(),
        (host, port, false) if registry.port().is_none() => format!("{host}:{port}"),
        _ => registry.as_str().to_owned(),
    }
}

/// `docker.io` by its one name.
fn usual_host(host: &str) -> &str {
    match host {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        other => other,
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
    use crate::model::image::Repository;

    #[track_caller]
    fn check(config: &str, image: &str, expected: &[&str]) {
        check_at(config, image, false, expected);
    }

    /// The keys that are found for `image`, whose registry is spoken to with TLS or without.
    #[track_caller]
    fn check_at(config: &str, image: &str, plain_http: bool, expected: &[&str]) {
        let sources =
            CredentialSources { docker_auth_config: Some(RegistrySecret::new(config)), ..CredentialSources::default() };
        let store = CredentialStore::open(&sources, Duration::from_secs(1)).unwrap();
        let repository: Repository = image.parse().unwrap();
        let origin = UrlOrigin::of_registry(repository.registry(), plain_http).unwrap();
        let found = store.candidates(repository.registry(), &origin, repository.path());
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
    fn i16_a_credential_is_for_the_port_that_is_really_spoken_to() {
        let config = r#"{"auths": {
            "r.example": {}, "s.example:443": {}, "https://t.example": {}, "https://u.example:5000": {},
            "v.example:80": {}, "http://w.example/v2/": {}, "127.0.0.1:5000": {}, "[0::1]:5000": {},
            "https://index.docker.io/v1/": {}
        }}"#;
        for (image, key) in [
            ("r.example/a", "r.example"),
            ("s.example/a", "s.example:443"),
            ("s.example:443/a", "s.example:443"),
            ("t.example/a", "https://t.example"),
            ("u.example:5000/a", "https://u.example:5000"),
            ("registry-1.docker.io/a", "https://index.docker.io/v1/"),
        ] {
            check_at(config, image, false, &[key]);
            // Not in the clear, whatever the settings of a repository say.
            check_at(config, image, true, &[]);
        }
        for (image, key) in [("v.example/a", "v.example:80"), ("w.example/a", "http://w.example/v2/")] {
            check_at(config, image, true, &[key]);
            check_at(config, image, false, &[]);
        }
        for plain_http in [false, true] {
            check_at(config, "127.0.0.1:5000/a", plain_http, &["127.0.0.1:5000"]);
            check_at(config, "[::1]:5000/a", plain_http, &["[0::1]:5000"]);
        }
    }

    #[test]
    fn i16_a_store_is_not_asked_for_a_host_that_is_spoken_to_in_the_clear() {
        let config = r#"{"credsStore": "pass"}"#;
        check_at(config, "r.example/a", true, &["r.example:80"]);
        check_at(config, "docker.io/library/a", true, &["docker.io:80"]);
        check_at(config, "r.example:5000/a", true, &["r.example:5000"]);
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
        let sources = CredentialSources {
            docker_auth_config: Some(RegistrySecret::new("{\"auths\": canary}")),
            ..CredentialSources::default()
        };
        let error = CredentialStore::open(&sources, Duration::from_secs(1)).err().unwrap();
        assert_eq!(error, "`DOCKER_AUTH_CONFIG` is not a docker configuration: line 1, column 11");
    }
}
