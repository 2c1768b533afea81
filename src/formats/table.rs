//! `[[target]]` as it is written, and the [`Target`]s that are true, or what is wrong with them.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::text::diagnostics::{At, Diagnostics, SourceLocation};

use super::part::ReferencePart;
use super::path::FilePath;
use super::way::Selector;
use super::{Target, TargetKind, dockerfile, helm, workflow};

/// How many targets a root may have.
const TARGETS_MAX: usize = 10_000;
/// The kinds there are.
const KINDS: &str = "`yaml`, `json`, `toml`, `kustomize`, `helm`, `compose`, `dockerfile`, `workflow` or `marker`";

/// A place in files of the repository into which a pinned reference is written, in the commit of the lock.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Target")]
pub(crate) struct TargetTable {
    /// The tag whose pin is written, as `python:3.12`. Markers name theirs themselves.
    from: Option<At<String>>,
    /// What is written: `reference` (`repository:tag@digest`, by default), `repository@digest`, `repository:tag`,
    /// `repository`, `tag@digest`, `tag` or `digest`.
    write: Option<At<String>>,
    /// A value of a YAML file.
    yaml: Option<At<ValueTable>>,
    /// A value of a JSON file; comments are fine.
    json: Option<At<ValueTable>>,
    /// A value of a TOML file.
    toml: Option<At<ValueTable>>,
    /// An entry of `images` of a kustomization.
    kustomize: Option<At<KustomizeTable>>,
    /// An image in the values of a Helm chart.
    helm: Option<At<HelmTable>>,
    /// The image of a service of a compose file.
    compose: Option<At<ComposeTable>>,
    /// What a Dockerfile builds on.
    dockerfile: Option<At<DockerfileTable>>,
    /// Images of a GitHub workflow.
    workflow: Option<At<WorkflowTable>>,
    /// Lines with a comment `# pinstream: python:3.12`, of any text file.
    marker: Option<At<MarkerTable>>,
}

/// A value of a file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "TargetValue", extend("required" = ["path", "at"]))]
struct ValueTable {
    /// The file from this root, or a pattern, as `deploy/**/*.yaml`.
    path: Option<At<String>>,
    /// The way to the value, as `spec.template.spec.containers[name=web].image`.
    at: Option<At<String>>,
}

/// An entry of `images` of a kustomization.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "TargetKustomize", extend("required" = ["path", "name"]))]
struct KustomizeTable {
    /// The file from this root, or a pattern.
    path: Option<At<String>>,
    /// The `name` of the entry.
    name: Option<At<String>>,
}

/// An image in the values of a Helm chart.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "TargetHelm", extend("required" = ["path"]))]
struct HelmTable {
    /// The file from this root, or a pattern.
    path: Option<At<String>>,
    /// The way to the image, or to the map of its `repository`, `tag` and `digest`; by default `image`.
    at: Option<At<String>>,
}

/// The image of a service of a compose file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "TargetCompose", extend("required" = ["path"]))]
struct ComposeTable {
    /// The file from this root, or a pattern.
    path: Option<At<String>>,
    /// The service; by default all whose image is of the tag's repository.
    service: Option<At<String>>,
}

/// What a Dockerfile builds on.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "TargetDockerfile", extend("required" = ["path"]))]
struct DockerfileTable {
    /// The file from this root, or a pattern.
    path: Option<At<String>>,
    /// The stage whose `FROM` is meant, by its name or its number from 0; by default all of the tag's repository.
    stage: Option<At<String>>,
    /// The `ARG` whose default is meant.
    arg: Option<At<String>>,
}

/// Images of a GitHub workflow.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "TargetWorkflow", extend("required" = ["path"]))]
struct WorkflowTable {
    /// The file from this root, or a pattern, as `.github/workflows/*.yml`.
    path: Option<At<String>>,
    /// The job; by default all. What is not of the tag's repository is left alone.
    job: Option<At<String>>,
    /// The service; by default all, and the jobs' containers and steps.
    service: Option<At<String>>,
}

/// Lines with a comment `# pinstream: python:3.12`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "TargetMarker", extend("required" = ["path"]))]
struct MarkerTable {
    /// The file from this root, or a pattern, as `**/*.sh`.
    path: Option<At<String>>,
}

