//! The pass: load → gather → decide → land → record → notify.
//!
//! Only this file knows the order of the steps, and no step names another. An attempt whose push is rejected starts over at
//! the new tip, with the facts that are still valid there.

pub mod decide;
pub mod decision;
pub mod facts;
pub mod gather;
pub mod image_diffs;
pub mod land;
pub mod load;
pub mod notify;
pub mod record;
pub mod retry;
pub mod shard_branches;
pub mod shard_filter;
pub mod state_store;
pub mod target_edits;
pub mod target_files;

use crate::effects::World;
use crate::git::GitError;
use crate::image_diff::Explanations;
use crate::model::image::TagId;
use crate::model::root::{Root, UnknownTag};
use crate::model::settings::globs::TagGlobs;
use crate::model::settings::policy::Policy;
use crate::model::settings::publish::Publish;
use crate::model::shard::Shard;
use crate::proposal::groups::BranchScope;
use crate::report::exit::Exit;
use crate::report::{Report, ReportError};
use crate::text::diagnostics::Problems;

use decision::Decision;
use facts::Facts;
pub use gather::images::FetchedImage;
use land::LandResult;
use load::Snapshot;
use retry::Retry;

/// Parameters of a pass; by default, it resolves all tags and shows the result.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The branch; `None` for the one that the settings name, else the remote's `HEAD`.
    pub branch: Option<String>,
    /// The branch of the checkout that the command runs in, for a note if it is another one.
    pub checkout_branch: Option<String>,
    /// Directory of the root in the repository; empty for its top.
    pub root: String,
    /// The remote's URL for display, without credentials.
    pub remote: Option<String>,
    /// The tags that a person named; `None` for all.
    pub only: Option<TagGlobs>,
    /// The shard, if several processes share the root.
    pub shard: Option<Shard>,
    /// Which tags are resolved.
    pub resolve: Resolve,
    /// The use of the result.
    pub effect: Effect,
    /// The operator's policy.
    pub policy: Option<Policy>,
}

/// Which tags a pass resolves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resolve {
    /// All tags.
    #[default]
    All,
    /// Tags whose schedule fired since the last pass, or that are not pinned as they are defined.
    Due,
    /// No tag: only what follows from definitions and lock.
    Nothing,
}

/// The use of a decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effect {
    /// Shows it.
    #[default]
    Show,
    /// Writes lock and targets in the work tree.
    Write,
    /// Pushes or proposes it, and runs hooks for what landed.
    Land,
}

/// Errors that stop a pass.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// Problems in the definitions.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// The operator's policy forbids the pass.
    #[error("forbidden by the policy: {0}")]
    Forbidden(Problems),
    /// A Git failure.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A pattern of the request matches no tag.
    #[error(transparent)]
    UnknownTag(#[from] UnknownTag),
    /// The registries cannot be configured.
    #[error("{0}")]
    Registries(String),
    /// Branch or state ref kept moving.
    #[error("gave up after {attempts} attempts: {last}")]
    Contention {
        /// Attempts made.
        attempts: u32,
        /// Cause of the last rejection.
        last: String,
    },
}

impl PassError {
    /// Returns the exit code for a pass that this error stopped.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Forbidden(_) | Self::Git(GitError::Tree { .. }) => Exit::Refused,
            Self::UnknownTag(_) => Exit::Usage,
            Self::Contention { .. } => Exit::Contention,
            Self::Problems(_) | Self::Git(_) | Self::Registries(_) => Exit::Error,
        }
    }

    /// Converts the error into a row of the report of a pass that went on; `consequence` opens the message.
    fn into_row(self, consequence: &str) -> ReportError {
        ReportError { exit: self.exit(), message: format!("{consequence}: {self}"), help: None }
    }
}

impl Request {
    /// Returns whether the request covers a tag.
    fn selects(&self, root: &Root, id: &TagId) -> bool {
        self.only.as_ref().is_none_or(|only| only.matches(id)) && shard_filter::contains(root, self.shard, id)
    }

    /// Returns the proposal settings, if this pass proposes its changes instead of pushing them.
    fn proposes_to<'a>(&self, root: &'a Root) -> Option<&'a Publish> {
        root.settings.publish.as_ref().filter(|_| self.effect == Effect::Land)
    }

    /// Checks the remote against the operator's policy.
    fn check_policy(&self) -> Result<(), PassError> {
        let problem =
            self.policy.as_ref().zip(self.remote.as_ref()).and_then(|(policy, remote)| policy.forbids_remote(remote));
        problem.map_or(Ok(()), |problem| Err(PassError::Forbidden(Problems(vec![problem]))))
    }
}

/// One try within a pass, once it is decided.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    /// Parameters of the pass.
    pub request: &'a Request,
    /// The root that the decision is based on.
    pub snapshot: &'a Snapshot,
    /// The facts that the decision is based on.
    pub facts: &'a Facts,
    /// The decision.
    pub decision: &'a Decision,
    /// Differences of the images of all updates.
    pub diffs: &'a Explanations,
}

/// Runs one pass.
///
/// # Errors
/// Errors that stop the pass. Failures of single tags, proposals and hooks are rows of the report.
pub async fn reconcile<W: World>(world: &W, request: &Request) -> Result<Report, PassError> {
    request.check_policy()?;
    let mut retry = Retry::of(request.shard);
    let mut facts = Facts::default();
    let mut notes = Vec::new();
    loop {
        let Some((mut snapshot, mut state)) = load::load(world, request, &mut facts.definitions).await? else {
            retry.back_off(world, "the branch or the state ref moved").await?;
            continue;
        };
        notes.append(&mut state.notes);
        facts = gather::gather(world, request, &mut snapshot, &state, facts).await?;
        let decision = decide::decide(request, &snapshot, &facts)?;
        let diffs = image_diffs::compare_changes(world, request.resolve, &decision.changes, &facts).await;
        let attempt = Attempt { request, snapshot: &snapshot, facts: &facts, decision: &decision, diffs: &diffs };
        if decision.has_changes() {
            // New hooks must be known before something lands, or a pass that is killed in between hides it from them.
            state.save(world).await?;
        }
        let landed = match land::land(world, attempt).await? {
            LandResult::Landed(landed) => landed,
            LandResult::Rejected(rejection) => {
                retry.back_off(world, &rejection.reason).await?;
                facts = facts.after_rejection(snapshot, decision, rejection);
                continue;
            }
        };
        let mut report = record::report(attempt, &landed);
        report.notes.append(&mut notes);
        if request.effect == Effect::Land {
            record::record(attempt, &landed, &mut state);
            let tip = landed.tip(&snapshot);
            let root = landed.root(snapshot.root, decision.lock);
            notify::notify(world, request, notify::AtTip { tip, root }, state, &facts.images).await.add_to(&mut report);
            report.notes.extend(world.notes());
            report.errors.extend(world.state_fault().map(state_row));
        }
        return Ok(report);
    }
}

/// Builds the row about a state ref that cannot be used.
fn state_row(fault: GitError) -> ReportError {
    let help = fault.help();
    let row = PassError::Git(fault).into_row("the state is kept on this machine");
    ReportError { help, ..row }
}

/// Returns the naming scope of the proposal branches of this root.
fn branch_scope<'a>(request: &'a Request, snapshot: &'a Snapshot) -> BranchScope<'a> {
    let base = Some(snapshot.tips.branch.as_str());
    let is_default = snapshot.tips.default.is_none() || snapshot.tips.default.as_deref() == base;
    BranchScope {
        prefix: snapshot.root.settings.branch_prefix(),
        root: &request.root,
        base: base.filter(|_| !is_default),
    }
}
