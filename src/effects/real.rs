//! The real world: registries over the network, a Git remote or a folder, hooks as processes.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::forge::{self, Forge, ForgeError};
use crate::formats::path::FilePath;
use crate::git::checkout;
use crate::git::{CommitId, GitError, ProposalBranch, Push, Remote, RepoFile, RootFiles, TipLock};
use crate::hook::{self, HookEnv, HookResult, HookRun};
use crate::http::Proxies;
use crate::model::image::{Digest, ImageRef, RegistryHost, Repository, TagId, TagName};
use crate::model::settings::policy::Policy;
use crate::model::settings::publish::Publish;
use crate::model::settings::remote::RemoteSettings;
use crate::model::settings::{RegistrySettings, Settings, Sign};
use crate::model::state::{self, Owner, State};
use crate::proposal::body::WITHDRAWN;
use crate::registry::manifest::{Descriptor, VerifiedManifest};
use crate::registry::{self, FailureKind, Registry, ResolveError};

use crate::git::work_tree::WorkTree;
use crate::system::clock::{self, Stopwatch};
use crate::system::owner;

use super::{ForgeProposal, NewCommit, Opened, Progress, ProposalDraft, RemoteTips, World, elsewhere};

/// Where definitions come from and the lock goes to.
pub enum Repo {
    /// A branch of a Git remote. Its calls block, so they run on a thread of their own, one after the other.
    Remote {
        /// The remote.
        remote: Arc<Mutex<Remote>>,
        /// The root's folder in it.
        root: String,
    },
    /// A folder on this machine.
    Folder(WorkTree),
}

/// The settings of registries and the authorities that they name, by which a client was made.
type Prepared = (BTreeMap<RegistryHost, RegistrySettings>, RootFiles);

/// The world as it is.
pub struct RealWorld {
    place: Repo,
    policy: Option<Policy>,
    proxies: Proxies,
    registry: RefCell<Option<(Prepared, Rc<Registry>)>>,
    forge: RefCell<Option<(Publish, Rc<Forge>)>>,
    surroundings: HookEnv,
    started: Stopwatch,
    owner: Owner,
    on_progress: Box<dyn Fn(Progress)>,
}

impl RealWorld {
    /// A world around `place`, as far as `policy` allows; `on_progress` is told what is going on.
    pub fn new(place: Repo, policy: Option<Policy>, on_progress: Box<dyn Fn(Progress)>) -> Self {
        Self {
            place,
            policy,
            proxies: Proxies::from_environment(),
            registry: RefCell::new(None),
            forge: RefCell::new(None),
            surroundings: HookEnv::from_environment(),
            started: Stopwatch::start(),
            owner: owner::this_process(),
            on_progress,
        }
    }

    /// The same without the proxies of the environment, for registries of this machine alone.
    #[must_use]
    pub fn without_proxies(self) -> Self {
        Self { proxies: Proxies::default(), ..self }
    }

    /// What was asked of registries so far.
    pub fn counts(&self) -> registry::RequestCounts {
        self.registry.borrow().as_ref().map(|(_, registry)| registry.counts()).unwrap_or_default()
    }

    fn registry(&self) -> Result<Rc<Registry>, ResolveError> {
        let registry = self.registry.borrow();
        let registry = registry.as_ref().map(|(_, registry)| Rc::clone(registry));
        registry.ok_or_else(|| ResolveError::new(FailureKind::Network, "no registry is known yet"))
    }

    /// The forge of `publish`; what it told lasts as long as the pass.
    fn forge(&self, publish: &Publish) -> Result<Rc<Forge>, ForgeError> {
        let mut known = self.forge.borrow_mut();
        if let Some((_, forge)) = known.as_ref().filter(|(same, _)| same == publish) {
            return Ok(Rc::clone(forge));
        }
        let forge = Rc::new(Forge::new(publish, &forge::ForgeConfig::from_environment())?);
        *known = Some((publish.clone(), Rc::clone(&forge)));
        Ok(forge)
    }

    /// `change` as the forge made it, where that signs it.
    async fn made(&self, remote: &Arc<Mutex<Remote>>, change: &NewCommit) -> Result<NewCommit, GitError> {
        let forge = self.forge.borrow().as_ref().map(|(_, forge)| Rc::clone(forge));
        let (Some(Sign::GitHub), Some(forge)) = (change.sign, forge) else { return Ok(change.clone()) };
        let staged = {
            let change = change.clone();
            self.remote(remote, move |remote| remote.stage(&change)).await?
        };
        let failed = |error: ForgeError| GitError::Signing {
            message: error.to_string(),
            help: error.help().unwrap_or_default(),
        };
        let made = forge.commit(&change.parent, &change.message, &staged).await.map_err(failed)?;
        Ok(NewCommit { made: Some(made), ..change.clone() })
    }

