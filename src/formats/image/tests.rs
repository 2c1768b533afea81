//! Helpers for the tests of all kinds: images are found, the suggested targets write them, and nothing else changes.

use std::collections::BTreeMap;

use serde::Deserialize as _;
use serde_yaml_ng::Value;

use super::super::suggest::{SuggestedTarget, TargetRequest, suggest};
use super::super::tests::{DIGEST, check, pins, targets};
use super::super::{FileKind, Target, TargetWriter};
use super::*;
use crate::text::diagnostics::lines::LineIndex;

/// Returns the images in a file with the suggested targets for those from Docker Hub's `python`, as
/// `line image; target`, and the new targets.
fn suggested(path: &str, text: &str, existing: &[Target]) -> (Vec<String>, Vec<Target>) {
    let file = Arc::new(SourceFile { path: path.to_owned(), text: text.to_owned() });
    let Some(kind) = FileKind::of(&file) else { return Default::default() };
    let sites = match kind.find(&file) {
        Ok(sites) => sites,
        Err(problem) => return (vec![format!("{} ! {}", problem.position().unwrap().0, problem.message)], Vec::new()),
    };
    let is_python =
        |site: &ImageSite| site.image.as_ref().is_ok_and(|image| image.repository().path() == "library/python");
    let wanted: Vec<_> = sites.iter().map(|site| is_python(site).then(|| "python:3.12".parse().unwrap())).collect();
    let request = TargetRequest {
        file: &file,
        kind,
        companions: &[],
        sites: &sites,
        wanted: &wanted,
        targets: existing,
        pins: &pins,
    };
    let (lines, mut new) = (LineIndex::new(text), Vec::new());
    let show = |(site, suggestion): (&ImageSite, SuggestedTarget)| {
        let why = site.image.as_ref().err().map(|why| format!(" ! {why}")).unwrap_or_default();
        let target = match suggestion {
            SuggestedTarget::None => String::new(),
            SuggestedTarget::Existing => "; existing".to_owned(),
            SuggestedTarget::Shared => "; shared".to_owned(),
            SuggestedTarget::New(target) => {
                let table = target.to_toml("; ").replace(&format!("path = \"{path}\""), "PATH");
                new.push(target);
                let table = table.trim_start_matches("[[target]]; from = \"python:3.12\"; ");
                format!("; {}", table.trim_end_matches("; "))
            }
            SuggestedTarget::Unsupported(problem) | SuggestedTarget::BadPath(problem) => {
                format!("; {}; {}", problem.message, problem.help.unwrap_or_default())
            }
        };
        format!("{} {}{why}{target}", site.line(&lines), site.text.replace(DIGEST, "DIGEST"))
    };
    let shown = sites.iter().zip(suggest(&request)).map(show).collect();
    (shown, new)
}

/// Returns a file before and after its targets were written: they add each `DIGEST` of `marked`, with the `@` before it,
/// and change `«old→new»`.
fn before_and_after(marked: &str) -> (String, String) {
    let (mut before, mut after) = (String::new(), String::new());
    for part in marked.split('»') {
        let (same, change) = part.split_once('«').unwrap_or((part, "→"));
        let (old, new) = change.split_once('→').unwrap();
        before.extend([same.replace("@DIGEST", "").replace("DIGEST", ""), old.to_owned()]);
        after.extend([same, new]);
    }
    (before, after)
}

