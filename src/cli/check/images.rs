//! `--all-images`: images in files of the root that no stream covers, that have no digest, or that are not valid.

use std::fmt::{Display, Write as _};
use std::io::Write as _;

use crate::formats::NotAnImage;
use crate::git::work_tree::WorkTree;
use crate::model::root::Root;
use crate::model::root::coverage::ImageCoverage;
use crate::report::finding::{Finding, FindingLocation, Rule, Severity, Subject};
use crate::report::pass::count;
use crate::report::v1::check::{ImageV1, UnreadFilesV1};
use crate::text::diagnostics::lines::LineIndex;
use crate::text::escape;

use super::super::manifests::{Exemption, FileSearch, Manifest};
use crate::cli::{CliError, CommandContext};

/// The images with faults in the files of a root.
pub(super) struct CheckedImages {
    pub(super) images: Vec<ImageV1>,
    pub(super) unread: Vec<UnreadFilesV1>,
}

/// Collects the faults of images, file by file.
struct ImageCheck<'a> {
    cover: ImageCoverage<'a>,
    images: Vec<ImageV1>,
    /// Remarks on images that are not checked.
    remarks: Vec<String>,
    /// Number of images that templates of charts decide.
    templated: usize,
}

/// Searches all files below the root. Files and images that cannot be checked are reported on standard error.
///
/// # Errors
/// A directory or a file cannot be read.
pub(super) fn find(context: &CommandContext, work_tree: &WorkTree, root: &Root) -> Result<CheckedImages, CliError> {
    let mut check =
        ImageCheck { cover: ImageCoverage::new(root), images: Vec::new(), remarks: Vec::new(), templated: 0 };
    let search = FileSearch::below(work_tree, &root.settings.search)?;
    let unread = search.each(&mut |manifest| {
        check.add(&manifest);
        Ok(())
    })?;
    let mut err = context.stderr();
    for skipped in &unread.skipped {
        let line = skipped.line.map(|line| format!(", line {line}")).unwrap_or_default();
        let message = format!("`{}`{line}: file skipped: {}", skipped.path, skipped.why);
        writeln!(err, "warning: {}", escape::terminal(&message))?;
    }
    for remark in &check.remarks {
        writeln!(err, "warning: {}", escape::terminal(remark))?;
    }
    if check.templated > 0 {
        let images = count(check.templated, "image");
        writeln!(err, "note: {images} not checked: set by chart templates; `-v` lists them")?;
    }
    if let Some(note) = unread.note() {
        writeln!(err, "note: {note}")?;
    }
    let files = unread.counts.into_iter().map(|(reason, files)| UnreadFilesV1 { reason, files });
    Ok(CheckedImages { images: check.images, unread: files.collect() })
}

impl ImageCheck<'_> {
    fn add(&mut self, manifest: &Manifest) {
        let file = &manifest.file;
        let lines = LineIndex::new(&file.text);
        let is_chart = file.path.split('/').any(|part| part == "templates");
        for (site, exempt) in manifest.images() {
            let (file, line, text) = (file.path.clone(), site.line(&lines), site.text.clone());
            let remark = |why: &dyn Display| format!("`{file}`, line {line}: image `{text}` not checked: {why}");
            let image =
                ImageV1 { file: file.clone(), line, image: text.clone(), covered: false, pinned: false, error: None };
            match (exempt, &site.image) {
                (Some(Exemption::Ignored), _) | (None, Err(NotAnImage::None(_))) => {}
                (Some(Exemption::Overridden(why)), _) => self.remarks.push(remark(why)),
                (None, Ok(found)) => {
                    let (covered, pinned) = (self.cover.covers(found), found.digest().is_some());
                    self.images.extend((!covered || !pinned).then_some(ImageV1 { covered, pinned, ..image }));
                }
                (None, Err(NotAnImage::Open(why))) if is_chart && text.contains("{{") => {
                    tracing::debug!("{}", remark(why));
                    self.templated += 1;
                }
                (None, Err(NotAnImage::Open(why))) => self.remarks.push(remark(why)),
                (None, Err(NotAnImage::Invalid(why))) => {
                    self.images.push(ImageV1 { error: Some(why.clone()), ..image });
                }
            }
        }
    }
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
