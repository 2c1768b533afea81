//! The effects of a pass, as five traits: implemented by the real world and by the simulator.
//!
//! Everything that a pass does outside its own memory goes through them. An implementation reports results and errors
//! as they are and decides nothing. Every future may be dropped at any await, as when the process is killed.

pub mod real;
mod remote_lock;
pub mod repo;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;

use crate::forge::ForgeError;
pub use crate::forge::ProposeResult;
use crate::formats::path::FilePath;
use crate::git::{CommitId, GitError, ProposalBranch, Push, RepoFile, RootFiles, TipLock};
pub use crate::git::{HistoryFacts, HistoryQuery, NewCommit, RemoteTips};
use crate::hook::{HookResult, HookRun};
use crate::model::image::{Digest, ImageRef, Repository, TagName};
use crate::model::settings::publish::Publish;
use crate::model::settings::remote::RemoteSettings;
use crate::model::settings::{Settings, Sign};
use crate::model::state::{Owner, State};
pub use crate::proposal::draft::{ForgeProposal, ProposalDraft, ProposalState};
use crate::registry::ResolveError;
use crate::registry::manifest::{Descriptor, VerifiedManifest};

/// Progress of a pass, for a person who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Images resolved so far.
    Resolving {
        /// Completed queries.
        done: usize,
        /// All queries of the pass.
        of: usize,
    },
    /// A hook started.
    Hook,
}

/// One compare-and-swap on the remote.
#[derive(Clone, Copy, Debug)]
pub enum RefUpdate<'a> {
    /// Adds a commit to a branch whose tip is still the commit's parent.
    Branch {
        /// Short name of the branch.
        branch: &'a str,
        /// The commit to add.
        commit: &'a NewCommit,
    },
    /// Replaces the branch of a proposal.
    Proposal {
        /// Short name of the branch.
        branch: &'a str,
        /// Tip that the branch must still have; `None` if it must not exist.
        expected: Option<&'a CommitId>,
        /// The commit that replaces it; `None` deletes the branch.
        commit: Option<&'a NewCommit>,
    },
    /// Replaces the state of this root and branch.
    State {
        /// Branch that the state belongs to.
        branch: &'a str,
        /// Commit that the state ref must still have; `None` if it must not exist.
        expected: Option<&'a CommitId>,
        /// The new state.
        state: &'a State,
    },
}

/// The Git remote of a root, or its work tree.
pub trait Git {
    /// Reads the tips of the branch, the state ref and the proposal branches. Without `branch`: of the remote's `HEAD`.
    fn tips(&self, branch: Option<&str>) -> impl Future<Output = Result<RemoteTips, GitError>>;

    /// Reads `pinstream.toml`, `pinstream.lock` and `streams/**/*.toml` of the root at `commit`.
    fn root_files(&self, commit: &CommitId) -> impl Future<Output = Result<RootFiles, GitError>>;

    /// Reads one further file of the root at `commit`; `None` if it does not exist.
    fn file(&self, commit: &CommitId, path: &str) -> impl Future<Output = Result<Option<RepoFile>, GitError>>;

    /// Lists the regular files of the root at `commit` that match one of `patterns`.
    fn paths(&self, commit: &CommitId, patterns: &[FilePath]) -> impl Future<Output = Result<Vec<String>, GitError>>;

    /// Answers a question about the history of `tip`.
    fn history(&self, tip: &CommitId, query: &HistoryQuery) -> impl Future<Output = Result<HistoryFacts, GitError>>;

    /// Reads the commits at the tips of proposal branches.
    fn proposal_branches(
        &self,
        branches: &BTreeMap<String, CommitId>,
    ) -> impl Future<Output = Result<BTreeMap<String, ProposalBranch>, GitError>>;

    /// Reads the state of this root and branch at `commit` of the state ref.
    fn read_state(&self, branch: &str, commit: Option<&CommitId>) -> impl Future<Output = Result<State, GitError>>;

