//! `targets add`: finds the images of files that a stream covers and no target writes, and writes targets for them into
//! the settings. The files themselves stay as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;

use crate::formats::Target;
use crate::formats::propose::{SuggestedTarget, TargetRequest, propose};
use crate::model::image::{ImageRef, StreamName, TagId};
use crate::model::root::Root;
use crate::model::root::cover::ImageCoverage;
use crate::model::settings;
use crate::model::stream::edit::lines;
use crate::report::exit::Exit;
use crate::text::diagnostics::Problem;
use crate::text::diagnostics::lines::LineIndex;
use crate::text::toml::text::FILE_MAX;

use super::super::error::CliError;
use super::super::manifests::{self, Manifest, SearchedFiles};
use super::super::support::context::CommandContext;
use super::super::support::definition_edit::DefinitionEdit;
use super::super::support::stream_names::named;
use super::super::support::table;

/// Write targets for the images of files that a stream covers into `pinstream.toml`
///
/// Looks through Dockerfiles, compose files, Kubernetes objects, kustomizations, values of Helm charts and workflows. Each
/// target is tried before it is written: it leads to the image and to nothing else. What has a target stays as it is; what
/// no stream covers, and what no target can write, is told on standard error. No file but `pinstream.toml` is changed.
#[derive(Debug, clap::Args)]
pub(super) struct TargetsAddArgs {
    /// Files or folders of the root; all of it where none is given
    #[arg(value_name = "FILE|FOLDER")]
    files: Vec<PathBuf>,
    /// Print what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// What became of all images.
#[derive(Default)]
struct Found<'a> {
    /// The new targets, each with where its image stands.
    added: Vec<(String, Target)>,
    /// The images that more than one tag stands for, with the tags.
    several: BTreeMap<&'a ImageRef, Vec<&'a TagId>>,
    /// Where images stand that no stream covers.
    uncovered: Vec<(String, &'a ImageRef)>,
    /// What is told of other places.
    rows: Vec<[String; 3]>,
    /// Whether an image is among them that a stream covers, in a file that a target `marker` can be for.
    is_unfit: bool,
}

/// Runs it.
///
/// # Errors
/// Where the root or a file cannot be read, or the settings cannot be written.
pub(super) fn run(context: &CommandContext, args: &TargetsAddArgs) -> Result<Exit, CliError> {
    let mut edit = DefinitionEdit::begin(context)?;
    let root = edit.root()?;
    let looked = match args.files.as_slice() {
        [] => manifests::below(&edit.work_tree)?,
        words => manifests::within(context, &edit.work_tree, words)?,
    };
    let cover = ImageCoverage::of(&root);
    let mut found = find(&root, &cover, &looked);
    found.tell_of_uncovered(&root, &cover);
    table::print_skipped("not added", &found.rows)?;
    if found.is_unfit {
        let help = "a comment `# pinstream: stream:tag` in the line of an image, and one target `marker` for the file, does as well";
        writeln!(context.stderr(), "help: {help}")?;
    }
    for (image, tags) in &found.several {
        let others = tags[1..].iter().map(|id| format!("`{id}`")).collect::<Vec<_>>();
        writeln!(
            context.stderr(),
            "note: `{}` is written for `{image}`, which is {} as well",
            tags[0],
            others.join(", ")
        )?;
    }

    let mut out = context.stdout();
    if found.added.is_empty() {
        writeln!(out, "nothing is to be added")?;
        return Ok(Exit::Success);
    }
    let mut size = 0;
    edit.settings(|text| {
        let eol = lines::eol(text);
        let tables: Vec<String> = found.added.iter().map(|(_, target)| target.written(eol)).collect();
        let new = lines::at_end(text, &tables.join(eol));
        size = new.len();
        new
    })?;
    if args.dry_run {
        let tables: Vec<String> = found.added.iter().map(|(_, target)| target.written("\n")).collect();
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
    let rows = found.added.iter().map(|(at, target)| [at.clone(), from(target), target.place_written()]);
    write!(out, "{}", table::table(&rows.collect::<Vec<_>>()))?;
    writeln!(out, "wrote {}", settings::FILE_NAME)?;
    let tags: BTreeSet<&TagId> = found.added.iter().filter_map(|(_, target)| target.from.as_ref()).collect();
    let new: Vec<String> =
        tags.into_iter().filter(|id| !root.lock.pins.contains_key(id)).map(ToString::to_string).collect();
    match new.as_slice() {
        [] => writeln!(out, "next: run `pinstream update --offline`, which writes the pins, and commit")?,
        new => writeln!(
            out,
            "next: run `pinstream update`, which pins {} and writes the pins, and commit",
            new.join(", ")
        )?,
    }
    Ok(Exit::Success)
}

/// The error that the settings have no room for so many new targets.
fn too_large(count: usize) -> CliError {
    let targets = if count == 1 {
        "the target that was found".to_owned()
    } else {
        format!("the {count} targets that were found")
    };
    let (name, most) = (settings::FILE_NAME, FILE_MAX >> 10);
    CliError::new(format!("`{name}` would be larger than the cap of {most} KiB with {targets}, so none is written")).help(
        "name files or folders, to add fewer, or let one target `marker` stand for a file of many images; `--dry-run` prints what was found",
    )
}

fn find<'a>(root: &Root, cover: &ImageCoverage<'a>, looked: &'a SearchedFiles) -> Found<'a> {
    let mut found = Found::default();
    let pins = super::pins(root);
    for Manifest { file, kind, mentions } in &looked.files {
        let tags: Vec<Vec<&TagId>> = mentions
            .iter()
            .map(|mention| mention.image.as_ref().map(|image| cover.tags(image)).unwrap_or_default())
            .collect();
        let wanted: Vec<Option<TagId>> = tags.iter().map(|tags| tags.first().map(|id| TagId::clone(id))).collect();
        let (targets, lines) = (&root.settings.targets, LineIndex::of(&file.text));
        let asked = TargetRequest { file, kind: *kind, mentions, wanted: &wanted, targets, pins: &pins };
        for ((mention, tags), proposal) in mentions.iter().zip(tags).zip(propose(&asked)) {
            let at = format!("{}:{}", file.path, mention.line(&lines));
            let row = |why: &str| [at.clone(), mention.text.clone(), why.to_owned()];
            if let (SuggestedTarget::New(_) | SuggestedTarget::Shared, Ok(image), [_, _, ..]) =
                (&proposal, &mention.image, &tags[..])
            {
                found.several.insert(image, tags);
            }
            match (proposal, &mention.image) {
                (SuggestedTarget::New(target), _) => found.added.push((at, target)),
                (SuggestedTarget::There | SuggestedTarget::Shared, _) => {}
                (SuggestedTarget::Unfit(problem), _) => {
                    found.rows.push(row(&said(problem)));
                    found.is_unfit = true;
                }
                (SuggestedTarget::Unnamed(problem), _) => found.rows.push(row(&said(problem))),
                (SuggestedTarget::None, Ok(image)) => found.uncovered.push((at, image)),
                (SuggestedTarget::None, Err(why)) => found.rows.push(row(&why.to_string())),
            }
        }
    }
    let passed = looked.passed.iter();
    found.rows.extend(passed.map(|passed| [passed.at(), "the whole file".to_owned(), passed.why.clone()]));
    found
}

/// What is wrong, and what to do about it.
fn said(problem: Problem) -> String {
    let help = problem.help.map(|help| format!("; {help}")).unwrap_or_default();
    problem.message + &help
}

impl Found<'_> {
    /// Adds a row for each image that no stream covers, with the command that would have one cover it.
    fn tell_of_uncovered(&mut self, root: &Root, cover: &ImageCoverage<'_>) {
        let repositories: BTreeSet<_> = self.uncovered.iter().map(|(_, image)| image.repository()).collect();
        let is_taken = |name: &str| root.definitions.streams.keys().any(|stream| stream.as_str() == name);
        let names = named(repositories.iter().copied(), is_taken);
        for (at, image) in &self.uncovered {
            let why = match manifests::followed(image) {
                Ok(tag) => {
                    let is_free = |stream: &&StreamName| {
                        let id = TagId { stream: StreamName::clone(stream), tag: tag.clone() };
                        !root.definitions.tags.contains_key(&id)
                    };
                    let stream = cover.stream(image.repository()).filter(is_free).or(names.get(image.repository()));
                    let stream = stream.map_or("STREAM", StreamName::as_str);
                    let image = ImageRef::tagged(image.repository().clone(), tag.clone());
                    format!("no stream covers it: `pinstream tag {image} {stream}:{tag}`")
                }
                Err(why) => why.to_owned(),
            };
            self.rows.push([at.clone(), image.to_string(), why]);
        }
    }
}
