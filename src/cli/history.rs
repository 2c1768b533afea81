//! `history`: what tags were pinned to, and who brought that, from the commits of the checkout.

pub(super) mod trail;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::num::NonZeroUsize;

use jiff::Timestamp;

use crate::model::image::TagId;
use crate::model::root::Root;
use crate::model::settings::globs::TagGlobs;
use crate::report::exit::Exit;
use crate::report::v1::history::{HistoryV1, PinChangeV1, TagHistoryV1};
use crate::system::clock;
use crate::text::escape;

use super::context::{CommandContext, usage};
use super::describe::ago;
use super::{CliError, ListFormat, list};
use trail::{TrailStep, trail};

/// Show what tags were pinned to, newest first, and who brought each digest
///
/// It comes from the commits of the checkout, along first parents; what is not committed yet comes first. Where history
/// ends early, as in a shallow clone, earlier digests that the lock remembers are shown without a commit.
#[derive(Debug, clap::Args)]
pub struct HistoryArgs {
    /// Tags: a stream, `stream:tag`, or a glob
    #[arg(value_name = "TAG", required = true)]
    tags: Vec<String>,
    /// Show so many digests of each tag at the most
    #[arg(long, value_name = "N")]
    limit: Option<NonZeroUsize>,
    /// In which form
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: ListFormat,
    /// Show times as they are, in UTC, in place of how long ago they were
    #[arg(long)]
    utc: bool,
}

/// Runs it.
///
/// # Errors
/// Where there is no such tag, or the history cannot be read.
pub fn run(context: &CommandContext, args: &HistoryArgs) -> Result<Exit, CliError> {
    let (folder, root) = context.root()?;
    let wanted = wanted(&root, &args.tags)?;
    let limit = args.limit.map_or(usize::MAX, NonZeroUsize::get);
    let mut trail = trail(&folder, &root.lock, &wanted, |steps| steps.values().all(|steps| steps.len() >= limit))?;
    for steps in trail.steps.values_mut() {
        steps.truncate(limit);
    }
    if trail.shallow {
        let help = "`git fetch --unshallow` brings the rest";
        writeln!(context.stderr(), "note: this clone is shallow, so its history ends early; {help}")?;
    }
    let mut out = context.stdout();
    if args.format == ListFormat::Json {
        let tags = trail.steps.iter().map(|(id, steps)| TagHistoryV1 {
            stream: id.stream.to_string(),
            tag: id.tag.to_string(),
            changes: steps.iter().map(wire).collect(),
        });
        write!(out, "{}", HistoryV1::new(trail.complete, tags.collect()).to_json())?;
        return Ok(Exit::Success);
    }
    let now = (!args.utc).then(clock::now);
    for (number, (id, steps)) in trail.steps.iter().enumerate() {
        let blank = if number > 0 { "\n" } else { "" };
        writeln!(out, "{blank}{id}")?;
        let mut rows = vec![["DIGEST", "VERSION", "WHEN", "COMMIT", "AUTHOR", "PROPOSAL"].map(str::to_owned)];
        rows.extend(steps.iter().map(|step| row(step, now)));
        for line in list::table(&rows).lines() {
            writeln!(out, "  {line}")?;
        }
    }
    Ok(Exit::Success)
}

/// The tags that `words` name, of the definitions and of the lock: what is not defined any more has a history, too.
fn wanted(root: &Root, words: &[String]) -> Result<BTreeSet<TagId>, CliError> {
    let patterns = TagGlobs::new(words.iter().map(String::as_str)).map_err(usage)?;
    let all = || root.definitions.tags.keys().chain(root.lock.pins.keys());
    if let Some(word) = patterns.unmatched(all()).first() {
        return Err(root.unknown_tag(word).into());
    }
    Ok(all().filter(|id| patterns.matches(id)).cloned().collect())
}

fn row(step: &TrailStep, now: Option<Timestamp>) -> [String; 6] {
    let version = step.version.as_deref().map(escape::terminal).unwrap_or_default();
    let digest = step.digest.short().to_owned();
    let Some(by) = &step.by else {
        let when = if step.pin.is_some() { "not committed" } else { "before that" };
        return [digest, version, when.to_owned(), String::new(), String::new(), String::new()];
    };
    let when = now.map_or_else(|| by.time.to_string(), |now| ago(now.duration_since(by.time).as_secs()));
    let proposal = by.proposal.as_deref().map(escape::terminal).unwrap_or_default();
    [digest, version, when, by.id.short().to_owned(), escape::terminal(&by.author), proposal]
}

fn wire(step: &TrailStep) -> PinChangeV1 {
    let by = step.by.as_ref();
    PinChangeV1 {
        digest: step.digest.to_string(),
        image: step.pin.as_ref().map(|pin| pin.image.to_string()),
        version: step.version.clone(),
        commit: by.map(|by| by.id.to_string()),
        author: by.map(|by| by.author.clone()),
        time: by.map(|by| by.time.to_string()),
        proposal: by.and_then(|by| by.proposal.clone()),
    }
}
