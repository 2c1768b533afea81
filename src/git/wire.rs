//! A remote that is a server: one connection to look and fetch, one to push, each bounded in time and size.
//!
//! A push says which ref it moves from where to where, and is not sent if the server has anything else there. libgit2
//! reports a push that the server refused as a success; only the callback for each ref knows.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use git2::{Direction, ErrorClass, ErrorCode, FetchOptions, Oid, ProxyOptions, PushOptions, RemoteCallbacks};

use super::address::{BranchName, RemoteAddress};
use super::cache::GitCache;
use super::credential::{CredentialAsker, GitCredentialSources};
use super::message::{local, means_failed, means_moved, remote, shown};
use super::{GitError, PROPOSALS, Push, STATE_REF};
use crate::system::clock::Stopwatch;

/// The most bytes that one fetch takes.
const FETCH_MAX: usize = 4 << 30;
/// How much of what a server's hooks print is kept.
const TALK_MAX: usize = 4 << 10;
/// How many silences one conversation may last in all.
const SILENCES: u32 = 20;
/// How often a server may say that a ref moved which still stands where it stood: somebody else may be about to move it,
/// but a lock file that a dead git left there sounds the same.
const STANDOFFS: u32 = 8;
/// Where the cache keeps what it fetched.
const CACHED_BRANCH: &str = "refs/cache/branch";
const CACHED_STATE: &str = "refs/cache/state";

/// A server, and our cache of what it has.
pub(super) struct Transport {
    pub(super) address: RemoteAddress,
    pub(super) cache: GitCache,
    pub(super) sources: GitCredentialSources,
    pub(super) timeout: Duration,
    standoff: Standoff,
}

/// A push that was called late, and how often in a row from the same place.
#[derive(Default)]
struct Standoff {
    from: Option<(String, Option<Oid>)>,
    times: u32,
}

/// What of a server is fetched where it is not at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FetchRequest {
    /// The branch, where nothing is to be landed.
    Branch,
    /// The branch and the state ref.
    BranchAndState,
}

/// What the server has.
pub(super) struct AdvertisedRefs {
    pub(super) branch: BranchName,
    pub(super) tip: Oid,
    pub(super) state: Option<Oid>,
    /// The branch that `HEAD` names.
    pub(super) default: Option<BranchName>,
    /// The branches of proposals.
    pub(super) proposals: BTreeMap<BranchName, Oid>,
}

/// The most branches of proposals that are looked at: more than there can be groups of tags that people review.
pub(super) const PROPOSALS_MAX: usize = 10_000;

/// What one conversation brought to light.
#[derive(Default)]
struct Heard {
    tried: Rc<RefCell<Vec<&'static str>>>,
    /// What the server printed.
    talk: RefCell<String>,
    /// What it said of the ref: none is yes.
    verdict: RefCell<Option<Option<String>>>,
    /// It has something else there than expected.
    stale: Cell<bool>,
    /// The push has been sent, or may have been.
    sent: Cell<bool>,
    too_large: Cell<bool>,
    too_long: Cell<bool>,
}

impl Transport {
    pub(super) fn new(
        address: RemoteAddress,
        cache: GitCache,
        sources: GitCredentialSources,
        timeout: Duration,
    ) -> Self {
        Self { address, cache, sources, timeout, standoff: Standoff::default() }
    }

