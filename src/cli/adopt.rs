//! `adopt`: converts OpenShift ImageStreams to streams.

use std::io::Write as _;
use std::path::PathBuf;

use crate::convert::adopt::object::ImageStreamObjects;
use crate::convert::adopt::{AdoptOptions, AdoptResult, adopt};
use crate::git::Push;
use crate::git::work_tree::WorkTree;
use crate::model::image::{Platform, TagId};
use crate::model::lock::{self, Lock, encode};
use crate::model::root::Root;
use crate::model::settings;
use crate::model::stream::write;
use crate::text::diagnostics::Problems;

use super::support::write_files::{ExistingFile, write as write_files};
use super::support::{input, table};
use super::{CliError, CommandContext, Exit};

/// Convert OpenShift ImageStreams to streams
///
/// Reads ImageStream objects, Lists and Templates in JSON or YAML. Fields that are changed or left out are reported on
/// standard error.
#[derive(Debug, clap::Args)]
pub struct AdoptArgs {
    /// Files, directories with `.json`, `.yaml` and `.yml` files, or `-` for standard input
    #[arg(value_name = "FILE|DIR", required = true)]
    files: Vec<PathBuf>,
    /// Name streams `namespace/name`
    #[arg(long)]
    namespaces: bool,
    /// Create the first lock from the current images in the cluster
    #[arg(long)]
    with_status: bool,
    /// Pin the image of one platform, as OpenShift does by default, instead of the index
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
    /// Print the files without writing them
    #[arg(long)]
    dry_run: bool,
    /// Overwrite existing stream files
    #[arg(long)]
    force: bool,
}

/// Runs `adopt`.
///
/// # Errors
/// A file cannot be read or already exists, there is no ImageStream, or the result would not be a valid root.
pub fn run(context: &CommandContext, args: &AdoptArgs) -> Result<Exit, CliError> {
    let mut found = ImageStreamObjects::default();
    let mut problems = Vec::new();
    let is_wanted = |name: &str| [".json", ".yaml", ".yml"].iter().any(|end| name.ends_with(end));
    for file in input::read(context, &args.files, is_wanted)? {
        problems.extend(found.read(&file).err());
    }
    Problems::check(problems)?;
    if found.objects.is_empty() {
        let error = CliError::new("no ImageStream found");
        return Err(error.help("export them with `oc get imagestreams -o yaml`"));
    }

    let place = Place::find(context)?;
    let root = Root::read(&place.files)?;
    let options =
        AdoptOptions { namespaces: args.namespaces, status: args.with_status, platform: args.platform.clone() };
    let adopted = adopt(found.objects, &root, &options)?;
    let existing =
        if args.force { ExistingFile::Replace } else { ExistingFile::Refuse("use `--force` to overwrite it") };
    let lock = args.with_status.then(|| joined(&root.lock, &adopted.lock, existing));

    let mut files = place.new_files();
    let text = |(name, stream)| (format!("streams/{name}.toml"), write::render(name, stream));
    files.extend(adopted.streams.iter().map(text));
    let lock = lock.filter(|lock| *lock != root.lock).map(|lock| encode::encode(&lock));
    place.check(&files, lock.as_deref())?;

    if args.dry_run {
        let mut out = context.stdout();
        let lock = lock.map(|lock| (lock::FILE_NAME.to_owned(), lock));
        for (at, (path, text)) in files.iter().chain(&lock).enumerate() {
            writeln!(out, "{}# {path}\n{text}", if at == 0 { "" } else { "\n" })?;
        }
    } else {
        write_files(&place.work_tree, &files, existing)?;
        let mut out = context.stdout();
        for (path, _) in &files {
            writeln!(out, "wrote {path}")?;
        }
        if let Some(lock) = &lock {
            place.write_lock(lock)?;
            writeln!(out, "wrote {}", lock::FILE_NAME)?;
        }
        writeln!(out, "next: review the files, run `pinstream update`, then commit")?;
    }
    report(&adopted, &found.skipped)?;
    Ok(Exit::Success)
}

/// The root for the streams: the current one, or a new one in the current directory.
struct Place {
    work_tree: WorkTree,
    files: crate::git::RootFiles,
    is_new: bool,
}

impl Place {
    fn find(context: &CommandContext) -> Result<Self, CliError> {
        let (work_tree, is_new) = match context.root_directory() {
            Ok(work_tree) => (work_tree, false),
            Err(_) => (WorkTree(context.directory.clone()), true),
        };
        let mut files = work_tree.read()?;
        if is_new {
            files.insert(settings::FILE_NAME.to_owned(), Vec::new());
        }
        Ok(Self { work_tree, files, is_new })
    }

    /// Returns the files of a new root.
    fn new_files(&self) -> Vec<(String, String)> {
        let settings = (settings::FILE_NAME.to_owned(), super::init::SETTINGS.to_owned());
        self.is_new.then_some(settings).into_iter().collect()
    }

    /// Checks that the root would be valid with `files` and `lock`.
    fn check(&self, files: &[(String, String)], lock: Option<&str>) -> Result<(), CliError> {
        let mut all = self.files.clone();
        all.extend(files.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes())));
        all.extend(lock.map(|lock| (lock::FILE_NAME.to_owned(), lock.as_bytes().to_vec())));
        Root::read(&all)?;
        Ok(())
    }

    fn write_lock(&self, text: &str) -> Result<(), CliError> {
        match self.work_tree.write_lock(&self.work_tree.version()?, text)? {
            Push::Landed(_) => Ok(()),
            _ => Err(CliError::new("the lock changed during the conversion").help("run again with `--force`")),
        }
    }
}

/// Merges the new pins into the lock; existing pins remain unless `existing` replaces them.
fn joined(old: &Lock, new: &Lock, existing: ExistingFile) -> Lock {
    let is_wanted = |id: &TagId| existing == ExistingFile::Replace || !old.pins.contains_key(id);
    let mut lock = old.clone();
    let new = new.pins.iter().filter(|(id, _)| is_wanted(id));
    lock.pins.extend(new.map(|(id, pin)| (id.clone(), pin.clone())));
    lock
}

/// Reports what was not converted unchanged.
fn report(adopted: &AdoptResult, skipped: &std::collections::BTreeMap<String, usize>) -> Result<(), CliError> {
    let mut err = anstream::stderr().lock();
    if !adopted.notes.is_empty() {
        let mut rows = vec![["FIELD", "OF", "REASON OR REPLACEMENT"].map(str::to_owned)];
        rows.extend(adopted.notes.rows());
        write!(err, "changed or not converted:\n{}", table::table(&rows))?;
    }
    if !skipped.is_empty() {
        let kinds: Vec<String> = skipped.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        writeln!(err, "skipped other objects: {}", kinds.join(", "))?;
    }
    Ok(())
}
