//! The commands: one file each, an `Args` whose doc comment is its help, and one function.
//!
//! Data goes to standard output, talk to standard error. Only [`run`] prints an error.

pub mod adopt;
pub mod check;
pub mod completions;
pub mod context;
pub mod demo;
pub mod describe;
pub mod edit;
pub mod export;
pub mod get;
pub mod graph;
pub mod help;
pub mod history;
pub mod init;
pub mod input;
pub mod list;
pub mod man;
pub mod manifests;
pub mod merge_driver;
pub mod naming;
pub mod output;
pub mod pass;
pub mod plan;
pub mod reconcile;
pub mod rollback;
pub mod schema;
pub mod site;
mod stopped;
pub mod tag;
pub mod targets;
pub mod update;
pub mod write;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ColorChoice, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::git::GitError;
use crate::model::root::UnknownTag;
use crate::reconcile::PassError;
use crate::report;
use crate::report::exit::Exit;
use crate::text::diagnostics::{Problems, RenderStyle, RenderedProblems};
use crate::text::escape;

use context::CommandContext;
use site::SourceMap;
use stopped::FailureReport;

/// Image streams, kept in Git: tags resolved to digests, committed as a lock, with hooks for what landed
///
/// People write streams in TOML; pinstream asks the registries what each tag is now, writes the digests into
/// `pinstream.lock`, commits that to the branch the streams came from, and runs hooks for what changed there.
#[derive(Debug, Parser)]
#[command(name = "pinstream", version, max_term_width = 100, after_help = EXITS, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const EXITS: &str = "Exit codes: 0 all is in place, 1 error, 2 drift, 3 some tags could not be imported, 4 refused,
5 the branch kept moving, 6 landed but a hook failed, 64 usage.

Whoever knows `oc` finds each thing again with `pinstream help streams`.";

/// What holds for every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of all commands")]
pub struct Global {
    /// Work as if started in this folder
    #[arg(short = 'C', long, global = true, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Say more: each request and decision; twice for what the libraries say
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: ColorChoice,
    /// What the operator allows: a TOML file outside the repository
    #[arg(long, global = true, value_name = "FILE", env = "PINSTREAM_POLICY")]
    policy: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::InitArgs),
    Check(check::CheckArgs),
    Plan(plan::PlanArgs),
    Update(update::UpdateArgs),
    List(list::ListArgs),
    Get(get::GetArgs),
    Describe(describe::DescribeArgs),
    History(history::HistoryArgs),
    Rollback(rollback::RollbackArgs),
    Tag(tag::TagArgs),
    Targets(targets::TargetsArgs),
    Graph(graph::GraphArgs),
    Export(export::ExportArgs),
    Adopt(adopt::AdoptArgs),
    Reconcile(reconcile::ReconcileArgs),
    MergeDriver(merge_driver::MergeDriverArgs),
    Demo(demo::DemoArgs),
    Schema(schema::SchemaArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
    Help(help::HelpArgs),
}

/// In which form a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// For people
    Text,
    /// For scripts
    Json,
}

/// What ends a command early.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A pass was stopped.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// Standard output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    /// Anything else, with its way out.
    #[error("{message}")]
    Said {
        /// With which code the program ends.
        exit: Exit,
        /// What happened.
        message: String,
        /// What to do.
        help: Option<String>,
    },
}

impl CliError {
    /// An error that says `message`.
    pub fn said(message: impl Into<String>) -> Self {
        Self::Said { exit: Exit::Error, message: message.into(), help: None }
    }

    /// The same with a way out.
    pub fn help(self, help: impl Into<String>) -> Self {
        match self {
            Self::Said { exit, message, .. } => Self::Said { exit, message, help: Some(help.into()) },
            other => other,
        }
    }

    /// A mistake in how the program was called.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Said { exit: Exit::Usage, message: message.into(), help: None }
    }

    /// What a person can do about it.
    fn way_out(&self) -> Option<String> {
        match self {
            Self::Pass(PassError::Git(error)) => error.help(),
            Self::Pass(PassError::UnknownTag(error)) => Some(error.help()),
            Self::Pass(PassError::Contention { .. }) => Some("run it again; what was found is not lost".to_owned()),
            Self::Said { help, .. } => help.clone(),
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Pass(error) => error.exit(),
            Self::Output(_) => Exit::Error,
            Self::Said { exit, .. } => *exit,
        }
    }
}

impl From<Problems> for CliError {
    fn from(problems: Problems) -> Self {
        Self::Pass(PassError::Problems(problems))
    }
}

impl From<UnknownTag> for CliError {
    fn from(error: UnknownTag) -> Self {
        Self::Pass(PassError::UnknownTag(error))
    }
}

impl From<GitError> for CliError {
    fn from(error: GitError) -> Self {
        Self::Pass(PassError::Git(error))
    }
}

/// Runs the program with the arguments of the process.
pub fn run() -> ExitCode {
    let parsed = Cli::command().color(wished()).try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Success };
            let plain = error.render().to_string();
            let harmless = escape::lines(&plain);
            // Where nobody reads, nobody misses it.
            let _ = if harmless == plain { error.print() } else { write!(anstream::stderr(), "{harmless}") };
            return exit.into();
        }
    };
    let color = cli.global.color;
    match cli.run() {
        Ok(exit) => exit.into(),
        Err(error) => {
            let style = context::style_of(color, &io::stderr());
            // Not by way of `anstream`, which goes by standard output.
            let _ = write!(io::stderr(), "{}", Shown(&error, style));
            error.exit().into()
        }
    }
}

