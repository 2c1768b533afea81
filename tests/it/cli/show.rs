//! `plan`: shows what a pass would do.

use serde_json::Value;

use super::Stage;
use crate::support::lane::slow;
use crate::support::schema;

#[test]
fn a_plan_shows_what_would_change_and_writes_nothing() {
    let stage = Stage::new();
    stage.check(
        &["plan"],
        r#"
--- out
added  python:3.11    e0660bcc5200                 3.11.9
added  python:3.12    346028a7044f                 3.12.4
added  python:arm     e7a589004cc2                 3.12.4
added  python:latest  346028a7044f                 3.12.4
4 added; nothing was written
--- exit 0
"#,
    );
    assert!(!stage.sandbox.work().join("pinstream.lock").exists());
    stage.update();
    stage.check(
        &["plan"],
        r#"
--- out
4 unchanged; nothing was written
--- exit 0
"#,
    );
    let before = stage.sandbox.read("pinstream.lock");
    stage.move_upstream();
    stage.check(
        &["plan"],
        r#"
--- out
updated  python:3.12    346028a7044f → 4b8343596c64  3.12.4 → 3.12.5
         patch; built 2026-10-01, at the same time; 20 bytes; 0 of 1 layers kept, 1 new
updated  python:arm     e7a589004cc2 → 688f172987f3  3.12.4 → 3.12.5
         patch; built 2026-10-01, at the same time; 20 bytes; 0 of 1 layers kept, 1 new
updated  python:latest  346028a7044f → 4b8343596c64  3.12.4 → 3.12.5
         same change as python:3.12
3 updated, 1 unchanged; nothing was written
--- exit 0
"#,
    );
    assert_eq!(stage.sandbox.read("pinstream.lock"), before);
}

#[test]
fn with_exit_code_a_plan_with_changes_exits_2() {
    let stage = Stage::pinned();
    assert_eq!(stage.sandbox.run(&["plan", "--exit-code"]).code, Some(0));
    stage.move_upstream();
    assert_eq!(stage.sandbox.run(&["plan"]).code, Some(0));
    assert_eq!(stage.sandbox.run(&["plan", "--exit-code"]).code, Some(2));
    assert_eq!(stage.sandbox.run(&["plan", "--exit-code", "python:3.11"]).code, Some(0));
    stage.registry.remove("python", "3.11");
    assert_eq!(stage.sandbox.run(&["plan", "--exit-code"]).code, Some(3));
}

#[test]
fn with_verbose_all_tags_are_listed_and_requests_are_logged() {
    let stage = Stage::pinned();
    stage.check(
        &["plan", "-v", "python:3.11"],
        r#"
--- out
unchanged  python:3.11    e0660bcc5200                 3.11.9
skipped    python:3.12    346028a7044f                 3.12.4  not selected
skipped    python:arm     e7a589004cc2                 3.12.4  not selected
skipped    python:latest  346028a7044f                 3.12.4  not selected
1 unchanged, 3 skipped; nothing was written
--- err
DEBUG HEAD http://REGISTRY/v2/python/manifests/3.11 200
DEBUG registry requests: 1 HEAD, 0 GET, 0 token, 0 retries; 0 bytes received
--- exit 0
"#,
    );
}

#[test]
fn named_tags_are_planned_with_their_followers() {
    let stage = Stage::new();
    stage.check(
        &["plan", "python:latest"],
        r#"
--- out
added  python:3.12    346028a7044f                 3.12.4
added  python:latest  346028a7044f                 3.12.4
2 added, 2 skipped; nothing was written
--- exit 0
"#,
    );
    stage.check(
        &["plan", "python:3.*"],
        r#"
--- out
added  python:3.11    e0660bcc5200                 3.11.9
added  python:3.12    346028a7044f                 3.12.4
added  python:latest  346028a7044f                 3.12.4
3 added, 1 skipped; nothing was written
--- exit 0
"#,
    );
}

