//! Hooks: their environment, and what is visible of them.

use crate::reconcile::stage::Stage;
use crate::support::canary::CANARY;

/// A stage with a hook that runs `script`, and one change for it.
fn stage(script: &str) -> Stage {
    let stage =
        Stage::new(&format!("[[hook]]\nname = \"show\"\nenv = [\"SHOWN\"]\nrun = [\"sh\", \"-c\", '''{script}''']\n"));
    stage.stream("web", &[("1", 1)]);
    stage
}

#[test]
fn t22_a_hook_sees_only_the_variables_it_lists() {
    let mut stage = stage("env; tr '\\0' '\\n' < /proc/self/environ; tr '\\0' '\\n' < /proc/$$/environ");
    stage.sandbox.env("SHOWN", "as listed");
    let report = stage.report(0, &[]);
    let output = report["hooks"][0]["output"].as_str().unwrap();
    assert_eq!(output.lines().filter(|line| *line == "SHOWN=as listed").count(), 3, "{output}");
    assert!(output.contains("PINSTREAM_EVENT_ID=") && !output.contains("TOKEN"), "{output}");
}

#[test]
fn t22_no_secret_is_in_a_command_line() {
    let mut stage = stage("for of in self $$ $PPID; do tr '\\0' ' ' < /proc/$of/cmdline; echo; done");
    let server = crate::support::remote::http::HttpBackend::with_password(stage.repo.base(), "x-access-token", CANARY);
    stage.remote = server.url();
    let said = stage.ends(0, &["-v"]);
    assert!(said.contains(" reconcile --remote ") && said.contains("sh -c for of in "), "{said}");
}
