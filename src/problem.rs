//! What is wrong in a user's file: values with positions, collected and shown all at once.
//!
//! A [`Problem`] is a sentence, a place and a way out. Nothing here decides what is wrong; that is said where the
//! file's meaning is known.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;

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

/// One thing that is wrong in a file.
#[derive(Clone, Debug)]
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
        Self { file: Some(Arc::clone(file)), span: Some(span), message: message.into(), help: None }
    }

    /// A problem of a whole file, or of none.
    pub fn whole(file: Option<&Arc<SourceFile>>, message: impl Into<String>) -> Self {
        Self { file: file.map(Arc::clone), span: None, message: message.into(), help: None }
    }

    /// The same with a way out.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
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

/// All that is wrong, at least one.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", .0.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; "))]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// `Ok` where nothing was found.
    ///
    /// # Errors
    /// The problems, in the order of files and places.
    pub fn none_or(mut found: Vec<Problem>) -> Result<(), Self> {
        if found.is_empty() {
            return Ok(());
        }
        let key = |p: &Problem| (p.file.as_ref().map(|f| f.path.clone()), p.span.as_ref().map(|s| s.start));
        found.sort_by_key(key);
        Err(Self(found))
    }
}

/// How a set of problems is shown to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// With colours, for a terminal.
    Colour,
    /// As plain text.
    Plain,
}

/// `problems` as text for a person: each with its place underlined.
pub struct Rendered<'a>(pub &'a Problems, pub Style);

impl fmt::Display for Rendered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use annotate_snippets::renderer::DecorStyle;
        use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
        let renderer = match self.1 {
            Style::Colour => Renderer::styled(),
            Style::Plain => Renderer::plain(),
        };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        for problem in &self.0.0 {
            let title = Level::ERROR.primary_title(problem.message.as_str());
            let mut group = match (&problem.file, &problem.span) {
                (Some(file), Some(span)) => {
                    let end = span.end.min(file.text.len());
                    let mark = AnnotationKind::Primary.span(span.start.min(end)..end);
                    title.element(Snippet::source(file.text.as_str()).path(file.path.as_str()).annotation(mark))
                }
                (Some(file), None) => title.element(annotate_snippets::Origin::path(file.path.as_str())),
                (None, _) => annotate_snippets::Group::with_title(title),
            };
            if let Some(help) = &problem.help {
                group = group.element(Level::HELP.message(help.as_str()));
            }
            writeln!(f, "{}", renderer.render(&[group]))?;
        }
        Ok(())
    }
}
