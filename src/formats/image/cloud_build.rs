//! Steps of Google Cloud Build (cloud.google.com, "Build configuration file schema").

use super::super::{Evidence, yaml::has_line};

use super::kind::{KnownKind, RuleScope, file_name, is_yaml, yaml_or_json};
use super::rule::ImageRule;
use super::spelling::value;

pub(super) const KIND: KnownKind = KnownKind {
    patterns: &["**/cloudbuild*.json"],
    recognize: |file| {
        let name = file_name(file);
        let is_named = name.starts_with("cloudbuild") || name.contains(".cloudbuild.");
        let has_steps =
            if name.ends_with(".json") { file.text.contains("\"steps\"") } else { has_line(file, &["steps:"]) };
        (is_named && (is_yaml(name) || name.ends_with(".json")) && has_steps).then_some(Evidence::Name)
    },
    scope: RuleScope::All,
    tree: yaml_or_json,
    rules: &[ImageRule { at: "steps[*].name", images: value }],
};

#[cfg(test)]
mod tests {
    use super::super::tests::check_kind;

    #[test]
    fn f17_steps_of_cloud_build_are_found_and_written() {
        check_kind(
            "ci/cloudbuild.yaml",
            r#"steps:
- name: 'python:3.12@DIGEST'
  args: [x]
- name: gcr.io/cloud-builders/docker
  id: python:3.12
- name: 'gcr.io/$PROJECT_ID/app'
images: ['gcr.io/$PROJECT_ID/app']
"#,
            &[
                r#"2 python:3.12; image = { PATH, at = "steps[0].name" }"#,
                r#"4 gcr.io/cloud-builders/docker"#,
                r#"6 gcr.io/$PROJECT_ID/app ! contains a variable without a value"#,
            ],
        );
    }
}
