//! Forges: opens, refreshes and closes proposals.
//!
//! Callers exchange plain data with a forge: [`ProposalDraft`] and [`ForgeProposal`]. [`ForgeApi`] dispatches to the one
//! file per forge, which owns the forge's facts (`ForgeProtocol`), requests and answers. Each request carries one token
//! and goes to the origin that the operator's environment binds it to. Nothing here uses Git or decides what to propose.

mod azure;
mod bitbucket;
mod error;
mod gitea;
mod github;
mod gitlab;
mod instance;
mod pages;
mod protocol;
mod send;

use std::sync::Arc;

pub use error::ForgeError;
pub use instance::ForgeEnvironment;

use crate::git::{CommitId, SignedByForge, StagedCommit};
use crate::http::{ATTEMPTS, Proxies};
use crate::model::settings::publish::{ForgeKind, Publish};
use crate::proposal::draft::{ForgeProposal, ProposalDraft, ProposalOptions, ProposalState, newest};
use crate::proposal::marker::{self, is_same_text};
use crate::proposal::truncate;
use crate::system::environment;
use azure::Azure;
use bitbucket::Bitbucket;
use gitea::Gitea;
use github::GitHub;
use gitlab::GitLab;
use protocol::ForgeProtocol;
use send::{ApiClient, LostAnswer};

/// Outcome of opening or updating a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposeResult {
    /// Action on the forge.
    pub action: ForgeAction,
    /// The proposal afterwards.
    pub proposal: ForgeProposal,
    /// Options that could not be applied, such as labels that do not exist.
    pub notes: Vec<String>,
}

/// Action of [`ForgeApi::propose`] on the forge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForgeAction {
    /// Opened a new proposal.
    Created,
    /// Updated title and body of the open one.
    Refreshed,
    /// Nothing: the open one was up to date.
    Unchanged,
    /// Nothing: someone closed or merged it in the meantime. Its text is unchanged.
    ClosedMeanwhile,
}

/// Configuration of forges that comes from the operator, not from the repository.
#[derive(Clone, Default)]
pub struct ForgeConfig {
    /// Tokens, and the forges they may be sent to.
    pub environment: ForgeEnvironment,
    /// Proxies to connect through.
    pub proxies: Proxies,
}

impl ForgeConfig {
    /// Reads the environment of the process.
    pub fn from_environment() -> Self {
        let environment = ForgeEnvironment::read(ForgeKind::ALL.map(protocol), environment::var);
        Self { environment, proxies: Proxies::from_environment() }
    }
}

/// A repository on a forge.
pub struct ForgeApi {
    kind: ForgeKind,
    api: Arc<ApiClient>,
    client: ForgeClient,
}

enum ForgeClient {
    GitHub(GitHub),
    GitLab(GitLab),
    Gitea(Gitea),
    Bitbucket(Bitbucket),
    Azure(Azure),
}

/// Calls a method of the client, whichever forge it is for.
macro_rules! dispatch {
    ($forge:expr, $client:ident => $call:expr) => {
        match &$forge.client {
            ForgeClient::GitHub($client) => $call,
            ForgeClient::GitLab($client) => $call,
            ForgeClient::Gitea($client) => $call,
            ForgeClient::Bitbucket($client) => $call,
            ForgeClient::Azure($client) => $call,
        }
    };
}

/// Returns the facts that requests to a forge depend on.
fn protocol(kind: ForgeKind) -> &'static ForgeProtocol {
    match kind {
        ForgeKind::GitHub => &github::PROTOCOL,
        ForgeKind::GitLab => &gitlab::PROTOCOL,
        ForgeKind::Gitea => &gitea::PROTOCOL,
        ForgeKind::Bitbucket => &bitbucket::PROTOCOL,
        ForgeKind::Azure => &azure::PROTOCOL,
    }
}

impl ForgeApi {
    /// Prepares requests to the forge of `publish`; sends nothing yet.
    ///
    /// # Errors
    /// If the environment has no token for the forge, or does not allow it to be sent there.
    pub fn new(publish: &Publish, config: &ForgeConfig) -> Result<Self, ForgeError> {
        let kind = publish.repository.forge;
        let instance = instance::find(&publish.repository, protocol(kind), &config.environment)?;
        let api = Arc::new(ApiClient::new(&instance, &config.proxies)?);
        let (shared, options) = (Arc::clone(&api), ProposalOptions::from(publish));
        let repository = instance.repository.as_str();
        let client = match kind {
            ForgeKind::GitHub => ForgeClient::GitHub(GitHub::new(shared, options, repository, &instance.web)),
            ForgeKind::GitLab => ForgeClient::GitLab(GitLab::new(shared, options, repository)),
            ForgeKind::Gitea => ForgeClient::Gitea(Gitea::new(shared, options, repository)),
            ForgeKind::Bitbucket => ForgeClient::Bitbucket(Bitbucket::new(shared, options, repository)),
            ForgeKind::Azure => ForgeClient::Azure(Azure::new(shared, options, repository)),
        };
        Ok(Self { kind, api, client })
    }

