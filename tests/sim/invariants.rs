//! Invariants of `tests/THREATS.md`, checked at each landing, delivery and end of a pass, and at rest.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::effects::NewCommit;
use crate::git::CommitId;
use crate::model::image::{Digest, Repository, TagId};
use crate::model::lock::Lock;
use crate::model::lock::diff::changes;
use crate::model::lock::encode::encode;
use crate::model::root::Root;
use crate::model::settings::Hook;
use crate::model::settings::globs::TagGlobs;
use crate::model::state::State;
use crate::model::stream::TagSource;
use crate::reconcile::PassError;
use crate::report::exit::Exit;
use crate::report::{PassEnd, Report, TagOutcome};

use super::universe::{Commit, Delivery, Inner, Shared, Start, place};

/// Checks a commit that a pass puts on the branch.
pub(super) fn at_landing(inner: &mut Inner, commit: &Commit, change: &NewCommit) {
    let Some(parent) = commit.parent.map(|parent| &inner.commits[parent]) else { return };
    let (before, after) = (&parent.root.lock, &commit.root.lock);
    let mut broken = None;
    let mut report = |violation: String| {
        broken.get_or_insert(violation);
    };
    if before == after && change.files.is_empty() {
        report("I4: a commit changes nothing".to_owned());
    }
    for one in changes(before, after) {
        let Some(new) = one.after() else {
            if commit.root.definitions.tags.contains_key(&one.tag) {
                report(format!("I23: {} is defined and lost its pin", one.tag));
            }
            continue;
        };
        if !inner.hashed.contains(&new.digest) {
            report(format!("I1: {} was never hashed", new.digest));
        }
        match commit.root.definitions.tags.get(&one.tag).map(|tag| &tag.source) {
            None => report(format!("I2: {} is not defined", one.tag)),
            Some(TagSource::Image { image, .. }) if *image != one.image => {
                report(format!("I2: {} is not the image of {}", one.image, one.tag));
            }
            Some(_) => {}
        }
        let (old_seen, new_seen) = (parent.seen_at.get(&one.tag), commit.seen_at.get(&one.tag));
        let same_image = before.pins.get(&one.tag).is_some_and(|pin| pin.image == one.image);
        if let (Some(old), Some(new)) = (old_seen, new_seen)
            && same_image
            && new < old
        {
            report(format!("I5: {} was observed at {new}, the replaced pin at {old}", one.tag));
        }
    }
    if encode(after) != change.lock {
        report("I13: the lock changes when it is read and written again".to_owned());
    }
    if let Some(broken) = broken {
        inner.break_(broken);
    }
    let by_people: Vec<usize> = inner.history().filter(|at| inner.commits[*at].by_person).collect();
    let ancestors: BTreeSet<usize> = std::iter::successors(commit.parent, |at| inner.commits[*at].parent).collect();
    if by_people.iter().any(|at| !ancestors.contains(at)) {
        inner.break_("I7: a person's commit disappeared from the branch".to_owned());
    }
}

/// Checks that only one machine resolves a repository, in a universe with shards.
pub(super) fn at_question(inner: &mut Inner, repository: &Repository, machine: u32) {
    if !inner.is_crowded {
        return;
    }
    let before = inner.asked_by.insert(repository.clone(), machine);
    if let Some(before) = before.filter(|before| *before != machine) {
        inner.break_(format!("I24: machine {machine} resolves {repository}, as machine {before} did"));
    }
}

/// Checks the event that a hook is about to receive.
pub(super) fn at_hook_start(inner: &mut Inner, process: u32, hook: &str, event: &serde_json::Value) {
    inner.runs += 1;
    let at = commit_of(event);
    let is_on_branch = inner.history().any(|on| on == at) || inner.was_dropped_since(process, at);
    for one in changes_of(event) {
        let (tag, digest) = (&one.tag, &one.new);
        let landed = inner.commits[at].root.lock.pins.get(tag).is_some_and(|pin| pin.digest == *digest);
        if !landed || !is_on_branch {
            inner.break_(format!("I9: a hook receives {tag} at {digest}, which did not land"));
        }
        check_id(inner, hook, at, one);
    }
}

