//! Fifth step: builds the report, and records in the state what the next pass needs.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::image::{Digest, StreamName, TagId};
use crate::model::lock::Lock;
use crate::model::lock::diff::PinChange;
use crate::model::settings::adoption_rules::{HeldUpdate, HoldReason};
use crate::model::state::memory::HistoryAccess;
use crate::model::stream::Discovery;
use crate::model::stream::discover::TruncatedDiscovery;
use crate::report::exit::Exit;
use crate::report::{Deferral, FileRow, PassEnd, Report, ReportError, TagOutcome, TagRow};

use super::land::Landed;
use super::state_store::{DueRecord, PassRecord, StateStore};
use super::{Attempt, Effect, Resolve, shard_filter};

/// Builds the report of a pass, without hooks.
pub fn report(attempt: Attempt<'_>, landed: &Landed) -> Report {
    let Attempt { request, snapshot, facts, decision, .. } = attempt;
    let (root, proposals) = (&snapshot.root, &landed.proposals);
    let tip = landed.tip(snapshot);
    let end = match request.effect {
        Effect::Show => PassEnd::Planned,
        Effect::Land if proposals.is_any_open() => PassEnd::Proposed,
        _ if !landed.is_ours() => PassEnd::Unchanged,
        Effect::Write => PassEnd::Written,
        Effect::Land => PassEnd::Landed(tip.clone()),
    };
    let branch = Some(snapshot.tips.branch.clone()).filter(|branch| !branch.is_empty());
    let truncated = facts.truncated.iter().map(truncation_note);
    let notes = truncated
        .chain(facts.notes.iter().cloned())
        .chain(snapshot.branch_note(request))
        .chain(decision.notes.iter().cloned())
        .chain(proposals.notes.iter().cloned())
        .chain(shard_filter::note(root, request.shard));
    Report {
        remote: request.remote.clone(),
        tip: branch.is_some().then_some(tip),
        branch,
        end,
        rows: rows(attempt, landed),
        remotes: facts.remote_locks.rows(&root.settings),
        files: decision.edits.iter().cloned().map(FileRow::of).collect(),
        hooks: Vec::new(),
        message: landed.message.clone(),
        notes: notes.collect(),
        proposals: proposals.rows.clone(),
        errors: failed_discoveries(attempt).chain(proposals.errors.iter().cloned()).collect(),
    }
}

/// Notes in the state what the next pass needs; it is written with the claim of a hook, or else at the end of the pass.
pub fn record(attempt: Attempt<'_>, landed: &Landed, state: &mut StateStore) {
    let Attempt { request, snapshot, facts, decision, .. } = attempt;
    let root = &snapshot.root;
    // Our own commit is newer than the state.
    state.is_newer &= landed.commit.is_none();
    // A pass over some tags makes no statement about the others, so it leaves the schedule times alone. Tags without a
    // schedule do not need them.
    let has_schedule = |id: &TagId| root.definitions.end_of(id).1.is_some_and(|tag| tag.schedule.is_some());
    let is_whole = request.resolve == Resolve::Due && request.only.is_none() && facts.selected.iter().any(has_schedule);
    let due = is_whole.then_some(DueRecord { shard: request.shard, now: facts.now });
    let is_ours = |id: &TagId| shard_filter::contains(root, request.shard, id);
    // A follower of another shard's tag may have been soaking for other shards meanwhile.
    let is_resolved = |id: &TagId| facts.selected.contains(id) || root.definitions.target(id).is_some() && is_ours(id);
    let base = landed.late_base.as_ref().unwrap_or(&root.lock);
    let reverted = facts.reverted.iter().flatten().chain(&landed.proposals.declined);
    let record = PassRecord {
        due,
        landed: landed.is_ours().then(|| (base, decision.lock(&root.lock), landed.tip(snapshot))),
        // With a history, reverts are found there and landed changes need not be recorded.
        history: if facts.reverted.is_some() { HistoryAccess::Available } else { HistoryAccess::Unavailable },
        reverted: reverted.map(|(id, digest)| (id.clone(), digest.clone())).collect(),
        is_resolved: &is_resolved,
        soaking: soaking(&decision.held, is_ours),
        deferred: &facts.deferred,
        is_waiting: &|id| root.definitions.tags.contains_key(id) && !facts.selected.contains(id),
        failing_before: &facts.failing,
        failing: &decision.failing,
        now: facts.now,
    };
    state.record(&record);
}

/// Returns the soaking digests of our tags.
fn soaking(held: &BTreeMap<TagId, HeldUpdate>, is_ours: impl Fn(&TagId) -> bool) -> BTreeMap<TagId, Digest> {
    let soaking = held.iter().filter(|(id, held)| matches!(held.reason, HoldReason::Soaking { .. }) && is_ours(id));
    soaking.map(|(id, held)| (id.clone(), held.digest.clone())).collect()
}

