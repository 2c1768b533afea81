//! `--all-images`: images in files of the root that no stream covers, that have no digest, or that are not valid.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::formats::{ImageSite, NotAnImage};
use crate::git::work_tree::WorkTree;
use crate::model::root::Root;
use crate::model::root::coverage::ImageCoverage;
use crate::report::finding::{Finding, FindingLocation, Rule, Severity, Subject};
use crate::report::v1::check::ImageV1;
use crate::text::diagnostics::lines::LineIndex;
use crate::text::escape;

use super::super::manifests::{self, Manifest};
use crate::cli::{CliError, CommandContext};

/// An image in a file that is not covered, not pinned or not valid.
pub(super) struct UncoveredImage {
    file: String,
    line: usize,
    text: String,
    fault: ImageFault,
}

/// Fault of an image.
enum ImageFault {
    /// Not covered by a stream, or without a digest.
    Unmanaged { is_covered: bool, is_pinned: bool },
    /// Not a valid reference; the reason.
    Invalid(String),
}

/// Searches all files below the root. Files and images that cannot be checked are reported on standard error.
///
/// # Errors
/// A directory or a file cannot be read.
pub(super) fn find(
    context: &CommandContext,
    work_tree: &WorkTree,
    root: &Root,
) -> Result<Vec<UncoveredImage>, CliError> {
    let searched = manifests::below(work_tree)?;
    for skipped in &searched.skipped {
        let line = skipped.line.map(|line| format!(", line {line}")).unwrap_or_default();
        let message = format!("`{}`{line}: file skipped: {}", skipped.path, skipped.why);
        writeln!(context.stderr(), "warning: {}", escape::terminal(&message))?;
    }
    let cover = ImageCoverage::new(root);
    let mut images = Vec::new();
    for Manifest { file, sites, .. } in &searched.files {
        let lines = LineIndex::new(&file.text);
        for site in sites {
            let (line, text) = (site.line(&lines), &site.text);
            match fault(&cover, site) {
                Ok(None) => {}
                Ok(Some(fault)) => {
                    images.push(UncoveredImage { file: file.path.clone(), line, text: text.clone(), fault });
                }
                Err(why) => {
                    let message = format!("`{}`, line {line}: image `{text}` not checked: {why}", file.path);
                    writeln!(context.stderr(), "warning: {}", escape::terminal(&message))?;
                }
            }
        }
    }
    Ok(images)
}

/// Returns the fault of an image, if any; the error is the reason why it cannot be checked.
fn fault(cover: &ImageCoverage<'_>, site: &ImageSite) -> Result<Option<ImageFault>, &'static str> {
    match &site.image {
        Ok(image) => {
            let (is_covered, is_pinned) = (cover.covers(image), image.digest().is_some());
            Ok((!is_covered || !is_pinned).then_some(ImageFault::Unmanaged { is_covered, is_pinned }))
        }
        Err(NotAnImage::None(_)) => Ok(None),
        Err(NotAnImage::Open(why)) => Err(why),
        Err(NotAnImage::Invalid(why)) => Ok(Some(ImageFault::Invalid(why.clone()))),
    }
}

/// Remedy for unmanaged images.
const REMEDY: &str = "run `pinstream tag IMAGE STREAM:TAG` to cover an image, and `pinstream targets add` to pin it";

/// Formats the images as text.
pub(super) fn text(images: &[UncoveredImage]) -> String {
    let mut out = String::new();
    for image in images {
        let message = format!("`{}`, line {}: {}", image.file, image.line, image.message());
        // Writing to a `String` does not fail.
        let _ = writeln!(out, "{}", escape::terminal(&message));
    }
    if images.iter().any(|image| image.remedy().is_some()) {
        let _ = writeln!(out, "  {REMEDY}");
    }
    out
}

impl UncoveredImage {
    /// Describes the fault.
    fn message(&self) -> String {
        let what = match &self.fault {
            ImageFault::Unmanaged { is_covered: false, is_pinned: false } => {
                "not covered by a stream, and without a digest"
            }
            ImageFault::Unmanaged { is_covered: false, .. } => "not covered by a stream",
            ImageFault::Unmanaged { .. } => "without a digest",
            ImageFault::Invalid(why) => return format!("`{}` is not a valid image: {why}", self.text),
        };
        format!("`{}`: {what}", self.text)
    }

    /// Returns the remedy, if there is a command.
    fn remedy(&self) -> Option<&'static str> {
        matches!(self.fault, ImageFault::Unmanaged { .. }).then_some(REMEDY)
    }

    /// Converts the image to a finding at its line.
    pub(super) fn finding(&self) -> Finding {
        let subject = Subject::new(&self.file, &self.text);
        let finding = Finding::new(Rule::Image, Severity::Error, subject, &self.message()).help(self.remedy());
        finding.at(FindingLocation::line(&*self.file, self.line))
    }
}

impl From<&UncoveredImage> for ImageV1 {
    fn from(image: &UncoveredImage) -> Self {
        let (covered, pinned, why) = match &image.fault {
            ImageFault::Unmanaged { is_covered, is_pinned } => (*is_covered, *is_pinned, None),
            ImageFault::Invalid(why) => (false, false, Some(why.clone())),
        };
        let (file, line, image) = (image.file.clone(), image.line, image.text.clone());
        Self { file, line, image, covered, pinned, error: why }
    }
}
