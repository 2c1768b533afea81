//! The state of one root and branch, in `refs/pinstream/state` of the same remote: the lock each hook last saw, claims
//! of running hooks, the time schedules were last evaluated, the memory of tags, and the tags that fail.
//!
//! Read and written as a whole, by compare-and-swap; a pass whose swap is rejected [merges](State::merge) its changes.
//! Losing the state costs nothing but resolving again: a root without state starts from the tip.

pub mod failing;
pub mod memory;
mod merge;
#[cfg(test)]
pub(crate) mod sample;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::RootFiles;
use crate::model::image::{Digest, TagId};
use crate::model::lock::Lock;
use crate::model::lock::encode::encode;
use crate::model::lock::read::read;
use crate::model::shard::Shard;
pub use crate::system::owner::Owner;
use crate::text::diagnostics::{Problems, SourceFile};
use crate::text::encoding::{percent_decode, percent_encode};
use crate::text::escape;
pub use failing::{FailingTag, FailingTags};
pub use memory::TagMemory;

/// Directory of the locks that hooks last saw.
const SEEN: &str = "hook";
/// Directory of the pins that failed hook runs were for.
const TRIED: &str = "tried";
/// Directory of the counts of hook runs.
const BEGUN: &str = "begun";
/// Directory of the claims.
const CLAIMS: &str = "claim";
/// File with the state of `--due`.
const SCHEDULE: &str = "schedule.json";
/// Directory of the same for shards.
const SHARDS: &str = "schedule";
/// File with deferred tags.
const DEFERRED: &str = "deferred.json";
/// Files of the memory of tags.
const SIGHTED: &str = "seen.json";
const LANDED: &str = "landed.json";
const TAKEN_BACK: &str = "taken-back.json";
/// File of the failing tags.
const FAILING: &str = "failing.json";

/// The longest path component written in full; most file systems allow 255 bytes.
const COMPONENT_MAX: usize = 200;

/// A file of the state that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{path}` of the state ref: {reason}")]
pub struct StateError {
    path: String,
    #[source]
    reason: StateFlaw,
}

/// The reasons why a file of the state cannot be read.
#[derive(Debug, thiserror::Error)]
enum StateFlaw {
    #[error("not UTF-8")]
    NotUtf8,
    #[error("{}", escape::terminal(&.0.to_string()))]
    Lock(Problems),
    #[error("{}", escape::terminal(&.0.to_string()))]
    Json(#[from] serde_json::Error),
}

/// The state of one root on one branch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The lock each hook last saw, by the hook's name.
    pub seen: BTreeMap<String, Lock>,
    /// The pins that failed runs of each hook were for, by the hook's name. A failed run may have acted on them, so the
    /// hook runs again for these tags even if they are back at the digests it last saw.
    pub attempted_locks: BTreeMap<String, Lock>,
    /// The number of changes of each tag that each hook was run for, by the hook's name.
    pub run_counts: BTreeMap<String, RunCounts>,
    /// Claims of processes that are running a hook, by the hook's name.
    pub claims: BTreeMap<String, HookClaim>,
    /// The state of `--due` for the whole root.
    pub schedule: Option<ScheduleState>,
    /// The state of `--due` for each shard. All shards are of the same split.
    pub shards: BTreeMap<Shard, ScheduleState>,
    /// Tags that the budget of a pass did not suffice for; the next pass resolves them first.
    pub deferred: BTreeSet<TagId>,
    /// The memory of tags.
    pub memory: TagMemory,
    /// The tags that could not be resolved.
    pub failing: FailingTags,
    /// Files unknown to this version, by path: a newer version's, kept as they are.
    pub unknown: RootFiles,
}

/// The number of changes of each tag that a hook was run for, successfully or not; a retry does not count again. It
/// tells a repeated change from the one before.
pub type RunCounts = BTreeMap<TagId, u64>;

/// A claim of a process that is running a hook: a short lease, which the process renews while the hook runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookClaim {
    /// The process.
    pub owner: Owner,
    /// The time at which the lease expires unless it is renewed.
    pub until: Timestamp,
}

/// The time at which schedules were last evaluated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleState {
    /// Schedules that fired up to this time have been served.
    pub last: Timestamp,
}

