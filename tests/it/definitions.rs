//! Definitions on disk: the examples, the schemas, and hostile files.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::ValueEnum as _;
use pinstream::cli::schema::SchemaKind;
use pinstream::formats::{TargetPin, TargetWriter};
use pinstream::git::RootFiles;
use pinstream::model::image::{PinnedRef, TagId};
use pinstream::model::root::Root;
use pinstream::model::settings::policy::Policy;
use pinstream::model::stream::{TagSource, follow};
use pinstream::text::diagnostics::{RenderStyle, RenderedProblems};

use crate::support::lane::slow;
use crate::support::sandbox::Sandbox;
use crate::support::{files, worked};

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn roots(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().join("pinstream.toml").is_file() {
            found.push(entry.path());
        } else if entry.file_type().unwrap().is_dir() {
            found.extend(roots(&entry.path()));
        }
    }
    found.sort();
    found
}

#[test]
fn every_example_is_read_without_a_problem() {
    let roots = roots(&home().join("examples"));
    assert_eq!(roots.len(), 15, "{roots:?}");
    for folder in roots {
        let files = files(&folder);
        let root = match Root::read(&files) {
            Ok(root) => root,
            Err(problems) => panic!("{}\n{}", folder.display(), RenderedProblems(&problems, RenderStyle::Plain)),
        };
        assert!(!root.definitions.tags.is_empty(), "{}", folder.display());
        assert_eq!(follow::order(&root.definitions).len(), root.definitions.tags.len());
        for path in root
            .settings
            .hooks
            .iter()
            .flat_map(|hook| hook.program_file().into_iter().chain(hook.files.iter().map(String::as_str)))
        {
            assert!(files.contains_key(path), "{}: {path}", folder.display());
        }
        // Each target has its place, whatever its tag is pinned to.
        let pins = |id: &TagId| {
            let digest = format!("sha256:{}", "ab".repeat(32)).parse().unwrap();
            let image = match &root.definitions.tags[id].source {
                TagSource::Image { image, .. } => image.clone(),
                _ => "ghcr.io/acme/web:main".parse().unwrap(),
            };
            TargetPin::At(PinnedRef { image, digest })
        };
        let mut editing = TargetWriter::new(&root.settings.targets, &pins);
        let listed: Vec<String> = files.keys().cloned().collect();
        for (path, numbers) in editing.files(&listed) {
            editing.file(&path, files.get(&path).map(Vec::as_slice), &numbers);
        }
        let written =
            editing.finish().unwrap_or_else(|problems| panic!("{}", RenderedProblems(&problems, RenderStyle::Plain)));
        assert_eq!(written.len(), root.settings.targets.len(), "{}", folder.display());
        if let Some(bytes) = files.get("policy.toml") {
            let policy = Policy::read("policy.toml", bytes).unwrap();
            assert!(
                root.policy_problems(&policy, Some("https://git.example/acme/deploy"), pinstream::git::display_url)
                    .is_empty()
            );
        }
    }
}

/// Up to the first request: all problems of files have been reported by then.
#[test]
fn every_example_is_complete() {
    for folder in roots(&home().join("examples")) {
        let sandbox = Sandbox::new();
        for (path, bytes) in files(&folder) {
            sandbox.write(&path, std::str::from_utf8(&bytes).unwrap());
        }
        let ran = sandbox.run(&["check"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(2), ""), "{}: {}", folder.display(), ran.stdout);
        let ran = sandbox.run(&["update", "--offline"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}: {}", folder.display(), ran.stdout);
    }
}

/// To regenerate the schemas: `UPDATE_SCHEMAS=1 cargo test --test it schemas`.
#[test]
fn the_schemas_are_up_to_date() {
    let folder = home().join("schema");
    for kind in SchemaKind::value_variants() {
        let name = format!("{}.schema.json", kind.to_possible_value().unwrap().get_name());
        let path = folder.join(&name);
        let text = format!("{}\n", serde_json::to_string_pretty(&kind.schema()).unwrap());
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "{name}");
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), SchemaKind::value_variants().len());
}

