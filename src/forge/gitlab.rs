//! GitLab: merge requests over its REST API, version 4.
//!
//! Sources: GitLab's documentation of the merge requests, notes and users APIs. A description has at most 1,048,576
//! characters, a title 255. A prefix of the title marks drafts. Auto-merge merges immediately if there is no pipeline; until
//! GitLab has checked a new merge request, it refuses it with 405. Project and group tokens act as users whose names are
//! documented ("Bot users for projects").

use std::collections::BTreeMap;
use std::sync::Mutex;

use reqwest::Method;
use serde_json::{Value, json};

use super::error::ForgeResult;
use super::options::OptionsReply;
use super::pages::{self, PagePart};
use super::protocol::{self, ForgeProtocol};
use super::send::{ApiCall, ApiClient, LostAnswer};
use crate::proposal::draft::{ForgeProposal, ProposalDraft, ProposalOptions, ProposalState};
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
/// The cause if GitLab accepts a request without effect.
const IGNORED: &str = "GitLab ignored it; the user may lack access, or the plan may allow only one reviewer";

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

    pub(super) async fn create(
        &self,
        draft: &ProposalDraft,
        options: &ProposalOptions,
    ) -> Result<ForgeProposal, LostAnswer> {
        // If the lookup fails, they are requested afterwards.
        let reviewers = self.user_ids(&options.users).await.unwrap_or_default();
        let mut body = json!({
            "source_branch": draft.branch,
            "target_branch": draft.base,
            "title": draft_title(DRAFT, &draft.title, self.api.is_draft),
            "description": draft.body,
        });
        if !options.labels.is_empty() {
            body["labels"] = json!(options.labels.join(","));
        }
        if !reviewers.is_empty() {
            body["reviewer_ids"] = json!(reviewers);
        }
        let answer = self.api.create(&body, options).await?;
        Ok(self.parse(&answer)?)
    }

    /// Requests labels, reviewers and auto-merge of a merge request.
    pub(super) async fn request(
        &self,
        proposal: &ForgeProposal,
        options: &ProposalOptions,
        draft: &ProposalDraft,
    ) -> ForgeResult<OptionsReply> {
        let mut outcome = OptionsReply::default();
        if !options.labels.is_empty() {
            let body = json!({"add_labels": options.labels.join(",")});
            let call = ApiCall::set(Method::PUT, self.api.proposal(proposal, &[]), &body);
            outcome.refused.extend(self.api.request(options.labels_only(), call).await?);
        }
        if options.has_reviewers() {
            match self.user_ids(&options.users).await {
                Ok(new) => outcome.refused.extend(self.request_reviewers(proposal, options, new).await?.refused),
                Err(error) => outcome.refuse(options.reviewers_only(), error.to_string()),
            }
        }
        if options.auto_merge {
            // The second name is that of versions before 17.11.
            let body = json!({"auto_merge": true, "merge_when_pipeline_succeeds": true, "sha": draft.head.0});
            let call = ApiCall::set(Method::PUT, self.api.proposal(proposal, &["merge"]), &body);
            outcome.refused.extend(self.api.request(options.auto_merge_only(), call).await?);
        }
        Ok(outcome)
    }

    /// Adds the reviewers with the ids `new`; refuses those who do not exist.
    async fn request_reviewers(
        &self,
        proposal: &ForgeProposal,
        options: &ProposalOptions,
        new: Vec<u64>,
    ) -> ForgeResult<OptionsReply> {
        let mut outcome = OptionsReply::default();
        let (known, unknown): (Vec<String>, Vec<String>) =
            options.users.iter().cloned().partition(|name| self.is_known(name));
        for name in unknown {
            let unknown = ProposalOptions { users: vec![name], ..ProposalOptions::default() };
            outcome.refuse(unknown, "GitLab has no user of this name");
        }
        if new.is_empty() {
            return Ok(outcome);
        }
        let ids = [self.user_ids(&proposal.options.users).await?, new].concat();
        let body = json!({"reviewer_ids": ids});
        let reply = self.api.ask(ApiCall::set(Method::PUT, self.api.proposal(proposal, &[]), &body)).await?;
        // With some plans, GitLab keeps one reviewer and answers as if it had accepted all.
        let ignored = ProposalOptions { users: known, ..ProposalOptions::default() }.without(&applied(&reply.body));
        let reason = self.api.refusal(&reply).unwrap_or_else(|| IGNORED.to_owned());
        // Requested one by one, each would replace the others.
        for one in ignored.each() {
            outcome.refuse(one, reason.clone());
        }
        Ok(outcome)
    }

    pub(super) async fn write(&self, known: &ForgeProposal, title: &str, body: &str) -> ForgeResult<ForgeProposal> {
        let body = json!({"title": draft_title(DRAFT, title, known.is_draft), "description": body});
        let answer = self.api.update(Method::PUT, known, &body).await?;
        self.parse(&answer)
    }

    pub(super) async fn close(&self, proposal: &ForgeProposal, body: &str, comment: &str) -> ForgeResult<()> {
        let note = json!({"body": comment});
        self.api.comment(self.api.proposal(proposal, &["notes"]), &note).await;
        let body = json!({"state_event": "close", "description": body});
        self.api.update(Method::PUT, proposal, &body).await.map(drop)
    }

    /// Looks up the ids of users; skips those who do not exist.
    async fn user_ids(&self, names: &[String]) -> ForgeResult<Vec<u64>> {
        for name in names {
            let is_cached = lock(&self.users).contains_key(name);
            if !is_cached {
                let url = self.api.url_of_api(&["users"], &[("username", name)]);
                let answer = self.api.take(ApiCall::get(url)).await?;
                lock(&self.users).insert(name.clone(), answer[0]["id"].as_u64());
            }
        }
        let users = lock(&self.users);
        Ok(names.iter().filter_map(|name| users.get(name).copied().flatten()).collect())
    }

    /// Reports whether a user who was looked up exists.
    fn is_known(&self, name: &str) -> bool {
        lock(&self.users).get(name).is_some_and(Option::is_some)
    }

    fn parse(&self, item: &Value) -> ForgeResult<ForgeProposal> {
        for reviewer in item["reviewers"].as_array().into_iter().flatten() {
            if let (Some(name), id @ Some(_)) = (reviewer["username"].as_str(), reviewer["id"].as_u64()) {
                lock(&self.users).insert(name.to_owned(), id);
            }
        }
        proposal(item).ok_or_else(|| self.api.unreadable("a merge request"))
    }
}

