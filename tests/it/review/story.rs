//! The life of a proposal on each forge: opened, refreshed, amended by a person, merged, rejected, withdrawn.

use super::Review;
use crate::support::forge::{Kind, PullState};
use crate::support::lane::slow;

const BRANCH: &str = "pinstream/web";

fn outcomes(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(outcome, number)| ((*outcome).to_owned(), *number)).collect()
}

fn run(kind: Kind) {
    let review = Review::new(kind, "");
    let stage = &review.stage;
    let (base, lock) = (stage.repo.tip("refs/heads/main"), stage.lock());

    // Two tags change: one proposal with one commit; the branch is unchanged.
    stage.push("web:1", 3);
    stage.push("web:2", 4);
    let report = stage.report(0, &[]);
    assert_eq!(Review::proposals(&report), outcomes(&[("created", 1)]));
    assert_eq!((report["end"].as_str(), Review::outcome(&report, "1")), (Some("proposed"), "proposed".to_owned()));
    let first = review.only();
    assert_eq!(
        (first.branch.as_str(), first.base.as_str(), first.title.as_str()),
        (BRANCH, "main", "chore(images): pin 2 tags")
    );
    for text in ["web:1", "web:2", "1.0.1", "1.0.3", "1.0.2", "1.0.4"] {
        assert!(first.body.contains(text), "{}", first.body);
    }
    assert_eq!((review.commits(BRANCH), stage.repo.tip("refs/heads/main"), stage.lock()), (1, base, lock));
    assert_eq!(stage.events_in_short(), "");

    // No change: nothing is written to the forge or the remote.
    let tip = review.tip(BRANCH);
    review.forge.calls();
    assert_eq!(Review::proposals(&stage.report(0, &[])), outcomes(&[("unchanged", 1)]));
    let calls = review.forge.calls();
    assert!(
        calls
            .iter()
            .all(|call| ["graphql", "all", "List", "list", "Get", "get"].iter().any(|name| call.contains(name))),
        "{calls:?}"
    );
    assert_eq!(review.tip(BRANCH), tip);

    // One tag changes again: the proposal is refreshed in place.
    let newest = stage.push("web:1", 5);
    assert_eq!(Review::proposals(&stage.report(0, &[])), outcomes(&[("refreshed", 1)]));
    let again = review.only();
    assert_eq!((again.number, review.commits(BRANCH)), (1, 1));
    assert!(again.body.contains("1.0.5") && !again.body.contains("1.0.3"), "{}", again.body);
    assert!(stage.repo.read(BRANCH, "pinstream.lock").unwrap().contains(newest.as_str()));

    // A person adds a commit: it is kept even if tags change, and the report says so.
    let theirs = stage.repo.commit(BRANCH, &[("deploy.yaml", "replicas: 3\n")]);
    stage.push("web:1", 6);
    let report = stage.report(0, &[]);
    assert_eq!(Review::proposals(&report), outcomes(&[("skipped", 1)]));
    let reason = report["proposals"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("a commit that is not pinstream's") && reason.contains(&theirs[..9]), "{reason}");
    assert_eq!((review.tip(BRANCH), review.only().body), (Some(theirs), again.body));

    story_of_decisions(&review, &newest.to_string());
}

/// Merges, closes and reopens the proposal of [`run`], whose digest of `web:1` is `newest`.
fn story_of_decisions(review: &Review, newest: &str) {
    let stage = &review.stage;
    // They merge it: hooks run for what landed, and later changes are proposed again.
    review.forge.merge(1);
    let report = stage.report(0, &[]);
    assert_eq!(stage.events_in_short(), "web:1 1.0.1 > 1.0.5\nweb:2 1.0.2 > 1.0.4\n");
    assert_eq!((stage.pin("web:1"), stage.repo.read("main", "deploy.yaml").is_some()), (Some(newest.to_owned()), true));
    assert_eq!(Review::proposals(&report), outcomes(&[("created", 2)]));
    assert_eq!((review.only().number, review.commits(BRANCH)), (2, 1));

    // They close it: these digests are not proposed again, and the report says so.
    review.forge.close(2);
    for _ in 0..2 {
        let report = stage.report(0, &[]);
        assert_eq!(
            (Review::outcome(&report, "1"), Review::outcome(&report, "2")),
            ("reverted".to_owned(), "unchanged".to_owned())
        );
        assert_eq!((review.forge.open(), review.tip(BRANCH)), (Vec::new(), None));
    }

    // A newer digest is proposed.
    stage.push("web:1", 7);
    assert_eq!(Review::proposals(&stage.report(0, &[])), outcomes(&[("created", 3)]));
    assert!(review.only().body.contains("1.0.7"));

    // Upstream returns to the pinned digest: nothing is left to propose.
    stage.push("web:1", 5);
    assert_eq!(Review::proposals(&stage.report(0, &[])), outcomes(&[("closed", 3)]));
    let closed = review.forge.pulls().pop().unwrap();
    assert_eq!((closed.state, closed.comments.len(), review.tip(BRANCH)), (PullState::Closed, 1, None));

    // A proposal that pinstream closed does not reject its digests.
    stage.push("web:1", 7);
    assert_eq!(Review::proposals(&stage.report(0, &[])), outcomes(&[("created", 4)]));
    assert_eq!(stage.events_in_short(), "web:1 1.0.1 > 1.0.5\nweb:2 1.0.2 > 1.0.4\n");
}

#[test]
fn on_github() {
    slow!();
    run(Kind::GitHub);
}

#[test]
fn on_gitlab() {
    slow!();
    run(Kind::GitLab);
}

#[test]
fn on_gitea() {
    slow!();
    run(Kind::Gitea);
}

#[test]
fn on_bitbucket() {
    slow!();
    run(Kind::Bitbucket);
}

#[test]
fn on_azure_devops() {
    slow!();
    run(Kind::Azure);
}