#[test]
fn ten_thousand_tags_in_a_hundred_files_are_read_at_once() {
    let mut files = RootFiles::from([(
        "pinstream.toml".to_owned(),
        b"[import]\nschedule = '0 3 * * *'\nplatforms = ['linux/amd64']".to_vec(),
    )]);
    for stream in 0..100 {
        let mut text = "[tags]\n".to_owned();
        for tag in 0..100 {
            let _ = match tag % 4 {
                0 => writeln!(text, "\"{tag}\" = {{ follow = \"{}\" }}", tag + 1),
                1 => writeln!(
                    text,
                    "\"{tag}\" = {{ image = \"ghcr.io/acme/a{stream}:{tag}\", schedule = \"{} * * * *\" }}",
                    tag % 60
                ),
                _ => writeln!(text, "\"{tag}\" = \"docker.io/library/a{stream}:{tag}\""),
            };
        }
        files.insert(format!("streams/s{stream}.toml"), text.into_bytes());
    }
    let start = worked();
    let root = Root::read(&files).unwrap();
    let took = worked() - start;
    println!("10 000 tags in {took:?}, {} KiB at most", peak_kib());
    assert_eq!(root.definitions.tags.len(), 10_000);
    assert_eq!(follow::order(&root.definitions).len(), 10_000);
    assert!(took < Duration::from_secs(1), "{took:?}");
}

/// Returns the peak memory of this process, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Hostile files, each just below or above the size limit.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    const MAX: usize = 256 * 1024;
    let fill = |unit: &str| unit.repeat(MAX / unit.len());
    let numbered = |line: &dyn Fn(usize) -> String| {
        let mut text = String::new();
        for number in 0.. {
            let line = line(number);
            if text.len() + line.len() > MAX {
                return text;
            }
            text.push_str(&line);
        }
        text
    };
    let tags = |text: String| format!("[tags]\n{}", &text[..text.len().min(MAX - 7)]);
    let dots = fill("a.");
    let texts = vec![
        ("open lists", format!("x={}", &fill("[")[3..])),
        ("open tables", fill("{a=")),
        ("open tables of lists", fill("{a=[")),
        ("closed lists", format!("x={}{}", "[".repeat(MAX / 2 - 2), "]".repeat(MAX / 2 - 2))),
        ("a dotted key", format!("{}a=1", &dots[..MAX - 4])),
        ("a dotted header", format!("[{}a]", &dots[..MAX - 4])),
        ("a dotted list header", format!("[[{}a]]", &dots[..MAX - 6])),
        ("dotted keys in each other", fill(&format!("{}a={{", "a.".repeat(70)))),
        ("dotted keys in lists in each other", fill(&format!("{}a=[{{", "a.".repeat(70)))),
        ("dots behind a quote", format!("x\"{}a=1", &dots[..MAX - 6])),
        ("dots behind an open string", format!("x = \"\\\n{}a=1", &dots[..MAX - 12])),
        ("dots behind many quotes", format!("x = ''''''''\n{}a=1", &dots[..MAX - 18])),
        ("dots behind a comment's return", format!("#\r{}a=1", &dots[..MAX - 6])),
        ("headers of eighty", fill(&format!("[{}a]\n", "a.".repeat(79)))),
        ("many keys", numbered(&|n| format!("k{n}=1\n"))),
        ("many short keys", fill("a=1\n")),
        ("many empty keys", fill("\"\"=1\n")),
        ("many tags of nothing", tags(numbered(&|n| format!("{n}={{}}\n")))),
        ("many tags of bare names", tags(numbered(&|n| format!("{n}=\"a\"\n")))),
        ("many tags that follow nothing", tags(numbered(&|n| format!("{n}={{follow=\"x{n}\"}}\n")))),
        ("many cycles", tags(numbered(&|n| format!("t{n}={{follow=\"t{n}\"}}\n")))),
        ("one long cycle", tags(numbered(&|n| format!("t{n}={{follow=\"t{}\"}}\n", n + 1)) + "t9={follow=\"t1\"}")),
        ("many unquoted versions", tags(numbered(&|n| format!("3.{n}=\"a.b/c:d\"\n")))),
        ("many tags twice", tags(fill("a=\"a.b/c:d\"\n"))),
        ("many headers twice", fill("[tags.a]\n")),
        ("many tables", fill("[[hook]]\n")),
        (
            "many schedules",
            tags(numbered(&|n| format!("t{n}={{image=\"a.b/c:d\",schedule=\"0 0 {} 2 {}\"}}\n", n % 99, n))),
        ),
        ("many time zones", tags(numbered(&|n| format!("t{n}={{image=\"a.b/c:d\",timezone=\"Europe/Berl{n}\"}}\n")))),
        ("a long string", format!("description = \"{}", &fill("x")[20..])),
        ("a long key", format!("{} = 1", &fill("k")[10..])),
        ("a long tag", tags(format!("{} = \"a.b/c:d\"", &fill("k")[30..]))),
        ("a long image", tags(format!("a = \"{}\"", &fill("a/")[20..]))),
        ("a long number", format!("a = {}", &fill("9")[10..])),
        ("a long list of numbers", format!("tags = [{}]", &fill("1,")[20..])),
        ("quotes", fill("\"")),
        ("equals", fill("=\n")),
        ("conflict markers", fill("<<<<<<< a\n")),
        ("turned text", fill("#\u{202e}\n")),
    ];
    let mut bombs: Vec<_> = texts.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
    bombs.push(("NUL", vec![0; MAX]));
    bombs.push(("no UTF-8", vec![0xff; MAX]));
    bombs.push(("too large", vec![b'#'; MAX + 1]));
    bombs
}

