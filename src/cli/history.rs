//! `history`: shows which digests tags were pinned to, from the commits of the checkout.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::num::NonZeroUsize;

use jiff::Timestamp;

use crate::git::checkout::{self, Checkout};
use crate::model::image::TagId;
use crate::model::lock::Lock;
use crate::model::root::Root;
use crate::model::settings::globs::TagGlobs;
use crate::query::history::{HistoryEntry, PinHistory, TagHistories, trace};
use crate::report::v1;
use crate::report::v1::history::{HistorySchema, HistoryV1, PinChangeV1, TagHistoryV1};
use crate::system::clock;
use crate::text::escape;

use super::support::output::ListFormat;
use super::support::table::{table, when};
use super::{CliError, CommandContext, Exit};

/// Show which digests tags were pinned to, with commit, author and proposal
///
/// Reads the commits of the checkout along first parents, newest first; an uncommitted pin comes first. If the history is
/// cut off, as in a shallow clone, earlier digests recorded in the lock are listed without a commit.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pinstream history python:3.12
  pinstream history python --limit 3
  pinstream history python:3.12 --format json | jq '.tags[].changes[0].commit'")]
pub struct HistoryArgs {
    /// Streams, tags (`stream:tag`) or globs
    #[arg(value_name = "TAG", required = true)]
    tags: Vec<String>,
    /// Maximum number of digests per tag
    #[arg(long, value_name = "N")]
    limit: Option<NonZeroUsize>,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: ListFormat,
    /// Show UTC times instead of ages
    #[arg(long)]
    utc: bool,
}

/// Runs `history`.
///
/// # Errors
/// Fails if a pattern matches no tag or the history cannot be read.
pub fn run(context: &CommandContext, args: &HistoryArgs) -> Result<Exit, CliError> {
    let (work_tree, root) = context.root()?;
    let wanted = wanted(&root, &args.tags)?;
    let limit = args.limit.map_or(usize::MAX, NonZeroUsize::get);
    let checkout = checkout::discover(&work_tree.0)?;
    let enough = |tags: &TagHistories| tags.values().all(|entries| entries.len() >= limit);
    let mut history = trace_checkout(checkout.as_ref(), &root.lock, &wanted, enough)?;
    for entries in history.tags.values_mut() {
        entries.truncate(limit);
    }
    if let Some(gap) = checkout.and_then(|checkout| checkout.history_gap()) {
        writeln!(context.stderr(), "{}", incomplete(&gap))?;
    }
    let mut out = context.stdout();
    if args.format == ListFormat::Json {
        let tags = history.tags.iter().map(|(id, entries)| TagHistoryV1 {
            stream: id.stream.to_string(),
            tag: id.tag.to_string(),
            changes: entries.iter().map(json).collect(),
        });
        let document = HistoryV1 { schema: HistorySchema::V1, complete: history.complete, tags: tags.collect() };
        write!(out, "{}", v1::encode(&document))?;
        return Ok(Exit::Success);
    }
    let now = (!args.utc).then(clock::now);
    for (number, (id, entries)) in history.tags.iter().enumerate() {
        let blank = if number > 0 { "\n" } else { "" };
        writeln!(out, "{blank}{id}")?;
        let mut rows = vec![["DIGEST", "VERSION", "WHEN", "COMMIT", "AUTHOR", "PROPOSAL"].map(str::to_owned)];
        rows.extend(entries.iter().map(|entry| row(entry, now)));
        for line in table(&rows).lines() {
            writeln!(out, "  {line}")?;
        }
    }
    Ok(Exit::Success)
}

/// Traces `wanted` tags from the lock of the work tree through the commits of the checkout until `enough` returns true.
pub(super) fn trace_checkout(
    checkout: Option<&Checkout>,
    lock: &Lock,
    wanted: &BTreeSet<TagId>,
    enough: impl Fn(&TagHistories) -> bool,
) -> Result<PinHistory, CliError> {
    // A repository without a commit has no history.
    let Some(checkout) = checkout.filter(|checkout| checkout.commit("HEAD").is_ok()) else {
        let history = trace(lock, wanted, std::iter::empty(), enough)?;
        return Ok(PinHistory { complete: false, ..history });
    };
    let history = trace(lock, wanted, checkout.lock_history("HEAD", &checkout.prefix)?, enough)?;
    Ok(PinHistory { complete: history.complete && checkout.history_gap().is_none(), ..history })
}

/// Formats the note about a gap in the history.
pub(super) fn incomplete(gap: &str) -> String {
    format!("note: the history is incomplete, because {gap}")
}

/// Selects tags of the definitions and of the lock: a deleted tag has a history, too.
fn wanted(root: &Root, args: &[String]) -> Result<BTreeSet<TagId>, CliError> {
    let patterns = TagGlobs::new(args.iter().map(String::as_str))?;
    let all = || root.definitions.tags.keys().chain(root.lock.pins.keys());
    if let Some(pattern) = patterns.unmatched(all()).first() {
        return Err(root.unknown_tag(pattern).into());
    }
    Ok(all().filter(|id| patterns.matches(id)).cloned().collect())
}

fn row(entry: &HistoryEntry, now: Option<Timestamp>) -> [String; 6] {
    let version = entry.version.as_deref().map(escape::terminal).unwrap_or_default();
    let digest = entry.digest.short().to_owned();
    let Some(commit) = &entry.commit else {
        let when = if entry.pin.is_some() { "uncommitted" } else { "unknown" };
        return [digest, version, when.to_owned(), String::new(), String::new(), String::new()];
    };
    let when = when(commit.time, now);
    let proposal = commit.proposal.as_deref().map(escape::terminal).unwrap_or_default();
    [digest, version, when, commit.id.short().to_owned(), escape::terminal(&commit.author), proposal]
}

fn json(entry: &HistoryEntry) -> PinChangeV1 {
    let commit = entry.commit.as_ref();
    PinChangeV1 {
        digest: entry.digest.to_string(),
        image: entry.pin.as_ref().map(|pin| pin.image.to_string()),
        version: entry.version.clone(),
        commit: commit.map(|commit| commit.id.to_string()),
        author: commit.map(|commit| commit.author.clone()),
        time: commit.map(|commit| commit.time.to_string()),
        proposal: commit.and_then(|commit| commit.proposal.clone()),
    }
}
