//! Environment, input and program of a hook.

use std::collections::BTreeMap;

use super::stage::{Stage, TELL};
use crate::support::lane::slow;

/// A hook that stores everything it receives in its home, in a directory named after its process id.
const KEEP: &str = r#"
[[hook]]
name = "keep"
env = ["DEPLOY_TOKEN", "NOT_SET"]
run = ["sh", "-c", "d=$HOME/kept/$$; mkdir -p $d; env > $d/env; cat > $d/stdin; cat $PINSTREAM_CHANGES > $d/changes; ls -A > $d/files"]
"#;

/// A stage whose hook is `settings`, with two tags already pinned.
fn stage(settings: &str) -> Stage {
    let mut stage = Stage::new(settings);
    stage.sandbox.env("DEPLOY_TOKEN", "for the hook that names it");
    stage.sandbox.env("CANARY_SECRET", "for nobody");
    stage.sandbox.env("PINSTREAM_GIT_TOKEN", "for the remote alone");
    stage.stream("web", &[("1", 1), ("2", 2)]);
    stage
}

/// One file of each run of the hook, oldest first.
fn kept(stage: &Stage, name: &str) -> Vec<String> {
    let runs = std::fs::read_dir(stage.sandbox.home().join("kept")).unwrap();
    let mut runs: Vec<_> = runs.map(|run| run.unwrap().path().join(name)).collect();
    runs.sort_by_key(|file| std::fs::metadata(file).unwrap().modified().unwrap());
    runs.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

fn variables(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.split_once('=')).collect()
}

const ALWAYS: [&str; 11] = [
    "DEPLOY_TOKEN",
    "HOME",
    "LANG",
    "PATH",
    "PINSTREAM_BRANCH",
    "PINSTREAM_CHANGES",
    "PINSTREAM_COMMIT",
    "PINSTREAM_EVENT_ID",
    "PINSTREAM_HOOK",
    "PINSTREAM_RUN",
    // Set by the shell itself.
    "PWD",
];

#[test]
fn a_hook_sees_what_is_documented_and_nothing_else() {
    let stage = stage(KEEP);
    stage.ends(0, &[]);
    let [env] = &kept(&stage, "env")[..] else { panic!("one run") };
    let found = variables(env);
    let names: Vec<&str> = found.keys().copied().collect();
    assert_eq!(names, ALWAYS);
    assert_eq!(found["DEPLOY_TOKEN"], "for the hook that names it");
    assert_eq!(found["PINSTREAM_HOOK"], "keep");
    assert_eq!(found["PINSTREAM_BRANCH"], "main");
    assert_eq!(found["PINSTREAM_COMMIT"], stage.repo.tip("refs/heads/main").unwrap());
    let [stdin] = &kept(&stage, "stdin")[..] else { panic!("one run") };
    assert_eq!(kept(&stage, "changes")[0], *stdin);
    let event: serde_json::Value = serde_json::from_str(stdin).unwrap();
    assert_eq!(event["id"], found["PINSTREAM_EVENT_ID"]);
    assert_eq!(kept(&stage, "files"), [""]);

    // A single change is also described in variables.
    let digest = stage.push("web:2", 3);
    let old = stage.pin("web:2").unwrap();
    stage.ends(0, &[]);
    let envs = kept(&stage, "env");
    let found = variables(&envs[1]);
    assert_eq!((found["PINSTREAM_STREAM"], found["PINSTREAM_TAG"]), ("web", "2"));
    assert_eq!(found["PINSTREAM_IMAGE"], format!("{}/web:2", stage.registry.host()));
    assert_eq!((found["PINSTREAM_OLD_DIGEST"], found["PINSTREAM_NEW_DIGEST"]), (old.as_str(), digest.as_str()));
    assert_eq!(found.len(), 11 + 5);
}

#[test]
fn each_runs_the_hook_once_per_change() {
    let stage = stage(&format!("{KEEP}each = true\n"));
    stage.ends(0, &[]);
    let (one, two) = (stage.push("web:1", 11), stage.push("web:2", 12));
    stage.ends(0, &[]);
    let envs = kept(&stage, "env");
    assert_eq!(envs.len(), 4);
    let told: Vec<_> = envs.iter().map(|env| variables(env)["PINSTREAM_NEW_DIGEST"].to_owned()).collect();
    assert_eq!(told[2..], [one.to_string(), two.to_string()]);
    let ids: std::collections::BTreeSet<_> = envs.iter().map(|env| variables(env)["PINSTREAM_EVENT_ID"]).collect();
    assert_eq!(ids.len(), 4);
}

