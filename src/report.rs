//! What a pass did: plain data, built by the pass, and shown by one file a format.
//!
//! Nothing here decides what happens; [`Report::exit`] only says how it is to be judged.

pub mod exit;
pub mod finding;
mod github;
mod gitlab;
pub mod json;
mod junit;
pub mod markdown;
pub mod message;
mod output;
#[cfg(test)]
pub(crate) mod sample;
mod sarif;
pub mod text;
pub mod v1;

use std::rc::Rc;

use crate::formats::EditedFile;
use crate::git::CommitId;
use crate::hook::HookExit;
use crate::image_diff::Explanation;
use crate::model::image::{FollowedTag, ImageRef, RemoteName, TagId};
use crate::model::lock::Lock;
use crate::model::lock::diff::{ChangeKind, PinChange, PinSide, side};
use crate::model::settings::adoption::{HeldUpdate, HoldReason};
use crate::model::stream::{Tag, TagSource};
use crate::registry::{FailureKind, ResolveError};
use exit::Exit;
use finding::RunResults;

/// In which form it is written what a run did or found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum OutputFormat {
    /// For people
    Text,
    /// For scripts: `pinstream.report/v1`, `check/v1`; nothing where it was stopped
    Json,
    /// Tables for a job's summary or a comment
    Markdown,
    /// Annotations of GitHub, Forgejo and Gitea, and the job's summary
    Github,
    /// SARIF 2.1.0 for code scanning
    Sarif,
    /// Test results for Jenkins, GitLab and others
    Junit,
    /// Code Quality of GitLab
    Gitlab,
}

/// What a run did or found, in the words that are its own; the other forms follow from its results.
pub trait Render {
    /// For people.
    fn text(&self) -> String;
    /// The JSON of its schema.
    fn json(&self) -> String;
    /// Markdown for people.
    fn markdown(&self) -> String;
    /// One thing after the other.
    fn results(&self) -> RunResults;
}

impl OutputFormat {
    /// `told` in this form.
    pub fn write(self, told: &impl Render) -> String {
        match self {
            Self::Text => told.text(),
            Self::Json => told.json(),
            Self::Markdown => told.markdown(),
            Self::Github => github::github(&told.results()),
            Self::Sarif => sarif::sarif(&told.results()),
            Self::Junit => junit::junit(&told.results()),
            Self::Gitlab => gitlab::gitlab(&told.results()),
        }
    }
}

/// What a pass did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The remote, without credentials; none where only files of this machine were used.
    pub remote: Option<String>,
    /// The branch, where there is one.
    pub branch: Option<String>,
    /// The branch's tip after the pass, as far as it is known.
    pub tip: Option<CommitId>,
    /// How the pass ended.
    pub end: PassEnd,
    /// The tags that were looked at, in the order of their names.
    pub rows: Vec<TagRow>,
    /// The other repositories whose locks were read, in the order of their names.
    pub remotes: Vec<RemoteRow>,
    /// The proposals, in the order of their branches.
    pub proposals: Vec<ProposalRow>,
    /// The files that targets change, in the order of their paths.
    pub files: Vec<FileRow>,
    /// The hooks that had something to do, in the order of the settings.
    pub hooks: Vec<HookRow>,
    /// The message that a commit would have, or what proposals would say; none where that was done, or nothing is to be
    /// written.
    pub message: Option<String>,
    /// Anything else that people should know, a sentence each.
    pub notes: Vec<String>,
    /// What went wrong beside tags and hooks.
    pub errors: Vec<ReportError>,
}

/// Something that went wrong beside tags and hooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportError {
    /// How it is to be judged.
    pub exit: Exit,
    /// What happened, a sentence.
    pub message: String,
    /// What a person can do about it.
    pub help: Option<String>,
}

impl ReportError {
    /// What happened and what can be done about it, on one line.
    pub fn sentence(&self) -> String {
        match &self.help {
            Some(help) => format!("{}; {help}", self.message),
            None => self.message.clone(),
        }
    }
}

/// How a pass ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassEnd {
    /// Nothing was to be written: it was only asked what would happen.
    Planned,
    /// The lock in the work tree was written.
    Written,
    /// The lock landed on the branch with this commit of ours.
    Landed(CommitId),
    /// Moves are proposed, and the branch is as it was.
    Proposed,
    /// There was nothing to write.
    Unchanged,
}

/// One tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagRow {
    /// The tag.
    pub tag: TagId,
    /// The tag it follows, where it follows one.
    pub follow: Option<FollowedTag>,
    /// The image; none for a follower that never had a pin.
    pub image: Option<ImageRef>,
    /// What became of it.
    pub outcome: TagOutcome,
    /// Where it stood before the pass.
    pub old: Option<PinSide>,
    /// Where it stands after it; what it stood at, where it could not be imported.
    pub new: Option<PinSide>,
    /// What its move changes.
    pub explanation: Option<Rc<Explanation>>,
}

