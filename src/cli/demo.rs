//! `demo`: the whole story in one command, with nothing installed.
//!
//! A registry in this process, a Git remote in a folder, two passes and a hook. What runs is the very pass of
//! `reconcile`; only the registry is ours.

pub mod registry;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use similar::TextDiff;

use crate::effects::real::{RealWorld, Repo};
use crate::git::{self, CommitId, Remote, RemoteSetup, RootFiles};
use crate::model::lock;
use crate::model::settings::Author;
use crate::reconcile::{Effect, PassError, Request, Resolve, reconcile};
use crate::report::Report;
use crate::report::exit::Exit;
use crate::report::text::{self, RowFilter};
use crate::system::clock;

use super::context::CommandContext;
use super::{CliError, pass};
use registry::{DemoImage, DemoRegistry};

const STREAM: &str = include_str!("demo/python.toml");
const SETTINGS: &str = include_str!("demo/pinstream.toml");
const HOOK: &str = include_str!("demo/rollout.sh");

/// Show the whole story with nothing installed: a registry, a remote, three passes, a hook
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// A new folder for the remote and a checkout of it; a temporary one where none is given
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Runs it.
///
/// # Errors
/// Where something that it needs cannot be had.
pub fn run(context: &CommandContext, args: &DemoArgs) -> Result<Exit, CliError> {
    let folder = new_folder(context, args.folder.as_deref())?;
    pass::runtime()?.block_on(tell(context, &folder))
}

fn new_folder(context: &CommandContext, asked: Option<&Path>) -> Result<PathBuf, CliError> {
    let Some(asked) = asked else {
        return Ok(tempfile::Builder::new().prefix("pinstream-demo-").tempdir()?.keep());
    };
    let folder = context.folder.join(asked);
    fs::create_dir(&folder).map_err(|error| {
        CliError::said(format!("`{}` cannot be made: {error}", folder.display()))
            .help("name a folder that is not there yet")
    })?;
    Ok(folder)
}

async fn tell(context: &CommandContext, folder: &Path) -> Result<Exit, CliError> {
    let mut out = context.stdout();
    let registry = DemoRegistry::start().await?;
    registry.push("demo/python", "3.12", &image("3.12.4", "2026-10-01T08:12:44Z"));
    registry.push("demo/python", "3.11", &image("3.11.9", "2026-09-12T10:00:00Z"));
    let host = registry.host().to_string();
    let remote = folder.join("remote.git");
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

    writeln!(out, "1. A person wrote streams/python.toml and pushed it as {}:\n", first.short())?;
    write!(out, "{}", indented(&STREAM.replace("REGISTRY", &host)))?;

    writeln!(out, "\n2. `pinstream reconcile` pins every tag, commits the lock, and runs the hook:\n")?;
    let report = one_pass(folder, &remote).await?;
    write!(out, "{}", indented(&shown(context, &report)))?;
    let before = report.tip.clone().unwrap_or(first);

    registry.push("demo/python", "3.12", &image("3.12.5", "2026-11-02T09:30:00Z"));
    writeln!(out, "\n3. Upstream, the image of python:3.12 moves. The next pass sees it:\n")?;
    let exit = report.exit();
    let report = one_pass(folder, &remote).await?;
    write!(out, "{}", indented(&shown(context, &report)))?;

    let exit = exit.worst(report.exit());

    writeln!(out, "\n4. What it committed:\n")?;
    let after = report.tip.clone().unwrap_or_else(|| before.clone());
    write!(out, "{}", indented(&git::create::show(&remote, &after)?))?;
    write!(out, "{}", indented(&format!("\n{}", diff(folder, &remote, &before, &after)?)))?;

    writeln!(out, "\n5. Nothing has moved since, so one more pass commits nothing:\n")?;
    let report = one_pass(folder, &remote).await?;
    write!(out, "{}", indented(&shown(context, &report)))?;

    let checkout = folder.join("checkout");
    git::create::checkout(&remote, &checkout)?;
    writeln!(out, "\nTo look around (the registry ended with this command):\n")?;
    writeln!(out, "    cd {}", checkout.display())?;
    writeln!(out, "    git log -p pinstream.lock")?;
    writeln!(out, "    pinstream list")?;
    writeln!(out, "    pinstream describe python")?;
    Ok(exit.worst(report.exit()))
}

fn image(version: &str, created: &str) -> DemoImage {
    DemoImage {
        version: version.to_owned(),
        revision: "0f1c2d3e4f5061728394a5b6c7d8e9f001122334".to_owned(),
        created: created.to_owned(),
        platforms: ["linux/amd64", "linux/arm64"].into_iter().filter_map(|platform| platform.parse().ok()).collect(),
    }
}

/// A pass against the demo's remote.
async fn one_pass(folder: &Path, remote: &Path) -> Result<Report, PassError> {
    let remote = open(folder, remote)?;
    let request = Request {
        branch: Some("main".to_owned()),
        root: String::new(),
        remote: Some(remote.url().to_owned()),
        only: None,
        shard: None,
        resolve: Resolve::All,
        effect: Effect::Land,
        policy: None,
    };
    let place = Repo::Remote { remote: Arc::new(Mutex::new(remote)), root: String::new() };
    reconcile(&RealWorld::new(place, None, Box::new(|_| {})).without_proxies(), &request).await
}

fn open(folder: &Path, remote: &Path) -> Result<Remote, PassError> {
    Ok(Remote::open(RemoteSetup {
        url: remote.display().to_string(),
        root: String::new(),
        cache: folder.join("cache"),
        state: folder.join("state"),
        checkout: None,
        credentials: git::credential::GitCredentialSources::default(),
        timeout: Duration::from_secs(60),
    })?)
}

fn shown(context: &CommandContext, report: &Report) -> String {
    text::render(report, RowFilter::Changes, context.style)
}

/// The difference between the locks of two commits.
fn diff(folder: &Path, remote: &Path, before: &CommitId, after: &CommitId) -> Result<String, PassError> {
    let mut remote = open(folder, remote)?;
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
