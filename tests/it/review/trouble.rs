//! Failing forges, groups, templates, and tokens.

use super::Review;
use crate::support::forge::{Fault, Kind, TOKEN};
use crate::support::lane::slow;
use crate::support::registry::Image;

#[test]
fn a_creation_whose_request_or_answer_is_lost_opens_one_proposal() {
    slow!();
    for kind in Kind::ALL {
        for fault in [Fault::LoseAnswer, Fault::LoseRequest] {
            let review = Review::new(kind, "");
            review.stage.push("web:1", 3);
            review.forge.fail(fault);
            let report = review.stage.report(0, &[]);
            assert_eq!(Review::proposals(&report), [("created".to_owned(), 1)], "{kind:?}");
            assert_eq!(review.forge.pulls().len(), 1);
        }
    }
}

#[test]
fn l03_a_branch_that_the_remote_refuses_fails_its_own_proposal_only() {
    let review = Review::bare(Kind::GitHub);
    for stream in ["api", "web"] {
        review.stage.stream(stream, &[("1", 1)]);
    }
    review.stage.ends(0, &[]);
    review.publish("");
    for (image, seed) in [("api:1", 3), ("web:1", 4)] {
        review.stage.push(image, seed);
    }
    let hook = review.stage.repo.path().join("hooks/update");
    let script = "#!/bin/sh\ncase $1 in */pinstream/api) echo 'commit message does not match' >&2; exit 1;; esac\n";
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, script).unwrap();
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();

    let report = review.stage.report(1, &[]);
    assert_eq!(Review::proposals(&report), [("failed".to_owned(), 0), ("created".to_owned(), 1)]);
    assert!(review.tip("pinstream/api").is_none() && review.tip("pinstream/web").is_some());
    let errors = report["errors"].to_string();
    assert!(errors.contains("cannot push the branch `pinstream/api`"), "{errors}");

    // Once the remote accepts the branch, the next pass proposes the rest.
    std::fs::remove_file(hook).unwrap();
    let report = review.stage.report(0, &[]);
    assert_eq!(Review::proposals(&report), [("created".to_owned(), 2), ("unchanged".to_owned(), 1)]);
}

#[test]
fn the_next_pass_opens_the_proposal_of_a_pushed_branch() {
    slow!();
    for kind in Kind::ALL {
        let review = Review::new(kind, "");
        review.stage.push("web:1", 3);
        review.forge.fail(Fault::Refuse(400, "{\"message\": \"no\"}".to_owned()));
        let report = review.stage.report(1, &[]);
        assert_eq!(
            (Review::proposals(&report), Review::outcome(&report, "1")),
            (vec![("failed".to_owned(), 0)], "deferred".to_owned())
        );
        let tip = review.tip("pinstream/web");
        assert!(tip.is_some() && review.forge.pulls().is_empty());
        assert_eq!(Review::proposals(&review.stage.report(0, &[])), [("created".to_owned(), 1)]);
        assert_eq!(review.tip("pinstream/web"), tip);
    }
}

