//! GitHub dialect: REST for one proposal, GraphQL for many.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::contract::Operation;
use super::graphql::{Given, Schema};
use super::{AutoMerge, Part, Pull, PullState, State, text};
use crate::support::remote::{git_in, run};

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::new(include_str!("contract/github.graphql")));

/// Labels, people and teams that exist.
const LABELS: [&str; 2] = ["images", "bot"];
const USERS: [&str; 2] = ["alice", "bob"];
const TEAMS: [&str; 1] = ["platform"];

pub(super) fn act(state: &mut State, operation: &Operation<'_>, body: &Value) -> Part {
    let number = operation.parameters.get(2).cloned().unwrap_or_default();
    match operation.name {
        "pulls/create" => {
            if state.tip(text(body, "head")).is_none() {
                return (
                    422,
                    json!({"message": "Validation Failed", "errors": [{"resource": "PullRequest", "field": "head", "code": "invalid"}]}),
                );
            }
            let made = state.open(text(body, "head"), text(body, "base"), text(body, "title"), text(body, "body"));
            let Some(pull) = made else {
                let message = format!("A pull request already exists for acme:{}.", text(body, "head"));
                let error = json!({"resource": "PullRequest", "code": "custom", "message": message});
                return (422, json!({"message": "Validation Failed", "errors": [error]}));
            };
            pull.is_draft = body["draft"] == true;
            (201, shown(pull))
        }
        "pulls/update" => {
            let Some(pull) = state.of(&number) else { return (404, json!({"message": "Not Found"})) };
            for (key, place) in [("title", &mut pull.title), ("body", &mut pull.body)] {
                if let Some(text) = body[key].as_str() {
                    *place = text.to_owned();
                }
            }
            if body["state"] == "closed" && pull.state == PullState::Open {
                pull.state = PullState::Closed;
            }
            (200, shown(pull))
        }
        "issues/create-comment" => {
            let Some(pull) = state.of(&number) else { return (404, json!({"message": "Not Found"})) };
            pull.comments.push(text(body, "body").to_owned());
            (201, json!({"body": text(body, "body")}))
        }
        "git/create-tree" => {
            let index = state.repo.join("index-of-a-tree");
            let git = |args: &[&str], input: &[u8]| {
                let output = run(git_in(&state.repo).env("GIT_INDEX_FILE", &index).args(args), input);
                String::from_utf8(output).unwrap().trim().to_owned()
            };
            git(&["read-tree", text(body, "base_tree")], b"");
            for entry in body["tree"].as_array().unwrap() {
                let blob = git(&["hash-object", "-w", "--stdin"], text(entry, "content").as_bytes());
                let place = format!("{},{blob},{}", text(entry, "mode"), text(entry, "path"));
                git(&["update-index", "--add", "--cacheinfo", &place], b"");
            }
            let tree = git(&["write-tree"], b"");
            std::fs::remove_file(index).unwrap();
            (201, json!({"sha": tree}))
        }
        "git/create-commit" => {
            let app = "github-actions[bot] <41898282+github-actions[bot]@users.noreply.github.com> 1750000000 +0000";
            let (tree, parent) = (text(body, "tree"), body["parents"][0].as_str().unwrap());
            let header = format!(
                "tree {tree}\nparent {parent}\nauthor {app}\ncommitter GitHub <noreply@github.com> 1750000000 +0000\n"
            );
            let message = text(body, "message");
            let signature = "-----BEGIN PGP SIGNATURE-----\n\nwsFcBAABCAAQ\n=abcd\n-----END PGP SIGNATURE-----\n";
            let is_app = state.signs;
            let signed = format!("{header}gpgsig {}\n\n{message}", signature.replace('\n', "\n "));
            let whole = if is_app { signed } else { format!("{header}\n{message}") };
            let output =
                run(git_in(&state.repo).args(["hash-object", "-t", "commit", "-w", "--stdin"]), whole.as_bytes());
            let verification = match is_app {
                true => {
                    json!({"verified": true, "reason": "valid", "signature": signature, "payload": format!("{header}\n{message}"), "verified_at": "2026-11-24T12:00:00Z"})
                }
                false => json!({"verified": false, "reason": "unsigned"}),
            };
            (201, json!({"sha": String::from_utf8(output).unwrap().trim(), "verification": verification}))
        }
        other => unreachable!("{other}"),
    }
}

