//! Azure DevOps Services and Server: pull requests over the Git REST API, version 7.1.
//!
//! Sources: Microsoft's documentation, "Git - Pull Requests" and "Pull Request Threads". A description has at most 4,000
//! characters, of which lists return 400. A second open pull request of the same branches is refused with 409
//! (TF401179). Auto-complete is set in the name of a user id: the creator's, who is the owner of the token.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use super::error::ForgeError;
use super::pages::{self, PagePart};
use super::protocol::{self, ForgeProtocol, TokenSource};
use super::send::{ApiCall, ApiClient, LostAnswer};
use crate::proposal::draft::{ForgeProposal, ProposalDraft, ProposalOptions, ProposalState, newest};
use crate::proposal::truncate::TextLimits;

pub(super) const PROTOCOL: ForgeProtocol = ForgeProtocol {
    public: Some("https://dev.azure.com"),
    token_variables: &["SYSTEM_ACCESSTOKEN"],
    instance_variables: &["SYSTEM_COLLECTIONURI"],
    permissions: "grant the token the scope `Code (read & write)`, and its owner (or the build service) the permission \
                  `Contribute to pull requests`",
    limits: TextLimits { title: 400, body: 4_000 },
    // Without the second header, an invalid token is redirected to a page.
    headers: &[("accept", "application/json"), ("x-tfs-fedauthredirect", "Suppress")],
    redirects_to_login: true,
    api: |web| protocol::below(web, ""),
    token_api,
    authorization,
};

/// Number of pull requests on a page.
const PAGE: usize = 200;
/// Length of descriptions in lists.
const ABBREVIATED: usize = 400;
const VERSION: (&str, &str) = ("api-version", "7.1");

/// A repository on Azure DevOps.
pub(super) struct Azure {
    api: Arc<ApiClient>,
    options: ProposalOptions,
    /// Organization, project and repository.
    path: Vec<String>,
    /// Creators of pull requests, by number.
    creators: Mutex<HashMap<u64, String>>,
}

impl Azure {
    pub(super) fn new(api: Arc<ApiClient>, options: ProposalOptions, repository: &str) -> Self {
        let path = repository.split('/').map(str::to_owned).collect();
        Self { api, options, path, creators: Mutex::default() }
    }

