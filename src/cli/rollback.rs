//! `rollback`: puts a tag back to an earlier digest in the work tree, and sees to it that no pass brings the bad one
//! again. Writes files; commits nothing.

mod target;

use std::collections::BTreeSet;
use std::io::Write as _;

use crate::effects::Registries as _;
use crate::effects::real::{RealWorld, Repo};
use crate::git::checkout;
use crate::git::work_tree::WorkTree;
use crate::model::image::{ImageRef, TagId};
use crate::model::lock::drift::find_drift;
use crate::model::lock::encode::{check_size, encode};
use crate::model::lock::{Details, Lock, Pin, diff};
use crate::model::root::rollback::roll_back;
use crate::model::root::{Root, decode_lock};
use crate::model::stream::edit as text;
use crate::model::stream::write::{NewSource, NewTag};
use crate::model::stream::{Tag, TagSource};
use crate::reconcile::PassError;
use crate::reconcile::gather::images::at_digest;
use crate::report::exit::Exit;
use crate::system::clock;
use crate::text::escape;

use super::check::targets;
use super::context::{CommandContext, usage};
use super::edit::{DefinitionEdit, path};
use super::history::trail::{TrailStep, trail};
use super::{CliError, pass};
use target::RollbackTarget;

/// Put a tag back to an earlier digest, so that no pass brings the bad one again
///
/// The earlier pin is put back into the lock of the work tree, along with the tags that follow it, and the tag's
/// definition rejects the digest that it stood at: passes stay away from it, and move on to a newer one. Nothing is
/// committed: the last line says how.
///
/// A tag that follows another is put back by itself: it rejects the digest, and the tag that it follows stays where it
/// is, as do others that follow that one. To take all of them back, name the tag that they follow.
#[derive(Debug, clap::Args)]
pub struct RollbackArgs {
    /// The tag, `stream:tag`
    #[arg(value_name = "TAG")]
    tag: String,
    /// To which digest: the N-th earlier one, or one by its beginning; those that are rejected do not count
    #[arg(long, value_name = "DIGEST|N", default_value = "1")]
    to: RollbackTarget,
    /// Why; it stands beside the rejected digest as a comment, or in `hold`
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Hold the tag in place of rejecting the digest: it stays until `hold` is taken out
    #[arg(long)]
    hold: bool,
}

/// Runs it.
///
/// # Errors
/// Where there is no such tag or digest, or the root would not be right with it; then nothing is written.
pub fn run(context: &CommandContext, args: &RollbackArgs) -> Result<Exit, CliError> {
    if args.reason.trim().is_empty() {
        return Err(CliError::usage("a rollback needs a reason").help("say why: `--reason 'it crashes at start'`"));
    }
    let id: TagId = args.tag.parse().map_err(usage)?;
    let mut edit = DefinitionEdit::begin(context)?;
    let root = edit.root()?;
    let Some(tag) = root.definitions.tags.get(&id) else { return Err(root.unknown_tag(&args.tag).into()) };
    let Some(bad) = root.lock.pins.get(&id) else {
        return Err(CliError::said(format!("`{id}` is not pinned, so there is nothing to go back from"))
            .help(format!("`pinstream update {id}` pins it")));
    };
    if matches!(&tag.source, TagSource::Image { image, .. } if image.digest().is_some()) {
        return Err(CliError::said(format!("`{id}` is fixed to its digest by its definition"))
            .help(format!("define it anew: `pinstream tag {}@… {id}`", id.stream)));
    }
    let is_candidate = |step: &TrailStep| is_candidate(tag, bad, step);
    let wanted = BTreeSet::from([id.clone()]);
    let of = |steps: &[TrailStep]| steps.iter().filter(|step| is_candidate(step)).cloned().collect::<Vec<TrailStep>>();
    let found = trail(&edit.folder, &root.lock, &wanted, |steps| args.to.is_decided(&of(&steps[&id])))?;
    let rejected = tag.adoption.as_deref().map(|rules| rules.reject.as_slice()).unwrap_or_default();
    let step = args.to.choose(&id, bad, rejected, &found.steps[&id], &of(&found.steps[&id]))?;
    let to = earlier(context, &edit.folder, &root, &id, tag, bad, step)?;
    let lock = roll_back(&root, &committed(&edit.folder)?, &id, to, clock::now());
    edit.stream(&id.stream, |file| {
        let file = match &tag.source {
            // What `[discover]` found stands nowhere yet.
            TagSource::Image { image, .. } if tag.discovered => {
                let new = NewTag::of(NewSource::Image(image.clone(), None));
                text::define(file, &id.stream, &id.tag, &new)?
            }
            _ => file.to_owned(),
        };
        match args.hold {
            true => text::hold(&file, &id.tag, Some(args.reason.trim())),
            false => text::reject(&file, &id.tag, &bad.digest, &args.reason),
        }
    })?;
    let encoded = encode(&lock);
    check_size(encoded.len())?;
    edit.lock(encoded);
    let after = edit.root()?;
    agrees(&root, &after)?;
    let folder = edit.folder.clone();
    for file in targets::edited(context, &folder, &after, &after.lock, None)? {
        edit.target(file);
    }
    let written = edit.write()?;
    say(context, args, &id, &root, &after, &folder, &written)
}

