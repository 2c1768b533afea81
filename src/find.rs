//! Images that other people's files name: which text, at which bytes, and which image that is.
//!
//! A kind of file is a member of [`Kind`], with one verb. Nothing here reads a file or changes a text.

mod compose;
mod dockerfile;
mod kubernetes;
mod variables;

use std::ops::Range;
use std::sync::Arc;

use crate::image::{ImageRef, complete};
use crate::problem::{Problem, SourceFile};
pub(crate) use dockerfile::instructions;

/// What kind of file names images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Dockerfile or Containerfile.
    Dockerfile,
    /// A compose file.
    Compose,
    /// Objects of Kubernetes.
    Kubernetes,
}

/// A place of a file that names an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// The bytes of what is written there, without quotes around it.
    pub span: Range<usize>,
    /// What is written there, with its variables replaced as far as their values are known.
    pub text: String,
    /// The image; a sentence where it is none.
    pub image: Result<ImageRef, String>,
}

impl Mention {
    /// The line it begins in, from 1.
    pub fn line(&self, file: &SourceFile) -> usize {
        file.text.get(..self.span.start).unwrap_or_default().matches('\n').count() + 1
    }
}

impl Kind {
    /// What a file is by its name, else by what it holds; none where it names no images that are known here.
    pub fn of(file: &SourceFile) -> Option<Self> {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        if is_dockerfile(name) {
            return Some(Self::Dockerfile);
        }
        let begins = |words: &[&str]| file.text.lines().any(|line| words.iter().any(|word| line.starts_with(word)));
        let is_compose = ["compose.", "docker-compose."].iter().any(|start| name.starts_with(start));
        if is_compose || (begins(&["services:"]) && !begins(&["apiVersion:", "kind:"])) {
            return Some(Self::Compose);
        }
        let is_json = file.text.trim_start().starts_with('{') && file.text.contains("\"kind\"");
        if is_json || begins(&["apiVersion:", "kind:"]) {
            return Some(Self::Kubernetes);
        }
        begins(&["FROM ", "from "]).then_some(Self::Dockerfile)
    }

    /// Whether a file of this name, found in a folder, may name images.
    pub fn may_be(name: &str) -> bool {
        is_dockerfile(name) || name.ends_with(".yaml") || name.ends_with(".yml")
    }

    /// The images that a file names, in the order of their places.
    ///
    /// # Errors
    /// Where the file is not what it should be.
    pub fn find(self, file: &Arc<SourceFile>) -> Result<Vec<Mention>, Problem> {
        let mut found = match self {
            Self::Dockerfile => dockerfile::find(&file.text),
            Self::Compose => compose::find(file)?,
            Self::Kubernetes => kubernetes::find(file)?,
        };
        found.sort_by_key(|mention| mention.span.start);
        // A value that aliases name is one place.
        found.dedup_by_key(|mention| mention.span.start);
        Ok(found)
    }
}

fn is_dockerfile(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is = |word: &str| name == word || name.starts_with(&format!("{word}.")) || name.ends_with(&format!(".{word}"));
    is("dockerfile") || is("containerfile")
}

/// The image that `text` names once all variables with a value are replaced.
fn image(text: &str) -> Result<ImageRef, String> {
    if text.contains("{{") {
        return Err("it is a template".to_owned());
    }
    if text.contains('$') {
        return Err("it has a variable without a value".to_owned());
    }
    complete(text).map_err(|error| error.message)
}

/// The bytes of a scalar of YAML, without its quotes.
fn unquoted(file: &SourceFile, span: &Range<usize>) -> Range<usize> {
    let written = file.text.get(span.clone()).unwrap_or_default();
    let is_quoted = written.len() >= 2 && written.starts_with(['"', '\'']) && written.ends_with(['"', '\'']);
    if is_quoted { span.start + 1..span.end - 1 } else { span.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each image of a text as `written at line = image`; that is how the three kinds are tested.
    #[track_caller]
    pub(super) fn check(path: &str, text: &str, expected: &[&str]) {
        let file = Arc::new(SourceFile { path: path.to_owned(), text: text.to_owned() });
        let kind = Kind::of(&file).unwrap();
        let found = match kind.find(&file) {
            Ok(found) => found,
            Err(problem) => {
                let (line, _) = problem.position().unwrap();
                assert_eq!([format!("{line} ! {}", problem.message)].as_slice(), expected);
                return;
            }
        };
        let shown = |mention: &Mention| {
            let written = &text[mention.span.clone()];
            let line = mention.line(&file);
            match &mention.image {
                Ok(image) => format!("{line} {written} = {image}"),
                Err(why) => format!("{line} {written} ! {why}"),
            }
        };
        assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_file_is_told_by_its_name_and_else_by_what_it_holds() {
        let check = |path: &str, text: &str, expected: Option<Kind>| {
            assert_eq!(Kind::of(&SourceFile { path: path.to_owned(), text: text.to_owned() }), expected, "{path}");
        };
        for path in ["Dockerfile", "a/Dockerfile.dev", "web.dockerfile", "Containerfile"] {
            check(path, "", Some(Kind::Dockerfile));
        }
        check("build", "# x\nFROM a\n", Some(Kind::Dockerfile));
        check("docker-compose.prod.yml", "", Some(Kind::Compose));
        check("stack.yaml", "services:\n  a: {}\n", Some(Kind::Compose));
        check("a.yaml", "# x\nkind: Pod\n", Some(Kind::Kubernetes));
        check("a.json", "{\"kind\": \"Pod\"}", Some(Kind::Kubernetes));
        check("values.yaml", "image: a\n", None);
    }
}
