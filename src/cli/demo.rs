//! `demo`: shows pinstream at work with nothing installed.
//!
//! Starts a registry in this process, creates a Git remote in a directory, and runs the passes and hooks of `reconcile`.

pub mod registry;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use similar::TextDiff;

use crate::effects::real::RealWorld;
use crate::effects::repo::Repo;
use crate::git::{self, CommitId, Remote, RemoteHandle, RemoteSetup, RootFiles};
use crate::model::lock;
use crate::model::settings::Author;
use crate::reconcile::{Effect, PassError, Request, reconcile};
use crate::report::Report;
use crate::report::text::{self, RowFilter};
use crate::system::clock;

use super::support::pass_runner;
use super::{CliError, CommandContext, Exit};
use registry::DemoRegistry;

const STREAM: &str = include_str!("demo/python.toml");
const SETTINGS: &str = include_str!("demo/pinstream.toml");
const HOOK: &str = include_str!("demo/rollout.sh");

/// Show pinstream at work with a built-in registry and a temporary repository
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pinstream demo
  pinstream demo /tmp/pinstream-demo")]
pub struct DemoArgs {
    /// New directory for the remote and a checkout; default: a temporary directory
    #[arg(value_name = "DIR")]
    path: Option<PathBuf>,
}

/// Runs `demo`.
///
/// # Errors
/// Fails if the directory, the registry or the repository cannot be created, or a pass fails.
pub fn run(context: &CommandContext, args: &DemoArgs) -> Result<Exit, CliError> {
    let directory = new_directory(context, args.path.as_deref())?;
    pass_runner::runtime()?.block_on(show(context, &directory))
}

fn new_directory(context: &CommandContext, path: Option<&Path>) -> Result<PathBuf, CliError> {
    let Some(path) = path else {
        return Ok(tempfile::Builder::new().prefix("pinstream-demo-").tempdir()?.keep());
    };
    let directory = context.directory.join(path);
    fs::create_dir(&directory).map_err(|error| {
        CliError::new(format!("cannot create `{}`: {error}", directory.display()))
            .help("name a directory that does not exist yet")
    })?;
    Ok(directory)
}

async fn show(context: &CommandContext, directory: &Path) -> Result<Exit, CliError> {
    let mut out = context.stdout();
    let registry = DemoRegistry::start().await?;
    registry.push("demo/python", "3.12", "3.12.4", "2026-10-01T08:12:44Z");
    registry.push("demo/python", "3.11", "3.11.9", "2026-09-12T10:00:00Z");
    let host = registry.host().to_string();
    let remote = directory.join("remote.git");
    let files: RootFiles =
        [("pinstream.toml", SETTINGS), ("streams/python.toml", STREAM), ("scripts/rollout.sh", HOOK)]
            .into_iter()
            .map(|(path, text)| (path.to_owned(), text.replace("REGISTRY", &host).into_bytes()))
            .collect();
    let author = Author { name: "A. Person".to_owned(), email: "person@localhost".to_owned() };
    let first = git::create::FirstCommit {
        branch: "main",
        files: &files,
        author: &author,
        message: "Follow two Python images",
        now: clock::now(),
    };
    let first = git::create::bare(&remote, &first)?;

    writeln!(out, "1. Somebody writes streams/python.toml and pushes it as {}:\n", first.short())?;
    write!(out, "{}", indented(&STREAM.replace("REGISTRY", &host)))?;

    writeln!(out, "\n2. `pinstream reconcile` pins all tags, commits the lock and runs the hook:\n")?;
    let report = one_pass(directory, &remote).await?;
    write!(out, "{}", indented(&rendered(context, &report)))?;
    let before = report.tip.clone().unwrap_or(first);

    registry.push("demo/python", "3.12", "3.12.5", "2026-11-02T09:30:00Z");
    writeln!(out, "\n3. Upstream publishes a new image as python:3.12. The next pass updates the pins:\n")?;
    let exit = report.exit();
    let report = one_pass(directory, &remote).await?;
    write!(out, "{}", indented(&rendered(context, &report)))?;

    let exit = exit.worst(report.exit());

    writeln!(out, "\n4. The commit of that pass:\n")?;
    let after = report.tip.clone().unwrap_or_else(|| before.clone());
    write!(out, "{}", indented(&git::create::show(&remote, &after)?))?;
    write!(out, "{}", indented(&format!("\n{}", diff(directory, &remote, &before, &after)?)))?;

    writeln!(out, "\n5. Nothing has changed since, so another pass commits nothing:\n")?;
    let report = one_pass(directory, &remote).await?;
    write!(out, "{}", indented(&rendered(context, &report)))?;

    let checkout = directory.join("checkout");
    git::create::checkout(&remote, &checkout)?;
    writeln!(out, "\nExplore the result (the registry stopped with this command):\n")?;
    writeln!(out, "    cd {}", checkout.display())?;
    writeln!(out, "    git log -p pinstream.lock")?;
    writeln!(out, "    pinstream list")?;
    writeln!(out, "    pinstream describe python")?;
    Ok(exit.worst(report.exit()))
}

/// Runs a pass against the remote of the demo.
async fn one_pass(directory: &Path, remote: &Path) -> Result<Report, PassError> {
    let remote = RemoteHandle::open(setup(directory, remote)).map_err(PassError::Git)?;
    let request = Request {
        branch: Some("main".to_owned()),
        remote: Some(remote.url().to_owned()),
        effect: Effect::Land,
        ..Request::default()
    };
    let repo = Repo::Remote { remote: Arc::new(remote), root: String::new() };
    reconcile(&RealWorld::new(repo, None, Box::new(|_| {})).without_proxies(), &request).await
}

fn setup(directory: &Path, remote: &Path) -> RemoteSetup {
    RemoteSetup {
        url: remote.display().to_string(),
        root: String::new(),
        cache: Some(directory.join("cache")),
        state: directory.join("state"),
        checkout: None,
        credentials: git::credential::GitCredentialSources::default(),
        timeout: git::SILENCE,
    }
}

fn rendered(context: &CommandContext, report: &Report) -> String {
    text::render(report, RowFilter::Changes, context.style)
}

/// Compares the locks of two commits as a unified diff.
fn diff(directory: &Path, remote: &Path, before: &CommitId, after: &CommitId) -> Result<String, PassError> {
    let mut remote = Remote::open(setup(directory, remote))?;
    remote.fetch_tips(Some("main"))?;
    let mut lock_at = |commit: &CommitId| -> Result<String, PassError> {
        let file = remote.file(commit, lock::FILE_NAME)?;
        Ok(file.map(|file| String::from_utf8_lossy(&file.bytes).into_owned()).unwrap_or_default())
    };
    let (old, new) = (lock_at(before)?, lock_at(after)?);
    let diff = TextDiff::from_lines(&old, &new);
    let text = diff.unified_diff().context_radius(3).header("a/pinstream.lock", "b/pinstream.lock").to_string();
    Ok(text)
}

fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") }).collect()
}
