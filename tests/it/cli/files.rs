//! Searches of whole trees: hidden, deep, many and ignored files, templates, and images that a kustomization decides.

use std::fmt::Write as _;

use serde_json::json;

use super::Stage;
use crate::support::lane::slow;
use crate::support::sandbox::Sandbox;

fn pod(image: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: web\n    image: {image}\n")
}

/// Returns the images that `check --all-images` reports, as `file image`.
fn reported(sandbox: &Sandbox) -> Vec<String> {
    let ran = sandbox.run(&["check", "--all-images", "--format", "json"]);
    let result: serde_json::Value =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", sandbox.shown(&ran)));
    let image =
        |image: &serde_json::Value| format!("{} {}", image["file"].as_str().unwrap(), image["image"].as_str().unwrap());
    result["images"].as_array().unwrap().iter().map(image).collect()
}

#[test]
fn f01_a_base_that_an_overlay_retags_is_left_alone() {
    let stage = Stage::new();
    let host = stage.registry.host();
    let base = pod(&format!("{host}/python:3.12"));
    stage.sandbox.write("base/web.yaml", &base);
    stage.sandbox.write("base/kustomization.yaml", "resources: [web.yaml]\n");
    let overlay = format!("resources: [../base]\nimages:\n- name: {host}/python\n  newTag: \"3.11\"\n");
    stage.sandbox.write("prod/kustomization.yaml", &overlay);
    stage.check(
        &["targets", "add"],
        r#"
--- out
prod/kustomization.yaml:3   python:3.11   kustomize = { path = "prod/kustomization.yaml", name = "REGISTRY/python" }
wrote pinstream.toml
next: run `pinstream update` to pin python:3.11 and write the pins, then commit
--- err
not added:
AT                TEXT                          REASON
base/web.yaml:6   REGISTRY/python:3.12   `prod/kustomization.yaml` sets its `newTag`
--- exit 0
"#,
    );
    stage.update();
    assert_eq!(stage.sandbox.read("base/web.yaml"), base);
    let pinned = format!("3.11@{}", stage.digest("python:3.11"));
    assert_eq!(stage.sandbox.read("prod/kustomization.yaml"), overlay.replace("3.11", &pinned));
    stage.check(
        &["check", "--all-images"],
        "
--- out
4 pins in 1 stream: lock and targets match the definitions
--- err
warning: `base/web.yaml`, line 6: image `REGISTRY/python:3.12` not checked: `prod/kustomization.yaml` sets its `newTag`
--- exit 0
",
    );
}

#[test]
fn f06_hidden_directories_are_searched() {
    let stage = Stage::pinned();
    for path in [".devcontainer/Dockerfile", ".github/build/Dockerfile", ".a/.b/Containerfile", ".git/Dockerfile"] {
        stage.sandbox.write(path, "FROM golang:1\n");
    }
    stage.sandbox.write(".tekton/task.yaml", &pod("redis:7"));
    let host = stage.registry.host();
    stage.sandbox.write(".ci/Dockerfile", &format!("FROM {host}/python:3.12\n"));
    stage.sandbox.run(&["targets", "add"]);
    stage.update();
    assert!(stage.sandbox.read(".ci/Dockerfile").contains(":3.12@sha256:"), "{}", stage.sandbox.read(".ci/Dockerfile"));
    assert_eq!(
        reported(&stage.sandbox),
        [
            ".a/.b/Containerfile golang:1",
            ".devcontainer/Dockerfile golang:1",
            ".github/build/Dockerfile golang:1",
            ".tekton/task.yaml redis:7"
        ]
    );
}

/// Writes this many YAML files, of which every hundredth names an image.
fn write_files(sandbox: &Sandbox, files: usize) {
    for at in 0..files {
        let mut text = String::new();
        for line in 0..40 {
            let _ = writeln!(text, "  key{line}: a value of some length, number {line}");
        }
        let text = if at % 100 == 0 { pod(&format!("golang:{at}")) } else { format!("config:\n{text}") };
        sandbox.write(&format!("files/{}/{at}.yaml", at % 50), &text);
    }
}

#[test]
fn f08_the_number_of_searched_files_has_no_limit() {
    let stage = Stage::pinned();
    write_files(&stage.sandbox, 5_200);
    assert_eq!(reported(&stage.sandbox).len(), 52);
    let ran = stage.sandbox.run(&["targets", "add"]);
    assert_eq!(ran.code, Some(0), "{}", stage.sandbox.shown(&ran));
}

