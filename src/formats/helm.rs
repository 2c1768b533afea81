//! `helm = { path, at }`: an image in the values of a chart, either one string, or `registry`, `repository`, `tag` and
//! `digest` in a map (helm.sh, "Chart Best Practices Guide", "Values").

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Evidence, FileFormat, FileText, ImageSite, ReferencePart, SELECT_ONE, Selector, SiteCandidate, TargetEdit,
    TargetError, TargetKind, TargetReader, WriteSpec,
};
use crate::model::image::{Repository, complete, has_tag_or_digest};
use crate::text::diagnostics::{At, Problem, SourceFile};
use crate::text::yaml::{self, YamlNode, YamlValue};

use super::image_site::given;
use super::part::is_digest_hex;
use super::suggest::by_selector;
use super::yaml::{field, tree, write};

/// Default of `at`.
const AT: &str = "image";

/// An image in the values of a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelmPlace(pub(super) Selector);

/// An image in the values of a Helm chart.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "TargetHelm", extend("required" = ["path"]))]
pub(super) struct HelmTable {
    /// A file below the root, or a glob.
    pub(super) path: Option<At<String>>,
    /// Selector of the image, or of the map with its `repository`, `tag` and `digest` or `sha`; default `image`.
    at: Option<At<String>>,
}

impl FileFormat for HelmPlace {
    type Table = HelmTable;

    fn read(table: &HelmTable, reader: &mut TargetReader<'_, '_>) -> Option<Self> {
        let selector = match &table.at {
            Some(at) => reader.parse(at),
            None => AT.parse().ok(),
        };
        selector.map(Self)
    }

    fn refuse_part(part: ReferencePart) -> Option<&'static str> {
        let help = "remove it, or use `yaml` for a single value";
        (part != ReferencePart::DigestHex).then_some(help)
    }

    fn keys(&self) -> Vec<(&'static str, &str)> {
        let at = self.0.as_str();
        if at == AT { Vec::new() } else { vec![("at", at)] }
    }

    /// Writes the keys that the map has; a `tag` without a `digest` or `sha` beside it receives both.
    fn edits(&self, spec: &WriteSpec<'_>) -> Result<Vec<TargetEdit>, TargetError> {
        let (text, selector, repository_name) = (spec.text, &self.0, spec.pin.image.repository());
        let mut edits = Vec::new();
        for node in selector.select(text, &*tree(text)?, SELECT_ONE)? {
            if !matches!(node.value, YamlValue::Map(_)) {
                edits.push(write(spec, &node, &spec.part_of(ReferencePart::Reference)?)?);
                continue;
            }
            let field = |key: &str| field(text, selector, &node, key);
            let is_text = |node: &Arc<YamlNode>| node.text().is_some_and(|text| !text.is_empty());
            let (registry, repository, tag) = (field("registry")?.filter(is_text), field("repository")?, field("tag")?);
            let (digest, is_hex) = match field("digest")? {
                None => (field("sha")?.filter(|sha| !is_text(sha) || sha.text().is_some_and(is_digest_hex)), true),
                digest => (digest, spec.part == ReferencePart::DigestHex),
            };
            let Some(repository) = repository.filter(|_| tag.is_some() || digest.is_some()) else {
                let start = node.span.start;
                let message = "expected a map with `repository`, and `tag` or `digest`";
                let help = "set `at` to the selector of such a map, or use `yaml` for single values";
                return Err(text.invalid(start..start, message, help));
            };
            let (host, path) = names(repository_name, registry.as_deref(), &repository);
            edits.extend(registry.map(|node| write(spec, &node, &host)).transpose()?);
            edits.push(write(spec, &repository, &path)?);
            let tag_part = if digest.is_some() { ReferencePart::Tag } else { ReferencePart::TagAtDigest };
            edits.extend(tag.map(|node| write(spec, &node, &spec.part_of(tag_part)?)).transpose()?);
            let digest_part = if is_hex { ReferencePart::DigestHex } else { ReferencePart::Digest };
            edits.extend(digest.map(|node| write(spec, &node, &spec.part_of(digest_part)?)).transpose()?);
        }
        Ok(edits)
    }

    fn recognize(file: &SourceFile) -> Option<Evidence> {
        is_values_file(file.path.rsplit('/').next().unwrap_or_default()).then_some(Evidence::Hint)
    }

    fn find(text: &FileText) -> Result<Vec<ImageSite>, Problem> {
        Ok(images(text, &tree(text)?.documents))
    }

    fn suggest(text: &FileText, sites: &[ImageSite]) -> Result<Vec<Vec<SiteCandidate>>, Problem> {
        Ok(by_selector(&*tree(text)?, sites, |selector| TargetKind::Helm(Self(selector))))
    }
}

