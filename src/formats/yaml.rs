//! `yaml = { path, at }`: a value in a YAML file; also finds the images of Kubernetes objects.
//!
//! Images are those of containers and volumes wherever a pod appears, and of steps in Argo Workflows and Tekton, which are
//! containers under other names (argo-workflows.readthedocs.io, "Field Reference"; tekton.dev, "Tasks").

use std::ops::Range;
use std::sync::Arc;

use super::{
    DocumentTree, Evidence, FileFormat, FileText, ImageSite, SELECT_ONE, Selector, SharedValue, SiteCandidate,
    TargetEdit, TargetError, TargetKind, TargetReader, ValueTable, WriteSpec,
};
use crate::text::diagnostics::{Problem, SourceFile};
use crate::text::yaml::write::is_plain;
use crate::text::yaml::{self, YamlNode, YamlValue};

use super::image_site::unquoted;
use super::suggest::by_selector;

/// Lists of containers: those of a pod, and of templates that become one.
const CONTAINERS: [&str; 5] = ["containers", "initContainers", "ephemeralContainers", "sidecars", "steps"];
/// Maps that are a container.
const CONTAINER: [&str; 3] = ["container", "script", "stepTemplate"];
/// The list of volumes of a pod, which may be images (kubernetes.io, "Volumes", "image").
const VOLUMES: &str = "volumes";

/// A value in a YAML file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlPlace(pub(super) Selector);

impl FileFormat for YamlPlace {
    type Table = ValueTable;
    const PATTERNS: &'static [&'static str] = &["**/*.yaml", "**/*.yml"];

    fn read(table: &ValueTable, reader: &mut TargetReader<'_, '_>) -> Option<Self> {
        reader.selector(table).map(Self)
    }

    fn keys(&self) -> Vec<(&'static str, &str)> {
        vec![("at", self.0.as_str())]
    }

    fn edits(&self, spec: &WriteSpec<'_>) -> Result<Vec<TargetEdit>, TargetError> {
        let found = self.0.select(spec.text, &*tree(spec.text)?, SELECT_ONE)?;
        let new = spec.value()?;
        found.iter().map(|node| write(spec, node, &new)).collect()
    }

    fn recognize(file: &SourceFile) -> Option<Evidence> {
        object_in_json(file).or_else(|| {
            let has = |key: &str| has_line(file, &[key]);
            // Other files, such as the values of a chart, may have one of the keys.
            match (has("apiVersion:"), has("kind:")) {
                (true, true) => Some(Evidence::Content),
                (false, false) => None,
                _ => Some(Evidence::Hint),
            }
        })
    }

    fn find(text: &FileText) -> Result<Vec<ImageSite>, Problem> {
        Ok(kubernetes_images(text, &*tree(text)?))
    }

    fn suggest(text: &FileText, sites: &[ImageSite]) -> Result<Vec<Vec<SiteCandidate>>, Problem> {
        Ok(by_selector(&*tree(text)?, sites, |selector| TargetKind::Yaml(Self(selector))))
    }
}

/// Parses the documents of a YAML file.
pub(super) fn tree(text: &FileText) -> Result<Arc<DocumentTree>, Problem> {
    let help = "if it is a template, add a comment `# pinstream: stream:tag` beside the image, and a `marker` target";
    let documents = || yaml::parse(&text.file).map_err(|problem| problem.help(help));
    text.parsed("yaml", || documents().map(DocumentTree::new))
}

/// Returns whether a line of the file starts with one of `words`.
pub(super) fn has_line(file: &SourceFile, words: &[&str]) -> bool {
    file.text.lines().any(|line| words.iter().any(|word| line.starts_with(word)))
}

/// Returns the evidence that the file is a Kubernetes object in JSON.
pub(super) fn object_in_json(file: &SourceFile) -> Option<Evidence> {
    let is_object = file.text.trim_start().starts_with('{') && file.text.contains("\"kind\"");
    let is_kubernetes = || file.text.contains("\"apiVersion\"");
    is_object.then(|| if is_kubernetes() { Evidence::Content } else { Evidence::Hint })
}

/// Returns the images of all Kubernetes objects.
pub(super) fn kubernetes_images(text: &FileText, tree: &DocumentTree) -> Vec<ImageSite> {
    let mut found = Vec::new();
    yaml::visit(&tree.documents, &mut |node: &YamlNode| {
        for (key, value) in node.entries().iter().filter_map(|(key, value)| Some((key.text()?, value))) {
            let images: Vec<&Arc<YamlNode>> = match key {
                VOLUMES => value.items().iter().filter_map(|volume| volume.get("image")?.get("reference")).collect(),
                key if CONTAINERS.contains(&key) => value.items().iter().filter_map(|one| one.get("image")).collect(),
                key if CONTAINER.contains(&key) => value.get("image").into_iter().collect(),
                _ => Vec::new(),
            };
            let site = |node: &Arc<YamlNode>| Some(ImageSite::scalar(&text.file, node, node.text()?.to_owned()));
            found.extend(images.into_iter().filter_map(site));
        }
    });
    found
}

