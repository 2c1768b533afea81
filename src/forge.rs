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
mod options;
mod pages;
mod protocol;
mod send;

use std::sync::Mutex;

pub use error::ForgeError;

use crate::git::{CommitId, SignedByForge, StagedCommit};
use crate::http::Proxies;
use crate::model::settings::publish::{ForgeKind, Publish};
use crate::proposal::draft::{ForgeProposal, ProposalDraft, ProposalOptions, ProposalState, newest};
use crate::proposal::marker::{self, is_same_text};
use crate::proposal::truncate;
use crate::system::{environment, lock};
use azure::Azure;
use bitbucket::Bitbucket;
use error::ForgeResult;
use gitea::Gitea;
use github::GitHub;
use gitlab::GitLab;
use options::RefusedOptions;
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

/// A repository on a forge.
pub struct ForgeApi {
    kind: ForgeKind,
    client: ForgeClient,
    /// Labels and reviewers that the forge refused, which are not requested again.
    refused: Mutex<ProposalOptions>,
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
    /// Prepares requests to the forge of `publish`, with the tokens and proxies of the environment; sends nothing yet.
    ///
    /// # Errors
    /// If the environment has no token for the forge, or does not allow it to be sent there.
    pub fn new(publish: &Publish) -> ForgeResult<Self> {
        let kind = publish.repository.forge;
        let instance = instance::find(&publish.repository, protocol(kind), &environment::var)?;
        let api = ApiClient::new(instance, publish, Proxies::from_environment())?;
        let client = match kind {
            ForgeKind::GitHub => ForgeClient::GitHub(GitHub { api, cache: Mutex::default() }),
            ForgeKind::GitLab => ForgeClient::GitLab(GitLab { api, users: Mutex::default() }),
            ForgeKind::Gitea => ForgeClient::Gitea(Gitea { api, cache: Mutex::default() }),
            ForgeKind::Bitbucket => ForgeClient::Bitbucket(Bitbucket { api }),
            ForgeKind::Azure => ForgeClient::Azure(Azure { api, creators: Mutex::default() }),
        };
        Ok(Self { kind, client, refused: Mutex::default() })
    }

    /// Returns the desired options of all proposals.
    fn options(&self) -> &ProposalOptions {
        dispatch!(self, client => &client.api.options)
    }

    /// Finds one proposal into `base` per branch, whatever its state: the open one, else the newest.
    ///
    /// Most forges need one request for all branches. On forges that can only list all proposals, at most five pages are
    /// read; branches that were not found there cost a request each.
    ///
    /// # Errors
    /// If the forge cannot be reached or refuses.
    pub async fn find(&self, base: &str, branches: &[String]) -> ForgeResult<Vec<ForgeProposal>> {
        if branches.is_empty() {
            return Ok(Vec::new());
        }
        let all = dispatch!(self, client => client.find(base, branches).await);
        Ok(newest(all?, branches))
    }

    /// Opens a proposal, or refreshes `known`, the result of [`Self::find`] for its branch, if that is open and out of
    /// date. Requests the options that it lacks; refused ones are notes.
    ///
    /// # Errors
    /// If the forge cannot be reached or refuses.
    pub async fn propose(&self, draft: &ProposalDraft, known: Option<&ForgeProposal>) -> ForgeResult<ProposeResult> {
        let draft = self.truncate(draft);
        let known = known.filter(|known| known.state == ProposalState::Open && known.branch == draft.branch);
        let mut result = match known {
            Some(known) => self.refresh(known, &draft).await?,
            None => self.open(&draft).await?,
        };
        if result.action != ForgeAction::ClosedMeanwhile {
            result.notes.extend(self.request_options(&result.proposal, &draft).await);
        }
        Ok(result)
    }

    /// Opens a proposal, with its options if the forge accepts them at creation. If the answer was lost, looks for the
    /// proposal before it creates it again.
    async fn open(&self, draft: &ProposalDraft) -> ForgeResult<ProposeResult> {
        let mut options = self.options().without(&lock(&self.refused));
        let mut pauses = dispatch!(self, client => client.api.pauses());
        let created = |proposal| Ok(ProposeResult { action: ForgeAction::Created, proposal, notes: Vec::new() });
        loop {
            let error = match dispatch!(self, client => client.create(draft, &options).await) {
                Ok(proposal) => return created(proposal),
                Err(LostAnswer::Exists(error)) => {
                    let known = self.find_open(draft).await?.ok_or(error)?;
                    return self.refresh(&known, draft).await;
                }
                // Perhaps because of a reviewer or label; each is requested alone once the proposal exists.
                Err(LostAnswer::Options(_)) => {
                    options = ProposalOptions::default();
                    continue;
                }
                Err(LostAnswer::Unclear(error)) => error,
                Err(LostAnswer::Final(error)) => return Err(error),
            };
            if let Some(proposal) = self.find_open(draft).await? {
                return created(proposal);
            }
            let Some(pause) = pauses.next() else { return Err(error) };
            tokio::time::sleep(pause).await;
        }
    }

