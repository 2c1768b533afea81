//! Forges: where moves are proposed to people, and what became of it.
//!
//! What a pass knows of a forge is plain data: [`Draft`] and [`ForgeProposal`]. [`Forge`] is one enum, and each
//! member's file owns its requests and how its answers read. One token goes with each request, to the origin that the
//! operator's environment binds it to and nowhere else. Nothing here touches Git or decides what is proposed.

mod azure;
mod bitbucket;
mod body;
mod error;
mod gitea;
mod github;
mod gitlab;
mod instance;
mod pages;
mod send;

use std::collections::BTreeMap;

pub use error::ForgeError;
pub use instance::ForgeEnvironment;

use crate::git::{CommitId, SignedByForge, StagedCommit};
use crate::http::{ATTEMPTS, Proxies};
use crate::model::settings::publish::{ForgeKind, Publish, Reviewer};
use crate::proposal::hidden::is_same;
use crate::proposal::known::{ForgeProposal, ProposalDraft, ProposalState};
use azure::Azure;
use bitbucket::Bitbucket;
use gitea::Gitea;
use github::GitHub;
use gitlab::GitLab;
use send::{ApiClient, LostAnswer};

/// What came of proposing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposeResult {
    /// What was done.
    pub outcome: ForgeAction,
    /// The proposal as it stands now.
    pub found: ForgeProposal,
    /// What the forge did not do along with it, as labels that it does not have.
    pub notes: Vec<String>,
}

/// What proposing did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForgeAction {
    /// There is a new proposal.
    Created,
    /// An open one says now what it should.
    Refreshed,
    /// An open one says so already; nothing was sent.
    Unchanged,
    /// Somebody closed or merged it before it could say so. It says what it did.
    Late,
}

/// All that a forge is asked with, besides the settings.
#[derive(Clone, Default)]
pub struct ForgeConfig {
    /// Tokens, and where the operator lets them go.
    pub environment: ForgeEnvironment,
    /// The proxies to go through.
    pub proxies: Proxies,
}

impl ForgeConfig {
    /// What the environment of the process says.
    pub fn from_environment() -> Self {
        Self { environment: ForgeEnvironment::from_environment(), proxies: Proxies::from_environment() }
    }
}

/// What new proposals have, by the settings.
struct ProposalOptions {
    labels: Vec<String>,
    users: Vec<String>,
    teams: Vec<String>,
    draft: bool,
    auto_merge: bool,
}

impl ProposalOptions {
    fn has_reviewers(&self) -> bool {
        !self.users.is_empty() || !self.teams.is_empty()
    }
}

/// A repository on a forge.
pub struct Forge {
    line: ApiClient,
    wishes: ProposalOptions,
    member: ForgeClient,
}

enum ForgeClient {
    GitHub(GitHub),
    GitLab(GitLab),
    Gitea(Gitea),
    Bitbucket(Bitbucket),
    Azure(Azure),
}

impl Forge {
    /// Makes the forge of `publish` known; nothing is sent yet.
    ///
    /// # Errors
    /// Where the environment has no token for it, or does not let it go there.
    pub fn new(publish: &Publish, setup: &ForgeConfig) -> Result<Self, ForgeError> {
        let instance = instance::find(&publish.place, &setup.environment)?;
        let line = ApiClient::new(&instance, &setup.proxies)?;
        let repository = publish.place.repository.as_str();
        let member = match publish.place.kind {
            ForgeKind::GitHub => ForgeClient::GitHub(GitHub::new(repository, &instance)),
            ForgeKind::GitLab => ForgeClient::GitLab(GitLab::new(repository)),
            ForgeKind::Gitea => ForgeClient::Gitea(Gitea::new(repository)),
            ForgeKind::Bitbucket => ForgeClient::Bitbucket(Bitbucket::new(repository)),
            ForgeKind::Azure => ForgeClient::Azure(Azure::new(repository)),
        };
        let (mut users, mut teams) = (Vec::new(), Vec::new());
        for reviewer in &publish.reviewers {
            match reviewer {
                Reviewer::User(name) => users.push(name.clone()),
                Reviewer::Team(name) => teams.push(name.clone()),
            }
        }
        let Publish { labels, draft, auto_merge, .. } = publish.clone();
        Ok(Self { line, wishes: ProposalOptions { labels, users, teams, draft, auto_merge }, member })
    }

