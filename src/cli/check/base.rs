//! `check --base`: what of a lock nobody but the person who edited it vouches for.
//!
//! A digest is vouched for by the registry that serves it now, or by the history of the base that held it.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};

use crate::cli::context::CommandContext;
use crate::cli::{CliError, pass};
use crate::effects::Registries as _;
use crate::effects::real::{RealWorld, Repo};
use crate::git::checkout::{self, Checkout};
use crate::git::work_tree::WorkTree;
use crate::git::{GitError, RootFiles};
use crate::model::image::{Digest, TagId};
use crate::model::lock::{self, Lock, Pin};
use crate::model::root::Root;
use crate::model::settings::globs::TagGlobs;
use crate::model::settings::{self, Settings};
use crate::model::stream::{Definitions, Tag, TagSource};
use crate::reconcile::gather::resolve::{Candidate, Resolution as Answer};
use crate::reconcile::gather::resolve_all;
use crate::registry::{FailureKind, ResolveError};
use crate::report::exit::Exit;
use crate::report::v1::words::FindingKindV1;
use crate::signature::Trust;
use crate::text::diagnostics::SourceFile;
use crate::text::escape;

use super::Finding;

/// How many earlier digests are asked for at once.
const IN_FLIGHT: usize = 16;

/// What of the lock nobody has vouched for so far.
#[derive(Default)]
struct Open {
    /// Tags whose pins say something else than the base's.
    pins: BTreeSet<TagId>,
    /// Digests that a pin says it stood at, and the base's does not.
    previous: BTreeSet<(TagId, Digest)>,
}

/// What was edited by hand in the lock of `root` since the revision `base`, of the tags that are meant.
///
/// # Errors
/// Where there is no such revision, or what it holds cannot be read.
pub(super) fn by_hand(
    context: &CommandContext,
    folder: &WorkTree,
    (root, trust): (&Root, &Trust),
    only: &TagGlobs,
    base: &str,
) -> Result<Vec<Finding>, CliError> {
    let checkout = checkout::discover(&folder.0)?.ok_or_else(|| {
        CliError::said("`--base` needs a Git checkout, and this folder is in none")
            .help("run it in a clone, or leave `--base` out")
    })?;
    let no_base = |error: GitError| {
        CliError::said(format!("`--base`: {error}"))
            .help(format!("where `{base}` is a branch, fetch it first and name it as it was fetched, `origin/main`"))
    };
    let old = checkout.lock_at(base, &checkout.prefix).map_err(no_base)?.map(lock_of).unwrap_or_default();
    let mut open = Open::between(&old, &root.lock, only);
    if open.is_empty() {
        return Ok(Vec::new());
    }
    // How registries are reached is for the base to say: a proposal that names its own mirror vouches for itself.
    let (settings, authorities) = settings_at(context, &checkout, base)?;
    let world = RealWorld::new(Repo::WorkTree(folder.clone()), context.policy.clone(), Box::new(|_| {}));
    let runtime = pass::runtime()?;
    // The registries first: an honest change does not pay for a long history.
    let answers = runtime.block_on(resolve_all(&world, &asked(root, &open.pins, settings), &authorities, trust))?;
    // A follower is asked for nowhere: where it stands, something stood before.
    open.pins.retain(|id| root.lock.pins[id].followed().is_some() || !is_served(answers.get(id), &root.lock.pins[id]));
    if !open.is_empty() {
        for version in checkout.lock_history(base, &checkout.prefix).map_err(no_base)? {
            open.close(&root.lock, &lock_of(version.map_err(no_base)?.bytes));
            if open.is_empty() {
                break;
            }
        }
    }
    runtime.block_on(open.close_what_is_there(&world, &root.lock));
    let pins = open.pins.iter().map(|id| judged(id, &root.lock.pins[id], answers.get(id), base));
    let previous = open.previous.iter().map(|(id, digest)| Finding {
        tag: id.clone(),
        kind: FindingKindV1::HandEdited,
        exit: Exit::Refused,
        message: format!(
            "`{id}` says that it stood at `{digest}`, which `{base}` never held and its repository has not"
        ),
        help: Some("take that digest out of its `previous`".to_owned()),
        place: None,
    });
    let findings: Vec<Finding> = pins.chain(previous).collect();
    if checkout.is_shallow() && findings.iter().any(|finding| finding.exit == Exit::Refused) {
        let said = "note: this clone is shallow: a former digest is known after `git fetch --unshallow`";
        writeln!(context.stderr(), "{said}")?;
    }
    Ok(findings)
}