/// Whether a step leads back to something that the tag could stand at.
fn is_candidate(tag: &Tag, bad: &Pin, step: &TrailStep) -> bool {
    let is_rejected = tag.adoption.as_ref().is_some_and(|rules| rules.reject.contains(&step.digest));
    let same = |pin: &Pin| bad.follow.is_some() || pin.image.repository() == bad.image.repository();
    step.digest != bad.digest && !is_rejected && step.pin.as_ref().is_none_or(same)
}

/// The pin to go back to: as history has it, or else as the registry describes the digest.
fn earlier(
    context: &CommandContext,
    folder: &WorkTree,
    root: &Root,
    id: &TagId,
    tag: &Tag,
    bad: &Pin,
    step: TrailStep,
) -> Result<Pin, CliError> {
    let digest = step.digest;
    let plain = |image: ImageRef| Pin {
        follow: tag.source.followed(),
        image,
        digest: digest.clone(),
        index: None,
        details: Details::default(),
        previous: Vec::new(),
    };
    match (step.pin, &tag.source) {
        (pin, TagSource::Follow(_)) => Ok(plain(pin.map_or_else(|| bad.image.clone(), |pin| pin.image))),
        (Some(pin), _) => Ok(Pin { index: pin.index, details: pin.details, ..plain(pin.image) }),
        (None, TagSource::Select { .. }) => {
            Err(CliError::said(format!("the tag that `{digest}` had is not known: its commit is not here"))
                .help("`git fetch --unshallow` brings the rest of the history"))
        }
        (None, TagSource::Image { .. } | TagSource::Remote(_)) => {
            let world = RealWorld::new(Repo::WorkTree(folder.clone()), context.policy.clone(), Box::new(|_| {}));
            world.prepare(&root.settings, &folder.authorities(&root.settings)?).map_err(PassError::Registries)?;
            let asked = at_digest(&world, &bad.image, &digest, tag.source.platform());
            let found = pass::runtime()?.block_on(asked).map_err(|error| {
                CliError::said(format!("`{id}` at `{digest}` is not in the history here, and: {error}"))
                    .help("`git fetch --unshallow` brings the rest of the history")
            })?;
            Ok(Pin { index: found.index().cloned(), details: found.details().clone(), ..plain(bad.image.clone()) })
        }
    }
}

/// The lock that is committed; an empty one where there is none.
fn committed(folder: &WorkTree) -> Result<Lock, CliError> {
    let Some(checkout) = checkout::discover(&folder.0)? else { return Ok(Lock::default()) };
    // A repository without a commit has no lock.
    let Ok(head) = checkout.commit("HEAD") else { return Ok(Lock::default()) };
    let bytes = checkout.lock_at(&head.0, &checkout.prefix)?;
    Ok(bytes.and_then(|bytes| decode_lock(&bytes).ok()).unwrap_or_default())
}

/// Whether definitions and lock agree as well as they did: the earlier digest may have been of another definition.
fn agrees(before: &Root, after: &Root) -> Result<(), CliError> {
    let known = find_drift(&before.definitions, &before.lock);
    let new =
        find_drift(&after.definitions, &after.lock).into_iter().find(|one| !known.iter().any(|old| old.tag == one.tag));
    new.map_or(Ok(()), |one| {
        Err(CliError::said(format!("that digest is not what the definition asks for now: {one}"))
            .help("name another with `--to`, or define the tag anew with `pinstream tag`"))
    })
}

fn say(
    context: &CommandContext,
    args: &RollbackArgs,
    id: &TagId,
    before: &Root,
    after: &Root,
    folder: &WorkTree,
    written: &[String],
) -> Result<Exit, CliError> {
    let mut out = context.stdout();
    let side = |side: Option<&diff::PinSide>| {
        let Some(side) = side else { return String::new() };
        let version = side.version.as_ref().map(|version| format!(" ({})", escape::terminal(version)));
        format!("{}{}", side.digest.short(), version.unwrap_or_default())
    };
    for one in diff::changes(&before.lock, &after.lock) {
        writeln!(out, "{}: {} -> {}", one.tag, side(one.before()), side(one.after()))?;
    }
    let bad = &before.lock.pins[id].digest;
    match args.hold {
        true => writeln!(out, "{id} is held until `hold` is taken out of {}", path(&id.stream))?,
        false => writeln!(out, "{id} rejects {} from now on; a newer digest moves on", bad.short())?,
    }
    if let Some(TagSource::Follow(target)) = after.definitions.tags.get(id).map(|tag| &tag.source) {
        let end = end_of(after, target);
        writeln!(out, "{target}, which it follows, stays; `pinstream rollback {end}` takes back all that follow")?;
    }
    for path in written {
        writeln!(out, "wrote {path}")?;
    }
    let place = match folder.0 == context.folder {
        true => String::new(),
        false => format!(" -C {}", escape::terminal(&folder.0.display().to_string())),
    };
    let paths = written.join(" ");
    writeln!(out, "next: git{place} add {paths} && git{place} commit -m \"Roll back {id}\"")?;
    Ok(Exit::Success)
}

/// The tag at the end of what `id` follows.
fn end_of<'a>(root: &'a Root, id: &'a TagId) -> &'a TagId {
    let next = |id: &&'a TagId| match root.definitions.tags.get(*id).map(|tag| &tag.source) {
        Some(TagSource::Follow(target)) => Some(target),
        _ => None,
    };
    std::iter::successors(Some(id), next).last().unwrap_or(id)
}
