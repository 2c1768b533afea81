//! Azure DevOps Services and Server: pull requests over the Git REST API, version 7.1.
//!
//! Source: Microsoft's documentation of "Git - Pull Requests" and "Pull Request Threads". A description has at most
//! 4 000 characters, and lists give no more than 400 of it. An open pull request of the same branches is answered with
//! 409 and TF401179. Who sets auto-complete is named by an id: it is whoever created the pull request, the token's
//! owner.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use super::pages::{self, PagePart};
use super::send::{ApiCall, ApiClient, LostAnswer};
use super::{ForgeError, ForgeProposal, ProposalDraft, ProposalOptions, ProposalState, body, closed, newest};

pub(super) const LIMITS: body::BodyLimits = body::BodyLimits { title: 400, body: 4_000 };

/// How many pull requests a page has.
const PAGE: usize = 200;
/// How much of a description a list gives.
const SHORT: usize = 400;
const VERSION: (&str, &str) = ("api-version", "7.1");

/// A repository on Azure DevOps.
pub(super) struct Azure {
    /// Organization, project and repository.
    parts: Vec<String>,
    /// Who created a pull request, by its number.
    authors: Mutex<HashMap<u64, String>>,
}

impl Azure {
    pub(super) fn new(repository: &str) -> Self {
        Self { parts: repository.split('/').map(str::to_owned).collect(), authors: Mutex::default() }
    }

