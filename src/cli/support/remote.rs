//! The remote that a command works on: named by `--remote`, else that of the checkout.

use crate::git::checkout::{self, Checkout};
use crate::git::{self, GitError, RemoteSetup};
use crate::system::environment;

use crate::cli::{CliError, CommandContext};

/// Finds the checkout that contains the current directory.
///
/// # Errors
/// If it belongs to another user; with `--remote`, that does not matter.
pub fn checkout(context: &CommandContext, remote: Option<&str>) -> Result<Option<Checkout>, CliError> {
    match checkout::discover(&context.directory) {
        Err(GitError::Owner { .. } | GitError::Format { .. }) if remote.is_some() => Ok(None),
        found => Ok(found?),
    }
}

/// Builds the setup of the remote for the root in the directory `root` of the repository.
///
/// # Errors
/// If no remote is named and the checkout has none.
pub fn setup(remote: Option<&str>, root: &str, checkout: Option<&Checkout>) -> Result<RemoteSetup, CliError> {
    let of_checkout = || checkout.and_then(|checkout| checkout.url.clone());
    let url = remote.map(str::to_owned).or_else(of_checkout).ok_or_else(|| {
        CliError::usage("no remote: the current directory is not in a checkout with a remote")
            .help("name one with `--remote URL`")
    })?;
    Ok(RemoteSetup {
        url,
        root: root.to_owned(),
        cache: Some(environment::cache_directory()),
        state: environment::state_directory(),
        checkout: checkout.map(|checkout| checkout.directory.clone()),
        credentials: git::credential::GitCredentialSources::from_environment(),
        timeout: git::SILENCE,
    })
}
