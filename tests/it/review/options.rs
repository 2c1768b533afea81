//! Labels, reviewers and auto-merge: compared on every pass, and never a reason to fail a proposal.

use serde_json::Value;

use super::Review;
use super::calls::{options, reviewers};
use crate::support::forge::{AutoMerge, Fault, Kind, PullState};
use crate::support::lane::slow;

/// Runs a pass that succeeds; returns its notes.
#[track_caller]
fn notes(review: &Review) -> Vec<String> {
    let report = review.stage.report(0, &[]);
    let notes = report["notes"].as_array().unwrap();
    notes.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Creates a proposal with all options of a forge.
fn review(kind: Kind) -> Review {
    let review = Review::new(kind, &options(kind));
    review.stage.push("web:1", 3);
    review
}

#[test]
fn l05_an_unknown_reviewer_is_a_note_and_the_others_are_requested() {
    slow!();
    for kind in Kind::ALL {
        let unknown = kind.unknown_reviewer();
        let more = options(kind).replace("reviewers = [", &format!("reviewers = [\"{unknown}\", "));
        let review = Review::new(kind, &more);
        review.stage.push("web:1", 3);
        for outcome in ["created", "unchanged"] {
            let report = review.stage.report(0, &[]);
            assert_eq!(Review::proposals(&report), [(outcome.to_owned(), 1)], "{kind:?}");
            let notes = report["notes"].as_array().unwrap();
            let expected = format!("reviewer `{unknown}` was not requested: ");
            assert_eq!(notes.len(), 1, "{kind:?}: {notes:?}");
            assert!(notes[0].as_str().unwrap().starts_with(&expected), "{kind:?}: {notes:?}");
        }
        let pull = review.only();
        assert_eq!(pull.reviewers, reviewers(kind).1, "{kind:?}");
        assert_eq!(pull.labels.len(), if kind == Kind::Bitbucket { 0 } else { 2 }, "{kind:?}");
        assert_eq!(pull.auto_merge, kind != Kind::Bitbucket, "{kind:?}");
    }
}

#[test]
fn l05_a_reviewer_whom_the_forge_refused_is_requested_once_per_pass() {
    let review = Review::new(Kind::Gitea, "group = \"tag\"\nreviewers = [\"nobody\"]");
    review.stage.push("web:1", 3);
    review.stage.push("web:2", 4);
    let requests = |calls: Vec<String>| calls.iter().filter(|call| *call == "repoCreatePullReviewRequests").count();
    for _ in 0..2 {
        review.forge.calls();
        assert_eq!(notes(&review), ["reviewer `nobody` was not requested: user does not exist"]);
        assert_eq!(requests(review.forge.calls()), 1);
    }
    assert_eq!(review.forge.open().len(), 2);
}

#[test]
fn l04_options_that_are_missing_are_requested_again() {
    slow!();
    for kind in Kind::ALL {
        let review = review(kind);
        assert_eq!(notes(&review), [""; 0], "{kind:?}");
        let pull = review.only();
        review.forge.clear_options(1);
        assert_eq!(notes(&review), [""; 0], "{kind:?}");
        assert_eq!(review.only(), pull, "{kind:?}");
        // So are those that were added to the settings later.
        review.publish("");
        review.forge.clear_options(1);
        assert_eq!(notes(&review), [""; 0], "{kind:?}");
        assert_eq!(review.only().reviewers, [""; 0], "{kind:?}");
        review.publish(&options(kind));
        let report = review.stage.report(0, &[]);
        assert_eq!((Review::proposals(&report), review.only()), (vec![("unchanged".to_owned(), 1)], pull), "{kind:?}");
    }
}

#[test]
fn l04_an_unchanged_proposal_with_all_options_costs_no_request_beyond_the_list() {
    slow!();
    for (kind, expected) in [
        (Kind::GitHub, &["graphql"][..]),
        (Kind::GitLab, &["MergeRequests/all"]),
        // No answer of Gitea tells whether auto-merge is enabled.
        (Kind::Gitea, &["repoListPullRequests", "repoListPullRequests", "repoMergePullRequest"]),
        (Kind::Bitbucket, &["listPullRequests"]),
        (Kind::Azure, &["Pull Requests/Get Pull Requests", "Pull Requests/Get Pull Request"]),
    ] {
        let review = review(kind);
        notes(&review);
        review.forge.calls();
        notes(&review);
        assert_eq!(review.forge.calls(), expected, "{kind:?}");
    }
}

#[test]
fn l04_who_has_reviewed_on_github_is_not_requested_again() {
    let review = review(Kind::GitHub);
    notes(&review);
    review.forge.review(1);
    review.forge.calls();
    notes(&review);
    assert_eq!(review.forge.calls(), ["graphql"]);
}

#[test]
fn l04_auto_merge_that_the_forge_refuses_is_requested_by_every_pass() {
    slow!();
    for (kind, cause) in [
        (Kind::GitHub, "Pull request is in unstable status"),
        (Kind::GitLab, "405 Method Not Allowed"),
        (Kind::Gitea, "405 Method Not Allowed"),
    ] {
        let review = Review::new(kind, "auto-merge = true");
        review.stage.push("web:1", 3);
        review.forge.answer_auto_merge(AutoMerge::NotYet);
        for _ in 0..2 {
            let note = format!("auto-merge of #1 was not enabled: {cause}; the next pass requests it again");
            assert_eq!(notes(&review), [note], "{kind:?}");
        }
        review.forge.answer_auto_merge(AutoMerge::Enabled);
        assert_eq!((notes(&review), review.only().auto_merge), (Vec::new(), true), "{kind:?}");
        // It belongs to the commit that is proposed now.
        review.forge.clear_options(1);
        review.stage.push("web:1", 4);
        assert_eq!((notes(&review), review.only().auto_merge), (Vec::new(), true), "{kind:?}");
    }
}

#[test]
fn l04_a_proposal_in_clean_status_is_merged_or_every_pass_says_that_it_can_be() {
    let review = Review::new(Kind::GitHub, "auto-merge = true");
    let digest = review.stage.push("web:1", 3);
    review.forge.answer_auto_merge(AutoMerge::CleanRefused);
    for _ in 0..2 {
        let expected = "#1 can be merged, but GitHub refused to do that now: At least 1 approving review is required by \
                        reviewers with write access.";
        assert_eq!(notes(&review), [expected]);
    }
    review.forge.answer_auto_merge(AutoMerge::Clean);
    assert_eq!(notes(&review), ["#1 was merged: GitHub required no check or review"]);
    assert_eq!(review.forge.pulls()[0].state, PullState::Merged);
    assert_eq!(review.stage.pin("web:1").as_deref(), Some(digest.as_str()));
    // Hooks run for what landed.
    notes(&review);
    assert_eq!(review.stage.events_in_short(), "web:1 1.0.1 > 1.0.3\n");
}

#[test]
fn l03_a_failing_option_or_comment_does_not_stop_a_proposal() {
    slow!();
    for kind in [Kind::GitHub, Kind::GitLab, Kind::Gitea, Kind::Azure] {
        // The answer to the request for auto-merge is an error that is not about auto-merge.
        let review = Review::new(kind, "group = \"tag\"\nauto-merge = true");
        review.stage.push("web:1", 3);
        review.stage.push("web:2", 4);
        review.forge.refuse("merge", 403);
        let report = review.stage.report(0, &[]);
        let created = [("created".to_owned(), 1), ("created".to_owned(), 2)];
        assert_eq!(Review::proposals(&report), created, "{kind:?}: {report}");
        assert_eq!(report["notes"].as_array().unwrap().len(), 2, "{kind:?}: {report}");
        // Nothing is left to propose, but nobody may comment.
        review.forge.refuse("comment", 403);
        review.stage.push("web:1", 1);
        let closed = [("closed".to_owned(), 1), ("unchanged".to_owned(), 2)];
        assert_eq!(Review::proposals(&review.stage.report(0, &[])), closed, "{kind:?}");
    }
}

#[test]
fn l03_options_that_cannot_be_looked_up_do_not_stop_the_others() {
    for (kind, option) in [(Kind::GitLab, "reviewer `"), (Kind::Gitea, "label `")] {
        let review = review(kind);
        review.forge.refuse("lookup", 403);
        let notes = notes(&review);
        assert!(notes.len() == 2 && notes.iter().all(|note| note.starts_with(option)), "{kind:?}: {notes:?}");
        let pull = review.only();
        assert_eq!((pull.labels.len(), pull.reviewers.len()), if kind == Kind::GitLab { (2, 0) } else { (0, 2) });
        assert!(pull.auto_merge, "{kind:?}");
    }
}

#[test]
fn l03_a_proposal_that_cannot_be_updated_or_closed_fails_alone() {
    slow!();
    for kind in Kind::ALL {
        let review = Review::new(kind, "group = \"tag\"");
        review.stage.push("web:1", 3);
        review.stage.push("web:2", 4);
        review.stage.ends(0, &[]);
        review.stage.push("web:1", 5);
        review.stage.push("web:2", 6);
        review.forge.refuse_once("update", 403);
        let report = review.stage.report(1, &[]);
        let expected = [("failed".to_owned(), 1), ("refreshed".to_owned(), 2)];
        assert_eq!(Review::proposals(&report), expected, "{kind:?}");
        assert_eq!(Review::outcome(&report, "2"), "proposed", "{kind:?}");
        review.stage.push("web:1", 1);
        review.stage.push("web:2", 2);
        review.forge.refuse_once("update", 403);
        let report = review.stage.report(1, &[]);
        assert_eq!(Review::proposals(&report), [("failed".to_owned(), 1), ("closed".to_owned(), 2)], "{kind:?}");
        assert_eq!(Review::proposals(&review.stage.report(0, &[])), [("closed".to_owned(), 1)], "{kind:?}");
    }
}

#[test]
fn l03_a_failing_proposal_does_not_stop_hooks_or_the_record() {
    let review = Review::open(Kind::GitHub, "group = \"tag\"");
    review.forge.merge(1);
    review.stage.push("web:2", 4);
    review.forge.fail(Fault::Refuse(403, "{\"message\": \"no\"}".to_owned()));
    assert_eq!(Review::proposals(&review.stage.report(1, &[])), [("failed".to_owned(), 0)]);
    assert_eq!(review.stage.events_in_short(), "web:1 1.0.1 > 1.0.3\n");
}

#[test]
fn l03_a_template_that_fails_for_one_proposal_does_not_stop_the_others() {
    let failing = "{% for change in changes if change.tag == '1' %}{{ change.nothing.more }}{% endfor %}";
    let title = format!("title = \"{failing}{{{{ title }}}}\"");
    let review = Review::new(Kind::GitHub, &format!("group = \"tag\"\n{title}"));
    review.stage.push("web:1", 3);
    review.stage.push("web:2", 4);
    let report = review.stage.report(1, &[]);
    assert_eq!(Review::proposals(&report), [("failed".to_owned(), 0), ("created".to_owned(), 1)]);
    let message = report["errors"][0].as_str().unwrap();
    assert!(message.starts_with("cannot write the proposal `pinstream/web+1`: "), "{message}");
}

#[test]
fn l03_a_proposal_branch_with_an_unusable_lock_is_left_alone() {
    let review = Review::open(Kind::GitHub, "group = \"tag\"");
    let file = [("pinstream.lock/file", "mine\n")];
    let theirs = review.stage.repo.commit_as("pinstream/web+1", "mine", &file, &["pinstream.lock"]);
    review.stage.push("web:2", 4);
    let report = review.stage.report(0, &[]);
    assert_eq!(Review::proposals(&report), [("skipped".to_owned(), 1), ("created".to_owned(), 2)]);
    assert_eq!(review.tip("pinstream/web+1"), Some(theirs));
}

#[test]
fn l03_the_rule_at_the_end_of_a_long_refusal_decides_the_hint() {
    let review = Review::new(Kind::GitHub, "");
    review.stage.push("web:1", 3);
    let words = "error: GH013: Repository rule violations found for refs/heads/pinstream/web. Review all repository rules at \
                 https://github.com/acme/deploy/rules?ref=refs%2Fheads%2Fpinstream%2Fweb - Commits must have verified \
                 signatures. Found 1 violation: 027faa7121ee9df79db623e1a2848d2cc88a8dba";
    review.stage.repo.hook("update", &format!("case $1 in */web) echo '{words}' >&2; exit 1;; esac"));
    let said = review.stage.ends(1, &[]);
    assert!(said.contains("Commits must have verified signatures"), "{said}");
    assert!(said.contains("help: set `[git] sign` in the settings"), "{said}");
}

#[test]
fn l15_a_proposal_that_a_bot_closed_for_want_of_a_decision_is_proposed_again() {
    slow!();
    for kind in [Kind::GitHub, Kind::GitLab, Kind::Bitbucket, Kind::Azure] {
        let review = Review::open(kind, "");
        review.forge.expire(1, 48);
        assert_eq!(notes(&review), ["a bot closed #1 before anyone decided; it is proposed again"], "{kind:?}");
        assert_eq!(review.only().number, 2, "{kind:?}");
        // A bot that closes it within a day enforces a rule, and pinstream does not argue.
        review.forge.expire(2, 1);
        assert_eq!(notes(&review), ["#2 was closed on the forge; newer digests will be proposed again"], "{kind:?}");
        let report = review.stage.report(0, &[]);
        assert_eq!((Review::outcome(&report, "1"), review.forge.open()), ("reverted".to_owned(), Vec::new()));
        let said = review.stage.ends(0, &["-v"]);
        assert!(said.contains("its proposal was closed on the forge; waiting for a newer digest"), "{said}");
    }
}

#[test]
fn l15_gitea_does_not_tell_who_closed_a_proposal() {
    let review = Review::open(Kind::Gitea, "");
    review.forge.expire(1, 48);
    assert_eq!(notes(&review), ["#1 was closed on the forge; newer digests will be proposed again"]);
}
