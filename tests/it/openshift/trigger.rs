//! Triggers, which correspond to hooks (openshift/library-go, `trigger/annotations_test.go`;
//! openshift/openshift-controller-manager, `buildconfigs_test.go` and `deploymentconfigs_test.go`).

use crate::reconcile::stage::{Stage, TELL};
use crate::support::lane::slow;

/// A hook like [`TELL`] for some tags only.
fn tell(on: &str) -> String {
    TELL.replace("run =", &format!("on = [{on}]\nrun ="))
}

#[test]
fn test_build_config_reactor_the_same_image_does_not_fire() {
    let stage = Stage::new(TELL);
    stage.stream("web", &[("1", 1)]);
    stage.ends(0, &[]);
    assert_eq!(stage.events().len(), 1);
    // No change; the same image under another name; a definition written anew.
    stage.ends(0, &[]);
    stage.push("copy:1", 1);
    for text in ["[tags]\n\"1\" = \"REGISTRY/copy:1\"\n", "[tags.1]\nimage = \"REGISTRY/copy:1\"\n"] {
        stage.commit("streams/web.toml", text);
        stage.ends(0, &[]);
    }
    assert_eq!(stage.events().len(), 1);
}

#[test]
fn test_build_config_reactor_two_triggers_of_one_image_fire_once() {
    let stage = Stage::new(&tell("\"web:*\", \"web:1\", \"**\", \"web:1\""));
    stage.stream("web", &[("1", 1)]);
    stage.ends(0, &[]);
    stage.push("web:1", 2);
    stage.ends(0, &[]);
    stage.ends(0, &[]);
    assert_eq!(stage.events_in_short(), "web:1 - > 1.0.1\nweb:1 1.0.1 > 1.0.2\n");
}

#[test]
fn test_build_config_reactor_paused() {
    slow!();
    let other = "[[hook]]\nname = \"other\"\nrun = [\"sh\", \"-c\", \"cat > /dev/null; echo ran >> $HOME/other\"]\n";
    let stage = Stage::new(&format!("{TELL}{other}"));
    stage.stream("web", &[("1", 1), ("2", 2)]);
    stage.ends(0, &[]);
    // A hook that is removed does not run, and the others do.
    stage.settings(other);
    stage.push("web:1", 3);
    stage.ends(0, &[]);
    assert_eq!((stage.events().len(), stage.home("other").as_str()), (1, "ran\nran\n"));
    // When it is added again, it receives the changes that it missed.
    stage.settings(&format!("{TELL}{other}"));
    stage.ends(0, &[]);
    stage.push("web:2", 4);
    stage.ends(0, &[]);
    let told = "web:1 - > 1.0.1\nweb:2 - > 1.0.2\nweb:1 1.0.1 > 1.0.3\nweb:2 1.0.2 > 1.0.4\n";
    assert_eq!(stage.events_in_short(), told);
}

#[test]
fn test_deployment_config_reactor_all_changes_are_one_batch() {
    let stage = Stage::new(TELL);
    stage.stream("web", &[("1", 1), ("2", 2)]);
    stage.stream("db", &[("1", 3)]);
    stage.commit("streams/all.toml", "[tags]\nweb = { follow = \"web:1\" }\n");
    stage.ends(0, &[]);
    for (name, seed) in [("web:1", 4), ("web:2", 5), ("db:1", 6)] {
        stage.push(name, seed);
    }
    stage.ends(0, &[]);
    let moves: Vec<usize> = stage.events().iter().map(|event| event["changes"].as_array().unwrap().len()).collect();
    assert_eq!(moves, [4, 4]);
}

#[test]
fn test_deployment_config_reactor_a_failing_tag_delays_no_other() {
    let stage = Stage::new(&tell("\"web:*\""));
    stage.push("web:1", 1);
    stage.commit("streams/web.toml", "[tags]\n\"1\" = \"REGISTRY/web:1\"\n\"2\" = \"REGISTRY/web:2\"\n");
    stage.ends(3, &[]);
    stage.ends(3, &[]);
    assert_eq!(stage.events_in_short(), "web:1 - > 1.0.1\n");
    stage.push("web:2", 2);
    stage.ends(0, &[]);
    stage.ends(0, &[]);
    assert_eq!(stage.events_in_short(), "web:1 - > 1.0.1\nweb:2 - > 1.0.2\n");
}
