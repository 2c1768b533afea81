//! `init --from`: streams for the images that other files name.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;

use crate::find::Kind;
use crate::image::{ImageRef, Repository, StreamName, TagName};
use crate::stream::write::{NewSource, NewStream, NewTag, text};
use crate::world::folder::Folder;

use super::super::context::Context;
use super::super::write::{Existing, write};
use super::super::{CliError, input, list};

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
pub(super) fn run(context: &Context, words: &[PathBuf], out: &mut impl std::io::Write) -> Result<(), CliError> {
    let mut found = Found::default();
    for file in input::read(context, words, Kind::may_be)? {
        let Some(kind) = Kind::of(&file) else { continue };
        match kind.find(&file) {
            Ok(mentions) => {
                for mention in mentions {
                    let at = format!("{}:{}", file.path, mention.line(&file));
                    found.take(&at, mention.text, mention.image);
                }
            }
            Err(problem) => {
                let at = problem.position().map_or(0, |(line, _)| line);
                found.rows.push([format!("{}:{at}", file.path), "the whole file".to_owned(), problem.message]);
            }
        }
    }
    tell(&found.rows)?;
    if found.tags.is_empty() {
        return Err(CliError::said("no image that can be adopted was found").help(
            "Dockerfiles, compose files and Kubernetes objects name images; without `--from`, `init` writes an example",
        ));
    }
    let mut files = vec![("pinstream.toml".to_owned(), super::SETTINGS.to_owned())];
    for (name, repository, tags) in named(&found.tags) {
        let tag = |tag: &TagName| {
            let image = ImageRef::tagged(repository.clone(), tag.clone());
            (tag.clone(), NewTag::of(NewSource::Image(image, None)))
        };
        let stream = NewStream { tags: tags.iter().map(tag).collect(), ..NewStream::default() };
        files.push((format!("streams/{name}.toml"), text(&name, &stream)));
    }
    write(&Folder(context.folder.clone()), &files, Existing::Refuse("this folder is a root; edit its files"))?;
    for (path, _) in &files {
        writeln!(out, "wrote {path}")?;
    }
    Ok(())
}

impl Found {
    fn take(&mut self, at: &str, written: String, image: Result<ImageRef, String>) {
        let image = match image {
            Ok(image) => image,
            Err(why) => return self.rows.push([at.to_owned(), crate::escape::terminal(&written), why]),
        };
        let Some(tag) = image.tag().cloned() else {
            let why = "it names a digest and no tag, so there is nothing to follow";
            return self.rows.push([at.to_owned(), written, why.to_owned()]);
        };
        if image.digest().is_some() {
            let why = format!("its tag `{tag}` is followed; `pinstream update` pins what that is now");
            self.rows.push([at.to_owned(), written, why]);
        }
        self.tags.entry(image.repository().clone()).or_default().insert(tag);
    }
}

/// Each repository with a name for its stream: the shortest end of its path that no other has.
fn named(tags: &BTreeMap<Repository, BTreeSet<TagName>>) -> Vec<(StreamName, &Repository, &BTreeSet<TagName>)> {
    let ends = |repository: &Repository| {
        let path = repository.path();
        let last = path.rsplit('/').next().unwrap_or(path).to_owned();
        let host = repository.registry().as_str().replace([':', '[', ']'], "-");
        [last, path.to_owned(), format!("{}/{path}", host.trim_matches('-'))]
    };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for end in tags.keys().flat_map(|repository| BTreeSet::from(ends(repository))) {
        *counts.entry(end).or_default() += 1;
    }
    let name = |repository: &Repository| {
        let ends = ends(repository);
        let alone = ends.iter().find(|end| counts.get(*end) == Some(&1)).unwrap_or(&ends[2]);
        alone.parse::<StreamName>().ok()
    };
    tags.iter().filter_map(|(repository, tags)| Some((name(repository)?, repository, tags))).collect()
}

/// Tells what was not adopted, or not as it stands there.
fn tell(rows: &[[String; 3]]) -> Result<(), CliError> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut table = vec![["AT", "WRITTEN", "WHY"].map(str::to_owned)];
    table.extend(rows.iter().cloned());
    Ok(write!(anstream::stderr(), "not adopted as it stands:\n{}", list::table(&table))?)
}