/// A proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalRow {
    /// Its branch.
    pub branch: String,
    /// Its number on the forge.
    pub number: Option<u64>,
    /// Where people see it.
    pub url: Option<String>,
    /// How many tags it moves.
    pub moves: usize,
    /// What became of it in this pass.
    pub outcome: ProposalOutcome,
}

/// What became of a proposal in a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProposalOutcome {
    /// It was made.
    Created,
    /// It was there, and was brought up to date in place.
    Refreshed,
    /// It is as it should be.
    Unchanged,
    /// It had nothing left to propose.
    Closed,
    /// Somebody else's work on its branch was left alone; the sentence says which.
    Skipped(String),
    /// It could not be done; the sentence says why.
    Failed(String),
}

impl ProposalOutcome {
    /// The word used in reports.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Refreshed => "refreshed",
            Self::Unchanged => "unchanged",
            Self::Closed => "closed",
            Self::Skipped(_) => "left",
            Self::Failed(_) => "failed",
        }
    }

    /// Why it was left or failed.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Skipped(reason) | Self::Failed(reason) => Some(reason),
            _ => None,
        }
    }
}

/// What became of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagOutcome {
    /// It stands where it stood.
    Unchanged,
    /// It stands at another digest.
    Updated,
    /// It is proposed that its entry be another one.
    Proposed,
    /// It should be proposed and could not be; the report says why.
    Deferred,
    /// It stands where it stood, and its entry in the lock is another one: its image has a new name, or new words.
    Refreshed,
    /// It is new in the lock.
    Added,
    /// It is no longer in the lock.
    Removed,
    /// Its schedule has not fired.
    NotDue,
    /// It was not to be imported in this pass.
    NotAsked,
    /// Something else was found, and a rule keeps the tag where it stands.
    Held(HeldUpdate),
    /// It could not be imported and keeps its pin, if it has one.
    Failed(ResolveError),
}

/// Another repository whose lock was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteRow {
    /// The name that this root has for it.
    pub name: RemoteName,
    /// Its address, without any credential.
    pub url: String,
    /// The commit at the tip of its branch.
    pub commit: CommitId,
}

/// A file that targets change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRow {
    /// Its path, from the root.
    pub path: String,
    /// The lines that are written over, from 1.
    pub lines: Vec<usize>,
}

impl FileRow {
    /// The row of a file.
    pub fn of(file: EditedFile) -> Self {
        let mut lines: Vec<usize> = file.edits.iter().map(|edit| edit.line).collect();
        lines.dedup();
        Self { path: file.path, lines }
    }
}

/// One hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookRow {
    /// Its name.
    pub name: String,
    /// The id of the event it was given.
    pub event: Option<String>,
    /// How many moves it was given, or waits for.
    pub moves: usize,
    /// What became of it.
    pub outcome: HookOutcome,
    /// What it wrote.
    pub output: String,
}

/// What became of a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookOutcome {
    /// It ran to its end without an error.
    Succeeded,
    /// It failed, and its moves stay pending.
    Failed(HookExit),
    /// Somebody else is running it.
    Running,
    /// It would run.
    Pending,
    /// The operator's policy does not allow it; the sentence says why.
    Refused(String),
}

impl TagRow {
    /// The row of a tag that is defined: `pin` is what it is pinned to after the pass, `moved` its move.
    pub fn of(
        id: &TagId,
        tag: &Tag,
        lock: &Lock,
        moved: Option<PinChange>,
        asked: bool,
        failure: Option<ResolveError>,
        kept: Option<&HeldUpdate>,
    ) -> Self {
        let pin = lock.pins.get(id);
        let new = pin.map(|pin| side(lock, pin));
        let (follow, defined) = match &tag.source {
            TagSource::Follow(_) | TagSource::Remote(_) => (tag.source.followed(), None),
            TagSource::Image { image, .. } => (None, Some(image.clone())),
            TagSource::Select { .. } => (None, None),
        };
        let outcome = match (failure, &moved) {
            (Some(error), _) => TagOutcome::Failed(error),
            (None, _) if let Some(waiting) = kept => TagOutcome::Held(waiting.clone()),
            (None, Some(PinChange { change: ChangeKind::Added { .. }, .. })) => TagOutcome::Added,
            (None, Some(_)) => TagOutcome::Updated,
            (None, None) if asked => TagOutcome::Unchanged,
            (None, None) => TagOutcome::NotDue,
        };
        let old = match &moved {
            Some(moved) => moved.before().cloned(),
            None => new.clone(),
        };
        Self {
            tag: id.clone(),
            follow,
            image: pin.map(|pin| pin.image.clone()).or(defined),
            outcome,
            old,
            new,
            explanation: None,
        }
    }

