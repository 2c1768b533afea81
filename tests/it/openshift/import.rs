//! The cases of OpenShift's importer (openshift/openshift-apiserver, `importer_test.go`).

use super::at;
use crate::reconcile::stage::Stage;
use crate::support::lane::{needs, slow};
use crate::support::registry::{DockerRegistry, FakeRegistry, Image};
use crate::support::sandbox::same;

#[test]
fn test_import_nothing() {
    let stage = Stage::new("");
    stage.commit("pinstream.toml", "");
    for streams in [None, Some(""), Some("[tags]\n")] {
        if let Some(text) = streams {
            stage.commit("streams/empty.toml", text);
        }
        let refs = stage.repo.git(&["for-each-ref"]);
        stage.check(
            &[],
            "
--- out
no tags; nothing to write
--- exit 0
",
        );
        assert_eq!(stage.repo.git(&["for-each-ref"]), refs);
    }
    assert_eq!(stage.registry.connections(), 0);
}

#[test]
fn test_import_insecure_import_policy() {
    slow!();
    let (strict, unnamed) = (FakeRegistry::start(), FakeRegistry::start());
    let stage = Stage::new(&format!("[registry.\"{}\"]\nrequests = 2\n", strict.host()));
    stage.push("web:1", 1);
    for other in [&strict, &unnamed] {
        other.push("web", "1", &Image::new(1));
    }
    let (strict_host, unnamed_host) = (strict.host(), unnamed.host());
    stage.commit(
        "streams/web.toml",
        &format!(
            "[tags]\nlisted = \"REGISTRY/web:1\"\nstrict = \"{strict_host}/web:1\"\nunnamed = \"{unnamed_host}/web:1\"\n"
        ),
    );
    stage.commit("streams/all.toml", &format!("[discover]\nrepository = \"{strict_host}/web\"\n"));
    let report = stage.report(4, &[]);
    let row = |number: usize| {
        let row = &report["tags"][number];
        ["tag", "outcome"].map(|key| row[key].as_str().unwrap()).join(" ")
    };
    assert_eq!([0, 1, 2].map(row), ["listed added", "strict failed", "unnamed refused"]);
    let kind = report["tags"][1]["error"]["kind"].as_str().unwrap();
    assert!(["tls", "network"].contains(&kind), "{kind}");
    let help = report["tags"][2]["error"]["help"].as_str().unwrap();
    assert!(help.contains(&format!("`[registry.\"{unnamed_host}\"]`")), "{help}");
    assert!(report["errors"].to_string().contains("cannot discover the tags of `all`"), "{}", report["errors"]);
    // Nothing was said in the clear to a registry that is not listed for it.
    assert_eq!((strict.requests().len(), unnamed.connections()), (0, 0));
}

