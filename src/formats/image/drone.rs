//! Pipelines of Drone (docs.drone.io, "Docker pipelines").

use super::super::yaml;

use super::kind::{KnownKind, RuleScope, named_yaml};
use super::rule::ImageRule;
use super::spelling::value;

pub(super) const KIND: KnownKind = KnownKind {
    patterns: &["**/.drone.{yaml,yml}"],
    recognize: |file| named_yaml(file, ".drone"),
    scope: RuleScope::All,
    tree: yaml::tree,
    rules: &[
        ImageRule { at: "steps[*].image", images: value },
        ImageRule { at: "services[*].image", images: value },
        ImageRule { at: "pipeline.*.image", images: value },
        ImageRule { at: "services.*.image", images: value },
    ],
};

#[cfg(test)]
mod tests {
    use super::super::tests::check_kind;

    #[test]
    fn f17_steps_and_services_of_drone_are_found_and_written() {
        check_kind(
            ".drone.yml",
            r#"kind: pipeline
type: docker
steps:
- {name: a, image: python:3.12@DIGEST}
services:
- name: db
  image: redis:7
---
kind: pipeline
type: docker
steps:
- name: b
  image: "docker.io/library/python:3.12@DIGEST"
"#,
            &[
                r#"4 python:3.12; image = { PATH, at = "steps[name=a].image" }"#,
                r#"7 redis:7"#,
                r#"13 docker.io/library/python:3.12; image = { PATH, at = "steps[name=b].image" }"#,
            ],
        );
    }
}
