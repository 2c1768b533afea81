//! Images that other people's files name: which text, at which bytes, and which image that is.
//!
//! A kind of file is a member of [`Kind`], with one verb. Nothing here reads a file or changes a text.

mod compose;
mod dockerfile;
mod helm;
mod kubernetes;
mod kustomize;
mod variables;
mod workflow;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::model::image::{ImageRef, complete};
use crate::text::diagnostics::lines::LineIndex;
use crate::text::diagnostics::{Problem, SourceFile};
use crate::text::yaml::YamlNode;
pub use compose::of_service;
pub(crate) use dockerfile::instructions;
pub(crate) use variables::last_variable;
pub(crate) use workflow::DOCKER;

/// The patterns over the paths of all files that may name images.
pub const PATTERNS: [&str; 8] = [
    "**/*.yaml",
    "**/*.yml",
    "**/Kustomization",
    "**/*[Dd]ockerfile*",
    "**/*[Cc]ontainerfile*",
    ".github/**/*.{yaml,yml}",
    ".gitea/**/*.{yaml,yml}",
    ".forgejo/**/*.{yaml,yml}",
];

/// What kind of file names images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A Dockerfile or Containerfile.
    Dockerfile,
    /// A compose file.
    Compose,
    /// Objects of Kubernetes.
    Kubernetes,
    /// A workflow or an action of GitHub, Gitea or Forgejo.
    Workflow,
    /// A kustomization.
    Kustomize,
    /// Values of a Helm chart.
    Helm,
}

/// A place of a file that names an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundImage {
    /// The bytes of what is written there, without quotes around it; of an image in parts, those of all of them.
    pub span: Range<usize>,
    /// The bytes that decide which image it is: those of `span`, or of the one `ARG` that ends it.
    pub decided: Range<usize>,
    /// What is written there as one text, with its variables replaced as far as their values are known.
    pub text: String,
    /// The image, or why there is none.
    pub image: Result<ImageRef, NotAnImage>,
}

/// Why what stands at a place is no image; shown, it is a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAnImage {
    /// It is meant to be none.
    None(&'static str),
    /// Which one it is, is said elsewhere.
    Open(&'static str),
    /// It should be one, and is not.
    Wrong(String),
}

impl fmt::Display for NotAnImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None(why) | Self::Open(why) => why,
            Self::Wrong(why) => why,
        })
    }
}

impl FoundImage {
    /// The image that a value of YAML names, which means `text`.
    fn of(file: &SourceFile, node: &YamlNode, text: String) -> Self {
        let span = unquoted(&file.text, node.span.clone());
        Self { decided: span.clone(), span, image: image(&text), text }
    }

    /// The image that the values of a map name together: `name`, and a tag and a digest as far as it has them. `none`
    /// says what it means that there is neither.
    fn apart(map: &YamlNode, name: String, tag: Option<&str>, digest: Option<&str>, none: &'static str) -> Self {
        let given = |part: Option<&str>| part.filter(|part| !part.is_empty()).map(str::to_owned);
        let (tag, digest) = (given(tag), given(digest));
        let is_whole = tag.is_some() || digest.is_some();
        let mut text = name;
        text.extend(tag.iter().map(|tag| format!(":{tag}")));
        // A tag may have its digest behind it.
        text.extend(
            digest.iter().filter(|_| !text.contains('@')).map(|digest| format!("@{digest}")).collect::<Vec<_>>(),
        );
        let image = if is_whole { image(&text) } else { Err(NotAnImage::None(none)) };
        Self { span: map.span.clone(), decided: map.span.clone(), text, image }
    }

    /// The one of the file's `lines` that it begins in, from 1.
    pub fn line(&self, lines: &LineIndex) -> usize {
        lines.line_number(self.span.start)
    }
}

impl FileKind {
    /// What a file is by its name, else by what it holds; none where it names no images that are known here.
    pub fn of(file: &SourceFile) -> Option<Self> {
        let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        if is_dockerfile(name) {
            return Some(Self::Dockerfile);
        }
        if ["kustomization.yaml", "kustomization.yml", "Kustomization"].contains(&name) {
            return Some(Self::Kustomize);
        }
        let begins = |words: &[&str]| file.text.lines().any(|line| words.iter().any(|word| line.starts_with(word)));
        let is_of_forge = [".github/workflows", ".gitea/workflows", ".forgejo/workflows"].contains(&folder);
        let is_action = ["action.yaml", "action.yml"].contains(&name) && begins(&["runs:"]);
        if is_of_forge || is_action || (begins(&["jobs:"]) && begins(&["on:", "\"on\":", "'on':"])) {
            return Some(Self::Workflow);
        }
        if ["compose.", "docker-compose."].iter().any(|start| name.starts_with(start)) {
            return Some(Self::Compose);
        }
        let is_json = file.text.trim_start().starts_with('{') && file.text.contains("\"kind\"");
        if is_json || begins(&["apiVersion:", "kind:"]) {
            return Some(Self::Kubernetes);
        }
        if is_values(name) {
            return Some(Self::Helm);
        }
        if begins(&["services:"]) {
            return Some(Self::Compose);
        }
        begins(&["FROM ", "from "]).then_some(Self::Dockerfile)
    }

