//! `--all-images`: images in files of the root that no stream covers, that have no digest, or that are not valid.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::formats::NotAnImage;
use crate::git::work_tree::WorkTree;
use crate::model::root::Root;
use crate::model::root::coverage::ImageCoverage;
use crate::report::finding::{Finding, FindingLocation, Rule, Severity, Subject};
use crate::report::v1::check::ImageV1;
use crate::text::diagnostics::lines::LineIndex;
use crate::text::escape;

use super::super::manifests::{self, Manifest};
use crate::cli::{CliError, CommandContext};

/// Searches all files below the root. Files and images that cannot be checked are reported on standard error.
///
/// # Errors
/// A directory or a file cannot be read.
pub(super) fn find(context: &CommandContext, work_tree: &WorkTree, root: &Root) -> Result<Vec<ImageV1>, CliError> {
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
            let (file, line, text) = (file.path.clone(), site.line(&lines), site.text.clone());
            let image = ImageV1 { file, line, image: text, covered: false, pinned: false, error: None };
            match &site.image {
                Ok(found) => {
                    let (covered, pinned) = (cover.covers(found), found.digest().is_some());
                    images.extend((!covered || !pinned).then_some(ImageV1 { covered, pinned, ..image }));
                }
                Err(NotAnImage::None(_)) => {}
                Err(NotAnImage::Open(why)) => {
                    let message = format!("`{}`, line {line}: image `{}` not checked: {why}", image.file, image.image);
                    writeln!(context.stderr(), "warning: {}", escape::terminal(&message))?;
                }
                Err(NotAnImage::Invalid(why)) => images.push(ImageV1 { error: Some(why.clone()), ..image }),
            }
        }
    }
    Ok(images)
}

/// Remedy for unmanaged images.
const REMEDY: &str = "run `pinstream tag IMAGE STREAM:TAG` to cover an image, and `pinstream targets add` to pin it";

/// Formats the images as text.
pub(super) fn text(images: &[ImageV1]) -> String {
    let mut out = String::new();
    for image in images {
        let message = format!("`{}`, line {}: {}", image.file, image.line, message(image));
        // Writing to a `String` does not fail.
        let _ = writeln!(out, "{}", escape::terminal(&message));
    }
    if images.iter().any(|image| image.error.is_none()) {
        let _ = writeln!(out, "  {REMEDY}");
    }
    out
}

/// Describes the fault of an image.
fn message(ImageV1 { image, covered, pinned, error, .. }: &ImageV1) -> String {
    match (error, covered, pinned) {
        (Some(why), ..) => format!("`{image}` is not a valid image: {why}"),
        (None, false, false) => format!("`{image}`: not covered by a stream, and without a digest"),
        (None, false, true) => format!("`{image}`: not covered by a stream"),
        (None, true, _) => format!("`{image}`: without a digest"),
    }
}

/// Converts an image to a finding at its line.
pub(super) fn finding(image: &ImageV1) -> Finding {
    let subject = Subject::new(&image.file, &image.image);
    let finding = Finding::new(Rule::Image, Severity::Error, subject, &message(image));
    finding.help(image.error.is_none().then_some(REMEDY)).at(FindingLocation::line(&*image.file, image.line))
}
