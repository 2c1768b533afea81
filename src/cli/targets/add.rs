//! `targets add`: adds targets to the settings for images that a stream covers and no target writes. The files themselves
//! remain unchanged.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;

use crate::formats::suggest::{SuggestedTarget, TargetRequest, suggest};
use crate::formats::{ImageSite, Target};
use crate::model::image::{ImageRef, StreamName, TagId};
use crate::model::root::Root;
use crate::model::root::coverage::ImageCoverage;
use crate::model::settings;
use crate::model::stream::edit::lines;
use crate::text::diagnostics::lines::LineIndex;
use crate::text::toml::source::FILE_MAX;

use super::super::manifests::{self, Exemption, FileSearch, Manifest};
use super::super::support::definition_edit::DefinitionEdit;
use super::super::support::stream_names::named;
use super::super::support::table;
use crate::cli::{CliError, CommandContext, Exit};

/// Add targets to `pinstream.toml` for images that a stream covers
///
/// Searches Dockerfiles, compose files, Kubernetes objects and custom resources, kustomizations, Helm values, workflows, and
/// files of other tools, e.g. `.gitlab-ci.yml`, `devcontainer.json`, `docker-bake.hcl` and `MODULE.bazel`, except those in
/// `[files] ignore`. Each target is tried first: it selects the image and nothing else. Images that have a target are
/// skipped; images that no stream covers, that a kustomization changes or that no target can write are reported on standard
/// error. Only `pinstream.toml` is changed.
#[derive(Debug, clap::Args)]
pub(super) struct TargetsAddArgs {
    /// Files or directories in the root (default: all)
    #[arg(value_name = "FILE|DIR")]
    files: Vec<PathBuf>,
    /// Print the new targets without writing them
    #[arg(long)]
    dry_run: bool,
}

/// Search result for all images.
#[derive(Default)]
struct FoundTargets<'a> {
    /// New targets, each with the position of its image.
    added: Vec<(String, Target)>,
    /// Images that several tags cover, with the tags.
    several: BTreeMap<ImageRef, Vec<&'a TagId>>,
    /// Images that no stream covers, with their positions.
    uncovered: Vec<(String, ImageRef)>,
    /// Remarks about other places.
    rows: Vec<[String; 3]>,
    /// Set if a `marker` target could write one of the unsupported images.
    suggest_marker: bool,
}

/// Runs `targets add`.
///
/// # Errors
/// The root or a file cannot be read, or the settings cannot be written.
pub(super) fn run(context: &CommandContext, args: &TargetsAddArgs) -> Result<Exit, CliError> {
    let mut edit = DefinitionEdit::begin(context)?;
    let root = edit.root()?;
    let rules = &root.settings.search;
    let search = match args.files.as_slice() {
        [] => FileSearch::below(&edit.work_tree, rules)?,
        named => FileSearch::within(context, &edit.work_tree, rules, named)?,
    };
    let cover = ImageCoverage::new(&root);
    let mut found = FoundTargets::default();
    let unread = search.each(&mut |manifest| {
        found.add(&root, &cover, &manifest);
        Ok(())
    })?;
    let skipped = unread.skipped.iter();
    found.rows.extend(skipped.map(|skipped| [skipped.at(), "whole file".to_owned(), skipped.why.clone()]));
    found.report_uncovered(&root, &cover);
    table::print_skipped("not added", &found.rows)?;
    if let Some(note) = unread.note_beyond_skipped() {
        writeln!(context.stderr(), "note: {note}")?;
    }
    if found.suggest_marker {
        let help =
            "add a comment `# pinstream: stream:tag` to the line of an image, and a `marker` target for the file";
        writeln!(context.stderr(), "help: {help}")?;
    }
    for (image, tags) in &found.several {
        let others = tags[1..].iter().map(|id| format!("`{id}`")).collect::<Vec<_>>();
        writeln!(
            context.stderr(),
            "note: `{image}` is covered by several tags; using `{}`, not {}",
            tags[0],
            others.join(", ")
        )?;
    }

    let mut out = context.stdout();
    if found.added.is_empty() {
        writeln!(out, "no targets to add")?;
        return Ok(Exit::Success);
    }
    let mut size = 0;
    edit.settings(|text| {
        let eol = lines::eol(text);
        let tables: Vec<String> = found.added.iter().map(|(_, target)| target.to_toml(eol)).collect();
        let new = lines::at_end(text, &tables.join(eol));
        size = new.len();
        new
    })?;
    if args.dry_run {
        let tables: Vec<String> = found.added.iter().map(|(_, target)| target.to_toml("\n")).collect();
        write!(out, "# {}\n{}", settings::FILE_NAME, tables.join("\n"))?;
    }
    if size > FILE_MAX {
        return Err(too_large(found.added.len()));
    }
    edit.root()?;
    if args.dry_run {
        return Ok(Exit::Success);
    }
    edit.write()?;
    let from = |target: &Target| target.from.iter().map(ToString::to_string).collect::<String>();
    let rows = found.added.iter().map(|(at, target)| [at.clone(), from(target), target.place_toml()]);
    write!(out, "{}", table::table(&rows.collect::<Vec<_>>()))?;
    writeln!(out, "wrote {}", settings::FILE_NAME)?;
    let tags: BTreeSet<&TagId> = found.added.iter().filter_map(|(_, target)| target.from.as_ref()).collect();
    let new: Vec<String> =
        tags.into_iter().filter(|id| !root.lock.pins.contains_key(id)).map(ToString::to_string).collect();
    match new.as_slice() {
        [] => writeln!(out, "next: run `pinstream update --offline` to write the pins, then commit")?,
        new => writeln!(out, "next: run `pinstream update` to pin {} and write the pins, then commit", new.join(", "))?,
    }
    Ok(Exit::Success)
}

