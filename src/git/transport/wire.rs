//! The transports: the bytes of the smart protocol (gitprotocol-pack(5)) travel through `http.rs`, `ssh.rs`, `local.rs` and
//! `daemon.rs`. libgit2 fetches through them.
//!
//! libgit2 knows one address, [`URL`]; which remote it means is chosen by the thread that connects.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::sync::{Arc, OnceLock};

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream, Transport};
use git2::{ErrorClass, ErrorCode};

use super::daemon::DaemonRemote;
use super::failure::FailureSlot;
use super::http::SmartHttp;
use super::process::ProgramRemote;
use crate::git::deadline;

/// The address that libgit2 gets instead of the remote's.
pub(super) const URL: &str = "pinstream://remote";
const SCHEME: &str = "pinstream";

/// The way to one remote.
pub(super) enum Wire {
    Http(SmartHttp),
    Program(ProgramRemote),
    Daemon(DaemonRemote),
}

impl Wire {
    /// Returns whether each request needs a stream of its own.
    pub(super) fn is_stateless(&self) -> bool {
        matches!(self, Self::Http(_))
    }

    /// Opens the stream of a service.
    pub(super) fn open(&self, service: Service, failure: &FailureSlot) -> io::Result<Box<dyn SmartSubtransportStream>> {
        match self {
            Self::Http(http) => Ok(Box::new(NetworkStream(http.exchange(service, failure.clone())))),
            Self::Program(program) => match deadline::waiting(|| program.start(service, failure.clone())) {
                Ok(stream) => Ok(Box::new(NetworkStream(stream))),
                Err(error) => Err(failure.report(error)),
            },
            Self::Daemon(daemon) => match deadline::waiting(|| daemon.start(service, failure.clone())) {
                Ok(stream) => Ok(Box::new(NetworkStream(stream))),
                Err(error) => Err(failure.report(error)),
            },
        }
    }
}

thread_local! {
    /// The remote that this thread connects to.
    static SELECTED: RefCell<Option<Selected>> = const { RefCell::new(None) };
}

#[derive(Clone)]
struct Selected {
    wire: Arc<Wire>,
    failure: FailureSlot,
}

/// Makes [`URL`] mean one remote on this thread until this is dropped.
pub(super) struct SelectedRemote;

impl SelectedRemote {
    pub(super) fn of(wire: &Arc<Wire>, failure: &FailureSlot) -> Self {
        let selected = Selected { wire: Arc::clone(wire), failure: failure.clone() };
        SELECTED.with(|slot| *slot.borrow_mut() = Some(selected));
        Self
    }
}

impl Drop for SelectedRemote {
    fn drop(&mut self) {
        SELECTED.with(|slot| slot.borrow_mut().take());
    }
}

/// Registers the transport with libgit2, once per process.
#[allow(unsafe_code, reason = "libgit2 keeps its list of transports in a static")]
pub(super) fn register() -> Result<(), git2::Error> {
    static REGISTERED: OnceLock<Result<(), String>> = OnceLock::new();
    // SAFETY: the list of transports must not be changed and read at once. It is changed here only, once, before the first
    // connection through it: every `ServerRemote` registers before it connects.
    let register = || unsafe { git2::transport::register(SCHEME, connect) }.map_err(|error| error.message().to_owned());
    let done = REGISTERED.get_or_init(register);
    done.clone().map_err(|message| git2::Error::new(ErrorCode::GenericError, ErrorClass::Net, message))
}

fn connect(remote: &git2::Remote<'_>) -> Result<Transport, git2::Error> {
    let selected = SELECTED.with(|slot| slot.borrow().clone());
    let selected = selected.ok_or_else(|| failed("no remote is selected"))?;
    Transport::smart(remote, selected.wire.is_stateless(), selected)
}

impl SmartSubtransport for Selected {
    fn action(&self, _: &str, service: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        self.wire.open(service, &self.failure).map_err(|error| failed(&error.to_string()))
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

/// A stream whose waiting does not count as local work.
struct NetworkStream<S>(S);

impl<S: Read> Read for NetworkStream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        deadline::waiting(|| self.0.read(buffer))
    }
}

impl<S: Write> Write for NetworkStream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        deadline::waiting(|| self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn failed(message: &str) -> git2::Error {
    git2::Error::new(ErrorCode::GenericError, ErrorClass::Net, message)
}
