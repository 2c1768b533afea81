//! Every JSON that leaves the process, version 1.
//!
//! These types are what scripts rely on: keys are added, never renamed, and nothing inside the program is built from
//! them. Texts of images are given as they are, escaped as JSON has it where they could act on a terminal.

pub mod check;
pub mod explanation;
pub mod export;
pub mod history;
pub mod list;
pub mod proposal;
pub mod remote;
pub mod targets;
pub mod words;

use schemars::JsonSchema;
use serde::Serialize;

use crate::image_diff::Explanations;
use crate::model::image::Digest;
use crate::model::lock::diff::{ChangeKind, PinChange, PinSide};
use crate::model::state::RunCounts;
use crate::text::escape::is_deceptive;
use explanation::ExplanationV1;
use proposal::ProposalV1;
use remote::RemoteV1;
use words::{ChangeKindV1, EndV1, HookOutcomeV1, KindV1, OutcomeV1};

/// The name and version of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum ReportSchema {
    /// Version 1.
    #[serde(rename = "pinstream.report/v1")]
    V1,
}

/// The name and version of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum EventSchema {
    /// Version 1.
    #[serde(rename = "pinstream.event/v1")]
    V1,
}

/// What a pass did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReportV1 {
    /// Always `pinstream.report/v1`.
    pub schema: ReportSchema,
    /// How it ended.
    pub end: EndV1,
    /// The exit code that goes with it.
    pub exit: u8,
    /// The remote, without credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// The branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit at the branch's tip after the pass, as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tip: Option<String>,
    /// The commit that this pass landed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// All tags that were looked at, in the order of their names.
    pub tags: Vec<TagV1>,
    /// The other repositories whose locks were read.
    pub remotes: Vec<RemoteV1>,
    /// The proposals, where moves are proposed.
    pub proposals: Vec<ProposalV1>,
    /// The files that targets change.
    pub files: Vec<FileV1>,
    /// All hooks that had something to do.
    pub hooks: Vec<HookV1>,
    /// Anything else that people should know.
    pub notes: Vec<String>,
    /// What went wrong beside tags and hooks.
    pub errors: Vec<String>,
}

/// One tag of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TagV1 {
    /// The stream.
    pub stream: String,
    /// The tag's name within it.
    pub tag: String,
    /// The tag it follows, `stream:tag`; of another repository, `remote//stream:tag`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow: Option<String>,
    /// The image; null for a follower that never had a pin.
    pub image: Option<String>,
    /// What became of it.
    pub outcome: OutcomeV1,
    /// Where it stood before; null if it had no pin.
    pub old: Option<SideV1>,
    /// Where it stands now; null if it has no pin.
    pub new: Option<SideV1>,
    /// What its move changes; absent where it did not move.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<ExplanationV1>,
    /// What was found and not moved to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<HeldV1>,
    /// Why it could not be imported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorV1>,
}

/// A digest that a tag does not move to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HeldV1 {
    /// The digest.
    pub digest: String,
    /// Why, and until when.
    pub reason: String,
}

/// A digest, and what the image at it says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SideV1 {
    /// The digest.
    pub digest: String,
    /// The image's own version label.
    pub version: Option<String>,
}

/// Why a tag could not be imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ErrorV1 {
    /// What kind of thing went wrong.
    pub kind: KindV1,
    /// What happened.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// A file that targets change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FileV1 {
    /// Its path from the root.
    pub path: String,
    /// The lines that are written over, from 1.
    pub lines: Vec<usize>,
}

/// One hook of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HookV1 {
    /// Its name.
    pub name: String,
    /// The id of the event it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// How many moves it was given, or waits for.
    pub moves: usize,
    /// What became of it.
    pub outcome: HookOutcomeV1,
    /// Why it failed or was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its exit code, where it ended with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// What it wrote, bounded.
    pub output: String,
}

/// What a hook is given: moves that have landed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EventV1 {
    /// Always `pinstream.event/v1`.
    pub schema: EventSchema,
    /// The same for the same moves: it follows from theirs.
    pub id: String,
    /// The hook's name.
    pub hook: String,
    /// The remote, without credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// The branch.
    pub branch: String,
    /// The folder of the root within the repository; empty at its top.
    pub root: String,
    /// The commit at which the moves are in place.
    pub commit: String,
    /// The moves, in the order of their tags.
    pub moves: Vec<ChangeV1>,
}

