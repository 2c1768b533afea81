//! `check`: the CI gate. Offline, it says whether definitions are valid and the lock agrees with them; it never turns
//! red because a registry moved. It runs no hook and pushes nothing.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Arc;

use similar::TextDiff;

use crate::git::checkout;
use crate::image::{Digest, TagId};
use crate::lock::agree::{What, agree};
use crate::lock::diff::{Move, moves};
use crate::lock::encode::encode;
use crate::lock::{self, Lock};
use crate::problem::{Problems, SourceFile};
use crate::reconcile::pin::pin;
use crate::reconcile::resolve::Findings;
use crate::reconcile::{Effect, Imports, PassError, Request};
use crate::report::exit::Exit;
use crate::report::{Outcome, Report};
use crate::root::Root;
use crate::settings::globs::TagGlobs;
use crate::world::folder::Folder;
use crate::world::real::Place;

use super::context::{Context, usage};
use super::{CliError, pass};

/// Check definitions and lock: the gate for continuous integration
///
/// Without options nothing is asked of any registry, and the answer depends on the files alone.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Refuse digests that were edited by hand: each one that differs from REV must be what its tag serves now, or
    /// one that the history of REV holds
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    /// Fail also where a registry has something newer
    #[arg(long)]
    upstream: bool,
}

/// Runs it.
///
/// # Errors
/// What stopped it; what it found is its exit code.
pub fn run(context: &Context, args: &Args) -> Result<Exit, CliError> {
    let (folder, root) = context.root()?;
    let refused = context.policy.as_ref().map(|policy| root.refused(policy, None)).unwrap_or_default();
    Problems::none_or(refused).map_err(PassError::Forbidden)?;
    let mut exit = offline(context, &root)?;
    if let Some(base) = &args.base {
        exit = exit.worst(against_base(context, &folder, &root, base)?);
    }
    if args.upstream {
        exit = exit.worst(upstream(context, &folder)?);
    }
    if exit == Exit::Success {
        let (pins, streams) = (root.lock.pins.len(), root.definitions.streams.len());
        writeln!(context.stdout(), "{pins} pins of {streams} streams agree with their definitions")?;
    }
    Ok(exit)
}

/// Compares the lock with the definitions, and shows the way from one to the other.
fn offline(context: &Context, root: &Root) -> Result<Exit, CliError> {
    let found = agree(&root.definitions, &root.lock);
    if found.is_empty() {
        return Ok(Exit::Success);
    }
    let mut out = context.stdout();
    for one in &found {
        writeln!(out, "{one}")?;
    }
    let (next, _) = pin(&root.definitions, &root.lock, Findings::new());
    if next != root.lock {
        let (old, new) = (encode(&root.lock), encode(&next));
        let diff = TextDiff::from_lines(&old, &new);
        write!(out, "\n{}", diff.unified_diff().context_radius(2).header("pinstream.lock", "as it should be"))?;
    }
    let offline_is_enough = agree(&root.definitions, &next).is_empty();
    let fixed_elsewhere = found.iter().any(|one| matches!(one.what, What::Fixed { .. }));
    let command = if offline_is_enough && !fixed_elsewhere { "pinstream update --offline" } else { "pinstream update" };
    writeln!(out, "\nto mend it: {command}")?;
    Ok(Exit::Drift)
}

/// Refuses digests that nobody but the person who edited the lock vouches for.
fn against_base(context: &Context, folder: &Folder, root: &Root, base: &str) -> Result<Exit, CliError> {
    let checkout = checkout::discover(&folder.0)?
        .ok_or_else(|| CliError::said("`--base` needs a Git checkout, and this folder is in none"))?;
    let mut history = checkout.lock_history(base, &checkout.prefix)?;
    let mut earlier = history.by_ref().map(|version| version.map(|version| lock_of(version.bytes)));
    let old = earlier.next().transpose()?.unwrap_or_default();
    let mut changed: Vec<Move> = moves(&old, &root.lock);
    // A follower's digest is the followed one's, which `offline` compares.
    changed.retain(|one| one.after().is_some() && root.lock.pins[&one.tag].follow.is_none());
    let mut unknown: BTreeSet<(TagId, Digest)> =
        changed.iter().filter_map(|one| Some((one.tag.clone(), one.after()?.digest.clone()))).collect();
    if unknown.is_empty() {
        return Ok(Exit::Success);
    }
    for lock in std::iter::once(Ok(old)).chain(earlier) {
        let lock: Lock = lock?;
        unknown.retain(|(id, digest)| {
            let pin = lock.pins.get(id);
            !pin.is_some_and(|pin| pin.digest == *digest || pin.previous.contains(digest))
        });
        if unknown.is_empty() {
            return Ok(Exit::Success);
        }
    }
    let ids: Vec<String> = unknown.iter().map(|(id, _)| id.to_string()).collect();
    let only = TagGlobs::new(ids.iter().map(String::as_str)).map_err(usage)?;
    let report = import(context, folder, Some(only))?;
    let mut out = context.stdout();
    let mut exit = Exit::Success;
    for (id, digest) in &unknown {
        let Some(row) = report.rows.iter().find(|row| row.tag == *id) else { continue };
        let verdict = match &row.outcome {
            Outcome::Unchanged => continue,
            Outcome::Failed(error) => {
                writeln!(out, "`{id}`: whether it serves `{digest}` could not be asked: {error}")?;
                Exit::Partial
            }
            _ => {
                writeln!(out, "`{id}` is pinned to `{digest}`, which neither it serves now nor {base} ever held")?;
                if let Some(new) = &row.new {
                    let new = &new.digest;
                    writeln!(out, "  it serves `{new}`; put that in place with `pinstream update {id}`")?;
                }
                Exit::Refused
            }
        };
        exit = exit.worst(verdict);
    }
    Ok(exit)
}

/// The lock that the bytes of an earlier commit hold; one that cannot be read vouches for nothing.
fn lock_of(bytes: Vec<u8>) -> Lock {
    let text = String::from_utf8(bytes).unwrap_or_default();
    lock::read::read(&Arc::new(SourceFile { path: lock::FILE_NAME.to_owned(), text })).unwrap_or_default()
}

/// Compares the lock with what the registries have now.
fn upstream(context: &Context, folder: &Folder) -> Result<Exit, CliError> {
    let report = import(context, folder, None)?;
    pass::show(context, &report, super::Format::Text)?;
    let drift = if report.moves() { Exit::Drift } else { Exit::Success };
    Ok(report.exit().worst(drift))
}

fn import(context: &Context, folder: &Folder, only: Option<TagGlobs>) -> Result<Report, CliError> {
    let request = Request {
        branch: None,
        root: String::new(),
        remote: None,
        only,
        imports: Imports::All,
        effect: Effect::Show,
        policy: context.policy.clone(),
    };
    pass::report(context, Place::Folder(folder.clone()), &request)
}
