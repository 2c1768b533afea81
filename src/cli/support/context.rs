//! The context of a command: working directory, output style, log level and policy.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ColorChoice};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::effects::real::RealWorld;
use crate::effects::repo::Repo;
use crate::git::work_tree::WorkTree;
use crate::model::root::Root;
use crate::model::settings;
use crate::model::settings::globs::TagGlobs;
use crate::model::settings::policy::Policy;
use crate::system::environment;
use crate::text::diagnostics::RenderStyle;
use crate::text::escape;

use crate::cli::CliError;

/// Options of all commands.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// Run as if started in DIR
    #[arg(short = 'C', long, global = true, value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// Verbose: log requests and decisions (`-vv` adds library logs)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
    /// The operator's policy, a TOML file outside the repository
    #[arg(long, global = true, value_name = "FILE", env = "PINSTREAM_POLICY")]
    pub policy: Option<PathBuf>,
}

/// Context of a command.
#[derive(Debug)]
pub struct CommandContext {
    /// Working directory, canonicalized.
    pub directory: PathBuf,
    /// Style of the output.
    pub style: RenderStyle,
    /// True if a progress bar may be drawn.
    pub is_watched: bool,
    /// Number of `-v` flags.
    pub verbose: u8,
    /// The operator's policy.
    pub policy: Option<Policy>,
}

impl CommandContext {
    /// Sets up logging and colours, and reads the policy.
    ///
    /// # Errors
    /// Fails if the directory or the policy cannot be read.
    pub fn new(global: &GlobalArgs) -> Result<Self, CliError> {
        let current = environment::current_directory()
            .map_err(|error| CliError::new(format!("cannot read the current directory: {error}")))?;
        let named = global.directory.as_ref().map_or_else(|| current.clone(), |path| current.join(path));
        // Ancestors are found by name, so `..` and links are resolved first.
        let directory = named.canonicalize().ok().filter(|path| path.is_dir());
        let directory = directory.ok_or_else(|| CliError::new(format!("`{}` is not a directory", named.display())))?;
        start_logging(global.verbose);
        let style = style_of(global.color, &io::stdout());
        match style {
            RenderStyle::Colour => anstream::ColorChoice::Always,
            RenderStyle::Plain => anstream::ColorChoice::Never,
        }
        .write_global();
        let policy = global.policy.as_deref().map(|path| read_policy(&directory.join(path))).transpose()?;
        Ok(Self {
            directory,
            style,
            is_watched: io::stderr().is_terminal() && global.verbose == 0 && !is_dumb(),
            verbose: global.verbose,
            policy,
        })
    }

    /// Returns the root directory that contains the working directory.
    ///
    /// # Errors
    /// Fails if no ancestor has a `pinstream.toml`.
    pub fn root_directory(&self) -> Result<WorkTree, CliError> {
        let is_root = |directory: &&Path| directory.join(settings::FILE_NAME).is_file();
        let found = self.directory.ancestors().find(is_root).map(|directory| WorkTree(directory.to_owned()));
        found.ok_or_else(|| {
            CliError::new(format!("no `pinstream.toml` in `{}` or any parent directory", self.directory.display()))
                .help("run `pinstream init` to create one")
        })
    }

    /// Reads the root that contains the working directory.
    ///
    /// # Errors
    /// Fails if there is no root; returns all problems in its files.
    pub fn root(&self) -> Result<(WorkTree, Root), CliError> {
        let work_tree = self.root_directory()?;
        let root = Root::read(&work_tree.read()?)?;
        Ok((work_tree, root))
    }

    /// Reads the root as [`Self::root`] does, and parses TAG arguments; none means all tags.
    ///
    /// # Errors
    /// Fails also if a pattern is invalid or matches no tag.
    pub fn selected(&self, tags: &[String]) -> Result<(WorkTree, Root, TagGlobs), CliError> {
        let (work_tree, root) = self.root()?;
        let only = patterns(tags)?.unwrap_or_default();
        root.check_patterns(&only)?;
        Ok((work_tree, root, only))
    }

    /// Builds the effects on a work tree, restricted by the policy.
    pub fn world(&self, work_tree: &WorkTree) -> RealWorld {
        RealWorld::new(Repo::WorkTree(work_tree.clone()), self.policy.clone(), Box::new(|_| {}))
    }

    /// Returns standard output; writes after the reader has closed it are dropped.
    pub fn stdout(&self) -> impl Write {
        stdout()
    }

    /// Returns standard error; writes after the reader has closed it are dropped.
    pub fn stderr(&self) -> impl Write {
        stderr()
    }
}

/// Standard output, usable before a context exists.
pub fn stdout() -> impl Write {
    WhileRead(anstream::stdout().lock())
}

/// Standard error, usable before a context exists.
pub fn stderr() -> impl Write {
    WhileRead(anstream::stderr().lock())
}

/// A writer that ignores a closed pipe, e.g. of `head`, so that the exit code does not depend on the reader.
struct WhileRead<W>(W);

impl<W: Write> Write for WhileRead<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        unless_closed(self.0.write(bytes), bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        unless_closed(self.0.flush(), ())
    }
}

fn unless_closed<T>(result: io::Result<T>, closed: T) -> io::Result<T> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(closed),
        result => result,
    }
}

/// Standard error for log lines; control characters are escaped, because libraries quote servers.
struct LogWriter;

impl Write for LogWriter {
    /// Writes whole lines, as the subscriber formats them.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(escape::lines(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Parses TAG arguments; none means all tags. Patterns that match no tag are not detected here.
///
/// # Errors
/// Returns a usage error for an invalid pattern.
pub fn patterns(args: &[String]) -> Result<Option<TagGlobs>, CliError> {
    let patterns = TagGlobs::new(args.iter().map(String::as_str))?;
    Ok(Some(patterns).filter(|patterns| !patterns.is_all()))
}

/// Chooses the style of output to `stream`: by default colour on a terminal, unless `NO_COLOR` is set.
pub fn style_of(choice: ColorChoice, stream: &impl IsTerminal) -> RenderStyle {
    let colour = match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => stream.is_terminal() && environment::var("NO_COLOR").is_none() && !is_dumb(),
    };
    if colour { RenderStyle::Colour } else { RenderStyle::Plain }
}

/// Returns true if the terminal supports plain text only.
fn is_dumb() -> bool {
    environment::var("TERM").is_some_and(|term| term == "dumb")
}

fn read_policy(path: &Path) -> Result<Policy, CliError> {
    let shown = path.display().to_string();
    let bytes =
        std::fs::read(path).map_err(|error| CliError::new(format!("cannot read the policy `{shown}`: {error}")))?;
    Ok(Policy::read(&shown, &bytes)?)
}

/// Logs to standard error: warnings, with `-v` our own messages, with `-vv` those of libraries too.
fn start_logging(verbose: u8) {
    let lines = tracing_subscriber::fmt::layer().with_writer(|| LogWriter).without_time();
    let lines = lines.with_target(verbose > 1).with_ansi(false);
    let shown = match verbose {
        0 => Targets::new().with_default(LevelFilter::WARN),
        1 => Targets::new().with_default(LevelFilter::WARN).with_target("pinstream", LevelFilter::DEBUG),
        _ => Targets::new().with_default(LevelFilter::TRACE),
    };
    // Fails if a test runs two commands in one process; the first subscriber stays.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines).with(shown));
}
