//! `check --base`: verifies pins that differ from a revision.
//!
//! A digest is verified if the registry serves it for the tag, or if the history of the revision contains it.

use std::collections::BTreeSet;
use std::io::Write as _;

use futures_util::stream::{self, StreamExt as _};

use crate::cli::history::incomplete;
use crate::cli::support::pass_runner;
use crate::cli::{CliError, CommandContext, Exit};
use crate::effects::Registries as _;
use crate::effects::real::RealWorld;
use crate::git::checkout::{self, Checkout};
use crate::git::work_tree::WorkTree;
use crate::git::{GitError, RootFiles};
use crate::model::image::{Digest, TagId};
use crate::model::lock::{Lock, Pin};
use crate::model::root::{Root, decode_lock};
use crate::model::settings::globs::TagGlobs;
use crate::model::settings::{self, Settings};
use crate::model::stream::{Definitions, Tag, TagSource};
use crate::reconcile::FetchedImage;
use crate::reconcile::gather::resolve::{Candidate, Resolution as Answer};
use crate::reconcile::gather::resolve_all;
use crate::registry::{FailureKind, ResolveError};
use crate::report::finding::from_top;
use crate::report::v1::words::FindingKindV1;
use crate::signature::Trust;
use crate::text::escape;

use super::drift::CheckFinding;

/// Maximum number of concurrent requests for earlier digests.
const IN_FLIGHT: usize = 16;

/// A root, to be compared with a revision.
pub(super) struct BaseCheck<'a> {
    /// Context of the command.
    pub(super) context: &'a CommandContext,
    /// Directory of the root.
    pub(super) work_tree: &'a WorkTree,
    /// The root.
    pub(super) root: &'a Root,
    /// Keys for `verify`.
    pub(super) trust: &'a Trust,
    /// The value of `--base`.
    pub(super) revision: &'a str,
}

/// Parts of the lock that are not verified yet.
#[derive(Default)]
struct UnverifiedPins {
    /// Tags whose pins differ from those of the base.
    pins: BTreeSet<TagId>,
    /// Digests in `previous` that the base does not have there.
    previous: BTreeSet<(TagId, Digest)>,
}

impl BaseCheck<'_> {
    /// Returns the pins that can be verified neither with the registry nor with the history, of the tags that match `only`.
    ///
    /// # Errors
    /// Fails if the revision does not exist or its files cannot be read.
    pub(super) fn unverified(&self, only: &TagGlobs) -> Result<Vec<CheckFinding>, CliError> {
        let &Self { context, work_tree, root, trust, revision: base } = self;
        let checkout = checkout::discover(&work_tree.0)?.ok_or_else(|| {
            CliError::new("`--base` requires a Git checkout").help("run it in a clone, or omit `--base`")
        })?;
        let no_base = |error: GitError| {
            let fetch =
                || format!("if `{base}` is a remote branch, fetch it first and name the remote, e.g. `origin/main`");
            CliError::new(format!("`--base`: {error}")).help(error.help().unwrap_or_else(fetch))
        };
        // An invalid lock verifies nothing.
        let known = |bytes: Vec<u8>| decode_lock(&bytes).unwrap_or_default();
        let old = present(checkout.lock_at(base, &checkout.prefix)).map_err(no_base)?.map(known).unwrap_or_default();
        let mut open = UnverifiedPins::between(&old, &root.lock, only);
        if open.is_empty() {
            return Ok(Vec::new());
        }
        // Registry settings come from the base: a proposal that adds a mirror of its own must not verify itself.
        let (settings, authorities) = settings_at(context, &checkout, base)?;
        let world = context.world(work_tree);
        let runtime = pass_runner::runtime()?;
        // Registries come first: in the usual case no history has to be read.
        let answers =
            runtime.block_on(resolve_all(&world, &pinned_root(root, &open.pins, settings), &authorities, trust))?;
        // Followers are not resolved themselves; their digests come from history.
        open.pins
            .retain(|id| root.lock.pins[id].followed().is_some() || !is_served(answers.get(id), &root.lock.pins[id]));
        if !open.is_empty() {
            for version in checkout.lock_history(base, &checkout.prefix).map_err(no_base)? {
                open.remove_known(&root.lock, &known(version.map_err(no_base)?.bytes));
                if open.is_empty() {
                    break;
                }
            }
        }
        runtime.block_on(open.remove_served_previous(&world, &root.lock));
        let pins = open.pins.iter().map(|id| unverified_pin(id, &root.lock.pins[id], answers.get(id), base));
        let previous = open.previous.iter().map(|(id, digest)| CheckFinding {
        tag: id.clone(),
        kind: FindingKindV1::HandEdited,
        exit: Exit::Refused,
        message: format!(
            "`{id}`: `previous` contains `{digest}`, which is neither in the Git history of `{base}` nor in the image repository"
        ),
        help: Some("remove the digest from `previous`".to_owned()),
        place: None,
    });
        let findings: Vec<CheckFinding> = pins.chain(previous).collect();
        let gap = checkout.history_gap().filter(|_| findings.iter().any(|finding| finding.exit == Exit::Refused));
        if let Some(gap) = gap {
            writeln!(context.stderr(), "{}", incomplete(&gap))?;
        }
        Ok(findings)
    }
}

