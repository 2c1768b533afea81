//! A remote on a server: one connection to list and fetch refs, one to push, each with limits of time and size.
//!
//! A push names the expected commit of its ref and is not sent if the server has another one. libgit2 reports a refused
//! push as a success; only the callback of the ref has the result.

mod failure;
pub(super) mod local;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use git2::{Direction, ErrorClass, ErrorCode, FetchOptions, Oid, ProxyOptions, PushOptions, RemoteCallbacks};

use super::address::RemoteAddress;
use super::branch::BranchName;
use super::cache::GitCache;
use super::credential::{CredentialProvider, GitCredentialSources, TriedCredentials};
use super::error::{local, shown};
use super::{GitError, PROPOSALS, Push, STATE_REF};
use crate::system::clock::Stopwatch;

/// The most bytes of one fetch.
const FETCH_MAX: usize = 4 << 30;
/// The most bytes that are kept of a server's output.
const OUTPUT_MAX: usize = 4 << 10;
/// The time limit of one exchange, as a multiple of the longest silence.
const EXCHANGE_FACTOR: u32 = 20;
/// The times that a server may report a moved ref that did not move: another push may be in progress, but a stale lock file
/// is reported alike.
const FALSE_MOVES_MAX: u32 = 8;
/// The refs of the cache.
const CACHED_BRANCH: &str = "refs/cache/branch";
const CACHED_STATE: &str = "refs/cache/state";

/// A server and its cache.
pub(super) struct ServerRemote {
    pub(super) address: RemoteAddress,
    pub(super) cache: GitCache,
    pub(super) sources: GitCredentialSources,
    pub(super) timeout: Duration,
    false_moves: FalseMoves,
}

/// Pushes in a row that the server rejected as outdated although the ref was unchanged.
#[derive(Default)]
struct FalseMoves {
    from: Option<(String, Option<Oid>)>,
    times: u32,
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
    /// The branch that `HEAD` names.
    pub(super) default: Option<BranchName>,
    /// The proposal branches.
    pub(super) proposals: BTreeMap<BranchName, Oid>,
}

/// The most proposal branches that are read.
pub(super) const PROPOSALS_MAX: usize = 10_000;

/// An update of one ref.
#[derive(Clone, Copy)]
struct RefUpdate<'a> {
    reference: &'a str,
    expected: Option<Oid>,
    /// None deletes the ref.
    new: Option<Oid>,
    /// True if it need not be a fast-forward.
    is_forced: bool,
}

/// The results that libgit2 reports during one exchange.
#[derive(Default)]
struct Exchange {
    tried: TriedCredentials,
    /// The server's output.
    output: RefCell<String>,
    /// The result for the ref: no message means success.
    result: RefCell<Option<Option<String>>>,
    /// The ref is not at the expected commit.
    stale: Cell<bool>,
    /// The push was sent, or may have been.
    sent: Cell<bool>,
    too_large: Cell<bool>,
    too_long: Cell<bool>,
}

impl ServerRemote {
    pub(super) fn new(
        address: RemoteAddress,
        cache: GitCache,
        sources: GitCredentialSources,
        timeout: Duration,
    ) -> Self {
        Self { address, cache, sources, timeout, false_moves: FalseMoves::default() }
    }

