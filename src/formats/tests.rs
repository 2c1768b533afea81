//! Targets as written in `pinstream.toml`, applied to files; helpers for the tests of all kinds.

use std::path::Path;

use super::*;
use crate::model::settings;
use crate::text::diagnostics::lines::LineIndex;

/// Pinned digest of `python:3.12`.
pub(super) const DIGEST: &str = "sha256:abababababababababababababababababababababababababababababababab";

/// Looks up `python:3.12`; `python:new` has no pin, and other tags do not exist.
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

/// Reads the targets of settings.
pub(super) fn targets(toml: &str) -> Vec<Target> {
    let (settings, problems) = settings::read(toml.as_bytes());
    assert_eq!(problems, []);
    settings.targets
}

/// Applies one target to a file; returns its new text, or the first problem with its line.
pub(super) fn edited(target: &str, path: &str, before: &str) -> String {
    let from = if target.contains("marker") { "" } else { "from = \"python:3.12\"\n" };
    let targets = targets(&format!("[[target]]\n{from}{target}\n"));
    let mut writer = TargetWriter::new(&targets, &pins);
    writer.file(path, Some(before.as_bytes()), &[0]);
    match writer.finish() {
        Ok(files) => files.into_iter().next().map_or_else(|| before.to_owned(), |file| file.new),
        Err(problems) => {
            let problem = &problems.0[0];
            let (line, _) = problem.position().unwrap();
            format!("{line} ! {}; {}", problem.message, problem.help.as_deref().unwrap())
        }
    }
}

/// Checks the text of a file after one target was applied.
#[track_caller]
pub(super) fn check(target: &str, path: &str, before: &str, expected: &str) {
    assert_eq!(edited(target, path, before), expected, "{target}");
}

/// Checks several targets on several files: the new texts, or the problems.
#[track_caller]
fn check_all(toml: &str, files: &[(&str, &[u8])], expected: &str) {
    let targets = targets(toml);
    let mut writer = TargetWriter::new(&targets, &pins);
    let listed: Vec<String> = files.iter().map(|(path, _)| (*path).to_owned()).collect();
    for (path, numbers) in writer.files(&listed) {
        let bytes = files.iter().find(|(known, _)| *known == path).map(|(_, bytes)| *bytes);
        writer.file(&path, bytes, &numbers);
    }
    let found = match writer.finish() {
        Ok(files) => files.iter().map(|file| format!("{}: {}", file.path, file.new.trim_end())).collect::<Vec<_>>(),
        Err(problems) => problems.0.iter().map(|one| format!("! {}", one.message)).collect(),
    };
    assert_eq!(found.join("\n").replace(DIGEST, "DIGEST"), expected);
}

/// Checks the images in a file, each as `line text = image`.
#[track_caller]
pub(super) fn check_find(path: &str, text: &str, expected: &[&str]) {
    let file = Arc::new(SourceFile { path: path.to_owned(), text: text.to_owned() });
    let found = match FileKind::of(&file).unwrap().find(&file) {
        Ok(found) => found,
        Err(problem) => {
            let (line, _) = problem.position().unwrap();
            assert_eq!([format!("{line} ! {}", problem.message)].as_slice(), expected);
            return;
        }
    };
    let lines = LineIndex::new(text);
    let show = |site: &ImageSite| {
        let (line, written) = (site.line(&lines), &text[site.span.clone()]);
        match &site.image {
            Ok(image) => format!("{line} {written} = {image}"),
            Err(why) => format!("{line} {written} ! {why}"),
        }
    };
    assert_eq!(found.iter().map(show).collect::<Vec<_>>(), expected);
}

const TAG: &str = "[[target]]\nfrom = \"python:3.12\"\nwrite = \"tag\"\n";

