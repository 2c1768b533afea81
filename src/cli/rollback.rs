//! `rollback`: returns a tag to an earlier digest and rejects the current one. Writes files; never commits.

mod target;

use std::collections::BTreeSet;
use std::io::Write as _;

use crate::effects::Registries as _;
use crate::git::checkout;
use crate::git::work_tree::WorkTree;
use crate::model::drift::find_drift;
use crate::model::image::{Digest, TagId};
use crate::model::lock::encode::{check_size, encode};
use crate::model::lock::{Details, Lock, Pin, diff};
use crate::model::root::rollback::roll_back;
use crate::model::root::{Root, decode_lock};
use crate::model::settings::globs::TagGlobs;
use crate::model::stream::edit as text;
use crate::model::stream::write::{NewSource, NewTag};
use crate::model::stream::{Tag, TagSource};
use crate::query::history::{HistoryEntry, TagHistories};
use crate::reconcile::PassError;
use crate::reconcile::gather::images::at_digest;
use crate::system::clock;
use crate::text::escape;

use super::check::drift;
use super::history::trace_checkout;
use super::support::definition_edit::{DefinitionEdit, path};
use super::support::pass_runner;
use super::{CliError, CommandContext, Exit};
use target::{Candidates, RollbackTarget};

/// Return a tag to an earlier digest and reject the current one
///
/// Restores the earlier pin in the lock of the work tree, together with the tags that follow it, and adds the current
/// digest to `reject` in the tag's definition: later passes skip it and continue with newer digests. Commits nothing; the
/// last line of the output is the command to do so.
///
/// Rolling back a follower affects that tag only: the tag that it follows keeps its digest. To roll back all of them, name
/// the tag that they follow.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pinstream rollback python:3.12 --reason 'crashes at start'
  pinstream rollback python:3.12 --to 2 --reason 'memory leak'
  pinstream rollback python:3.12 --to 4b8343596c64 --reason 'memory leak' --hold")]
pub struct RollbackArgs {
    /// The tag, `stream:tag`
    #[arg(value_name = "TAG")]
    tag: String,
    /// Digest to return to: the N-th earlier one (rejected ones do not count), or a unique prefix
    #[arg(long, value_name = "DIGEST|N", default_value = "1")]
    to: RollbackTarget,
    /// Reason, recorded as a comment at the rejected digest or in `hold`
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Hold the tag at the earlier digest instead of rejecting the current one
    #[arg(long)]
    hold: bool,
}

/// A rollback in progress.
struct Rollback<'a> {
    context: &'a CommandContext,
    args: &'a RollbackArgs,
    /// Directory of the root.
    work_tree: &'a WorkTree,
    /// The root before the rollback.
    root: &'a Root,
    id: &'a TagId,
    tag: &'a Tag,
    /// The pin to leave.
    current: &'a Pin,
}

/// Runs `rollback`.
///
/// # Errors
/// Fails without writing anything if the tag or digest does not exist or the edited root would have problems.
pub fn run(context: &CommandContext, args: &RollbackArgs) -> Result<Exit, CliError> {
    if args.reason.trim().is_empty() {
        return Err(CliError::usage("the reason is empty").help("give one, e.g. `--reason 'crashes at start'`"));
    }
    let id: TagId = args.tag.parse()?;
    let mut edit = DefinitionEdit::begin(context)?;
    let work_tree = edit.work_tree.clone();
    let root = edit.root()?;
    let Some(tag) = root.definitions.tags.get(&id) else { return Err(root.unknown_tag(&args.tag).into()) };
    let Some(current) = root.lock.pins.get(&id) else {
        return Err(CliError::new(format!("`{id}` is not pinned yet")).help(format!("run `pinstream update {id}`")));
    };
    if matches!(&tag.source, TagSource::Image { image, .. } if image.digest().is_some()) {
        return Err(CliError::new(format!("the definition of `{id}` has a fixed digest"))
            .help(format!("define it again: `pinstream tag {}@DIGEST {id}`", id.stream)));
    }
    let rollback = Rollback { context, args, work_tree: &work_tree, root: &root, id: &id, tag, current };
    let pin = rollback.pin(rollback.choose()?)?;
    let lock = roll_back(&root, &committed_lock(&work_tree)?, &id, pin, clock::now());
    edit.stream(&id.stream, |file| rollback.edit_definition(file))?;
    let encoded = encode(&lock);
    check_size(encoded.len())?;
    edit.lock(encoded);
    let after = edit.root()?;
    require_no_new_drift(&root, &after)?;
    edit.targets(drift::edited(context, &work_tree, &after, &after.lock, &TagGlobs::all())?)?;
    let written = edit.write()?;
    rollback.report(&after, &written)
}

