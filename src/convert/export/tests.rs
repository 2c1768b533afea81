//! What all formats have in common, and what each is tested with.

use proptest::prelude::{ProptestConfig, proptest};

use super::*;
use crate::git::RootFiles;
use crate::model::lock::encode::encode;
use crate::model::lock::sample::{any_pin, digest};
use crate::model::lock::{Details, Lock};

/// A tag, its image, and the number of the digest that it stands at.
pub(super) type Image<'a> = (&'a str, &'a str, u8);

/// All formats but `compose`, which needs files beside.
const FORMATS: [ExportFormat<'static>; 5] =
    [ExportFormat::Kustomize, ExportFormat::Kbld, ExportFormat::Env, ExportFormat::Json, ExportFormat::ImageStream];

/// The root of `streams` and `lock`.
pub(super) fn root(streams: &[(&str, &str)], lock: &str) -> Root {
    let mut files: RootFiles = [("pinstream.toml".to_owned(), Vec::new())].into();
    if !lock.is_empty() {
        files.insert("pinstream.lock".to_owned(), lock.as_bytes().to_vec());
    }
    files.extend(streams.iter().map(|(name, text)| (format!("streams/{name}.toml"), text.as_bytes().to_vec())));
    Root::read(&files).unwrap()
}

/// The lock of `images`.
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

/// What is exported, with `D1` in the place of the first digest.
#[track_caller]
pub(super) fn check(format: ExportFormat<'_>, images: &[Image<'_>], expected: &str) {
    let mut text = exported(format, images).unwrap().text;
    for number in 1..9 {
        text = text.replace(digest(number).as_str(), &format!("D{number}"));
    }
    assert_eq!(text, expected);
}

/// What is exported, as another program reads it.
#[track_caller]
pub(super) fn yaml(format: ExportFormat<'_>, images: &[Image<'_>]) -> serde_json::Value {
    serde_yaml_ng::from_str(&exported(format, images).unwrap().text).unwrap()
}

#[track_caller]
pub(super) fn fails(format: ExportFormat<'_>, images: &[Image<'_>], expected: &[&str]) {
    assert_eq!(said(exported(format, images)), expected);
}

#[track_caller]
pub(super) fn said(exported: Result<ExportResult, Problems>) -> Vec<String> {
    let problems = exported.unwrap_err();
    problems.0.iter().map(|one| format!("{}; {}", one.message, one.help.as_deref().unwrap_or_default())).collect()
}

#[test]
fn what_is_not_pinned_as_it_is_defined_is_not_exported() {
    let images =
        [("web:1", "quay.io/acme/web:1", 1), ("web:2", "quay.io/acme/web:2", 2), ("web:old", "quay.io/a/b:c", 3)];
    let tags = "[tags]\n1 = \"quay.io/acme/web:1\"\n2 = \"quay.io/acme/web:other\"\nnew = \"quay.io/acme/web:new\"\n";
    let root = root(&[("web", tags)], &lock(&images));
    for format in FORMATS {
        let said = said(export(format, &root, &TagGlobs::all()));
        assert_eq!(
            said,
            [
                "`web:2` is pinned to image `quay.io/acme/web:2`, but defined as `quay.io/acme/web:other`; run `pinstream \
                 update web:2`",
                "`web:new` is not pinned; run `pinstream update web:new`",
            ]
        );
        let only = TagGlobs::new(["web:1", "web:ol?"]).unwrap();
        let notes = export(format, &root, &only).unwrap().notes;
        assert_eq!(notes, ["`web:old` is pinned but not defined; it is left out"]);
    }
}

#[test]
fn the_order_of_definitions_is_not_in_an_export() {
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
fn many_tags_of_one_place_are_one_error() {
    let tags: Vec<String> = (1..=12).map(|number| format!("web:{number}")).collect();
    let images: Vec<Image<'_>> =
        tags.iter().zip(1..).map(|(tag, number)| (tag.as_str(), "quay.io/a/b:c", number)).collect();
    let said = said(exported(ExportFormat::Kbld, &images));
    let [said] = said.as_slice() else { panic!("{said:?}") };
    assert!(said.starts_with("`web:1`, `web:10`, ") && said.contains(", `web:7` and 2 more stand at "), "{said}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Labels of images are any text.
    #[test]
    fn json_comes_back_as_it_was_and_acts_on_nobody(pin in any_pin(), owner in "[ -~äß日\t\n]{0,12}") {
        let pin = Pin { follow: None, index: None, ..pin };
        let image = pin.image.clone();
        let details = pin.details.clone();
        let lock = Lock { pins: [("a:b".parse().unwrap(), pin)].into() };
        let quoted = crate::text::escape::toml_string(&owner);
        let tags = format!("[tags.b]\nimage = \"{image}\"\nannotations = {{ owner = {quoted} }}\n");
        let mut root = root(&[("a", &tags)], "");
        root.lock = lock;
        // Where the image is fixed, its digest has to be the pin's.
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
