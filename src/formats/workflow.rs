//! `workflow = { path, job, service }`: images of a GitHub workflow: a job's `container`, its `services`, and steps that
//! use `docker://…`; and those of an action (docs.github.com, "Workflow syntax for GitHub Actions", "Metadata syntax for
//! GitHub Actions"). Gitea and Forgejo use the same syntax.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    DocumentTree, Evidence, FileFormat, FileText, ImageSite, ImageSites, Selector, SharedValue, SiteCandidate,
    TargetEdit, TargetError, TargetKind, TargetReader, WriteSpec, YamlPlace,
};
use crate::text::diagnostics::{At, Problem, SourceFile};
use crate::text::yaml::YamlNode;

use super::suggest::{by_selector, by_start};
use super::table::optional;
use super::yaml::{has_line, tree, write};

/// Prefix of an image that a step uses.
const DOCKER: &str = "docker://";

/// Images of one job, of one service, or all from the pin's repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct WorkflowPlace {
    job: Option<String>,
    service: Option<String>,
}

/// Images of a GitHub workflow.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "TargetWorkflow", extend("required" = ["path"]))]
pub(super) struct WorkflowTable {
    /// A file below the root, or a glob, e.g. `.github/workflows/*.yml`.
    pub(super) path: Option<At<String>>,
    /// The job; by default all. Images from other repositories remain unchanged.
    job: Option<At<String>>,
    /// The service; by default all services, containers and steps.
    service: Option<At<String>>,
}

impl FileFormat for WorkflowPlace {
    type Table = WorkflowTable;
    const PATTERNS: &'static [&'static str] =
        &[".github/**/*.{yaml,yml}", ".gitea/**/*.{yaml,yml}", ".forgejo/**/*.{yaml,yml}"];

    fn read(table: &WorkflowTable, _: &mut TargetReader<'_, '_>) -> Option<Self> {
        Some(Self { job: optional(table.job.as_ref()), service: optional(table.service.as_ref()) })
    }

    fn keys(&self) -> Vec<(&'static str, &str)> {
        let keys = [("job", &self.job), ("service", &self.service)];
        keys.into_iter().filter_map(|(key, name)| Some((key, name.as_deref()?))).collect()
    }

    fn edits(&self, spec: &WriteSpec<'_>) -> Result<Vec<TargetEdit>, TargetError> {
        let (text, new) = (spec.text, spec.value()?);
        let help = "select one with `job = \"…\"`, and `service = \"…\"` for one of its services";
        let (index, none) = (text.parsed("workflow", || Ok(index(text, &*tree(text)?)))?, ImageSites::default());
        let sites = index.get(self).unwrap_or(&none).of_pin(spec, help)?;
        let edit = |site: &Arc<ImageSite>| {
            let node = site.node.as_ref()?;
            let prefix = if node.text()?.starts_with(DOCKER) { DOCKER } else { "" };
            Some(write(spec, node, &format!("{prefix}{new}")))
        };
        sites.iter().filter_map(edit).collect()
    }

    fn recognize(file: &SourceFile) -> Option<Evidence> {
        let (directory, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        let is_in_forge = [".github/workflows", ".gitea/workflows", ".forgejo/workflows"].contains(&directory);
        let is_action = || ["action.yaml", "action.yml"].contains(&name) && has_line(file, &["runs:"]);
        let has_jobs = || has_line(file, &["jobs:"]) && has_line(file, &["on:", "\"on\":", "'on':"]);
        (is_in_forge || is_action() || has_jobs()).then_some(Evidence::Name)
    }

    fn find(text: &FileText) -> Result<Vec<ImageSite>, Problem> {
        Ok(images(text, &*tree(text)?).into_iter().map(|(_, site)| site).collect())
    }

    fn suggest(text: &FileText, sites: &[ImageSite]) -> Result<Vec<Vec<SiteCandidate>>, Problem> {
        let tree = tree(text)?;
        let mut places = HashMap::new();
        for (place, site) in images(text, &tree) {
            // A shared value belongs to its first use.
            places.entry(site.span.start).or_insert(place);
        }
        let mut candidates = by_start(sites, &places, |place| TargetKind::Workflow(place.clone()));
        let values = by_selector(&tree, sites, |selector| TargetKind::Yaml(YamlPlace(selector)));
        for ((all, values), site) in candidates.iter_mut().zip(values).zip(sites) {
            // The value of a step is more than the image.
            if !text.text()[site.span.clone()].starts_with(DOCKER) {
                all.extend(values);
            }
        }
        Ok(candidates)
    }
}

