//! Last step: hooks, for what has landed.
//!
//! Level-triggered: what is pending is the difference between the lock as a hook last saw it and the lock at the tip,
//! whoever put it there. The state is read before the branch, so that the tip is never older than what a hook has
//! seen. A hook is claimed before it runs, so that two passes do not run it at once, and what it saw is marked after
//! it succeeded, entry by entry. A claim of a pass that died is taken over once what its hook left running has ended.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::effects::{Progress, World};
use crate::git::CommitId;
use crate::hook::{HookExit, HookFile, HookResult, HookRun};
use crate::image_diff::Explanations;
use crate::model::image::TagId;
use crate::model::lock::diff::{ChangeKind, PinChange, changes};
use crate::model::lock::{Lock, Pin};
use crate::model::root::Root;
use crate::model::settings::Hook;
use crate::model::state::{HookClaim, State};
use crate::report::event::EventContext;
use crate::report::v1::event::EventV1;
use crate::report::{HookOutcome, HookRow};

use super::explain;
use super::fetch::ImageCache;
use super::load;
use super::remember::StateStore;
use super::tries::Retry;
use super::{PassError, Request};

/// How often one pass runs the same hook, for moves that landed while it ran.
const RUNS: usize = 8;
/// What a claim holds beyond the hook's own time limit, for pushes and clocks that differ.
const GRACE: SignedDuration = SignedDuration::from_secs(120);
/// Further ahead than any claim reaches: a hook runs for a day at most.
const CLAIM_MAX: SignedDuration = SignedDuration::from_hours(2 * 24);

/// The branch as hooks are to see it.
#[derive(Clone, Debug)]
pub struct AtTip {
    /// The branch's tip.
    pub tip: CommitId,
    /// The root there.
    pub root: Root,
}

/// What became of the hooks.
#[derive(Debug, Default)]
pub struct Told {
    /// A row for each hook that had something to see.
    pub rows: Vec<HookRow>,
    /// What stopped it; the moves stay pending.
    pub error: Option<PassError>,
}

/// A hook and the moves it has not seen.
struct Pending {
    hook: Hook,
    moves: Vec<PinChange>,
}

/// Runs every hook with moves that it has not seen.
pub async fn notify<W: World>(
    world: &W,
    request: &Request,
    at: AtTip,
    memory: StateStore,
    fetched: &ImageCache,
) -> Told {
    let mut told = Told::default();
    if let Err(error) = run_pending(world, request, at, memory, (fetched, &mut told)).await {
        told.error = Some(error);
    }
    told
}

/// One hook after the other, until none has anything to see that can be shown to it here and now.
async fn run_pending<W: World>(
    world: &W,
    request: &Request,
    mut at: AtTip,
    mut memory: StateStore,
    (fetched, told): (&ImageCache, &mut Told),
) -> Result<(), PassError> {
    let mut tries = Retry::default();
    let mut runs: BTreeMap<String, usize> = BTreeMap::new();
    let mut ended = BTreeSet::new();
    let mut has_run = false;
    // Whether the state was read after the last of what takes long: an import, or a hook.
    let mut is_fresh = false;
    loop {
        let next = pending(&at.root, &memory.state).into_iter().find(|one| !ended.contains(&one.hook.name));
        let Some(one) = next else {
            if !std::mem::take(&mut has_run) {
                return Ok(());
            }
            // Whoever landed something meanwhile saw our claim and left it to us.
            (at, is_fresh) = (look_after(world, &request.root, &mut memory, at).await?, true);
            continue;
        };
        if memory.is_newer {
            (at, is_fresh) = (look_after(world, &request.root, &mut memory, at).await?, true);
            continue;
        }
        let name = one.hook.name.clone();
        if let Some(outcome) = hindrance(world, request, &memory.state, &one, runs.get(&name)).await {
            if outcome == HookOutcome::Running && !is_fresh {
                // Whoever ran it may have ended since, before what is pending now had landed.
                (at, is_fresh) = (look_after(world, &request.root, &mut memory, at).await?, true);
                continue;
            }
            told.rows.push(waiting(&one.hook, one.moves.len(), outcome));
            ended.insert(name);
            continue;
        }
        let explained = explain::explain(world, &one.moves, fetched).await;
        // Claimed right before it runs: a claim holds for one run, and others' runs come before it.
        if !claim(world, &mut memory, &at.root.lock, &one).await? {
            tries.again(world, "the state ref moved").await?;
            memory.is_newer = true;
            continue;
        }
        (has_run, is_fresh) = (true, false);
        *runs.entry(name.clone()).or_default() += 1;
        if !tell(world, request, &at, &mut memory, (one, &explained), told).await? {
            ended.insert(name);
        }
    }
}