impl Open {
    /// What `new` says and `old` does not.
    fn between(old: &Lock, new: &Lock, only: &TagGlobs) -> Self {
        let mut open = Self::default();
        for (id, pin) in new.pins.iter().filter(|(id, _)| only.matches(id)) {
            // A follower's pin is the followed one's, which is compared without any base, unless it may stand elsewhere.
            if pin.followed().is_none() || lags(new, pin) {
                open.pins.insert(id.clone());
            }
            let known = old.pins.get(id).map_or(&[][..], |pin| pin.previous.as_slice());
            let earlier = pin.previous.iter().filter(|digest| !known.contains(digest));
            open.previous.extend(earlier.map(|digest| (id.clone(), digest.clone())));
        }
        open.close(new, old);
        open
    }

    /// Closes what `earlier`, a lock of the base, vouches for: where its own pins stood. Not what it names as
    /// `previous`, which is what somebody wrote there, and nothing ever ran it.
    fn close(&mut self, lock: &Lock, earlier: &Lock) {
        self.pins.retain(|id| {
            let pin = &lock.pins[id];
            let stood = earlier.pins.get(id).is_some_and(|old| is_same_image(old, pin));
            let followed = pin.followed().and_then(|target| earlier.pins.get(target));
            !stood && followed.is_none_or(|old| (&old.image, &old.digest) != (&pin.image, &pin.digest))
        });
        self.previous.retain(|(id, digest)| earlier.pins.get(id).is_none_or(|pin| pin.digest != *digest));
    }

    /// Closes earlier digests that the repository of their image has: a branch may have moved a pin more than once.
    async fn close_what_is_there(&mut self, world: &RealWorld, lock: &Lock) {
        let ask = async |(id, digest): (TagId, Digest)| {
            let is_there = world.manifest(lock.pins[&id].image.repository(), &digest).await.is_ok();
            (!is_there).then_some((id, digest))
        };
        let asked = stream::iter(std::mem::take(&mut self.previous)).map(ask).buffer_unordered(IN_FLIGHT);
        self.previous = asked.filter_map(async |missing| missing).collect().await;
    }

    fn is_empty(&self) -> bool {
        self.pins.is_empty() && self.previous.is_empty()
    }
}

/// Whether a follower stands elsewhere than the tag it follows, as one with rules of its own may.
fn lags(lock: &Lock, pin: &Pin) -> bool {
    let followed = pin.followed().map(|target| lock.pins.get(target));
    followed.is_some_and(|old| old.is_none_or(|old| (&old.image, &old.digest) != (&pin.image, &pin.digest)))
}

/// Whether two pins say the same, but for what came before them.
fn is_same_image(a: &Pin, b: &Pin) -> bool {
    (&a.image, &a.digest, &a.index, &a.details) == (&b.image, &b.digest, &b.index, &b.details)
}

/// A root that asks for `tags` as they are pinned, and for nothing else. By which rules tags are pinned, and by which
/// keys, is what a proposal may change, in plain sight.
fn asked(root: &Root, tags: &BTreeSet<TagId>, settings: Settings) -> Root {
    let tags = root.definitions.tags.iter().filter(|(id, _)| tags.contains(*id));
    let tags = tags.map(|(id, tag)| (id.clone(), at_its_image(tag, &root.lock.pins[id]))).collect();
    Root { settings, definitions: Definitions { tags, ..Definitions::default() }, lock: Lock::default() }
}

/// A tag as one of the image it is pinned for: another may be the highest by now.
fn at_its_image(tag: &Tag, pin: &Pin) -> Tag {
    let source = match &tag.source {
        TagSource::Select { platform, .. } => TagSource::Image { image: pin.image.clone(), platform: platform.clone() },
        other => other.clone(),
    };
    Tag { source, ..tag.clone() }
}

