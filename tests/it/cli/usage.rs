//! Usage: help, usage errors, directories, colours and closed outputs.

use std::process::Stdio;

use super::Stage;
use crate::support::sandbox::Sandbox;

#[test]
fn the_help_lists_commands_and_exit_codes() {
    Sandbox::new().check(
        &["--help"],
        r#"
--- out
Image streams in Git: pin image tags to digests, commit them as a lockfile, and run hooks for what
landed

Define streams of tags in TOML. pinstream resolves each tag to its current digest, writes the
digests to `pinstream.lock`, commits the lock to the branch of the definitions (directly or as a
pull request), and runs hooks for the changes that landed there.

Usage: pinstream [OPTIONS] <COMMAND>

Commands:
  init          Write a commented `pinstream.toml` and a first stream
  check         Check that definitions are valid and that lock and targets match them
  plan          Show what a pass would do and why; write nothing
  update        Resolve tags and rewrite lock and targets in the work tree; do not commit
  list          List tags with source, digest, version and status
  get           Print the pinned reference of a tag, for scripts
  describe      Describe streams like `oc describe is`, with commit and author of each digest
  history       Show which digests tags were pinned to, with commit, author and proposal
  rollback      Return a tag to an earlier digest and reject the current one
  tag           Define or delete tags, like `oc tag`
  targets       List targets and compare them with their pins; `add` creates more
  graph         Draw the graph of images, tags and the tags that follow them
  export        Write pins for other tools: kustomize, compose, kbld, shells, OpenShift
  adopt         Convert OpenShift ImageStreams to streams
  reconcile     Run one pass against a Git remote: resolve, commit, push, run hooks
  hooks         Manage the state of hooks
  merge-driver  Merge three lockfiles pin by pin; called by Git
  demo          Show pinstream at work with a built-in registry and a temporary repository
  schema        Print the JSON schema of a file or output
  completions   Print the completion script of a shell
  man           Print a manual page in roff format
  help          Print the help of pinstream, a command or a topic

Options:
  -h, --help
          Print help (see a summary with '-h')

  -V, --version
          Print version

Global options:
  -C, --directory <DIR>
          Run as if started in DIR

  -v, --verbose...
          Verbose: log requests and decisions (`-vv` adds library logs)

      --color <WHEN>
          When to use colour

          [default: auto]
          [possible values: auto, always, never]

      --policy <FILE>
          The operator's policy, a TOML file outside the repository

          [env: PINSTREAM_POLICY=]

Exit codes:
  0   success
  1   error: invalid definitions, or Git failed
  2   drift (`check`, `plan --exit-code`)
  3   partial: some tags failed and kept their pins; the rest landed
  4   refused: integrity, platform, signature or policy
  5   the branch kept moving
  6   landed, but a hook failed; it stays pending
  64  usage error
  130 interrupted; the message says what has landed

Examples:
  pinstream demo                  see everything at work, with nothing installed
  pinstream init                  create a root in the current directory
  pinstream update                pin all tags
  pinstream help streams          find the counterpart of an `oc` command
--- exit 0
"#,
    );
}

#[test]
fn without_a_command_the_help_is_shown_as_a_usage_error() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(64), ""));
    assert!(ran.stderr.contains("Commands:") && ran.stderr.contains("reconcile"), "{}", ran.stderr);
}

#[test]
fn unknown_arguments_get_a_suggestion() {
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
error: invalid value 'setings' for '<KIND>'
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
error: no command is named `chekc`
help: did you mean `check`?
--- exit 64
"#,
    );
    sandbox.check(
        &["man", "xyz"],
        r#"
--- err
error: no command is named `xyz`
help: run `pinstream help` to see all commands
--- exit 64
"#,
    );
}

#[test]
fn the_help_of_each_command_ends_with_examples() {
    let sandbox = Sandbox::new();
    for command in crate::readme::commands(&sandbox.run(&["--help"]).stdout) {
        for flag in ["-h", "--help"] {
            let help = sandbox.run(&[&command, flag]).stdout;
            let examples = help.split("\n\nExamples:\n").nth(1).unwrap_or_else(|| panic!("{command}: {help}"));
            let calls: Vec<&str> = examples.lines().collect();
            assert!((2..=4).contains(&calls.len()), "{command}: {examples}");
            assert!(calls.iter().all(|call| call.contains("pinstream")), "{command}: {examples}");
        }
    }
}

