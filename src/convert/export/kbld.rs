//! `kbld`: a configuration whose `overrides` replace images by their pins.
//!
//! A `Config` (`kbld.k14s.io/v1alpha1`, since kbld 0.28) is passed to kbld with the other files. An override applies to one
//! spelling of one `image` with its tag; `preresolved: true` prevents kbld from resolving `newImage` (kbld documentation,
//! "Configuration", "Overrides").

use crate::model::image::image_spellings;
use crate::text::diagnostics::Problem;
use crate::text::yaml::write::YamlOutput;

use super::{PinnedTag, conflict, entries, one};

/// Formats the kbld configuration.
pub(super) fn text(pins: &[PinnedTag<'_>]) -> Result<String, Vec<Problem>> {
    let overrides = entries(
        pins,
        |pinned| &pinned.pin.image,
        |image, pins| {
            let only = one(pins).ok_or_else(|| conflict(pins, image, "an override covers one image", "kbld"))?;
            let each = |name| {
                YamlOutput::map([
                    ("image", YamlOutput::Text(name)),
                    ("newImage", YamlOutput::Text(only.pin.repository_at_digest())),
                    ("preresolved", YamlOutput::Flag(true)),
                ])
            };
            Ok(image_spellings(image).into_iter().map(each).collect::<Vec<_>>())
        },
    )?;
    let config = YamlOutput::map([
        ("apiVersion", YamlOutput::text("kbld.k14s.io/v1alpha1")),
        ("kind", YamlOutput::text("Config")),
        ("overrides", YamlOutput::List(overrides.concat())),
    ]);
    Ok(config.document())
}

#[cfg(test)]
mod tests {
    use crate::convert::export::ExportFormat;
    use crate::convert::export::tests::{fails, yaml};
    use crate::model::lock::sample::digest;

    #[test]
    fn each_spelling_of_an_image_is_an_override() {
        let images = [("python:3.12", "docker.io/library/python:3.12", 1), ("web:main", "ghcr.io/acme/web:latest", 2)];
        let entry = |image: &str, repository: &str, number: u8| {
            let new = format!("{repository}@{}", digest(number));
            serde_json::json!({ "image": image, "newImage": new, "preresolved": true })
        };
        assert_eq!(
            yaml(ExportFormat::Kbld, &images),
            serde_json::json!({
                "apiVersion": "kbld.k14s.io/v1alpha1",
                "kind": "Config",
                "overrides": [
                    entry("docker.io/library/python:3.12", "docker.io/library/python", 1),
                    entry("docker.io/python:3.12", "docker.io/library/python", 1),
                    entry("index.docker.io/library/python:3.12", "docker.io/library/python", 1),
                    entry("index.docker.io/python:3.12", "docker.io/library/python", 1),
                    entry("registry-1.docker.io/library/python:3.12", "docker.io/library/python", 1),
                    entry("registry-1.docker.io/python:3.12", "docker.io/library/python", 1),
                    entry("library/python:3.12", "docker.io/library/python", 1),
                    entry("python:3.12", "docker.io/library/python", 1),
                    entry("ghcr.io/acme/web:latest", "ghcr.io/acme/web", 2),
                    entry("ghcr.io/acme/web", "ghcr.io/acme/web", 2),
                ],
            })
        );
    }

    #[test]
    fn two_digests_of_an_image_are_refused_but_two_images_of_a_repository_are_not() {
        fails(
            ExportFormat::Kbld,
            &[("web:1", "quay.io/acme/web:1", 1), ("web:arm", "quay.io/acme/web:1", 2)],
            &[
                "`web:1`, `web:arm` are pinned to different digests of `quay.io/acme/web:1`; an override covers one image; select \
               one tag, e.g. `pinstream export kbld web:1`",
            ],
        );
        let config =
            yaml(ExportFormat::Kbld, &[("web:1", "quay.io/acme/web:1", 1), ("web:2", "quay.io/acme/web:2", 2)]);
        assert_eq!(config["overrides"].as_array().map(Vec::len), Some(2));
    }
}
