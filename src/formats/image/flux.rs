//! Objects of Flux (fluxcd.io, "OCI Repositories", "Kustomization", "Helm Releases"). The values of a HelmRelease are those
//! of any custom resource.

use std::sync::Arc;

use super::super::{Evidence, ImageSite, NotAnImage, yaml::has_line};

use super::super::image_site::{given, parse};
use super::kind::{KnownKind, RuleScope, yaml_or_json};
use super::known::{ImageForm, KnownImage};
use super::rule::{ImageRule, RulePlace};
use super::spelling::{keys, kustomize_entry};

pub(super) const KIND: KnownKind = KnownKind {
    patterns: &[],
    recognize: |file| has_line(file, &["apiVersion:"]).then_some(Evidence::Content),
    scope: RuleScope::Additional,
    tree: yaml_or_json,
    rules: &[
        ImageRule { at: "[apiVersion^=source.toolkit.fluxcd.io/][kind=OCIRepository].spec", images: oci_repository },
        ImageRule {
            at: "[apiVersion^=kustomize.toolkit.fluxcd.io/][kind=Kustomization].spec.images[*]",
            images: kustomize_entry,
        },
        ImageRule {
            at: "[apiVersion^=helm.toolkit.fluxcd.io/][kind=HelmRelease].spec.postRenderers[*].kustomize.images[*]",
            images: kustomize_entry,
        },
    ],
};

/// An artifact: `url` names the repository; `digest`, which has precedence, or `tag` of `ref` the artifact.
fn oci_repository(place: &RulePlace<'_>) -> Vec<KnownImage> {
    let spec = place.node;
    let Some(url) = spec.get("url").filter(|url| url.text().is_some_and(|text| text.starts_with("oci://"))) else {
        return Vec::new();
    };
    let name = url.text().unwrap_or_default().trim_start_matches("oci://");
    let Some(reference) = spec.get("ref").filter(|reference| !reference.entries().is_empty()) else {
        let form = ImageForm::ReadOnly("the artifact has no `ref`", "add `ref: {tag: latest, digest: \"\"}`");
        return vec![place.below(url).image(name, form)];
    };
    let site = ImageSite::map(reference, name.to_owned(), "tag", "`semver` selects the artifact");
    let open = given(reference, "semver").is_some() && given(reference, "digest").is_none();
    let image = if open { Err(NotAnImage::Open("`semver` selects the artifact")) } else { parse(&site.text) };
    let form = match reference.get("digest") {
        Some(_) => ImageForm::Keys(keys(reference, "tag", "digest")),
        None => ImageForm::ReadOnly("the artifact has no `digest`", "add a line `digest: \"\"` to `ref`"),
    };
    let site = ImageSite { image, shared: place.shared.clone(), ..site };
    vec![KnownImage { site, node: Arc::clone(reference), form, at: None }]
}

#[cfg(test)]
mod tests {
    use super::super::tests::check_kind;

    #[test]
    fn f05_artifacts_values_and_images_of_flux_are_found_and_written() {
        check_kind(
            "apps.yaml",
            r#"apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: {name: a}
spec:
  url: oci://docker.io/library/python
  ref:
    tag: '3.12'
    digest: "DIGEST"
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: b}
spec:
  images:
  - name: web
    newName: python
    newTag: "3.12@DIGEST"
  - {name: python, newTag: '3.12', digest: 'DIGEST'}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: c}
spec:
  values:
    web:
      image:
        repository: docker.io/library/python
        tag: "3.12@DIGEST" # app
      sidecarImage: docker.io/library/python:3.12@DIGEST
  postRenderers:
  - kustomize:
      images: [{name: python, newTag: '3.12@DIGEST'}]
"#,
            &[
                r#"7 docker.io/library/python:3.12; image = { PATH, at = "spec.ref" }"#,
                r#"15 python:3.12; image = { PATH, at = "spec.images[name=web]" }"#,
                r#"18 python:3.12; image = { PATH, at = "spec.images[name=python]" }"#,
                r#"27 docker.io/library/python:3.12; helm = { PATH, at = "spec.values.web.image" }"#,
                r#"29 docker.io/library/python:3.12; yaml = { PATH, at = "spec.values.web.sidecarImage" }"#,
                r#"32 python:3.12; image = { PATH, at = "spec.postRenderers[0].kustomize.images[name=python]" }"#,
            ],
        );
    }
}
