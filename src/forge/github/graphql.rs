//! The questions and changes that GitHub takes many of at once, in GraphQL.

use std::fmt::Write as _;

use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{EACH, GitHub, Ids, found};
use crate::forge::send::{ApiCall, ApiClient, ApiReply};
use crate::forge::{ForgeError, ForgeProposal, ProposalOptions};
use crate::text::escape;

/// What is asked of each proposal.
const PROPOSAL: &str = "fragment P on PullRequest { id number url state title body isDraft headRefName headRefOid \
                        isCrossRepository }";

impl GitHub {
    /// Asks for the proposals of `branches` and, where nobody did yet, for what new ones have.
    pub(super) async fn ask(
        &self,
        line: &ApiClient,
        wishes: &ProposalOptions,
        base: &str,
        branches: &[String],
    ) -> Result<Vec<ForgeProposal>, ForgeError> {
        let with_ids = self.told().wishes.is_none();
        let mut question = Question::of(self);
        for (at, branch) in branches.iter().enumerate() {
            question.declare(&format!("b{at}"), "String!", json!(branch));
            // Writing to a `String` does not fail.
            let _ = write!(
                question.repository,
                " b{at}: pullRequests(headRefName: $b{at}, baseRefName: $base, first: {EACH}, orderBy: {{field: \
                 CREATED_AT, direction: DESC}}) {{ nodes {{ ...P }} }}"
            );
        }
        if !branches.is_empty() {
            question.declare("base", "String!", json!(base));
        }
        if with_ids {
            question.wishes(wishes);
        }
        let answer = self.send(line, &question.text(!branches.is_empty()), &question.variables, true).await?;
        let data = &answer["data"];
        let mut all = Vec::new();
        for at in 0..branches.len() {
            let nodes = data["repository"][format!("b{at}")]["nodes"].as_array();
            let nodes = nodes.ok_or_else(|| failure(line, &answer, &self.place()))?;
            for node in nodes.iter().filter(|node| node["isCrossRepository"] == false) {
                let found = found(node).ok_or_else(|| line.unreadable("a pull request"))?;
                if let Some(id) = node["id"].as_str() {
                    self.told().proposals.insert(found.number, id.to_owned());
                }
                all.push(found);
            }
        }
        if data["repository"].is_null() {
            return Err(failure(line, &answer, &self.place()));
        }
        if with_ids {
            self.told().wishes = Some(ids(data, wishes));
        }
        Ok(all)
    }

    /// Gives a new proposal labels, reviewers and auto-merge, in one request.
    pub(crate) async fn finish(
        &self,
        line: &ApiClient,
        wishes: &ProposalOptions,
        proposal: &ForgeProposal,
    ) -> Result<Vec<String>, ForgeError> {
        if wishes.labels.is_empty() && !wishes.has_reviewers() && !wishes.auto_merge {
            return Ok(Vec::new());
        }
        if self.told().wishes.is_none() {
            self.ask(line, wishes, "", &[]).await?;
        }
        let (id, ids) = {
            let known = self.told();
            (known.proposals.get(&proposal.number).cloned(), known.wishes.clone().unwrap_or_default())
        };
        let id = id.ok_or_else(|| line.unreadable("the id of a pull request"))?;
        let mut variables = Map::from_iter([("id".to_owned(), json!(id))]);
        let (mut head, mut text) = ("$id: ID!".to_owned(), String::new());
        if !ids.labels.is_empty() {
            head.push_str(", $labels: [ID!]!");
            text.push_str(
                " labels: addLabelsToLabelable(input: {labelableId: $id, labelIds: $labels}) { clientMutationId }",
            );
            variables.insert("labels".to_owned(), json!(ids.labels));
        }
        if !ids.users.is_empty() || !ids.teams.is_empty() {
            head.push_str(", $users: [ID!], $teams: [ID!]");
            text.push_str(
                " reviewers: requestReviews(input: {pullRequestId: $id, userIds: $users, teamIds: $teams, union: true}) \
                 { clientMutationId }",
            );
            variables.insert("users".to_owned(), json!(ids.users));
            variables.insert("teams".to_owned(), json!(ids.teams));
        }
        if wishes.auto_merge {
            head.push_str(", $method: PullRequestMergeMethod");
            text.push_str(
                " autoMerge: enablePullRequestAutoMerge(input: {pullRequestId: $id, mergeMethod: $method}) { \
                 clientMutationId }",
            );
            variables.insert("method".to_owned(), json!(ids.method));
        }
        let mut notes = ids.missing;
        if !text.is_empty() {
            let answer = self.send(line, &format!("mutation({head}) {{{text} }}"), &variables, true).await?;
            notes.extend(errors(&answer).map(|(what, said)| {
                let what = match what {
                    "labels" => "labels were not set",
                    "reviewers" => "reviewers were not asked",
                    _ => "auto-merge was not turned on",
                };
                format!("{what}: {}", line.plain(&said))
            }));
        }
        Ok(notes)
    }

