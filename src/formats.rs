//! `[[target]]`: places in files of the repository into which pinned references are written.
//!
//! Pure: a file's text and pins make edits of bytes, and nothing else of the file is rendered anew. A kind of place is a
//! member of [`Kind`], with one verb; its file owns what it reads and how it is found. All targets of a file are found in
//! the text as it stands, and written at once.

mod compose;
mod dockerfile;
pub mod find;
mod helm;
mod json;
mod kustomize;
mod marker;
pub mod part;
pub mod path;
pub mod propose;
pub mod sites;
mod spot;
pub(crate) mod table;
mod text;
mod toml;
mod tree;
mod way;
mod workflow;
mod write;
mod yaml;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;

use crate::model::image::{PinnedRef, TagId};
use crate::text::diagnostics::{Problem, Problems, SourceLocation};
use crate::text::yaml::{YamlNode, YamlValue};

use part::ReferencePart;
use path::FilePath;
use text::FileText;
use way::Selector;

/// How many files the patterns of all targets may mean.
pub const FILES_MAX: usize = 5_000;

/// A place, or several, into which a pinned reference is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The tag whose pin is written; none where each marker names its own.
    pub from: Option<TagId>,
    /// The files it is in.
    pub path: FilePath,
    /// Where in them.
    pub kind: TargetKind,
    /// Which part is written.
    pub write: ReferencePart,
    /// Where it is defined.
    pub place: SourceLocation,
}

/// The kinds of places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// A value of a YAML file.
    Yaml(Selector),
    /// A value of a JSON file.
    Json(Selector),
    /// A value of a TOML file.
    Toml(Selector),
    /// The entry of this name in the `images` of a kustomization.
    Kustomize(String),
    /// An image in the values of a chart.
    Helm(Selector),
    /// The image of this service of a compose file, or of all of the pin's repository.
    Compose(Option<String>),
    /// What a Dockerfile builds on.
    Dockerfile(dockerfile::DockerfileSelector),
    /// Images of a GitHub workflow.
    Workflow(workflow::WorkflowSelector),
    /// Lines with a comment `# pinstream: stream:tag`.
    Marker,
}

/// What is known of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetPin {
    /// Its pin.
    At(PinnedRef),
    /// Its places are left as they are: it has no pin yet, or was not asked for.
    Elsewhere,
    /// There is none; the one that was most likely meant.
    Unknown(Option<TagId>),
}

/// What is known of each tag.
pub type PinLookup<'a> = &'a dyn Fn(&TagId) -> TargetPin;

/// A file that targets change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditedFile {
    /// Its path, from the root.
    pub path: String,
    /// Its text as it stands.
    pub old: String,
    /// Its text as it should be.
    pub new: String,
    /// What is written, in the order of its places.
    pub edits: Vec<SiteEdit>,
}

/// One place of a file that is written over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteEdit {
    /// The tag whose pin is written.
    pub from: TagId,
    /// Its line, from 1.
    pub line: usize,
    /// What stood there.
    pub was: String,
    /// The bytes that are written over, without a byte order mark.
    span: Range<usize>,
    new: String,
}

/// Bytes of a text and what they become.
struct TextChange {
    span: Range<usize>,
    new: String,
    /// The text that the bytes stand for.
    was: String,
}

/// Why a target cannot be written into a file.
enum TargetError {
    /// The file has no such place.
    Nothing(Problem),
    /// It has, and it cannot be written over.
    Wrong(Problem),
}

impl From<Problem> for TargetError {
    fn from(problem: Problem) -> Self {
        Self::Wrong(problem)
    }
}

/// What a target writes.
struct WriteSpec<'a> {
    from: &'a TagId,
    pin: &'a PinnedRef,
    part: ReferencePart,
}

impl WriteSpec<'_> {
    fn value(&self, text: &FileText) -> Result<String, TargetError> {
        self.part.of(self.pin).ok_or_else(|| self.without_tag(text))
    }

    fn without_tag(&self, text: &FileText) -> TargetError {
        without_tag(text, &self.from.to_string())
    }
}

fn without_tag(text: &FileText, from: &str) -> TargetError {
    let message = format!("`{from}` is an image without a tag, and a tag is to be written into `{}`", text.path());
    TargetError::Wrong(
        text.problem(&(0..0), message).help("write `write = \"repository@digest\"` or `write = \"digest\"`"),
    )
}

fn no_text(text: &FileText, span: &Range<usize>) -> TargetError {
    let problem = text.problem(&(span.start..span.start), "a list or map stands where a text is to be written");
    TargetError::Wrong(problem.help("let the way lead on to a text in it"))
}

