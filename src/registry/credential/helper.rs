//! Credential helpers: one question to a `docker-credential-…` program.
//!
//! The program is in a process group of its own, so that one that hangs ends with all it started. What it prints is
//! never shown. Source: docker-credential-helpers, "Development".

#![allow(clippy::disallowed_methods, reason = "this is the file the rule names")]

use std::io;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::{Credential, RegistrySecret};

/// The most bytes of an answer that are read.
const ANSWER_MAX: u64 = 64 << 10;
/// The one sentence that says that a helper has nothing (`credentials.NewErrCredentialsNotFound`).
const NOTHING: &str = "credentials not found in native keychain";
/// The user of an answer whose secret is an identity token.
const TOKEN_USER: &str = "<token>";

/// Why a helper gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HelperError {
    /// It cannot be run.
    Missing,
    /// It ended with an error.
    Failed,
    /// Its answer cannot be read.
    Unreadable,
    /// It took too long.
    Late,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

/// Ends all processes of a group unless it is told that there is no need.
struct ProcessGroupGuard(Option<Pid>);

impl Drop for ProcessGroupGuard {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Who is gone already needs no end.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// The name of the program `helper` stands for.
pub(super) fn program(helper: &str) -> String {
    format!("docker-credential-{helper}")
}

/// Asks `helper` for what it has for `key`; none where it has nothing.
///
/// # Errors
/// Where it gives no answer within `patience`.
pub(super) async fn ask(helper: &str, key: &str, patience: Duration) -> Result<Option<Credential>, HelperError> {
    let asked = tokio::time::timeout(patience, run(helper, key)).await;
    let (is_good, output) = asked.map_err(|_| HelperError::Late)?.map_err(|_| HelperError::Missing)?;
    if !is_good {
        let is_nothing = String::from_utf8_lossy(&output).trim() == NOTHING;
        return if is_nothing { Ok(None) } else { Err(HelperError::Failed) };
    }
    let HelperAnswer { username, secret } = serde_json::from_slice(&output).map_err(|_| HelperError::Unreadable)?;
    Ok(match (username.as_str(), secret.is_empty()) {
        ("", true) => None,
        (TOKEN_USER, _) => Some(Credential::Identity(RegistrySecret::new(secret))),
        _ => Some(Credential::Password { user: username, password: RegistrySecret::new(secret) }),
    })
}

/// Whether the program ended well, and what it printed.
async fn run(helper: &str, key: &str) -> io::Result<(bool, Vec<u8>)> {
    let mut command = Command::new(program(helper));
    command.arg("get").process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    let mut group = ProcessGroupGuard(pid);
    if let Some(mut input) = child.stdin.take() {
        // A helper that does not read what it is asked for may still answer.
        let _ = input.write_all(key.as_bytes()).await;
    }
    let mut output = Vec::new();
    if let Some(pipe) = child.stdout.take() {
        pipe.take(ANSWER_MAX).read_to_end(&mut output).await?;
    }
    let status = child.wait().await?;
    // What it leaves behind on purpose, an agent that keeps a key, may stay.
    group.0 = None;
    Ok((status.success(), output))
}
