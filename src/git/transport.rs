//! A remote on a server: one connection to list and fetch refs, one to push, each with limits of time and size.
//!
//! A push names the expected commit of its ref and is not sent if the server has another one.

mod credential_use;
mod containment;
mod daemon;
pub(super) mod failure;
mod http;
mod local;
mod packet;
mod process;
pub(super) mod receive_pack;
mod ssh;
mod wire;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use git2::{Direction, ErrorClass, ErrorCode, FetchOptions, Oid, RemoteCallbacks, RemoteConnection};

use super::address::{RemoteAddress, RemoteRoute, RemoteScheme};
use super::branch::BranchName;
use super::cache::{FULL, GitCache};
use super::credential::{GitCredentialSources, GitLogins};
use super::error::{local, shown};
use super::format;
use super::stalled::StalledPushes;
use super::{GitError, STATE_REF, deadline};
use crate::http::HttpLimits;
use crate::system::clock::Stopwatch;
use daemon::DaemonRemote;
use failure::{EXCHANGE_FACTOR, FailureSlot, WireFailure};
use http::SmartHttp;
use local::LocalProgram;
use process::{ProgramRemote, RemoteProgram};
use ssh::SshProgram;
use wire::{SelectedRemote, Wire};

/// The most bytes of one fetch.
const FETCH_MAX: usize = 4 << 30;
/// The most bytes that are kept of a server's output.
const OUTPUT_MAX: usize = 4 << 10;
/// The refs of the cache.
pub(super) const CACHED_BRANCH: &str = "refs/cache/branch";
pub(super) const CACHED_STATE: &str = "refs/cache/state";

/// A server and its cache.
pub(super) struct ServerRemote {
    pub(super) address: RemoteAddress,
    pub(super) cache: GitCache,
    pub(super) sources: GitCredentialSources,
    pub(super) timeout: Duration,
    wire: Arc<Wire>,
    pub(super) stalled: StalledPushes<Oid>,
}

/// The refs to fetch unless they are cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FetchRequest {
    /// The branch, for reading only.
    Branch,
    /// The branch and the state ref.
    BranchAndState,
}

/// The refs of a remote.
pub(super) struct AdvertisedRefs {
    pub(super) branch: BranchName,
    pub(super) tip: Oid,
    pub(super) state: Option<Oid>,
    /// The reason why the state ref cannot be used.
    pub(super) state_fault: Option<String>,
    /// The branch that `HEAD` names.
    pub(super) default: Option<BranchName>,
    /// All other branches.
    pub(super) branches: BTreeMap<BranchName, Oid>,
}

/// The results that libgit2 reports during one exchange.
#[derive(Default)]
pub(super) struct Exchange {
    pub(super) failure: FailureSlot,
    /// The server's output.
    pub(super) output: RefCell<String>,
    /// The push was sent, or may have been.
    pub(super) sent: Cell<bool>,
    pub(super) too_large: Cell<bool>,
    pub(super) too_long: Cell<bool>,
    /// The disk of the cache has no space for what the server sends.
    pub(super) disk_full: Cell<bool>,
}

impl ServerRemote {
    /// Prepares connections; connects to nothing.
    ///
    /// # Errors
    /// If Git's configuration for the server is invalid.
    pub(super) fn new(
        address: RemoteAddress,
        cache: GitCache,
        sources: GitCredentialSources,
        git: GitConfiguration,
        timeout: Duration,
    ) -> Result<Self, GitError> {
        let GitConfiguration { config, checkout } = git;
        let program = |program| Wire::Program(ProgramRemote { program, silence: timeout });
        let wire = match &address.route {
            RemoteRoute::Directory(path) => program(RemoteProgram::Local(LocalProgram { path: path.clone() })),
            RemoteRoute::Server(RemoteScheme::Ssh) => {
                program(RemoteProgram::Ssh(SshProgram::new(&address, &sources, config.as_ref())?))
            }
            RemoteRoute::Server(RemoteScheme::Https | RemoteScheme::Http) => {
                let logins = GitLogins::new(&address, &sources, checkout, timeout);
                Wire::Http(SmartHttp::new(&address, &sources, config.as_ref(), logins, timeout)?)
            }
            RemoteRoute::Server(RemoteScheme::Git) => Wire::Daemon(DaemonRemote::new(&address, timeout)),
        };
        wire::register()?;
        let (wire, stalled) = (Arc::new(wire), StalledPushes::default());
        Ok(Self { address, cache, sources, timeout, wire, stalled })
    }

