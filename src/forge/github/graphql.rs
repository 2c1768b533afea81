//! GraphQL: queries the pull requests of many branches, and requests all options of one, in one request each.

use std::collections::HashMap;
use std::fmt::Write as _;

use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{GitHub, OptionIds, PULLS, endpoint};
use crate::forge::error::{ForgeError, ForgeResult};
use crate::forge::options::OptionsReply;
use crate::forge::protocol;
use crate::forge::send::{ApiCall, ApiReply};
use crate::proposal::draft::{ForgeProposal, ProposalDraft, ProposalOptions};
use crate::system::lock;
use crate::text::escape;

/// Fields of a pull request.
const PULL: &str = "id number url state title body isDraft headRefName headRefOid isCrossRepository createdAt closedAt \
                    timelineItems(last: 1, itemTypes: [CLOSED_EVENT]) { nodes { ... on ClosedEvent { actor { __typename \
                    } } } }";
/// Fields with the labels of a pull request.
const LABELS: &str = " labels(first: 50) { nodes { name } }";
/// Fields with its reviewers; `TEAMS` stands for the field of that name. A request ends with the review.
const REVIEWERS: &str = " reviewRequests(first: 50) { nodes { requestedReviewer { ... on User { login } ... on Team { \
                         slug } } } } latestReviews(first: 20) { nodes { author { login }TEAMS } }";
/// Field with the teams that a review is for. It counts once per review towards the rate limit.
const TEAMS: &str = " onBehalfOf(first: 5) { nodes { slug } }";
/// Field that is null unless auto-merge is enabled.
const AUTO_MERGE: &str = " autoMergeRequest { enabledAt }";

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
        let fragment = if branches.is_empty() { String::new() } else { fragment(&self.api.options) };
        let answer = self.send(&query.text(&fragment), query.variables).await?;
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

    /// Requests labels, reviewers and auto-merge of a pull request; merges it if nothing is left to wait for.
    pub(crate) async fn request(
        &self,
        proposal: &ForgeProposal,
        options: &ProposalOptions,
        draft: &ProposalDraft,
    ) -> ForgeResult<OptionsReply> {
        if lock(&self.cache).options.is_none() {
            self.query("", &[]).await?;
        }
        let (id, ids) = {
            let cache = lock(&self.cache);
            (cache.pulls.get(&proposal.number).cloned(), cache.options.clone().unwrap_or_default())
        };
        let id = id.ok_or_else(|| self.api.unreadable("the id of a pull request"))?;
        let (mut reply, known) = ids.split(options);
        let mutation = Query::of_options(&id, &known, &ids);
        if mutation.other.is_empty() {
            return Ok(reply);
        }
        let answer = self.send(&mutation.mutation(), mutation.variables).await?;
        for (alias, message) in errors(&answer) {
            let message = self.api.plain(&message);
            match alias {
                "labels" => reply.refuse(known.labels_only(), message),
                "reviewers" => reply.refuse(known.reviewers_only(), message),
                // There is nothing to wait for.
                "autoMerge" if message.contains("clean status") || message.contains("has_hooks status") => {
                    reply.notes.push(self.merge(&id, &ids, proposal.number, draft).await?);
                }
                "autoMerge" => reply.refuse(known.auto_merge_only(), message),
                // Not about one field, such as a rate limit.
                _ => return Err(self.failure(&answer)),
            }
        }
        Ok(reply)
    }

    /// Merges a pull request at the head of `draft`; returns a note about the result.
    async fn merge(&self, id: &str, ids: &OptionIds, number: u64, draft: &ProposalDraft) -> ForgeResult<String> {
        let mut mutation = Query::default();
        mutation.declare("id", "ID!", json!(id));
        mutation.declare("head", "GitObjectID", json!(draft.head.0));
        mutation.declare("method", "PullRequestMergeMethod", json!(ids.merge_method));
        mutation.mutate(
            "merge: mergePullRequest(input: {pullRequestId: $id, expectedHeadOid: $head, mergeMethod: $method})",
        );
        let answer = self.send(&mutation.mutation(), mutation.variables).await?;
        let refused = errors(&answer).next().map(|(_, message)| self.api.plain(&message));
        Ok(match refused {
            None => format!("#{number} was merged: GitHub required no check or review"),
            Some(message) => format!("#{number} can be merged, but GitHub refused to do that now: {message}"),
        })
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

    /// Builds the mutation that requests `options` of a pull request.
    fn of_options(id: &str, options: &ProposalOptions, ids: &OptionIds) -> Self {
        let all = |names: &[String], ids: &HashMap<String, String>| -> Value {
            names.iter().filter_map(|name| ids.get(name)).cloned().collect()
        };
        let mut mutation = Self::default();
        mutation.declare("id", "ID!", json!(id));
        if !options.labels.is_empty() {
            mutation.declare("labels", "[ID!]!", all(&options.labels, &ids.labels));
            mutation.mutate("labels: addLabelsToLabelable(input: {labelableId: $id, labelIds: $labels})");
        }
        if options.has_reviewers() {
            mutation.declare("users", "[ID!]", all(&options.users, &ids.users));
            mutation.declare("teams", "[ID!]", all(&options.teams, &ids.teams));
            mutation.mutate(
                "reviewers: requestReviews(input: {pullRequestId: $id, userIds: $users, teamIds: $teams, union: true})",
            );
        }
        if options.auto_merge {
            mutation.declare("method", "PullRequestMergeMethod", json!(ids.merge_method));
            mutation.mutate("autoMerge: enablePullRequestAutoMerge(input: {pullRequestId: $id, mergeMethod: $method})");
        }
        mutation
    }

    fn text(&self, fragment: &str) -> String {
        let Self { declared, repository, other, .. } = self;
        let declared = declared.join(", ");
        format!("query({declared}) {{ repository(owner: $owner, name: $name) {{{repository} }}{other} }} {fragment}")
    }

    fn mutation(&self) -> String {
        format!("mutation({}) {{{} }}", self.declared.join(", "), self.other)
    }
}

