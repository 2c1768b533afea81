//! Edits of a target in one file: byte spans and their new text.

use std::ops::Range;

use crate::model::image::{PinnedRef, TagId};
use crate::text::diagnostics::Problem;
use crate::text::yaml::{YamlNode, YamlValue};

use super::file_text::FileText;
use super::part::ReferencePart;
use super::{PinLookup, Target, TargetPin};

/// A file that targets name: parsed once, however many targets it has.
pub struct TargetFile<'a> {
    path: &'a str,
    content: TargetContent,
}

enum TargetContent {
    Missing,
    Binary,
    Text(FileText),
}

impl<'a> TargetFile<'a> {
    /// The file `path`; `bytes` is `None` if it does not exist.
    pub fn new(path: &'a str, bytes: Option<&[u8]>) -> Self {
        let content = match bytes {
            None => TargetContent::Missing,
            Some(bytes) => FileText::from_bytes(path, bytes).map_or(TargetContent::Binary, TargetContent::Text),
        };
        Self { path, content }
    }

    pub(super) fn text(&self) -> Option<&FileText> {
        if let TargetContent::Text(text) = &self.content { Some(text) } else { None }
    }
}

/// One place of a file and the text that a target writes there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetEdit {
    /// The tag whose pin is written.
    pub from: TagId,
    /// Line of the place, from 1.
    pub line: usize,
    /// The current value.
    pub was: String,
    /// True if the place already has the new text.
    pub is_current: bool,
    /// Bytes to replace, without a byte order mark.
    pub(super) span: Range<usize>,
    /// The new text.
    pub new: String,
}

/// Reason why a target cannot be written into a file.
pub(super) enum TargetError {
    /// The file has no such place.
    NotFound(Problem),
    /// The place cannot be edited.
    Invalid(Problem),
}

impl From<Problem> for TargetError {
    fn from(problem: Problem) -> Self {
        Self::Invalid(problem)
    }
}

impl TargetError {
    pub(super) fn into_problem(self) -> Problem {
        match self {
            Self::NotFound(problem) | Self::Invalid(problem) => problem,
        }
    }
}

/// Request of a target, before its pin is looked up.
pub(super) struct EditRequest<'a> {
    pub(super) from: Option<&'a TagId>,
    pub(super) part: ReferencePart,
    pub(super) pins: PinLookup<'a>,
}

impl<'a> EditRequest<'a> {
    /// Returns what to write; none if nothing is.
    pub(super) fn spec(&self) -> Option<WriteSpec<'a>> {
        let from = self.from?;
        match (self.pins)(from) {
            TargetPin::At(pin) => Some(WriteSpec { from, pin, part: self.part }),
            _ => None,
        }
    }
}

/// A tag's pin and the part of it to write.
pub(super) struct WriteSpec<'a> {
    pub(super) from: &'a TagId,
    pub(super) pin: PinnedRef,
    pub(super) part: ReferencePart,
}

impl WriteSpec<'_> {
    /// Returns the text to write.
    pub(super) fn value(&self, text: &FileText) -> Result<String, TargetError> {
        self.part_of(self.part, text)
    }

    pub(super) fn part_of(&self, part: ReferencePart, text: &FileText) -> Result<String, TargetError> {
        part.of(&self.pin).ok_or_else(|| without_tag(text, &self.from.to_string()))
    }

    /// Replaces the text at `span`, whose value is `was`, by `new`.
    pub(super) fn replace(&self, text: &FileText, span: Range<usize>, was: &str, new: &str) -> TargetEdit {
        TargetEdit {
            from: self.from.clone(),
            line: text.line(span.start),
            was: was.to_owned(),
            is_current: text.text()[span.clone()] == *new,
            span,
            new: new.to_owned(),
        }
    }

    /// Replaces a value of a format that quotes its strings; `quotes` counts the quotes at each end of one.
    pub(super) fn replace_quoted(
        &self,
        text: &FileText,
        node: &YamlNode,
        quotes: impl Fn(&str) -> usize,
    ) -> Result<TargetEdit, TargetError> {
        let (span, new) = (node.span.clone(), self.value(text)?);
        match &node.value {
            YamlValue::Quoted(was) => {
                let quotes = quotes(&text.text()[span.clone()]);
                let inner = span.start + quotes..span.end - quotes;
                let same = (*was == new).then(|| text.text()[inner.clone()].to_owned());
                Ok(self.replace(text, inner, was, &same.unwrap_or(new)))
            }
            YamlValue::Plain(was) => Ok(self.replace(text, span, was, &format!("\"{new}\""))),
            YamlValue::List(_) | YamlValue::Map(_) => Err(not_a_string(text, &span)),
        }
    }
}

pub(super) fn without_tag(text: &FileText, from: &str) -> TargetError {
    let message = format!("cannot write a tag into `{}`: `{from}` is an image without a tag", text.path());
    let help = "set `write = \"repository@digest\"` or `write = \"digest\"`";
    TargetError::Invalid(text.problem(&(0..0), message).help(help))
}

pub(super) fn not_a_string(text: &FileText, span: &Range<usize>) -> TargetError {
    let problem = text.problem(&(span.start..span.start), "expected a string, found a list or a map");
    TargetError::Invalid(problem.help("extend the selector so that it selects a string inside it"))
}

impl Target {
    /// Returns the edits of this target in a file, including places that already have the pin.
    ///
    /// # Errors
    /// The file does not exist or is not text, a place cannot be edited, or there is none and the target's path is not a
    /// glob.
    pub fn edits(&self, file: &TargetFile<'_>, pins: PinLookup<'_>) -> Result<Vec<TargetEdit>, Problem> {
        match self.try_edits(file, pins) {
            Err(TargetError::NotFound(_)) if self.path.is_glob() => Ok(Vec::new()),
            edits => edits.map_err(TargetError::into_problem),
        }
    }

    pub(super) fn try_edits(&self, file: &TargetFile<'_>, pins: PinLookup<'_>) -> Result<Vec<TargetEdit>, TargetError> {
        let path = file.path;
        match &file.content {
            TargetContent::Text(text) => self.edits_in(text, pins),
            TargetContent::Missing => {
                let help = "commit a file at that path, relative to the directory of `pinstream.toml`";
                Err(self.problem(format!("target file `{path}` does not exist")).help(help).into())
            }
            // A glob for markers may cover every file.
            TargetContent::Binary if self.kind.kind().names_tags() && self.path.is_glob() => Ok(Vec::new()),
            TargetContent::Binary => {
                let message = format!("target file `{path}` is not UTF-8 text");
                Err(self.problem(message).help("name a text file").into())
            }
        }
    }

    pub(super) fn edits_in(&self, text: &FileText, pins: PinLookup<'_>) -> Result<Vec<TargetEdit>, TargetError> {
        self.kind.edits(text, &EditRequest { from: self.from.as_ref(), part: self.write, pins })
    }

    pub(super) fn problem(&self, message: String) -> Problem {
        Problem::at(&self.place.file, self.place.span.clone(), message)
    }
}
