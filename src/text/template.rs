//! Templates that people write for the texts of commits: read strictly, tried on samples, and rendered within bounds.
//!
//! A template has what a [`Context`] holds and nothing else: no other file, no environment, no clock. Fuel bounds both
//! the time that it takes and the memory.

pub mod context;
pub mod fit;

use std::ops::Range;
use std::sync::Arc;

use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};

use crate::text::diagnostics::{At, Problem, SourceFile, SourceLocation, nearest};
use context::TemplateContext;

/// How much a template may do: some hundred thousand steps, and 64 bytes of memory for each.
const FUEL: u64 = 300_000;
/// The name under which a template is known to its engine.
const NAME: &str = "template";

/// A template that can be read, and makes a text of each of the samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    source: String,
    /// Where it was written.
    place: SourceLocation,
    /// The key that it was written under.
    key: String,
}

impl Template {
    /// Reads what was written in `file` under `key`, and tries it on every sample.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub(crate) fn read(key: &str, text: &At<String>, file: &Arc<SourceFile>) -> Result<Self, Problem> {
        Self::tried(key, text, file, context::samples())
    }

    /// The same of a template for proposals, in which `text` is never empty.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub(crate) fn of_proposal(key: &str, text: &At<String>, file: &Arc<SourceFile>) -> Result<Self, Problem> {
        let body = |(of, sample)| (of, TemplateContext { text: "| tag |".to_owned(), ..sample });
        Self::tried(key, text, file, context::samples().into_iter().map(body))
    }

    fn tried(
        key: &str,
        text: &At<String>,
        file: &Arc<SourceFile>,
        samples: impl IntoIterator<Item = (&'static str, TemplateContext)>,
    ) -> Result<Self, Problem> {
        let place = SourceLocation { file: Arc::clone(file), span: text.span.clone() };
        let template = Self { source: text.value.clone(), place, key: key.to_owned() };
        for (of, sample) in samples {
            if template.render_for(&sample, Some(of))?.trim().is_empty() {
                let message = format!("the template `{key}` makes an empty text for {of}");
                let problem = Problem::at(file, text.span.clone(), message);
                return Err(problem.help("write at least one line, as `{{ title }}`"));
            }
        }
        Ok(template)
    }

    /// The text that it makes of `context`.
    ///
    /// # Errors
    /// What is wrong with it, at its place in the file.
    pub fn render(&self, context: &TemplateContext) -> Result<String, Problem> {
        self.render_for(context, None)
    }

    fn render_for(&self, context: &TemplateContext, sample: Option<&str>) -> Result<String, Problem> {
        let mut engine = Environment::new();
        engine.set_undefined_behavior(UndefinedBehavior::Strict);
        engine.set_auto_escape_callback(|_| AutoEscape::None);
        engine.set_fuel(Some(FUEL));
        engine.set_debug(true);
        // What is not known is written as nothing.
        engine.set_formatter(|out, state, value| match value.is_none() {
            true => Ok(()),
            false => minijinja::escape_formatter(out, state, value),
        });
        let parsed = engine.template_from_named_str(NAME, &self.source);
        let rendered = parsed.and_then(|template| template.render(Value::from(minijinja::value::Serde(context))));
        rendered.map_err(|error| self.problem(&error, sample))
    }

    fn problem(&self, error: &Error, sample: Option<&str>) -> Problem {
        let Self { source, place, key } = self;
        let range = error.range().filter(|range| source.get(range.clone()).is_some_and(|text| !text.is_empty()));
        let text = range.clone().map(|range| &source[range]);
        let what = match (error.kind(), text) {
            (ErrorKind::UndefinedError, Some(text)) => format!("`{text}` is not known"),
            (ErrorKind::OutOfFuel, _) => "it takes too long or makes too much".to_owned(),
            (kind, _) => error.detail().map_or_else(|| kind.to_string(), |detail| format!("{kind}: {detail}")),
        };
        let at = match (&range, error.line()) {
            (Some(range), _) => {
                let (line, column) = position(source, range.start);
                format!(" (line {line}, column {column})")
            }
            (None, Some(line)) => format!(" (line {line})"),
            (None, None) => String::new(),
        };
        let of = sample.filter(|_| error.kind() != ErrorKind::SyntaxError);
        let of = of.map(|of| format!(", tried on {of}")).unwrap_or_default();
        let message = format!("the template `{key}` cannot be used{at}: {what}{of}");
        let help = match (error.kind(), text) {
            (ErrorKind::UndefinedError, Some(text)) => unknown(text),
            (ErrorKind::OutOfFuel, _) => "take loops out of loops".to_owned(),
            (ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction, _) => {
                "the filters and tests are those of Jinja; nothing is read from other files".to_owned()
            }
            _ => "it is written as in Jinja: `{{ title }}`, `{% for change in changes %}…{% endfor %}`".to_owned(),
        };
        Problem::at(&place.file, self.span(range), message).help(help)
    }

    /// Where `range` of the template stands in the file; all of the template where it was written with escapes.
    fn span(&self, range: Option<Range<usize>>) -> Range<usize> {
        let SourceLocation { file, span } = &self.place;
        let written = file.text.get(span.clone()).and_then(|text| text.find(&self.source));
        match written.zip(range) {
            Some((offset, range)) => {
                let start = span.start + offset;
                start + range.start..start + range.end
            }
            None => span.clone(),
        }
    }
}

/// Line and column of a byte of `text`, both from 1, columns in characters.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// What can be meant by an expression that has no value.
fn unknown(expression: &str) -> String {
    let word = expression.rsplit(|c: char| !c.is_alphanumeric() && c != '_').find(|word| !word.is_empty());
    let word = word.unwrap_or_default();
    let known = context::keys();
    let all = || known.iter().flat_map(|(_, keys)| keys.iter().map(String::as_str));
    if all().any(|key| key == word) {
        let help = "not every change has it: ask first, as in `{% if change.old %}{{ change.old.short }}{% endif %}`";
        return help.to_owned();
    }
    if let Some(near) = nearest(word, all()) {
        return format!("did you mean `{near}`?");
    }
    let of = |(what, keys): &(&str, Vec<String>)| format!("{what} {}", keys.join(", "));
    known.iter().map(of).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
