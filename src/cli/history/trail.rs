//! The steps that tags made, from the lock in the work tree back through the commits of the checkout.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::git::CommitId;
use crate::git::checkout::{self, LockRevision};
use crate::git::work_tree::WorkTree;
use crate::model::image::{Digest, TagId};
use crate::model::lock::encode::encode;
use crate::model::lock::history::LockVersion;
use crate::model::lock::{Lock, Pin};

use crate::cli::CliError;

/// A tag came to a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrailStep {
    /// The digest.
    pub(crate) digest: Digest,
    /// The pin that it came with; none where only the digest is known, from the pin that came after.
    pub(crate) pin: Option<Pin>,
    /// What the image says its version is.
    pub(crate) version: Option<String>,
    /// The commit that brought it; none where it is not committed, or not known.
    pub(crate) by: Option<TrailCommit>,
}

/// A commit that brought a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrailCommit {
    pub(crate) id: CommitId,
    pub(crate) author: String,
    pub(crate) time: Timestamp,
    pub(crate) proposal: Option<String>,
}

/// The steps of tags, newest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct PinTrail {
    /// Of each tag that was asked for.
    pub(crate) steps: BTreeMap<TagId, Vec<TrailStep>>,
    /// Whether the commits go back to the first.
    pub(crate) complete: bool,
    /// Whether the checkout is a shallow one.
    pub(crate) shallow: bool,
}

/// The steps of `wanted` up to where they are `enough`; `lock` is the one in the work tree, `folder` its root.
pub(crate) fn trail(
    folder: &WorkTree,
    lock: &Lock,
    wanted: &BTreeSet<TagId>,
    enough: impl Fn(&BTreeMap<TagId, Vec<TrailStep>>) -> bool,
) -> Result<PinTrail, CliError> {
    let mut trail =
        PinTrail { steps: wanted.iter().map(|id| (id.clone(), Vec::new())).collect(), ..PinTrail::default() };
    let mut newer = Some((LockVersion::new(encode(lock).as_bytes()), None));
    if let Some(checkout) = checkout::discover(&folder.0)? {
        trail.shallow = checkout.is_shallow();
        // A repository without a commit has no history.
        if checkout.commit("HEAD").is_ok() {
            for older in checkout.lock_history("HEAD", &checkout.prefix)? {
                let LockRevision { commit, author, time, proposal, bytes } = older?;
                let by = Some(TrailCommit { id: commit, author, time, proposal });
                newer = trail.back(newer, LockVersion::new(&bytes), by, wanted);
                if enough(&trail.steps) {
                    return Ok(trail);
                }
            }
            trail.complete = !trail.shallow;
        }
    }
    if let Some((version, by)) = newer {
        let brought = version.introduced(None, |id| wanted.contains(id)).unwrap_or_default();
        trail.take(&version, by, brought);
    }
    trail.remembered();
    Ok(trail)
}

type TrailPoint = Option<(LockVersion, Option<TrailCommit>)>;

impl PinTrail {
    /// Goes back by one version, and gives where the walk stands then. One that cannot be read is passed over: what
    /// changed in it is told of the one after it.
    fn back(
        &mut self,
        newer: TrailPoint,
        older: LockVersion,
        by: Option<TrailCommit>,
        wanted: &BTreeSet<TagId>,
    ) -> TrailPoint {
        let Some((version, brought_by)) = newer else { return Some((older, by)) };
        match version.introduced(Some(&older), |id| wanted.contains(id)) {
            Some(brought) => {
                self.take(&version, brought_by, brought);
                Some((older, by))
            }
            None if version.read().is_some() => Some((version, brought_by)),
            None => Some((older, by)),
        }
    }

    fn take(&mut self, version: &LockVersion, by: Option<TrailCommit>, brought: Vec<(TagId, Pin)>) {
        for (id, pin) in brought {
            let step = TrailStep {
                digest: pin.digest.clone(),
                version: version.version_of(&pin),
                pin: Some(pin),
                by: by.clone(),
            };
            self.steps.entry(id).or_default().push(step);
        }
    }

    /// Adds the digests that pins remember and no commit here brought.
    fn remembered(&mut self) {
        for steps in self.steps.values_mut() {
            let previous: Vec<Digest> =
                steps.iter().filter_map(|step| step.pin.as_ref()).fold(Vec::new(), |mut all: Vec<Digest>, pin| {
                    all.extend(pin.previous.iter().filter(|digest| !all.contains(digest)).cloned().collect::<Vec<_>>());
                    all
                });
            for digest in previous {
                if steps.iter().all(|step| step.digest != digest) {
                    steps.push(TrailStep { digest, pin: None, version: None, by: None });
                }
            }
        }
    }
}
