//! Explanations of changes in the plan, in the report and in hook events.

use serde_json::{Value, json};

use super::stage::{Stage, TELL};
use crate::support::lane::slow;
use crate::support::registry::Image;
use crate::support::registry::http::Answer;

fn old() -> Image {
    Image::new(1)
        .platforms(&["linux/amd64", "linux/arm64"])
        .label("org.opencontainers.image.source", "https://github.com/acme/web.git")
        .revision("0a0a0a")
        .created("2026-10-01T00:00:00Z")
        .runs("User", json!("app"))
        .runs("Env", json!(["WEB_VERSION=1.0.0", "PATH=/bin"]))
}

fn new() -> Image {
    Image::new(2)
        .platforms(&["linux/amd64"])
        .label("org.opencontainers.image.source", "https://github.com/acme/web")
        .label("note", "::set-env name=x::y")
        .revision("1b1b1b")
        .created("2026-10-13T00:00:00Z")
        .runs("Env", json!(["WEB_VERSION=1.1.0", "PATH=/bin"]))
        .runs("ExposedPorts", json!({"8080/tcp": {}}))
}

/// A tag and a follower that are about to change.
fn stage() -> Stage {
    let stage = Stage::new(TELL);
    stage.registry.push("web", "1", &old());
    stage.commit("streams/web.toml", "[tags]\none = \"REGISTRY/web:1\"\ntwo = { follow = \"one\" }\n");
    stage.ends(0, &[]);
    stage.registry.push("web", "1", &new());
    stage
}

fn of<'a>(report: &'a Value, list: &str, tag: &str) -> &'a Value {
    let rows = report[list].as_array().unwrap();
    &rows.iter().find(|row| row["tag"] == tag).unwrap()["explanation"]
}

#[test]
fn a_report_explains_a_change_with_the_important_parts_first() {
    slow!();
    let told = |args: &[&str]| {
        let stage = stage();
        let ran = stage.pass(args);
        stage.shown(&ran.stdout)
    };
    insta::assert_snapshot!(told(&[]), @r"
    updated  web:one  6d935f04af12 → 2844ea68c7ee  1.0.0 → 1.1.0
             ! now runs as root
             ! no longer runs on linux/arm64
    updated  web:two  6d935f04af12 → 2844ea68c7ee  1.0.0 → 1.1.0
    hook tell succeeded for 2 changes
    2 updated; landed as [COMMIT 4] on main
    ");
    insta::assert_snapshot!(told(&["-v"]), @r"
    updated  web:one  6d935f04af12 → 2844ea68c7ee  1.0.0 → 1.1.0
             ! now runs as root
             ! no longer runs on linux/arm64
             minor; built 2026-10-13, 12 days later; 19 bytes; 0 of 1 layers kept, 1 new
             https://github.com/acme/web/compare/0a0a0a...1b1b1b
             user: app → root
             port: 8080/tcp (added)
             variable WEB_VERSION: 1.0.0 → 1.1.0
             label note: \u{3a}:set-env name=x::y (added)
    updated  web:two  6d935f04af12 → 2844ea68c7ee  1.0.0 → 1.1.0
             same change as web:one
    hook tell succeeded for 2 changes
    2 updated; landed as [COMMIT 4] on main
    ");
}

#[test]
fn report_and_event_have_the_same_explanation_in_json() {
    let stage = stage();
    let report = stage.report(0, &[]);
    let told = stage.events();
    let event = told.last().unwrap();
    for tag in ["one", "two"] {
        let explanation = of(&report, "tags", tag);
        assert_eq!(explanation, of(event, "changes", tag));
        assert_eq!(explanation["class"], "minor");
        assert_eq!(explanation["compare"], "https://github.com/acme/web/compare/0a0a0a...1b1b1b");
        assert_eq!(explanation["platforms_lost"], json!(["linux/arm64"]));
        assert_eq!(explanation["built"], json!({"old": "2026-10-01T00:00:00Z", "new": "2026-10-13T00:00:00Z"}));
        assert_eq!(explanation["differences"][0], json!({"what": "user", "old": "app", "new": "root"}));
    }
}

#[test]
fn changes_landed_by_others_are_explained_to_hooks() {
    slow!();
    let stage = stage();
    let before = stage.lock();
    stage.ends(0, &[]);
    let after = stage.lock();
    stage.commit("pinstream.lock", &before);
    stage.commit(
        "streams/web.toml",
        "[tags.one]\nimage = \"REGISTRY/web:1\"\nhold = \"mine\"\n[tags.two]\nfollow = \"one\"\n",
    );
    stage.ends(0, &[]);
    stage.commit("pinstream.lock", &after);
    stage.ends(0, &[]);
    let told = stage.events();
    assert_eq!(told.len(), 4);
    assert_eq!(of(&told[3], "changes", "one")["class"], "minor");
    assert_eq!(of(&told[2], "changes", "one")["platforms_gained"], json!(["linux/arm64"]));
}

#[test]
fn an_old_image_that_is_gone_is_noted_and_stops_nothing() {
    let stage = stage();
    let gone = old().digest();
    stage.registry.lie(move |request| request.target.contains(gone.as_str()).then(|| Answer::new(404)));
    let report = stage.report(0, &[]);
    let explanation = of(&report, "tags", "one");
    assert_eq!(explanation["class"], "minor");
    let unknown = explanation["unknown"].as_str().unwrap();
    assert!(unknown.starts_with("the previous image cannot be read: "), "{unknown}");
    assert_eq!(explanation["size"]["old"], Value::Null);
    assert!(explanation["size"]["new"].is_u64());
}

#[test]
fn a_change_of_one_platform_is_explained_by_its_own_image() {
    let stage = Stage::new("");
    let image = |seed: u64| Image::new(seed).platforms(&["linux/amd64", "linux/arm64"]).version(&format!("1.0.{seed}"));
    stage.registry.push("web", "1", &image(1));
    stage.commit("streams/web.toml", "[tags]\narm = { image = \"REGISTRY/web:1\", platform = \"linux/arm64\" }\n");
    stage.ends(0, &[]);
    stage.registry.push("web", "1", &image(2));
    stage.registry.forget();
    let report = stage.report(0, &[]);
    let explanation = of(&report, "tags", "arm");
    assert_eq!((&explanation["class"], &explanation["warnings"]), (&json!("patch"), &json!([])));
    // Requests: the index, the child and its configuration; of the old image, the child and its configuration.
    assert_eq!((stage.registry.counts().head, stage.registry.counts().get), (1, 5));
}

#[test]
fn tags_with_the_same_change_cost_as_much_as_one() {
    let stage = Stage::new("");
    stage.push("web:1", 1);
    let tags: String = (0..20).map(|number| format!("t{number} = \"REGISTRY/web:1\"\n")).collect();
    stage.commit("streams/web.toml", &format!("[tags]\n{tags}"));
    stage.ends(0, &[]);
    stage.push("web:1", 2);
    stage.registry.forget();
    stage.ends(0, &[]);
    assert_eq!((stage.registry.counts().head, stage.registry.counts().get), (1, 4));
}
