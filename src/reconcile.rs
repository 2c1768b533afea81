//! The line, top to bottom: load → list, consult → plan → resolve → pin → explain → edit → commit → publish → notify.
//!
//! Only this file knows the order of the steps, and no step names another one's act. A pass whose commit does not land
//! begins again at the new tip; what others landed there stands, and what it was about to change it asks for anew.

pub mod carried;
pub mod commit;
pub mod consult;
pub mod edit;
pub mod explain;
pub mod fetch;
pub mod list;
pub mod load;
pub mod notify;
pub mod pin;
pub mod plan;
pub mod propose;
pub mod publish;
pub mod recall;
pub mod remember;
pub mod resolve;
pub mod share;
pub mod tries;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::effects::World;
use crate::git::{GitError, RootFiles};
use crate::image_diff::Explanations;
use crate::model::adoption::AdoptionPolicy;
use crate::model::image::{Digest, StreamName, TagId};
use crate::model::lock::{Lock, diff};
use crate::model::root::{Root, UnknownTag};
use crate::model::settings::adoption::{HeldUpdate, HoldReason};
use crate::model::settings::globs::TagGlobs;
use crate::model::settings::policy::Policy;
use crate::model::shard::Shard;
use crate::model::state::memory::HistoryAccess;
use crate::model::stream::Discovery;
use crate::model::stream::discover::TruncatedDiscovery;
use crate::report::exit::Exit;
use crate::report::{FileRow, PassEnd, Report, ReportError, TagOutcome, TagResult, TagRow};
use crate::signature::Trust;
use crate::text::diagnostics::Problems;

use carried::{Carried, Told};
use consult::Consulted;
use fetch::ImageCache;
use list::{Listed, Lists};
use load::Routes;
use pin::{Failures, Pinned};
use plan::{Ahead, Question};
use publish::Published;
use remember::StateStore;
use resolve::{Resolutions, ResolveContext};
use tries::Retry;

/// What a pass is asked to do.
#[derive(Clone, Debug)]
pub struct Request {
    /// The branch; none for what the settings say, else the remote's `HEAD`.
    pub branch: Option<String>,
    /// The root's folder in the repository; empty for its top.
    pub root: String,
    /// The remote's address, for people, without any credential.
    pub remote: Option<String>,
    /// The tags a person named; none for all.
    pub only: Option<TagGlobs>,
    /// Whose share of the tags is asked for, where several processes share the root; none for all.
    pub shard: Option<Shard>,
    /// Which tags are asked for.
    pub imports: Imports,
    /// What becomes of it.
    pub effect: Effect,
    /// What the operator allows.
    pub policy: Option<Policy>,
}

/// Which tags are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imports {
    /// All of them.
    All,
    /// Those whose schedule fired since the last pass, or that are not pinned as they are defined.
    Due,
    /// None: only what follows from the lock.
    None,
}

/// What becomes of what a pass finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is shown.
    Show,
    /// The lock is written.
    Write,
    /// The lock is written, and hooks run for what has landed.
    Land,
}

/// What stops a pass.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The root's files are wrong.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// The operator's policy forbids it.
    #[error("the policy forbids it: {0}")]
    Forbidden(Problems),
    /// The Git remote.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A word of the request names no tag.
    #[error(transparent)]
    NoSuchTag(#[from] UnknownTag),
    /// A registry's settings cannot be used.
    #[error("{0}")]
    Registries(String),
    /// The branch or the state ref kept moving.
    #[error("gave up after {tries} tries: {last}")]
    Contention {
        /// How often it was tried.
        tries: u32,
        /// What was in the way, the last time.
        last: String,
    },
}