    /// Works with the remote on a thread that may block.
    async fn remote<T: Send + 'static>(
        &self,
        remote: &Arc<Mutex<Remote>>,
        work: impl FnOnce(&mut Remote) -> Result<T, GitError> + Send + 'static,
    ) -> Result<T, GitError> {
        let remote = Arc::clone(remote);
        let work = move || work(&mut remote.lock().unwrap_or_else(PoisonError::into_inner));
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| Err(GitError::Local(error.to_string())))
    }
}

/// Says that a folder was asked for what only a remote has.
fn no_state<T>() -> Result<T, GitError> {
    Err(GitError::Local("a folder has no state ref".to_owned()))
}

impl World for RealWorld {
    async fn look(&self, branch: Option<&str>) -> Result<RemoteTips, GitError> {
        match &self.place {
            Repo::Remote { remote, .. } => {
                let branch = branch.map(str::to_owned);
                self.remote(remote, move |remote| remote.look(branch.as_deref())).await
            }
            Repo::Folder(folder) => Ok(RemoteTips {
                branch: String::new(),
                tip: folder.version()?,
                state: None,
                default: None,
                proposals: BTreeMap::new(),
            }),
        }
    }

    async fn read(&self, commit: &CommitId) -> Result<RootFiles, GitError> {
        match &self.place {
            Repo::Remote { remote, .. } => {
                let commit = commit.clone();
                self.remote(remote, move |remote| remote.read(&commit)).await
            }
            Repo::Folder(folder) => folder.read(),
        }
    }

    async fn file(&self, commit: &CommitId, path: &str) -> Result<Option<RepoFile>, GitError> {
        match &self.place {
            Repo::Remote { remote, .. } => {
                let (commit, path) = (commit.clone(), path.to_owned());
                self.remote(remote, move |remote| remote.file(&commit, &path)).await
            }
            Repo::Folder(folder) => folder.file(path),
        }
    }

    async fn paths(&self, commit: &CommitId, patterns: &[FilePath]) -> Result<Vec<String>, GitError> {
        match &self.place {
            Repo::Remote { remote, .. } => {
                let (commit, patterns) = (commit.clone(), patterns.to_vec());
                self.remote(remote, move |remote| remote.paths(&commit, &patterns)).await
            }
            Repo::Folder(folder) => folder.paths(patterns),
        }
    }

    async fn taken_back(
        &self,
        tip: &CommitId,
        candidates: &BTreeMap<TagId, Digest>,
    ) -> Result<Option<BTreeSet<TagId>>, GitError> {
        match &self.place {
            Repo::Remote { remote, .. } => {
                let (tip, candidates) = (tip.clone(), candidates.clone());
                self.remote(remote, move |remote| remote.taken_back(&tip, &candidates)).await
            }
            Repo::Folder(folder) => match checkout::discover(&folder.0) {
                Ok(Some(checkout)) => checkout.taken_back(candidates),
                // A folder need not be in a checkout, nor in one of this user.
                Ok(None) | Err(_) => Ok(None),
            },
        }
    }

    async fn can_sign(&self, sign: Sign) -> Result<(), GitError> {
        match &self.place {
            Repo::Remote { remote, .. } => {
                let now = self.now();
                self.remote(remote, move |remote| remote.can_sign(sign, now)).await
            }
            // What is written into a folder is for a person to commit.
            Repo::Folder(_) => Ok(()),
        }
    }

    async fn land(&self, branch: &str, change: &NewCommit) -> Result<Push<CommitId>, GitError> {
        match &self.place {
            Repo::Remote { remote, .. } => {
                let (branch, change, now) = (branch.to_owned(), change.clone(), self.now());
                self.remote(remote, move |remote| remote.land(&branch, &change, now)).await
            }
            Repo::Folder(folder) => folder.land(&change.parent, &change.lock, &change.files),
        }
    }

    async fn proposed(
        &self,
        branches: &BTreeMap<String, CommitId>,
    ) -> Result<BTreeMap<String, ProposalBranch>, GitError> {
        let Repo::Remote { remote, .. } = &self.place else { return no_state() };
        let branches = branches.clone();
        self.remote(remote, move |remote| remote.read_proposals(&branches)).await
    }

    async fn propose(
        &self,
        branch: &str,
        expected: Option<&CommitId>,
        change: &NewCommit,
    ) -> Result<Push<CommitId>, GitError> {
        let Repo::Remote { remote, .. } = &self.place else { return no_state() };
        let change = self.made(remote, change).await?;
        let (branch, expected, now) = (branch.to_owned(), expected.cloned(), self.now());
        self.remote(remote, move |remote| remote.propose(&branch, expected.as_ref(), &change, now)).await
    }

    async fn withdraw(&self, branch: &str, expected: &CommitId) -> Result<Push<CommitId>, GitError> {
        let Repo::Remote { remote, .. } = &self.place else { return no_state() };
        let (branch, expected) = (branch.to_owned(), expected.clone());
        self.remote(remote, move |remote| remote.withdraw(&branch, &expected)).await
    }

