//! Shards propose the changes of their own tags and leave the proposals of other shards alone.

use std::process::Stdio;

use super::Review;
use crate::reconcile::shards::pair;
use crate::support::forge::{Kind, PullState};
use crate::support::lane::slow;

/// Creates a root with pinned tags of two shards and proposals grouped by `group`; returns the images.
fn review(group: &str) -> (Review, [String; 2]) {
    let review = Review::bare(Kind::GitHub);
    let images = pair(&review.stage);
    review.stage.ends(0, &[]);
    review.publish(&format!("group = \"{group}\""));
    (review, images)
}

/// Runs a pass of one shard; returns outcome and number of each proposal.
#[track_caller]
fn pass(review: &Review, shard: &str) -> Vec<(String, u64)> {
    Review::proposals(&review.stage.report(0, &["--shard", shard]))
}

fn outcomes(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(outcome, number)| ((*outcome).to_owned(), *number)).collect()
}

#[test]
fn a_proposal_of_another_shard_is_neither_refreshed_nor_closed() {
    let (review, images) = review("tag");
    let ((one, two), branch) = (("1/2", "2/2"), ("pinstream/web+a", "pinstream/web+b"));
    for (image, seed) in images.iter().zip(11..) {
        review.stage.push(image, seed);
    }
    assert_eq!(pass(&review, one), outcomes(&[("created", 1)]));
    let calls = review.stage.registry.requests().len();
    assert_eq!(pass(&review, two), outcomes(&[("created", 2)]));
    let asked = review.stage.registry.requests().split_off(calls);
    let repository = images[0].split(':').next().unwrap();
    assert!(asked.iter().all(|asked| !asked.path().contains(&format!("/{repository}/"))), "{asked:?}");

    // Only the shard that owns its tags rebuilds it on the new base.
    review.forge.merge(2);
    let (tip, pull) = (review.tip(branch.0), review.only());
    let report = review.stage.report(0, &["--shard", two]);
    assert_eq!(Review::proposals(&report), []);
    assert_eq!((report["end"].as_str(), Review::outcome(&report, "a")), (Some("unchanged"), "skipped".to_owned()));
    assert_eq!((review.tip(branch.0), review.only()), (tip, pull));
    assert_eq!(review.tip(branch.1), None);
    assert_eq!(pass(&review, one), outcomes(&[("refreshed", 1)]));

    // The same applies when nothing is left to propose.
    review.stage.push(&images[0], 1);
    assert_eq!(pass(&review, two), []);
    assert_eq!(review.only().number, 1);
    assert_eq!(pass(&review, one), outcomes(&[("closed", 1)]));
}

#[test]
fn both_shards_refresh_a_proposal_of_their_tags() {
    let (review, images) = review("all");
    let proposes = |tag: &str| review.only().body.contains(&format!("web:{tag}"));
    review.stage.push(&images[0], 11);
    assert_eq!(pass(&review, "1/2"), outcomes(&[("created", 1)]));
    assert_eq!(pass(&review, "2/2"), outcomes(&[("unchanged", 1)]));
    review.stage.push(&images[1], 12);
    assert_eq!(pass(&review, "2/2"), outcomes(&[("refreshed", 1)]));
    assert!(proposes("a") && proposes("b"));
    review.stage.push(&images[1], 2);
    assert_eq!(pass(&review, "1/2"), outcomes(&[("unchanged", 1)]));
    assert!(proposes("a") && proposes("b"));
    assert_eq!(pass(&review, "2/2"), outcomes(&[("refreshed", 1)]));
    assert!(proposes("a") && !proposes("b"));
    review.stage.push(&images[0], 1);
    assert_eq!(pass(&review, "1/2"), outcomes(&[("closed", 1)]));
    assert_eq!(review.forge.pulls()[0].state, PullState::Closed);
}

#[test]
fn shards_that_refresh_one_proposal_concurrently_lose_no_change() {
    slow!();
    for round in 1..=3 {
        let (review, images) = review("all");
        for (image, seed) in images.iter().zip(10 * round..) {
            review.stage.push(image, seed);
        }
        let start = |shard: &str| {
            let mut command = review.stage.command(&["--shard", shard]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        for child in ["1/2", "2/2"].map(start) {
            let ran = review.stage.sandbox.ended(child);
            assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
        }
        let body = review.only().body;
        assert!(["a", "after-a", "b", "after-b"].iter().all(|tag| body.contains(&format!("web:{tag}"))), "{body}");
    }
}

#[test]
fn one_shard_proposes_files_that_someone_overwrote() {
    let (review, images) = review("tag");
    let target =
        |tag: &str| format!("[[target]]\nfrom = \"web:{tag}\"\nyaml = {{ path = \"{tag}.yaml\", at = \"image\" }}\n");
    let table = review.forge.kind.table();
    review.stage.settings(&format!("[publish]\ngroup = \"tag\"\n{table}{}{}", target("a"), target("b")));
    for name in ["a.yaml", "b.yaml"] {
        review.stage.commit(name, "image: nothing:1\n");
    }
    let both: Vec<_> = ["1/2", "2/2"].iter().flat_map(|shard| pass(&review, shard)).collect();
    assert_eq!(both, outcomes(&[("created", 1)]));
    let text = |path: &str| review.stage.repo.read("pinstream/-targets", path).unwrap();
    for (path, image) in ["a.yaml", "b.yaml"].iter().zip(&images) {
        assert!(text(path).contains(image.split(':').next().unwrap()), "{}", text(path));
    }
    let both: Vec<_> = ["1/2", "2/2"].iter().flat_map(|shard| pass(&review, shard)).collect();
    assert_eq!(both, outcomes(&[("unchanged", 1)]));
}
