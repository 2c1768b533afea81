//! GraphQL: queries the pull requests of many branches, and sets all options of a new one, in one request each.

use std::fmt::Write as _;

use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{GitHub, OptionIds, PULLS, endpoint};
use crate::forge::error::{ForgeError, ForgeResult};
use crate::forge::protocol;
use crate::forge::send::{ApiCall, ApiReply};
use crate::proposal::draft::{ForgeProposal, ProposalOptions};
use crate::system::lock;
use crate::text::escape;

/// Fields of a pull request.
const PULL: &str = "fragment P on PullRequest { id number url state title body isDraft headRefName headRefOid \
                    isCrossRepository }";

impl GitHub {
    /// Queries the pull requests of `branches` and, if they are not cached yet, the ids of labels and reviewers.
    pub(super) async fn query(&self, base: &str, branches: &[String]) -> ForgeResult<Vec<ForgeProposal>> {
        let with_options = lock(&self.cache).options.is_none();
        let mut query = Query::new(&self.api.instance.repository);
        for (at, branch) in branches.iter().enumerate() {
            query.declare(&format!("b{at}"), "String!", json!(branch));
            // Writing to a `String` does not fail.
            let _ = write!(
                query.repository,
                " b{at}: pullRequests(headRefName: $b{at}, baseRefName: $base, first: {PULLS}, orderBy: {{field: \
                 CREATED_AT, direction: DESC}}) {{ nodes {{ ...P }} }}"
            );
        }
        if !branches.is_empty() {
            query.declare("base", "String!", json!(base));
        }
        if with_options {
            query.add_options(&self.api.options);
        }
        let answer = self.send(&query.text(!branches.is_empty()), query.variables).await?;
        let data = &answer["data"];
        let mut all = Vec::new();
        for at in 0..branches.len() {
            let nodes = data["repository"][format!("b{at}")]["nodes"].as_array();
            let nodes = nodes.ok_or_else(|| self.failure(&answer))?;
            for node in nodes.iter().filter(|node| node["isCrossRepository"] == false) {
                let proposal = proposal(node).ok_or_else(|| self.api.unreadable("a pull request"))?;
                if let Some(id) = node["id"].as_str() {
                    lock(&self.cache).pulls.insert(proposal.number, id.to_owned());
                }
                all.push(proposal);
            }
        }
        if data["repository"].is_null() {
            return Err(self.failure(&answer));
        }
        if with_options {
            lock(&self.cache).options = Some(OptionIds::read(data, &self.api.options));
        }
        Ok(all)
    }

    /// Sets labels, reviewers and auto-merge of a new pull request.
    pub(crate) async fn finish(&self, proposal: &ForgeProposal) -> ForgeResult<Vec<String>> {
        if self.api.options.labels.is_empty() && !self.api.options.has_reviewers() && !self.api.options.auto_merge {
            return Ok(Vec::new());
        }
        if lock(&self.cache).options.is_none() {
            self.query("", &[]).await?;
        }
        let (id, ids) = {
            let cache = lock(&self.cache);
            (cache.pulls.get(&proposal.number).cloned(), cache.options.clone().unwrap_or_default())
        };
        let id = id.ok_or_else(|| self.api.unreadable("the id of a pull request"))?;
        let mut mutation = Query::default();
        mutation.declare("id", "ID!", json!(id));
        if !ids.labels.is_empty() {
            mutation.declare("labels", "[ID!]!", json!(ids.labels));
            mutation.mutate("labels: addLabelsToLabelable(input: {labelableId: $id, labelIds: $labels})");
        }
        if !ids.users.is_empty() || !ids.teams.is_empty() {
            mutation.declare("users", "[ID!]", json!(ids.users));
            mutation.declare("teams", "[ID!]", json!(ids.teams));
            mutation.mutate(
                "reviewers: requestReviews(input: {pullRequestId: $id, userIds: $users, teamIds: $teams, union: true})",
            );
        }
        if self.api.options.auto_merge {
            mutation.declare("method", "PullRequestMergeMethod", json!(ids.merge_method));
            mutation.mutate("autoMerge: enablePullRequestAutoMerge(input: {pullRequestId: $id, mergeMethod: $method})");
        }
        let mut notes = ids.missing;
        if !mutation.other.is_empty() {
            let text = format!("mutation({}) {{{} }}", mutation.declared.join(", "), mutation.other);
            let answer = self.send(&text, mutation.variables).await?;
            notes.extend(errors(&answer).map(|(alias, message)| {
                let event = match alias {
                    "labels" => "labels were not set",
                    "reviewers" => "reviewers were not requested",
                    _ => "auto-merge was not enabled",
                };
                format!("{event}: {}", self.api.plain(&message))
            }));
        }
        Ok(notes)
    }

    /// Sends a document. All of them can be retried: queries, and mutations to a state that may be reached already.
    async fn send(&self, document: &str, variables: Map<String, Value>) -> ForgeResult<Value> {
        let body = json!({"query": document, "variables": variables});
        let url = endpoint(&self.api.instance.web, "/graphql", "/api/graphql");
        self.api.take(ApiCall::set(Method::POST, url, &body)).await
    }

