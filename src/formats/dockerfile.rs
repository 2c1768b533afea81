//! `dockerfile = { path, stage | arg }`: the image of a `FROM`, or the default of an `ARG`; with neither, all images from the
//! pin's repository in `FROM`, `COPY --from`, `RUN --mount` and `# syntax`.

mod parse;

use std::ops::Range;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Evidence, FileFormat, FileText, ImageSite, ImageSites, ReferencePart, SiteCandidate, TargetEdit, TargetError,
    TargetKind, TargetReader, WriteSpec, available,
};
use crate::model::image::ImageRef;
use crate::text::diagnostics::{At, Problem, SourceFile};
use crate::text::yaml::YamlNode;

use super::image_site::unquoted;
use super::variables::{repository_length, trailing_variable};

use parse::{Dockerfile, Stage};

/// Extensions of texts about Dockerfiles, which may start as one.
const DOCUMENTS: [&str; 4] = ["md", "markdown", "rst", "adoc"];

/// Images of a Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DockerfilePlace {
    /// All images from the pin's repository.
    Repository,
    /// The `FROM` of the stage with this name, or this number from 0.
    Stage(String),
    /// The default of this `ARG`.
    Arg(String),
}

/// Images of a Dockerfile.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "TargetDockerfile", extend("required" = ["path"]))]
pub(super) struct DockerfileTable {
    /// A file below the root, or a glob.
    pub(super) path: Option<At<String>>,
    /// The stage whose `FROM` is written, by name or by number from 0; by default all images from the tag's repository.
    stage: Option<At<String>>,
    /// The `ARG` whose default is written.
    arg: Option<At<String>>,
}

impl FileFormat for DockerfilePlace {
    type Table = DockerfileTable;
    const PATTERNS: &'static [&'static str] = &["**/*[Dd]ockerfile*", "**/*[Cc]ontainerfile*"];

    fn read(table: &DockerfileTable, reader: &mut TargetReader<'_, '_>) -> Option<Self> {
        match (&table.stage, &table.arg) {
            (Some(_), Some(arg)) => {
                reader.reject(arg, "`arg` and `stage` exclude each other", "write a target for each");
                None
            }
            (Some(stage), None) => Some(Self::Stage(stage.value.clone())),
            (None, Some(arg)) => Some(Self::Arg(arg.value.clone())),
            (None, None) => Some(Self::Repository),
        }
    }

    fn keys(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Repository => Vec::new(),
            Self::Stage(name) => vec![("stage", name)],
            Self::Arg(name) => vec![("arg", name)],
        }
    }

    fn edits(&self, spec: &WriteSpec<'_>) -> Result<Vec<TargetEdit>, TargetError> {
        let text = spec.text;
        let edit = |span: Range<usize>, new: &str| spec.replace(span.clone(), &text.text()[span], new);
        let write = |span: &Range<usize>, image: Option<&ImageRef>| {
            let new = spec.value_over(span, image, "select the variable, e.g. `arg = \"BASE\"`")?;
            Ok(edit(span.clone(), &new))
        };
        match self {
            Self::Repository => {
                let parse = || Ok(ImageSites::new(text, dockerfile(text)?.images.iter().cloned()));
                let sites = text.parsed("dockerfile images", parse)?;
                let sites = sites.of_pin(spec, "select one with `stage = \"…\"`")?;
                sites.iter().map(|site| write(&site.span, site.image.as_ref().ok())).collect()
            }
            Self::Stage(name) => {
                let file = dockerfile(text)?;
                let span = stage(text, &file, name)?;
                let site = file.images.iter().find(|site| site.span == span);
                Ok(vec![write(&span, site.and_then(|site| site.image.as_ref().ok()))?])
            }
            Self::Arg(name) => Ok(vec![edit(argument(text, &*dockerfile(text)?, name)?, &spec.value()?)]),
        }
    }

    /// Recognizes a file by its name and its first instruction, which is `FROM` or `ARG`.
    fn recognize(file: &SourceFile) -> Option<Evidence> {
        let name = file.path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        let is_named = ["dockerfile", "containerfile"]
            .iter()
            .any(|word| name == *word || name.starts_with(&format!("{word}.")) || extension == *word);
        // A suffix that is no version makes it a file of another language.
        let is_other = !extension.is_empty() && extension.bytes().all(|b| b.is_ascii_alphabetic());
        if (is_other && !is_named) || DOCUMENTS.contains(&extension) {
            return None;
        }
        match parse::first_keyword(&file.text) {
            None => is_named.then_some(Evidence::Name),
            Some(word) if !["FROM", "ARG"].contains(&word.to_ascii_uppercase().as_str()) => None,
            Some(_) => Some(if is_named { Evidence::Name } else { Evidence::Guess }),
        }
    }

    fn find(text: &FileText) -> Result<Vec<ImageSite>, Problem> {
        Ok(dockerfile(text)?.images.clone())
    }

    fn suggest(text: &FileText, sites: &[ImageSite]) -> Result<Vec<Vec<SiteCandidate>>, Problem> {
        let file = dockerfile(text)?;
        Ok(sites.iter().map(|site| candidates(text, &file, site)).collect())
    }
}

fn dockerfile(text: &FileText) -> Result<Arc<Dockerfile>, Problem> {
    text.parsed("dockerfile", || Ok(Dockerfile::parse(text.text())))
}