#[test]
fn errors_of_a_forge_are_reported_with_help_and_nothing_is_pushed() {
    slow!();
    let said = |status: u16, body: &str| {
        let review = Review::new(Kind::GitHub, "");
        review.stage.push("web:1", 3);
        review.forge.fail(Fault::Status(status, body.to_owned()));
        let said = review.stage.ends(1, &[]);
        assert!(review.forge.pulls().is_empty() && review.tip("pinstream/web").is_none());
        let errors: Vec<&str> =
            said.lines().filter(|line| line.starts_with("error") || line.starts_with("help")).collect();
        review.stage.shown(&errors.join("\n")).replace(&review.forge.url()[7..], "[FORGE]")
    };
    insta::assert_snapshot!(said(401, r#"{"message": "Bad credentials"}"#), @r"
    error: `[FORGE]` denied access: 401: Bad credentials
    help: check that the token is complete and has not expired
    ");
    insta::assert_snapshot!(said(403, r#"{"message": "Resource not accessible \u001b[31m by ::error::x"}"#), @r"
    error: `[FORGE]` denied access: 403: Resource not accessible \u{1b}[31m by ::error::x
    help: grant the token the permissions `pull-requests: write` and `issues: write` (and `contents: write` for commits); for `GITHUB_TOKEN`, also enable `Allow GitHub Actions to create and approve pull requests` in the settings of the repository
    ");
    insta::assert_snapshot!(said(404, r#"{"message": "Not Found"}"#), @r"
    error: repository `acme/deploy` not found on `[FORGE]`: 404: Not Found
    help: check `repository` in `[publish]`; if it is correct, grant the token the permissions `pull-requests: write` and `issues: write` (and `contents: write` for commits); for `GITHUB_TOKEN`, also enable `Allow GitHub Actions to create and approve pull requests` in the settings of the repository
    ");
    insta::assert_snapshot!(said(200, r#"{"data": {"repository": null}, "errors": [{"type": "NOT_FOUND", "message": "no such"}]}"#), @r"
    error: repository `acme/deploy` not found on `[FORGE]`: 404: no such
    help: check `repository` in `[publish]`; if it is correct, grant the token the permissions `pull-requests: write` and `issues: write` (and `contents: write` for commits); for `GITHUB_TOKEN`, also enable `Allow GitHub Actions to create and approve pull requests` in the settings of the repository
    ");
    insta::assert_snapshot!(said(200, "<html>"), @r"
    error: unexpected answer from `[FORGE]`: expected JSON
    help: check the kind of forge and its `url` in `[publish]`
    ");
    let echo = format!("{{\"message\": \"you sent {TOKEN}\"}}");
    insta::assert_snapshot!(said(403, &echo), @r"
    error: `[FORGE]` denied access: 403: response not shown: it contains a credential that was sent
    help: grant the token the permissions `pull-requests: write` and `issues: write` (and `contents: write` for commits); for `GITHUB_TOKEN`, also enable `Allow GitHub Actions to create and approve pull requests` in the settings of the repository
    ");
    insta::assert_snapshot!(said(302, ""), @r"
    error: `[FORGE]` redirects to ``; the token is not sent there
    help: if the repository was renamed or moved, update its name in `[publish]`
    ");
}

#[test]
fn without_a_token_nothing_is_sent_anywhere() {
    let mut review = Review::new(Kind::GitHub, "");
    review.stage.push("web:1", 3);
    for name in ["PINSTREAM_FORGE_TOKEN", "GITHUB_TOKEN"] {
        review.stage.sandbox.env(name, "");
    }
    review.forge.calls();
    let said = review.stage.ends(1, &[]);
    assert!(said.contains("no token for GitHub found\nhelp: set `PINSTREAM_FORGE_TOKEN`"), "{said}");
    assert_eq!((review.forge.calls(), review.tip("pinstream/web")), (Vec::new(), None));
}

#[test]
fn a_label_that_does_not_exist_is_a_note() {
    for kind in [Kind::GitHub, Kind::Gitea] {
        let review = Review::new(kind, "labels = [\"images\", \"nope\"]");
        review.stage.push("web:1", 3);
        let report = review.stage.report(0, &[]);
        assert_eq!(review.only().labels, ["images"]);
        assert_eq!(report["notes"][0], "label `nope` was not set: it does not exist in the repository; create it");
    }
}

/// Lists the branches of the open proposals, with the number of changed tags.
fn branches(review: &Review) -> Vec<(String, usize)> {
    let rows = |body: &str| body.lines().filter(|line| line.starts_with("| `")).count();
    let mut all: Vec<_> = review.forge.open().iter().map(|pull| (pull.branch.clone(), rows(&pull.body))).collect();
    all.sort();
    all
}

#[test]
fn changes_are_grouped_as_configured() {
    slow!();
    for (group, expected) in [
        ("\"stream\"", vec![("pinstream/db", 1), ("pinstream/web", 3)]),
        ("\"tag\"", vec![("pinstream/db+1", 1), ("pinstream/web+1", 2), ("pinstream/web+2", 1)]),
        ("\"all\"", vec![("pinstream/all", 4)]),
        ("{ base = [\"*:1\"] }", vec![("pinstream/base", 3), ("pinstream/web", 1)]),
    ] {
        let review = Review::bare(Kind::GitHub);
        review.stage.stream("db", &[("1", 10)]);
        review.stage.stream("web", &[("1", 1), ("2", 2)]);
        let text = review.stage.repo.read("main", "streams/web.toml").unwrap();
        // A follower is in the group of its tag.
        review.stage.commit("streams/web.toml", &format!("{text}latest = {{ follow = \"1\" }}\n"));
        review.stage.ends(0, &[]);
        review.publish(&format!("group = {group}"));
        for (name, seed) in [("web:1", 3), ("web:2", 4), ("db:1", 11)] {
            review.stage.push(name, seed);
        }
        review.stage.ends(0, &[]);
        let expected: Vec<_> = expected.into_iter().map(|(branch, rows)| (branch.to_owned(), rows)).collect();
        assert_eq!(branches(&review), expected);
    }
}

#[test]
fn after_one_is_merged_the_others_are_rebuilt_on_it() {
    slow!();
    let review = Review::new(Kind::GitHub, "group = \"tag\"");
    review.stage.push("web:1", 3);
    review.stage.push("web:2", 4);
    review.stage.ends(0, &[]);
    let (first, second) = (review.tip("pinstream/web+1"), review.tip("pinstream/web+2"));
    assert!(first.is_some() && second.is_some());
    // Unrelated commits do not rebuild proposals.
    review.stage.commit("README.md", "read me\n");
    review.stage.ends(0, &[]);
    assert_eq!((review.tip("pinstream/web+1"), review.tip("pinstream/web+2")), (first, second.clone()));
    let one = review.forge.open().into_iter().find(|pull| pull.branch == "pinstream/web+1").unwrap();
    review.forge.merge(one.number);
    review.stage.ends(0, &[]);
    let other = review.only();
    assert_ne!(review.tip("pinstream/web+2"), second);
    assert_eq!(review.commits("pinstream/web+2"), 1);
    review.forge.merge(other.number);
    review.stage.ends(0, &[]);
    assert_eq!((review.forge.open(), review.stage.events_in_short().lines().count()), (Vec::new(), 2));
}

#[test]
fn a_new_attestation_alone_is_proposed_only_if_configured() {
    for (more, expected) in [("", 0), ("attestation = true", 1)] {
        let review = Review::bare(Kind::GitHub);
        let image = |attestation| Image::new(1).platforms(&["linux/amd64"]).attestation(attestation);
        review.stage.registry.push("web", "1", &image(1));
        review.stage.commit("streams/web.toml", "[tags]\n\"1\" = \"REGISTRY/web:1\"\n");
        review.stage.ends(0, &[]);
        review.publish(more);
        review.stage.registry.push("web", "1", &image(2));
        let report = review.stage.report(0, &[]);
        assert_eq!(review.forge.open().len(), expected);
        assert_eq!(Review::outcome(&report, "1"), if expected == 0 { "ignored" } else { "proposed" });
    }
}

#[test]
fn a_lock_without_digest_changes_is_proposed_too() {
    let review = Review::new(Kind::GitHub, "");
    review.stage.push("web:first", 1);
    let text = review.stage.repo.read("main", "streams/web.toml").unwrap().replace("web:1\"", "web:first\"");
    review.stage.commit("streams/web.toml", &text);
    assert_eq!(Review::proposals(&review.stage.report(0, &[])), [("created".to_owned(), 1)]);
    let pull = review.only();
    assert_eq!(pull.title, "chore(images): refresh the lock");
    assert!(pull.body.starts_with("No digest changed;"), "{}", pull.body);
    assert_eq!(Review::proposals(&review.stage.report(0, &[])), [("unchanged".to_owned(), 1)]);
    review.forge.merge(1);
    assert_eq!(Review::proposals(&review.stage.report(0, &[])), []);
}

#[test]
fn a_pass_over_some_tags_keeps_the_proposed_changes_of_others() {
    let review = Review::new(Kind::GitHub, "");
    review.stage.push("web:1", 3);
    review.stage.push("web:2", 4);
    review.stage.ends(0, &[]);
    review.stage.push("web:1", 5);
    review.stage.ends(0, &["web:1"]);
    let body = review.only().body;
    assert!(body.contains("1.0.5") && body.contains("1.0.4"), "{body}");
}

#[test]
fn a_plan_shows_titles_and_bodies_from_templates() {
    let templates = "title = \"Bump {{ count }}: {{ title }}\"\nbody = \"\"\"\nPlease look, @acme/platform.\n\
                     <!-- pinstream: set=0 changes= -->\n\n{{ text }}\n\"\"\"";
    let review = Review::new(Kind::GitHub, templates);
    review.stage.push("web:1", 3);
    let mut plan = review.stage.sandbox.pinstream(&["plan", "-v"]);
    let clone = review.stage.sandbox.work();
    review.stage.sandbox.git(&["clone", "--quiet", &review.stage.repo.url(), "clone"]);
    plan.current_dir(clone.join("clone"));
    let plan = review.stage.sandbox.finish(plan);
    assert_eq!(plan.code, Some(0), "{}", plan.stderr);
    let shown = "  pinstream/web\n  Bump 1: chore(images): pin web:1\n\n  Please look, @acme/platform.\n\n  | tag |";
    let lines = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    assert!(lines(&plan.stdout).contains(&lines(shown)), "{}", plan.stdout);
    review.stage.ends(0, &[]);
    let pull = review.only();
    assert_eq!(pull.title, "Bump 1: chore(images): pin web:1");
    assert!(pull.body.starts_with("Please look, @acme/platform.\n\n| tag |"), "{}", pull.body);
    assert_eq!(pull.body.matches("<!-- pinstream: set=").count(), 1);
    // A template cannot forge the fingerprint.
    review.forge.close(pull.number);
    let report = review.stage.report(0, &[]);
    assert_eq!(Review::outcome(&report, "1"), "reverted");
}

#[test]
fn t8_t22_the_token_of_a_forge_is_never_shown() {
    let review = Review::new(Kind::GitHub, "");
    review.stage.push("web:1", 3);
    let said = review.stage.ends(0, &["-v"]);
    assert!(said.contains("POST") && !said.contains(TOKEN), "{said}");
}