/// The targets that are written down right.
pub(crate) fn targets(
    written: Vec<At<TargetTable>>,
    spoiled: &HashSet<usize>,
    findings: &mut Diagnostics<'_>,
) -> Vec<Target> {
    if let Some(more) = written.get(TARGETS_MAX) {
        findings.report(&more.span, format!("more than {TARGETS_MAX} targets"), "let one target go over several files");
        return Vec::new();
    }
    let target = |At { value, span }: At<TargetTable>| {
        let mut reading = TargetReader { span: &span, spoiled, findings: &mut *findings };
        reading.target(value)
    };
    written.into_iter().filter_map(target).collect()
}

/// One target that is read.
struct TargetReader<'a, 'b> {
    span: &'a Range<usize>,
    spoiled: &'a HashSet<usize>,
    findings: &'a mut Diagnostics<'b>,
}

impl TargetReader<'_, '_> {
    fn target(&mut self, table: TargetTable) -> Option<Target> {
        let kinds = self.kinds(&table);
        let is_marker = table.marker.is_some();
        let from = match (&table.from, is_marker) {
            (Some(from), true) => {
                let help = "take `from` out, and write the tag into the comments: `# pinstream: python:3.12`";
                self.findings.report(&from.span, "a marker names its tag itself", help);
                None
            }
            (Some(from), false) => Some(self.findings.parse(from)?),
            (None, true) => None,
            (None, false) => {
                self.missing(self.span.clone(), "from", "from = \"python:3.12\"");
                None
            }
        };
        let write = match &table.write {
            Some(write) => self.write(write, &table),
            None => Some(ReferencePart::default()),
        };
        let [(path, kind)] = <[_; 1]>::try_from(kinds).ok()?;
        let is_whole = from.is_some() != is_marker;
        let place = SourceLocation { file: Arc::clone(self.findings.file), span: self.span.clone() };
        is_whole.then_some(Target { from, path: path?, kind: kind?, write: write?, place })
    }

    fn write(&mut self, write: &At<String>, table: &TargetTable) -> Option<ReferencePart> {
        let part: ReferencePart = self.findings.parse(write)?;
        let (kind, help) = match (&table.kustomize, &table.helm, &table.marker) {
            (Some(_), ..) => {
                ("kustomize", "take it out: `newName`, `newTag` and `digest` are written as they are there")
            }
            (_, Some(_), _) => ("helm", "take it out, or use `yaml` for a single value"),
            (.., Some(_)) if !part.is_reference() => {
                ("marker", "a marker finds whole references, and digests by themselves")
            }
            _ => return Some(part),
        };
        self.findings.report(&write.span, format!("`write = \"{}\"` says nothing beside `{kind}`", write.value), help);
        None
    }

