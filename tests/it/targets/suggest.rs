//! Random files of each kind: the suggested targets write each image that a tag covers, and nothing else.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use pinstream::formats::suggest::{SuggestedTarget, TargetRequest, suggest};
use pinstream::formats::{FileKind, TargetPin};
use pinstream::model::image::{ImageRef, PinnedRef, TagId};
use pinstream::text::diagnostics::SourceFile;
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any, proptest};
use proptest::sample::select;

use super::{applied, pins, targets};

/// An image in a generated file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Image {
    Python,
    Redis,
    /// The same repository with a tag that no stream has.
    Old,
    /// No stream covers it.
    Other,
}

impl Image {
    /// Returns the text before targets are applied.
    fn written(self) -> &'static str {
        match self {
            Self::Python => "python:3.12",
            Self::Redis => "quay.io/acme/redis:7.4",
            Self::Old => "docker.io/library/python:2.7",
            Self::Other => "ghcr.io/other/app:1",
        }
    }

    fn tag(self) -> Option<TagId> {
        match self {
            Self::Python => "python:3.12".parse().ok(),
            Self::Redis => "redis:7".parse().ok(),
            Self::Old | Self::Other => None,
        }
    }

    /// Returns the text afterwards.
    fn pinned(self) -> String {
        self.pin().map_or_else(|| self.written().to_owned(), |pin| format!("{}@{}", self.written(), pin.digest))
    }

    fn pin(self) -> Option<PinnedRef> {
        match pins(&self.tag()?) {
            TargetPin::At(pin) => Some(pin),
            _ => None,
        }
    }
}

fn any_image() -> impl Strategy<Value = Image> {
    select(vec![Image::Python, Image::Python, Image::Redis, Image::Old, Image::Other])
}

/// Returns the tables of the suggested targets, and the number of images of tags that no target can write.
fn suggested(path: &str, text: &str) -> (String, usize) {
    let file = Arc::new(SourceFile { path: path.to_owned(), text: text.to_owned() });
    let kind = FileKind::of(&file).unwrap();
    let sites = kind.find(&file).unwrap();
    let of = |image: &ImageRef| {
        let all = [Image::Python, Image::Redis];
        let is_it = |one: &Image| {
            one.pin().is_some_and(|pin| (pin.image.repository(), pin.image.tag()) == (image.repository(), image.tag()))
        };
        all.into_iter().find(is_it).and_then(Image::tag)
    };
    let wanted: Vec<_> = sites.iter().map(|site| site.image.as_ref().ok().and_then(of)).collect();
    let found = suggest(&TargetRequest {
        file: &file,
        kind,
        companions: &[],
        sites: &sites,
        wanted: &wanted,
        targets: &[],
        pins: &pins,
    });
    let tables = found.iter().filter_map(|suggestion| match suggestion {
        SuggestedTarget::New(target) => Some(target.to_toml("\n")),
        _ => None,
    });
    (tables.collect(), found.iter().filter(|suggestion| matches!(suggestion, SuggestedTarget::Unsupported(_))).count())
}

/// Applies the suggested targets to `before`, which must become `after`.
#[track_caller]
fn check(path: &str, before: &str, after: &str) {
    let (tables, unsupported) = suggested(path, before);
    assert_eq!(unsupported, 0, "{before}");
    let files = BTreeMap::from([(path.to_owned(), before.as_bytes().to_vec())]);
    let targets = targets(&tables);
    let found = if targets.is_empty() { files } else { applied(&targets, &files) };
    assert_eq!(String::from_utf8(found[path].clone()).unwrap(), after, "{tables}");
}

/// Checks a file that `make` writes around the texts of its images.
#[track_caller]
fn check_made(path: &str, images: &[Image], is_crlf: bool, make: impl Fn(&dyn Fn(usize) -> String) -> String) {
    let lines = |text: String| if is_crlf { text.replace('\n', "\r\n") } else { text };
    let before = lines(make(&|at| images[at % images.len()].written().to_owned()));
    let after = lines(make(&|at| images[at % images.len()].pinned()));
    check(path, &before, &after);
}

