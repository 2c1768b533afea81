//! Targets are proposed together with the changes of their tags; files that someone overwrote get their own proposal.

use super::Review;
use crate::support::forge::{Kind, PullState};

const TARGETS: &str = "[[target]]\nfrom = \"web:1\"\nyaml = { path = \"one.yaml\", at = \"image\" }\n\
                       [[target]]\nfrom = \"web:2\"\nyaml = { path = \"two.yaml\", at = \"image\" }\n";

/// Creates a stream with two tags, each with a file and its own proposal.
fn review() -> Review {
    let review = Review::new(Kind::GitHub, "group = \"tag\"");
    let table = review.forge.kind.table();
    review.stage.settings(&format!("[publish]\ngroup = \"tag\"\n{table}{TARGETS}"));
    for name in ["one.yaml", "two.yaml"] {
        review.stage.commit(name, "# mine\nimage: nothing:1\nreplicas: 1\n");
    }
    review
}

fn text(review: &Review, branch: &str, path: &str) -> String {
    review.stage.repo.read(branch, path).unwrap()
}

#[test]
fn a_file_is_proposed_with_the_change_of_its_own_tag_only() {
    let review = review();
    review.stage.ends(0, &[]);
    review.forge.merge(review.only().number);
    let digest = review.stage.push("web:1", 3);
    review.stage.ends(0, &[]);
    let branch = "pinstream/web+1";
    assert_eq!(review.only().branch, branch);
    assert!(text(&review, branch, "one.yaml").contains(digest.as_str()));
    assert_eq!(text(&review, branch, "two.yaml"), text(&review, "main", "two.yaml"));
    // Someone changes another line of that file: the proposal is rebuilt on it.
    let now = text(&review, "main", "one.yaml").replace("replicas: 1", "replicas: 2");
    review.stage.commit("one.yaml", &now);
    review.stage.ends(0, &[]);
    assert!(text(&review, branch, "one.yaml").contains("replicas: 2"));
    assert_eq!(review.commits(branch), 1);
    review.forge.merge(review.only().number);
    review.stage.ends(0, &[]);
    assert_eq!(review.forge.open(), []);
    assert!(text(&review, "main", "one.yaml").contains(digest.as_str()));
}

#[test]
fn overwritten_files_are_proposed_separately_until_someone_closes_it() {
    let review = review();
    let report = review.stage.report(0, &[]);
    assert_eq!(Review::proposals(&report), [("created".to_owned(), 1)]);
    let pull = review.only();
    assert_eq!(
        (pull.branch.as_str(), pull.title.as_str()),
        ("pinstream/-targets", "chore(images): write pins into 2 files")
    );
    assert!(
        pull.body.starts_with(
            "This proposal updates these files to match the lock.\n\n- one.yaml: web:1\n- two.yaml: web:2\n"
        )
    );
    let again = review.stage.report(0, &[]);
    assert_eq!(Review::proposals(&again), [("unchanged".to_owned(), 1)]);
    assert_eq!((&report["end"], &again["end"]), (&"proposed".into(), &"proposed".into()));
    review.forge.close(pull.number);
    for _ in 0..2 {
        assert_eq!(Review::proposals(&review.stage.report(0, &[])), []);
        assert_eq!((review.forge.open(), review.tip("pinstream/-targets")), (Vec::new(), None));
    }
    // A person fixes one of them: the rest is a different proposal.
    let digest = review.stage.pin("web:1").unwrap();
    let right = format!("image: {}/web:1@{digest}\n", review.stage.registry.host());
    review.stage.commit("one.yaml", &right);
    assert_eq!(Review::proposals(&review.stage.report(0, &[])), [("created".to_owned(), 2)]);
    assert!(!review.only().body.contains("one.yaml"));
    // Nothing is left after the merge.
    review.forge.merge(2);
    assert_eq!(Review::proposals(&review.stage.report(0, &[])), []);
    assert_eq!(review.forge.pulls().last().unwrap().state, PullState::Merged);
}
