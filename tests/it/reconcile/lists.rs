//! Tag lists that are empty, incomplete or wrong: no pin is lost because a tag is not listed.

use super::stage::Stage;
use crate::support::lane::{needs, slow};
use crate::support::registry::http::{Answer, Body};
use crate::support::registry::{DockerRegistry, Image};

const STREAM: &str = "[tags]\nedge = { repository = \"REGISTRY/app\", semver = \"*\" }\n\
    [discover]\nrepository = \"REGISTRY/app\"\nsemver = \"*\"\n";

/// A root with a selected tag and three discovered ones, which are pinned.
fn stage() -> Stage {
    let stage = Stage::new("");
    stage.commit("streams/app.toml", STREAM);
    for (tag, seed) in [("1.0.0", 1), ("1.1.0", 2), ("1.2.0", 3)] {
        stage.push(&format!("app:{tag}"), seed);
    }
    stage.ends(0, &[]);
    assert_eq!(stage.lock().matches("[[pin]]").count(), 4);
    stage
}

/// Lists these tags, whichever exist.
fn list(stage: &Stage, tags: &'static str) {
    stage.registry.lie(move |request| {
        request.path().ends_with("/tags/list").then(|| Answer::new(200).body(format!("{{\"tags\": {tags}}}")))
    });
}

#[test]
fn r01_an_empty_list_removes_no_pins_and_the_rows_say_how_to_confirm_it() {
    let stage = stage();
    let before = stage.lock();
    for tags in ["null", "[]"] {
        list(&stage, tags);
        let said = stage.ends(3, &["app"]);
        assert!(said.contains("/app` lists no tags, but 3 of its tags are pinned"), "{said}");
        assert!(said.contains("if they were deleted on purpose, remove the tag or `[discover]`"), "{said}");
        assert_eq!(stage.lock(), before, "{tags}");
    }
    // As confirmed, the discovered pins are removed.
    stage.commit("streams/app.toml", "[tags]\nother = \"REGISTRY/app:1.0.0\"\n");
    stage.ends(0, &[]);
    assert_eq!(stage.lock().matches("[[pin]]").count(), 1);
}

