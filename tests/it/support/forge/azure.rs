//! Fake Azure DevOps. Lists abbreviate descriptions.

use serde_json::{Value, json};

use super::contract::Operation;
use super::{Part, Pull, PullState, State, text};
use crate::support::registry::http::Request;

/// Length of descriptions in lists.
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
            (201, shown(pull, usize::MAX))
        }
        "Pull Requests/Get Pull Request" => state.of(&number).map_or_else(gone, |pull| (200, shown(pull, usize::MAX))),
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
            (200, shown(pull, usize::MAX))
        }
        "Pull Request Threads/Create" => {
            let Some(pull) = state.of(&number) else { return gone() };
            pull.comments.push(body["comments"][0]["content"].as_str().unwrap().to_owned());
            (200, json!({}))
        }
        other => unreachable!("{other}"),
    }
}

fn shown(pull: &Pull, length: usize) -> Value {
    json!({
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
    })
}
