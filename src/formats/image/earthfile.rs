//! Earthfiles (docs.earthly.dev, "Earthfile reference"): `FROM` with an image, and `--pull` of `WITH DOCKER`. Targets
//! (`+build`) and Dockerfiles are not images.

use std::sync::Arc;

use super::super::{DocumentTree, Evidence, FileText};
use crate::text::diagnostics::Problem;
use crate::text::yaml::{YamlNode, YamlValue};

use super::kind::{KnownKind, RuleScope, file_name};
use super::rule::ImageRule;
use super::spelling::unquoted_value;

pub(super) const KIND: KnownKind = KnownKind {
    patterns: &["**/Earthfile"],
    recognize: |file| (file_name(file) == "Earthfile").then_some(Evidence::Name),
    scope: RuleScope::All,
    tree,
    rules: &[ImageRule { at: "FROM[*]", images: unquoted_value }, ImageRule { at: "pull[*]", images: unquoted_value }],
};

fn tree(text: &FileText) -> Result<Arc<DocumentTree>, Problem> {
    text.parsed("earthfile", || Ok(DocumentTree::new(vec![document(text.text())])))
}

/// Lists the images of all `FROM`s and `--pull`s.
fn document(text: &str) -> Arc<YamlNode> {
    let (mut from, mut pull) = (Vec::new(), Vec::new());
    for (start, command) in commands(text) {
        let word_at = |word: &str| start + (word.as_ptr() as usize - command.as_ptr() as usize);
        let lines = command.lines().filter(|line| !is_comment(line));
        let mut words = lines.flat_map(str::split_whitespace).filter(|word| *word != "\\");
        match words.next() {
            Some("FROM") => {
                let image = words.find(|word| !word.starts_with("--"));
                from.extend(
                    image
                        .filter(|image| !image.contains('+') && *image != "DOCKERFILE")
                        .map(|image| plain(image, word_at(image))),
                );
            }
            Some("WITH") => {
                let mut is_pull = false;
                for word in words {
                    match word.strip_prefix("--pull=") {
                        Some(image) => pull.push(plain(image, word_at(image))),
                        None if is_pull => pull.push(plain(word, word_at(word))),
                        None => {}
                    }
                    is_pull = word == "--pull";
                }
            }
            _ => {}
        }
    }
    let list = |name: &str, items: Vec<Arc<YamlNode>>| {
        let span = items.first().map_or(0, |first| first.span.start)..items.last().map_or(0, |last| last.span.end);
        (plain(name, 0), Arc::new(YamlNode::plain(YamlValue::List(items), span)))
    };
    let lists = vec![list("FROM", from), list("pull", pull)];
    Arc::new(YamlNode::plain(YamlValue::Map(lists), 0..text.len()))
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// Returns the commands with their first bytes: lines, joined where they end in a backslash; a comment joins nothing.
fn commands(text: &str) -> Vec<(usize, &str)> {
    let (mut found, mut start, mut at) = (Vec::new(), 0, 0);
    for line in text.split_inclusive('\n') {
        at += line.len();
        let is_first = start + line.len() == at;
        if if is_comment(line) { is_first } else { !line.trim_end().ends_with('\\') } {
            found.push((start, &text[start..at]));
            start = at;
        }
    }
    found.push((start, &text[start..]));
    found
}

fn plain(text: &str, start: usize) -> Arc<YamlNode> {
    Arc::new(YamlNode::plain(YamlValue::Plain(text.to_owned()), start..start + text.len()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::check_kind;

    #[test]
    fn f17_the_images_of_an_earthfile_are_found_and_written() {
        check_kind(
            "app/Earthfile",
            r#"VERSION 0.8
FROM python:3.12@DIGEST
# FROM redis:7 \
build:
    FROM --platform=linux/amd64 docker.io/library/python:3.12@DIGEST
    COPY . .
test:
    FROM +build
    WITH DOCKER \
        # --pull nginx:1
        --pull redis:7 --load=x:1=+build
        RUN true
    END
    FROM DOCKERFILE .
"#,
            &[
                r#"2 python:3.12; image = { PATH, at = "FROM[0]" }"#,
                r#"5 docker.io/library/python:3.12; image = { PATH, at = "FROM[1]" }"#,
                r#"11 redis:7"#,
            ],
        );
    }
}
