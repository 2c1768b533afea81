//! Jinja templates for commit messages and proposals: parsed strictly, tested on samples, rendered within limits.
//!
//! A template sees its [`TemplateContext`] and nothing else: no files, no environment, no
//! clock. Fuel bounds both time and memory.

pub mod context;
pub mod commit_message;

use std::ops::Range;
use std::sync::Arc;

use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};

use crate::text::diagnostics::lines::position;
use crate::text::diagnostics::{At, Problem, SourceFile, SourceLocation, nearest};
use context::TemplateContext;

/// The fuel of one rendering: some hundred thousand steps, and 64 bytes of memory for each.
const FUEL: u64 = 300_000;
/// The template's name in the engine.
const NAME: &str = "template";

/// A template that renders to a text for each of the samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    source: String,
    /// Its source location.
    place: SourceLocation,
    /// The key it was defined under.
    key: String,
}

impl Template {
    /// Parses the template defined under `key` in `file`, and renders every sample.
    ///
    /// # Errors
    /// Returns the first problem.
    pub(crate) fn read(key: &str, text: &At<String>, file: &Arc<SourceFile>) -> Result<Self, Problem> {
        Self::tested(key, text, file, context::samples())
    }

    /// Parses a template for proposals, in which `text` is never empty.
    ///
    /// # Errors
    /// Returns the first problem.
    pub(crate) fn for_proposal(key: &str, text: &At<String>, file: &Arc<SourceFile>) -> Result<Self, Problem> {
        let body = |(of, sample)| (of, TemplateContext { text: "| tag |".to_owned(), ..sample });
        Self::tested(key, text, file, context::samples().into_iter().map(body))
    }

    fn tested(
        key: &str,
        text: &At<String>,
        file: &Arc<SourceFile>,
        samples: impl IntoIterator<Item = (&'static str, TemplateContext)>,
    ) -> Result<Self, Problem> {
        let place = SourceLocation { file: Arc::clone(file), span: text.span.clone() };
        let template = Self { source: text.value.clone(), place, key: key.to_owned() };
        for (of, sample) in samples {
            if template.render_for(&sample, Some(of))?.trim().is_empty() {
                let message = format!("the template `{key}` renders to nothing for {of}");
                let problem = Problem::at(file, text.span.clone(), message);
                return Err(problem.help("write at least one line, e.g. `{{ title }}`"));
            }
        }
        Ok(template)
    }

    /// Renders the template for `context`.
    ///
    /// # Errors
    /// Returns what failed, with its position in the file.
    pub fn render(&self, context: &TemplateContext) -> Result<String, Problem> {
        self.render_for(context, None)
    }

    fn render_for(&self, context: &TemplateContext, sample: Option<&str>) -> Result<String, Problem> {
        let mut engine = Environment::new();
        engine.set_undefined_behavior(UndefinedBehavior::Strict);
        engine.set_auto_escape_callback(|_| AutoEscape::None);
        engine.set_fuel(Some(FUEL));
        engine.set_debug(true);
        // Unknown values render to nothing.
        engine.set_formatter(
            |out, state, value| {
                if value.is_none() { Ok(()) } else { minijinja::escape_formatter(out, state, value) }
            },
        );
        let parsed = engine.template_from_named_str(NAME, &self.source);
        let rendered = parsed.and_then(|template| template.render(Value::from(minijinja::value::Serde(context))));
        rendered.map_err(|error| self.problem(&error, sample))
    }

    fn problem(&self, error: &Error, sample: Option<&str>) -> Problem {
        let Self { source, place, key } = self;
        let range = error.range().filter(|range| source.get(range.clone()).is_some_and(|text| !text.is_empty()));
        let text = range.clone().map(|range| &source[range]);
        let what = match (error.kind(), text) {
            (ErrorKind::UndefinedError, Some(text)) => format!("`{text}` is undefined"),
            (ErrorKind::OutOfFuel, _) => "it runs too long or its output is too large".to_owned(),
            (kind, _) => error.detail().map_or_else(|| kind.to_string(), |detail| format!("{kind}: {detail}")),
        };
        let place_in_text = range.as_ref().and_then(|range| position(source, range.start));
        let at = match (place_in_text, error.line()) {
            (Some((line, column)), _) => format!(" (line {line}, column {column})"),
            (None, Some(line)) => format!(" (line {line})"),
            (None, None) => String::new(),
        };
        let of = sample.filter(|_| error.kind() != ErrorKind::SyntaxError);
        let of = of.map(|of| format!(", rendered for {of}")).unwrap_or_default();
        let message = format!("invalid template `{key}`{at}: {what}{of}");
        let help = match (error.kind(), text) {
            (ErrorKind::UndefinedError, Some(text)) => unknown(text),
            (ErrorKind::OutOfFuel, _) => "remove nested loops".to_owned(),
            (ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction, _) => {
                "use the filters and tests built into Jinja; templates cannot include other files".to_owned()
            }
            _ => "use Jinja syntax: `{{ title }}`, `{% for change in changes %}…{% endfor %}`".to_owned(),
        };
        Problem::at(&place.file, self.span(range), message).help(help)
    }

    /// Maps `range` of the template to the file; the whole template if it was written with escapes.
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

/// Suggests a remedy for an undefined expression.
fn unknown(expression: &str) -> String {
    let word = expression.rsplit(|c: char| !c.is_alphanumeric() && c != '_').find(|word| !word.is_empty());
    let word = word.unwrap_or_default();
    let known = context::keys();
    let all = || known.iter().flat_map(|(_, keys)| keys.iter().map(String::as_str));
    if all().any(|key| key == word) {
        let help =
            "not every change has it: test it first, e.g. `{% if change.old %}{{ change.old.short }}{% endif %}`";
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
