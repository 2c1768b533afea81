//! `check --base`: digests that nobody but who edited the lock vouches for.

use super::Stage;

const EVIL: &str = "sha256:eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";

/// A root whose base has seen `python:3.12` move once.
fn moved() -> Stage {
    let stage = Stage::pinned();
    stage.move_upstream();
    stage.update();
    stage.commit("Move");
    stage
}

#[test]
fn t4_a_digest_edited_by_hand_is_refused() {
    let stage = Stage::pinned();
    stage.edit_lock(&stage.digest("python:3.11"), EVIL);
    stage.check(&["check", "--base", "HEAD"], r#"
--- out
`python:3.11` is pinned to `sha256:eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee`, which it does not serve, and which `HEAD` never held
  it serves `sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4`; to pin that: pinstream update python:3.11
--- exit 4
"#);
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
}

#[test]
fn t4_a_child_edited_by_hand_beside_its_true_index_is_refused() {
    let stage = Stage::pinned();
    stage.edit_lock(&stage.digest("python:arm"), EVIL);
    stage.check(&["check", "--base", "HEAD"], r#"
--- out
`python:arm` is pinned to `sha256:eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee`, which it does not serve, and which `HEAD` never held
  it serves `sha256:e7a589004cc228d82c9e2416809fd17d1ce641024719c525a545656564b7ccc7`; to pin that: pinstream update python:arm
--- exit 4
"#);
}

#[test]
fn t4_a_former_digest_that_was_written_in_by_hand_vouches_for_nothing() {
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
fn t4_what_a_pin_says_of_its_image_is_held_against_the_image() {
    let stage = Stage::pinned();
    stage.move_upstream();
    stage.update();
    stage.edit_lock("version = \"3.12.5\"", "version = \"3.12.99\"");
    stage.check(&["check", "--base", "HEAD"], r#"
--- out
`python:3.12`: what the lock says of `sha256:4b8343596c64a30aae9999442993390fc0e39116ab8614d0a0165921ad39c65a` is not what the image says of itself
  take its `[[pin]]` out of the lock, then: pinstream update python:3.12
--- exit 4
"#);
    let lock = stage.sandbox.read("pinstream.lock");
    let without: Vec<&str> = lock.split("[[pin]]").filter(|block| !block.contains("3.12.99")).collect();
    stage.sandbox.write("pinstream.lock", &without.join("[[pin]]"));
    stage.update();
    assert_eq!(stage.sandbox.run(&["check", "--base", "HEAD"]).code, Some(0));
}

#[test]
fn t4_a_proposal_does_not_vouch_for_itself_by_a_mirror_of_its_own() {
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
fn t4_a_tag_moved_to_another_image_at_its_old_digest_is_refused() {
    let stage = Stage::pinned();
    stage.stream(&super::PYTHON.replace("REGISTRY/python:3.11", "REGISTRY/python:3.12"));
    let image = format!("image = \"{}/python:3.11\"", stage.registry.host());
    stage.edit_lock(&image, &image.replace("3.11", "3.12"));
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
    assert_eq!(stage.sandbox.run(&["check", "--base", "HEAD"]).code, Some(4));
}

#[test]
fn t4_an_honest_bump_passes() {
    let stage = Stage::pinned();
    stage.move_upstream();
    stage.update();
    stage.check(
        &["check", "--base", "HEAD"],
        r#"
--- out
4 pins of 1 stream: lock and definitions agree
--- exit 0
"#,
    );
}

#[test]
fn t4_a_bump_to_what_the_registry_only_claims_to_serve_is_refused() {
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
fn t4_a_digest_of_the_bases_history_needs_no_registry() {
    let stage = moved();
    stage.registry.fail("/v2/", 404);
    stage.sandbox.git(&["checkout", "-q", "HEAD~1", "--", "pinstream.lock"]);
    stage.check(
        &["check", "--base", "HEAD"],
        r#"
--- out
4 pins of 1 stream: lock and definitions agree
--- exit 0
"#,
    );
}

#[test]
fn t4_what_cannot_be_asked_is_neither_passed_nor_refused() {
    let stage = Stage::pinned();
    stage.move_upstream();
    stage.update();
    stage.registry.fail("/v2/", 401);
    stage.check(&["check", "--base", "HEAD"], r#"
--- out
`python:3.12` is pinned to `sha256:4b8343596c64a30aae9999442993390fc0e39116ab8614d0a0165921ad39c65a`, and what it serves could not be asked: `REGISTRY` returned 401 without a `WWW-Authenticate` header
  run `docker login REGISTRY`, or check the credentials in this environment
`python:arm` is pinned to `sha256:688f172987f3be20e640262652795f8a88693947e79308d17736c90c5ab22d5c`, and what it serves could not be asked: `REGISTRY` returned 401 without a `WWW-Authenticate` header
  run `docker login REGISTRY`, or check the credentials in this environment
--- exit 3
"#);
}

#[test]
fn t4_a_shallow_clone_says_that_it_knows_little() {
    let stage = moved();
    let url = format!("file://{}", stage.sandbox.work().display());
    stage.sandbox.git(&["clone", "-q", "--depth", "1", &url, "../shallow"]);
    let old = stage.sandbox.git(&["show", "HEAD~1:pinstream.lock"]);
    stage.sandbox.write("../shallow/pinstream.lock", &old);
    stage.check(&["-C", "../shallow", "check", "--base", "HEAD"], r#"
--- out
`python:3.12` is pinned to `sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326`, which it does not serve, and which `HEAD` never held
  it serves `sha256:4b8343596c64a30aae9999442993390fc0e39116ab8614d0a0165921ad39c65a`; to pin that: pinstream update python:3.12
`python:arm` is pinned to `sha256:e7a589004cc228d82c9e2416809fd17d1ce641024719c525a545656564b7ccc7`, which it does not serve, and which `HEAD` never held
  it serves `sha256:688f172987f3be20e640262652795f8a88693947e79308d17736c90c5ab22d5c`; to pin that: pinstream update python:arm
--- err
note: this clone is shallow: a former digest is known after `git fetch --unshallow`
--- exit 4
"#);
}

#[test]
fn a_new_tag_and_a_removed_one_pass() {
    let stage = Stage::pinned();
    stage.stream("[tags]\nnew = \"REGISTRY/python:3.12\"\nfollows = { follow = \"new\" }\n");
    stage.update();
    stage.check(
        &["check", "--base", "HEAD"],
        r#"
--- out
2 pins of 1 stream: lock and definitions agree
--- exit 0
"#,
    );
}

#[test]
fn a_base_without_a_lock_has_all_digests_asked_for() {
    let stage = Stage::new();
    stage.sandbox.git(&["init", "-q"]);
    stage.commit("Definitions");
    stage.update();
    assert_eq!(stage.sandbox.run(&["check", "--base", "HEAD"]).code, Some(0));
    stage.edit_lock(&stage.digest("python:3.11"), EVIL);
    assert_eq!(stage.sandbox.run(&["check", "--base", "HEAD"]).code, Some(4));
}

#[test]
fn a_base_that_is_not_there_is_an_error_with_a_way_out() {
    Stage::pinned().check(
        &["check", "--base", "origin/main"],
        r#"
--- err
error: `--base`: git failed: `origin/main` names no commit of this repository: revspec 'origin/main' not found
help: where `origin/main` is a branch, fetch it first and name it as it was fetched, `origin/main`
--- exit 1
"#,
    );
    let stage = Stage::new();
    stage.update();
    stage.check(
        &["check", "--base", "main"],
        r#"
--- err
error: `--base` needs a Git checkout, and this folder is in none
help: run it in a clone, or leave `--base` out
--- exit 1
"#,
    );
}

#[test]
fn t4_an_earlier_digest_written_in_by_hand_is_refused() {
    let stage = moved();
    let first = stage.sandbox.read("pinstream.lock").split("previous = [\"").nth(1).unwrap()[..71].to_owned();
    stage.edit_lock(&format!("previous = [\"{first}\"]"), &format!("previous = [\"{EVIL}\", \"{first}\"]"));
    stage.check(
        &["check", "--base", "HEAD"],
        r#"
--- out
`python:3.12` says that it stood at `sha256:eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee`, which `HEAD` never held and its repository has not
  take that digest out of its `previous`
--- exit 4
"#,
    );
    // One that its repository has is believed: a branch may have moved a pin more than once.
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
fn t4_what_the_base_and_its_history_held_may_be_named_as_earlier() {
    let stage = moved();
    // Back to the first digest and on again: both are earlier ones, known from history alone.
    stage.sandbox.git(&["checkout", "-q", "HEAD~1", "--", "pinstream.lock"]);
    stage.commit("Back");
    stage.registry.push("python", "3.12", &super::image(23, "3.12.23"));
    stage.update();
    assert!(stage.sandbox.read("pinstream.lock").contains("previous = "));
    assert_eq!(stage.sandbox.run(&["check", "--base", "HEAD"]).code, Some(0));
    assert_eq!(stage.sandbox.run(&["check", "--base", "HEAD~1"]).code, Some(0));
}

#[test]
fn an_honest_bump_does_not_pay_for_the_history() {
    let stage = moved();
    // Whoever walks on to this version of the lock fails.
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
fn mistakes_of_the_base_are_told_as_the_bases_and_stop_nothing() {
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
4 pins of 1 stream: lock and definitions agree
--- err
warning: `HEAD:pinstream.toml`, line 4: unknown key `scedule`; what is right there is used
--- exit 0
"#,
    );
}

#[test]
fn only_the_tags_that_are_named_are_held_against_the_base() {
    let stage = Stage::pinned();
    stage.edit_lock(&stage.digest("python:3.11"), EVIL);
    assert_eq!(stage.sandbox.run(&["check", "--base", "HEAD", "python:3.12"]).code, Some(0));
    assert_eq!(stage.sandbox.run(&["check", "--base", "HEAD", "python:3.11"]).code, Some(4));
}

#[test]
fn what_was_found_is_told_in_json_as_its_schema_says() {
    let stage = Stage::pinned();
    stage.stream(&super::PYTHON.replace("arm = ", "# arm = "));
    stage.edit_lock(&stage.digest("python:3.11"), EVIL);
    let schema: serde_json::Value = serde_json::from_str(&stage.sandbox.run(&["schema", "check"]).stdout).unwrap();
    let ran = stage.sandbox.run(&["check", "--base", "HEAD", "--upstream", "--format", "json"]);
    let found: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    crate::support::schema::holds(&schema, &found);
    assert_eq!((ran.code, &found["exit"], &found["upstream"]["exit"]), (Some(4), &4.into(), &4.into()));
    let kinds: Vec<_> = found["findings"].as_array().unwrap().iter().map(|one| (&one["tag"], &one["kind"])).collect();
    assert_eq!(kinds, [(&"arm".into(), &"disagrees".into()), (&"3.11".into(), &"refused".into())]);
    assert_eq!(found["mend"], "pinstream update --offline");
    let only = stage.sandbox.run(&["check", "--format", "json", "python:3.12"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&only.stdout).unwrap()["findings"], serde_json::json!([]));
}
