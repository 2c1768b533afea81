//! Objects of Kubernetes: the images of containers and of volumes, wherever a pod stands in them; and those of the steps
//! of Argo Workflows and Tekton, which are containers under other names (argo-workflows.readthedocs.io, "Field
//! Reference"; tekton.dev, "Tasks").

use std::rc::Rc;
use std::sync::Arc;

use crate::text::diagnostics::{Problem, SourceFile};
use crate::text::yaml::{self, YamlNode};

use super::FoundImage;

/// The lists that hold containers: those of a pod, and of templates that become one.
const CONTAINERS: [&str; 5] = ["containers", "initContainers", "ephemeralContainers", "sidecars", "steps"];
/// The maps that are one.
const CONTAINER: [&str; 3] = ["container", "script", "stepTemplate"];
/// The list of a pod that holds volumes, of which one may be an image (kubernetes.io, "Volumes", "image").
const VOLUMES: &str = "volumes";

/// The images of all objects of a file.
pub(super) fn find(file: &Arc<SourceFile>) -> Result<Vec<FoundImage>, Problem> {
    let mut found = Vec::new();
    yaml::visit(&yaml::parse(file)?, &mut |node: &YamlNode| {
        for (key, value) in node.entries().iter().filter_map(|(key, value)| Some((key.text()?, value))) {
            let images: Vec<&Rc<YamlNode>> = match key {
                VOLUMES => value.items().iter().filter_map(|volume| volume.get("image")?.get("reference")).collect(),
                key if CONTAINERS.contains(&key) => value.items().iter().filter_map(|one| one.get("image")).collect(),
                key if CONTAINER.contains(&key) => value.get("image").into_iter().collect(),
                _ => Vec::new(),
            };
            let mention = |node: &Rc<YamlNode>| Some(FoundImage::of(file, node, node.text()?.to_owned()));
            found.extend(images.into_iter().filter_map(mention));
        }
    });
    Ok(found)
}

#[cfg(test)]
mod tests {
    use crate::formats::find::tests::check;

    #[test]
    fn volumes_and_steps_under_other_names_are_found() {
        check(
            "a.yaml",
            "kind: Pod\nspec:\n  volumes: [{name: a}, {image: {reference: quay.io/a:1}}]\n---\nkind: Workflow\nspec:\n  \
             templates:\n  - container: {image: b:1}\n    sidecars: [{image: c:1}]\n  - script: {image: d:1}\n---\nkind: \
             Task\nspec:\n  stepTemplate: {image: e:1}\n  steps:\n  - image: f:1\n  - ref: {name: x}\n",
            &[
                "3 quay.io/a:1 = quay.io/a:1",
                "8 b:1 = docker.io/library/b:1",
                "9 c:1 = docker.io/library/c:1",
                "10 d:1 = docker.io/library/d:1",
                "14 e:1 = docker.io/library/e:1",
                "16 f:1 = docker.io/library/f:1",
            ],
        );
    }

    #[test]
    fn containers_are_found_wherever_a_pod_stands() {
        check(
            "a.yaml",
            "kind: CronJob\nspec: {jobTemplate: {spec: {template: {spec: {containers: [{image: a:1}]}}}}}\n---\nkind: \
             List\nitems:\n- kind: Pod\n  spec:\n    initContainers:\n    - image: 'quay.io/b/b'\n    containers:\n    - \
             image: \"{{ .Values.image }}\"\n    - name: x\n    - image: c@sha256:12\n    - image: $(IMAGE)\n---\nkind: \
             Other\nspec: {image: d:1}\n",
            &[
                "2 a:1 = docker.io/library/a:1",
                "9 quay.io/b/b = quay.io/b/b:latest",
                "11 {{ .Values.image }} ! it is a template",
                "13 c@sha256:12 ! invalid digest `sha256:12`",
                "14 $(IMAGE) ! it has a variable without a value",
            ],
        );
        check(
            "a.json",
            "{\"kind\": \"Pod\",\n\t\"spec\": {\"containers\": [{\"image\": \"a:1\"}]}}",
            &["2 a:1 = docker.io/library/a:1"],
        );
        check(
            "a.yaml",
            "kind: Pod\n{{- if .Values.x }}\nspec: {}\n{{- end }}\n",
            &["2 ! invalid YAML: \"-\" is only valid inside a block"],
        );
    }
}
