//! GitHub and GitHub Enterprise: REST to change one thing, GraphQL to query or change many at once.
//!
//! Sources: GitHub's OpenAPI description (`/repos/{owner}/{repo}/pulls`, `…/pulls/{pull_number}`,
//! `…/issues/{issue_number}/comments`) and its GraphQL schema. A body has at most 65,536 characters.

mod graphql;

use std::collections::HashMap;
use std::sync::Mutex;

use reqwest::Method;
use serde_json::json;
use url::Url;

use super::error::{ForgeError, ForgeResult};
use super::protocol::{self, ForgeProtocol};
use super::send::{ApiCall, ApiClient, LostAnswer};
use crate::git::{CommitId, SignedByForge, StagedCommit};
use crate::proposal::draft::{ForgeProposal, ProposalDraft, ProposalOptions, ProposalState};
use crate::proposal::truncate::TextLimits;
use crate::system::lock;
use crate::text::escape;

pub(super) const PROTOCOL: ForgeProtocol = ForgeProtocol {
    public: Some("https://github.com"),
    instance_variables: &["GITHUB_API_URL", "GITHUB_SERVER_URL"],
    limits: TextLimits { title: 256, body: 65_536 },
    headers: &[("accept", "application/vnd.github+json"), ("x-github-api-version", "2022-11-28")],
    token_api: |variable, url, _| (variable == "GITHUB_API_URL").then(|| url.clone()),
    exists: |status, body| status == 422 && body.to_string().contains("pull request already exists"),
    ..protocol::common(protocol::Essentials {
        api: |web| endpoint(web, "", "/api/v3"),
        permissions: "grant the token the permissions `pull-requests: write` and `issues: write` (and `contents: write` for \
                  commits); for `GITHUB_TOKEN`, also enable `Allow GitHub Actions to create and approve pull requests` \
                  in the settings of the repository",
        token_variables: &["GITHUB_TOKEN"],
    })
};

/// Number of branches per query.
const BRANCHES: usize = 50;
/// Number of pull requests per branch in a query: those of forks may have the same branch name.
const PULLS: usize = 10;

/// A repository on GitHub.
pub(super) struct GitHub {
    pub(super) api: ApiClient,
    pub(super) cache: Mutex<GitHubIds>,
}

/// Ids from earlier answers.
#[derive(Default)]
pub(super) struct GitHubIds {
    /// Ids of pull requests, by number.
    pulls: HashMap<u64, String>,
    /// Ids of labels and reviewers; none if they were not queried yet.
    options: Option<OptionIds>,
}

/// Ids of the desired labels and reviewers that exist, by name.
#[derive(Clone, Default)]
struct OptionIds {
    labels: HashMap<String, String>,
    users: HashMap<String, String>,
    teams: HashMap<String, String>,
    /// Default merge method of the repository.
    merge_method: Option<String>,
}

impl GitHub {
    /// Queries the newest pull requests of all branches at once; the first time also the ids of labels and reviewers.
    pub(super) async fn find(&self, base: &str, branches: &[String]) -> ForgeResult<Vec<ForgeProposal>> {
        let mut all = Vec::new();
        for branches in branches.chunks(BRANCHES) {
            all.extend(self.query(base, branches).await?);
        }
        Ok(all)
    }

    /// Opens a pull request; GitHub accepts no options at creation.
    pub(super) async fn create(&self, draft: &ProposalDraft, _: &ProposalOptions) -> Result<ForgeProposal, LostAnswer> {
        let ProposalDraft { branch, base, title, body, .. } = draft;
        let is_draft = self.api.is_draft;
        let request = json!({"title": title, "head": branch, "base": base, "body": body, "draft": is_draft});
        let answer = self.api.create(&request, &ProposalOptions::default()).await?;
        let number = answer["number"].as_u64().ok_or_else(|| self.api.unreadable("a pull request"))?;
        if let Some(id) = answer["node_id"].as_str() {
            lock(&self.cache).pulls.insert(number, id.to_owned());
        }
        Ok(ForgeProposal {
            number,
            url: answer["html_url"].as_str().unwrap_or_default().to_owned(),
            branch: branch.clone(),
            state: ProposalState::Open,
            head: answer["head"]["sha"].as_str().map(str::to_owned),
            title: title.clone(),
            body: body.clone(),
            is_draft,
            options: ProposalOptions::default(),
        })
    }

