//! The real world: registries over the network, a Git remote or a work tree, a forge, and hooks as processes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;

use crate::forge::{self, ForgeError};
use crate::formats::path::FilePath;
use crate::git::work_tree::WorkTree;
use crate::git::{
    CommitId, GitError, HistoryFacts, HistoryQuery, ProposalBranch, Push, Remote, RemoteHandle, RepoFile, RootFiles,
    TipLock, checkout,
};
use crate::hook::{self, HookEnv, HookResult, HookRun};
use crate::http::Proxies;
use crate::model::image::{Digest, ImageRef, RegistryHost, Repository, TagName};
use crate::model::settings::policy::Policy;
use crate::model::settings::publish::Publish;
use crate::model::settings::remote::RemoteSettings;
use crate::model::settings::{RegistrySettings, Settings, Sign};
use crate::model::state::{self, Owner, State};
use crate::proposal::body::WITHDRAWN;
use crate::registry::manifest::{Descriptor, VerifiedManifest};
use crate::registry::{self, FailureKind, Registry, ResolveError};
use crate::system::clock::{self, Stopwatch};
use crate::system::lock;
use crate::system::owner;
use crate::system::thread;

use super::repo::Repo;
use super::{
    Clock, Forge, ForgeProposal, Git, Hooks, NewCommit, Progress, ProposalDraft, ProposeResult, RefUpdate, Registries,
    RemoteTips, remote_lock,
};

/// Registry settings and PEM files from which a client was built.
type RegistrySetup = (BTreeMap<RegistryHost, RegistrySettings>, RootFiles);

/// The world outside the process.
pub struct RealWorld {
    repo: Repo,
    policy: Option<Policy>,
    proxies: Proxies,
    registry: Mutex<Option<(RegistrySetup, Arc<Registry>)>>,
    forge: Mutex<Option<(Publish, Arc<forge::ForgeApi>)>>,
    hook_env: HookEnv,
    started: Stopwatch,
    owner: Owner,
    landed: Mutex<Option<CommitId>>,
    on_progress: Box<dyn Fn(Progress) + Send + Sync>,
}

impl RealWorld {
    /// Builds the effects on `repo`, restricted by `policy`; progress goes to `on_progress`.
    pub fn new(repo: Repo, policy: Option<Policy>, on_progress: Box<dyn Fn(Progress) + Send + Sync>) -> Self {
        Self {
            repo,
            policy,
            proxies: Proxies::from_environment(),
            registry: Mutex::new(None),
            forge: Mutex::new(None),
            hook_env: HookEnv::from_environment(),
            started: Stopwatch::start(),
            owner: owner::this_process(),
            landed: Mutex::new(None),
            on_progress,
        }
    }

    /// Ignores the proxies of the environment, for registries on this machine.
    #[must_use]
    pub fn without_proxies(self) -> Self {
        Self { proxies: Proxies::default(), ..self }
    }

    /// Returns the number of registry requests so far.
    pub fn counts(&self) -> registry::RequestCounts {
        lock(&self.registry).as_ref().map(|(_, registry)| registry.counts()).unwrap_or_default()
    }

    /// Returns the commit that the pass landed on the branch, if it did.
    pub fn landed(&self) -> Option<CommitId> {
        lock(&self.landed).clone()
    }

    fn registry(&self) -> Result<Arc<Registry>, ResolveError> {
        let registry = lock(&self.registry).as_ref().map(|(_, registry)| Arc::clone(registry));
        registry.ok_or_else(|| ResolveError::new(FailureKind::Network, "no registry is configured yet"))
    }

    /// Returns the client for `publish`; it is reused for the whole pass.
    fn forge(&self, publish: &Publish) -> Result<Arc<forge::ForgeApi>, ForgeError> {
        let mut cached = lock(&self.forge);
        if let Some((_, forge)) = cached.as_ref().filter(|(same, _)| same == publish) {
            return Ok(Arc::clone(forge));
        }
        let forge = Arc::new(forge::ForgeApi::new(publish)?);
        *cached = Some((publish.clone(), Arc::clone(&forge)));
        Ok(forge)
    }

