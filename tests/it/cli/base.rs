//! `check --base`: verifies changed digests.

use super::Stage;

const EVIL: &str = "sha256:eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";

/// A root in whose base `python:3.12` was updated once.
fn moved() -> Stage {
    let stage = Stage::pinned();
    stage.move_upstream();
    stage.update();
    stage.commit("Update");
    stage
}

#[test]
fn t4_a_digest_edited_by_hand_is_refused() {
    let stage = Stage::pinned();
    stage.edit_lock(&stage.digest("python:3.11"), EVIL);
    stage.check(&["check", "--base", "HEAD"], r#"
--- out
`python:3.11` is pinned to `sha256:eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee`, which is neither served by the registry nor found in the history of `HEAD`
  help: run `pinstream update python:3.11` to pin `sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4`, the current digest
--- exit 4
"#);
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
}

#[test]
fn t4_an_edited_child_of_a_correct_index_is_refused() {
    let stage = Stage::pinned();
    stage.edit_lock(&stage.digest("python:arm"), EVIL);
    stage.check(&["check", "--base", "HEAD"], r#"
--- out
`python:arm` is pinned to `sha256:eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee`, which is neither served by the registry nor found in the history of `HEAD`
  help: run `pinstream update python:arm` to pin `sha256:e7a589004cc228d82c9e2416809fd17d1ce641024719c525a545656564b7ccc7`, the current digest
--- exit 4
"#);
}

#[test]
fn t4_an_edited_previous_digest_verifies_nothing() {
    let stage = moved();
    let former = stage.sandbox.read("pinstream.lock");
    let former = former.split("previous = [\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    stage.edit_lock(&former, EVIL);
    stage.commit("Looks harmless");
    stage.edit_lock(&stage.digest("python:3.12"), EVIL);
    assert_eq!(stage.sandbox.run(&["update", "--offline"]).code, Some(0));
    assert_eq!(stage.sandbox.run(&["check", "--base", "HEAD"]).code, Some(4));
}

#[test]
fn t4_details_in_the_lock_are_compared_with_the_image() {
    let stage = Stage::pinned();
    stage.move_upstream();
    stage.update();
    stage.edit_lock("version = \"3.12.5\"", "version = \"3.12.99\"");
    stage.check(&["check", "--base", "HEAD"], r#"
--- out
`python:3.12`: version, revision, date or platforms in the lock differ from the image `sha256:4b8343596c64a30aae9999442993390fc0e39116ab8614d0a0165921ad39c65a`
  help: delete its `[[pin]]` from pinstream.lock, then run `pinstream update python:3.12`
--- exit 4
"#);
    let lock = stage.sandbox.read("pinstream.lock");
    let without: Vec<&str> = lock.split("[[pin]]").filter(|block| !block.contains("3.12.99")).collect();
    stage.sandbox.write("pinstream.lock", &without.join("[[pin]]"));
    stage.update();
    assert_eq!(stage.sandbox.run(&["check", "--base", "HEAD"]).code, Some(0));
}

#[test]
fn t4_a_proposal_cannot_verify_itself_with_its_own_mirror() {
    let stage = Stage::pinned();
    let mirror = crate::support::registry::FakeRegistry::start();
    let evil = mirror.push("python", "3.11", &super::image(66, "3.11.10"));
    let (own, other) = (stage.registry.host(), mirror.host());
    stage.sandbox.write(
        "pinstream.toml",
        &format!(
            "[registry.\"{own}\"]\nplain-http = true\nmirrors = [\"{other}\"]\n[registry.\"{other}\"]\nplain-http = true\n"
        ),
    );
    assert_eq!(stage.sandbox.run(&["update", "python:3.11"]).code, Some(0));
    assert_eq!(stage.digest("python:3.11"), evil.as_str());
    mirror.forget();
    assert_eq!(stage.sandbox.run(&["check", "--base", "HEAD"]).code, Some(4));
    assert_eq!(mirror.requests().len(), 0);
}

#[test]
fn t4_a_tag_with_another_image_at_its_old_digest_is_refused() {
    let stage = Stage::pinned();
    stage.stream(&super::PYTHON.replace("REGISTRY/python:3.11", "REGISTRY/python:3.12"));
    let image = format!("image = \"{}/python:3.11\"", stage.registry.host());
    stage.edit_lock(&image, &image.replace("3.11", "3.12"));
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
    assert_eq!(stage.sandbox.run(&["check", "--base", "HEAD"]).code, Some(4));
}

#[test]
fn t4_an_honest_update_passes() {
    let stage = Stage::pinned();
    stage.move_upstream();
    stage.update();
    stage.check(
        &["check", "--base", "HEAD"],
        r#"
--- out
4 pins in 1 stream: lock matches the definitions
--- exit 0
"#,
    );
}

#[test]
fn t4_an_update_to_a_digest_the_registry_only_claims_to_serve_is_refused() {
    let stage = Stage::pinned();
    stage.edit_lock(&stage.digest("python:3.11"), EVIL);
    stage.registry.lie(|request| {
        let is_head = request.method == "HEAD" && request.target.contains("/manifests/3.11");
        is_head.then(|| {
            let answer = crate::support::registry::http::Answer::new(200);
            answer
                .header("content-type", "application/vnd.oci.image.index.v1+json")
                .header("docker-content-digest", EVIL)
        })
    });
    assert_ne!(stage.sandbox.run(&["check", "--base", "HEAD"]).code, Some(0));
}

#[test]
fn t4_a_digest_in_the_history_of_the_base_needs_no_registry() {
    let stage = moved();
    stage.registry.fail("/v2/", 404);
    stage.sandbox.git(&["checkout", "-q", "HEAD~1", "--", "pinstream.lock"]);
    stage.check(
        &["check", "--base", "HEAD"],
        r#"
--- out
4 pins in 1 stream: lock matches the definitions
--- exit 0
"#,
    );
}

#[test]
fn t4_an_unreachable_registry_is_partial_not_refused() {
    let stage = Stage::pinned();
    stage.move_upstream();
    stage.update();
    stage.registry.fail("/v2/", 401);
    stage.check(&["check", "--base", "HEAD"], r#"
--- out
`python:3.12`: cannot verify `sha256:4b8343596c64a30aae9999442993390fc0e39116ab8614d0a0165921ad39c65a`: `REGISTRY` returned 401 without a `WWW-Authenticate` header
  help: run `docker login REGISTRY`, or check the credentials in this environment
`python:arm`: cannot verify `sha256:688f172987f3be20e640262652795f8a88693947e79308d17736c90c5ab22d5c`: `REGISTRY` returned 401 without a `WWW-Authenticate` header
  help: run `docker login REGISTRY`, or check the credentials in this environment
--- exit 3
"#);
}

#[test]
fn t4_a_shallow_clone_is_mentioned() {
    let stage = moved();
    let url = format!("file://{}", stage.sandbox.work().display());
    stage.sandbox.git(&["clone", "-q", "--depth", "1", &url, "../shallow"]);
    let old = stage.sandbox.git(&["show", "HEAD~1:pinstream.lock"]);
    stage.sandbox.write("../shallow/pinstream.lock", &old);
    stage.check(&["-C", "../shallow", "check", "--base", "HEAD"], r#"
--- out
`python:3.12` is pinned to `sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326`, which is neither served by the registry nor found in the history of `HEAD`
  help: run `pinstream update python:3.12` to pin `sha256:4b8343596c64a30aae9999442993390fc0e39116ab8614d0a0165921ad39c65a`, the current digest
`python:arm` is pinned to `sha256:e7a589004cc228d82c9e2416809fd17d1ce641024719c525a545656564b7ccc7`, which is neither served by the registry nor found in the history of `HEAD`
  help: run `pinstream update python:arm` to pin `sha256:688f172987f3be20e640262652795f8a88693947e79308d17736c90c5ab22d5c`, the current digest
--- err
note: the history is incomplete, because this clone is shallow; run `git fetch --unshallow`
--- exit 4
"#);
}

#[test]
fn added_and_removed_tags_pass() {
    let stage = Stage::pinned();
    stage.stream("[tags]\nnew = \"REGISTRY/python:3.12\"\nfollows = { follow = \"new\" }\n");
    stage.update();
    stage.check(
        &["check", "--base", "HEAD"],
        r#"
--- out
2 pins in 1 stream: lock matches the definitions
--- exit 0
"#,
    );
}

#[test]
fn without_a_lock_at_the_base_all_digests_are_verified() {
    let stage = Stage::new();
    stage.sandbox.git(&["init", "-q"]);
    stage.commit("Definitions");
    stage.update();
    assert_eq!(stage.sandbox.run(&["check", "--base", "HEAD"]).code, Some(0));
    stage.edit_lock(&stage.digest("python:3.11"), EVIL);
    assert_eq!(stage.sandbox.run(&["check", "--base", "HEAD"]).code, Some(4));
}

#[test]
fn a_missing_base_is_an_error_with_a_hint() {
    Stage::pinned().check(
        &["check", "--base", "origin/main"],
        r#"
--- err
error: `--base`: git failed: `origin/main` names no commit of this repository: revspec 'origin/main' not found
help: if `origin/main` is a remote branch, fetch it first and name the remote, e.g. `origin/main`
--- exit 1
"#,
    );
    let stage = Stage::new();
    stage.update();
    stage.check(
        &["check", "--base", "main"],
        r#"
--- err
error: `--base` requires a Git checkout
help: run it in a clone, or omit `--base`
--- exit 1
"#,
    );
}

#[test]
fn t4_an_earlier_digest_added_by_hand_is_refused() {
    let stage = moved();
    let first = stage.sandbox.read("pinstream.lock").split("previous = [\"").nth(1).unwrap()[..71].to_owned();
    stage.edit_lock(&format!("previous = [\"{first}\"]"), &format!("previous = [\"{EVIL}\", \"{first}\"]"));
    stage.check(
        &["check", "--base", "HEAD"],
        r#"
--- out
`python:3.12`: `previous` contains `sha256:eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee`, which is neither in the Git history of `HEAD` nor in the image repository
  help: remove the digest from `previous`
--- exit 4
"#,
    );
    // Digests that exist in the repository are accepted: a branch may have updated a pin more than once.
    let (other, follower) = (stage.digest("python:3.11"), "tag = \"latest\"\n");
    stage.edit_lock(EVIL, &first);
    stage.edit_lock(&format!("\"{first}\", \"{first}\""), &format!("\"{first}\""));
    assert_eq!(stage.sandbox.run(&["check", "--base", "HEAD"]).code, Some(0));
    let lock = stage.sandbox.read("pinstream.lock");
    let (before, latest) = lock.split_once(follower).unwrap();
    let latest = latest.replacen(&first, &other, 1);
    stage.sandbox.write("pinstream.lock", &format!("{before}{follower}{latest}"));
    assert_eq!(stage.sandbox.run(&["check", "--base", "HEAD"]).code, Some(0));
}

#[test]
fn t4_digests_in_the_history_of_the_base_may_be_previous() {
    let stage = moved();
    // Return to the first digest, then update again: both earlier digests are known from history only.
    stage.sandbox.git(&["checkout", "-q", "HEAD~1", "--", "pinstream.lock"]);
    stage.commit("Back");
    stage.registry.push("python", "3.12", &super::image(23, "3.12.23"));
    stage.update();
    assert!(stage.sandbox.read("pinstream.lock").contains("previous = "));
    assert_eq!(stage.sandbox.run(&["check", "--base", "HEAD"]).code, Some(0));
    assert_eq!(stage.sandbox.run(&["check", "--base", "HEAD~1"]).code, Some(0));
}

#[test]
fn an_honest_update_reads_no_history() {
    let stage = moved();
    // Reading this version of the lock fails.
    let blob = stage.sandbox.git(&["rev-parse", "HEAD~1:pinstream.lock"]);
    let (folder, file) = blob.trim().split_at(2);
    std::fs::remove_file(stage.sandbox.work().join(format!(".git/objects/{folder}/{file}"))).unwrap();
    stage.registry.push("python", "3.11", &super::image(14, "3.11.10"));
    stage.update();
    assert_eq!(stage.sandbox.run(&["check", "--base", "HEAD"]).code, Some(0));
    stage.edit_lock(&stage.digest("python:3.11"), EVIL);
    assert_eq!(stage.sandbox.run(&["check", "--base", "HEAD"]).code, Some(1));
}

#[test]
fn problems_at_the_base_are_warnings() {
    let stage = Stage::pinned();
    stage.settings("[import]\nscedule = \"never\"\n");
    stage.sandbox.write("streams/broken.toml", "nonsense");
    stage.commit("Two mistakes");
    stage.settings("");
    std::fs::remove_file(stage.sandbox.work().join("streams/broken.toml")).unwrap();
    stage.move_upstream();
    stage.update();
    stage.check(
        &["check", "--base", "HEAD"],
        r#"
--- out
4 pins in 1 stream: lock matches the definitions
--- err
warning: `HEAD:pinstream.toml`, line 4: unknown key `scedule`; only the valid settings in it are used
--- exit 0
"#,
    );
}

#[test]
fn only_named_tags_are_verified() {
    let stage = Stage::pinned();
    stage.edit_lock(&stage.digest("python:3.11"), EVIL);
    assert_eq!(stage.sandbox.run(&["check", "--base", "HEAD", "python:3.12"]).code, Some(0));
    assert_eq!(stage.sandbox.run(&["check", "--base", "HEAD", "python:3.11"]).code, Some(4));
}

#[test]
fn json_output_matches_its_schema() {
    let stage = Stage::pinned();
    stage.stream(&super::PYTHON.replace("arm = ", "# arm = "));
    stage.edit_lock(&stage.digest("python:3.11"), EVIL);
    let schema: serde_json::Value = serde_json::from_str(&stage.sandbox.run(&["schema", "check"]).stdout).unwrap();
    let ran = stage.sandbox.run(&["check", "--base", "HEAD", "--upstream", "--format", "json"]);
    let found: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    crate::support::schema::holds(&schema, &found);
    assert_eq!((ran.code, &found["exit"], &found["upstream"]["exit"]), (Some(4), &4.into(), &4.into()));
    let kinds: Vec<_> = found["findings"].as_array().unwrap().iter().map(|one| (&one["tag"], &one["kind"])).collect();
    assert_eq!(kinds, [(&"arm".into(), &"drift".into()), (&"3.11".into(), &"hand-edited".into())]);
    assert_eq!(found["fix"], "pinstream update --offline");
    let only = stage.sandbox.run(&["check", "--format", "json", "python:3.12"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&only.stdout).unwrap()["findings"], serde_json::json!([]));
}
