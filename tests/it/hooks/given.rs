//! The input of a hook, and the reasons why one does not start.

use std::fs;

use pinstream::hook::{HookExit, HookFile};

use super::{WatchedRun, hook, refusal, run, script};

#[test]
fn a_hook_gets_the_documented_variables_and_no_others() {
    let WatchedRun { run: mut hook, canary } = hook(&["env"]);
    hook.pass_env = vec!["DEPLOY_TOKEN".to_owned(), "NOT_SET".to_owned()];
    hook.env.push(("PINSTREAM_HOOK".to_owned(), "test".to_owned()));
    let end = run(&hook);
    assert_eq!(end.exit, HookExit::Success);
    let mut lines: Vec<&str> = end.output.lines().collect();
    lines.sort_unstable();
    let (changes, lines): (Vec<&str>, Vec<&str>) = lines.into_iter().partition(|l| l.starts_with("PINSTREAM_CHANGES="));
    let (marker, lines): (Vec<&str>, Vec<&str>) = lines.into_iter().partition(|l| l.starts_with("PINSTREAM_RUN="));
    assert!(changes.len() == 1 && changes[0].ends_with("/changes.json"), "{changes:?}");
    assert!(marker.len() == 1 && marker[0].len() > "PINSTREAM_RUN=".len() + 32, "{marker:?}");
    let expected = [
        "DEPLOY_TOKEN=for the hook that names it",
        "HOME=/nonexistent",
        "PATH=/usr/local/bin:/usr/bin:/bin",
        &canary,
        "PINSTREAM_HOOK=test",
        "TZ=Europe/Berlin",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn no_variable_is_in_the_debug_text() {
    let text = format!("{:?}", super::env());
    assert_eq!(text, "HookEnv { grace: 400ms, .. }");
}

#[test]
fn a_hook_works_in_a_private_directory_with_its_files_only() {
    let mut hook = script("pwd; ls -AR; stat -c %a . ..; cat ../config/x 2>/dev/null; cat config/x; touch new").run;
    hook.files.push(HookFile { path: "config/x".to_owned(), bytes: b"bytes\n".to_vec(), executable: false });
    let end = run(&hook);
    assert_eq!(end.exit, HookExit::Success, "{}", end.output);
    let (folder, rest) = end.output.split_once('\n').unwrap();
    assert_eq!(rest, ".:\nconfig\nhooks\n\n./config:\nx\n\n./hooks:\nrun.sh\n700\n700\nbytes\n");
    assert!(!fs::exists(folder).unwrap() && !fs::exists(folder.strip_suffix("/work").unwrap()).unwrap());
}

#[test]
fn a_hook_leads_its_own_process_group() {
    let end = run(&hook(&["perl", "-e", "print getpgrp() == $$ ? 'yes' : 'no'"]).run);
    assert_eq!(end.output, "yes");
}

#[test]
fn the_output_of_a_hook_is_escaped() {
    let end = run(&hook(&["printf", r"\033[2Jred\007\n"]).run);
    assert_eq!(end.output, "\\u{1b}[2Jred\\u{7}\n");
}

#[test]
fn t30_a_missing_hook_is_named() {
    let refused = |argv: &[&str]| refusal(&hook(argv).run);
    assert_eq!(
        refused(&["no-such-program"]),
        "`no-such-program` is not a program in `PATH`: install it, or write `./no-such-program` for a file of the root"
    );
    assert_eq!(refused(&["./no/such.sh"]), "`./no/such.sh` is not a file of the root");
    assert_eq!(
        refused(&["/bin/sh"]),
        "`/bin/sh` is an absolute path: name a file of the root, or a program in `PATH` without a slash"
    );
    assert_eq!(refused(&["../x"]), "`../x` is not a path within the root");
    assert_eq!(refused(&[]), "the hook names no program");
    assert!(refused(&["a\0b"]).starts_with("cannot start `a\\u{0}b`: "));
}

#[test]
fn t30_a_hook_that_cannot_be_executed_is_explained() {
    let refused = |text: &str, executable: bool| {
        let mut hook = script("").run;
        hook.files[0].bytes = text.as_bytes().to_vec();
        hook.files[0].executable = executable;
        refusal(&hook)
    };
    assert_eq!(
        refused("#!/bin/sh\n", false),
        "`./hooks/run.sh` is not executable: run `git update-index --chmod=+x hooks/run.sh` and commit"
    );
    assert_eq!(
        refused("#!/no/such/interpreter -x\n", true),
        "`./hooks/run.sh` needs the interpreter `/no/such/interpreter -x`, which is not installed"
    );
    assert_eq!(
        refused("#!/bin/sh\r\necho\r\n", true),
        "the first line of `./hooks/run.sh` ends with a carriage return: store the file with LF line ends"
    );
    assert_eq!(refused("\x01\x02", true), "`./hooks/run.sh` is not a program for this machine and has no `#!` line");
}

#[test]
fn t30_a_file_outside_the_directory_is_not_written() {
    let mut hook = script("").run;
    hook.files.push(HookFile { path: "../../escaped".to_owned(), bytes: Vec::new(), executable: false });
    assert_eq!(refusal(&hook), "`../../escaped` is not a path within the root");
}

#[test]
fn many_hooks_start_at_once_while_others_are_being_written() {
    let threads: Vec<_> = (0..16).map(|_| std::thread::spawn(|| run(&script("echo ok").run))).collect();
    for thread in threads {
        let end = thread.join().unwrap();
        assert_eq!((end.exit, end.output.as_str()), (HookExit::Success, "ok\n"));
    }
}