    /// Reads from the clone of the remote, on another thread, or from the work tree.
    async fn read<T: Send + 'static>(
        &self,
        of_remote: impl Fn(&mut Remote) -> Result<T, GitError> + Send + Sync + 'static,
        of_tree: impl FnOnce(&WorkTree) -> Result<T, GitError>,
    ) -> Result<T, GitError> {
        match &self.repo {
            Repo::Remote { remote, .. } => blocking(remote, of_remote).await,
            Repo::WorkTree(tree) => of_tree(tree),
        }
    }

    /// Has the forge create and sign `commit`, if `git.sign = "github"`.
    async fn signed_by_forge(&self, remote: &Arc<RemoteHandle>, commit: &NewCommit) -> Result<NewCommit, GitError> {
        let forge = lock(&self.forge).as_ref().map(|(_, forge)| Arc::clone(forge));
        let (Some(Sign::GitHub), Some(forge)) = (commit.sign, forge) else { return Ok(commit.clone()) };
        let to_stage = commit.clone();
        let staged = blocking(remote, move |remote| remote.stage(&to_stage)).await?;
        let failed = |error: ForgeError| GitError::Signing {
            message: error.to_string(),
            help: error.help().unwrap_or_default(),
        };
        let made = forge.commit(&commit.parent, &commit.message, &staged).await.map_err(failed)?;
        Ok(NewCommit { made: Some(made), ..commit.clone() })
    }
}

/// Runs `work` on a thread for blocking calls.
async fn blocking<T: Send + 'static>(
    remote: &Arc<RemoteHandle>,
    work: impl Fn(&mut Remote) -> Result<T, GitError> + Send + Sync + 'static,
) -> Result<T, GitError> {
    let remote = Arc::clone(remote);
    let done = thread::run_blocking(move || remote.call(work)).await;
    done.unwrap_or_else(|error| Err(GitError::Machine(error.to_string())))
}

/// Creates the error of an operation that a work tree does not have.
fn no_remote() -> GitError {
    GitError::Machine("a work tree has neither a state ref nor proposal branches".to_owned())
}

impl Git for RealWorld {
    async fn tips(&self, branch: Option<&str>) -> Result<RemoteTips, GitError> {
        let branch = branch.map(str::to_owned);
        let of_tree = |tree: &WorkTree| {
            let (branch, tip) = (String::new(), tree.version()?);
            Ok(RemoteTips { branch, tip, state: None, default: None, branches: BTreeMap::new() })
        };
        self.read(move |remote| remote.fetch_tips(branch.as_deref()), of_tree).await
    }

    async fn root_files(&self, commit: &CommitId) -> Result<RootFiles, GitError> {
        let commit = commit.clone();
        self.read(move |remote| remote.read(&commit), WorkTree::read).await
    }

    async fn file(&self, commit: &CommitId, path: &str) -> Result<Option<RepoFile>, GitError> {
        let (commit, name) = (commit.clone(), path.to_owned());
        self.read(move |remote| remote.file(&commit, &name), |tree| tree.file(path)).await
    }

    async fn paths(&self, commit: &CommitId, patterns: &[FilePath]) -> Result<Vec<String>, GitError> {
        let (commit, of_remote) = (commit.clone(), patterns.to_vec());
        self.read(move |remote| remote.paths(&commit, &of_remote), |tree| tree.paths(patterns)).await
    }

    async fn history(&self, tip: &CommitId, query: &HistoryQuery) -> Result<HistoryFacts, GitError> {
        let (tip, of_remote) = (tip.clone(), query.clone());
        let of_tree = |tree: &WorkTree| match checkout::discover(&tree.0) {
            Ok(Some(checkout)) => {
                Ok(HistoryFacts { reverted: checkout.reverted(&query.candidates)?, ..HistoryFacts::default() })
            }
            Ok(None) | Err(_) => Ok(HistoryFacts::default()),
        };
        self.read(move |remote| remote.history(&tip, &of_remote), of_tree).await
    }

    async fn proposal_branches(
        &self,
        branches: &BTreeMap<String, CommitId>,
    ) -> Result<BTreeMap<String, ProposalBranch>, GitError> {
        let branches = branches.clone();
        self.read(move |remote| remote.read_proposals(&branches), |_| Err(no_remote())).await
    }

    async fn read_state(&self, branch: &str, commit: Option<&CommitId>) -> Result<State, GitError> {
        let Repo::Remote { remote, root } = &self.repo else { return Err(no_remote()) };
        let (prefix, commit) = (state::directory(branch, root), commit.cloned());
        let files = blocking(remote, move |remote| remote.read_state(commit.as_ref(), &prefix)).await?;
        State::from_files(&files).map_err(|error| GitError::State(error.to_string()))
    }

