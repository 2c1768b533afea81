//! Gitea and Forgejo: pull requests over their REST API, version 1.
//!
//! Source: the OpenAPI description that each instance serves. Labels are set by their ids, which a repository and its
//! organization list. A draft is told by its title. Bodies have no bound of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::pages::PAGES;
use super::send::{ApiCall, ApiClient, LostAnswer};
use super::{ForgeError, ForgeProposal, ProposalDraft, ProposalOptions, ProposalState, body, closed};

pub(super) const LIMITS: body::BodyLimits = body::BodyLimits { title: 240, body: 1_000_000 };

/// How many pull requests or labels a page has: what an instance gives at most unless it is set up otherwise.
const PAGE: &str = "50";
/// What a draft's title begins with.
const DRAFT: &str = "WIP: ";

/// A repository on Gitea.
pub(super) struct Gitea {
    owner: String,
    name: String,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    /// Ids of labels, by name, once they were asked for.
    labels: Option<BTreeMap<String, u64>>,
    /// How the repository merges.
    style: Option<String>,
    /// Pull requests whose reviewers were asked as they were created.
    asked: BTreeSet<u64>,
}

impl Gitea {
    pub(super) fn new(repository: &str) -> Self {
        let (owner, name) = repository.split_once('/').unwrap_or((repository, ""));
        Self { owner: owner.to_owned(), name: name.to_owned(), told: Mutex::default() }
    }

    /// Reads the open pull requests, then the newest of all; what is not among them is asked for by its branches, which
    /// gives any one of them.
    pub(super) async fn find(
        &self,
        line: &ApiClient,
        base: &str,
        branches: &[String],
    ) -> Result<Vec<ForgeProposal>, ForgeError> {
        let mut all: Vec<ForgeProposal> = Vec::new();
        let mut is_whole = false;
        for state in ["open", "all"] {
            let mut seen = 0;
            for page in 1..=PAGES {
                let page = page.to_string();
                let url = self.url(line, &["pulls"], &[("state", state), ("limit", PAGE), ("page", &page)]);
                let reply = line.ask(ApiCall::get(url)).await?;
                let total = reply.total;
                let answer = line.accept(reply)?;
                let items = answer.as_array().ok_or_else(|| line.unreadable("a list of pull requests"))?;
                for item in items.iter().filter(|item| is_ours(item) && item["base"]["ref"] == base) {
                    all.push(self.found(item).ok_or_else(|| line.unreadable("a pull request"))?);
                }
                seen += items.len();
                is_whole = items.is_empty() || total.is_some_and(|total| seen >= total);
                if is_whole || branches.iter().all(|branch| all.iter().any(|found| found.branch == *branch)) {
                    break;
                }
            }
        }
        let missing = branches.iter().filter(|branch| !is_whole && !all.iter().any(|found| found.branch == **branch));
        for branch in missing.cloned().collect::<Vec<_>>() {
            let reply = line.ask(ApiCall::get(self.url(line, &["pulls", base, &branch], &[]))).await?;
            if reply.status == StatusCode::NOT_FOUND {
                continue;
            }
            let item = line.accept(reply)?;
            if is_ours(&item) {
                all.push(self.found(&item).ok_or_else(|| line.unreadable("a pull request"))?);
            }
        }
        Ok(all)
    }

    pub(super) async fn create(
        &self,
        line: &ApiClient,
        wishes: &ProposalOptions,
        wanted: &ProposalDraft,
    ) -> Result<(ForgeProposal, Vec<String>), LostAnswer> {
        let (labels, notes) = self.labels(line, wishes).await?;
        let ProposalDraft { branch, base, title: text, body } = wanted;
        let mut body = json!({"head": branch, "base": base, "title": title(text, wishes.draft), "body": body});
        if !labels.is_empty() {
            body["labels"] = json!(labels);
        }
        let mut reply = None;
        if wishes.has_reviewers() {
            let mut body = body.clone();
            (body["reviewers"], body["team_reviewers"]) = (json!(wishes.users), json!(wishes.teams));
            let first = line.ask(ApiCall::add(self.url(line, &["pulls"], &[]), &body)).await?;
            // Somebody whom it does not know must not stand in the way.
            let is_misfit = matches!(first.status, StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY);
            reply = Some(first).filter(|_| !is_misfit);
        }
        let reply = match reply {
            Some(reply) => reply,
            None => line.ask(ApiCall::add(self.url(line, &["pulls"], &[]), &body)).await?,
        };
        if reply.status == StatusCode::CONFLICT {
            return Err(LostAnswer::Exists(line.refused(&reply)));
        }
        let answer = line.accept(reply)?;
        let found = self.found(&answer).ok_or_else(|| line.unreadable("a pull request"))?;
        let lists = ["requested_reviewers", "requested_reviewers_teams"].map(|key| answer[key].as_array());
        if lists.into_iter().flatten().any(|list| !list.is_empty()) {
            self.told().asked.insert(found.number);
        }
        Ok((found, notes))
    }

