//! `branch-prefix`: the start of the names of proposal branches.

use super::Review;
use crate::support::forge::{Kind, PullState};
use crate::support::lane::slow;

const PREFIX: &str = "branch-prefix = \"deps/pins-\"\n";

#[test]
fn l14_proposals_are_refreshed_and_closed_under_their_prefix() {
    slow!();
    for kind in Kind::ALL {
        let review = Review::open(kind, PREFIX);
        assert_eq!(review.only().branch, "deps/pins-web", "{kind:?}");
        for (seed, outcome) in [(3, "unchanged"), (4, "refreshed"), (1, "closed")] {
            review.stage.push("web:1", seed);
            assert_eq!(Review::proposals(&review.stage.report(0, &[])), [(outcome.to_owned(), 1)], "{kind:?}");
        }
        assert_eq!((review.forge.open(), review.tip("deps/pins-web")), (Vec::new(), None), "{kind:?}");
    }
}

#[test]
fn l14_proposals_below_the_default_prefix_move_to_the_new_one() {
    let review = Review::open(Kind::GitHub, "");
    // A person's commit is left alone.
    review.stage.repo.git(&["branch", "pinstream/theirs", "main"]);
    review.publish(PREFIX);
    let report = review.stage.report(0, &[]);
    assert_eq!(Review::proposals(&report), [("created".to_owned(), 2), ("closed".to_owned(), 1)]);
    assert_eq!((review.only().branch.as_str(), review.tip("pinstream/web")), ("deps/pins-web", None));
    assert!(review.tip("pinstream/theirs").is_some());
    assert_eq!(review.forge.pulls()[0].state, PullState::Closed);
    assert_eq!(Review::proposals(&review.stage.report(0, &[])), [("unchanged".to_owned(), 2)]);
}

#[test]
fn l14_a_base_is_neither_a_proposal_nor_blocks_the_names_of_proposals() {
    let review = Review::new(Kind::GitHub, PREFIX);
    review.stage.push("web:1", 3);
    let says = |branch: &str, expected: &str| {
        review.stage.repo.git(&["branch", branch, "main"]);
        let said = review.stage.ends(1, &["--branch", branch]);
        assert!(said.contains(expected), "{said}");
        review.stage.repo.git(&["branch", "-D", branch]);
    };
    says(
        "deps/pins-old",
        "cannot work on `deps/pins-old`: branches that start with `deps/pins-` are reserved for proposals",
    );
    says("deps", "cannot propose to `deps`: git cannot create branches `deps/pins-…` while a branch `deps` exists");
    // Without the setting, this name is reserved.
    review.stage.repo.git(&["branch", "pinstream/prod", "main"]);
    review.stage.ends(0, &["--branch", "pinstream/prod"]);
    assert_eq!(
        (review.only().base.as_str(), review.only().branch.as_str()),
        ("pinstream/prod", "deps/pins-web@@pinstream+prod")
    );
}

#[test]
fn l14_a_branch_that_blocks_the_prefix_and_a_refusal_name_it() {
    let review = Review::new(Kind::GitHub, PREFIX);
    review.stage.push("web:1", 3);
    review.stage.repo.git(&["branch", "deps", "main"]);
    let said = review.stage.ends(1, &[]);
    assert!(said.contains("branch `deps` exists, so this branch cannot be created"), "{said}");
    review.stage.repo.git(&["branch", "-D", "deps"]);
    review
        .stage
        .repo
        .hook("update", "case $1 in */deps/*) echo \"branch name does not follow the pattern\" >&2; exit 1;; esac");
    let said = review.stage.ends(1, &[]);
    assert!(said.contains("help: allow this user to create branches that start with `deps/pins-`"), "{said}");
}

#[test]
fn l14_shards_share_the_prefix() {
    let review = Review::bare(Kind::GitHub);
    let images = crate::reconcile::shards::pair(&review.stage);
    review.stage.ends(0, &[]);
    review.publish(&format!("{PREFIX}group = \"all\""));
    for (image, seed) in images.iter().zip(11..) {
        review.stage.push(image, seed);
    }
    for (shard, outcome) in [("1/2", "created"), ("2/2", "refreshed"), ("1/2", "unchanged")] {
        let report = review.stage.report(0, &["--shard", shard]);
        assert_eq!(Review::proposals(&report), [(outcome.to_owned(), 1)]);
    }
    assert_eq!(review.only().branch, "deps/pins-all");
}