    /// Reads the newest pull requests; what is not among them is asked for by its branch, and what is longer than a list
    /// shows, by its number.
    pub(super) async fn find(
        &self,
        line: &ApiClient,
        base: &str,
        branches: &[String],
    ) -> Result<Vec<ForgeProposal>, ForgeError> {
        let read = async |part: PagePart<'_>, all: &mut Vec<ForgeProposal>| match part {
            PagePart::Page(page) => {
                let (top, skip) = (PAGE.to_string(), (page * PAGE).to_string());
                self.list(line, base, &[("$top", &top), ("$skip", &skip)], all).await
            }
            PagePart::Branch(branch) => {
                let source = reference(branch);
                self.list(line, base, &[("$top", "20"), ("searchCriteria.sourceRefName", &source)], all).await
            }
        };
        let all = pages::find(branches, PAGE, read).await?;
        let mut all = newest(all, branches);
        for found in &mut all {
            if found.state != ProposalState::Merged && found.body.encode_utf16().count() >= SHORT {
                let whole = line.take(ApiCall::get(self.one(line, found, &[]))).await?;
                *found = self.found(line, &whole).ok_or_else(|| line.unreadable("a pull request"))?;
            }
        }
        Ok(all)
    }

    /// One page of pull requests into `base`, the newest first; the answer is how many it had.
    async fn list(
        &self,
        line: &ApiClient,
        base: &str,
        more: &[(&str, &str)],
        all: &mut Vec<ForgeProposal>,
    ) -> Result<usize, ForgeError> {
        let base = reference(base);
        let query = [("searchCriteria.status", "all"), ("searchCriteria.targetRefName", base.as_str())];
        let answer = line.take(ApiCall::get(self.url(line, &[], &[&query, more].concat()))).await?;
        let items = answer["value"].as_array().ok_or_else(|| line.unreadable("a list of pull requests"))?;
        // What comes from a fork says so.
        for item in items.iter().filter(|item| item["forkSource"].is_null()) {
            all.push(self.found(line, item).ok_or_else(|| line.unreadable("a pull request"))?);
        }
        Ok(items.len())
    }

    pub(super) async fn create(
        &self,
        line: &ApiClient,
        wishes: &ProposalOptions,
        wanted: &ProposalDraft,
    ) -> Result<(ForgeProposal, Vec<String>), LostAnswer> {
        let mut body = json!({
            "sourceRefName": reference(&wanted.branch),
            "targetRefName": reference(&wanted.base),
            "title": wanted.title,
            "description": wanted.body,
            "isDraft": wishes.draft,
        });
        if !wishes.users.is_empty() {
            body["reviewers"] = wishes.users.iter().map(|id| json!({"id": id})).collect();
        }
        if !wishes.labels.is_empty() {
            body["labels"] = wishes.labels.iter().map(|name| json!({"name": name})).collect();
        }
        let reply = line.ask(ApiCall::add(self.url(line, &[], &[]), &body)).await?;
        if reply.status.as_u16() == 409 {
            return Err(LostAnswer::Exists(line.refused(&reply)));
        }
        let answer = line.accept(reply)?;
        let found = self.found(line, &answer).ok_or_else(|| line.unreadable("a pull request"))?;
        Ok((found, Vec::new()))
    }

    /// Has it completed once its policies are met.
    pub(super) async fn finish(
        &self,
        line: &ApiClient,
        wishes: &ProposalOptions,
        found: &ForgeProposal,
    ) -> Result<Vec<String>, ForgeError> {
        if !wishes.auto_merge {
            return Ok(Vec::new());
        }
        let Some(author) = self.authors().get(&found.number).cloned() else {
            return Ok(vec![
                "auto-complete was not set: the answer did not say who created the pull request".to_owned(),
            ]);
        };
        let body = json!({"autoCompleteSetBy": {"id": author}});
        let reply = line.ask(ApiCall::set(Method::PATCH, self.one(line, found, &[]), &body)).await?;
        let notes = match reply.status.is_success() {
            true => None,
            false => Some(format!("auto-complete was not set{}", line.said(&reply.body))),
        };
        Ok(notes.into_iter().collect())
    }

    pub(super) async fn write(
        &self,
        line: &ApiClient,
        found: &ForgeProposal,
        wanted: &ProposalDraft,
    ) -> Result<ForgeProposal, ForgeError> {
        let body = json!({"title": wanted.title, "description": wanted.body});
        let answer = line.take(ApiCall::set(Method::PATCH, self.one(line, found, &[]), &body)).await?;
        self.found(line, &answer).ok_or_else(|| line.unreadable("a pull request"))
    }

    pub(super) async fn close(
        &self,
        line: &ApiClient,
        found: &ForgeProposal,
        body: &str,
        comment: &str,
    ) -> Result<(), ForgeError> {
        let comment = json!({"parentCommentId": 0, "content": comment, "commentType": "text"});
        let said = json!({"comments": [comment], "status": "closed"});
        line.comment(self.one(line, found, &["threads"]), &said).await?;
        let body = json!({"status": "abandoned", "description": body});
        line.take(ApiCall::set(Method::PATCH, self.one(line, found, &[]), &body)).await.map(drop)
    }

    fn found(&self, line: &ApiClient, item: &Value) -> Option<ForgeProposal> {
        let text = |key: &str| item[key].as_str().map(str::to_owned);
        let body = text("description").unwrap_or_default();
        let state = match item["status"].as_str()? {
            "active" => ProposalState::Open,
            "completed" => ProposalState::Merged,
            _ => closed(&body),
        };
        let number = item["pullRequestId"].as_u64()?;
        if let Some(author) = item["createdBy"]["id"].as_str() {
            self.authors().insert(number, author.to_owned());
        }
        let [organization, project, repository] = self.parts.as_slice() else { return None };
        let page = [organization, project, "_git", repository, "pullrequest", &number.to_string()];
        Some(ForgeProposal {
            number,
            url: line.url(&page, &[]).to_string(),
            branch: item["sourceRefName"].as_str()?.strip_prefix("refs/heads/")?.to_owned(),
            state,
            head: item["lastMergeSourceCommit"]["commitId"].as_str().map(str::to_owned),
            title: text("title")?,
            body,
            is_draft: item["isDraft"].as_bool().unwrap_or(false),
        })
    }

    fn authors(&self) -> MutexGuard<'_, HashMap<u64, String>> {
        self.authors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn one(&self, line: &ApiClient, found: &ForgeProposal, rest: &[&str]) -> Url {
        self.url(line, &[&[found.number.to_string().as_str()], rest].concat(), &[])
    }

    fn url(&self, line: &ApiClient, rest: &[&str], query: &[(&str, &str)]) -> Url {
        let parts = self.parts.iter().map(String::as_str);
        let (repository, above) = match self.parts.as_slice() {
            [above @ .., repository] => (repository.as_str(), parts.take(above.len())),
            [] => ("", parts.take(0)),
        };
        let below = ["_apis", "git", "repositories", repository, "pullrequests"];
        let parts: Vec<&str> = above.chain(below).chain(rest.iter().copied()).collect();
        line.url(&parts, &[&[VERSION], query].concat())
    }
}

fn reference(branch: &str) -> String {
    format!("refs/heads/{branch}")
}
