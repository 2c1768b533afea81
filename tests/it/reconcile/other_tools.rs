//! Files of a remote that other tools own: Git LFS pointers, and files that SOPS signs.

use super::stage::Stage;
use crate::support::remote::BareRepo;

const POINTER: &str = "version https://git-lfs.github.com/spec/v1\n\
                       oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
const SOPS: &str = "image: nginx:1\nsops:\n    mac: ENC[AES256_GCM,data:x,type:str]\n    version: 3.9.0\n";
const TARGET: &str = "[[target]]\nfrom = \"web:1\"\nyaml = { path = \"secrets.yaml\", at = \"image\" }\n";

#[test]
fn l12_a_pass_lands_nothing_in_a_file_that_sops_signs_and_other_tags_land() {
    let stage = Stage::new(TARGET);
    stage.stream("web", &[("1", 1), ("2", 2)]);
    stage.commit("secrets.yaml", SOPS);
    let tip = stage.repo.tip("refs/heads/main");
    let said = stage.ends(1, &[]);
    assert!(said.contains("`secrets.yaml` is signed by SOPS") && said.contains("`mac_only_encrypted: true`"), "{said}");
    assert_eq!(stage.repo.tip("refs/heads/main"), tip);
    stage.ends(0, &["web:2"]);
    assert!(stage.pin("web:2").is_some() && stage.pin("web:1").is_none());
    stage.commit("secrets.yaml", &format!("{SOPS}    mac_only_encrypted: true\n"));
    stage.ends(0, &[]);
    assert!(stage.repo.read("main", "secrets.yaml").unwrap().starts_with(&format!("image: {}", stage.registry.host())));
    // A target that already has its pin needs no edit.
    let pinned = stage.repo.read("main", "secrets.yaml").unwrap();
    stage.commit("secrets.yaml", &pinned.replace("    mac_only_encrypted: true\n", ""));
    stage.push("web:2", 3);
    stage.ends(0, &[]);
    assert!(stage.lock().contains("1.0.3"));
}

#[test]
fn l13_a_lock_definition_or_target_that_is_an_lfs_pointer_is_refused() {
    let stage = Stage::new(&TARGET.replace("web:1", "web:2"));
    stage.stream("web", &[("1", 1), ("2", 2)]);
    stage.commit("secrets.yaml", "image: nginx:1\n");
    stage.ends(0, &[]);
    for path in ["pinstream.lock", "streams/web.toml", "secrets.yaml"] {
        let whole = stage.repo.read("main", path).unwrap();
        let tip = stage.commit(path, POINTER);
        let said = stage.ends(1, &[]);
        assert!(said.contains(&format!("`{path}`: it is a Git LFS pointer, not the file itself")), "{said}");
        assert!(said.contains("take it out of Git LFS"), "{said}");
        assert_eq!(stage.repo.tip("refs/heads/main"), Some(tip));
        stage.commit(path, &whole);
    }
    stage.ends(0, &[]);
}

#[test]
fn l13_a_hook_file_that_is_an_lfs_pointer_does_not_run() {
    let stage = Stage::new("[[hook]]\nname = \"a\"\nrun = [\"./a.sh\"]\n");
    stage.commit("a.sh", POINTER);
    stage.stream("web", &[("1", 1)]);
    let said = stage.ends(6, &[]);
    assert!(said.contains("`a.sh`: it is a Git LFS pointer"), "{said}");
}

#[test]
fn l13_the_lock_of_another_repository_that_is_an_lfs_pointer_fails_its_tags_only() {
    let other = BareRepo::with(&[("pinstream.toml", ""), ("pinstream.lock", POINTER)]);
    let stage = Stage::new(&format!("[remote.other]\nurl = \"{}\"\n", other.url()));
    stage.stream("web", &[("1", 1)]);
    stage.commit("streams/far.toml", "[tags]\n\"1\" = { follow = \"other//web:1\" }\n");
    let said = stage.ends(3, &[]);
    assert!(said.contains("`pinstream.lock`: it is a Git LFS pointer"), "{said}");
    assert!(stage.pin("web:1").is_some());
}
