//! `dockerfile = { path, stage | arg }`: what `FROM` names, or the default of an `ARG`; with neither, all that `FROM`,
//! `COPY --from` and `RUN --mount` name of the pin's repository.

use std::ops::Range;

use crate::find::{self, Kind, Mention};

use super::part::Part;
use super::spot::{Spot, of_repository};
use super::text::Text;
use super::{Change, Unfit, Writing, list};

/// Which place of a Dockerfile is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// All that name the pin's repository.
    Repository,
    /// The `FROM` of the stage of this name, or of this number from 0.
    Stage(String),
    /// The default of this `ARG`.
    Arg(String),
}

/// What a stage stands on.
struct From {
    image: Range<usize>,
    name: Option<String>,
}

/// What the place becomes.
pub(super) fn edits(place: &Place, text: &Text, writing: &Writing<'_>) -> Result<Vec<Change>, Unfit> {
    let new = writing.value(text)?;
    let instructions = find::instructions(text.text());
    let change = |span: Range<usize>| Change { was: text.text()[span.clone()].to_owned(), span, new: new.clone() };
    match place {
        Place::Repository => {
            let mentions = Kind::Dockerfile.find(&text.file)?;
            let whole = |mention: find::Mention| {
                let is_composed = text.text()[mention.span.clone()].contains('$');
                let image = if is_composed {
                    Err("it has a variable".to_owned())
                } else {
                    mention.image.map_err(|why| why.to_string())
                };
                Spot { span: mention.span, image, node: None, shared: None }
            };
            let spots = mentions.into_iter().map(whole).collect();
            let spots = of_repository(spots, text, writing, "name one with `stage = \"…\"`")?;
            Ok(spots.into_iter().map(|spot| change(spot.span)).collect())
        }
        Place::Stage(name) => {
            let from = stage(text, &instructions, name)?;
            let span = find::unquoted(text.text(), from.image);
            if text.text()[span.clone()].contains('$') {
                let problem = text.problem(&span, "the image is put together of variables");
                return Err(Unfit::Wrong(problem.help("name the variable, as `arg = \"BASE\"`")));
            }
            Ok(vec![change(span)])
        }
        Place::Arg(name) => Ok(vec![change(argument(text, &instructions, name)?)]),
    }
}

/// The places that may be that of `mention`, each with what is written there where it is not the whole reference.
pub(super) fn places(text: &Text, mention: &Mention) -> Vec<(Place, Option<Part>)> {
    let instructions = find::instructions(text.text());
    if mention.decided != mention.span {
        let named = find::last_variable(&text.text()[mention.span.clone()]);
        return named.and_then(|named| variable(text, &instructions, named)).into_iter().collect();
    }
    if text.text()[mention.span.clone()].contains('$') {
        return Vec::new();
    }
    let is_it = |from: &From| find::unquoted(text.text(), from.image.clone()) == mention.span;
    match stages(text, &instructions).into_iter().enumerate().find(|(_, from)| is_it(from)) {
        Some((number, from)) => {
            let names = from.name.into_iter().chain([number.to_string()]);
            names.map(Place::Stage).chain([Place::Repository]).map(|place| (place, None)).collect()
        }
        // What `COPY --from` and `RUN --mount` name has no name of its own.
        None => vec![(Place::Repository, None)],
    }
}

/// The `ARG` that ends an image, and what of the reference is its part.
fn variable(
    text: &Text,
    instructions: &[Vec<Range<usize>>],
    (before, name): (&str, &str),
) -> Option<(Place, Option<Part>)> {
    let part = match before.chars().last() {
        None => None,
        Some(':') => Some(Part::TagAtDigest),
        Some('@') => Some(Part::Digest),
        Some(_) => return None,
    };
    // A tag may be for more than the image, where a stage asks for it as well.
    let word = |span: &Range<usize>| &text.text()[span.clone()];
    let is_it = |span: &&Range<usize>| word(span).split('=').next() == Some(name);
    let arguments = instructions.iter().filter(|words| word(&words[0]).eq_ignore_ascii_case("ARG"));
    let is_shared = arguments.flat_map(|words| &words[1..]).filter(is_it).count() > 1;
    (part.is_none() || !is_shared).then(|| (Place::Arg(name.to_owned()), part))
}

