//! Many passes that land on one branch at the same time over HTTP, beside those of an earlier build.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::figures::Figures;
use super::program;
use super::support::registry::{FakeRegistry, Image};
use super::support::remote::BareRepo;
use super::support::remote::http::HttpBackend;

const WRITERS: u64 = 32;
const PINS: u64 = 10;
/// Races of each build; the builds take turns.
const ROUNDS: usize = 3;
/// The variable that names the program of an earlier build.
const EARLIER: &str = "PINSTREAM_EARLIER";
/// The share of the earlier build's time and requests that this one may take.
const SHARE: f64 = 0.4;

/// Results of all races of one build.
#[derive(Default)]
struct Races {
    times: Vec<Duration>,
    requests: usize,
    lost: u64,
}

impl Races {
    /// Returns a percentile of the times in seconds.
    fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.times.clone();
        sorted.sort();
        sorted[(sorted.len() * percent).div_ceil(100) - 1].as_secs_f64()
    }

    fn note(&self) -> String {
        let [median, late] = [50, 99].map(|percent| self.percentile(percent));
        format!("median {median:.2} s, p99 {late:.2} s, {} requests a race", self.requests / ROUNDS)
    }
}

/// 32 passes, each of a stream of its own with ten tags.
pub(crate) fn crowd(figures: &mut Figures) {
    let earlier = std::env::var_os(EARLIER).map(std::path::PathBuf::from);
    let (mut ours, mut theirs) = (Races::default(), Races::default());
    for _ in 0..ROUNDS {
        if let Some(earlier) = &earlier {
            race(earlier, &mut theirs);
        }
        race(env!("CARGO_BIN_EXE_pinstream").as_ref(), &mut ours);
    }
    figures.at_most("32 writers of 10 pins: lost pins", ours.lost as f64, "", 0.0, ours.note());
    if earlier.is_some() {
        let share = |of: fn(&Races) -> f64| of(&ours) / of(&theirs);
        figures.at_most("  p99 / earlier build", share(|races| races.percentile(99)), "x", SHARE, theirs.note());
        let requests = share(|races| races.requests as f64);
        figures.at_most("  requests to the Git server / earlier build", requests, "x", SHARE, String::new());
    }
}

/// Starts all passes of `program` at once, and waits for them.
fn race(program: &std::path::Path, races: &mut Races) {
    let registry = FakeRegistry::start();
    let host = registry.host();
    let settings = format!("[registry.\"{host}\"]\nplain-http = true\n");
    let mut files = vec![("pinstream.toml".to_owned(), settings)];
    for writer in 0..WRITERS {
        let mut text = "[tags]\n".to_owned();
        for tag in 0..PINS {
            registry.push(&format!("team/s{writer}"), &format!("t{tag}"), &Image::new(writer * PINS + tag));
            text.push_str(&format!("t{tag} = \"{host}/team/s{writer}:t{tag}\"\n"));
        }
        files.push((format!("streams/s{writer}.toml"), text));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let repository = BareRepo::with(&files);
    let backend = HttpBackend::start(repository.base());
    let run = |writer: u64| {
        let (program, url) = (program.to_owned(), backend.url());
        move || {
            let folder = tempfile::tempdir().unwrap();
            let stream = format!("s{writer}");
            let words = ["reconcile", "--remote", &url, "--branch", "main", &stream];
            let mut command = program::program(&program, folder.path(), &words);
            command.env("PINSTREAM_CACHE", folder.path()).env("PINSTREAM_STATE", folder.path());
            let begin = Instant::now();
            let output = command.stdout(Stdio::null()).stderr(Stdio::piped()).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            begin.elapsed()
        }
    };
    let running: Vec<_> = (0..WRITERS).map(|writer| std::thread::spawn(run(writer))).collect();
    races.times.extend(running.into_iter().map(|thread| thread.join().unwrap()));
    races.requests += backend.take_requests().len();
    let lock: toml::Table = repository.read("main", "pinstream.lock").unwrap().parse().unwrap();
    races.lost += WRITERS * PINS - lock["pin"].as_array().unwrap().len() as u64;
}
