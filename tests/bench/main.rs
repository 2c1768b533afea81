//! Cost of a pass: time, peak memory and requests of the program itself, beside the simplest program that does the
//! same. Run by `cargo bench`; a word after `--` picks the parts whose name holds it.
//!
//! Each sample of ours is taken right after one of what it is compared with, so that a busy machine slows both down.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "benchmarks start servers and read clocks"
)]

mod check;
mod crowd;
mod far;
mod figures;
mod history;
mod land;
mod program;
mod resolve;
mod shard;
mod yardstick;

// Shared support of the tests; a benchmark needs a part of it.
#[path = "../it/support"]
#[expect(dead_code, reason = "a benchmark needs only a part of what tests stand on")]
mod support {
    pub(crate) mod canary;
    pub(crate) mod certificate;
    pub(crate) mod encoding;
    pub(crate) mod registry;
    pub(crate) mod remote;
    pub(crate) mod signing_key;
}

use std::process::ExitCode;

use figures::Figures;

/// Measures something and notes its figures.
type Part = fn(&mut Figures);

/// The parts by name, in the order in which they run.
const PARTS: [(&str, Part); 8] = [
    ("start", check::start),
    ("check", check::check),
    ("resolve", resolve::resolve),
    ("far", far::far),
    ("shard", shard::shard),
    ("land", land::land),
    ("crowd", crowd::crowd),
    ("history", history::history),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` runs this as well, to see that it compiles.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let words: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let mut figures = Figures::default();
    for (name, part) in PARTS {
        if words.is_empty() || words.iter().any(|word| name.contains(word.as_str())) {
            part(&mut figures);
        }
    }
    if figures.print() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