fn proposal(item: &Value) -> Option<ForgeProposal> {
    let text = |key: &str| item[key].as_str().map(str::to_owned);
    let body = text("description").unwrap_or_default();
    let state = match item["state"].as_str()? {
        "opened" => ProposalState::Open,
        "closed" => {
            let is_by_bot = item["closed_by"]["username"].as_str().is_some_and(is_bot);
            let closure = protocol::closure(is_by_bot, &item["created_at"], &item["closed_at"]);
            ProposalState::of_closed(&body, closure)
        }
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
        options: applied(item),
    })
}

/// Reads the options of a merge request.
fn applied(item: &Value) -> ProposalOptions {
    let labels = item["labels"].as_array().into_iter().flatten();
    ProposalOptions {
        labels: labels.filter_map(|label| label.as_str().map(str::to_owned)).collect(),
        users: protocol::names(&item["reviewers"], "username"),
        teams: Vec::new(),
        auto_merge: item["merge_when_pipeline_succeeds"] == true,
    }
}

/// Reports whether a user is the bot of a project's or group's token, such as `project_7_bot_1f2e3d`.
fn is_bot(name: &str) -> bool {
    let rest = name.strip_prefix("project_").or_else(|| name.strip_prefix("group_")).unwrap_or_default();
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    digits > 0 && (rest[digits..] == *"_bot" || rest[digits..].starts_with("_bot_"))
}

#[cfg(test)]
mod tests {
    use super::is_bot;

    #[test]
    fn l15_users_of_tokens_are_bots() {
        for name in ["project_7_bot", "project_7_bot_1f2e3d", "group_12_bot_a"] {
            assert!(is_bot(name), "{name}");
        }
        for name in ["alice", "project_bot", "project_7_botany", "project_x_bot", "_bot", ""] {
            assert!(!is_bot(name), "{name}");
        }
    }
}
