//! What a run found, one thing at a time: the plain list from which each form for a CI system is written.
//!
//! A finding is one line of text, in which nothing acts, with a rule, a level and, as far as it is known, a place.
//! Nothing here judges: levels say what the exit code says already.

pub mod pass;
mod rule;

use std::collections::HashMap;

use super::OutputFormat;
use super::exit::Exit;
use crate::model::image::TagId;
use crate::model::{lock, settings};
use crate::report::v1;
use crate::text::diagnostics::Problem;
use crate::text::diagnostics::lines::{LineIndex, SourceSpan};
use crate::text::escape;
pub use rule::Rule;

/// How much of a sentence is told, in characters.
const SENTENCE_MAX: usize = 2_000;

/// What a run found, and what it looked at to find it.
#[derive(Clone, Debug)]
pub struct RunResults {
    /// The command that was run, as `check`.
    pub command: &'static str,
    /// The folder of the root in its repository; empty at its top.
    pub root: String,
    /// The code that the process ends with.
    pub exit: Exit,
    /// How it ended, one line; empty where that is said elsewhere.
    pub summary: String,
    /// What it found, in the order in which it is told.
    pub findings: Vec<Finding>,
    /// What it looked at, whether something was found of it or not, and for what of it nothing was to be done.
    pub seen: Vec<(Subject, Option<String>)>,
    /// How often each fingerprint was given.
    given: HashMap<String, usize>,
}

/// One thing that a run found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing.
    pub rule: Rule,
    /// How much it matters.
    pub level: Severity,
    /// What it is about.
    pub subject: Subject,
    /// What was found, a line.
    pub message: String,
    /// What to do about it, a line.
    pub help: Option<String>,
    /// What a program wrote that it is about, as it wrote it; empty where it is about none.
    pub output: String,
    /// Where.
    pub place: Option<FindingLocation>,
    /// 32 hexadecimal digits: no other finding of the run has the same, and the same thing has it again in the next run,
    /// wherever its lines have moved to.
    pub fingerprint: String,
    /// What tells it from others of its rule and subject.
    mark: String,
}

/// What a finding is about: one of a set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// The set: the file of a stream without `.toml`, another file, `hooks`, `proposals`, or the command.
    pub group: String,
    /// Which of it: a tag, a hook's name, a branch.
    pub one: String,
}

/// Where something was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingLocation {
    /// The file, from the root; once it is in [`Results`], from the top of the repository.
    pub path: String,
    /// Where in it; none for all of it.
    pub span: Option<FilePosition>,
}

/// Where in a file something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilePosition {
    /// On a line, from 1.
    Line(usize),
    /// There.
    Part(SourceSpan),
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The exit code is what it is for this.
    Error,
    /// It is to be looked at.
    Warning,
    /// It is told.
    Note,
}

impl Subject {
    /// A tag.
    pub fn tag(id: &TagId) -> Self {
        Self { group: format!("streams/{}", id.stream), one: id.tag.to_string() }
    }

    /// `one` of a set.
    pub fn new(set: &str, one: &str) -> Self {
        Self { group: escape::terminal(set), one: escape::terminal(one) }
    }
}

impl FindingLocation {
    /// A whole file.
    pub fn whole(path: impl Into<String>) -> Self {
        Self { path: path.into(), span: None }
    }

    /// A line of a file, from 1.
    pub fn line(path: impl Into<String>, line: usize) -> Self {
        Self { path: path.into(), span: Some(FilePosition::Line(line)) }
    }
}

impl FilePosition {
    /// The line that it begins on.
    pub fn first_line(self) -> usize {
        match self {
            Self::Line(line) => line,
            Self::Part(span) => span.line,
        }
    }
}

impl Finding {
    /// A finding of `rule` about `subject`. What it says of itself is made one line that acts nowhere.
    pub fn new(rule: Rule, level: Severity, subject: Subject, message: &str) -> Self {
        let (message, help, place) = (sentence(message), None, None);
        let (output, fingerprint, mark) = (String::new(), String::new(), String::new());
        Self { rule, level, subject, message, help, output, place, fingerprint, mark }
    }

    /// The same with a way out.
    pub fn help(self, help: Option<&str>) -> Self {
        Self { help: help.map(sentence), ..self }
    }

    /// The same with what a program wrote.
    pub fn with_output(self, output: &str) -> Self {
        Self { output: output.to_owned(), ..self }
    }

    /// The same with a place.
    pub fn at(self, place: impl Into<Option<FindingLocation>>) -> Self {
        Self { place: place.into(), ..self }
    }

    /// The same, told from others of its rule, subject and file by `mark`, in which numbers say nothing: they may be
    /// those of lines.
    pub fn distinguished_by(self, mark: &str) -> Self {
        let mark = mark.split(|c: char| c.is_ascii_digit()).collect::<Vec<_>>().join("");
        Self { mark, ..self }
    }