    /// Asks reviewers, where it was not done along with creating it (before Gitea 1.23), and has it merged once its
    /// checks succeed.
    pub(super) async fn finish(
        &self,
        line: &ApiClient,
        wishes: &ProposalOptions,
        found: &ForgeProposal,
    ) -> Result<Vec<String>, ForgeError> {
        let mut notes = Vec::new();
        let number = found.number.to_string();
        if wishes.has_reviewers() && !self.told().asked.contains(&found.number) {
            let body = json!({"reviewers": wishes.users, "team_reviewers": wishes.teams});
            let url = self.url(line, &["pulls", &number, "requested_reviewers"], &[]);
            let reply = line.ask(ApiCall::set(Method::POST, url, &body)).await?;
            if !reply.status.is_success() {
                notes.push(format!("reviewers were not asked{}", line.said(&reply.body)));
            }
        }
        if wishes.auto_merge {
            let style = self.told().style.clone().unwrap_or_else(|| "merge".to_owned());
            let mut body = json!({"Do": style, "merge_when_checks_succeed": true});
            if let Some(head) = &found.head {
                body["head_commit_id"] = json!(head);
            }
            let reply =
                line.ask(ApiCall::set(Method::POST, self.url(line, &["pulls", &number, "merge"], &[]), &body)).await?;
            // A second try finds that the first was heard.
            let is_there = reply.status == StatusCode::CONFLICT && line.said(&reply.body).contains("already");
            if !reply.status.is_success() && !is_there {
                notes.push(format!("auto-merge was not turned on{}", line.said(&reply.body)));
            }
        }
        Ok(notes)
    }

    pub(super) async fn write(
        &self,
        line: &ApiClient,
        found: &ForgeProposal,
        wanted: &ProposalDraft,
    ) -> Result<ForgeProposal, ForgeError> {
        let body = json!({"title": title(&wanted.title, found.is_draft), "body": wanted.body});
        let answer = self.patch(line, found, &body).await?;
        self.found(&answer).ok_or_else(|| line.unreadable("a pull request"))
    }

    pub(super) async fn close(
        &self,
        line: &ApiClient,
        found: &ForgeProposal,
        body: &str,
        comment: &str,
    ) -> Result<(), ForgeError> {
        let said = json!({"body": comment});
        let url = self.url(line, &["issues", &found.number.to_string(), "comments"], &[]);
        line.comment(url, &said).await?;
        self.patch(line, found, &json!({"state": "closed", "body": body})).await.map(drop)
    }

    async fn patch(&self, line: &ApiClient, found: &ForgeProposal, body: &Value) -> Result<Value, ForgeError> {
        let url = self.url(line, &["pulls", &found.number.to_string()], &[]);
        line.take(ApiCall::set(Method::PATCH, url, body)).await
    }

    /// The ids of the labels of new proposals, and a note on each that there is not.
    async fn labels(&self, line: &ApiClient, wishes: &ProposalOptions) -> Result<(Vec<u64>, Vec<String>), ForgeError> {
        if wishes.labels.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let known = self.told().labels.clone();
        let known = match known {
            Some(known) => known,
            None => {
                let mut labels = BTreeMap::new();
                let is_whole =
                    |labels: &BTreeMap<String, u64>| wishes.labels.iter().all(|name| labels.contains_key(name));
                for parts in [vec!["repos", &self.owner, &self.name, "labels"], vec!["orgs", &self.owner, "labels"]] {
                    if !is_whole(&labels) {
                        read_labels(line, &parts, &mut labels).await?;
                    }
                }
                self.told().labels = Some(labels.clone());
                labels
            }
        };
        let (mut ids, mut notes) = (Vec::new(), Vec::new());
        for name in &wishes.labels {
            match known.get(name) {
                Some(id) => ids.push(*id),
                None => notes.push(format!("the repository has no label `{name}`: create it")),
            }
        }
        Ok((ids, notes))
    }

    fn found(&self, item: &Value) -> Option<ForgeProposal> {
        if let Some(style) = item["base"]["repo"]["default_merge_style"].as_str() {
            self.told().style = Some(style.to_owned());
        }
        let text = |key: &str| item[key].as_str().map(str::to_owned);
        let body = text("body").unwrap_or_default();
        let state = match item["state"].as_str()? {
            _ if item["merged"] == true => ProposalState::Merged,
            "open" => ProposalState::Open,
            _ => closed(&body),
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
        })
    }

    fn url(&self, line: &ApiClient, rest: &[&str], query: &[(&str, &str)]) -> Url {
        line.url(&[&["repos", &self.owner, &self.name], rest].concat(), query)
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads labels; a user has none of an organization.
async fn read_labels(line: &ApiClient, parts: &[&str], labels: &mut BTreeMap<String, u64>) -> Result<(), ForgeError> {
    let mut seen = 0;
    for page in 1..=PAGES {
        let url = line.url(parts, &[("limit", PAGE), ("page", &page.to_string())]);
        let reply = line.ask(ApiCall::get(url)).await?;
        if reply.status == StatusCode::NOT_FOUND {
            return Ok(());
        }
        let total = reply.total;
        let answer = line.accept(reply)?;
        let items = answer.as_array().ok_or_else(|| line.unreadable("a list of labels"))?;
        for item in items {
            if let (Some(name), Some(id)) = (item["name"].as_str(), item["id"].as_u64()) {
                labels.entry(name.to_owned()).or_insert(id);
            }
        }
        seen += items.len();
        if items.is_empty() || total.is_some_and(|total| seen >= total) {
            return Ok(());
        }
    }
    Ok(())
}

/// The name of a branch, which stands elsewhere once the branch is gone.
fn branch(head: &Value) -> Option<&str> {
    let name = head["ref"].as_str()?;
    if name.starts_with("refs/pull/") { head["label"].as_str() } else { Some(name) }
}

/// Whether it comes from the repository that it is for.
fn is_ours(item: &Value) -> bool {
    item["head"]["repo_id"] == item["base"]["repo_id"]
}

fn title(text: &str, is_draft: bool) -> String {
    if is_draft { format!("{DRAFT}{text}") } else { text.to_owned() }
}
