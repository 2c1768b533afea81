//! `dockerfile = { path, stage | arg }`: what `FROM` names, or the default of an `ARG`; with neither, all that `FROM`,
//! `COPY --from` and `RUN --mount` name of the pin's repository.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use crate::formats::find::{self, FileKind, FoundImage};
use crate::text::diagnostics::Problem;

use super::part::ReferencePart;
use super::spot::{ImageSite, ImageSites};
use super::text::FileText;
use super::{TargetError, TextChange, WriteSpec, list};

/// Which place of a Dockerfile is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DockerfileSelector {
    /// All that name the pin's repository.
    Repository,
    /// The `FROM` of the stage of this name, or of this number from 0.
    Stage(String),
    /// The default of this `ARG`.
    Arg(String),
}

/// What targets see of a Dockerfile.
#[derive(Default)]
pub(super) struct Dockerfile {
    stages: Vec<StageBase>,
    /// The numbers of the stages of each name, in lower case.
    named: HashMap<String, Vec<usize>>,
    /// The number of the stage whose image begins at a byte.
    at: HashMap<usize, usize>,
    arguments: Vec<ArgWord>,
    /// The numbers of the arguments of each name.
    argued: HashMap<String, Vec<usize>>,
}

/// What a stage stands on.
struct StageBase {
    /// The bytes of the image, without quotes.
    image: Range<usize>,
    name: Option<String>,
}

/// A word of an `ARG`.
struct ArgWord {
    name: String,
    span: Range<usize>,
    /// The bytes of its default, without quotes.
    default: Option<Range<usize>>,
}

impl Dockerfile {
    pub(super) fn read(text: &FileText) -> Self {
        let mut found = Self::default();
        let word = |span: &Range<usize>| &text.text()[span.clone()];
        for words in find::instructions(text.text()) {
            if word(&words[0]).eq_ignore_ascii_case("FROM") {
                let mut rest = words[1..].iter().filter(|span| !word(span).starts_with("--"));
                let Some(image) = rest.next() else { continue };
                found.stage(find::unquoted(text.text(), image.clone()), rest.nth(1).map(word));
            } else if word(&words[0]).eq_ignore_ascii_case("ARG") {
                for span in &words[1..] {
                    let (name, value) =
                        word(span).split_once('=').map_or((word(span), None), |(name, value)| (name, Some(value)));
                    let default = value.map(|value| find::unquoted(text.text(), span.end - value.len()..span.end));
                    found.argued.entry(name.to_owned()).or_default().push(found.arguments.len());
                    found.arguments.push(ArgWord { name: name.to_owned(), span: span.clone(), default });
                }
            }
        }
        found
    }

    fn stage(&mut self, image: Range<usize>, name: Option<&str>) {
        let number = self.stages.len();
        if let Some(name) = name {
            self.named.entry(name.to_ascii_lowercase()).or_default().push(number);
        }
        self.at.insert(image.start, number);
        self.stages.push(StageBase { image, name: name.map(str::to_owned) });
    }

    fn arguments(&self, name: &str) -> impl Iterator<Item = &ArgWord> {
        self.argued.get(name).into_iter().flatten().map(|number| &self.arguments[*number])
    }
}

/// What the place becomes.
pub(super) fn edits(
    place: &DockerfileSelector,
    text: &FileText,
    writing: &WriteSpec<'_>,
) -> Result<Vec<TextChange>, TargetError> {
    let new = writing.value(text)?;
    let change = |span: Range<usize>| TextChange { was: text.text()[span.clone()].to_owned(), span, new: new.clone() };
    match place {
        DockerfileSelector::Repository => {
            let spots = text.mentions()?.ours(text, writing, "name one with `stage = \"…\"`")?;
            Ok(spots.iter().map(|spot| change(spot.span.clone())).collect())
        }
        DockerfileSelector::Stage(name) => {
            let span = stage(text, name)?;
            if text.text()[span.clone()].contains('$') {
                let problem = text.problem(&span, "the image is put together of variables");
                return Err(TargetError::Wrong(problem.help("name the variable, as `arg = \"BASE\"`")));
            }
            Ok(vec![change(span)])
        }
        DockerfileSelector::Arg(name) => Ok(vec![change(argument(text, name)?)]),
    }
}

