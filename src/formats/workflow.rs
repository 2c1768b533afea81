//! `workflow = { path, job, service }`: images of a GitHub workflow: a job's `container`, its `services`, and steps that
//! use `docker://…` (docs.github.com, "Workflow syntax for GitHub Actions"). An action's own image counts as well.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use crate::formats::find::DOCKER;
use crate::text::yaml::YamlNode;

use super::spot::{ImageSite, ImageSites};
use super::text::FileText;
use super::tree::DocumentTree;
use super::way::Selector;
use super::yaml::{first_byte, write};
use super::{TargetError, TextChange, WriteSpec};

/// Which images of a workflow are meant: those of one job, and of one service, or all of the pin's repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct WorkflowSelector {
    /// The job's id.
    pub job: Option<String>,
    /// The service's id.
    pub service: Option<String>,
}

/// What the images become.
pub(super) fn edits(
    place: &WorkflowSelector,
    text: &FileText,
    writing: &WriteSpec<'_>,
) -> Result<Vec<TextChange>, TargetError> {
    let new = writing.value(text)?;
    let help = "name one with `job = \"…\"`, and `service = \"…\"` for a service of it";
    let none = ImageSites::default();
    let spots = text.workflow()?.get(place).unwrap_or(&none).ours(text, writing, help)?;
    let change = |spot: &Rc<ImageSite>| {
        let node = spot.node.as_ref()?;
        let prefix = if node.text()?.starts_with(DOCKER) { DOCKER } else { "" };
        Some(write(text, node, &format!("{prefix}{new}")))
    };
    spots.iter().filter_map(change).collect()
}

/// The images of a workflow or an action, by each place that means them.
pub(super) fn spots(tree: &DocumentTree) -> HashMap<WorkflowSelector, ImageSites> {
    let mut spots = HashMap::new();
    each(tree, &mut |value| {
        if let Some(spot) =
            ImageSite::of(value.node, value.prefix, value.shared.map(|shared| (value.way.clone(), shared)))
        {
            let spot = Rc::new(spot);
            for place in meant_by(value.of) {
                spots.entry(place).or_insert_with(ImageSites::default).add(Rc::clone(&spot));
            }
        }
    });
    spots
}

/// The places that mean what stands at `of`: itself, and those that leave out a job or a service.
fn meant_by(of: &WorkflowSelector) -> Vec<WorkflowSelector> {
    let mut places = vec![of.clone()];
    if of.service.is_some() {
        places.push(WorkflowSelector { service: None, ..of.clone() });
    }
    if of.job.is_some() {
        places.extend(places.clone().into_iter().map(|place| WorkflowSelector { job: None, ..place }));
    }
    places
}

/// The places of all images, each by its first byte, without its quotes.
pub(super) fn places(text: &FileText) -> HashMap<usize, WorkflowSelector> {
    let mut places = HashMap::new();
    if let Ok(tree) = text.yaml() {
        each(tree, &mut |value| {
            // What several share, the first has.
            places.entry(first_byte(text, value.node)).or_insert_with(|| value.of.clone());
        });
    }
    places
}

/// A value that may name an image.
struct WorkflowImage<'a> {
    node: &'a Rc<YamlNode>,
    /// What stands before the image.
    prefix: &'a str,
    /// The job it is in, and the service.
    of: &'a WorkflowSelector,
    way: Selector,
    /// Where others share it.
    shared: Option<Range<usize>>,
}

/// Shows each value that may name an image to `look`.
fn each(tree: &DocumentTree, look: &mut dyn FnMut(WorkflowImage<'_>)) {
    let top = Selector::of(&[], None);
    for document in &tree.documents {
        for (name, job) in map(document, "jobs") {
            let id = name.text().unwrap_or_default();
            let way = top.key("jobs").key(id);
            let place = WorkflowSelector { job: Some(id.to_owned()), service: None };
            let shared = job.is_anchored.then(|| name.span.clone());
            for (name, service) in map(job, "services") {
                let id = name.text().unwrap_or_default();
                let place = WorkflowSelector { service: Some(id.to_owned()), ..place.clone() };
                let shared = shared.clone().or_else(|| service.is_anchored.then(|| name.span.clone()));
                let mut parent =
                    WorkflowParent { node: service, of: &place, way: &way.key("services").key(id), shared, look };
                parent.value("image", "");
            }
            let mut parent = WorkflowParent { node: job, of: &place, way: &way, shared: shared.clone(), look };
            parent.value("container", "");
            if let Some(container) = job.get("container") {
                let shared = shared.clone().or_else(|| container.is_anchored.then(|| container.span.clone()));
                let way = &way.key("container");
                WorkflowParent { node: container, of: &place, way, shared, look }.value("image", "");
            }
            WorkflowParent { node: job, of: &place, way: &way, shared, look }.steps();
        }
        if let Some(runs) = document.get("runs") {
            let mut parent = WorkflowParent {
                node: runs,
                of: &WorkflowSelector::default(),
                way: &top.key("runs"),
                shared: None,
                look,
            };
            parent.steps();
            parent.value("image", DOCKER);
        }
    }
}

/// A map some of whose values may name images.
struct WorkflowParent<'a> {
    node: &'a YamlNode,
    of: &'a WorkflowSelector,
    way: &'a Selector,
    shared: Option<Range<usize>>,
    look: &'a mut dyn FnMut(WorkflowImage<'_>),
}

impl WorkflowParent<'_> {
    fn steps(&mut self) {
        for (number, step) in self.node.get("steps").map(|steps| steps.items()).unwrap_or_default().iter().enumerate() {
            let shared = self.shared.clone().or_else(|| step.is_anchored.then(|| step.span.clone()));
            let way = &self.way.key("steps").item(number);
            WorkflowParent { node: step, of: self.of, way, shared, look: self.look }.value("uses", DOCKER);
        }
    }

    /// The value of `key`, where there is one.
    fn value(&mut self, key: &str, prefix: &str) {
        if let Some(node) = self.node.get(key) {
            let shared = self.shared.clone().or_else(|| node.is_anchored.then(|| node.span.clone()));
            (self.look)(WorkflowImage { node, prefix, of: self.of, way: self.way.key(key), shared });
        }
    }
}

fn map<'a>(node: &'a YamlNode, key: &str) -> &'a [(Rc<YamlNode>, Rc<YamlNode>)] {
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
    fn the_way_to_what_others_share_is_told() {
        for (text, line, way) in [
            ("jobs:\n  a: {container: &c python:3}\n  b: {container: *c}\n", 2, "jobs.a.container"),
            ("jobs:\n  a:\n    services: {py: &s {image: python:3}}\n", 3, "jobs.a.services.py.image"),
            ("jobs:\n  a.b:\n    container: &c\n      image: python:3\n", 4, "jobs.\"a.b\".container.image"),
            ("runs:\n  steps:\n  - {}\n  - &s {uses: 'docker://python:3'}\n", 4, "runs.steps[1].uses"),
        ] {
            let message = "leads over an anchor, an alias or a merge of `action.yml`; write the value out in full there, \
                           without `&`, `*` or `<<`: others share it";
            at("", "action.yml", text, &format!("{line} ! the way `{way}` {message}"));
        }
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
