//! `merge-driver`: merges three locks pin by pin, for Git.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::lock::merge::merge;
use crate::model::lock::{Lock, conflict_markers, read};
use crate::text::diagnostics::{Problem, SourceFile};
use crate::text::toml::source;

use super::{CliError, CommandContext, Exit};

/// Merge three lockfiles pin by pin; called by Git
///
/// `pinstream init` writes the line in `.gitattributes` and prints the `git config` command that each clone needs. A pin
/// that both sides changed differently is left between conflict markers; `pinstream update` resolves it again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  git config merge.pinstream.driver 'pinstream merge-driver %O %A %B %P'
  pinstream merge-driver base.lock ours.lock theirs.lock")]
pub struct MergeDriverArgs {
    /// Lock of the common ancestor (`%O`)
    #[arg(value_name = "BASE")]
    base: PathBuf,
    /// Lock of this side (`%A`); receives the result
    #[arg(value_name = "OURS")]
    ours: PathBuf,
    /// Lock of the other side (`%B`)
    #[arg(value_name = "THEIRS")]
    theirs: PathBuf,
    /// Path of the lock in the repository (`%P`), for messages
    #[arg(value_name = "PATH", default_value = crate::model::lock::FILE_NAME)]
    path: PathBuf,
}

/// Runs `merge-driver`.
///
/// # Errors
/// Fails if a file cannot be read or written, or a conflict remains.
pub fn run(context: &CommandContext, args: &MergeDriverArgs) -> Result<Exit, CliError> {
    let text = |path: &Path| {
        let read = fs::read(context.directory.join(path));
        read.map_err(|error| CliError::new(format!("cannot read `{}`: {error}", path.display())))
    };
    let (base, ours, theirs) = (text(&args.base)?, text(&args.ours)?, text(&args.theirs)?);
    let locks = [(&ours, "ours"), (&theirs, "theirs")].map(|(bytes, name)| lock(name, bytes));
    let [our, their] = match locks {
        [Ok(our), Ok(their)] => [our, their],
        [Err(problem), _] | [_, Err(problem)] => {
            let whole =
                conflict_markers::with_markers(&String::from_utf8_lossy(&ours), &String::from_utf8_lossy(&theirs));
            write(context, &args.ours, &whole)?;
            let side = problem.file.as_ref().map_or("ours", |file| file.path.as_str());
            let message =
                format!("`{}` of side `{side}` is not a valid lock: {}", args.path.display(), problem.message);
            return Err(CliError::new(message).help("check out one side of the file, then run `pinstream update`"));
        }
    };
    // A missing or unreadable base only causes more conflicts.
    let merged = merge(&lock("base", &base).unwrap_or_default(), &our, &their);
    write(context, &args.ours, &conflict_markers::render(&merged, &our, &their))?;
    if merged.conflicts.is_empty() {
        return Ok(Exit::Success);
    }
    let tags: Vec<String> = merged.conflicts.iter().map(ToString::to_string).collect();
    let quoted: Vec<String> = tags.iter().map(|tag| format!("`{tag}`")).collect();
    let message = format!("both sides changed {}", quoted.join(", "));
    let path = args.path.display();
    Err(CliError::new(message).help(format!("run `pinstream update {}`, then `git add {path}`", tags.join(" "))))
}

/// Parses the lock of one side; an empty file is an empty lock.
fn lock(side: &str, bytes: &[u8]) -> Result<Lock, Problem> {
    let (file, problems) = source::decode(side, bytes);
    if let Some(problem) = problems.into_iter().next() {
        return Err(problem);
    }
    if file.text.trim().is_empty() {
        return Ok(Lock::default());
    }
    let unknown = |file: &Arc<SourceFile>| Problem::whole(Some(file), "it cannot be parsed");
    read::read(&file).map_err(|problems| problems.into_iter().next().unwrap_or_else(|| unknown(&file)))
}

fn write(context: &CommandContext, path: &Path, text: &str) -> Result<(), CliError> {
    let write: io::Result<()> = fs::write(context.directory.join(path), text);
    write.map_err(|error| CliError::new(format!("cannot write `{}`: {error}", path.display())))
}
