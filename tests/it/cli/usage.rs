//! How the program is called, and what it says to who calls it wrongly.

use std::process::Stdio;

use super::Stage;
use crate::support::sandbox::Sandbox;

#[test]
fn the_help_tells_each_command_in_a_line_and_all_exit_codes() {
    Sandbox::new().check(
        &["--help"],
        r#"
--- out
Image streams, kept in Git: tags resolved to digests, committed as a lock, with hooks for what
landed

People write streams in TOML; pinstream asks the registries what each tag is now, writes the digests
into `pinstream.lock`, commits that to the branch the streams came from, and runs hooks for what
changed there.

Usage: pinstream [OPTIONS] <COMMAND>

Commands:
  init          Write a commented `pinstream.toml` and a first stream
  check         Check definitions, lock and targets: the gate for continuous integration
  plan          Show what a pass would do, and why; write nothing
  update        Import tags and write the lock in the work tree; commit nothing
  list          List all tags and what they are pinned to
  get           Print what a tag is pinned to, for scripts
  describe      Show streams as `oc describe is` does, and who brought each digest
  history       Show what tags were pinned to, newest first, and who brought each digest
  rollback      Put a tag back to an earlier digest, so that no pass brings the bad one again
  tag           Define tags as `oc tag` does: an image, a copy of a pin, or a tag to follow
  targets       List targets and compare them with their pins; `add` creates more
  graph         Draw what follows what: images, tags, and the tags that follow them
  export        Write pins for other tools: kustomize, compose, kbld, shells, OpenShift
  adopt         Convert OpenShift ImageStreams to streams
  reconcile     Run one pass against a remote: import, commit, push, and run hooks for what landed
  merge-driver  Merge three locks pin by pin, as Git calls it
  demo          Show the whole story with nothing installed: a registry, a remote, three passes, a
                hook
  schema        Print the JSON schema of a file or of an output
  completions   Print a completion script for a shell
  man           Print the manual page, in roff
  help          Print this message, or the help of a command or topic

Options:
  -h, --help
          Print help (see a summary with '-h')

  -V, --version
          Print version

Options of all commands:
  -C, --directory <DIR>
          Work as if started in this folder

  -v, --verbose...
          Say more: each request and decision; twice for what the libraries say

      --color <WHEN>
          When to use colour

          [default: auto]
          [possible values: auto, always, never]

      --policy <FILE>
          What the operator allows: a TOML file outside the repository

          [env: PINSTREAM_POLICY=]

Exit codes: 0 all is in place, 1 error, 2 drift, 3 some tags could not be imported, 4 refused,
5 the branch kept moving, 6 landed but a hook failed, 64 usage.

Whoever knows `oc` finds each thing again with `pinstream help streams`.
--- exit 0
"#,
    );
}

#[test]
fn a_call_without_a_command_shows_the_help_and_is_a_mistake() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(64), ""));
    assert!(ran.stderr.contains("Commands:") && ran.stderr.contains("reconcile"), "{}", ran.stderr);
}

#[test]
fn words_that_are_not_known_are_told_the_nearest() {
    let sandbox = Sandbox::new();
    sandbox.check(
        &["plna"],
        r#"
--- err
error: unrecognized subcommand 'plna'

  tip: a similar subcommand exists: 'plan'

Usage: pinstream [OPTIONS] <COMMAND>

For more information, try '--help'.
--- exit 64
"#,
    );
    sandbox.check(
        &["plan", "--fromat", "json"],
        r#"
--- err
error: unexpected argument '--fromat' found

  tip: a similar argument exists: '--format'

Usage: pinstream plan --format <FORMAT> [TAG]...

For more information, try '--help'.
--- exit 64
"#,
    );
    sandbox.check(
        &["plan", "--format", "jsno"],
        r#"
--- err
error: invalid value 'jsno' for '--format <FORMAT>'
  [possible values: text, json, markdown, github, sarif, junit, gitlab]

  tip: a similar value exists: 'json'

For more information, try '--help'.
--- exit 64
"#,
    );
    sandbox.check(
        &["schema", "setings"],
        r#"
--- err
error: invalid value 'setings' for '<settings|stream|policy|lock|report|check|event|list|history|targets|export>'
  [possible values: settings, stream, policy, lock, report, check, event, list, history, targets, export]

  tip: a similar value exists: 'settings'

For more information, try '--help'.
--- exit 64
"#,
    );
    sandbox.check(
        &["man", "chekc"],
        r#"
--- err
error: there is no command `chekc`
help: did you mean `check`?
--- exit 64
"#,
    );
    sandbox.check(
        &["man", "xyz"],
        r#"
--- err
error: there is no command `xyz`
help: `pinstream help` lists them
--- exit 64
"#,
    );
}

#[test]
fn a_folder_without_a_root_says_how_to_get_one() {
    let sandbox = Sandbox::new();
    for command in ["check", "plan", "update", "list", "describe"] {
        sandbox.check(
            &[command],
            r#"
--- err
error: there is no `pinstream.toml` in `[SANDBOX]/work` or above it
help: `pinstream init` writes one
--- exit 1
"#,
        );
    }
    sandbox.check(
        &["-C", "nowhere", "list"],
        r#"
--- err
error: `[SANDBOX]/work/nowhere` is not a folder
--- exit 1
"#,
    );
}

