//! Adoption rules: when a digest is adopted, and when a tag keeps its pin.

use super::stage::Stage;
use crate::support::lane::slow;
use crate::support::registry::Image;
use crate::support::registry::http::Answer;
use crate::support::remote::http::HttpBackend;

const TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// One tag with `rules`, at the image of seed 1.
fn stage(rules: &str) -> Stage {
    let stage = Stage::new("");
    stage.push("web:1", 1);
    stage.commit("streams/web.toml", &format!("[tags.one]\nimage = \"REGISTRY/web:1\"\n{rules}\n"));
    stage.ends(0, &[]);
    stage
}

/// Runs a pass at `now` and returns the outcome of the tag, with the reason if there is one.
#[track_caller]
fn pass(stage: &mut Stage, now: &str, code: i32) -> String {
    stage.sandbox.env("PINSTREAM_NOW", format!("2026-11-{now}Z"));
    let report = stage.report(code, &[]);
    let row = report["tags"].as_array().unwrap().iter().find(|row| row["tag"] == "one").unwrap();
    let reason = row["held"]["reason"].as_str().map(|reason| format!(": {reason}"));
    format!("{}{}", row["outcome"].as_str().unwrap(), reason.unwrap_or_default())
}

#[test]
fn a_digest_soaks_from_its_first_sight_on_any_machine() {
    let mut stage = stage("soak = \"2d\"");
    let waits = |since: &str, until: &str| format!("soaking: soaking since 2026-11-{since}Z, until 2026-11-{until}Z");
    stage.push("web:1", 2);
    assert_eq!(pass(&mut stage, "24T10:00:00", 0), waits("24T10:00:00", "26T10:00:00"));
    // A soaking update costs one request.
    stage.registry.forget();
    assert_eq!(pass(&mut stage, "25T10:00:00", 0), waits("24T10:00:00", "26T10:00:00"));
    assert_eq!((stage.registry.counts().head, stage.registry.counts().get), (1, 0));
    // Another machine reads the first sight from the state; another digest starts again.
    std::fs::remove_dir_all(stage.sandbox.home()).unwrap();
    std::fs::create_dir(stage.sandbox.home()).unwrap();
    assert_eq!(pass(&mut stage, "26T09:59:59", 0), waits("24T10:00:00", "26T10:00:00"));
    stage.push("web:1", 3);
    assert_eq!(pass(&mut stage, "26T10:00:00", 0), waits("26T10:00:00", "28T10:00:00"));
    assert_eq!(pass(&mut stage, "28T10:00:00", 0), "updated");
    assert_eq!(pass(&mut stage, "28T10:00:01", 0), "unchanged");
}

#[test]
fn a_pass_over_other_tags_remembers_soaking_digests() {
    let mut stage = stage("soak = \"2d\"");
    stage.stream("other", &[("x", 9)]);
    stage.push("web:1", 2);
    pass(&mut stage, "24T10:00:00", 0);
    stage.sandbox.env("PINSTREAM_NOW", "2026-11-25T00:00:00Z");
    stage.ends(0, &["other"]);
    assert_eq!(pass(&mut stage, "26T10:00:00", 0), "updated");
}

#[test]
fn a_hold_keeps_the_pin_until_it_ends() {
    let mut stage = stage("hold = { reason = \"CVE regression\", until = 2026-11-26 }");
    stage.push("web:1", 2);
    let held = "held: held by its definition until 2026-11-26T00:00:00Z: CVE regression";
    assert_eq!(pass(&mut stage, "25T23:59:59", 0), held);
    assert_eq!(pass(&mut stage, "26T00:00:00", 0), "updated");
}

#[test]
fn a_rejected_digest_is_skipped_and_the_next_one_is_adopted() {
    let bad = Image::new(2).version("1.0.2").build().top.digest;
    let mut stage = stage(&format!("reject = [\"{bad}\"]"));
    assert_eq!(stage.push("web:1", 2), bad);
    assert_eq!(pass(&mut stage, "25T00:00:00", 0), "rejected: rejected by its definition");
    stage.push("web:1", 3);
    assert_eq!(pass(&mut stage, "25T00:00:01", 0), "updated");
}

#[test]
fn a_rollback_upstream_is_confirmed_and_then_follows_on_rollback() {
    slow!();
    for (rule, expected) in [
        ("", "held: the registry went back to an earlier digest, and `on-rollback` is `hold`"),
        ("on-rollback = \"hold\"", "held: the registry went back to an earlier digest, and `on-rollback` is `hold`"),
        ("on-rollback = \"allow\"", "updated"),
        ("on-rollback = \"warn\"", "updated"),
    ] {
        let mut stage = stage(rule);
        let second = stage.push("web:1", 2);
        stage.ends(0, &[]);
        stage.push("web:1", 1);
        stage.registry.forget();
        assert_eq!(pass(&mut stage, "25T00:00:00", 0), expected, "{rule}");
        assert_eq!(stage.registry.counts().head, 2, "{rule}");
        assert_eq!(stage.pin("web:one").as_deref() == Some(second.as_str()), expected.starts_with("held"), "{rule}");
    }
}

