//! Gitea and Forgejo: pull requests over their REST API, version 1.
//!
//! Source: the OpenAPI description that each instance serves. Labels are set by their ids, which repositories and
//! organizations list. A prefix of the title marks drafts. The length of bodies is not limited. No answer tells whether
//! auto-merge is enabled, or who closed a pull request.

use std::collections::BTreeMap;
use std::sync::Mutex;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::error::ForgeResult;
use super::instance;
use super::options::OptionsReply;
use super::pages::PAGES;
use super::protocol::{self, ForgeProtocol};
use super::send::{ApiCall, ApiClient, LostAnswer};
use crate::proposal::draft::{ForgeProposal, ProposalClosure, ProposalDraft, ProposalOptions, ProposalState};
use crate::proposal::truncate::draft_title;
use crate::system::lock;

pub(super) const PROTOCOL: ForgeProtocol = ForgeProtocol {
    authorization: |token, _| format!("token {token}"),
    // Their runners also set GitHub's variable.
    instance_variables: &["FORGEJO_SERVER_URL", "GITEA_SERVER_URL", "GITHUB_SERVER_URL", instance::URL],
    ..protocol::common(protocol::Essentials {
        api: |web| protocol::below(web, "/api/v1"),
        permissions: "grant the token the scopes `write:repository` and `write:issue`",
        token_variables: &["FORGEJO_TOKEN", "GITEA_TOKEN"],
    })
};

/// Number of pull requests or labels on a page: the default maximum of an instance.
const PAGE: &str = "50";
/// Prefix of the titles of drafts.
const DRAFT: &str = "WIP: ";

/// A repository on Gitea.
pub(super) struct Gitea {
    pub(super) api: ApiClient,
    pub(super) cache: Mutex<GiteaCache>,
}

/// Parts of earlier answers.
#[derive(Default)]
pub(super) struct GiteaCache {
    /// Ids of labels, by name; none if they were not listed yet.
    labels: Option<BTreeMap<String, u64>>,
    /// Default merge style of the repository.
    merge_style: Option<String>,
}

impl Gitea {
    /// Lists the open pull requests, then the newest in any state, then fetches one for each branch that was not among
    /// them.
    pub(super) async fn find(&self, base: &str, branches: &[String]) -> ForgeResult<Vec<ForgeProposal>> {
        let mut all: Vec<ForgeProposal> = Vec::new();
        let mut is_complete = false;
        for state in ["open", "all"] {
            let list = self.api.proposals(&[("state", state)]);
            let read = self.read_pages(&list, "a list of pull requests", |items| {
                for item in items.iter().filter(|item| is_own(item) && item["base"]["ref"] == base) {
                    all.push(self.parse(item)?);
                }
                Ok(branches.iter().all(|branch| all.iter().any(|found| found.branch == *branch)))
            });
            is_complete = read.await?;
        }
        let is_missing = |branch: &&String| !is_complete && !all.iter().any(|found| found.branch == **branch);
        for branch in branches.iter().filter(is_missing).collect::<Vec<_>>() {
            let reply = self.api.ask(ApiCall::get(self.api.url(&["pulls", base, branch], &[]))).await?;
            if reply.status == StatusCode::NOT_FOUND {
                continue;
            }
            let item = self.api.accept(reply)?;
            if is_own(&item) {
                all.push(self.parse(&item)?);
            }
        }
        Ok(all)
    }

    pub(super) async fn create(
        &self,
        draft: &ProposalDraft,
        options: &ProposalOptions,
    ) -> Result<ForgeProposal, LostAnswer> {
        let ProposalDraft { branch, base, title, body, .. } = draft;
        let title = draft_title(DRAFT, title, self.api.is_draft);
        let mut body = json!({"head": branch, "base": base, "title": title, "body": body});
        // If the lookup fails, they are set afterwards.
        let labels = self.label_ids(&options.labels).await.unwrap_or_default();
        if !labels.is_empty() {
            body["labels"] = json!(labels);
        }
        // Gitea before 1.23 ignores them.
        if options.has_reviewers() {
            body["reviewers"] = json!(options.users);
            body["team_reviewers"] = json!(options.teams);
        }
        let answer = self.api.create(&body, options).await?;
        Ok(self.parse(&answer)?)
    }