    /// The path and the kind of each place that is written; there should be one. What is wrong in it is none.
    fn kinds(&mut self, table: &TargetTable) -> Vec<(Option<FilePath>, Option<TargetKind>)> {
        let TargetTable { yaml, json, toml, kustomize, helm, compose, dockerfile, workflow, marker, .. } = table;
        let mut found: Vec<(Range<usize>, Option<FilePath>, Option<TargetKind>)> = Vec::new();
        type OfWay = fn(Selector) -> TargetKind;
        let values = [(yaml, TargetKind::Yaml as OfWay), (json, TargetKind::Json), (toml, TargetKind::Toml)];
        for (written, kind) in values {
            if let Some(At { value: ValueTable { path, at }, span }) = written {
                let at = self.required(at.as_ref(), span, "at", "at = \"spec.containers[name=web].image\"");
                let way = at.and_then(|at| self.findings.parse(at));
                found.push((span.clone(), self.path(path.as_ref(), span), way.map(kind)));
            }
        }
        if let Some(At { value: KustomizeTable { path, name }, span }) = kustomize {
            let name = self.required(name.as_ref(), span, "name", "name = \"web\"");
            let kind = name.map(|name| TargetKind::Kustomize(name.value.clone()));
            found.push((span.clone(), self.path(path.as_ref(), span), kind));
        }
        if let Some(At { value: HelmTable { path, at }, span }) = helm {
            let way = match at {
                Some(at) => self.findings.parse(at),
                None => helm::AT.parse().ok(),
            };
            found.push((span.clone(), self.path(path.as_ref(), span), way.map(TargetKind::Helm)));
        }
        let text = |text: &Option<At<String>>| text.as_ref().map(|text| text.value.clone());
        if let Some(At { value: ComposeTable { path, service }, span }) = compose {
            found.push((span.clone(), self.path(path.as_ref(), span), Some(TargetKind::Compose(text(service)))));
        }
        if let Some(At { value: DockerfileTable { path, stage, arg }, span }) = dockerfile {
            let place = match (stage, arg) {
                (Some(_), Some(arg)) => {
                    self.findings.report(&arg.span, "`arg` cannot stand beside `stage`", "write a target for each");
                    None
                }
                (Some(stage), None) => Some(dockerfile::DockerfileSelector::Stage(stage.value.clone())),
                (None, Some(arg)) => Some(dockerfile::DockerfileSelector::Arg(arg.value.clone())),
                (None, None) => Some(dockerfile::DockerfileSelector::Repository),
            };
            found.push((span.clone(), self.path(path.as_ref(), span), place.map(TargetKind::Dockerfile)));
        }
        if let Some(At { value: WorkflowTable { path, job, service }, span }) = workflow {
            let place = workflow::WorkflowSelector { job: text(job), service: text(service) };
            found.push((span.clone(), self.path(path.as_ref(), span), Some(TargetKind::Workflow(place))));
        }
        if let Some(At { value: MarkerTable { path }, span }) = marker {
            found.push((span.clone(), self.path(path.as_ref(), span), Some(TargetKind::Marker)));
        }
        match found.as_slice() {
            [_] => {}
            [] if self.is_whole(self.span) => {
                let help = format!("add one of {KINDS}");
                self.findings.report(self.span, "a target without a place", help);
            }
            [] => {}
            [_, (second, ..), ..] => {
                let help = "write a `[[target]]` for each";
                self.findings.report(second, "a target has one place, and this is another", help);
            }
        }
        found.into_iter().map(|(_, path, kind)| (path, kind)).collect()
    }

    fn path(&mut self, written: Option<&At<String>>, table: &Range<usize>) -> Option<FilePath> {
        let written = self.required(written, table, "path", "path = \"deploy/web.yaml\"")?;
        self.findings.accept(&written.span, FilePath::new(&written.value))
    }

    fn required<'t>(
        &mut self,
        written: Option<&'t At<String>>,
        table: &Range<usize>,
        key: &str,
        example: &str,
    ) -> Option<&'t At<String>> {
        if written.is_none() {
            self.missing(table.clone(), key, example);
        }
        written
    }

    fn missing(&mut self, table: Range<usize>, key: &str, example: &str) {
        if self.is_whole(&table) {
            self.findings.report(&table, format!("a target without `{key}`"), format!("add `{example}`"));
        }
    }

    /// Whether nothing was left unread of the table at `span`, whose key stands in the same line.
    fn is_whole(&self, span: &Range<usize>) -> bool {
        let text = &self.findings.file.text;
        let start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
        let end = text[span.start..].find('\n').map_or(text.len(), |length| span.start + length);
        !self.spoiled.iter().any(|key| (start..=end).contains(key))
    }
}

#[cfg(test)]
mod tests {
    use crate::text::diagnostics::{Problems, RenderStyle, RenderedProblems};

    fn said(text: &str) -> String {
        let (_, problems) = crate::model::settings::read(text.as_bytes());
        let problems = Problems::check(problems).unwrap_err();
        RenderedProblems(&problems, RenderStyle::Plain).to_string()
    }

