//! Runs a pass and writes its report, for `plan`, `update`, `reconcile` and `check --upstream`.

use std::sync::Arc;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::effects::Progress;
use crate::effects::real::RealWorld;
use crate::effects::repo::Repo;
use crate::reconcile::{PassError, Request, reconcile};
use crate::registry::RequestCounts;
use crate::report::finding::{self, RunResults};
use crate::report::text::{self, RowFilter};
use crate::report::{OutputFormat, PassEnd, Render, Report, json, markdown};
use crate::system::process;

use super::output;
use super::source_map::SourceMap;
use crate::cli::{CliError, CommandContext, Exit};

/// Minimum number of images for a progress bar.
const PROGRESS_MIN: usize = 50;

/// Runs a pass and writes its report in `format`.
///
/// # Errors
/// Returns the error that stopped the pass.
pub fn run(
    context: &CommandContext,
    repo: Repo,
    request: &Request,
    command: &'static str,
    format: OutputFormat,
) -> Result<Exit, CliError> {
    let sources = SourceMap::of_repo(&repo);
    let report = &report(context, repo, request)?;
    let exit = report.exit();
    let result = PassResult { context, command, report, exit, drift: Exit::Success, sources: &sources };
    output::write(format, &result)?;
    Ok(exit)
}

/// Runs a pass and returns its report.
///
/// # Errors
/// Returns the error that stopped the pass.
pub fn report(context: &CommandContext, repo: Repo, request: &Request) -> Result<Report, CliError> {
    let bar = Arc::new(bar(context));
    let drawn = Arc::clone(&bar);
    let world = RealWorld::new(repo, context.policy.clone(), Box::new(move |progress| draw(&drawn, progress)));
    let result = runtime()?.block_on(async { interruptible(reconcile(&world, request)).await });
    bar.finish_and_clear();
    let RequestCounts { head, get, token, retries, bytes } = world.counts();
    tracing::debug!(
        "registry requests: {head} HEAD, {get} GET, {token} token, {retries} retries; {bytes} bytes received"
    );
    result.map_err(|error| error.after(world.landed()))
}

/// Runs a pass until it ends or a signal stops it; dropping the pass stops everything it started.
///
/// # Errors
/// Returns the error that stopped the pass, or the interruption.
pub async fn interruptible<T>(pass: impl Future<Output = Result<T, PassError>>) -> Result<T, CliError> {
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let (mut hangup, mut quit) =
        (listen_unless_ignored(SignalKind::hangup())?, listen_unless_ignored(SignalKind::quit())?);
    let event = tokio::select! {
        result = pass => return Ok(result?),
        _ = interrupt.recv() => "interrupted",
        _ = terminate.recv() => "terminated",
        () = received(&mut hangup) => "interrupted by SIGHUP",
        () = received(&mut quit) => "interrupted by SIGQUIT",
    };
    Err(CliError::Interrupted { event, landed: None })
}

fn listen(kind: SignalKind) -> Result<Signal, CliError> {
    signal(kind).map_err(|error| CliError::new(format!("cannot handle signals: {error}")))
}

/// Handles a signal unless it is ignored since the start of the process, as with nohup(1).
fn listen_unless_ignored(kind: SignalKind) -> Result<Option<Signal>, CliError> {
    if process::ignores(kind.as_raw_value()) { Ok(None) } else { listen(kind).map(Some) }
}

/// Waits for a signal; forever if it is ignored.
async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Creates the single-threaded runtime of the process.
///
/// # Errors
/// Fails if the system is out of resources.
pub fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| CliError::new(format!("cannot start the runtime: {error}")))
}

/// A finished pass, ready to be rendered.
pub struct PassResult<'a> {
    /// Context of the command.
    pub context: &'a CommandContext,
    /// Name of the command.
    pub command: &'static str,
    /// Report of the pass.
    pub report: &'a Report,
    /// Exit code of the process.
    pub exit: Exit,
    /// Exit code for changes: drift for commands that fail on changes.
    pub drift: Exit,
    /// Source positions of its tags.
    pub sources: &'a SourceMap,
}

impl Render for PassResult<'_> {
    fn text(&self) -> String {
        text_of(self.context, self.report)
    }

    fn json(&self) -> String {
        json::render(self.report, self.exit)
    }

    fn markdown(&self) -> String {
        markdown::pass(self.command, self.report)
    }

    fn results(&self) -> RunResults {
        let mut results = RunResults::new(self.command, self.sources.root(), self.exit);
        finding::pass::add_report(&mut results, self.report, self.drift, &|id| self.sources.defined(id));
        results
    }
}

/// Renders a report as text, with the detail that `-v` asks for.
pub fn text_of(context: &CommandContext, report: &Report) -> String {
    let show = match (context.verbose, &report.end) {
        (0, PassEnd::Planned) => RowFilter::Explanations,
        (0, _) => RowFilter::Changes,
        _ => RowFilter::Everything,
    };
    text::render(report, show, context.style)
}

fn bar(context: &CommandContext) -> ProgressBar {
    if !context.is_watched {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn draw(bar: &ProgressBar, progress: Progress) {
    match progress {
        Progress::Resolving { done, of } if of >= PROGRESS_MIN => {
            // Set the numbers first, so that the bar never shows a message without them.
            bar.set_length(of as u64);
            bar.set_position(done as u64);
            bar.set_message("resolving");
        }
        Progress::Resolving { .. } => {}
        Progress::Hook => bar.finish_and_clear(),
    }
}