#[test]
fn f08_thirty_thousand_files_are_searched_within_64_mib() {
    slow!();
    let stage = Stage::pinned();
    write_files(&stage.sandbox, 30_000);
    let mut child = stage.sandbox.start(&["check", "--all-images"]);
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now: u64 = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0);
        peak = now.max(peak);
    }
    let ran = stage.sandbox.ended(child);
    assert_eq!(ran.code, Some(2), "{}", stage.sandbox.shown(&ran));
    assert_eq!(ran.stderr, "note: 29700 files not read: 29700 of unknown kind; `-v` lists them\n");
    assert!((1..64 << 10).contains(&peak), "{peak} KiB");
}

#[test]
fn f09_a_file_may_be_as_deep_as_git_allows() {
    let stage = Stage::pinned();
    let deep = format!("{}Dockerfile", "directory/".repeat(30));
    stage.sandbox.write(&deep, &format!("FROM {}/python:3.12\n", stage.registry.host()));
    stage.sandbox.write(&deep.replace("Dockerfile", "other.dockerfile"), "FROM golang:1\n");
    stage.commit("Files");
    let ran = stage.sandbox.run(&["targets", "add"]);
    assert!(ran.stdout.contains(&format!("dockerfile = {{ path = \"{deep}\", stage = \"0\" }}")), "{}", ran.stdout);
    stage.update();
    assert!(stage.sandbox.read(&deep).contains(":3.12@sha256:"));
    stage.commit("Targets");
    let remote = stage.sandbox.work().display().to_string();
    let ran = stage.sandbox.run(&["reconcile", "--remote", &remote]);
    assert_eq!(ran.code, Some(0), "{}", stage.sandbox.shown(&ran));
    let other = format!("{} golang:1", deep.replace("Dockerfile", "other.dockerfile"));
    assert_eq!(reported(&stage.sandbox), [other]);
}

#[test]
fn f11_ignored_files_and_images_are_skipped_by_all_searches() {
    let stage = Stage::pinned();
    let rules =
        "[files]\nignore = [\"vendor/\", \"**/testdata/\", \"!deploy/\"]\nignore-images = [\"docker.io/acme/*\"]\n";
    stage.settings(rules);
    let host = stage.registry.host();
    for path in ["vendor/a/Dockerfile", "b/testdata/Dockerfile", "deploy/Dockerfile"] {
        stage.sandbox.write(path, &format!("FROM {host}/python:3.12\nFROM golang:1\nFROM acme/placeholder:x\n"));
    }
    assert_eq!(
        reported(&stage.sandbox),
        [format!("deploy/Dockerfile {host}/python:3.12"), "deploy/Dockerfile golang:1".to_owned()]
    );
    stage.check(
        &["targets", "add", "--dry-run"],
        r#"
--- out
# pinstream.toml
[[target]]
from = "python:3.12"
dockerfile = { path = "deploy/Dockerfile", stage = "0" }
--- err
not added:
AT                    TEXT                         REASON
deploy/Dockerfile:2   docker.io/library/golang:1   not covered; run `pinstream tag docker.io/library/golang:1 golang:1`
note: 2 files not read: 2 excluded by `[files] ignore`; `-v` lists them
note: `REGISTRY/python:3.12` is covered by several tags; using `python:3.12`, not `python:arm`
--- exit 0
"#,
    );
    // A file that somebody names is searched.
    let ran = stage.sandbox.run(&["targets", "add", "--dry-run", "vendor/a/Dockerfile"]);
    assert!(ran.stdout.contains("path = \"vendor/a/Dockerfile\""), "{}", stage.sandbox.shown(&ran));
    let other = Sandbox::new();
    other.write("new/.keep", "");
    other.write("old/pinstream.toml", rules);
    for path in ["old/vendor/a/Dockerfile", "old/b/testdata/Dockerfile", "old/deploy/Dockerfile"] {
        other.write(path, "FROM golang:1\nFROM acme/placeholder:x\n");
    }
    let ran = other.run(&["-C", "new", "init", "--from", "../old"]);
    assert_eq!(ran.code, Some(0), "{}", other.shown(&ran));
    let streams = std::fs::read_dir(other.work().join("new/streams")).unwrap();
    let streams: Vec<_> = streams.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(streams, ["golang.toml"]);
    assert_eq!(other.run(&["-C", "new", "list"]).stdout.lines().count(), 2);
}