    /// The row of a pin that no definition asks for any more.
    pub fn removed(moved: PinChange) -> Self {
        let old = moved.before().cloned();
        let PinChange { tag, follow, image, .. } = moved;
        Self { tag, follow, image: Some(image), outcome: TagOutcome::Removed, old, new: None, explanation: None }
    }
}

impl TagOutcome {
    /// The word used in reports.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Updated => "moved",
            Self::Proposed => "proposed",
            Self::Deferred => "deferred",
            Self::Refreshed => "refreshed",
            Self::Added => "added",
            Self::Removed => "removed",
            Self::NotDue => "not-due",
            Self::NotAsked => "not-asked",
            Self::Held(waiting) => waiting.kept.word(),
            Self::Failed(error) if error.kind == FailureKind::Refused => "refused",
            Self::Failed(_) => "failed",
        }
    }

    /// Whether the lock is another for it.
    pub fn is_change(&self) -> bool {
        matches!(self, Self::Updated | Self::Refreshed | Self::Added | Self::Removed)
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Failed(error) if matches!(error.kind, FailureKind::Refused | FailureKind::Integrity) => Exit::Refused,
            Self::Failed(_) => Exit::Partial,
            Self::Held(HeldUpdate { kept: HoldReason::TooFar(_), .. }) => Exit::Refused,
            _ => Exit::Success,
        }
    }
}

impl HookOutcome {
    /// The word used in reports.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed(_) => "failed",
            Self::Running => "elsewhere",
            Self::Pending => "pending",
            Self::Refused(_) => "refused",
        }
    }

    /// Why it failed or was refused.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Failed(HookExit::Code(code)) => Some(format!("it ended with exit code {code}")),
            Self::Failed(HookExit::Signal(signal)) => Some(format!("signal {signal} ended it")),
            Self::Failed(HookExit::TimedOut) => Some("it took longer than its time limit".to_owned()),
            Self::Failed(HookExit::NotStarted(reason)) => Some(format!("it could not be started: {reason}")),
            Self::Failed(HookExit::Success) => Some("it succeeded, but that could not be recorded".to_owned()),
            Self::Refused(reason) => Some(reason.clone()),
            Self::Succeeded | Self::Running | Self::Pending => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Failed(_) => Exit::HookFailed,
            Self::Refused(_) => Exit::Refused,
            Self::Succeeded | Self::Running | Self::Pending => Exit::Success,
        }
    }
}

impl Report {
    /// How the pass is to be judged: the worst of all that is in the report.
    pub fn exit(&self) -> Exit {
        let rows = self.rows.iter().map(|row| row.outcome.exit());
        let hooks = self.hooks.iter().map(|hook| hook.outcome.exit());
        let errors = self.errors.iter().map(|error| error.exit);
        rows.chain(hooks).chain(errors).fold(Exit::Success, Exit::worst)
    }

    /// Whether the lock, or a file of a target, is another one after the pass, or would be.
    pub fn changes(&self) -> bool {
        self.changes_lock() || !self.files.is_empty()
    }

    /// Whether the lock is another one after the pass, or would be.
    pub fn changes_lock(&self) -> bool {
        self.rows.iter().any(|row| row.outcome.is_change())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_row_judges_the_pass() {
        let failed = |kind| TagOutcome::Failed(ResolveError::new(kind, "x"));
        let exit = |end: PassEnd, outcomes: &[TagOutcome], hooks: &[HookOutcome]| {
            let mut report = sample::report();
            let (row, hook) = (report.rows[0].clone(), report.hooks[0].clone());
            report.end = end;
            report.rows = outcomes.iter().map(|outcome| TagRow { outcome: outcome.clone(), ..row.clone() }).collect();
            report.hooks = hooks.iter().map(|outcome| HookRow { outcome: outcome.clone(), ..hook.clone() }).collect();
            report.exit()
        };
        let hook = HookOutcome::Failed(HookExit::TimedOut);
        assert_eq!(
            exit(PassEnd::Unchanged, &[TagOutcome::Updated, TagOutcome::NotDue], &[HookOutcome::Running]),
            Exit::Success
        );
        assert_eq!(exit(PassEnd::Unchanged, &[failed(FailureKind::Network)], &[]), Exit::Partial);
        assert_eq!(exit(PassEnd::Unchanged, &[TagOutcome::Updated], std::slice::from_ref(&hook)), Exit::HookFailed);
        assert_eq!(exit(PassEnd::Unchanged, &[failed(FailureKind::Tls)], &[hook]), Exit::Partial);
        assert_eq!(exit(PassEnd::Planned, &[failed(FailureKind::Refused)], &[]), Exit::Refused);
        assert_eq!(exit(PassEnd::Unchanged, &[], &[HookOutcome::Refused("x".to_owned())]), Exit::Refused);
    }
}
