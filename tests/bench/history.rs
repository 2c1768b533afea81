//! The history of a tag, from many commits of a large lock.

use std::fmt::Write as _;
use std::fs;

use super::check::write_root;
use super::figures::{Figures, sample};
use super::program::{peak_memory, pinstream, time};
use super::support::remote::BareRepo;

const COMMITS: usize = 10_000;
/// Every so many commits one moves a pin; the others are other people's.
const MOVES_EVERY: usize = 50;

/// `history` and `describe` over 10 000 commits, 200 of which move one of 10 000 pins.
pub(crate) fn history(figures: &mut Figures) {
    let repository = BareRepo::new();
    let folder = tempfile::tempdir().unwrap();
    write_root(folder.path());
    repository.git_with(&["fast-import", "--quiet"], commits(folder.path()).as_bytes());
    repository.git(&["repack", "-adq"]);
    let checkout = tempfile::tempdir().unwrap();
    let at = checkout.path().join("checkout");
    repository.git(&["clone", "--quiet", &repository.url(), at.to_str().unwrap()]);
    for (name, arguments) in [
        ("`history` of one tag over 10 000 commits", &["history", "stream-000:1.0"][..]),
        ("`history` of all tags", &["history", "**"]),
    ] {
        let times =
            sample(&format!("history/{}", arguments[1].replace('*', "all")), || time(pinstream(&at, arguments)));
        figures.at_most(name, times.median(), "s", 10.0, times.spread());
        figures.note("  peak memory", peak_memory(pinstream(&at, arguments)), "MiB", String::new());
    }
}

/// The commits for `git fast-import`: the files of `root`, then moves among other people's commits.
fn commits(root: &std::path::Path) -> String {
    let mut stream = String::new();
    let mut lock = fs::read_to_string(root.join("pinstream.lock")).unwrap();
    let file = |stream: &mut String, path: &str, text: &str| {
        let _ = writeln!(stream, "M 100644 inline {path}\ndata {}\n{text}", text.len());
    };
    let head = |stream: &mut String, number: usize| {
        let time = 1_700_000_000 + number * 60;
        let _ = writeln!(stream, "commit refs/heads/main\ncommitter A <a@example.com> {time} +0000\ndata 1\nx");
    };
    head(&mut stream, 0);
    file(&mut stream, "pinstream.toml", &fs::read_to_string(root.join("pinstream.toml")).unwrap());
    file(&mut stream, "pinstream.lock", &lock);
    for entry in fs::read_dir(root.join("streams")).unwrap().map(Result::unwrap) {
        let path = format!("streams/{}", entry.file_name().to_str().unwrap());
        file(&mut stream, &path, &fs::read_to_string(entry.path()).unwrap());
    }
    let places: Vec<usize> = lock.match_indices("\ndigest = \"sha256:").map(|(at, found)| at + found.len()).collect();
    for number in 1..COMMITS {
        head(&mut stream, number);
        if number % MOVES_EVERY == 0 {
            // Now the tag that is asked for, now another.
            let at = if number % (MOVES_EVERY * 2) == 0 { places[0] } else { places[number % places.len()] };
            lock.replace_range(at..at + 12, &format!("{number:012x}"));
            file(&mut stream, "pinstream.lock", &lock);
        } else {
            file(&mut stream, "notes", &number.to_string());
        }
    }
    stream
}
