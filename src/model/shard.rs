//! A shard: the part of a root that one of several processes handles. All of them see the whole root, and meet only in
//! Git.
//!
//! Pure. Names are assigned by rendezvous hashing (Thaler and Ravishankar, "A Name-Based Mapping Scheme for
//! Rendezvous", 1996): each name belongs to the shard with the highest weight, so that an additional shard takes its
//! part from all others and moves nothing between them. The hash must be the same on all machines and in all versions.
use std::fmt::{self, Display};
use std::str::FromStr;

use crate::text::diagnostics::NameError;
use crate::text::encoding::fnv1a;
use crate::text::escape::excerpt;

/// The largest number of shards; each name is weighed for every one of them.
const SHARDS_MAX: u32 = 1000;

/// The value of `--shard` that reads the environment.
const AUTO: &str = "auto";

/// The variable with the number of shards, if the launcher does not set one.
const TOTAL: &str = "PINSTREAM_SHARDS";

/// A system that starts several processes, and its environment variables.
struct Launcher {
    /// The variable with the index of the process.
    index: &'static str,
    /// The variable with the number of processes, if there is one.
    total: Option<&'static str>,
    /// The index of the first process.
    first: u32,
}

/// Kubernetes ("Indexed Job", `batch/v1`), GitLab (`parallel`), CircleCI (`parallelism`) and Buildkite (`parallelism`),
/// as their documentation names the variables.
const LAUNCHERS: [Launcher; 4] = [
    Launcher { index: "JOB_COMPLETION_INDEX", total: None, first: 0 },
    Launcher { index: "CI_NODE_INDEX", total: Some("CI_NODE_TOTAL"), first: 1 },
    Launcher { index: "CIRCLE_NODE_INDEX", total: Some("CIRCLE_NODE_TOTAL"), first: 0 },
    Launcher { index: "BUILDKITE_PARALLEL_JOB", total: Some("BUILDKITE_PARALLEL_JOB_COUNT"), first: 0 },
];

/// One of several shards, `3/8`: the third of eight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard {
    of: u32,
    /// From 1.
    index: u32,
}