/// Returns the images in values: maps and strings at keys that end in `image`.
pub(super) fn images(text: &FileText, values: &[Arc<YamlNode>]) -> Vec<ImageSite> {
    let mut found = Vec::new();
    yaml::visit(values, &mut |node: &YamlNode| {
        let is_image = |key: &YamlNode| key.text().is_some_and(|key| key.to_ascii_lowercase().ends_with("image"));
        for (_, value) in node.entries().iter().filter(|(key, _)| is_image(key)) {
            found.extend(match value.value {
                YamlValue::Map(_) => map_site(value),
                // Without a tag it may be part of an image, or anything else; a URL is a picture.
                _ => (value.text().filter(|text| has_tag_or_digest(text) && !text.contains("://")))
                    .map(|value_text| ImageSite::scalar(&text.file, value, value_text.to_owned())),
            });
        }
    });
    found
}

/// Returns the values of `registry` and `repository` for the repository `wanted`; those that mean it already remain.
fn names(wanted: &Repository, registry: Option<&YamlNode>, repository: &YamlNode) -> (String, String) {
    let text = |node: &YamlNode| node.text().unwrap_or_default().to_owned();
    let (host, path) = (registry.map(text).unwrap_or_default(), text(repository));
    let whole = if host.is_empty() { path.clone() } else { format!("{host}/{path}") };
    match registry {
        _ if complete(&whole).is_ok_and(|image| image.repository() == wanted) => (host, path),
        Some(_) => (wanted.registry().to_string(), wanted.path().to_owned()),
        None => (host, wanted.to_string()),
    }
}

/// Recognizes names such as `values.yaml`, `values-prod.yaml` and `prod.values.yml`.
fn is_values_file(name: &str) -> bool {
    let Some(stem) = [".yaml", ".yml"].iter().find_map(|end| name.strip_suffix(end)) else { return false };
    stem.split(['.', '-', '_']).any(|word| word == "values")
}

