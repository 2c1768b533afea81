//! Targets as they are written in `pinstream.toml`, on one file: how all kinds are tested.

use super::*;
use crate::model::settings;

/// The digest that `python:3.12` is pinned to.
pub(super) const DIGEST: &str = "sha256:abababababababababababababababababababababababababababababababab";

/// The pin of `python:3.12`; `python:new` has none, and there is no other tag.
pub(super) fn pins(id: &TagId) -> TargetPin {
    match id.to_string().as_str() {
        "python:3.12" => {
            let image = "docker.io/library/python:3.12".parse().unwrap();
            TargetPin::At(PinnedRef { image, digest: DIGEST.parse().unwrap() })
        }
        "python:new" => TargetPin::Elsewhere,
        _ => TargetPin::Unknown("python:3.12".parse().ok()),
    }
}

/// The targets of some settings.
pub(super) fn targets(written: &str) -> Vec<Target> {
    let (settings, problems) = settings::read(written.as_bytes());
    assert_eq!(problems, []);
    settings.targets
}

/// What a file with these bytes becomes by one target, or what is wrong with it and where.
pub(super) fn edited(target: &str, path: &str, before: &str) -> String {
    let from = if target.starts_with("marker") { "" } else { "from = \"python:3.12\"\n" };
    let targets = targets(&format!("[[target]]\n{from}{target}\n"));
    let mut editing = TargetWriter::new(&targets, &pins);
    editing.file(path, Some(before.as_bytes()), &[0]);
    match editing.finish() {
        Ok(files) => files.into_iter().next().map_or_else(|| before.to_owned(), |file| file.new),
        Err(problems) => {
            let problem = &problems.0[0];
            let (line, _) = problem.position().unwrap();
            format!("{line} ! {}; {}", problem.message, problem.help.as_deref().unwrap())
        }
    }
}

#[track_caller]
pub(super) fn check(target: &str, path: &str, before: &str, expected: &str) {
    assert_eq!(edited(target, path, before), expected, "{target}");
}

/// Several targets on several files: what each becomes, or what is wrong.
#[track_caller]
fn check_all(written: &str, files: &[(&str, &[u8])], expected: &str) {
    let targets = targets(written);
    let mut editing = TargetWriter::new(&targets, &pins);
    let listed: Vec<String> = files.iter().map(|(path, _)| (*path).to_owned()).collect();
    for (path, numbers) in editing.files(&listed) {
        let bytes = files.iter().find(|(known, _)| *known == path).map(|(_, bytes)| *bytes);
        editing.file(&path, bytes, &numbers);
    }
    let found = match editing.finish() {
        Ok(files) => files.iter().map(|file| format!("{}: {}", file.path, file.new.trim_end())).collect::<Vec<_>>(),
        Err(problems) => problems.0.iter().map(|one| format!("! {}", one.message)).collect(),
    };
    assert_eq!(found.join("\n").replace(DIGEST, "DIGEST"), expected);
}

const TAG: &str = "[[target]]\nfrom = \"python:3.12\"\nwrite = \"tag\"\n";

#[test]
fn a_pattern_passes_by_files_without_the_place_but_not_all_of_them() {
    let written = format!("{TAG}yaml = {{ path = \"**/*.yaml\", at = \"tag\" }}\n");
    let files: [(&str, &[u8]); 3] = [("a.yaml", b"tag: x"), ("b/c.yaml", b"tag: y"), ("d.yaml", b"other: z")];
    check_all(&written, &files, "a.yaml: tag: \"3.12\"\nb/c.yaml: tag: \"3.12\"");
    check_all(&written, &files[2..], "! the one file of `**/*.yaml` has not the target's place: `d.yaml` has no `tag`");
    check_all(
        &written,
        &[("d.yaml", b"tags: z"), ("e.yaml", b"")],
        "! none of the 2 files of `**/*.yaml` has the target's place: `d.yaml` has no `tag`",
    );
    check_all(&written, &[], "! the target's pattern `**/*.yaml` means no file");
}

#[test]
fn a_file_that_is_not_there_or_no_text_is_an_error() {
    let written = format!("{TAG}yaml = {{ path = \"a.yaml\", at = \"tag\" }}\n");
    check_all(&written, &[], "! the target names `a.yaml`, which does not exist");
    check_all(&written, &[("a.yaml", b"tag: \xff")], "! the target names `a.yaml`, which is no text in UTF-8");
    check_all(&written, &[("a.yaml", b"tag: \0")], "! the target names `a.yaml`, which is no text in UTF-8");
    let markers = "[[target]]\nmarker = { path = \"**\" }\n";
    check_all(
        markers,
        &[("a.png", b"\xff"), ("b", b"python # pinstream: python:3.12")],
        "b: docker.io/library/python:3.12@DIGEST # pinstream: python:3.12",
    );
}

#[test]
fn a_place_is_written_by_one_target_or_by_several_that_agree() {
    let written = format!("{TAG}yaml = {{ path = \"a.yaml\", at = \"tag\" }}\n");
    let twice = format!("{written}{}", written.replace("a.yaml", "*.yaml"));
    check_all(&twice, &[("a.yaml", b"tag: x")], "a.yaml: tag: \"3.12\"");
    let apart = format!("{written}{}", written.replace("\"tag\"\n", "\"digest\"\n"));
    check_all(
        &apart,
        &[("a.yaml", b"tag: x")],
        "! `python:3.12` and `python:3.12` are both to be written into this place",
    );
}

#[test]
fn a_tag_without_a_pin_leaves_its_places_alone() {
    let written = "[[target]]\nfrom = \"python:new\"\nyaml = { path = \"*.yaml\", at = \"tag\" }\n";
    check_all(written, &[("a.yaml", b"tag: x")], "");
}

#[test]
fn ten_megabytes_are_kept_but_for_the_value() {
    let line = "# a comment that says nothing at all, over and over again\r\n";
    let filler = line.repeat(10_000_000 / line.len());
    let before = format!("{filler}image: python:3\r\n{filler}");
    let new = format!("docker.io/library/python:3.12@{DIGEST}");
    assert_eq!(
        edited("yaml = { path = \"a.yaml\", at = \"image\" }", "a.yaml", &before),
        before.replace("python:3", &new)
    );
}
