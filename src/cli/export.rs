//! `export`: pins in the form that another tool reads.

mod project;

use std::io::Write as _;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::convert::export::{ExportFormat, ExportResult, export};
use crate::report::exit::Exit;
use crate::text::escape;

use super::error::CliError;
use super::support::context::{CommandContext, patterns};
use super::support::input;

/// How long a note may be, in characters: it names up to ten tags.
const NOTE_MAX: usize = 2_000;

/// Write pins in the form that another tool reads: kustomize, compose, kbld, a shell, OpenShift
///
/// From the files of the root alone: no registry is asked, and the same pins make the same bytes. A tag that is not pinned
/// as it is defined is an error, and so is what the form cannot say. Each tag is `registry/repository@digest`.
///
/// `kustomize` is a component, to be named in the `components` of a kustomization. One entry of `images` is all tags of a
/// repository, so the tags that are exported may not stand at two digests of one: name those that you deploy.
///
/// `compose` gives each service that has the image of a tag its pin, to be used as `docker compose -f compose.yaml -f
/// pins.yaml up`. The services are those of the files of `--file`, else of the one project in the root. `env` is for files
/// that have `${PYTHON_3_12}` in place of an image, and for `. ./pins.env` in a shell.
///
/// `imagestream` is for `oc apply -f -`: a stream `team-a/web` goes to the namespace `team-a`, `web` to the current one.
/// The history in `status` is for programs that read the objects, as `pinstream adopt --with-status`. A cluster does not
/// take it: it keeps the `status` that it has, and adds an item of its own whenever an applied digest was imported.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// In which form
    #[arg(value_name = "FORMAT")]
    format: Form,
    /// Tags: a stream, `stream:tag`, or a glob; all where none is given
    #[arg(value_name = "TAG")]
    tags: Vec<String>,
    /// For `compose`: a compose file, or several in the order in which `docker compose` is given them
    #[arg(short, long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// In which form pins are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A component with `images`
    Kustomize,
    /// An override file with the images of services
    Compose,
    /// A configuration with `overrides`
    Kbld,
    /// Lines `NAME=repository@digest`
    Env,
    /// `pinstream.export/v1`
    Json,
    /// An ImageStream a stream
    #[value(name = "imagestream")]
    ImageStream,
}

/// Runs it.
///
/// # Errors
/// Where the root cannot be read, a tag is not pinned as it is defined, or the form cannot say what is pinned.
pub fn run(context: &CommandContext, args: &ExportArgs) -> Result<Exit, CliError> {
    if args.format != Form::Compose && !args.files.is_empty() {
        return Err(CliError::usage("`--file` is for `compose` alone").help("leave it out"));
    }
    let (folder, root) = context.root()?;
    let only = patterns(&args.tags)?.unwrap_or_default();
    root.has(&only)?;
    let files = match args.format {
        Form::Compose if args.files.is_empty() => project::files(&folder)?,
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
        writeln!(err, "note: {}", escape::within(&note, NOTE_MAX))?;
    }
    Ok(Exit::Success)
}