/// Returns the images of a Dockerfile that is a value of another file, if that has its lines as they are.
pub(super) fn inline_images(text: &FileText, node: &YamlNode) -> Vec<ImageSite> {
    let Some((inline, lines)) = node.text().and_then(|inline| Some((inline, line_starts(text, node, inline)?))) else {
        return Vec::new();
    };
    let outer = |at: usize| {
        let (inner, outer) = lines[lines.partition_point(|(inner, _)| *inner <= at) - 1];
        outer + at - inner
    };
    let outer = |span: &Range<usize>| outer(span.start)..outer(span.end);
    let sites = Dockerfile::parse(inline).images.into_iter();
    sites.map(|site| ImageSite { span: outer(&site.span), decided: outer(&site.decided), ..site }).collect()
}

/// Returns the first byte of each line of `inline`, the text of a node, in the text and in the file.
fn line_starts(text: &FileText, node: &YamlNode, inline: &str) -> Option<Vec<(usize, usize)>> {
    let span = unquoted(text.text(), node.span.clone());
    let (mut found, mut inner, mut outer) = (Vec::new(), 0, span.start);
    let mut written = text.text()[span].split_inclusive('\n');
    for line in inline.split_inclusive('\n') {
        let around = written.next()?;
        let indent = around.trim_end().strip_suffix(line.trim_end()).filter(|indent| indent.trim().is_empty())?;
        found.push((inner, outer + indent.len()));
        inner += line.len();
        outer += around.len();
    }
    (!found.is_empty()).then_some(found)
}

/// Returns the targets that might write an image.
fn candidates(text: &FileText, file: &Dockerfile, site: &ImageSite) -> Vec<SiteCandidate> {
    let candidate = |place, part| SiteCandidate { kind: TargetKind::Dockerfile(place), part };
    let written = &text.text()[site.span.clone()];
    if site.decided != site.span {
        let Some((before, name)) = trailing_variable(written) else { return Vec::new() };
        let part = match before.chars().last() {
            None => None,
            Some(':') => Some(ReferencePart::TagAtDigest),
            Some('@') => Some(ReferencePart::Digest),
            Some(_) => return Vec::new(),
        };
        // A tag may serve another purpose as well, if a stage uses it too.
        let is_shared = file.arguments(name).count() > 1;
        return match part.is_some() && is_shared {
            true => Vec::new(),
            false => vec![candidate(DockerfilePlace::Arg(name.to_owned()), part)],
        };
    }
    if repository_length(written).is_none() {
        return Vec::new();
    }
    let stage = file
        .stage_at(site.span.start)
        .into_iter()
        .flat_map(|(number, stage)| stage.name.iter().cloned().chain([number.to_string()]).map(DockerfilePlace::Stage));
    // Images of `COPY --from`, `RUN --mount` and `# syntax` have no name.
    stage.chain([DockerfilePlace::Repository]).map(|place| candidate(place, None)).collect()
}

/// Returns the bytes of the image of a stage.
fn stage(text: &FileText, file: &Dockerfile, wanted: &str) -> Result<Range<usize>, TargetError> {
    let stages = &file.stages;
    match file.stages_named(wanted).as_slice() {
        [only] => Ok(stages[*only].image.clone()),
        [] => {
            let show = |(number, stage): (usize, &Stage)| match &stage.name {
                Some(name) => format!("`{name}`"),
                None => format!("`{number}` (`{}`)", &text.text()[stage.image.clone()]),
            };
            let start = stages.first().map_or(0, |stage| stage.image.start);
            let message = format!("`{}` has no stage `{wanted}`", text.path());
            Err(text.missing(start, message, available("stages", stages.iter().enumerate().map(show))))
        }
        [_, second, ..] => {
            let message = format!("two stages are named `{wanted}`");
            let help = "rename one of them, or select one by its number, from 0";
            Err(text.invalid(stages[*second].image.clone(), message, help))
        }
    }
}

/// Returns the bytes of the default of an `ARG`, without quotes.
fn argument(text: &FileText, file: &Dockerfile, wanted: &str) -> Result<Range<usize>, TargetError> {
    let defaults: Vec<&Range<usize>> = file.arguments(wanted).filter_map(|one| one.default.as_ref()).collect();
    match defaults.as_slice() {
        [only] => Ok(Range::clone(only)),
        [] => {
            let place = file.arguments(wanted).next();
            let (message, help) = match place {
                Some(_) => (format!("`ARG {wanted}` has no default"), format!("write `ARG {wanted}=\"\"`")),
                None => {
                    let mut known: Vec<String> = file.arguments.iter().map(|one| format!("`{}`", one.name)).collect();
                    known.dedup();
                    (format!("`{}` has no `ARG {wanted}`", text.path()), available("`ARG`", known))
                }
            };
            let start = place.or(file.arguments.first()).map_or(0, |one| one.span.start);
            Err(text.missing(start, message, help))
        }
        [_, second, ..] => {
            let message = format!("`ARG {wanted}` has several defaults");
            let help = "keep one: `ARG` without a default in a stage uses the first";
            Err(text.invalid(Range::clone(second), message, help))
        }
    }
}

#[cfg(test)]
mod tests;
