//! Hooks: their environment, and what is visible of them.

use crate::reconcile::stage::Stage;
use crate::support::canary::CANARY;
use crate::support::lane::needs;

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

/// A program that looks for secrets where a hook can reach them: in the environments of its ancestors within this pass, and
/// in the directories of other hooks. Its copy in the home is not masked.
const SPY: &str = r#"
spy() {
    tr '\0' '\n' < /proc/$PPID/environ
    grep -a Canary /proc/$PPID/environ
    for of in "$PWD"/../../pinstream-hook-*/work/*; do case $of in "$PWD"*) ;; *) echo "sibling $of"; cat "$of" ;; esac; done
    ls -d "$PWD"/../../pinstream-hook-*
}
spy > $HOME/spied 2>&1; spy 2>&1"#;

#[test]
fn s02_t22_a_hook_finds_no_secret_in_its_parent_or_its_siblings() {
    let keep = "[[hook]]\nname = \"keep\"\nenv = [\"DEPLOY_TOKEN\"]\nrun = [\"sh\", \"-c\", \"echo $DEPLOY_TOKEN > token; chmod 644 token\"]\n";
    let spy = format!("[[hook]]\nname = \"spy\"\nrun = [\"sh\", \"-c\", '''{SPY}''']\n");
    let mut stage = Stage::new(&format!("{keep}{spy}"));
    stage.sandbox.env("PINSTREAM_SIGNING_PASSPHRASE", CANARY);
    // Not the directory that other tests use at the same time.
    stage.sandbox.env("TMPDIR", stage.sandbox.work().display().to_string());
    stage.stream("web", &[("1", 1)]);
    let report = stage.report(0, &[]);
    let spied = stage.home("spied");
    crate::support::canary::absent("the environment of the parent", spied.as_bytes());
    // It could look: the names of variables and its own directory are there.
    let is_readable = spied.lines().any(|line| line == "PINSTREAM_GIT_TOKEN=");
    assert!(is_readable || spied.contains("Permission denied"), "{spied}");
    assert!(spied.contains("/pinstream-hook-") && !spied.contains("sibling "), "{spied}");
    assert_eq!(report["hooks"].as_array().unwrap().len(), 2);
}

#[test]
fn s02_t22_a_secret_that_a_hook_prints_is_masked() {
    let show =
        "echo plain $DEPLOY_TOKEN; printf %s \"user:$DEPLOY_TOKEN\" | base64 -w 0; echo; cat $HOME/.docker/config.json";
    let stage = Stage::new(&format!(
        "[[hook]]\nname = \"show\"\nenv = [\"DEPLOY_TOKEN\"]\nrun = [\"sh\", \"-c\", '''{show}''']\n"
    ));
    stage.stream("web", &[("1", 1)]);
    let report = stage.report(0, &[]);
    let output = report["hooks"][0]["output"].as_str().unwrap();
    assert!(output.starts_with("plain ***\n") && output.matches("***").count() >= 3, "{output}");
}

#[test]
fn s02_t22_another_process_of_the_same_user_cannot_read_ours() {
    needs!("setpriv");
    let stage =
        stage("cat /proc/$PPID/environ /proc/$PPID/maps /proc/$PPID/mem > $HOME/spied 2> $HOME/failed; echo done");
    let nobody = 65_534;
    let is_root = rustix::process::getuid().is_root();
    if is_root {
        let mut chown = stage.sandbox.command("chown");
        chown
            .args(["-R", &format!("{nobody}:{nobody}")])
            .args([stage.sandbox.home().parent().unwrap(), stage.repo.base()]);
        assert_eq!(stage.sandbox.finish(chown).code, Some(0));
    }
    let mut command = stage.sandbox.as_program(if is_root { "setpriv" } else { "env" });
    if is_root {
        let (user, group) = (format!("--reuid={nobody}"), format!("--regid={nobody}"));
        command.args([&user, &group, "--clear-groups"]);
    }
    command.args([env!("CARGO_BIN_EXE_pinstream"), "reconcile", "--remote", &stage.remote]);
    let ran = stage.sandbox.finish(command);
    assert_eq!(ran.code, Some(0), "{}", stage.sandbox.shown(&ran));
    assert_eq!(stage.home("spied"), "");
    let denied = stage.home("failed").lines().filter(|line| line.ends_with("Permission denied")).count();
    assert_eq!(denied, 3, "{}", stage.home("failed"));
}
