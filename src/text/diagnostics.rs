//! Problems: mistakes in a user's file, as values with positions that are collected and shown all at once.
//!
//! A [`Problem`] has a message, a location and a remedy; [`render`] prints them. The code that understands a file
//! decides what is a mistake; nothing here does.

pub mod lines;
pub mod render;

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use serde::Deserialize;

use crate::text::escape;
pub use render::{RenderStyle, RenderedProblems};

/// The longest message of a problem, in characters; a hostile name or path is cut there.
const MESSAGE_MAX: usize = 2_000;

/// A value and its byte range in the file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "toml::Spanned<T>")]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Its byte range in the file.
    pub span: Range<usize>,
}

impl<T> From<toml::Spanned<T>> for At<T> {
    fn from(spanned: toml::Spanned<T>) -> Self {
        let span = spanned.span();
        Self { value: spanned.into_inner(), span }
    }
}

impl<T: schemars::JsonSchema> schemars::JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}

/// A text file written by a user: its path from the root, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The path shown to the user.
    pub path: String,
    /// The text, as far as it could be decoded.
    pub text: String,
}

/// A byte range in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLocation {
    /// The file it refers to.
    pub file: Arc<SourceFile>,
    /// Its byte range.
    pub span: Range<usize>,
}

/// A mistake in a user's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, unless the problem concerns no single file.
    pub file: Option<Arc<SourceFile>>,
    /// The byte range to underline.
    pub span: Option<Range<usize>>,
    /// The message: lower case, no full stop.
    pub message: String,
    /// The remedy, in the imperative.
    pub help: Option<String>,
}

impl Problem {
    /// Creates a problem at `span` of `file`.
    pub fn at(file: &Arc<SourceFile>, span: Range<usize>, message: impl Into<String>) -> Self {
        Self { file: Some(Arc::clone(file)), span: Some(span), message: plain(message.into()), help: None }
    }

    /// Creates a problem that concerns a whole file, or none.
    pub fn whole(file: Option<&Arc<SourceFile>>, message: impl Into<String>) -> Self {
        Self { file: file.map(Arc::clone), span: None, message: plain(message.into()), help: None }
    }

    /// Adds a remedy to the problem.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(plain(help.into()));
        self
    }

    /// Joins message and remedy in one line.
    pub fn sentence(&self) -> String {
        self.help.iter().fold(self.message.clone(), |message, help| format!("{message}; {help}"))
    }

    /// Returns line and column, both from 1; columns count characters.
    pub fn position(&self) -> Option<(usize, usize)> {
        lines::position(&self.file.as_ref()?.text, self.span.as_ref()?.start)
    }
}

/// Escapes `text` for terminals and logs, masks credentials in URLs and cuts it at [`MESSAGE_MAX`].
fn plain(text: String) -> String {
    escape::truncate(&escape::mask_credentials(&text), MESSAGE_MAX)
}

/// A value that could not be parsed, e.g. a name, with a message for the user who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NameError {
    /// The message: lower case, no full stop.
    pub message: String,
    /// The remedy, in the imperative, if there is one.
    pub help: Option<String>,
}

impl NameError {
    /// Creates an error without a remedy.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    /// Adds a remedy to the error.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Returns true if `c` changes the direction of the text around it (Unicode Standard Annex 9, "Explicit Directional
/// Formatting Characters" and "Implicit Directional Marks").
pub fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns true for control characters, except for line breaks and tabs, and bidirectional controls.
pub(crate) fn is_unprintable(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t' | '\r')) || is_bidi_control(c)
}

/// The problems of one or more files; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; "))]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Returns `Ok` if `found` is empty.
    ///
    /// # Errors
    /// Returns the problems, sorted by file and position.
    pub fn check(mut found: Vec<Problem>) -> Result<(), Self> {
        if found.is_empty() {
            return Ok(());
        }
        fn place(problem: &Problem) -> (Option<&str>, Option<usize>) {
            let path = problem.file.as_ref().map(|file| file.path.as_str());
            (path, problem.span.as_ref().map(|span| span.start))
        }
        found.sort_by(|a, b| place(a).cmp(&place(b)));
        Err(Self(found))
    }
}

/// Collects the problems of one file.
#[derive(Debug)]
pub(crate) struct Diagnostics<'a> {
    /// The file being read.
    pub(crate) file: &'a Arc<SourceFile>,
    /// The problems found so far.
    pub(crate) problems: Vec<Problem>,
}

impl<'a> Diagnostics<'a> {
    /// Starts with no problems.
    pub(crate) fn new(file: &'a Arc<SourceFile>) -> Self {
        Self { file, problems: Vec::new() }
    }

    /// Adds a problem with a remedy.
    pub(crate) fn report(&mut self, span: &Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::at(self.file, span.clone(), message).help(help));
    }

    /// Returns the value, or adds the error as a problem at `span`.
    pub(crate) fn accept<T>(&mut self, span: &Range<usize>, read: Result<T, NameError>) -> Option<T> {
        let report = |NameError { message, help }| {
            let problem = Problem::at(self.file, span.clone(), message);
            self.problems.push(Problem { help: help.map(plain), ..problem });
        };
        read.map_err(report).ok()
    }

    /// Parses the text as a `T`, or adds a problem at its position.
    pub(crate) fn parse<T: FromStr<Err = NameError>>(&mut self, text: &At<String>) -> Option<T> {
        self.accept(&text.span, text.value.parse())
    }

    /// Returns the number, or reports it if it is not from 1 to `most`; the help says what to do (`verb`).
    pub(crate) fn in_range(&mut self, number: &At<i64>, key: &str, most: usize, verb: &str) -> Option<usize> {
        let fit = usize::try_from(number.value).ok().filter(|number| (1..=most).contains(number));
        if fit.is_none() {
            let message = format!("invalid value {} for `{key}`", number.value);
            self.report(&number.span, message, format!("{verb} a number from 1 to {most}"));
        }
        fit
    }
}

/// Formats the help for a name that is close to a known one.
pub(crate) fn did_you_mean(name: impl fmt::Display) -> String {
    format!("did you mean `{name}`?")
}

/// Returns the name in `known` that is closest to `written` by edit distance, if it is close enough to suggest: "did
/// you mean". Used for keys, tags, streams, commands and time zones alike.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = written.chars().count();
    if length > 128 {
        return None;
    }
    let allowed = (length / 3).clamp(1, 3);
    known
        .into_iter()
        .filter(|name| name.len().abs_diff(written.len()) <= 3)
        .map(|name| (strsim::osa_distance(written, name), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name)
}