    #[test]
    fn mistakes_in_targets_are_said_all_at_once() {
        insta::assert_snapshot!(said(r#"[[target]]
from = "python"
yaml = { path = "../a.yaml", at = "a..b" }
[[target]]
form = "python:3.12"
yaml = { pth = "a.yaml", at = "a" }
[[target]]
from = "python:3.12"
write = "diges"
[[target]]
yaml = { path = "a.yaml" }
json = { path = "a.json", at = "a" }
[[target]]
from = "python:3.12"
marker = { path = ".git/x" }
[[target]]
from = "python:3.12"
write = "digest"
kustomize = { path = "kustomization.yaml" }
[[target]]
from = "python:3.12"
dockerfile = { path = "pinstream.lock", stage = "a", arg = "B" }
[[target]]
write = "tag"
marker = { path = "**" }
"#), @r#"
        error: invalid tag `python`
         --> pinstream.toml:2:8
          |
        2 | from = "python"
          |        ^^^^^^^^
          |
          = help: write `stream:tag`

        error: `../a.yaml` has a part that is empty, `.` or `..`
         --> pinstream.toml:3:17
          |
        3 | yaml = { path = "../a.yaml", at = "a..b" }
          |                 ^^^^^^^^^^^
          |
          = help: name a file of this root, as `deploy/web.yaml`, or a pattern, as `deploy/**/*.yaml`

        error: `a..b` is not a way to a value: a key is missing
         --> pinstream.toml:3:35
          |
        3 | yaml = { path = "../a.yaml", at = "a..b" }
          |                                   ^^^^^^
          |
          = help: as `spec.containers[name=web].image`; a key with a dot stands in quotes, as `metadata."a.b"`

        error: unknown key `form`
         --> pinstream.toml:5:1
          |
        5 | form = "python:3.12"
          | ^^^^
          |
          = help: did you mean `from`?

        error: unknown key `pth`
         --> pinstream.toml:6:10
          |
        6 | yaml = { pth = "a.yaml", at = "a" }
          |          ^^^
          |
          = help: did you mean `path`?

        error: a target without a place
         --> pinstream.toml:7:1
          |
        7 | [[target]]
          | ^^^^^^^^^^
          |
          = help: add one of `yaml`, `json`, `toml`, `kustomize`, `helm`, `compose`, `dockerfile`, `workflow` or `marker`

        error: `diges` is not a part of a reference
         --> pinstream.toml:9:9
          |
        9 | write = "diges"
          |         ^^^^^^^
          |
          = help: did you mean `digest`?

        error: a target without `from`
          --> pinstream.toml:10:1
           |
        10 | [[target]]
           | ^^^^^^^^^^
           |
           = help: add `from = "python:3.12"`

        error: a target without `at`
          --> pinstream.toml:11:8
           |
        11 | yaml = { path = "a.yaml" }
           |        ^^^^^^^^^^^^^^^^^^^
           |
           = help: add `at = "spec.containers[name=web].image"`

        error: a target has one place, and this is another
          --> pinstream.toml:12:8
           |
        12 | json = { path = "a.json", at = "a" }
           |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           |
           = help: write a `[[target]]` for each

        error: a marker names its tag itself
          --> pinstream.toml:14:8
           |
        14 | from = "python:3.12"
           |        ^^^^^^^^^^^^^
           |
           = help: take `from` out, and write the tag into the comments: `# pinstream: python:3.12`

        error: `.git/x` leads into what is Git's own
          --> pinstream.toml:15:19
           |
        15 | marker = { path = ".git/x" }
           |                   ^^^^^^^^
           |
           = help: name a file of this root, as `deploy/web.yaml`, or a pattern, as `deploy/**/*.yaml`

        error: `write = "digest"` says nothing beside `kustomize`
          --> pinstream.toml:18:9
           |
        18 | write = "digest"
           |         ^^^^^^^^
           |
           = help: take it out: `newName`, `newTag` and `digest` are written as they are there

        error: a target without `name`
          --> pinstream.toml:19:13
           |
        19 | kustomize = { path = "kustomization.yaml" }
           |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           |
           = help: add `name = "web"`

        error: `pinstream.lock` is pinstream's own, and no target
          --> pinstream.toml:22:23
           |
        22 | dockerfile = { path = "pinstream.lock", stage = "a", arg = "B" }
           |                       ^^^^^^^^^^^^^^^^
           |
           = help: name a file of this root, as `deploy/web.yaml`, or a pattern, as `deploy/**/*.yaml`

        error: `arg` cannot stand beside `stage`
          --> pinstream.toml:22:60
           |
        22 | dockerfile = { path = "pinstream.lock", stage = "a", arg = "B" }
           |                                                            ^^^
           |
           = help: write a target for each

        error: `write = "tag"` says nothing beside `marker`
          --> pinstream.toml:24:9
           |
        24 | write = "tag"
           |         ^^^^^
           |
           = help: a marker finds whole references, and digests by themselves
        "#);
    }
}
