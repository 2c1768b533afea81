//! Bitbucket Cloud dialect.

use serde_json::{Value, json};

use super::contract::Operation;
use super::{Kind, Part, Pull, PullState, State, text};
use crate::support::registry::http::Request;

pub(super) fn act(state: &mut State, operation: &Operation<'_>, request: &Request, body: &Value) -> Part {
    let number = operation.parameters.get(2).cloned().unwrap_or_default();
    let gone = || (404, json!({"type": "error", "error": {"message": "Not found"}}));
    match operation.name {
        "listPullRequests" => list(state, request),
        "createPullRequest" => {
            let branch = body["source"]["branch"]["name"].as_str().unwrap();
            let base = body["destination"]["branch"]["name"].as_str().unwrap();
            if state.tip(branch).is_none() {
                return (400, json!({"type": "error", "error": {"message": "source: branch not found"}}));
            }
            if is_refused(body) {
                return refused();
            }
            let Some(pull) = state.open(branch, base, text(body, "title"), text(body, "description")) else {
                let message = "There is already an open pull request for these branches";
                return (409, json!({"type": "error", "error": {"message": message}}));
            };
            pull.is_draft = body["draft"] == true;
            pull.reviewers = reviewers(body);
            (201, shown(pull))
        }
        "getPullRequest" => state.of(&number).map_or_else(gone, |pull| (200, shown(pull))),
        "updatePullRequest" => {
            let Some(pull) = state.of(&number) else { return gone() };
            if pull.state != PullState::Open {
                return (400, json!({"type": "error", "error": {"message": "This pull request is already closed."}}));
            }
            if is_refused(body) {
                return refused();
            }
            pull.title = text(body, "title").to_owned();
            if let Some(text) = body["description"].as_str() {
                pull.body = text.to_owned();
            }
            // Reviewers who are missing from the list are removed.
            pull.reviewers = reviewers(body);
            (200, shown(pull))
        }
        "declinePullRequest" => {
            let Some(pull) = state.of(&number) else { return gone() };
            pull.state = PullState::Closed;
            (200, shown(pull))
        }
        "createPullRequestComment" => {
            let Some(pull) = state.of(&number) else { return gone() };
            let said = body["content"]["raw"].as_str().unwrap();
            pull.comments.push(said.to_owned());
            (201, json!({"content": {"raw": said}}))
        }
        other => unreachable!("{other}"),
    }
}

/// Lists one page of pull requests.
fn list(state: &State, request: &Request) -> Part {
    let query = &request.query("q")[0];
    // Such as `source.branch.name = "x" AND destination.branch.name = "main"`, or with `~` instead of `=`.
    let (source, base) = query.split_once(" AND destination.branch.name = ").unwrap();
    let plain = |text: &str| text.trim_matches('"').to_owned();
    let base = plain(base);
    let fits: Box<dyn Fn(&Pull) -> bool> = match source.split_once(" ~ ") {
        Some((_, part)) => {
            let part = plain(part);
            Box::new(move |pull| pull.branch.contains(&part))
        }
        None => {
            let branch = plain(source.split_once(" = ").unwrap().1);
            Box::new(move |pull| pull.branch == branch)
        }
    };
    let all: Vec<&Pull> = state.pulls.iter().rev().filter(|pull| pull.base == base && fits(pull)).collect();
    let number = |key: &str| request.query(key)[0].parse::<usize>().unwrap();
    let (page, size) = (number("page"), number("pagelen"));
    let mut values: Vec<Value> = all.iter().skip((page - 1) * size).take(size).map(|pull| shown(pull)).collect();
    if !request.query("fields").contains(&"+values.reviewers".to_owned()) {
        values.iter_mut().for_each(|one| drop(one.as_object_mut().unwrap().remove("reviewers")));
    }
    let mut part = json!({"values": values});
    if all.len() > page * size {
        part["next"] = json!(format!("https://api.bitbucket.org/2.0/repositories/x?page={}", page + 1));
    }
    (200, part)
}

fn is_refused(body: &Value) -> bool {
    reviewers(body).iter().any(|id| id == Kind::Bitbucket.unknown_reviewer())
}

fn refused() -> Part {
    (400, json!({"type": "error", "error": {"message": "reviewers: Malformed reviewers list"}}))
}

fn reviewers(body: &Value) -> Vec<String> {
    let all = body["reviewers"].as_array().into_iter().flatten();
    all.filter_map(|who| who["uuid"].as_str().or(who["account_id"].as_str())).map(str::to_owned).collect()
}

fn shown(pull: &Pull) -> Value {
    let place = |branch: &str| json!({"branch": {"name": branch}, "repository": {"full_name": "acme/deploy"}});
    let [opened, closed] = pull.times();
    let closer = if pull.expired_after.is_some() { "app_user" } else { "user" };
    json!({
        "created_on": opened,
        "updated_on": closed,
        "closed_by": if pull.state == PullState::Open { Value::Null } else { json!({"type": closer}) },
        "type": "pullrequest",
        "id": pull.number,
        "links": {"html": {"href": format!("https://bitbucket.org/acme/deploy/pull-requests/{}", pull.number)}},
        "state": match pull.state {
            PullState::Open => "OPEN",
            PullState::Merged => "MERGED",
            PullState::Closed => "DECLINED",
        },
        "title": pull.title,
        "summary": {"raw": pull.body},
        "draft": pull.is_draft,
        "source": place(&pull.branch),
        "destination": place(&pull.base),
        "reviewers": pull.reviewers.iter().map(|id| json!({"type": "user", "uuid": id})).collect::<Vec<_>>(),
    })
}