    /// The images that a file names, in the order of their places.
    ///
    /// # Errors
    /// Where the file is not what it should be.
    pub fn find(self, file: &Arc<SourceFile>) -> Result<Vec<FoundImage>, Problem> {
        let mut found = match self {
            Self::Dockerfile => dockerfile::find(&file.text),
            Self::Compose => compose::find(file)?,
            Self::Kubernetes => kubernetes::find(file)?,
            Self::Workflow => workflow::find(file)?,
            Self::Kustomize => kustomize::find(file)?,
            Self::Helm => helm::find(file)?,
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

/// Whether a chart's values have such a name: `values.yaml`, `values-prod.yaml`, `prod.values.yml`.
fn is_values(name: &str) -> bool {
    let Some(stem) = [".yaml", ".yml"].iter().find_map(|end| name.strip_suffix(end)) else { return false };
    stem.split(['.', '-', '_']).any(|word| word == "values")
}

/// The image that `text` names once all variables with a value are replaced.
fn image(text: &str) -> Result<ImageRef, NotAnImage> {
    if text.contains("{{") {
        return Err(NotAnImage::Open("it is a template"));
    }
    if text.contains('$') {
        return Err(NotAnImage::Open("it has a variable without a value"));
    }
    complete(text).map_err(|error| NotAnImage::Wrong(error.message))
}

/// `span` without the quotes around it.
pub(crate) fn unquoted(text: &str, span: Range<usize>) -> Range<usize> {
    let written = text.get(span.clone()).unwrap_or_default();
    let is_quoted = |quote| written.len() >= 2 && written.starts_with(quote) && written.ends_with(quote);
    if is_quoted('"') || is_quoted('\'') { span.start + 1..span.end - 1 } else { span }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each image of a text as `written at line = image`; that is how all kinds are tested.
    #[track_caller]
    pub(super) fn check(path: &str, text: &str, expected: &[&str]) {
        let file = Arc::new(SourceFile { path: path.to_owned(), text: text.to_owned() });
        let kind = FileKind::of(&file).unwrap();
        let found = match kind.find(&file) {
            Ok(found) => found,
            Err(problem) => {
                let (line, _) = problem.position().unwrap();
                assert_eq!([format!("{line} ! {}", problem.message)].as_slice(), expected);
                return;
            }
        };
        let lines = LineIndex::new(text);
        let shown = |mention: &FoundImage| {
            let written = &text[mention.span.clone()];
            let line = mention.line(&lines);
            match &mention.image {
                Ok(image) => format!("{line} {written} = {image}"),
                Err(why) => format!("{line} {written} ! {why}"),
            }
        };
        assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_file_is_told_by_its_name_and_else_by_what_it_holds() {
        let check = |path: &str, text: &str, expected: Option<FileKind>| {
            assert_eq!(FileKind::of(&SourceFile { path: path.to_owned(), text: text.to_owned() }), expected, "{path}");
        };
        for path in ["Dockerfile", "a/Dockerfile.dev", "web.dockerfile", "Containerfile"] {
            check(path, "", Some(FileKind::Dockerfile));
        }
        check("build", "# x\nFROM a\n", Some(FileKind::Dockerfile));
        check("docker-compose.prod.yml", "", Some(FileKind::Compose));
        check("stack.yaml", "services:\n  a: {}\n", Some(FileKind::Compose));
        check("a.yaml", "# x\nkind: Pod\n", Some(FileKind::Kubernetes));
        check("a.json", "{\"kind\": \"Pod\"}", Some(FileKind::Kubernetes));
        for path in ["values.yaml", "chart/values-prod.yml", "prod.values.yaml"] {
            check(path, "image: a\nservices:\n", Some(FileKind::Helm));
        }
        check("evalues.yaml", "image: a\n", None);
        for path in ["kustomization.yaml", "base/kustomization.yml", "prod/Kustomization"] {
            check(path, "kind: Kustomization\n", Some(FileKind::Kustomize));
        }
        check(".github/workflows/a.yml", "", Some(FileKind::Workflow));
        check("templates/ci.yml", "on: push\njobs:\n", Some(FileKind::Workflow));
        check("setup/action.yml", "runs:\n", Some(FileKind::Workflow));
        check("action.yml", "jobs:\n", None);
    }
}
