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

/// Fails if a rule is violated.
#[track_caller]
fn none(rule: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{} violations: {rule}\n{}", violations.len(), violations.join("\n"));
}
