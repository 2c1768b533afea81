//! Builds `pinstream.event/v1` from changes that have landed.

use super::stable_id::stable_id;
use super::v1::SideV1;
use super::v1::event::{ChangeV1, EventSchema, EventV1};
use super::v1::explanation::ExplanationV1;
use super::v1::words::ChangeKindV1;
use crate::image_diff::Explanations;
use crate::model::image::PinnedRef;
use crate::model::lock::diff::{ChangeKind, PinChange, PinSide};
use crate::model::state::RunCounts;

/// Place where changes have landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventContext<'a> {
    /// URL of the remote, without credentials.
    pub remote: Option<&'a str>,
    /// Name of the branch.
    pub branch: &'a str,
    /// Directory of the root within the repository; empty for the top.
    pub root: &'a str,
    /// Hexadecimal id of the commit.
    pub commit: &'a str,
    /// Number of changes of each tag that the hook was started for, including these. It gives a repeated change an id of
    /// its own.
    pub begun: &'a RunCounts,
}

impl EventV1 {
    /// Builds the event that passes `changes` to `hook`.
    pub fn new(hook: &str, landed: EventContext<'_>, changes: &[PinChange], explained: &Explanations) -> Self {
        let convert = |one: &PinChange| ChangeV1::new(change_id(hook, landed, one), one, explained);
        let changes: Vec<ChangeV1> = changes.iter().map(convert).collect();
        let ids = changes.iter().map(|one| one.id.as_str());
        Self {
            schema: EventSchema::V1,
            id: stable_id(["pinstream.event/v1"].into_iter().chain(ids)),
            hook: hook.to_owned(),
            remote: landed.remote.map(str::to_owned),
            branch: landed.branch.to_owned(),
            root: landed.root.to_owned(),
            commit: landed.commit.to_owned(),
            changes,
        }
    }
}

impl ChangeV1 {
    fn new(id: String, change: &PinChange, explained: &Explanations) -> Self {
        let pinned = |side: &PinSide| PinnedRef { image: change.image.clone(), digest: side.digest.clone() };
        Self {
            id,
            stream: change.tag.stream.to_string(),
            tag: change.tag.tag.to_string(),
            follow: change.follow.as_ref().map(ToString::to_string),
            image: change.image.to_string(),
            change: ChangeKindV1::from(&change.kind),
            old: change.before().map(SideV1::from),
            new: change.after().map(SideV1::from),
            reference: change.after().map(|side| pinned(side).to_string()),
            explanation: explained.get(&change.tag).map(|explanation| ExplanationV1::from(&**explanation)),
        }
    }
}

impl From<&ChangeKind> for ChangeKindV1 {
    fn from(kind: &ChangeKind) -> Self {
        match kind {
            ChangeKind::Added { .. } => Self::Added,
            ChangeKind::Updated { .. } => Self::Updated,
            ChangeKind::Removed { .. } => Self::Removed,
        }
    }
}

/// Derives the id of a change as passed to `hook`.
///
/// The commit is not part of it, because a retry may find the same change pending at a later commit.
fn change_id(hook: &str, landed: EventContext<'_>, change: &PinChange) -> String {
    let [old, new] = [change.before(), change.after()].map(|side| side.map_or("-", |side| side.digest.as_str()));
    let number = landed.begun.get(&change.tag).copied().unwrap_or_default().to_string();
    let tag = change.tag.to_string();
    stable_id(["pinstream.change/v1", hook, landed.branch, landed.root, &tag, old, new, &number].into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::lock::{Lock, diff, sample};
    use crate::report::v1::encode;

    const LANDED: EventContext<'_> = EventContext {
        remote: Some("https://git.example/a"),
        branch: "main",
        root: "",
        commit: "0f1c2d",
        begun: &RunCounts::new(),
    };

    #[test]
    fn an_event_contains_each_change() {
        let old = sample::python();
        let mut new = old.clone();
        new.pins.remove(&"python:arm".parse().unwrap());
        let pin = new.pins.get_mut(&"python:3.12".parse().unwrap()).unwrap();
        (pin.digest, pin.details.version) = (sample::digest(9), Some("3.12.5".to_owned()));
        insta::assert_snapshot!(encode(&EventV1::new("rollout", LANDED, &diff::changes(&old, &new), &Explanations::new())), @r#"
        {
          "schema": "pinstream.event/v1",
          "id": "6bd4b286eaa2bd90ccb838a0ce270833",
          "hook": "rollout",
          "remote": "https://git.example/a",
          "branch": "main",
          "root": "",
          "commit": "0f1c2d",
          "changes": [
            {
              "id": "b0fe2da6c3af0e6940586292b0aa2cb8",
              "stream": "python",
              "tag": "3.12",
              "image": "docker.io/library/python:3.12",
              "change": "updated",
              "old": {
                "digest": "sha256:0303030303030303030303030303030303030303030303030303030303030303",
                "version": "3.12.4"
              },
              "new": {
                "digest": "sha256:0909090909090909090909090909090909090909090909090909090909090909",
                "version": "3.12.5"
              },
              "reference": "docker.io/library/python:3.12@sha256:0909090909090909090909090909090909090909090909090909090909090909"
            },
            {
              "id": "b17d7b3b3a25717f0744149538f510cb",
              "stream": "python",
              "tag": "arm",
              "image": "docker.io/library/python:3.12",
              "change": "removed",
              "old": {
                "digest": "sha256:0404040404040404040404040404040404040404040404040404040404040404",
                "version": null
              },
              "new": null,
              "reference": null
            }
          ]
        }
        "#);
    }

    #[test]
    fn ids_are_the_same_on_retry_and_differ_otherwise() {
        let changes = diff::changes(&Lock::default(), &sample::python());
        let id =
            |hook: &str, landed, changes: &[PinChange]| EventV1::new(hook, landed, changes, &Explanations::new()).id;
        let first = id("rollout", LANDED, &changes);
        assert_eq!(first, "c77396a67c06485205961d3fbe93a201");
        let event = |changes| EventV1::new("rollout", LANDED, changes, &Explanations::new());
        let later = EventContext { commit: "ffffff", remote: None, ..LANDED };
        assert_eq!(id("rollout", later, &changes), first);
        // A change keeps its id in other company.
        let (all, one) = (event(&changes), event(&changes[1..2]));
        assert_eq!(all.changes[1].id, one.changes[0].id);
        assert_eq!(one.changes[0].id, "b2f666418bfc2689744d9e5209426f0f");
        let others = [
            id("rollout2", LANDED, &changes),
            id("rollout", EventContext { branch: "main2", ..LANDED }, &changes),
            id("rollout", EventContext { root: "a", ..LANDED }, &changes),
            id("rollout", LANDED, &changes[1..]),
            id("rollout", LANDED, &diff::changes(&sample::python(), &Lock::default())),
            id("rollout", EventContext { begun: &[(changes[0].tag.clone(), 1)].into(), ..LANDED }, &changes),
            id("rollout\n4 main", EventContext { branch: "", ..LANDED }, &changes),
        ];
        assert!(!others.contains(&first));
        let mut ids: Vec<&str> = all.changes.iter().map(|one| one.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), changes.len());
    }
}