/// Builds a row for every tag, and for every pin that is removed.
fn rows(attempt: Attempt<'_>, landed: &Landed) -> Vec<TagRow> {
    let Attempt { request, snapshot, facts, decision, .. } = attempt;
    let root = &snapshot.root;
    let old = landed.late_base.as_ref().unwrap_or(&root.lock);
    let new = decision.lock(&root.lock);
    let mut changes: BTreeMap<TagId, PinChange> =
        landed.changes.iter().map(|change| (change.tag.clone(), change.clone())).collect();
    let mut rows = Vec::with_capacity(root.definitions.tags.len() + changes.len());
    for (id, tag) in &root.definitions.tags {
        let (failure, held, change) = (decision.failures.get(id), decision.held.get(id), changes.remove(id));
        let outcome = TagOutcome::of(failure, held, change.as_ref(), facts.selected.contains(id));
        let mut row = TagRow::new(id, tag, new, change.as_ref(), outcome);
        if is_refreshed(&row, old, new) {
            row.outcome = TagOutcome::Refreshed;
        } else if row.outcome == TagOutcome::Unchanged && facts.deferred.contains(id) {
            row.outcome = TagOutcome::Deferred(Deferral::Budget);
        }
        rows.push(row);
    }
    rows.extend(changes.into_values().map(TagRow::removed));
    let is_proposing = request.proposes_to(root).is_some();
    let fingerprint = snapshot.fingerprint.short();
    for row in &mut rows {
        row.explanation = landed.diffs.get(&row.tag).cloned();
        if !decision.failing.is_empty() {
            row.failing = decision.failing.get(root.definitions.end_of(&row.tag).0).cloned();
        }
        if is_proposing {
            landed.proposals.mark(row);
        }
        if row.outcome == TagOutcome::NotDue {
            let is_due_pass = request.resolve == Resolve::Due && shard_filter::contains(root, request.shard, &row.tag);
            let is_backing_off = row.failing.as_ref().is_some_and(|one| one.is_backing_off(facts.now, &fingerprint));
            row.outcome = match is_due_pass {
                true if is_backing_off => TagOutcome::BackingOff,
                true => TagOutcome::NotDue,
                false => TagOutcome::NotSelected,
            };
        }
    }
    // No tag occurs twice, so a stable sort, which needs memory, is not necessary.
    rows.sort_unstable_by(|a, b| a.tag.cmp(&b.tag));
    rows
}

/// Returns whether fields of the pin other than its digest changed.
fn is_refreshed(row: &TagRow, old: &Lock, new: &Lock) -> bool {
    let has_no_change = matches!(row.outcome, TagOutcome::Unchanged | TagOutcome::NotDue);
    has_no_change && old.pins.get(&row.tag) != new.pins.get(&row.tag)
}

fn truncation_note(truncated: &TruncatedDiscovery) -> String {
    let TruncatedDiscovery { stream, matching, taken, omitted } = truncated;
    let mut names: Vec<String> = omitted.iter().map(|tag| format!("`{tag}`")).collect();
    if matching - taken > omitted.len() {
        names.push(format!("and {} more", matching - taken - omitted.len()));
    }
    format!(
        "`{stream}` discovers {taken} of {matching} matching tags; left out: {}; raise `limit` in `[discover]`",
        names.join(", ")
    )
}

/// Returns the discoveries that failed and have no tag whose row would show it.
fn failed_discoveries<'a>(attempt: Attempt<'a>) -> impl Iterator<Item = ReportError> + 'a {
    let Attempt { snapshot, facts, .. } = attempt;
    let definitions = &snapshot.root.definitions;
    let with_tags: BTreeSet<&StreamName> = match definitions.discover.is_empty() {
        true => BTreeSet::new(),
        false => definitions.tags.iter().filter(|(_, tag)| tag.discovered).map(|(id, _)| &id.stream).collect(),
    };
    let failed = move |(stream, discovery): (&StreamName, &Discovery)| {
        let error = match facts.tag_lists.get(&discovery.repository) {
            Some(list) => list.as_ref().err()?.to_string(),
            None if facts.unlisted.contains(&discovery.repository) => "the budget of the pass is spent".to_owned(),
            None => return None,
        };
        (!with_tags.contains(stream)).then(|| ReportError {
            exit: Exit::Partial,
            message: format!("cannot discover the tags of `{stream}`: {error}"),
            help: None,
        })
    };
    definitions.discover.iter().filter_map(failed)
}
