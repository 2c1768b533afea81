//! Reads `[[target]]` tables, and reports everything that is invalid in them.

use std::collections::HashSet;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{FileKind, FilePath, ReferencePart, Target, TargetKind, TargetTable};
use crate::model::image::NameError;
use crate::text::diagnostics::{At, Diagnostics, SourceLocation};

/// Maximum number of targets in a root.
const TARGETS_MAX: usize = 10_000;

/// A value in a file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "TargetValue", extend("required" = ["path", "at"]))]
pub(super) struct ValueTable {
    /// A file below the root, or a glob, e.g. `deploy/**/*.yaml`.
    pub(super) path: Option<At<String>>,
    /// Selector of the value, e.g. `spec.template.spec.containers[name=web].image`.
    pub(super) at: Option<At<String>>,
}

/// The table of one kind of file, as far as it is valid.
pub(super) struct PlaceDraft {
    pub(super) kind: FileKind,
    pub(super) span: Range<usize>,
    pub(super) path: Option<FilePath>,
    pub(super) place: Option<TargetKind>,
}

/// Reads the valid targets; `incomplete` has the positions of keys that could not be read.
pub(crate) fn targets(
    tables: Vec<At<TargetTable>>,
    incomplete: &HashSet<usize>,
    findings: &mut Diagnostics<'_>,
) -> Vec<Target> {
    if let Some(more) = tables.get(TARGETS_MAX) {
        let help = "use a glob to cover several files with one target";
        findings.report(&more.span, format!("more than {TARGETS_MAX} targets"), help);
        return Vec::new();
    }
    let target = |At { value, span }: At<TargetTable>| {
        let mut reader = TargetReader { span: &span, incomplete, findings: &mut *findings };
        reader.target(&value)
    };
    tables.into_iter().filter_map(target).collect()
}

/// Reads the table at `span`.
pub(super) struct TargetReader<'a, 'b> {
    span: &'a Range<usize>,
    incomplete: &'a HashSet<usize>,
    findings: &'a mut Diagnostics<'b>,
}

impl<'b> TargetReader<'_, 'b> {
    fn target(&mut self, table: &TargetTable) -> Option<Target> {
        let mut drafts = table.places(self);
        drafts.sort_by_key(|draft| draft.span.start);
        self.require_one(&drafts);
        let names_tags = drafts.iter().any(|draft| draft.kind.names_tags());
        let from = match &table.from {
            Some(from) if names_tags => {
                let help = "remove `from`; each comment names its tag: `# pinstream: python:3.12`";
                self.reject(from, "`from` is not allowed with `marker`", help);
                None
            }
            Some(from) => Some(self.parse(from)?),
            None if names_tags => None,
            None => {
                self.missing("from", "from = \"python:3.12\"");
                None
            }
        };
        let write = match &table.write {
            Some(write) => self.write(write, &drafts),
            None => Some(ReferencePart::default()),
        };
        let [PlaceDraft { path, place: kind, .. }] = <[_; 1]>::try_from(drafts).ok()?;
        let is_complete = from.is_some() != names_tags;
        let place = SourceLocation { file: Arc::clone(self.findings.file), span: self.span.clone() };
        is_complete.then_some(Target { from, path: path?, kind: kind?, write: write?, place })
    }

    fn write(&mut self, write: &At<String>, drafts: &[PlaceDraft]) -> Option<ReferencePart> {
        let part: ReferencePart = self.parse(write)?;
        let refused = drafts.iter().find_map(|draft| Some((draft.kind.key(), draft.kind.refuse_part(part)?)));
        let Some((kind, help)) = refused else { return Some(part) };
        self.reject(write, &format!("`write = \"{}\"` is not supported with `{kind}`", write.value), help);
        None
    }

    fn require_one(&mut self, drafts: &[PlaceDraft]) {
        match drafts {
            [_] => {}
            [] if self.is_read() => {
                let keys: Vec<String> = FileKind::ALL.iter().map(|kind| format!("`{}`", kind.key())).collect();
                let help = format!("add one of {}", keys.join(", "));
                self.findings.report(self.span, "the target has no kind of file", help);
            }
            [] => {}
            [_, second, ..] => {
                let help = "write a `[[target]]` for each";
                self.findings.report(&second.span, "a target has one kind of file; this is a second", help);
            }
        }
    }

    /// Returns a reader of a table in this one.
    pub(super) fn within<'c>(&'c mut self, span: &'c Range<usize>) -> TargetReader<'c, 'b> {
        TargetReader { span, incomplete: self.incomplete, findings: &mut *self.findings }
    }

    pub(super) fn path(&mut self, path: Option<&At<String>>) -> Option<FilePath> {
        let path = self.required(path, "path", "path = \"deploy/web.yaml\"")?;
        self.findings.accept(&path.span, FilePath::new(&path.value))
    }

    pub(super) fn parse<T: FromStr<Err = NameError>>(&mut self, value: &At<String>) -> Option<T> {
        self.findings.parse(value)
    }

    /// Parses the `at` of a value.
    pub(super) fn selector<T: FromStr<Err = NameError>>(&mut self, table: &ValueTable) -> Option<T> {
        let at = self.required(table.at.as_ref(), "at", "at = \"spec.containers[name=web].image\"")?;
        self.parse(at)
    }

    /// Returns the value of a required key, and reports it if it is missing.
    pub(super) fn required<'t>(
        &mut self,
        value: Option<&'t At<String>>,
        key: &str,
        example: &str,
    ) -> Option<&'t At<String>> {
        if value.is_none() {
            self.missing(key, example);
        }
        value
    }

    pub(super) fn reject(&mut self, value: &At<String>, message: &str, help: &str) {
        self.findings.report(&value.span, message, help);
    }

    fn missing(&mut self, key: &str, example: &str) {
        if self.is_read() {
            self.findings.report(self.span, format!("missing `{key}` in the target"), format!("add `{example}`"));
        }
    }

    /// Returns whether all keys on the lines of the table could be read.
    fn is_read(&self) -> bool {
        let (text, span) = (&self.findings.file.text, self.span);
        let start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
        let end = text[span.start..].find('\n').map_or(text.len(), |length| span.start + length);
        !self.incomplete.iter().any(|key| (start..=end).contains(key))
    }
}

/// Copies the value of an optional key.
pub(super) fn optional(value: Option<&At<String>>) -> Option<String> {
    value.map(|value| value.value.clone())
}

#[cfg(test)]
mod tests;
