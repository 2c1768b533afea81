//! A remote behind `git daemon` (gitprotocol-pack(5), "Git Transport"): plain TCP, on the loopback host only.

#![allow(clippy::disallowed_methods, reason = "this is one of the files the rule names")]

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use git2::transport::Service;

use super::failure::{FailureOutlook, FailureSlot, WireFailure};
use super::packet::packet;
use super::process::command_of;
use crate::git::GitError;
use crate::git::address::RemoteAddress;
use crate::system::clock::Stopwatch;
use crate::text::encoding::percent_decode;

/// The server, and a repository of it.
pub(super) struct DaemonRemote {
    url: String,
    host: String,
    port: u16,
    path: String,
    /// The longest silence.
    silence: Duration,
}

impl DaemonRemote {
    /// Prepares connections to `address`; connects to nothing.
    pub(super) fn new(address: &RemoteAddress, silence: Duration) -> Self {
        let (url, host) = (address.url().to_owned(), address.host().to_owned());
        let path = url::Url::parse(&url).ok().and_then(|url| percent_decode(url.path())).unwrap_or_default();
        Self { url, host, port: address.port_or_default().unwrap_or_default(), path, silence }
    }

    /// Connects and requests `service`.
    pub(super) fn start(&self, service: Service, failure: FailureSlot) -> Result<DaemonStream, WireFailure> {
        let failed = |error: io::Error| unreachable(&self.url, error.to_string());
        let mut stream = self.connect().map_err(failed)?;
        let request = format!("git-{} {}\0host={}:{}\0", command_of(service), self.path, self.host, self.port);
        stream.write_all(&packet(&request)).map_err(failed)?;
        let (url, silence) = (self.url.clone(), self.silence);
        Ok(DaemonStream { stream, url, silence, watch: Stopwatch::start(), failure })
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let host = self.host.trim_matches(['[', ']']);
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in (host, self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, self.silence) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(self.silence))?;
                    stream.set_write_timeout(Some(self.silence))?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Builds the failure of a connection, which another attempt may repair.
fn unreachable(url: &str, reason: String) -> WireFailure {
    WireFailure::new(GitError::Unreachable { url: url.to_owned(), reason }, FailureOutlook::Transient)
}

/// The bytes of one connection.
pub(super) struct DaemonStream {
    stream: TcpStream,
    url: String,
    silence: Duration,
    watch: Stopwatch,
    failure: FailureSlot,
}

impl DaemonStream {
    fn check_time(&self) -> io::Result<()> {
        let checked = WireFailure::check_time(&self.watch, &self.url, self.silence);
        checked.map_err(|failure| self.failure.report(failure))
    }

    fn failed(&self, error: &io::Error) -> io::Error {
        self.failure.report(match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => WireFailure::silent(self.url.clone(), self.silence),
            _ => unreachable(&self.url, error.to_string()),
        })
    }
}

impl Read for DaemonStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.check_time()?;
        match self.stream.read(buffer) {
            // The protocol says where a response ends; nobody reads beyond.
            Ok(0) => Err(self.failed(&io::Error::other("the connection was closed"))),
            Ok(size) => Ok(size),
            Err(error) => Err(self.failed(&error)),
        }
    }
}

impl Write for DaemonStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check_time()?;
        self.stream.write(bytes).map_err(|error| self.failed(&error))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
