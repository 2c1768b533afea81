//! T22: no secret comes out of the program. Each run of it is searched for one, in every test; here are the ways on
//! which one would come out first, and that the search sees it.

mod git;
mod hooks;
mod registry;
mod search;

use crate::reconcile::stage::Stage;
use crate::support::registry::FakeRegistry;

/// How the program is asked to talk, from little to all.
const TALK: [&[&str]; 4] = [&[], &["-v"], &["-vv"], &["--format", "json"]];

/// Runs a pass with each kind of talk; all must end with `code`. What they said.
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
