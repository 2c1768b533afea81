//! `skaffold.yaml` (skaffold.dev, "skaffold.yaml"): images of builders, of base images and of tests. The images of
//! artifacts are built here.

use super::super::{Evidence, yaml, yaml::has_line};

use super::kind::{KnownKind, RuleScope, file_name, is_yaml};
use super::rule::ImageRule;
use super::spelling::tagged_value;

pub(super) const KIND: KnownKind = KnownKind {
    patterns: &[],
    recognize: |file| {
        let is_skaffold = is_yaml(file_name(file)) && has_line(file, &["apiVersion: skaffold/"]);
        is_skaffold.then_some(Evidence::Name)
    },
    scope: RuleScope::All,
    tree: yaml::tree,
    rules: &[
        ImageRule { at: "**.artifacts[*].**.buildArgs.*image", images: tagged_value },
        ImageRule { at: "**.artifacts[*].buildpacks.builder", images: tagged_value },
        ImageRule { at: "**.artifacts[*].buildpacks.runImage", images: tagged_value },
        ImageRule { at: "**.artifacts[*].kaniko.*image", images: tagged_value },
        ImageRule { at: "**.artifacts[*].ko.fromImage", images: tagged_value },
        ImageRule { at: "**.artifacts[*].jib.fromImage", images: tagged_value },
        ImageRule { at: "verify[*].container.image", images: tagged_value },
        ImageRule { at: "customActions[*].containers[*].image", images: tagged_value },
    ],
};

#[cfg(test)]
mod tests {
    use super::super::tests::check_kind;

    #[test]
    fn f17_builders_of_skaffold_are_found_and_written() {
        check_kind(
            "skaffold.yaml",
            r#"apiVersion: skaffold/v4beta11
kind: Config
build:
  artifacts:
  - image: example.com/web
    docker: {buildArgs: {BASE_IMAGE: "python:3.12@DIGEST"}}
  - image: example.com/app
    buildpacks: {builder: 'docker.io/library/python:3.12@DIGEST'}
verify:
- name: a
  container: {name: a, image: example.com/web}
- name: b
  container: {name: b, image: python:3.12@DIGEST}
"#,
            &[
                r#"6 python:3.12; image = { PATH, at = "build.artifacts[0].docker.buildArgs.BASE_IMAGE" }"#,
                r#"8 docker.io/library/python:3.12; image = { PATH, at = "build.artifacts[1].buildpacks.builder" }"#,
                r#"13 python:3.12; image = { PATH, at = "verify[name=b].container.image" }"#,
            ],
        );
    }
}