impl UnverifiedPins {
    /// Finds the pins and earlier digests of `new` that `old` does not have.
    fn between(old: &Lock, new: &Lock, only: &TagGlobs) -> Self {
        let mut open = Self::default();
        for (id, pin) in new.pins.iter().filter(|(id, _)| only.matches(id)) {
            // The pin of a follower equals that of its target, unless it has rules of its own and lags behind.
            if pin.followed().is_none() || lags(new, pin) {
                open.pins.insert(id.clone());
            }
            let known = old.pins.get(id).map_or(&[][..], |pin| pin.previous.as_slice());
            let earlier = pin.previous.iter().filter(|digest| !known.contains(digest));
            open.previous.extend(earlier.map(|digest| (id.clone(), digest.clone())));
        }
        open.remove_known(new, old);
        open
    }

    /// Removes the digests that `earlier`, a lock of the base, had as pins. Its `previous` entries do not count, because
    /// they may have been edited without ever being used.
    fn remove_known(&mut self, lock: &Lock, earlier: &Lock) {
        self.pins.retain(|id| {
            let pin = &lock.pins[id];
            let had = earlier.pins.get(id).is_some_and(|old| is_same_image(old, pin));
            let followed = pin.followed().and_then(|target| earlier.pins.get(target));
            !had && followed.is_none_or(|old| (&old.image, &old.digest) != (&pin.image, &pin.digest))
        });
        self.previous.retain(|(id, digest)| earlier.pins.get(id).is_none_or(|pin| pin.digest != *digest));
    }

    /// Removes earlier digests that exist in the image's repository: a branch may have updated a pin more than once.
    async fn remove_served_previous(&mut self, world: &RealWorld, lock: &Lock) {
        let query = async |(id, digest): (TagId, Digest)| {
            let exists = world.manifest(lock.pins[&id].image.repository(), &digest).await.is_ok();
            (!exists).then_some((id, digest))
        };
        let missing = stream::iter(std::mem::take(&mut self.previous)).map(query).buffer_unordered(IN_FLIGHT);
        self.previous = missing.filter_map(async |missing| missing).collect().await;
    }

    fn is_empty(&self) -> bool {
        self.pins.is_empty() && self.previous.is_empty()
    }
}

/// Returns true if a follower's digest differs from that of its target, as it may with rules of its own.
fn lags(lock: &Lock, pin: &Pin) -> bool {
    let followed = pin.followed().map(|target| lock.pins.get(target));
    followed.is_some_and(|old| old.is_none_or(|old| (&old.image, &old.digest) != (&pin.image, &pin.digest)))
}

/// Compares two pins without `previous`.
fn is_same_image(a: &Pin, b: &Pin) -> bool {
    (&a.image, &a.digest, &a.index, &a.details) == (&b.image, &b.digest, &b.index, &b.details)
}

/// Builds a root with only `tags`, defined as the images that they are pinned to. Adoption rules and keys come from the
/// proposed definitions, where a reviewer sees them.
fn pinned_root(root: &Root, tags: &BTreeSet<TagId>, settings: Settings) -> Root {
    let tags = root.definitions.tags.iter().filter(|(id, _)| tags.contains(*id));
    let tags = tags.map(|(id, tag)| (id.clone(), at_its_image(tag, &root.lock.pins[id]))).collect();
    Root { settings, definitions: Definitions { tags, ..Definitions::default() }, lock: Lock::default() }
}