impl PassError {
    /// How a pass that it stopped is to be judged.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Forbidden(_) | Self::Git(GitError::Tree { .. }) => Exit::Refused,
            Self::NoSuchTag(_) => Exit::Usage,
            Self::Contention { .. } => Exit::Contention,
            Self::Problems(_) | Self::Git(_) | Self::Registries(_) => Exit::Error,
        }
    }

    /// The same as something that went wrong in a pass that went on; `meaning` is what came of it.
    fn within(&self, meaning: &str) -> ReportError {
        ReportError { exit: self.exit(), message: format!("{meaning}: {self}"), help: None }
    }
}

/// Runs one pass.
///
/// # Errors
/// What stopped it. What went wrong with single tags and hooks is in the report.
pub async fn reconcile<W: World>(world: &W, request: &Request) -> Result<Report, PassError> {
    if let (Some(policy), Some(remote)) = (&request.policy, &request.remote)
        && let Some(problem) = policy.forbids_remote(remote)
    {
        return Err(PassError::Forbidden(Problems(vec![problem])));
    }
    let mut tries = request.shard.map(Retry::of).unwrap_or_default();
    let mut carried: Option<Carried> = None;
    let mut earlier = Vec::new();
    let (mut fetched, mut listed, mut consulted) = (ImageCache::default(), Listed::default(), Consulted::default());
    let mut routes = Routes::default();
    loop {
        let mut nothing = None;
        let known = carried.as_mut().map_or(&mut nothing, |carried| &mut carried.known);
        let mut scene = load::load(world, &request.root, request.branch.as_deref(), known).await?;
        if request.effect == Effect::Land
            && let Some(sign) = scene.root.settings.git.sign
        {
            world.can_sign(sign).await?;
        }
        if scene.routes != routes {
            // What was said counts only as long as the same are asked in the same way.
            (fetched, listed, consulted) = (ImageCache::default(), Listed::default(), Consulted::default());
            carried = carried.map(Carried::without_answers);
            routes = scene.routes.clone();
        }
        let mut memory = StateStore::read(world, request, &scene.sight).await?;
        let is_ready = request.effect != Effect::Land
            || memory.adopt(world, &scene.root).await?
                && memory.look_back(world, &scene.sight, &scene.root.lock).await?;
        if !is_ready {
            tries.again(world, "the state ref moved").await?;
            continue;
        }

        let now = world.now();
        let (only, schedule) = (request.only.as_ref(), memory.state.schedule_of(request.shard));
        let question = Question { imports: request.imports, only, shard: request.shard, schedule, now };
        let Ahead { repositories, remotes } = plan::ahead(&scene.root, &question);
        let lists = list::list(world, repositories, &listed).await;
        let abroad = consult::consult(world, &scene.root.settings, remotes, &consulted).await;
        let (mut notes, undiscovered) = discover(&mut scene.root, &lists);
        if let Some(only) = &request.only {
            share::names(&scene.root, request.shard, only)?;
        }
        let mut plan = plan::plan(&scene.root, &question, &lists, &abroad);
        let asked = std::mem::take(&mut plan.asked);
        plan.choices.iter().for_each(|choice| tracing::debug!("{choice}"));
        let remembered = memory.state.memory.clone();
        let judge = AdoptionPolicy { now, memory: &remembered };
        let (plan, told) = match &carried {
            Some(carried) => carried.spare((&scene.root, scene.seal), plan),
            None => (plan, Told::default()),
        };
        let basis = ResolveContext { fetched: &fetched, judge: &judge, trust: &scene.trust };
        let mut findings = resolve::resolve(world, plan, basis).await;
        findings.extend(told.findings);
        let without_pin = carried::without_pin(&scene.root, &findings);
        let (findings, taken) = recall::recall(world, &scene, findings).await?;
        notes.extend(resolve::notes(&findings));
        notes.extend(load::note(&scene, request.branch.as_deref()));
        let pinned = pin::pin(&scene.root.definitions, &scene.root.lock, findings, &judge);
        let Pinned { lock: next, mut failures, mut kept, notes: said } = pinned;
        notes.extend(said);
        failures.extend(told.failures);
        kept.extend(told.kept);

        // Where moves are proposed, nothing is put on the branch itself.
        let publish = scene.root.settings.publish.clone().filter(|_| request.effect == Effect::Land);
        let (next, drafted) = match &publish {
            Some(publish) => {
                let (next, drafted) = (next.into_owned(), propose::drafted(world, request, &scene).await?);
                let unread = list::unread(&scene.root.definitions, &lists);
                let said = propose::Said { asked: &asked, unread: &unread, failures: &failures, kept: &kept };
                let next = propose::carry(request, &mut scene, publish, next, &drafted, said);
                (Cow::Owned(next), drafted)
            }
            None => (next, propose::Drafted::new()),
        };
        let moves = diff::changes(&scene.root.lock, &next);
        let mut explained = match request.imports {
            Imports::All | Imports::Due => explain::explain(world, &moves, &fetched).await,
            Imports::None => Explanations::new(),
        };
        let is_landed = request.effect != Effect::Show && publish.is_none();
        let is_ours = |id: &TagId| share::has(&scene.root, request.shard, id);
        let is_meant = |id: &TagId| request.only.as_ref().is_none_or(|only| only.matches(id)) && is_ours(id);
        let edited = match &publish {
            Some(_) => Vec::new(),
            None => edit::edit(world, &scene.sight.tip, &scene.root, &next, &is_meant).await?,
        };
        let change =
            if is_landed { commit::commit(&scene, &request.root, &next, &moves, &explained, &edited)? } else { None };
        let is_plan = request.effect == Effect::Show && *next != scene.root.lock;
        let message = match &scene.root.settings.publish {
            _ if !is_plan => None,
            Some(publish) => {
                let message = |moves: &[diff::PinChange]| commit::message(&scene, moves, &explained);
                Some(propose::show(request, &scene, publish, (&next, &explained), message)?)
            }
            None => Some(commit::message(&scene, &moves, &explained)?),
        };
        let mut landed = None;
        match publish::publish(world, &scene.sight.branch, change).await? {
            Published::Nothing => {}
            Published::Landed(commit) => landed = Some(commit),
            Published::Again { doubt, reason } => {
                let next = next.into_owned();
                carried =
                    Some(Carried::of((scene.root, scene.seal), &next, &asked, without_pin, (failures, kept), doubt));
                tries.again(world, &reason).await?;
                continue;
            }
        }

        let proposed = match &publish {
            Some(publish) => {
                let memory = &memory.state.memory;
                let basis = propose::Basis { next: &next, explained: &explained, drafted: &drafted, memory };
                let commit = async |lock: &Lock, moves: &[diff::PinChange], is_meant: &dyn Fn(&TagId) -> bool| {
                    let edited = edit::edit(world, &scene.sight.tip, &scene.root, lock, is_meant).await?;
                    Ok(commit::commit(&scene, &request.root, lock, moves, &explained, &edited)?)
                };
                propose::propose(world, request, &scene, publish, basis, commit)
                    .await?
                    .after(std::mem::take(&mut earlier))
            }
            None => propose::Outcome::default(),
        };
        if let Some(reason) = proposed.again {
            earlier = proposed.rows;
            let next = next.into_owned();
            carried = Some(Carried::of((scene.root, scene.seal), &next, &asked, without_pin, (failures, kept), false));
            tries.again(world, &reason).await?;
            continue;
        }

        // An empty plan after an answer that never came means that it had landed.
        let late = carried.filter(|carried| carried.doubt && landed.is_none());
        let late = late.and_then(|carried| carried.before(&next, is_ours));
        let (base, moves) = match &late {
            Some(late) => {
                let moves = diff::changes(late, &next);
                explained = explain::explain(world, &moves, &fetched).await;
                (late, moves)
            }
            None => (&scene.root.lock, moves),
        };
        let mut rows = rows(&scene.root, (base, &next), moves, &asked, &failures, &kept);
        rows.iter_mut().for_each(|row| row.explanation = explained.remove(&row.tag));
        if publish.is_some() {
            rows.iter_mut().for_each(|row| proposed.mark(row));
        }
        notes.extend(proposed.notes.iter().cloned());
        notes.extend(share::note(&scene.root, request.shard));
        rows.iter_mut()
            .filter(|row| row.outcome == TagOutcome::NotDue && (request.imports != Imports::Due || !is_ours(&row.tag)))
            .for_each(|row| row.outcome = TagOutcome::NotSelected);
        let end_is_ours = landed.is_some() || late.is_some();
        let tip = landed.clone().unwrap_or_else(|| scene.sight.tip.clone());
        let end = match request.effect {
            Effect::Show => PassEnd::Planned,
            Effect::Land if proposed.waits() => PassEnd::Proposed,
            _ if !end_is_ours => PassEnd::Unchanged,
            Effect::Write => PassEnd::Written,
            Effect::Land => PassEnd::Landed(tip.clone()),
        };
        let branch = Some(scene.sight.branch.clone()).filter(|branch| !branch.is_empty());
        let tip_of_branch = branch.is_some().then(|| tip.clone());
        let mut report = Report {
            remote: request.remote.clone(),
            branch,
            tip: tip_of_branch,
            end,
            rows,
            remotes: abroad.rows(&scene.root.settings),
            files: edited.into_iter().map(FileRow::of).collect(),
            hooks: Vec::new(),
            message,
            notes,
            proposals: proposed.rows,
            errors: undiscovered.into_iter().chain(proposed.errors).collect(),
        };
        if request.effect == Effect::Land {
            // What we landed ourselves stands on a tip that is younger than the state.
            memory.is_newer &= landed.is_none();
            // A pass over some tags says nothing of the others, so it leaves the time of the last pass alone.
            let whole = request.imports == Imports::Due && request.only.is_none() && !asked.is_empty();
            let due =
                whole.then(|| remember::Due { shard: request.shard, now, failed: failures.keys().cloned().collect() });
            // A follower of another share may have been seen by others to stand elsewhere meanwhile.
            let looked = |id: &TagId| asked.contains(id) || scene.root.definitions.follows(id) && is_ours(id);
            // What the history tells needs not be remembered, until it tells that a move was taken back.
            let moved = end_is_ours.then_some((base, &*next));
            let history = if taken.is_some() { HistoryAccess::AtHand } else { HistoryAccess::Unknown };
            let learned = remember::Learned {
                history,
                due,
                moved,
                looked,
                taken: taken.unwrap_or_default().into_iter().chain(proposed.declined).collect(),
                waiting: waiting(&kept, is_ours),
                now,
            };
            if let Err(error) = memory.record(world, &learned).await {
                report.errors.push(error.within("what this pass saw could not be kept for the next one"));
            }
            let root = match next {
                Cow::Owned(lock) if publish.is_none() => Root { lock, ..scene.root },
                Cow::Owned(_) | Cow::Borrowed(_) => scene.root,
            };
            let at = notify::AtTip { tip, root };
            let told = notify::notify(world, request, at, memory, &fetched).await;
            report.hooks = told.rows;
            report.errors.extend(told.error.map(|error| error.within("hooks stay pending")));
            report.notes.extend(world.notes());
        }
        return Ok(report);
    }
}