#[test]
fn r19_a_pinned_tag_that_is_not_listed_is_resolved_and_only_404_means_gone() {
    slow!();
    let stage = stage();
    let before = stage.lock();
    // It exists: nothing changes. A list without most of the pinned tags is read twice.
    for (tags, lists) in [(r#"["1.0.0", "1.1.0"]"#, 1), (r#"["1.0.0"]"#, 2)] {
        stage.registry.clear_lies();
        list(&stage, tags);
        stage.registry.forget();
        stage.ends(0, &["app"]);
        assert_eq!(stage.lock(), before, "{tags}");
        let is_list = |request: &&crate::support::registry::http::Request| request.path().ends_with("/tags/list");
        assert_eq!(stage.registry.requests().iter().filter(is_list).count(), lists);
    }
    // It may exist: its rows fail.
    stage.registry.fail("/manifests/1.2.0", 500);
    let report = stage.report(3, &["app"]);
    let outcome =
        |tag: &str| report["tags"].as_array().unwrap().iter().find(|row| row["tag"] == tag).unwrap()["outcome"].clone();
    assert_eq!(
        (outcome("1.0.0"), outcome("1.2.0"), outcome("edge")),
        ("unchanged".into(), "failed".into(), "failed".into())
    );
    assert_eq!(stage.lock(), before);
    // It is gone: the discovered tag is removed, and the lower one is a rollback.
    stage.registry.clear_lies();
    stage.registry.remove("app", "1.2.0");
    let said = stage.ends(0, &["app"]);
    assert!(
        said.contains(
            "the rule selects a lower tag than the pinned one, which is gone or not signed, and `on-rollback` is `hold`"
        ),
        "{said}"
    );
    assert_eq!(stage.lock().matches("[[pin]]").count(), 3);
    let edge = stage.pin("app:edge");
    assert_ne!(edge, stage.pin("app:1.1.0"));
    stage.commit("streams/app.toml", &STREAM.replace("\"*\" }", "\"*\", on-rollback = \"warn\" }"));
    let said = stage.ends(0, &["app"]);
    assert!(said.contains("`app:edge` goes back from") && said.contains("/app:1.2.0` to the lower"), "{said}");
    assert_eq!(stage.pin("app:edge"), stage.pin("app:1.1.0"));
}

#[test]
fn r02_a_tag_selected_by_version_is_compared_by_its_tag() {
    let stage = Stage::new("");
    stage.commit(
        "streams/dns.toml",
        "[tags]\ndns = { repository = \"REGISTRY/dns\", semver = \"*\", allow = \"minor\" }\n",
    );
    let push =
        |tag: &str, seed: u64, version: &str| drop(stage.registry.push("dns", tag, &Image::new(seed).version(version)));
    push("15.4.0", 1, "24.04");
    stage.ends(0, &[]);
    push("16.0.0", 2, "24.04");
    let said = stage.ends(4, &["dns"]);
    assert!(said.contains("major version change, larger than `allow`"), "{said}");
    assert!(stage.lock().contains("/dns:15.4.0"));
    // A new base image is not a new version.
    stage.registry.remove("dns", "16.0.0");
    push("15.4.0", 3, "26.04");
    stage.ends(0, &["dns"]);
    assert!(stage.lock().contains("version = \"26.04\""));
    // The label of a distribution says nothing about an image that is based on it.
    let based = Image::new(4).version("24.04").label("org.opencontainers.image.ref.name", "ubuntu");
    stage.registry.push("dns", "15.5.0", &based);
    stage.ends(0, &["dns"]);
    assert!(stage.lock().contains("/dns:15.5.0") && !stage.lock().contains("version = \"2"), "{}", stage.lock());
}

#[test]
fn r15_tags_with_four_numbers_are_named_with_a_rule_that_compares_them() {
    let stage = Stage::new("");
    let rule = |rule: &str| format!("[tags]\nedge = {{ repository = \"REGISTRY/app\", {rule} }}\n");
    stage.commit("streams/app.toml", &rule("semver = \"*\""));
    for (tag, seed) in [("2.00.20", 1), ("2.00.20.1", 2), ("2.00.18.9", 3)] {
        stage.push(&format!("app:{tag}"), seed);
    }
    let said = stage.ends(0, &[]);
    let note = "`app:edge` does not compare 1 tag with more than three numbers, e.g. `2.00.20.1`";
    assert_eq!(said.matches(note).count(), 1, "{said}");
    let pattern = said.split("`pattern = '").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
    stage.commit("streams/app.toml", &rule(&format!("pattern = '{pattern}', order = \"number\"")));
    let said = stage.ends(0, &[]);
    assert!(stage.lock().contains("/app:2.00.20.1") && !said.contains("does not compare"), "{said}");
}

#[test]
fn r19_a_cache_whose_upstream_is_down_rolls_back_and_removes_no_pin() {
    needs!("docker-registry");
    slow!();
    let stage = Stage::new("");
    let upstream = &stage.registry;
    for (tag, seed) in [("1.0.0", 1), ("1.1.0", 2), ("1.2.0", 3)] {
        upstream.push("app", tag, &Image::new(seed).version(tag));
    }
    let cache = DockerRegistry::start_cache(&upstream.host());
    let named = |text: &str| text.replace("REGISTRY", &cache.host());
    stage.commit("pinstream.toml", &named("[registry.\"REGISTRY\"]\nplain-http = true\n"));
    stage.commit(
        "streams/app.toml",
        &named(&STREAM.replace("semver = \"*\" }", "semver = \"*\", on-rollback = \"allow\" }")),
    );
    stage.ends(0, &[]);
    let before = stage.lock();
    assert_eq!(before.matches("[[pin]]").count(), 4);
    // While its upstream is down, it lists only tags that were pulled through it, with status 200, and returns 404 for the
    // others.
    cache.forget("app", "1.2.0");
    upstream.lie(|_| Some(Answer::new(200).sent(Body::Hangup)));
    let report = stage.report(3, &["app"]);
    let rows = report["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| format!("{} {}", row["tag"].as_str().unwrap(), row["outcome"].as_str().unwrap()));
    assert_eq!(rows.collect::<Vec<_>>(), ["1.0.0 unchanged", "1.1.0 unchanged", "1.2.0 failed", "edge failed"]);
    let said = stage.ends(3, &["app"]);
    assert!(said.contains("does not list the pinned tag `1.2.0`, which may still exist"), "{said}");
    // Nothing is left in the cache.
    cache.forget("app", "1.0.0");
    cache.forget("app", "1.1.0");
    stage.ends(3, &["app"]);
    assert_eq!(stage.lock(), before);
    upstream.clear_lies();
    stage.ends(0, &["app"]);
    assert_eq!(stage.lock(), before);
}