/// Checks the images in a file with the suggested targets, and the text after those were written, both in `marked` as in
/// [`before_and_after`]. YAML and JSON are also parsed by another parser: only images may differ.
#[track_caller]
pub(in crate::formats) fn check_kind(path: &str, marked: &str, expected: &[&str]) {
    let (before, after) = before_and_after(marked);
    let before = before.as_str();
    let (shown, new) = suggested(path, before, &[]);
    assert_eq!(shown, expected);
    let written = new.iter().map(|target| target.to_toml("\n")).collect::<String>();
    let mut all = targets(&written);
    let mut writer = TargetWriter::new(&all, &pins);
    writer.file(path, Some(before.as_bytes()), &(0..all.len()).collect::<Vec<_>>());
    let edited = writer.finish().unwrap().pop().map_or_else(|| before.to_owned(), |file| file.new);
    assert_eq!(edited.replace(DIGEST, "DIGEST"), after);
    if path.ends_with("ml") || path.ends_with(".json") {
        let (old, new) = (leaves(before), leaves(&edited));
        let changed: Vec<&String> = new.difference(&old).collect();
        assert!(changed.iter().all(|leaf| leaf.contains(DIGEST) || leaf.ends_with(" 3.12")), "{changed:?}");
        assert_eq!(old.len(), new.len());
    }
    all.iter_mut().for_each(|target| target.path = new[0].path.clone());
    let (again, more) = suggested(path, &edited, &all);
    assert_eq!(more, [], "{again:?}");
    let mut writer = TargetWriter::new(&all, &pins);
    writer.file(path, Some(edited.as_bytes()), &(0..all.len()).collect::<Vec<_>>());
    assert_eq!(writer.finish().unwrap(), []);
}

#[test]
fn f17_an_image_that_cannot_be_written_is_reported_with_a_remedy() {
    let flux =
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nspec:\n  url: oci://docker.io/library/python\n";
    let at = |at: &str, path: &str, text: &str, expected: &str| {
        check(&format!("image = {{ path = \"{path}\"{at} }}"), path, text, expected);
    };
    at("", "a.yaml", flux, "4 ! the artifact has no `ref`; add `ref: {tag: latest, digest: \"\"}`");
    at(
        "",
        "a.yaml",
        &format!("{flux}  ref: {{tag: '3'}}\n"),
        "5 ! the artifact has no `digest`; add a line `digest: \"\"` to `ref`",
    );
    at(
        ", at = \"spec.ref\"",
        "a.yaml",
        &format!("{flux}  ref: {{digest: ''}}\n").replace("python", "redis"),
        "5 ! the image is from `docker.io/library/redis`, but the pin is from `docker.io/library/python`; name the pin's \
         repository there",
    );
    at(
        ", at = \"a.script\"",
        ".gitlab-ci.yml",
        "a: {image: 'python:3', script: x}\n",
        "1 ! `a.script` selects no image in `.gitlab-ci.yml`; it has: `python:3` (line 1)",
    );
    at(
        "",
        "a.txt",
        "image: python:3\n",
        "1 ! `a.txt` is not a known kind of file; use `yaml`, `json`, `toml` or `marker`",
    );
    at(
        "",
        ".gitlab-ci.yml",
        "a: {image: 'python:3'}\nb: {image: 'python:2'}\n",
        "2 ! `.gitlab-ci.yml` has images from `docker.io/library/python` with different tags: `python:3` (line 1), \
         `python:2` (line 2); select one with `at = \"…\"`",
    );
    at(
        "",
        ".gitlab-ci.yml",
        ".x: &x\n  image: python:3\na:\n  <<: *x\n",
        "1 ! cannot edit `\".x\".image` in `.gitlab-ci.yml`: an anchor, an alias or a merge key shares it; write the value out \
         there, without `&`, `*` or `<<`",
    );
    at(
        "",
        "docker-bake.hcl",
        "target \"a\" {\n",
        "2 ! invalid HCL: unexpected end of the file; correct the file, or add a comment `# pinstream: stream:tag` and a `marker` target",
    );
    check(
        "write = \"repository@digest\"\nimage = { path = \"a.yaml\", at = \"spec.ref\" }",
        "a.yaml",
        &format!("{flux}  ref: {{digest: ''}}\n"),
        "5 ! `write = \"repository@digest\"` is not supported here: the image is split over several keys; remove `write`; the keys for \
         tag and digest are written if they exist",
    );
}