#[test]
fn test_import_missing_tag_digest_and_invalid_image_reference() {
    let stage = Stage::new("");
    stage.push("web:1", 1);
    let good = "[tags]\ngood = \"REGISTRY/web:1\"\n";
    let missing = format!(
        "missing-digest = \"REGISTRY/web@sha256:{}\"\nmissing-tag = \"REGISTRY/web:nope\"\n\
         other = \"REGISTRY/other:1\"\n",
        "ab".repeat(32)
    );
    stage.commit("streams/web.toml", &format!("{good}{missing}"));
    stage.check(&[], "
--- out
added   web:good            5ba3d1f9b164                 1.0.1
failed  web:missing-digest  not-found: `[REGISTRY]/web@sha256:abababababababababababababababababababababababababababababababab` not found: `[REGISTRY]` returned 404
failed  web:missing-tag     not-found: `[REGISTRY]/web:nope` not found: `[REGISTRY]` returned 404
failed  web:other           not-found: `[REGISTRY]/other:1` not found: `[REGISTRY]` returned 404
1 added, 3 failed; landed as [COMMIT 3] on main
--- exit 3
");
    // An invalid reference is an error in the commit, reported with all others before any request.
    stage.commit("streams/web.toml", &format!("{good}bad = \"a.example/Web:1\"\nworse = \"!@#$\"\n"));
    stage.registry.forget();
    let lock = stage.lock();
    stage.check(
        &[],
        r#"
--- err
error: upper-case letters in repository `Web`
 --> streams/web.toml:3:7
  |
3 | bad = "a.example/Web:1"
  |       ^^^^^^^^^^^^^^^^^
  |
  = help: write `web`

error: invalid digest `#$`
 --> streams/web.toml:4:9
  |
4 | worse = "!@#$"
  |         ^^^^^^
  |
  = help: write `sha256:` and 64 lower-case hexadecimal digits
--- exit 1
"#,
    );
    assert_eq!((stage.lock(), stage.registry.requests().len()), (lock, 0));
}

#[test]
fn test_import_successful_import_by_tag_and_digest() {
    needs!("docker-registry");
    let docker = DockerRegistry::start();
    let image = Image::new(1).version("1.0");
    let digest = docker.push("test/image", "tag", &image);
    let mut stage = Stage::new(&format!("[registry.\"{}\"]\nplain-http = true\n", docker.host()));
    stage.sandbox.scrub(docker.host(), "[DOCKER]");
    let host = docker.host();
    let stream = format!("[tags]\nby-digest = \"{host}/test/image@{digest}\"\nby-tag = \"{host}/test/image:tag\"\n");
    stage.commit("streams/image.toml", &stream);
    stage.ends(0, &[]);
    same(
        &stage.shown(&stage.lock()),
        r#"
# Pinned by pinstream. Review it; don't edit it. Conflict? Run: pinstream update
version = 1

[[pin]]
stream = "image"
tag = "by-digest"
image = "[DOCKER]/test/image@sha256:9f765a5c3dca5a5e1874e6520886998716e9b00c909805b872a485f62d3bd3d2"
digest = "sha256:9f765a5c3dca5a5e1874e6520886998716e9b00c909805b872a485f62d3bd3d2"
version = "1.0"
platforms = ["linux/amd64"]

[[pin]]
stream = "image"
tag = "by-tag"
image = "[DOCKER]/test/image:tag"
digest = "sha256:9f765a5c3dca5a5e1874e6520886998716e9b00c909805b872a485f62d3bd3d2"
version = "1.0"
platforms = ["linux/amd64"]
"#,
    );
    stage.sandbox.git(&["clone", "--quiet", &stage.remote, "."]);
    stage.sandbox.check(
        &["get", "image:by-tag", "-o", "repository"],
        "
--- out
[DOCKER]/test/image@sha256:9f765a5c3dca5a5e1874e6520886998716e9b00c909805b872a485f62d3bd3d2
--- exit 0
",
    );
    stage.sandbox.check(
        &["get", "image:by-digest", "-o", "repository"],
        "
--- out
[DOCKER]/test/image@sha256:9f765a5c3dca5a5e1874e6520886998716e9b00c909805b872a485f62d3bd3d2
--- exit 0
",
    );
}

#[test]
fn test_import_repository_with_additional_tags() {
    let stage = Stage::new("");
    for (seed, tag) in (1..).zip(["v1", "other", "v2", "3", "3.1", "abc"]) {
        stage.push(&format!("app:{tag}"), seed);
    }
    stage.commit("streams/app.toml", "[discover]\nrepository = \"REGISTRY/app\"\nlimit = 5\n");
    stage.check(
        &[],
        "
--- out
added  app:3      cd756169f282                 1.0.4
added  app:3.1    1349342e4184                 1.0.5
added  app:abc    2197051ab27a                 1.0.6
added  app:other  8085abc7215c                 1.0.2
added  app:v1     5ba3d1f9b164                 1.0.1
note: `app` discovers 5 of 6 matching tags; left out: `v2`; raise `limit` in `[discover]`
5 added; landed as [COMMIT 3] on main
--- exit 0
",
    );
    stage.commit("streams/app.toml", "[discover]\nrepository = \"REGISTRY/app\"\nlimit = 1\n");
    stage.push("app:v3", 9);
    stage.check(&[], "
--- out
removed  app:3      cd756169f282                 1.0.4
removed  app:abc    2197051ab27a                 1.0.6
removed  app:other  8085abc7215c                 1.0.2
removed  app:v1     5ba3d1f9b164                 1.0.1
note: `app` discovers 1 of 7 matching tags; left out: `3`, `abc`, `other`, `v1`, `v2`, and 1 more; raise `limit` in `[discover]`
4 removed, 1 unchanged; landed as [COMMIT 5] on main
--- exit 0
");
}

#[test]
fn test_image_stream_import_of_multi_segment_docker_reference() {
    needs!("docker-registry");
    let docker = DockerRegistry::start();
    let digest = docker.push("test/foo/bar/image", "1", &Image::new(1).docker());
    let stage = Stage::new(&format!("[registry.\"{}\"]\nplain-http = true\n", docker.host()));
    stage.commit("streams/image.toml", &format!("[tags]\n\"1\" = \"{}/test/foo/bar/image:1\"\n", docker.host()));
    stage.ends(0, &[]);
    assert_eq!(stage.pin("image:1").as_deref(), Some(digest.as_str()));
    assert_eq!(at(&stage, "image:1"), format!("{}/test/foo/bar/image:1", docker.host()));
}
