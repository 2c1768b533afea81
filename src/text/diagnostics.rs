//! What is wrong in a user's file: values with positions, collected and shown all at once.
//!
//! A [`Problem`] is a sentence, a place and a way out; [`render`] shows many of them to a person. Nothing here decides
//! what is wrong; that is said where the file's meaning is known.

pub mod lines;
pub mod render;

use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use serde::Deserialize;

use crate::model::image::NameError;
use crate::text::escape;
pub use render::{RenderStyle, RenderedProblems};

/// The longest sentence of a problem, in characters: the rest of a hostile name or path is left out.
const SENTENCE_MAX: usize = 2_000;

/// A value and the bytes of the file it was written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Its bytes within the file.
    pub span: Range<usize>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = toml::Spanned::<T>::deserialize(deserializer)?;
        let span = spanned.span();
        Ok(Self { value: spanned.into_inner(), span })
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

/// A file that a person wrote, as problems need it: its path from the root and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The path as the person knows it.
    pub path: String,
    /// The text, or what could be read of it.
    pub text: String,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLocation {
    /// The file.
    pub file: Arc<SourceFile>,
    /// The bytes.
    pub span: Range<usize>,
}

/// One thing that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, where the problem has one.
    pub file: Option<Arc<SourceFile>>,
    /// The bytes to underline.
    pub span: Option<Range<usize>>,
    /// What is wrong, lower case and without a full stop.
    pub message: String,
    /// What to do, in the same form.
    pub help: Option<String>,
}

impl Problem {
    /// A problem of `file` at `span`.
    pub fn at(file: &Arc<SourceFile>, span: Range<usize>, message: impl Into<String>) -> Self {
        Self { file: Some(Arc::clone(file)), span: Some(span), message: plain(message.into()), help: None }
    }

    /// A problem of a whole file, or of none.
    pub fn whole(file: Option<&Arc<SourceFile>>, message: impl Into<String>) -> Self {
        Self { file: file.map(Arc::clone), span: None, message: plain(message.into()), help: None }
    }

    /// The same with a way out.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(plain(help.into()));
        self
    }

    /// Line and column of its place, both from 1, columns in characters.
    pub fn position(&self) -> Option<(usize, usize)> {
        let (file, span) = (self.file.as_ref()?, self.span.as_ref()?);
        let before = file.text.get(..span.start)?;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Some((before.matches('\n').count() + 1, before[line_start..].chars().count() + 1))
    }
}

/// `text` without anything that a terminal or a log reader would act on, without a login that somebody wrote into an
/// address, and not longer than a sentence may be.
fn plain(text: String) -> String {
    escape::within(&escape::mask_credentials(&text), SENTENCE_MAX)
}

/// Whether `c` changes the direction in which text around it is shown (Unicode Standard Annex 9, "Explicit Directional
/// Formatting Characters" and "Implicit Directional Marks").
pub fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// All that is wrong, at least one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; "))]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// `Ok` where nothing was found.
    ///
    /// # Errors
    /// The problems, in the order of files and places.
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

/// What has been found wrong in one file so far.
#[derive(Debug)]
pub(crate) struct Diagnostics<'a> {
    /// The file.
    pub(crate) file: &'a Arc<SourceFile>,
    /// The problems.
    pub(crate) problems: Vec<Problem>,
}

impl<'a> Diagnostics<'a> {
    /// Nothing is wrong yet.
    pub(crate) fn new(file: &'a Arc<SourceFile>) -> Self {
        Self { file, problems: Vec::new() }
    }

    /// Adds a problem that has a way out.
    pub(crate) fn report(&mut self, span: &Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::at(self.file, span.clone(), message).help(help));
    }

    /// The value, or none and a problem at `span`.
    pub(crate) fn accept<T>(&mut self, span: &Range<usize>, read: Result<T, NameError>) -> Option<T> {
        read.map_err(|error| {
            let problem = Problem::at(self.file, span.clone(), error.message);
            self.problems.push(match error.help {
                Some(help) => problem.help(help),
                None => problem,
            });
        })
        .ok()
    }

    /// The text read as a `T`, or none and a problem at its place.
    pub(crate) fn parse<T: FromStr<Err = NameError>>(&mut self, text: &At<String>) -> Option<T> {
        self.accept(&text.span, text.value.parse())
    }
}

/// The one of `known` that `written` was most likely meant to be, if any is near enough.
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