/// All that names an image there.
pub(super) fn spots(text: &FileText) -> Result<ImageSites, Problem> {
    let mut spots = ImageSites::default();
    for mention in FileKind::Dockerfile.find(&text.file)? {
        let is_composed = text.text()[mention.span.clone()].contains('$');
        let image = if is_composed {
            Err("it has a variable".to_owned())
        } else {
            mention.image.map_err(|why| why.to_string())
        };
        spots.add(Rc::new(ImageSite { span: mention.span, image, node: None, shared: None }));
    }
    Ok(spots)
}

/// The places that may be that of `mention`, each with what is written there where it is not the whole reference.
pub(super) fn places(text: &FileText, mention: &FoundImage) -> Vec<(DockerfileSelector, Option<ReferencePart>)> {
    let file = text.dockerfile();
    if mention.decided != mention.span {
        let named = find::last_variable(&text.text()[mention.span.clone()]);
        return named.and_then(|(before, name)| variable(file, before, name)).into_iter().collect();
    }
    if text.text()[mention.span.clone()].contains('$') {
        return Vec::new();
    }
    match file.at.get(&mention.span.start) {
        Some(number) => {
            let names = file.stages[*number].name.iter().cloned().chain([number.to_string()]);
            names
                .map(DockerfileSelector::Stage)
                .chain([DockerfileSelector::Repository])
                .map(|place| (place, None))
                .collect()
        }
        // What `COPY --from` and `RUN --mount` name has no name of its own.
        None => vec![(DockerfileSelector::Repository, None)],
    }
}

/// The `ARG` that ends an image after `before`, and what of the reference is its part.
fn variable(file: &Dockerfile, before: &str, name: &str) -> Option<(DockerfileSelector, Option<ReferencePart>)> {
    let part = match before.chars().last() {
        None => None,
        Some(':') => Some(ReferencePart::TagAtDigest),
        Some('@') => Some(ReferencePart::Digest),
        Some(_) => return None,
    };
    // A tag may be for more than the image, where a stage asks for it as well.
    let is_shared = file.arguments(name).count() > 1;
    (part.is_none() || !is_shared).then(|| (DockerfileSelector::Arg(name.to_owned()), part))
}

/// The bytes of the image that a stage stands on.
fn stage(text: &FileText, wanted: &str) -> Result<Range<usize>, TargetError> {
    let stages = &text.dockerfile().stages;
    let mut found = text.dockerfile().named.get(&wanted.to_ascii_lowercase()).cloned().unwrap_or_default();
    let number = wanted.parse().ok().filter(|number| *number < stages.len() && !found.contains(number));
    found.extend(number);
    found.sort_unstable();
    match found.as_slice() {
        [only] => Ok(stages[*only].image.clone()),
        [] => {
            let shown = |(number, from): (usize, &StageBase)| match &from.name {
                Some(name) => format!("`{name}`"),
                None => format!("`{number}`, which is `{}`", &text.text()[from.image.clone()]),
            };
            let start = stages.first().map_or(0, |from| from.image.start);
            let problem = text.problem(&(start..start), format!("`{}` has no stage `{wanted}`", text.path()));
            let help = match stages.as_slice() {
                [] => "it has none at all".to_owned(),
                stages => format!("there are: {}", list(stages.iter().enumerate().map(shown))),
            };
            Err(TargetError::Nothing(problem.help(help)))
        }
        [_, second, ..] => {
            let problem = text.problem(&stages[*second].image, format!("two stages are named `{wanted}`"));
            Err(TargetError::Wrong(problem.help("give each its own name, or say which by its number, from 0")))
        }
    }
}

