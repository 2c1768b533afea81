//! `targets`: lists the places of targets and compares them with their pins. Offline; only `targets add` writes, and only
//! settings.

mod add;

use std::io::Write as _;

use crate::formats::path::FilePath;
use crate::formats::{self, Target, TargetEdit, TargetFile, TargetPin};
use crate::git::work_tree::WorkTree;
use crate::model::image::{Digest, ImageRef, PinnedRef, TagId};
use crate::model::root::Root;
use crate::model::stream::TagSource;
use crate::report::v1;
use crate::report::v1::targets::{TargetSiteV1, TargetsSchema, TargetsV1};
use crate::report::v1::words::TargetStatusV1;
use crate::text::escape;

use super::support::output::ListFormat;
use super::support::table;
use super::{CliError, CommandContext, Exit};

/// Maximum length of a shown value, in characters.
const SHOWN_MAX: usize = 120;
/// Placeholder for the digest of a missing pin.
const PLACEHOLDER: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// List targets and compare them with their pins; `add` creates more
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub struct TargetsArgs {
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: ListFormat,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Add(add::TargetsAddArgs),
}

/// Runs `targets`.
///
/// # Errors
/// The root or a file cannot be read.
pub fn run(context: &CommandContext, args: &TargetsArgs) -> Result<Exit, CliError> {
    if let Some(Command::Add(args)) = &args.command {
        return add::run(context, args);
    }
    let (work_tree, root) = context.root()?;
    let places = places(&work_tree, &root)?;
    let mut out = context.stdout();
    match args.format {
        ListFormat::Json => {
            write!(out, "{}", v1::encode(&TargetsV1 { schema: TargetsSchema::V1, sites: places }))?;
        }
        ListFormat::Text => {
            let mut rows = vec![["PLACE", "TARGET", "TAG", "VALUE", "STATUS"].map(str::to_owned)];
            rows.extend(places.iter().map(row));
            write!(out, "{}", table::table(&rows))?;
            for place in &places {
                if let Some(message) = &place.message {
                    writeln!(context.stderr(), "warning: {}", escape::one_line(message))?;
                }
            }
        }
    }
    Ok(Exit::Success)
}

/// Returns the places of all targets, in the order of the settings. Each file is read once.
fn places(work_tree: &WorkTree, root: &Root) -> Result<Vec<TargetSiteV1>, CliError> {
    let (targets, pins) = (&root.settings.targets, pins(root));
    let globs: Vec<FilePath> =
        targets.iter().map(|target| &target.path).filter(|path| path.is_glob()).cloned().collect();
    let listed = if globs.is_empty() { Vec::new() } else { work_tree.paths(&globs)? };
    let mut places: Vec<Vec<TargetSiteV1>> = targets.iter().map(|_| Vec::new()).collect();
    for (path, numbers) in formats::files(targets.iter().enumerate(), &listed) {
        let file = work_tree.file(&path)?;
        let target_file = TargetFile::new(&path, file.as_ref().map(|file| file.bytes.as_slice()));
        for number in numbers {
            let target = &targets[number];
            match target.edits(&target_file, &pins) {
                Ok(edits) => places[number].extend(edits.into_iter().map(|edit| place(root, target, &path, edit))),
                Err(problem) => places[number].push(missing(root, target, &path, Some(problem.message))),
            }
        }
    }
    for (target, places) in targets.iter().zip(&mut places).filter(|(_, places)| places.is_empty()) {
        places.push(missing(root, target, target.path.as_str(), None));
    }
    Ok(places.concat())
}

fn place(root: &Root, target: &Target, path: &str, edit: TargetEdit) -> TargetSiteV1 {
    let status = match (root.lock.pins.contains_key(&edit.from), edit.is_current) {
        (false, _) => TargetStatusV1::NotPinned,
        (true, true) => TargetStatusV1::Matches,
        (true, false) => TargetStatusV1::Differs,
    };
    let (line, written) = (Some(edit.line), Some(edit.was));
    TargetSiteV1 { line, value: written, from: Some(edit.from.to_string()), status, ..bare(target, path) }
}

/// Describes a target without a place in `path`.
fn missing(root: &Root, target: &Target, path: &str, message: Option<String>) -> TargetSiteV1 {
    // Without an image there is nothing to search for.
    let is_unknown = target.from.as_ref().is_some_and(|from| pins(root)(from) == TargetPin::Elsewhere);
    if is_unknown && message.is_none() {
        return TargetSiteV1 { status: TargetStatusV1::NotPinned, ..bare(target, path) };
    }
    let message = message.unwrap_or_else(|| format!("target not found in `{path}`"));
    TargetSiteV1 { message: Some(message), ..bare(target, path) }
}

fn bare(target: &Target, path: &str) -> TargetSiteV1 {
    TargetSiteV1 {
        file: path.to_owned(),
        line: None,
        kind: target.kind.kind().key().to_owned(),
        keys: target.kind.keys().into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        from: target.from.as_ref().map(ToString::to_string),
        value: None,
        status: TargetStatusV1::NoMatch,
        message: None,
    }
}

fn row(place: &TargetSiteV1) -> [String; 5] {
    let at = place.line.map_or_else(|| place.file.clone(), |line| format!("{}:{line}", place.file));
    let mut target = place.kind.clone();
    for (key, value) in &place.keys {
        target.push_str(&if key == "at" { format!(" {value}") } else { format!(" {key}={value}") });
    }
    let status = match place.status {
        TargetStatusV1::Matches => "current",
        TargetStatusV1::Differs => "differs",
        TargetStatusV1::NotPinned => "not pinned",
        TargetStatusV1::NoMatch => "not found",
    };
    let written = place.value.as_deref().map(short_reference).unwrap_or_default();
    let from = place.from.clone().unwrap_or_default();
    [at, target, from, written, status.to_owned()]
}

/// Shortens the digest of a value.
pub(super) fn short_reference(written: &str) -> String {
    let short = match written.rsplit_once('@') {
        Some((image, digest)) => digest.parse::<Digest>().map(|digest| format!("{image}@{}", digest.short())),
        None => written.parse::<Digest>().map(|digest| digest.short().to_owned()),
    };
    escape::truncate(short.as_deref().unwrap_or(written), SHOWN_MAX)
}

/// Looks up pins; a tag without one has a placeholder, so that its places can be searched for.
fn pins(root: &Root) -> impl Fn(&TagId) -> TargetPin {
    move |id: &TagId| {
        let Some(tag) = root.definitions.tags.get(id) else {
            return TargetPin::Unknown(root.definitions.nearest(&id.to_string()).cloned());
        };
        if let Some(pin) = root.lock.pins.get(id) {
            return TargetPin::At(pin.reference());
        }
        let chosen = match &tag.source {
            TagSource::Select { repository, .. } => {
                "latest".parse().ok().map(|latest| ImageRef::tagged(repository.clone(), latest))
            }
            _ => root.image(id).cloned(),
        };
        match chosen.zip(PLACEHOLDER.parse().ok()) {
            Some((image, digest)) => TargetPin::At(PinnedRef { image, digest }),
            None => TargetPin::Elsewhere,
        }
    }
}
