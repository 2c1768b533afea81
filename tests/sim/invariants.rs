//! What must hold, by the numbers of the threat model: watched at each landing, delivery and end, and at rest.

use std::collections::{BTreeMap, BTreeSet};

use crate::effects::NewCommit;
use crate::git::CommitId;
use crate::model::image::{Digest, Repository, TagId};
use crate::model::lock::diff::changes;
use crate::model::lock::encode::encode;
use crate::model::settings::globs::TagGlobs;
use crate::model::state::State;
use crate::model::stream::TagSource;
use crate::reconcile::PassError;
use crate::report::exit::Exit;
use crate::report::{PassEnd, Report, TagOutcome};

use super::universe::{Commit, Delivery, Inner, Shared, Start, place};

/// Watches a commit that a pass puts on the branch.
pub(super) fn at_landing(inner: &mut Inner, commit: &Commit, change: &NewCommit) {
    let Some(parent) = commit.parent.map(|parent| &inner.commits[parent]) else { return };
    let (before, after) = (&parent.root.lock, &commit.root.lock);
    let mut broken = None;
    let mut say = |what: String| {
        broken.get_or_insert(what);
    };
    if before == after && change.files.is_empty() {
        say("I4: a commit without a difference".to_owned());
    }
    for one in changes(before, after) {
        let Some(new) = one.after() else {
            if commit.root.definitions.tags.contains_key(&one.tag) {
                say(format!("I23: {} lost its pin, and is defined", one.tag));
            }
            continue;
        };
        if !inner.hashed.contains(&new.digest) {
            say(format!("I1: {} was never hashed", new.digest));
        }
        match commit.root.definitions.tags.get(&one.tag).map(|tag| &tag.source) {
            None => say(format!("I2: {} is not defined", one.tag)),
            Some(TagSource::Image { image, .. }) if *image != one.image => {
                say(format!("I2: {} is not the image of {}", one.image, one.tag));
            }
            Some(_) => {}
        }
        let (old_seen, new_seen) = (parent.seen_at.get(&one.tag), commit.seen_at.get(&one.tag));
        let same_image = before.pins.get(&one.tag).is_some_and(|pin| pin.image == one.image);
        if let (Some(old), Some(new)) = (old_seen, new_seen)
            && same_image
            && new < old
        {
            say(format!("I5: {} was seen at {new}, its parent's at {old}", one.tag));
        }
    }
    if encode(after) != change.lock {
        say("I13: the lock is not what it says when read and written again".to_owned());
    }
    if let Some(broken) = broken {
        inner.break_(broken);
    }
    let foreign: Vec<usize> = inner.history().filter(|at| inner.commits[*at].by_person).collect();
    let kept: BTreeSet<usize> = std::iter::successors(commit.parent, |at| inner.commits[*at].parent).collect();
    if foreign.iter().any(|at| !kept.contains(at)) {
        inner.break_("I7: a person's commit vanished from the branch".to_owned());
    }
}

/// Watches who asks for a repository: of a crowd each has its own.
pub(super) fn at_question(inner: &mut Inner, repository: &Repository, machine: u32) {
    if !inner.is_crowded {
        return;
    }
    let before = inner.asked_by.insert(repository.clone(), machine);
    if let Some(before) = before.filter(|before| *before != machine) {
        inner.break_(format!("I24: {repository} is asked for by {machine}, and was by {before}"));
    }
}

/// Watches what a hook is about to be told.
pub(super) fn at_hook_start(inner: &mut Inner, hook: &str, event: &serde_json::Value) {
    let at = commit_of(event);
    let on_branch: BTreeSet<usize> = inner.history().collect();
    for one in told(event) {
        let (tag, digest) = (&one.tag, &one.new);
        let landed = inner.commits[at].root.lock.pins.get(tag).is_some_and(|pin| pin.digest == *digest);
        if !landed || !on_branch.contains(&at) {
            inner.break_(format!("I9: a hook was told of {tag} at {digest}, which did not land"));
        }
        at_id(inner, hook, at, one);
    }
}