    /// Calls `act` with a connection for reading; up to three times if the connection or the server fails.
    fn read<T>(
        &self,
        act: impl Fn(&mut RemoteConnection<'_, '_, '_>, &Exchange) -> Result<T, ReadError>,
    ) -> Result<T, GitError> {
        let mut next_pause = retries();
        loop {
            let exchange = Exchange::default();
            let result = self.connect(&exchange, |remote| {
                let callbacks = self.callbacks(&exchange);
                let mut connection = remote.connect_auth(Direction::Fetch, Some(callbacks), None)?;
                act(&mut connection, &exchange)
            });
            let error = match result {
                Ok(value) => return Ok(value),
                Err(ReadError::Final(error)) => return Err(error),
                Err(ReadError::Git(error)) => error,
            };
            let Some(pause) = next_pause(&exchange) else { return Err(self.failed(&error, &exchange)) };
            deadline::waiting(|| std::thread::sleep(pause));
        }
    }

    /// Calls `act` with libgit2's remote, whose address means this one.
    fn connect<T, E: From<git2::Error>>(
        &self,
        exchange: &Exchange,
        act: impl FnOnce(&mut git2::Remote<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let _selection = SelectedRemote::of(&self.wire, &exchange.failure);
        act(&mut self.cache.repository.remote_anonymous(wire::URL)?)
    }

    /// Lists the tips, and fetches what is not cached on the same connection. A state that the server cannot send does not
    /// prevent the rest.
    pub(super) fn fetch_tips(
        &self,
        branch: Option<&BranchName>,
        wanted: FetchRequest,
    ) -> Result<AdvertisedRefs, GitError> {
        let (has_requested_state, is_left_out) = (Cell::new(false), Cell::new(false));
        let fetched = self.read(|connection, exchange| {
            let tips = self.tips(connection.list()?, branch).map_err(ReadError::Final)?;
            let mut refspecs = Vec::new();
            if !self.cache.has(tips.tip) {
                refspecs.push(format!("+{}:{CACHED_BRANCH}", tips.branch.reference()));
            }
            let is_state_missing = tips.state.is_some_and(|state| !self.cache.has(state));
            if wanted == FetchRequest::BranchAndState && is_state_missing {
                // An earlier attempt may have failed because of it.
                is_left_out.set(has_requested_state.replace(true));
                if !is_left_out.get() {
                    refspecs.push(format!("+{STATE_REF}:{CACHED_STATE}"));
                }
            }
            if !refspecs.is_empty() {
                self.fetch(connection.remote(), &refspecs, exchange)?;
            }
            Ok(tips)
        });
        let mut tips = match fetched {
            Err(GitError::Unreachable { .. }) if has_requested_state.get() => {
                is_left_out.set(true);
                self.fetch_tips(branch, FetchRequest::Branch)?
            }
            fetched => fetched?,
        };
        if let Some(state) = tips.state.filter(|_| is_left_out.get()) {
            match self.fetch_commit(state) {
                // Only a state that cannot be fetched by itself is at fault.
                Err(GitError::Unreachable { reason, .. }) => tips.state_fault = Some(unsent(&reason)),
                fetched => fetched?,
            }
        }
        if wanted == FetchRequest::BranchAndState && tips.state_fault.is_none() {
            tips.state_fault = tips.state.and_then(|state| self.cache.fault_of(state)).map(str::to_owned);
        }
        Ok(tips)
    }

    fn tips(&self, heads: &[git2::RemoteHead<'_>], branch: Option<&BranchName>) -> Result<AdvertisedRefs, GitError> {
        let url = self.address.shown().to_owned();
        let find = |name: &str| heads.iter().find(|head| head.name() == name);
        let name_of = |reference: &str| BranchName::parse(reference.strip_prefix("refs/heads/")?).ok();
        let default = find("HEAD").and_then(|head| {
            // An old server does not report the branch of HEAD: assume one with the same commit.
            let named = head.symref_target().or_else(|| {
                let same = |name: &&str| find(name).is_some_and(|other| other.oid() == head.oid());
                ["refs/heads/main", "refs/heads/master"].into_iter().find(same)
            });
            named.and_then(name_of)
        });
        let branch = match branch {
            Some(branch) => branch.clone(),
            None => {
                default.clone().ok_or_else(|| GitError::NoBranch { url: url.clone(), branch: "HEAD".to_owned() })?
            }
        };
        let Some(tip) = find(&branch.reference()).map(git2::RemoteHead::oid) else {
            return Err(GitError::NoBranch { url, branch: branch.to_string() });
        };
        let others = heads.iter().filter_map(|head| Some((name_of(head.name())?, head.oid())));
        let branches = others.filter(|(name, _)| *name != branch).collect();
        let state = find(STATE_REF).map(git2::RemoteHead::oid);
        let blocking =
            heads.iter().map(git2::RemoteHead::name).find(|name| state.is_none() && collide(STATE_REF, name));
        let state_fault = blocking.map(|name| format!("the ref `{}` blocks its name", shown(name)));
        Ok(AdvertisedRefs { branch, tip, state, state_fault, default, branches })
    }

    /// Fetches refs without history.
    fn fetch(
        &self,
        remote: &mut git2::Remote<'_>,
        refspecs: &[String],
        exchange: &Exchange,
    ) -> Result<(), git2::Error> {
        exchange.disk_full.set(self.cache.is_full());
        if exchange.disk_full.get() {
            return Err(git2::Error::new(ErrorCode::GenericError, ErrorClass::Os, "the disk is full"));
        }
        let options = |depth: i32| {
            let mut options = FetchOptions::new();
            options.remote_callbacks(self.callbacks(exchange)).depth(depth);
            options.download_tags(git2::AutotagOption::None).update_fetchhead(false);
            options
        };
        match remote.fetch(refspecs, Some(&mut options(1)), None) {
            // A server without shallow fetches sends the whole history.
            Err(error) if error.message().contains("support shallow") => {
                remote.fetch(refspecs, Some(&mut options(0)), None)
            }
            other => other,
        }
    }

    /// Fetches the tips of branches, on one connection.
    pub(super) fn fetch_branches<'b>(&self, branches: impl Iterator<Item = &'b BranchName>) -> Result<(), GitError> {
        let refspecs: Vec<String> =
            branches.map(|branch| format!("+{}:refs/cache/proposals/{branch}", branch.reference())).collect();
        self.read(|connection, exchange| Ok(self.fetch(connection.remote(), &refspecs, exchange)?))
    }

    /// Fetches one commit: by a ref that points to it, else by its id.
    pub(super) fn fetch_commit(&self, commit: Oid) -> Result<(), GitError> {
        self.read(|connection, exchange| {
            let heads = connection.list()?;
            let named = heads.iter().find(|head| head.oid() == commit && head.name() != "HEAD");
            let source = named.map_or_else(|| commit.to_string(), |head| head.name().to_owned());
            Ok(self.fetch(connection.remote(), &[format!("+{source}:refs/cache/commit")], exchange)?)
        })
    }

    /// Lists the names and commits of all refs.
    pub(super) fn list(&self) -> Result<BTreeMap<String, Oid>, GitError> {
        let named = |head: &git2::RemoteHead<'_>| (head.name().to_owned(), head.oid());
        self.read(|connection, _| Ok(connection.list()?.iter().map(named).collect()))
    }

    /// Appends what the server printed to its message about a push.
    pub(super) fn with_output(&self, message: &str, exchange: &Exchange) -> String {
        let output = exchange.output.borrow();
        let lines: Vec<&str> = output.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        match lines.is_empty() {
            true => message.to_owned(),
            false => format!("{message}: {}", lines.join("; ")),
        }
    }

    pub(super) fn without_secrets(&self, text: &str) -> String {
        let text = self.address.without_secrets(text);
        let text = match &self.sources.token {
            Some(token) => text.replace(token.reveal(), "***"),
            None => text,
        };
        match &*self.wire {
            Wire::Http(http) => http.redact(&text),
            Wire::Program(_) | Wire::Daemon(_) => text,
        }
    }

    pub(super) fn failed(&self, error: &git2::Error, exchange: &Exchange) -> GitError {
        let url = self.address.shown().to_owned();
        if exchange.too_large.get() {
            let reason = format!("it sent more than {} GiB", FETCH_MAX >> 30);
            return GitError::Unreachable { url, reason };
        }
        if exchange.too_long.get() {
            let reason = format!("it took longer than {} s", (self.timeout * EXCHANGE_FACTOR).as_secs());
            return GitError::Unreachable { url, reason };
        }
        if exchange.disk_full.get() {
            return GitError::Local(FULL[0].to_owned());
        }
        match exchange.failure.get() {
            Some(failure) => failure.error,
            None => format::of_remote(&url, error).unwrap_or_else(|| match is_local(error) {
                true => local(error),
                false => {
                    let reason = shown(&self.without_secrets(error.message()));
                    GitError::Unreachable { url, reason }
                }
            }),
        }
    }

    fn callbacks<'h>(&'h self, exchange: &'h Exchange) -> RemoteCallbacks<'h> {
        let mut callbacks = RemoteCallbacks::new();
        let (watch, limit) = (Stopwatch::start(), self.timeout * EXCHANGE_FACTOR);
        callbacks.transfer_progress(move |progress| {
            exchange.too_large.set(progress.received_bytes() > FETCH_MAX);
            exchange.too_long.set(watch.elapsed() > limit);
            exchange.disk_full.set(self.cache.is_full());
            deadline::progress();
            !exchange.too_large.get() && !exchange.too_long.get() && !exchange.disk_full.get()
        });
        callbacks.sideband_progress(move |bytes| {
            let mut output = exchange.output.borrow_mut();
            if output.len() < OUTPUT_MAX {
                output.push_str(&String::from_utf8_lossy(bytes));
            }
            exchange.too_long.set(watch.elapsed() > limit);
            !exchange.too_long.get()
        });
        callbacks
    }
}

/// Returns a function that decides whether a failed exchange is repeated: after which pause, by the policy of HTTP requests.
pub(super) fn retries() -> impl FnMut(&Exchange) -> Option<Duration> {
    let limits = HttpLimits::default();
    let mut backoff = limits.backoff();
    move |exchange| {
        let failure = exchange.failure.get().filter(WireFailure::is_transient)?;
        let pause = limits.pause(&mut backoff, failure.after)?;
        tracing::debug!("{}; next attempt in {} ms", failure.error, pause.as_millis());
        Some(pause)
    }
}

/// Git's configuration for one remote.
pub(super) struct GitConfiguration {
    pub(super) config: Option<git2::Config>,
    /// The checkout whose configuration it is.
    pub(super) checkout: Option<PathBuf>,
}

/// An error of a connection for reading.
enum ReadError {
    Git(git2::Error),
    /// Independent of the connection.
    Final(GitError),
}

impl From<git2::Error> for ReadError {
    fn from(error: git2::Error) -> Self {
        Self::Git(error)
    }
}

/// Returns whether a failure of an exchange concerns our own objects and files. The transports report their failures
/// themselves; libgit2 reports the server's violations of the protocol as `Net`.
fn is_local(error: &git2::Error) -> bool {
    use ErrorClass::{Callback, Http, Invalid, Net, Ssh, Ssl};
    // `Invalid`: the server does not offer what was asked for, such as a commit by its id.
    !matches!(error.class(), Net | Http | Ssh | Ssl | Callback | Invalid)
}

/// Returns whether two refs cannot exist together: the name of one is a directory of the other.
pub(super) fn collide(one: &str, other: &str) -> bool {
    let is_below = |name: &str, top: &str| name.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'));
    is_below(one, other) || is_below(other, one)
}

/// Describes a ref that the server lists but cannot send, e.g. because it lacks objects.
pub(super) fn unsent(reason: &str) -> String {
    format!("the server cannot send it: {reason}")
}
