//! Conventions of this repository that a machine can check.
//!
//! A constant named `…_LEFT` is the number of known violations. It may only be lowered: a test fails when the number of
//! violations is above it.

mod contributing;
mod docs;
mod functions;
mod ids;
mod language;
mod layout;
mod members;
mod types;

/// Fails if there are more violations than are known.
#[track_caller]
fn at_most(left: usize, rule: &str, violations: &[String]) {
    let count = violations.len();
    assert!(count <= left, "{count} violations, at most {left} allowed: {rule}\n{}", violations.join("\n"));
}
