//! A tag that fails to resolve keeps its pin and is a row of the report; all others land.

use serde_json::Value;

use super::stage::Stage;
use crate::support::lane::slow;
use crate::support::registry::http::{Answer, Body};
use crate::support::registry::{FakeRegistry, Image};

/// A good tag in one registry and a bad one in another, both pinned and both changed upstream; `spoil` breaks the bad
/// one's registry. `settings` are added for that registry.
#[track_caller]
fn check(bad: FakeRegistry, outcome: &str, code: i32, settings: &str, spoil: impl FnOnce(&FakeRegistry)) {
    let stage = Stage::new("");
    let host = bad.host();
    let secure = bad.base().starts_with("https");
    if secure {
        stage.commit("ca.pem", &String::from_utf8(bad.ca()).unwrap());
    }
    let table = |text: &str| format!("[registry.\"{host}\"]\n{text}\n");
    stage.settings(&table(if secure { "ca = \"ca.pem\"" } else { "plain-http = true" }));
    stage.stream("good", &[("1", 1)]);
    let old = bad.push("bad", "1", &Image::new(1).platforms(&["linux/amd64", "linux/arm64"]));
    let tag = format!("{{ image = \"{host}/bad:1\", platforms = [\"linux/amd64\"] }}");
    stage.commit("streams/bad.toml", &format!("[tags]\n\"1\" = {tag}\nafter = {{ follow = \"1\" }}\n"));
    stage.ends(0, &[]);
    assert_eq!(stage.pin("bad:1").as_deref(), Some(old.as_str()));

    stage.settings(&table(settings));
    let good = stage.push("good:1", 2);
    bad.push("bad", "1", &Image::new(2).platforms(&["linux/amd64", "linux/arm64"]));
    spoil(&bad);
    let commits = stage.commits().len();
    let report = stage.report(code, &[]);
    assert_eq!(report["end"], "landed");
    let row = |name: &str| -> Value {
        let (stream, tag) = name.split_once(':').unwrap();
        let rows = report["tags"].as_array().unwrap();
        rows.iter().find(|row| row["stream"] == stream && row["tag"] == tag).unwrap().clone()
    };
    let found = row("bad:1");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    assert_eq!(format!("{}: {}", text(&found["outcome"]), text(&found["error"]["kind"])), outcome, "{found:#}");
    assert_eq!((&found["old"], &found["new"]["digest"]), (&found["new"], &old.as_str().into()));
    assert_eq!(row("good:1")["outcome"], "updated");
    assert_eq!(stage.pin("good:1").as_deref(), Some(good.as_str()));
    for kept in ["bad:1", "bad:after"] {
        assert_eq!(stage.pin(kept).as_deref(), Some(old.as_str()), "{kept}");
    }
    assert_eq!(stage.commits().len(), commits + 1);
}

const PLAIN: &str = "plain-http = true";

#[test]
fn a_missing_tag_keeps_its_pin() {
    check(FakeRegistry::start(), "failed: not-found", 3, PLAIN, |bad| bad.remove("bad", "1"));
}

#[test]
fn a_tag_without_read_access_keeps_its_pin() {
    check(FakeRegistry::start(), "failed: unauthorized", 3, PLAIN, |bad| bad.fail("/bad/", 401));
}

#[test]
fn a_tag_of_a_rate_limited_registry_keeps_its_pin() {
    slow!();
    check(FakeRegistry::start(), "failed: rate-limited", 3, PLAIN, |bad| bad.fail("/bad/", 429));
}

#[test]
fn s03_40_good_tags_land_beside_20_in_a_repository_that_answers_429() {
    slow!();
    for bad in ["a", "z"] {
        let stage = Stage::new("");
        let mut text = "[tags]\n".to_owned();
        for number in 0..40 {
            stage.push(&format!("m:{number}"), number);
            text += &format!("\"{number}\" = \"REGISTRY/m:{number}\"\n");
        }
        stage.commit("streams/m.toml", &text);
        let bad_tags = (0..20).map(|number| format!("\"{number}\" = \"REGISTRY/{bad}:{number}\"\n"));
        stage.commit(&format!("streams/{bad}.toml"), &format!("[tags]\n{}", bad_tags.collect::<String>()));
        stage.registry.fail(&format!("/v2/{bad}/"), 429);
        let report = stage.report(3, &[]);
        let outcomes = |stream: &str| -> Vec<&str> {
            let rows = report["tags"].as_array().unwrap().iter().filter(|row| row["stream"] == stream);
            rows.map(|row| row["outcome"].as_str().unwrap()).collect()
        };
        assert_eq!((outcomes("m"), outcomes(bad)), (vec!["added"; 40], vec!["failed"; 20]));
        assert_eq!(stage.lock().matches("[[pin]]").count(), 40);
    }
}

#[test]
fn a_tag_of_a_registry_with_an_untrusted_certificate_keeps_its_pin() {
    check(FakeRegistry::start_tls(), "failed: tls", 3, "requests = 2", |_| {});
}

#[test]
fn a_tag_of_a_registry_that_closes_connections_keeps_its_pin() {
    slow!();
    check(FakeRegistry::start(), "failed: network", 3, PLAIN, |bad| {
        bad.lie(|_| Some(Answer::new(200).sent(Body::Hangup)));
    });
}

#[test]
fn a_tag_whose_bytes_do_not_match_its_digest_keeps_its_pin() {
    check(FakeRegistry::start(), "failed: integrity", 4, PLAIN, |bad| {
        let other = Image::new(66).build().top;
        bad.lie(move |request| {
            let lies = request.method == "GET" && request.target.contains("/manifests/sha256:");
            lies.then(|| Answer::new(200).header("content-type", &*other.media_type).body(&*other.bytes))
        });
    });
}

#[test]
fn a_tag_with_an_unsupported_manifest_keeps_its_pin() {
    check(FakeRegistry::start(), "failed: unsupported", 3, PLAIN, |bad| {
        bad.lie(|_| {
            let schema_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws";
            Some(Answer::new(200).header("content-type", schema_1).body("{\"schemaVersion\": 1}"))
        });
    });
}

#[test]
fn a_tag_that_lacks_a_platform_is_refused_and_keeps_its_pin() {
    check(FakeRegistry::start(), "refused: refused", 4, PLAIN, |bad| {
        bad.push("bad", "1", &Image::new(3).platforms(&["linux/arm64", "linux/s390x"]));
    });
}

#[test]
fn t3_a_symlink_as_lock_is_refused_with_4() {
    let stage = Stage::new("");
    stage.stream("web", &[("1", 1)]);
    let tip = stage.repo.tip("refs/heads/main").unwrap();
    let stream = format!(
        "commit refs/heads/main\ncommitter A Person <person@example.com> 1760000000 +0000\ndata 1\nx\nfrom {tip}\n\
         M 120000 inline pinstream.lock\ndata 11\n/etc/passwd\n"
    );
    stage.repo.git_with(&["fast-import", "--quiet"], stream.as_bytes());
    let refs = stage.repo.git(&["for-each-ref"]);
    let said = stage.ends(4, &[]);
    assert!(said.contains("cannot use `pinstream.lock` in the repository: "), "{said}");
    assert_eq!(stage.repo.git(&["for-each-ref"]), refs);
}