    pub(super) async fn write(&self, known: &ForgeProposal, title: &str, body: &str) -> ForgeResult<ForgeProposal> {
        let answer = self.api.update(Method::PATCH, known, &json!({"title": title, "body": body})).await?;
        let state = match answer["state"].as_str() {
            Some("open") => ProposalState::Open,
            Some(_) if answer["merged"] == true => ProposalState::Merged,
            Some(_) => ProposalState::Closed,
            None => return Err(self.api.unreadable("a pull request")),
        };
        Ok(ForgeProposal { state, title: title.to_owned(), body: body.to_owned(), ..known.clone() })
    }

    pub(super) async fn close(&self, proposal: &ForgeProposal, body: &str, comment: &str) -> ForgeResult<()> {
        let url = self.api.url(&["issues", &proposal.number.to_string(), "comments"], &[]);
        self.api.comment(url, &json!({"body": comment})).await;
        self.api.update(Method::PATCH, proposal, &json!({"state": "closed", "body": body})).await.map(drop)
    }

    /// Creates a commit that GitHub signs, and therefore shows as verified.
    ///
    /// Source: `/repos/{owner}/{repo}/git/trees` and `/git/commits` of GitHub's OpenAPI description. GitHub signs commits
    /// that an app such as Actions requests without naming an author ("About commit signature verification").
    pub(super) async fn commit(
        &self,
        parent: &CommitId,
        message: &str,
        staged: &StagedCommit,
    ) -> ForgeResult<SignedByForge> {
        let entry = |(path, (mode, bytes)): (&String, &(u32, Vec<u8>))| {
            let content = String::from_utf8_lossy(bytes);
            json!({"path": path, "mode": format!("{mode:06o}"), "type": "blob", "content": content})
        };
        let entries: Vec<_> = staged.files.iter().map(entry).collect();
        let body = json!({"base_tree": staged.base, "tree": entries});
        // Both requests can be retried: they only add objects, which GitHub deletes if no branch refers to them.
        let tree = self.api.take(ApiCall::set(Method::POST, self.api.url(&["git", "trees"], &[]), &body)).await?;
        if tree["sha"] != staged.tree.as_str() {
            return Err(self.api.unreadable(&format!("the tree {}", staged.tree)));
        }
        let body = json!({"message": message, "tree": staged.tree, "parents": [parent.0]});
        let commit = self.api.take(ApiCall::set(Method::POST, self.api.url(&["git", "commits"], &[]), &body)).await?;
        let verification = &commit["verification"];
        let text = |key: &str| verification[key].as_str().map(str::to_owned);
        let (Some(id), Some(payload), Some(signature), true) =
            (commit["sha"].as_str(), text("payload"), text("signature"), verification["verified"] == true)
        else {
            let reason = escape::terminal(verification["reason"].as_str().unwrap_or("no reason given"));
            return Err(ForgeError::new(
                format!("GitHub did not sign the commit: {reason}"),
                "use the `GITHUB_TOKEN` of Actions or the token of a GitHub App, for which alone GitHub signs; or sign \
                 with a key",
            ));
        };
        Ok(SignedByForge { id: id.to_owned(), payload, signature })
    }
}

/// Returns the URL with the path `cloud` on GitHub's own hosts, or `server` on those of GitHub Enterprise Server.
fn endpoint(web: &Url, cloud: &str, server: &str) -> Url {
    match web.host_str() {
        Some("github.com" | "api.github.com") => protocol::on_host("api.github.com", cloud, web),
        // GitHub Enterprise Cloud with data residency.
        Some(host) if host.ends_with(".ghe.com") && web.scheme() == "https" => {
            protocol::on_host(&format!("api.{}", host.trim_start_matches("api.")), cloud, web)
        }
        _ => protocol::below(web, server),
    }
}
