//! A remote behind `git daemon` (gitprotocol-pack(5), "Git Transport"): plain TCP, on the loopback host only.

#![allow(clippy::disallowed_methods, reason = "this is one of the files the rule names")]

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use git2::transport::Service;

use super::failure::{EXCHANGE_FACTOR, FailureOutlook, FailureSlot, WireFailure};
use super::packet::packet;
use super::process::command_of;
use crate::git::GitError;
use crate::git::address::RemoteAddress;
use crate::system::clock::Stopwatch;

/// The port of git:// (IANA).
const PORT: u16 = 9418;

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
        let path = url::Url::parse(&url).map(|url| url.path().to_owned()).unwrap_or_default();
        Self { url, host, port: address.port().unwrap_or(PORT), path, silence }
    }

    /// Connects and requests `service`.
    pub(super) fn start(&self, service: Service, failure: FailureSlot) -> Result<DaemonStream, WireFailure> {
        let failed = |error: &io::Error| self.failed(error);
        let mut stream = self.connect().map_err(|error| failed(&error))?;
        let request = format!("git-{} {}\0host={}:{}\0", command_of(service), self.path, self.host, self.port);
        stream.write_all(&packet(&request)).map_err(|error| failed(&error))?;
        let (url, silence) = (self.url.clone(), self.silence);
        Ok(DaemonStream { stream, url, silence, watch: Stopwatch::start(), failure })
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
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

    fn failed(&self, error: &io::Error) -> WireFailure {
        unreachable(&self.url, error.to_string())
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
    /// Fails once the exchange has taken too long: a server may send signs of life forever.
    fn check_time(&self) -> io::Result<()> {
        let limit = self.silence * EXCHANGE_FACTOR;
        if self.watch.elapsed() <= limit {
            return Ok(());
        }
        let reason = format!("the exchange took longer than {} s", limit.as_secs());
        Err(self.failure.report(unreachable(&self.url, reason)))
    }

    fn failed(&self, error: &io::Error) -> io::Error {
        let reason = match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                format!("it did not answer within {} s", self.silence.as_secs())
            }
            _ => error.to_string(),
        };
        self.failure.report(unreachable(&self.url, reason))
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