#[test]
fn f13_templates_of_charts_are_one_line_with_a_count() {
    let stage = Stage::pinned();
    for at in 0..20 {
        let text = format!(
            "{{{{- if .Values.on }}}}\n{}  - image: {{{{ .Values.image }}}}\n{{{{- end }}}}\n",
            pod("busybox:1")
        );
        stage.sandbox.write(&format!("chart/templates/{at}.yaml"), &text);
    }
    stage.sandbox.write("chart/templates/valid.yaml", &pod("\"{{ .Values.image }}:{{ .Values.tag }}\""));
    stage.sandbox.write("chart/Chart.yaml", "name: chart\n");
    stage.sandbox.write("chart/other.yaml", "name: other\n");
    let ran = stage.sandbox.run(&["check", "--all-images"]);
    assert_eq!(ran.stdout.matches("`busybox:1`: not covered").count(), 20, "{}", ran.stdout);
    assert_eq!(
        ran.stderr,
        "note: 1 image not checked: set by chart templates; `-v` lists them\nnote: 21 files not read: 1 of unknown kind, 20 templates (literal images only); `-v` lists them\n"
    );
    let ran = stage.sandbox.run(&["check", "--all-images", "-v"]);
    assert!(ran.stderr.contains("`chart/templates/7.yaml` is a template"), "{}", ran.stderr);
    assert!(ran.stderr.contains("`chart/templates/valid.yaml`, line 6: image"), "{}", ran.stderr);
    let ran = stage.sandbox.run(&["check", "--all-images", "--format", "json"]);
    let result: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let unread = json!([{ "reason": "unknown-kind", "files": 1 }, { "reason": "template", "files": 20 }]);
    assert_eq!(result["unread"], unread);
    let ran = stage.sandbox.run(&["targets", "add"]);
    assert!(!ran.stderr.contains("invalid YAML"), "{}", ran.stderr);
}

#[test]
fn f15_an_image_of_compose_is_pinned_in_its_env_file() {
    let stage = Stage::pinned();
    let host = stage.registry.host();
    stage.sandbox.write("app/compose.yaml", "services:\n  web: {image: \"${WEB_IMAGE}\"}\n");
    stage.sandbox.write("app/.env", &format!("WEB_IMAGE={host}/python:3.12\nOTHER=1\n"));
    stage.check(
        &["targets", "add"],
        r#"
--- out
app/.env:1   python:3.12   env = { path = "app/.env", key = "WEB_IMAGE" }
wrote pinstream.toml
next: run `pinstream update --offline` to write the pins, then commit
--- err
not added:
AT                   TEXT                          REASON
app/compose.yaml:2   REGISTRY/python:3.12   is set in `.env`
note: `REGISTRY/python:3.12` is covered by several tags; using `python:3.12`, not `python:arm`
--- exit 0
"#,
    );
    stage.update();
    let digest = stage.digest("python:3.12");
    assert_eq!(stage.sandbox.read("app/.env"), format!("WEB_IMAGE={host}/python:3.12@{digest}\nOTHER=1\n"));
    assert_eq!(reported(&stage.sandbox), Vec::<String>::new());
    // Other clones lack a file that Git ignores.
    stage.sandbox.write(".gitignore", ".env\n");
    let ran = stage.sandbox.run(&["check", "--all-images"]);
    assert!(
        ran.stderr.contains("image `${WEB_IMAGE}` not checked: contains a variable"),
        "{}",
        stage.sandbox.shown(&ran)
    );
}

#[test]
fn f19_a_tag_without_quotes_is_drift_only_if_it_is_not_text() {
    let stage = Stage::new();
    stage.registry.push("python", "3.12.4", &super::image(12, "3.12.4"));
    stage.stream("[tags]\ntext = \"REGISTRY/python:3.12.4\"\nnumber = \"REGISTRY/python:3.12\"\n");
    let target = |tag: &str| {
        format!(
            "[[target]]\nfrom = \"python:{tag}\"\nwrite = \"tag\"\nyaml = {{ path = \"a.yaml\", at = \"{tag}\" }}\n"
        )
    };
    stage.settings(&format!("{}{}", target("text"), target("number")));
    stage.sandbox.write("a.yaml", "text: 3.12.4\nnumber: \"3.12\"\n");
    stage.update();
    let ran = stage.sandbox.run(&["check"]);
    assert_eq!(ran.code, Some(0), "{}", stage.sandbox.shown(&ran));
    stage.sandbox.write("a.yaml", "text: 3.12.4\nnumber: 3.12\n");
    let ran = stage.sandbox.run(&["check"]);
    let expected = "`a.yaml`, line 2: expected `3.12` (pin of `python:number`), found `3.12`, unquoted, so YAML does not read it as text\n";
    assert!(ran.code == Some(2) && ran.stdout.starts_with(expected), "{}", stage.sandbox.shown(&ran));
}
