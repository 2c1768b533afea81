//! `devcontainer.json` (containers.dev, "Dev Container metadata reference"): the image and the features, which are artifacts
//! at the keys of a map. The tools accept a tag or a digest of a feature, not both.

use super::super::{Evidence, ImageSite, json};

use super::kind::{KnownKind, RuleScope, file_name};
use super::known::KnownImage;
use super::rule::{ImageRule, RulePlace};
use super::spelling::value;

pub(super) const KIND: KnownKind = KnownKind {
    patterns: &["**/.devcontainer.json", "**/.devcontainer/**/devcontainer.json", "**/devcontainer.json"],
    recognize: |file| ["devcontainer.json", ".devcontainer.json"].contains(&file_name(file)).then_some(Evidence::Name),
    scope: RuleScope::All,
    tree: json::tree,
    rules: &[ImageRule { at: "image", images: value }, ImageRule { at: "features.{key}", images: feature }],
};

fn feature(place: &RulePlace<'_>) -> Vec<KnownImage> {
    let text = place.node.text().unwrap_or_default();
    // Others are directories, archives or names of the past.
    let has_registry = text.split_once('/').is_some_and(|(host, _)| host.contains('.') && !host.starts_with('.'));
    if !has_registry || text.contains("://") {
        return Vec::new();
    }
    let image = place.digest_only(0..text.len());
    // No selector can name a key that changes.
    vec![KnownImage { site: ImageSite { node: None, ..image.site }, ..image }]
}

#[cfg(test)]
mod tests {
    use super::super::tests::check_kind;

    #[test]
    fn f17_the_image_and_the_features_of_a_dev_container_are_found_and_written() {
        check_kind(
            ".devcontainer/devcontainer.json",
            r#"{
  "name": "a",
  "image": "redis:7",
  "features": {
    "docker.io/library/python«:3.12→@DIGEST»": {},
    "ghcr.io/devcontainers/features/node:1": {"version": "lts"},
    "./local": {},
    "node": "lts"
  }
}
"#,
            &[
                r#"3 redis:7"#,
                r#"5 docker.io/library/python:3.12; image = { PATH }"#,
                r#"6 ghcr.io/devcontainers/features/node:1"#,
            ],
        );
    }
}