/// Checks that a change has one id, and that an id belongs to one change.
fn check_id(inner: &mut Inner, hook: &str, at: usize, one: EventChange) {
    let EventChange { id, tag, old, new } = one;
    let place = (hook.to_owned(), tag.clone());
    let last = inner.starts.get(&place);
    let is_last = last.is_some_and(|last| last.id == id);
    let meaning = (hook.to_owned(), tag.clone(), old.clone(), new.clone());
    let known = inner.ids.get(&id);
    let is_done = inner.deliveries.iter().any(|one| one.marked && one.id == id);
    if known.is_some_and(|known| *known != meaning) {
        inner.break_(format!("I11: {id} belongs to two changes for {hook}"));
    } else if is_done || known.is_some() && !is_last {
        inner.break_(format!("I11: {hook} receives {id} for {tag} again after it was done"));
    } else if let Some(last) = last
        && (&last.old, &last.new) == (&old, &new)
        && !is_last
        && !was_replaced(inner, last.commit, at, &tag, &new)
    {
        inner.break_(format!("I11: {hook} receives {tag} at {new} again with another id"));
    }
    inner.ids.insert(id.clone(), meaning);
    inner.starts.insert(place, Start { id, old, new, commit: at });
}

/// Checks a successful delivery.
pub(super) fn at_delivery(inner: &mut Inner, hook: &str, event: &serde_json::Value, process: u32) {
    let commit = commit_of(event);
    for EventChange { id, tag, new: digest, .. } in changes_of(event) {
        let before = inner.deliveries.iter().rev().find(|one| one.hook == hook && one.tag == tag);
        if let Some(before) = before {
            let is_same = before.digest == digest && !was_replaced(inner, before.commit, commit, &tag, &digest);
            // An orphan and its successor may both deliver while both have a claim.
            let is_over = |process| inner.overtaken.contains(&(hook.to_owned(), process));
            let is_at_it = inner.alive.contains(&before.process)
                && before.process != process
                && !is_over(before.process)
                && !is_over(process);
            if before.commit > commit {
                let then = before.commit;
                inner.break_(format!("I10: {hook} received {tag} at {commit} after {then}"));
            } else if is_same && (before.marked || is_at_it) {
                inner.break_(format!("I11: {hook} received {tag} twice without a fault"));
            } else if is_same && before.id != id {
                inner.break_(format!("I11: {hook} received {tag} twice with two ids"));
            }
        }
        let hook = hook.to_owned();
        inner.deliveries.push(Delivery { hook, tag, digest, commit, id, process, marked: false });
    }
}

/// Checks a state that a process of `machine` writes.
pub(super) fn at_state(inner: &mut Inner, state: &State, machine: u32) {
    let now = inner.now_at(machine);
    for one in inner.deliveries.iter_mut().filter(|one| !one.marked) {
        let seen = state.seen.get(&one.hook).and_then(|seen| seen.pins.get(&one.tag));
        one.marked = seen.is_some_and(|pin| pin.digest == one.digest);
    }
    let old = inner.state_tip.map(|at| inner.states[at].1.claims.clone()).unwrap_or_default();
    for (hook, claim) in old.into_iter().filter(|(_, claim)| claim.until <= now) {
        if state.claims.get(&hook).is_some_and(|new| new.owner != claim.owner) {
            inner.overtaken.insert((hook, claim.owner.process.parse().unwrap()));
        }
    }
}

/// Reports whether the branch had another digest than `digest` for `tag` between two commits.
fn was_replaced(inner: &Inner, from: usize, to: usize, tag: &TagId, digest: &Digest) -> bool {
    (from..=to).any(|commit| {
        let pin = inner.commits[commit].root.lock.pins.get(tag);
        pin.is_none_or(|pin| pin.digest != *digest)
    })
}