#[test]
fn a_stale_answer_is_corrected_by_a_second_request() {
    slow!();
    let mut stage = stage("");
    let old = stage.pin("web:one").unwrap();
    stage.push("web:1", 2);
    stage.ends(0, &[]);
    let mut stale = true;
    stage.registry.lie(move |request| {
        let lies = std::mem::take(&mut stale) && request.method == "HEAD";
        let answer = || Answer::new(200).header("Content-Type", TYPE).header("Docker-Content-Digest", old.clone());
        lies.then(answer)
    });
    assert_eq!(pass(&mut stage, "25T00:00:00", 0), "unchanged");
}

#[test]
fn changes_are_ignored_or_held_by_their_class() {
    let image = |seed: u64, version: &str, attestation: u64| {
        Image::new(seed).version(version).platforms(&["linux/amd64"]).attestation(attestation)
    };
    let stage = Stage::new("");
    let push = |seed, version, attestation| stage.registry.push("web", "1", &image(seed, version, attestation));
    push(1, "1.0.0", 1);
    stage.commit(
        "streams/web.toml",
        "[tags]\nquiet = { image = \"REGISTRY/web:1\", ignore = [\"attestation\"] }\n\
         careful = { image = \"REGISTRY/web:1\", allow = \"minor\" }\nopen = \"REGISTRY/web:1\"\n",
    );
    stage.ends(0, &[]);
    let outcomes = |code: i32| {
        let report = stage.report(code, &[]);
        let rows = report["tags"].as_array().unwrap().iter();
        rows.map(|row| row["outcome"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    // In the order of their names: careful, open, quiet.
    push(1, "1.0.0", 2);
    assert_eq!(outcomes(0), "updated updated ignored");
    push(2, "1.1.0", 2);
    assert_eq!(outcomes(0), "updated updated updated");
    push(3, "2.0.0", 2);
    assert_eq!(outcomes(4), "held updated updated");
}

#[test]
fn a_reverted_change_is_not_made_again() {
    let mut stage = stage("");
    let first = stage.pin("web:one").unwrap();
    let bad = stage.push("web:1", 2);
    assert_eq!(pass(&mut stage, "24T10:00:00", 0), "updated");
    stage.sandbox.git(&["clone", "--quiet", &stage.remote, "clone"]);
    stage.sandbox.git(&["-C", "clone", "revert", "--no-edit", "HEAD"]);
    stage.sandbox.git(&["-C", "clone", "push", "--quiet", "origin", "HEAD:main"]);
    let held = "reverted: reverted, or its proposal was closed on the forge; waiting for a newer digest";
    for now in ["24T11:00:00", "24T12:00:00"] {
        assert_eq!(pass(&mut stage, now, 0), held);
        assert_eq!(stage.pin("web:one").as_ref(), Some(&first));
    }
    let newer = stage.push("web:1", 3);
    assert_eq!(pass(&mut stage, "24T13:00:00", 0), "updated");
    assert_eq!(stage.pin("web:one").as_deref(), Some(newer.as_str()));
    // The reverted digest is still remembered.
    stage.push("web:1", 2);
    assert_eq!(pass(&mut stage, "24T14:00:00", 0), held);
    assert_ne!(stage.pin("web:one").as_deref(), Some(bad.as_str()));
}

#[test]
fn a_plan_in_a_checkout_reads_reverts_from_the_history() {
    let stage = stage("");
    stage.push("web:1", 2);
    stage.sandbox.git(&["clone", "--quiet", &stage.remote, "."]);
    for args in [&["update"][..], &["plan", "--exit-code"]] {
        assert_eq!(stage.sandbox.run(args).code, Some(0));
    }
    stage.sandbox.git(&["commit", "--quiet", "--all", "--message", "Move"]);
    stage.sandbox.git(&["revert", "--no-edit", "HEAD"]);
    let told = stage.sandbox.run(&["plan", "--exit-code"]);
    assert_eq!(told.code, Some(0), "{}", told.stdout);
    assert!(told.stdout.contains("reverted  web:one"), "{}", told.stdout);
    assert!(
        told.stdout.contains("reverted, or its proposal was closed on the forge; waiting for a newer digest"),
        "{}",
        told.stdout
    );
    stage.push("web:1", 3);
    assert_eq!(stage.sandbox.run(&["plan", "--exit-code"]).code, Some(2));
}

#[test]
fn a_checkout_without_state_reads_reverts_from_the_history() {
    let mut stage = stage("");
    let server = HttpBackend::start(stage.repo.base());
    stage.remote = server.url();
    stage.sandbox.git(&["clone", "--quiet", &stage.remote, "."]);
    stage.push("web:1", 2);
    stage.ends(0, &[]);
    assert!(!stage.repo.git(&["for-each-ref"]).contains("pinstream/state"));
    stage.sandbox.git(&["pull", "--quiet"]);
    stage.sandbox.git(&["revert", "--no-edit", "HEAD"]);
    stage.sandbox.git(&["push", "--quiet"]);
    let told = stage.ends(0, &["-v"]);
    assert!(
        told.contains("reverted, or its proposal was closed on the forge; waiting for a newer digest"),
        "{told} {}",
        stage.repo.git(&["log", "--stat", "main"])
    );
    // The state contains the revert, so a clone without history respects it too.
    std::fs::remove_dir_all(stage.sandbox.work()).unwrap();
    std::fs::create_dir(stage.sandbox.work()).unwrap();
    std::fs::remove_dir_all(stage.sandbox.home().join(".cache")).unwrap();
    assert!(
        stage.ends(0, &[]).contains("reverted, or its proposal was closed on the forge; waiting for a newer digest")
    );
}