    /// Pushes one update by compare-and-swap, never forced.
    fn push(&self, update: RefUpdate<'_>) -> impl Future<Output = Result<Push<CommitId>, GitError>>;
}

/// Registries, and the locks of other repositories.
pub trait Registries {
    /// Configures the registries; `authorities` holds the PEM files that the settings name.
    ///
    /// # Errors
    /// A certificate cannot be read, or a setting cannot be applied.
    fn prepare(&self, settings: &Settings, authorities: &RootFiles) -> Result<(), String>;

    /// Announces the repositories that will be queried, so that one token request covers many.
    fn announce(&self, repositories: &[Repository]);

    /// Lists the tags of a repository.
    fn tags(&self, repository: &Repository) -> impl Future<Output = Result<Vec<TagName>, ResolveError>>;

    /// Resolves a tag with one HEAD. The digest is a hint and is never pinned by itself.
    fn digest(&self, image: &ImageRef) -> impl Future<Output = Result<Digest, ResolveError>>;

    /// Fetches a manifest by digest, hashes and parses it.
    fn manifest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> impl Future<Output = Result<VerifiedManifest, ResolveError>>;

    /// Lists the referrers of a manifest: hints, to be fetched by digest. `NotFound` means that the registry does not
    /// implement the referrers API (OCI Distribution 1.1).
    fn referrers(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> impl Future<Output = Result<Vec<Descriptor>, ResolveError>>;

    /// Fetches a small blob, such as an image configuration, by digest and hashes it.
    fn blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
    ) -> impl Future<Output = Result<Vec<u8>, ResolveError>>;

    /// Reads the lock at the branch tip of another repository.
    fn remote_lock(&self, remote: &RemoteSettings) -> impl Future<Output = Result<TipLock, ResolveError>>;
}

/// The forge that hosts the proposals.
pub trait Forge {
    /// Checks, before anything is pushed, that commits can be signed as the settings require.
    fn can_sign(&self, sign: Sign) -> impl Future<Output = Result<(), GitError>>;

    /// Lists the open and closed proposals from `branches` into `base`.
    fn proposals(
        &self,
        publish: &Publish,
        base: &str,
        branches: &[String],
    ) -> impl Future<Output = Result<Vec<ForgeProposal>, ForgeError>>;

    /// Opens a proposal, or updates title and body of an `open` one.
    fn open_proposal(
        &self,
        publish: &Publish,
        draft: &ProposalDraft,
        open: Option<&ForgeProposal>,
    ) -> impl Future<Output = Result<ProposeResult, ForgeError>>;

    /// Closes a proposal that has nothing left to propose.
    fn close_proposal(&self, publish: &Publish, open: &ForgeProposal) -> impl Future<Output = Result<(), ForgeError>>;
}

/// Hook processes, and the process that runs the pass.
pub trait Hooks {
    /// Runs a hook to its end.
    fn run_hook(&self, run: &HookRun) -> impl Future<Output = HookResult>;

    /// Returns the identity of this process.
    fn owner(&self) -> Owner;

    /// Returns whether `owner` has certainly ended; decidable only on the machine it ran on.
    fn is_gone(&self, owner: &Owner) -> bool;

    /// Ends the orphan processes of hooks that `owner` ran; `false` if one of them is still alive.
    fn end_orphans(&self, owner: &Owner) -> impl Future<Output = bool>;

    /// Returns notes about the hook state, e.g. that the remote refuses the state ref.
    fn notes(&self) -> Vec<String>;

    /// Returns why the remote's state ref cannot be used, so that the hook state is kept on this machine.
    fn state_fault(&self) -> Option<GitError>;
}

/// Time, randomness and the progress display.
pub trait Clock {
    /// Reads the wall clock.
    fn now(&self) -> Timestamp;

    /// Returns the monotonic time since the pass started.
    fn elapsed(&self) -> Duration;

    /// Sleeps.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()>;

    /// Runs `work` for at most `limit`; `None` if it takes longer.
    fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> impl Future<Output = Option<T>>;

    /// Returns a random number in `0.0..1.0`, for jitter.
    fn random(&self) -> f64;

    /// Shows progress.
    fn progress(&self, progress: Progress);
}

/// All effects of a pass.
pub trait World: Git + Registries + Forge + Hooks + Clock {}

impl<W: Git + Registries + Forge + Hooks + Clock> World for W {}