#[test]
fn a_directory_without_a_root_gets_a_hint() {
    let sandbox = Sandbox::new();
    for command in ["check", "plan", "update", "list", "describe"] {
        sandbox.check(
            &[command],
            r#"
--- err
error: no `pinstream.toml` in `[SANDBOX]/work` or any parent directory
help: run `pinstream init` to create one
--- exit 1
"#,
        );
    }
    sandbox.check(
        &["-C", "nowhere", "list"],
        r#"
--- err
error: `[SANDBOX]/work/nowhere` is not a directory
--- exit 1
"#,
    );
}

#[test]
fn a_root_is_found_from_any_subdirectory() {
    let stage = Stage::new();
    std::fs::create_dir_all(stage.sandbox.work().join("deep/er")).unwrap();
    let here = stage.sandbox.run(&["list"]);
    let below = stage.sandbox.run(&["-C", "deep/er", "list"]);
    assert_eq!((below.code, below.stdout), (Some(0), here.stdout));
}

#[test]
fn streams_without_settings_are_not_a_root() {
    let sandbox = Sandbox::new();
    sandbox.write("streams/a.toml", "");
    sandbox.check(
        &["list"],
        r#"
--- err
error: no `pinstream.toml` in `[SANDBOX]/work` or any parent directory
help: run `pinstream init` to create one
--- exit 1
"#,
    );
}

#[test]
fn colours_follow_the_option_and_no_color() {
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
fn a_closed_output_is_not_an_error() {
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
    // The exit code does not depend on the reader.
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
fn the_version_is_printed() {
    Sandbox::new().check(&["--version"], &format!("--- out\npinstream {}\n--- exit 0", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_directory_is_canonicalized() {
    let stage = Stage::pinned();
    std::fs::create_dir_all(stage.sandbox.work().join("../outside")).unwrap();
    // `work/../outside` has no root above it, although its path starts with `work`.
    stage.check(
        &["-C", "../outside", "list"],
        r#"
--- err
error: no `pinstream.toml` in `[SANDBOX]/outside` or any parent directory
help: run `pinstream init` to create one
--- exit 1
"#,
    );
    stage.sandbox.write("../outside/policy.toml", "registries = [\"quay.io\"]\n");
    std::os::unix::fs::symlink(stage.sandbox.work(), stage.sandbox.work().join("../outside/link")).unwrap();
    // The path of the policy is relative to `-C`, as in git and cargo.
    let ran = stage.sandbox.run(&["-C", "../outside/link", "--policy", "../outside/policy.toml", "check"]);
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    let ran = stage.sandbox.run(&["-C", "../outside", "--policy", "policy.toml", "check"]);
    assert!(ran.stderr.contains("error: no `pinstream.toml`"), "{}", ran.stderr);
}

#[test]
fn help_shows_commands_and_topics() {
    let sandbox = Sandbox::new();
    let shown = |args: &[&str]| {
        let ran = sandbox.run(args);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{args:?}");
        ran.stdout
    };
    assert_eq!(shown(&["help"]), shown(&["--help"]));
    assert_eq!(shown(&["help", "check"]), shown(&["check", "--help"]));
    let publish = shown(&["help", "publish"]);
    assert!(
        publish.contains("Closing it rejects its digests") && publish.contains("\n    [publish.github]\n"),
        "{publish}"
    );
    let streams = shown(&["help", "streams"]);
    assert!(streams.contains("  oc get is, oc get istag\n      pinstream list"), "{streams}");
    assert!(streams.contains("\n  83 pruning of images and history\n      left out: "), "{streams}");
    sandbox.check(
        &["help", "stream"],
        "--- err\nerror: no command or topic is named `stream`\nhelp: did you mean `streams`?\n--- exit 64",
    );
}