    /// Converts an answer that lacks the requested data to an error.
    fn failure(&self, answer: &Value) -> ForgeError {
        let kinds = answer["errors"].as_array().into_iter().flatten().filter_map(|error| error["type"].as_str());
        let message = errors(answer).map(|(_, message)| message).next().unwrap_or_default();
        let status = kinds.fold(StatusCode::UNPROCESSABLE_ENTITY, |other, kind| match kind {
            "NOT_FOUND" => StatusCode::NOT_FOUND,
            "FORBIDDEN" | "INSUFFICIENT_SCOPES" => StatusCode::FORBIDDEN,
            "RATE_LIMITED" => StatusCode::TOO_MANY_REQUESTS,
            _ => other,
        });
        if message.is_empty() {
            return self.api.unreadable(&format!("the pull requests of `{}`", self.api.instance.repository));
        }
        self.api.refused(&ApiReply { status, body: json!({"message": message}), total: None })
    }
}

/// A query about a repository or a mutation, under construction.
#[derive(Default)]
struct Query {
    declared: Vec<String>,
    variables: Map<String, Value>,
    /// Fields of the repository.
    repository: String,
    /// Other fields.
    other: String,
}

impl Query {
    fn new(repository: &str) -> Self {
        let mut query = Self::default();
        for (name, part) in ["owner", "name"].into_iter().zip(repository.split('/')) {
            query.declare(name, "String!", json!(part));
        }
        query
    }

    fn declare(&mut self, name: &str, kind: &str, value: Value) {
        self.declared.push(format!("${name}: {kind}"));
        self.variables.insert(name.to_owned(), value);
    }

    /// Adds a field of a mutation.
    fn mutate(&mut self, field: &str) {
        // Writing to a `String` does not fail.
        let _ = write!(self.other, " {field} {{ clientMutationId }}");
    }

    /// Adds the ids of labels and reviewers, and the default merge method.
    fn add_options(&mut self, options: &ProposalOptions) {
        self.repository.push_str(" viewerDefaultMergeMethod");
        for (at, label) in options.labels.iter().enumerate() {
            self.declare(&format!("l{at}"), "String!", json!(label));
            let _ = write!(self.repository, " l{at}: label(name: $l{at}) {{ id }}");
        }
        for (at, user) in options.users.iter().enumerate() {
            self.declare(&format!("u{at}"), "String!", json!(user));
            let _ = write!(self.other, " u{at}: user(login: $u{at}) {{ id }}");
        }
        if !options.teams.is_empty() {
            self.declare("org", "String!", self.variables["owner"].clone());
            self.other.push_str(" organization(login: $org) {");
            for (at, team) in options.teams.iter().enumerate() {
                self.declare(&format!("t{at}"), "String!", json!(team));
                let _ = write!(self.other, " t{at}: team(slug: $t{at}) {{ id }}");
            }
            self.other.push_str(" }");
        }
    }

    fn text(&self, with_pulls: bool) -> String {
        let Self { declared, repository, other, .. } = self;
        let fragment = if with_pulls { PULL } else { "" };
        let declared = declared.join(", ");
        format!("query({declared}) {{ repository(owner: $owner, name: $name) {{{repository} }}{other} }} {fragment}")
    }
}

impl OptionIds {
    /// Reads the ids from the answer to a query with [`Query::add_options`].
    fn read(data: &Value, options: &ProposalOptions) -> Self {
        let mut missing = Vec::new();
        let mut read = |object: &Value, prefix: &str, names: &[String], note: &dyn Fn(&str) -> String| {
            let mut ids = Vec::new();
            for (at, name) in names.iter().enumerate() {
                match object[format!("{prefix}{at}")]["id"].as_str() {
                    Some(id) => ids.push(id.to_owned()),
                    None => missing.push(note(name)),
                }
            }
            ids
        };
        let repository = &data["repository"];
        let labels = read(repository, "l", &options.labels, &|name| {
            format!("label `{name}` does not exist in the repository; create it")
        });
        let users = read(data, "u", &options.users, &|name| format!("GitHub has no user `{name}`"));
        let teams = read(&data["organization"], "t", &options.teams, &|name| {
            format!("team `{name}` not found; the token needs the organization permission `members: read`")
        });
        let merge_method = repository["viewerDefaultMergeMethod"].as_str().map(str::to_owned);
        Self { labels, users, teams, merge_method, missing }
    }
}

fn proposal(node: &Value) -> Option<ForgeProposal> {
    let text = |key: &str| node[key].as_str().map(str::to_owned);
    let body = text("body").unwrap_or_default();
    Some(ForgeProposal {
        number: node["number"].as_u64()?,
        url: text("url")?,
        branch: text("headRefName")?,
        state: protocol::state(node["state"].as_str()?, "OPEN", "MERGED", &body),
        head: text("headRefOid"),
        title: text("title")?,
        body,
        is_draft: node["isDraft"].as_bool().unwrap_or(false),
    })
}

/// Lists the errors of an answer: the alias of the field, and the message.
fn errors(answer: &Value) -> impl Iterator<Item = (&str, String)> {
    let errors = answer["errors"].as_array().into_iter().flatten();
    errors.map(|error| {
        let message = escape::terminal(error["message"].as_str().unwrap_or("no message"));
        (error["path"][0].as_str().unwrap_or_default(), message)
    })
}
