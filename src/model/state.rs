//! What is remembered beside the branch, in `refs/pinstream/state` of the same remote: the lock as each hook last saw
//! it, who is running a hook, and when scheduled imports were last looked at.
//!
//! It is read and written whole, by compare-and-swap, for one branch and root. Losing it costs nothing but a repeated
//! import: a root without state adopts the tip.

pub mod memory;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::git::RootFiles;
use crate::model::image::{Digest, TagId};
use crate::model::lock::Lock;
use crate::model::lock::encode::encode;
use crate::model::lock::read::read;
use crate::model::shard::Shard;
use crate::text::diagnostics::{Problems, SourceFile};
use crate::text::escape;
pub use memory::TagMemory;

/// The folder of the locks as hooks last saw them.
const SEEN: &str = "hook";
/// The folder of what hooks were run for without success.
const TRIED: &str = "tried";
/// The folder of how many moves hooks were run for.
const BEGUN: &str = "begun";
/// The folder of the claims.
const CLAIMS: &str = "claim";
/// The file of what `--due` goes by.
const SCHEDULE: &str = "schedule.json";
/// The folder of the same for shards.
const SHARDS: &str = "schedule";
/// The files of what is remembered of tags.
const SIGHTED: &str = "seen.json";
const LANDED: &str = "landed.json";
const TAKEN_BACK: &str = "taken-back.json";

/// The longest component that is written whole; most file systems take 255 bytes.
const COMPONENT_MAX: usize = 200;

/// The state of one root on one branch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The lock as each hook last saw it, by the hook's name.
    pub seen: BTreeMap<String, Lock>,
    /// What each hook was run for without success, by its name: it may have done with that what it does, so that it
    /// has to be told where the tag stands also when that is where it last saw it.
    pub attempted_locks: BTreeMap<String, Lock>,
    /// How many moves of each tag each hook was run for, by the hook's name.
    pub run_counts: BTreeMap<String, RunCounts>,
    /// Who is running a hook now, by the hook's name.
    pub claims: BTreeMap<String, HookClaim>,
    /// What `--due` goes by.
    pub schedule: Option<ScheduleState>,
    /// The same for shares of the root, each of which is looked at by itself. All are shares of the same whole.
    pub shards: BTreeMap<Shard, ScheduleState>,
    /// What is remembered of tags.
    pub memory: TagMemory,
    /// Files that this version does not know, by their paths: a newer one's, not ours to drop.
    pub unknown: RootFiles,
}

/// How many moves of each tag a hook was run for, with success or without; one that is tried again counts once. It
/// tells the same move, made again, from the one before.
pub type RunCounts = BTreeMap<TagId, u64>;

/// That somebody is running a hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookClaim {
    /// Who.
    pub owner: Owner,
    /// After when it no longer holds, whatever became of its owner.
    pub until: Timestamp,
}

/// A process, as others can tell it from themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The running kernel and process-id space it is in: within one, process ids can be compared.
    pub machine: String,
    /// Its process id and the time it started, in the kernel's ticks: a pair that does not come back.
    pub process: String,
}

/// When scheduled imports were last looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleState {
    /// All schedules that fired up to then were served.
    pub last: Timestamp,
    /// Tags that failed since, and are due whatever their schedule says.
    #[serde(default)]
    pub retry: Vec<TagId>,
}

impl State {
    /// What `--due` goes by in a pass over the share of `shard`, or over the whole root.
    pub fn schedule_of(&self, shard: Option<Shard>) -> Option<&ScheduleState> {
        shard.and_then(|shard| self.shards.get(&shard)).or(self.schedule.as_ref())
    }

    /// The same state after the schedules of a share, or of the whole root, were looked at. Shares of another whole say
    /// nothing of these, and go.
    pub fn with_schedule(mut self, shard: Option<Shard>, schedule: ScheduleState) -> Self {
        self.shards.retain(|known, _| shard.is_some_and(|shard| shard.is_same_split(*known)));
        match shard {
            Some(shard) => drop(self.shards.insert(shard, schedule)),
            None => self.schedule = Some(schedule),
        }
        self
    }

    /// The state as files of the state ref, by their paths within one root's and branch's folder.
    pub fn to_files(&self) -> RootFiles {
        let mut files = self.unknown.clone();
        for (folder, locks) in [(SEEN, &self.seen), (TRIED, &self.attempted_locks)] {
            for (hook, lock) in locks {
                files.insert(format!("{folder}/{}.lock", component(hook)), encode(lock).into_bytes());
            }
        }
        for (hook, begun) in &self.run_counts {
            files.insert(format!("{BEGUN}/{}.json", component(hook)), json(begun));
        }
        for (hook, claim) in &self.claims {
            files.insert(format!("{CLAIMS}/{}.json", component(hook)), json(claim));
        }
        if let Some(schedule) = &self.schedule {
            files.insert(SCHEDULE.to_owned(), json(schedule));
        }
        for (shard, schedule) in &self.shards {
            files.insert(format!("{SHARDS}/{}.json", component(&shard.to_string())), json(schedule));
        }
        put(&mut files, SIGHTED, &self.memory.seen);
        put(&mut files, LANDED, &self.memory.landed);
        put(&mut files, TAKEN_BACK, &self.memory.reverted);
        files
    }