/// The wish for colour on a command line that may not be readable otherwise: its mistakes are shown by it, too.
fn wished() -> ColorChoice {
    let mut words = std::env::args_os().skip(1).filter_map(|word| word.into_string().ok());
    let mut choice = ColorChoice::Auto;
    while let Some(word) = words.next() {
        let value = match word.strip_prefix("--color") {
            Some("") => words.next(),
            Some(value) => value.strip_prefix('=').map(str::to_owned),
            None => None,
        };
        choice = value.and_then(|value| value.parse().ok()).unwrap_or(choice);
    }
    choice
}

impl Cli {
    fn run(self) -> Result<Exit, CliError> {
        let asked = self.command.asked();
        let tell = |context: Option<&CommandContext>, error: &CliError| {
            asked.iter().for_each(|asked| asked.stopped(context, error));
        };
        let context = CommandContext::new(&self.global).inspect_err(|error| tell(None, error))?;
        self.command.run(&context).inspect_err(|error| tell(Some(&context), error))
    }
}

impl Command {
    fn run(self, context: &CommandContext) -> Result<Exit, CliError> {
        match self {
            Self::Init(args) => init::run(context, &args),
            Self::Check(args) => check::run(context, &args),
            Self::Plan(args) => plan::run(context, &args),
            Self::Update(args) => update::run(context, &args),
            Self::List(args) => list::run(context, &args),
            Self::Get(args) => get::run(context, &args),
            Self::Describe(args) => describe::run(context, &args),
            Self::History(args) => history::run(context, &args),
            Self::Rollback(args) => rollback::run(context, &args),
            Self::Tag(args) => tag::run(context, &args),
            Self::Targets(args) => targets::run(context, &args),
            Self::Graph(args) => graph::run(context, &args),
            Self::Export(args) => export::run(context, &args),
            Self::Adopt(args) => adopt::run(context, &args),
            Self::Reconcile(args) => reconcile::run(context, &args),
            Self::MergeDriver(args) => merge_driver::run(context, &args),
            Self::Demo(args) => demo::run(context, &args),
            Self::Schema(args) => schema::run(context, &args),
            Self::Completions(args) => completions::run(context, &args),
            Self::Man(args) => man::run(context, &args),
            Self::Help(args) => help::run(context, &args),
        }
    }
}

/// In which form a command was asked to tell what it did.
struct ReportOptions {
    command: &'static str,
    format: report::OutputFormat,
    /// The folder of its root in the repository; none where that is the one of the current folder.
    root: Option<String>,
}

impl Command {
    /// None where the command has one form.
    fn asked(&self) -> Option<ReportOptions> {
        let (command, format, root) = match self {
            Self::Check(args) => ("check", args.format, None),
            Self::Plan(args) => ("plan", args.format, None),
            Self::Update(args) => ("update", args.format, None),
            Self::Reconcile(args) => {
                let root = args.root.as_deref().or(args.remote.as_ref().map(|_| ""));
                let root = root.map(|root| root.trim_end_matches('/')).map(|root| if root == "." { "" } else { root });
                ("reconcile", args.format, root.map(str::to_owned))
            }
            _ => return None,
        };
        Some(ReportOptions { command, format, root })
    }
}

impl ReportOptions {
    /// Tells what stopped the command, where it has a form for that.
    fn stopped(&self, context: Option<&CommandContext>, error: &CliError) {
        // Output that could not be written is not written again.
        if matches!(error, CliError::Output(_)) {
            return;
        }
        let here = || Some(SourceMap::of_folder(context?.root_folder().ok()?).root().to_owned());
        let root = self.root.clone().or_else(here).unwrap_or_default();
        // How the process ends is decided already.
        let _ = output::write(self.format, &FailureReport { command: self.command, root, error });
    }
}

/// An error as it is shown: what, then the way out.
struct Shown<'a>(&'a CliError, RenderStyle);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some((_, problems)) = self.0.problems() {
            return write!(f, "{}", RenderedProblems(problems, self.1));
        }
        let help = self.0.way_out();
        let (bold, red, plain) = match self.1 {
            RenderStyle::Colour => ("\u{1b}[1m", "\u{1b}[1;31m", "\u{1b}[0m"),
            RenderStyle::Plain => ("", "", ""),
        };
        // What was typed may come from somewhere else, as in a job of a CI system.
        writeln!(f, "{red}error{plain}: {}", escape::lines(&self.0.to_string()))?;
        help.map_or(Ok(()), |help| writeln!(f, "{bold}help{plain}: {}", escape::lines(&help)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stops_a_pass_has_its_exit_code() {
        let contention = PassError::Contention { attempts: 9, last: "the branch moved".to_owned() };
        let no_tag = UnknownTag { name: "x".to_owned(), nearest: None };
        for (error, exit) in [
            (contention, Exit::Contention),
            (PassError::UnknownTag(no_tag), Exit::Usage),
            (PassError::Forbidden(Problems(Vec::new())), Exit::Refused),
            (PassError::Problems(Problems(Vec::new())), Exit::Error),
            (PassError::Registries(String::new()), Exit::Error),
        ] {
            assert_eq!(CliError::Pass(error).exit(), exit);
        }
    }
}
