//! Explanations of changes between two images.

use std::collections::BTreeSet;

use super::*;
use crate::model::image::facts::RuntimeConfig;
use crate::model::image::facts::{BuildOrigin, Layer};
use crate::model::image::{Digest, ImageRef};
use crate::model::lock::diff::{ChangeKind, PinSide};

fn layer(letter: char) -> Layer {
    Layer { digest: Digest::sha256(letter.to_string().as_bytes()), size: 1_000_000 }
}

fn runs() -> RuntimeConfig {
    let environment = [("PATH", "/bin"), ("PYTHON_VERSION", "3.12.4")];
    RuntimeConfig {
        user: "app".to_owned(),
        entrypoint: vec!["python".to_owned()],
        environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ports: BTreeSet::from(["80/tcp".to_owned()]),
        ..RuntimeConfig::default()
    }
}

fn origin(revision: &str) -> BuildOrigin {
    BuildOrigin {
        source: Some("https://github.com/acme/web".to_owned()),
        revision: Some(revision.to_owned()),
        base: BaseImage {
            name: Some("docker.io/library/debian:12".to_owned()),
            digest: Some(format!("sha256:{revision}")),
        },
    }
}

fn old() -> ImageFacts {
    ImageFacts {
        manifests: BTreeSet::from([layer('m').digest]),
        platforms: ["linux/amd64", "linux/arm64"].map(|platform| platform.parse().unwrap()).into(),
        layers: ['x', 'y', 'z'].map(layer).into(),
        version: Some("3.12.4".to_owned()),
        created: Some("2026-10-01T08:12:44Z".parse().unwrap()),
        origin: origin("0aaaaaaaaaaaaaaa"),
        runtime: Some(runs()),
        labels: BTreeMap::from([("release".to_owned(), "1".to_owned())]),
    }
}

fn new() -> ImageFacts {
    let mut runs = runs();
    (runs.user, runs.command) = ("root".to_owned(), vec!["-V".to_owned(), "\u{1b}[2J".to_owned()]);
    runs.environment.insert("PYTHON_VERSION".to_owned(), "3.13.0".to_owned());
    runs.environment.remove("PATH");
    runs.ports = BTreeSet::from(["8080/tcp".to_owned()]);
    ImageFacts {
        manifests: BTreeSet::from([layer('n').digest]),
        platforms: ["linux/amd64", "linux/s390x"].map(|platform| platform.parse().unwrap()).into(),
        layers: ['x', 'v', 'w', 'u'].map(layer).into(),
        version: Some("3.13.0".to_owned()),
        created: Some("2026-10-13T09:00:00Z".parse().unwrap()),
        origin: origin("1bbbbbbbbbbbbbbb"),
        runtime: Some(runs),
        labels: BTreeMap::from([("release".to_owned(), "2".to_owned())]),
    }
}

fn moved(versions: [Option<&str>; 2]) -> PinChange {
    let [old, new] = versions.map(|version| PinSide {
        digest: layer('d').digest,
        version: version.map(str::to_owned),
        created: None,
    });
    let image: ImageRef = "docker.io/library/python:3.12".parse().unwrap();
    PinChange {
        tag: "python:3.12".parse().unwrap(),
        follow: None,
        image,
        previous_image: None,
        kind: ChangeKind::Updated { old, new },
    }
}

fn summarize(explanation: &Explanation) -> String {
    summary::lines(explanation).join("\n")
}

#[test]
fn all_differences_are_listed_the_most_significant_first() {
    insta::assert_snapshot!(summarize(&Explanation::between(&old(), &new(), None)), @r"
    ! now runs as root
    ! no longer runs on linux/arm64
    minor; built 2026-10-13, 12 days later; 3.0 MB → 4.0 MB; 1 of 3 layers kept, 3 new
    https://github.com/acme/web/compare/0aaaaaaaaaaaaaaa...1bbbbbbbbbbbbbbb
    adds platform linux/s390x
    base docker.io/library/debian:12@0aaaaaaaaaaa → docker.io/library/debian:12@1bbbbbbbbbbb
    user: app → root
    command: -V \u{1b}[2J (added)
    port: 80/tcp (removed)
    port: 8080/tcp (added)
    variable PATH: /bin (removed)
    variable PYTHON_VERSION: 3.12.4 → 3.13.0
    label release: 1 → 2
    ");
}

#[test]
fn equal_parts_are_not_listed() {
    let mut new = old();
    new.manifests = BTreeSet::from([layer('n').digest]);
    insta::assert_snapshot!(summarize(&Explanation::between(&old(), &new, None)), @r"config; built 2026-10-01, at the same time; 3.0 MB; same layers");
    assert_eq!(Explanation::between(&old(), &new, None).warnings(), Vec::<String>::new());
}

#[test]
fn an_unreadable_image_is_explained_as_far_as_possible() {
    let one = moved([Some("3.12.4"), Some("3.12.5")]);
    let new = new();
    let explained = Explanation::of(&one, Err("it is gone".to_owned()), Ok(&new));
    insta::assert_snapshot!(summarize(&explained), @r"
    the previous image cannot be read: it is gone
    patch; built 2026-10-13; 4.0 MB
    ");
    let explained = Explanation::of(&moved([None, Some("1")]), Err("a".to_owned()), Err("b\u{1b}".to_owned()));
    assert_eq!(summarize(&explained), "the previous image cannot be read: a");
    assert_eq!(Explanation::of::<String>(&one, Ok(&old()), Ok(&new)), Explanation::between(&old(), &new, None));
}

#[test]
fn many_differences_are_counted() {
    let mut new = old();
    let more = (0..40).map(|number| (format!("V{number:02}"), "x".to_owned()));
    new.runtime.as_mut().unwrap().environment.extend(more);
    let lines = summary::lines(&Explanation::between(&old(), &new, None));
    assert_eq!(lines.last().unwrap(), "and 28 more differences");
}

#[test]
fn an_image_whose_configuration_is_not_known_differs_in_nothing_there() {
    let new = ImageFacts { runtime: None, labels: BTreeMap::new(), ..new() };
    let explained = Explanation::between(&old(), &new, None);
    assert_eq!((explained.differences.as_slice(), explained.becomes_root), (&[][..], false));
}