/// One move of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChangeV1 {
    /// The same at every retry, whatever other moves it comes with, and for no other move.
    pub id: String,
    /// The stream.
    pub stream: String,
    /// The tag's name within it.
    pub tag: String,
    /// The tag it follows, `stream:tag`; of another repository, `remote//stream:tag`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow: Option<String>,
    /// The image.
    pub image: String,
    /// What happened to its digest.
    pub change: ChangeKindV1,
    /// Where it stood before; null if it was added.
    pub old: Option<SideV1>,
    /// Where it stands now; null if it was removed.
    pub new: Option<SideV1>,
    /// The reference to deploy, `registry/repository:tag@sha256:…`; null if it was removed.
    pub reference: Option<String>,
    /// What it changes; absent where it was added or removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<ExplanationV1>,
}

/// Where moves have landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventContext<'a> {
    /// The remote, without credentials.
    pub remote: Option<&'a str>,
    /// The branch.
    pub branch: &'a str,
    /// The folder of the root within the repository; empty at its top.
    pub root: &'a str,
    /// The commit, in hexadecimal.
    pub commit: &'a str,
    /// How many moves of each tag the hook was run for, these among them: what makes the same move, made again,
    /// another one.
    pub begun: &'a RunCounts,
}

impl EventV1 {
    /// The event that tells `hook` of `moves`.
    pub fn new(hook: &str, landed: EventContext<'_>, moves: &[PinChange], explained: &Explanations) -> Self {
        let told = |one: &PinChange| {
            let explanation = explained.get(&one.tag).map(|explanation| ExplanationV1::from(&**explanation));
            ChangeV1 { explanation, ..ChangeV1::new(move_id(hook, landed, one), one) }
        };
        let moves: Vec<ChangeV1> = moves.iter().map(told).collect();
        let ids = moves.iter().map(|one| one.id.as_str());
        Self {
            schema: EventSchema::V1,
            id: id_of(["pinstream.event/v1"].into_iter().chain(ids)),
            hook: hook.to_owned(),
            remote: landed.remote.map(str::to_owned),
            branch: landed.branch.to_owned(),
            root: landed.root.to_owned(),
            commit: landed.commit.to_owned(),
            moves,
        }
    }

    /// The event as JSON text.
    pub fn to_json(&self) -> String {
        text(self)
    }
}

impl ReportV1 {
    /// The report as JSON text.
    pub fn to_json(&self) -> String {
        text(self)
    }
}

impl ChangeV1 {
    fn new(id: String, m: &PinChange) -> Self {
        let pinned =
            |side: &PinSide| crate::model::image::PinnedRef { image: m.image.clone(), digest: side.digest.clone() };
        Self {
            id,
            stream: m.tag.stream.to_string(),
            tag: m.tag.tag.to_string(),
            follow: m.follow.as_ref().map(ToString::to_string),
            image: m.image.to_string(),
            change: match m.change {
                ChangeKind::Added { .. } => ChangeKindV1::Added,
                ChangeKind::Moved { .. } => ChangeKindV1::Updated,
                ChangeKind::Removed { .. } => ChangeKindV1::Removed,
            },
            old: m.before().map(SideV1::from),
            new: m.after().map(SideV1::from),
            reference: m.after().map(|side| pinned(side).to_string()),
            explanation: None,
        }
    }
}

impl From<&PinSide> for SideV1 {
    fn from(side: &PinSide) -> Self {
        Self { digest: side.digest.to_string(), version: side.version.clone() }
    }
}

/// The id of a move as `hook` is told of it.
///
/// The commit is not part of it: a retry may find the same move pending at a later commit.
fn move_id(hook: &str, landed: EventContext<'_>, m: &PinChange) -> String {
    let [old, new] = [m.before(), m.after()].map(|side| side.map_or("-", |side| side.digest.as_str()));
    let number = landed.begun.get(&m.tag).copied().unwrap_or_default().to_string();
    let tag = m.tag.to_string();
    id_of(["pinstream.move/v1", hook, landed.branch, landed.root, &tag, old, new, &number].into_iter())
}

/// 32 hexadecimal digits that follow from `parts`.
pub(crate) fn id_of<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    // Lengths keep a line break within a name from being taken for the end of it.
    let lines: String = parts.map(|part| format!("{} {part}\n", part.len())).collect();
    let digest = Digest::sha256(lines.as_bytes());
    digest.as_str().chars().skip("sha256:".len()).take(32).collect()
}