fn map_site(map: &YamlNode) -> Option<ImageSite> {
    let repository = given(map, "repository")?;
    if ["tag", "digest", "sha"].iter().all(|key| map.get(key).is_none()) {
        return None;
    }
    let name = match given(map, "registry") {
        Some(registry) => format!("{registry}/{repository}"),
        None => repository.to_owned(),
    };
    Some(ImageSite::map(map, name, "tag", "has neither tag nor digest; the chart sets the tag"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DIGEST, check, check_find};

    #[track_caller]
    fn at(at: &str, yaml: &str, expected: &str) {
        let expected = expected.replace("DIGEST", DIGEST);
        check(&format!("helm = {{ path = \"values.yaml\"{at} }}"), "values.yaml", yaml, &expected);
    }

    #[test]
    fn an_image_is_written_as_one_string_or_in_parts() {
        at("", "image: python:3\n", "image: python:3.12@DIGEST\n");
        at(
            "",
            "image:\n  repository: python\n  tag: \"3\" # app\n  digest: \"\"\n  pullPolicy: Always\n",
            "image:\n  repository: python\n  tag: \"3.12\" # app\n  digest: \"DIGEST\"\n  pullPolicy: \
             Always\n",
        );
        at(
            ", at = \"web.image\"",
            "web: {image: {registry: x, repository: 'y', tag: 3}}\n",
            "web: {image: {registry: docker.io, repository: 'library/python', tag: 3.12@DIGEST}}\n",
        );
        at(
            "",
            "image: {repository: x, digest: y}\n",
            "image: {repository: docker.io/library/python, digest: DIGEST}\n",
        );
    }

    #[test]
    fn f02_a_repository_behind_a_global_registry_keeps_its_spelling() {
        for name in ["python", "library/python"] {
            at(
                "",
                &format!("image: {{repository: {name}, tag: '3'}}\n"),
                &format!("image: {{repository: {name}, tag: '3.12@DIGEST'}}\n"),
            );
        }
        at(
            "",
            "image: {registry: index.docker.io, repository: python, digest: ''}\n",
            "image: {registry: index.docker.io, repository: python, digest: 'DIGEST'}\n",
        );
    }

    #[test]
    fn f03_an_empty_registry_stays_empty() {
        for registry in ["null", "\"\"", "~", ""] {
            let before = format!("image:\n  registry: {registry}\n  repository: python\n  tag: '3'\n");
            at("", &before, &before.replace("'3'", "'3.12@DIGEST'"));
        }
    }

    #[test]
    fn f04_sha_keys_and_hexadecimal_digests_keep_their_form() {
        let hex = DIGEST.trim_start_matches("sha256:");
        let (old, new) = ("0".repeat(64), |text: &str| text.replace("HEX", hex));
        at(
            "",
            "image: {repository: python, tag: '3', sha: ''}\n",
            &new("image: {repository: python, tag: '3.12', sha: 'HEX'}\n"),
        );
        for key in ["sha", "digest"] {
            at(
                "",
                &format!("image: {{repository: python, {key}: {old}}}\n"),
                &new(&format!("image: {{repository: python, {key}: HEX}}\n")),
            );
            check_find(
                "values.yaml",
                &format!("image: {{repository: python, {key}: {old}}}\n"),
                &[&format!("1 {{repository: python, {key}: {old}}} = docker.io/library/python@sha256:{old}")],
            );
        }
        at(
            " }\nwrite = \"digest-hex\" #",
            "image: {repository: python, tag: '3', digest: ''}\n",
            &new("image: {repository: python, tag: '3.12', digest: 'HEX'}\n"),
        );
        at(
            "",
            "image: {repository: python, tag: '3', sha: 0123abc}\n",
            "image: {repository: python, tag: '3.12@DIGEST', sha: 0123abc}\n",
        );
    }

    #[test]
    fn a_map_without_an_image_is_refused() {
        const NONE: &str = "1 ! expected a map with `repository`, and `tag` or `digest`; set `at` to the selector of such a \
                            map, or use `yaml` for single values";
        at("", "image: {repository: x}\n", NONE);
        at("", "image: {tag: x}\n", NONE);
        at("", "imag: x\n", "1 ! `values.yaml` has no `image`; did you mean `imag`?");
    }

    #[test]
    fn strings_and_maps_name_images() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        check_find(
            "values.yaml",
            &format!(
                "image: {{repository: python, tag: 3}}\nweb:\n  initImage: {{registry: quay.io, repository: a/b, tag: '1', \
                 digest: {digest}}}\n  sidecar: {{image: 'redis:7'}}\ncopy:\n  image: {{repository: c, tag: '2@{digest}', \
                 digest: x}}\nown: {{image: {{repository: d, tag: ''}}}}\nname: {{image: nginx}}\nbackgroundImage: https://x.y/z.png\ngit: {{repository: x, tag: y}}\nno: {{image: \
                 {{repository: x}}}}\n"
            ),
            &[
                "1 {repository: python, tag: 3} = docker.io/library/python:3",
                &format!(
                    "3 {{registry: quay.io, repository: a/b, tag: '1', digest: {digest}}} = quay.io/a/b:1@{digest}"
                ),
                "4 redis:7 = docker.io/library/redis:7",
                &format!("6 {{repository: c, tag: '2@{digest}', digest: x}} = docker.io/library/c:2@{digest}"),
                "7 {repository: d, tag: ''} ! has neither tag nor digest; the chart sets the tag",
            ],
        );
    }
}