#[test]
fn a_root_is_found_from_any_folder_in_it() {
    let stage = Stage::new();
    std::fs::create_dir_all(stage.sandbox.work().join("deep/er")).unwrap();
    let here = stage.sandbox.run(&["list"]);
    let below = stage.sandbox.run(&["-C", "deep/er", "list"]);
    assert_eq!((below.code, below.stdout), (Some(0), here.stdout));
}

#[test]
fn streams_without_settings_say_what_is_missing() {
    let sandbox = Sandbox::new();
    sandbox.write("streams/a.toml", "");
    sandbox.check(
        &["list"],
        r#"
--- err
error: there is no `pinstream.toml` in `[SANDBOX]/work` or above it
help: `pinstream init` writes one
--- exit 1
"#,
    );
}

#[test]
fn colours_come_on_request_only_and_never_against_the_wish() {
    let mut sandbox = Sandbox::new();
    let has_colour = |sandbox: &Sandbox, args: &[&str]| sandbox.run(args).stderr.contains('\u{1b}');
    assert!(!has_colour(&sandbox, &["check"]));
    assert!(has_colour(&sandbox, &["--color", "always", "check"]));
    sandbox.write("pinstream.toml", "nonsense");
    assert!(!has_colour(&sandbox, &["check"]));
    assert!(has_colour(&sandbox, &["--color", "always", "check"]));
    sandbox.env("NO_COLOR", "1");
    assert!(!has_colour(&sandbox, &["check"]));
    assert!(!has_colour(&sandbox, &["--color", "never", "check"]));
}

#[test]
fn a_reader_that_has_enough_ends_the_program_quietly() {
    let stage = Stage::pinned();
    let ends = |args: &[&str], code: i32| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = stage.sandbox.pinstream(args);
        command.stdout(writer).stderr(Stdio::piped());
        let ran = stage.sandbox.ended(command.spawn().unwrap());
        let said = ran.stderr.lines().filter(|line| !line.trim_start().starts_with("DEBUG")).count();
        assert_eq!((ran.code, said), (Some(code), 0), "{args:?}: {}", ran.stderr);
    };
    stage.sandbox.write("is.json", "{\"kind\": \"ImageStream\", \"metadata\": {\"name\": \"a\"}}");
    for args in [
        &["--help"][..],
        &["list"],
        &["list", "--format", "json"],
        &["describe"],
        &["check"],
        &["plan", "-v"],
        &["plan", "--format", "json"],
        &["get", "python:3.12"],
        &["schema", "settings"],
        &["man"],
        &["completions", "bash"],
        &["graph"],
        &["graph", "--format", "svg"],
        &["export", "env"],
        &["export", "json"],
        &["adopt", "--dry-run", "is.json"],
    ] {
        ends(args, 0);
    }
    // What a gate found is its exit code, whoever reads the rest.
    stage.move_upstream();
    ends(&["plan", "--exit-code"], 2);
    ends(&["plan", "--exit-code", "--format", "json"], 2);
    ends(&["check", "--upstream"], 2);
    stage.stream("[tags]\nnew = \"REGISTRY/python:new\"\n");
    ends(&["check"], 2);
    ends(&["check", "--format", "json"], 2);
    ends(&["update"], 3);
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let stage = Stage::pinned();
    let mut command = stage.sandbox.pinstream(&["list"]);
    command.stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap()).stderr(Stdio::piped());
    let ran = stage.sandbox.ended(command.spawn().unwrap());
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.stderr, "error: cannot write the output: No space left on device (os error 28)\n");
}

#[test]
fn it_says_its_version() {
    Sandbox::new().check(&["--version"], &format!("--- out\npinstream {}\n--- exit 0", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_folder_is_taken_for_what_it_is_and_not_for_its_name() {
    let stage = Stage::pinned();
    std::fs::create_dir_all(stage.sandbox.work().join("../outside")).unwrap();
    // Above `work/../outside` there is no root, whatever its name begins with.
    stage.check(
        &["-C", "../outside", "list"],
        r#"
--- err
error: there is no `pinstream.toml` in `[SANDBOX]/outside` or above it
help: `pinstream init` writes one
--- exit 1
"#,
    );
    stage.sandbox.write("../outside/policy.toml", "registries = [\"quay.io\"]\n");
    std::os::unix::fs::symlink(stage.sandbox.work(), stage.sandbox.work().join("../outside/link")).unwrap();
    // A policy is counted from the folder that is worked in, as Git and Cargo have it.
    let ran = stage.sandbox.run(&["-C", "../outside/link", "--policy", "../outside/policy.toml", "check"]);
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    let ran = stage.sandbox.run(&["-C", "../outside", "--policy", "policy.toml", "check"]);
    assert!(ran.stderr.contains("there is no `pinstream.toml`"), "{}", ran.stderr);
}

#[test]
fn help_knows_commands_and_topics() {
    let sandbox = Sandbox::new();
    let shown = |args: &[&str]| {
        let ran = sandbox.run(args);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{args:?}");
        ran.stdout
    };
    assert_eq!(shown(&["help"]), shown(&["--help"]));
    assert_eq!(shown(&["help", "check"]), shown(&["check", "--help"]));
    let streams = shown(&["help", "streams"]);
    assert!(streams.contains("  oc get is, oc get istag\n      pinstream list"), "{streams}");
    assert!(streams.contains("\n  83 pruning of images and history\n      left out: "), "{streams}");
    sandbox.check(
        &["help", "stream"],
        "--- err\nerror: there is no command or topic `stream`\nhelp: did you mean `streams`?\n--- exit 64",
    );
}