/// Writes `new` over a value of a format that quotes its texts, with `quotes` quotes at each end of one that is written so.
fn in_quotes(
    text: &FileText,
    node: &YamlNode,
    new: &str,
    quotes: impl Fn(&str) -> usize,
) -> Result<TextChange, TargetError> {
    let span = node.span.clone();
    match &node.value {
        YamlValue::Quoted(was) => {
            let quotes = quotes(&text.text()[span.clone()]);
            let inner = span.start + quotes..span.end - quotes;
            let new = if was == new { text.text()[inner.clone()].to_owned() } else { new.to_owned() };
            Ok(TextChange { span: inner, new, was: was.clone() })
        }
        YamlValue::Plain(was) => Ok(TextChange { span, new: format!("\"{new}\""), was: was.clone() }),
        YamlValue::List(_) | YamlValue::Map(_) => Err(no_text(text, &span)),
    }
}

/// At most ten of `words`.
pub(crate) fn list<Words>(words: Words) -> String
where
    Words: IntoIterator<IntoIter: ExactSizeIterator, Item: Display>,
{
    const SHOWN: usize = 10;
    let words = words.into_iter();
    let more = words.len().saturating_sub(SHOWN);
    let some: Vec<String> = words.take(SHOWN).map(|word| word.to_string()).collect();
    if more == 0 { some.join(", ") } else { format!("{} and {more} more", some.join(", ")) }
}

impl Target {
    /// What the file `text` becomes by this target: changes with the tag they are of, also of what is right already.
    fn changes(&self, text: &FileText, pins: PinLookup<'_>) -> Result<Vec<(TagId, TextChange)>, TargetError> {
        let Some(from) = &self.from else { return marker::edits(text, self.write, pins) };
        let TargetPin::At(pin) = pins(from) else { return Ok(Vec::new()) };
        let writing = WriteSpec { from, pin: &pin, part: self.write };
        let changes = match &self.kind {
            TargetKind::Yaml(way) => yaml::edits(way, text, &writing),
            TargetKind::Json(way) => json::edits(way, text, &writing),
            TargetKind::Toml(way) => toml::edits(way, text, &writing),
            TargetKind::Kustomize(name) => kustomize::edits(name, text, &writing),
            TargetKind::Helm(way) => helm::edits(way, text, &writing),
            TargetKind::Compose(service) => compose::edits(service.as_deref(), text, &writing),
            TargetKind::Dockerfile(place) => dockerfile::edits(place, text, &writing),
            TargetKind::Workflow(place) => workflow::edits(place, text, &writing),
            TargetKind::Marker => return marker::edits(text, self.write, pins),
        }?;
        Ok(changes.into_iter().map(|change| (from.clone(), change)).collect())
    }

    fn problem(&self, message: String) -> Problem {
        Problem::at(&self.place.file, self.place.span.clone(), message)
    }

    fn not_there(&self, path: &str) -> Problem {
        self.problem(format!("the target names `{path}`, which is not there"))
            .help("commit the file at that path, counted from the folder of `pinstream.toml`")
    }

    fn no_text(&self, path: &str) -> Problem {
        self.problem(format!("the target names `{path}`, which is no text in UTF-8")).help("name a text file")
    }

    /// Whether files that are no text are no matter: a pattern of markers may go over everything there is.
    fn passes_by_binaries(&self) -> bool {
        self.kind == TargetKind::Marker && self.path.is_glob()
    }
}

/// The files that some targets mean, each with the numbers of its targets; `listed` are those that patterns may mean.
pub fn files<'a>(
    targets: impl Iterator<Item = (usize, &'a Target)>,
    listed: &[String],
) -> BTreeMap<String, Vec<usize>> {
    let mut files: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (number, target) in targets {
        if target.path.is_glob() {
            for path in listed.iter().filter(|path| target.path.matches(path)) {
                files.entry(path.clone()).or_default().push(number);
            }
        } else {
            files.entry(target.path.as_str().to_owned()).or_default().push(number);
        }
    }
    files
}

/// Targets being written into files, one file after the other.
pub struct TargetWriter<'a> {
    targets: &'a [Target],
    pins: PinLookup<'a>,
    /// In how many files each target was looked for, and whether it was found.
    looked: Vec<(usize, bool)>,
    /// Where each target found nothing the first time, and that this was not needed.
    missed: BTreeMap<usize, Problem>,
    problems: Vec<Problem>,
    edited: Vec<EditedFile>,
}

impl<'a> TargetWriter<'a> {
    /// Nothing is written yet.
    pub fn new(targets: &'a [Target], pins: PinLookup<'a>) -> Self {
        let looked = vec![(0, false); targets.len()];
        Self { targets, pins, looked, missed: BTreeMap::new(), problems: Vec::new(), edited: Vec::new() }
    }

    /// The files to look at, each with the numbers of its targets; `listed` are those that patterns may mean.
    pub fn files(&self, listed: &[String]) -> BTreeMap<String, Vec<usize>> {
        let numbered = self.targets.iter().enumerate();
        files(numbered.filter(|(_, target)| self.is_asked_for(target)), listed)
    }

