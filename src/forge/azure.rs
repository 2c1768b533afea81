//! Azure DevOps Services and Server: pull requests over the Git REST API, version 7.1.
//!
//! Sources: Microsoft's documentation, "Git - Pull Requests" and "Pull Request Threads". A description has at most 4,000
//! characters, of which lists return 400. A second open pull request of the same branches is refused with 409
//! (TF401179). Auto-complete is set in the name of a user id: the creator's, who is the owner of the token. Lists contain
//! labels, a single pull request never does. The descriptors of service accounts start with `svc.` or `aadsp.` ("Graph
//! subject types").

use std::collections::HashMap;
use std::sync::Mutex;

use base64::Engine as _;
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use super::error::ForgeResult;
use super::options::OptionsReply;
use super::pages::{self, PagePart};
use super::protocol::{self, ForgeProtocol, TokenSource};
use super::send::{ApiCall, ApiClient, LostAnswer};
use crate::proposal::draft::{ForgeProposal, ProposalDraft, ProposalOptions, ProposalState, newest};
use crate::proposal::truncate::TextLimits;
use crate::system::lock;

pub(super) const PROTOCOL: ForgeProtocol = ForgeProtocol {
    public: Some("https://dev.azure.com"),
    instance_variables: &["SYSTEM_COLLECTIONURI"],
    limits: TextLimits { title: 400, body: 4_000 },
    // Without the second header, an invalid token is redirected to a page.
    headers: &[("accept", "application/json"), ("x-tfs-fedauthredirect", "Suppress")],
    redirects_to_login: true,
    token_api,
    authorization,
    repository: |path| {
        let (project, name) = path.rsplit_once('/').unwrap_or(("", path));
        project.split('/').chain(["_apis", "git", "repositories", name]).collect()
    },
    proposals: "pullrequests",
    query: &[("api-version", "7.1")],
    ..protocol::common(protocol::Essentials {
        api,
        permissions: "grant the token the scope `Code (read & write)`, and its owner (or the build service) the permission \
                  `Contribute to pull requests`",
        token_variables: &["SYSTEM_ACCESSTOKEN"],
    })
};

/// Number of pull requests on a page.
const PAGE: usize = 200;
/// Length of descriptions in lists.
const ABBREVIATED: usize = 400;

/// A repository on Azure DevOps.
pub(super) struct Azure {
    pub(super) api: ApiClient,
    /// Creators of pull requests, by number.
    pub(super) creators: Mutex<HashMap<u64, String>>,
}

