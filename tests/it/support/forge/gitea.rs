//! Gitea dialect.

use serde_json::{Value, json};

use super::contract::Operation;
use super::{Kind, Part, Pull, PullState, State, page, text};
use crate::support::registry::http::Request;

/// Labels of the repository and of its organization, with their ids.
const LABELS: [(&str, u64); 1] = [("images", 21)];
const OF_ORGANIZATION: [(&str, u64); 1] = [("bot", 22)];

pub(super) fn act(state: &mut State, operation: &Operation<'_>, request: &Request, body: &Value) -> Part {
    let number = operation.parameters.get(2).cloned().unwrap_or_default();
    let labels = |all: &[(&str, u64)]| all.iter().map(|(name, id)| json!({"id": id, "name": name})).collect::<Vec<_>>();
    match operation.name {
        "repoListPullRequests" => {
            let all: Vec<Value> = state.pulls.iter().rev().map(shown).collect();
            (200, page(&all, request, "limit").into())
        }
        "repoGetPullRequestByBaseHead" => {
            let (base, branch) = (&operation.parameters[2], &operation.parameters[3]);
            let found = state.pulls.iter().rev().find(|pull| pull.base == *base && pull.branch == *branch);
            found.map_or((404, Value::Null), |pull| (200, shown(pull)))
        }
        "repoCreatePullRequest" => {
            if state.tip(text(body, "head")).is_none() {
                return (404, Value::Null);
            }
            if reviewers(body).iter().any(|name| name == Kind::Gitea.unknown_reviewer()) {
                return (404, json!({"message": "user does not exist"}));
            }
            let title = text(body, "title");
            let Some(pull) = state.open(text(body, "head"), text(body, "base"), title, text(body, "body")) else {
                return (409, json!({"message": "pull request already exists for these targets"}));
            };
            pull.is_draft = title.starts_with("WIP: ");
            pull.labels = named(body);
            pull.reviewers = reviewers(body);
            (201, shown(pull))
        }
        "repoEditPullRequest" => {
            let Some(pull) = state.of(&number) else { return (404, Value::Null) };
            for (key, place) in [("title", &mut pull.title), ("body", &mut pull.body)] {
                if let Some(text) = body[key].as_str() {
                    *place = text.to_owned();
                }
            }
            if body["state"] == "closed" && pull.state == PullState::Open {
                pull.state = PullState::Closed;
            }
            (201, shown(pull))
        }
        "repoMergePullRequest" => {
            if state.of(&number).is_some_and(|pull| pull.auto_merge) {
                return (409, json!({"message": "The auto merge is already scheduled"}));
            }
            match state.enable_auto_merge(&number, text(body, "head_commit_id")) {
                None => (201, Value::Null),
                Some(message) => (405, json!({"message": message})),
            }
        }
        "repoCreatePullReviewRequests" => {
            let Some(pull) = state.of(&number) else { return (404, Value::Null) };
            if reviewers(body).iter().any(|name| name == Kind::Gitea.unknown_reviewer()) {
                return (404, json!({"message": "user does not exist"}));
            }
            pull.reviewers.extend(reviewers(body));
            (201, json!([]))
        }
        "issueCreateComment" => {
            let Some(pull) = state.of(&number) else { return (404, Value::Null) };
            pull.comments.push(text(body, "body").to_owned());
            (201, json!({"body": text(body, "body")}))
        }
        "issueAddLabel" => {
            let Some(pull) = state.of(&number) else { return (404, Value::Null) };
            pull.labels.extend(named(body));
            (200, json!([]))
        }
        "issueListLabels" => (200, page(&labels(&LABELS), request, "limit").into()),
        "orgListLabels" => (200, page(&labels(&OF_ORGANIZATION), request, "limit").into()),
        other => unreachable!("{other}"),
    }
}

/// Names the labels whose ids are in `body`.
fn named(body: &Value) -> Vec<String> {
    let ids = body["labels"].as_array().into_iter().flatten().filter_map(Value::as_u64);
    let name = |id| LABELS.iter().chain(&OF_ORGANIZATION).find(|(_, known)| *known == id).unwrap().0.to_owned();
    ids.map(name).collect()
}

fn reviewers(body: &Value) -> Vec<String> {
    let lists = ["reviewers", "team_reviewers"].map(|key| body[key].as_array().into_iter().flatten());
    lists.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

fn shown(pull: &Pull) -> Value {
    let repo = json!({"default_merge_style": "squash"});
    let (teams, people): (Vec<&String>, Vec<&String>) = pull.reviewers.iter().partition(|name| *name == "platform");
    json!({
        "number": pull.number,
        "html_url": format!("https://git.acme.example/acme/deploy/pulls/{}", pull.number),
        "state": if pull.state == PullState::Open { "open" } else { "closed" },
        "merged": pull.state == PullState::Merged,
        "title": pull.title,
        "body": pull.body,
        "head": {"ref": pull.branch, "sha": "0".repeat(40), "repo_id": 7},
        "base": {"ref": pull.base, "repo_id": 7, "repo": repo},
        "labels": pull.labels.iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
        "requested_reviewers": people.iter().map(|name| json!({"login": name})).collect::<Vec<_>>(),
        "requested_reviewers_teams": teams.iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
    })
}