    async fn proposals(
        &self,
        publish: &Publish,
        base: &str,
        branches: &[String],
    ) -> Result<Vec<ForgeProposal>, ForgeError> {
        self.forge(publish)?.find(base, branches).await
    }

    async fn open_proposal(
        &self,
        publish: &Publish,
        draft: &ProposalDraft,
        open: Option<&ForgeProposal>,
    ) -> Result<Opened, ForgeError> {
        self.forge(publish)?.propose(draft, open).await
    }

    async fn close_proposal(&self, publish: &Publish, open: &ForgeProposal) -> Result<(), ForgeError> {
        self.forge(publish)?.close(open, WITHDRAWN).await
    }

    async fn read_state(&self, branch: &str, commit: Option<&CommitId>) -> Result<State, GitError> {
        let Repo::Remote { remote, root } = &self.place else { return no_state() };
        let (prefix, commit) = (state::prefix(branch, root), commit.cloned());
        let files = self.remote(remote, move |remote| remote.read_state(commit.as_ref(), &prefix)).await?;
        State::from_files(&files).map_err(GitError::State)
    }

    async fn write_state(
        &self,
        branch: &str,
        expected: Option<&CommitId>,
        state: &State,
    ) -> Result<Push<CommitId>, GitError> {
        let Repo::Remote { remote, root } = &self.place else { return no_state() };
        let (prefix, files) = (state::prefix(branch, root), state.to_files());
        let (expected, now) = (expected.cloned(), self.now());
        self.remote(remote, move |remote| remote.write_state(expected.as_ref(), &prefix, &files, now)).await
    }

    async fn elsewhere(&self, remote: &RemoteSettings) -> Result<TipLock, ResolveError> {
        elsewhere::lock(&self.place, self.policy.as_ref(), remote).await
    }

    fn prepare(&self, settings: &Settings, authorities: &RootFiles) -> Result<(), String> {
        let mut registry = self.registry.borrow_mut();
        // Connections, tokens and what is known of failing hosts outlive a new try with the same settings.
        let known = (settings.registries.clone(), authorities.clone());
        if registry.as_ref().is_some_and(|(same, _)| *same == known) {
            return Ok(());
        }
        let rules = |policy: &Policy| registry::RegistryPolicy {
            allowed: policy.registries(),
            realms: policy.realms().to_vec(),
        };
        let setup = registry::RegistryConfig {
            registries: settings.registries.clone(),
            authorities: authorities.clone(),
            policy: self.policy.as_ref().map(rules).unwrap_or_default(),
            credentials: registry::credentials::CredentialSources::from_environment(),
            proxies: self.proxies.clone(),
            ..registry::RegistryConfig::default()
        };
        *registry = Some((known, Rc::new(Registry::new(setup).map_err(|error| error.to_string())?)));
        Ok(())
    }

    fn announce(&self, repositories: &[Repository]) {
        if let Ok(registry) = self.registry() {
            registry.announce(repositories);
        }
    }

    async fn tags(&self, repository: &Repository) -> Result<Vec<TagName>, ResolveError> {
        self.registry()?.tags(repository).await
    }

    async fn digest(&self, image: &ImageRef) -> Result<Digest, ResolveError> {
        self.registry()?.digest(image).await
    }

    async fn manifest(&self, repository: &Repository, digest: &Digest) -> Result<VerifiedManifest, ResolveError> {
        self.registry()?.manifest(repository, digest).await
    }

    async fn referrers(&self, repository: &Repository, digest: &Digest) -> Result<Vec<Descriptor>, ResolveError> {
        self.registry()?.referrers(repository, digest).await
    }

    async fn blob(&self, repository: &Repository, descriptor: &Descriptor) -> Result<Vec<u8>, ResolveError> {
        self.registry()?.blob(repository, descriptor).await
    }

    async fn run_hook(&self, run: &HookRun) -> HookResult {
        hook::sweep(&self.owner, owner::is_gone).await;
        hook::run(run, &self.surroundings).await
    }

    fn owner(&self) -> Owner {
        self.owner.clone()
    }

    fn is_gone(&self, owner: &Owner) -> bool {
        owner::is_gone(owner)
    }

    async fn end_left_by(&self, owner: &Owner) -> bool {
        hook::end_left_by(owner).await
    }

    fn now(&self) -> Timestamp {
        clock::now()
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    async fn pause(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn random(&self) -> f64 {
        fastrand::f64()
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Repo::Remote { remote, .. } = &self.place
            && remote.lock().unwrap_or_else(PoisonError::into_inner).state_is_local()
        {
            notes.push(
                "the remote takes no `refs/pinstream/state`, so what hooks saw is kept on this machine".to_owned(),
            );
        }
        notes
    }

    fn progress(&self, progress: Progress) {
        (self.on_progress)(progress);
    }
}
