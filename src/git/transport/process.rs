//! A remote that a program connects to: `ssh`, or `git` for a directory of this machine.

use std::io::{self, Read, Write};
use std::time::Duration;

use git2::transport::Service;

use super::failure::{FailureSlot, WireFailure};
use super::local::LocalProgram;
use super::ssh::SshProgram;
use crate::git::GitError;
use crate::system::clock::Stopwatch;
use crate::system::program::{ProgramError, RunningProgram};

/// The program for one remote.
pub(super) struct ProgramRemote {
    pub(super) program: RemoteProgram,
    /// The longest silence.
    pub(super) silence: Duration,
}

/// The kind of program.
#[derive(Clone)]
pub(super) enum RemoteProgram {
    Ssh(SshProgram),
    Local(LocalProgram),
}

impl RemoteProgram {
    /// Classifies a failure by the program's error output.
    fn classify(&self, output: &str) -> WireFailure {
        match self {
            Self::Ssh(ssh) => ssh.classify(output),
            Self::Local(local) => local.classify(output),
        }
    }

    fn not_started(&self, error: &ProgramError) -> WireFailure {
        let help = match (error, self) {
            (ProgramError::Missing { .. }, Self::Ssh(_)) => "; install an OpenSSH client, or use an `https` address",
            (ProgramError::Missing { .. }, Self::Local(_)) => "; install git, or use an `https` or `ssh` address",
            (ProgramError::Start { .. } | ProgramError::TimedOut { .. }, _) => "",
        };
        WireFailure::lasting(GitError::Unreachable { url: self.url(), reason: format!("{error}{help}") })
    }

    fn url(&self) -> String {
        match self {
            Self::Ssh(ssh) => ssh.url(),
            Self::Local(local) => local.url(),
        }
    }
}

impl ProgramRemote {
    /// Starts the program that provides `service`.
    pub(super) fn start(&self, service: Service, failure: FailureSlot) -> Result<ProgramStream, WireFailure> {
        let program = match &self.program {
            RemoteProgram::Ssh(ssh) => ssh.command(command_of(service))?,
            RemoteProgram::Local(local) => local.command(command_of(service)),
        };
        let running = program.start(self.silence).map_err(|error| self.program.not_started(&error))?;
        Ok(ProgramStream {
            running: Some(running),
            kind: self.program.clone(),
            silence: self.silence,
            watch: Stopwatch::start(),
            failure,
        })
    }
}

/// The command of a service (gitprotocol-pack(5), "SSH Transport").
pub(super) fn command_of(service: Service) -> &'static str {
    match service {
        Service::UploadPackLs | Service::UploadPack => "upload-pack",
        Service::ReceivePackLs | Service::ReceivePack => "receive-pack",
    }
}

/// The bytes of one running program.
pub(super) struct ProgramStream {
    running: Option<RunningProgram>,
    kind: RemoteProgram,
    silence: Duration,
    watch: Stopwatch,
    failure: FailureSlot,
}

impl ProgramStream {
    fn check_time(&mut self) -> io::Result<()> {
        WireFailure::check_time(&self.watch, &self.kind.url(), self.silence).map_err(|failure| {
            self.running = None;
            self.failure.report(failure)
        })
    }

    /// Reports why the program ended, or did not answer.
    fn failed(&mut self, error: &io::Error) -> io::Error {
        let Some(running) = self.running.take() else { return io::ErrorKind::BrokenPipe.into() };
        self.failure.report(match error.kind() {
            io::ErrorKind::TimedOut => WireFailure::silent(self.kind.url(), self.silence),
            _ => self.kind.classify(&running.finish()),
        })
    }
}

impl Read for ProgramStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.check_time()?;
        let Some(running) = &mut self.running else { return Err(io::ErrorKind::BrokenPipe.into()) };
        match running.read(buffer) {
            // The protocol says where a response ends; libgit2 does not read beyond.
            Ok(0) => Err(self.failed(&io::ErrorKind::UnexpectedEof.into())),
            Ok(size) => Ok(size),
            Err(error) => Err(self.failed(&error)),
        }
    }
}

impl Write for ProgramStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check_time()?;
        let Some(running) = &mut self.running else { return Err(io::ErrorKind::BrokenPipe.into()) };
        running.write(bytes).map_err(|error| self.failed(&error))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for ProgramStream {
    fn drop(&mut self) {
        // The program ends by itself once its input is closed; if not, it is killed.
        if let Some(running) = self.running.take() {
            running.close();
        }
    }
}
