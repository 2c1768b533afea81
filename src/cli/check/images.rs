//! `--all-images`: images that files of the root name, and that no stream covers, that have no digest, or that are none.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::formats::find::{FoundImage, NotAnImage};
use crate::git::work_tree::WorkTree;
use crate::model::root::Root;
use crate::model::root::cover::ImageCoverage;
use crate::report::finding::{Finding, FindingLocation, Rule, Severity, Subject};
use crate::report::v1::check::ImageV1;
use crate::text::diagnostics::lines::LineIndex;
use crate::text::escape;

use super::super::error::CliError;
use super::super::manifests::{self, Manifest};
use super::super::support::context::CommandContext;

/// An image that a file names and that is not as it should be.
pub(super) struct UncoveredImage {
    file: String,
    line: usize,
    written: String,
    fault: ImageFault,
}

/// What is wrong with one.
enum ImageFault {
    /// It is an image, but for what it lacks.
    Lacks { is_covered: bool, is_pinned: bool },
    /// It is none; why.
    NoImage(String),
}

/// Looks through all manifests of the root's folder. What cannot be told is told on standard error: a gate that passes it
/// by says so.
///
/// # Errors
/// Where a folder or a file cannot be read.
pub(super) fn look(context: &CommandContext, folder: &WorkTree, root: &Root) -> Result<Vec<UncoveredImage>, CliError> {
    let looked = manifests::below(folder)?;
    for passed in &looked.passed {
        let line = passed.line.map(|line| format!(", line {line},")).unwrap_or_default();
        let said = format!("`{}`{line} is passed by: {}", passed.path, passed.why);
        writeln!(context.stderr(), "warning: {}", escape::terminal(&said))?;
    }
    let cover = ImageCoverage::of(root);
    let mut images = Vec::new();
    for Manifest { file, mentions, .. } in &looked.files {
        let lines = LineIndex::of(&file.text);
        for mention in mentions {
            let (line, written) = (mention.line(&lines), &mention.text);
            match fault(&cover, mention) {
                Ok(None) => {}
                Ok(Some(fault)) => {
                    images.push(UncoveredImage { file: file.path.clone(), line, written: written.clone(), fault });
                }
                Err(why) => {
                    let said =
                        format!("`{}`, line {line}: which image `{written}` is cannot be told: {why}", file.path);
                    writeln!(context.stderr(), "warning: {}", escape::terminal(&said))?;
                }
            }
        }
    }
    Ok(images)
}

/// What is wrong with what a place names, if anything is; the error is why that cannot be told.
fn fault(cover: &ImageCoverage<'_>, mention: &FoundImage) -> Result<Option<ImageFault>, &'static str> {
    match &mention.image {
        Ok(image) => {
            let (is_covered, is_pinned) = (cover.has(image), image.digest().is_some());
            Ok((!is_covered || !is_pinned).then_some(ImageFault::Lacks { is_covered, is_pinned }))
        }
        Err(NotAnImage::None(_)) => Ok(None),
        Err(NotAnImage::Open(why)) => Err(why),
        Err(NotAnImage::Wrong(why)) => Ok(Some(ImageFault::NoImage(why.clone()))),
    }
}

/// What to do about an image.
const MEND: &str =
    "`pinstream tag IMAGE STREAM:TAG` covers an image, and `pinstream targets add` has its digest written";

/// The images for people.
pub(super) fn text(images: &[UncoveredImage]) -> String {
    let mut out = String::new();
    for image in images {
        let said = format!("`{}`, line {}: {}", image.file, image.line, image.what());
        // Writing to a `String` does not fail.
        let _ = writeln!(out, "{}", escape::terminal(&said));
    }
    if images.iter().any(|image| image.mend().is_some()) {
        let _ = writeln!(out, "  {MEND}");
    }
    out
}

impl UncoveredImage {
    /// What is wrong with it.
    fn what(&self) -> String {
        let what = match &self.fault {
            ImageFault::Lacks { is_covered: false, is_pinned: false } => "no stream covers it, and it has no digest",
            ImageFault::Lacks { is_covered: false, .. } => "no stream covers it",
            ImageFault::Lacks { .. } => "it has no digest",
            ImageFault::NoImage(why) => return format!("`{}` is no image: {why}", self.written),
        };
        format!("`{}`: {what}", self.written)
    }

    /// What to do about it, where a command can.
    fn mend(&self) -> Option<&'static str> {
        matches!(self.fault, ImageFault::Lacks { .. }).then_some(MEND)
    }

    /// The same as a finding at its line.
    pub(super) fn finding(&self) -> Finding {
        let subject = Subject::of(&self.file, &self.written);
        let finding = Finding::new(Rule::Image, Severity::Error, subject, &self.what()).help(self.mend());
        finding.at(FindingLocation::line(&*self.file, self.line))
    }
}

impl From<&UncoveredImage> for ImageV1 {
    fn from(image: &UncoveredImage) -> Self {
        let (covered, pinned, why) = match &image.fault {
            ImageFault::Lacks { is_covered, is_pinned } => (*is_covered, *is_pinned, None),
            ImageFault::NoImage(why) => (false, false, Some(why.clone())),
        };
        let (file, line, image) = (image.file.clone(), image.line, image.written.clone());
        Self { file, line, image, covered, pinned, why }
    }
}
