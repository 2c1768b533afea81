//! GitLab dialect.

use serde_json::{Value, json};

use super::contract::Operation;
use super::{Part, Pull, PullState, State, page, text};
use crate::support::registry::http::Request;

/// People who exist, with their ids.
const USERS: [(&str, u64); 2] = [("alice", 11), ("bob", 12)];

pub(super) fn act(state: &mut State, operation: &Operation<'_>, request: &Request, body: &Value) -> Part {
    let gone = || (404, json!({"message": "404 Not found"}));
    let number = operation.parameters.get(1).cloned().unwrap_or_default();
    match operation.name {
        "MergeRequests/all" => {
            let one = |key: &str| request.query(key).first().cloned();
            let (base, branch) = (one("target_branch"), one("source_branch"));
            let is_asked = |pull: &&Pull| {
                base.as_ref().is_none_or(|base| *base == pull.base)
                    && branch.as_ref().is_none_or(|branch| *branch == pull.branch)
            };
            let all: Vec<Value> = state.pulls.iter().rev().filter(is_asked).map(shown).collect();
            (200, page(&all, request, "per_page").into())
        }
        "MergeRequests/create" => {
            let branch = text(body, "source_branch");
            if state.tip(branch).is_none() {
                return (400, json!({"message": ["Source branch does not exist"]}));
            }
            let title = text(body, "title");
            let made = state.open(branch, text(body, "target_branch"), title, text(body, "description"));
            let Some(pull) = made else {
                let message = format!("Another open merge request already exists for this source branch: !{branch}");
                return (409, json!({"message": [message]}));
            };
            pull.is_draft = title.starts_with("Draft: ");
            pull.labels = text(body, "labels").split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect();
            pull.reviewers = reviewers(body);
            (201, shown(pull))
        }
        "MergeRequests/edit" => {
            let Some(pull) = state.of(&number) else { return gone() };
            for (key, place) in [("title", &mut pull.title), ("description", &mut pull.body)] {
                if let Some(text) = body[key].as_str() {
                    *place = text.to_owned();
                }
            }
            let labels = text(body, "add_labels").split(',').filter(|one| !one.is_empty());
            pull.labels.extend(labels.map(str::to_owned));
            if body["reviewer_ids"].is_array() {
                pull.reviewers = reviewers(body);
            }
            if body["state_event"] == "close" && pull.state == PullState::Open {
                pull.state = PullState::Closed;
            }
            (200, shown(pull))
        }
        "MergeRequests/merge" => match state.enable_auto_merge(&number, text(body, "sha")) {
            Some(message) => (405, json!({"message": message})),
            None => state.of(&number).map_or_else(gone, |pull| (200, shown(pull))),
        },
        "MergeRequestNotes/create" => {
            let Some(pull) = state.of(&number) else { return gone() };
            pull.comments.push(text(body, "body").to_owned());
            (201, json!({"body": text(body, "body")}))
        }
        "Users/all" => {
            let asked = request.query("username");
            let found = USERS.iter().filter(|(name, _)| asked.iter().any(|asked| asked == name));
            (200, found.map(|(name, id)| json!({"id": id, "username": name})).collect())
        }
        other => unreachable!("{other}"),
    }
}

/// Names the reviewers whose ids are in `body`.
fn reviewers(body: &Value) -> Vec<String> {
    let ids = body["reviewer_ids"].as_array().into_iter().flatten().filter_map(Value::as_u64);
    ids.map(|id| USERS.iter().find(|(_, known)| *known == id).unwrap().0.to_owned()).collect()
}

fn shown(pull: &Pull) -> Value {
    let [opened, closed] = pull.times();
    let closer = if pull.expired_after.is_some() { "project_7_bot_1f2e3d" } else { "carol" };
    let reviewer = |name: &String| {
        let id = USERS.iter().find(|(known, _)| known == name).unwrap().1;
        json!({"id": id, "username": name})
    };
    json!({
        "labels": pull.labels,
        "reviewers": pull.reviewers.iter().map(reviewer).collect::<Vec<_>>(),
        "merge_when_pipeline_succeeds": pull.auto_merge,
        "created_at": opened,
        "closed_at": if pull.state == PullState::Closed { closed.into() } else { Value::Null },
        "closed_by": if pull.state == PullState::Closed { json!({"username": closer}) } else { Value::Null },
        "iid": pull.number,
        "web_url": format!("https://gitlab.com/acme/deploy/-/merge_requests/{}", pull.number),
        "state": match pull.state {
            PullState::Open => "opened",
            PullState::Merged => "merged",
            PullState::Closed => "closed",
        },
        "title": pull.title,
        "description": pull.body,
        "draft": pull.is_draft,
        "source_branch": pull.branch,
        "target_branch": pull.base,
        "source_project_id": 7,
        "target_project_id": 7,
        "sha": "0".repeat(40),
    })
}