/// What the images that `root` names are now, each from bytes that were hashed: its lock is to be empty, for a pin that
/// stands vouches for itself. `authorities` holds the PEM files that its settings name, `trust` what `verify` trusts.
/// Changes nothing.
///
/// # Errors
/// What stopped it before any registry was asked.
pub async fn served<W: World>(
    world: &W,
    root: &Root,
    authorities: &RootFiles,
    trust: &Trust,
) -> Result<Resolutions, PassError> {
    world.prepare(&root.settings, authorities).map_err(PassError::Registries)?;
    let question = Question { imports: Imports::All, only: None, shard: None, schedule: None, now: world.now() };
    let Ahead { repositories, remotes } = plan::ahead(root, &question);
    let lists = list::list(world, repositories, &Listed::default()).await;
    let abroad = consult::consult(world, &root.settings, remotes, &Consulted::default()).await;
    let plan = plan::plan(root, &question, &lists, &abroad);
    let basis = ResolveContext { fetched: &ImageCache::default(), judge: &AdoptionPolicy::OFFLINE, trust };
    Ok(resolve::resolve(world, plan, basis).await)
}

/// Puts the tags that the lists show in place of those that streams discovered before. The answer is what a person
/// should know of it, and the streams that have no tag by which it could be told that their list was not read.
fn discover(root: &mut Root, lists: &Lists) -> (Vec<String>, Vec<ReportError>) {
    let cut = root.expand(|_, discover| lists.get(&discover.repository)?.as_deref().ok());
    let note = |taken: TruncatedDiscovery| {
        let TruncatedDiscovery { stream, fit, taken, left } = taken;
        let mut names: Vec<String> = left.iter().map(|tag| format!("`{tag}`")).collect();
        if fit - taken > left.len() {
            names.push(format!("and {} more", fit - taken - left.len()));
        }
        format!(
            "`{stream}` takes the first {taken} of {fit} tags that fit, without {}; `limit` of its `[discover]` is in \
             the way",
            names.join(", ")
        )
    };
    let definitions = &root.definitions;
    let error = |(stream, discover): (&StreamName, &Discovery)| {
        let error = lists.get(&discover.repository)?.as_ref().err()?;
        let is_told = definitions.tags.iter().any(|(id, tag)| id.stream == *stream && tag.discovered);
        let wrong = || ReportError {
            exit: Exit::Partial,
            message: format!("`{stream}` could not discover its tags: {error}"),
            help: None,
        };
        (!is_told).then(wrong)
    };
    (cut.into_iter().map(note).collect(), definitions.discover.iter().filter_map(error).collect())
}

