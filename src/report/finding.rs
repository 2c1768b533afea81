//! Findings of a run: the list from which the formats for CI systems are rendered.
//!
//! A finding is one line of text that is safe to print, with a rule, a level and, if known, a location. Nothing here
//! decides: levels agree with the exit code.

pub mod pass;
mod rule;

use std::collections::HashMap;

use serde::Serialize;

use super::excerpt::excerpt;
use super::exit::Exit;
use super::stable_id::stable_id;
use super::v1::words::word;
use crate::model::image::TagId;
use crate::model::{lock, settings};
use crate::text::diagnostics::Problem;
use crate::text::diagnostics::lines::{LineIndex, SourceSpan};
use crate::text::escape;
pub use rule::Rule;

/// Maximum characters of a message.
const SENTENCE_MAX: usize = 2_000;

/// Findings of a run, and the subjects that it examined.
#[derive(Clone, Debug, Default)]
pub struct RunResults {
    /// Command that ran, e.g. `check`.
    pub command: &'static str,
    /// Directory of the root in its repository; empty for the top.
    pub root: String,
    /// Exit code of the process.
    pub exit: Exit,
    /// One-line summary; empty if it is printed elsewhere.
    pub summary: String,
    /// Findings, in the order of output.
    pub findings: Vec<Finding>,
    /// Subjects that were examined, with a reason if they were skipped.
    pub checked: Vec<(Subject, Option<String>)>,
    /// Number of findings per base fingerprint.
    fingerprints: HashMap<String, usize>,
}

/// One finding of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Kind of finding.
    pub rule: Rule,
    /// Severity of the finding.
    pub level: Severity,
    /// Subject of the finding.
    pub subject: Subject,
    /// One-line message.
    pub message: String,
    /// One-line remedy.
    pub help: Option<String>,
    /// Unescaped output of the program concerned; empty if there is none.
    pub output: String,
    /// Location of the finding.
    pub place: Option<FindingLocation>,
    /// 32 hexadecimal digits, unique within the run, and the same in the next run even if lines have moved.
    pub fingerprint: String,
    /// Text that distinguishes it from other findings of the same rule and subject.
    mark: String,
}

/// Subject of a finding: a member of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// Stream file without `.toml`, another file, `hooks`, `proposals`, or `run`.
    pub group: String,
    /// Tag, hook, branch or command within the group.
    pub name: String,
}

/// Location of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingLocation {
    /// Path from the root; within [`RunResults`], from the top of the repository.
    pub path: String,
    /// Position in the file; none for the whole file.
    pub span: Option<FilePosition>,
}

/// Position in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilePosition {
    /// A line, from 1.
    Line(usize),
    /// A range of characters.
    Part(SourceSpan),
}

/// Severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Determines the exit code.
    Error,
    /// Deserves a look.
    Warning,
    /// Informs.
    Note,
}

impl Subject {
    /// Creates the subject for a tag.
    pub fn tag(id: &TagId) -> Self {
        Self { group: format!("streams/{}", id.stream), name: id.tag.to_string() }
    }

    /// Creates a subject, escaping both names.
    pub fn new(group: &str, name: &str) -> Self {
        Self { group: escape::terminal(group), name: escape::terminal(name) }
    }
}

impl FindingLocation {
    /// Locates a whole file.
    pub fn whole(path: impl Into<String>) -> Self {
        Self { path: path.into(), span: None }
    }

    /// Locates a line of a file, from 1.
    pub fn line(path: impl Into<String>, line: usize) -> Self {
        Self { path: path.into(), span: Some(FilePosition::Line(line)) }
    }
}

impl FilePosition {
    /// Returns the first line.
    pub fn first_line(self) -> usize {
        match self {
            Self::Line(line) => line,
            Self::Part(span) => span.line,
        }
    }
}

impl Finding {
    /// Creates a finding; `message` is escaped to one line.
    pub fn new(rule: Rule, level: Severity, subject: Subject, message: &str) -> Self {
        let (message, help, place) = (sentence(message), None, None);
        let (output, fingerprint, mark) = (String::new(), String::new(), String::new());
        Self { rule, level, subject, message, help, output, place, fingerprint, mark }
    }

    /// Sets the remedy, escaped to one line.
    pub fn help(self, help: Option<&str>) -> Self {
        Self { help: help.map(sentence), ..self }
    }

    /// Sets the location in a file.
    pub fn at(self, place: impl Into<Option<FindingLocation>>) -> Self {
        Self { place: place.into(), ..self }
    }

    /// Distinguishes the finding from others with the same rule, subject and file. Digits in `mark` are ignored, because
    /// they may be line numbers.
    pub fn distinguished_by(self, mark: &str) -> Self {
        let mark = mark.split(|c: char| c.is_ascii_digit()).collect::<Vec<_>>().join("");
        Self { mark, ..self }
    }

