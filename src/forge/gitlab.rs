//! GitLab: merge requests over its REST API, version 4.
//!
//! Sources: GitLab's documentation of the merge requests, notes and users APIs. A description has at most 1 048 576
//! characters, a title 255. A draft is told by its title. Where no pipeline stands in the way, auto-merge merges at
//! once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use super::pages::{self, PagePart};
use super::send::{ApiCall, ApiClient, LostAnswer};
use super::{ForgeError, ForgeProposal, ProposalDraft, ProposalOptions, ProposalState, body, closed};

pub(super) const LIMITS: body::BodyLimits = body::BodyLimits { title: 240, body: 1_000_000 };

/// How many merge requests a page has: the most that GitLab takes.
const PAGE: usize = 100;
/// What a draft's title begins with.
const DRAFT: &str = "Draft: ";

/// A project on GitLab.
pub(super) struct GitLab {
    project: String,
    /// Ids of users, by name; none where there is no such user.
    users: Mutex<BTreeMap<String, Option<u64>>>,
}

impl GitLab {
    pub(super) fn new(repository: &str) -> Self {
        Self { project: repository.to_owned(), users: Mutex::default() }
    }

    /// Reads the newest merge requests; what is not among them is asked for by its branch.
    pub(super) async fn find(
        &self,
        line: &ApiClient,
        base: &str,
        branches: &[String],
    ) -> Result<Vec<ForgeProposal>, ForgeError> {
        let read = async |part: PagePart<'_>, all: &mut Vec<ForgeProposal>| match part {
            PagePart::Page(page) => {
                let (size, page) = (PAGE.to_string(), (page + 1).to_string());
                self.list(line, base, &[("per_page", &size), ("page", &page)], all).await
            }
            PagePart::Branch(branch) => {
                self.list(line, base, &[("per_page", "20"), ("source_branch", branch)], all).await
            }
        };
        pages::find(branches, PAGE, read).await
    }

    /// One page of merge requests into `base`, the newest first; the answer is how many it had.
    async fn list(
        &self,
        line: &ApiClient,
        base: &str,
        more: &[(&str, &str)],
        all: &mut Vec<ForgeProposal>,
    ) -> Result<usize, ForgeError> {
        let query = [("state", "all"), ("target_branch", base), ("order_by", "created_at"), ("sort", "desc")];
        let url = line.url(&["projects", &self.project, "merge_requests"], &[&query, more].concat());
        let answer = line.take(ApiCall::get(url)).await?;
        let items = answer.as_array().ok_or_else(|| line.unreadable("a list of merge requests"))?;
        for item in items.iter().filter(|item| item["source_project_id"] == item["target_project_id"]) {
            all.push(found(item).ok_or_else(|| line.unreadable("a merge request"))?);
        }
        Ok(items.len())
    }

    pub(super) async fn create(
        &self,
        line: &ApiClient,
        wishes: &ProposalOptions,
        wanted: &ProposalDraft,
    ) -> Result<(ForgeProposal, Vec<String>), LostAnswer> {
        let (reviewers, notes) = self.reviewers(line, wishes).await?;
        let mut body = json!({
            "source_branch": wanted.branch,
            "target_branch": wanted.base,
            "title": title(&wanted.title, wishes.draft),
            "description": wanted.body,
        });
        if !wishes.labels.is_empty() {
            body["labels"] = json!(wishes.labels.join(","));
        }
        if !reviewers.is_empty() {
            body["reviewer_ids"] = json!(reviewers);
        }
        let reply =
            line.ask(ApiCall::add(line.url(&["projects", &self.project, "merge_requests"], &[]), &body)).await?;
        if reply.status.as_u16() == 409 {
            return Err(LostAnswer::Exists(line.refused(&reply)));
        }
        let answer = line.accept(reply)?;
        let found = found(&answer).ok_or_else(|| line.unreadable("a merge request"))?;
        Ok((found, notes))
    }

    /// Has it merged once its pipeline succeeds.
    pub(super) async fn finish(
        &self,
        line: &ApiClient,
        wishes: &ProposalOptions,
        found: &ForgeProposal,
    ) -> Result<Vec<String>, ForgeError> {
        if !wishes.auto_merge {
            return Ok(Vec::new());
        }
        // The second name is that of versions before 17.11.
        let mut body = json!({"auto_merge": true, "merge_when_pipeline_succeeds": true});
        if let Some(head) = &found.head {
            body["sha"] = json!(head);
        }
        let reply = line.ask(ApiCall::set(Method::PUT, self.url(line, found, &["merge"]), &body)).await?;
        let notes = match reply.status.is_success() {
            true => None,
            false => Some(format!("auto-merge was not turned on{}", line.said(&reply.body))),
        };
        Ok(notes.into_iter().collect())
    }

    pub(super) async fn write(
        &self,
        line: &ApiClient,
        known: &ForgeProposal,
        wanted: &ProposalDraft,
    ) -> Result<ForgeProposal, ForgeError> {
        let body = json!({"title": title(&wanted.title, known.is_draft), "description": wanted.body});
        let answer = line.take(ApiCall::set(Method::PUT, self.url(line, known, &[]), &body)).await?;
        found(&answer).ok_or_else(|| line.unreadable("a merge request"))
    }

    pub(super) async fn close(
        &self,
        line: &ApiClient,
        found: &ForgeProposal,
        body: &str,
        comment: &str,
    ) -> Result<(), ForgeError> {
        let said = json!({"body": comment});
        line.comment(self.url(line, found, &["notes"]), &said).await?;
        let body = json!({"state_event": "close", "description": body});
        line.take(ApiCall::set(Method::PUT, self.url(line, found, &[]), &body)).await.map(drop)
    }

    /// The ids of those who are asked to review, and a note on each that GitLab does not know.
    async fn reviewers(
        &self,
        line: &ApiClient,
        wishes: &ProposalOptions,
    ) -> Result<(Vec<u64>, Vec<String>), ForgeError> {
        let (mut ids, mut notes) = (Vec::new(), Vec::new());
        for name in &wishes.users {
            let known = self.users.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied();
            let id = match known {
                Some(id) => id,
                None => {
                    let answer = line.take(ApiCall::get(line.url(&["users"], &[("username", name)]))).await?;
                    let id = answer[0]["id"].as_u64();
                    self.users.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), id);
                    id
                }
            };
            match id {
                Some(id) => ids.push(id),
                None => notes.push(format!("GitLab knows no user `{name}`")),
            }
        }
        Ok((ids, notes))
    }

    fn url(&self, line: &ApiClient, found: &ForgeProposal, rest: &[&str]) -> Url {
        line.url(&[&["projects", &self.project, "merge_requests", &found.number.to_string()], rest].concat(), &[])
    }
}

fn title(text: &str, is_draft: bool) -> String {
    if is_draft { format!("{DRAFT}{text}") } else { text.to_owned() }
}

fn found(item: &Value) -> Option<ForgeProposal> {
    let text = |key: &str| item[key].as_str().map(str::to_owned);
    let body = text("description").unwrap_or_default();
    let state = match item["state"].as_str()? {
        "opened" => ProposalState::Open,
        "closed" => closed(&body),
        // One that is being merged is `locked`.
        _ => ProposalState::Merged,
    };
    let (title, is_draft) = (text("title")?, item["draft"].as_bool().unwrap_or(false));
    let bare = title.strip_prefix(DRAFT).filter(|_| is_draft).map(str::to_owned);
    Some(ForgeProposal {
        number: item["iid"].as_u64()?,
        url: text("web_url")?,
        branch: text("source_branch")?,
        state,
        head: text("sha"),
        title: bare.unwrap_or(title),
        body,
        is_draft,
    })
}