impl State {
    /// Returns the schedule state for a pass over `shard`, or over the whole root.
    pub fn schedule_of(&self, shard: Option<Shard>) -> Option<&ScheduleState> {
        shard.and_then(|shard| self.shards.get(&shard)).or(self.schedule.as_ref())
    }

    /// Sets the schedule state of a shard, or of the whole root. States of shards of another split are dropped.
    pub fn with_schedule(mut self, shard: Option<Shard>, schedule: ScheduleState) -> Self {
        self.shards.retain(|known, _| shard.is_some_and(|shard| shard.is_same_split(*known)));
        match shard {
            Some(shard) => drop(self.shards.insert(shard, schedule)),
            None => self.schedule = Some(schedule),
        }
        self
    }

    /// Encodes the state as files, by their paths within the directory of the root and branch.
    pub fn to_files(&self) -> RootFiles {
        let mut files = self.unknown.clone();
        for (directory, locks) in [(SEEN, &self.seen), (TRIED, &self.attempted_locks)] {
            let file = |(hook, lock): (&String, &Lock)| {
                (format!("{directory}/{}.lock", component(hook)), encode(lock).into_bytes())
            };
            files.extend(locks.iter().map(file));
        }
        files.extend(named_files(BEGUN, &self.run_counts));
        files.extend(named_files(CLAIMS, &self.claims));
        files.extend(named_files(SHARDS, &self.shards));
        files.extend(self.schedule.as_ref().map(|schedule| (SCHEDULE.to_owned(), json(schedule))));
        files.extend((!self.deferred.is_empty()).then(|| (DEFERRED.to_owned(), json(&self.deferred))));
        files.extend(memory_file(SIGHTED, &self.memory.seen));
        files.extend(memory_file(LANDED, &self.memory.landed));
        files.extend(memory_file(TAKEN_BACK, &self.memory.reverted));
        files.extend(memory_file(FAILING, &self.failing));
        files
    }

    /// Decodes the state from `files`. Unknown files are kept as they are.
    ///
    /// # Errors
    /// Returns the first file that cannot be read: ignoring it could lose a change that a hook has not seen.
    pub fn from_files(files: &RootFiles) -> Result<Self, StateError> {
        let mut state = Self::default();
        for (path, bytes) in files {
            let broken = |reason| StateError { path: escape::terminal(path), reason };
            if !state.read_file(path, bytes).map_err(broken)? {
                state.unknown.insert(path.clone(), bytes.clone());
            }
        }
        Ok(state)
    }

    /// Reads one file; returns `false` if it is unknown.
    fn read_file(&mut self, path: &str, bytes: &[u8]) -> Result<bool, StateFlaw> {
        match path {
            SCHEDULE => self.schedule = Some(serde_json::from_slice(bytes)?),
            DEFERRED => self.deferred = serde_json::from_slice(bytes)?,
            SIGHTED => self.memory.seen = serde_json::from_slice(bytes)?,
            LANDED => self.memory.landed = serde_json::from_slice(bytes)?,
            TAKEN_BACK => self.memory.reverted = serde_json::from_slice(bytes)?,
            FAILING => self.failing = serde_json::from_slice(bytes)?,
            _ => return self.read_named_file(path, bytes),
        }
        Ok(true)
    }