/// Why a hook is not run now.
async fn hindrance<W: World>(
    world: &W,
    request: &Request,
    state: &State,
    pending: &Pending,
    runs: Option<&usize>,
) -> Option<HookOutcome> {
    let forbidden = request.policy.as_ref().and_then(|policy| policy.forbids_hook(&pending.hook));
    if let Some(problem) = forbidden {
        return Some(HookOutcome::Refused(problem.message));
    }
    if !is_free(world, state, &pending.hook).await {
        return Some(HookOutcome::Running);
    }
    runs.is_some_and(|runs| *runs >= RUNS).then_some(HookOutcome::Pending)
}

/// The row of a hook that is not run here and now.
fn waiting(hook: &Hook, moves: usize, outcome: HookOutcome) -> HookRow {
    HookRow { name: hook.name.clone(), event: None, changes: moves, outcome, output: String::new() }
}

/// What each hook of the root has not seen, in the order of the settings.
fn pending(root: &Root, state: &State) -> Vec<Pending> {
    let unseen = |hook: &Hook| {
        let seen = state.seen.get(&hook.name)?;
        let mut moves = match state.tried.get(&hook.name) {
            None => changes(seen, &root.lock),
            Some(tried) => changes(&as_left(seen, tried, &root.lock), &root.lock),
        };
        moves.retain(|one| !matches!(one.change, ChangeKind::Removed { .. }) && hook.on.matches(&one.tag));
        (!moves.is_empty()).then(|| Pending { hook: hook.clone(), moves })
    };
    root.settings.hooks.iter().filter_map(unseen).collect()
}

/// What a hook has seen, and where that is what stands at the tip, what it was last run for without success: a hook
/// that failed, or was killed, over a move that has been taken back since is told that it was.
fn as_left(seen: &Lock, tried: &Lock, tip: &Lock) -> Lock {
    let mut left = seen.clone();
    for (id, pin) in &tried.pins {
        let stands = |lock: &Lock| lock.pins.get(id).map(|pin: &Pin| pin.digest.clone());
        if stands(tip).is_some() && stands(seen) == stands(tip) {
            left.pins.insert(id.clone(), pin.clone());
        }
    }
    left
}

/// Reads the state, then the branch: the order on which it rests that no hook is told of what is already past.
async fn look_after<W: World>(world: &W, root: &str, memory: &mut StateStore, at: AtTip) -> Result<AtTip, PassError> {
    let known = memory.at.clone();
    let mut sight = memory.refresh(world).await?;
    if memory.at != known {
        // The state was read after the branch was seen, so the branch is looked at once more.
        sight = world.look(Some(&memory.branch)).await?;
    }
    memory.is_newer = false;
    if sight.tip == at.tip {
        return Ok(at);
    }
    let scene = load::at(world, root, sight, &mut None).await?;
    Ok(AtTip { tip: scene.sight.tip, root: scene.root })
}

