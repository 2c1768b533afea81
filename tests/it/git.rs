//! Git operations against real remotes: a directory, `git daemon`, `git http-backend` and `sshd`.

mod cache;
mod checkout;
pub(crate) mod damaged;
mod hostile;
mod login;
mod proposed;
mod push;
mod refusal;
mod state;
mod story;
mod trust;

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use pinstream::git::credential::GitCredentialSources;
use pinstream::git::{CommitId, NewCommit, Remote, RemoteSetup, RootFiles};
use pinstream::http::Secret;
use pinstream::model::settings::Author;
use tempfile::TempDir;

/// A machine with its own cache and state for one remote.
pub(crate) struct Machine {
    folder: TempDir,
    url: String,
    pub(crate) root: String,
    pub(crate) checkout: Option<PathBuf>,
    pub(crate) credentials: GitCredentialSources,
    pub(crate) timeout: Duration,
}

impl Machine {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            folder,
            url: url.into(),
            root: String::new(),
            checkout: None,
            credentials: GitCredentialSources::default(),
            timeout: Duration::from_secs(20),
        }
    }

    pub(crate) fn token(mut self, user: &str, token: &str) -> Self {
        self.credentials.token = Some(Secret::new(token.to_owned()));
        self.credentials.username = Some(user.to_owned());
        self
    }

    /// Returns the directory of its caches.
    pub(crate) fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// Opens the remote as a new process does.
    pub(crate) fn open(&self) -> Remote {
        Remote::open(self.setup()).unwrap()
    }

    pub(crate) fn setup(&self) -> RemoteSetup {
        RemoteSetup {
            url: self.url.clone(),
            root: self.root.clone(),
            cache: Some(self.cache()),
            state: self.folder.path().join("state"),
            checkout: self.checkout.clone(),
            credentials: self.credentials.clone(),
            timeout: self.timeout,
        }
    }
}

/// Returns the time of every commit.
pub(crate) fn now() -> Timestamp {
    "2026-01-02T12:00:00Z".parse().unwrap()
}

/// Creates a commit that changes the lock.
pub(crate) fn change(parent: &CommitId, lock: &str) -> NewCommit {
    let author = Author { name: "pinstream".to_owned(), email: "pinstream@localhost".to_owned() };
    NewCommit {
        parent: parent.clone(),
        lock: lock.to_owned(),
        files: RootFiles::new(),
        message: format!("Pin {lock}"),
        author,
        sign: None,
        made: None,
    }
}

/// Converts a list to files of a root.
pub(crate) fn files(list: &[(&str, &str)]) -> RootFiles {
    list.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
}
