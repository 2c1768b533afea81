//! Plain data about a finished pass.

use jiff::Timestamp;

use super::exit::Exit;
use super::tag::TagRow;
pub(crate) use super::tag::count;
use super::v1::words::{HookOutcomeV1, ProposalOutcomeV1, word};
use crate::formats::EditedFile;
use crate::git::CommitId;
use crate::hook::HookExit;
use crate::model::image::RemoteName;

/// Result of a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// URL of the remote, without credentials; none if only local files were used.
    pub remote: Option<String>,
    /// Name of the branch, if there is one.
    pub branch: Option<String>,
    /// Tip of the branch after the pass, if known.
    pub tip: Option<CommitId>,
    /// End of the pass.
    pub end: PassEnd,
    /// Results of the tags, sorted by name.
    pub rows: Vec<TagRow>,
    /// Other repositories whose locks were read, sorted by name.
    pub remotes: Vec<RemoteRow>,
    /// Proposals, sorted by branch.
    pub proposals: Vec<ProposalRow>,
    /// Target files that change, sorted by path.
    pub files: Vec<FileRow>,
    /// Hooks with pending changes, in the order of the settings.
    pub hooks: Vec<HookRow>,
    /// Planned commit message or proposal texts; none if they were used, or if there is nothing to write.
    pub message: Option<String>,
    /// Other information about the pass, one sentence each.
    pub notes: Vec<String>,
    /// Errors that belong to no tag or hook.
    pub errors: Vec<ReportError>,
}

/// Error that belongs to no tag or hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportError {
    /// Exit code that it requires.
    pub exit: Exit,
    /// Description of the error.
    pub message: String,
    /// Suggested remedy.
    pub help: Option<String>,
}

/// End of a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassEnd {
    /// Dry run: nothing was written.
    Planned,
    /// The lock in the work tree was written.
    Written,
    /// This commit landed on the branch.
    Landed(CommitId),
    /// Changes are proposed; the branch is unchanged.
    Proposed,
    /// There was nothing to write.
    Unchanged,
}

/// Result for one proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalRow {
    /// Source branch.
    pub branch: String,
    /// Number on the forge.
    pub number: Option<u64>,
    /// Web page on the forge.
    pub url: Option<String>,
    /// Number of changes.
    pub changes: usize,
    /// Outcome of the proposal in this pass.
    pub outcome: ProposalOutcome,
}

/// Outcome of a proposal in a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProposalOutcome {
    /// It was opened.
    Created,
    /// It was updated in place.
    Refreshed,
    /// It is up to date.
    Unchanged,
    /// It was closed because nothing was left to propose.
    Closed,
    /// It was left alone because of other people's changes, which the sentence names.
    Skipped(String),
    /// It could not be opened or updated; the sentence has the cause.
    Failed(String),
}

/// Another repository that the pass read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteRow {
    /// Name in `[remote]`.
    pub name: RemoteName,
    /// URL, without credentials.
    pub url: String,
    /// Commit at the tip of its branch.
    pub commit: CommitId,
}

/// Target file that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRow {
    /// Path from the root.
    pub path: String,
    /// Changed lines, from 1.
    pub lines: Vec<usize>,
}

/// Result for one hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookRow {
    /// Name of the hook.
    pub name: String,
    /// Id of the event passed to it.
    pub event: Option<String>,
    /// Number of changes passed to it, or pending.
    pub changes: usize,
    /// Outcome of the hook in this pass.
    pub outcome: HookOutcome,
    /// Output of its process.
    pub output: String,
}

/// Outcome of a hook in a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookOutcome {
    /// It exited with code 0.
    Succeeded,
    /// It failed; its changes stay pending.
    Failed(HookExit),
    /// Another pass has claimed it and has not confirmed its success; its changes stay pending.
    Running {
        /// End of the claim, unless it is renewed.
        until: Timestamp,
    },
    /// New changes landed during each of its runs; they stay pending.
    Pending,
    /// The operator's policy forbids it; the sentence has the reason.
    Refused(String),
}

