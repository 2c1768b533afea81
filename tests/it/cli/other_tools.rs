//! Files that other tools own: Git LFS pointers, and files that SOPS signs.

use super::Stage;

const POINTER: &str = "version https://git-lfs.github.com/spec/v1\n\
                       oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";

/// Checks that a command refuses the pointer at `path`.
#[track_caller]
fn refuses(stage: &Stage, args: &[&str], path: &str) {
    let ran = stage.sandbox.run(args);
    let shown = stage.sandbox.shown(&ran);
    assert_eq!(ran.code, Some(1), "{args:?}\n{shown}");
    assert!(shown.contains(&format!("`{path}`: it is a Git LFS pointer, not the file itself")), "{args:?}\n{shown}");
    assert!(shown.contains(&format!("git add --renormalize {path}")), "{args:?}\n{shown}");
}

#[test]
fn l13_every_command_refuses_a_lock_or_definition_that_is_an_lfs_pointer() {
    let stage = Stage::pinned();
    for path in ["pinstream.lock", "streams/python.toml", "pinstream.toml"] {
        let whole = stage.sandbox.read(path);
        stage.sandbox.write(path, POINTER);
        for args in [
            &["check"][..],
            &["check", "--base", "HEAD"],
            &["plan"],
            &["update"],
            &["update", "--offline"],
            &["list"],
            &["get", "python:3.12"],
            &["describe"],
            &["history", "python:3.12"],
            &["graph"],
            &["targets"],
            &["export", "env"],
            &["rollback", "python:3.12", "--reason", "x"],
        ] {
            refuses(&stage, args, path);
        }
        assert_eq!(stage.sandbox.read(path), POINTER);
        stage.sandbox.write(path, &whole);
    }
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
}

#[test]
fn l13_a_committed_lock_that_is_an_lfs_pointer_is_refused() {
    let stage = Stage::pinned();
    let lock = stage.sandbox.read("pinstream.lock");
    stage.sandbox.write("pinstream.lock", POINTER);
    stage.commit("Move the lock to Git LFS");
    // As `git lfs` would do, and `git lfs` in no other clone.
    stage.sandbox.write("pinstream.lock", &lock);
    refuses(&stage, &["check", "--base", "HEAD"], "pinstream.lock");
    refuses(&stage, &["describe"], "pinstream.lock");
    refuses(&stage, &["history", "python:3.12"], "pinstream.lock");
    // Once it is out of Git LFS, the versions before and after are shown.
    stage.commit("Move the lock out of Git LFS");
    let ran = stage.sandbox.run(&["history", "python:3.12"]);
    assert_eq!(ran.code, Some(0), "{}", stage.sandbox.shown(&ran));
}

#[test]
fn l13_a_target_that_is_an_lfs_pointer_is_refused_and_a_glob_of_markers_skips_it() {
    let stage = Stage::pinned();
    stage.sandbox.write("deploy/web.yaml", POINTER);
    stage.settings("[[target]]\nmarker = { path = \"deploy/**\" }\n");
    stage.sandbox.write("deploy/run.sh", &format!("{}/python:3.11 # pinstream: python:3.11\n", stage.registry.host()));
    stage.update();
    assert!(stage.sandbox.read("deploy/run.sh").contains("@sha256:"));
    stage.settings("[[target]]\nfrom = \"python:3.12\"\nyaml = { path = \"deploy/web.yaml\", at = \"image\" }\n");
    for args in [&["check"][..], &["update", "--offline"], &["plan"]] {
        refuses(&stage, args, "deploy/web.yaml");
    }
    let ran = stage.sandbox.run(&["targets"]);
    assert!(stage.sandbox.shown(&ran).contains("it is a Git LFS pointer"), "{}", stage.sandbox.shown(&ran));
    assert_eq!(stage.sandbox.read("deploy/web.yaml"), POINTER);
    let ran = stage.sandbox.run(&["check", "--all-images"]);
    assert!(stage.sandbox.shown(&ran).contains("it is a Git LFS pointer"), "{}", stage.sandbox.shown(&ran));
}

#[test]
fn l13_a_key_that_is_an_lfs_pointer_is_refused() {
    let stage = Stage::new();
    stage.settings("[import]\nverify = { key = \"cosign.pub\" }\n");
    stage.sandbox.write("cosign.pub", POINTER);
    for command in ["check", "plan"] {
        let ran = stage.sandbox.run(&[command]);
        let shown = stage.sandbox.shown(&ran);
        assert_eq!(ran.code, Some(1), "{shown}");
        assert!(shown.contains("cosign.pub") && shown.contains("it is a Git LFS pointer"), "{shown}");
    }
}

const SOPS: &str = "image: nginx:1\npassword: ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]\nsops:\n    age: []\n    \
                    lastmodified: \"2026-11-01T10:00:00Z\"\n    mac: ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]\n    \
                    encrypted_regex: ^password$\n    version: 3.9.0\n";
