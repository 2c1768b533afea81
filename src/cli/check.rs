//! `check`: the CI gate. Offline, it says whether definitions are valid and the lock agrees with them; it never turns
//! red because a registry moved. It runs no hook and pushes nothing.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Arc;

use similar::TextDiff;

use crate::git::checkout::{self, Checkout};
use crate::git::{Files, GitError};
use crate::image::TagId;
use crate::lock::agree::{What, agree};
use crate::lock::encode::encode;
use crate::lock::{self, Lock, Pin};
use crate::problem::{Problems, SourceFile};
use crate::reconcile::pin::pin;
use crate::reconcile::resolve::{Finding, Findings};
use crate::reconcile::{Effect, Imports, PassError, Request, served};
use crate::registry::FailureKind;
use crate::report::exit::Exit;
use crate::root::Root;
use crate::settings;
use crate::world::folder::Folder;
use crate::world::real::{Place, RealWorld};

use super::context::Context;
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
        let pins = count(root.lock.pins.len(), "pin");
        let streams = count(root.definitions.streams.len(), "stream");
        writeln!(context.stdout(), "{pins} of {streams}: lock and definitions agree")?;
    }
    // The process ends here: to give the memory of a large root back piece by piece takes a seventh of its time.
    std::mem::forget(root);
    Ok(exit)
}

fn count(number: usize, of: &str) -> String {
    if number == 1 { format!("1 {of}") } else { format!("{number} {of}s") }
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
    if *next != root.lock {
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
    let checkout = checkout::discover(&folder.0)?.ok_or_else(|| {
        CliError::said("`--base` needs a Git checkout, and this folder is in none")
            .help("run it in a clone, or leave `--base` out")
    })?;
    let no_base = |error: GitError| {
        CliError::said(format!("`--base`: {error}"))
            .help(format!("where `{base}` is a branch, fetch it first and name it as it was fetched, `origin/main`"))
    };
    let mut history = checkout.lock_history(base, &checkout.prefix).map_err(no_base)?;
    let mut earlier = history.by_ref().map(|version| version.map(|version| lock_of(version.bytes)));
    let old = earlier.next().transpose()?.unwrap_or_default();
    // A follower's pin is the followed one's, which `offline` compares.
    let pins = root.lock.pins.iter().filter(|(_, pin)| pin.follow.is_none());
    let mut unknown: BTreeSet<TagId> = pins.map(|(id, _)| id.clone()).collect();
    for lock in std::iter::once(Ok(old)).chain(earlier) {
        if unknown.is_empty() {
            return Ok(Exit::Success);
        }
        let lock: Lock = lock?;
        // Not what an earlier lock names as `previous`: that is what somebody wrote there, and nothing ever ran it.
        let stood = |id: &TagId| lock.pins.get(id).is_some_and(|pin| is_same_image(pin, &root.lock.pins[id]));
        unknown.retain(|id| !stood(id));
    }
    // How registries are reached is for the base to say: a proposal that names its own mirror vouches for itself.
    let settings = settings_at(&checkout, base)?;
    let place = Place::Proposal { folder: folder.clone(), settings };
    let world = RealWorld::new(place, context.policy.clone(), Box::new(|_| {}));
    let served = pass::runtime()?.block_on(served(&world, &unknown))?;
    let mut out = context.stdout();
    let mut exit = Exit::Success;
    for id in &unknown {
        let pin = &root.lock.pins[id];
        let digest = &pin.digest;
        let verdict = match served.get(id) {
            // A tag that is not imported disagrees with its definition, which was said already.
            None | Some(Ok(Finding::Unchanged)) => continue,
            Some(Ok(Finding::Found(found))) if found.digest == *digest && found.index == pin.index => {
                if found.details == pin.details {
                    continue;
                }
                writeln!(out, "`{id}`: what the lock says of `{digest}` is not what the image says of itself")?;
                writeln!(out, "  take its `[[pin]]` out of the lock, then: pinstream update {id}")?;
                Exit::Refused
            }
            Some(Ok(Finding::Found(found))) => {
                writeln!(
                    out,
                    "`{id}` is pinned to `{digest}`, which it does not serve, and which `{base}` never held"
                )?;
                writeln!(out, "  it serves `{}`; to pin that: pinstream update {id}", found.digest)?;
                Exit::Refused
            }
            Some(Err(error)) => {
                writeln!(out, "`{id}` is pinned to `{digest}`, and what it serves could not be asked: {error}")?;
                match error.kind {
                    FailureKind::Refused | FailureKind::Integrity => Exit::Refused,
                    _ => Exit::Partial,
                }
            }
        };
        exit = exit.worst(verdict);
    }
    if exit == Exit::Refused && checkout.is_shallow() {
        writeln!(out, "this clone is shallow: a former digest is known after `git fetch --unshallow`")?;
    }
    Ok(exit)
}

/// Whether two pins say the same, but for what came before them.
fn is_same_image(a: &Pin, b: &Pin) -> bool {
    (&a.image, &a.digest, &a.index, &a.details) == (&b.image, &b.digest, &b.index, &b.details)
}

/// The settings at `base`, with the authorities that they name; none where there was no root yet.
fn settings_at(checkout: &Checkout, base: &str) -> Result<Files, CliError> {
    let mut files = checkout.read_at(base, &checkout.prefix)?;
    files.retain(|path, _| path == settings::FILE_NAME);
    if files.is_empty() {
        return Ok(files);
    }
    let authorities = Root::read(&files)?.settings.registries.into_values().filter_map(|registry| registry.ca);
    for path in authorities {
        if let Some(file) = checkout.file_at(base, &checkout.prefix, &path)? {
            files.insert(path, file.bytes);
        }
    }
    Ok(files)
}

/// The lock that the bytes of an earlier commit hold; one that cannot be read vouches for nothing.
fn lock_of(bytes: Vec<u8>) -> Lock {
    let text = String::from_utf8(bytes).unwrap_or_default();
    lock::read::read(&Arc::new(SourceFile { path: lock::FILE_NAME.to_owned(), text })).unwrap_or_default()
}

/// Compares the lock with what the registries have now.
fn upstream(context: &Context, folder: &Folder) -> Result<Exit, CliError> {
    let request = Request {
        branch: None,
        root: String::new(),
        remote: None,
        only: None,
        imports: Imports::All,
        effect: Effect::Show,
        policy: context.policy.clone(),
    };
    let report = pass::report(context, Place::Folder(folder.clone()), &request)?;
    pass::show(context, &report, super::Format::Text)?;
    let drift = if report.moves() { Exit::Drift } else { Exit::Success };
    Ok(report.exit().worst(drift))
}
