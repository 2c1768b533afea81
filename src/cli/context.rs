//! What every command stands on: where it works, how it speaks, what the operator allows.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::ColorChoice;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::git::work_tree::WorkTree;
use crate::model::image::NameError;
use crate::model::root::Root;
use crate::model::settings;
use crate::model::settings::globs::TagGlobs;
use crate::model::settings::policy::Policy;
use crate::system::environment;
use crate::text::diagnostics::RenderStyle;
use crate::text::escape;

use super::{CliError, Global};

/// What every command stands on.
#[derive(Debug)]
pub struct CommandContext {
    /// The folder it works in.
    pub folder: PathBuf,
    /// How its output looks.
    pub style: RenderStyle,
    /// Whether a progress bar may be drawn.
    pub is_watched: bool,
    /// How much it says.
    pub verbose: u8,
    /// What the operator allows.
    pub policy: Option<Policy>,
}

impl CommandContext {
    /// Reads what holds for every command.
    ///
    /// # Errors
    /// Where the folder or the policy cannot be read.
    pub fn new(global: &Global) -> Result<Self, CliError> {
        let current = environment::current_directory()
            .map_err(|error| CliError::said(format!("the current folder cannot be read: {error}")))?;
        let named = global.directory.as_ref().map_or_else(|| current.clone(), |folder| current.join(folder));
        // Without `..` and links: what is above a folder is looked for by its name.
        let folder = named.canonicalize().ok().filter(|folder| folder.is_dir());
        let folder = folder.ok_or_else(|| CliError::said(format!("`{}` is not a folder", named.display())))?;
        speak(global.verbose);
        let style = style_of(global.color, &io::stdout());
        match style {
            RenderStyle::Colour => anstream::ColorChoice::Always,
            RenderStyle::Plain => anstream::ColorChoice::Never,
        }
        .write_global();
        let policy = global.policy.as_deref().map(|path| read_policy(&folder.join(path))).transpose()?;
        Ok(Self {
            folder,
            style,
            is_watched: io::stderr().is_terminal() && global.verbose == 0 && !is_dumb(),
            verbose: global.verbose,
            policy,
        })
    }

    /// The folder of the root that the current folder is in.
    ///
    /// # Errors
    /// Where there is none.
    pub fn root_folder(&self) -> Result<WorkTree, CliError> {
        let holds_root = |folder: &&Path| folder.join(settings::FILE_NAME).is_file();
        let found = self.folder.ancestors().find(holds_root).map(|folder| WorkTree(folder.to_owned()));
        found.ok_or_else(|| {
            CliError::said(format!("there is no `pinstream.toml` in `{}` or above it", self.folder.display()))
                .help("`pinstream init` writes one")
        })
    }

    /// Reads the root that the current folder is in.
    ///
    /// # Errors
    /// Where there is none, and every problem of its files.
    pub fn root(&self) -> Result<(WorkTree, Root), CliError> {
        let folder = self.root_folder()?;
        let root = Root::read(&folder.read()?)?;
        Ok((folder, root))
    }

    /// Standard output, for as long as somebody reads it.
    pub fn stdout(&self) -> impl Write {
        stdout()
    }

    /// Standard error, for what people should know beside the output; for as long, too.
    pub fn stderr(&self) -> impl Write {
        stderr()
    }
}

/// Standard output, for as long as somebody reads it; before there is a context, too.
pub(super) fn stdout() -> impl Write {
    WhileRead { out: anstream::stdout().lock(), is_read: true }
}

/// The same of standard error.
pub(super) fn stderr() -> impl Write {
    WhileRead { out: anstream::stderr().lock(), is_read: true }
}

/// An output that somebody may close, as `head` does: what comes after that is dropped, and changes no exit code.
struct WhileRead<W> {
    out: W,
    is_read: bool,
}

impl<W: Write> WhileRead<W> {
    fn unless_closed<T>(&mut self, result: io::Result<T>, closed: T) -> io::Result<T> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_read = false;
                Ok(closed)
            }
            result => result,
        }
    }
}

impl<W: Write> Write for WhileRead<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_read {
            return Ok(bytes.len());
        }
        let written = self.out.write(bytes);
        self.unless_closed(written, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = if self.is_read { self.out.flush() } else { Ok(()) };
        self.unless_closed(flushed, ())
    }
}

/// Standard error for what is said of the work: libraries quote servers there, whose text acts on nobody.
struct Talk;

impl Write for Talk {
    /// Takes whole lines, as they are said.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(escape::lines(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// The tags that `words` mean; none means all tags. Whether each means one is for whoever has the root to say.
///
/// # Errors
/// A usage error for what is no pattern.
pub fn patterns(words: &[String]) -> Result<Option<TagGlobs>, CliError> {
    let patterns = TagGlobs::new(words.iter().map(String::as_str)).map_err(usage)?;
    Ok(Some(patterns).filter(|patterns| !patterns.is_all()))
}

/// A name that was not accepted on the command line.
pub fn usage(error: NameError) -> CliError {
    let said = CliError::usage(error.message);
    match error.help {
        Some(help) => said.help(help),
        None => said,
    }
}

/// How output to `stream` looks: colour on a terminal only, and never against `NO_COLOR`.
pub fn style_of(choice: ColorChoice, stream: &impl IsTerminal) -> RenderStyle {
    let colour = match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => stream.is_terminal() && environment::var("NO_COLOR").is_none() && !is_dumb(),
    };
    if colour { RenderStyle::Colour } else { RenderStyle::Plain }
}

/// Whether the terminal can do nothing but show text.
fn is_dumb() -> bool {
    environment::var("TERM").is_some_and(|term| term == "dumb")
}

fn read_policy(path: &Path) -> Result<Policy, CliError> {
    let shown = path.display().to_string();
    let bytes =
        std::fs::read(path).map_err(|error| CliError::said(format!("the policy `{shown}` cannot be read: {error}")))?;
    Ok(Policy::read(&shown, &bytes)?)
}

/// Sends what the program says of its work to standard error; what libraries say too, where twice as much is wanted.
fn speak(verbose: u8) {
    let lines = tracing_subscriber::fmt::layer().with_writer(|| Talk).without_time();
    let lines = lines.with_target(verbose > 1).with_ansi(false);
    let shown = match verbose {
        0 => Targets::new().with_default(LevelFilter::WARN),
        1 => Targets::new().with_default(LevelFilter::WARN).with_target("pinstream", LevelFilter::DEBUG),
        _ => Targets::new().with_default(LevelFilter::TRACE),
    };
    // A second subscriber, in a test that runs two commands in one process, changes nothing.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines).with(shown));
}