/// The JSON schema of a report.
pub fn report_schema() -> schemars::Schema {
    schemars::schema_for!(ReportV1)
}

/// The JSON schema of an event.
pub fn event_schema() -> schemars::Schema {
    schemars::schema_for!(EventV1)
}

pub(crate) fn text<T: Serialize>(value: &T) -> String {
    // These types have no map with other keys than strings, and no `Serialize` of their own that fails.
    let plain = serde_json::to_string_pretty(value).unwrap_or_default();
    let mut text = String::with_capacity(plain.len() + 1);
    let mut last = '\0';
    for c in plain.chars() {
        // Log readers of CI systems act on `##`, as on `##vso[`.
        let acts = (c != '\n' && is_deceptive(c)) || (c == '#' && last == '#');
        last = c;
        if !acts {
            text.push(c);
            continue;
        }
        // serde escapes C0 alone. Such a character stands within a string; past U+FFFF JSON has two units for it.
        for unit in c.encode_utf16(&mut [0; 2]) {
            text.push_str(&format!("\\u{unit:04x}"));
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::lock::{Lock, diff, sample};

    const LANDED: EventContext<'_> = EventContext {
        remote: Some("https://git.example/a"),
        branch: "main",
        root: "",
        commit: "0f1c2d",
        begun: &RunCounts::new(),
    };

    #[test]
    fn an_event_tells_each_move_whole() {
        let old = sample::python();
        let mut new = old.clone();
        new.pins.remove(&"python:arm".parse().unwrap());
        let pin = new.pins.get_mut(&"python:3.12".parse().unwrap()).unwrap();
        (pin.digest, pin.details.version) = (sample::digest(9), Some("3.12.5".to_owned()));
        insta::assert_snapshot!(EventV1::new("rollout", LANDED, &diff::changes(&old, &new), &Explanations::new()).to_json(), @r#"
        {
          "schema": "pinstream.event/v1",
          "id": "62987df1a451cd48431c8930a4e2fbec",
          "hook": "rollout",
          "remote": "https://git.example/a",
          "branch": "main",
          "root": "",
          "commit": "0f1c2d",
          "moves": [
            {
              "id": "1ef14de90f6e1b4ab4c7ffc8c6a8b022",
              "stream": "python",
              "tag": "3.12",
              "image": "docker.io/library/python:3.12",
              "change": "moved",
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
              "id": "7a24716f95254e73e1fe5a86d61086e4",
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
    fn a_moves_id_follows_from_what_is_told_and_an_events_id_from_those_of_its_moves() {
        let moves = diff::changes(&Lock::default(), &sample::python());
        let id = |hook: &str, landed, moves: &[PinChange]| EventV1::new(hook, landed, moves, &Explanations::new()).id;
        let first = id("rollout", LANDED, &moves);
        assert_eq!(first, "b3a7fc03ae6651f26dc327e0ed896ab3");
        let event = |moves| EventV1::new("rollout", LANDED, moves, &Explanations::new());
        let later = EventContext { commit: "ffffff", remote: None, ..LANDED };
        assert_eq!(id("rollout", later, &moves), first);
        // A move keeps its id among others.
        let (all, one) = (event(&moves), event(&moves[1..2]));
        assert_eq!(all.moves[1].id, one.moves[0].id);
        assert_eq!(one.moves[0].id, "d0dd375b15cd2263953e3da3c924d627");
        let others = [
            id("rollout2", LANDED, &moves),
            id("rollout", EventContext { branch: "main2", ..LANDED }, &moves),
            id("rollout", EventContext { root: "a", ..LANDED }, &moves),
            id("rollout", LANDED, &moves[1..]),
            id("rollout", LANDED, &diff::changes(&sample::python(), &Lock::default())),
            id("rollout", EventContext { begun: &[(moves[0].tag.clone(), 1)].into(), ..LANDED }, &moves),
            id("rollout\n4 main", EventContext { branch: "", ..LANDED }, &moves),
        ];
        assert!(!others.contains(&first));
        let mut ids: Vec<&str> = all.moves.iter().map(|one| one.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), moves.len());
    }

    #[test]
    fn schemas_name_their_version() {
        let event = serde_json::to_string(&event_schema()).unwrap();
        assert!(event.contains("pinstream.event/v1") && event.contains("The same at every retry, whatever"), "{event}");
        let report = serde_json::to_string(&report_schema()).unwrap();
        assert!(report.contains("pinstream.report/v1") && report.contains("\"HookV1\""), "{report}");
    }
}
