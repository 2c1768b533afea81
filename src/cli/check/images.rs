//! `--all-images`: images that files of the root name, and that no stream covers or that have no digest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use crate::escape;
use crate::find::{Kind, Mention};
use crate::image::{Digest, ImageRef, Repository, TagName};
use crate::problem::SourceFile;
use crate::report::finding::{Finding, Level, Place, Rule, Subject};
use crate::root::Root;
use crate::stream::Source;
use crate::target::path::FilePath;
use crate::wire::check::ImageV1;
use crate::world::folder::Folder;

use super::super::CliError;
use super::super::context::Context;

/// The patterns over all files that may name images.
const PATTERNS: [&str; 4] = ["**/*.yaml", "**/*.yml", "**/*[Dd]ockerfile*", "**/*[Cc]ontainerfile*"];

/// What the streams of a root cover.
#[derive(Default)]
struct Covered<'a> {
    tags: BTreeSet<(&'a Repository, &'a TagName)>,
    digests: BTreeMap<&'a Repository, BTreeSet<&'a Digest>>,
}

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
    let patterns = PATTERNS.iter().filter_map(|pattern| FilePath::new(pattern).ok()).collect::<Vec<_>>();
    let covered = Covered::by(root);
    let mut found = Vec::new();
    for path in folder.paths(&patterns)? {
        let bytes = folder.file(&path)?.map(|file| file.bytes).unwrap_or_default();
        let Ok(text) = String::from_utf8(bytes) else { continue };
        let file = Arc::new(SourceFile { path, text });
        match Kind::of(&file).map(|kind| kind.find(&file)) {
            Some(Ok(mentions)) => found.extend(mentions.iter().filter_map(|mention| covered.look(&file, mention))),
            Some(Err(problem)) => {
                let at = problem.position().map_or(0, |(line, _)| line);
                let said = format!("`{}`, line {at}, is passed by: {}", file.path, problem.message);
                writeln!(context.stderr(), "warning: {}", escape::terminal(&said))?;
            }
            None => {}
        }
    }
    Ok(found)
}

impl<'a> Covered<'a> {
    fn by(root: &'a Root) -> Self {
        let defined = root.definitions.tags.values().filter_map(|tag| match &tag.source {
            Source::Image { image, .. } => Some(image),
            Source::Chosen { .. } | Source::Follow(_) | Source::Elsewhere(_) => None,
        });
        let mut covered = Self::default();
        for image in defined.chain(root.lock.pins.values().map(|pin| &pin.image)) {
            covered.tags.extend(image.tag().map(|tag| (image.repository(), tag)));
            covered.digests.entry(image.repository()).or_default().extend(image.digest());
        }
        for pin in root.lock.pins.values() {
            let digests = covered.digests.entry(pin.image.repository()).or_default();
            digests.extend(std::iter::once(&pin.digest).chain(&pin.index).chain(&pin.previous));
        }
        covered
    }

    fn has(&self, image: &ImageRef) -> bool {
        let repository = image.repository();
        let has_tag = image.tag().is_some_and(|tag| self.tags.contains(&(repository, tag)));
        let has = |digest| self.digests.get(repository).is_some_and(|known| known.contains(digest));
        has_tag || image.digest().is_some_and(has)
    }

    /// The image of a place, where it is one that can be told and is not as it should be.
    fn look(&self, file: &SourceFile, mention: &Mention) -> Option<Image> {
        let image = mention.image.as_ref().ok()?;
        let (is_covered, is_pinned) = (self.has(image), image.digest().is_some());
        let (file, line) = (file.path.clone(), mention.line(file));
        let found = Image { file, line, written: mention.text.clone(), is_covered, is_pinned };
        (!is_covered || !is_pinned).then_some(found)
    }
}

/// What to do about an image.
const MEND: &str = "`pinstream tag IMAGE STREAM:TAG` covers an image, and a `[[target]]` writes its digest";

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