/// What waits to be pinned until it has been seen for long enough, of the tags that are ours.
fn waiting(kept: &BTreeMap<TagId, HeldUpdate>, is_ours: impl Fn(&TagId) -> bool) -> BTreeMap<TagId, Digest> {
    let soaks = kept.iter().filter(|(id, waiting)| matches!(waiting.kept, HoldReason::Soaking { .. }) && is_ours(id));
    soaks.map(|(id, waiting)| (id.clone(), waiting.digest.clone())).collect()
}

/// A row for every tag, and for every pin that is dropped; `moves` lead from the first lock to the second.
fn rows(
    root: &Root,
    (old, new): (&Lock, &Lock),
    moves: Vec<diff::PinChange>,
    asked: &BTreeSet<TagId>,
    failures: &Failures,
    kept: &BTreeMap<TagId, HeldUpdate>,
) -> Vec<TagRow> {
    let mut moves: BTreeMap<TagId, diff::PinChange> = moves.into_iter().map(|one| (one.tag.clone(), one)).collect();
    let mut rows = Vec::with_capacity(root.definitions.tags.len() + moves.len());
    for (id, tag) in &root.definitions.tags {
        let failure = failures.get(id).cloned();
        let (change, is_selected, held) = (moves.remove(id), asked.contains(id), kept.get(id));
        let mut row = TagRow::new(id, tag, new, TagResult { change, is_selected, failure, held });
        let stands = matches!(row.outcome, TagOutcome::Unchanged | TagOutcome::NotDue);
        if stands && old.pins.get(id) != new.pins.get(id) {
            row.outcome = TagOutcome::Refreshed;
        }
        rows.push(row);
    }
    rows.extend(moves.into_values().map(TagRow::removed));
    // No tag is there twice, and they are nearly in order: there is no need for the memory of a stable sort.
    rows.sort_unstable_by(|a, b| a.tag.cmp(&b.tag));
    rows
}