#[test]
fn f17_keys_that_are_shared_or_computed_are_not_written() {
    let flux = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n";
    let shared =
        "an anchor, an alias or a merge key shares a part of the image; write the value out, without `&`, `*` or `<<`";
    for (images, line) in [
        ("x: &t '3'\nspec: {images: [{name: python, newTag: *t}]}\n", 3),
        ("x: &t {newTag: '3'}\nspec: {images: [{name: python, <<: *t}]}\n", 3),
    ] {
        check("image = { path = \"a.yaml\" }", "a.yaml", &format!("{flux}{images}"), &format!("{line} ! {shared}"));
    }
    check(
        "image = { path = \"a.yaml\" }",
        "a.yaml",
        "apiVersion: a.example/v1\nkind: A\nspec:\n  a: &a {image: 'python:3'}\n  b: *a\n",
        "4 ! an anchor, an alias or a merge key shares the image; write the value out, without `&`, `*` or `<<`",
    );
    let pull = |digest: &str| format!("oci_pull(name = \"a\", image = \"python\", tag = TAG, digest = {digest})\n");
    let target = "image = { path = \"WORKSPACE\", at = \"oci_pull[name=a]\" }";
    check(target, "WORKSPACE", &pull("\"\""), &pull(&format!("\"{DIGEST}\"")));
    check(target, "WORKSPACE", &pull("None"), "1 ! the `digest` of the call is not a string; write `digest = \"\",`");
}

#[test]
fn f17_yaml_within_another_kind_of_file_adds_no_images() {
    super::super::tests::check_find(
        "Dockerfile",
        "FROM python:3\nCOPY <<E /a.yaml\napiVersion: a.example/v1\n{{ x }}\nspec: {image: redis:7}\nE\n",
        &["1 python:3 = docker.io/library/python:3"],
    );
}

#[test]
fn f17_the_spelling_of_a_repository_and_the_form_of_a_reference_are_kept() {
    let at_image = |before: &str, after: &str| {
        let pinned = after.replace("DIGEST", DIGEST);
        for text in [&*before.replace("DIGEST", DIGEST), &*pinned] {
            check("image = { path = \".gitlab-ci.yml\", at = \"image\" }", ".gitlab-ci.yml", text, &pinned);
        }
    };
    at_image("image: python\n", "image: python:3.12@DIGEST\n");
    at_image("image: index.docker.io/library/python:3\n", "image: index.docker.io/library/python:3.12@DIGEST\n");
    at_image("image: 'python@sha256:0'\n", "image: 'python:3.12@DIGEST'\n");
    at_image(&format!("image: python@sha256:{}\n", "0".repeat(64)), "image: python@DIGEST\n");
    at_image("image: mirror.example/py:3 # x\n", "image: docker.io/library/python:3.12@DIGEST # x\n");
    at_image("image: >-\n  python:3\n", "image: >-\n  python:3.12@DIGEST\n");
}

/// Returns the path and the text of each scalar in a file.
fn leaves(text: &str) -> std::collections::BTreeSet<String> {
    fn add(value: &Value, path: &str, found: &mut BTreeMap<String, String>) {
        match value {
            Value::Mapping(map) => {
                for (number, (key, value)) in map.iter().enumerate() {
                    found.insert(format!("{path}.{number}~"), key.as_str().unwrap_or_default().to_owned());
                    add(value, &format!("{path}.{number}"), found);
                }
            }
            Value::Sequence(items) => {
                items.iter().enumerate().for_each(|(number, item)| add(item, &format!("{path}[{number}]"), found));
            }
            Value::Tagged(tagged) => add(&tagged.value, path, found),
            other => drop(found.insert(path.to_owned(), serde_yaml_ng::to_string(other).unwrap().trim().to_owned())),
        }
    }
    let mut found = BTreeMap::new();
    for (number, document) in serde_yaml_ng::Deserializer::from_str(text).enumerate() {
        add(&Value::deserialize(document).unwrap(), &number.to_string(), &mut found);
    }
    found.into_iter().map(|(path, text)| format!("{path} {text}")).collect()
}