    /// Converts a problem in a user's file.
    pub fn from_problem(rule: Rule, problem: &Problem) -> Self {
        let error = |group: &str, message: &str| {
            let finding = Self::new(rule, Severity::Error, Subject::new(group, "file"), message);
            finding.distinguished_by(&problem.message).help(problem.help.as_deref())
        };
        let Some(file) = &problem.file else { return error(settings::FILE_NAME, &problem.message) };
        // A policy is outside the repository, so its path is part of the message.
        if file.path.starts_with('/') {
            let line = problem.position().map(|(line, _)| format!(", line {line}")).unwrap_or_default();
            return error("policy", &format!("`{}`{line}: {}", file.path, problem.message));
        }
        let span = problem.span.as_ref().and_then(|span| LineIndex::new(&file.text).span(&file.text, span));
        let place = FindingLocation { path: file.path.clone(), span: span.map(FilePosition::Part) };
        error(&file.path, &problem.message).at(place)
    }

    /// Returns the message and, on its own line, the remedy.
    pub fn text(&self) -> String {
        match &self.help {
            Some(help) => format!("{}\nhelp: {help}", self.message),
            None => self.message.clone(),
        }
    }

    /// Returns the same, followed by the last `max` characters of the output.
    pub(super) fn text_with_output(&self, max: usize) -> String {
        match excerpt(&self.output, max) {
            output if output.is_empty() => self.text(),
            output => format!("{}\noutput: {output}", self.text()),
        }
    }
}

impl RunResults {
    /// Creates an empty list for `command`, run for the directory `root` of a repository and ending with `exit`.
    pub fn new(command: &'static str, root: &str, exit: Exit) -> Self {
        Self { command, root: root.to_owned(), exit, ..Self::default() }
    }

    /// Adds a finding whose paths start at the root.
    pub fn add(&mut self, mut finding: Finding) {
        finding.subject.group = from_top(&self.root, &finding.subject.group);
        if let Some(place) = &mut finding.place {
            place.path = from_top(&self.root, &place.path);
        }
        let path = finding.place.as_ref().map_or("", |place| place.path.as_str());
        let Subject { group, name } = &finding.subject;
        let rule = word(finding.rule);
        let base = stable_id(["pinstream.finding/v1", &rule, path, group, name, &finding.mark].into_iter());
        let count = self.fingerprints.entry(base.clone()).or_default();
        *count += 1;
        finding.fingerprint = match *count {
            1 => base,
            number => stable_id([base.as_str(), &number.to_string()].into_iter()),
        };
        self.findings.push(finding);
    }

    /// Records that `subject` was examined or, with a reason, skipped.
    pub fn record_checked(&mut self, subject: Subject, skipped: Option<String>) {
        self.checked.push((Subject { group: from_top(&self.root, &subject.group), ..subject }, skipped));
    }

    /// Returns the path of the settings from the top of the repository, for formats that require a location.
    pub fn settings(&self) -> String {
        from_top(&self.root, settings::FILE_NAME)
    }
}

/// Locates the lock, or one of its lines, from the root.
pub fn lock_location(line: Option<usize>) -> FindingLocation {
    FindingLocation { path: lock::FILE_NAME.to_owned(), span: line.map(FilePosition::Line) }
}

/// Returns a path below `root` from the top of the repository.
pub(crate) fn from_top(root: &str, path: &str) -> String {
    if root.is_empty() { path.to_owned() } else { format!("{root}/{path}") }
}

fn sentence(text: &str) -> String {
    escape::truncate(&escape::mask_credentials(text), SENTENCE_MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::text::diagnostics::SourceFile;

    /// Computes the fingerprints of problems at `words` in a file.
    fn prints(root: &str, text: &str, words: &[&str]) -> Vec<String> {
        let file = Arc::new(SourceFile { path: "streams/a.toml".to_owned(), text: text.to_owned() });
        let mut results = RunResults::new("check", root, Exit::Error);
        for word in words {
            let at = text.find(word).unwrap();
            let line = text[..at].matches('\n').count() + 1;
            let problem = Problem::at(&file, at..at + word.len(), format!("`{word}` on line {line} is invalid"));
            results.add(Finding::from_problem(Rule::Definition, &problem));
        }
        results.findings.into_iter().map(|finding| finding.fingerprint).collect()
    }

    #[test]
    fn a_fingerprint_is_unique_and_survives_moved_lines() {
        let first = prints("", "a = x\nb = y\n", &["x", "y", "x"]);
        assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 3);
        assert_eq!(prints("", "\n# more\na = x\nb = y\n", &["x", "y", "x"]), first);
        assert_eq!(prints("", "a = x\n", &["x"])[0], first[0]);
        assert_ne!(prints("deploy", "a = x\n", &["x"])[0], first[0]);
        assert!(first.iter().all(|print| print.len() == 32 && print.bytes().all(|byte| byte.is_ascii_hexdigit())));
    }

    #[test]
    fn t22_a_finding_contains_no_credentials_of_a_url() {
        let text = "`https://me:secret@git.example/a` is gone";
        let finding = Finding::new(Rule::Run, Severity::Error, Subject::new("run", "check"), text).help(Some(text));
        assert!(!finding.text().contains("secret"), "{}", finding.text());
    }
}