/// Reads every bomb as a stream, as settings and as policy: fails within two seconds of CPU time (twice that without
/// optimization), with a short error, within 300 MB, measured in a separate process.
#[test]
fn t6_each_of_forty_bombs_fails_quickly() {
    slow!();
    const CHILD: &str = "PINSTREAM_TEST_BOMBS";
    if std::env::var_os(CHILD).is_none() {
        let name = "definitions::t6_each_of_forty_bombs_fails_quickly";
        let mut child = Command::new(std::env::current_exe().unwrap());
        let end = child.args([name, "--exact", "--nocapture"]).env(CHILD, "1").output().unwrap();
        let said = String::from_utf8_lossy(&end.stdout);
        assert!(end.status.success(), "{said}{}", String::from_utf8_lossy(&end.stderr));
        println!("{said}");
        return;
    }
    let bombs = bombs();
    assert!(bombs.len() >= 40);
    let most = Duration::from_secs(if cfg!(debug_assertions) { 4 } else { 2 });
    for (name, bytes) in bombs {
        let start = worked();
        for path in ["streams/x.toml", "pinstream.toml"] {
            let mut files = RootFiles::from([("pinstream.toml".to_owned(), Vec::new())]);
            files.insert(path.to_owned(), bytes.clone());
            let problems = Root::read(&files).map(|_| ()).expect_err(name);
            let lost = problems.0.iter().find(|problem| problem.help.as_ref().is_none_or(String::is_empty));
            assert!(lost.is_none(), "{name}: no way out: {lost:?}");
            let text = RenderedProblems(&problems, RenderStyle::Plain).to_string();
            assert!(text.starts_with("error: ") && text.len() < 400_000, "{name}: {} bytes", text.len());
        }
        Policy::read("policy.toml", &bytes).expect_err(name);
        let took = worked() - start;
        println!("{name}: {took:?}, {} KiB", peak_kib());
        assert!(took < most, "{name}: {took:?}");
    }
    assert!(peak_kib() < 300_000, "{} KiB", peak_kib());
}
