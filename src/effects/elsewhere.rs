//! The locks of other repositories, read at the tips of their branches. Nothing there is ever written.
//!
//! Which repositories these are was written by whoever may change the root. So a token of the environment, which is for
//! the remote of the root, goes to no other server, and a folder of this machine is read only where the root is one.

use std::sync::PoisonError;

use crate::git::{self, GitError, Remote, RemoteOrigin, RemoteSetup, TipLock, checkout, credential};
use crate::model::settings::policy::Policy;
use crate::model::settings::remote::RemoteSettings;
use crate::registry::{FailureKind, ResolveError};

use super::real::Repo;
use crate::system::environment;

/// Reads the lock of `remote` on a thread that may block.
pub(super) async fn lock(
    place: &Repo,
    policy: Option<&Policy>,
    remote: &RemoteSettings,
) -> Result<TipLock, ResolveError> {
    if let Some(problem) = policy.and_then(|policy| policy.forbids_remote(&git::display_url(&remote.url))) {
        let error = ResolveError::new(FailureKind::Refused, problem.message);
        return Err(problem.help.into_iter().fold(error, ResolveError::help));
    }
    let origin = git::origin(&remote.url).map_err(failure)?;
    let own = own_origin(place);
    if origin == RemoteOrigin::Directory && matches!(own, Some(RemoteOrigin::Server(_))) {
        let message = format!("`{}` is a folder of this machine, and the remote of this root is a server", remote.url);
        return Err(ResolveError::new(FailureKind::Refused, message).help("name the address that others reach it at"));
    }
    let sources = credential::GitCredentialSources::from_environment();
    let credentials = if own.as_ref() == Some(&origin) { sources } else { sources.without_token() };
    let setup = RemoteSetup {
        url: remote.url.clone(),
        root: remote.root.clone(),
        cache: environment::cache_directory(),
        state: environment::state_directory(),
        checkout: None,
        credentials,
        timeout: git::SILENCE,
    };
    let branch = remote.branch.clone();
    let work = move || Remote::open(setup)?.lock_at_tip(branch.as_deref());
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(GitError::Local(error.to_string()))).map_err(failure)
}

/// Where the remote of the root is: that of the checkout, where files of this machine are worked on.
fn own_origin(place: &Repo) -> Option<RemoteOrigin> {
    let url = match place {
        Repo::Remote { remote, .. } => remote.lock().unwrap_or_else(PoisonError::into_inner).url().to_owned(),
        Repo::Folder(folder) => checkout::discover(&folder.0).ok()??.url?,
    };
    git::origin(&url).ok()
}

fn failure(error: GitError) -> ResolveError {
    let kind = match &error {
        GitError::Unauthorized { .. } => FailureKind::Unauthorized,
        GitError::Untrusted { .. } => FailureKind::Tls,
        GitError::NoBranch { .. } | GitError::Branch { .. } => FailureKind::NotFound,
        GitError::Remote { .. } | GitError::Owner { .. } => FailureKind::Unsupported,
        GitError::Tree { .. } | GitError::Problems(_) | GitError::State(_) | GitError::Signing { .. } => {
            FailureKind::Unsupported
        }
        GitError::Unreachable { .. } | GitError::Refused { .. } | GitError::Failed { .. } | GitError::Local(_) => {
            FailureKind::Network
        }
    };
    let help = match &error {
        GitError::Unauthorized { .. } => Some(
            "`PINSTREAM_GIT_TOKEN` is for the server of this root alone; a credential helper or an SSH key logs in"
                .to_owned(),
        ),
        GitError::NoBranch { .. } => Some("name its branch in `[remote]`".to_owned()),
        error => error.help(),
    };
    let failed = ResolveError::new(kind, error.to_string());
    help.into_iter().fold(failed, ResolveError::help)
}
