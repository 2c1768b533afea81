//! `Chart.yaml`: the annotation `artifacthub.io/images` (artifacthub.io, "Helm annotations"), a text that lists images.

use super::super::{Evidence, yaml};

use super::kind::{KnownKind, RuleScope, file_name};
use super::rule::ImageRule;
use super::spelling::lines;

pub(super) const KIND: KnownKind = KnownKind {
    patterns: &[],
    recognize: |file| (file_name(file) == "Chart.yaml").then_some(Evidence::Name),
    scope: RuleScope::All,
    tree: yaml::tree,
    rules: &[
        ImageRule { at: "annotations.\"artifacthub.io/images\"", images: |place| lines(place, "image:") },
        ImageRule { at: "annotations.images", images: |place| lines(place, "image:") },
    ],
};

#[cfg(test)]
mod tests {
    use super::super::tests::check_kind;

    #[test]
    fn f17_the_images_in_annotations_of_a_chart_are_found_and_written() {
        check_kind(
            "charts/web/Chart.yaml",
            r#"apiVersion: v2
name: web
annotations:
  artifacthub.io/images: |
    - name: web
      image: docker.io/library/python:3.12@DIGEST
      platforms: [linux/amd64]
    - name: db
      image: 'redis:7'
"#,
            &[
                r#"6 docker.io/library/python:3.12; image = { PATH, at = "annotations.\"artifacthub.io/images\"" }"#,
                r#"9 redis:7"#,
            ],
        );
    }
}
