//! `workflow = { path, job, service }`: images of a GitHub workflow: a job's `container`, its `services`, and steps that
//! use `docker://…` (docs.github.com, "Workflow syntax for GitHub Actions"). An action's own image counts as well.

use std::ops::Range;
use std::rc::Rc;

use crate::find::DOCKER;
use crate::yaml::Node;

use super::spot::{Spot, of_repository};
use super::text::Text;
use super::yaml::write;
use super::{Change, Unfit, Writing};

/// Which images of a workflow are meant: those of one job, and of one service, or all of the pin's repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The job's id.
    pub job: Option<String>,
    /// The service's id.
    pub service: Option<String>,
}

/// What the images become.
pub(super) fn edits(place: &Place, text: &Text, writing: &Writing<'_>) -> Result<Vec<Change>, Unfit> {
    let new = writing.value(text)?;
    let mut spots = Spots::default();
    for document in text.yaml()? {
        for (name, job) in map(document, "jobs") {
            if place.job.as_ref().is_none_or(|wanted| name.text() == Some(wanted)) {
                spots.job(place, name, job);
            }
        }
        if let Some(runs) = document.get("runs").filter(|_| *place == Place::default()) {
            spots.steps(runs, None);
            spots.add(runs, "image", DOCKER, None);
        }
    }
    let help = "name one with `job = \"…\"`, and `service = \"…\"` for a service of it";
    let spots = of_repository(spots.found, text, writing, help)?;
    let change = |spot: &Spot| {
        let node = spot.node.as_ref()?;
        let prefix = if node.text()?.starts_with(DOCKER) { DOCKER } else { "" };
        Some(write(text, node, &format!("{prefix}{new}")))
    };
    spots.iter().filter_map(change).collect()
}

/// The place of the image at `span`.
pub(super) fn place(text: &Text, span: &Range<usize>) -> Option<Place> {
    let holds = |node: &Node, key: &str| node.get(key).is_some_and(|node| node.holds(span));
    let steps =
        |node: &Node| node.get("steps").is_some_and(|steps| steps.items().iter().any(|step| holds(step, "uses")));
    for document in text.yaml().ok()? {
        for (id, job) in map(document, "jobs") {
            let job_id = id.text().map(str::to_owned);
            if let Some((id, _)) = map(job, "services").iter().find(|(_, service)| holds(service, "image")) {
                return Some(Place { job: job_id, service: id.text().map(str::to_owned) });
            }
            if holds(job, "container")
                || job.get("container").is_some_and(|container| holds(container, "image"))
                || steps(job)
            {
                return Some(Place { job: job_id, service: None });
            }
        }
        if document.get("runs").is_some_and(|runs| holds(runs, "image") || steps(runs)) {
            return Some(Place::default());
        }
    }
    None
}

#[derive(Default)]
struct Spots {
    found: Vec<Spot>,
}

impl Spots {
    fn job(&mut self, place: &Place, name: &Node, job: &Node) {
        let shared = job.anchored.then(|| name.span.clone());
        for (id, service) in map(job, "services") {
            if place.service.as_ref().is_none_or(|wanted| id.text() == Some(wanted)) {
                let shared = shared.clone().or_else(|| service.anchored.then(|| id.span.clone()));
                self.add(service, "image", "", shared);
            }
        }
        if place.service.is_some() {
            return;
        }
        self.add(job, "container", "", shared.clone());
        if let Some(container) = job.get("container") {
            let shared = shared.clone().or_else(|| container.anchored.then(|| container.span.clone()));
            self.add(container, "image", "", shared);
        }
        self.steps(job, shared);
    }

    fn steps(&mut self, parent: &Node, shared: Option<Range<usize>>) {
        for step in parent.get("steps").map(|steps| steps.items()).unwrap_or_default() {
            self.add(step, "uses", DOCKER, shared.clone().or_else(|| step.anchored.then(|| step.span.clone())));
        }
    }

    /// The image at `key` of `parent`, where there is one.
    fn add(&mut self, parent: &Node, key: &str, prefix: &str, shared: Option<Range<usize>>) {
        if let Some(node) = parent.get(key) {
            let shared = shared.or_else(|| node.anchored.then(|| node.span.clone()));
            self.found.extend(Spot::of(node, prefix, shared));
        }
    }
}

fn map<'a>(node: &'a Node, key: &str) -> &'a [(Rc<Node>, Rc<Node>)] {
    node.get(key).map(|map| map.entries()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DIGEST, check};

    const WORKFLOW: &str = "on: push\njobs:\n  test:\n    container: python:3\n    services:\n      py:\n        image: \
                            'python:3'\n      db: {image: postgres:16}\n    steps:\n    - uses: actions/checkout@v5\n    - uses: \
                            docker://python:3 # lint\n  old:\n    container: {image: \"python:2\"}\n";

    #[track_caller]
    fn at(place: &str, path: &str, text: &str, expected: &str) {
        let expected = expected.replace("NEW", &format!("docker.io/library/python:3.12@{DIGEST}"));
        check(&format!("workflow = {{ path = \"{path}\"{place} }}"), path, text, &expected);
    }

    #[test]
    fn containers_services_and_steps_are_written_over() {
        const PATH: &str = ".github/workflows/test.yml";
        at(", job = \"test\"", PATH, WORKFLOW, &WORKFLOW.replace("python:3", "NEW"));
        at(", job = \"old\"", PATH, WORKFLOW, &WORKFLOW.replace("python:2", "NEW"));
        at(", service = \"py\"", PATH, WORKFLOW, &WORKFLOW.replace("'python:3'", "'NEW'"));
        at(
            "",
            PATH,
            WORKFLOW,
            "13 ! `.github/workflows/test.yml` names `docker.io/library/python` at several tags: `'python:3'` in line 7, \
             `python:3` in line 4, `docker://python:3` in line 11, `\"python:2\"` in line 13; name one with `job = \"…\"`, and \
             `service = \"…\"` for a service of it",
        );
        at(
            ", service = \"db\"",
            PATH,
            WORKFLOW,
            "8 ! `.github/workflows/test.yml` names no image of `docker.io/library/python`; there are: `postgres:16` in line 8",
        );
    }

    #[test]
    fn an_actions_own_image_is_written_over() {
        at(
            "",
            "action.yml",
            "runs:\n  using: docker\n  image: docker://python:3\n",
            "runs:\n  using: docker\n  image: docker://NEW\n",
        );
        at(
            "",
            "action.yml",
            "runs: {using: composite, steps: [{uses: docker://python}]}\n",
            "runs: {using: composite, steps: [{uses: docker://NEW}]}\n",
        );
    }
}