/// Replaces the value of `node`, in the spelling of its current value: quotes remain, and a plain scalar is quoted if it
/// would not be a string otherwise.
pub(super) fn write(spec: &WriteSpec<'_>, node: &YamlNode, new: &str) -> Result<TargetEdit, TargetError> {
    let (text, span) = (spec.text, node.span.clone());
    if matches!(node.value, YamlValue::List(_) | YamlValue::Map(_)) {
        return Err(spec.not_a_string(&span));
    }
    let was = node.text().unwrap_or_default().trim_end();
    let new = &*spec.spelled(was, new);
    if node.is_block {
        return Ok(spec.replace(block_line(text, &span)?, was, new));
    }
    match text.text()[span.clone()].as_bytes().first() {
        Some(b'"' | b'\'') => {
            let inner = span.start + 1..span.end - 1;
            let is_same = matches!(&node.value, YamlValue::Quoted(value) if value == new);
            let new = if is_same { &text.text()[inner.clone()] } else { new };
            Ok(spec.replace(inner, was, new))
        }
        Some(_) if is_plain(new) && !text.path().ends_with(".json") => Ok(spec.replace(span, was, new)),
        Some(_) => Ok(spec.replace(span, was, &format!("\"{new}\""))),
        None => {
            Err(text.invalid(span, "the value is empty", "write `\"\"` there once; pinstream fills it in from then on"))
        }
    }
}

/// Returns the only line of a block scalar.
fn block_line(text: &FileText, span: &Range<usize>) -> Result<Range<usize>, TargetError> {
    let written = &text.text()[span.clone()];
    let mut at = span.start;
    let mut lines = Vec::new();
    for line in written.split_inclusive('\n') {
        let inner = line.trim();
        if !inner.is_empty() {
            let start = at + line.find(inner).unwrap_or_default();
            lines.push(start..start + inner.len());
        }
        at += line.len();
    }
    match lines.as_slice() {
        [only] => Ok(only.clone()),
        _ => {
            let message = "the value is a block of several lines";
            Err(text.invalid(span.start..span.start, message, "write it on one line"))
        }
    }
}

/// Returns the first byte of a scalar, without its quotes.
pub(super) fn first_byte(text: &FileText, node: &YamlNode) -> usize {
    unquoted(text.text(), node.span.clone()).start
}