/// Whether nobody else is running the hook. What a pass that is gone left running of it is ended first: it would do
/// what it does after us, and undo what ours did.
async fn is_free<W: World>(world: &W, state: &State, hook: &Hook) -> bool {
    let Some(claim) = state.claims.get(&hook.name) else { return true };
    if claim.owner == world.owner() {
        return true;
    }
    if world.is_gone(&claim.owner) {
        return world.end_left_by(&claim.owner).await;
    }
    let now = world.now();
    // A claim that reaches further than any could is from a clock that went wrong. What its hook looked like when it
    // was claimed is not known here, so the limit is the same for all.
    let limit = now.checked_add(CLAIM_MAX).unwrap_or(Timestamp::MAX);
    claim.until <= now || claim.until > limit
}

/// A claim of ours that holds for one run of the hook.
fn claim_of<W: World>(world: &W, hook: &Hook) -> HookClaim {
    let run = SignedDuration::try_from(hook.timeout).unwrap_or(CLAIM_MAX);
    let until = run.checked_add(GRACE).and_then(|length| world.now().checked_add(length).ok());
    HookClaim { owner: world.owner(), until: until.unwrap_or(Timestamp::MAX) }
}

/// Claims a hook and notes what it is about to be run for, in one write.
async fn claim<W: World>(
    world: &W,
    memory: &mut StateStore,
    tip: &Lock,
    Pending { hook, moves }: &Pending,
) -> Result<bool, PassError> {
    let mut state = memory.state.clone();
    state.claims.insert(hook.name.clone(), claim_of(world, hook));
    // What it may already have done is not forgotten over what it is about to do.
    let tried = state.tried.entry(hook.name.clone()).or_default();
    let begun = state.begun.entry(hook.name.clone()).or_default();
    let seen = state.seen.get(&hook.name).map(|seen| as_left(seen, tried, tip));
    state.seen.extend(seen.map(|seen| (hook.name.clone(), seen)));
    for one in moves {
        let Some(pin) = tip.pins.get(&one.tag) else { continue };
        let before = tried.pins.insert(one.tag.clone(), pin.clone());
        // What it was run for last, and again now, is the same move: it keeps its number, and by that its id.
        if before.is_none_or(|before| before.digest != pin.digest) {
            *begun.entry(one.tag.clone()).or_default() += 1;
        }
    }
    memory.replace(world, state).await
}

/// Runs one claimed hook and marks what it saw. `false` where something of it stays pending.
async fn tell<W: World>(
    world: &W,
    request: &Request,
    at: &AtTip,
    memory: &mut StateStore,
    (Pending { hook, moves }, explained): (Pending, &Explanations),
    told: &mut Told,
) -> Result<bool, PassError> {
    let batches: Vec<Vec<PinChange>> =
        if hook.each { moves.into_iter().map(|one| vec![one]).collect() } else { vec![moves] };
    let mut all_good = true;
    let last = batches.len() - 1;
    // As it was claimed: what others write while the hook runs changes no id.
    let begun = memory.state.begun.get(&hook.name).cloned().unwrap_or_default();
    for (number, batch) in batches.into_iter().enumerate() {
        let landed = EventContext {
            remote: request.remote.as_deref(),
            branch: &memory.branch,
            root: &request.root,
            commit: &at.tip.0,
            begun: &begun,
        };
        let event = EventV1::new(&hook.name, landed, &batch, explained);
        world.progress(Progress::Hook);
        let end = match prepare(world, &at.tip, &hook, &event, &batch).await {
            Ok(run) => world.run_hook(&run).await,
            Err(reason) => HookResult { exit: HookExit::NotStarted(reason), output: String::new() },
        };
        let good = end.exit == HookExit::Success;
        all_good &= good;
        let outcome = if good { HookOutcome::Succeeded } else { HookOutcome::Failed(end.exit) };
        told.rows.push(HookRow {
            name: hook.name.clone(),
            event: Some(event.id),
            changes: batch.len(),
            outcome,
            output: end.output,
        });
        let next_claim = (number < last).then(|| claim_of(world, &hook));
        let owner = world.owner();
        let marked = |state: &State| {
            let mut state = state.clone();
            if good {
                mark(&mut state, &at.root.lock, &batch, &hook);
            }
            if state.claims.get(&hook.name).is_some_and(|claim| claim.owner == owner) {
                match &next_claim {
                    Some(claim) => state.claims.insert(hook.name.clone(), claim.clone()),
                    None => state.claims.remove(&hook.name),
                };
            }
            state
        };
        memory.change(world, marked).await?;
    }
    Ok(all_good)
}