#[test]
fn a_glob_skips_files_without_the_place_but_not_all_of_them() {
    let written = format!("{TAG}yaml = {{ path = \"**/*.yaml\", at = \"tag\" }}\n");
    let files: [(&str, &[u8]); 3] = [("a.yaml", b"tag: x"), ("b/c.yaml", b"tag: y"), ("d.yaml", b"other: z")];
    check_all(&written, &files, "a.yaml: tag: \"3.12\"\nb/c.yaml: tag: \"3.12\"");
    check_all(&written, &files[2..], "! target not found in 1 file matching `**/*.yaml`, e.g. `d.yaml` has no `tag`");
    check_all(
        &written,
        &[("d.yaml", b"tags: z"), ("e.yaml", b"")],
        "! target not found in 2 files matching `**/*.yaml`, e.g. `d.yaml` has no `tag`",
    );
    check_all(&written, &[], "! no file matches the target's glob `**/*.yaml`");
}

#[test]
fn a_missing_or_binary_file_is_an_error() {
    let written = format!("{TAG}yaml = {{ path = \"a.yaml\", at = \"tag\" }}\n");
    check_all(&written, &[], "! target file `a.yaml` does not exist");
    check_all(&written, &[("a.yaml", b"tag: \xff")], "! target file `a.yaml` is not UTF-8 text");
    check_all(&written, &[("a.yaml", b"tag: \0")], "! target file `a.yaml` is not UTF-8 text");
    let markers = "[[target]]\nmarker = { path = \"**\" }\n";
    check_all(
        markers,
        &[("a.png", b"\xff"), ("b", b"python # pinstream: python:3.12")],
        "b: python:3.12@DIGEST # pinstream: python:3.12",
    );
}

#[test]
fn targets_of_the_same_place_must_write_the_same_text() {
    let written = format!("{TAG}yaml = {{ path = \"a.yaml\", at = \"tag\" }}\n");
    let twice = format!("{written}{}", written.replace("a.yaml", "*.yaml"));
    check_all(&twice, &[("a.yaml", b"tag: x")], "a.yaml: tag: \"3.12\"");
    let apart = format!("{written}{}", written.replace("\"tag\"\n", "\"digest\"\n"));
    check_all(
        &apart,
        &[("a.yaml", b"tag: x")],
        "! targets of `python:3.12` and `python:3.12` write different text here",
    );
}

#[test]
fn a_tag_without_a_pin_leaves_its_places_unchanged() {
    let written = "[[target]]\nfrom = \"python:new\"\nyaml = { path = \"*.yaml\", at = \"tag\" }\n";
    check_all(written, &[("a.yaml", b"tag: x")], "");
}

#[test]
fn only_the_value_in_ten_megabytes_changes() {
    let line = "# a comment that says nothing at all, over and over again\r\n";
    let filler = line.repeat(10_000_000 / line.len());
    let before = format!("{filler}image: python:3\r\n{filler}");
    let new = format!("python:3.12@{DIGEST}");
    assert_eq!(
        edited("yaml = { path = \"a.yaml\", at = \"image\" }", "a.yaml", &before),
        before.replace("python:3", &new)
    );
}

#[test]
fn a_file_is_recognized_by_its_name_or_its_content() {
    let check = |path: &str, text: &str, expected: Option<FileKind>| {
        assert_eq!(FileKind::of(&SourceFile { path: path.to_owned(), text: text.to_owned() }), expected, "{path}");
    };
    for path in ["Dockerfile", "a/Dockerfile.dev", "web.dockerfile", "Containerfile"] {
        check(path, "", Some(FileKind::Dockerfile));
    }
    check("build", "# x\nFROM a\n", Some(FileKind::Dockerfile));
    check("docker-compose.prod.yml", "", Some(FileKind::Compose));
    check("stack.yaml", "services:\n  a: {}\n", Some(FileKind::Compose));
    check("a.yaml", "# x\nkind: Pod\n", Some(FileKind::Yaml));
    check("a.json", "{\"kind\": \"Pod\"}", Some(FileKind::Json));
    for path in ["values.yaml", "chart/values-prod.yml", "prod.values.yaml"] {
        check(path, "image: a\nservices:\n", Some(FileKind::Helm));
    }
    check("evalues.yaml", "image: a\n", None);
    check("values.yaml", "apiVersion: v1\nkind: Pod\n", Some(FileKind::Yaml));
    for path in ["kustomization.yaml", "base/kustomization.yml", "prod/Kustomization"] {
        check(path, "kind: Kustomization\n", Some(FileKind::Kustomize));
    }
    check(".github/workflows/a.yml", "", Some(FileKind::Workflow));
    check("templates/ci.yml", "on: push\njobs:\n", Some(FileKind::Workflow));
    check("setup/action.yml", "runs:\n", Some(FileKind::Workflow));
    check("action.yml", "jobs:\n", None);
}

