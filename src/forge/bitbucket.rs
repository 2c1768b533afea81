//! Bitbucket Cloud: pull requests over its REST API, version 2.0.
//!
//! Source: the OpenAPI description of Bitbucket Cloud. It has no labels and no API for auto-merge. Its Markdown shows
//! HTML comments, so hidden lines become link reference definitions that nothing refers to (CommonMark, "Link reference
//! definitions"). A description has at most 32,768 characters. Lists lack reviewers unless `fields` adds them ("Partial
//! responses").

use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use super::error::ForgeResult;
use super::options::OptionsReply;
use super::pages::PAGES;
use super::protocol::{self, ForgeProtocol};
use super::send::{ApiCall, ApiClient, LostAnswer};
use crate::proposal::draft::{ForgeProposal, ProposalDraft, ProposalOptions, ProposalState};
use crate::proposal::marker;
use crate::proposal::truncate::TextLimits;

pub(super) const PROTOCOL: ForgeProtocol = ForgeProtocol {
    public: Some("https://bitbucket.org"),
    // Hidden lines become longer.
    limits: TextLimits { title: 240, body: 28_000 },
    repository: |path| ["repositories"].into_iter().chain(path.split('/')).collect(),
    proposals: "pullrequests",
    exists: |status, body| matches!(status, 400 | 409) && body.to_string().contains("already"),
    ..protocol::common(protocol::Essentials {
        api,
        permissions: "grant the token the scopes `repository` and `pullrequest:write`",
        token_variables: &["BITBUCKET_TOKEN"],
    })
};

/// Number of pull requests on a page: the maximum.
const PAGE: &str = "50";
/// All states of pull requests.
const STATES: [&str; 4] = ["OPEN", "MERGED", "DECLINED", "SUPERSEDED"];
/// Start of a hidden line.
const OPEN: &str = "[//]: # (pinstream:";

/// A repository on Bitbucket.
pub(super) struct Bitbucket {
    pub(super) api: ApiClient,
}

impl Bitbucket {
    /// Lists the pull requests of all branches at once, by the common prefix of their names.
    pub(super) async fn find(&self, base: &str, branches: &[String]) -> ForgeResult<Vec<ForgeProposal>> {
        let mut all: Vec<ForgeProposal> = Vec::new();
        let mut missing: Vec<&String> = branches.iter().collect();
        let from = match branches {
            [one] => format!("source.branch.name = {}", quoted(one)),
            many => format!("source.branch.name ~ {}", quoted(common_prefix(many))),
        };
        for page in 1..=PAGES {
            let is_last = self.list(base, &from, page, &mut all).await?;
            missing.retain(|branch| !all.iter().any(|found| found.branch == **branch));
            if is_last || missing.is_empty() {
                return Ok(all);
            }
        }
        if branches.len() > 1 {
            for branch in missing {
                let from = format!("source.branch.name = {}", quoted(branch));
                self.list(base, &from, 1, &mut all).await?;
            }
        }
        Ok(all)
    }

    /// Reads one page of pull requests, newest first; returns whether it was the last.
    async fn list(&self, base: &str, from: &str, page: usize, all: &mut Vec<ForgeProposal>) -> ForgeResult<bool> {
        let filter = format!("{from} AND destination.branch.name = {}", quoted(base));
        let page = page.to_string();
        let mut query = vec![("q", filter.as_str()), ("sort", "-created_on"), ("pagelen", PAGE), ("page", &page)];
        query.extend(STATES.map(|state| ("state", state)));
        query.extend(self.api.options.has_reviewers().then_some(("fields", "+values.reviewers")));
        let answer = self.api.take(ApiCall::get(self.api.proposals(&query))).await?;
        let items = answer["values"].as_array().ok_or_else(|| self.api.unreadable("a list of pull requests"))?;
        for item in items.iter().filter(|item| self.is_own(item)) {
            all.push(self.parse(item)?);
        }
        Ok(answer["next"].is_null())
    }

    pub(super) async fn create(
        &self,
        draft: &ProposalDraft,
        options: &ProposalOptions,
    ) -> Result<ForgeProposal, LostAnswer> {
        let reviewers: Vec<Value> = options.users.iter().map(|name| account(name)).collect();
        let mut body = json!({
            "title": draft.title,
            "description": hide(&draft.body),
            "source": {"branch": {"name": draft.branch}},
            "destination": {"branch": {"name": draft.base}},
        });
        if self.api.is_draft {
            body["draft"] = json!(true);
        }
        if !reviewers.is_empty() {
            body["reviewers"] = json!(reviewers);
        }
        let answer = self.api.create(&body, options).await?;
        Ok(self.parse(&answer)?)
    }

    /// Requests reviewers, in addition to the current ones.
    pub(super) async fn request(
        &self,
        proposal: &ForgeProposal,
        options: &ProposalOptions,
        draft: &ProposalDraft,
    ) -> ForgeResult<OptionsReply> {
        let mut outcome = OptionsReply::default();
        let now = self.api.take(ApiCall::get(self.api.proposal(proposal, &[]))).await?;
        let added = options.users.iter().map(|name| account(name));
        let all: Vec<Value> = reviewers(&now).chain(added).collect();
        let body = json!({"title": draft.title, "description": hide(&draft.body), "reviewers": all});
        let call = ApiCall::set(Method::PUT, self.api.proposal(proposal, &[]), &body);
        outcome.refused.extend(self.api.request(options.reviewers_only(), call).await?);
        Ok(outcome)
    }

