//! The command line: one file per command, with an `Args` struct whose doc comment is its help, and one function.
//!
//! Data goes to standard output, diagnostics to standard error. Errors are printed in [`run`] only.

pub mod adopt;
pub mod check;
pub mod completions;
pub mod demo;
pub mod describe;
pub mod error;
pub mod export;
pub mod get;
pub mod graph;
pub mod help;
pub mod history;
pub mod hooks;
pub mod init;
pub mod list;
pub mod man;
pub mod manifests;
pub mod merge_driver;
pub mod plan;
pub mod reconcile;
pub mod rollback;
pub mod schema;
pub mod support;
pub mod tag;
pub mod targets;
pub mod update;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{ColorChoice, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::report::exit::Exit;
use crate::text::escape;

use error::CliError;
use support::context::{self, CommandContext, GlobalArgs};
use support::failure_report::ReportRequest;

/// Image streams in Git: pin image tags to digests, commit them as a lockfile, and run hooks for what landed
///
/// Define streams of tags in TOML. pinstream resolves each tag to its current digest, writes the digests to
/// `pinstream.lock`, commits the lock to the branch of the definitions (directly or as a pull request), and runs
/// hooks for the changes that landed there.
#[derive(Debug, Parser)]
#[command(name = "pinstream", version, max_term_width = 100, after_help = AFTER_HELP, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit codes:
  0   success
  1   error: invalid definitions, or Git failed
  2   drift (`check`, `plan --exit-code`)
  3   partial: some tags failed and kept their pins; the rest landed
  4   refused: integrity, platform, signature or policy
  5   the branch kept moving
  6   landed, but a hook failed; it stays pending
  64  usage error
  130 interrupted; the message says what has landed

Examples:
  pinstream demo                  see everything at work, with nothing installed
  pinstream init                  create a root in the current directory
  pinstream update                pin all tags
  pinstream help streams          find the counterpart of an `oc` command";

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
    #[command(after_help = "\
Examples:
  pinstream targets                       all targets and their state
  pinstream targets add --dry-run         show the targets for images found in the root
  pinstream targets add deploy/web.yaml Dockerfile")]
    Targets(targets::TargetsArgs),
    Graph(graph::GraphArgs),
    #[command(after_help = "\
Examples:
  pinstream export kustomize > pins/kustomization.yaml
  pinstream export compose --file compose.yaml > pins.yaml
  pinstream export imagestream | oc apply -f -")]
    Export(export::ExportArgs),
    #[command(after_help = "\
Examples:
  oc get is -o yaml | pinstream adopt -
  pinstream adopt --dry-run imagestreams.yaml
  pinstream adopt --with-status --namespaces imagestreams.yaml")]
    Adopt(adopt::AdoptArgs),
    Reconcile(reconcile::ReconcileArgs),
    Hooks(hooks::HooksArgs),
    MergeDriver(merge_driver::MergeDriverArgs),
    Demo(demo::DemoArgs),
    Schema(schema::SchemaArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
    Help(help::HelpArgs),
}

/// Runs the program with the arguments of the process.
pub fn run() -> ExitCode {
    let command = Cli::command().color(color_argument());
    let cli = match command.try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Success };
            let text = error.render().to_string();
            let escaped = escape::lines(&text);
            // A closed output is not an error.
            let _ = if escaped == text { error.print() } else { write!(anstream::stderr(), "{escaped}") };
            return exit.into();
        }
    };
    let color = cli.global.color;
    match cli.run() {
        Ok(exit) => exit.into(),
        Err(error) => {
            let style = context::style_of(color, &io::stderr());
            // `anstream` would decide about colours by standard output.
            let _ = write!(io::stderr(), "{}", error.render(style));
            error.exit().into()
        }
    }
}

/// Reads `--color` from a command line that may be invalid, so that usage errors honour it.
fn color_argument() -> ColorChoice {
    let mut args = std::env::args_os().skip(1).filter_map(|arg| arg.into_string().ok());
    let mut choice = ColorChoice::Auto;
    while let Some(arg) = args.next() {
        let value = match arg.strip_prefix("--color") {
            Some("") => args.next(),
            Some(value) => value.strip_prefix('=').map(str::to_owned),
            None => None,
        };
        choice = value.and_then(|value| value.parse().ok()).unwrap_or(choice);
    }
    choice
}

impl Cli {
    fn run(self) -> Result<Exit, CliError> {
        let request = self.command.report_request();
        let report = |context: Option<&CommandContext>, error: &CliError| {
            request.iter().for_each(|request| request.write_failure(context, error));
        };
        let context = CommandContext::new(&self.global).inspect_err(|error| report(None, error))?;
        self.command.run(&context).inspect_err(|error| report(Some(&context), error))
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
            Self::Hooks(args) => hooks::run(context, &args),
            Self::MergeDriver(args) => merge_driver::run(context, &args),
            Self::Demo(args) => demo::run(context, &args),
            Self::Schema(args) => schema::run(context, &args),
            Self::Completions(args) => completions::run(context, &args, Cli::command()),
            Self::Man(args) => man::run(context, &args, Cli::command()),
            Self::Help(args) => help::run(context, &args, Cli::command()),
        }
    }

    /// Returns the format of the command's report; none for commands without `--format` for CI systems.
    fn report_request(&self) -> Option<ReportRequest> {
        let (command, format, root) = match self {
            Self::Check(args) => ("check", args.format, None),
            Self::Plan(args) => ("plan", args.format, None),
            Self::Update(args) => ("update", args.format, None),
            Self::Reconcile(args) => ("reconcile", args.format, args.root_of_report()),
            _ => return None,
        };
        Some(ReportRequest { command, format, root })
    }
}
