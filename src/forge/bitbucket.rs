//! Bitbucket Cloud: pull requests over its REST API, version 2.0.
//!
//! Source: the OpenAPI description of Bitbucket Cloud. It has no labels and takes no request to merge later. Its
//! Markdown shows HTML comments to people, so a hidden line stands there as a link that nothing refers to (CommonMark,
//! "Link reference definitions"). A description has at most 32 768 characters.

use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use super::pages::PAGES;
use super::send::{ApiCall, ApiClient, LostAnswer};
use super::{ForgeError, ForgeProposal, ProposalDraft, ProposalOptions, ProposalState, body, closed};
use crate::proposal::hidden::{hidden, marker};

/// What hidden lines take more than elsewhere is left free.
pub(super) const LIMITS: body::BodyLimits = body::BodyLimits { title: 240, body: 28_000 };

/// How many pull requests a page has: the most that Bitbucket takes.
const PAGE: &str = "50";
/// All that a pull request can be.
const STATES: [&str; 4] = ["OPEN", "MERGED", "DECLINED", "SUPERSEDED"];
/// How a hidden line begins there.
const OPEN: &str = "[//]: # (pinstream:";

/// A repository on Bitbucket.
pub(super) struct Bitbucket {
    repository: String,
}

impl Bitbucket {
    pub(super) fn new(repository: &str) -> Self {
        Self { repository: repository.to_owned() }
    }

    /// Asks for the pull requests of all branches at once, by what their names have in common.
    pub(super) async fn find(
        &self,
        line: &ApiClient,
        base: &str,
        branches: &[String],
    ) -> Result<Vec<ForgeProposal>, ForgeError> {
        let mut all: Vec<ForgeProposal> = Vec::new();
        let mut missing: Vec<&String> = branches.iter().collect();
        let from = match branches {
            [one] => format!("source.branch.name = {}", quoted(one)),
            many => format!("source.branch.name ~ {}", quoted(common(many))),
        };
        for page in 1..=PAGES {
            let is_last = self.list(line, base, &from, page, &mut all).await?;
            missing.retain(|branch| !all.iter().any(|found| found.branch == **branch));
            if is_last || missing.is_empty() {
                return Ok(all);
            }
        }
        if branches.len() > 1 {
            for branch in missing {
                let from = format!("source.branch.name = {}", quoted(branch));
                self.list(line, base, &from, 1, &mut all).await?;
            }
        }
        Ok(all)
    }

    /// One page of pull requests, the newest first; the answer is whether it was the last.
    async fn list(
        &self,
        line: &ApiClient,
        base: &str,
        from: &str,
        page: usize,
        all: &mut Vec<ForgeProposal>,
    ) -> Result<bool, ForgeError> {
        let filter = format!("{from} AND destination.branch.name = {}", quoted(base));
        let page = page.to_string();
        let mut query = vec![("q", filter.as_str()), ("sort", "-created_on"), ("pagelen", PAGE), ("page", &page)];
        query.extend(STATES.map(|state| ("state", state)));
        let answer = line.take(ApiCall::get(self.url(line, &[], &query))).await?;
        let items = answer["values"].as_array().ok_or_else(|| line.unreadable("a list of pull requests"))?;
        for item in items.iter().filter(|item| self.is_ours(item)) {
            all.push(found(item).ok_or_else(|| line.unreadable("a pull request"))?);
        }
        Ok(answer["next"].is_null())
    }

    pub(super) async fn create(
        &self,
        line: &ApiClient,
        wishes: &ProposalOptions,
        wanted: &ProposalDraft,
    ) -> Result<(ForgeProposal, Vec<String>), LostAnswer> {
        let reviewers: Vec<Value> = wishes.users.iter().map(|name| account(name)).collect();
        let mut body = json!({
            "title": wanted.title,
            "description": hide(&wanted.body),
            "source": {"branch": {"name": wanted.branch}},
            "destination": {"branch": {"name": wanted.base}},
        });
        if wishes.draft {
            body["draft"] = json!(true);
        }
        if !reviewers.is_empty() {
            body["reviewers"] = json!(reviewers);
        }
        let reply = line.ask(ApiCall::add(self.url(line, &[], &[]), &body)).await?;
        let is_there = matches!(reply.status.as_u16(), 400 | 409) && reply.body.to_string().contains("already");
        if is_there {
            return Err(LostAnswer::Exists(line.refused(&reply)));
        }
        let answer = line.accept(reply)?;
        let found = found(&answer).ok_or_else(|| line.unreadable("a pull request"))?;
        Ok((found, Vec::new()))
    }

    pub(super) async fn write(
        &self,
        line: &ApiClient,
        known: &ForgeProposal,
        wanted: &ProposalDraft,
    ) -> Result<ForgeProposal, ForgeError> {
        self.put(line, known, &wanted.title, &wanted.body).await
    }