impl Rollback<'_> {
    fn choose(&self) -> Result<HistoryEntry, CliError> {
        let to = &self.args.to;
        let eligible = |entries: &[HistoryEntry]| -> Vec<HistoryEntry> {
            entries.iter().filter(|entry| self.is_eligible(entry)).cloned().collect()
        };
        let wanted = BTreeSet::from([self.id.clone()]);
        let enough = |tags: &TagHistories| to.is_decided(&eligible(entries_of(tags, self.id)));
        let checkout = checkout::discover(&self.work_tree.0)?;
        let history = trace_checkout(checkout.as_ref(), &self.root.lock, &wanted, enough)?;
        let all = entries_of(&history.tags, self.id);
        to.choose(&Candidates { rollback: self, all, eligible: &eligible(all) })
    }

    /// Returns true if the tag's definition rejects `digest`.
    fn rejects(&self, digest: &Digest) -> bool {
        self.tag.adoption.as_ref().is_some_and(|rules| rules.reject.contains(digest))
    }

    /// Returns true if the tag can return to an entry of its history.
    fn is_eligible(&self, entry: &HistoryEntry) -> bool {
        let is_same_repository =
            |pin: &Pin| self.current.follow.is_some() || pin.image.repository() == self.current.image.repository();
        entry.digest != self.current.digest
            && !self.rejects(&entry.digest)
            && entry.pin.as_ref().is_none_or(is_same_repository)
    }

    /// Builds the pin for an entry, from the history or else from the registry.
    fn pin(&self, entry: HistoryEntry) -> Result<Pin, CliError> {
        let (id, digest, current) = (self.id, entry.digest, &self.current.image);
        let help = "run `git fetch --unshallow` to fetch the rest of the history";
        let (image, index, details) = match (entry.pin, &self.tag.source) {
            (pin, TagSource::Follow(_)) => {
                (pin.map_or_else(|| current.clone(), |pin| pin.image), None, Details::default())
            }
            (Some(pin), _) => (pin.image, pin.index, pin.details),
            (None, TagSource::Select { .. }) => {
                return Err(CliError::new(format!(
                    "cannot find the tag of `{digest}`: its commit is not in this clone"
                ))
                .help(help));
            }
            (None, TagSource::Image { .. } | TagSource::Remote(_)) => {
                let world = self.context.world(self.work_tree);
                let settings = &self.root.settings;
                world.prepare(settings, &self.work_tree.authorities(settings)?).map_err(PassError::Registries)?;
                let resolve = at_digest(&world, current, &digest, self.tag.source.platform());
                let found = pass_runner::runtime()?.block_on(resolve).map_err(|error| {
                    CliError::new(format!(
                        "`{digest}` of `{id}` is neither in this clone's history nor served: {error}"
                    ))
                    .help(help)
                })?;
                (current.clone(), found.index().cloned(), found.details().clone())
            }
        };
        Ok(Pin { follow: self.tag.source.followed(), image, digest, index, details, previous: Vec::new() })
    }

    /// Rejects the current digest in the stream file, or holds the tag.
    fn edit_definition(&self, file: &str) -> Result<String, text::InvalidToml> {
        let Self { args, id, .. } = self;
        let file = match &self.tag.source {
            // A discovered tag has no definition yet.
            TagSource::Image { image, .. } if self.tag.discovered => {
                let new = NewTag::of(NewSource::Image(image.clone(), None));
                text::define(file, &id.stream, &id.tag, &new)?
            }
            _ => file.to_owned(),
        };
        match args.hold {
            true => text::hold(&file, &id.tag, Some(args.reason.trim())),
            false => text::reject(&file, &id.tag, &self.current.digest, &args.reason),
        }
    }

    fn report(&self, after: &Root, written: &[String]) -> Result<Exit, CliError> {
        let Self { context, args, work_tree, root, id, .. } = self;
        let mut out = context.stdout();
        let side = |side: Option<&diff::PinSide>| {
            let Some(side) = side else { return String::new() };
            let version = side.version.as_ref().map(|version| format!(" ({})", escape::terminal(version)));
            format!("{}{}", side.digest.short(), version.unwrap_or_default())
        };
        for change in diff::changes(&root.lock, &after.lock) {
            writeln!(out, "{}: {} -> {}", change.tag, side(change.before()), side(change.after()))?;
        }
        match args.hold {
            true => writeln!(out, "{id} is held until `hold` is removed from {}", path(&id.stream))?,
            false => writeln!(out, "{id} now rejects {}; newer digests are adopted", self.current.digest.short())?,
        }
        if let Some(target) = after.definitions.target(id) {
            let (end, _) = after.definitions.end_of(target);
            writeln!(out, "{target}, which it follows, is unchanged; to roll back all: pinstream rollback {end}")?;
        }
        for path in written {
            writeln!(out, "wrote {path}")?;
        }
        let directory = match work_tree.0 == context.directory {
            true => String::new(),
            false => format!(" -C {}", escape::terminal(&work_tree.0.display().to_string())),
        };
        let paths = written.join(" ");
        writeln!(out, "next: git{directory} add {paths} && git{directory} commit -m \"Roll back {id}\"")?;
        Ok(Exit::Success)
    }
}

fn entries_of<'t>(tags: &'t TagHistories, id: &TagId) -> &'t [HistoryEntry] {
    tags.get(id).map(Vec::as_slice).unwrap_or_default()
}

/// Reads the committed lock; empty if there is none.
fn committed_lock(work_tree: &WorkTree) -> Result<Lock, CliError> {
    let Some(checkout) = checkout::discover(&work_tree.0)? else { return Ok(Lock::default()) };
    // A repository without a commit has no lock.
    let Ok(head) = checkout.commit("HEAD") else { return Ok(Lock::default()) };
    let bytes = checkout.lock_at(&head.0, &checkout.prefix)?;
    Ok(bytes.and_then(|bytes| decode_lock(&bytes).ok()).unwrap_or_default())
}

/// Fails if the rollback causes drift, e.g. because the earlier digest belongs to another definition.
fn require_no_new_drift(before: &Root, after: &Root) -> Result<(), CliError> {
    let known = find_drift(&before.definitions, &before.lock);
    let mut drift = find_drift(&after.definitions, &after.lock).into_iter();
    match drift.find(|one| !known.iter().any(|old| old.tag == one.tag)) {
        None => Ok(()),
        Some(drift) => Err(CliError::new(format!("the earlier digest does not match the definition: {drift}"))
            .help("name another one with `--to`, or define the tag again with `pinstream tag`")),
    }
}