    /// Asks for the tips, and fetches on the same connection what is not at hand.
    pub(super) fn look(&self, branch: Option<&BranchName>, wanted: FetchRequest) -> Result<AdvertisedRefs, GitError> {
        let heard = Heard::default();
        let fail = |error: git2::Error| self.failed(&error, &heard);
        let mut remote = self.cache.repository.remote_anonymous(self.address.url()).map_err(fail)?;
        let callbacks = self.callbacks(&heard);
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
            self.fetch(connection.remote(), &refspecs, &heard).map_err(fail)?;
        }
        Ok(tips)
    }

    fn tips(&self, heads: &[git2::RemoteHead<'_>], branch: Option<&BranchName>) -> Result<AdvertisedRefs, GitError> {
        let url = self.address.shown().to_owned();
        let find = |name: &str| heads.iter().find(|head| head.name() == name);
        let name_of = |reference: &str| BranchName::parse(reference.strip_prefix("refs/heads/")?).ok();
        let default = find("HEAD").and_then(|head| {
            // An old server does not say what HEAD names: then it is a branch with the same commit.
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
        let of_proposal = |name: &BranchName| name.to_string().starts_with(PROPOSALS);
        let proposals = heads.iter().filter_map(|head| Some((name_of(head.name())?, head.oid())));
        let proposals = proposals.filter(|(name, _)| of_proposal(name)).take(PROPOSALS_MAX).collect();
        Ok(AdvertisedRefs { branch, tip, state: find(STATE_REF).map(git2::RemoteHead::oid), default, proposals })
    }

    /// Fetches refs without their history.
    fn fetch(&self, remote: &mut git2::Remote<'_>, refspecs: &[String], heard: &Heard) -> Result<(), git2::Error> {
        let options = |depth: i32| {
            let mut options = FetchOptions::new();
            options.remote_callbacks(self.callbacks(heard)).proxy_options(proxy()).depth(depth);
            options.download_tags(git2::AutotagOption::None).update_fetchhead(false);
            options
        };
        match remote.fetch(refspecs, Some(&mut options(1)), None) {
            // A server that knows no shallow fetch gives the whole history.
            Err(error) if error.message().contains("support shallow") => {
                remote.fetch(refspecs, Some(&mut options(0)), None)
            }
            other => other,
        }
    }

    /// Fetches the tips of branches, on one connection.
    pub(super) fn fetch_branches<'b>(&self, branches: impl Iterator<Item = &'b BranchName>) -> Result<(), GitError> {
        let heard = Heard::default();
        let fail = |error: git2::Error| self.failed(&error, &heard);
        let mut remote = self.cache.repository.remote_anonymous(self.address.url()).map_err(fail)?;
        let callbacks = self.callbacks(&heard);
        let mut connection = remote.connect_auth(Direction::Fetch, Some(callbacks), Some(proxy())).map_err(fail)?;
        let refspecs: Vec<String> =
            branches.map(|branch| format!("+{}:refs/cache/proposals/{branch}", branch.reference())).collect();
        self.fetch(connection.remote(), &refspecs, &heard).map_err(fail)
    }

    /// Fetches one commit: by a ref that stands at it, or by its id where the server gives that.
    pub(super) fn fetch_commit(&self, commit: Oid) -> Result<(), GitError> {
        let heard = Heard::default();
        let fail = |error: git2::Error| self.failed(&error, &heard);
        let mut remote = self.cache.repository.remote_anonymous(self.address.url()).map_err(fail)?;
        let callbacks = self.callbacks(&heard);
        let mut connection = remote.connect_auth(Direction::Fetch, Some(callbacks), Some(proxy())).map_err(fail)?;
        let heads = connection.list().map_err(fail)?;
        let named = heads.iter().find(|head| head.oid() == commit && head.name() != "HEAD");
        let source = named.map_or_else(|| commit.to_string(), |head| head.name().to_owned());
        self.fetch(connection.remote(), &[format!("+{source}:refs/cache/commit")], &heard).map_err(fail)
    }

    /// Moves `reference` from `expected`, or from nothing, to `new`, which stands on `parent` alone.
    pub(super) fn push(
        &mut self,
        reference: &str,
        expected: Option<Oid>,
        parent: Option<Oid>,
        new: Oid,
    ) -> Result<Push<Oid>, GitError> {
        if let Some(parent) = parent {
            // What is sent is found by walking back from `new`: this is where the walk ends.
            self.cache.graft(&[parent.to_string()])?;
        }
        let heard = Heard::default();
        // Where what is replaced is not what the new one stands on, that it is just that is all that is asked.
        let force = if expected == parent { "" } else { "+" };
        let result = self.send((reference, force), expected, Some(new), &heard);
        let outcome = self.outcome(reference, new, result, &heard)?;
        if let (Push::Moved, Some(Some(said))) = (&outcome, heard.verdict.borrow().as_ref()) {
            self.stand_off(reference, expected, said)?;
        }
        if let Push::Landed(new) = &outcome {
            let name = match reference.strip_prefix("refs/heads/") {
                Some(branch) if branch.starts_with(PROPOSALS) => format!("refs/cache/proposals/{branch}"),
                Some(_) => CACHED_BRANCH.to_owned(),
                None => CACHED_STATE.to_owned(),
            };
            // Only spares a later fetch some bytes.
            let _ = self.cache.repository.reference(&name, *new, true, "landed");
        }
        Ok(outcome)
    }

    /// Takes `reference` away, if it still stands at `expected`.
    pub(super) fn remove(&mut self, reference: &str, expected: Oid) -> Result<Push<Oid>, GitError> {
        let heard = Heard::default();
        let result = self.send((reference, ""), Some(expected), None, &heard);
        self.outcome(reference, expected, result, &heard)
    }

    /// Counts how often the server called a push late that was not.
    fn stand_off(&mut self, reference: &str, expected: Option<Oid>, said: &str) -> Result<(), GitError> {
        let from = Some((reference.to_owned(), expected));
        if self.standoff.from != from {
            self.standoff = Standoff { from, times: 0 };
        }
        self.standoff.times += 1;
        if self.standoff.times < STANDOFFS {
            return Ok(());
        }
        let reason = format!("it did not move, and yet: {}", shown(&self.without_secrets(said)));
        Err(GitError::Failed { url: self.address.shown().to_owned(), reference: reference.to_owned(), reason })
    }

    /// `force` is what stands before the refspec of a push that leads elsewhere than on.
    fn send(
        &self,
        (reference, force): (&str, &str),
        expected: Option<Oid>,
        new: Option<Oid>,
        heard: &Heard,
    ) -> Result<(), git2::Error> {
        let mut remote = self.cache.repository.remote_anonymous(self.address.url())?;
        let mut callbacks = self.callbacks(heard);
        callbacks.push_negotiation(move |updates| {
            let expected = expected.unwrap_or(Oid::ZERO_SHA1);
            let to = new.unwrap_or(Oid::ZERO_SHA1);
            heard.stale.set(updates.len() != 1 || updates[0].src() != expected || updates[0].dst() != to);
            if heard.stale.get() {
                return Err(git2::Error::new(ErrorCode::NotFastForward, ErrorClass::Callback, "the ref has moved"));
            }
            heard.sent.set(true);
            Ok(())
        });
        callbacks.push_update_reference(move |name, status| {
            if name == reference {
                *heard.verdict.borrow_mut() = Some(status.map(str::to_owned));
            }
            Ok(())
        });
        let mut options = PushOptions::new();
        options.remote_callbacks(callbacks).proxy_options(proxy()).packbuilder_parallelism(1);
        let new = new.map(|new| new.to_string()).unwrap_or_default();
        remote.push(&[format!("{force}{new}:{reference}")], Some(&mut options))
    }

    /// What became of a push.
    fn outcome(
        &self,
        reference: &str,
        new: Oid,
        result: Result<(), git2::Error>,
        heard: &Heard,
    ) -> Result<Push<Oid>, GitError> {
        let refused = |said: &str| {
            let talk = heard.talk.borrow();
            let said = if talk.trim().is_empty() { said.to_owned() } else { format!("{said}: {}", talk.trim()) };
            let reason = shown(&self.without_secrets(&said));
            let (url, reference) = (self.address.shown().to_owned(), reference.to_owned());
            match means_failed(&said) {
                true => GitError::Failed { url, reference, reason },
                false => GitError::Refused { url, reference, reason },
            }
        };
        if let Some(verdict) = heard.verdict.borrow().as_ref() {
            return match verdict {
                None => Ok(Push::Landed(new)),
                Some(said) if means_moved(said) => Ok(Push::Moved),
                Some(said) => Err(refused(said)),
            };
        }
        let Err(error) = result else {
            return Ok(Push::Unknown("the server did not say what became of the push".to_owned()));
        };
        if heard.stale.get() || error.code() == ErrorCode::NotFastForward {
            return Ok(Push::Moved);
        }
        let message = error.message();
        if message.contains("unpacking the sent packfile failed") {
            return Err(refused("unpacking failed"));
        }
        if !heard.sent.get() || is_ours(&error) || message.contains("status code: 4") {
            return Err(self.failed(&error, heard));
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

    fn failed(&self, error: &git2::Error, heard: &Heard) -> GitError {
        let url = self.address.shown().to_owned();
        if heard.too_large.get() {
            let reason = format!("it sent more than {} GiB", FETCH_MAX >> 30);
            return GitError::Unreachable { url, reason };
        }
        if heard.too_long.get() {
            let reason = format!("it took longer than {} s", (self.timeout * SILENCES).as_secs());
            return GitError::Unreachable { url, reason };
        }
        if is_ours(error) { local(error) } else { remote(error, &self.address, &heard.tried.borrow()) }
    }

    fn callbacks<'h>(&self, heard: &'h Heard) -> RemoteCallbacks<'h> {
        let config = self.cache.repository.config().ok();
        let mut asker = CredentialAsker::new(&self.address, &self.sources, config, self.timeout, &heard.tried);
        let mut callbacks = RemoteCallbacks::new();
        callbacks.credentials(move |url, _, allowed| asker.answer(url, allowed));
        let (watch, limit) = (Stopwatch::start(), self.timeout * SILENCES);
        callbacks.transfer_progress(move |progress| {
            heard.too_large.set(progress.received_bytes() > FETCH_MAX);
            heard.too_long.set(watch.elapsed() > limit);
            !heard.too_large.get() && !heard.too_long.get()
        });
        callbacks.sideband_progress(move |bytes| {
            let mut talk = heard.talk.borrow_mut();
            if talk.len() < TALK_MAX {
                talk.push_str(&String::from_utf8_lossy(bytes));
            }
            heard.too_long.set(watch.elapsed() > limit);
            !heard.too_long.get()
        });
        callbacks
    }
}

/// Whether a failure is one of our own objects and files, as a lock file that was left in the cache. Failures of the
/// network are of the class `Os` too, so those are told by what they say.
fn is_ours(error: &git2::Error) -> bool {
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
