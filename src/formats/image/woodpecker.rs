//! Workflows of Woodpecker (woodpecker-ci.org, "Workflow syntax").

use super::super::{Evidence, yaml, yaml::has_line};

use super::kind::{KnownKind, RuleScope, file_name, is_below, is_yaml, named_yaml};
use super::rule::ImageRule;
use super::spelling::value;

pub(super) const KIND: KnownKind = KnownKind {
    patterns: &["**/.woodpecker.{yaml,yml}", "**/.woodpecker/**/*.{yaml,yml}"],
    recognize: |file| {
        let is_workflow =
            || is_yaml(file_name(file)) && has_line(file, &["steps:", "pipeline:", "services:", "clone:"]);
        let below = || (is_below(file, ".woodpecker") && is_workflow()).then_some(Evidence::Name);
        named_yaml(file, ".woodpecker").or_else(below)
    },
    scope: RuleScope::All,
    tree: yaml::tree,
    rules: &[
        ImageRule { at: "steps[*].image", images: value },
        ImageRule { at: "steps.*.image", images: value },
        ImageRule { at: "services[*].image", images: value },
        ImageRule { at: "services.*.image", images: value },
        ImageRule { at: "clone[*].image", images: value },
        ImageRule { at: "clone.*.image", images: value },
        ImageRule { at: "pipeline.*.image", images: value },
    ],
};

#[cfg(test)]
mod tests {
    use super::super::tests::check_kind;

    #[test]
    fn f17_steps_and_services_of_woodpecker_are_found_and_written() {
        check_kind(
            ".woodpecker/test.yaml",
            r#"when: [{event: push}]
clone:
  git: {image: woodpeckerci/plugin-git:2}
steps:
- name: a
  image: python:3.12@DIGEST
  commands: [x]
services:
  db:
    image: docker.io/library/python:3.12@DIGEST
"#,
            &[
                r#"3 woodpeckerci/plugin-git:2"#,
                r#"6 python:3.12; image = { PATH, at = "steps[name=a].image" }"#,
                r#"10 docker.io/library/python:3.12; image = { PATH, at = "services.db.image" }"#,
            ],
        );
    }
}