    /// The newest proposal of each of `branches` into `base`, whatever became of it: open ones first.
    ///
    /// Most forges are asked once for all branches. Where a forge only lists all proposals, no more than
    /// five pages of it are read, and what is not there is asked for by itself.
    ///
    /// # Errors
    /// Where the forge does not say.
    pub async fn find(&self, base: &str, branches: &[String]) -> Result<Vec<ForgeProposal>, ForgeError> {
        if branches.is_empty() {
            return Ok(Vec::new());
        }
        let all = match &self.member {
            ForgeClient::GitHub(forge) => forge.find(&self.line, &self.wishes, base, branches).await,
            ForgeClient::GitLab(forge) => forge.find(&self.line, base, branches).await,
            ForgeClient::Gitea(forge) => forge.find(&self.line, base, branches).await,
            ForgeClient::Bitbucket(forge) => forge.find(&self.line, base, branches).await,
            ForgeClient::Azure(forge) => forge.find(&self.line, base, branches).await,
        };
        Ok(newest(all?, branches))
    }

    /// Sees to it that `proposal` stands on the forge: creates it, or refreshes `known`, what [`Self::find`] told of its
    /// branch, where that is open and says something else.
    ///
    /// Where the answer to creating it was lost, it is looked for before it is created again.
    ///
    /// # Errors
    /// Where the forge refuses, or cannot be asked.
    pub async fn propose(
        &self,
        proposal: &ProposalDraft,
        known: Option<&ForgeProposal>,
    ) -> Result<ProposeResult, ForgeError> {
        let wanted = self.fit(proposal);
        let known = known.filter(|found| found.state == ProposalState::Open && found.branch == proposal.branch);
        if let Some(found) = known {
            return self.refresh(found, &wanted).await;
        }
        let mut pauses = self.line.pauses();
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            let error = match self.create(&wanted).await {
                Ok((found, notes)) => return self.finish(found, notes).await,
                Err(LostAnswer::Exists(error)) => {
                    let found = self.look(&wanted).await?.ok_or(error)?;
                    return self.refresh(&found, &wanted).await;
                }
                Err(LostAnswer::Unclear(error)) => error,
                Err(LostAnswer::Final(error)) => return Err(error),
            };
            if let Some(found) = self.look(&wanted).await? {
                return self.finish(found, Vec::new()).await;
            }
            if left == 0 {
                return Err(error);
            }
            tokio::time::sleep(pauses.next().unwrap_or_default()).await;
        }
    }

    /// Closes an open proposal of which nothing is left, and says why to those who look at it. [`Self::find`] tells it
    /// from one that a person closed.
    ///
    /// # Errors
    /// Where the forge refuses, or cannot be asked.
    pub async fn close(&self, found: &ForgeProposal, comment: &str) -> Result<(), ForgeError> {
        let body = body::withdrawn(&found.body);
        let body = body::fit(&body, self.limits().body);
        match &self.member {
            ForgeClient::GitHub(forge) => forge.close(&self.line, found, &body, comment).await,
            ForgeClient::GitLab(forge) => forge.close(&self.line, found, &body, comment).await,
            ForgeClient::Gitea(forge) => forge.close(&self.line, found, &body, comment).await,
            ForgeClient::Bitbucket(forge) => forge.close(&self.line, found, &body, comment).await,
            ForgeClient::Azure(forge) => forge.close(&self.line, found, &body, comment).await,
        }
    }

    /// Has the forge make a commit on `parent`, and sign it. No branch has it yet.
    ///
    /// # Errors
    /// Where it does not, or gives another one; only GitHub makes commits that way.
    pub async fn commit(
        &self,
        parent: &CommitId,
        message: &str,
        staged: &StagedCommit,
    ) -> Result<SignedByForge, ForgeError> {
        match &self.member {
            ForgeClient::GitHub(forge) => forge.commit(&self.line, parent, message, staged).await,
            _ => Err(ForgeError::Unable {
                message: format!("{} does not make and sign commits for programs", self.line.kind()),
                help: "sign with a key: `ssh` or `openpgp`".to_owned(),
            }),
        }
    }

    /// `proposal` within what the forge takes.
    fn fit(&self, proposal: &ProposalDraft) -> ProposalDraft {
        let limits = self.limits();
        let title = body::title(&proposal.title, limits.title);
        ProposalDraft { title, body: body::fit(&proposal.body, limits.body), ..proposal.clone() }
    }

    fn limits(&self) -> body::BodyLimits {
        match &self.member {
            ForgeClient::GitHub(_) => github::LIMITS,
            ForgeClient::GitLab(_) => gitlab::LIMITS,
            ForgeClient::Gitea(_) => gitea::LIMITS,
            ForgeClient::Bitbucket(_) => bitbucket::LIMITS,
            ForgeClient::Azure(_) => azure::LIMITS,
        }
    }

    async fn create(&self, wanted: &ProposalDraft) -> Result<(ForgeProposal, Vec<String>), LostAnswer> {
        match &self.member {
            ForgeClient::GitHub(forge) => forge.create(&self.line, &self.wishes, wanted).await,
            ForgeClient::GitLab(forge) => forge.create(&self.line, &self.wishes, wanted).await,
            ForgeClient::Gitea(forge) => forge.create(&self.line, &self.wishes, wanted).await,
            ForgeClient::Bitbucket(forge) => forge.create(&self.line, &self.wishes, wanted).await,
            ForgeClient::Azure(forge) => forge.create(&self.line, &self.wishes, wanted).await,
        }
    }

    /// What a new proposal has besides; what the forge does not do is a note, for the proposal stands.
    async fn finish(&self, found: ForgeProposal, mut notes: Vec<String>) -> Result<ProposeResult, ForgeError> {
        let more = match &self.member {
            ForgeClient::GitHub(forge) => forge.finish(&self.line, &self.wishes, &found).await,
            ForgeClient::GitLab(forge) => forge.finish(&self.line, &self.wishes, &found).await,
            ForgeClient::Gitea(forge) => forge.finish(&self.line, &self.wishes, &found).await,
            ForgeClient::Azure(forge) => forge.finish(&self.line, &self.wishes, &found).await,
            ForgeClient::Bitbucket(_) => Ok(Vec::new()),
        };
        match more {
            Ok(more) => notes.extend(more),
            Err(error) => notes.push(error.to_string()),
        }
        Ok(ProposeResult { outcome: ForgeAction::Created, found, notes })
    }

    /// Lets an open proposal say what it should. One that somebody closed meanwhile goes on saying what they closed it
    /// over.
    async fn refresh(&self, found: &ForgeProposal, wanted: &ProposalDraft) -> Result<ProposeResult, ForgeError> {
        let notes = Vec::new();
        if is_same(&found.title, &wanted.title) && is_same(&found.body, &wanted.body) {
            return Ok(ProposeResult { outcome: ForgeAction::Unchanged, found: found.clone(), notes });
        }
        let now = self.write(found, wanted).await?;
        if now.state == ProposalState::Open {
            return Ok(ProposeResult { outcome: ForgeAction::Refreshed, found: now, notes });
        }
        let ForgeProposal { branch, title, body, .. } = found.clone();
        let found = self.write(found, &ProposalDraft { branch, base: wanted.base.clone(), title, body }).await?;
        Ok(ProposeResult { outcome: ForgeAction::Late, found, notes })
    }

    /// Writes title and body; what the forge answers tells what became of the proposal meanwhile.
    async fn write(&self, found: &ForgeProposal, wanted: &ProposalDraft) -> Result<ForgeProposal, ForgeError> {
        match &self.member {
            ForgeClient::GitHub(forge) => forge.write(&self.line, found, wanted).await,
            ForgeClient::GitLab(forge) => forge.write(&self.line, found, wanted).await,
            ForgeClient::Gitea(forge) => forge.write(&self.line, found, wanted).await,
            ForgeClient::Bitbucket(forge) => forge.write(&self.line, found, wanted).await,
            ForgeClient::Azure(forge) => forge.write(&self.line, found, wanted).await,
        }
    }

    /// The open proposal of a branch.
    async fn look(&self, wanted: &ProposalDraft) -> Result<Option<ForgeProposal>, ForgeError> {
        let found = self.find(&wanted.base, std::slice::from_ref(&wanted.branch)).await?;
        Ok(found.into_iter().find(|found| found.state == ProposalState::Open))
    }
}

