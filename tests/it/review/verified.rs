//! Commits that GitHub creates and signs.

use super::Review;
use crate::support::forge::Kind;
use crate::support::lane::slow;

/// Creates a root with a target and commits signed by GitHub.
fn review() -> Review {
    let review = Review::new(Kind::GitHub, "");
    let target = "[[target]]\nfrom = \"web:1\"\nyaml = { path = \"deploy/run.yaml\", at = \"image\" }\n";
    let table = review.forge.kind.table();
    review.stage.settings(&format!("[git]\nsign = \"github\"\n{table}{target}"));
    let pinned = format!("image: {}/web:1@{}\n", review.stage.registry.host(), review.stage.pin("web:1").unwrap());
    review.stage.commit("deploy/run.yaml", &pinned);
    review
}

#[test]
fn a_proposal_has_one_commit_that_github_created() {
    slow!();
    let review = review();
    let digest = review.stage.push("web:1", 3);
    review.stage.ends(0, &[]);
    let branch = "pinstream/web";
    let raw = review.stage.repo.git(&["cat-file", "commit", branch]);
    assert!(raw.contains("\ngpgsig -----BEGIN PGP SIGNATURE-----\n"), "{raw}");
    assert!(
        raw.contains("\ncommitter GitHub <noreply@github.com> ") && raw.contains("\nPinstream-Plan: sha256:"),
        "{raw}"
    );
    assert_eq!((review.commits(branch), review.forge.open().len()), (1, 1));
    for path in ["pinstream.lock", "deploy/run.yaml"] {
        assert!(review.stage.repo.read(branch, path).unwrap().contains(digest.as_str()), "{path}");
    }
    review.stage.repo.git(&["fsck", "--strict", "--no-dangling"]);
    // The next passes recognize it and refresh it in place.
    let tip = review.tip(branch);
    review.stage.ends(0, &[]);
    assert_eq!(review.tip(branch), tip);
    review.stage.push("web:1", 4);
    assert_eq!(Review::proposals(&review.stage.report(0, &[])), [("refreshed".to_owned(), 1)]);
    assert_eq!(review.commits(branch), 1);
    // A person's commit is kept.
    let theirs = review.stage.repo.commit(branch, &[("README.md", "mine\n")]);
    review.stage.push("web:1", 5);
    assert_eq!(Review::proposals(&review.stage.report(0, &[])), [("skipped".to_owned(), 1)]);
    assert_eq!(review.tip(branch), Some(theirs));
}

#[test]
fn a_token_that_github_does_not_sign_for_is_an_error_and_nothing_is_pushed() {
    let review = review();
    review.forge.never_signs();
    review.stage.push("web:1", 3);
    let said = review.stage.ends(1, &[]);
    assert!(said.contains("GitHub did not sign the commit: unsigned\n"), "{said}");
    assert!(said.contains("use the `GITHUB_TOKEN` of Actions or the token of a GitHub App"), "{said}");
    assert_eq!((review.tip("pinstream/web"), review.forge.pulls()), (None, Vec::new()));
}

#[test]
fn signing_by_github_requires_proposals_on_github() {
    let review = review();
    review.stage.settings("[git]\nsign = \"github\"\n");
    let said = review.stage.ends(1, &[]);
    assert!(said.contains("`github` signs only commits of proposals on GitHub"), "{said}");
}