/// Defines a tag as its pinned image, because another image may be selected by now.
fn at_its_image(tag: &Tag, pin: &Pin) -> Tag {
    let mut tag = tag.clone();
    if let TagSource::Select { platform, .. } = tag.source {
        tag.source = TagSource::Image { image: pin.image.clone(), platform };
    }
    tag
}

/// Treats a file that a partial clone cannot fetch as one that does not exist: less is verified, and a note says why.
fn present<T>(file: Result<Option<T>, GitError>) -> Result<Option<T>, GitError> {
    match file {
        Err(GitError::MissingObject(_)) => Ok(None),
        file => file,
    }
}

/// Reads the settings at `base` and the certificates that they refer to; defaults if there was no root. Problems there
/// cannot be fixed in this change, so they are only a warning.
fn settings_at(context: &CommandContext, checkout: &Checkout, base: &str) -> Result<(Settings, RootFiles), CliError> {
    let mut authorities = RootFiles::new();
    let Some(file) = present(checkout.file_at(base, &checkout.prefix, settings::FILE_NAME))? else {
        return Ok((Settings::default(), authorities));
    };
    let (settings, problems) = settings::read(&file.bytes);
    if let Some(problem) = problems.first() {
        // Git's syntax for a file of a revision.
        let path = format!("{base}:{}", from_top(&checkout.prefix, settings::FILE_NAME));
        let line = problem.position().map(|(line, _)| format!(", line {line}")).unwrap_or_default();
        let message = escape::lines(&format!("`{path}`{line}: {}", problem.message));
        writeln!(context.stderr(), "warning: {message}; only the valid settings in it are used")?;
    }
    for path in settings.registries.values().filter_map(|registry| registry.ca.as_ref()) {
        if let Some(file) = present(checkout.file_at(base, &checkout.prefix, path))? {
            authorities.insert(path.clone(), file.bytes);
        }
    }
    Ok((settings, authorities))
}

/// Returns true if the registry serves exactly the pin. Tags that were not resolved have drift, which is reported elsewhere.
fn is_served(answer: Option<&Result<Answer, ResolveError>>, pin: &Pin) -> bool {
    let is_pin = |found: &FetchedImage| {
        (found.digest(), found.index(), found.details()) == (&pin.digest, pin.index.as_ref(), &pin.details)
    };
    matches!(answer, None | Some(Ok(Answer::Unchanged))) || answer.and_then(found).is_some_and(is_pin)
}

/// Returns the image that the registry serves, if the definition admits it.
fn found(answer: &Result<Answer, ResolveError>) -> Option<&FetchedImage> {
    match answer {
        Ok(Answer::Candidate(Candidate { content, .. })) => content.as_deref(),
        _ => None,
    }
}

/// Describes why a pin could not be verified.
fn unverified_pin(id: &TagId, pin: &Pin, answer: Option<&Result<Answer, ResolveError>>, base: &str) -> CheckFinding {
    let digest = &pin.digest;
    let (message, help, exit) = match (answer, answer.and_then(found)) {
        (Some(Err(error)), _) => (
            format!("`{id}`: cannot verify `{digest}`: {error}"),
            error.help.clone(),
            match error.kind {
                FailureKind::Refused | FailureKind::Integrity => Exit::Refused,
                _ => Exit::Partial,
            },
        ),
        (_, Some(found)) if found.digest() == digest && found.index() == pin.index.as_ref() => (
            format!("`{id}`: version, revision, date or platforms in the lock differ from the image `{digest}`"),
            Some(format!("delete its `[[pin]]` from pinstream.lock, then run `pinstream update {id}`")),
            Exit::Refused,
        ),
        (_, found) => {
            let message = format!(
                "`{id}` is pinned to `{digest}`, which is neither served by the registry nor found in the history of `{base}`"
            );
            let current = found.map(|found| format!("`{}`, ", found.digest())).unwrap_or_default();
            let help = format!("run `pinstream update {id}` to pin {current}the current digest");
            (message, Some(help), Exit::Refused)
        }
    };
    let kind = if exit == Exit::Refused { FindingKindV1::HandEdited } else { FindingKindV1::Unverified };
    CheckFinding { tag: id.clone(), kind, exit, message, help, place: None }
}
