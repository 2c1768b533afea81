//! `merge-driver`: joins three locks for Git, pin by pin.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::lock::merge::merge;
use crate::model::lock::{Lock, conflict_markers, read};
use crate::report::exit::Exit;
use crate::text::diagnostics::{Problem, SourceFile};
use crate::text::toml::source;

use super::CliError;
use super::context::CommandContext;

/// Merge three locks pin by pin, as Git calls it
///
/// `pinstream init` writes the line of `.gitattributes` that has Git use it, and prints the `git config` line that each
/// clone needs. Pins that one side moved are merged; one that both sides moved differently is left between conflict
/// markers, for `pinstream update` to import anew.
#[derive(Debug, clap::Args)]
pub struct MergeDriverArgs {
    /// The lock that both sides started from, `%O`
    #[arg(value_name = "BASE")]
    base: PathBuf,
    /// The lock of this side, `%A`, which is written
    #[arg(value_name = "OURS")]
    ours: PathBuf,
    /// The lock of the other side, `%B`
    #[arg(value_name = "THEIRS")]
    theirs: PathBuf,
    /// The lock's path in the repository, `%P`
    #[arg(value_name = "PATH", default_value = crate::model::lock::FILE_NAME)]
    path: PathBuf,
}

/// Runs it.
///
/// # Errors
/// Where a file cannot be read or written, and where a conflict is left.
pub fn run(context: &CommandContext, args: &MergeDriverArgs) -> Result<Exit, CliError> {
    let text = |path: &Path| {
        let read = fs::read(context.folder.join(path));
        read.map_err(|error| CliError::said(format!("`{}` cannot be read: {error}", path.display())))
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
            let message = format!("`{}` of `{side}` is not a lock: {}", args.path.display(), problem.message);
            return Err(CliError::said(message).help("take either side of the whole file, then run `pinstream update`"));
        }
    };
    // A base that cannot be read, or is not there, only makes more conflicts.
    let merged = merge(&lock("base", &base).unwrap_or_default(), &our, &their);
    write(context, &args.ours, &conflict_markers::render(&merged, &our, &their))?;
    if merged.conflicts.is_empty() {
        return Ok(Exit::Success);
    }
    let tags: Vec<String> = merged.conflicts.iter().map(ToString::to_string).collect();
    let quoted: Vec<String> = tags.iter().map(|tag| format!("`{tag}`")).collect();
    let message = format!("both sides moved {}, each its own way", quoted.join(", "));
    let path = args.path.display();
    Err(CliError::said(message).help(format!("run `pinstream update {}`, then `git add {path}`", tags.join(" "))))
}

/// The lock in the bytes of one side; nothing at all is an empty one.
fn lock(side: &str, bytes: &[u8]) -> Result<Lock, Problem> {
    let (file, problems) = source::decode(side, bytes);
    if let Some(problem) = problems.into_iter().next() {
        return Err(problem);
    }
    if file.text.trim().is_empty() {
        return Ok(Lock::default());
    }
    let unknown = |file: &Arc<SourceFile>| Problem::whole(Some(file), "it cannot be read");
    read::read(&file).map_err(|problems| problems.into_iter().next().unwrap_or_else(|| unknown(&file)))
}

fn write(context: &CommandContext, path: &Path, text: &str) -> Result<(), CliError> {
    let write: io::Result<()> = fs::write(context.folder.join(path), text);
    write.map_err(|error| CliError::said(format!("`{}` cannot be written: {error}", path.display())))
}