const MAC_ONLY: &str = "    mac_only_encrypted: true\n";
const TARGET: &str = "[[target]]\nfrom = \"python:3.12\"\nyaml = { path = \"secrets.yaml\", at = \"image\" }\n";

#[test]
fn l12_a_target_in_a_file_that_sops_signs_is_refused_by_every_command_that_writes() {
    let stage = Stage::pinned();
    stage.settings(TARGET);
    stage.sandbox.write("secrets.yaml", SOPS);
    let lock = stage.sandbox.read("pinstream.lock");
    stage.move_upstream();
    for args in [&["update"][..], &["update", "--offline"], &["plan"], &["rollback", "python:3.12", "--reason", "x"]] {
        let ran = stage.sandbox.run(args);
        let shown = stage.sandbox.shown(&ran);
        assert_eq!(ran.code, Some(1), "{args:?}\n{shown}");
        if args[0] != "rollback" {
            assert!(shown.contains("`secrets.yaml` is signed by SOPS: an edit would invalidate its MAC"), "{shown}");
            assert!(shown.contains("set `mac_only_encrypted: true`") && shown.contains("without SOPS"), "{shown}");
        }
        assert_eq!((stage.sandbox.read("secrets.yaml").as_str(), &stage.sandbox.read("pinstream.lock")), (SOPS, &lock));
    }
    // `check` reads it: the difference is drift, and no command is suggested that would fail.
    let ran = stage.sandbox.run(&["check"]);
    let shown = stage.sandbox.shown(&ran);
    assert_eq!(ran.code, Some(2), "{shown}");
    assert!(shown.contains("found `nginx:1`") && shown.contains("mac_only_encrypted"), "{shown}");
    assert!(!shown.contains("pinstream update"), "{shown}");
    // Other tags are not affected.
    assert_eq!(stage.sandbox.run(&["update", "python:3.11"]).code, Some(0));
    // A person who writes the pin with SOPS satisfies every command.
    let pinned = SOPS.replace("nginx:1", stage.sandbox.run(&["get", "python:3.12"]).stdout.trim());
    stage.sandbox.write("secrets.yaml", &pinned);
    for args in [&["check"][..], &["update", "--offline"]] {
        assert_eq!(stage.sandbox.run(args).code, Some(0), "{args:?}");
    }
}

#[test]
fn l12_a_rollback_does_not_write_a_file_that_sops_signs() {
    let stage = Stage::pinned();
    stage.move_upstream();
    stage.update();
    stage.commit("Update");
    stage.settings(TARGET);
    let pinned = SOPS.replace("nginx:1", stage.sandbox.run(&["get", "python:3.12"]).stdout.trim());
    stage.sandbox.write("secrets.yaml", &pinned);
    let before = ["pinstream.lock", "streams/python.toml"].map(|path| stage.sandbox.read(path));
    let ran = stage.sandbox.run(&["rollback", "python:3.12", "--reason", "x"]);
    let shown = stage.sandbox.shown(&ran);
    assert!(ran.code == Some(1) && shown.contains("is signed by SOPS"), "{shown}");
    assert_eq!(["pinstream.lock", "streams/python.toml"].map(|path| stage.sandbox.read(path)), before);
    assert_eq!(stage.sandbox.read("secrets.yaml"), pinned);
}

#[test]
fn l12_a_mac_over_encrypted_values_only_allows_an_edit_of_the_others() {
    let stage = Stage::pinned();
    stage.settings(TARGET);
    let whole = format!("{SOPS}{MAC_ONLY}");
    stage.sandbox.write("secrets.yaml", &whole);
    stage.update();
    let reference = stage.sandbox.run(&["get", "python:3.12"]).stdout.trim().to_owned();
    assert_eq!(stage.sandbox.read("secrets.yaml"), whole.replace("nginx:1", &reference));
    stage.settings(&TARGET.replace("\"image\"", "\"password\""));
    let ran = stage.sandbox.run(&["update", "--offline"]);
    let shown = stage.sandbox.shown(&ran);
    assert!(ran.code == Some(1) && shown.contains("the value in `secrets.yaml` is encrypted by SOPS"), "{shown}");
}

#[test]
fn l12_targets_add_skips_files_that_sops_signs() {
    let stage = Stage::pinned();
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: a\n    image: {}/python:3.12\n",
        stage.registry.host()
    );
    stage.sandbox.write("a.yaml", &format!("{pod}{}", SOPS.split_once('\n').unwrap().1));
    stage.sandbox.write("b.yaml", &format!("{pod}{}{MAC_ONLY}", SOPS.split_once('\n').unwrap().1));
    let ran = stage.sandbox.run(&["targets", "add"]);
    assert_eq!(ran.code, Some(0), "{}", stage.sandbox.shown(&ran));
    assert!(ran.stderr.contains("a.yaml") && ran.stderr.contains("is signed by SOPS"), "{}", ran.stderr);
    let settings = stage.sandbox.read("pinstream.toml");
    assert!(settings.contains("b.yaml") && !settings.contains("a.yaml"), "{settings}");
}
