//! `adopt`: OpenShift's ImageStreams become streams.

use std::io::Write as _;
use std::path::PathBuf;

use crate::convert::adopt::object::ImageStreamObjects;
use crate::convert::adopt::{AdoptOptions, AdoptResult, adopt};
use crate::git::Push;
use crate::git::work_tree::WorkTree;
use crate::model::image::{NameError, Platform};
use crate::model::lock::{self, Lock, encode};
use crate::model::root::Root;
use crate::model::settings;
use crate::model::stream::write;
use crate::report::exit::Exit;
use crate::text::diagnostics::Problems;

use super::error::CliError;
use super::support::context::CommandContext;
use super::support::write_files::{ExistingFile, write as write_files};
use super::support::{input, table};

/// Make streams of OpenShift ImageStreams, and say what is not carried over
///
/// Takes ImageStream objects, Lists of them and Templates that hold some, in JSON or YAML. What each field becomes is
/// in the stream's file; what does not become anything, or something else, is told on standard error.
#[derive(Debug, clap::Args)]
pub struct AdoptArgs {
    /// Files, folders with `.json`, `.yaml` and `.yml` files, or `-` for standard input
    #[arg(value_name = "FILE|FOLDER", required = true)]
    files: Vec<PathBuf>,
    /// Name streams `namespace/name`
    #[arg(long)]
    namespaces: bool,
    /// Make the first lock of what the tags stand at in the cluster
    #[arg(long)]
    with_status: bool,
    /// Pin this platform's image, as OpenShift does unless told otherwise, in place of the whole index
    #[arg(long, value_name = "OS/ARCH", value_parser = platform)]
    platform: Option<Platform>,
    /// Print what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Write over stream files that are there
    #[arg(long)]
    force: bool,
}

fn platform(text: &str) -> Result<Platform, NameError> {
    text.parse()
}

/// Runs it.
///
/// # Errors
/// Where something cannot be read, is no ImageStream, is there already, or would not be a right root.
pub fn run(context: &CommandContext, args: &AdoptArgs) -> Result<Exit, CliError> {
    let mut found = ImageStreamObjects::default();
    let mut problems = Vec::new();
    let is_wanted = |name: &str| [".json", ".yaml", ".yml"].iter().any(|end| name.ends_with(end));
    for file in input::read(context, &args.files, is_wanted)? {
        problems.extend(found.read(&file).err());
    }
    Problems::none_or(problems)?;
    if found.objects.is_empty() {
        let error = CliError::new("there is no ImageStream in what was named");
        return Err(error.help("`oc get imagestreams -o yaml` prints some"));
    }

    let place = Place::find(context)?;
    let root = Root::read(&place.files)?;
    let wishes =
        AdoptOptions { namespaces: args.namespaces, status: args.with_status, platform: args.platform.clone() };
    let adopted = adopt(found.objects, &root, &wishes)?;
    let existing =
        if args.force { ExistingFile::Replace } else { ExistingFile::Refuse("`--force` writes over what is there") };
    let lock = args.with_status.then(|| joined(&root.lock, &adopted.lock, existing));

    let mut files = place.new_files();
    let text = |(name, stream)| (format!("streams/{name}.toml"), write::text(name, stream));
    files.extend(adopted.streams.iter().map(text));
    let lock = lock.filter(|lock| *lock != root.lock).map(|lock| encode::encode(&lock));
    place.would_be_right(&files, lock.as_deref())?;

    if args.dry_run {
        let mut out = context.stdout();
        let lock = lock.map(|lock| (lock::FILE_NAME.to_owned(), lock));
        for (at, (path, text)) in files.iter().chain(&lock).enumerate() {
            writeln!(out, "{}# {path}\n{text}", if at == 0 { "" } else { "\n" })?;
        }
    } else {
        write_files(&place.folder, &files, existing)?;
        let mut out = context.stdout();
        for (path, _) in &files {
            writeln!(out, "wrote {path}")?;
        }
        if let Some(lock) = &lock {
            place.write_lock(lock)?;
            writeln!(out, "wrote {}", lock::FILE_NAME)?;
        }
        writeln!(out, "next: read what was written, run `pinstream update`, and commit all of it")?;
    }
    tell(&adopted, &found.others)?;
    Ok(Exit::Success)
}

/// The root that the streams go to: the one that the folder is in, else a new one in the folder.
struct Place {
    folder: WorkTree,
    files: crate::git::RootFiles,
    is_new: bool,
}

impl Place {
    fn find(context: &CommandContext) -> Result<Self, CliError> {
        let (folder, is_new) = match context.root_directory() {
            Ok(folder) => (folder, false),
            Err(_) => (WorkTree(context.directory.clone()), true),
        };
        let mut files = folder.read()?;
        if is_new {
            files.insert(settings::FILE_NAME.to_owned(), Vec::new());
        }
        Ok(Self { folder, files, is_new })
    }

    /// The files that make a new root one.
    fn new_files(&self) -> Vec<(String, String)> {
        let settings = (settings::FILE_NAME.to_owned(), super::init::SETTINGS.to_owned());
        self.is_new.then_some(settings).into_iter().collect()
    }

    /// Reads the root as it would be with `files` and `lock`, so that nothing is written that no command could read.
    fn would_be_right(&self, files: &[(String, String)], lock: Option<&str>) -> Result<(), CliError> {
        let mut all = self.files.clone();
        all.extend(files.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes())));
        all.extend(lock.map(|lock| (lock::FILE_NAME.to_owned(), lock.as_bytes().to_vec())));
        Root::read(&all)?;
        Ok(())
    }

    fn write_lock(&self, text: &str) -> Result<(), CliError> {
        match self.folder.write_lock(&self.folder.version()?, text)? {
            Push::Landed(_) => Ok(()),
            _ => Err(CliError::new("the lock changed while it was written").help("run it again with `--force`")),
        }
    }
}

/// The lock with the new pins in it; a pin that is there stands, unless all is written over.
fn joined(old: &Lock, new: &Lock, existing: ExistingFile) -> Lock {
    let mut lock = old.clone();
    for (id, pin) in &new.pins {
        match existing {
            ExistingFile::Replace => drop(lock.pins.insert(id.clone(), pin.clone())),
            ExistingFile::Refuse(_) => drop(lock.pins.entry(id.clone()).or_insert_with(|| pin.clone())),
        }
    }
    lock
}

/// Tells what is not as it was.
fn tell(adopted: &AdoptResult, others: &std::collections::BTreeMap<String, usize>) -> Result<(), CliError> {
    let mut talk = anstream::stderr().lock();
    if !adopted.notes.is_empty() {
        let mut rows = vec![["FIELD", "OF", "IN ITS PLACE, OR WHY NOT"].map(str::to_owned)];
        rows.extend(adopted.notes.rows());
        write!(talk, "not carried over as it was:\n{}", table::table(&rows))?;
    }
    if !others.is_empty() {
        let kinds: Vec<String> = others.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        writeln!(talk, "passed over, for they are no ImageStreams: {}", kinds.join(", "))?;
    }
    Ok(())
}
