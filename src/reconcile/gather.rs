//! Second step: queries registries, other repositories, the history, proposal branches and target files. Decides nothing.

pub mod deadline;
pub mod images;
pub mod open_branches;
pub mod queries;
pub mod remote_locks;
pub mod resolve;
pub mod reverted;
mod signatures;
pub mod tag_lists;

use std::collections::BTreeSet;

use crate::effects::World;
use crate::git::RootFiles;
use crate::model::adoption::AdoptionPolicy;
use crate::model::image::TagId;
use crate::model::root::Root;
use crate::model::stream::{Discovery, discover};
use crate::signature::Trust;

use super::facts::Facts;
use super::load::Snapshot;
use super::state_store::StateStore;
use super::{PassError, Request, Resolve, shard_filter, target_files};
use deadline::Deadline;
use images::ImageCache;
use queries::{Prerequisites, TagFilter};
use remote_locks::RemoteLocks;
use resolve::{Resolution, Resolutions, Resolver};
use tag_lists::TagLists;

/// Gathers everything that the decision depends on; answers of the previous attempt in `facts` that are still valid are
/// reused. Tags that the lists show replace the discovered tags of the snapshot.
///
/// # Errors
/// A pattern of the request matches no tag, or a Git failure. Failures of single tags are facts.
pub async fn gather<W: World>(
    world: &W,
    request: &Request,
    snapshot: &mut Snapshot,
    state: &StateStore,
    facts: Facts,
) -> Result<Facts, PassError> {
    let mut facts = facts.for_routes(&snapshot.routes);
    facts.now = world.now();
    facts.memory = state.state.memory.clone();
    facts.failing = state.state.failing.clone();
    let fingerprint = snapshot.fingerprint.short();
    let filter = TagFilter {
        resolve: request.resolve,
        only: request.only.as_ref(),
        shard: request.shard,
        schedule: state.state.schedule_of(request.shard),
        failing: &state.state.failing,
        deferred: &state.state.deferred,
        fingerprint: &fingerprint,
        now: facts.now,
    };
    let Prerequisites { repositories, remotes } = queries::prerequisites(&snapshot.root, &filter);
    let deadline = facts.deadline.next_attempt(world, snapshot.root.settings.budget.0);
    facts.deadline = deadline;
    let pinned = tag_lists::with_pinned(&snapshot.root, repositories.clone());
    facts.tag_lists = tag_lists::read(world, pinned, std::mem::take(&mut facts.tag_lists), deadline).await;
    facts.unlisted = repositories.into_iter().filter(|one| !facts.tag_lists.contains_key(one)).collect();
    facts.remote_locks =
        remote_locks::read(world, &snapshot.root.settings, remotes, &facts.remote_locks, deadline).await;
    facts.truncated = expand(&mut snapshot.root, &facts.tag_lists);
    if let Some(only) = &request.only {
        shard_filter::check_patterns(&snapshot.root, request.shard, only)?;
    }

    let mut plan = queries::plan(&snapshot.root, &filter, &facts.tag_lists, &facts.remote_locks);
    facts.selected = std::mem::take(&mut plan.selected);
    facts.notes = std::mem::take(&mut plan.notes);
    plan.ties.iter().for_each(|tie| tracing::debug!("{tie}"));
    let (plan, known) = facts.skip_known(snapshot, plan);
    let policy = AdoptionPolicy { now: facts.now, memory: &facts.memory };
    let resolver = Resolver { images: &facts.images, policy: &policy, trust: &snapshot.trust };
    let plan = match state.state.deferred.is_empty() {
        true => plan,
        false => plan.with_first(&state.state.deferred, world.random()),
    };
    let queried: Vec<&TagId> = plan.tags().chain(plan.unlisted.iter().copied()).collect();
    let mut resolutions = resolver.resolve(world, plan, deadline).await;
    let mut unresolved: BTreeSet<&TagId> = queried.into_iter().filter(|id| !resolutions.contains_key(*id)).collect();
    unresolved.extend(&known.deferred);
    if !unresolved.is_empty() {
        let is_deferred = |id: &&TagId| unresolved.contains(shard_filter::origin(&snapshot.root, id).0);
        facts.deferred = facts.selected.iter().filter(is_deferred).cloned().collect();
    }
    resolutions.extend(known.resolutions);
    facts.reverted = reverted::find(world, snapshot, &resolutions, &policy).await?;
    facts.resolutions = resolutions;
    facts.known_held = known.held;

    if request.proposes_to(&snapshot.root).is_some() {
        facts.open_branches = open_branches::read(world, request, snapshot).await?;
        add_proposed_tags(snapshot, &facts);
    }
    facts.target_files = target_files::read(world, &snapshot.tips.tip, &snapshot.root.settings.targets).await;
    Ok(facts)
}

/// Replaces the tags that streams discovered earlier by those of the lists; returns the lists that `limit` truncated.
fn expand(root: &mut Root, lists: &TagLists) -> Vec<discover::TruncatedDiscovery> {
    root.expand(|_, discovery: &Discovery| Some(lists.get(&discovery.repository)?.as_ref().ok()?.tags.as_slice()))
}

/// Adds discovered tags that exist only in open proposals, as far as their lists were not read.
fn add_proposed_tags(snapshot: &mut Snapshot, facts: &Facts) {
    let unread = facts.unread_streams(&snapshot.root.definitions);
    let proposed = facts.open_branches.values().filter_map(|branch| branch.proposed()).flat_map(|pins| &pins.pins);
    let proposed = proposed.filter(|(_, pin)| pin.follow.is_none()).map(|(id, pin)| (id, &pin.image));
    discover::add_proposed(&mut snapshot.root.definitions, |stream| unread.contains(stream), proposed);
}

/// Resolves the images that `root` names, each from bytes that were hashed; a rejected digest leaves its candidate without
/// content. The lock should be empty, because a pinned digest needs no fetch. `authorities` holds the PEM files of its settings.
///
/// # Errors
/// The registries cannot be configured.
pub async fn resolve_all<W: World>(
    world: &W,
    root: &Root,
    authorities: &RootFiles,
    trust: &Trust,
) -> Result<Resolutions, PassError> {
    world.prepare(&root.settings, authorities).map_err(PassError::Registries)?;
    let filter = TagFilter { resolve: Resolve::All, ..TagFilter::at(world.now()) };
    let Prerequisites { repositories, remotes } = queries::prerequisites(root, &filter);
    let pinned = tag_lists::with_pinned(root, repositories);
    let lists = tag_lists::read(world, pinned, TagLists::new(), Deadline::NONE).await;
    let locks = remote_locks::read(world, &root.settings, remotes, &RemoteLocks::default(), Deadline::NONE).await;
    let plan = queries::plan(root, &filter, &lists, &locks);
    let resolver = Resolver { images: &ImageCache::default(), policy: &AdoptionPolicy::OFFLINE, trust };
    let mut resolutions = resolver.resolve(world, plan, Deadline::NONE).await;
    for (id, resolution) in &mut resolutions {
        if let (Ok(Resolution::Candidate(candidate)), Some(tag)) = (resolution, root.definitions.tags.get(id))
            && candidate.hold_reason(&AdoptionPolicy::OFFLINE, id, tag, None).is_some()
        {
            candidate.content = None;
        }
    }
    Ok(resolutions)
}
