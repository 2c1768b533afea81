//! Targets on whole files: `before` and `after` directories for each kind, and random files.

mod large;
mod suggest;
mod random;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use pinstream::formats::{EditedFile, Target, TargetPin, TargetWriter};
use pinstream::model::image::{PinnedRef, TagId};
use pinstream::model::settings;
use pinstream::text::diagnostics::{Problems, RenderStyle, RenderedProblems};

use crate::support::{files, worked};

/// Looks up the pins of `python:3.12` and `redis:7`.
fn pins(id: &TagId) -> TargetPin {
    let pin = |image: &str, byte: &str| {
        let digest = format!("sha256:{}", byte.repeat(32)).parse().unwrap();
        TargetPin::At(PinnedRef { image: image.parse().unwrap(), digest })
    };
    match id.to_string().as_str() {
        "python:3.12" => pin("docker.io/library/python:3.12", "ab"),
        "redis:7" => pin("quay.io/acme/redis:7.4", "cd"),
        _ => TargetPin::Unknown(None),
    }
}

fn targets(written: &str) -> Vec<Target> {
    let (settings, problems) = settings::read(written.as_bytes());
    assert_eq!(problems, []);
    settings.targets
}

/// Returns the files that targets change.
fn edit(targets: &[Target], files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<EditedFile>, Problems> {
    let mut writer = TargetWriter::new(targets, &pins);
    let listed: Vec<String> = files.keys().cloned().collect();
    for (path, numbers) in writer.files(&listed) {
        writer.file(&path, files.get(&path).map(Vec::as_slice), &numbers);
    }
    writer.finish()
}

/// Applies targets to files.
fn applied(targets: &[Target], files: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    let edited = match edit(targets, files) {
        Ok(edited) => edited,
        Err(problems) => panic!("{}", RenderedProblems(&problems, RenderStyle::Plain)),
    };
    let mut files = files.clone();
    for file in edited {
        assert_eq!(files[&file.path], file.old.as_bytes());
        files.insert(file.path, file.new.into_bytes());
    }
    files
}

/// Applies the targets of a directory to `before`, which becomes `after`; a second time changes nothing.
#[track_caller]
fn golden(kind: &str) {
    let directory = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/targets")).join(kind);
    let targets = targets(&std::fs::read_to_string(directory.join("pinstream.toml")).unwrap());
    let (before, after) = (files(&directory.join("before")), files(&directory.join("after")));
    assert!(before != after && before.keys().eq(after.keys()));
    let found = applied(&targets, &before);
    for (path, bytes) in &after {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        assert_eq!(text(&found[path]), text(bytes), "{path}");
    }
    assert_eq!(edit(&targets, &after).unwrap(), []);
}

#[test]
fn yaml_files_change_by_the_bytes_of_the_value() {
    golden("yaml");
}

#[test]
fn json_files_change_by_the_bytes_of_the_value() {
    golden("json");
}

#[test]
fn toml_files_change_by_the_bytes_of_the_value() {
    golden("toml");
}

#[test]
fn kustomizations_change_by_the_bytes_of_the_value() {
    golden("kustomize");
}

#[test]
fn helm_values_change_by_the_bytes_of_the_value() {
    golden("helm");
}

#[test]
fn compose_files_change_by_the_bytes_of_the_value() {
    golden("compose");
}

#[test]
fn env_files_change_by_the_bytes_of_the_value() {
    golden("env");
}

#[test]
fn dockerfiles_change_by_the_bytes_of_the_value() {
    golden("dockerfile");
}

#[test]
fn workflows_change_by_the_bytes_of_the_value() {
    golden("workflow");
}

#[test]
fn f17_files_of_further_tools_change_by_the_bytes_of_the_image() {
    golden("image");
}

#[test]
fn lines_with_markers_change_by_the_bytes_of_the_value() {
    golden("marker");
}

#[test]
fn a_thousand_targets_in_two_hundred_files_are_written_within_a_second() {
    let (mut written, mut files) = (String::new(), BTreeMap::new());
    for file in 0..200 {
        let mut text = "kind: List\nitems:\n".to_owned();
        for item in 0..20 {
            text += &format!(
                "- kind: Deployment\n  metadata: {{name: app{item}}}\n  spec:\n    template:\n      spec:\n        \
                 containers:\n        - name: web\n          image: python:3 # app\n          env: [{{name: A, value: b}}]\n"
            );
        }
        for item in 0..5 {
            written += &format!(
                "[[target]]\nfrom = \"python:3.12\"\nyaml = {{ path = \"deploy/{file}.yaml\", at = \
                 \"items[metadata.name=app{item}].spec.template.spec.containers[name=web].image\" }}\n"
            );
        }
        files.insert(format!("deploy/{file}.yaml"), text.into_bytes());
    }
    let targets = targets(&written);
    assert_eq!(targets.len(), 1_000);
    let start = worked();
    let edited = edit(&targets, &files).unwrap();
    let took = worked() - start;
    println!("1 000 targets in 200 files in {took:?}");
    assert_eq!(edited.iter().map(|file| file.edits.len()).sum::<usize>(), 1_000);
    let new = format!("python:3.12@sha256:{}", "ab".repeat(32));
    for file in edited {
        assert_eq!(file.old, file.new.replace(&new, "python:3"));
        assert!(
            file.new.matches(&new).count() == 5 && file.new.lines().nth(2 + 9 * 5 + 7).unwrap().contains("python:3 ")
        );
    }
    assert!(took < Duration::from_secs(1), "{took:?}");
}
