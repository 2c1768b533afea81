//! Manifest lists: what is asked for, what is pinned of them, and what is missing (openshift/openshift-apiserver,
//! `importer_manifestlist_test.go`).

use crate::reconcile::stage::Stage;
use crate::support::registry::Image;
use crate::support::registry::image::Built;

/// A list of two platforms.
fn built() -> Built {
    Image::new(5).docker().version("5").platforms(&["linux/arm64", "linux/amd64"]).build()
}

/// A stage with `built` at `app:latest` but for what bears a digest of `without`, and `stream` with the digest of the
/// list in place of `LIST`.
fn stage(without: &[&str], stream: &str) -> Stage {
    let mut stage = Stage::new("");
    let Built { top, children, blobs } = built();
    let names = [
        (&top, "LIST"),
        (&children[0], "ARM64"),
        (&children[1], "AMD64"),
        (&blobs[0], "CONFIG-ARM64"),
        (&blobs[2], "CONFIG-AMD64"),
    ];
    for (content, name) in names {
        let digest = content.digest.to_string();
        if !without.contains(&name) {
            stage.registry.put("app", (name == "LIST").then_some("latest"), content.clone());
        }
        stage.sandbox.scrub(digest.clone(), &format!("sha256:{name}"));
        stage.sandbox.scrub(digest["sha256:".len()..][..12].to_owned(), name);
    }
    stage.commit("streams/app.toml", &stream.replace("LIST", top.digest.as_str()));
    stage
}

/// What a first pass over `stream` asks, a request a line, and that the next one writes nothing.
#[track_caller]
fn check(stream: &str, expected: &str) {
    let stage = stage(&[], stream);
    stage.ends(0, &[]);
    let line = |request: &crate::support::registry::http::Request| {
        format!("{} {}\n", request.method, request.path().trim_start_matches("/v2/app/"))
    };
    let asked: String = stage.registry.requests().iter().map(line).collect();
    let asked = stage.sandbox.scrubbed(&asked);
    assert_eq!(asked.trim(), expected.trim(), "\n{asked}");
    super::settles(&stage);
}

#[test]
fn test_import_manifest_list_import_repository() {
    check(
        "[discover]\nrepository = \"REGISTRY/app\"\n",
        "
GET tags/list
HEAD manifests/latest
GET manifests/sha256:LIST
GET manifests/sha256:AMD64
GET blobs/sha256:CONFIG-AMD64
",
    );
}

#[test]
fn test_import_manifest_list_import_by_tag() {
    check(
        "[tags]\napp = \"REGISTRY/app:latest\"\n",
        "
HEAD manifests/latest
GET manifests/sha256:LIST
GET manifests/sha256:AMD64
GET blobs/sha256:CONFIG-AMD64
",
    );
}

#[test]
fn test_import_manifest_list_import_by_digest() {
    check(
        "[tags]\napp = \"REGISTRY/app@LIST\"\n",
        "
GET manifests/sha256:LIST
GET manifests/sha256:AMD64
GET blobs/sha256:CONFIG-AMD64
",
    );
}

#[test]
fn test_import_manifest_list_import_two_images_by_same_digest() {
    // The list itself and one platform of it are two things to find out, and their list is one image.
    check(
        "[tags]\nall = \"REGISTRY/app@LIST\"\nagain = \"REGISTRY/app@LIST\"\n\
         one = { image = \"REGISTRY/app@LIST\", platform = \"linux/arm64\" }\n",
        "
GET manifests/sha256:LIST
GET manifests/sha256:AMD64
GET blobs/sha256:CONFIG-AMD64
GET manifests/sha256:LIST
GET manifests/sha256:ARM64
GET blobs/sha256:CONFIG-ARM64
",
    );
}

#[test]
fn test_import_manifest_list_single_manifest() {
    let amd64 = built().children[1].digest.to_string();
    let list = built().top.digest.to_string();
    for image in ["REGISTRY/app:latest", "REGISTRY/app@LIST"] {
        for (mode, pinned) in [("", &list), (", platform = \"linux/amd64\"", &amd64)] {
            let stage = stage(&[], &format!("[tags]\napp = {{ image = \"{image}\"{mode} }}\n"));
            stage.ends(0, &[]);
            assert_eq!(stage.pin("app:app").as_ref(), Some(pinned), "{image}{mode}");
            // The list is fetched first, and then the child for amd64.
            let fetched: Vec<_> = stage.registry.requests().into_iter().filter(|asked| asked.method == "GET").collect();
            let manifests: Vec<_> =
                fetched.iter().filter_map(|asked| asked.path().strip_prefix("/v2/app/manifests/")).collect();
            assert_eq!(manifests, [list.as_str(), &amd64], "{image}{mode}");
            super::settles(&stage);
        }
    }
}

const EACH: &str = "[tags]\nall = \"REGISTRY/app:latest\"\n\
    amd64 = { image = \"REGISTRY/app:latest\", platform = \"linux/amd64\" }\n\
    arm64 = { image = \"REGISTRY/app:latest\", platform = \"linux/arm64\" }\n\
    by-digest = \"REGISTRY/app@LIST\"\n";

#[test]
fn test_import_manifest_list_with_error_missing_manifest_error_by_digest() {
    let stage = stage(&["AMD64"], EACH);
    stage.check(
        &[],
        "
--- out
added   app:all        LIST
failed  app:amd64      not-found: `[REGISTRY]/app@sha256:AMD64` not found: `[REGISTRY]` returned 404
added   app:arm64      ARM64                 5
added   app:by-digest  LIST
note: `app:all`: it could not be described: `[REGISTRY]/app@sha256:AMD64` not found: `[REGISTRY]` returned 404
note: `app:by-digest`: it could not be described: `[REGISTRY]/app@sha256:AMD64` not found: `[REGISTRY]` returned 404
3 added, 1 failed; landed as [COMMIT 3] on main
--- exit 3
",
    );
}

#[test]
fn test_import_manifest_list_with_error_missing_config_blob_error_by_digest() {
    let stage = stage(&["CONFIG-AMD64"], EACH);
    stage.check(&[], "
--- out
added  app:all        LIST
added  app:amd64      AMD64
added  app:arm64      ARM64                 5
added  app:by-digest  LIST
note: `app:all`: it could not be described: `[REGISTRY]/app@sha256:CONFIG-AMD64` not found: `[REGISTRY]` returned 404
note: `app:amd64`: it could not be described: `[REGISTRY]/app@sha256:CONFIG-AMD64` not found: `[REGISTRY]` returned 404
note: `app:by-digest`: it could not be described: `[REGISTRY]/app@sha256:CONFIG-AMD64` not found: `[REGISTRY]` returned 404
4 added; landed as [COMMIT 3] on main
--- exit 0
");
    super::settles(&stage);
}