impl Report {
    /// Picks the exit code: the worst of all rows and errors.
    pub fn exit(&self) -> Exit {
        let rows = self.rows.iter().map(|row| row.outcome.exit());
        let hooks = self.hooks.iter().map(|hook| hook.outcome.exit());
        let errors = self.errors.iter().map(|error| error.exit);
        rows.chain(hooks).chain(errors).fold(Exit::Success, Exit::worst)
    }

    /// Returns true if the pass changes, or would change, the lock or a target file.
    pub fn has_changes(&self) -> bool {
        self.changes_lock() || !self.files.is_empty()
    }

    /// Returns true if the pass changes, or would change, the lock.
    pub fn changes_lock(&self) -> bool {
        self.rows.iter().any(|row| row.outcome.is_change())
    }
}

impl ReportError {
    /// Joins message and remedy in one line.
    pub fn sentence(&self) -> String {
        match &self.help {
            Some(help) => format!("{}; {help}", self.message),
            None => self.message.clone(),
        }
    }
}

impl FileRow {
    /// Creates the row of an edited file.
    pub fn of(file: EditedFile) -> Self {
        let mut lines: Vec<usize> = file.edits.iter().map(|edit| edit.line).collect();
        lines.dedup();
        Self { path: file.path, lines }
    }

    /// Lists at most `max` of the changed lines, as in `lines 4, 12`.
    pub(super) fn line_list(&self, max: usize) -> String {
        let word = if self.lines.len() == 1 { "line" } else { "lines" };
        let lines: Vec<String> = self.lines.iter().take(max).map(ToString::to_string).collect();
        let more = if self.lines.len() > max { ", …" } else { "" };
        format!("{word} {}{more}", lines.join(", "))
    }
}

impl ProposalOutcome {
    /// Returns the word used in reports.
    pub fn word(&self) -> String {
        word(ProposalOutcomeV1::from(self))
    }

    /// Returns the reason why it was skipped or failed.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Skipped(reason) | Self::Failed(reason) => Some(reason),
            _ => None,
        }
    }
}

impl HookRow {
    /// Describes the outcome and the number of changes, with the reason of a failure.
    pub(super) fn summary(&self) -> String {
        let changes = count(self.changes, "change");
        let text = match &self.outcome {
            HookOutcome::Succeeded => format!("succeeded for {changes}"),
            HookOutcome::Failed(_) => format!("failed for {changes} and stays pending"),
            HookOutcome::Running { .. } => format!("is unconfirmed for {changes}"),
            HookOutcome::Pending => format!("stays pending for {changes} that landed during its runs"),
            HookOutcome::Refused(_) => format!("was refused for {changes} and stays pending"),
        };
        match self.outcome.reason() {
            Some(reason) => format!("{text}: {reason}"),
            None => text,
        }
    }
}

impl HookOutcome {
    /// Returns the word used in reports.
    pub fn word(&self) -> String {
        word(HookOutcomeV1::from(self))
    }

    /// Describes why it failed or was refused.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Failed(HookExit::Code(code)) => Some(format!("exit code {code}")),
            Self::Failed(HookExit::Signal(signal)) => Some(format!("killed by signal {signal}")),
            Self::Failed(HookExit::TimedOut) => Some("timed out".to_owned()),
            Self::Failed(HookExit::NotStarted(reason)) => Some(format!("could not be started: {reason}")),
            Self::Failed(HookExit::Success) => Some("exit code 0, but the result could not be recorded".to_owned()),
            Self::Refused(reason) => Some(reason.clone()),
            Self::Running { until } => Some(format!(
                "claimed by another pass until {until}; if that pass does not renew its claim, a later pass runs the hook"
            )),
            Self::Succeeded | Self::Pending => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Failed(_) | Self::Running { .. } | Self::Pending => Exit::HookFailed,
            Self::Refused(_) => Exit::Refused,
            Self::Succeeded => Exit::Success,
        }
    }
}