/// Watches that a move has one id, and an id one move.
fn at_id(inner: &mut Inner, hook: &str, at: usize, one: Told) {
    let Told { id, tag, old, new } = one;
    let place = (hook.to_owned(), tag.clone());
    let last = inner.starts.get(&place);
    let is_last = last.is_some_and(|last| last.id == id);
    let meaning = (hook.to_owned(), tag.clone(), old.clone(), new.clone());
    let known = inner.ids.get(&id);
    let is_done = inner.deliveries.iter().any(|one| one.marked && one.id == id);
    if known.is_some_and(|known| *known != meaning) {
        inner.break_(format!("I11: {id} stands for two moves of {hook}"));
    } else if is_done || known.is_some() && !is_last {
        inner.break_(format!("I11: {id} came back to {hook} for {tag} after it was over"));
    } else if let Some(last) = last
        && (&last.old, &last.new) == (&old, &new)
        && !is_last
        && !was_away(inner, last.commit, at, &tag, &new)
    {
        inner.break_(format!("I11: {hook} is told again of {tag} at {new} under another id"));
    }
    inner.ids.insert(id.clone(), meaning);
    inner.starts.insert(place, Start { id, old, new, commit: at });
}

/// Watches what a hook was told with success.
pub(super) fn at_delivery(inner: &mut Inner, hook: &str, event: &serde_json::Value, process: u32) {
    let commit = commit_of(event);
    for Told { id, tag, new: digest, .. } in told(event) {
        let before = inner.deliveries.iter().rev().find(|one| one.hook == hook && one.tag == tag);
        if let Some(before) = before {
            let is_same = before.digest == digest && !was_away(inner, before.commit, commit, &tag, &digest);
            // Whoever told it may still say so, as long as the claims of both hold.
            let is_over = |process| inner.overtaken.contains(&(hook.to_owned(), process));
            let is_at_it = inner.alive.contains(&before.process)
                && before.process != process
                && !is_over(before.process)
                && !is_over(process);
            if before.commit > commit {
                let then = before.commit;
                inner.break_(format!("I10: {hook} was told of {tag} at {commit} after {then}"));
            } else if is_same && (before.marked || is_at_it) {
                inner.break_(format!("I11: {hook} was told of {tag} twice though nothing went wrong"));
            } else if is_same && before.id != id {
                inner.break_(format!("I11: {hook} was told of {tag} twice, under two ids"));
            }
        }
        let hook = hook.to_owned();
        inner.deliveries.push(Delivery { hook, tag, digest, commit, id, process, marked: false });
    }
}

/// Watches a state as it is written.
pub(super) fn at_state(inner: &mut Inner, state: &State) {
    for one in inner.deliveries.iter_mut().filter(|one| !one.marked) {
        let seen = state.seen.get(&one.hook).and_then(|seen| seen.pins.get(&one.tag));
        one.marked = seen.is_some_and(|pin| pin.digest == one.digest);
    }
    let old = inner.state_tip.map(|at| inner.states[at].1.claims.clone()).unwrap_or_default();
    for (hook, claim) in old.into_iter().filter(|(_, claim)| claim.until <= inner.now) {
        if state.claims.get(&hook).is_some_and(|new| new.owner != claim.owner) {
            inner.overtaken.insert((hook, claim.owner.process.parse().unwrap()));
        }
    }
}

/// Whether the branch held something else than `digest` for `tag` between two commits.
fn was_away(inner: &Inner, from: usize, to: usize, tag: &TagId, digest: &Digest) -> bool {
    (from..=to).any(|commit| {
        let pin = inner.commits[commit].root.lock.pins.get(tag);
        pin.is_none_or(|pin| pin.digest != *digest)
    })
}

