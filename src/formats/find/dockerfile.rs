//! Dockerfiles: what `FROM`, `COPY --from` and the `from` of `RUN --mount` name, with the defaults that `ARG` gives. A
//! stage's name is no image (docs.docker.com, "Dockerfile reference").

use std::ops::Range;

use super::variables::{last_variable, replaced};
use super::{FoundImage, NotAnImage, image, unquoted};

/// The default of an `ARG` that `FROM` sees.
struct ArgDefault {
    name: String,
    value: String,
    /// Its bytes, without quotes.
    span: Range<usize>,
    /// Whether it is written out, so that to write it over decides all of it.
    is_literal: bool,
}

/// The images of a Dockerfile.
pub(super) fn find(text: &str) -> Vec<FoundImage> {
    let mut found = Vec::new();
    let mut arguments: Vec<ArgDefault> = Vec::new();
    let mut stages: Vec<String> = Vec::new();
    let mut has_begun = false;
    for words in instructions(text) {
        let is_later = words.first().is_some_and(|span| text[span.clone()].eq_ignore_ascii_case("ONBUILD"));
        let words = &words[usize::from(is_later)..];
        let word = |at: usize| words.get(at).map(|span: &Range<usize>| &text[span.clone()]).unwrap_or_default();
        match word(0).to_ascii_uppercase().as_str() {
            // Only what stands before the first stage is seen by `FROM`.
            "ARG" if !has_begun => {
                for span in &words[1..] {
                    let argument = argument(text, span, &arguments);
                    arguments.extend(argument);
                }
            }
            "FROM" => {
                has_begun = true;
                let mut rest = words[1..].iter().filter(|span| !text[(*span).clone()].starts_with("--"));
                let Some(span) = rest.next() else { continue };
                found.extend(mention(text, span.clone(), &stages, &arguments));
                let name = rest.nth(1).map(|span| text[span.clone()].to_ascii_lowercase());
                stages.push(name.unwrap_or_default());
            }
            "COPY" | "RUN" => {
                let options = words[1..].iter().take_while(|span| text[(*span).clone()].starts_with("--"));
                for span in options.filter_map(|span| from(text, span)) {
                    // A stage may be named by its number.
                    if !text[span.clone()].bytes().all(|b| b.is_ascii_digit()) {
                        found.extend(mention(text, span, &stages, &arguments));
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// The bytes of what an option takes files from: `--from=…`, or `--mount=…,from=…,…`.
fn from(text: &str, option: &Range<usize>) -> Option<Range<usize>> {
    let written = &text[option.clone()];
    if let Some(from) = written.strip_prefix("--from=") {
        return Some(option.end - from.len()..option.end);
    }
    let mount = unquoted(text, option.start + written.strip_prefix("--mount=").map(|_| "--mount=".len())?..option.end);
    let mut start = mount.start;
    for field in text[mount].split(',') {
        let span = unquoted(text, start..start + field.len());
        start += field.len() + 1;
        if text[span.clone()].starts_with("from=") {
            return Some(span.start + "from=".len()..span.end);
        }
    }
    None
}

/// The default that a word of an `ARG` gives, where it can be told.
fn argument(text: &str, word: &Range<usize>, known: &[ArgDefault]) -> Option<ArgDefault> {
    let (name, given) = text[word.clone()].split_once('=')?;
    let span = unquoted(text, word.end - given.len()..word.end);
    let written = &text[span.clone()];
    let value = replaced(written, |name| value(known, name));
    let is_literal = !written.contains('$');
    (!value.contains('$')).then(|| ArgDefault { name: name.to_owned(), value, span, is_literal })
}

fn value(known: &[ArgDefault], name: &str) -> Option<String> {
    known.iter().rfind(|argument| argument.name == name).map(|argument| argument.value.clone())
}

fn mention(text: &str, span: Range<usize>, stages: &[String], arguments: &[ArgDefault]) -> Option<FoundImage> {
    let span = unquoted(text, span);
    let written = &text[span.clone()];
    let resolved = replaced(written, |name| value(arguments, name));
    if stages.contains(&resolved.to_ascii_lowercase()) {
        return None;
    }
    let decided = last_variable(written).and_then(|(_, name)| {
        let argument = arguments.iter().rfind(|argument| argument.name == name)?;
        argument.is_literal.then(|| argument.span.clone())
    });
    let image = match resolved.as_str() {
        "scratch" => Err(NotAnImage::None("`scratch` is no image")),
        resolved => image(resolved),
    };
    Some(FoundImage { decided: decided.unwrap_or_else(|| span.clone()), span, text: resolved, image })
}

/// The instructions, each as the places of its words: comments, continued lines and here-documents are seen through.
pub(crate) fn instructions(text: &str) -> Vec<Vec<Range<usize>>> {
    let mut found = Vec::new();
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut documents: Vec<String> = Vec::new();
    let escape = escape(text);
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let begin = start;
        start += line.len();
        let line = line.trim_end();
        if let Some(end) = documents.first() {
            if line.trim_start_matches('\t') == end {
                documents.remove(0);
            }
            continue;
        }
        if line.trim_start().starts_with('#') || (line.trim().is_empty() && !words.is_empty()) {
            continue;
        }
        let (code, goes_on) = line.strip_suffix(escape).map_or((line, false), |code| (code, true));
        let mut at = 0;
        for word in code.split([' ', '\t']) {
            if !word.is_empty() {
                words.push(begin + at..begin + at + word.len());
            }
            at += word.len() + 1;
        }
        if goes_on {
            continue;
        }
        if let Some(first) = words.first() {
            let takes_documents = ["RUN", "COPY", "ADD"].contains(&text[first.clone()].to_ascii_uppercase().as_str());
            if takes_documents {
                documents.extend(words.iter().filter_map(|word| here_document(&text[word.clone()])));
            }
            found.push(std::mem::take(&mut words));
        }
    }
    found.extend((!words.is_empty()).then_some(words));
    found
}

/// The character that continues a line: a directive at the top can change it.
fn escape(text: &str) -> char {
    let directives = text.lines().take_while(|line| line.starts_with('#'));
    let value = |line: &str| {
        let (name, value) = line.trim_start_matches(['#', ' ']).split_once('=')?;
        name.trim().eq_ignore_ascii_case("escape").then(|| value.trim().chars().next())?
    };
    directives.filter_map(value).next().unwrap_or('\\')
}

/// The word that ends the here-document that `word` begins.
fn here_document(word: &str) -> Option<String> {
    let (_, rest) = word.split_once("<<")?;
    let name = rest.trim_start_matches('-').trim_matches(['"', '\'']);
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::formats::find::tests::check;

    #[test]
    fn images_are_found_and_stages_are_not() {
        check(
            "Dockerfile",
            "# syntax=docker/dockerfile:1\nFROM --platform=$BUILDPLATFORM golang:1.26 AS build\nFROM build AS test\n\
             from scratch\nCOPY --from=build /a /a\nCOPY --from=0 /a /a\nCOPY --from=nginx:1 --chown=1 /a /a\n\
             FROM Build\n",
            &[
                "2 golang:1.26 = docker.io/library/golang:1.26",
                "4 scratch ! `scratch` is no image",
                "7 nginx:1 = docker.io/library/nginx:1",
            ],
        );
    }

    #[test]
    fn mounts_name_images_as_well_and_so_does_what_is_done_later() {
        check(
            "Dockerfile",
            "FROM a:1 AS base\nRUN --mount=type=cache,target=/x --mount=type=bind,from=b:1,target=/y --network=none make \
             --mount=from=no\nRUN --mount=from=base --mount=type=bind,\"from=c\" x\nRUN --mount='type=bind,from=d:1' x\n\
             ONBUILD COPY --from=e:1 /a /a\nONBUILD RUN --mount=from=$X y\nRUN tool --from=no\n",
            &[
                "1 a:1 = docker.io/library/a:1",
                "2 b:1 = docker.io/library/b:1",
                "3 c = docker.io/library/c:latest",
                "4 d:1 = docker.io/library/d:1",
                "5 e:1 = docker.io/library/e:1",
                "6 $X ! it has a variable without a value",
            ],
        );
    }

    #[test]
    fn arguments_before_the_first_stage_have_their_defaults() {
        check(
            "Dockerfile",
            "ARG VERSION=3.12\nARG BASE=\"python:${VERSION}\"\nARG UNSET\nFROM ${BASE}-slim\nARG VERSION=9\n\
             FROM quay.io/a/b:${VERSION}\nFROM a:$UNSET\nFROM a:${UNSET:-1}\n",
            &[
                "4 ${BASE}-slim = docker.io/library/python:3.12-slim",
                "6 quay.io/a/b:${VERSION} = quay.io/a/b:3.12",
                "7 a:$UNSET ! it has a variable without a value",
                "8 a:${UNSET:-1} = docker.io/library/a:1",
            ],
        );
    }

    #[test]
    fn an_image_is_decided_by_the_argument_that_ends_it() {
        let text = "ARG TAG=3 BASE='a:1'\nARG ALL=b:${TAG}\nFROM python:${TAG}\nFROM $BASE\nFROM ${BASE}-slim\nFROM $ALL\n\
                    FROM c:$TAG$TAG\nFROM d:${NONE:-1}\n";
        let decided = super::find(text).into_iter().map(|mention| &text[mention.decided]).collect::<Vec<_>>();
        assert_eq!(decided, ["3", "a:1", "${BASE}-slim", "$ALL", "c:$TAG$TAG", "d:${NONE:-1}"]);
    }

    #[test]
    fn continued_lines_comments_and_here_documents_are_seen_through() {
        check(
            "Dockerfile",
            "FROM \\\n# a word\n\n  python:3 \\\n  AS x\nRUN <<EOF cat\nFROM inner\nEOF\nRUN echo \\\n FROM other\n",
            &["4 python:3 = docker.io/library/python:3"],
        );
        check(
            "Dockerfile",
            "# escape=`\nFROM `\n a:1\r\nFROM \"b:2\"",
            &["3 a:1 = docker.io/library/a:1", "4 b:2 = docker.io/library/b:2"],
        );
        check("Dockerfile", "FROM\nFROM A/b\n", &["2 A/b ! upper-case letters in repository `A/b`"]);
    }
}
