//! `init --from`: creates streams for the images in files.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;

use crate::formats::ImageSite;
use crate::git::work_tree::WorkTree;
use crate::model::image::{ImageRef, Repository, TagName};
use crate::model::stream::write::{NewSource, NewStream, NewTag, render};
use crate::text::diagnostics::lines::LineIndex;

use super::super::manifests::{self, Exemption, FileSearch};
use super::super::support::stream_names::named as stream_names;
use super::super::support::table;
use super::super::support::write_files::{ExistingFile, write};
use crate::cli::{CliError, CommandContext};

/// Images by repository and tag, and remarks about single places.
#[derive(Default)]
struct FoundTags {
    tags: BTreeMap<Repository, BTreeSet<TagName>>,
    rows: Vec<[String; 3]>,
}

/// Writes a root with streams for the images in the files and directories `named`.
///
/// # Errors
/// No image is found, or a file already exists.
pub(super) fn run(context: &CommandContext, named: &[PathBuf], out: &mut impl Write) -> Result<(), CliError> {
    let mut found = FoundTags::default();
    let unread = FileSearch::anywhere(context, named)?.each(&mut |manifest| {
        let lines = LineIndex::new(&manifest.file.text);
        for (site, exempt) in manifest.images() {
            let at = format!("{}:{}", manifest.file.path, site.line(&lines));
            match exempt {
                Some(Exemption::Ignored) => {}
                Some(Exemption::Overridden(why)) => found.rows.push([at, site.text.clone(), why.to_string()]),
                None => found.add(&at, site),
            }
        }
        Ok(())
    })?;
    let note = unread.note_beyond_skipped();
    found.rows.extend(unread.skipped.into_iter().map(|skipped| [skipped.at(), "whole file".to_owned(), skipped.why]));
    table::print_skipped("changed or not adopted", &found.rows)?;
    if let Some(note) = note {
        writeln!(context.stderr(), "note: {note}")?;
    }
    if found.tags.is_empty() {
        return Err(CliError::new("no image found").help(
            "name Dockerfiles, compose files, Kubernetes objects, Helm values or files of CI systems, or write an example root without `--from`",
        ));
    }
    let mut files = vec![("pinstream.toml".to_owned(), super::SETTINGS.to_owned())];
    for (repository, name) in stream_names(found.tags.keys(), |_| false) {
        let tag = |tag: &TagName| {
            let image = ImageRef::tagged(repository.clone(), tag.clone());
            (tag.clone(), NewTag::of(NewSource::Image(image, None)))
        };
        let stream = NewStream { tags: found.tags[repository].iter().map(tag).collect(), ..NewStream::default() };
        files.push((format!("streams/{name}.toml"), render(&name, &stream)));
    }
    write(
        &WorkTree(context.directory.clone()),
        &files,
        ExistingFile::Refuse("this directory is already a root; edit its files"),
    )?;
    for (path, _) in &files {
        writeln!(out, "wrote {path}")?;
    }
    Ok(())
}

impl FoundTags {
    fn add(&mut self, at: &str, ImageSite { text, image, .. }: &ImageSite) {
        let tracked = image.as_ref().map_err(ToString::to_string);
        let tracked = tracked.and_then(|image| Ok((image, manifests::tracked_tag(image)?.clone())));
        let (image, tag) = match tracked {
            Ok(tracked) => tracked,
            Err(why) => return self.rows.push([at.to_owned(), text.clone(), why]),
        };
        if image.digest().is_some() {
            let why = format!("tag `{tag}` is tracked; `pinstream update` pins its current digest");
            self.rows.push([at.to_owned(), text.clone(), why]);
        }
        self.tags.entry(image.repository().clone()).or_default().insert(tag);
    }
}
