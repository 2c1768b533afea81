//! Images that are had from a mirror (openshift/openshift-apiserver, `importer_test.go`; openshift/library-go,
//! `registryclient/client_test.go`).

use pinstream::model::image::Digest;

use crate::reconcile::stage::Stage;
use crate::support::registry::http::Answer;
use crate::support::registry::{FakeRegistry, Image};
use crate::support::sandbox::same;

/// A stage whose registry has a mirror that copied `web:1` below `copy`, and the digest of it.
fn mirrored() -> (Stage, FakeRegistry, Digest) {
    let mirror = FakeRegistry::start();
    let digest = mirror.push("copy/web", "1", &Image::new(1).version("1"));
    let host = mirror.host();
    let mut stage = Stage::new(&format!("mirrors = [\"{host}/copy\"]\n[registry.\"{host}\"]\nplain-http = true\n"));
    stage.sandbox.scrub(host, "[MIRROR]");
    (stage, mirror, digest)
}

#[test]
fn test_import_from_mirror_by_digest_from_mirrored_repo() {
    let (stage, mirror, digest) = mirrored();
    stage
        .commit("streams/web.toml", &format!("[tags]\ndigest = \"REGISTRY/web@{digest}\"\ntag = \"REGISTRY/web:1\"\n"));
    stage.ends(0, &[]);
    assert_eq!(stage.registry.requests().len(), 0);
    assert!(mirror.requests().iter().all(|request| request.path().starts_with("/v2/copy/web/")));
    same(
        &stage.shown(&stage.lock()),
        r#"
# Pinned by pinstream. Review it; don't edit it. Conflict? Run: pinstream update
version = 1

[[pin]]
stream = "web"
tag = "digest"
image = "[REGISTRY]/web@sha256:0c0b052f7a9b7d386807d0a0e06a43e6c02f426b72c755290a6c193a40dadbb2"
digest = "sha256:0c0b052f7a9b7d386807d0a0e06a43e6c02f426b72c755290a6c193a40dadbb2"
version = "1"
platforms = ["linux/amd64"]

[[pin]]
stream = "web"
tag = "tag"
image = "[REGISTRY]/web:1"
digest = "sha256:0c0b052f7a9b7d386807d0a0e06a43e6c02f426b72c755290a6c193a40dadbb2"
version = "1"
platforms = ["linux/amd64"]
"#,
    );
}

#[test]
fn test_import_from_mirror_by_digest_from_another_repo() {
    let (stage, mirror, _) = mirrored();
    let other = FakeRegistry::start();
    let digest = other.push("web", "1", &Image::new(2));
    let settings = format!(
        "mirrors = [\"{0}/copy\"]\n[registry.\"{0}\"]\nplain-http = true\n[registry.\"{1}\"]\nplain-http = true\n",
        mirror.host(),
        other.host()
    );
    stage.settings(&settings);
    stage.commit("streams/web.toml", &format!("[tags]\ndigest = \"{}/web@{digest}\"\n", other.host()));
    stage.ends(0, &[]);
    assert_eq!(stage.pin("web:digest").as_deref(), Some(digest.as_str()));
    assert_eq!((mirror.requests().len(), stage.registry.requests().len()), (0, 0));
}

#[test]
fn test_import_from_mirror_source_blocked() {
    let (stage, mirror, digest) = mirrored();
    stage.registry.fail("/v2/", 403);
    let stream = format!(
        "[tags]\ndigest = \"REGISTRY/web@{digest}\"\nmissing = \"REGISTRY/web:nope\"\ntag = \"REGISTRY/web:1\"\n"
    );
    stage.commit("streams/web.toml", &stream);
    stage.check(
        &[],
        "
--- out
added   web:digest   0c0b052f7a9b                 1
failed  web:missing  unauthorized: access to `[REGISTRY]/web:nope` denied: `[REGISTRY]` returned 403
                     help: run `docker login [REGISTRY]`, or check the credentials in this environment
added   web:tag      0c0b052f7a9b                 1
2 added, 1 failed; landed as [COMMIT 3] on main
--- exit 3
",
    );
    // A source that the operator's policy forbids stays forbidden, whoever copied it.
    stage.sandbox.write("policy.toml", &format!("registries = [\"{}\"]\n", mirror.host()));
    stage.commit("streams/web.toml", "[tags]\nnew = \"REGISTRY/web:1\"\n");
    mirror.forget();
    stage.check(
        &["--policy", "policy.toml"],
        "
--- out
removed  web:digest  0c0b052f7a9b                 1
refused  web:new     the policy does not allow `[REGISTRY]`
                     help: add the registry to `registries` in the `--policy` file
removed  web:tag     0c0b052f7a9b                 1
2 removed, 1 refused; landed as [COMMIT 5] on main
--- exit 4
",
    );
    assert_eq!(mirror.requests().len(), 0);
}

#[test]
fn test_mirrored_registry_invalid_manifest() {
    let (stage, mirror, digest) = mirrored();
    stage.registry.push("web", "1", &Image::new(1).version("1"));
    let other = Image::new(9).build().top;
    mirror.lie(move |request| {
        let answer = Answer::new(200).header("content-type", &*other.media_type);
        (request.method == "GET").then(|| answer.body(&*other.bytes))
    });
    stage.commit("streams/web.toml", "[tags]\ntag = \"REGISTRY/web:1\"\n");
    stage.ends(0, &[]);
    // What is not what its digest says is had from the source.
    assert_eq!(stage.pin("web:tag").as_deref(), Some(digest.as_str()));
    let had = |registry: &FakeRegistry| registry.requests().iter().any(|asked| asked.path().ends_with(digest.as_str()));
    assert!(had(&mirror) && had(&stage.registry));
    // Where that has nothing else either it is not pinned.
    stage.registry.fail("/v2/web/", 404);
    stage.commit("streams/web.toml", "[tags]\nnew = \"REGISTRY/web:1\"\n");
    stage.ends(3, &[]);
    assert_eq!(stage.pin("web:new"), None);
}