/// Watches how a pass says it ended.
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
        // What is only proposed stands nowhere yet.
        if report.exit() != Exit::Success || inner.at_tip().settings.publish.is_some() {
            return;
        }
        let Some(tip) = &report.tip else { return };
        for row in &report.rows {
            // Another share's.
            if inner.is_crowded && row.outcome == TagOutcome::NotSelected {
                continue;
            }
            let defined = inner.commits[place(tip)].root.definitions.tags.get(&row.tag);
            let Some(TagSource::Image { image, .. }) = defined.map(|tag| &tag.source) else { continue };
            if let TagOutcome::Held(waiting) = &row.outcome {
                if !inner.was_taken_back(&row.tag, &waiting.digest) {
                    inner.break_(format!("I3: {} is kept from a digest that nobody took back", row.tag));
                }
                continue;
            }
            let Some((_, digest)) = inner.observed.get(&(process, image.to_string())) else {
                inner.break_(format!("I18: success, though {image} was never answered for"));
                continue;
            };
            // What the pass saw last is what its lock holds.
            if inner.commits[place(tip)].root.lock.pins.get(&row.tag).is_none_or(|pin| pin.digest != *digest) {
                inner.break_(format!("I18: success, though {} is not what {image} was seen to be", row.tag));
            }
        }
        if let PassEnd::Landed(commit) = &report.end
            && !inner.history().any(|at| at == place(commit))
        {
            inner.break_("I18: success, though the commit is not on the branch".to_owned());
        }
    });
}

impl Inner {
    /// Whether a person put `id` from `digest` to another one.
    fn was_taken_back(&self, id: &TagId, digest: &Digest) -> bool {
        let at = |commit: usize| self.commits[commit].root.lock.pins.get(id).map(|pin| &pin.digest);
        self.history().any(|commit| {
            let Commit { parent, by_person, .. } = &self.commits[commit];
            *by_person && at(commit) != Some(digest) && parent.is_some_and(|parent| at(parent) == Some(digest))
        })
    }
}

/// What must hold once all has come to rest.
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
            let is_kept = wanted.is_some_and(|wanted| inner.was_taken_back(id, wanted));
            if wanted != Some(&pin.digest) && !is_kept {
                return Err(format!("I3: {id} is not what it should be"));
            }
        }
        if root.lock.pins.len() != root.definitions.tags.len() {
            return Err("I2: a pin without a definition".to_owned());
        }
        let seen = inner.state_tip.map(|at| &inner.states[at].1.seen);
        for hook in &root.settings.hooks {
            let seen =
                seen.and_then(|seen| seen.get(&hook.name)).ok_or_else(|| format!("I8: {} saw nothing", hook.name))?;
            let unseen =
                changes(seen, &root.lock).into_iter().find(|one| one.after().is_some() && hook.on.matches(&one.tag));
            if let Some(unseen) = unseen {
                return Err(format!("I8: {} is still to see {}", hook.name, unseen.tag));
            }
            last_told(inner, &hook.name, &hook.on)?;
        }
        Ok(())
    })
}

/// Whether the last thing a hook was told of each tag is what stands on the branch; of a tag that it was never told of,
/// what it adopted.
fn last_told(inner: &Inner, hook: &str, on: &TagGlobs) -> Result<(), String> {
    let Some((adopted, from)) = inner.adopted.get(hook) else { return Err(format!("I8: {hook} adopted nothing")) };
    let told: BTreeMap<&TagId, &Digest> =
        inner.deliveries[*from..].iter().filter(|one| one.hook == hook).map(|one| (&one.tag, &one.digest)).collect();
    for (id, pin) in inner.at_tip().lock.pins.iter().filter(|(id, _)| on.matches(id)) {
        let known = told.get(id).copied().or_else(|| adopted.pins.get(id).map(|pin| &pin.digest));
        if known != Some(&pin.digest) {
            return Err(format!("I8: {hook} was last told of {id} at something else than {}", pin.digest));
        }
    }
    Ok(())
}

fn commit_of(event: &serde_json::Value) -> usize {
    place(&CommitId(event["commit"].as_str().unwrap().to_owned()))
}

/// A move of an event.
struct Told {
    id: String,
    tag: TagId,
    old: Option<Digest>,
    new: Digest,
}

fn told(event: &serde_json::Value) -> Vec<Told> {
    let moves = event["changes"].as_array().unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let one = |one: &serde_json::Value| Told {
        id: text(&one["id"]),
        tag: format!("{}:{}", text(&one["stream"]), text(&one["tag"])).parse().unwrap(),
        old: one["old"]["digest"].as_str().map(|digest| digest.parse().unwrap()),
        new: text(&one["new"]["digest"]).parse().unwrap(),
    };
    moves.iter().map(one).collect()
}
