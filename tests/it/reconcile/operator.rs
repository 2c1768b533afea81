//! Actions that the operator's policy forbids are refused with exit code 4.

use super::stage::{Stage, TELL};

const POLICY: [&str; 2] = ["--policy", "policy.toml"];

/// A stage with a pinned tag that has changed upstream, and a policy.
fn stage(policy: &str) -> Stage {
    let stage = Stage::new(TELL);
    stage.stream("web", &[("1", 1)]);
    stage.ends(0, &[]);
    stage.push("web:1", 2);
    stage.sandbox.write("policy.toml", &policy.replace("REGISTRY", &stage.registry.host()));
    stage
}

#[test]
fn t8_a_privileged_event_for_a_strangers_branch_writes_nothing() {
    let mut stage = stage("");
    let before = stage.commits();
    for (event, protected, code) in [
        ("pull_request_target", "false", 4),
        ("pull_request_target", "", 4),
        ("workflow_run", "false", 4),
        ("workflow_run", "True", 4),
        ("pull_request", "false", 0),
        ("workflow_run", "true", 0),
    ] {
        stage.sandbox.env("GITHUB_EVENT_NAME", event);
        stage.sandbox.env("GITHUB_REF_PROTECTED", protected);
        if code == 4 {
            stage.check(
                &[],
                &format!(
                    "--- err\nerror: refusing to run for event `{event}` on a ref that is not protected\n\
                     help: run it `on: push` or `on: schedule`; use `pinstream check` for pull requests\n--- exit 4"
                ),
            );
            assert_eq!((stage.commits(), stage.events().len()), (before.clone(), 1));
        } else {
            stage.ends(0, &[]);
        }
    }
    assert_eq!(stage.events().len(), 2);
}

#[test]
fn a_forbidden_hook_does_not_run_and_stays_pending() {
    let stage = stage("hooks = [\"other-*\"]\n");
    let said = stage.ends(4, &POLICY);
    assert!(
        said.contains(
            "hook tell was refused for 1 change and stays pending: the policy does not allow the hook `tell`"
        ),
        "{said}"
    );
    assert_eq!(stage.events().len(), 1);
    // The change landed, and the hook runs once the policy allows it.
    stage.ends(4, &POLICY);
    stage.sandbox.write("policy.toml", "hooks = [\"tell\"]\nprograms = [\"sh\"]\n");
    stage.ends(0, &POLICY);
    stage.ends(0, &POLICY);
    assert_eq!(stage.events_in_short(), "web:1 - > 1.0.1\nweb:1 1.0.1 > 1.0.2\n");
}

#[test]
fn a_forbidden_program_does_not_run() {
    let stage = stage("programs = [\"./deploy.sh\"]\n");
    let said = stage.ends(4, &POLICY);
    assert!(said.contains("the policy does not allow the program `sh` of the hook `tell`"), "{said}");
    assert_eq!(stage.events().len(), 1);
}

#[test]
fn a_forbidden_registry_receives_no_request() {
    let stage = stage("registries = [\"quay.io\"]\n");
    let lock = stage.lock();
    stage.registry.forget();
    let report = stage.report(4, &POLICY);
    assert_eq!(report["tags"][0]["outcome"], "refused");
    let message = report["tags"][0]["error"]["message"].as_str().unwrap();
    assert!(message.contains("policy"), "{message}");
    assert!(stage.registry.requests().is_empty());
    assert_eq!(stage.lock(), lock);
    stage.sandbox.write("policy.toml", &format!("registries = [\"{}\"]\n", stage.registry.host()));
    stage.ends(0, &POLICY);
    assert_ne!(stage.lock(), lock);
}

#[test]
fn a_forbidden_remote_receives_no_request() {
    let stage = stage("remotes = [\"https://git.example/**\"]\n");
    let refs = stage.repo.git(&["for-each-ref"]);
    stage.registry.forget();
    let said = stage.ends(4, &POLICY);
    assert!(said.contains("the policy does not allow the remote `"), "{said}");
    assert!(stage.registry.requests().is_empty());
    assert_eq!(stage.repo.git(&["for-each-ref"]), refs);
}
