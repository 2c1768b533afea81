//! GitLab CI (docs.gitlab.com, "CI/CD YAML syntax reference"): `image` and `services` of jobs and of all jobs.

use super::super::{Evidence, yaml, yaml::has_line};

use super::kind::{KnownKind, RuleScope, file_name, is_below, is_yaml};
use super::rule::ImageRule;
use super::spelling::value;

pub(super) const KIND: KnownKind = KnownKind {
    patterns: &["**/.gitlab-ci.yml", "**/.gitlab/**/*.{yaml,yml}", "**/.*.gitlab-ci.{yaml,yml}"],
    recognize: |file| {
        let name = file_name(file);
        let is_named = name.ends_with(".gitlab-ci.yml") || name.ends_with(".gitlab-ci.yaml");
        // Files to include have any name.
        let is_included =
            || is_below(file, ".gitlab") && is_yaml(name) && has_line(file, &["  script:", "image:", "services:"]);
        (is_named || is_included()).then_some(Evidence::Name)
    },
    scope: RuleScope::All,
    tree: yaml::tree,
    rules: &[
        ImageRule { at: "image", images: value },
        ImageRule { at: "image.name", images: value },
        ImageRule { at: "services[*]", images: value },
        ImageRule { at: "services[*].name", images: value },
        ImageRule { at: "*.image", images: value },
        ImageRule { at: "*.image.name", images: value },
        ImageRule { at: "*.services[*]", images: value },
        ImageRule { at: "*.services[*].name", images: value },
    ],
};

#[cfg(test)]
mod tests {
    use super::super::super::FileKind;
    use super::super::tests::check_kind;
    use crate::text::diagnostics::SourceFile;

    #[test]
    fn f17_images_and_services_of_gitlab_ci_are_found_and_written() {
        check_kind(
            ".gitlab-ci.yml",
            r#"image: python:3.12@DIGEST
services:
- redis:7
default:
  image: {name: "docker.io/library/python:3.12@DIGEST", entrypoint: [""]}
build:
  image: $CI_REGISTRY_IMAGE/app
  services:
  - name: python:3.12@DIGEST
    alias: py
  script: [make]
.hidden:
  image: !reference [build, image]
"#,
            &[
                r#"1 python:3.12; image = { PATH, at = "image" }"#,
                r#"3 redis:7"#,
                r#"5 docker.io/library/python:3.12; image = { PATH, at = "default.image.name" }"#,
                r#"7 $CI_REGISTRY_IMAGE/app ! contains a variable without a value"#,
                r#"9 python:3.12; image = { PATH, at = "build.services[0].name" }"#,
            ],
        );
    }

    #[test]
    fn f17_other_files_of_gitlab_name_no_images() {
        let kind = |path: &str, text: &str| FileKind::of(&SourceFile { path: path.to_owned(), text: text.to_owned() });
        assert_eq!(kind("ci/build.yml", "a:\n  image: x:1\n  script: [x]\n"), None);
        assert_eq!(kind(".gitlab/issue_templates/a.md", "image:\n"), None);
        assert_eq!(kind(".gitlab/ci/a.yml", "a:\n  script: [x]\n"), Some(FileKind::Image));
        assert_eq!(kind("templates/Go.gitlab-ci.yml", "image: x\n"), Some(FileKind::Image));
    }
}
