//! Git servers that refuse pushes, hide the state ref or lie, and people who force-push the branch.

use std::time::Duration;

use crate::git::stalled::STALLED_MAX;
use crate::git::{CommitId, GitError, Push};

use super::schedules::share;
use super::universe::{Inner, Shared, Universe};
use super::world::Fault;
use super::{Outcome, people, run_in};

/// Schedules of a full run, for each kind of server.
const SCHEDULES: u64 = 250;
/// Schedules within which a planted fault has to be caught.
const SCHEDULES_FOR_A_FAULT: u64 = 3_000;
/// The fast lane runs one schedule in this many.
const SAMPLE: u64 = 20;

/// Pause after which a claim is renewed again although the last renewal failed.
const RENEWAL_RETRY: Duration = Duration::from_secs(10);

/// A kind of Git server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GitServer {
    /// Does as it says.
    Honest,
    /// A rule forbids pushes to the branch from time to time.
    Refusing,
    /// Hides the state ref, so that each machine keeps its own state.
    Hiding,
    /// Allows force pushes, and people use them.
    ForcePushed,
    /// From time to time, changes nothing and says that the ref moved, or does not answer.
    Lying,
}

/// Pushes of one process that changed nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pushes {
    failed: u32,
    /// The server refused the last one.
    is_refused: bool,
    /// Time of the last one.
    last: Duration,
}

/// Returns the machine of a reconciler: one machine if the state stays on it, else one for every two.
pub(super) fn machine(universe: &Shared, number: u32) -> u32 {
    universe.with(|inner| if inner.server == GitServer::Hiding { 0 } else { number / 2 })
}

/// Lets the server do what its kind does; `false` if it is honest.
pub(super) fn misbehaves(universe: &Shared) -> bool {
    match universe.with(|inner| inner.server) {
        GitServer::Honest => return false,
        GitServer::Hiding => {}
        GitServer::ForcePushed => people::force_push(universe),
        GitServer::Refusing | GitServer::Lying => universe.with(|inner| inner.is_server_bad = inner.rng.bool()),
    }
    true
}

/// Returns the answer to a push that the server does not even try, and checks that the push is no needless repetition.
pub(super) fn answer(
    inner: &mut Inner,
    process: u32,
    reference: &'static str,
    expected: Option<usize>,
) -> Option<Result<Push<CommitId>, GitError>> {
    let key = (process, reference, expected);
    let earlier = inner.pushes.remove(&key).filter(|push| inner.elapsed - push.last < RENEWAL_RETRY);
    let Pushes { mut failed, mut is_refused, .. } = earlier.unwrap_or_default();
    if inner.stuck.is_none() && (is_refused || failed >= STALLED_MAX) {
        inner.break_(format!("I25: process {process} repeats a push to the {reference} that changed nothing"));
    }
    is_refused = inner.server == GitServer::Refusing && reference == "branch" && inner.is_server_bad;
    failed += 1;
    inner.pushes.insert(key, Pushes { failed, is_refused, last: inner.elapsed });
    if is_refused {
        inner.cut_off.insert(process);
        let (url, reference) = ("sim".to_owned(), reference.to_owned());
        return Some(Err(GitError::Refused { url, reference, reason: "a rule forbids it".to_owned() }));
    }
    let is_lie = inner.server == GitServer::Lying && inner.is_server_bad && inner.rng.u8(..10) > 0;
    let unknown = || Push::Unknown("the server did not answer".to_owned());
    is_lie.then(|| Ok(if inner.rng.bool() { Push::Moved } else { unknown() }))
}

/// Runs `schedules`; the first broken invariant is the error.
fn run_all(server: GitServer, schedules: u64, fault: Option<Fault>) -> Result<Vec<Outcome>, String> {
    let run = |seed| {
        let universe = Universe::new(seed);
        universe.with(|inner| inner.server = server);
        run_in(&universe, fault).map_err(|broken| format!("{broken}; seed {seed} of {server:?}"))
    };
    (0..schedules).map(run).collect()
}

#[test]
fn i25_servers_that_misbehave_break_no_invariant() {
    let servers = [GitServer::Refusing, GitServer::Hiding, GitServer::ForcePushed, GitServer::Lying];
    for server in servers {
        let outcomes = run_all(server, share(SCHEDULES, SAMPLE), None).unwrap();
        // A run without events would prove nothing.
        let sum = |of: fn(&Outcome) -> usize| outcomes.iter().map(of).sum::<usize>();
        assert!(sum(|outcome| outcome.commits) > outcomes.len() && sum(|outcome| outcome.deliveries) > outcomes.len());
    }
}

#[test]
fn i25_a_planted_fault_is_caught_on_each_server() {
    for (server, fault, invariant) in [
        (GitServer::Refusing, Fault::RefusalRetried, "I25"),
        (GitServer::Hiding, Fault::HiddenIgnored, "I8"),
        (GitServer::ForcePushed, Fault::LossIgnored, "I3"),
        (GitServer::Lying, Fault::StallIgnored, "I25"),
    ] {
        let broken = run_all(server, SCHEDULES_FOR_A_FAULT, Some(fault)).err().unwrap_or_default();
        assert!(broken.starts_with(&format!("{invariant}:")), "{server:?}: {broken}");
    }
}