impl Azure {
    /// Lists the newest pull requests, then those of each branch that was not among them. Fetches each pull request whose
    /// description is abbreviated.
    pub(super) async fn find(&self, base: &str, branches: &[String]) -> ForgeResult<Vec<ForgeProposal>> {
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
                let complete = self.api.take(ApiCall::get(self.api.proposal(found, &[]))).await?;
                let options = std::mem::take(&mut found.options);
                *found = ForgeProposal { options, ..self.parse(&complete)? };
            }
        }
        Ok(all)
    }

    /// Reads one page of pull requests into `base`, newest first; returns their number.
    async fn list(&self, base: &str, more: &[(&str, &str)], all: &mut Vec<ForgeProposal>) -> ForgeResult<usize> {
        let base = reference(base);
        let query = [("searchCriteria.status", "all"), ("searchCriteria.targetRefName", base.as_str())];
        let answer = self.api.take(ApiCall::get(self.api.proposals(&[&query, more].concat()))).await?;
        let items = answer["value"].as_array().ok_or_else(|| self.api.unreadable("a list of pull requests"))?;
        // Pull requests from forks may have any branch name.
        for item in items.iter().filter(|item| item["forkSource"].is_null()) {
            all.push(self.parse(item)?);
        }
        Ok(items.len())
    }

    pub(super) async fn create(
        &self,
        draft: &ProposalDraft,
        options: &ProposalOptions,
    ) -> Result<ForgeProposal, LostAnswer> {
        let mut body = json!({
            "sourceRefName": reference(&draft.branch),
            "targetRefName": reference(&draft.base),
            "title": draft.title,
            "description": draft.body,
            "isDraft": self.api.is_draft,
        });
        if !options.users.is_empty() {
            body["reviewers"] = options.users.iter().map(|id| json!({"id": id})).collect();
        }
        if !options.labels.is_empty() {
            body["labels"] = options.labels.iter().map(|name| json!({"name": name})).collect();
        }
        let answer = self.api.create(&body, options).await?;
        let mut proposal = self.parse(&answer)?;
        // The next list shows whether they were set.
        proposal.options.labels.clone_from(&options.labels);
        Ok(proposal)
    }

    /// Requests labels, reviewers and auto-complete of a pull request, each alone.
    pub(super) async fn request(
        &self,
        proposal: &ForgeProposal,
        options: &ProposalOptions,
        _: &ProposalDraft,
    ) -> ForgeResult<OptionsReply> {
        let mut outcome = OptionsReply::default();
        for one in options.each() {
            let url = |rest: &[&str]| self.api.proposal(proposal, rest);
            let (method, url, body) = match (one.labels.first(), one.users.first()) {
                (Some(label), _) => (Method::POST, url(&["labels"]), json!({"name": label})),
                (None, Some(id)) => (Method::PUT, url(&["reviewers", id]), json!({"id": id, "vote": 0})),
                (None, None) => match lock(&self.creators).get(&proposal.number) {
                    Some(creator) => {
                        let body = json!({"autoCompleteSetBy": {"id": creator}});
                        (Method::PATCH, url(&[]), body)
                    }
                    None => {
                        outcome.refuse(one, "the response does not name the creator");
                        continue;
                    }
                },
            };
            outcome.refused.extend(self.api.request(one, ApiCall::set(method, url, &body)).await?);
        }
        Ok(outcome)
    }

    pub(super) async fn write(&self, known: &ForgeProposal, title: &str, body: &str) -> ForgeResult<ForgeProposal> {
        let body = json!({"title": title, "description": body});
        let answer = self.api.update(Method::PATCH, known, &body).await?;
        self.parse(&answer)
    }

    pub(super) async fn close(&self, proposal: &ForgeProposal, body: &str, comment: &str) -> ForgeResult<()> {
        let comment = json!({"parentCommentId": 0, "content": comment, "commentType": "text"});
        let thread = json!({"comments": [comment], "status": "closed"});
        self.api.comment(self.api.proposal(proposal, &["threads"]), &thread).await;
        let body = json!({"status": "abandoned", "description": body});
        self.api.update(Method::PATCH, proposal, &body).await.map(drop)
    }

    fn parse(&self, item: &Value) -> ForgeResult<ForgeProposal> {
        self.proposal(item).ok_or_else(|| self.api.unreadable("a pull request"))
    }

    fn proposal(&self, item: &Value) -> Option<ForgeProposal> {
        let text = |key: &str| item[key].as_str().map(str::to_owned);
        let body = text("description").unwrap_or_default();
        let number = item["pullRequestId"].as_u64()?;
        if let Some(creator) = item["createdBy"]["id"].as_str() {
            lock(&self.creators).insert(number, creator.to_owned());
        }
        let (project, repository) = self.api.instance.repository.rsplit_once('/')?;
        let digits = number.to_string();
        let descriptor = item["closedBy"]["descriptor"].as_str().unwrap_or_default();
        let is_by_bot = descriptor.starts_with("svc.") || descriptor.starts_with("aadsp.");
        let closure = protocol::closure(is_by_bot, &item["creationDate"], &item["closedDate"]);
        let options = ProposalOptions {
            labels: protocol::names(&item["labels"], "name"),
            users: protocol::names(&item["reviewers"], "id"),
            teams: Vec::new(),
            auto_merge: !item["autoCompleteSetBy"].is_null(),
        };
        let page = project.split('/').chain(["_git", repository, "pullrequest", &digits]);
        Some(ForgeProposal {
            number,
            url: self.api.url_of_api(&page.collect::<Vec<_>>(), &[]).to_string(),
            branch: item["sourceRefName"].as_str()?.strip_prefix("refs/heads/")?.to_owned(),
            state: protocol::state(item["status"].as_str()?, ["active", "completed"], &body, closure),
            head: item["lastMergeSourceCommit"]["commitId"].as_str().map(str::to_owned),
            title: text("title")?,
            body,
            is_draft: item["isDraft"].as_bool().unwrap_or(false),
            options,
        })
    }
}

fn reference(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

/// Locates the API of the instance at a web URL.
fn api(web: &Url) -> Url {
    protocol::below(web, "")
}

/// Locates the API that a pipeline's token is for: `<organization>.visualstudio.com` is an old name of the same service.
fn token_api(_: &str, collection: &Url, repository: &str) -> Option<Url> {
    let organization = repository.split('/').next()?;
    PROTOCOL.public_api().filter(|_| collection.host_str() == Some(&format!("{organization}.visualstudio.com")))
}

/// Builds the header: personal access tokens are passwords without a user name; tokens of Microsoft Entra (JWT) and of
/// pipelines are bearer tokens.
fn authorization(token: &str, source: TokenSource) -> String {
    if source == TokenSource::Ci || token.starts_with("eyJ") {
        return protocol::bearer(token, source);
    }
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!(":{token}")))
}
