//! Azure DevOps dialect. Lists truncate descriptions.

use serde_json::{Value, json};

use super::contract::Operation;
use super::{Kind, Part, Pull, PullState, State, text};
use crate::support::registry::http::Request;

/// Characters of a description that a list contains.
const SHORT: usize = 400;
const AUTHOR: &str = "d6245f20-2af8-44f4-9451-8107cb2767db";

pub(super) fn act(state: &mut State, operation: &Operation<'_>, request: &Request, body: &Value) -> Part {
    let number = operation.parameters.get(3).cloned().unwrap_or_default();
    let gone = || (404, json!({"message": "TF401180: The requested pull request was not found."}));
    match operation.name {
        "Pull Requests/Get Pull Requests" => {
            let one = |key: &str| request.query(key).first().cloned();
            let (base, branch) = (one("searchCriteria.targetRefName"), one("searchCriteria.sourceRefName"));
            let is = |asked: &Option<String>, branch: &str| {
                asked.as_ref().is_none_or(|asked| *asked == format!("refs/heads/{branch}"))
            };
            let is_asked = |pull: &&Pull| is(&base, &pull.base) && is(&branch, &pull.branch);
            let count = |key: &str, other: usize| one(key).map_or(other, |text| text.parse().unwrap());
            let (skip, top) = (count("$skip", 0), count("$top", 100));
            let found = state.pulls.iter().rev().filter(is_asked).skip(skip).take(top);
            let values: Vec<Value> = found.map(|pull| shown(pull, SHORT)).collect();
            (200, json!({"count": values.len(), "value": values}))
        }
        "Pull Requests/Create" => {
            let branch = |key: &str| text(body, key).trim_start_matches("refs/heads/").to_owned();
            let (source, base) = (branch("sourceRefName"), branch("targetRefName"));
            if state.tip(&source).is_none() {
                return (400, json!({"message": "TF401398: The pull request source branch does not exist."}));
            }
            if text(body, "description").chars().count() > 4_000 {
                return (400, json!({"message": "The description is too long."}));
            }
            if body["reviewers"].to_string().contains(Kind::Azure.unknown_reviewer()) {
                return (400, json!({"message": "TF50309: The identity cannot be found."}));
            }
            let Some(pull) = state.open(&source, &base, text(body, "title"), text(body, "description")) else {
                return (
                    409,
                    json!({"message": "TF401179: An active pull request for the source and target branch already exists."}),
                );
            };
            pull.is_draft = body["isDraft"] == true;
            let list = |list: &str, key: &str| -> Vec<String> {
                let all = body[list].as_array().into_iter().flatten();
                all.map(|one| one[key].as_str().unwrap().to_owned()).collect()
            };
            (pull.labels, pull.reviewers) = (list("labels", "name"), list("reviewers", "id"));
            (201, single(pull))
        }
        "Pull Requests/Get Pull Request" => state.of(&number).map_or_else(gone, |pull| (200, single(pull))),
        "Pull Requests/Update" => {
            let Some(pull) = state.of(&number) else { return gone() };
            for (key, place) in [("title", &mut pull.title), ("description", &mut pull.body)] {
                if let Some(text) = body[key].as_str() {
                    *place = text.to_owned();
                }
            }
            if body["status"] == "abandoned" && pull.state == PullState::Open {
                pull.state = PullState::Closed;
            }
            pull.auto_merge |= body["autoCompleteSetBy"]["id"] == AUTHOR;
            (200, single(pull))
        }
        "Pull Request Labels/Create" => {
            let Some(pull) = state.of(&number) else { return gone() };
            pull.labels.push(text(body, "name").to_owned());
            (200, json!({"name": text(body, "name"), "active": true}))
        }
        "Pull Request Reviewers/Create Pull Request Reviewer" => {
            let Some(pull) = state.of(&number) else { return gone() };
            let id = operation.parameters[4].clone();
            if id == Kind::Azure.unknown_reviewer() {
                return (400, json!({"message": "TF50309: The identity cannot be found."}));
            }
            pull.reviewers.push(id.clone());
            (200, json!({"id": id, "vote": 0}))
        }
        "Pull Request Threads/Create" => {
            let Some(pull) = state.of(&number) else { return gone() };
            pull.comments.push(body["comments"][0]["content"].as_str().unwrap().to_owned());
            (200, json!({}))
        }
        other => unreachable!("{other}"),
    }
}

/// Answers a request for one pull request, which never contains labels.
fn single(pull: &Pull) -> Value {
    let mut one = shown(pull, usize::MAX);
    one.as_object_mut().unwrap().remove("labels");
    one
}

fn shown(pull: &Pull, length: usize) -> Value {
    let [opened, closed] = pull.times();
    let mut one = json!({
        "pullRequestId": pull.number,
        "status": match pull.state {
            PullState::Open => "active",
            PullState::Merged => "completed",
            PullState::Closed => "abandoned",
        },
        "title": pull.title,
        "description": pull.body.chars().take(length).collect::<String>(),
        "isDraft": pull.is_draft,
        "sourceRefName": format!("refs/heads/{}", pull.branch),
        "targetRefName": format!("refs/heads/{}", pull.base),
        "createdBy": {"id": AUTHOR},
        "labels": pull.labels.iter().map(|name| json!({"name": name, "active": true})).collect::<Vec<_>>(),
        "reviewers": pull.reviewers.iter().map(|id| json!({"id": id, "vote": 0})).collect::<Vec<_>>(),
        "creationDate": opened,
    });
    if pull.auto_merge {
        one["autoCompleteSetBy"] = json!({"id": AUTHOR});
    }
    if pull.state != PullState::Open {
        let kind = if pull.expired_after.is_some() { "svc.YTk4" } else { "aad.YTk4" };
        (one["closedDate"], one["closedBy"]) = (closed.into(), json!({"descriptor": kind}));
    }
    one
}
