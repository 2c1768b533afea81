//! T22: no secret leaves the program. Every test searches the output of every run; the tests here cover the likely
//! leaks, and that the search works.

mod git;
mod hooks;
mod registry;
mod search;

use crate::reconcile::stage::Stage;
use crate::support::registry::FakeRegistry;

/// Options that set the amount of output, from least to most.
const TALK: [&[&str]; 4] = [&[], &["-v"], &["-vv"], &["--format", "json"]];

/// Runs a pass with each of these options and returns all output; each run must end with `code`.
#[track_caller]
fn talk(stage: &Stage, code: i32) -> String {
    TALK.map(|args| stage.ends(code, args)).concat()
}

/// A stage whose registry has a stream of one image.
fn stage(registry: FakeRegistry) -> Stage {
    let stage = Stage::with(registry, "");
    stage.stream("web", &[("1", 1)]);
    stage
}
