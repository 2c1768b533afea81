//! Findings of `check` for CI systems: each problem with its location.

use serde_json::Value;

use super::{check_formats, findings, sarif, stage};

#[test]
fn a_valid_root_has_no_findings() {
    let stage = stage();
    check_formats(&stage, 0, &["check"]);
    assert_eq!(findings(&stage, &["check"]), "");
    let log = sarif(&stage, &["check"]);
    let run = &log["runs"][0];
    assert_eq!(run["automationDetails"]["id"], "pinstream/check/work/");
    let invocation = &run["invocations"][0];
    assert_eq!((&invocation["exitCode"], &invocation["executionSuccessful"]), (&0.into(), &true.into()));
}

#[test]
fn a_broken_stream_is_reported_with_line_and_column() {
    let stage = stage();
    stage.stream("[tags]\n# \u{1f40d}, 100%\nlatest = { folow = \"3.12\" }\n\"3.12\" = \"python\n");
    for command in ["check", "plan", "update"] {
        check_formats(&stage, 1, &[command]);
        assert_eq!(findings(&stage, &[command]), "error definition work/streams/python.toml:4:17");
    }
    let log = sarif(&stage, &["check"]);
    assert_eq!(log["runs"][0]["invocations"][0]["executionSuccessful"], false);
}

#[test]
fn drift_of_lock_targets_and_images_is_reported_with_lines() {
    let stage = stage();
    stage.stream("[tags]\n\"3.11\" = \"REGISTRY/python:3.11\"\n\n[tags.\"3.12\"]\nimage = \"REGISTRY/python:3.12\"\n\n[tags.new]\nfollow = \"3.12\"\n");
    stage.sandbox.write("deploy/web.yaml", "# A comment.\nspec:\n  image: python:3\n");
    stage.sandbox.write("Dockerfile", "FROM golang:1\n");
    check_formats(&stage, 2, &["check", "--all-images"]);
    insta::assert_snapshot!(findings(&stage, &["check", "--all-images"]), @"
    error lock work/pinstream.lock:22
    error lock work/pinstream.lock:32
    error lock work/streams/python.toml:7:7
    error target work/deploy/web.yaml:3
    error image work/Dockerfile:1
    ");
    let log = sarif(&stage, &["check"]);
    let invocation = &log["runs"][0]["invocations"][0];
    assert_eq!((&invocation["exitCode"], &invocation["executionSuccessful"]), (&2.into(), &true.into()));
    let fingerprints = |log: &Value| -> Vec<Value> {
        log["runs"][0]["results"].as_array().unwrap().iter().map(|one| one["partialFingerprints"].clone()).collect()
    };
    // Fingerprints survive moved lines.
    stage.sandbox.write("deploy/web.yaml", "# A comment.\n# Another.\nspec:\n  image: python:3\n");
    let later = sarif(&stage, &["check"]);
    assert_ne!(log, later);
    assert_eq!(fingerprints(&log), fingerprints(&later));
}

#[test]
fn a_hand_edited_digest_is_reported_with_its_line_in_the_lock() {
    let stage = stage();
    stage.commit("Pin two images");
    let digest = stage.digest("python:3.11");
    stage.edit_lock(&digest, &digest.replace("sha256:e", "sha256:f"));
    check_formats(&stage, 4, &["check", "--base", "HEAD"]);
    assert_eq!(findings(&stage, &["check", "--base", "HEAD"]), "error hand-edited work/pinstream.lock:8");
}