    /// What is wrong in a file that a person wrote.
    pub fn from_problem(rule: Rule, problem: &Problem) -> Self {
        let Some(file) = &problem.file else {
            let subject = Subject::new(settings::FILE_NAME, "the file");
            let finding = Self::new(rule, Severity::Error, subject, &problem.message).distinguished_by(&problem.message);
            return finding.help(problem.help.as_deref());
        };
        // A policy stands outside of the repository, and is named whole.
        let is_outside = file.path.starts_with('/');
        let (subject, message) = match is_outside {
            true => {
                let line = problem.position().map(|(line, _)| format!(", line {line}")).unwrap_or_default();
                (Subject::new("policy", "the file"), format!("`{}`{line}: {}", file.path, problem.message))
            }
            false => (Subject::new(&file.path, "the file"), problem.message.clone()),
        };
        let span = problem.span.as_ref().and_then(|span| LineIndex::of(&file.text).span(&file.text, span));
        let place = FindingLocation { path: file.path.clone(), span: span.map(FilePosition::Part) };
        let finding = Self::new(rule, Severity::Error, subject, &message).help(problem.help.as_deref());
        finding.distinguished_by(&problem.message).at((!is_outside).then_some(place))
    }

    /// The message and, on a line of its own, the way out.
    pub fn text(&self) -> String {
        match &self.help {
            Some(help) => format!("{}\nhelp: {help}", self.message),
            None => self.message.clone(),
        }
    }

    /// The same and, on lines of their own, what a program wrote, as far as `format` has room for it.
    pub fn all(&self, format: OutputFormat) -> String {
        match format.output(&self.output) {
            output if output.is_empty() => self.text(),
            output => format!("{}\nit wrote: {output}", self.text()),
        }
    }
}

impl RunResults {
    /// Nothing was found so far by `command`, which was run in the folder `root` of a repository and ends with `exit`.
    pub fn new(command: &'static str, root: &str, exit: Exit) -> Self {
        Self {
            command,
            root: root.to_owned(),
            exit,
            summary: String::new(),
            findings: Vec::new(),
            seen: Vec::new(),
            given: HashMap::new(),
        }
    }

    /// Adds a finding, whose files are named from the root.
    pub fn add(&mut self, mut finding: Finding) {
        finding.subject.group = from_top(&self.root, &finding.subject.group);
        if let Some(place) = &mut finding.place {
            place.path = from_top(&self.root, &place.path);
        }
        let path = finding.place.as_ref().map_or("", |place| place.path.as_str());
        let Subject { group: set, one } = &finding.subject;
        let parts = ["pinstream.finding/v1", finding.rule.code(), path, set, one, &finding.mark];
        let same = v1::id_of(parts.into_iter());
        let before = self.given.entry(same.clone()).or_default();
        *before += 1;
        finding.fingerprint = match *before {
            1 => same,
            number => v1::id_of([same.as_str(), &number.to_string()].into_iter()),
        };
        self.findings.push(finding);
    }

    /// Notes that `subject` was looked at; with a reason, that nothing was to be done about it.
    pub fn record_checked(&mut self, subject: Subject, skipped: Option<String>) {
        self.seen.push((Subject { group: from_top(&self.root, &subject.group), ..subject }, skipped));
    }

    /// The settings of the root, from the top of the repository: where what has no other place is shown that needs one.
    pub fn settings(&self) -> String {
        from_top(&self.root, settings::FILE_NAME)
    }
}

/// The lock, from the root.
pub fn lock_location(line: Option<usize>) -> FindingLocation {
    FindingLocation { path: lock::FILE_NAME.to_owned(), span: line.map(FilePosition::Line) }
}

fn from_top(root: &str, path: &str) -> String {
    if root.is_empty() { path.to_owned() } else { format!("{root}/{path}") }
}

fn sentence(text: &str) -> String {
    escape::within(&escape::logins(text), SENTENCE_MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::text::diagnostics::SourceFile;

    /// The fingerprints of what is wrong in a file with this text, at `words`.
    fn prints(root: &str, text: &str, words: &[&str]) -> Vec<String> {
        let file = Arc::new(SourceFile { path: "streams/a.toml".to_owned(), text: text.to_owned() });
        let mut results = RunResults::new("check", root, Exit::Error);
        for word in words {
            let at = text.find(word).unwrap();
            let line = text[..at].matches('\n').count() + 1;
            let problem = Problem::at(&file, at..at + word.len(), format!("`{word}` on line {line} is wrong"));
            results.add(Finding::from_problem(Rule::Definition, &problem));
        }
        results.findings.into_iter().map(|finding| finding.fingerprint).collect()
    }

    #[test]
    fn a_fingerprint_stays_where_lines_move_and_is_of_one_finding() {
        let first = prints("", "a = x\nb = y\n", &["x", "y", "x"]);
        assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 3);
        assert_eq!(prints("", "\n# more\na = x\nb = y\n", &["x", "y", "x"]), first);
        assert_eq!(prints("", "a = x\n", &["x"])[0], first[0]);
        assert_ne!(prints("deploy", "a = x\n", &["x"])[0], first[0]);
        assert!(first.iter().all(|print| print.len() == 32 && print.bytes().all(|byte| byte.is_ascii_hexdigit())));
    }

    #[test]
    fn t22_no_login_of_an_address_is_in_a_finding() {
        let text = "`https://me:secret@git.example/a` is gone";
        let finding = Finding::new(Rule::Run, Severity::Error, Subject::new("run", "check"), text).help(Some(text));
        assert!(!finding.text().contains("secret"), "{}", finding.text());
    }
}