/// The settings at `base`, with the authorities that they name; none where there was no root yet. What is wrong there
/// is not for the person to mend who changes it now: what is right is used, and the rest is said.
fn settings_at(context: &CommandContext, checkout: &Checkout, base: &str) -> Result<(Settings, RootFiles), CliError> {
    let mut authorities = RootFiles::new();
    let Some(file) = checkout.file_at(base, &checkout.prefix, settings::FILE_NAME)? else {
        return Ok((Settings::default(), authorities));
    };
    let (settings, problems) = settings::read(&file.bytes);
    if let Some(problem) = problems.first() {
        // As Git names a file of a revision.
        let folder = Some(&checkout.prefix).filter(|prefix| !prefix.is_empty()).map(|prefix| format!("{prefix}/"));
        let path = format!("{base}:{}{}", folder.unwrap_or_default(), settings::FILE_NAME);
        let line = problem.position().map(|(line, _)| format!(", line {line}")).unwrap_or_default();
        let said = escape::lines(&format!("`{path}`{line}: {}", problem.message));
        writeln!(context.stderr(), "warning: {said}; what is right there is used")?;
    }
    for path in settings.registries.values().filter_map(|registry| registry.ca.as_ref()) {
        if let Some(file) = checkout.file_at(base, &checkout.prefix, path)? {
            authorities.insert(path.clone(), file.bytes);
        }
    }
    Ok((settings, authorities))
}

/// The lock that the bytes of an earlier commit hold; one that cannot be read vouches for nothing.
fn lock_of(bytes: Vec<u8>) -> Lock {
    let text = String::from_utf8(bytes).unwrap_or_default();
    lock::read::read(&Arc::new(SourceFile { path: lock::FILE_NAME.to_owned(), text })).unwrap_or_default()
}

/// Whether the answer vouches for the pin. A tag that was not asked for disagrees with its definition, which was said
/// already.
fn is_served(answer: Option<&Result<Answer, ResolveError>>, pin: &Pin) -> bool {
    match answer {
        None | Some(Ok(Answer::Unchanged)) => true,
        Some(Ok(Answer::Candidate(Candidate { content: Some(found), .. }))) => {
            (found.digest(), found.index(), found.details()) == (&pin.digest, pin.index.as_ref(), &pin.details)
        }
        Some(Ok(Answer::Candidate(_)) | Err(_)) => false,
    }
}

/// What is to be said of a pin that nobody vouches for.
fn judged(id: &TagId, pin: &Pin, answer: Option<&Result<Answer, ResolveError>>, base: &str) -> Finding {
    let digest = &pin.digest;
    let (message, help, exit) = match answer {
        Some(Err(error)) => (
            format!("`{id}` is pinned to `{digest}`, and what it serves could not be asked: {error}"),
            error.help.clone(),
            match error.kind {
                FailureKind::Refused | FailureKind::Integrity => Exit::Refused,
                _ => Exit::Partial,
            },
        ),
        Some(Ok(Answer::Candidate(Candidate { content: Some(found), .. })))
            if found.digest() == digest && found.index() == pin.index.as_ref() =>
        {
            (
                format!("`{id}`: what the lock says of `{digest}` is not what the image says of itself"),
                Some(format!("take its `[[pin]]` out of the lock, then: pinstream update {id}")),
                Exit::Refused,
            )
        }
        answer => {
            let message =
                format!("`{id}` is pinned to `{digest}`, which it does not serve, and which `{base}` never held");
            let help = match answer {
                Some(Ok(Answer::Candidate(Candidate { content: Some(found), .. }))) => {
                    format!("it serves `{}`; to pin that: pinstream update {id}", found.digest())
                }
                _ => format!("to pin what it serves: pinstream update {id}"),
            };
            (message, Some(help), Exit::Refused)
        }
    };
    let kind = if exit == Exit::Refused { FindingKindV1::HandEdited } else { FindingKindV1::Unverified };
    Finding { tag: id.clone(), kind, exit, message, help, place: None }
}
