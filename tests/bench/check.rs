//! Commands that need no network: `--version`, `demo`, and the gate for continuous integration on a large root.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use pinstream::model::image::{Digest, TagId};
use pinstream::model::lock::encode::encode;
use pinstream::model::lock::{Details, Lock, Pin};

use super::figures::{Figures, sample};
use super::program::{peak_memory, pinstream, time};

const STREAMS: usize = 100;
const TAGS: usize = 100;

/// Times of `--version` and of `demo`.
pub(crate) fn start(figures: &mut Figures) {
    let folder = tempfile::tempdir().unwrap();
    let version = || time(pinstream(folder.path(), &["--version"]));
    let times = sample("start/version", version);
    figures.note("`--version`", times.median() * 1e3, "ms", times.spread());
    let size = fs::metadata(env!("CARGO_BIN_EXE_pinstream")).unwrap().len();
    figures.note("size of the program", size as f64 / f64::from(1 << 20), "MiB", String::new());
    let times = sample("start/demo", || {
        let folder = tempfile::tempdir().unwrap();
        time(pinstream(folder.path(), &["demo"]))
    });
    figures.at_most("`demo`", times.median(), "s", 5.0, times.spread());
}

/// `check` of 10 000 tags in 100 files.
pub(crate) fn check(figures: &mut Figures) {
    let folder = tempfile::tempdir().unwrap();
    write_root(folder.path());
    let run = || pinstream(folder.path(), &["check"]);
    let times = sample("check/10000", || time(run()));
    figures.at_most("offline `check` of 10 000 tags", times.median() * 1e3, "ms", 50.0, times.spread());
    figures.at_most("  peak memory", peak_memory(run()), "MiB", 48.0, String::new());
}

/// A root whose lock has a pin with all that a pin can have for each tag, every tenth one a follower.
pub(crate) fn write_root(folder: &Path) {
    fs::create_dir(folder.join("streams")).unwrap();
    fs::write(folder.join("pinstream.toml"), "[import]\nplatforms = [\"linux/amd64\"]\n").unwrap();
    let mut lock = Lock::default();
    for stream in 0..STREAMS {
        let mut text = "[tags]\n".to_owned();
        for tag in 0..TAGS {
            let id: TagId = format!("stream-{stream:03}:1.{tag}").parse().unwrap();
            let followed = (tag % 10 == 9).then(|| format!("stream-{stream:03}:1.{}", tag - 1));
            match &followed {
                Some(followed) => writeln!(text, "\"1.{tag}\" = {{ follow = \"{followed}\" }}"),
                None => writeln!(text, "\"1.{tag}\" = \"registry.example/team/app-{stream:03}:1.{tag}\""),
            }
            .unwrap();
            let at = tag - usize::from(followed.is_some());
            let digest = |age: usize| Digest::sha256(format!("{stream} {at} {age}").as_bytes());
            let details = Details {
                version: Some(format!("1.{tag}.0")),
                revision: Some("0f1c2d3ee4b5a69788796a5b4c3d2e1f00112233".to_owned()),
                created: Some("2026-10-01T08:12:44Z".to_owned()),
                platforms: ["linux/amd64", "linux/arm64"].map(|name| name.parse().unwrap()).to_vec(),
            };
            let pin = Pin {
                image: format!("registry.example/team/app-{stream:03}:1.{at}").parse().unwrap(),
                digest: digest(0),
                index: None,
                details: if followed.is_some() { Details::default() } else { details },
                previous: (1..=5).map(digest).collect(),
                follow: followed.map(|followed| followed.parse().unwrap()),
            };
            lock.pins.insert(id, pin);
        }
        fs::write(folder.join(format!("streams/stream-{stream:03}.toml")), text).unwrap();
    }
    fs::write(folder.join("pinstream.lock"), encode(&lock)).unwrap();
}