    async fn push(&self, update: RefUpdate<'_>) -> Result<Push<CommitId>, GitError> {
        let (remote, root) = match (&self.repo, update) {
            (Repo::Remote { remote, root }, _) => (remote, root),
            (Repo::WorkTree(tree), RefUpdate::Branch { commit, .. }) => {
                return tree.land(&commit.parent, &commit.lock, &commit.files);
            }
            (Repo::WorkTree(_), _) => return Err(no_remote()),
        };
        let now = clock::now();
        match update {
            RefUpdate::Branch { branch, commit } => {
                let (branch, commit) = (branch.to_owned(), commit.clone());
                let pushed = blocking(remote, move |remote| remote.land(&branch, &commit, now)).await;
                if let Ok(Push::Landed(commit)) = &pushed {
                    *lock(&self.landed) = Some(commit.clone());
                }
                pushed
            }
            RefUpdate::Proposal { branch, expected, commit: Some(commit) } => {
                let commit = self.signed_by_forge(remote, commit).await?;
                let (branch, expected) = (branch.to_owned(), expected.cloned());
                blocking(remote, move |remote| remote.propose(&branch, expected.as_ref(), &commit, now)).await
            }
            RefUpdate::Proposal { expected: None, commit: None, .. } => Ok(Push::Moved),
            RefUpdate::Proposal { branch, expected: Some(expected), commit: None } => {
                let (branch, expected) = (branch.to_owned(), expected.clone());
                blocking(remote, move |remote| remote.withdraw(&branch, &expected)).await
            }
            RefUpdate::State { branch, expected, state } => {
                let (prefix, files, expected) = (state::directory(branch, root), state.to_files(), expected.cloned());
                blocking(remote, move |remote| remote.write_state(expected.as_ref(), &prefix, &files, now)).await
            }
        }
    }
}

impl Registries for RealWorld {
    fn prepare(&self, settings: &Settings, authorities: &RootFiles) -> Result<(), String> {
        let mut current = lock(&self.registry);
        // Connections, tokens and what is known about failing hosts outlive a new attempt with the same settings.
        let setup = (settings.registries.clone(), authorities.clone());
        if current.as_ref().is_some_and(|(same, _)| *same == setup) {
            return Ok(());
        }
        let rules = |policy: &Policy| registry::RegistryPolicy {
            allowed: policy.registries(),
            realms: policy.realms().to_vec(),
        };
        let config = registry::RegistryConfig {
            registries: settings.registries.clone(),
            authorities: authorities.clone(),
            policy: self.policy.as_ref().map(rules).unwrap_or_default(),
            credentials: registry::credentials::CredentialSources::from_environment(),
            proxies: self.proxies.clone(),
            ..registry::RegistryConfig::default()
        };
        *current = Some((setup, Arc::new(Registry::new(config).map_err(|error| error.to_string())?)));
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

    async fn remote_lock(&self, remote: &RemoteSettings) -> Result<TipLock, ResolveError> {
        remote_lock::read(&self.repo, self.policy.as_ref(), remote).await
    }
}

impl Forge for RealWorld {
    async fn can_sign(&self, sign: Sign) -> Result<(), GitError> {
        match &self.repo {
            Repo::Remote { remote, .. } => {
                let now = clock::now();
                blocking(remote, move |remote| remote.check_signing(sign, now)).await
            }
            // A person commits the files of a work tree.
            Repo::WorkTree(_) => Ok(()),
        }
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
    ) -> Result<ProposeResult, ForgeError> {
        self.forge(publish)?.propose(draft, open).await
    }

    async fn close_proposal(&self, publish: &Publish, open: &ForgeProposal) -> Result<(), ForgeError> {
        self.forge(publish)?.close(open, WITHDRAWN).await
    }
}

impl Hooks for RealWorld {
    async fn run_hook(&self, run: &HookRun) -> HookResult {
        hook::remove_orphans(&self.owner, owner::is_gone).await;
        hook::run(run, &self.hook_env).await
    }

    fn owner(&self) -> Owner {
        self.owner.clone()
    }

    fn is_gone(&self, owner: &Owner) -> bool {
        owner::is_gone(owner)
    }

    async fn end_orphans(&self, owner: &Owner) -> bool {
        hook::end_orphans_of(owner).await
    }

    fn notes(&self) -> Vec<String> {
        match &self.repo {
            Repo::Remote { remote, .. } if remote.call(|remote| Ok(remote.state_is_local())).unwrap_or_default() => {
                vec!["the remote refuses `refs/pinstream/state`; hook state is kept on this machine".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    fn state_fault(&self) -> Option<GitError> {
        match &self.repo {
            Repo::Remote { remote, .. } => remote.call(|remote| Ok(remote.state_fault())).unwrap_or_else(Some),
            Repo::WorkTree(_) => None,
        }
    }
}

impl Clock for RealWorld {
    fn now(&self) -> Timestamp {
        clock::now()
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(limit, work).await.ok()
    }

    fn random(&self) -> f64 {
        fastrand::f64()
    }

    fn progress(&self, progress: Progress) {
        (self.on_progress)(progress);
    }
}
