//! A lock that a merge left in conflict: both sides are joined pin by pin, and what both moved is imported anew.
//!
//! Nothing is written before all of it is known: a lock that cannot be settled stays as it is.

use std::io::Write as _;
use std::sync::Arc;

use crate::effects::real::{RealWorld, Repo};
use crate::git::Push;
use crate::model::image::TagId;
use crate::model::lock::merge::{MergedLock, merge, merge_previous};
use crate::model::lock::{self, Lock, Pin, conflict_markers, encode};
use crate::model::root::Root;
use crate::model::stream::Definitions;
use crate::reconcile::resolve::{Resolution, Resolutions, Update};
use crate::reconcile::served;
use crate::text::diagnostics::SourceFile;

use super::super::check::files::are_there;
use super::super::context::CommandContext;
use super::super::{CliError, pass};

/// What a person does where nothing here helps.
const BY_HAND: &str = "take either side of the whole file, then run `pinstream update`";

/// Settles the lock of the root that the current folder is in, where it is in conflict.
///
/// # Errors
/// Where a side is no lock, or what both moved cannot be imported.
pub(super) fn settle(context: &CommandContext) -> Result<(), CliError> {
    let folder = context.root_folder()?;
    let version = folder.version()?;
    // What cannot be read, or has no sides, is for the pass to judge, as any other lock.
    let bytes = folder.lock().ok().flatten().unwrap_or_default();
    let text = std::str::from_utf8(&bytes).ok().filter(|text| text.contains("<<<<<<<"));
    let Some(sides) = text.and_then(conflict_markers::parse) else { return Ok(()) };
    let (ours, theirs) = (side("ours", sides.ours)?, side("theirs", sides.theirs)?);
    // Without a base, or with one that is cut apart, every pin that differs is in conflict.
    let base = sides.base.and_then(|text| side("base", text).ok()).unwrap_or_default();
    let MergedLock { mut lock, conflicts } = merge(&base, &ours, &theirs);
    lock.pins.retain(|id, _| conflicts.binary_search(id).is_err());

    let mut files = folder.read()?;
    files.insert(lock::FILE_NAME.to_owned(), encode::encode(&lock).into_bytes());
    let root = Root::read(&files)?;
    let (authorities, trust) = (folder.authorities(&root.settings)?, are_there(&folder, &root)?);
    let tags = conflicts.iter().filter_map(|id| Some((id.clone(), root.definitions.tags.get(id)?.clone()))).collect();
    let asked = Root { definitions: Definitions { tags, ..Definitions::default() }, lock: Lock::default(), ..root };
    let world = RealWorld::new(Repo::Folder(folder.clone()), context.policy.clone(), Box::new(|_| {}));
    let findings = pass::runtime()?.block_on(pass::interruptible(served(&world, &asked, &authorities, &trust)))?;
    for id in &conflicts {
        let pins: Vec<&Pin> = [&theirs, &ours].into_iter().filter_map(|lock| lock.pins.get(id)).collect();
        let pin = pin(id, &pins, &findings)?;
        lock.pins.extend(pin.map(|pin| (id.clone(), pin)));
    }
    match folder.write_lock(&version, &encode::encode(&lock))? {
        Push::Landed(_) => {}
        _ => return Err(CliError::said("the lock changed while it was settled").help("run it again")),
    }
    let tags: Vec<String> = conflicts.iter().map(|id| format!("`{id}`")).collect();
    let anew = if tags.is_empty() { String::new() } else { format!("; imported anew: {}", tags.join(", ")) };
    writeln!(anstream::stderr(), "merged both sides of `{}`{anew}", lock::FILE_NAME)?;
    Ok(())
}

/// One side of the conflict.
fn side(name: &str, text: String) -> Result<Lock, CliError> {
    lock::read::read(&Arc::new(SourceFile { path: lock::FILE_NAME.to_owned(), text })).map_err(|problems| {
        let first = problems.first().map_or("it cannot be read", |problem| &problem.message);
        CliError::said(format!("the side `{name}` of the conflict in `{}` is no lock: {first}", lock::FILE_NAME))
            .help(BY_HAND)
    })
}

/// The pin of a tag that both sides moved: what its image is now. None where it has no definition any more, or follows
/// another tag: then the pass that comes next pins it.
fn pin(id: &TagId, pins: &[&Pin], findings: &Resolutions) -> Result<Option<Pin>, CliError> {
    match findings.get(id) {
        Some(Ok(Resolution::Found(Update { image, found, .. }))) => Ok(Some(Pin {
            follow: None,
            image: image.clone(),
            digest: found.digest().clone(),
            index: found.index().cloned(),
            details: found.details().clone(),
            previous: merge_previous(found.digest(), pins),
        })),
        // What is served is rejected by the definition: our side stands until something else is.
        Some(Ok(Resolution::Kept { .. })) => Ok(pins.last().map(|pin| (*pin).clone())),
        Some(Ok(Resolution::Unchanged)) | None => Ok(None),
        Some(Err(error)) => {
            let message = format!("both sides moved `{id}`, and it cannot be imported anew: {error}");
            Err(CliError::said(message).help("the lock is as it was; mend that, or take either side of the file"))
        }
    }
}