    /// Requests labels, reviewers and auto-merge of a pull request.
    pub(super) async fn request(
        &self,
        proposal: &ForgeProposal,
        options: &ProposalOptions,
        draft: &ProposalDraft,
    ) -> ForgeResult<OptionsReply> {
        let mut outcome = OptionsReply::default();
        match self.label_ids(&options.labels).await {
            Ok(ids) => outcome.refused.extend(self.set_labels(proposal, options, ids).await?.refused),
            Err(error) => outcome.refuse(options.labels_only(), error.to_string()),
        }
        if options.has_reviewers() {
            let body = json!({"reviewers": options.users, "team_reviewers": options.teams});
            let url = self.api.proposal(proposal, &["requested_reviewers"]);
            let call = ApiCall::set(Method::POST, url, &body);
            outcome.refused.extend(self.api.request(options.reviewers_only(), call).await?);
        }
        if options.auto_merge {
            let style = lock(&self.cache).merge_style.clone().unwrap_or_else(|| "merge".to_owned());
            let body = json!({"Do": style, "merge_when_checks_succeed": true, "head_commit_id": draft.head.0});
            let url = self.api.proposal(proposal, &["merge"]);
            let reply = self.api.ask(ApiCall::set(Method::POST, url, &body)).await?;
            // It was enabled by an earlier request.
            let is_enabled = reply.status == StatusCode::CONFLICT && self.api.said(&reply.body).contains("already");
            if let Some(reason) = self.api.refusal(&reply).filter(|_| !is_enabled) {
                outcome.refuse(options.auto_merge_only(), reason);
            }
        }
        Ok(outcome)
    }

    /// Adds the labels with these ids; refuses those that do not exist.
    async fn set_labels(
        &self,
        proposal: &ForgeProposal,
        options: &ProposalOptions,
        ids: Vec<u64>,
    ) -> ForgeResult<OptionsReply> {
        let mut outcome = OptionsReply::default();
        let (known, unknown): (Vec<String>, Vec<String>) =
            options.labels.iter().cloned().partition(|name| self.has_label(name));
        for name in unknown {
            let unknown = ProposalOptions { labels: vec![name], ..ProposalOptions::default() };
            outcome.refuse(unknown, "it does not exist in the repository; create it");
        }
        if ids.is_empty() {
            return Ok(outcome);
        }
        let url = self.api.url(&["issues", &proposal.number.to_string(), "labels"], &[]);
        let known = ProposalOptions { labels: known, ..ProposalOptions::default() };
        let body = json!({"labels": ids});
        outcome.refused.extend(self.api.request(known, ApiCall::set(Method::POST, url, &body)).await?);
        Ok(outcome)
    }

    pub(super) async fn write(&self, known: &ForgeProposal, title: &str, body: &str) -> ForgeResult<ForgeProposal> {
        let title = draft_title(DRAFT, title, known.is_draft);
        let answer = self.api.update(Method::PATCH, known, &json!({"title": title, "body": body})).await?;
        self.parse(&answer)
    }

    pub(super) async fn close(&self, proposal: &ForgeProposal, body: &str, comment: &str) -> ForgeResult<()> {
        let url = self.api.url(&["issues", &proposal.number.to_string(), "comments"], &[]);
        self.api.comment(url, &json!({"body": comment})).await;
        self.api.update(Method::PATCH, proposal, &json!({"state": "closed", "body": body})).await.map(drop)
    }

    /// Looks up the ids of labels; skips those that do not exist.
    async fn label_ids(&self, names: &[String]) -> ForgeResult<Vec<u64>> {
        let is_listed = lock(&self.cache).labels.is_some();
        if !is_listed && !names.is_empty() {
            self.read_labels().await?;
        }
        let cache = lock(&self.cache);
        let id = |name: &String| cache.labels.as_ref()?.get(name).copied();
        Ok(names.iter().filter_map(id).collect())
    }

