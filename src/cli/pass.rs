//! Runs a pass and shows what it did: what `plan`, `update` and `reconcile` have in common.

use std::sync::Arc;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::effects::Progress;
use crate::effects::real::{RealWorld, Repo};
use crate::reconcile::{Request, reconcile};
use crate::report::exit::Exit;
use crate::report::finding::{self, RunResults};
use crate::report::text::{self, RowFilter};
use crate::report::{OutputFormat, PassEnd, Render, Report, json, markdown};

use super::context::CommandContext;
use super::site::SourceMap;
use super::{CliError, output};

/// Below how many images no progress is shown.
const SHORT: usize = 50;

/// Runs the pass that `request` of `command` asks for at `place`, and writes its report.
///
/// # Errors
/// What stopped it.
pub fn run(
    context: &CommandContext,
    place: Repo,
    request: &Request,
    (command, format): (&'static str, OutputFormat),
) -> Result<Exit, CliError> {
    let site = SourceMap::of_place(&place);
    let report = &report(context, place, request)?;
    let exit = report.exit();
    output::write(format, &PassResult { context, command, report, exit, drift: Exit::Success, site: &site })?;
    Ok(exit)
}

/// Runs the pass and gives its report.
///
/// # Errors
/// What stopped it.
pub fn report(context: &CommandContext, place: Repo, request: &Request) -> Result<Report, CliError> {
    let bar = Arc::new(bar(context));
    let drawn = Arc::clone(&bar);
    let world = RealWorld::new(place, context.policy.clone(), Box::new(move |progress| draw(&drawn, progress)));
    let runtime = runtime()?;
    let result = runtime.block_on(async { interruptible(reconcile(&world, request)).await });
    // A pass that was told to stop does not wait for what a thread still fetches.
    runtime.shutdown_background();
    bar.finish_and_clear();
    let asked = world.counts();
    tracing::debug!(
        "registries were asked: {} HEAD, {} GET, {} for tokens, {} again; {} bytes came",
        asked.head,
        asked.get,
        asked.token,
        asked.retries,
        asked.bytes
    );
    result
}

/// Ends the pass at once when the process is told to: dropping it ends what it started.
///
/// # Errors
/// What stopped it, or that it was told to.
pub async fn interruptible<T>(
    pass: impl Future<Output = Result<T, crate::reconcile::PassError>>,
) -> Result<T, CliError> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).map_err(CliError::Output);
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    tokio::select! {
        result = pass => Ok(result?),
        _ = terminate.recv() => Err(CliError::said("told to stop; the next pass goes on where this one was")),
        _ = interrupt.recv() => Err(CliError::said("interrupted; the next pass goes on where this one was")),
    }
}

/// The one runtime of the process: a single thread, for what is waited for is elsewhere.
///
/// # Errors
/// Where the system has no more to give.
pub fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// What a pass did, and how the process is to end for it.
pub struct PassResult<'a> {
    /// What every command stands on.
    pub context: &'a CommandContext,
    /// The command that ran it.
    pub command: &'static str,
    /// What it did.
    pub report: &'a Report,
    /// How the process is to end.
    pub exit: Exit,
    /// How it is judged that something moves.
    pub drift: Exit,
    /// Where its root stands.
    pub site: &'a SourceMap,
}

impl Render for PassResult<'_> {
    fn text(&self) -> String {
        let show = match (self.context.verbose, &self.report.end) {
            (0, PassEnd::Planned) => RowFilter::Explanations,
            (0, _) => RowFilter::Changes,
            _ => RowFilter::Everything,
        };
        text::render(self.report, show, self.context.style)
    }

    fn json(&self) -> String {
        json::render(self.report, self.exit)
    }

    fn markdown(&self) -> String {
        markdown::pass(self.command, self.report)
    }

    fn results(&self) -> RunResults {
        let mut results = RunResults::new(self.command, self.site.root(), self.exit);
        finding::pass::add_report(&mut results, self.report, self.drift, &|id| self.site.defined(id));
        results
    }
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
        Progress::Resolving { done, of } if of >= SHORT => {
            // What is shown first has its numbers already.
            bar.set_length(of as u64);
            bar.set_position(done as u64);
            bar.set_message("importing");
        }
        Progress::Resolving { .. } => {}
        Progress::Hook => bar.finish_and_clear(),
    }
}