    /// Finds one proposal into `base` per branch, whatever its state: the open one, else the newest.
    ///
    /// Most forges need one request for all branches. On forges that can only list all proposals, at most five pages are
    /// read; branches that were not found there cost a request each.
    ///
    /// # Errors
    /// If the forge cannot be reached or refuses.
    pub async fn find(&self, base: &str, branches: &[String]) -> Result<Vec<ForgeProposal>, ForgeError> {
        if branches.is_empty() {
            return Ok(Vec::new());
        }
        let all = dispatch!(self, client => client.find(base, branches).await);
        Ok(newest(all?, branches))
    }

    /// Opens a proposal, or refreshes `known`, the result of [`Self::find`] for its branch, if that is open and out of
    /// date.
    ///
    /// If the answer to the creation was lost, looks for the proposal before it creates it again.
    ///
    /// # Errors
    /// If the forge cannot be reached or refuses.
    pub async fn propose(
        &self,
        draft: &ProposalDraft,
        known: Option<&ForgeProposal>,
    ) -> Result<ProposeResult, ForgeError> {
        let draft = self.truncate(draft);
        let known = known.filter(|known| known.state == ProposalState::Open && known.branch == draft.branch);
        if let Some(known) = known {
            return self.refresh(known, &draft).await;
        }
        let mut pauses = self.api.pauses();
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            let error = match dispatch!(self, client => client.create(&draft).await) {
                Ok((proposal, notes)) => return self.finish(proposal, notes).await,
                Err(LostAnswer::Exists(error)) => {
                    let known = self.find_open(&draft).await?.ok_or(error)?;
                    return self.refresh(&known, &draft).await;
                }
                Err(LostAnswer::Unclear(error)) => error,
                Err(LostAnswer::Final(error)) => return Err(error),
            };
            if let Some(proposal) = self.find_open(&draft).await? {
                return self.finish(proposal, Vec::new()).await;
            }
            if left == 0 {
                return Err(error);
            }
            tokio::time::sleep(pauses.next().unwrap_or_default()).await;
        }
    }

    /// Closes an open proposal that has nothing left to propose, with a comment. [`Self::find`] distinguishes it from
    /// one that a person closed.
    ///
    /// # Errors
    /// If the forge cannot be reached or refuses.
    pub async fn close(&self, proposal: &ForgeProposal, comment: &str) -> Result<(), ForgeError> {
        let body = marker::withdraw(&proposal.body);
        let body = truncate::body(&body, protocol(self.kind).limits.body);
        dispatch!(self, client => client.close(proposal, &body, comment).await)
    }

    /// Has the forge create and sign a commit on `parent`, which is not on any branch yet.
    ///
    /// # Errors
    /// If the forge refuses or creates another commit, and on all forges except GitHub.
    pub async fn commit(
        &self,
        parent: &CommitId,
        message: &str,
        staged: &StagedCommit,
    ) -> Result<SignedByForge, ForgeError> {
        match &self.client {
            ForgeClient::GitHub(client) => client.commit(parent, message, staged).await,
            _ => Err(ForgeError::Unable {
                message: format!("{} has no API that creates signed commits", self.kind),
                help: "sign with a key: `sign = \"ssh\"` or `\"openpgp\"`".to_owned(),
            }),
        }
    }

    /// Truncates title and body to the limits of the forge.
    fn truncate(&self, draft: &ProposalDraft) -> ProposalDraft {
        let limits = protocol(self.kind).limits;
        let title = truncate::title(&draft.title, limits.title);
        ProposalDraft { title, body: truncate::body(&draft.body, limits.body), ..draft.clone() }
    }

    /// Applies the options that cannot be part of the creation. Failures are notes, because the proposal exists.
    async fn finish(&self, proposal: ForgeProposal, mut notes: Vec<String>) -> Result<ProposeResult, ForgeError> {
        match dispatch!(self, client => client.finish(&proposal).await) {
            Ok(more) => notes.extend(more),
            Err(error) => notes.push(error.to_string()),
        }
        Ok(ProposeResult { action: ForgeAction::Created, proposal, notes })
    }

    /// Updates title and body of an open proposal. If someone closed it in the meantime, restores the text that they
    /// decided about.
    async fn refresh(&self, known: &ForgeProposal, draft: &ProposalDraft) -> Result<ProposeResult, ForgeError> {
        let notes = Vec::new();
        if is_same_text(&known.title, &draft.title) && is_same_text(&known.body, &draft.body) {
            return Ok(ProposeResult { action: ForgeAction::Unchanged, proposal: known.clone(), notes });
        }
        let proposal = dispatch!(self, client => client.write(known, draft).await)?;
        if proposal.state == ProposalState::Open {
            return Ok(ProposeResult { action: ForgeAction::Refreshed, proposal, notes });
        }
        let ForgeProposal { branch, title, body, .. } = known.clone();
        let restored = ProposalDraft { branch, base: draft.base.clone(), title, body };
        let proposal = dispatch!(self, client => client.write(known, &restored).await)?;
        Ok(ProposeResult { action: ForgeAction::ClosedMeanwhile, proposal, notes })
    }

    async fn find_open(&self, draft: &ProposalDraft) -> Result<Option<ForgeProposal>, ForgeError> {
        let found = self.find(&draft.base, std::slice::from_ref(&draft.branch)).await?;
        Ok(found.into_iter().find(|found| found.state == ProposalState::Open))
    }
}