/// Checks the result of a pass.
pub(super) fn at_end(universe: &Shared, process: u32, result: &Result<Report, PassError>) {
    universe.with(|inner| {
        if let Some(reports) = &mut inner.reports {
            reports.push(format!("{result:?}"));
        }
    });
    let report = match result {
        Ok(report) => report,
        Err(PassError::Contention { .. }) => return,
        Err(PassError::Git(_)) if universe.with(|inner| inner.cut_off.contains(&process)) => return,
        Err(error) => return universe.with(|inner| inner.break_(format!("I3: a pass stopped: {error}"))),
    };
    universe.with(|inner| {
        // Proposed changes are not on the branch yet.
        let is_complete = matches!(report.exit(), Exit::Success | Exit::HookFailed);
        if !is_complete || inner.at_tip().settings.publish.is_some() {
            return;
        }
        let Some(tip) = report.tip.as_ref().filter(|tip| !inner.was_dropped_since(process, place(tip))) else { return };
        if let PassEnd::Landed(_) = &report.end
            && report.exit() == Exit::Success
        {
            check_success(inner, place(tip));
        }
        for row in &report.rows {
            // The tag belongs to another shard.
            if inner.is_crowded && row.outcome == TagOutcome::NotSelected {
                continue;
            }
            let defined = inner.commits[place(tip)].root.definitions.tags.get(&row.tag);
            let Some(TagSource::Image { image, .. }) = defined.map(|tag| &tag.source) else { continue };
            if row.outcome == TagOutcome::BackingOff {
                let is_recent = |failed: &Duration| inner.elapsed - *failed < Duration::from_secs(86_400);
                if !inner.failed.get(&image.to_string()).is_some_and(is_recent) {
                    inner.break_(format!("I18: {} is skipped although {image} did not fail within a day", row.tag));
                }
                continue;
            }
            if let TagOutcome::Held(waiting) = &row.outcome {
                if !inner.was_reverted(&row.tag, &waiting.digest) {
                    inner.break_(format!("I3: {} is held back from a digest that nobody reverted", row.tag));
                }
                continue;
            }
            let Some((_, digest)) = inner.observed.get(&(process, image.to_string())) else {
                inner.break_(format!("I18: success although {image} was never resolved"));
                continue;
            };
            // The lock must have what the pass saw last.
            if inner.commits[place(tip)].root.lock.pins.get(&row.tag).is_none_or(|pin| pin.digest != *digest) {
                inner.break_(format!("I18: success although {} is not pinned to the digest of {image}", row.tag));
            }
        }
        if let PassEnd::Landed(commit) = &report.end
            && !inner.history().any(|at| at == place(commit))
            && !inner.dropped.contains_key(&place(commit))
        {
            inner.break_("I18: success although the commit is not on the branch".to_owned());
        }
    });
}

/// Checks that the hooks received what a successful pass landed in a commit, as far as no commit since then changed the
/// tag or the hook.
fn check_success(inner: &mut Inner, commit: usize) {
    let Commit { root, parent, .. } = &inner.commits[commit];
    let Some(parent) = parent else { return };
    let since: Vec<&Root> = inner.history().take_while(|at| *at >= commit).map(|at| &*inner.commits[at].root).collect();
    let mut missed = None;
    for one in changes(&inner.commits[*parent].root.lock, &root.lock) {
        let (tag, Some(new)) = (&one.tag, one.after()) else { continue };
        let has_pin = |lock: &Lock| lock.pins.get(tag).is_some_and(|pin| pin.digest == new.digest);
        for name in root.settings.hooks.iter().map(|hook| &hook.name) {
            let is_meant = |hook: &Hook| hook.name == *name && hook.on.matches(tag);
            let stays = since.iter().all(|root| has_pin(&root.lock) && root.settings.hooks.iter().any(is_meant));
            let is_new = inner.adopted.get(name).is_some_and(|(adopted, _)| !has_pin(adopted));
            let is_delivery = |one: &Delivery| (&one.hook, &one.tag, &one.digest) == (name, tag, &new.digest);
            if stays && is_new && !inner.deliveries.iter().any(is_delivery) {
                missed = Some(format!("I8: success although {name} has not received {tag}"));
            }
        }
    }
    if let Some(missed) = missed {
        inner.break_(missed);
    }
}

impl Inner {
    /// Reports whether a force push removed `commit` from the branch after `process` began.
    fn was_dropped_since(&self, process: u32, commit: usize) -> bool {
        let begun = self.begun.get(&process).copied().unwrap_or_default();
        self.dropped.get(&commit).is_some_and(|dropped| *dropped >= begun)
    }

