//! What must hold, by the numbers of the threat model: watched at each landing, delivery and end, and at rest.

use std::collections::{BTreeMap, BTreeSet};

use crate::git::CommitId;
use crate::image::{Digest, TagId};
use crate::lock::diff::moves;
use crate::lock::encode::encode;
use crate::reconcile::PassError;
use crate::report::exit::Exit;
use crate::report::{End, Report};
use crate::settings::globs::TagGlobs;
use crate::stream::Source;
use crate::world::Change;

use super::universe::{Commit, Delivery, Inner, Shared, place};

/// Watches a commit that a pass puts on the branch.
pub(super) fn at_landing(inner: &mut Inner, commit: &Commit, change: &Change) {
    let Some(parent) = commit.parent.map(|parent| &inner.commits[parent]) else { return };
    let (before, after) = (&parent.root.lock, &commit.root.lock);
    let mut broken = None;
    let mut say = |what: String| {
        broken.get_or_insert(what);
    };
    if before == after {
        say("I4: a commit without a difference".to_owned());
    }
    for one in moves(before, after) {
        let Some(new) = one.after() else { continue };
        if !inner.hashed.contains(&new.digest) {
            say(format!("I1: {} was never hashed", new.digest));
        }
        match commit.root.definitions.tags.get(&one.tag).map(|tag| &tag.source) {
            None => say(format!("I2: {} is not defined", one.tag)),
            Some(Source::Image { image, .. }) if *image != one.image => {
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

/// Watches what a hook is about to be told.
pub(super) fn at_hook_start(inner: &mut Inner, event: &serde_json::Value) {
    let at = commit_of(event);
    let on_branch: BTreeSet<usize> = inner.history().collect();
    for (tag, digest) in told(event) {
        let landed = inner.commits[at].root.lock.pins.get(&tag).is_some_and(|pin| pin.digest == digest);
        if !landed || !on_branch.contains(&at) {
            inner.break_(format!("I9: a hook was told of {tag} at {digest}, which did not land"));
        }
    }
}

/// Watches what a hook was told with success.
pub(super) fn at_delivery(inner: &mut Inner, hook: &str, event: &serde_json::Value) {
    let at = commit_of(event);
    for (tag, digest) in told(event) {
        let before = inner.deliveries.iter().rev().find(|one| one.hook == hook && one.tag == tag);
        if let Some(before) = before {
            if before.commit > at {
                let (then, now) = (before.commit, at);
                inner.break_(format!("I10: {hook} was told of {tag} at {now} after {then}"));
            } else if before.digest == digest && inner.crashes == 0 && inner.lost == 0 && !was_away(inner, before, at) {
                inner.break_(format!("I11: {hook} was told of {tag} twice though nothing went wrong"));
            }
        }
        inner.deliveries.push(Delivery { hook: hook.to_owned(), tag, digest, commit: at });
    }
}

/// Whether the branch held something else for the tag between a delivery and the commit `at`.
fn was_away(inner: &Inner, before: &Delivery, at: usize) -> bool {
    (before.commit..=at).any(|commit| {
        let pin = inner.commits[commit].root.lock.pins.get(&before.tag);
        pin.is_none_or(|pin| pin.digest != before.digest)
    })
}

/// Watches how a pass says it ended.
pub(super) fn at_end(universe: &Shared, process: u32, result: &Result<Report, PassError>) {
    let report = match result {
        Ok(report) => report,
        Err(PassError::Contention { .. }) => return,
        Err(error) => return universe.with(|inner| inner.break_(format!("I3: a pass stopped: {error}"))),
    };
    universe.with(|inner| {
        if report.exit() != Exit::Success {
            return;
        }
        let Some(tip) = &report.tip else { return };
        for row in &report.rows {
            let defined = inner.commits[place(tip)].root.definitions.tags.get(&row.tag);
            let Some(Source::Image { image, .. }) = defined.map(|tag| &tag.source) else { continue };
            if !inner.observed.contains_key(&(process, image.to_string())) {
                inner.break_(format!("I18: success, though {image} was never answered for"));
            }
        }
        if let End::Landed(commit) = &report.end
            && !inner.history().any(|at| at == place(commit))
        {
            inner.break_("I18: success, though the commit is not on the branch".to_owned());
        }
    });
}

/// What must hold once all has come to rest.
pub(super) fn at_rest(universe: &Shared) -> Result<(), String> {
    universe.with(|inner| {
        let root = inner.at_tip();
        for (id, tag) in &root.definitions.tags {
            let pin = root.lock.pins.get(id).ok_or_else(|| format!("I3: {id} has no pin"))?;
            let wanted = match &tag.source {
                Source::Image { image, .. } => inner.registry.now(image),
                Source::Follow(target) => root.lock.pins.get(target).map(|pin| &pin.digest),
            };
            if wanted != Some(&pin.digest) {
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
                moves(seen, &root.lock).into_iter().find(|one| one.after().is_some() && hook.on.matches(&one.tag));
            if let Some(unseen) = unseen {
                return Err(format!("I8: {} is still to see {}", hook.name, unseen.tag));
            }
            last_told(inner, &hook.name, &hook.on)?;
        }
        Ok(())
    })
}

/// Whether the last thing a hook was told of each tag, or else adopted, is what stands on the branch.
fn last_told(inner: &Inner, hook: &str, on: &TagGlobs) -> Result<(), String> {
    let adopted = inner.adopted.get(hook).map(|lock| &lock.pins);
    let told: BTreeMap<&TagId, &Digest> =
        inner.deliveries.iter().filter(|one| one.hook == hook).map(|one| (&one.tag, &one.digest)).collect();
    for (id, pin) in inner.at_tip().lock.pins.iter().filter(|(id, _)| on.matches(id)) {
        let adopted = adopted.and_then(|pins| pins.get(id)).map(|pin| &pin.digest);
        if told.get(id).copied() != Some(&pin.digest) && adopted != Some(&pin.digest) {
            return Err(format!("I8: {hook} was never told of {id} at {}", pin.digest));
        }
    }
    Ok(())
}

fn commit_of(event: &serde_json::Value) -> usize {
    place(&CommitId(event["commit"].as_str().unwrap().to_owned()))
}

fn told(event: &serde_json::Value) -> Vec<(TagId, Digest)> {
    let moves = event["moves"].as_array().unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    moves
        .iter()
        .map(|one| {
            let tag = format!("{}:{}", text(&one["stream"]), text(&one["tag"]));
            (tag.parse().unwrap(), text(&one["new"]["digest"]).parse().unwrap())
        })
        .collect()
}