/// Reports that the settings would become too large.
fn too_large(count: usize) -> CliError {
    let targets = if count == 1 { "the new target".to_owned() } else { format!("the {count} new targets") };
    let (name, most) = (settings::FILE_NAME, FILE_MAX >> 10);
    CliError::new(format!("`{name}` would exceed {most} KiB with {targets}; nothing written")).help(
        "name files or directories to add fewer, or use one `marker` target for a file with many images; `--dry-run` prints all",
    )
}

impl<'a> FoundTargets<'a> {
    fn add(&mut self, root: &Root, cover: &ImageCoverage<'a>, manifest: &Manifest) {
        let Manifest { file, kind, sites, companions, .. } = manifest;
        let pins = super::pins(root);
        let covering = |(site, exempt): (&ImageSite, Option<&Exemption>)| match &site.image {
            Ok(image) if exempt.is_none() => cover.tags(image),
            _ => Vec::new(),
        };
        let tags: Vec<Vec<&TagId>> = manifest.images().map(covering).collect();
        let wanted: Vec<Option<TagId>> = tags.iter().map(|tags| tags.first().map(|id| TagId::clone(id))).collect();
        let (targets, lines) = (&root.settings.targets, LineIndex::new(&file.text));
        let request = TargetRequest { file, kind: *kind, companions, sites, wanted: &wanted, targets, pins: &pins };
        for (((site, exempt), tags), suggestion) in manifest.images().zip(tags).zip(suggest(&request)) {
            let at = format!("{}:{}", file.path, site.line(&lines));
            let row = |why: &str| [at.clone(), site.text.clone(), why.to_owned()];
            if let (SuggestedTarget::New(_) | SuggestedTarget::Shared, Ok(image), [_, _, ..]) =
                (&suggestion, &site.image, &tags[..])
            {
                self.several.insert(image.clone(), tags);
            }
            match (suggestion, exempt, &site.image) {
                (SuggestedTarget::New(target), ..) => self.added.push((at, target)),
                (SuggestedTarget::Existing | SuggestedTarget::Shared, ..) | (_, Some(Exemption::Ignored), _) => {}
                (SuggestedTarget::Unsupported(problem), ..) => {
                    self.rows.push(row(&problem.sentence()));
                    self.suggest_marker = true;
                }
                (SuggestedTarget::BadPath(problem), ..) => self.rows.push(row(&problem.sentence())),
                (SuggestedTarget::None, Some(Exemption::Overridden(why)), _) => self.rows.push(row(&why.to_string())),
                (SuggestedTarget::None, None, Ok(image)) => self.uncovered.push((at, image.clone())),
                (SuggestedTarget::None, None, Err(why)) => self.rows.push(row(&why.to_string())),
            }
        }
    }

    /// Adds a row for each image that no stream covers, with the command that covers it.
    fn report_uncovered(&mut self, root: &Root, cover: &ImageCoverage<'_>) {
        let repositories: BTreeSet<_> = self.uncovered.iter().map(|(_, image)| image.repository()).collect();
        let is_taken = |name: &str| root.definitions.streams.keys().any(|stream| stream.as_str() == name);
        let names = named(repositories.iter().copied(), is_taken);
        for (at, image) in &self.uncovered {
            let why = match manifests::tracked_tag(image) {
                Ok(tag) => {
                    let is_free = |stream: &&StreamName| {
                        let id = TagId { stream: StreamName::clone(stream), tag: tag.clone() };
                        !root.definitions.tags.contains_key(&id)
                    };
                    let stream =
                        cover.stream_with(image.repository()).filter(is_free).or(names.get(image.repository()));
                    let stream = stream.map_or("STREAM", StreamName::as_str);
                    let image = ImageRef::tagged(image.repository().clone(), tag.clone());
                    format!("not covered; run `pinstream tag {image} {stream}:{tag}`")
                }
                Err(why) => why.to_owned(),
            };
            self.rows.push([at.clone(), image.to_string(), why]);
        }
    }
}
