//! Credential helpers: runs `docker-credential-… get`.
//!
//! The program gets its own process group, so that a timeout ends all its processes, and our environment without what is
//! meant for pinstream. Its output is shown only if it reports an error, which is then the message; never an answer in JSON.
//! Source: docker-credential-helpers, "Development".

#![allow(clippy::disallowed_methods, reason = "this is the file the rule names")]

use std::io;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::credential::Credential;
use crate::http::quotable;
use crate::system::environment;

/// Bytes of output that are read.
const OUTPUT_MAX: u64 = 64 << 10;
/// Output of a helper without a credential for the key (`credentials.NewErrCredentialsNotFound`).
const NOT_FOUND: &str = "credentials not found in native keychain";

/// Failure of a helper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HelperError {
    /// The program cannot be run.
    Missing,
    /// The program returned an error, with this message: one line, escaped and cut.
    Failed(String),
    /// The output is not valid.
    Unreadable,
    Timeout,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperOutput {
    username: String,
    secret: String,
}

/// Kills a process group when dropped, unless disarmed.
struct ProcessGroupGuard(Option<Pid>);

impl Drop for ProcessGroupGuard {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // The group may have ended already.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Returns the program name of `helper`.
pub(super) fn program(helper: &str) -> String {
    format!("docker-credential-{helper}")
}

/// Runs `helper` for the credential of `key`; none if it has none.
///
/// # Errors
/// If the helper fails or takes longer than `timeout`.
pub(super) async fn get(helper: &str, key: &str, timeout: Duration) -> Result<Option<Credential>, HelperError> {
    let result = tokio::time::timeout(timeout, run(helper, key)).await;
    let (is_success, output) = result.map_err(|_| HelperError::Timeout)?.map_err(|_| HelperError::Missing)?;
    if !is_success {
        // Helpers write errors to their standard output.
        let output = String::from_utf8_lossy(&output);
        // An answer in spite of the error may contain the credential, and a single word may be one.
        let is_message = |line: &&str| line.contains(' ') && !line.contains('{');
        let first_line = output.trim().lines().next().filter(is_message);
        let message = quotable(first_line.unwrap_or_default());
        return if output.trim() == NOT_FOUND { Ok(None) } else { Err(HelperError::Failed(message)) };
    }
    let HelperOutput { username, secret } = serde_json::from_slice(&output).map_err(|_| HelperError::Unreadable)?;
    Ok(Credential::login(&username, &secret))
}

/// Runs the program; returns whether it succeeded, and its output.
async fn run(helper: &str, key: &str) -> io::Result<(bool, Vec<u8>)> {
    let mut command = Command::new(program(helper));
    command.arg("get").process_group(0).env_clear().envs(environment::for_programs());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    let mut group = ProcessGroupGuard(pid);
    if let Some(mut input) = child.stdin.take() {
        // A helper may answer without reading its input.
        let _ = input.write_all(key.as_bytes()).await;
    }
    let mut output = Vec::new();
    if let Some(pipe) = child.stdout.take() {
        pipe.take(OUTPUT_MAX).read_to_end(&mut output).await?;
    }
    let status = child.wait().await?;
    // Processes that it leaves on purpose, such as a key agent, keep running.
    group.0 = None;
    Ok((status.success(), output))
}
