//! Merges a lock with conflict markers pin by pin; pins that both sides changed are resolved again.
//!
//! Writes nothing if it fails.

use std::io::Write as _;
use std::sync::Arc;

use crate::git::Push;
use crate::model::image::TagId;
use crate::model::lock::merge::{MergedLock, merge, merge_previous};
use crate::model::lock::{self, Lock, Pin, conflict_markers, encode};
use crate::model::root::Root;
use crate::model::stream::Definitions;
use crate::reconcile::gather::resolve::{Candidate, Resolution, Resolutions};
use crate::reconcile::gather::resolve_all;
use crate::text::diagnostics::SourceFile;

use super::super::check::files::read_referenced;
use super::super::support::pass_runner;
use crate::cli::{CliError, CommandContext};

/// Remedy if a side is invalid.
const CHECK_OUT_ONE_SIDE: &str = "check out one side of the file, then run `pinstream update`";

/// Merges the lock of the root if it has conflict markers.
///
/// # Errors
/// Fails if a side is not a valid lock or a pin that both sides changed cannot be resolved.
pub(super) fn settle(context: &CommandContext) -> Result<(), CliError> {
    let work_tree = context.root_directory()?;
    let version = work_tree.version()?;
    // An unreadable lock, or one without markers, is left to the pass.
    let bytes = work_tree.lock().ok().flatten().unwrap_or_default();
    let text = std::str::from_utf8(&bytes).ok().filter(|text| text.contains("<<<<<<<"));
    let Some(sides) = text.and_then(conflict_markers::parse) else { return Ok(()) };
    let (ours, theirs) = (side("ours", sides.ours)?, side("theirs", sides.theirs)?);
    // Without a complete base, every pin that differs is in conflict.
    let base = sides.base.and_then(|text| side("base", text).ok()).unwrap_or_default();
    let MergedLock { mut lock, conflicts } = merge(&base, &ours, &theirs);
    lock.pins.retain(|id, _| conflicts.binary_search(id).is_err());

    let mut files = work_tree.read()?;
    files.insert(lock::FILE_NAME.to_owned(), encode::encode(&lock).into_bytes());
    let root = Root::read(&files)?;
    let (authorities, trust) = (work_tree.authorities(&root.settings)?, read_referenced(&work_tree, &root)?);
    let tags = conflicts.iter().filter_map(|id| Some((id.clone(), root.definitions.tags.get(id)?.clone()))).collect();
    let conflicting =
        Root { definitions: Definitions { tags, ..Definitions::default() }, lock: Lock::default(), ..root };
    let world = context.world(&work_tree);
    let resolutions = pass_runner::runtime()?.block_on(pass_runner::interruptible(resolve_all(
        &world,
        &conflicting,
        &authorities,
        &trust,
    )))?;
    for id in &conflicts {
        let pins: Vec<&Pin> = [&theirs, &ours].into_iter().filter_map(|lock| lock.pins.get(id)).collect();
        let pin = pin(id, &pins, &resolutions)?;
        lock.pins.extend(pin.map(|pin| (id.clone(), pin)));
    }
    match work_tree.write_lock(&version, &encode::encode(&lock))? {
        Push::Landed(_) => {}
        _ => return Err(CliError::new("the lock was changed by another process").help("run the command again")),
    }
    let tags: Vec<String> = conflicts.iter().map(|id| format!("`{id}`")).collect();
    let resolved = if tags.is_empty() { String::new() } else { format!("; resolved again: {}", tags.join(", ")) };
    writeln!(anstream::stderr(), "merged both sides of `{}`{resolved}", lock::FILE_NAME)?;
    Ok(())
}

/// Parses one side of the conflict.
fn side(name: &str, text: String) -> Result<Lock, CliError> {
    lock::read::read(&Arc::new(SourceFile { path: lock::FILE_NAME.to_owned(), text })).map_err(|problems| {
        let first = problems.first().map_or("it cannot be parsed", |problem| &problem.message);
        CliError::new(format!("side `{name}` of the conflict in `{}` is not a valid lock: {first}", lock::FILE_NAME))
            .help(CHECK_OUT_ONE_SIDE)
    })
}

/// Pins a tag that both sides changed to its current digest. None if the tag is no longer defined or follows another tag;
/// the pass pins it then.
fn pin(id: &TagId, pins: &[&Pin], resolutions: &Resolutions) -> Result<Option<Pin>, CliError> {
    match resolutions.get(id) {
        Some(Ok(Resolution::Candidate(Candidate { image, content: Some(found), .. }))) => Ok(Some(Pin {
            follow: None,
            image: image.clone(),
            digest: found.digest().clone(),
            index: found.index().cloned(),
            details: found.details().clone(),
            previous: merge_previous(found.digest(), pins),
        })),
        // The definition rejects the current digest; keep our side until there is another one.
        Some(Ok(Resolution::Candidate(_))) => Ok(pins.last().map(|pin| (*pin).clone())),
        Some(Ok(Resolution::Unchanged)) | None => Ok(None),
        Some(Err(error)) => {
            let message = format!("cannot resolve `{id}`, which both sides changed: {error}");
            Err(CliError::new(message).help("fix that and run the command again, or check out one side of the file"))
        }
    }
}
