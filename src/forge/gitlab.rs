//! GitLab: merge requests over its REST API, version 4.
//!
//! Sources: GitLab's documentation of the merge requests, notes and users APIs. A description has at most 1,048,576
//! characters, a title 255. A prefix of the title marks drafts. Auto-merge merges immediately if there is no pipeline.

use std::collections::BTreeMap;
use std::sync::Mutex;

use reqwest::Method;
use serde_json::{Value, json};

use super::error::ForgeResult;
use super::pages::{self, PagePart};
use super::protocol::{self, ForgeProtocol};
use super::send::{ApiCall, ApiClient, LostAnswer};
use crate::proposal::draft::{ForgeProposal, ProposalDraft, ProposalState};
use crate::proposal::truncate::draft_title;
use crate::system::lock;

pub(super) const PROTOCOL: ForgeProtocol = ForgeProtocol {
    public: Some("https://gitlab.com"),
    instance_variables: &["CI_SERVER_URL"],
    repository: |path| vec!["projects", path],
    proposals: "merge_requests",
    ..protocol::common(protocol::Essentials {
        api: |web| protocol::below(web, "/api/v4"),
        permissions: "grant the token the scope `api` and the role Developer; `CI_JOB_TOKEN` cannot be used",
        token_variables: &["GITLAB_TOKEN"],
    })
};

/// Number of merge requests on a page: the maximum.
const PAGE: usize = 100;
/// Prefix of the titles of drafts.
const DRAFT: &str = "Draft: ";

/// A project on GitLab.
pub(super) struct GitLab {
    pub(super) api: ApiClient,
    /// Ids of users, by name; none if the user does not exist.
    pub(super) users: Mutex<BTreeMap<String, Option<u64>>>,
}

impl GitLab {
    /// Lists the newest merge requests, then those of each branch that was not among them.
    pub(super) async fn find(&self, base: &str, branches: &[String]) -> ForgeResult<Vec<ForgeProposal>> {
        let read = async |part: PagePart<'_>, all: &mut Vec<ForgeProposal>| match part {
            PagePart::Page(page) => {
                let (size, page) = (PAGE.to_string(), (page + 1).to_string());
                self.list(base, &[("per_page", &size), ("page", &page)], all).await
            }
            PagePart::Branch(branch) => self.list(base, &[("per_page", "20"), ("source_branch", branch)], all).await,
        };
        pages::find(branches, PAGE, read).await
    }

    /// Reads one page of merge requests into `base`, newest first; returns their number.
    async fn list(&self, base: &str, more: &[(&str, &str)], all: &mut Vec<ForgeProposal>) -> ForgeResult<usize> {
        let query = [("state", "all"), ("target_branch", base), ("order_by", "created_at"), ("sort", "desc")];
        let answer = self.api.take(ApiCall::get(self.api.proposals(&[&query, more].concat()))).await?;
        let items = answer.as_array().ok_or_else(|| self.api.unreadable("a list of merge requests"))?;
        for item in items.iter().filter(|item| item["source_project_id"] == item["target_project_id"]) {
            all.push(self.parse(item)?);
        }
        Ok(items.len())
    }

    pub(super) async fn create(&self, draft: &ProposalDraft) -> Result<(ForgeProposal, Vec<String>), LostAnswer> {
        let (reviewers, notes) = self.reviewers().await?;
        let mut body = json!({
            "source_branch": draft.branch,
            "target_branch": draft.base,
            "title": draft_title(DRAFT, &draft.title, self.api.options.draft),
            "description": draft.body,
        });
        if !self.api.options.labels.is_empty() {
            body["labels"] = json!(self.api.options.labels.join(","));
        }
        if !reviewers.is_empty() {
            body["reviewer_ids"] = json!(reviewers);
        }
        let reply = self.api.ask(ApiCall::add(self.api.proposals(&[]), &body)).await?;
        let answer = self.api.created(reply)?;
        Ok((self.parse(&answer)?, notes))
    }

    /// Enables auto-merge of a merge request.
    pub(super) async fn finish(&self, proposal: &ForgeProposal) -> ForgeResult<Vec<String>> {
        if !self.api.options.auto_merge {
            return Ok(Vec::new());
        }
        // The second name is that of versions before 17.11.
        let mut body = json!({"auto_merge": true, "merge_when_pipeline_succeeds": true});
        if let Some(head) = &proposal.head {
            body["sha"] = json!(head);
        }
        let reply = self.api.ask(ApiCall::set(Method::PUT, self.api.proposal(proposal, &["merge"]), &body)).await?;
        Ok(self.api.note("auto-merge was not enabled", &reply).into_iter().collect())
    }

    pub(super) async fn write(&self, known: &ForgeProposal, title: &str, body: &str) -> ForgeResult<ForgeProposal> {
        let body = json!({"title": draft_title(DRAFT, title, known.is_draft), "description": body});
        let answer = self.api.update(Method::PUT, known, &body).await?;
        self.parse(&answer)
    }

    pub(super) async fn close(&self, proposal: &ForgeProposal, body: &str, comment: &str) -> ForgeResult<()> {
        let note = json!({"body": comment});
        self.api.comment(self.api.proposal(proposal, &["notes"]), &note).await?;
        let body = json!({"state_event": "close", "description": body});
        self.api.update(Method::PUT, proposal, &body).await.map(drop)
    }

    /// Looks up the ids of the reviewers; returns a note for each that does not exist.
    async fn reviewers(&self) -> ForgeResult<(Vec<u64>, Vec<String>)> {
        let (mut ids, mut notes) = (Vec::new(), Vec::new());
        for name in &self.api.options.users {
            let is_known = lock(&self.users).contains_key(name);
            if !is_known {
                let url = self.api.url_of_api(&["users"], &[("username", name)]);
                let answer = self.api.take(ApiCall::get(url)).await?;
                lock(&self.users).insert(name.clone(), answer[0]["id"].as_u64());
            }
            match lock(&self.users).get(name).copied().flatten() {
                Some(id) => ids.push(id),
                None => notes.push(format!("GitLab has no user `{name}`")),
            }
        }
        Ok((ids, notes))
    }

    fn parse(&self, item: &Value) -> ForgeResult<ForgeProposal> {
        proposal(item).ok_or_else(|| self.api.unreadable("a merge request"))
    }
}

fn proposal(item: &Value) -> Option<ForgeProposal> {
    let text = |key: &str| item[key].as_str().map(str::to_owned);
    let body = text("description").unwrap_or_default();
    let state = match item["state"].as_str()? {
        "opened" => ProposalState::Open,
        "closed" => ProposalState::of_closed(&body),
        // `locked` means that it is being merged.
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
