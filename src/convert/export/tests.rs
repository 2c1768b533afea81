//! Properties of all formats, and helpers for the tests of each.

use proptest::prelude::{ProptestConfig, proptest};

use super::*;
use crate::git::RootFiles;
use crate::model::lock::encode::encode;
use crate::model::lock::sample::{any_pin, digest};
use crate::model::lock::{Details, Lock};

/// A tag, its image, and the number of its pinned digest.
pub(super) type Image<'a> = (&'a str, &'a str, u8);

/// All formats except `compose`, which needs files.
const FORMATS: [ExportFormat<'static>; 5] =
    [ExportFormat::Kustomize, ExportFormat::Kbld, ExportFormat::Env, ExportFormat::Json, ExportFormat::ImageStream];

/// Reads a root with `streams` and `lock`.
pub(super) fn root(streams: &[(&str, &str)], lock: &str) -> Root {
    let mut files: RootFiles = [("pinstream.toml".to_owned(), Vec::new())].into();
    if !lock.is_empty() {
        files.insert("pinstream.lock".to_owned(), lock.as_bytes().to_vec());
    }
    files.extend(streams.iter().map(|(name, text)| (format!("streams/{name}.toml"), text.as_bytes().to_vec())));
    Root::read(&files).unwrap()
}

/// Formats a lock with `images`.
pub(super) fn lock(images: &[Image<'_>]) -> String {
    let pin = |number| Pin {
        follow: None,
        image: "quay.io/a/b:c".parse().unwrap(),
        digest: digest(number),
        index: None,
        details: Details::default(),
        previous: Vec::new(),
    };
    let pins = images
        .iter()
        .map(|(tag, image, number)| (tag.parse().unwrap(), Pin { image: image.parse().unwrap(), ..pin(*number) }));
    encode(&Lock { pins: pins.collect() })
}

pub(super) fn exported(format: ExportFormat<'_>, images: &[Image<'_>]) -> Result<ExportResult, Problems> {
    let mut streams: BTreeMap<&str, String> = BTreeMap::new();
    for (id, image, _) in images {
        let (stream, tag) = id.split_once(':').unwrap();
        let text = streams.entry(stream).or_insert_with(|| "[tags]\n".to_owned());
        text.push_str(&format!("\"{tag}\" = \"{image}\"\n"));
    }
    let streams: Vec<(&str, &str)> = streams.iter().map(|(name, text)| (*name, text.as_str())).collect();
    export(format, &root(&streams, &lock(images)), &TagGlobs::all())
}

/// Checks an export, with `D1` for the first digest.
#[track_caller]
pub(super) fn check(format: ExportFormat<'_>, images: &[Image<'_>], expected: &str) {
    let mut text = exported(format, images).unwrap().text;
    for number in 1..9 {
        text = text.replace(digest(number).as_str(), &format!("D{number}"));
    }
    assert_eq!(text, expected);
}

/// Parses an export as another program does.
#[track_caller]
pub(super) fn yaml(format: ExportFormat<'_>, images: &[Image<'_>]) -> serde_json::Value {
    serde_yaml_ng::from_str(&exported(format, images).unwrap().text).unwrap()
}

#[track_caller]
pub(super) fn fails(format: ExportFormat<'_>, images: &[Image<'_>], expected: &[&str]) {
    assert_eq!(messages(exported(format, images)), expected);
}

#[track_caller]
pub(super) fn messages(exported: Result<ExportResult, Problems>) -> Vec<String> {
    let problems = exported.unwrap_err();
    problems.0.iter().map(|one| format!("{}; {}", one.message, one.help.as_deref().unwrap_or_default())).collect()
}

#[test]
fn missing_and_stale_pins_are_not_exported() {
    let images =
        [("web:1", "quay.io/acme/web:1", 1), ("web:2", "quay.io/acme/web:2", 2), ("web:old", "quay.io/a/b:c", 3)];
    let tags = "[tags]\n1 = \"quay.io/acme/web:1\"\n2 = \"quay.io/acme/web:other\"\nnew = \"quay.io/acme/web:new\"\n";
    let root = root(&[("web", tags)], &lock(&images));
    for format in FORMATS {
        let messages = messages(export(format, &root, &TagGlobs::all()));
        assert_eq!(
            messages,
            [
                "`web:2` is pinned to image `quay.io/acme/web:2`, but defined as `quay.io/acme/web:other`; run `pinstream \
                 update web:2`",
                "`web:new` is not pinned; run `pinstream update web:new`",
            ]
        );
        let only = TagGlobs::new(["web:1", "web:ol?"]).unwrap();
        let notes = export(format, &root, &only).unwrap().notes;
        assert_eq!(notes, ["`web:old` is pinned but not defined; omitted"]);
    }
}

#[test]
fn the_order_of_definitions_does_not_affect_an_export() {
    let images = [
        ("web:1", "quay.io/acme/web:1", 1),
        ("web:a", "quay.io/acme/web:1", 1),
        ("x:y", "docker.io/library/x:y", 3),
        ("x:z", "docker.io/library/x:y", 3),
    ];
    let [mut one, mut other] = [images.to_vec(), images.to_vec()];
    one.sort();
    other.sort_by(|a, b| b.cmp(a));
    assert_ne!(one, other);
    for format in FORMATS {
        let text = exported(format, &one).unwrap().text;
        assert_eq!(exported(format, &other).unwrap().text, text);
        assert_eq!(exported(format, &one).unwrap().text, text);
        let alone = exported(format, &images[..1]).unwrap().text;
        assert!(alone.len() < text.len() && alone.contains(digest(1).as_str()), "{text}");
    }
}

#[test]
fn many_tags_with_one_place_are_one_error() {
    let tags: Vec<String> = (1..=12).map(|number| format!("web:{number}")).collect();
    let images: Vec<Image<'_>> =
        tags.iter().zip(1..).map(|(tag, number)| (tag.as_str(), "quay.io/a/b:c", number)).collect();
    let messages = messages(exported(ExportFormat::Kbld, &images));
    let [message] = messages.as_slice() else { panic!("{messages:?}") };
    assert!(
        message.starts_with("`web:1`, `web:10`, ") && message.contains(", `web:7` and 2 more are pinned"),
        "{message}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Image labels are arbitrary text.
    #[test]
    fn json_survives_a_round_trip_and_contains_no_control_sequences(pin in any_pin(), owner in "[ -~äß日\t\n]{0,12}") {
        let pin = Pin { follow: None, index: None, ..pin };
        let image = pin.image.clone();
        let details = pin.details.clone();
        let lock = Lock { pins: [("a:b".parse().unwrap(), pin)].into() };
        let quoted = crate::text::escape::toml_string(&owner);
        let tags = format!("[tags.b]\nimage = \"{image}\"\nannotations = {{ owner = {quoted} }}\n");
        let mut root = root(&[("a", &tags)], "");
        root.lock = lock;
        // A fixed image must have the digest of its pin.
        if let Ok(exported) = export(ExportFormat::Json, &root, &TagGlobs::all()) {
            let read: serde_json::Value = serde_json::from_str(&exported.text).unwrap();
            let read = &read["pins"][0];
            assert_eq!(read["version"].as_str(), details.version.as_deref());
            assert_eq!(read["revision"].as_str(), details.revision.as_deref());
            assert_eq!(read["annotations"]["owner"].as_str(), Some(owner.as_str()));
            let acts = exported.text.lines().any(|line| line.contains("##") || line.contains(crate::text::escape::is_deceptive));
            assert!(!acts, "{}", exported.text);
        }
    }
}
