//! Beside the second step: the locks of other repositories whose tags are followed. One conversation a remote and pass,
//! however many tags follow into it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use futures_util::stream::{self, StreamExt as _};

use crate::effects::World;
use crate::git::{CommitId, TipLock};
use crate::model::image::{Digest, ImageRef, Platform, RemoteName, RemoteTag, TagId};
use crate::model::lock::{Lock, Pin};
use crate::model::root;
use crate::model::settings::Settings;
use crate::model::settings::remote::RemoteSettings;
use crate::registry::{FailureKind, ResolveError};
use crate::report::RemoteRow;
use crate::text::diagnostics::nearest;

/// How many remotes are asked at once.
const IN_FLIGHT: usize = 8;

/// A lock of another repository.
#[derive(Debug)]
struct RemoteLock {
    commit: CommitId,
    lock: Lock,
}

/// The locks that were read, by remote, or why one could not be.
#[derive(Clone, Debug, Default)]
pub struct RemoteLocks(BTreeMap<RemoteName, Result<Rc<RemoteLock>, ResolveError>>);

/// What was read in earlier tries of the same pass.
#[derive(Debug, Default)]
pub struct Consulted(RefCell<BTreeMap<(RemoteName, String), Rc<RemoteLock>>>);

/// Where a tag of another repository stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RemotePin<'a> {
    /// The image.
    pub image: &'a ImageRef,
    /// The digest.
    pub digest: &'a Digest,
    /// The index that `digest` is one platform's child of, and that platform.
    pub of: Option<(&'a Digest, &'a Platform)>,
}

/// Reads the locks of `remotes`, which `settings` name.
pub async fn consult<W: World>(
    world: &W,
    settings: &Settings,
    remotes: BTreeSet<RemoteName>,
    consulted: &Consulted,
) -> RemoteLocks {
    let ask = async |name: RemoteName| {
        let Some(remote) = settings.remotes.get(&name) else { return (name, Err(undefined())) };
        let key = (name.clone(), format!("{remote:?}"));
        if let Some(known) = consulted.0.borrow().get(&key) {
            return (name, Ok(Rc::clone(known)));
        }
        let read = world.elsewhere(remote).await.and_then(|tip| read(remote, tip)).map(Rc::new);
        if let Ok(read) = &read {
            consulted.0.borrow_mut().insert(key, Rc::clone(read));
        }
        (name, read)
    };
    RemoteLocks(stream::iter(remotes).map(ask).buffer_unordered(IN_FLIGHT).collect().await)
}

fn undefined() -> ResolveError {
    ResolveError::new(FailureKind::NotFound, "the settings do not name its remote").help("add it to `pinstream.toml`")
}

fn read(remote: &RemoteSettings, tip: TipLock) -> Result<RemoteLock, ResolveError> {
    let TipLock { commit, bytes } = tip;
    let at = if remote.root.is_empty() { String::new() } else { format!("`{}` of ", remote.root) };
    let bytes = bytes.ok_or_else(|| {
        let message = format!("{at}`{}` has no `pinstream.lock` at {}", remote.url, commit.short());
        ResolveError::new(FailureKind::NotFound, message)
            .help("name the folder of its `pinstream.toml` with `root`, and its branch with `branch`")
    })?;
    let lock = root::decode_lock(&bytes).map_err(|problems| {
        let first = problems.first().map(|problem| format!(": {}", problem.message)).unwrap_or_default();
        let message = format!("the lock of {at}`{}` at {} cannot be read{first}", remote.url, commit.short());
        ResolveError::new(FailureKind::Unsupported, message)
    })?;
    Ok(RemoteLock { commit, lock })
}

impl RemoteLocks {
    /// Where `far` stands.
    ///
    /// # Errors
    /// Where its lock could not be read, or has no such tag.
    pub fn stands(&self, far: &RemoteTag) -> Result<RemotePin<'_>, ResolveError> {
        let unread = || ResolveError::new(FailureKind::Network, format!("the lock of `{}` was not read", far.remote));
        let RemoteLock { lock, commit } =
            &**self.0.get(&far.remote).ok_or_else(unread)?.as_ref().map_err(Clone::clone)?;
        let pin = lock.pins.get(&far.tag).ok_or_else(|| {
            let message = format!("`{}` has no pin of `{}` at {}", far.remote, far.tag, commit.short());
            ResolveError::new(FailureKind::NotFound, message).help(near(lock, &far.tag))
        })?;
        // A follower leaves it to what it follows to say of which index it is a child.
        let of = lock.chain(pin).find_map(|pin| Some((pin.index.as_ref()?, one_platform(pin)?)));
        Ok(RemotePin { image: &pin.image, digest: &pin.digest, of })
    }

    /// What was read, as a report tells it.
    pub fn rows(&self, settings: &Settings) -> Vec<RemoteRow> {
        let row = |(name, read): (&RemoteName, &Result<Rc<RemoteLock>, ResolveError>)| {
            let (commit, url) = (read.as_ref().ok()?.commit.clone(), settings.remotes.get(name)?.url.clone());
            Some(RemoteRow { name: name.clone(), url, commit })
        };
        self.0.iter().filter_map(row).collect()
    }
}

/// The platform of a pin that stands for one.
fn one_platform(pin: &Pin) -> Option<&Platform> {
    match pin.details.platforms.as_slice() {
        [platform] => Some(platform),
        _ => None,
    }
}

/// What may have been meant by a tag that is not there.
fn near(lock: &Lock, tag: &TagId) -> String {
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