#[test]
fn json_output_matches_its_schema() {
    let stage = Stage::new();
    let report_schema: Value = serde_json::from_str(&stage.sandbox.run(&["schema", "report"]).stdout).unwrap();
    let plan = |args: &[&str]| -> Value {
        let report = serde_json::from_str(&stage.sandbox.run(&[args, &["--format", "json"]].concat()).stdout).unwrap();
        schema::holds(&report_schema, &report);
        report
    };
    assert_eq!(plan(&["plan"])["tags"][0]["outcome"], "added");
    assert_eq!(plan(&["update", "python:3.11"])["end"], "written");
    stage.registry.remove("python", "3.11");
    let report = plan(&["plan"]);
    assert_eq!((&report["tags"][0]["error"]["kind"], &report["exit"]), (&"not-found".into(), &3.into()));
    assert_eq!(plan(&["plan", "python:3.12"])["tags"][0]["skipped"], "not-selected");
}

#[test]
fn failures_are_reported_with_their_kind_and_do_not_stop_others() {
    slow!();
    let stage = Stage::pinned();
    stage.stream(
        r#"
[tags]
"3.11" = "REGISTRY/python:3.11"
gone = "REGISTRY/python:gone"
follower = { follow = "gone" }
private = "REGISTRY/private:1"
nowhere = "registry.invalid/a:1"
unnamed = "127.0.0.1:9/a:1"
s390x = { image = "REGISTRY/python:3.12", platform = "linux/s390x" }
"#,
    );
    stage.registry.fail("/private/", 401);
    stage.check(&["plan"], r#"
--- out
removed  python:3.12      346028a7044f                 3.12.4
removed  python:arm       e7a589004cc2                 3.12.4
failed   python:follower  not-found: `python:gone`, which it follows, has no pin
failed   python:gone      not-found: `REGISTRY/python:gone` not found: `REGISTRY` returned 404
removed  python:latest    346028a7044f                 3.12.4
failed   python:nowhere   network: cannot connect to `registry.invalid`: failed to lookup address information: Name or service not known
failed   python:private   unauthorized: `REGISTRY` returned 401 without a `WWW-Authenticate` header
                          help: run `docker login REGISTRY`, or check the credentials in this environment
refused  python:s390x     `REGISTRY/python:3.12` has no `linux/s390x`
                          help: available: `linux/amd64`, `linux/arm64`
refused  python:unnamed   connection to `127.0.0.1:9` refused: 127.0.0.1 is a private or loopback address
                          help: if the address is intended, add `[registry."127.0.0.1:9"]` to `pinstream.toml`
3 removed, 1 unchanged, 2 refused, 4 failed; nothing was written
--- exit 4
"#);
}

#[test]
fn a_refreshed_pin_is_drift() {
    let stage = Stage::pinned();
    let mirrored = super::PYTHON.replace("\"REGISTRY/python:3.11\"", "\"REGISTRY/mirror:3.11\"");
    stage.registry.push("mirror", "3.11", &super::image(11, "3.11.9"));
    stage.stream(&mirrored);
    stage.check(
        &["plan", "--exit-code"],
        r#"
--- out
refreshed  python:3.11  e0660bcc5200                 3.11.9
1 refreshed, 3 unchanged; nothing was written
--- exit 2
"#,
    );
    assert_eq!(stage.sandbox.run(&["plan"]).code, Some(0));
    assert_eq!(stage.sandbox.run(&["check", "--upstream"]).code, Some(2));
    stage.update();
    assert_eq!(stage.sandbox.run(&["plan", "--exit-code"]).code, Some(0));
}

#[test]
fn the_exit_code_in_a_report_is_that_of_the_process() {
    let stage = Stage::pinned();
    stage.move_upstream();
    for (args, code) in [(&["plan", "--format", "json"][..], 0), (&["plan", "--format", "json", "--exit-code"], 2)] {
        let ran = stage.sandbox.run(args);
        let report: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!((ran.code, &report["exit"]), (Some(code), &code.into()), "{args:?}");
    }
}
