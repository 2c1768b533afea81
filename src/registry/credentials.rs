//! Credentials from the files of docker and podman and from credential helpers, bound to host and port.
//!
//! The port that is contacted counts: a credential stored for `r.example` is valid for port 443 with TLS, and no setting
//! of a repository has it sent in clear text to port 80. Nothing is sent here. A `Credential` has no `Debug`, `Display`
//! or `Serialize`. Sources: docker's `config.json`, containers-auth.json(5), docker-credential-helpers.

mod config_file;
mod credential;
mod helper;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::OnceCell;

use super::{FailureKind, Host, RegistrySetupError, ResolveError};
use crate::http::{Secret, quotable};
use crate::system::environment;
use crate::system::lock;
use config_file::{ConfigFile, canonical_host};
pub(super) use credential::Credential;
use helper::HelperError;

/// Largest credential file that is read, in bytes.
const FILE_MAX: u64 = 1 << 20;
/// Time for which a credential is used before its helper runs again: cloud providers issue short-lived ones.
pub(super) const CREDENTIAL_TTL: Duration = Duration::from_secs(15 * 60);

/// Locations of credentials: the values of the variables that docker, podman and GitLab use.
#[derive(Clone, Default)]
pub struct CredentialSources {
    /// `HOME`
    pub home: Option<PathBuf>,
    /// `DOCKER_CONFIG`: the directory of docker's `config.json`.
    pub docker_config: Option<PathBuf>,
    /// `REGISTRY_AUTH_FILE`: podman's file.
    pub registry_auth_file: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`: the directory that contains podman's `containers/auth.json`.
    pub xdg_runtime_dir: Option<PathBuf>,
    /// `DOCKER_AUTH_CONFIG`: the content of a `config.json`.
    pub docker_auth_config: Option<Secret>,
}

impl CredentialSources {
    /// Reads the variables of the process.
    pub fn from_environment() -> Self {
        let path = |name| environment::var(name).map(PathBuf::from);
        Self {
            home: path("HOME"),
            docker_config: path("DOCKER_CONFIG"),
            registry_auth_file: path("REGISTRY_AUTH_FILE"),
            xdg_runtime_dir: path("XDG_RUNTIME_DIR"),
            docker_auth_config: environment::var("DOCKER_AUTH_CONFIG").map(Secret::new),
        }
    }

    /// Lists the files in order of precedence.
    fn files(&self) -> Vec<PathBuf> {
        let docker = self.docker_config.clone().or_else(|| self.home.as_ref().map(|home| home.join(".docker")));
        let runtime = self.xdg_runtime_dir.as_ref().map(|runtime| runtime.join("containers/auth.json"));
        let home = self.home.as_ref().map(|home| home.join(".config/containers/auth.json"));
        let podman = match &self.registry_auth_file {
            Some(file) => vec![file.clone()],
            None => runtime.into_iter().chain(home).collect(),
        };
        podman.into_iter().chain(docker.map(|directory| directory.join("config.json"))).collect()
    }
}

/// Entry that may contain the credential of a repository: a file and a key in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CredentialCandidate {
    /// Index of the file.
    file: usize,
    key: String,
    /// Name of the file.
    pub(super) source: Arc<str>,
}

/// Parsed credential files, and a cache of the credentials read from them. Files are read once.
pub(super) struct CredentialStore {
    files: Vec<ConfigFile>,
    cache: Mutex<HashMap<CredentialCandidate, CachedCredential>>,
    /// Files whose store failed, so that it is reported once.
    failed_stores: Mutex<BTreeSet<usize>>,
    helper_timeout: Duration,
}

struct CachedCredential {
    since: Duration,
    credential: Arc<OnceCell<Result<Option<Arc<Credential>>, ResolveError>>>,
}

impl CredentialStore {
    /// Reads all files of `sources`; missing ones are skipped.
    ///
    /// # Errors
    /// If a file cannot be read or parsed; its text is not shown. A directory, as a container runtime creates it in place of
    /// a missing file, contains no credentials.
    pub(super) fn open(sources: &CredentialSources, helper_timeout: Duration) -> Result<Self, RegistrySetupError> {
        let mut files = Vec::new();
        if let Some(text) = &sources.docker_auth_config {
            files.push(ConfigFile::parse("DOCKER_AUTH_CONFIG".to_owned(), text)?);
        }
        for path in sources.files() {
            let file = path.display().to_string();
            match read_small(&path) {
                Ok(Some(text)) => files.push(ConfigFile::parse(file, &Secret::new(text))?),
                Ok(None) => {}
                Err(reason) if reason.kind() == io::ErrorKind::IsADirectory => {
                    tracing::warn!("no credentials in `{}`: it is a directory", quotable(&file));
                }
                Err(reason) => return Err(RegistrySetupError::CredentialFile { file, reason }),
            }
        }
        Ok(Self { files, cache: Mutex::default(), failed_stores: Mutex::default(), helper_timeout })
    }

    /// Lists the entries for `path` at `host`: the longest path prefix first, then the earlier file.
    pub(super) fn candidates(&self, host: &Host, path: &str) -> Vec<CredentialCandidate> {
        let mut found: Vec<(usize, CredentialCandidate)> = Vec::new();
        for (file, content) in self.files.iter().enumerate() {
            let before = found.len();
            let candidate = |key| CredentialCandidate { file, key, source: Arc::from(content.name.as_str()) };
            for (key, entry) in &content.entries {
                if entry.scope.covers(&host.origin, path) {
                    found.push((entry.scope.path.len(), candidate(key.clone())));
                }
            }
            if content.store.is_some() && found.len() == before {
                found.push((0, candidate(store_key(host))));
            }
        }
        found.sort_by(|(a, x), (b, y)| b.cmp(a).then_with(|| x.cmp(y)));
        found.into_iter().map(|(_, candidate)| candidate).collect()
    }

    /// Returns the credential of `candidate`; none if its entry is empty or broken. Runs its helper at most once per 15
    /// minutes.
    ///
    /// # Errors
    /// If the helper of the entry fails or times out. A failing store, which is meant for all registries, has no credential.
    pub(super) async fn get(
        &self,
        candidate: &CredentialCandidate,
        now: Duration,
    ) -> Result<Option<Arc<Credential>>, ResolveError> {
        let cell = {
            let mut cache = lock(&self.cache);
            let new = || CachedCredential { since: now, credential: Arc::default() };
            let entry = cache.entry(candidate.clone()).or_insert_with(new);
            if now.saturating_sub(entry.since) >= CREDENTIAL_TTL {
                *entry = new();
            }
            Arc::clone(&entry.credential)
        };
        cell.get_or_init(|| self.read(candidate)).await.clone()
    }

    async fn read(&self, candidate: &CredentialCandidate) -> Result<Option<Arc<Credential>>, ResolveError> {
        let file = &self.files[candidate.file];
        let entry = file.entries.get(&candidate.key);
        if let Some(helper) = entry.and_then(|entry| entry.helper.as_ref()) {
            return self.run_helper(candidate, helper).await;
        }
        match entry.map_or(&Ok(None), |entry| &entry.login) {
            Ok(Some(credential)) => Ok(Some(Arc::clone(credential))),
            // With a store, docker leaves an empty entry in the file.
            Ok(None) => match &file.store {
                Some(store) => Ok(self.run_store(candidate, store).await),
                None => Ok(None),
            },
            Err(error) => {
                tracing::warn!("credential for `{}` in `{}` ignored: {error}", quotable(&candidate.key), file.name);
                Ok(None)
            }
        }
    }

    async fn run_store(&self, candidate: &CredentialCandidate, store: &str) -> Option<Arc<Credential>> {
        match self.run_helper(candidate, store).await {
            Ok(found) => found,
            Err(error) => {
                if lock(&self.failed_stores).insert(candidate.file) {
                    tracing::warn!("{}; continuing without its credentials", error.message);
                }
                None
            }
        }
    }

    async fn run_helper(
        &self,
        candidate: &CredentialCandidate,
        helper: &str,
    ) -> Result<Option<Arc<Credential>>, ResolveError> {
        let error = match helper::get(helper, &candidate.key, self.helper_timeout).await {
            Ok(found) => return Ok(found.map(Arc::new)),
            Err(error) => error,
        };
        let program = helper::program(&quotable(helper));
        let (reason, help) = match error {
            HelperError::Missing => (format!("cannot run `{program}`"), "put it on the `PATH`".to_owned()),
            HelperError::Failed(message) if message.is_empty() => {
                (format!("`{program}` failed"), format!("run `{program} get` to see its message"))
            }
            HelperError::Failed(message) => {
                (format!("`{program}` failed: {message}"), format!("run `{program} get` to reproduce it"))
            }
            HelperError::Unreadable => {
                (format!("invalid output of `{program}`"), format!("run `{program} get` to see its output"))
            }
            HelperError::Timeout => (
                format!("`{program}` did not answer within {} s", self.helper_timeout.as_secs_f32()),
                format!("check whether `{program} get` waits for input"),
            ),
        };
        let (key, name) = (quotable(&candidate.key), &self.files[candidate.file].name);
        let message = format!("no credential for `{key}` in `{name}`: {reason}");
        Err(ResolveError::new(FailureKind::Unauthorized, message).help(help))
    }
}

/// Returns the key of `host` in a credential store: its name, with the port unless that is the store's default.
fn store_key(host: &Host) -> String {
    match (canonical_host(host.origin.place.host()), host.origin.place.port(), host.origin.secure) {
        ("docker.io", _, true) => "https://index.docker.io/v1/".to_owned(),
        (name, port, false) if host.name.port().is_none() => format!("{name}:{port}"),
        _ => host.name.as_str().to_owned(),
    }
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
        return Err(io::Error::other("larger than 1 MiB"));
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HttpLimits;
    use crate::model::image::Repository;
    use crate::model::settings::RegistrySettings;

    fn open(config: &str) -> Result<CredentialStore, RegistrySetupError> {
        let sources =
            CredentialSources { docker_auth_config: Some(Secret::new(config)), ..CredentialSources::default() };
        CredentialStore::open(&sources, Duration::from_secs(1))
    }

    #[track_caller]
    fn check(config: &str, image: &str, expected: &[&str]) {
        check_at(config, image, false, expected);
    }

    /// Checks the keys of the candidates for `image`, with or without TLS.
    #[track_caller]
    fn check_at(config: &str, image: &str, plain_http: bool, expected: &[&str]) {
        let store = open(config).unwrap();
        let repository: Repository = image.parse().unwrap();
        let settings = RegistrySettings { plain_http, ..RegistrySettings::default() };
        let host = Host::new(repository.registry(), &settings, &HttpLimits::default()).unwrap();
        let found = store.candidates(&host, repository.path());
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
    fn i16_a_credential_is_bound_to_the_port_that_is_contacted() {
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
            // Never in clear text, whatever the settings of a repository say.
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
    fn i16_the_key_of_a_store_names_the_port_of_a_host_without_tls() {
        let config = r#"{"credsStore": "pass"}"#;
        check_at(config, "r.example/a", true, &["r.example:80"]);
        check_at(config, "docker.io/library/a", true, &["docker.io:80"]);
        check_at(config, "r.example:5000/a", true, &["r.example:5000"]);
    }

    #[test]
    fn a_store_serves_hosts_without_an_entry() {
        let config = r#"{"credsStore": "pass", "credHelpers": {"gcr.io": "gcloud"}, "auths": {}}"#;
        check(config, "gcr.io/a/b", &["gcr.io"]);
        check(config, "quay.io/a/b", &["quay.io"]);
        check(config, "docker.io/a/b", &["https://index.docker.io/v1/"]);
    }

    #[tokio::test]
    async fn r06_a_broken_entry_is_skipped() {
        let store = open(r#"{"auths": {"quay.io/acme": {"auth": "!"}, "quay.io": {"auth": "dTpw"}}}"#).unwrap();
        let host =
            Host::new(&"quay.io".parse().unwrap(), &RegistrySettings::default(), &HttpLimits::default()).unwrap();
        let [broken, good] = store.candidates(&host, "acme/web").try_into().unwrap();
        assert!(store.get(&broken, Duration::ZERO).await.unwrap().is_none());
        let good = store.get(&good, Duration::ZERO).await.unwrap();
        assert!(matches!(good.as_deref(), Some(Credential::Password { user, .. }) if user == "u"));
    }

    #[test]
    fn r18_a_directory_in_place_of_a_file_and_null_are_no_credentials() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("config.json")).unwrap();
        let docker_config = Some(folder.path().to_owned());
        let sources = CredentialSources { docker_config, ..CredentialSources::default() };
        assert!(CredentialStore::open(&sources, Duration::from_secs(1)).is_ok_and(|store| store.files.is_empty()));
        check(r#"{"auths": null}"#, "quay.io/a/b", &[]);
    }

    #[test]
    fn t22_a_broken_file_is_named_and_not_quoted() {
        let error = open("{\"auths\": canary}").err().unwrap();
        assert_eq!(error.to_string(), "`DOCKER_AUTH_CONFIG` is not a docker configuration: line 1, column 11");
    }
}
