//! `targets`: the places that targets mean, and whether they hold their pins. Asks no registry and writes nothing, but
//! for `targets add`, which writes settings.

mod add;

use std::io::Write as _;

use crate::formats::path::FilePath;
use crate::formats::sites::{FileSites, TargetSite};
use crate::formats::{self, Target, TargetPin};
use crate::git::work_tree::WorkTree;
use crate::model::image::{Digest, ImageRef, PinnedRef, TagId};
use crate::model::root::Root;
use crate::model::stream::TagSource;
use crate::report::exit::Exit;
use crate::report::v1::targets::{TargetSiteV1, TargetsV1};
use crate::report::v1::words::TargetStatusV1;
use crate::text::escape;

use super::error::CliError;
use super::support::context::CommandContext;
use super::support::output::ListFormat;
use super::support::table;

/// How much of what stands in a place is shown, in characters.
const SHOWN_MAX: usize = 80;
/// The digest of a pin that is still to come.
const TO_COME: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// List the places that targets write pins into, and whether they hold them; `add` finds more
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub struct TargetsArgs {
    /// In which form
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: ListFormat,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Add(add::TargetsAddArgs),
}

/// Runs it.
///
/// # Errors
/// Where the root or a file cannot be read.
pub fn run(context: &CommandContext, args: &TargetsArgs) -> Result<Exit, CliError> {
    if let Some(Command::Add(args)) = &args.command {
        return add::run(context, args);
    }
    let (folder, root) = context.root()?;
    let places = places(&folder, &root)?;
    let mut out = context.stdout();
    match args.format {
        ListFormat::Json => write!(out, "{}", TargetsV1::new(places).to_json())?,
        ListFormat::Text => {
            let mut rows = vec![["AT", "TARGET", "TAG", "WRITTEN", "STATUS"].map(str::to_owned)];
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

/// The places of all targets, in the order of these; one without a place says so. Each file is read once.
fn places(folder: &WorkTree, root: &Root) -> Result<Vec<TargetSiteV1>, CliError> {
    let (targets, pins) = (&root.settings.targets, pins(root));
    let globs: Vec<FilePath> =
        targets.iter().map(|target| &target.path).filter(|path| path.is_glob()).cloned().collect();
    let listed = if globs.is_empty() { Vec::new() } else { folder.paths(&globs)? };
    let mut places: Vec<Vec<TargetSiteV1>> = targets.iter().map(|_| Vec::new()).collect();
    for (path, numbers) in formats::files(targets.iter().enumerate(), &listed) {
        let file = folder.file(&path)?;
        let looked = FileSites::new(&path, file.as_ref().map(|file| file.bytes.as_slice()));
        for number in numbers {
            let target = &targets[number];
            match target.sites(&looked, &pins) {
                Ok(sites) => places[number].extend(sites.into_iter().map(|site| place(root, target, &path, site))),
                Err(problem) => places[number].push(nowhere(root, target, &path, Some(problem.message))),
            }
        }
    }
    for (target, places) in targets.iter().zip(&mut places).filter(|(_, places)| places.is_empty()) {
        places.push(nowhere(root, target, target.path.as_str(), None));
    }
    Ok(places.concat())
}

fn place(root: &Root, target: &Target, path: &str, site: TargetSite) -> TargetSiteV1 {
    let status = match (root.lock.pins.contains_key(&site.from), site.is_right) {
        (false, _) => TargetStatusV1::NotPinned,
        (true, true) => TargetStatusV1::Holds,
        (true, false) => TargetStatusV1::Differs,
    };
    let (line, written) = (Some(site.line), Some(site.written));
    TargetSiteV1 { line, written, from: Some(site.from.to_string()), status, ..bare(target, path) }
}

/// A target without a place in the files that `path` means.
fn nowhere(root: &Root, target: &Target, path: &str, message: Option<String>) -> TargetSiteV1 {
    // Where nothing is known of its image, nothing is looked for.
    let is_to_come = target.from.as_ref().is_some_and(|from| pins(root)(from) == TargetPin::Elsewhere);
    if is_to_come && message.is_none() {
        return TargetSiteV1 { status: TargetStatusV1::NotPinned, ..bare(target, path) };
    }
    let message = message.unwrap_or_else(|| format!("no file of `{path}` has the target's place"));
    TargetSiteV1 { message: Some(message), ..bare(target, path) }
}

fn bare(target: &Target, path: &str) -> TargetSiteV1 {
    let (kind, keys) = target.kind.keys();
    TargetSiteV1 {
        file: path.to_owned(),
        line: None,
        kind: kind.to_owned(),
        keys: keys.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        from: target.from.as_ref().map(ToString::to_string),
        written: None,
        status: TargetStatusV1::NoPlace,
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
        TargetStatusV1::Holds => "holds its pin",
        TargetStatusV1::Differs => "differs",
        TargetStatusV1::NotPinned => "not pinned",
        TargetStatusV1::NoPlace => "no place",
    };
    let written = place.written.as_deref().map(shortened).unwrap_or_default();
    let from = place.from.clone().unwrap_or_default();
    [at, target, from, written, status.to_owned()]
}

/// What is written, with as much of its digest as people compare.
fn shortened(written: &str) -> String {
    let short = match written.rsplit_once('@') {
        Some((image, digest)) => digest.parse::<Digest>().map(|digest| format!("{image}@{}", digest.short())),
        None => written.parse::<Digest>().map(|digest| digest.short().to_owned()),
    };
    escape::within(short.as_deref().unwrap_or(written), SHOWN_MAX)
}

/// What is known of each tag; one that has no pin yet is taken to have one, so that its places can be looked for.
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
        match chosen.zip(TO_COME.parse().ok()) {
            Some((image, digest)) => TargetPin::At(PinnedRef { image, digest }),
            None => TargetPin::Elsewhere,
        }
    }
}
