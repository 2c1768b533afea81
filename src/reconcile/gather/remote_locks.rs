//! Reads the locks of other repositories whose tags are followed: once per remote and pass.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};

use crate::effects::{Clock, Registries};
use crate::git::{CommitId, TipLock};
use crate::model::image::{Digest, ImageRef, Platform, RemoteName, RemoteTag, TagId};
use crate::model::lock::{Lock, Pin};
use crate::model::root;
use crate::model::settings::Settings;
use crate::model::settings::remote::RemoteSettings;
use crate::registry::{FailureKind, ResolveError};
use crate::report::RemoteRow;
use crate::text::diagnostics::nearest;

use super::deadline::Deadline;

/// Number of remotes that are read concurrently.
const IN_FLIGHT: usize = 8;

/// The lock of another repository.
#[derive(Debug)]
struct RemoteLock {
    commit: CommitId,
    lock: Lock,
    /// The settings with which it was read.
    remote: RemoteSettings,
}

/// The locks that were read, or why one could not be, by remote.
#[derive(Clone, Debug, Default)]
pub struct RemoteLocks(BTreeMap<RemoteName, Result<Arc<RemoteLock>, ResolveError>>);

/// The pin of a tag in another repository.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RemotePin<'a> {
    /// The image.
    pub image: &'a ImageRef,
    /// The digest.
    pub digest: &'a Digest,
    /// The index that `digest` belongs to, and its platform.
    pub of: Option<(&'a Digest, &'a Platform)>,
}

/// Reads the locks of `remotes` until `deadline`; those that the previous attempt read with the same settings are `known`.
pub async fn read<W: Registries + Clock>(
    world: &W,
    settings: &Settings,
    remotes: BTreeSet<RemoteName>,
    known: &RemoteLocks,
    deadline: Deadline,
) -> RemoteLocks {
    let read = async |name: RemoteName| {
        let Some(remote) = settings.remotes.get(&name) else { return (name, Err(undefined())) };
        let cached = known.0.get(&name).and_then(|lock| lock.as_ref().ok()).filter(|lock| lock.remote == *remote);
        if let Some(lock) = cached {
            return (name, Ok(Arc::clone(lock)));
        }
        let lock = world.remote_lock(remote).await.and_then(|tip| parse(remote, tip)).map(Arc::new);
        (name, lock)
    };
    let mut answers = stream::iter(remotes).map(read).buffer_unordered(IN_FLIGHT);
    let mut locks = BTreeMap::new();
    while let Some((name, lock)) = deadline.next(world, &mut answers).await {
        locks.insert(name, lock);
    }
    RemoteLocks(locks)
}

fn undefined() -> ResolveError {
    ResolveError::new(FailureKind::NotFound, "its remote is not defined")
        .help("add a `[remote]` table to `pinstream.toml`")
}

fn parse(remote: &RemoteSettings, tip: TipLock) -> Result<RemoteLock, ResolveError> {
    let TipLock { commit, bytes } = tip;
    let at = if remote.root.is_empty() { String::new() } else { format!("`{}` of ", remote.root) };
    let bytes = bytes.ok_or_else(|| {
        let message = format!("no `pinstream.lock` in {at}`{}` at {}", remote.url, commit.short());
        ResolveError::new(FailureKind::NotFound, message)
            .help("set `root` to the directory of its `pinstream.toml`, and `branch` to its branch")
    })?;
    let lock = root::decode_lock(&bytes).map_err(|problems| {
        let first = problems.first().map(|problem| format!(": {}", problem.message)).unwrap_or_default();
        let message = format!("invalid lock in {at}`{}` at {}{first}", remote.url, commit.short());
        ResolveError::new(FailureKind::Unsupported, message)
    })?;
    Ok(RemoteLock { commit, lock, remote: remote.clone() })
}

impl RemoteLocks {
    /// Returns whether the lock of a remote was read, successfully or not.
    pub fn is_read(&self, remote: &RemoteName) -> bool {
        self.0.contains_key(remote)
    }

    /// Returns the pin of `tag`.
    ///
    /// # Errors
    /// The lock could not be read, or does not have the tag.
    pub fn pin(&self, tag: &RemoteTag) -> Result<RemotePin<'_>, ResolveError> {
        let unread = || ResolveError::new(FailureKind::Network, format!("the lock of `{}` was not read", tag.remote));
        let found = self.0.get(&tag.remote).ok_or_else(unread)?.as_ref().map_err(Clone::clone)?;
        let RemoteLock { lock, commit, .. } = &**found;
        let pin = lock.pins.get(&tag.tag).ok_or_else(|| {
            let message = format!("`{}` has no pin for `{}` at {}", tag.remote, tag.tag, commit.short());
            ResolveError::new(FailureKind::NotFound, message).help(suggestion(lock, &tag.tag))
        })?;
        // Only the pin at the end of a chain of followers names the index.
        let of = lock.chain(pin).find_map(|pin| Some((pin.index.as_ref()?, single_platform(pin)?)));
        Ok(RemotePin { image: &pin.image, digest: &pin.digest, of })
    }

    /// Returns the locks that were read, as rows of a report.
    pub fn rows(&self, settings: &Settings) -> Vec<RemoteRow> {
        let row = |(name, lock): (&RemoteName, &Result<Arc<RemoteLock>, ResolveError>)| {
            let (commit, url) = (lock.as_ref().ok()?.commit.clone(), settings.remotes.get(name)?.url.clone());
            Some(RemoteRow { name: name.clone(), url, commit })
        };
        self.0.iter().filter_map(row).collect()
    }
}

fn single_platform(pin: &Pin) -> Option<&Platform> {
    match pin.details.platforms.as_slice() {
        [platform] => Some(platform),
        _ => None,
    }
}

/// Suggests a tag of `lock` in place of one that does not exist.
fn suggestion(lock: &Lock, tag: &TagId) -> String {
    let names: Vec<String> = lock.pins.keys().map(ToString::to_string).collect();
    match nearest(&tag.to_string(), names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let of_stream = || lock.pins.keys().filter(|id| id.stream == tag.stream);
            let some: Vec<String> = of_stream().take(5).map(|id| format!("`{id}`")).collect();
            match some.is_empty() {
                true => format!("there is no stream `{}`", tag.stream),
                false => format!("the stream `{}` has {}", tag.stream, some.join(", ")),
            }
        }
    }
}
