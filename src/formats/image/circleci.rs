//! CircleCI (circleci.com, "CircleCI configuration reference"): `docker` of jobs and executors, also in orbs. Images of
//! machines are not container images.

use super::super::{Evidence, yaml, yaml::has_line};

use super::kind::{KnownKind, RuleScope, file_name, is_below, is_yaml};
use super::rule::ImageRule;
use super::spelling::value;

pub(super) const KIND: KnownKind = KnownKind {
    patterns: &["**/.circleci/**/*.{yaml,yml}"],
    recognize: |file| {
        let is_config = is_below(file, ".circleci") && is_yaml(file_name(file));
        (is_config && has_line(file, &["jobs:", "executors:", "orbs:"])).then_some(Evidence::Name)
    },
    scope: RuleScope::All,
    tree: yaml::tree,
    rules: &[
        ImageRule { at: "jobs.*.docker[*].image", images: value },
        ImageRule { at: "executors.*.docker[*].image", images: value },
        ImageRule { at: "orbs.*.jobs.*.docker[*].image", images: value },
        ImageRule { at: "orbs.*.executors.*.docker[*].image", images: value },
    ],
};

#[cfg(test)]
mod tests {
    use super::super::tests::check_kind;

    #[test]
    fn f17_jobs_and_executors_of_circleci_are_found_and_written() {
        check_kind(
            ".circleci/config.yml",
            r#"version: 2.1
executors:
  a:
    docker: [{image: 'python:3.12@DIGEST'}]
jobs:
  b:
    docker:
    - image: docker.io/library/python:3.12@DIGEST
    - image: cimg/node:<< parameters.version >>
  c:
    machine: {image: 'ubuntu-2204:2024.01.1'}
"#,
            &[
                r#"4 python:3.12; image = { PATH, at = "executors.a.docker[0].image" }"#,
                r#"8 docker.io/library/python:3.12; image = { PATH, at = "jobs.b.docker[0].image" }"#,
                r#"9 cimg/node:<< parameters.version >> ! contains a template expression"#,
            ],
        );
    }
}
