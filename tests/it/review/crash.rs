//! Passes with proposals that are killed at random moments: one more pass repairs everything.

use std::collections::BTreeSet;
use std::time::Instant;

use super::Review;
use crate::reconcile::stage::pin;
use crate::support::forge::Kind;
use crate::support::lane::{is_full, share, slow};

#[test]
fn t27_killed_passes_that_propose_lose_nothing() {
    slow!();
    let review = Review::new(Kind::GitHub, "group = \"tag\"");
    let stage = &review.stage;
    let mut digests = [1, 2].map(|tag| stage.push(&format!("web:{tag}"), 10));
    let begin = Instant::now();
    stage.ends(0, &[]);
    let reach = begin.elapsed().mul_f64(1.1);
    let (mut random, mut interrupted, mut merged) = (fastrand::Rng::with_seed(28), 0, 0);
    for number in 1..=share(60, 10) {
        let at = random.usize(..digests.len());
        digests[at] = stage.push(&format!("web:{}", at + 1), 100 + number);
        let mut child = stage.sandbox.start(&["reconcile", "--remote", &stage.remote]);
        std::thread::sleep(reach.mul_f64(random.f64()));
        interrupted += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        if number % 7 == 0
            && let Some(open) = review.forge.open().first()
        {
            stage.pass(&[]);
            review.forge.merge(open.number);
            merged += 1;
        }
    }
    assert!(interrupted > 10 && merged > 3 || !is_full(), "{interrupted} interrupted, {merged} merged");
    let mut said = stage.ends(0, &[]);
    // The server may complete the push of the last killed pass during this one.
    if said.contains("someone else pushed to the branch during this pass") {
        said = stage.ends(0, &[]);
    }
    let open = review.forge.open();
    let branches: BTreeSet<&str> = open.iter().map(|pull| pull.branch.as_str()).collect();
    assert_eq!(branches.len(), open.len(), "{open:#?}");
    for (tag, digest) in ["web:1", "web:2"].iter().zip(&digests) {
        let of_branch = |branch: &&str| pin(&stage.repo.read(branch, "pinstream.lock").unwrap(), tag);
        let proposed = branches.iter().filter(|branch| of_branch(branch).as_deref() == Some(digest.as_str())).count();
        let is_pinned = stage.pin(tag).as_deref() == Some(digest.as_str());
        assert!(is_pinned || proposed == 1, "{tag} at {digest}: {said}\n{:#?}", review.forge.pulls());
    }
    // Another pass does nothing.
    let before = (stage.repo.git(&["for-each-ref"]), stage.events().len());
    stage.ends(0, &[]);
    assert_eq!((stage.repo.git(&["for-each-ref"]), stage.events().len()), before);
    // Once everything is merged, the hook knows it.
    while let Some(open) = review.forge.open().first() {
        review.forge.merge(open.number);
        stage.ends(0, &[]);
    }
    let told: Vec<_> = stage.events().iter().flat_map(|event| event["changes"].as_array().unwrap().clone()).collect();
    for (tag, digest) in ["web:1", "web:2"].iter().zip(&digests) {
        assert_eq!(stage.pin(tag).as_deref(), Some(digest.as_str()));
        assert!(told.iter().any(|one| one["new"]["digest"] == digest.as_str()), "{tag} at {digest}");
    }
    stage.repo.git(&["fsck", "--strict", "--no-dangling"]);
}