    pub(super) async fn close(&self, proposal: &ForgeProposal, body: &str, comment: &str) -> ForgeResult<()> {
        let comment = json!({"content": {"raw": comment}});
        self.api.comment(self.api.proposal(proposal, &["comments"]), &comment).await;
        self.write(proposal, &proposal.title, body).await?;
        let nothing = json!({});
        let url = self.api.proposal(proposal, &["decline"]);
        let Err(error) = self.api.take(ApiCall::set(Method::POST, url, &nothing)).await else { return Ok(()) };
        // It cannot be closed twice, e.g. if the first answer was lost.
        let now = self.api.take(ApiCall::get(self.api.proposal(proposal, &[]))).await?;
        if self.parse(&now).is_ok_and(|now| now.state != ProposalState::Open) { Ok(()) } else { Err(error) }
    }

    /// Writes title and description. Sends the current reviewers along, who would be removed otherwise. Only open pull
    /// requests can be changed; others are returned as they are.
    pub(super) async fn write(&self, known: &ForgeProposal, title: &str, body: &str) -> ForgeResult<ForgeProposal> {
        let now = self.api.take(ApiCall::get(self.api.proposal(known, &[]))).await?;
        let current = self.parse(&now)?;
        if current.state != ProposalState::Open {
            return Ok(current);
        }
        let reviewers: Vec<Value> = reviewers(&now).collect();
        let body = json!({"title": title, "description": hide(body), "reviewers": reviewers});
        let answer = self.api.update(Method::PUT, known, &body).await?;
        self.parse(&answer)
    }

    /// Reports whether a pull request comes from this repository, not from a fork.
    fn is_own(&self, item: &Value) -> bool {
        let name = item["source"]["repository"]["full_name"].as_str();
        name.is_some_and(|name| name.eq_ignore_ascii_case(&self.api.instance.repository))
    }

    fn parse(&self, item: &Value) -> ForgeResult<ForgeProposal> {
        proposal(item).ok_or_else(|| self.api.unreadable("a pull request"))
    }
}

/// Locates the API of the instance at a web URL.
fn api(web: &Url) -> Url {
    match web.host_str() {
        Some("bitbucket.org" | "api.bitbucket.org") => protocol::on_host("api.bitbucket.org", "/2.0", web),
        _ => protocol::below(web, "/2.0"),
    }
}

fn proposal(item: &Value) -> Option<ForgeProposal> {
    let raw = item["summary"]["raw"].as_str().or(item["description"].as_str());
    let body = unhide(raw.unwrap_or_default());
    // Apps and the users of access tokens; a person is a `user`.
    let closer = item["closed_by"]["type"].as_str();
    let is_by_bot = closer.is_some_and(|kind| kind == "app_user");
    // Nothing else changes after a pull request was closed, except comments.
    let closure = protocol::closure(is_by_bot, &item["created_on"], &item["updated_on"]);
    let all = item["reviewers"].as_array().into_iter().flatten();
    // The settings may name either.
    let ids = all.flat_map(|user| [&user["uuid"], &user["account_id"]]);
    let users = ids.filter_map(|id| id.as_str().map(str::to_owned)).collect();
    Some(ForgeProposal {
        number: item["id"].as_u64()?,
        url: item["links"]["html"]["href"].as_str()?.to_owned(),
        branch: item["source"]["branch"]["name"].as_str()?.to_owned(),
        state: protocol::state(item["state"].as_str()?, ["OPEN", "MERGED"], &body, closure),
        head: item["source"]["commit"]["hash"].as_str().map(str::to_owned),
        title: item["title"].as_str()?.to_owned(),
        body,
        is_draft: item["draft"].as_bool().unwrap_or(false),
        options: ProposalOptions { users, ..ProposalOptions::default() },
    })
}

/// Lists the current reviewers of a pull request, to be sent along, as others are removed.
fn reviewers(item: &Value) -> impl Iterator<Item = Value> {
    let all = item["reviewers"].as_array().into_iter().flatten();
    all.filter_map(|user| user["uuid"].as_str()).map(account)
}

/// Encodes a user, by UUID or account id.
fn account(name: &str) -> Value {
    if name.starts_with('{') { json!({"uuid": name}) } else { json!({"account_id": name}) }
}

/// Quotes a string for Bitbucket's query language.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn common_prefix(names: &[String]) -> &str {
    let first = names.first().map_or("", String::as_str);
    let shared = |name: &String| first.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
    let mut end = names.iter().map(shared).min().unwrap_or(0);
    while !first.is_char_boundary(end) {
        end -= 1;
    }
    &first[..end]
}

/// Replaces hidden lines by the form that Bitbucket hides.
fn hide(body: &str) -> String {
    let lines = body.lines().map(|line| match marker::read(line) {
        // A definition cannot interrupt a paragraph.
        Some(data) => format!("\n{OPEN} {data})"),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Reverses [`hide`].
fn unhide(body: &str) -> String {
    let hidden = |line: &str| Some(marker::write(line.trim().strip_prefix(OPEN)?.strip_suffix(')')?.trim()));
    body.lines().map(|line| hidden(line).unwrap_or_else(|| line.to_owned())).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_lines_become_link_definitions_and_are_read_back() {
        let body = format!("| a |\n{}\nend", marker::write("set=0 changes=1,2"));
        let hidden = hide(&body);
        assert_eq!(hidden, "| a |\n\n[//]: # (pinstream: set=0 changes=1,2)\nend");
        assert!(marker::is_same_text(&unhide(&hidden), &body), "{hidden}");
    }

    #[test]
    fn branches_are_queried_by_their_common_prefix() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(common_prefix(&names(&["pinstream/a", "pinstream/b"])), "pinstream/");
        assert_eq!(common_prefix(&names(&["x", "y"])), "");
        assert_eq!(quoted("a\"\\b"), r#""a\"\\b""#);
    }
}