    /// Lists the newest pull requests, then those of each branch that was not among them. Fetches each pull request whose
    /// description is abbreviated.
    pub(super) async fn find(&self, base: &str, branches: &[String]) -> Result<Vec<ForgeProposal>, ForgeError> {
        let read = async |part: PagePart<'_>, all: &mut Vec<ForgeProposal>| match part {
            PagePart::Page(page) => {
                let (top, skip) = (PAGE.to_string(), (page * PAGE).to_string());
                self.list(base, &[("$top", &top), ("$skip", &skip)], all).await
            }
            PagePart::Branch(branch) => {
                let source = reference(branch);
                self.list(base, &[("$top", "20"), ("searchCriteria.sourceRefName", &source)], all).await
            }
        };
        let all = pages::find(branches, PAGE, read).await?;
        let mut all = newest(all, branches);
        for found in &mut all {
            if found.state != ProposalState::Merged && found.body.encode_utf16().count() >= ABBREVIATED {
                let complete = self.api.take(ApiCall::get(self.pull_url(found, &[]))).await?;
                *found = self.parse(&complete)?;
            }
        }
        Ok(all)
    }

    /// Reads one page of pull requests into `base`, newest first; returns their number.
    async fn list(&self, base: &str, more: &[(&str, &str)], all: &mut Vec<ForgeProposal>) -> Result<usize, ForgeError> {
        let base = reference(base);
        let query = [("searchCriteria.status", "all"), ("searchCriteria.targetRefName", base.as_str())];
        let answer = self.api.take(ApiCall::get(self.url(&[], &[&query, more].concat()))).await?;
        let items = answer["value"].as_array().ok_or_else(|| self.api.unreadable("a list of pull requests"))?;
        // Pull requests from forks may have any branch name.
        for item in items.iter().filter(|item| item["forkSource"].is_null()) {
            all.push(self.parse(item)?);
        }
        Ok(items.len())
    }

    pub(super) async fn create(&self, draft: &ProposalDraft) -> Result<(ForgeProposal, Vec<String>), LostAnswer> {
        let mut body = json!({
            "sourceRefName": reference(&draft.branch),
            "targetRefName": reference(&draft.base),
            "title": draft.title,
            "description": draft.body,
            "isDraft": self.options.draft,
        });
        if !self.options.users.is_empty() {
            body["reviewers"] = self.options.users.iter().map(|id| json!({"id": id})).collect();
        }
        if !self.options.labels.is_empty() {
            body["labels"] = self.options.labels.iter().map(|name| json!({"name": name})).collect();
        }
        let reply = self.api.ask(ApiCall::add(self.url(&[], &[]), &body)).await?;
        if reply.status.as_u16() == 409 {
            return Err(LostAnswer::Exists(self.api.refused(&reply)));
        }
        let answer = self.api.accept(reply)?;
        Ok((self.parse(&answer)?, Vec::new()))
    }

    /// Sets auto-complete on a pull request.
    pub(super) async fn finish(&self, proposal: &ForgeProposal) -> Result<Vec<String>, ForgeError> {
        if !self.options.auto_merge {
            return Ok(Vec::new());
        }
        let Some(creator) = self.creators().get(&proposal.number).cloned() else {
            return Ok(vec!["auto-complete was not set: the answer does not name the creator".to_owned()]);
        };
        let body = json!({"autoCompleteSetBy": {"id": creator}});
        let reply = self.api.ask(ApiCall::set(Method::PATCH, self.pull_url(proposal, &[]), &body)).await?;
        let note = format!("auto-complete was not set{}", self.api.said(&reply.body));
        Ok(if reply.status.is_success() { Vec::new() } else { vec![note] })
    }

    pub(super) async fn write(
        &self,
        known: &ForgeProposal,
        draft: &ProposalDraft,
    ) -> Result<ForgeProposal, ForgeError> {
        let body = json!({"title": draft.title, "description": draft.body});
        let answer = self.api.take(ApiCall::set(Method::PATCH, self.pull_url(known, &[]), &body)).await?;
        self.parse(&answer)
    }

    pub(super) async fn close(&self, proposal: &ForgeProposal, body: &str, comment: &str) -> Result<(), ForgeError> {
        let comment = json!({"parentCommentId": 0, "content": comment, "commentType": "text"});
        let thread = json!({"comments": [comment], "status": "closed"});
        self.api.comment(self.pull_url(proposal, &["threads"]), &thread).await?;
        let body = json!({"status": "abandoned", "description": body});
        self.api.take(ApiCall::set(Method::PATCH, self.pull_url(proposal, &[]), &body)).await.map(drop)
    }

    fn parse(&self, item: &Value) -> Result<ForgeProposal, ForgeError> {
        self.proposal(item).ok_or_else(|| self.api.unreadable("a pull request"))
    }

    fn proposal(&self, item: &Value) -> Option<ForgeProposal> {
        let text = |key: &str| item[key].as_str().map(str::to_owned);
        let body = text("description").unwrap_or_default();
        let state = match item["status"].as_str()? {
            "active" => ProposalState::Open,
            "completed" => ProposalState::Merged,
            _ => ProposalState::of_closed(&body),
        };
        let number = item["pullRequestId"].as_u64()?;
        if let Some(creator) = item["createdBy"]["id"].as_str() {
            self.creators().insert(number, creator.to_owned());
        }
        let [organization, project, repository] = self.path.as_slice() else { return None };
        let page = [organization, project, "_git", repository, "pullrequest", &number.to_string()];
        Some(ForgeProposal {
            number,
            url: self.api.url(&page, &[]).to_string(),
            branch: item["sourceRefName"].as_str()?.strip_prefix("refs/heads/")?.to_owned(),
            state,
            head: item["lastMergeSourceCommit"]["commitId"].as_str().map(str::to_owned),
            title: text("title")?,
            body,
            is_draft: item["isDraft"].as_bool().unwrap_or(false),
        })
    }

    fn creators(&self) -> MutexGuard<'_, HashMap<u64, String>> {
        self.creators.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pull_url(&self, proposal: &ForgeProposal, rest: &[&str]) -> Url {
        self.url(&[&[proposal.number.to_string().as_str()], rest].concat(), &[])
    }

    fn url(&self, rest: &[&str], query: &[(&str, &str)]) -> Url {
        let path = self.path.iter().map(String::as_str);
        let (repository, above) = match self.path.as_slice() {
            [above @ .., repository] => (repository.as_str(), path.take(above.len())),
            [] => ("", path.take(0)),
        };
        let below = ["_apis", "git", "repositories", repository, "pullrequests"];
        let path: Vec<&str> = above.chain(below).chain(rest.iter().copied()).collect();
        self.api.url(&path, &[&[VERSION], query].concat())
    }
}

fn reference(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

/// Locates the API that a pipeline's token is for: `<organization>.visualstudio.com` is an old name of the same service.
fn token_api(_: &str, collection: &Url, repository: &str) -> Url {
    let organization = repository.split('/').next().unwrap_or_default();
    match (collection.host_str(), PROTOCOL.public_api()) {
        (Some(host), Some(public)) if host == format!("{organization}.visualstudio.com") => public,
        _ => (PROTOCOL.api)(collection),
    }
}

/// Builds the header: personal access tokens are passwords without a user name; tokens of Microsoft Entra (JWT) and of
/// pipelines are bearer tokens.
fn authorization(token: &str, source: TokenSource) -> String {
    if source == TokenSource::Ci || token.starts_with("eyJ") {
        return protocol::bearer(token, source);
    }
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!(":{token}")))
}
