//! Inputs of well-known GitHub actions that are images.

use super::super::{Evidence, yaml, yaml::has_line};

use super::kind::{KnownKind, RuleScope};
use super::rule::ImageRule;
use super::spelling::{lines, tagged_value};

pub(super) const KIND: KnownKind = KnownKind {
    patterns: &[],
    recognize: |file| {
        let has_steps = file.text.contains("uses:") && file.text.contains("with:");
        (has_steps && has_line(file, &["jobs:", "runs:"])).then_some(Evidence::Content)
    },
    scope: RuleScope::Additional,
    tree: yaml::tree,
    rules: &[
        ImageRule { at: "**.steps[uses^=docker/setup-qemu-action@].with.image", images: tagged_value },
        ImageRule {
            at: "**.steps[uses^=docker/setup-buildx-action@].with.driver-opts",
            images: |place| lines(place, "image="),
        },
        ImageRule { at: "**.steps[uses^=helm/kind-action@].with.node_image", images: tagged_value },
        ImageRule { at: "**.steps[uses^=container-tools/kind-action@].with.node_image", images: tagged_value },
        ImageRule { at: "**.steps[uses^=container-tools/kind-action@].with.registry_image", images: tagged_value },
        ImageRule { at: "**.steps[uses^=engineerd/setup-kind@].with.image", images: tagged_value },
        ImageRule { at: "**.steps[uses^=addnab/docker-run-action@].with.image", images: tagged_value },
        ImageRule { at: "**.steps[uses^=google-github-actions/deploy-cloudrun@].with.image", images: tagged_value },
    ],
};

#[cfg(test)]
mod tests {
    use super::super::tests::check_kind;

    #[test]
    fn f17_inputs_of_well_known_actions_are_found_and_written() {
        check_kind(
            ".github/workflows/ci.yml",
            r#"on: push
jobs:
  a:
    steps:
    - uses: docker/setup-qemu-action@v3
      with:
        image: docker.io/library/python:3.12@DIGEST
    - uses: docker/setup-buildx-action@v3
      with:
        driver-opts: |
          network=host
          image=docker.io/library/python:3.12@DIGEST
    - uses: docker/setup-buildx-action@v3
      with: {driver-opts: 'image=moby/buildkit:v0.17,network=host'}
    - uses: docker/other@v3
      with: {image: 'python:3.12'}
    - uses: helm/kind-action@v1
      with: {node_image: 'docker.io/library/python:3.12@DIGEST'}
"#,
            &[
                r#"7 docker.io/library/python:3.12; yaml = { PATH, at = "jobs.a.steps[0].with.image" }"#,
                r#"12 docker.io/library/python:3.12; image = { PATH, at = "jobs.a.steps[1].with.driver-opts" }"#,
                r#"14 moby/buildkit:v0.17"#,
                r#"18 docker.io/library/python:3.12; yaml = { PATH, at = "jobs.a.steps[4].with.node_image" }"#,
            ],
        );
    }
}