    /// Reports whether a label that was looked up exists.
    fn has_label(&self, name: &str) -> bool {
        lock(&self.cache).labels.as_ref().is_some_and(|labels| labels.contains_key(name))
    }

    /// Reads the labels of the repository, then those of the organization if some are missing; an owner that is not an
    /// organization has none.
    async fn read_labels(&self) -> ForgeResult<()> {
        let mut labels = BTreeMap::new();
        let owner = self.api.instance.repository.split('/').next().unwrap_or_default();
        for url in [self.api.url(&["labels"], &[]), self.api.url_of_api(&["orgs", owner, "labels"], &[])] {
            if self.api.options.labels.iter().all(|name| labels.contains_key(name)) {
                break;
            }
            let read = self.read_pages(&url, "a list of labels", |items| {
                for item in items {
                    if let (Some(name), Some(id)) = (item["name"].as_str(), item["id"].as_u64()) {
                        labels.entry(name.to_owned()).or_insert(id);
                    }
                }
                Ok(false)
            });
            match read.await {
                Err(error) if !error.is_not_found => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        lock(&self.cache).labels = Some(labels);
        Ok(())
    }

    /// Reads a list page by page until `take` has enough; returns true if it has no more pages.
    async fn read_pages(
        &self,
        list: &Url,
        expected: &str,
        mut take: impl FnMut(&[Value]) -> ForgeResult<bool>,
    ) -> ForgeResult<bool> {
        let mut seen = 0;
        for page in 1..=PAGES {
            let mut url = list.clone();
            url.query_pairs_mut().extend_pairs([("limit", PAGE), ("page", &page.to_string())]);
            let reply = self.api.ask(ApiCall::get(url)).await?;
            let total = reply.total;
            let Value::Array(items) = self.api.accept(reply)? else { return Err(self.api.unreadable(expected)) };
            seen += items.len();
            let is_complete = items.is_empty() || total.is_some_and(|total| seen >= total);
            if take(&items)? || is_complete {
                return Ok(is_complete);
            }
        }
        Ok(false)
    }

    fn parse(&self, item: &Value) -> ForgeResult<ForgeProposal> {
        if let Some(style) = item["base"]["repo"]["default_merge_style"].as_str() {
            lock(&self.cache).merge_style = Some(style.to_owned());
        }
        proposal(item).ok_or_else(|| self.api.unreadable("a pull request"))
    }
}

fn proposal(item: &Value) -> Option<ForgeProposal> {
    let text = |key: &str| item[key].as_str().map(str::to_owned);
    let body = text("body").unwrap_or_default();
    let state = match item["state"].as_str()? {
        _ if item["merged"] == true => ProposalState::Merged,
        "open" => ProposalState::Open,
        _ => ProposalState::of_closed(&body, ProposalClosure::default()),
    };
    let title = text("title")?;
    let bare = title.strip_prefix(DRAFT).map(str::to_owned);
    Some(ForgeProposal {
        number: item["number"].as_u64()?,
        url: text("html_url")?,
        branch: branch(&item["head"])?.to_owned(),
        state,
        head: item["head"]["sha"].as_str().map(str::to_owned),
        is_draft: bare.is_some() || item["draft"] == true,
        title: bare.unwrap_or(title),
        body,
        options: applied(item),
    })
}

/// Reads the options of a pull request. Reviewers who have reviewed are listed too.
fn applied(item: &Value) -> ProposalOptions {
    ProposalOptions {
        labels: protocol::names(&item["labels"], "name"),
        users: protocol::names(&item["requested_reviewers"], "login"),
        teams: protocol::names(&item["requested_reviewers_teams"], "name"),
        auto_merge: false,
    }
}

/// Returns the name of a branch; if the branch was deleted, it is in `label`.
fn branch(head: &Value) -> Option<&str> {
    let name = head["ref"].as_str()?;
    if name.starts_with("refs/pull/") { head["label"].as_str() } else { Some(name) }
}

/// Reports whether a pull request comes from its own repository, not from a fork.
fn is_own(item: &Value) -> bool {
    item["head"]["repo_id"] == item["base"]["repo_id"]
}
