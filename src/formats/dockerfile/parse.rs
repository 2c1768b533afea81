//! Parses Dockerfiles as far as images matter: stages, arguments, and the images of `FROM`, `COPY --from`, `RUN --mount` and
//! `# syntax`, with the defaults of `ARG`. The name of a stage is not an image (docs.docker.com, "Dockerfile reference").

use std::collections::HashMap;
use std::ops::Range;

use super::super::image_site::{parse, unquoted};
use super::super::variables::{expand, trailing_variable};
use super::super::{ImageSite, NotAnImage};

/// The stages, arguments and images of a Dockerfile.
#[derive(Default)]
pub(super) struct Dockerfile {
    pub(super) stages: Vec<Stage>,
    /// Numbers of the stages by name in lower case.
    named: HashMap<String, Vec<usize>>,
    /// Number of the stage by the first byte of its image.
    at: HashMap<usize, usize>,
    pub(super) arguments: Vec<Argument>,
    /// Numbers of the arguments by name.
    argued: HashMap<String, Vec<usize>>,
    pub(super) images: Vec<ImageSite>,
    /// Values of the arguments before the first stage, which `FROM` can use, by number.
    globals: Vec<(usize, String)>,
}

/// A stage and its base image.
pub(super) struct Stage {
    /// Bytes of its base image, without quotes.
    pub(super) image: Range<usize>,
    pub(super) name: Option<String>,
}

/// A word of an `ARG`.
pub(super) struct Argument {
    pub(super) name: String,
    pub(super) span: Range<usize>,
    /// Bytes of its default, without quotes.
    pub(super) default: Option<Range<usize>>,
}

impl Dockerfile {
    pub(super) fn parse(text: &str) -> Self {
        let mut file = Self::default();
        for (name, value) in directives(text) {
            if name.eq_ignore_ascii_case("syntax") {
                let length = text[value.clone()].find(' ').unwrap_or(value.len());
                file.add_image(text, value.start..value.start + length);
            }
        }
        for words in instructions(text) {
            let word = |span: &Range<usize>| &text[span.clone()];
            let is_onbuild = words.first().is_some_and(|span| word(span).eq_ignore_ascii_case("ONBUILD"));
            let words = &words[usize::from(is_onbuild)..];
            let Some((keyword, words)) = words.split_first() else { continue };
            match word(keyword).to_ascii_uppercase().as_str() {
                "ARG" => words.iter().for_each(|span| file.add_argument(text, span)),
                "FROM" => {
                    let mut words = words.iter().filter(|span| !word(span).starts_with("--"));
                    let Some(image) = words.next() else { continue };
                    file.add_image(text, image.clone());
                    file.add_stage(unquoted(text, image.clone()), words.nth(1).map(word));
                }
                "COPY" | "RUN" => {
                    let options = words.iter().take_while(|span| word(span).starts_with("--"));
                    for span in options.filter_map(|span| source(text, span)) {
                        // A stage may be referenced by its number.
                        if !word(&span).bytes().all(|b| b.is_ascii_digit()) {
                            file.add_image(text, span);
                        }
                    }
                }
                _ => {}
            }
        }
        file
    }

    fn add_stage(&mut self, image: Range<usize>, name: Option<&str>) {
        let number = self.stages.len();
        if let Some(name) = name {
            self.named.entry(name.to_ascii_lowercase()).or_default().push(number);
        }
        self.at.insert(image.start, number);
        self.stages.push(Stage { image, name: name.map(str::to_owned) });
    }

    fn add_argument(&mut self, text: &str, span: &Range<usize>) {
        let word = &text[span.clone()];
        let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        let default = value.map(|value| unquoted(text, span.end - value.len()..span.end));
        let number = self.arguments.len();
        if let Some(default) = default.clone().filter(|_| self.stages.is_empty()) {
            let value = expand(&text[default], |name| self.global(name).map(|(_, value)| value.clone()));
            self.globals.extend((!value.contains('$')).then_some((number, value)));
        }
        self.argued.entry(name.to_owned()).or_default().push(number);
        self.arguments.push(Argument { name: name.to_owned(), span: span.clone(), default });
    }

