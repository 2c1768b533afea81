//! Applications of Argo CD (argo-cd.readthedocs.io, "Kustomize"). Values of Helm in `valuesObject` are found as in any custom
//! resource.

use super::super::{Evidence, yaml::has_line};

use super::kind::{KnownKind, RuleScope, yaml_or_json};
use super::known::KnownImage;
use super::rule::{ImageRule, RulePlace};

pub(super) const KIND: KnownKind = KnownKind {
    patterns: &[],
    recognize: |file| has_line(file, &["apiVersion: argoproj.io/"]).then_some(Evidence::Content),
    scope: RuleScope::Additional,
    tree: yaml_or_json,
    rules: &[ImageRule {
        at: "[apiVersion^=argoproj.io/][kind^=Application].spec.**.kustomize.images[*]",
        images: override_of_name,
    }],
};

/// `image` or `name=image`, as an argument of `kustomize edit set image`, which takes a tag before a digest for a part of
/// the name.
fn override_of_name(place: &RulePlace<'_>) -> Vec<KnownImage> {
    let Some(text) = place.node.text().filter(|text| !text.is_empty()) else { return Vec::new() };
    let start = text.find('=').map_or(0, |at| at + 1);
    vec![place.digest_only(start..text.len())]
}

#[cfg(test)]
mod tests {
    use super::super::tests::check_kind;

    #[test]
    fn f05_values_and_overrides_of_argo_cd_are_found_and_written() {
        check_kind(
            "app.yaml",
            r#"apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: a}
spec:
  sources:
  - kustomize:
      images:
      - python«:3.12→@DIGEST»
      - "web=docker.io/library/python«:3.12→@DIGEST»" # web
      - redis:7
  - helm:
      valuesObject:
        image: {repository: docker.io/library/python, tag: '3.12@DIGEST'}
"#,
            &[
                r#"8 python:3.12; image = { PATH, at = "spec.sources[0].kustomize.images[0]" }"#,
                r#"9 docker.io/library/python:3.12; image = { PATH, at = "spec.sources[0].kustomize.images[1]" }"#,
                r#"10 redis:7"#,
                r#"13 docker.io/library/python:3.12; helm = { PATH, at = "spec.sources[1].helm.valuesObject.image" }"#,
            ],
        );
    }
}
