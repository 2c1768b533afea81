//! Writes targets into files, one file after another.

use std::collections::BTreeMap;

use super::edit::apply;
use super::sops;
use super::{FilePath, FileText, PinLookup, Target, TargetEdit, TargetFile, TargetPin, files};
use crate::text::diagnostics::{Problem, Problems};

/// A file that targets change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditedFile {
    /// Path from the root.
    pub path: String,
    /// Current text.
    pub old: String,
    /// Text with all edits.
    pub new: String,
    /// The edits, in file order.
    pub edits: Vec<TargetEdit>,
    /// The reason why the file must not be written.
    pub refusal: Option<Problem>,
}

/// Collects the edits of all targets over all files.
pub struct TargetWriter<'a> {
    targets: &'a [Target],
    pins: PinLookup<'a>,
    coverage: Vec<TargetCoverage>,
    problems: Vec<Problem>,
    edited: Vec<EditedFile>,
}

/// Search result of one target over its files.
#[derive(Clone, Default)]
struct TargetCoverage {
    files: usize,
    is_found: bool,
    /// Problem of the first file without the place, or with a similar one.
    miss: Option<Problem>,
}

impl TargetCoverage {
    fn record_miss(&mut self, problem: Problem) {
        let is_near = |problem: &Problem| problem.help.as_ref().is_some_and(|help| help.starts_with("did you mean"));
        if self.miss.as_ref().is_none_or(|known| is_near(&problem) && !is_near(known)) {
            self.miss = Some(problem);
        }
    }
}

impl<'a> TargetWriter<'a> {
    /// Starts with no edits.
    pub fn new(targets: &'a [Target], pins: PinLookup<'a>) -> Self {
        let coverage = vec![TargetCoverage::default(); targets.len()];
        Self { targets, pins, coverage, problems: Vec::new(), edited: Vec::new() }
    }

    /// Returns the files to read, each with the numbers of its targets; globs select from `listed`.
    pub fn files(&self, listed: &[String]) -> BTreeMap<String, Vec<usize>> {
        let numbered = self.targets.iter().enumerate();
        files(numbered.filter(|(_, target)| self.is_selected(target)), listed)
    }

    /// Returns the globs of all selected targets.
    pub fn globs(&self) -> Vec<FilePath> {
        let selected = self.targets.iter().filter(|target| target.path.is_glob() && self.is_selected(target));
        selected.map(|target| target.path.clone()).collect()
    }

    fn is_selected(&self, target: &Target) -> bool {
        target.from.as_ref().is_none_or(|from| matches!((self.pins)(from), TargetPin::At(_)))
    }

    /// Adds the edits of the targets with these numbers to one file; `bytes` is `None` if it does not exist.
    pub fn file(&mut self, path: &str, bytes: Option<&[u8]>, targets: &[usize]) {
        let file = TargetFile::new(path, bytes);
        let mut edits = Vec::new();
        for &number in targets {
            let (target, coverage) = (&self.targets[number], &mut self.coverage[number]);
            coverage.files += 1;
            match target.try_edits(&file, self.pins) {
                Ok(found) => {
                    coverage.is_found |= file.text().is_some();
                    edits.extend(found);
                }
                Err(error) if error.is_missing && target.path.is_glob() => coverage.record_miss(error.problem),
                Err(error) => {
                    coverage.is_found = true;
                    self.problems.push(error.problem);
                }
            }
        }
        if let Some(text) = file.text() {
            self.write(text, edits);
        }
    }

    /// Applies the edits of one file; targets that select the same place must write the same text.
    fn write(&mut self, text: &FileText, mut edits: Vec<TargetEdit>) {
        edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
        let mut kept: Vec<TargetEdit> = Vec::with_capacity(edits.len());
        for edit in edits {
            match kept.last() {
                Some(last) if last.span == edit.span && last.new == edit.new => {}
                Some(last) if edit.span.start < last.span.end || edit.span == last.span => {
                    let message = format!("targets of `{}` and `{}` write different text here", last.from, edit.from);
                    let help = "remove one of the targets, or select another place";
                    self.problems.push(text.problem(edit.span.clone(), message).help(help));
                }
                _ => kept.push(edit),
            }
        }
        kept.retain(|edit| !edit.is_current);
        if kept.is_empty() {
            return;
        }
        let mark = if text.has_mark { "\u{feff}" } else { "" };
        let old = text.text();
        let Some(new) = apply(old, &kept) else {
            let problem = text.problem(kept[0].span.clone(), "targets of this file overlap");
            self.problems.push(problem.help("remove one of the targets, or select another place"));
            return;
        };
        let [old, new] = [old, &new].map(|text| format!("{mark}{text}"));
        let refusal = sops::refusal(text, &kept);
        self.edited.push(EditedFile { path: text.path().to_owned(), old, new, edits: kept, refusal });
    }

    /// Returns the files that would change, with those that must not be written.
    ///
    /// # Errors
    /// Every target whose place does not exist or cannot be edited.
    pub fn finish(mut self) -> Result<Vec<EditedFile>, Problems> {
        for (target, coverage) in self.targets.iter().zip(&self.coverage) {
            if !target.path.is_glob() || coverage.is_found || !self.is_selected(target) {
                continue;
            }
            let glob = target.path.as_str();
            self.problems.push(match &coverage.miss {
                Some(problem) => {
                    let searched = match coverage.files {
                        1 => "1 file".to_owned(),
                        files => format!("{files} files"),
                    };
                    let message = format!("target not found in {searched} matching `{glob}`, e.g. {}", problem.message);
                    target.problem(message).help(problem.help.clone().unwrap_or_default())
                }
                None => target
                    .problem(format!("no file matches the target's glob `{glob}`"))
                    .help("globs match paths relative to the directory of `pinstream.toml`; `**` crosses directories"),
            });
        }
        Problems::check(self.problems)?;
        Ok(self.edited)
    }
}