/// Quotes a scalar in one of three styles.
fn quoted(style: u8, text: &str) -> String {
    match style % 3 {
        0 => text.to_owned(),
        1 => format!("'{text}'"),
        _ => format!("\"{text}\""),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn objects_of_kubernetes(
        objects in vec((select(vec!["Pod", "Job"]), vec((any::<bool>(), any::<bool>(), any::<u8>()), 1..4)), 1..5),
        images in vec(any_image(), 1..12),
        (is_list, is_crlf) in any::<(bool, bool)>(),
    ) {
        check_made("deploy/a.yaml", &images, is_crlf, |image| {
            let (mut text, mut turn) = (String::new(), 0);
            let indent = if is_list { "  " } else { "" };
            text.push_str(if is_list { "kind: List\nitems:\n" } else { "" });
            for (number, (kind, containers)) in objects.iter().enumerate() {
                text.push_str(if is_list { "- " } else if number > 0 { "---\n" } else { "" });
                let _ = write!(text, "kind: {kind}\n{indent}metadata:\n{indent}  name: \"app.{number}\"\n{indent}spec:\n{indent}  containers:\n");
                for (at, (is_named, is_flow, style)) in containers.iter().enumerate() {
                    let written = quoted(*style, &image(turn));
                    turn += 1;
                    let name = if *is_named { format!("c{at}") } else { "same".to_owned() };
                    let _ = match is_flow {
                        true => writeln!(text, "{indent}  - {{\"name\": {name}, image:   {written}, args: [image, python:3.12]}} # python:3.12"),
                        false => writeln!(text, "{indent}  - image: {written} # python:3.12\n{indent}    name: {name}\n{indent}    command: [\"python:3.12\"]"),
                    };
                }
            }
            text
        });
    }

    #[test]
    fn services_of_compose(services in vec((any::<bool>(), any::<u8>()), 1..8), images in vec(any_image(), 1..8), is_crlf in any::<bool>()) {
        check_made("compose.yaml", &images, is_crlf, |image| {
            let mut text = "x-not: {image: 'python:3.12'}\nservices:\n".to_owned();
            for (at, (is_flow, style)) in services.iter().enumerate() {
                let written = quoted(*style, &image(at));
                let _ = match is_flow {
                    true => writeln!(text, "  \"s.{at}\": {{ports: [80], image: {written}}}"),
                    false => writeln!(text, "  s{at}:\n    image: {written}\n    environment: {{IMAGE: python:3.12}}"),
                };
            }
            text
        });
    }

    #[test]
    fn values_of_charts(parts in vec((0..4_u8, any::<u8>()), 1..8), images in vec(any_image(), 1..8), is_crlf in any::<bool>()) {
        let make = |is_pinned: bool| {
            let mut text = "replicas: 1\nnot: {repository: python, tag: '3.12'}\n".to_owned();
            for (at, (form, style)) in parts.iter().enumerate() {
                let image = images[at % images.len()];
                let pin = image.pin().filter(|_| is_pinned);
                let old: ImageRef = pinstream::model::image::complete(image.written()).unwrap();
                let of = |reference: &ImageRef| (reference.repository().registry().to_string(), reference.repository().path().to_owned(), reference.tag().unwrap().to_string());
                let (registry, path, tag) = of(pin.as_ref().map_or(&old, |pin| &pin.image));
                let digest = pin.as_ref().map(|pin| pin.digest.to_string()).unwrap_or_default();
                let whole = if is_pinned { image.pinned() } else { image.written().to_owned() };
                let joined = if digest.is_empty() { tag.clone() } else { format!("{tag}@{digest}") };
                let _ = match form {
                    0 => writeln!(text, "a{at}:\n  image: {}", quoted(*style, &whole)),
                    1 => writeln!(text, "a{at}:\n  image:\n    registry: {registry}\n    repository: {path}\n    tag: \"{tag}\" # 3.12\n    digest: '{digest}'"),
                    2 => writeln!(text, "a{at}: {{initImage: {{repository: {registry}/{path}, tag: '{joined}'}}}}"),
                    _ => writeln!(text, "\"a.{at}\":\n  image:\n    tag: \"{joined}\"\n    repository: \"{registry}/{path}\"\n    pullPolicy: Always"),
                };
            }
            if is_crlf { text.replace('\n', "\r\n") } else { text }
        };
        check("chart/values.yaml", &make(false), &make(true));
    }

    #[test]
    fn entries_of_kustomizations(images in vec((any_image(), any::<bool>()), 1..8), is_crlf in any::<bool>()) {
        let make = |is_pinned: bool| {
            let mut text = "resources: [a.yaml]\nimages:\n".to_owned();
            for (at, (image, is_flow)) in images.iter().enumerate() {
                let old: ImageRef = pinstream::model::image::complete(image.written()).unwrap();
                let pin = image.pin().filter(|_| is_pinned);
                let (repository, tag) = (old.repository(), old.tag().unwrap());
                let digest = pin.map(|pin| pin.digest.to_string()).unwrap_or_default();
                let _ = match is_flow {
                    true => writeln!(text, "- {{name: n{at}, newName: {repository}, newTag: \"{tag}\", digest: '{digest}'}}"),
                    false => writeln!(text, "- newTag: '{tag}'\n  digest: \"{digest}\" # of {tag}\n  name: n{at}\n  newName: '{repository}'"),
                };
            }
            if is_crlf { text.replace('\n', "\r\n") } else { text }
        };
        check("base/kustomization.yaml", &make(false), &make(true));
    }

    #[test]
    fn jobs_of_workflows(jobs in vec((0..3_u8, any::<u8>()), 1..6), images in vec(any_image(), 1..8), is_crlf in any::<bool>()) {
        check_made(".github/workflows/a.yml", &images, is_crlf, |image| {
            let mut text = "on: push\nenv: {IMAGE: python:3.12}\njobs:\n".to_owned();
            for (at, (form, style)) in jobs.iter().enumerate() {
                let written = quoted(*style, &image(at));
                let used = quoted(*style, &format!("docker://{}", image(at)));
                let _ = match form {
                    0 => writeln!(text, "  j{at}:\n    container: {written}\n    steps: [{{run: python:3.12}}]"),
                    1 => writeln!(text, "  j{at}:\n    services:\n      a: {{image: {written}}}\n      b:\n        image: {}\n    steps: []", image(at + 1)),
                    _ => writeln!(text, "  j{at}:\n    steps:\n    - uses: a/b@v1\n    - {{uses: {used}}}"),
                };
            }
            text
        });
    }

    #[test]
    fn stages_of_dockerfiles(
        parts in vec(0..8_u8, 1..10),
        images in vec(any_image(), 1..8),
        (is_crlf, ends) in any::<(bool, bool)>(),
    ) {
        check_made("a/Dockerfile", &images, is_crlf, |image| {
            let mut text = "# escape=\\\n".to_owned();
            for (at, part) in parts.iter().enumerate().filter(|(_, part)| **part == 7) {
                let _ = writeln!(text, "ARG BASE{at}{part}=\"{}\"", image(at));
            }
            text.push_str("FROM golang:1 AS first\n");
            for (at, part) in parts.iter().enumerate() {
                let _ = match part {
                    0 => writeln!(text, "FROM {}", image(at)),
                    1 => writeln!(text, "from --platform=linux/amd64 {} AS s{at}", image(at)),
                    2 => writeln!(text, "FROM \\\n# python:3.12\n  \"{}\" \\\n AS s{at}", image(at)),
                    3 => writeln!(text, "RUN <<EOF\nFROM python:3.12\nEOF"),
                    4 => writeln!(text, "COPY --from=first python:3.12 /a"),
                    5 => writeln!(text, "FROM first"),
                    6 => writeln!(text, "ENV A=python:3.12"),
                    _ => writeln!(text, "FROM ${{BASE{at}{part}}} AS s{at}"),
                };
            }
            if !ends {
                text.truncate(text.trim_end().len());
            }
            text
        });
    }
}