    /// Requests the options that an open proposal lacks: all at once, and each alone of those that the forge refused.
    /// Returns a note for each that it refused.
    async fn request_options(&self, proposal: &ForgeProposal, draft: &ProposalDraft) -> Vec<String> {
        let mut missing = self.options().without(&proposal.options).without(&lock(&self.refused));
        missing.auto_merge &= !proposal.is_draft;
        let mut notes = Vec::new();
        let mut queue = vec![missing];
        while let Some(options) = queue.pop() {
            if options.is_empty() {
                continue;
            }
            let reply = match dispatch!(self, client => client.request(proposal, &options, draft).await) {
                Ok(reply) => reply,
                Err(error) => {
                    notes.push(format!(
                        "labels, reviewers and auto-merge of #{} may be incomplete: {error}; the next pass tries again",
                        proposal.number
                    ));
                    break;
                }
            };
            notes.extend(reply.notes);
            for refused in reply.refused {
                match refused.options.each() {
                    each if each.len() > 1 => queue.extend(each.into_iter().rev()),
                    _ => notes.push(self.refuse(refused, proposal.number)),
                }
            }
        }
        notes
    }

    /// Records that the forge refused one option.
    fn refuse(&self, refused: RefusedOptions, number: u64) -> String {
        let note = refused.note(number);
        if !refused.options.auto_merge {
            lock(&self.refused).extend(refused.options);
        }
        note
    }

    /// Closes an open proposal that has nothing left to propose, with a comment. [`Self::find`] distinguishes it from
    /// one that a person closed.
    ///
    /// # Errors
    /// If the forge cannot be reached or refuses.
    pub async fn close(&self, proposal: &ForgeProposal, comment: &str) -> ForgeResult<()> {
        let body = marker::withdraw(&proposal.body);
        let body = truncate::body(&body, protocol(self.kind).limits.body);
        dispatch!(self, client => client.close(proposal, &body, comment).await)
    }

    /// Has the forge create and sign a commit on `parent`, which is not on any branch yet.
    ///
    /// # Errors
    /// If the forge refuses or creates another commit, and on all forges except GitHub.
    pub async fn commit(&self, parent: &CommitId, message: &str, staged: &StagedCommit) -> ForgeResult<SignedByForge> {
        match &self.client {
            ForgeClient::GitHub(client) => client.commit(parent, message, staged).await,
            _ => Err(ForgeError::new(
                format!("{} has no API that creates signed commits", self.kind),
                "sign with a key: `sign = \"ssh\"` or `\"openpgp\"`",
            )),
        }
    }

    /// Truncates title and body to the limits of the forge.
    fn truncate(&self, draft: &ProposalDraft) -> ProposalDraft {
        let limits = protocol(self.kind).limits;
        let title = truncate::title(&draft.title, limits.title);
        ProposalDraft { title, body: truncate::body(&draft.body, limits.body), ..draft.clone() }
    }

    /// Updates title and body of an open proposal. If someone closed it in the meantime, restores the text that they
    /// decided about.
    async fn refresh(&self, known: &ForgeProposal, draft: &ProposalDraft) -> ForgeResult<ProposeResult> {
        let notes = Vec::new();
        if is_same_text(&known.title, &draft.title) && is_same_text(&known.body, &draft.body) {
            return Ok(ProposeResult { action: ForgeAction::Unchanged, proposal: known.clone(), notes });
        }
        let mut proposal = dispatch!(self, client => client.write(known, &draft.title, &draft.body).await)?;
        if proposal.state == ProposalState::Open {
            // Some answers lack them.
            proposal.options = known.options.clone();
            return Ok(ProposeResult { action: ForgeAction::Refreshed, proposal, notes });
        }
        let proposal = dispatch!(self, client => client.write(known, &known.title, &known.body).await)?;
        Ok(ProposeResult { action: ForgeAction::ClosedMeanwhile, proposal, notes })
    }

    async fn find_open(&self, draft: &ProposalDraft) -> ForgeResult<Option<ForgeProposal>> {
        let found = self.find(&draft.base, std::slice::from_ref(&draft.branch)).await?;
        Ok(found.into_iter().find(|found| found.state == ProposalState::Open))
    }
}
