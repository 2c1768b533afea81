//! Edits of a target in one file: byte spans and their new text.

use std::borrow::Cow;
use std::ops::Range;

use super::{FileText, PinLookup, ReferencePart, Target};
use crate::model::image::{ImageRef, PinnedRef, TagId, complete, written_repository};
use crate::text::diagnostics::Problem;
use crate::text::lfs;
use crate::text::yaml::{YamlNode, YamlValue};

use super::part::is_digest_hex;
use super::variables::{after_prefix, repository_length};

/// A file that targets name: parsed once, however many targets it has.
pub struct TargetFile<'a> {
    path: &'a str,
    content: TargetContent,
}

enum TargetContent {
    Missing,
    Binary,
    LfsPointer,
    Text(FileText),
}

impl<'a> TargetFile<'a> {
    /// The file `path`; `bytes` is `None` if it does not exist.
    pub fn new(path: &'a str, bytes: Option<&[u8]>) -> Self {
        let content = match bytes {
            None => TargetContent::Missing,
            Some(bytes) if lfs::is_pointer(bytes) => TargetContent::LfsPointer,
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

/// Applies edits in file order to a text; none if they overlap.
pub(super) fn apply<'a>(text: &str, edits: impl IntoIterator<Item = &'a TargetEdit>) -> Option<String> {
    let (mut new, mut at) = (String::with_capacity(text.len()), 0);
    for edit in edits {
        new.push_str(text.get(at..edit.span.start)?);
        new.push_str(&edit.new);
        at = edit.span.end;
    }
    new.push_str(&text[at..]);
    Some(new)
}

/// Reason why a target cannot be written into a file.
pub(super) struct TargetError {
    pub(super) problem: Problem,
    /// True if the file has no such place, false if the place cannot be edited.
    pub(super) is_missing: bool,
}

impl From<Problem> for TargetError {
    fn from(problem: Problem) -> Self {
        Self { problem, is_missing: false }
    }
}

impl FileText {
    /// Creates the error of a place at `span` that cannot be edited.
    pub(super) fn invalid(
        &self,
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> TargetError {
        self.problem(span, message).help(help).into()
    }

    /// Creates the error of a place that does not exist, to be shown at byte `at`.
    pub(super) fn missing(&self, at: usize, message: impl Into<String>, help: impl Into<String>) -> TargetError {
        TargetError { problem: self.problem(at..at, message).help(help), is_missing: true }
    }
}

/// A tag's pin, the part of it to write, and the file to write it into.
pub(super) struct WriteSpec<'a> {
    pub(super) text: &'a FileText,
    pub(super) from: &'a TagId,
    pub(super) pin: PinnedRef,
    pub(super) part: ReferencePart,
}

impl WriteSpec<'_> {
    /// Returns the text to write.
    pub(super) fn value(&self) -> Result<String, TargetError> {
        self.part_of(self.part)
    }

    pub(super) fn part_of(&self, part: ReferencePart) -> Result<String, TargetError> {
        part.of(&self.pin).ok_or_else(|| {
            let (path, from) = (self.text.path(), self.from);
            let message = format!("cannot write a tag into `{path}`: `{from}` is an image without a tag");
            self.text.invalid(0..0, message, "set `write = \"repository@digest\"` or `write = \"digest\"`")
        })
    }

    /// Returns the text to write over the image at `span`, which a file's variables expand to `image`. Variables in its
    /// repository remain, if they mean that of the pin; `help` says how to write any other variable.
    pub(super) fn value_over(
        &self,
        span: &Range<usize>,
        image: Option<&ImageRef>,
        help: &str,
    ) -> Result<String, TargetError> {
        let (written, value, repository) =
            (&self.text.text()[span.clone()], self.value()?, self.pin.image.repository());
        if !written.contains('$') {
            return Ok(value);
        }
        let is_same = image.is_some_and(|image| image.repository() == repository);
        match (repository_length(written).filter(|_| is_same), value.strip_prefix(&repository.to_string())) {
            (Some(length), Some(rest)) => Ok(format!("{}{rest}", &written[..length])),
            _ => Err(self.text.invalid(span.clone(), "the image contains variables", help)),
        }
    }

    /// Returns `new` in the spelling of `was`: a repository that means the same one remains as it is written, and a digest
    /// of hexadecimal digits receives no prefix.
    pub(super) fn spelled<'n>(&self, was: &str, new: &'n str) -> Cow<'n, str> {
        if is_digest_hex(was) && new == self.pin.digest.as_str() {
            return Cow::Owned(self.pin.digest.hex().to_owned());
        }
        let repository = self.pin.image.repository();
        let (scheme, name) = was.split_at(was.find("://").map_or(0, |at| at + "://".len()));
        let length = if name.contains('$') { repository_length(name) } else { Some(written_repository(name).len()) };
        let spelling = length.map(|length| &name[..length]);
        let is_same = |name: &&str| {
            complete(after_prefix(name).unwrap_or(name)).is_ok_and(|image| image.repository() == repository)
        };
        let spelling = spelling.filter(is_same);
        let rest = new.strip_prefix(scheme).and_then(|new| new.strip_prefix(&repository.to_string()));
        match spelling.zip(rest.filter(|rest| rest.is_empty() || rest.starts_with([':', '@']))) {
            Some((spelling, rest)) => Cow::Owned(format!("{scheme}{spelling}{rest}")),
            None => Cow::Borrowed(new),
        }
    }

    /// Replaces the text at `span`, whose value is `was`, by `new` in the spelling of `was`.
    pub(super) fn replace(&self, span: Range<usize>, was: &str, new: &str) -> TargetEdit {
        let new = self.spelled(was, new).into_owned();
        TargetEdit {
            from: self.from.clone(),
            line: self.text.line(span.start),
            was: was.to_owned(),
            is_current: self.text.text()[span.clone()] == new,
            span,
            new,
        }
    }

    /// Replaces a value of a format that quotes its strings, with one quote or three at each end.
    pub(super) fn replace_quoted(&self, node: &YamlNode) -> Result<TargetEdit, TargetError> {
        let (span, new) = (node.span.clone(), self.value()?);
        match &node.value {
            YamlValue::Quoted(was) => {
                let written = &self.text.text()[span.clone()];
                let is_long = written.len() >= 6 && ["\"\"\"", "'''"].iter().any(|long| written.starts_with(long));
                let quotes = if is_long { 3 } else { 1 };
                let inner = span.start + quotes..span.end - quotes;
                let same = (*was == self.spelled(was, &new)).then(|| self.text.text()[inner.clone()].to_owned());
                Ok(self.replace(inner, was, &same.unwrap_or(new)))
            }
            YamlValue::Plain(was) => Ok(self.replace(span, was, &format!("\"{}\"", self.spelled(was, &new)))),
            YamlValue::List(_) | YamlValue::Map(_) => Err(self.not_a_string(&span)),
        }
    }

    pub(super) fn not_a_string(&self, span: &Range<usize>) -> TargetError {
        let help = "extend the selector so that it selects a string inside it";
        self.text.invalid(span.start..span.start, "expected a string, found a list or a map", help)
    }
}

impl Target {
    /// Returns the edits of this target in a file, including places that already have the pin.
    ///
    /// # Errors
    /// The file does not exist or is not text, a place cannot be edited, or there is none and the target's path is not a
    /// glob.
    pub fn edits(&self, file: &TargetFile<'_>, pins: PinLookup<'_>) -> Result<Vec<TargetEdit>, Problem> {
        match self.try_edits(file, pins) {
            Err(error) if error.is_missing && self.path.is_glob() => Ok(Vec::new()),
            edits => edits.map_err(|error| error.problem),
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
            TargetContent::Binary | TargetContent::LfsPointer
                if self.kind.kind().names_tags() && self.path.is_glob() =>
            {
                Ok(Vec::new())
            }
            TargetContent::LfsPointer => {
                let message = format!("cannot use target file `{path}`: {}", lfs::POINTER);
                Err(self.problem(message).help(lfs::pointer_help(path)).into())
            }
            TargetContent::Binary => {
                let message = format!("target file `{path}` is not UTF-8 text");
                Err(self.problem(message).help("name a text file").into())
            }
        }
    }

    pub(super) fn problem(&self, message: String) -> Problem {
        Problem::at(&self.place.file, self.place.span.clone(), message)
    }
}