/// Indexes the images by every place that selects them.
fn index(text: &FileText, tree: &DocumentTree) -> HashMap<WorkflowPlace, ImageSites> {
    let mut index = HashMap::new();
    for (place, site) in images(text, tree) {
        let site = Arc::new(site);
        for place in place.and_wider() {
            index.entry(place).or_insert_with(ImageSites::default).add(text, &site);
        }
    }
    index
}

impl WorkflowPlace {
    /// Returns this place and those that leave out its job or service.
    fn and_wider(self) -> Vec<Self> {
        let mut places = vec![self.clone()];
        if self.service.is_some() {
            places.push(Self { service: None, ..self.clone() });
        }
        if self.job.is_some() {
            places.extend(places.clone().into_iter().map(|place| Self { job: None, ..place }));
        }
        places
    }
}

/// Returns all images with their job and service; a shared value appears once per use.
fn images(text: &FileText, tree: &DocumentTree) -> Vec<(WorkflowPlace, ImageSite)> {
    let mut images = WorkflowImages { text, found: Vec::new() };
    for document in &tree.documents {
        let top = WorkflowMap {
            node: document,
            place: &WorkflowPlace::default(),
            selector: Selector::of(&[], None),
            shared: None,
        };
        for (name, job) in entries(document, "jobs") {
            let id = name.text().unwrap_or_default();
            let place = WorkflowPlace { job: Some(id.to_owned()), service: None };
            let selector = top.selector.key("jobs").key(id);
            let job =
                WorkflowMap { node: job, place: &place, selector, shared: job.is_anchored.then(|| name.span.clone()) };
            for (name, service) in entries(job.node, "services") {
                let id = name.text().unwrap_or_default();
                let place = WorkflowPlace { service: Some(id.to_owned()), ..place.clone() };
                let shared = job.shared.clone().or_else(|| service.is_anchored.then(|| name.span.clone()));
                let selector = job.selector.key("services").key(id);
                images.add(&WorkflowMap { node: service, place: &place, selector, shared }, "image", "");
            }
            images.add(&job, "container", "");
            if let Some(container) = job.child("container") {
                images.add(&container, "image", "");
            }
            images.add_steps(&job);
        }
        if let Some(runs) = top.child("runs") {
            images.add(&runs, "image", DOCKER);
            images.add_steps(&runs);
        }
    }
    images.found
}

/// A map whose values may name images.
struct WorkflowMap<'a> {
    node: &'a YamlNode,
    /// Its job and service.
    place: &'a WorkflowPlace,
    selector: Selector,
    /// Position of the shared value that contains it.
    shared: Option<Range<usize>>,
}

impl<'a> WorkflowMap<'a> {
    fn child(&self, key: &str) -> Option<Self> {
        let node = self.node.get(key)?;
        let shared = self.shared.clone().or_else(|| node.is_anchored.then(|| node.span.clone()));
        Some(Self { node, selector: self.selector.key(key), shared, place: self.place })
    }
}

struct WorkflowImages<'a> {
    text: &'a FileText,
    found: Vec<(WorkflowPlace, ImageSite)>,
}

impl WorkflowImages<'_> {
    /// Adds the value of `key` if it names an image after `prefix`.
    fn add(&mut self, map: &WorkflowMap<'_>, key: &str, prefix: &str) {
        let Some(node) = map.node.get(key) else { return };
        let name = node.text().and_then(|text| text.strip_prefix(prefix)).filter(|name| !name.is_empty());
        let Some(name) = name else { return };
        let span = map.shared.clone().or_else(|| node.is_anchored.then(|| node.span.clone()));
        let shared = span.map(|span| SharedValue { selector: map.selector.key(key), span });
        let site = ImageSite { shared, ..ImageSite::scalar(&self.text.file, node, name.to_owned()) };
        self.found.push((map.place.clone(), site));
    }

    fn add_steps(&mut self, map: &WorkflowMap<'_>) {
        let Some(steps) = map.node.get("steps") else { return };
        for (number, step) in steps.items().iter().enumerate() {
            let shared = map.shared.clone().or_else(|| step.is_anchored.then(|| step.span.clone()));
            let selector = map.selector.key("steps").item(number);
            self.add(&WorkflowMap { node: step, place: map.place, selector, shared }, "uses", DOCKER);
        }
    }
}

