//! `--all-images`: images that files of the root name, and that no stream covers, that have no digest, or that are none.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::formats::find::{Mention, NoImage};
use crate::git::work_tree::Folder;
use crate::model::root::Root;
use crate::model::root::cover::Cover;
use crate::report::finding::{Finding, Level, Place, Rule, Subject};
use crate::report::v1::check::ImageV1;
use crate::text::diagnostics::lines::Lines;
use crate::text::escape;

use super::super::CliError;
use super::super::context::Context;
use super::super::manifests::{self, Manifest};

/// An image that a file names and that is not as it should be.
pub(super) struct Image {
    file: String,
    line: usize,
    written: String,
    fault: Fault,
}

/// What is wrong with one.
enum Fault {
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
pub(super) fn look(context: &Context, folder: &Folder, root: &Root) -> Result<Vec<Image>, CliError> {
    let looked = manifests::below(folder)?;
    for passed in &looked.passed {
        let line = passed.line.map(|line| format!(", line {line},")).unwrap_or_default();
        let said = format!("`{}`{line} is passed by: {}", passed.path, passed.why);
        writeln!(context.stderr(), "warning: {}", escape::terminal(&said))?;
    }
    let cover = Cover::of(root);
    let mut images = Vec::new();
    for Manifest { file, mentions, .. } in &looked.files {
        let lines = Lines::of(&file.text);
        for mention in mentions {
            let (line, written) = (mention.line(&lines), &mention.text);
            match fault(&cover, mention) {
                Ok(None) => {}
                Ok(Some(fault)) => {
                    images.push(Image { file: file.path.clone(), line, written: written.clone(), fault });
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
fn fault(cover: &Cover<'_>, mention: &Mention) -> Result<Option<Fault>, &'static str> {
    match &mention.image {
        Ok(image) => {
            let (is_covered, is_pinned) = (cover.has(image), image.digest().is_some());
            Ok((!is_covered || !is_pinned).then_some(Fault::Lacks { is_covered, is_pinned }))
        }
        Err(NoImage::None(_)) => Ok(None),
        Err(NoImage::Open(why)) => Err(why),
        Err(NoImage::Wrong(why)) => Ok(Some(Fault::NoImage(why.clone()))),
    }
}

/// What to do about an image.
const MEND: &str =
    "`pinstream tag IMAGE STREAM:TAG` covers an image, and `pinstream targets add` has its digest written";

/// The images for people.
pub(super) fn text(images: &[Image]) -> String {
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

impl Image {
    /// What is wrong with it.
    fn what(&self) -> String {
        let what = match &self.fault {
            Fault::Lacks { is_covered: false, is_pinned: false } => "no stream covers it, and it has no digest",
            Fault::Lacks { is_covered: false, .. } => "no stream covers it",
            Fault::Lacks { .. } => "it has no digest",
            Fault::NoImage(why) => return format!("`{}` is no image: {why}", self.written),
        };
        format!("`{}`: {what}", self.written)
    }

    /// What to do about it, where a command can.
    fn mend(&self) -> Option<&'static str> {
        matches!(self.fault, Fault::Lacks { .. }).then_some(MEND)
    }

    /// The same as a finding at its line.
    pub(super) fn finding(&self) -> Finding {
        let subject = Subject::of(&self.file, &self.written);
        let finding = Finding::new(Rule::Image, Level::Error, subject, &self.what()).help(self.mend());
        finding.at(Place::line(&*self.file, self.line))
    }
}

impl From<&Image> for ImageV1 {
    fn from(image: &Image) -> Self {
        let (covered, pinned, why) = match &image.fault {
            Fault::Lacks { is_covered, is_pinned } => (*is_covered, *is_pinned, None),
            Fault::NoImage(why) => (false, false, Some(why.clone())),
        };
        let (file, line, image) = (image.file.clone(), image.line, image.written.clone());
        Self { file, line, image, covered, pinned, why }
    }
}
