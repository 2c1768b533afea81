//! Workflows and actions of GitHub, Gitea and Forgejo: the `container` and the `services` of jobs, and `docker://…` that
//! steps use (docs.github.com, "Workflow syntax for GitHub Actions", "Metadata syntax for GitHub Actions").

use std::sync::Arc;

use crate::text::diagnostics::{Problem, SourceFile};
use crate::text::yaml::{self, YamlNode};

use super::FoundImage;

/// What stands before an image that a step uses.
pub(crate) const DOCKER: &str = "docker://";

/// The images of a workflow, or of an action.
pub(super) fn find(file: &Arc<SourceFile>) -> Result<Vec<FoundImage>, Problem> {
    let mut found = WorkflowFinder { file, found: Vec::new() };
    for document in yaml::parse(file)? {
        for (_, job) in document.get("jobs").map(|jobs| jobs.entries()).unwrap_or_default() {
            found.container(job, "container");
            for (_, service) in job.get("services").map(|services| services.entries()).unwrap_or_default() {
                found.container(service, "image");
            }
            found.steps(job);
        }
        if let Some(runs) = document.get("runs") {
            found.used(runs, "image");
            found.steps(runs);
        }
    }
    Ok(found.found)
}

struct WorkflowFinder<'a> {
    file: &'a SourceFile,
    found: Vec<FoundImage>,
}

impl WorkflowFinder<'_> {
    /// The image of a container: a text, or the `image` of a map.
    fn container(&mut self, parent: &YamlNode, key: &str) {
        let Some(node) = parent.get(key) else { return };
        let node = node.get("image").unwrap_or(node);
        let text = node.text().filter(|text| !text.is_empty());
        self.found.extend(text.map(|text| FoundImage::of(self.file, node, text.to_owned())));
    }

    fn steps(&mut self, parent: &YamlNode) {
        for step in parent.get("steps").map(|steps| steps.items()).unwrap_or_default() {
            self.used(step, "uses");
        }
    }

    fn used(&mut self, parent: &YamlNode, key: &str) {
        let Some(node) = parent.get(key) else { return };
        let text = node.text().and_then(|text| text.strip_prefix(DOCKER));
        self.found.extend(text.map(|text| FoundImage::of(self.file, node, text.to_owned())));
    }
}

#[cfg(test)]
mod tests {
    use crate::formats::find::tests::check;

    #[test]
    fn containers_services_and_steps_name_images() {
        check(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  a:\n    container: python:3\n    services:\n      db: {image: 'redis:7'}\n      none: {}\n    \
             steps:\n    - uses: actions/checkout@v5\n    - uses: docker://alpine:3\n  b:\n    container:\n      image: \
             ghcr.io/a/b:${{ matrix.v }}\n  c: {container: ''}\n",
            &[
                "4 python:3 = docker.io/library/python:3",
                "6 redis:7 = docker.io/library/redis:7",
                "10 docker://alpine:3 = docker.io/library/alpine:3",
                "13 ghcr.io/a/b:${{ matrix.v }} ! it is a template",
            ],
        );
    }

    #[test]
    fn an_action_names_its_image_and_those_of_its_steps() {
        check("action.yml", "runs:\n  using: docker\n  image: Dockerfile\n", &[]);
        check(
            "action.yml",
            "runs:\n  image: \"docker://a:1\"\n  steps: [{uses: docker://b}]\n",
            &["2 docker://a:1 = docker.io/library/a:1", "3 docker://b = docker.io/library/b:latest"],
        );
    }
}
