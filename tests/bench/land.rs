//! A pass that lands a commit on a large repository over HTTP, beside what the `git` program takes for that.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::figures::{Figures, sample, sample_beside};
use super::program::{peak_memory, pinstream, time};
use super::support::registry::{FakeRegistry, Image};
use super::support::remote::http::HttpBackend;
use super::support::remote::{BareRepo, git_in, run};

const FOLDERS: usize = 200;
const FILES: usize = 100;
const COMMITS: usize = 2_000;

/// A pass over one tag, which has moved each time, on 20 000 files and 2 000 commits.
pub(crate) fn land(figures: &mut Figures) {
    let registry = FakeRegistry::start();
    let repository = BareRepo::new();
    fill(&repository, &registry.host());
    let backend = HttpBackend::start(repository.base());
    let mut seed = 0;
    let mut moved = || {
        seed += 1;
        registry.push("team/app", "1", &Image::new(seed).version(&format!("1.0.{seed}")));
    };
    let reconcile = |folder: &Path, cache: &Path| {
        let mut command = pinstream(folder, &["reconcile", "--remote", &backend.url(), "--branch", "main"]);
        command.env("PINSTREAM_CACHE", cache).env("PINSTREAM_STATE", cache);
        command
    };

    let nowhere = tempfile::tempdir().unwrap();
    let mut fetched = 0;
    let (git, cold) = sample_beside(
        "land/cold",
        || with_git(&backend.url()),
        || {
            moved();
            backend.take_requests();
            let cache = tempfile::tempdir().unwrap();
            let time = time(reconcile(nowhere.path(), cache.path()));
            fetched = bytes_fetched(&backend).1;
            time
        },
    );
    let against = |times: &super::figures::Times| format!("{} against {}", times.spread(), git.spread());
    figures.at_most("landing from a cold start / git", cold.median() / git.median(), "x", 1.5, against(&cold));
    figures.note("  bytes fetched", fetched as f64 / 1024.0, "KiB", String::new());
    moved();
    let cache = tempfile::tempdir().unwrap();
    let peak = peak_memory(reconcile(nowhere.path(), cache.path()));
    figures.note("  peak memory", peak, "MiB", String::new());

    let mut fetches = 0;
    let warm = sample("land/warm", || {
        moved();
        backend.take_requests();
        let time = time(reconcile(nowhere.path(), cache.path()));
        fetches += bytes_fetched(&backend).0;
        time
    });
    figures.at_most("landing with a warm cache / git", warm.median() / git.median(), "x", 0.5, against(&warm));
    figures.at_most("  fetches", fetches as f64, "", 0.0, String::new());

    // A job that runs in a checkout keeps no state there but what hooks and soaking tags need, and this root has neither.
    repository.git(&["update-ref", "-d", "refs/pinstream/state"]);
    let checkout = tempfile::tempdir().unwrap();
    let clone = checkout.path().join("clone");
    run(git_in(checkout.path()).args(["clone", "--quiet", &backend.url(), "clone"]), b"");
    let mut fetches = 0;
    let inside = sample("land/checkout", || {
        moved();
        run(git_in(&clone).args(["pull", "--quiet"]), b"");
        backend.take_requests();
        let cache = tempfile::tempdir().unwrap();
        let mut command = pinstream(&clone, &["reconcile"]);
        command.env("PINSTREAM_CACHE", cache.path()).env("PINSTREAM_STATE", cache.path());
        let time = time(command);
        fetches += bytes_fetched(&backend).0;
        time
    });
    figures.at_most("landing inside a checkout / git", inside.median() / git.median(), "x", 0.5, against(&inside));
    figures.at_most("  fetches", fetches as f64, "", 0.0, String::new());
}

/// The equivalent shell script: clone as little as can be, one commit without a work tree, push.
fn with_git(url: &str) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    let git = |folder: &Path, args: &[&str], input: &[u8]| {
        String::from_utf8(run(git_in(folder).args(args), input)).unwrap().trim().to_owned()
    };
    git(folder.path(), &["clone", "--quiet", "--depth", "1", "--no-checkout", url, "clone"], b"");
    let clone = folder.path().join("clone");
    let stamp = begin.elapsed().as_nanos().to_string();
    let blob = git(&clone, &["hash-object", "-w", "--stdin"], stamp.as_bytes());
    let mut entries = git(&clone, &["ls-tree", "HEAD"], b"");
    writeln!(entries, "\n100644 blob {blob}\tstamp").unwrap();
    let entries: Vec<&str> = entries.lines().rev().collect();
    let unique: Vec<&str> = entries
        .iter()
        .enumerate()
        .filter(|(at, line)| *at == 0 || !line.ends_with("\tstamp"))
        .map(|(_, line)| *line)
        .collect();
    let tree = git(&clone, &["mktree"], format!("{}\n", unique.join("\n")).as_bytes());
    let commit = git(&clone, &["commit-tree", "-p", "HEAD", "-m", "stamp", &tree], b"");
    git(&clone, &["push", "--quiet", "origin", &format!("{commit}:refs/heads/main")], b"");
    begin.elapsed()
}

/// Number of fetches, and the bytes of their answers.
fn bytes_fetched(backend: &HttpBackend) -> (usize, usize) {
    let asked = backend.take_requests();
    // The list of refs, which protocol 2 asks for in the same way, is short.
    let packs = asked.iter().filter(|asked| asked.line.starts_with("POST") && asked.line.ends_with("git-upload-pack"));
    let packs: Vec<usize> = packs.map(|asked| asked.sent).collect();
    (packs.len(), packs.iter().sum())
}

/// 20 000 files in the first commit; each other one changes ten of them, and the last one adds the root.
fn fill(repository: &BareRepo, host: &str) {
    let mut stream = String::new();
    let file = |stream: &mut String, at: usize, age: usize| {
        let text = format!("file {at} as of {age}\n").repeat(10 + at % 30);
        writeln!(
            stream,
            "M 100644 inline src/part-{}/file-{}.txt\ndata {}\n{text}",
            at / FILES,
            at % FILES,
            text.len()
        )
        .unwrap();
    };
    for commit in 0..COMMITS {
        writeln!(
            stream,
            "commit refs/heads/main\ncommitter A Person <person@example.com> {} +0000",
            1_750_000_000 + commit * 60
        )
        .unwrap();
        writeln!(stream, "data <<END\ncommit {commit}\nEND").unwrap();
        if commit == 0 {
            (0..FOLDERS * FILES).for_each(|at| file(&mut stream, at, 0));
        } else {
            (0..10).for_each(|step| file(&mut stream, (commit * 7919 + step * 104_729) % (FOLDERS * FILES), commit));
        }
        if commit + 1 == COMMITS {
            let settings = format!("[registry.\"{host}\"]\nplain-http = true\n");
            let app = format!("[tags]\n\"1\" = \"{host}/team/app:1\"\n");
            for (path, text) in [("pinstream.toml", settings), ("streams/app.toml", app)] {
                writeln!(stream, "M 100644 inline {path}\ndata {}\n{text}", text.len()).unwrap();
            }
        }
    }
    repository.git_with(&["fast-import", "--quiet"], stream.as_bytes());
}