    /// Reports whether a person replaced `digest` as the pin of `id`.
    fn was_reverted(&self, id: &TagId, digest: &Digest) -> bool {
        let at = |commit: usize| self.commits[commit].root.lock.pins.get(id).map(|pin| &pin.digest);
        // A decision of people counts although a force push removed the commit.
        self.history().chain(self.dropped.keys().copied()).any(|commit| {
            let Commit { parent, by_person, .. } = &self.commits[commit];
            *by_person && at(commit) != Some(digest) && parent.is_some_and(|parent| at(parent) == Some(digest))
        })
    }
}

/// Checks the world at rest.
pub(super) fn at_rest(universe: &Shared) -> Result<(), String> {
    universe.with(|inner| {
        let root = inner.at_tip();
        for (id, tag) in &root.definitions.tags {
            let pin = root.lock.pins.get(id).ok_or_else(|| format!("I3: {id} has no pin"))?;
            let wanted = match &tag.source {
                TagSource::Image { image, .. } => inner.registry.now(image),
                TagSource::Select { .. } => None,
                // There is no other repository in this world.
                TagSource::Remote(_) => None,
                TagSource::Follow(target) => root.lock.pins.get(target).map(|pin| &pin.digest),
            };
            let is_held = wanted.is_some_and(|wanted| inner.was_reverted(id, wanted));
            if wanted != Some(&pin.digest) && !is_held {
                return Err(format!("I3: the pin of {id} is not the registry's digest"));
            }
        }
        if root.lock.pins.len() != root.definitions.tags.len() {
            return Err("I2: a pin without a definition".to_owned());
        }
        let seen = inner.state_tip.map(|at| &inner.states[at].1.seen);
        for hook in &root.settings.hooks {
            let seen =
                seen.and_then(|seen| seen.get(&hook.name)).ok_or_else(|| format!("I8: {} has no state", hook.name))?;
            let unseen =
                changes(seen, &root.lock).into_iter().find(|one| one.after().is_some() && hook.on.matches(&one.tag));
            if let Some(unseen) = unseen {
                return Err(format!("I8: {} has not received {}", hook.name, unseen.tag));
            }
            check_last_delivery(inner, &hook.name, &hook.on)?;
        }
        Ok(())
    })
}

/// Checks that the last delivery of each tag is the pin on the branch; a tag that was never delivered must have the
/// pin that the hook adopted.
fn check_last_delivery(inner: &Inner, hook: &str, on: &TagGlobs) -> Result<(), String> {
    let Some((adopted, from)) = inner.adopted.get(hook) else { return Err(format!("I8: {hook} adopted nothing")) };
    let delivered: BTreeMap<&TagId, &Digest> =
        inner.deliveries[*from..].iter().filter(|one| one.hook == hook).map(|one| (&one.tag, &one.digest)).collect();
    for (id, pin) in inner.at_tip().lock.pins.iter().filter(|(id, _)| on.matches(id)) {
        let known = delivered.get(id).copied().or_else(|| adopted.pins.get(id).map(|pin| &pin.digest));
        if known != Some(&pin.digest) {
            return Err(format!("I8: the last delivery of {id} to {hook} is not {}", pin.digest));
        }
    }
    Ok(())
}

fn commit_of(event: &serde_json::Value) -> usize {
    place(&CommitId(event["commit"].as_str().unwrap().to_owned()))
}

/// A change in an event.
struct EventChange {
    id: String,
    tag: TagId,
    old: Option<Digest>,
    new: Digest,
}

fn changes_of(event: &serde_json::Value) -> Vec<EventChange> {
    let moves = event["changes"].as_array().unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let one = |one: &serde_json::Value| EventChange {
        id: text(&one["id"]),
        tag: format!("{}:{}", text(&one["stream"]), text(&one["tag"])).parse().unwrap(),
        old: one["old"]["digest"].as_str().map(|digest| digest.parse().unwrap()),
        new: text(&one["new"]["digest"]).parse().unwrap(),
    };
    moves.iter().map(one).collect()
}
