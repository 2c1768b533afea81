//! `export`: writes pins in the formats of other tools.

mod project;

use std::io::Write as _;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::convert::export::{ExportFormat, ExportResult, export};
use crate::text::escape;

use super::support::input;
use super::{CliError, CommandContext, Exit};

/// Maximum length of a note, in characters; it names up to ten tags.
const NOTE_MAX: usize = 2_000;

/// Write pins for other tools: kustomize, compose, kbld, shells, OpenShift
///
/// Reads only the files of the root; equal pins give equal bytes. A tag with a missing or stale pin is an error, and so is
/// anything that the format cannot express. Each tag becomes `registry/repository@digest`.
///
/// `kustomize` writes a component for the `components` of a kustomization. One entry of `images` covers all tags of a
/// repository, so select tags whose digests agree.
///
/// `compose` writes an override file with the pin of each service that uses the image of a tag: `docker compose -f
/// compose.yaml -f pins.yaml up`. Services come from the files of `--file`, or from the only compose project in the root.
/// `env` writes variables for files with `${PYTHON_3_12}` instead of an image, or for `. ./pins.env` in a shell.
///
/// `imagestream` writes objects for `oc apply -f -`: stream `team-a/web` belongs to namespace `team-a`, `web` to the current
/// one. The history in `status` is for programs that read the objects, such as `pinstream adopt --with-status`; a cluster
/// ignores it and adds an item of its own whenever it imports an applied digest.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// Output format
    #[arg(value_name = "FORMAT")]
    format: Form,
    /// Tags: `stream`, `stream:tag` or a glob (default: all)
    #[arg(value_name = "TAG")]
    tags: Vec<String>,
    /// Compose files, in the order in which `docker compose` reads them (`compose` only)
    #[arg(short, long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Formats of `export`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Component with `images`
    Kustomize,
    /// Override file with the images of services
    Compose,
    /// Configuration with `overrides`
    Kbld,
    /// Lines `NAME=repository@digest`
    Env,
    /// `pinstream.export/v1`
    Json,
    /// One ImageStream per stream
    #[value(name = "imagestream")]
    ImageStream,
}

/// Runs `export`.
///
/// # Errors
/// The root cannot be read, a pin is missing or stale, or the format cannot express it.
pub fn run(context: &CommandContext, args: &ExportArgs) -> Result<Exit, CliError> {
    if args.format != Form::Compose && !args.files.is_empty() {
        return Err(CliError::usage("`--file` is only supported with `compose`").help("remove it"));
    }
    let (work_tree, root, only) = context.selected(&args.tags)?;
    let files = match args.format {
        Form::Compose if args.files.is_empty() => project::files(&work_tree)?,
        _ => input::read(context, &args.files, |name| name.ends_with(".yaml") || name.ends_with(".yml"))?,
    };
    let format = match args.format {
        Form::Kustomize => ExportFormat::Kustomize,
        Form::Compose => ExportFormat::Compose(&files),
        Form::Kbld => ExportFormat::Kbld,
        Form::Env => ExportFormat::Env,
        Form::Json => ExportFormat::Json,
        Form::ImageStream => ExportFormat::ImageStream,
    };
    let ExportResult { text, notes } = export(format, &root, &only)?;
    write!(context.stdout(), "{text}")?;
    let mut err = context.stderr();
    for note in notes {
        writeln!(err, "note: {}", escape::truncate(&note, NOTE_MAX))?;
    }
    Ok(Exit::Success)
}
