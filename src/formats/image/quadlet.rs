//! Quadlet units of Podman (docs.podman.io, "podman-systemd.unit"): `Image` of containers, images and volumes.

use std::sync::Arc;

use super::super::{DocumentTree, Evidence, FileText, yaml::has_line};
use crate::text::diagnostics::Problem;
use crate::text::yaml::{YamlNode, YamlValue};

use super::kind::{KnownKind, RuleScope, file_name};
use super::known::KnownImage;
use super::rule::{ImageRule, RulePlace};
use super::spelling::unquoted_value;

/// Extensions of units and their sections with an image.
const UNITS: [(&str, &str); 3] = [(".container", "[Container]"), (".image", "[Image]"), (".volume", "[Volume]")];

pub(super) const KIND: KnownKind = KnownKind {
    patterns: &["**/*.container", "**/*.image", "**/*.volume"],
    recognize: |file| {
        let is_unit =
            |(extension, section): &(&str, &str)| file_name(file).ends_with(extension) && has_line(file, &[section]);
        UNITS.iter().any(is_unit).then_some(Evidence::Name)
    },
    scope: RuleScope::All,
    tree,
    rules: &[
        ImageRule { at: "Container.Image", images: image },
        ImageRule { at: "Image.Image", images: image },
        ImageRule { at: "Volume.Image", images: image },
    ],
};

fn image(place: &RulePlace<'_>) -> Vec<KnownImage> {
    let is_unit = place.node.text().is_some_and(|text| text.ends_with(".image") || text.ends_with(".build"));
    if is_unit { Vec::new() } else { unquoted_value(place) }
}

fn tree(text: &FileText) -> Result<Arc<DocumentTree>, Problem> {
    text.parsed("quadlet", || Ok(DocumentTree::new(vec![document(text.text())])))
}

/// A section of a unit.
struct UnitSection {
    name: Arc<YamlNode>,
    entries: Vec<(Arc<YamlNode>, Arc<YamlNode>)>,
}

impl UnitSection {
    /// Returns the section as a map with the bytes from its name to its last value.
    fn close(self) -> (Arc<YamlNode>, Arc<YamlNode>) {
        let end = self.entries.last().map_or(self.name.span.end, |(_, value)| value.span.end);
        let map = YamlNode::plain(YamlValue::Map(self.entries), self.name.span.start..end);
        (self.name, Arc::new(map))
    }
}

/// Parses a unit (systemd.syntax(7)) into sections of keys. Values that continue on the next line are left out.
fn document(text: &str) -> Arc<YamlNode> {
    let mut sections = Vec::new();
    let mut section: Option<UnitSection> = None;
    let (mut at, mut is_continued) = (0, false);
    for whole in text.split_inclusive('\n') {
        let (line, start) = (whole.trim(), at + (whole.len() - whole.trim_start().len()));
        at += whole.len();
        // A comment does not end a value that continues.
        if line.starts_with(['#', ';']) {
            continue;
        }
        let is_part = std::mem::replace(&mut is_continued, line.ends_with('\\'));
        if is_part || is_continued {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            sections.extend(section.take().map(UnitSection::close));
            section = Some(UnitSection { name: plain(name, start + 1), entries: Vec::new() });
        } else if let (Some((key, value)), Some(section)) = (line.split_once('='), &mut section) {
            let behind = start + key.len() + 1 + (value.len() - value.trim_start().len());
            section.entries.push((plain(key.trim_end(), start), plain(value.trim(), behind)));
        }
    }
    sections.extend(section.map(UnitSection::close));
    Arc::new(YamlNode::plain(YamlValue::Map(sections), 0..text.len()))
}

fn plain(text: &str, start: usize) -> Arc<YamlNode> {
    Arc::new(YamlNode::plain(YamlValue::Plain(text.to_owned()), start..start + text.len()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::check_kind;

    #[test]
    fn f17_units_of_quadlet_are_found_and_written() {
        check_kind(
            "deploy/web.container",
            r#"# web
[Unit]
Description=Image=python:3.12
[Container]
Image = python:3.12@DIGEST
Exec=run \
# comment
  Image=redis:7
; Image=redis:7
[Install]
Image=redis:7
"#,
            &[r#"5 python:3.12; image = { PATH, at = "Container.Image" }"#],
        );
    }

    #[test]
    fn f17_references_between_units_of_quadlet_are_not_images() {
        check_kind(
            "a.container",
            r#"[Container]
Image=docker.io/library/python:3.12@DIGEST
[Container]
Image=base.image
Image=localhost/%N
"#,
            &[
                r#"2 docker.io/library/python:3.12; image = { PATH }"#,
                r#"5 localhost/%N ! contains a template expression"#,
            ],
        );
    }
}
