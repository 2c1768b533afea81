//! What every command stands on: where it works, how it speaks, what the operator allows.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::ColorChoice;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::image::{NameError, TagId};
use crate::problem::Style;
use crate::root::Root;
use crate::settings;
use crate::settings::globs::TagGlobs;
use crate::settings::policy::Policy;
use crate::world::environment;
use crate::world::folder::Folder;

use super::{CliError, Global};

/// What every command stands on.
#[derive(Debug)]
pub struct Context {
    /// The folder it works in.
    pub folder: PathBuf,
    /// How its output looks.
    pub style: Style,
    /// Whether a progress bar may be drawn.
    pub is_watched: bool,
    /// How much it says.
    pub verbose: u8,
    /// What the operator allows.
    pub policy: Option<Policy>,
}

impl Context {
    /// Reads what holds for every command.
    ///
    /// # Errors
    /// Where the folder or the policy cannot be read.
    pub fn new(global: &Global) -> Result<Self, CliError> {
        let current = environment::current_folder()
            .map_err(|error| CliError::said(format!("the current folder cannot be read: {error}")))?;
        let folder = global.directory.as_ref().map_or_else(|| current.clone(), |folder| current.join(folder));
        if !folder.is_dir() {
            return Err(CliError::said(format!("`{}` is not a folder", folder.display())));
        }
        speak(global.verbose);
        let style = style_of(global.color, &io::stdout());
        match style {
            Style::Colour => anstream::ColorChoice::Always,
            Style::Plain => anstream::ColorChoice::Never,
        }
        .write_global();
        let policy = global.policy.as_deref().map(|path| read_policy(&current.join(path))).transpose()?;
        Ok(Self {
            folder,
            style,
            is_watched: io::stderr().is_terminal() && global.verbose == 0,
            verbose: global.verbose,
            policy,
        })
    }

    /// The folder of the root that the current folder is in.
    ///
    /// # Errors
    /// Where there is none.
    pub fn root_folder(&self) -> Result<Folder, CliError> {
        let holds_root = |folder: &&Path| folder.join(settings::FILE_NAME).is_file();
        let found = self.folder.ancestors().find(holds_root).map(|folder| Folder(folder.to_owned()));
        found.ok_or_else(|| {
            CliError::said(format!("there is no `pinstream.toml` in `{}` or above it", self.folder.display()))
                .help("`pinstream init` writes one")
        })
    }

    /// Reads the root that the current folder is in.
    ///
    /// # Errors
    /// Where there is none, and every problem of its files.
    pub fn root(&self) -> Result<(Folder, Root), CliError> {
        let folder = self.root_folder()?;
        let root = Root::read(&folder.read()?)?;
        Ok((folder, root))
    }

    /// The folder of the root that the current folder is in, and the tags of it that `words` name.
    ///
    /// The root is read for its names alone, and only where there are words: a pass reads it for itself, and two of
    /// them would be in memory for all the time it takes.
    ///
    /// # Errors
    /// Where there is none, and a usage error where a word names no tag.
    pub fn selection(&self, words: &[String]) -> Result<(Folder, Option<TagGlobs>), CliError> {
        if words.is_empty() {
            return Ok((self.root_folder()?, None));
        }
        let (folder, root) = self.root()?;
        let only = select(&root, words)?;
        Ok((folder, only))
    }

    /// Standard output, with or without colour.
    pub fn stdout(&self) -> impl Write {
        anstream::stdout().lock()
    }
}

/// The tags that `words` name; an error where one of them names none.
///
/// # Errors
/// A usage error that names the nearest tag.
pub fn select(root: &Root, words: &[String]) -> Result<Option<TagGlobs>, CliError> {
    if words.is_empty() {
        return Ok(None);
    }
    for word in words {
        let globs = TagGlobs::new([word.as_str()]).map_err(usage)?;
        if !root.definitions.tags.keys().any(|id| globs.matches(id)) {
            let error = CliError::usage(format!("no tag is named `{word}`"));
            return Err(match nearest(root, word) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help("`pinstream list` shows all tags"),
            });
        }
    }
    TagGlobs::new(words.iter().map(String::as_str)).map(Some).map_err(usage)
}

/// A name that was not accepted on the command line.
pub fn usage(error: NameError) -> CliError {
    let said = CliError::usage(error.message);
    match error.help {
        Some(help) => said.help(help),
        None => said,
    }
}

/// The tag whose name is nearest to `word`.
pub fn nearest(root: &Root, word: &str) -> Option<TagId> {
    let score = |id: &TagId| strsim::jaro_winkler(&id.to_string(), word);
    let best = root.definitions.tags.keys().max_by(|a, b| score(a).total_cmp(&score(b)))?;
    (score(best) > 0.7).then(|| best.clone())
}

/// How output to `stream` looks: colour on a terminal only, and never against `NO_COLOR`.
pub fn style_of(choice: ColorChoice, stream: &impl IsTerminal) -> Style {
    let dumb = || environment::var("TERM").is_some_and(|term| term == "dumb");
    let colour = match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => stream.is_terminal() && environment::var("NO_COLOR").is_none() && !dumb(),
    };
    if colour { Style::Colour } else { Style::Plain }
}

fn read_policy(path: &Path) -> Result<Policy, CliError> {
    let shown = path.display().to_string();
    let bytes =
        std::fs::read(path).map_err(|error| CliError::said(format!("the policy `{shown}` cannot be read: {error}")))?;
    Ok(Policy::read(&shown, &bytes)?)
}

/// Sends what the program says of its work to standard error; what libraries say too, where twice as much is wanted.
fn speak(verbose: u8) {
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).without_time();
    let lines = lines.with_target(verbose > 1).with_ansi(false);
    let shown = match verbose {
        0 => Targets::new().with_default(LevelFilter::WARN),
        1 => Targets::new().with_default(LevelFilter::WARN).with_target("pinstream", LevelFilter::DEBUG),
        _ => Targets::new().with_default(LevelFilter::TRACE),
    };
    // A second subscriber, in a test that runs two commands in one process, changes nothing.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines).with(shown));
}
