//! A first import of many tags from a registry that is far, by one process and by eight that share the root.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::far::start_far_side;
use super::figures::Figures;
use super::program::pinstream;
use super::support::registry::{FakeRegistry, Image};
use super::support::remote::BareRepo;
use super::support::remote::http::HttpBackend;

const REPOSITORIES: usize = 2_000;
const TAGS: usize = 10;
const PROCESSES: usize = 8;
/// Share of the time of one process that eight may take: an eighth of the wait for the registry, and some time to land
/// one after the other.
const SHARE: f64 = 1.0 / 6.0;

/// 20 000 tags of 2 000 repositories, none of which is pinned, with an image a repository. It takes minutes, and one
/// process spends them waiting, so that it is measured once.
pub(crate) fn shard(figures: &mut Figures) {
    let registry = FakeRegistry::start();
    let far = start_far_side(registry.host().parse().unwrap()).to_string();
    let mut digests = BTreeMap::new();
    let mut text = String::new();
    let mut files = vec![("pinstream.toml".to_owned(), format!("[registry.\"{far}\"]\nplain-http = true\n"))];
    for number in 0..REPOSITORIES {
        let image = Image::new(number as u64).version("1.2.3");
        for tag in 0..TAGS {
            let digest = registry.push(&format!("team/app-{number}"), &tag.to_string(), &image);
            writeln!(text, "app-{number}-{tag} = \"{far}/team/app-{number}:{tag}\"").unwrap();
            digests.insert(format!("app-{number}-{tag}"), digest.to_string());
        }
        if (number + 1) % 100 == 0 {
            let tags = std::mem::take(&mut text);
            files.push((format!("streams/s{}.toml", number / 100), format!("[tags]\n{tags}")));
        }
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let one = measure(&files, &digests, 1);
    registry.forget();
    let all = measure(&files, &digests, PROCESSES);
    let asked = registry.counts();
    let spread = format!("{:.1} s against {:.1} s", all.time.as_secs_f64(), one.time.as_secs_f64());
    let share = all.time.as_secs_f64() / one.time.as_secs_f64();
    figures.at_most("20 000 tags at 80 ms, 8 processes / 1", share, "x", SHARE, spread);
    figures.at_most("  commits", all.commits as f64, "", PROCESSES as f64, String::new());
    figures.at_most("  wrong pins", (one.wrong + all.wrong) as f64, "", 0.0, String::new());
    let requests = asked.head + asked.get;
    figures.at_most("  requests", requests as f64, "", (REPOSITORIES * (TAGS + 2)) as f64, format!("{asked:?}"));
}

/// Result of a fleet.
struct Came {
    time: Duration,
    commits: usize,
    wrong: usize,
}

/// Has so many processes, each with a cache of its own, import a root of `files` that has no lock.
fn measure(files: &[(&str, &str)], digests: &BTreeMap<String, String>, processes: usize) -> Came {
    let repository = BareRepo::with(files);
    let first = repository.tip("refs/heads/main").unwrap();
    // As whoever serves it keeps it: otherwise its first readers wait for Git to pack it.
    repository.git(&["repack", "-a", "-d", "-q"]);
    let backend = HttpBackend::start(repository.base());
    let folders: Vec<_> = (0..processes).map(|_| tempfile::tempdir().unwrap()).collect();
    let begin = Instant::now();
    let start = |(at, folder): (usize, &tempfile::TempDir)| {
        let shard = format!("{}/{processes}", at + 1);
        let words = ["reconcile", "--remote", &backend.url(), "--branch", "main", "--shard", &shard];
        let mut command = pinstream(folder.path(), &words);
        command.env("PINSTREAM_CACHE", folder.path()).env("PINSTREAM_STATE", folder.path());
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let running: Vec<Child> = folders.iter().enumerate().map(start).collect();
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let time = begin.elapsed();
    let lock: toml::Table = repository.read("main", "pinstream.lock").unwrap().parse().unwrap();
    let pins = lock["pin"].as_array().unwrap().iter();
    let pins: BTreeMap<&str, &str> =
        pins.filter_map(|pin| Some((pin["tag"].as_str()?, pin["digest"].as_str()?))).collect();
    let wrong = digests.iter().filter(|(tag, digest)| pins.get(tag.as_str()) != Some(&digest.as_str())).count();
    let commits = repository.git(&["rev-list", "--count", &format!("{first}..main")]).parse().unwrap();
    Came { time, commits, wrong }
}
