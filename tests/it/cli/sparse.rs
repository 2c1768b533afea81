//! Sparse checkouts: a file that is left out of the work tree was not removed.

use super::Stage;

/// A pinned root whose checkout leaves out everything below the top but one directory.
fn sparse() -> Stage {
    let stage = Stage::pinned();
    std::fs::create_dir(stage.sandbox.work().join("other")).unwrap();
    std::fs::write(stage.sandbox.work().join("other/file"), "").unwrap();
    stage.commit("add another directory");
    stage.sandbox.git(&["sparse-checkout", "set", "--cone", "--no-sparse-index", "other"]);
    assert!(!stage.sandbox.work().join("streams").exists());
    stage
}

#[test]
fn l19_definitions_that_are_left_out_are_read_from_the_index() {
    let stage = sparse();
    let lock = stage.sandbox.read("pinstream.lock");
    let ran = stage.sandbox.run(&["check"]);
    assert_eq!(ran.code, Some(0), "{}", stage.sandbox.shown(&ran));
    let ran = stage.sandbox.run(&["update"]);
    assert_eq!(ran.code, Some(0), "{}", stage.sandbox.shown(&ran));
    assert_eq!(stage.sandbox.read("pinstream.lock"), lock);
    assert!(!stage.sandbox.work().join("streams").exists());
}

#[test]
fn l19_left_out_files_follow_the_rules_of_the_work_tree() {
    let stage = Stage::pinned();
    let at = |path: &str| stage.sandbox.work().join(path);
    std::fs::create_dir_all(at("other")).unwrap();
    std::fs::write(at("other/file"), "").unwrap();
    // A leftover of an editor is not a stream.
    std::fs::write(at("streams/.python.toml"), "[tags]\nbroken").unwrap();
    stage.commit("add a leftover");
    stage.sandbox.git(&["sparse-checkout", "set", "--cone", "--no-sparse-index", "other"]);
    let ran = stage.sandbox.run(&["check"]);
    assert_eq!(ran.code, Some(0), "{}", stage.sandbox.shown(&ran));
    // Nested more deeply than the work tree may be.
    let deep = format!("streams/{}x.toml", "a/".repeat(9));
    stage.sandbox.git(&["sparse-checkout", "disable"]);
    std::fs::create_dir_all(at(&deep).parent().unwrap()).unwrap();
    std::fs::write(at(&deep), "[tags]\n").unwrap();
    stage.commit("nest a stream too deeply");
    stage.sandbox.git(&["sparse-checkout", "set", "--cone", "--no-sparse-index", "other"]);
    let ran = stage.sandbox.run(&["check"]);
    let shown = stage.sandbox.shown(&ran);
    assert!(ran.code != Some(0) && shown.contains("at most eight directories deep"), "{shown}");
}

#[test]
fn l19_an_index_that_cannot_be_read_stops_the_command_with_the_remedy() {
    let stage = sparse();
    let lock = stage.sandbox.read("pinstream.lock");
    stage.sandbox.git(&["sparse-checkout", "reapply", "--sparse-index"]);
    for command in ["check", "update"] {
        let ran = stage.sandbox.run(&[command]);
        let shown = stage.sandbox.shown(&ran);
        assert_eq!(ran.code, Some(1), "{shown}");
        assert!(shown.contains("git sparse-checkout add streams"), "{shown}");
    }
    assert_eq!(stage.sandbox.read("pinstream.lock"), lock);
    stage.sandbox.git(&["sparse-checkout", "add", "streams"]);
    stage.sandbox.git(&["sparse-checkout", "reapply", "--no-sparse-index"]);
    let ran = stage.sandbox.run(&["check"]);
    assert_eq!(ran.code, Some(0), "{}", stage.sandbox.shown(&ran));
}

#[test]
fn l19_a_sparse_checkout_that_cannot_be_opened_stops_the_command() {
    let stage = sparse();
    let lock = stage.sandbox.read("pinstream.lock");
    let config = stage.sandbox.work().join(".git/config");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}[core]\n\trepositoryformatversion = 1\n[extensions]\n\tunknown = 1\n"))
        .unwrap();
    for command in ["check", "update"] {
        let ran = stage.sandbox.run(&[command]);
        let shown = stage.sandbox.shown(&ran);
        assert!(ran.code == Some(1) && shown.contains("git sparse-checkout disable"), "{shown}");
    }
    assert_eq!(stage.sandbox.read("pinstream.lock"), lock);
}

#[test]
fn l19_a_sparse_checkout_of_another_user_stops_the_command() {
    let stage = sparse();
    let lock = stage.sandbox.read("pinstream.lock");
    for name in [".", ".git"] {
        std::os::unix::fs::chown(stage.sandbox.work().join(name), Some(4321), None).unwrap();
    }
    for command in ["check", "update"] {
        let ran = stage.sandbox.run(&[command]);
        let shown = stage.sandbox.shown(&ran);
        assert!(ran.code == Some(1) && shown.contains("belongs to another user"), "{shown}");
    }
    assert_eq!(stage.sandbox.read("pinstream.lock"), lock);
}
