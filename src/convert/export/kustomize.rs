//! `kustomize`: a component whose `images` replace images by their pins.
//!
//! A `Component` (`kustomize.config.k8s.io/v1alpha1`) is listed in the `components` of a kustomization and applies to all of
//! its resources. An entry of `images` has `name`, which is compared with the image as written, without tag and digest, so
//! that one entry covers all tags of a repository; `newName`, written here only if `name` is a shorter spelling; and
//! `digest`, which replaces the tag (Kustomize reference, "images"; `IsImageMatched` in `api/image`).

use crate::model::image::repository_spellings;
use crate::text::diagnostics::Problem;
use crate::text::yaml::write::YamlOutput;

use super::{PinnedTag, conflict, entries, one};

/// Formats the kustomize component.
pub(super) fn text(pins: &[PinnedTag<'_>]) -> Result<String, Vec<Problem>> {
    let images = entries(
        pins,
        |pinned| pinned.pin.image.repository(),
        |repository, pins| {
            let why = "an entry of `images` covers all tags of a repository";
            let only = one(pins).ok_or_else(|| conflict(pins, repository, why, "kustomize"))?;
            let image = |name: String| {
                let full = YamlOutput::text(repository);
                YamlOutput::with_optional([
                    ("name", Some(YamlOutput::text(&name))),
                    ("newName", (full != YamlOutput::Text(name)).then_some(full)),
                    ("digest", Some(YamlOutput::text(&only.pin.digest))),
                ])
            };
            Ok(repository_spellings(repository).into_iter().map(image).collect::<Vec<_>>())
        },
    )?;
    let component = YamlOutput::map([
        ("apiVersion", YamlOutput::text("kustomize.config.k8s.io/v1alpha1")),
        ("kind", YamlOutput::text("Component")),
        ("images", YamlOutput::List(images.concat())),
    ]);
    Ok(component.document())
}

#[cfg(test)]
mod tests {
    use crate::convert::export::ExportFormat;
    use crate::convert::export::tests::{fails, yaml};
    use crate::model::lock::sample::digest;

    #[test]
    fn each_spelling_of_a_repository_is_an_entry() {
        let images = [("python:3.12", "docker.io/library/python:3.12", 1), ("web:main", "ghcr.io/acme/web:main", 2)];
        let [one, two] = [1, 2].map(|number| digest(number).to_string());
        let python =
            |name: &str| serde_json::json!({ "name": name, "newName": "docker.io/library/python", "digest": one });
        assert_eq!(
            yaml(ExportFormat::Kustomize, &images),
            serde_json::json!({
                "apiVersion": "kustomize.config.k8s.io/v1alpha1",
                "kind": "Component",
                "images": [
                    { "name": "docker.io/library/python", "digest": one },
                    python("docker.io/python"),
                    python("index.docker.io/library/python"),
                    python("index.docker.io/python"),
                    python("registry-1.docker.io/library/python"),
                    python("registry-1.docker.io/python"),
                    python("library/python"),
                    python("python"),
                    { "name": "ghcr.io/acme/web", "digest": two },
                ],
            })
        );
    }

    #[test]
    fn two_digests_of_a_repository_are_refused_but_two_tags_with_one_digest_are_not() {
        let image = "quay.io/acme/web:1";
        fails(
            ExportFormat::Kustomize,
            &[("web:1", image, 1), ("web:2", "quay.io/acme/web:2", 2), ("x:y", "quay.io/acme/x:y", 2)],
            &[
                "`web:1`, `web:2` are pinned to different digests of `quay.io/acme/web`; an entry of `images` covers all tags of a \
               repository; select one tag, e.g. `pinstream export kustomize web:1`",
            ],
        );
        let images = yaml(ExportFormat::Kustomize, &[("web:1", image, 1), ("web:2", "quay.io/acme/web:2", 1)]);
        assert_eq!(images["images"].as_array().map(Vec::len), Some(1));
    }
}