impl Shard {
    /// Parses `3/8`, or reads the environment through `variable` if `word` is `auto`.
    ///
    /// # Errors
    /// Returns an error if the argument or a variable is invalid.
    pub fn resolve(word: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self, NameError> {
        if word != AUTO {
            return word.parse();
        }
        let started = LAUNCHERS.iter().find_map(|launcher| Some((launcher, variable(launcher.index)?)));
        let (Launcher { index: name, total, first }, index) = started.ok_or_else(unknown)?;
        let totals = total.iter().copied().chain([TOTAL]);
        let found = totals.into_iter().find_map(|total| Some((total, variable(total)?)));
        let (total_name, total) = found.ok_or_else(|| {
            let help = match total {
                Some(total) => format!("set `{total}` or `{TOTAL}` to the number of shards"),
                None => format!("set `{TOTAL}` to the number of shards: `completions` of the Job"),
            };
            NameError::new(format!("`{name}` is set, but the number of shards is unknown")).help(help)
        })?;
        let number = |name: &str, text: &str| {
            text.parse::<u32>().map_err(|_| NameError::new(format!("`{name}` is `{}`, not a number", excerpt(text))))
        };
        let (index, total) = (number(name, &index)?, number(total_name, &total)?);
        let counted = index.checked_add(1).and_then(|next| next.checked_sub(*first));
        counted.and_then(|index| Self::new(index, total)).ok_or_else(|| {
            let message = format!("`{name}` = {index} and `{total_name}` = {total} are not a valid shard");
            NameError::new(message).help(format!("`{name}` counts from {first}; the limit is {SHARDS_MAX} shards"))
        })
    }

    fn new(index: u32, of: u32) -> Option<Self> {
        ((1..=of).contains(&index) && of <= SHARDS_MAX).then_some(Self { of, index })
    }

    /// Returns the number of shards.
    pub fn count(self) -> u32 {
        self.of
    }

    /// Returns true if `other` is a shard of the same split.
    pub fn is_same_split(self, other: Self) -> bool {
        self.of == other.of
    }

    /// Returns true if `name` belongs to this shard.
    pub fn contains(self, name: impl Display) -> bool {
        let name = fnv1a(name);
        // Of two with the same weight the later one wins.
        (1..=self.of).max_by_key(|index| weight(name, *index)) == Some(self.index)
    }
}

/// Weighs a name for a shard with the mixing steps of SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom
/// Number Generators", 2014), in which each bit of the input changes half of the bits of the output.
fn weight(name: u64, index: u32) -> u64 {
    let mut mixed = name.wrapping_add(u64::from(index).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn unknown() -> NameError {
    let known = LAUNCHERS.map(|Launcher { index, total, .. }| format!("`{index}` with `{}`", total.unwrap_or(TOTAL)));
    NameError::new("`--shard auto` found no shard index in the environment")
        .help(format!("set {}, or pass e.g. `--shard 1/8`", known.join(", ")))
}

impl FromStr for Shard {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let shard = text.split_once('/').and_then(|(index, of)| {
            let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok()).flatten();
            Self::new(plain(index)?, plain(of)?)
        });
        shard.ok_or_else(|| {
            let help = format!("write e.g. `1/8` for the first of eight; the limit is {SHARDS_MAX} shards");
            NameError::new(format!("invalid shard `{}`", excerpt(text))).help(help)
        })
    }
}

impl Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, proptest};

    use super::*;

    fn shard(index: u32, of: u32) -> Shard {
        Shard::new(index, of).unwrap()
    }

    /// The number of the shard that has `name`; there is one, and no other.
    #[track_caller]
    fn at(name: &str, of: u32) -> u32 {
        let all: Vec<u32> = (1..=of).filter(|index| shard(*index, of).contains(name)).collect();
        assert_eq!(all.len(), 1, "{name} of {of}: {all:?}");
        all[0]
    }

    /// Checks what `--shard` parses to in an environment of `NAME=value` words.
    #[track_caller]
    fn check(word: &str, environment: &str, expected: &str) {
        let variable = |name: &str| {
            let mut all = environment.split(' ').filter_map(|one| one.split_once('='));
            all.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
        };
        let shown = match Shard::resolve(word, variable) {
            Ok(shard) => shard.to_string(),
            Err(error) => format!("{}; {}", error.message, error.help.unwrap_or_default()),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn explicit_shards_count_from_one() {
        for word in ["1/8", "8/8", "1/1", "1000/1000"] {
            check(word, "", word);
        }
        for word in ["0/8", "9/8", "a/8", "1/0", "1", "1/", "/8", "+1/8", "1/8/2", "-1/8", " 1/8", "1/1001", "Auto"] {
            let help = "write e.g. `1/8` for the first of eight; the limit is 1000 shards";
            check(word, "CI_NODE_INDEX=1 CI_NODE_TOTAL=2", &format!("invalid shard `{word}`; {help}"));
        }
    }

    #[test]
    fn auto_reads_the_variables_of_launchers() {
        check("auto", "JOB_COMPLETION_INDEX=0 PINSTREAM_SHARDS=8", "1/8");
        check("auto", "JOB_COMPLETION_INDEX=7 PINSTREAM_SHARDS=8", "8/8");
        check("auto", "CI_NODE_INDEX=1 CI_NODE_TOTAL=3", "1/3");
        check("auto", "CI_NODE_INDEX=3 CI_NODE_TOTAL=3", "3/3");
        check("auto", "CIRCLE_NODE_INDEX=0 CIRCLE_NODE_TOTAL=4", "1/4");
        check("auto", "BUILDKITE_PARALLEL_JOB=3 BUILDKITE_PARALLEL_JOB_COUNT=4", "4/4");
        // The launcher's own variable takes precedence over ours, which may be meant for another process.
        check("auto", "CI_NODE_INDEX=1 CI_NODE_TOTAL=3 PINSTREAM_SHARDS=8", "1/3");
        check("auto", "CI_NODE_INDEX=1 PINSTREAM_SHARDS=8", "1/8");
    }

    #[test]
    fn auto_names_the_missing_variables() {
        check(
            "auto",
            "CI_NODE_TOTAL=1",
            "`--shard auto` found no shard index in the environment; set \
             `JOB_COMPLETION_INDEX` with `PINSTREAM_SHARDS`, `CI_NODE_INDEX` with `CI_NODE_TOTAL`, `CIRCLE_NODE_INDEX` \
             with `CIRCLE_NODE_TOTAL`, `BUILDKITE_PARALLEL_JOB` with `BUILDKITE_PARALLEL_JOB_COUNT`, or pass e.g. \
             `--shard 1/8`",
        );
        check(
            "auto",
            "JOB_COMPLETION_INDEX=0",
            "`JOB_COMPLETION_INDEX` is set, but the number of shards is unknown; set `PINSTREAM_SHARDS` to \
             the number of shards: `completions` of the Job",
        );
        check(
            "auto",
            "CI_NODE_INDEX=1",
            "`CI_NODE_INDEX` is set, but the number of shards is unknown; set `CI_NODE_TOTAL` or \
             `PINSTREAM_SHARDS` to the number of shards",
        );
        check("auto", "CI_NODE_INDEX=one CI_NODE_TOTAL=3", "`CI_NODE_INDEX` is `one`, not a number; ");
        for (index, total) in [("0", "3"), ("4", "3"), ("1", "0"), ("4294967295", "3")] {
            let message = format!("`CI_NODE_INDEX` = {index} and `CI_NODE_TOTAL` = {total} are not a valid shard");
            let help = "`CI_NODE_INDEX` counts from 1; the limit is 1000 shards";
            check("auto", &format!("CI_NODE_INDEX={index} CI_NODE_TOTAL={total}"), &format!("{message}; {help}"));
        }
    }

    #[test]
    fn a_name_is_in_the_same_shard_in_every_version() {
        let names = ["docker.io/library/python", "quay.io/acme/app", "ghcr.io/acme/web", "platform//python"];
        assert_eq!(names.map(|name| at(name, 8)), [2, 8, 1, 5]);
    }

    #[test]
    fn shares_are_about_as_large_as_each_other() {
        for of in [2, 3, 8, 64] {
            let mut shares = vec![0; of as usize + 1];
            (0..2000)
                .for_each(|number| shares[at(&format!("quay.io/team-{}/app-{number}", number % 7), of) as usize] += 1);
            let mean = 2000.0 / f64::from(of);
            // Four standard deviations of a random distribution.
            let most = 4.0 * (mean * (1.0 - 1.0 / f64::from(of))).sqrt();
            let off = |share: &&i32| (f64::from(**share) - mean).abs() > most;
            assert_eq!(shares.iter().skip(1).find(off), None, "{of}: {shares:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn an_additional_shard_moves_only_its_own_names(name in "[a-z]{1,9}/[a-z/]{0,20}", of in 1..100_u32) {
            let (before, after) = (at(&name, of), at(&name, of + 1));
            assert!(after == before || after == of + 1, "{before} of {of}, then {after}");
        }
    }

    #[test]
    fn an_additional_shard_moves_about_its_part() {
        let moves = |of: u32| {
            (0..2000).filter(move |n| at(&format!("a.example/{n}"), of) != at(&format!("a.example/{n}"), of + 1))
        };
        for (of, expected) in [(1, 1000), (7, 250), (15, 125)] {
            let moved = moves(of).count();
            assert!(moved.abs_diff(expected) < expected / 4, "{of}: {moved}");
        }
    }
}
