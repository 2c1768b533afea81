//! Bodies of proposals: as text, and as rendered by a forge.

use std::path::Path;

use pulldown_cmark::{Options, Parser, html};
use serde_json::json;

use super::Review;
use crate::support::forge::Kind;
use crate::support::lane::slow;
use crate::support::registry::Image;

/// An image with labels for its source and base image.
fn web(seed: u64, version: &str, revision: &str, created: &str) -> Image {
    Image::new(seed)
        .version(version)
        .revision(revision)
        .created(created)
        .label("org.opencontainers.image.source", "https://github.com/acme/web")
        .label("org.opencontainers.image.base.name", "docker.io/library/debian:13-slim")
}

/// Three streams with changes: a new version, a rebuild with regressions, and hostile labels.
fn review(kind: Kind) -> Review {
    let review = Review::bare(kind);
    let push = |name: &str, image: Image| review.stage.registry.push(name, "1", &image);
    let both = ["linux/amd64", "linux/arm64"];
    let base = "org.opencontainers.image.base.digest";
    push(
        "web",
        web(1, "3.12.4", "0a1b2c3", "2026-10-01T08:12:44Z").platforms(&both).label(base, "sha256:0123456789abcdef"),
    );
    push(
        "db",
        web(2, "17.1", "1111111", "2026-09-01T00:00:00Z")
            .platforms(&both)
            .runs("User", json!("postgres"))
            .runs("Env", json!(["PGDATA=/data"])),
    );
    push("odd", web(3, "1", "0", "2026-09-01T00:00:00Z"));
    review.stage.commit("streams/web.toml", "[tags]\n\"3.12\" = \"REGISTRY/web:1\"\nlatest = { follow = \"3.12\" }\n");
    review.stage.commit("streams/db.toml", "[tags]\n17 = \"REGISTRY/db:1\"\n");
    review.stage.commit("streams/odd.toml", "[tags]\none = \"REGISTRY/odd:1\"\n");
    review.stage.ends(0, &[]);
    review.publish("group = \"all\"");
    push(
        "web",
        web(11, "3.12.5", "4d5e6f7", "2026-10-13T09:00:00Z")
            .platforms(&both)
            .runs("ExposedPorts", json!({"8080/tcp": {}})),
    );
    push(
        "db",
        web(12, "17.1", "1111111", "2026-10-13T00:00:00Z")
            .platforms(&["linux/amd64"])
            .runs("Env", json!(["PGDATA=/data", "LANG=C.UTF-8"])),
    );
    push(
        "odd",
        web(13, "@acme/all #1 | `x` <img src=x onerror=alert(1)>", "javascript:alert(1)", "2026-10-13T00:00:00Z")
            .label("note\n# Title", "[skip ci] https://evil.example ![](http://evil.example/x.png)"),
    );
    review.stage.ends(0, &[]);
    review
}

/// Replaces what differs between runs.
fn shown(review: &Review, text: &str) -> String {
    review.stage.sandbox.scrubbed(text).replace("[REGISTRY]", "registry.example")
}

/// Renders CommonMark with tables, as forges do.
fn rendered(text: &str) -> String {
    let mut out = String::new();
    html::push_html(&mut out, Parser::new_ext(text, Options::ENABLE_TABLES));
    out
}

/// Compares with a golden file; `PINSTREAM_GOLDEN=write` updates it.
#[track_caller]
fn golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/review/golden").join(name);
    if std::env::var_os("PINSTREAM_GOLDEN").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "\n{found}");
}

#[test]
fn a_body_reads_well_as_text_and_rendered() {
    let review = review(Kind::GitHub);
    let body = shown(&review, &review.only().body);
    golden("body.md", &body);
    golden("body.html", &rendered(&body));
}

#[test]
fn all_forges_get_the_same_body_within_their_limits() {
    slow!();
    let plain = {
        let review = review(Kind::GitHub);
        shown(&review, &review.only().body)
    };
    for kind in [Kind::GitLab, Kind::Gitea] {
        let review = review(kind);
        assert_eq!(shown(&review, &review.only().body), plain, "{kind:?}");
    }
    // Bitbucket shows HTML comments, so its hidden lines have another form.
    let bitbucket = review(Kind::Bitbucket);
    let body = shown(&bitbucket, &bitbucket.only().body);
    let visible = |text: &str| {
        text.lines()
            .filter(|line| !line.contains("pinstream:") && !line.is_empty())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(visible(&body), visible(&plain));
    assert!(body.contains("\n[//]: # (pinstream: set=") && !body.contains("<!--"), "{body}");
    assert!(!rendered(&body).contains("pinstream:"));
    // Azure accepts 4,000 characters.
    let azure = review(Kind::Azure);
    let body = azure.only().body;
    assert!(body.chars().count() <= 4_000 && body.contains("<!-- pinstream: set="), "{body}");
    assert!(plain.starts_with(&shown(&azure, body.split("\n\n").next().unwrap())), "{body}");
}

#[test]
fn t9_text_from_images_is_inactive_on_a_forge() {
    let review = review(Kind::GitHub);
    let pull = review.only();
    let html = rendered(&pull.body);
    for text in ["<img", "<h1", "href=\"javascript", "href=\"https://evil", "<!-- x"] {
        assert!(!html.contains(text), "{html}");
    }
    // Text outside of code spans mentions nobody.
    let outside: String = pull.body.split('`').step_by(2).collect();
    assert!(!outside.contains('@') && !outside.contains("evil") && !outside.contains("skip ci"), "{outside}");
    assert_eq!(pull.title, "chore(images): pin 4 tags");
}
