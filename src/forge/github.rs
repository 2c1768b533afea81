//! GitHub and GitHub Enterprise Server: REST where one thing is changed, GraphQL where many are asked for at once.
//!
//! Sources: GitHub's OpenAPI description (`/repos/{owner}/{repo}/pulls`, `…/pulls/{pull_number}`,
//! `…/issues/{issue_number}/comments`) and its GraphQL schema. A body has at most 65 536 characters.

mod commit;
mod graphql;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use super::instance::ForgeInstance;
use super::send::{ApiCall, ApiClient, LostAnswer};
use super::{ForgeError, ForgeProposal, ProposalDraft, ProposalOptions, ProposalState, body, closed};

pub(super) const LIMITS: body::BodyLimits = body::BodyLimits { title: 256, body: 65_536 };

/// How many branches one question is about.
const BRANCHES: usize = 50;
/// How many proposals of one branch are looked at: those of forks have the same branch's name.
const EACH: usize = 10;

/// A repository on GitHub.
pub(super) struct GitHub {
    owner: String,
    name: String,
    graphql: Url,
    told: Mutex<Told>,
}

/// What GitHub told by the way.
#[derive(Default)]
struct Told {
    /// Ids of proposals, by number.
    proposals: HashMap<u64, String>,
    /// Ids of what new proposals have.
    wishes: Option<Ids>,
}

/// Ids of what new proposals have, and a note on each that there is not.
#[derive(Clone, Default)]
struct Ids {
    labels: Vec<String>,
    users: Vec<String>,
    teams: Vec<String>,
    method: Option<String>,
    missing: Vec<String>,
}

impl GitHub {
    pub(super) fn new(repository: &str, instance: &ForgeInstance) -> Self {
        let (owner, name) = repository.split_once('/').unwrap_or((repository, ""));
        let graphql = instance.graphql.clone();
        Self { owner: owner.to_owned(), name: name.to_owned(), graphql, told: Mutex::default() }
    }

    /// Asks for the newest proposals of all branches at once; the first time also for the ids of labels and reviewers.
    pub(super) async fn find(
        &self,
        line: &ApiClient,
        wishes: &ProposalOptions,
        base: &str,
        branches: &[String],
    ) -> Result<Vec<ForgeProposal>, ForgeError> {
        let mut all = Vec::new();
        for branches in branches.chunks(BRANCHES) {
            all.extend(self.ask(line, wishes, base, branches).await?);
        }
        Ok(all)
    }

    pub(super) async fn create(
        &self,
        line: &ApiClient,
        wishes: &ProposalOptions,
        wanted: &ProposalDraft,
    ) -> Result<(ForgeProposal, Vec<String>), LostAnswer> {
        let ProposalDraft { branch, base, title, body } = wanted;
        let body = json!({"title": title, "head": branch, "base": base, "body": body, "draft": wishes.draft});
        let reply = line.ask(ApiCall::add(self.url(line, &["pulls"]), &body)).await?;
        if reply.status.as_u16() == 422 && reply.body.to_string().contains("pull request already exists") {
            return Err(LostAnswer::Exists(line.refused(&reply)));
        }
        let answer = line.accept(reply)?;
        let number = answer["number"].as_u64().ok_or_else(|| line.unreadable("a pull request"))?;
        if let Some(id) = answer["node_id"].as_str() {
            self.told().proposals.insert(number, id.to_owned());
        }
        let found = ForgeProposal {
            number,
            url: answer["html_url"].as_str().unwrap_or_default().to_owned(),
            branch: branch.clone(),
            state: ProposalState::Open,
            head: answer["head"]["sha"].as_str().map(str::to_owned),
            title: title.clone(),
            body: wanted.body.clone(),
            is_draft: wishes.draft,
        };
        Ok((found, Vec::new()))
    }

    pub(super) async fn write(
        &self,
        line: &ApiClient,
        found: &ForgeProposal,
        wanted: &ProposalDraft,
    ) -> Result<ForgeProposal, ForgeError> {
        let body = json!({"title": wanted.title, "body": wanted.body});
        let answer = self.patch(line, found, &body).await?;
        let state = match answer["state"].as_str() {
            Some("open") => ProposalState::Open,
            Some(_) if answer["merged"] == true => ProposalState::Merged,
            Some(_) => ProposalState::Closed,
            None => return Err(line.unreadable("a pull request")),
        };
        Ok(ForgeProposal { state, title: wanted.title.clone(), body: wanted.body.clone(), ..found.clone() })
    }

    pub(super) async fn close(
        &self,
        line: &ApiClient,
        found: &ForgeProposal,
        body: &str,
        comment: &str,
    ) -> Result<(), ForgeError> {
        let number = found.number.to_string();
        let said = json!({"body": comment});
        line.comment(self.url(line, &["issues", &number, "comments"]), &said).await?;
        self.patch(line, found, &json!({"state": "closed", "body": body})).await.map(drop)
    }

    async fn patch(&self, line: &ApiClient, found: &ForgeProposal, body: &Value) -> Result<Value, ForgeError> {
        let url = self.url(line, &["pulls", &found.number.to_string()]);
        line.take(ApiCall::set(Method::PATCH, url, body)).await
    }

    fn url(&self, line: &ApiClient, rest: &[&str]) -> Url {
        line.url(&[&["repos", &self.owner, &self.name], rest].concat(), &[])
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A proposal as GraphQL tells it.
fn found(node: &Value) -> Option<ForgeProposal> {
    let text = |key: &str| node[key].as_str().map(str::to_owned);
    let body = text("body").unwrap_or_default();
    let state = match node["state"].as_str()? {
        "OPEN" => ProposalState::Open,
        "MERGED" => ProposalState::Merged,
        _ => closed(&body),
    };
    Some(ForgeProposal {
        number: node["number"].as_u64()?,
        url: text("url")?,
        branch: text("headRefName")?,
        state,
        head: text("headRefOid"),
        title: text("title")?,
        body,
        is_draft: node["isDraft"].as_bool().unwrap_or(false),
    })
}
