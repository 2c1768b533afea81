//! Reads the locks of other repositories at their branch tips; never writes to them.
//!
//! Anyone who can change the root can name a repository here. The Git token of the environment is therefore sent only to
//! the server of the root's own remote, and local paths are read only if the root's remote is local too.

use crate::git::{self, GitError, RemoteHandle, RemoteOrigin, RemoteSetup, TipLock, checkout, credential};
use crate::model::settings::policy::Policy;
use crate::model::settings::remote::RemoteSettings;
use crate::registry::{FailureKind, ResolveError};

use super::repo::Repo;
use crate::system::environment;
use crate::system::thread;

/// Reads the lock of `remote` on a thread for blocking calls.
pub(super) async fn read(
    repo: &Repo,
    policy: Option<&Policy>,
    remote: &RemoteSettings,
) -> Result<TipLock, ResolveError> {
    if let Some(problem) = policy.and_then(|policy| policy.forbids_remote(&git::display_url(&remote.url))) {
        let error = ResolveError::refused(problem.message);
        return Err(problem.help.into_iter().fold(error, ResolveError::help));
    }
    let origin = git::origin(&remote.url).map_err(failure)?;
    let own = own_origin(repo);
    if origin == RemoteOrigin::Directory && matches!(own, Some(RemoteOrigin::Server(_))) {
        let message = format!("`{}` is a local path, but the remote of this root is a server", remote.url);
        return Err(ResolveError::refused(message).help("use the URL of that repository's server"));
    }
    let sources = credential::GitCredentialSources::from_environment();
    let credentials = if own.as_ref() == Some(&origin) { sources } else { sources.without_token() };
    let setup = RemoteSetup {
        url: remote.url.clone(),
        root: remote.root.clone(),
        cache: Some(environment::cache_directory()),
        state: environment::state_directory(),
        checkout: None,
        credentials,
        timeout: git::SILENCE,
    };
    let branch = remote.branch.clone();
    let work = move || RemoteHandle::open(setup)?.call(move |remote| remote.lock_at_tip(branch.as_deref()));
    let done = thread::run_blocking(work).await;
    done.unwrap_or_else(|error| Err(GitError::Machine(error.to_string()))).map_err(failure)
}

/// Returns the origin of the root's remote; for a work tree, of its checkout's remote.
fn own_origin(repo: &Repo) -> Option<RemoteOrigin> {
    let url = match repo {
        Repo::Remote { remote, .. } => remote.url().to_owned(),
        Repo::WorkTree(tree) => checkout::discover(&tree.0).ok()??.url?,
    };
    git::origin(&url).ok()
}

fn failure(error: GitError) -> ResolveError {
    let kind = match &error {
        GitError::Unauthorized { .. } => FailureKind::Unauthorized,
        GitError::Untrusted { .. } => FailureKind::Tls,
        GitError::NoBranch { .. } | GitError::Branch { .. } => FailureKind::NotFound,
        GitError::Remote { .. } | GitError::Owner { .. } => FailureKind::Unsupported,
        GitError::Tree { .. }
        | GitError::LeftOut { .. }
        | GitError::LfsPointer { .. }
        | GitError::Format { .. }
        | GitError::Problems(_)
        | GitError::State(_)
        | GitError::StateRef { .. }
        | GitError::Signing { .. } => FailureKind::Unsupported,
        GitError::Unreachable { .. }
        | GitError::Refused { .. }
        | GitError::Failed { .. }
        | GitError::MissingObject(_)
        | GitError::DiskFull { .. }
        | GitError::Local(_)
        | GitError::Machine(_) => FailureKind::Network,
    };
    let help = match &error {
        GitError::Unauthorized { .. } => Some(
            "`PINSTREAM_GIT_TOKEN` is sent to the server of this root only; use a credential helper or an SSH key"
                .to_owned(),
        ),
        GitError::NoBranch { .. } => Some("set its branch in the `[remote]` table".to_owned()),
        error => error.help(),
    };
    let failed = ResolveError::new(kind, error.to_string());
    help.into_iter().fold(failed, ResolveError::help)
}
