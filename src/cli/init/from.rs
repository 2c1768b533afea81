//! `init --from`: streams for the images that other files name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::formats::find::NotAnImage;
use crate::git::work_tree::WorkTree;
use crate::model::image::{ImageRef, Repository, TagName};
use crate::model::stream::write::{NewSource, NewStream, NewTag, text};
use crate::text::diagnostics::lines::LineIndex;

use super::super::error::CliError;
use super::super::manifests::{self, Manifest};
use super::super::support::context::CommandContext;
use super::super::support::stream_names::named;
use super::super::support::table;
use super::super::support::write_files::{ExistingFile, write};

/// What was found: images by repository and tag, and what is to be said of single places.
#[derive(Default)]
struct Found {
    tags: BTreeMap<Repository, BTreeSet<TagName>>,
    rows: Vec<[String; 3]>,
}

/// Writes a root whose streams are what `words` name.
///
/// # Errors
/// Where nothing is found, or a file is there already.
pub(super) fn run(context: &CommandContext, words: &[PathBuf], out: &mut impl std::io::Write) -> Result<(), CliError> {
    let mut found = Found::default();
    let looked = manifests::anywhere(context, words)?;
    for Manifest { file, mentions, .. } in looked.files {
        let lines = LineIndex::of(&file.text);
        for mention in mentions {
            found.take(&format!("{}:{}", file.path, mention.line(&lines)), mention.text, mention.image);
        }
    }
    found.rows.extend(looked.passed.into_iter().map(|passed| [passed.at(), "the whole file".to_owned(), passed.why]));
    table::print_skipped("not adopted as it stands", &found.rows)?;
    if found.tags.is_empty() {
        return Err(CliError::new("no image that can be adopted was found").help(
            "Dockerfiles, compose files, workflows, Kubernetes and Helm files name images; without `--from`, `init` writes an example",
        ));
    }
    let mut files = vec![("pinstream.toml".to_owned(), super::SETTINGS.to_owned())];
    for (repository, name) in named(found.tags.keys(), |_| false) {
        let tag = |tag: &TagName| {
            let image = ImageRef::tagged(repository.clone(), tag.clone());
            (tag.clone(), NewTag::of(NewSource::Image(image, None)))
        };
        let stream = NewStream { tags: found.tags[repository].iter().map(tag).collect(), ..NewStream::default() };
        files.push((format!("streams/{name}.toml"), text(&name, &stream)));
    }
    write(&WorkTree(context.directory.clone()), &files, ExistingFile::Refuse("this folder is a root; edit its files"))?;
    for (path, _) in &files {
        writeln!(out, "wrote {path}")?;
    }
    Ok(())
}

impl Found {
    fn take(&mut self, at: &str, written: String, image: Result<ImageRef, NotAnImage>) {
        let image = match image {
            Ok(image) => image,
            Err(why) => return self.rows.push([at.to_owned(), written, why.to_string()]),
        };
        let tag = match manifests::followed(&image) {
            Ok(tag) => tag.clone(),
            Err(why) => return self.rows.push([at.to_owned(), written, why.to_owned()]),
        };
        if image.digest().is_some() {
            let why = format!("its tag `{tag}` is followed; `pinstream update` pins what that is now");
            self.rows.push([at.to_owned(), written, why]);
        }
        self.tags.entry(image.repository().clone()).or_default().insert(tag);
    }
}
