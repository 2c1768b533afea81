//! Pushes of the simulated processes: to the branch and to the state ref.

use std::rc::Rc;

use crate::effects::NewCommit;
use crate::git::stalled::STALLED_MAX;
use crate::git::{CommitId, GitError, Push};
use crate::model::lock::diff::changes;
use crate::model::lock::encode::encode;
use crate::model::lock::history::LockVersion;
use crate::model::root::Root;
use crate::model::state::State;

use super::{Fault, SimWorld};
use crate::sim::universe::{Commit, Inner, Stuck, id, place};
use crate::sim::{invariants, servers};

impl SimWorld {
    fn commit(&self, inner: &mut Inner, parent: usize, change: &NewCommit) -> CommitId {
        let dropped = self.has(Fault::OthersDropped).then(|| {
            let mut lock = LockVersion::new(change.lock.as_bytes()).read().unwrap();
            lock.pins.retain(|_, pin| inner.asked_by.get(pin.image.repository()) == Some(&self.machine));
            NewCommit { lock: encode(&lock), ..change.clone() }
        });
        let change = dropped.as_ref().unwrap_or(change);
        let mut files = (*inner.commits[parent].files).clone();
        files.insert(crate::model::lock::FILE_NAME.to_owned(), change.lock.clone().into_bytes());
        files.extend(change.files.clone());
        let root = match change.files.is_empty() {
            true => {
                let lock = LockVersion::new(change.lock.as_bytes()).read().unwrap();
                Root { lock, ..(*inner.commits[parent].root).clone() }
            }
            false => Root::read(&files).unwrap(),
        };
        let mut seen_at = inner.commits[parent].seen_at.clone();
        for one in changes(&inner.commits[parent].root.lock, &root.lock) {
            let seen = inner.observed.get(&(self.process, one.image.to_string()));
            match seen {
                Some((at, _)) if one.after().is_some() => seen_at.insert(one.tag.clone(), *at),
                _ => seen_at.remove(&one.tag),
            };
        }
        let commit =
            Commit { parent: Some(parent), files: Rc::new(files), root: Rc::new(root), by_person: false, seen_at };
        invariants::at_landing(inner, &commit, change);
        id(inner.push(commit))
    }

    pub(super) async fn land(&self, change: &NewCommit) -> Result<Push<CommitId>, GitError> {
        self.give_way().await;
        let parent = place(&change.parent);
        let answer = self.universe.with(|inner| {
            if let Some(answer) = servers::answer(inner, self.process, "branch", Some(parent)) {
                return answer;
            }
            if inner.stuck == Some(Stuck::Branch) {
                return Ok(Push::Moved);
            }
            if inner.mishap(6) {
                inner.lost += 1;
                if inner.rng.bool() && inner.tip == parent {
                    self.commit(inner, parent, change);
                }
                return Ok(Push::Unknown("the answer was lost".to_owned()));
            }
            if inner.tip != parent {
                inner.rejected += 1;
                return Ok(match self.fault {
                    Some(Fault::ForcedPush) => Push::Landed(self.commit(inner, parent, change)),
                    Some(Fault::BlindRebase) => Push::Landed(self.commit(inner, inner.tip, change)),
                    _ => Push::Moved,
                });
            }
            Ok(Push::Landed(self.commit(inner, parent, change)))
        });
        self.give_way().await;
        Ok(match self.judged("branch", Some(parent), answer)? {
            Push::Unknown(_) if self.has(Fault::UnknownIgnored) => {
                self.universe.with(|inner| {
                    // The process assumes a commit that is nowhere on the branch.
                    let tip = inner.tip;
                    let commit = self.commit(inner, parent, change);
                    inner.tip = tip;
                    Push::Landed(commit)
                })
            }
            answer => answer,
        })
    }

    /// Ends a pass whose pushes change nothing, as the transport does.
    fn judged(
        &self,
        reference: &str,
        expected: Option<usize>,
        answer: Result<Push<CommitId>, GitError>,
    ) -> Result<Push<CommitId>, GitError> {
        let is_stuck = self.universe.with(|inner| inner.stuck.is_some());
        let may_repeat = match &answer {
            Err(GitError::Refused { .. }) if self.has(Fault::RefusalRetried) => return Ok(Push::Moved),
            Ok(Push::Moved | Push::Unknown(_)) if !is_stuck => {
                self.stalled.borrow_mut().may_repeat(reference, expected, STALLED_MAX)
            }
            _ => true,
        };
        if may_repeat || self.has(Fault::StallIgnored) {
            return answer;
        }
        self.universe.with(|inner| inner.cut_off.insert(self.process));
        let (url, reference) = ("sim".to_owned(), reference.to_owned());
        Err(GitError::Failed { url, reference, reason: "the ref did not change".to_owned() })
    }

    pub(super) async fn write_state(
        &self,
        expected: Option<&CommitId>,
        state: &State,
    ) -> Result<Push<CommitId>, GitError> {
        let expected = expected.map(place);
        let forced = self.has(Fault::ForcedState) || self.has(Fault::HiddenIgnored);
        let push = |inner: &mut Inner| {
            if let Some(answer) = servers::answer(inner, self.process, "state", expected) {
                return answer;
            }
            let lost = inner.mishap(5);
            inner.lost += usize::from(lost);
            if lost && inner.rng.bool() {
                return Ok(Push::Unknown("the answer was lost".to_owned()));
            }
            let stuck = matches!(inner.stuck, Some(Stuck::StateAfter(times)) if inner.states.len() >= times);
            if inner.state_tip != expected && !forced || stuck {
                return Ok(Push::Moved);
            }
            invariants::at_state(inner, state, self.machine);
            for (hook, lock) in &state.seen {
                let told = inner.deliveries.len();
                inner.adopted.entry(hook.clone()).or_insert_with(|| (lock.clone(), told));
            }
            inner.adopted.retain(|hook, _| state.seen.contains_key(hook));
            inner.states.push((inner.state_tip, state.clone()));
            inner.state_tip = Some(inner.states.len() - 1);
            Ok(if lost {
                Push::Unknown("the answer was lost".to_owned())
            } else {
                Push::Landed(id(inner.states.len() - 1))
            })
        };
        let answer = self.ask(push).await?;
        self.judged("state", expected, answer)
    }
}