fn shown(pull: &Pull) -> Value {
    json!({
        "number": pull.number,
        "node_id": format!("PR_{}", pull.number),
        "html_url": page(pull),
        "state": if pull.state == PullState::Open { "open" } else { "closed" },
        "merged": pull.state == PullState::Merged,
        "title": pull.title,
        "body": pull.body,
        "draft": pull.is_draft,
        "head": {"ref": pull.branch},
        "base": {"ref": pull.base},
    })
}

fn page(pull: &Pull) -> String {
    format!("https://github.com/acme/deploy/pull/{}", pull.number)
}

/// Answers a document, and records deviations from the schema.
pub(super) fn graphql(state: &mut State, body: &Value) -> Value {
    let answer =
        SCHEMA.run(body, Node::Query, Node::Mutation, |node, field, arguments| give(state, node, field, arguments));
    answer.unwrap_or_else(|wrong| {
        state.wrong.extend(wrong);
        json!({"errors": [{"message": "invalid"}]})
    })
}

/// Fields of an object that has no further ones; lists and objects are JSON.
type Leaves = serde_json::Map<String, Value>;

/// An object of the schema.
enum Node {
    Query,
    Mutation,
    Repository,
    Pulls(Vec<Pull>),
    Pull(Pull),
    Organization,
    /// A list whose items are these objects.
    List(Vec<Leaves>),
    /// An object of these fields.
    Leaves(Leaves),
    /// An object that has only an id.
    Id(String),
    /// The result of a mutation.
    Payload,
}

fn give(state: &mut State, node: &Node, field: &str, arguments: &Value) -> Given<Node> {
    let named = |names: &[&str], key: &str| {
        let name = text(arguments, key);
        match names.contains(&name) {
            true => Given::Node(Node::Id(format!("{key}-{name}"))),
            false if key == "login" => {
                Given::Error("NOT_FOUND", format!("Could not resolve to a User with the login of '{name}'."))
            }
            false => Given::Nothing,
        }
    };
    match (node, field) {
        (Node::Query, "repository") if arguments["owner"] == "acme" && arguments["name"] == "deploy" => {
            Given::Node(Node::Repository)
        }
        (Node::Query, "repository") => {
            Given::Error("NOT_FOUND", "Could not resolve to a Repository with this name.".to_owned())
        }
        (Node::Query, "organization") => Given::Node(Node::Organization),
        (Node::Query, "user") => named(&USERS, "login"),
        (Node::Organization, "team") => named(&TEAMS, "slug"),
        (Node::Repository, "label") => named(&LABELS, "name"),
        (Node::Repository, "viewerDefaultMergeMethod") => Given::Leaf("SQUASH".into()),
        (Node::Repository, "pullRequests") => {
            let is_asked = |pull: &&Pull| {
                pull.branch == text(arguments, "headRefName") && pull.base == text(arguments, "baseRefName")
            };
            let count = arguments["first"].as_u64().unwrap() as usize;
            Given::Node(Node::Pulls(state.pulls.iter().rev().filter(is_asked).take(count).cloned().collect()))
        }
        (Node::Pulls(all), "nodes") => Given::Nodes(all.iter().cloned().map(Node::Pull).collect()),
        (Node::Pull(pull), field) => Given::Leaf(match field {
            "id" => format!("PR_{}", pull.number).into(),
            "number" => pull.number.into(),
            "url" => page(pull).into(),
            "state" => match pull.state {
                PullState::Open => "OPEN",
                PullState::Merged => "MERGED",
                PullState::Closed => "CLOSED",
            }
            .into(),
            "title" => pull.title.as_str().into(),
            // The web editor of GitHub ends lines with CRLF.
            "body" => pull.body.replace('\n', "\r\n").into(),
            "isDraft" => pull.is_draft.into(),
            "isCrossRepository" => false.into(),
            "headRefName" => pull.branch.as_str().into(),
            "headRefOid" => "0".repeat(40).into(),
            "createdAt" => pull.times()[0].as_str().into(),
            "closedAt" if pull.state == PullState::Open => Value::Null,
            "closedAt" => pull.times()[1].as_str().into(),
            other => return options(pull, other),
        }),
        (Node::List(items), "nodes") => Given::Nodes(items.iter().cloned().map(Node::Leaves).collect()),
        (Node::Leaves(fields), field) => match fields.get(field) {
            Some(Value::Object(inner)) => Given::Node(match inner.get("nodes") {
                Some(Value::Array(items)) => {
                    Node::List(items.iter().map(|one| one.as_object().unwrap().clone()).collect())
                }
                _ => Node::Leaves(inner.clone()),
            }),
            Some(Value::Null) | None => Given::Nothing,
            Some(leaf) => Given::Leaf(leaf.clone()),
        },
        (Node::Id(id), "id") => Given::Leaf(id.as_str().into()),
        (Node::Mutation, field) => mutate(state, field, &arguments["input"]),
        (Node::Payload, _) => Given::Nothing,
        (_, other) => unreachable!("{other}"),
    }
}

