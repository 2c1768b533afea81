//! Images that Bazel pulls: `oci_pull` and `oci.pull` of rules_oci, where a digest beats a tag, and `container_pull` of
//! rules_docker.

use std::sync::Arc;

use super::super::{DocumentTree, Evidence, FileText, ImageSite};
use crate::model::image::has_tag_or_digest;
use crate::text::diagnostics::Problem;
use crate::text::yaml::{YamlNode, YamlValue};

use super::super::image_site::given;
use super::kind::{KnownKind, RuleScope, file_name};
use super::known::{ImageForm, KnownImage};
use super::rule::{ImageRule, RulePlace};
use super::spelling::keys;
use super::starlark;

/// Functions that pull an image.
const FUNCTIONS: [&str; 3] = ["oci_pull", "oci.pull", "container_pull"];

pub(super) const KIND: KnownKind = KnownKind {
    patterns: &["**/MODULE.bazel", "**/*.MODULE.bazel", "**/WORKSPACE", "**/WORKSPACE.{bazel,bzlmod}", "**/*.bzl"],
    recognize: |file| {
        let name = file_name(file);
        let is_named = name.ends_with("MODULE.bazel") || name.starts_with("WORKSPACE") || name.ends_with(".bzl");
        let pulls = FUNCTIONS.iter().any(|function| file.text.contains(&format!("{function}(")));
        (is_named && pulls).then_some(Evidence::Name)
    },
    scope: RuleScope::All,
    tree,
    rules: &[
        ImageRule { at: "oci_pull[*]", images: pull },
        ImageRule { at: "\"oci.pull\"[*]", images: pull },
        ImageRule { at: "container_pull[*]", images: pull },
    ],
};

fn tree(text: &FileText) -> Result<Arc<DocumentTree>, Problem> {
    starlark::calls(text, &FUNCTIONS)
}

fn pull(place: &RulePlace<'_>) -> Vec<KnownImage> {
    let call = place.node;
    if let Some(image) = call.get("image").filter(|image| image.text().is_some_and(|text| text.contains('@'))) {
        return vec![place.below(image).image(image.text().unwrap_or_default(), ImageForm::Value)];
    }
    let name = match (given(call, "image"), given(call, "registry"), given(call, "repository")) {
        (Some(image), ..) => image.to_owned(),
        (None, Some(registry), Some(repository)) => format!("{registry}/{repository}"),
        _ => return Vec::new(),
    };
    let tag_key = if has_tag_or_digest(&name) { "" } else { "tag" };
    let site = ImageSite::map(call, name, tag_key, "has neither tag nor digest");
    let is_string = |node: &YamlNode| matches!(node.value, YamlValue::Quoted(_));
    let form = match call.get("digest") {
        Some(digest) if is_string(digest) => {
            // A tag that is a variable remains, as the digest has precedence.
            ImageForm::Keys(keys(call, "tag", "digest").into_iter().filter(|key| is_string(&key.node)).collect())
        }
        Some(_) => ImageForm::ReadOnly("the `digest` of the call is not a string", "write `digest = \"\",`"),
        None => ImageForm::ReadOnly("the call has no `digest`", "add `digest = \"\",` to it"),
    };
    vec![KnownImage { site, node: Arc::clone(call), form, at: None }]
}

#[cfg(test)]
mod tests {
    use super::super::tests::check_kind;

    #[test]
    fn f17_pulls_of_bazel_are_found_and_written() {
        check_kind(
            "MODULE.bazel",
            r#"# oci.pull(name = "x")
oci = use_extension("@rules_oci//oci:extensions.bzl", "oci")
oci.pull(
    name = "python",
    digest = "«sha256:0000000000000000000000000000000000000000000000000000000000000000→DIGEST»",  # old
    image = "index.docker.io/library/python",
    platforms = ["linux/amd64", "linux/arm64"],
    tag = "3.12",
)
oci.pull(name = "none", image = "docker.io/library/python", tag = "3.12")
oci.pull(name = "redis", registry = "quay.io", repository = "acme/redis", tag = TAG)
"#,
            &[
                r#"3 index.docker.io/library/python:3.12@sha256:0000000000000000000000000000000000000000000000000000000000000000; image = { PATH, at = "\"oci.pull\"[name=python]" }"#,
                r#"10 docker.io/library/python:3.12; the call has no `digest`; add `digest = "",` to it"#,
                r#"11 quay.io/acme/redis ! has neither tag nor digest"#,
            ],
        );
    }
}
