//! The edges of a pass, as one trait: the real world, and the simulator's.
//!
//! Everything a pass does outside its own memory goes through [`World`]. An implementation answers truthfully or
//! with an error; it decides nothing. All methods may be dropped at any await, as a killed process would.

mod elsewhere;
pub mod real;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;

use crate::forge::ForgeError;
pub use crate::forge::ProposeResult as Opened;
use crate::formats::path::FilePath;
use crate::git::{CommitId, GitError, ProposalBranch, Push, RepoFile, RootFiles, TipLock};
pub use crate::git::{NewCommit, RemoteTips};
use crate::hook::{HookResult, HookRun};
use crate::model::image::{Digest, ImageRef, Repository, TagId, TagName};
use crate::model::settings::publish::Publish;
use crate::model::settings::remote::RemoteSettings;
use crate::model::settings::{Settings, Sign};
use crate::model::state::{Owner, State};
pub use crate::proposal::draft::{ForgeProposal, ProposalDraft, ProposalState};
use crate::registry::ResolveError;
use crate::registry::manifest::{Descriptor, VerifiedManifest};

/// What is going on, for somebody who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many of so many images were asked for.
    Imports {
        /// Answered.
        done: usize,
        /// To be asked in all.
        of: usize,
    },
    /// A hook has begun.
    Hook,
}

/// Everything a pass touches outside its own memory.
pub trait World {
    /// Asks the remote for the tips of the branch and of the state ref. `branch` is none for the remote's `HEAD`.
    fn look(&self, branch: Option<&str>) -> impl Future<Output = Result<RemoteTips, GitError>>;

    /// The settings, streams and lock of the root at `commit`: `pinstream.toml`, `pinstream.lock`, `streams/**/*.toml`.
    fn read(&self, commit: &CommitId) -> impl Future<Output = Result<RootFiles, GitError>>;

    /// One further file of the root at `commit`; none where it is not there.
    fn file(&self, commit: &CommitId, path: &str) -> impl Future<Output = Result<Option<RepoFile>, GitError>>;

    /// The plain files of the root at `commit` that `patterns` mean.
    fn paths(&self, commit: &CommitId, patterns: &[FilePath]) -> impl Future<Output = Result<Vec<String>, GitError>>;

    /// Of moves to `candidates`, those that people took back in the history of `tip`; none where that is not at hand.
    fn taken_back(
        &self,
        tip: &CommitId,
        candidates: &BTreeMap<TagId, Digest>,
    ) -> impl Future<Output = Result<Option<BTreeSet<TagId>>, GitError>>;

    /// Whether commits can be signed so, before anything is sent.
    fn can_sign(&self, sign: Sign) -> impl Future<Output = Result<(), GitError>>;

    /// Puts one commit on the branch, if its tip is still `change.parent`.
    fn land(&self, branch: &str, change: &NewCommit) -> impl Future<Output = Result<Push<CommitId>, GitError>>;

    /// What stands on the branches of proposals, by their names and tips.
    fn proposed(
        &self,
        branches: &BTreeMap<String, CommitId>,
    ) -> impl Future<Output = Result<BTreeMap<String, ProposalBranch>, GitError>>;

    /// Puts one commit on the branch of a proposal in place of what stands there, if that is still `expected`.
    fn propose(
        &self,
        branch: &str,
        expected: Option<&CommitId>,
        change: &NewCommit,
    ) -> impl Future<Output = Result<Push<CommitId>, GitError>>;

    /// Takes the branch of a proposal away, if it still stands at `expected`.
    fn withdraw(&self, branch: &str, expected: &CommitId) -> impl Future<Output = Result<Push<CommitId>, GitError>>;

    /// The proposals from `branches` into `base` that the forge has, open and closed.
    fn proposals(
        &self,
        publish: &Publish,
        base: &str,
        branches: &[String],
    ) -> impl Future<Output = Result<Vec<ForgeProposal>, ForgeError>>;

    /// Makes a proposal, or writes the words of an open one anew.
    fn open_proposal(
        &self,
        publish: &Publish,
        draft: &ProposalDraft,
        open: Option<&ForgeProposal>,
    ) -> impl Future<Output = Result<Opened, ForgeError>>;

    /// Closes a proposal that has nothing left to propose.
    fn close_proposal(&self, publish: &Publish, open: &ForgeProposal) -> impl Future<Output = Result<(), ForgeError>>;

    /// The state of this root and branch at `commit` of the state ref.
    fn read_state(&self, branch: &str, commit: Option<&CommitId>) -> impl Future<Output = Result<State, GitError>>;

    /// Replaces the state of this root and branch, if the state ref is still at `expected`.
    fn write_state(
        &self,
        branch: &str,
        expected: Option<&CommitId>,
        state: &State,
    ) -> impl Future<Output = Result<Push<CommitId>, GitError>>;

    /// The lock of another repository at the tip of its branch, as its server or folder has it now.
    fn elsewhere(&self, remote: &RemoteSettings) -> impl Future<Output = Result<TipLock, ResolveError>>;

    /// Makes registries known with their settings; `authorities` holds the PEM files that the settings name.
    ///
    /// # Errors
    /// A sentence, where an authority cannot be read.
    fn prepare(&self, settings: &Settings, authorities: &RootFiles) -> Result<(), String>;

    /// Says which repositories the pass will ask for, so that one token serves many.
    fn announce(&self, repositories: &[Repository]);

    /// The tags of a repository, as its registry lists them.
    fn tags(&self, repository: &Repository) -> impl Future<Output = Result<Vec<TagName>, ResolveError>>;

    /// What the image's registry says its digest is: a hint, never to be pinned by itself.
    fn digest(&self, image: &ImageRef) -> impl Future<Output = Result<Digest, ResolveError>>;

    /// A manifest fetched by its digest, hashed and read.
    fn manifest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> impl Future<Output = Result<VerifiedManifest, ResolveError>>;

    /// What refers to a manifest, as its registry lists it: hints, to be fetched by digest. A failure of the kind
    /// "not found" means that the registry has no such lists.
    fn referrers(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> impl Future<Output = Result<Vec<Descriptor>, ResolveError>>;

    /// A small blob, an image's configuration, fetched by its digest and hashed.
    fn blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
    ) -> impl Future<Output = Result<Vec<u8>, ResolveError>>;

    /// Runs a hook to its end.
    fn run_hook(&self, run: &HookRun) -> impl Future<Output = HookResult>;

    /// Who runs this pass.
    fn owner(&self) -> Owner;

    /// Whether `owner` can no longer be running: known only on its own machine.
    fn is_gone(&self, owner: &Owner) -> bool;

    /// Ends what hooks of `owner`, which is gone, left running. `false` where something of it still runs.
    fn end_left_by(&self, owner: &Owner) -> impl Future<Output = bool>;

    /// The time.
    fn now(&self) -> Timestamp;

    /// How long this pass has been running, by a clock that only goes forward.
    fn elapsed(&self) -> Duration;

    /// Waits.
    fn pause(&self, duration: Duration) -> impl Future<Output = ()>;

    /// A number from 0 up to 1, for jitter.
    fn random(&self) -> f64;

    /// What a person should know of the edges themselves, as that the remote takes no state ref.
    fn notes(&self) -> Vec<String>;

    /// Tells somebody who waits.
    fn progress(&self, progress: Progress);
}
