//! Objects of Kubernetes: the images of containers, wherever a pod stands in them.

use std::sync::Arc;

use crate::problem::{Problem, SourceFile};
use crate::yaml::{self, Node};

use super::Mention;

/// The lists of a pod that hold containers.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// The images of all objects of a file.
pub(super) fn find(file: &Arc<SourceFile>) -> Result<Vec<Mention>, Problem> {
    let mut found = Vec::new();
    yaml::each(&yaml::documents(file)?, &mut |node: &Node| {
        for (_, value) in
            node.entries().iter().filter(|(key, _)| key.text().is_some_and(|key| CONTAINERS.contains(&key)))
        {
            for node in value.items().iter().filter_map(|container| container.get("image")) {
                found.extend(node.text().map(|text| Mention::of(file, node, text.to_owned())));
            }
        }
    });
    Ok(found)
}

#[cfg(test)]
mod tests {
    use crate::find::tests::check;

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
                "13 c@sha256:12 ! `sha256:12` is not a digest",
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
            &["2 ! this is not YAML: \"-\" is only valid inside a block"],
        );
    }
}
