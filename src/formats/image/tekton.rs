//! Objects of Tekton (tekton.dev, "Bundles resolver", "Tasks", "Specifying Parameters"): bundles of tasks and pipelines, and
//! defaults of parameters that are images. Steps are found as containers.

use super::super::{Evidence, yaml::has_line};

use super::kind::{KnownKind, RuleScope, yaml_or_json};
use super::known::KnownImage;
use super::rule::{ImageRule, RulePlace};
use super::spelling::tagged_value;

pub(super) const KIND: KnownKind = KnownKind {
    patterns: &[],
    recognize: |file| has_line(file, &["apiVersion: tekton.dev/"]).then_some(Evidence::Content),
    scope: RuleScope::Additional,
    tree: yaml_or_json,
    rules: &[
        ImageRule { at: "**.taskRef[resolver=bundles].params[name=bundle].value", images: tagged_value },
        ImageRule { at: "**.pipelineRef[resolver=bundles].params[name=bundle].value", images: tagged_value },
        ImageRule { at: "**.taskRef.bundle", images: tagged_value },
        ImageRule { at: "**.pipelineRef.bundle", images: tagged_value },
        ImageRule { at: "[apiVersion^=tekton.dev/].spec.params[*]", images: parameter },
    ],
};

/// The default of a parameter such as `BUILDER_IMAGE`. Parameters that are just `IMAGE` often name the image to build.
fn parameter(place: &RulePlace<'_>) -> Vec<KnownImage> {
    let name = place.node.get("name").and_then(|name| name.text()).unwrap_or_default().to_ascii_lowercase();
    let is_result = ["output", "dest", "target", "result", "push"].iter().any(|word| name.contains(word));
    match place.node.get("default") {
        Some(default) if name.ends_with("image") && name != "image" && !is_result => {
            tagged_value(&place.below(default))
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check_kind;

    #[test]
    fn f17_bundles_and_parameters_of_tekton_are_found_and_written() {
        check_kind(
            ".tekton/run.yaml",
            r#"apiVersion: tekton.dev/v1
kind: Pipeline
spec:
  params:
  - {name: builderImage, default: 'docker.io/library/python:3.12@DIGEST'}
  - {name: IMAGE, default: 'registry.example/out:1'}
  - {name: output-image, default: 'registry.example/out:1'}
  tasks:
  - name: a
    taskRef:
      resolver: bundles
      params:
      - name: name
        value: init
      - name: bundle
        value: docker.io/library/python:3.12@DIGEST
      - {name: kind, value: task}
  - name: b
    taskRef: {resolver: hub, params: [{name: bundle, value: 'x:1'}]}
  - name: c
    taskSpec:
      steps:
      - image: docker.io/library/python:3.12@DIGEST
"#,
            &[
                r#"5 docker.io/library/python:3.12; yaml = { PATH, at = "spec.params[name=builderImage].default" }"#,
                r#"16 docker.io/library/python:3.12; yaml = { PATH, at = "spec.tasks[name=a].taskRef.params[name=bundle].value" }"#,
                r#"23 docker.io/library/python:3.12; yaml = { PATH, at = "spec.tasks[name=c].taskSpec.steps[0].image" }"#,
            ],
        );
    }
}