#[test]
fn f10_the_values_of_a_chart_may_have_a_key_kind() {
    let recognized =
        |text: &str| FileKind::of(&SourceFile { path: "chart/values.yaml".to_owned(), text: text.to_owned() });
    assert_eq!(recognized("kind: Deployment\nimage: a:1\n"), Some(FileKind::Helm));
    assert_eq!(recognized("apiVersion: v2\nimage: a:1\n"), Some(FileKind::Helm));
    check_find("chart/values.yaml", "kind: Deployment\nimage: a:1\n", &["2 a:1 = docker.io/library/a:1"]);
}

#[test]
fn f12_files_about_dockerfiles_are_not_dockerfiles() {
    let recognized =
        |path: &str, text: &str| FileKind::of(&SourceFile { path: path.to_owned(), text: text.to_owned() });
    for (path, text) in [
        ("dockerfile_test.go", "package x\n\nconst text = `\nFROM golang:1\n`\n"),
        ("dockerfile_test.go", "FROM golang:1\n"),
        ("about-dockerfiles.md", "# Dockerfiles\n\nFROM golang:1 is the first line.\n"),
        ("Dockerfile.md", "# Dockerfiles\n\nFROM golang:1 is the first line.\n"),
        ("Dockerfile", "{{ header }}\nFROM golang:1\n"),
        ("dockerfile-notes", "Notes\nFROM golang:1\n"),
    ] {
        assert_eq!(recognized(path, text), None, "{path}");
    }
    for path in ["Dockerfile", "Dockerfile.go", "go.dockerfile", "Dockerfile-1.25", "docker/Dockerfile-alpine3.20"] {
        assert_eq!(recognized(path, "# A comment.\n\narg V=1\nFROM golang:$V\n"), Some(FileKind::Dockerfile), "{path}");
    }
}

#[test]
fn f20_a_kubernetes_object_in_json_is_searched() {
    assert!(FileKind::ALL.iter().any(|kind| kind.patterns().contains(&"**/*.json")));
    check_find(
        "deploy/pod.json",
        "{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"spec\": {\"containers\": [{\"image\": \"a:1\"}]}}",
        &["1 a:1 = docker.io/library/a:1"],
    );
}

#[test]
fn f01_a_repository_that_means_the_same_one_keeps_its_spelling() {
    for written in ["python", "library/python", "docker.io/python", "index.docker.io/library/python"] {
        for (write, was, new) in [
            ("reference", ":3", ":3.12@DIGEST"),
            ("reference", "", ":3.12@DIGEST"),
            ("repository@digest", ":3@sha256:00", "@DIGEST"),
            ("repository:tag", ":3", ":3.12"),
            ("repository", "", ""),
        ] {
            for (target, path, text) in [
                ("yaml = { path = \"a.yaml\", at = \"image\" }", "a.yaml", "image: NAME # x\n"),
                ("json = { path = \"a.json\", at = \"image\" }", "a.json", "{\"image\": \"NAME\"}"),
                ("toml = { path = \"a.toml\", at = \"image\" }", "a.toml", "image = 'NAME'\n"),
                ("compose = { path = \"c.yml\", service = \"a\" }", "c.yml", "services: {a: {image: 'NAME'}}\n"),
                ("dockerfile = { path = \"Dockerfile\", stage = \"0\" }", "Dockerfile", "FROM NAME AS x\n"),
            ] {
                let expected = text.replace("NAME", &format!("{written}{new}")).replace("DIGEST", DIGEST);
                let target = format!("write = \"{write}\"\n{target}");
                check(&target, path, &text.replace("NAME", &format!("{written}{was}")), &expected);
            }
        }
    }
    check(
        "yaml = { path = \"a.yaml\", at = \"image\" }",
        "a.yaml",
        "image: quay.io/library/python:3\n",
        &format!("image: docker.io/library/python:3.12@{DIGEST}\n"),
    );
}