/// Returns the value of `key` in the map that `selector` matches, if it is defined there once and not shared.
pub(super) fn field(
    text: &FileText,
    selector: &Selector,
    map: &YamlNode,
    key: &str,
) -> Result<Option<Arc<YamlNode>>, TargetError> {
    let shared = |span: &Range<usize>| SharedValue { selector: selector.key(key), span: span.clone() }.problem(text);
    let mut own = map.entries().iter().filter(|(name, _)| name.text() == Some(key));
    let Some((name, value)) = own.next() else {
        return match map.get(key) {
            Some(_) => Err(shared(&map.span).into()),
            None => Ok(None),
        };
    };
    if let Some((again, _)) = own.next() {
        return Err(text.invalid(again.span.clone(), format!("duplicate key `{key}`"), "remove one of the two"));
    }
    if value.is_anchored {
        return Err(shared(&name.span).into());
    }
    Ok(Some(Arc::clone(value)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DIGEST, check, check_find};

    #[track_caller]
    fn at_image(yaml: &str, expected: &str) {
        check("yaml = { path = \"a.yaml\", at = \"image\" }", "a.yaml", yaml, expected);
    }

    #[test]
    fn each_style_of_a_value_is_kept() {
        let new = format!("python:3.12@{DIGEST}");
        for (before, after) in [
            ("image: python:3 # here\n", "image: NEW # here\n"),
            ("image:   \"python:3\"\r\nb: 1\r\n", "image:   \"NEW\"\r\nb: 1\r\n"),
            ("\u{feff}image: 'python:3'", "\u{feff}image: 'NEW'"),
            ("# ü\n{image: python:3, b: 1}", "# ü\n{image: NEW, b: 1}"),
            ("{\"image\":\t\"python:3\",\n\t\"b\": 1}", "{\"image\":\t\"NEW\",\n\t\"b\": 1}"),
            ("image: >-\n    python:3\n\nb: 1\n", "image: >-\n    NEW\n\nb: 1\n"),
            ("image: |\r\n  python:3\r\nb: 1\r\n", "image: |\r\n  NEW\r\nb: 1\r\n"),
            ("image: >-\n  python:3", "image: >-\n  NEW"),
            ("image: !!str python:3\n", "image: !!str NEW\n"),
            ("image: \"py\\\n  thon:3\"\n", "image: \"NEW\"\n"),
            ("image: ~\n", "image: docker.io/library/NEW\n"),
            ("? image\n: python:3\n", "? image\n: NEW\n"),
            (
                "--- # one\nother: 1\n--- # two\nimage: python:3\n...\n",
                "--- # one\nother: 1\n--- # two\nimage: NEW\n...\n",
            ),
        ] {
            at_image(before, &after.replace("NEW", &new));
            at_image(&after.replace("NEW", &new), &after.replace("NEW", &new));
        }
    }

    #[test]
    fn a_plain_scalar_is_quoted_if_it_would_not_be_a_string() {
        let tag = |yaml: &str, expected: &str| {
            check("yaml = { path = \"a.yaml\", at = \"tag\" }\nwrite = \"tag\"", "a.yaml", yaml, expected);
        };
        tag("tag: old\n", "tag: \"3.12\"\n");
        tag("tag: 3.12\n", "tag: \"3.12\"\n");
        tag("tag: '3.12'\n", "tag: '3.12'\n");
        tag("tag: \"3\\u002E12\"\n", "tag: \"3\\u002E12\"\n");
    }

    #[test]
    fn f19_a_tag_that_every_yaml_version_reads_as_text_needs_no_quotes() {
        for (tag, is_text) in [
            ("1.2.3", true),
            ("1.10.0", true),
            ("1-2", true),
            ("1e3", false),
            ("0x1", false),
            ("1.10", false),
            ("2026-10-01", false),
            ("20261001", false),
        ] {
            let text = format!("tag: {tag}\n");
            let text = super::FileText::from_bytes("a.yaml", text.as_bytes()).unwrap();
            let from = "a:b".parse().unwrap();
            let image = format!("a.b/c:{tag}").parse().unwrap();
            let pin = crate::model::image::PinnedRef { image, digest: DIGEST.parse().unwrap() };
            let spec = super::WriteSpec { text: &text, from: &from, pin, part: super::super::ReferencePart::Tag };
            let edits = super::FileFormat::edits(&super::YamlPlace("tag".parse().unwrap()), &spec).ok().unwrap();
            assert_eq!(edits[0].is_current, is_text, "{tag}");
            assert_eq!(edits[0].new, if is_text { tag.to_owned() } else { format!("\"{tag}\"") });
        }
        let host = "registry: 10.0.0.5:5000\n";
        let documents =
            crate::text::yaml::parse(&super::FileText::from_bytes("a", host.as_bytes()).unwrap().file).unwrap();
        assert!(super::is_plain(documents[0].get("registry").unwrap().text().unwrap()));
    }

    #[test]
    fn a_value_that_cannot_be_edited_is_reported() {
        at_image(
            "image:\nb: 1\n",
            "1 ! the value is empty; write `\"\"` there once; pinstream fills it in from then on",
        );
        at_image(
            "image: {a: 1}\n",
            "1 ! expected a string, found a list or a map; extend the selector so that it selects a string inside it",
        );
        at_image("image: |\n  a\n  b\n", "2 ! the value is a block of several lines; write it on one line");
        at_image(
            "a: 1\n{{ if }}\n",
            "2 ! invalid YAML: simple key expected ':'; if it is a template, add a comment `# pinstream: \
             stream:tag` beside the image, and a `marker` target",
        );
    }

    #[test]
    fn volumes_and_steps_under_other_names_are_found() {
        check_find(
            "a.yaml",
            "kind: Pod\nspec:\n  volumes: [{name: a}, {image: {reference: quay.io/a:1}}]\n---\nkind: Workflow\nspec:\n  \
             templates:\n  - container: {image: b:1}\n    sidecars: [{image: c:1}]\n  - script: {image: d:1}\n---\nkind: \
             Task\nspec:\n  stepTemplate: {image: e:1}\n  steps:\n  - image: f:1\n  - ref: {name: x}\n",
            &[
                "3 quay.io/a:1 = quay.io/a:1",
                "8 b:1 = docker.io/library/b:1",
                "9 c:1 = docker.io/library/c:1",
                "10 d:1 = docker.io/library/d:1",
                "14 e:1 = docker.io/library/e:1",
                "16 f:1 = docker.io/library/f:1",
            ],
        );
    }

    #[test]
    fn containers_are_found_wherever_a_pod_appears() {
        check_find(
            "a.yaml",
            "kind: CronJob\nspec: {jobTemplate: {spec: {template: {spec: {containers: [{image: a:1}]}}}}}\n---\nkind: \
             List\nitems:\n- kind: Pod\n  spec:\n    initContainers:\n    - image: 'quay.io/b/b'\n    containers:\n    - \
             image: \"{{ .Values.image }}\"\n    - name: x\n    - image: c@sha256:12\n    - image: $(IMAGE)\n---\nkind: \
             Other\nspec: {image: d:1}\n",
            &[
                "2 a:1 = docker.io/library/a:1",
                "9 quay.io/b/b = quay.io/b/b:latest",
                "11 {{ .Values.image }} ! contains a template expression",
                "13 c@sha256:12 ! invalid digest `sha256:12`",
                "14 $(IMAGE) ! contains a variable without a value",
            ],
        );
        check_find(
            "a.json",
            "{\"kind\": \"Pod\",\n\t\"spec\": {\"containers\": [{\"image\": \"a:1\"}]}}",
            &["2 a:1 = docker.io/library/a:1"],
        );
        check_find(
            "a.yaml",
            "kind: Pod\n{{- if .Values.x }}\nspec: {}\n{{- end }}\n",
            &["2 ! invalid YAML: \"-\" is only valid inside a block"],
        );
    }
}
