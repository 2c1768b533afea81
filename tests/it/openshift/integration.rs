//! Imports from end to end (openshift/origin, `test/integration/imageimporter_test.go`).

use super::{digest, history};
use crate::reconcile::stage::Stage;
use crate::support::encoding::base64;
use crate::support::lane::slow;
use crate::support::registry::fake::{Access, TokenRules};
use crate::support::registry::{FakeRegistry, Image};

#[test]
fn test_image_stream_import() {
    let stage = Stage::new("");
    for (name, seed) in [("web:1", 1), ("web:2", 2)] {
        stage.push(name, seed);
    }
    let nothing = |stage: &Stage, refs: &str| {
        assert_eq!((stage.repo.git(&["for-each-ref"]).as_str(), stage.lock().as_str()), (refs, ""));
    };
    // Invalid definitions create nothing.
    stage.commit("streams/web.toml", "[tags]\n\"1\" = \"REGISTRY/web:1\"\n\"2\" = { kind = \"DockerImage\" }\n");
    let refs = stage.repo.git(&["for-each-ref"]);
    stage.check(&[], r#"
--- err
error: unknown key `kind`
 --> streams/web.toml:3:9
  |
3 | "2" = { kind = "DockerImage" }
  |         ^^^^
  |
  = help: known keys: `allow`, `annotations`, `follow`, `hold`, `ignore`, `image`, `on-rollback`, `order`, `pattern`, `platform`, `platforms`, `reject`, `repository`, `schedule`, `semver`, `soak`, `timezone`, `verify`
--- exit 1
"#);
    nothing(&stage, &refs);
    assert_eq!(stage.registry.connections(), 0);
    // A plan creates nothing either, and shows everything.
    stage.commit("streams/web.toml", "[tags]\n\"1\" = \"REGISTRY/web:1\"\n\"2\" = \"REGISTRY/web:2\"\n");
    let refs = stage.repo.git(&["for-each-ref"]);
    stage.sandbox.git(&["clone", "--quiet", &stage.remote, "."]);
    stage.sandbox.check(
        &["plan"],
        "
--- out
added  web:1  5ba3d1f9b164                 1.0.1
added  web:2  8085abc7215c                 1.0.2
2 added; nothing was written
--- exit 0
",
    );
    nothing(&stage, &refs);
    assert_eq!(stage.sandbox.git(&["status", "--porcelain"]), "");
    // A pass pins everything in one commit.
    let commits = stage.commits().len();
    stage.ends(0, &[]);
    assert_eq!(stage.commits().len(), commits + 1);
    assert_eq!((history(&stage, "web:1").as_str(), history(&stage, "web:2").as_str()), ("1", "2"));
}

/// A `config.json` with a secret for `place`.
fn secret(place: &str) -> String {
    let auth = base64(b"user:right");
    serde_json::json!({"auths": {place: {"auth": auth}}}).to_string()
}

#[test]
fn test_image_stream_import_authenticated() {
    slow!();
    let rules = || TokenRules { user: Some(("user".into(), "right".into())), ..TokenRules::default() };
    let basic = || Access::Basic("user".into(), "right".into());
    for (secured, access) in
        [(false, basic()), (true, basic()), (false, Access::Token(rules())), (true, Access::Token(rules()))]
    {
        let private = if secured { FakeRegistry::start_tls() } else { FakeRegistry::start() };
        for repository in ["test/one", "test/two"] {
            private.push(repository, "1", &Image::new(1));
        }
        private.require(access);
        let host = private.host();
        let mut stage = Stage::new("");
        stage.sandbox.scrub(host.clone(), "[PRIVATE]");
        let reached = if secured { "ca = \"ca.pem\"" } else { "plain-http = true" };
        if secured {
            stage.commit("ca.pem", &String::from_utf8(private.ca()).unwrap());
        }
        stage.settings(&format!("[registry.\"{host}\"]\n{reached}\n"));
        stage
            .commit("streams/web.toml", &format!("[tags]\none = \"{host}/test/one:1\"\ntwo = \"{host}/test/two:1\"\n"));
        let outcomes = |stage: &Stage, code: i32| {
            let report = stage.report(code, &[]);
            let rows = report["tags"].as_array().unwrap().iter();
            rows.map(|row| {
                format!("{} {}", row["outcome"].as_str().unwrap(), row["error"]["kind"].as_str().unwrap_or("-"))
            })
            .collect::<Vec<_>>()
        };
        // Everything is answered with 401.
        assert_eq!(outcomes(&stage, 3), ["failed unauthorized", "failed unauthorized"], "{secured}");
        assert_eq!(stage.lock(), "");
        // A secret for one path helps that repository and no other.
        stage.sandbox.env("DOCKER_AUTH_CONFIG", secret(&format!("{host}/test/two")));
        assert_eq!(outcomes(&stage, 3), ["failed unauthorized", "added -"], "{secured}");
        assert_eq!((stage.pin("web:one"), stage.pin("web:two").is_some()), (None, true));
        private.forget();
        stage.ends(3, &[]);
        let sent = private.requests().into_iter().filter(|request| request.header("authorization").is_some());
        let sent: Vec<_> = sent.filter(|request| request.path().contains("/test/one/")).collect();
        let basic: Vec<_> =
            sent.iter().filter(|request| request.header("authorization").unwrap().starts_with("Basic")).collect();
        assert!(basic.is_empty(), "{basic:?}");
        // A secret for the whole host helps the rest; 403 is reported as 401 is.
        stage.sandbox.env("DOCKER_AUTH_CONFIG", secret(&host));
        assert_eq!(outcomes(&stage, 0), ["added -", "unchanged -"], "{secured}");
        private.fail("/test/one/", 403);
        assert_eq!(outcomes(&stage, 3), ["failed unauthorized", "unchanged -"], "{secured}");
        assert!(stage.pin("web:one").is_some());
    }
}

#[test]
fn test_image_stream_import_tags_from_repository() {
    let stage = Stage::new("");
    for (seed, tag) in (1..).zip(["a", "b", "c"]) {
        stage.push(&format!("app:{tag}"), seed);
    }
    for tag in ["a", "c"] {
        stage.registry.fail(&format!("/app/manifests/{tag}"), 404);
    }
    stage.commit("streams/app.toml", "[discover]\nrepository = \"REGISTRY/app\"\n");
    stage.check(
        &[],
        "
--- out
failed  app:a  not-found: `[REGISTRY]/app:a` not found: `[REGISTRY]` returned 404
added   app:b  8085abc7215c                 1.0.2
failed  app:c  not-found: `[REGISTRY]/app:c` not found: `[REGISTRY]` returned 404
1 added, 2 failed; landed as [COMMIT 3] on main
--- exit 3
",
    );
    assert_eq!((history(&stage, "app:b").as_str(), stage.lock().matches("[[pin]]").count()), ("2", 1));
}

#[test]
fn test_image_stream_import_scheduled() {
    slow!();
    let mut stage = Stage::new("[import]\nschedule = \"*/15 * * * *\"\n");
    stage.stream("web", &[("1", 1)]);
    let mut pass = |minute: u32, code: i32, before: &dyn Fn(&Stage)| {
        before(&stage);
        stage.sandbox.env("PINSTREAM_NOW", format!("2026-11-24T12:{minute}:00Z"));
        stage.registry.forget();
        let commits = stage.commits().len();
        let said = stage.ends(code, &["--due"]);
        let asked = stage.registry.counts().head;
        (history(&stage, "web:1"), stage.commits().len() - commits, asked > 0, said.matches("500").count())
    };
    let is = |history: &str, commits, asked, errors| (history.to_owned(), commits, asked, errors);
    assert_eq!(pass(10, 0, &|_| {}), is("1", 1, true, 0));
    // Unchanged: nothing is written.
    assert_eq!(pass(15, 0, &|_| {}), is("1", 0, true, 0));
    // Changed: one item more.
    assert_eq!(pass(30, 0, &|stage| drop(stage.push("web:1", 2))), is("2 1", 1, true, 0));
    // The registry fails: each pass reports it, nothing is committed, and the old digest stays.
    assert_eq!(pass(45, 3, &|stage| stage.registry.fail("/v2/web/", 500)), is("2 1", 0, true, 1));
    assert_eq!(pass(46, 3, &|_| {}), is("2 1", 0, true, 1));
    // After the failure, the tag is resolved before its schedule, after a pause that grows.
    assert_eq!(pass(47, 0, &|stage| stage.registry.clear_lies()), is("2 1", 0, false, 0));
    assert_eq!(pass(48, 0, &|_| {}), is("2 1", 0, true, 0));
    assert_eq!(pass(49, 0, &|_| {}), is("2 1", 0, false, 0));
    assert_eq!(stage.pin("web:1"), Some(digest(2)));
}