#[test]
fn f04_a_digest_is_written_without_its_algorithm() {
    let hex = DIGEST.trim_start_matches("sha256:");
    let at = "yaml = { path = \"a.yaml\", at = \"digest\" }";
    check(&format!("write = \"digest-hex\"\n{at}"), "a.yaml", "digest: ''\n", &format!("digest: '{hex}'\n"));
    let old = "0".repeat(64);
    check(&format!("write = \"digest\"\n{at}"), "a.yaml", &format!("digest: {old}\n"), &format!("digest: {hex}\n"));
    check(
        "marker = { path = \"x\" }",
        "x",
        &format!("D={old} # pinstream: python:3.12\n"),
        &format!("D={hex} # pinstream: python:3.12\n"),
    );
}

/// Checks the edits of one target in `a.yaml` with these bytes.
#[track_caller]
fn check_edits(path: &str, bytes: Option<&[u8]>, expected: &str) {
    let toml = format!("[[target]]\nfrom = \"python:3.12\"\nyaml = {{ path = \"{path}\", at = \"a[*].image\" }}\n");
    let found = match targets(&toml)[0].edits(&TargetFile::new("a.yaml", bytes), &pins) {
        Ok(edits) => {
            let show = |edit: &TargetEdit| {
                let mark = if edit.is_current { "=" } else { "!" };
                format!("{} {mark} {}", edit.line, edit.was)
            };
            edits.iter().map(show).collect::<Vec<_>>().join("; ")
        }
        Err(problem) => problem.message,
    };
    assert_eq!(found, expected);
}

#[test]
fn an_edit_has_the_current_value_and_is_current_if_that_is_the_pin() {
    let pinned = format!("docker.io/library/python:3.12@{DIGEST}");
    let text = format!("a:\n- image: \"{pinned}\"\n- image: python:3\n");
    check_edits("a.yaml", Some(text.as_bytes()), &format!("2 = {pinned}; 3 ! python:3"));
}

#[test]
fn a_missing_place_is_an_error_unless_the_path_is_a_glob() {
    check_edits("a.yaml", Some(b"b: 1"), "`a.yaml` has no `a`");
    check_edits("*.yaml", Some(b"b: 1"), "");
    check_edits("*.yaml", Some(b"a: [{image: {}}]"), "expected a string, found a list or a map");
    check_edits("a.yaml", None, "target file `a.yaml` does not exist");
    check_edits("a.yaml", Some(b"\xff"), "target file `a.yaml` is not UTF-8 text");
}

#[test]
fn a_kind_is_named_in_its_own_file_and_in_the_list_of_kinds() {
    /// Returns the files below `path` with their code before any tests.
    fn files(path: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                files(&entry, found);
            } else if entry.file_name().is_some_and(|name| name != "tests.rs") {
                let text = std::fs::read_to_string(&entry).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
                found.push((entry.to_str().unwrap().to_owned(), code));
            }
        }
    }
    let mut sources = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut sources);
    for kind in FileKind::ALL {
        let (key, name) = (kind.key(), format!("{kind:?}"));
        let own = format!("/src/formats/{key}");
        let names = [format!("{name}Place"), format!("FileKind::{name}"), format!("TargetKind::{name}")];
        let is_named = |code: &str| names.iter().any(|name| code.contains(name));
        let others = sources.iter().filter(|(path, code)| is_named(code) && !path.contains(&own));
        let others: Vec<&str> = others.map(|(path, _)| path.rsplit_once("/src/").unwrap().1).collect();
        let expected: &[&str] = match key {
            // A workflow's images are also values of a YAML file.
            "yaml" => &["formats/workflow.rs", "formats.rs"],
            // Custom resources contain values of charts.
            "helm" => &["formats/image.rs", "formats.rs"],
            _ => &["formats.rs"],
        };
        assert_eq!(BTreeSet::from_iter(others), BTreeSet::from_iter(expected.iter().copied()), "{name}");
    }
}

#[test]
fn all_patterns_are_valid() {
    let all: Vec<&str> = FileKind::ALL.iter().flat_map(|kind| kind.patterns()).copied().collect();
    assert_eq!(super::search_patterns().len(), all.len());
}