    pub(super) async fn close(
        &self,
        line: &ApiClient,
        known: &ForgeProposal,
        body: &str,
        comment: &str,
    ) -> Result<(), ForgeError> {
        let number = known.number.to_string();
        let said = json!({"content": {"raw": comment}});
        line.comment(self.url(line, &[&number, "comments"], &[]), &said).await?;
        self.put(line, known, &known.title, body).await?;
        let nothing = json!({});
        let url = self.url(line, &[&number, "decline"], &[]);
        let Err(error) = line.take(ApiCall::set(Method::POST, url, &nothing)).await else { return Ok(()) };
        // What is closed already cannot be closed again, as where an answer was lost.
        let now = line.take(ApiCall::get(self.url(line, &[&number], &[]))).await?;
        if found(&now).is_some_and(|now| now.state != ProposalState::Open) { Ok(()) } else { Err(error) }
    }

    /// Writes title and description; whoever is asked to review stays asked, as far as they are sent along. One that is
    /// not open takes neither, and is left as it is.
    async fn put(
        &self,
        line: &ApiClient,
        known: &ForgeProposal,
        title: &str,
        body: &str,
    ) -> Result<ForgeProposal, ForgeError> {
        let unreadable = || line.unreadable("a pull request");
        let number = known.number.to_string();
        let now = line.take(ApiCall::get(self.url(line, &[&number], &[]))).await?;
        let there = found(&now).ok_or_else(unreadable)?;
        if there.state != ProposalState::Open {
            return Ok(there);
        }
        let reviewers = now["reviewers"].as_array().into_iter().flatten();
        let reviewers: Vec<Value> = reviewers.filter_map(|who| who["uuid"].as_str()).map(account).collect();
        let body = json!({"title": title, "description": hide(body), "reviewers": reviewers});
        let answer = line.take(ApiCall::set(Method::PUT, self.url(line, &[&number], &[]), &body)).await?;
        found(&answer).ok_or_else(unreadable)
    }

    /// Whether it comes from the repository that it is for.
    fn is_ours(&self, item: &Value) -> bool {
        let name = item["source"]["repository"]["full_name"].as_str();
        name.is_some_and(|name| name.eq_ignore_ascii_case(&self.repository))
    }

    fn url(&self, line: &ApiClient, rest: &[&str], query: &[(&str, &str)]) -> Url {
        let parts = ["repositories"].into_iter().chain(self.repository.split('/')).chain(["pullrequests"]);
        line.url(&parts.chain(rest.iter().copied()).collect::<Vec<_>>(), query)
    }
}

fn found(item: &Value) -> Option<ForgeProposal> {
    let raw = item["summary"]["raw"].as_str().or(item["description"].as_str());
    let body = show(raw.unwrap_or_default());
    let state = match item["state"].as_str()? {
        "OPEN" => ProposalState::Open,
        "MERGED" => ProposalState::Merged,
        _ => closed(&body),
    };
    Some(ForgeProposal {
        number: item["id"].as_u64()?,
        url: item["links"]["html"]["href"].as_str()?.to_owned(),
        branch: item["source"]["branch"]["name"].as_str()?.to_owned(),
        state,
        head: item["source"]["commit"]["hash"].as_str().map(str::to_owned),
        title: item["title"].as_str()?.to_owned(),
        body,
        is_draft: item["draft"].as_bool().unwrap_or(false),
    })
}

/// A user as Bitbucket is told one.
fn account(name: &str) -> Value {
    if name.starts_with('{') { json!({"uuid": name}) } else { json!({"account_id": name}) }
}

/// A text within a query of Bitbucket's.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// What all names begin with.
fn common(names: &[String]) -> &str {
    let first = names.first().map_or("", String::as_str);
    let shared = |name: &String| first.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
    let mut end = names.iter().map(shared).min().unwrap_or(0);
    while !first.is_char_boundary(end) {
        end -= 1;
    }
    &first[..end]
}

/// `body` with its hidden lines as Bitbucket hides them.
fn hide(body: &str) -> String {
    let lines = body.lines().map(|line| match hidden(line) {
        // A definition ends the text before it with a blank line.
        Some(data) => format!("\n{OPEN} {})", encode(data)),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The opposite.
fn show(body: &str) -> String {
    let hidden =
        |line: &str| line.trim().strip_prefix(OPEN)?.strip_suffix(')').map(|data| marker(&decode(data.trim())));
    body.lines().map(|line| hidden(line).unwrap_or_else(|| line.to_owned())).collect::<Vec<_>>().join("\n")
}

/// `data` without what would end a link's title.
fn encode(data: &str) -> String {
    data.replace('%', "%25").replace('(', "%28").replace(')', "%29").replace('\\', "%5C")
}

fn decode(data: &str) -> String {
    data.replace("%5C", "\\").replace("%29", ")").replace("%28", "(").replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_lines_are_hidden_in_the_way_of_bitbucket_and_read_back() {
        let body = format!("| a |\n{}\nend", marker(r#"{"a": "(1) \ 100%28"}"#));
        let hidden = hide(&body);
        insta::assert_snapshot!(hidden, @r#"
    | a |

    [//]: # (pinstream: {"a": "%281%29 %5C 100%2528"})
    end
    "#);
        assert!(crate::proposal::hidden::is_same(&show(&hidden), &body), "{hidden}");
    }

    #[test]
    fn branches_are_asked_for_by_what_they_have_in_common() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(common(&names(&["pinstream/a", "pinstream/b"])), "pinstream/");
        assert_eq!(common(&names(&["x", "y"])), "");
        assert_eq!(quoted("a\"\\b"), r#""a\"\\b""#);
    }
}
