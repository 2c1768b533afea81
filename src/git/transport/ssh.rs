//! A remote over SSH, through the `ssh` program as git uses it (git(1), `GIT_SSH_COMMAND`): OpenSSH reads its own
//! configuration, `known_hosts`, agents and hardware keys.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::failure::{FailureOutlook, WireFailure};
use crate::git::GitError;
use crate::git::address::RemoteAddress;
use crate::git::askpass;
use crate::git::credential::GitCredentialSources;
use crate::git::error::{NO_CREDENTIALS, shown};
use crate::http::Secret;
use crate::system::environment;
use crate::system::private_directory::PrivateDirectory;
use crate::system::program::Program;

/// The beginning of the name of the directory that passes a passphrase on.
const DIRECTORY: &str = "pinstream-ssh-";

/// The `ssh` program and the remote it connects to.
#[derive(Clone)]
pub(super) struct SshProgram {
    address: RemoteAddress,
    key: Option<PathBuf>,
    passphrase: Option<Arc<(Secret, PrivateDirectory)>>,
    command: SshCommand,
}

/// The program that speaks SSH.
#[derive(Clone)]
enum SshCommand {
    /// A command line for the shell.
    Shell(String),
    /// The path of a program that accepts OpenSSH's options.
    Path(String),
    /// `ssh` in `PATH`.
    OpenSsh,
}

impl SshCommand {
    /// Reads `GIT_SSH_COMMAND`, `core.sshCommand` and `GIT_SSH`, in this order.
    fn configured(config: Option<&git2::Config>) -> Self {
        let setting = || config?.get_string("core.sshCommand").ok();
        match environment::var("GIT_SSH_COMMAND").or_else(setting) {
            Some(command) => Self::Shell(command),
            None => environment::var("GIT_SSH").map_or(Self::OpenSsh, Self::Path),
        }
    }

    fn program(&self) -> Program {
        match self {
            Self::Shell(command) => Program::new("sh").args(["-c", &format!("{command} \"$@\""), "ssh"]),
            Self::Path(path) => Program::new(path),
            Self::OpenSsh => Program::new("ssh"),
        }
    }
}

impl SshProgram {
    /// Prepares connections to `address`.
    ///
    /// # Errors
    /// If the passphrase cannot be handed over.
    pub(super) fn new(
        address: &RemoteAddress,
        sources: &GitCredentialSources,
        config: Option<&git2::Config>,
    ) -> Result<Self, GitError> {
        let write = |passphrase: Secret| -> io::Result<_> {
            let directory = PrivateDirectory::create(DIRECTORY)?;
            askpass::write(&directory, askpass::OF_SSH)?;
            Ok(Arc::new((passphrase, directory)))
        };
        let passphrase = sources.ssh_passphrase.clone().map(write).transpose();
        let passphrase =
            passphrase.map_err(|error| GitError::Local(format!("cannot write a temporary file: {error}")))?;
        let key = sources.ssh_key.clone();
        Ok(Self { address: address.clone(), key, passphrase, command: SshCommand::configured(config) })
    }

    pub(super) fn url(&self) -> String {
        self.address.shown().to_owned()
    }

    /// Builds the command line that runs `git-NAME` on the server.
    pub(super) fn command(&self, name: &str) -> Result<Program, WireFailure> {
        let target = self.address.ssh_target().ok_or_else(|| {
            let reason = "invalid percent-escape in the path".to_owned();
            WireFailure::lasting(GitError::Remote { url: self.url(), reason })
        })?;
        let mut program = self.command.program().inherit();
        if self.passphrase.is_none() && environment::var("SSH_ASKPASS").is_none() {
            // Nobody is there to answer a question.
            program = program.env("SSH_ASKPASS", "false").env("SSH_ASKPASS_REQUIRE", "force");
        }
        if matches!(self.command, SshCommand::OpenSsh) && self.passphrase.is_none() {
            program = program.args(["-o", "BatchMode=yes"]);
        }
        if let Some(key) = &self.key {
            program = program.args(["-o", "IdentitiesOnly=yes", "-i"]).args([key.as_os_str()]);
        }
        if let Some(port) = target.port {
            program = program.args(["-p", &port.to_string()]);
        }
        if let Some(given) = &self.passphrase {
            // No server gets to ask a question.
            let keys_only =
                ["PreferredAuthentications=publickey", "PasswordAuthentication=no", "KbdInteractiveAuthentication=no"];
            program = keys_only.iter().fold(program, |program, option| program.args(["-o", option]));
            program = askpass::apply(program, &given.0, &given.1);
        }
        // The address has no quotes.
        Ok(program.args([target.destination, format!("git-{name} '{}'", target.path)]))
    }

    /// Classifies a failure by the messages of OpenSSH and of the server's git.
    pub(super) fn classify(&self, output: &str) -> WireFailure {
        let url = self.url();
        let lines: Vec<&str> = output.lines().map(str::trim).filter(|line| is_relevant(line)).collect();
        let contains = |phrases: &[&str]| phrases.iter().any(|phrase| output.contains(phrase));
        let message = shown(&lines.join("; "));
        if contains(&[
            "Host key verification failed",
            "REMOTE HOST IDENTIFICATION HAS CHANGED",
            "host key is known for",
        ]) {
            let port = self.address.port().map_or_else(String::new, |port| format!("-p {port} "));
            let reason = format!(
                "{message}; get the host key with `ssh-keyscan {port}{}`, compare it with the published one, and add it to \
                 `~/.ssh/known_hosts`",
                self.address.host()
            );
            return WireFailure::lasting(GitError::Untrusted { url, reason });
        }
        if contains(&["Permission denied", "Too many authentication failures", "bad permissions"]) {
            let tried = match &self.key {
                Some(_) => "tried: the key in `PINSTREAM_GIT_SSH_KEY`",
                None => "tried: keys from the ssh configuration and the agent",
            };
            let (reason, help) = (format!("{message}; {tried}"), NO_CREDENTIALS);
            return WireFailure::lasting(GitError::Unauthorized { url, reason, help });
        }
        let is_final = contains(&[
            "not appear to be a git repository",
            "ot found",
            "Could not resolve hostname",
            "Bad configuration option",
            "No user exists",
        ]);
        let reason = if message.is_empty() { "`ssh` ended without a message".to_owned() } else { message };
        let error = GitError::Unreachable { url, reason };
        WireFailure::new(error, if is_final { FailureOutlook::Lasting } else { FailureOutlook::Transient })
    }
}

/// Returns whether a line of OpenSSH's output says something about the failure.
fn is_relevant(line: &str) -> bool {
    const COMMON: [&str; 5] = [
        "Warning: Permanently added",
        "fatal: Could not read from remote",
        "Please make sure",
        "and the repository",
        "@",
    ];
    !line.is_empty() && !COMMON.iter().any(|start| line.starts_with(start))
}