    /// Returns the last value of an argument before the first stage.
    fn global(&self, name: &str) -> Option<&(usize, String)> {
        self.globals.iter().rfind(|(number, _)| self.arguments[*number].name == name)
    }

    fn add_image(&mut self, text: &str, span: Range<usize>) {
        let span = unquoted(text, span);
        let written = &text[span.clone()];
        let name = expand(written, |name| self.global(name).map(|(_, value)| value.clone()));
        if self.named.contains_key(&name.to_ascii_lowercase()) {
            return;
        }
        // A default that contains variables does not decide the whole image.
        let default = trailing_variable(written).and_then(|(_, name)| {
            let (number, _) = self.global(name)?;
            self.arguments[*number].default.clone().filter(|default| !text[default.clone()].contains('$'))
        });
        let image = if name == "scratch" { Err(NotAnImage::None("`scratch` is empty")) } else { parse(&name) };
        let decided = default.unwrap_or_else(|| span.clone());
        self.images.push(ImageSite { decided, span, text: name, image, node: None, shared: None });
    }

    pub(super) fn arguments(&self, name: &str) -> impl Iterator<Item = &Argument> {
        self.argued.get(name).into_iter().flatten().map(|number| &self.arguments[*number])
    }

    /// Returns the numbers of the stages with this name or number.
    pub(super) fn stages_named(&self, wanted: &str) -> Vec<usize> {
        let mut found = self.named.get(&wanted.to_ascii_lowercase()).cloned().unwrap_or_default();
        let number = wanted.parse().ok().filter(|number| *number < self.stages.len() && !found.contains(number));
        found.extend(number);
        found.sort_unstable();
        found
    }

    /// Returns the stage whose image starts at a byte, with its number.
    pub(super) fn stage_at(&self, start: usize) -> Option<(usize, &Stage)> {
        self.at.get(&start).map(|number| (*number, &self.stages[*number]))
    }
}

/// Returns the bytes of the image or stage that an option names: `--from=…`, or `--mount=…,from=…,…`.
fn source(text: &str, option: &Range<usize>) -> Option<Range<usize>> {
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

/// Splits a text into instructions, each as the spans of its words; handles comments, continued lines and here-documents.
fn instructions(text: &str) -> Vec<Vec<Range<usize>>> {
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
            let has_documents = ["RUN", "COPY", "ADD"].contains(&text[first.clone()].to_ascii_uppercase().as_str());
            if has_documents {
                documents.extend(words.iter().filter_map(|word| here_document(&text[word.clone()])));
            }
            found.push(std::mem::take(&mut words));
        }
    }
    found.extend((!words.is_empty()).then_some(words));
    found
}

/// Returns the first word that is not in a comment.
pub(super) fn first_keyword(text: &str) -> Option<&str> {
    let mut lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.next()?.split_whitespace().next()
}

/// Returns the character that continues a line, which a directive can change.
fn escape(text: &str) -> char {
    let escape = directives(text).into_iter().find(|(name, _)| name.eq_ignore_ascii_case("escape"));
    escape.and_then(|(_, value)| text[value].chars().next()).unwrap_or('\\')
}

/// Returns the names of the parser directives and the bytes of their values: the lines `# name=value` before any other line,
/// apart from one that names an interpreter.
fn directives(text: &str) -> Vec<(&str, Range<usize>)> {
    let (mut found, mut start) = (Vec::new(), 0);
    for line in text.split_inclusive('\n') {
        let end = start + line.len();
        if start > 0 || !line.starts_with("#!") {
            let Some((name, value)) = line.strip_prefix('#').and_then(|line| line.split_once('=')) else { break };
            let (name, trimmed) = (name.trim(), value.trim());
            let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric());
            if !is_name || trimmed.is_empty() {
                break;
            }
            let at = end - value.trim_start().len();
            found.push((name, at..at + trimmed.len()));
        }
        start = end;
    }
    found
}

/// Returns the word that ends the here-document that `word` starts.
fn here_document(word: &str) -> Option<String> {
    let (_, rest) = word.split_once("<<")?;
    let name = rest.trim_start_matches('-').trim_matches(['"', '\'']);
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| name.to_owned())
}