/// Writes the fragment with the fields of a pull request that are compared with `options`.
fn fragment(options: &ProposalOptions) -> String {
    let labels = if options.labels.is_empty() { "" } else { LABELS };
    let teams = if options.teams.is_empty() { "" } else { TEAMS };
    let reviewers = if options.has_reviewers() { REVIEWERS.replace("TEAMS", teams) } else { String::new() };
    let auto_merge = if options.auto_merge { AUTO_MERGE } else { "" };
    format!("fragment P on PullRequest {{ {PULL}{labels}{reviewers}{auto_merge} }}")
}

impl OptionIds {
    /// Reads the ids from the answer to a query with [`Query::add_options`].
    fn read(data: &Value, options: &ProposalOptions) -> Self {
        let read = |object: &Value, prefix: &str, names: &[String]| {
            let ids = names.iter().enumerate().filter_map(|(at, name)| {
                Some((name.clone(), object[format!("{prefix}{at}")]["id"].as_str()?.to_owned()))
            });
            ids.collect()
        };
        let repository = &data["repository"];
        Self {
            labels: read(repository, "l", &options.labels),
            users: read(data, "u", &options.users),
            teams: read(&data["organization"], "t", &options.teams),
            merge_method: repository["viewerDefaultMergeMethod"].as_str().map(str::to_owned),
        }
    }

    /// Splits `options` into refusals of those that do not exist, and the others.
    fn split(&self, options: &ProposalOptions) -> (OptionsReply, ProposalOptions) {
        let (mut reply, mut known) = (OptionsReply::default(), ProposalOptions::default());
        for one in options.each() {
            let is_unknown = |names: &[String], ids: &HashMap<String, String>| {
                names.first().is_some_and(|name| !ids.contains_key(name))
            };
            let unknown = if is_unknown(&one.labels, &self.labels) {
                "it does not exist in the repository; create it"
            } else if is_unknown(&one.users, &self.users) {
                "GitHub has no user of this name"
            } else if is_unknown(&one.teams, &self.teams) {
                "no such team, or the token lacks the organization permission `members: read`"
            } else {
                known.extend(one);
                continue;
            };
            reply.refuse(one, unknown);
        }
        (reply, known)
    }
}

fn proposal(node: &Value) -> Option<ForgeProposal> {
    let text = |key: &str| node[key].as_str().map(str::to_owned);
    let body = text("body").unwrap_or_default();
    let is_by_bot = node["timelineItems"]["nodes"][0]["actor"]["__typename"] == "Bot";
    let closure = protocol::closure(is_by_bot, &node["createdAt"], &node["closedAt"]);
    Some(ForgeProposal {
        number: node["number"].as_u64()?,
        url: text("url")?,
        branch: text("headRefName")?,
        state: protocol::state(node["state"].as_str()?, ["OPEN", "MERGED"], &body, closure),
        head: text("headRefOid"),
        title: text("title")?,
        body,
        is_draft: node["isDraft"].as_bool().unwrap_or(false),
        options: applied(node),
    })
}

/// Reads the options of a pull request. Who has reviewed is no longer requested.
fn applied(node: &Value) -> ProposalOptions {
    let requests = nodes(&node["reviewRequests"]).map(|one| &one["requestedReviewer"]);
    let reviews = nodes(&node["latestReviews"]);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let users = requests.clone().map(|one| &one["login"]).chain(reviews.clone().map(|one| &one["author"]["login"]));
    let reviewed_for = reviews.flat_map(|one| nodes(&one["onBehalfOf"]));
    let teams = requests.chain(reviewed_for).map(|one| &one["slug"]);
    ProposalOptions {
        labels: protocol::names(&node["labels"]["nodes"], "name"),
        users: users.filter_map(text).collect(),
        teams: teams.filter_map(text).collect(),
        auto_merge: !node["autoMergeRequest"].is_null(),
    }
}

/// Lists the nodes of a connection.
fn nodes(connection: &Value) -> impl Iterator<Item = &Value> + Clone {
    connection["nodes"].as_array().into_iter().flatten()
}

/// Lists the errors of an answer: the alias of the field, and the message.
fn errors(answer: &Value) -> impl Iterator<Item = (&str, String)> {
    let errors = answer["errors"].as_array().into_iter().flatten();
    errors.map(|error| {
        let message = escape::terminal(error["message"].as_str().unwrap_or("no message"));
        (error["path"][0].as_str().unwrap_or_default(), message)
    })
}