    /// Sends a document. What asks for a state that may be there already may be sent again.
    pub(super) async fn send(
        &self,
        line: &ApiClient,
        query: &str,
        variables: &Map<String, Value>,
        is_repeatable: bool,
    ) -> Result<Value, ForgeError> {
        let body = json!({"query": query, "variables": variables});
        let url = self.graphql.clone();
        let call = if is_repeatable { ApiCall::set(Method::POST, url, &body) } else { ApiCall::add(url, &body) };
        line.take(call).await
    }

    /// The repository, as messages name it.
    pub(super) fn place(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }
}

/// A question about a repository, as it is put together.
struct Question {
    declared: Vec<String>,
    variables: Map<String, Value>,
    repository: String,
    besides: String,
}

impl Question {
    fn of(github: &GitHub) -> Self {
        let mut question =
            Self { declared: Vec::new(), variables: Map::new(), repository: String::new(), besides: String::new() };
        question.declare("owner", "String!", json!(github.owner));
        question.declare("name", "String!", json!(github.name));
        question
    }

    fn declare(&mut self, name: &str, kind: &str, value: Value) {
        self.declared.push(format!("${name}: {kind}"));
        self.variables.insert(name.to_owned(), value);
    }

    /// Asks for the ids of labels and reviewers, and for how the repository merges.
    fn wishes(&mut self, wishes: &ProposalOptions) {
        self.repository.push_str(" viewerDefaultMergeMethod");
        for (at, label) in wishes.labels.iter().enumerate() {
            self.declare(&format!("l{at}"), "String!", json!(label));
            let _ = write!(self.repository, " l{at}: label(name: $l{at}) {{ id }}");
        }
        for (at, user) in wishes.users.iter().enumerate() {
            self.declare(&format!("u{at}"), "String!", json!(user));
            let _ = write!(self.besides, " u{at}: user(login: $u{at}) {{ id }}");
        }
        if !wishes.teams.is_empty() {
            self.declare("org", "String!", self.variables["owner"].clone());
            self.besides.push_str(" organization(login: $org) {");
            for (at, team) in wishes.teams.iter().enumerate() {
                self.declare(&format!("t{at}"), "String!", json!(team));
                let _ = write!(self.besides, " t{at}: team(slug: $t{at}) {{ id }}");
            }
            self.besides.push_str(" }");
        }
    }

    fn text(&self, with_proposals: bool) -> String {
        let Self { declared, repository, besides, .. } = self;
        let fragment = if with_proposals { PROPOSAL } else { "" };
        let declared = declared.join(", ");
        format!("query({declared}) {{ repository(owner: $owner, name: $name) {{{repository} }}{besides} }} {fragment}")
    }
}

/// The ids that an answer has, and a note on each that it has not.
fn ids(data: &Value, wishes: &ProposalOptions) -> Ids {
    let mut ids = Ids::default();
    let repository = &data["repository"];
    ids.method = repository["viewerDefaultMergeMethod"].as_str().map(str::to_owned);
    let mut read = |of: &Value, prefix: &str, names: &[String], none: &dyn Fn(&str) -> String| {
        let mut found = Vec::new();
        for (at, name) in names.iter().enumerate() {
            match of[format!("{prefix}{at}")]["id"].as_str() {
                Some(id) => found.push(id.to_owned()),
                None => ids.missing.push(none(name)),
            }
        }
        found
    };
    let labels =
        read(repository, "l", &wishes.labels, &|name| format!("the repository has no label `{name}`: create it"));
    let users = read(data, "u", &wishes.users, &|name| format!("GitHub knows no user `{name}`"));
    let teams = read(&data["organization"], "t", &wishes.teams, &|name| {
        format!("GitHub shows no team `{name}`: the token needs `members: read` of the organization")
    });
    Ids { labels, users, teams, ..ids }
}

/// The errors of an answer: the alias that each is about, and what it says.
fn errors(answer: &Value) -> impl Iterator<Item = (&str, String)> {
    let errors = answer["errors"].as_array().into_iter().flatten();
    errors.map(|error| {
        let said = escape::terminal(error["message"].as_str().unwrap_or("no reason was given"));
        (error["path"][0].as_str().unwrap_or_default(), said)
    })
}

/// What an answer means that lacks what it was asked for.
pub(super) fn failure(line: &ApiClient, answer: &Value, repository: &str) -> ForgeError {
    let kinds = answer["errors"].as_array().into_iter().flatten().filter_map(|error| error["type"].as_str());
    let said = errors(answer).map(|(_, said)| said).next().unwrap_or_default();
    let status = kinds.fold(StatusCode::UNPROCESSABLE_ENTITY, |other, kind| match kind {
        "NOT_FOUND" => StatusCode::NOT_FOUND,
        "FORBIDDEN" | "INSUFFICIENT_SCOPES" => StatusCode::FORBIDDEN,
        "RATE_LIMITED" => StatusCode::TOO_MANY_REQUESTS,
        _ => other,
    });
    if said.is_empty() {
        return line.unreadable(&format!("the pull requests of `{repository}`"));
    }
    line.refused(&ApiReply { status, body: json!({"message": said}), total: None })
}