fn stages(text: &Text, instructions: &[Vec<Range<usize>>]) -> Vec<From> {
    let word = |span: &Range<usize>| &text.text()[span.clone()];
    let mut stages: Vec<From> = Vec::new();
    for words in instructions.iter().filter(|words| word(&words[0]).eq_ignore_ascii_case("FROM")) {
        let mut rest = words[1..].iter().filter(|span| !word(span).starts_with("--"));
        let Some(image) = rest.next() else { continue };
        let name = rest.nth(1).map(|span| word(span).to_owned());
        stages.push(From { image: image.clone(), name });
    }
    stages
}

fn stage(text: &Text, instructions: &[Vec<Range<usize>>], wanted: &str) -> Result<From, Unfit> {
    let word = |span: &Range<usize>| &text.text()[span.clone()];
    let mut stages = stages(text, instructions);
    let is_it = |(number, from): (usize, &From)| match &from.name {
        Some(name) if name.eq_ignore_ascii_case(wanted) => true,
        _ => wanted.parse() == Ok(number),
    };
    let found: Vec<usize> = (0..stages.len()).filter(|number| is_it((*number, &stages[*number]))).collect();
    match found.as_slice() {
        [only] => Ok(stages.swap_remove(*only)),
        [] => {
            let shown = |(number, from): (usize, &From)| match &from.name {
                Some(name) => format!("`{name}`"),
                None => format!("`{number}`, which is `{}`", word(&from.image)),
            };
            let names: Vec<String> = stages.iter().enumerate().map(shown).collect();
            let start = stages.first().map_or(0, |from| from.image.start);
            let problem = text.problem(&(start..start), format!("`{}` has no stage `{wanted}`", text.path()));
            let help =
                if names.is_empty() { "it has none at all".to_owned() } else { format!("there are: {}", list(&names)) };
            Err(Unfit::Nothing(problem.help(help)))
        }
        [_, second, ..] => {
            let problem = text.problem(&stages[*second].image, format!("two stages are named `{wanted}`"));
            Err(Unfit::Wrong(problem.help("give each its own name, or say which by its number, from 0")))
        }
    }
}

/// The default of an `ARG`, without quotes.
fn argument(text: &Text, instructions: &[Vec<Range<usize>>], wanted: &str) -> Result<Range<usize>, Unfit> {
    let word = |span: &Range<usize>| &text.text()[span.clone()];
    let (mut found, mut names) = (Vec::new(), Vec::new());
    for words in instructions.iter().filter(|words| word(&words[0]).eq_ignore_ascii_case("ARG")) {
        for span in &words[1..] {
            let (name, value) =
                word(span).split_once('=').map_or((word(span), None), |(name, value)| (name, Some(value)));
            names.push((name, span.clone()));
            if let Some(value) = value.filter(|_| name == wanted) {
                found.push(find::unquoted(text.text(), span.end - value.len()..span.end));
            }
        }
    }
    match found.as_slice() {
        [only] => Ok(only.clone()),
        [] => {
            let mut known: Vec<String> = names.iter().map(|(name, _)| format!("`{name}`")).collect();
            known.dedup();
            let place = names.iter().find(|(name, _)| *name == wanted);
            let (message, help) = match place {
                Some(_) => (format!("`ARG {wanted}` has no default"), format!("write `ARG {wanted}=\"\"`")),
                None if known.is_empty() => {
                    (format!("`{}` has no `ARG {wanted}`", text.path()), "it has none at all".to_owned())
                }
                None => (format!("`{}` has no `ARG {wanted}`", text.path()), format!("there are: {}", list(&known))),
            };
            let start = place.or(names.first()).map_or(0, |(_, span)| span.start);
            Err(Unfit::Nothing(text.problem(&(start..start), message).help(help)))
        }
        [_, second, ..] => {
            let problem = text.problem(second, format!("`ARG {wanted}` has a default in several places"));
            Err(Unfit::Wrong(problem.help("keep one: a stage sees the first with `ARG` and no default")))
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