    /// The state that `files` hold. Files that this version does not know are kept as they are.
    ///
    /// # Errors
    /// A sentence, where one cannot be read. Going on without it could lose a move that a hook has not seen.
    pub fn from_files(files: &RootFiles) -> Result<Self, String> {
        let mut state = Self::default();
        for (path, bytes) in files {
            let broken = |reason| format!("the state's `{}` cannot be read: {reason}", escape::terminal(path));
            if !state.take(path, bytes).map_err(broken)? {
                state.unknown.insert(path.clone(), bytes.clone());
            }
        }
        Ok(state)
    }

    /// Reads one file; `false` where it is not known.
    fn take(&mut self, path: &str, bytes: &[u8]) -> Result<bool, String> {
        match path {
            SCHEDULE => self.schedule = Some(from_json(bytes)?),
            SIGHTED => self.memory.seen = from_json(bytes)?,
            LANDED => self.memory.landed = from_json(bytes)?,
            TAKEN_BACK => self.memory.reverted = from_json(bytes)?,
            _ => return self.take_named(path, bytes),
        }
        Ok(true)
    }

    /// Reads one file about a hook or a shard; `false` where it is not known.
    fn take_named(&mut self, path: &str, bytes: &[u8]) -> Result<bool, String> {
        let parts = path.split_once('/').and_then(|(folder, file)| Some((folder, file.rsplit_once('.')?)));
        let Some((folder, (name, kind))) = parts else { return Ok(false) };
        let Some(hook) = name_of(name) else { return Ok(false) };
        match (folder, kind) {
            (SHARDS, "json") => {
                let Ok(shard) = hook.parse::<Shard>() else { return Ok(false) };
                self.shards.insert(shard, from_json(bytes)?);
            }
            (SEEN | TRIED, "lock") => {
                let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
                let file = Arc::new(SourceFile { path: path.to_owned(), text: text.to_owned() });
                let lock = read(&file).map_err(|problems| Problems(problems).to_string());
                let locks = if folder == SEEN { &mut self.seen } else { &mut self.attempted_locks };
                locks.insert(hook, lock.map_err(|message| escape::terminal(&message))?);
            }
            (BEGUN, "json") => {
                self.run_counts.insert(hook, from_json(bytes)?);
            }
            (CLAIMS, "json") => {
                self.claims.insert(hook, from_json(bytes)?);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The folder of one branch and root in the tree of the state ref: `main/@` for the root at the top.
pub fn directory(branch: &str, root: &str) -> String {
    format!("{}/{}", bounded(branch), bounded(root))
}

/// The component that stands for `name`; for one that file systems would not take, its beginning and a hash of all.
fn bounded(name: &str) -> String {
    let whole = component(name);
    if whole.len() <= COMPONENT_MAX {
        return whole;
    }
    // `%` is followed by two digits in every other component, so no name is written like this.
    let digest = Digest::sha256(name.as_bytes());
    let hash: String = digest.as_str().chars().skip("sha256:".len()).take(32).collect();
    format!("{}%-{hash}", &whole[..COMPONENT_MAX / 2])
}

/// `name` as one component of a path in any file system: lower-case ASCII, never `.`, `..`, `.git` or empty.
///
/// Two names never share a component; nothing is written as `@`.
fn component(name: &str) -> String {
    if name.is_empty() {
        return "@".to_owned();
    }
    let mut out = String::with_capacity(name.len());
    for (at, b) in name.bytes().enumerate() {
        let inner_dot = b == b'.' && at > 0 && at + 1 < name.len();
        if b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-') || inner_dot {
            out.push(char::from(b));
        } else {
            // Writing to a `String` does not fail.
            let _ = write!(out, "%{b:02x}");
        }
    }
    out
}

/// The name that [`component`] wrote.
fn name_of(written: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(written.len());
    let mut parts = written.split('%');
    bytes.extend(parts.next()?.bytes().filter(|_| written != "@"));
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend(part.bytes().skip(2));
    }
    String::from_utf8(bytes).ok().filter(|name| component(name) == written)
}

/// Adds a map as a file, where there is anything in it.
fn put<T: Serialize>(files: &mut RootFiles, path: &str, map: &BTreeMap<TagId, T>) {
    if !map.is_empty() {
        files.insert(path.to_owned(), json(map));
    }
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    // These types have no map with other keys than strings, and no `Serialize` of their own that fails.
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

fn from_json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| escape::terminal(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_map;
    use proptest::option;
    use proptest::prelude::{ProptestConfig, Strategy, any, proptest};

    use super::*;
    use crate::model::lock::sample;

    fn any_time() -> impl Strategy<Value = Timestamp> {
        (0..4_000_000_000_i64).prop_map(|second| Timestamp::from_second(second).unwrap())
    }

    fn any_state() -> impl Strategy<Value = State> {
        let claim = (any::<String>(), any::<String>(), any_time())
            .prop_map(|(machine, process, until)| HookClaim { owner: Owner { machine, process }, until });
        let retry = proptest::collection::vec(sample::any_tag(), 0..3);
        let schedule = (any_time(), retry).prop_map(|(last, retry)| ScheduleState { last, retry }).boxed();
        let shard = (1..9_u32).prop_map(|index| format!("{index}/8").parse::<Shard>().unwrap());
        (
            btree_map(any::<String>(), sample::any_lock(), 0..3),
            btree_map(any::<String>(), sample::any_lock(), 0..3),
            btree_map(any::<String>(), btree_map(sample::any_tag(), any::<u64>(), 0..3), 0..3),
            btree_map(any::<String>(), claim, 0..3),
            option::of(schedule.clone()),
            btree_map(shard, schedule, 0..3),
        )
            .prop_map(|(seen, tried, begun, claims, schedule, shards)| State {
                seen,
                attempted_locks: tried,
                run_counts: begun,
                claims,
                schedule,
                shards,
                memory: TagMemory::default(),
                unknown: RootFiles::new(),
            })
    }

    #[test]
    fn a_state_is_a_few_small_files() {
        let time: Timestamp = "2026-11-24T03:00:00Z".parse().unwrap();
        let owner = Owner { machine: "boot-1".to_owned(), process: "42@7".to_owned() };
        let state = State {
            seen: [("rollout".to_owned(), Lock::default())].into(),
            attempted_locks: BTreeMap::new(),
            run_counts: [("rollout".to_owned(), [("python:3.12".parse().unwrap(), 3)].into())].into(),
            claims: [("Team A/x".to_owned(), HookClaim { owner, until: time })].into(),
            memory: TagMemory::default(),
            schedule: Some(ScheduleState { last: time, retry: vec!["python:3.12".parse().unwrap()] }),
            shards: [("3/8".parse().unwrap(), ScheduleState { last: time, retry: Vec::new() })].into(),
            unknown: RootFiles::new(),
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
        == hook/rollout.lock
        # Pinned by pinstream. Review it; don't edit it. Conflict? Run: pinstream update
        version = 1
        == schedule.json
        {
          "last": "2026-11-24T03:00:00Z",
          "retry": [
            "python:3.12"
          ]
        }
        == schedule/3%2f8.json
        {
          "last": "2026-11-24T03:00:00Z",
          "retry": []
        }
        "#);
    }

    #[test]
    fn shares_of_one_whole_are_looked_at_each_by_itself() {
        let look = |second| ScheduleState { last: Timestamp::from_second(second).unwrap(), retry: Vec::new() };
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
    fn a_broken_file_stops_the_pass() {
        for (path, text, expected) in [
            ("claim/a.json", "{", "EOF while parsing an object at line 1 column 1"),
            (
                "hook/b.lock",
                "version = 2\n",
                "the lock was written by a newer pinstream: this one reads up to version 1",
            ),
            ("begun/a.json", "-1", "invalid type: integer `-1`, expected a map at line 1 column 2"),
        ] {
            let files: RootFiles = [(path.to_owned(), text.as_bytes().to_vec())].into();
            assert_eq!(State::from_files(&files), Err(format!("the state's `{path}` cannot be read: {expected}")));
        }
    }

    #[test]
    fn what_a_newer_version_keeps_there_is_not_dropped() {
        let files: RootFiles = ["first-seen.json", "hook/A.lock", "soak/x/y.json"]
            .map(|path| (path.to_owned(), b"anything".to_vec()))
            .into();
        assert_eq!(State::from_files(&files).unwrap().to_files(), files);
    }

    #[test]
    fn a_prefix_is_a_safe_path() {
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
        fn i13_a_state_is_read_back_as_it_was_written(state in any_state(), branch in any::<String>(), root in any::<String>()) {
            let files = state.to_files();
            for path in files.keys().map(|path| format!("{}/{path}", directory(&branch, &root))) {
                assert!(path.is_ascii() && path.split('/').count() <= 8, "{path}");
                assert!(path.split('/').all(|part| !part.is_empty() && !part.starts_with('.')), "{path}");
                assert_eq!(path, path.to_ascii_lowercase());
            }
            assert!(directory(&branch, &root).split('/').all(|part| part.len() <= COMPONENT_MAX));
            assert_eq!(State::from_files(&files), Ok(state));
        }

        #[test]
        fn two_names_never_share_a_component(a in "[a-zA-Z.%@/é]{0,3}", b in "[a-zA-Z.%@/é]{0,3}") {
            assert_eq!(component(&a) == component(&b), a == b);
            assert_eq!(name_of(&component(&a)), Some(a));
        }
    }
}
