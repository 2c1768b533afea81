//! Number of requests to a forge, and the options of new proposals.

use super::Review;
use crate::support::forge::Kind;
use crate::support::lane::slow;

/// Reviewers on each forge, by the names it uses: the setting, and the expected list.
pub(super) fn reviewers(kind: Kind) -> (&'static str, &'static [&'static str]) {
    match kind {
        Kind::GitHub | Kind::Gitea => ("\"alice\", \"team:platform\"", &["alice", "platform"]),
        Kind::GitLab => ("\"alice\", \"bob\"", &["alice", "bob"]),
        Kind::Bitbucket => ("\"{d301aafa-d676-4ee0-88be-962be7417567}\"", &["{d301aafa-d676-4ee0-88be-962be7417567}"]),
        Kind::Azure => ("\"d6245f20-2af8-44f4-9451-8107cb2767db\"", &["d6245f20-2af8-44f4-9451-8107cb2767db"]),
    }
}

/// Settings with all options that a forge supports.
pub(super) fn options(kind: Kind) -> String {
    let reviewers = format!("reviewers = [{}]\n", reviewers(kind).0);
    match kind {
        Kind::Bitbucket => reviewers,
        _ => format!("{reviewers}labels = [\"images\", \"bot\"]\nauto-merge = true\n"),
    }
}

fn check_options(kind: Kind) {
    let review = Review::new(kind, &options(kind));
    review.stage.push("web:1", 3);
    let report = review.stage.report(0, &[]);
    let pull = review.only();
    let labels: &[&str] = if kind == Kind::Bitbucket { &[] } else { &["images", "bot"] };
    assert_eq!(
        (&pull.labels[..], &pull.reviewers[..]),
        (
            &labels.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>()[..],
            &reviewers(kind).1.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>()[..]
        )
    );
    assert_eq!((pull.auto_merge, pull.is_draft), (kind != Kind::Bitbucket, false));
    assert_eq!(report["notes"].as_array().map(Vec::len), Some(0), "{report}");
    // A refresh changes neither reviewers nor labels.
    review.stage.push("web:1", 4);
    review.stage.report(0, &[]);
    assert_eq!((review.only().reviewers, review.only().labels), (pull.reviewers, pull.labels));
}

fn check_draft(kind: Kind) {
    let review = Review::open(kind, "draft = true");
    let pull = review.only();
    assert!(pull.is_draft);
    review.stage.push("web:1", 4);
    review.stage.ends(0, &[]);
    assert_eq!((review.only().title, review.only().is_draft), (pull.title, true));
}

/// 500 changes in 40 groups.
fn check_calls(kind: Kind) {
    slow!();
    const GROUPS: usize = 40;
    let review = Review::bare(kind);
    let names: Vec<(String, usize)> =
        (0..GROUPS).map(|group| (format!("s{group:02}"), if group % 2 == 0 { 12 } else { 13 })).collect();
    let push = |from: u64| {
        let mut seed = from;
        for (name, count) in &names {
            for tag in 0..*count {
                review.stage.push(&format!("{name}:t{tag}"), seed);
                seed += 1;
            }
        }
    };
    push(1);
    for (name, count) in &names {
        let tags: String = (0..*count).map(|tag| format!("t{tag} = \"REGISTRY/{name}:t{tag}\"\n")).collect();
        review.stage.commit(&format!("streams/{name}.toml"), &format!("[tags]\n{tags}"));
    }
    review.stage.ends(0, &[]);
    review.publish(&options(kind));
    for (pass, outcome) in [(1, "created"), (2, "refreshed"), (3, "unchanged")] {
        if pass < 3 {
            push(pass * 1_000);
        }
        review.forge.calls();
        let report = review.stage.report(0, &[]);
        let calls = review.forge.calls().len();
        let outcomes = Review::proposals(&report);
        assert_eq!(outcomes.iter().filter(|(found, _)| found == outcome).count(), GROUPS, "{outcomes:?}");
        assert!(calls <= 3 * GROUPS, "{calls} calls for {outcome}");
    }
    assert_eq!(review.forge.open().len(), GROUPS);
}

macro_rules! on_each_forge {
    ($($name:ident: $kind:ident),+) => { $(mod $name {
        use super::*;

        #[test]
        fn new_proposals_have_the_options_of_the_settings() {
            check_options(Kind::$kind);
        }

        #[test]
        fn a_draft_stays_a_draft() {
            check_draft(Kind::$kind);
        }

        #[test]
        fn five_hundred_changes_in_forty_groups_cost_at_most_three_requests_per_group() {
            check_calls(Kind::$kind);
        }
    })+ };
}

on_each_forge!(github: GitHub, gitlab: GitLab, gitea: Gitea, bitbucket: Bitbucket, azure: Azure);