/// The default of an `ARG`, without quotes.
fn argument(text: &FileText, wanted: &str) -> Result<Range<usize>, TargetError> {
    let file = text.dockerfile();
    let found: Vec<&Range<usize>> = file.arguments(wanted).filter_map(|one| one.default.as_ref()).collect();
    match found.as_slice() {
        [only] => Ok(Range::clone(only)),
        [] => {
            let place = file.arguments(wanted).next();
            let (message, help) = match place {
                Some(_) => (format!("`ARG {wanted}` has no default"), format!("write `ARG {wanted}=\"\"`")),
                None => {
                    let mut known: Vec<String> = file.arguments.iter().map(|one| format!("`{}`", one.name)).collect();
                    known.dedup();
                    let help = match known.as_slice() {
                        [] => "it has none at all".to_owned(),
                        known => format!("there are: {}", list(known)),
                    };
                    (format!("`{}` has no `ARG {wanted}`", text.path()), help)
                }
            };
            let start = place.or(file.arguments.first()).map_or(0, |one| one.span.start);
            Err(TargetError::Nothing(text.problem(&(start..start), message).help(help)))
        }
        [_, second, ..] => {
            let problem = text.problem(second, format!("`ARG {wanted}` has a default in several places"));
            Err(TargetError::Wrong(problem.help("keep one: a stage sees the first with `ARG` and no default")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DIGEST, check};

    #[track_caller]
    fn at(place: &str, text: &str, expected: &str) {
        let expected =
            expected.replace("NEW", &format!("docker.io/library/python:3.12@{DIGEST}")).replace("DIGEST", DIGEST);
        check(&format!("dockerfile = {{ path = \"Dockerfile\"{place} }}"), "Dockerfile", text, &expected);
    }

    #[test]
    fn images_of_the_repository_are_written_over() {
        at(
            "",
            "# syntax=docker/dockerfile:1\r\nFROM --platform=$BUILDPLATFORM python:3 AS build\r\nFROM golang:1\r\nCOPY \
             --from=python:3 /a /a\r\nFROM build\r\n",
            "# syntax=docker/dockerfile:1\r\nFROM --platform=$BUILDPLATFORM NEW AS build\r\nFROM golang:1\r\nCOPY --from=NEW \
             /a /a\r\nFROM build\r\n",
        );
        at(
            "",
            "from \\\n  \"docker.io/python:3@sha256:00\" \\\n  as x",
            "2 ! `Dockerfile` names no image of `docker.io/library/python`; there are: `docker.io/python:3@sha256:00` in line 2",
        );
        at("", "from \\\n  \"docker.io/python:3\" \\\n  as x", "from \\\n  \"NEW\" \\\n  as x");
    }

    #[test]
    fn a_stage_or_an_argument_is_named() {
        let text = "ARG TAG=3 BASE=\"python:3\"\nFROM python:3 AS a\nFROM python:2\nFROM ${BASE} AS c\nARG TAG\n";
        at(", stage = \"A\"", text, &text.replace("FROM python:3", "FROM NEW"));
        at(", stage = \"1\"", text, &text.replace("python:2", "NEW"));
        at(", arg = \"BASE\"", text, &text.replace("\"python:3\"", "\"NEW\""));
        at(", arg = \"TAG\" }\nwrite = \"tag@digest\" #", text, &text.replace("TAG=3", "TAG=3.12@DIGEST"));
        at(
            "",
            text,
            "3 ! `Dockerfile` names `docker.io/library/python` at several tags: `python:3` in line 2, `python:2` in line 3; name one with `stage = \"…\"`",
        );
        at(
            ", stage = \"c\"",
            text,
            "4 ! the image is put together of variables; name the variable, as `arg = \"BASE\"`",
        );
        at(", stage = \"d\"", text, "2 ! `Dockerfile` has no stage `d`; there are: `a`, `1`, which is `python:2`, `c`");
        at(", arg = \"BAS\"", text, "1 ! `Dockerfile` has no `ARG BAS`; there are: `TAG`, `BASE`, `TAG`");
        at(", arg = \"X\"", "ARG X\nFROM a\n", "1 ! `ARG X` has no default; write `ARG X=\"\"`");
        at(
            ", arg = \"X\"",
            "FROM a\nARG X=1\nARG X=2\n",
            "3 ! `ARG X` has a default in several places; keep one: a stage sees the first with `ARG` and no default",
        );
        at(
            ", stage = \"a\"",
            "FROM x AS a\nFROM y AS a\n",
            "2 ! two stages are named `a`; give each its own name, or say which by its number, from 0",
        );
        at(", stage = \"a\"", "", "1 ! `Dockerfile` has no stage `a`; it has none at all");
    }
}