/// Of each branch the open proposal, else the one with the highest number, in the order of `branches`.
fn newest(all: Vec<ForgeProposal>, branches: &[String]) -> Vec<ForgeProposal> {
    let mut best: BTreeMap<String, ForgeProposal> = BTreeMap::new();
    let rank = |found: &ForgeProposal| (found.state == ProposalState::Open, found.number);
    for found in all {
        match best.get(&found.branch) {
            Some(other) if rank(other) >= rank(&found) => {}
            _ => {
                best.insert(found.branch.clone(), found);
            }
        }
    }
    branches.iter().filter_map(|branch| best.remove(branch)).collect()
}

/// What `text`, the body of a closed proposal, says of who closed it.
fn closed(body: &str) -> ProposalState {
    if body::is_withdrawn(body) { ProposalState::Withdrawn } else { ProposalState::Closed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_branch_the_open_proposal_counts_else_the_newest() {
        let found = |branch: &str, number, state| ForgeProposal {
            number,
            url: String::new(),
            branch: branch.to_owned(),
            state,
            head: None,
            title: String::new(),
            body: String::new(),
            is_draft: false,
        };
        let all = vec![
            found("b", 9, ProposalState::Closed),
            found("a", 3, ProposalState::Open),
            found("a", 4, ProposalState::Merged),
            found("b", 7, ProposalState::Closed),
            found("c", 1, ProposalState::Open),
        ];
        let names = ["a", "b", "d"].map(str::to_owned);
        let shown: Vec<_> = newest(all, &names).into_iter().map(|found| (found.branch, found.number)).collect();
        assert_eq!(shown, [("a".to_owned(), 3), ("b".to_owned(), 9)]);
    }
}