fn entries<'a>(node: &'a YamlNode, key: &str) -> &'a [(Arc<YamlNode>, Arc<YamlNode>)] {
    node.get(key).map(|map| map.entries()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DIGEST, check, check_find};

    const WORKFLOW: &str = "on: push\njobs:\n  test:\n    container: python:3\n    services:\n      py:\n        image: \
                            'python:3'\n      db: {image: postgres:16}\n    steps:\n    - uses: actions/checkout@v5\n    - uses: \
                            docker://python:3 # lint\n  old:\n    container: {image: \"python:2\"}\n";

    #[track_caller]
    fn at(place: &str, path: &str, text: &str, expected: &str) {
        let expected = expected.replace("NEW", &format!("python:3.12@{DIGEST}"));
        check(&format!("workflow = {{ path = \"{path}\"{place} }}"), path, text, &expected);
    }

    #[test]
    fn a_shared_value_is_reported_with_its_selector() {
        for (text, line, selector) in [
            ("jobs:\n  a: {container: &c python:3}\n  b: {container: *c}\n", 2, "jobs.a.container"),
            ("jobs:\n  a:\n    services: {py: &s {image: python:3}}\n", 3, "jobs.a.services.py.image"),
            ("jobs:\n  a.b:\n    container: &c\n      image: python:3\n", 4, "jobs.\"a.b\".container.image"),
            ("runs:\n  steps:\n  - {}\n  - &s {uses: 'docker://python:3'}\n", 4, "runs.steps[1].uses"),
        ] {
            let message =
                "an anchor, an alias or a merge key shares it; write the value out there, without `&`, `*` or `<<`";
            at("", "action.yml", text, &format!("{line} ! cannot edit `{selector}` in `action.yml`: {message}"));
        }
    }

    #[test]
    fn containers_services_and_steps_are_replaced() {
        const PATH: &str = ".github/workflows/test.yml";
        at(", job = \"test\"", PATH, WORKFLOW, &WORKFLOW.replace("python:3", "NEW"));
        at(", job = \"old\"", PATH, WORKFLOW, &WORKFLOW.replace("python:2", "NEW"));
        at(", service = \"py\"", PATH, WORKFLOW, &WORKFLOW.replace("'python:3'", "'NEW'"));
        at(
            "",
            PATH,
            WORKFLOW,
            "13 ! `.github/workflows/test.yml` has images from `docker.io/library/python` with different tags: \
             `python:3` (line 7), `python:3` (line 4), `docker://python:3` (line 11), `python:2` (line 13); select one \
             with `job = \"…\"`, and `service = \"…\"` for one of its services",
        );
        at(
            ", service = \"db\"",
            PATH,
            WORKFLOW,
            "8 ! `.github/workflows/test.yml` has no image from `docker.io/library/python`; it has: `postgres:16` (line 8)",
        );
    }

    #[test]
    fn the_image_of_an_action_is_replaced() {
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

    #[test]
    fn containers_services_and_steps_name_images() {
        check_find(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  a:\n    container: python:3\n    services:\n      db: {image: 'redis:7'}\n      none: {}\n    \
             steps:\n    - uses: actions/checkout@v5\n    - uses: docker://alpine:3\n  b:\n    container:\n      image: \
             ghcr.io/a/b:${{ matrix.v }}\n  c: {container: ''}\n",
            &[
                "4 python:3 = docker.io/library/python:3",
                "6 redis:7 = docker.io/library/redis:7",
                "10 docker://alpine:3 = docker.io/library/alpine:3",
                "13 ghcr.io/a/b:${{ matrix.v }} ! contains a template expression",
            ],
        );
    }

    #[test]
    fn an_action_names_its_image_and_those_of_its_steps() {
        check_find("action.yml", "runs:\n  using: docker\n  image: Dockerfile\n", &[]);
        check_find(
            "action.yml",
            "runs:\n  image: \"docker://a:1\"\n  steps: [{uses: docker://b}]\n",
            &["2 docker://a:1 = docker.io/library/a:1", "3 docker://b = docker.io/library/b:latest"],
        );
    }
}