#[test]
fn the_script_is_read_from_the_landed_commit() {
    let stage = stage("[[hook]]\nname = \"script\"\nrun = [\"./run.sh\"]\nfiles = [\"data/word\", \"run.sh\"]\n");
    let script = |name: &str| format!("#!/bin/sh\necho {name} $(cat data/word) >> $HOME/ran\n");
    let put = |name: &str| {
        let text = script(name);
        let tip = stage.repo.tip("refs/heads/main").unwrap();
        let stream = format!(
            "commit refs/heads/main\ncommitter A Person <person@example.com> 1760000000 +0000\ndata 1\nx\nfrom {tip}\n\
             M 100755 inline run.sh\ndata {}\n{text}\nM 100644 inline data/word\ndata 4\nword\n",
            text.len()
        );
        stage.repo.git_with(&["fast-import", "--quiet"], stream.as_bytes());
    };
    // A file of the same name in the working directory is ignored.
    stage.sandbox.write("run.sh", &script("not this"));
    put("first");
    stage.ends(0, &[]);
    put("second");
    stage.push("web:1", 4);
    stage.ends(0, &[]);
    assert_eq!(stage.home("ran"), "first word\nsecond word\n");
}

#[test]
fn a_script_missing_from_the_commit_fails_and_stays_pending() {
    let stage = stage("[[hook]]\nname = \"script\"\nrun = [\"./run.sh\"]\n");
    stage.sandbox.write("run.sh", "#!/bin/sh\ntouch $HOME/ran\n");
    let said = stage.ends(6, &[]);
    assert!(said.contains("no `run.sh` in the commit"), "{said}");
    assert_eq!(stage.home("ran"), "");
}

/// Runs `command` in a clone after a tag changed upstream; no hook may run.
fn check_no_hook(command: &str) {
    let stage = Stage::new(TELL);
    stage.stream("web", &[("1", 1)]);
    stage.ends(0, &[]);
    stage.push("web:1", 2);
    stage.sandbox.git(&["clone", "--quiet", &stage.remote, "clone"]);
    let mut program = stage.sandbox.pinstream(&[command]);
    program.current_dir(stage.sandbox.work().join("clone"));
    let ran = stage.sandbox.finish(program);
    assert_eq!(ran.code, Some(0), "{}", stage.sandbox.shown(&ran));
    assert_eq!(stage.events().len(), 1);
}

#[test]
fn t1_plan_runs_no_hook() {
    check_no_hook("plan");
}

#[test]
fn t1_check_runs_no_hook() {
    check_no_hook("check");
}

#[test]
fn s10_a_hook_claimed_by_a_pass_that_died_elsewhere_is_unconfirmed_and_soon_run_by_another_one() {
    // A pass waits for a confirmation before it gives up.
    slow!();
    let mut stage = Stage::new(TELL);
    stage.stream("web", &[("1", 1)]);
    stage.ends(0, &[]);
    let claim = r#"{"owner": {"machine": "a pod", "process": "1:2"}, "until": "2026-11-24T12:02:00Z"}"#;
    let tip = stage.repo.tip("refs/pinstream/state").unwrap();
    let commit = format!(
        "commit refs/pinstream/state\ncommitter A Person <person@example.com> 1760000000 +0000\ndata 1\nx\nfrom {tip}\n\
         M 100644 inline main/@/claim/tell.json\ndata {}\n{claim}\n",
        claim.len()
    );
    stage.repo.git_with(&["fast-import", "--quiet"], commit.as_bytes());
    // Nothing is pending yet.
    stage.ends(0, &[]);
    stage.push("web:1", 2);
    let report = stage.report(6, &[]);
    let hook = &report["hooks"][0];
    assert_eq!((&report["end"], &hook["outcome"], &hook["changes"]), (&"landed".into(), &"running".into(), &1.into()));
    let reason = "claimed by another pass until 2026-11-24T12:02:00Z; if that pass does not renew its claim, a later pass runs the \
                  hook";
    assert_eq!(hook["reason"], reason);
    stage.sandbox.env("PINSTREAM_NOW", "2026-11-24T12:01:59Z");
    let said = stage.ends(6, &[]);
    assert!(said.contains(&format!("hook tell is unconfirmed for 1 change: {reason}")), "{said}");
    stage.sandbox.env("PINSTREAM_NOW", "2026-11-24T12:02:00Z");
    stage.ends(0, &[]);
    assert_eq!(stage.events_in_short(), "web:1 - > 1.0.1\nweb:1 1.0.1 > 1.0.2\n");
}

#[test]
fn every_format_shows_the_output_of_a_failed_hook() {
    slow!();
    let run = "run = [\"sh\", \"-c\", \"printf '::error::x\\\\n````\\\\nno such room\\\\n'; exit 7\"]";
    let stage = Stage::new(&format!("[[hook]]\nname = \"chat\"\n{run}\n"));
    stage.stream("web", &[("1", 1)]);
    for format in ["text", "json", "markdown", "github", "sarif", "junit", "gitlab"] {
        let ran = stage.pass(&["--format", format]);
        assert_eq!(ran.code, Some(6), "{format}: {}", stage.sandbox.shown(&ran));
        assert!(ran.stdout.contains("no such room"), "{format}: {}", ran.stdout);
        assert!(
            !ran.stdout.lines().any(|line| line.trim_start().starts_with("::error::x")),
            "{format}: {}",
            ran.stdout
        );
    }
}