    /// Reads one file about a hook or a shard; returns `false` if it is unknown.
    fn read_named_file(&mut self, path: &str, bytes: &[u8]) -> Result<bool, StateFlaw> {
        let parts = path.split_once('/').and_then(|(directory, file)| Some((directory, file.rsplit_once('.')?)));
        let Some((directory, (name, kind))) = parts else { return Ok(false) };
        let Some(hook) = name_of(name) else { return Ok(false) };
        match (directory, kind) {
            (SHARDS, "json") => {
                let Ok(shard) = hook.parse::<Shard>() else { return Ok(false) };
                self.shards.insert(shard, serde_json::from_slice(bytes)?);
            }
            (SEEN | TRIED, "lock") => {
                let text = std::str::from_utf8(bytes).map_err(|_| StateFlaw::NotUtf8)?;
                let file = Arc::new(SourceFile { path: path.to_owned(), text: text.to_owned() });
                let lock = read(&file).map_err(|problems| StateFlaw::Lock(Problems(problems)))?;
                let locks = if directory == SEEN { &mut self.seen } else { &mut self.attempted_locks };
                locks.insert(hook, lock);
            }
            (BEGUN, "json") => drop(self.run_counts.insert(hook, serde_json::from_slice(bytes)?)),
            (CLAIMS, "json") => drop(self.claims.insert(hook, serde_json::from_slice(bytes)?)),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Returns the directory of a branch and root in the tree of the state ref: `main/@` for a root at the top.
pub fn directory(branch: &str, root: &str) -> String {
    format!("{}/{}", bounded(branch), bounded(root))
}

/// Encodes `name` as a path component; a long one is cut and completed by its hash.
fn bounded(name: &str) -> String {
    let whole = component(name);
    if whole.len() <= COMPONENT_MAX {
        return whole;
    }
    // In every other component `%` is followed by two digits, so no name is encoded like this.
    let digest = Digest::sha256(name.as_bytes());
    let hash: String = digest.as_str().chars().skip("sha256:".len()).take(32).collect();
    format!("{}%-{hash}", &whole[..COMPONENT_MAX / 2])
}

/// Encodes `name` as a component of a path for any file system: lower-case ASCII, never `.`, `..`, `.git` or empty.
///
/// Two names never share a component; the empty name is `@`.
fn component(name: &str) -> String {
    if name.is_empty() {
        return "@".to_owned();
    }
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.');
    let mut out = percent_encode(name, is_plain).to_ascii_lowercase();
    if let Some(rest) = out.strip_prefix('.') {
        out = format!("%2e{rest}");
    }
    if let Some(rest) = out.strip_suffix('.') {
        out = format!("{rest}%2e");
    }
    out
}

/// Decodes a component written by [`component`].
fn name_of(written: &str) -> Option<String> {
    let name = if written == "@" { String::new() } else { percent_decode(written)? };
    Some(name).filter(|name| component(name) == written)
}

/// Returns the file of a map, unless it is empty.
fn memory_file<T: Serialize>(path: &str, map: &BTreeMap<TagId, T>) -> Option<(String, Vec<u8>)> {
    (!map.is_empty()).then(|| (path.to_owned(), json(map)))
}

/// Returns the files about hooks or shards in a directory.
fn named_files<K: ToString, T: Serialize>(
    directory: &str,
    map: &BTreeMap<K, T>,
) -> impl Iterator<Item = (String, Vec<u8>)> {
    map.iter().map(move |(name, value)| (format!("{directory}/{}.json", component(&name.to_string())), json(value)))
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    // Serializing maps with string keys and plain structs does not fail.
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, proptest};

    use super::*;

    #[test]
    fn a_state_is_a_few_small_files() {
        let time: Timestamp = "2026-11-24T03:00:00Z".parse().unwrap();
        let owner = Owner { machine: "boot-1".to_owned(), process: "42@7".to_owned() };
        let state = State {
            seen: [("rollout".to_owned(), Lock::default())].into(),
            run_counts: [("rollout".to_owned(), [("python:3.12".parse().unwrap(), 3)].into())].into(),
            claims: [("Team A/x".to_owned(), HookClaim { owner, until: time })].into(),
            deferred: ["python:3.13".parse().unwrap()].into(),
            schedule: Some(ScheduleState { last: time }),
            shards: [("3/8".parse().unwrap(), ScheduleState { last: time })].into(),
            failing: [("python:3.12".parse().unwrap(), sample::failing(time))].into(),
            ..State::default()
        };
        let files = state.to_files();
        let shown: String =
            files.iter().map(|(path, bytes)| format!("== {path}\n{}", String::from_utf8_lossy(bytes))).collect();
        insta::assert_snapshot!(shown, @r#"
        == begun/rollout.json
        {
          "python:3.12": 3
        }
        == claim/%54eam%20%41%2fx.json
        {
          "owner": {
            "machine": "boot-1",
            "process": "42@7"
          },
          "until": "2026-11-24T03:00:00Z"
        }
        == deferred.json
        [
          "python:3.13"
        ]
        == failing.json
        {
          "python:3.12": {
            "since": "2026-11-24T03:00:00Z",
            "last": "2026-11-24T03:00:00Z",
            "next": "2026-11-24T03:01:00Z",
            "attempts": 1,
            "kind": "not-found",
            "definitions": "0011223344556677"
          }
        }
        == hook/rollout.lock
        # Pinned by pinstream. Review it; don't edit it. Conflict? Run: pinstream update
        version = 1
        == schedule.json
        {
          "last": "2026-11-24T03:00:00Z"
        }
        == schedule/3%2f8.json
        {
          "last": "2026-11-24T03:00:00Z"
        }
        "#);
    }

    #[test]
    fn shares_of_one_whole_are_looked_at_each_by_itself() {
        let look = |second| ScheduleState { last: Timestamp::from_second(second).unwrap() };
        let shard = |text: &str| Some(text.parse::<Shard>().unwrap());
        let last = |state: &State, shard| state.schedule_of(shard).map(|found| found.last.as_second());
        let one = State::default().with_schedule(None, look(1)).with_schedule(shard("1/2"), look(2));
        // One that was not looked at yet was so with the whole.
        assert_eq!([None, shard("1/2"), shard("2/2")].map(|at| last(&one, at)), [Some(1), Some(2), Some(1)]);
        let two = one.clone().with_schedule(shard("2/2"), look(3));
        assert_eq!([shard("1/2"), shard("2/2"), shard("1/3")].map(|at| last(&two, at)), [Some(2), Some(3), Some(1)]);
        // There are never more of them than shards.
        let three = two.clone().with_schedule(shard("3/3"), look(4));
        assert_eq!(three.shards.len(), 1);
        let whole = two.with_schedule(None, look(5));
        assert_eq!((whole.shards.len(), last(&whole, shard("1/2"))), (0, Some(5)));
    }

    #[test]
    fn an_unreadable_file_is_an_error() {
        for (path, text, expected) in [
            ("claim/a.json", "{", "EOF while parsing an object at line 1 column 1"),
            (
                "hook/b.lock",
                "version = 2\n",
                "the lock was written by a newer pinstream: this one supports version 1 and older",
            ),
            ("begun/a.json", "-1", "invalid type: integer `-1`, expected a map at line 1 column 2"),
        ] {
            let files: RootFiles = [(path.to_owned(), text.as_bytes().to_vec())].into();
            let error = State::from_files(&files).unwrap_err().to_string();
            assert_eq!(error, format!("cannot read `{path}` of the state ref: {expected}"));
        }
    }

    #[test]
    fn files_of_a_newer_version_are_kept() {
        let files: RootFiles = ["first-seen.json", "hook/A.lock", "soak/x/y.json"]
            .map(|path| (path.to_owned(), b"anything".to_vec()))
            .into();
        assert_eq!(State::from_files(&files).unwrap().to_files(), files);
    }

    #[test]
    fn a_directory_is_a_safe_path() {
        for (branch, root, expected) in [
            ("main", "", "main/@"),
            ("feature/X", "teams/a", "feature%2f%58/teams%2fa"),
            ("@", "%", "%40/%25"),
            (".git", "..", "%2egit/%2e%2e"),
            (&"x".repeat(201), "a", &format!("{}%-84a0678c90937f5dcf9994d5866668da/a", "x".repeat(100))),
            ("release-1.2", "é", "release-1.2/%c3%a9"),
        ] {
            assert_eq!(directory(branch, root), expected);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn i13_a_state_is_read_back_unchanged(state in sample::any_state(), branch in any::<String>(), root in any::<String>()) {
            let files = state.to_files();
            for path in files.keys().map(|path| format!("{}/{path}", directory(&branch, &root))) {
                assert!(path.is_ascii() && path.split('/').count() <= 8, "{path}");
                assert!(path.split('/').all(|part| !part.is_empty() && !part.starts_with('.')), "{path}");
                assert_eq!(path, path.to_ascii_lowercase());
            }
            assert!(directory(&branch, &root).split('/').all(|part| part.len() <= COMPONENT_MAX));
            assert_eq!(State::from_files(&files).unwrap(), state);
        }

        #[test]
        fn two_names_never_share_a_component(a in "[a-zA-Z.%@/é]{0,3}", b in "[a-zA-Z.%@/é]{0,3}") {
            assert_eq!(component(&a) == component(&b), a == b);
            assert_eq!(name_of(&component(&a)), Some(a));
        }
    }
}