/// Executes a mutation.
fn mutate(state: &mut State, field: &str, input: &Value) -> Given<Node> {
    let list = |key: &str| -> Vec<String> {
        let ids = input[key].as_array().into_iter().flatten();
        ids.map(|id| id.as_str().unwrap().split_once('-').unwrap().1.to_owned()).collect()
    };
    let id = input["pullRequestId"].as_str().or(input["labelableId"].as_str()).unwrap();
    let number: u64 = id.trim_start_matches("PR_").parse().unwrap();
    let (answer, branch) = (state.auto_merge, state.pull(number).branch.clone());
    let is_at_tip = state.tip(&branch).as_deref() == input["expectedHeadOid"].as_str();
    let pull = state.pull(number);
    let failed = |message: &str| Given::Error("UNPROCESSABLE", message.to_owned());
    match field {
        "addLabelsToLabelable" => pull.labels.extend(list("labelIds")),
        "requestReviews" => pull.reviewers.extend(list("userIds").into_iter().chain(list("teamIds"))),
        "enablePullRequestAutoMerge" => match answer {
            AutoMerge::Enabled => pull.auto_merge = true,
            AutoMerge::NotYet => return failed("Pull request is in unstable status"),
            AutoMerge::Clean | AutoMerge::CleanRefused => {
                return failed("Pull request Pull request is in clean status");
            }
        },
        "mergePullRequest" if answer == AutoMerge::CleanRefused => {
            return failed("At least 1 approving review is required by reviewers with write access.");
        }
        "mergePullRequest" if !is_at_tip => return failed("Head branch was modified."),
        "mergePullRequest" => state.merge(number),
        other => unreachable!("{other}"),
    }
    Given::Node(Node::Payload)
}

/// Answers a field with the options of a pull request, or with its end.
fn options(pull: &Pull, field: &str) -> Given<Node> {
    let list =
        |items: Vec<Value>| Given::Node(Node::List(items.iter().map(|one| one.as_object().unwrap().clone()).collect()));
    match field {
        "labels" => list(pull.labels.iter().map(|name| json!({"name": name})).collect()),
        "reviewRequests" => {
            let reviewer = |name: &String| match TEAMS.contains(&name.as_str()) {
                true => json!({"__typename": "Team", "slug": name}),
                false => json!({"__typename": "User", "login": name}),
            };
            let requested = pull.reviewers.iter().filter(|name| !pull.reviewed.contains(name));
            list(requested.map(|name| json!({"requestedReviewer": reviewer(name)})).collect())
        }
        "latestReviews" => {
            let (teams, people): (Vec<&String>, Vec<&String>) =
                pull.reviewed.iter().partition(|name| TEAMS.contains(&name.as_str()));
            let teams: Vec<Value> = teams.into_iter().map(|name| json!({"slug": name})).collect();
            let review = |name| json!({"author": {"login": name}, "onBehalfOf": {"nodes": teams}});
            list(people.into_iter().map(review).collect())
        }
        "autoMergeRequest" if pull.auto_merge => {
            Given::Node(Node::Leaves(json!({"enabledAt": pull.times()[0]}).as_object().unwrap().clone()))
        }
        "autoMergeRequest" => Given::Nothing,
        "timelineItems" => {
            let actor = if pull.expired_after.is_some() { "Bot" } else { "User" };
            let closed = json!({"__typename": "ClosedEvent", "actor": {"__typename": actor}});
            list(if pull.state == PullState::Closed { vec![closed] } else { Vec::new() })
        }
        other => unreachable!("{other}"),
    }
}