    /// The patterns of targets that are asked for.
    pub fn globs(&self) -> Vec<FilePath> {
        let asked = self.targets.iter().filter(|target| target.path.is_glob() && self.is_asked_for(target));
        asked.map(|target| target.path.clone()).collect()
    }

    fn is_asked_for(&self, target: &Target) -> bool {
        target.from.as_ref().is_none_or(|from| matches!((self.pins)(from), TargetPin::At(_)))
    }

    /// Looks at one file; it has no bytes where it is not there.
    pub fn file(&mut self, path: &str, bytes: Option<&[u8]>, targets: &[usize]) {
        let text = bytes.and_then(|bytes| FileText::new(path, bytes));
        let mut edits: Vec<(usize, SiteEdit)> = Vec::new();
        for &number in targets {
            let target = &self.targets[number];
            self.looked[number].0 += 1;
            let Some(text) = &text else {
                let problem = match bytes {
                    None => target.not_there(path),
                    Some(_) if target.passes_by_binaries() => continue,
                    Some(_) => target.no_text(path),
                };
                self.problems.push(problem);
                continue;
            };
            match target.changes(text, self.pins) {
                Ok(changes) => {
                    self.looked[number].1 = true;
                    for (from, TextChange { span, new, was }) in changes {
                        let line = text.line(span.start);
                        edits.push((number, SiteEdit { from, line, was, span, new }));
                    }
                }
                Err(TargetError::Nothing(problem)) if target.path.is_glob() => self.miss(number, problem),
                Err(TargetError::Nothing(problem) | TargetError::Wrong(problem)) => {
                    self.looked[number].1 = true;
                    self.problems.push(problem);
                }
            }
        }
        if let Some(text) = text {
            self.write(&text, edits);
        }
    }

    /// Keeps that a file has no place of a target: of several, the first that has a near one.
    fn miss(&mut self, number: usize, problem: Problem) {
        let is_near = |problem: &Problem| problem.help.as_ref().is_some_and(|help| help.starts_with("did you mean"));
        let kept = self.missed.entry(number).or_insert_with(|| problem.clone());
        if is_near(&problem) && !is_near(kept) {
            *kept = problem;
        }
    }

    /// Writes the edits of one file; a place that two targets mean is theirs only if they write the same.
    fn write(&mut self, text: &FileText, mut edits: Vec<(usize, SiteEdit)>) {
        edits.sort_by_key(|(_, edit)| (edit.span.start, edit.span.end));
        let mut kept: Vec<(usize, SiteEdit)> = Vec::with_capacity(edits.len());
        for (number, edit) in edits {
            match kept.last() {
                Some((_, last)) if last.span == edit.span && last.new == edit.new => {}
                Some((_, last)) if edit.span.start < last.span.end || edit.span == last.span => {
                    let message = format!("`{}` and `{}` are both to be written into this place", last.from, edit.from);
                    let help = "take one of the two targets out, or let it lead elsewhere";
                    self.problems.push(text.problem(&edit.span, message).help(help));
                }
                _ => kept.push((number, edit)),
            }
        }
        let old = text.text();
        let edits: Vec<SiteEdit> =
            kept.into_iter().map(|(_, edit)| edit).filter(|edit| old[edit.span.clone()] != edit.new).collect();
        if edits.is_empty() {
            return;
        }
        let mark = if text.has_mark { "\u{feff}" } else { "" };
        let mut new = String::with_capacity(old.len() + mark.len() + edits.len() * 80);
        new.push_str(mark);
        let mut at = 0;
        for edit in &edits {
            new.push_str(&old[at..edit.span.start]);
            new.push_str(&edit.new);
            at = edit.span.end;
        }
        new.push_str(&old[at..]);
        self.edited.push(EditedFile { path: text.path().to_owned(), old: format!("{mark}{old}"), new, edits });
    }

    /// The files that are not as they should be.
    ///
    /// # Errors
    /// Every target that has no place, or one that cannot be written over.
    pub fn finish(mut self) -> Result<Vec<EditedFile>, Problems> {
        for (number, target) in self.targets.iter().enumerate() {
            let (files, is_found) = self.looked[number];
            if !target.path.is_glob() || is_found || !self.is_asked_for(target) {
                continue;
            }
            let glob = target.path.as_str();
            self.problems.push(match self.missed.remove(&number) {
                Some(problem) => {
                    let files =
                        if files == 1 { "the one file".to_owned() } else { format!("none of the {files} files") };
                    let has = if files.starts_with("none") { "has" } else { "has not" };
                    let message = format!("{files} of `{glob}` {has} the target's place: {}", problem.message);
                    target.problem(message).help(problem.help.unwrap_or_default())
                }
                None => target
                    .problem(format!("the target's pattern `{glob}` means no file"))
                    .help("it is matched against paths from the folder of `pinstream.toml`; `**` goes over folders"),
            });
        }
        Problems::check(self.problems)?;
        Ok(self.edited)
    }
}

#[cfg(test)]
mod tests;