/// Takes what was told into what the hook has seen: each entry only where nobody told it of something else meanwhile.
fn mark(state: &mut State, tip: &Lock, told: &[PinChange], hook: &Hook) {
    let Some(seen) = state.seen.get_mut(&hook.name) else { return };
    let tried = state.tried.entry(hook.name.clone()).or_default();
    for one in told {
        let Some(pin) = tip.pins.get(&one.tag) else { continue };
        if tried.pins.get(&one.tag).is_some_and(|tried| tried.digest == pin.digest) {
            tried.pins.remove(&one.tag);
            seen.pins.insert(one.tag.clone(), pin.clone());
        }
    }
    tried.pins.retain(|id, _| tip.pins.contains_key(id));
    if tried.pins.is_empty() {
        state.tried.remove(&hook.name);
    }
    // What the hook is never told of is kept in step, so that a wider `on` starts from here.
    let same = |id: &TagId, seen: &Lock| {
        let digest = |lock: &Lock| lock.pins.get(id).map(|pin| pin.digest.clone());
        digest(seen) == digest(tip)
    };
    let all: BTreeSet<TagId> = seen.pins.keys().chain(tip.pins.keys()).cloned().collect();
    for id in all {
        match tip.pins.get(&id) {
            None => {
                seen.pins.remove(&id);
            }
            Some(pin) if !hook.on.matches(&id) || same(&id, seen) => {
                seen.pins.insert(id, pin.clone());
            }
            Some(_) => {}
        }
    }
}

/// Puts together everything a run is given; a sentence where the commit has no such file as it names.
async fn prepare<W: World>(
    world: &W,
    tip: &CommitId,
    hook: &Hook,
    event: &EventV1,
    moves: &[PinChange],
) -> Result<HookRun, String> {
    let mut files = Vec::new();
    for path in hook.program_file().into_iter().chain(hook.files.iter().map(String::as_str)) {
        let file = world.file(tip, path).await.map_err(|error| error.to_string())?;
        let file = file.ok_or_else(|| format!("`{path}` is not in the commit {}", tip.short()))?;
        files.push(HookFile { path: path.to_owned(), bytes: file.bytes, executable: file.executable });
    }
    let mut env = vec![
        ("PINSTREAM_HOOK".to_owned(), hook.name.clone()),
        ("PINSTREAM_EVENT_ID".to_owned(), event.id.clone()),
        ("PINSTREAM_COMMIT".to_owned(), event.commit.clone()),
        ("PINSTREAM_BRANCH".to_owned(), event.branch.clone()),
    ];
    if let [one] = moves {
        let digest = |side: Option<&crate::model::lock::diff::PinSide>| {
            side.map(|side| side.digest.to_string()).unwrap_or_default()
        };
        env.extend([
            ("PINSTREAM_STREAM".to_owned(), one.tag.stream.to_string()),
            ("PINSTREAM_TAG".to_owned(), one.tag.tag.to_string()),
            ("PINSTREAM_IMAGE".to_owned(), one.image.to_string()),
            ("PINSTREAM_OLD_DIGEST".to_owned(), digest(one.before())),
            ("PINSTREAM_NEW_DIGEST".to_owned(), digest(one.after())),
        ]);
    }
    Ok(HookRun {
        name: hook.name.clone(),
        owner: world.owner(),
        argv: hook.run.clone(),
        files,
        pass_env: hook.env.clone(),
        env,
        stdin: event.to_json(),
        timeout: hook.timeout,
    })
}
