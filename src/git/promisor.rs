//! Objects that a partial clone lacks (git-clone(1), `--filter`): fetched from the promisor remote by the git program, as git
//! itself does, and stored in the clone.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

use git2::{Oid, Repository};

use super::error::shown;
use super::{GitError, git_program};
use crate::system::environment;

/// The time limit of one fetch.
const LIMIT: Duration = Duration::from_secs(5 * 60);
/// The options of the fetch that git runs for missing objects (git, `promisor-remote.c`).
const FETCH: [&str; 9] = [
    "-c",
    "fetch.negotiationAlgorithm=noop",
    "fetch",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
    "--recurse-submodules=no",
    "--filter=blob:none",
    "--stdin",
];

/// The promisor remote of a partial clone.
pub(super) struct Promisor {
    /// The directory of the repository, e.g. `.git`.
    directory: PathBuf,
    remote: String,
    /// The reason of the first failure; nothing is fetched after it.
    failure: RefCell<Option<String>>,
}

impl Promisor {
    /// Reads the promisor remote of a repository; none if it is not a partial clone.
    pub(super) fn of(repository: &Repository) -> Option<Self> {
        let config = repository.config().ok()?.snapshot().ok()?;
        let mut named = None;
        let entries = config.entries(Some(r"^remote\..*\.promisor$")).ok()?;
        let _ = entries.for_each(|entry| {
            let name = entry.name().ok().filter(|name| config.get_bool(name).unwrap_or(false));
            let remote = name.and_then(|name| name.strip_prefix("remote.")?.strip_suffix(".promisor"));
            named = named.take().or_else(|| remote.map(str::to_owned));
        });
        let remote = named.or_else(|| config.get_string("extensions.partialclone").ok())?;
        Some(Self { directory: repository.commondir().to_owned(), remote, failure: RefCell::default() })
    }

    /// Fetches objects and stores them in the clone.
    ///
    /// # Errors
    /// If the remote does not provide them, or an earlier fetch failed.
    pub(super) fn fetch(&self, objects: &[Oid]) -> Result<(), GitError> {
        let mut failure = self.failure.borrow_mut();
        if failure.is_none() {
            *failure = self.run(objects);
        }
        failure.clone().map_or(Ok(()), |reason| Err(GitError::MissingObject(reason)))
    }

    /// Returns why objects could not be fetched, if a fetch failed.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.borrow().clone()
    }

    /// Runs `git fetch`; returns why it failed, if it did.
    fn run(&self, objects: &[Oid]) -> Option<String> {
        let mut program = git_program().inherit().env("GIT_TERMINAL_PROMPT", "0");
        if environment::var("SSH_ASKPASS").is_none() {
            // Nobody is there to answer a question.
            program = program.env("SSH_ASKPASS", "false").env("SSH_ASKPASS_REQUIRE", "force");
        }
        let ids: String = objects.iter().map(|id| format!("{id}\n")).collect();
        let program = program.args(["--git-dir"]).args([self.directory.as_os_str()]).args(FETCH);
        match program.args([&self.remote]).input(ids.as_bytes()).run(LIMIT) {
            Ok(output) if output.success => None,
            Ok(output) => {
                let lines = output.stderr.lines().map(|line| line.trim_start_matches("fatal: ").trim());
                let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
                Some(format!("`git fetch {}` failed: {}", shown(&self.remote), shown(&lines.join("; "))))
            }
            Err(error) => Some(error.to_string()),
        }
    }
}
