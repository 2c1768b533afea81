//! `--all-images`: images that files of the root name, and that no stream covers or that have no digest.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::escape;
use crate::find::Mention;
use crate::problem::SourceFile;
use crate::problem::lines::Lines;
use crate::report::finding::{Finding, Level, Place, Rule, Subject};
use crate::root::Root;
use crate::root::cover::Cover;
use crate::wire::check::ImageV1;
use crate::world::folder::Folder;

use super::super::CliError;
use super::super::context::Context;
use super::super::manifests::{self, Manifest};

/// An image that a file names and that is not as it should be.
pub(super) struct Image {
    file: String,
    line: usize,
    written: String,
    is_covered: bool,
    is_pinned: bool,
}

/// Looks through all manifests of the root's folder.
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
    let of = |manifest: &Manifest| {
        let lines = Lines::of(&manifest.file.text);
        let images = manifest.mentions.iter().filter_map(|mention| wrong(&cover, (&manifest.file, &lines), mention));
        images.collect::<Vec<_>>()
    };
    Ok(looked.files.iter().flat_map(of).collect())
}

/// The image of a place, where it is one that can be told and is not as it should be.
fn wrong(cover: &Cover<'_>, (file, lines): (&SourceFile, &Lines), mention: &Mention) -> Option<Image> {
    let image = mention.image.as_ref().ok()?;
    let (is_covered, is_pinned) = (cover.has(image), image.digest().is_some());
    let (file, line) = (file.path.clone(), mention.line(lines));
    let found = Image { file, line, written: mention.text.clone(), is_covered, is_pinned };
    (!is_covered || !is_pinned).then_some(found)
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
    if !images.is_empty() {
        let _ = writeln!(out, "  {MEND}");
    }
    out
}

impl Image {
    /// What is wrong with it.
    fn what(&self) -> String {
        let what = match (self.is_covered, self.is_pinned) {
            (false, false) => "no stream covers it, and it has no digest",
            (false, true) => "no stream covers it",
            (true, _) => "it has no digest",
        };
        format!("`{}`: {what}", self.written)
    }

    /// The same as a finding at its line.
    pub(super) fn finding(&self) -> Finding {
        let subject = Subject::of(&self.file, &self.written);
        let finding = Finding::new(Rule::Image, Level::Error, subject, &self.what()).help(Some(MEND));
        finding.at(Place::line(&*self.file, self.line))
    }
}

impl From<&Image> for ImageV1 {
    fn from(image: &Image) -> Self {
        Self {
            file: image.file.clone(),
            line: image.line,
            image: image.written.clone(),
            covered: image.is_covered,
            pinned: image.is_pinned,
        }
    }
}