    /// Lists the tips, and fetches what is not cached on the same connection.
    pub(super) fn fetch_tips(
        &self,
        branch: Option<&BranchName>,
        wanted: FetchRequest,
    ) -> Result<AdvertisedRefs, GitError> {
        let exchange = Exchange::default();
        let fail = |error: git2::Error| self.failed(&error, &exchange);
        let mut remote = self.cache.repository.remote_anonymous(self.address.url()).map_err(fail)?;
        let callbacks = self.callbacks(&exchange);
        let mut connection = remote.connect_auth(Direction::Fetch, Some(callbacks), Some(proxy())).map_err(fail)?;
        let tips = self.tips(connection.list().map_err(fail)?, branch)?;
        let mut refspecs = Vec::new();
        if !self.cache.has(tips.tip) {
            refspecs.push(format!("+{}:{CACHED_BRANCH}", tips.branch.reference()));
        }
        if wanted == FetchRequest::BranchAndState && tips.state.is_some_and(|state| !self.cache.has(state)) {
            refspecs.push(format!("+{STATE_REF}:{CACHED_STATE}"));
        }
        if !refspecs.is_empty() {
            self.fetch(connection.remote(), &refspecs, &exchange).map_err(fail)?;
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
        let is_proposal = |name: &BranchName| name.to_string().starts_with(PROPOSALS);
        let proposals = heads.iter().filter_map(|head| Some((name_of(head.name())?, head.oid())));
        let proposals = proposals.filter(|(name, _)| is_proposal(name)).take(PROPOSALS_MAX).collect();
        Ok(AdvertisedRefs { branch, tip, state: find(STATE_REF).map(git2::RemoteHead::oid), default, proposals })
    }

    /// Fetches refs without history.
    fn fetch(
        &self,
        remote: &mut git2::Remote<'_>,
        refspecs: &[String],
        exchange: &Exchange,
    ) -> Result<(), git2::Error> {
        let options = |depth: i32| {
            let mut options = FetchOptions::new();
            options.remote_callbacks(self.callbacks(exchange)).proxy_options(proxy()).depth(depth);
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
        let exchange = Exchange::default();
        let fail = |error: git2::Error| self.failed(&error, &exchange);
        let mut remote = self.cache.repository.remote_anonymous(self.address.url()).map_err(fail)?;
        let callbacks = self.callbacks(&exchange);
        let mut connection = remote.connect_auth(Direction::Fetch, Some(callbacks), Some(proxy())).map_err(fail)?;
        let refspecs: Vec<String> =
            branches.map(|branch| format!("+{}:refs/cache/proposals/{branch}", branch.reference())).collect();
        self.fetch(connection.remote(), &refspecs, &exchange).map_err(fail)
    }

    /// Fetches one commit: by a ref that points to it, else by its id.
    pub(super) fn fetch_commit(&self, commit: Oid) -> Result<(), GitError> {
        let exchange = Exchange::default();
        let fail = |error: git2::Error| self.failed(&error, &exchange);
        let mut remote = self.cache.repository.remote_anonymous(self.address.url()).map_err(fail)?;
        let callbacks = self.callbacks(&exchange);
        let mut connection = remote.connect_auth(Direction::Fetch, Some(callbacks), Some(proxy())).map_err(fail)?;
        let heads = connection.list().map_err(fail)?;
        let named = heads.iter().find(|head| head.oid() == commit && head.name() != "HEAD");
        let source = named.map_or_else(|| commit.to_string(), |head| head.name().to_owned());
        self.fetch(connection.remote(), &[format!("+{source}:refs/cache/commit")], &exchange).map_err(fail)
    }

    /// Updates `reference` from `expected`, or creates it, to `new`, whose only parent is `parent`.
    pub(super) fn push(
        &mut self,
        reference: &str,
        expected: Option<Oid>,
        parent: Option<Oid>,
        new: Oid,
    ) -> Result<Push<Oid>, GitError> {
        if let Some(parent) = parent {
            // libgit2 finds what to send by walking back from `new`; the walk ends here.
            self.cache.graft(&[parent.to_string()])?;
        }
        let exchange = Exchange::default();
        // The expected commit is compared in any case; without it as parent, the update is not a fast-forward.
        let update = RefUpdate { reference, expected, new: Some(new), is_forced: expected != parent };
        let result = self.send(update, &exchange);
        let outcome = self.outcome(reference, new, result, &exchange)?;
        if let (Push::Moved, Some(Some(message))) = (&outcome, exchange.result.borrow().as_ref()) {
            self.count_false_move(reference, expected, message)?;
        }
        if let Push::Landed(new) = &outcome {
            let name = match reference.strip_prefix("refs/heads/") {
                Some(branch) if branch.starts_with(PROPOSALS) => format!("refs/cache/proposals/{branch}"),
                Some(_) => CACHED_BRANCH.to_owned(),
                None => CACHED_STATE.to_owned(),
            };
            // Saves a later fetch some bytes.
            let _ = self.cache.repository.reference(&name, *new, true, "landed");
        }
        Ok(outcome)
    }

    /// Deletes `reference`, if it is still at `expected`.
    pub(super) fn remove(&mut self, reference: &str, expected: Oid) -> Result<Push<Oid>, GitError> {
        let exchange = Exchange::default();
        let update = RefUpdate { reference, expected: Some(expected), new: None, is_forced: false };
        let result = self.send(update, &exchange);
        self.outcome(reference, expected, result, &exchange)
    }

    /// Counts a rejection as outdated although the ref is unchanged; fails after several in a row.
    fn count_false_move(&mut self, reference: &str, expected: Option<Oid>, message: &str) -> Result<(), GitError> {
        let from = Some((reference.to_owned(), expected));
        if self.false_moves.from != from {
            self.false_moves = FalseMoves { from, times: 0 };
        }
        self.false_moves.times += 1;
        if self.false_moves.times < FALSE_MOVES_MAX {
            return Ok(());
        }
        let reason =
            format!("the ref is unchanged, but the push was rejected: {}", shown(&self.without_secrets(message)));
        Err(GitError::Failed { url: self.address.shown().to_owned(), reference: reference.to_owned(), reason })
    }

    /// Pushes one ref.
    fn send(&self, update: RefUpdate<'_>, exchange: &Exchange) -> Result<(), git2::Error> {
        let RefUpdate { reference, expected, new, is_forced } = update;
        let mut remote = self.cache.repository.remote_anonymous(self.address.url())?;
        let mut callbacks = self.callbacks(exchange);
        callbacks.push_negotiation(move |updates| {
            let expected = expected.unwrap_or(Oid::ZERO_SHA1);
            let to = new.unwrap_or(Oid::ZERO_SHA1);
            exchange.stale.set(updates.len() != 1 || updates[0].src() != expected || updates[0].dst() != to);
            if exchange.stale.get() {
                return Err(git2::Error::new(ErrorCode::NotFastForward, ErrorClass::Callback, "the ref has moved"));
            }
            exchange.sent.set(true);
            Ok(())
        });
        callbacks.push_update_reference(move |name, status| {
            if name == reference {
                *exchange.result.borrow_mut() = Some(status.map(str::to_owned));
            }
            Ok(())
        });
        let mut options = PushOptions::new();
        options.remote_callbacks(callbacks).proxy_options(proxy()).packbuilder_parallelism(1);
        let force = if is_forced { "+" } else { "" };
        let new = new.map(|new| new.to_string()).unwrap_or_default();
        remote.push(&[format!("{force}{new}:{reference}")], Some(&mut options))
    }

    /// Derives the outcome of a push.
    fn outcome(
        &self,
        reference: &str,
        new: Oid,
        result: Result<(), git2::Error>,
        exchange: &Exchange,
    ) -> Result<Push<Oid>, GitError> {
        let refused = |message: &str| {
            let output = exchange.output.borrow();
            let message = match output.trim() {
                "" => message.to_owned(),
                output => format!("{message}: {output}"),
            };
            let reason = shown(&self.without_secrets(&message));
            let (url, reference) = (self.address.shown().to_owned(), reference.to_owned());
            match failure::means_failed(&message) {
                true => GitError::Failed { url, reference, reason },
                false => GitError::Refused { url, reference, reason },
            }
        };
        if let Some(result) = exchange.result.borrow().as_ref() {
            return match result {
                None => Ok(Push::Landed(new)),
                Some(message) if failure::means_moved(message) => Ok(Push::Moved),
                Some(message) => Err(refused(message)),
            };
        }
        let Err(error) = result else {
            return Ok(Push::Unknown("the server did not report the result of the push".to_owned()));
        };
        if exchange.stale.get() || error.code() == ErrorCode::NotFastForward {
            return Ok(Push::Moved);
        }
        let message = error.message();
        if message.contains("unpacking the sent packfile failed") {
            return Err(refused("unpacking failed"));
        }
        if !exchange.sent.get() || is_local(&error) || message.contains("status code: 4") {
            return Err(self.failed(&error, exchange));
        }
        Ok(Push::Unknown(shown(&self.without_secrets(message))))
    }

    fn without_secrets(&self, text: &str) -> String {
        let text = self.address.without_secrets(text);
        match &self.sources.token {
            Some(token) => text.replace(token.reveal(), "***"),
            None => text,
        }
    }

    fn failed(&self, error: &git2::Error, exchange: &Exchange) -> GitError {
        let url = self.address.shown().to_owned();
        if exchange.too_large.get() {
            let reason = format!("it sent more than {} GiB", FETCH_MAX >> 30);
            return GitError::Unreachable { url, reason };
        }
        if exchange.too_long.get() {
            let reason = format!("it took longer than {} s", (self.timeout * EXCHANGE_FACTOR).as_secs());
            return GitError::Unreachable { url, reason };
        }
        if is_local(error) {
            return local(error);
        }
        let tried = exchange.tried.lock().unwrap_or_else(PoisonError::into_inner);
        failure::classify(error, &self.address, &tried)
    }

    fn callbacks<'h>(&self, exchange: &'h Exchange) -> RemoteCallbacks<'h> {
        let config = self.cache.repository.config().ok();
        let mut provider = CredentialProvider::new(&self.address, &self.sources, config, self.timeout, &exchange.tried);
        let mut callbacks = RemoteCallbacks::new();
        callbacks.credentials(move |url, _, allowed| provider.next(url, allowed));
        let (watch, limit) = (Stopwatch::start(), self.timeout * EXCHANGE_FACTOR);
        callbacks.transfer_progress(move |progress| {
            exchange.too_large.set(progress.received_bytes() > FETCH_MAX);
            exchange.too_long.set(watch.elapsed() > limit);
            !exchange.too_large.get() && !exchange.too_long.get()
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

/// Returns whether a failure concerns our own objects and files, e.g. a stale lock file in the cache. Failures of the
/// network have the class `Os` too; only the message distinguishes them.
fn is_local(error: &git2::Error) -> bool {
    use ErrorClass::{Config, Filesystem, Index, Indexer, NoMemory, Object, Odb, Os, Reference, Repository, Tree};
    match error.class() {
        Config | Filesystem | Index | Indexer | NoMemory | Object | Odb | Reference | Repository | Tree => true,
        Os => error.code() == ErrorCode::Locked || error.message().contains(" file"),
        _ => error.code() == ErrorCode::Locked,
    }
}

fn proxy<'p>() -> ProxyOptions<'p> {
    let mut options = ProxyOptions::new();
    options.auto();
    options
}
