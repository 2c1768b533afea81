//! Output on a real terminal: colours and the progress bar.

use super::{Stage, image};
use crate::support::sandbox::{RunResult, Sandbox};

/// Runs the program on a pseudo terminal with the given `TERM`.
fn on_terminal(sandbox: &Sandbox, term: &str, args: &str) -> RunResult {
    let mut command = sandbox.command("script");
    command.args(["-qec", &format!("{} {args}", env!("CARGO_BIN_EXE_pinstream")), "/dev/null"]).env("TERM", term);
    sandbox.finish(command)
}

fn has_colour(ran: &RunResult) -> bool {
    ran.stdout.contains("\u{1b}[1m") || ran.stdout.contains("\u{1b}[3") || ran.stdout.contains("\u{1b}[1;3")
}

/// A report, an error, problems in a file, and usage errors of the argument parser.
const ARGS: [&str; 5] = ["plan", "get python:nope", "-C broken list", "plan --nonsense", "nonsense"];

fn stage() -> Stage {
    let stage = Stage::new();
    stage.sandbox.write("broken/pinstream.toml", "nonsense = 1\n");
    stage
}

#[test]
fn only_terminals_get_colours() {
    let mut stage = stage();
    for args in ARGS {
        let ran = on_terminal(&stage.sandbox, "xterm", args);
        assert!(has_colour(&ran), "{args}: {:?}", ran.stdout);
        let words: Vec<&str> = args.split(' ').collect();
        let piped = stage.sandbox.run(&words);
        assert_eq!(ran.code, piped.code, "{args}");
        assert!(!piped.stdout.contains('\u{1b}') && !piped.stderr.contains('\u{1b}'), "{args}");
    }
    for args in ARGS {
        for never in [format!("--color never {args}"), format!("--color=never {args}")] {
            let ran = on_terminal(&stage.sandbox, "xterm", &never);
            assert!(!ran.stdout.contains('\u{1b}'), "{never}: {:?}", ran.stdout);
        }
        let ran = on_terminal(&stage.sandbox, "dumb", args);
        assert!(!ran.stdout.contains('\u{1b}'), "{args}: {:?}", ran.stdout);
    }
    stage.sandbox.env("NO_COLOR", "1");
    for args in ARGS {
        let ran = on_terminal(&stage.sandbox, "xterm", args);
        assert!(!has_colour(&ran), "{args}: {:?}", ran.stdout);
        // The option overrides the environment.
        assert!(has_colour(&on_terminal(&stage.sandbox, "xterm", &format!("--color always {args}"))), "{args}");
    }
}

#[test]
fn a_long_pass_has_a_progress_bar() {
    let stage = Stage::new();
    let tags = |count: usize| {
        let line = |number: usize| format!("t{number} = \"REGISTRY/many:{number}\"\n");
        stage.stream(&format!("[tags]\n{}", (0..count).map(line).collect::<String>()));
    };
    (0..50).for_each(|number| drop(stage.registry.push("many", &number.to_string(), &image(number, "1"))));
    tags(49);
    let ran = on_terminal(&stage.sandbox, "xterm", "plan");
    assert_eq!((ran.code, ran.stdout.contains("importing")), (Some(0), false), "{:?}", ran.stdout);
    tags(50);
    let ran = on_terminal(&stage.sandbox, "xterm", "plan");
    assert!(ran.code == Some(0) && ran.stdout.contains("/50"), "{:?}", ran.stdout);
    assert!(!ran.stdout.contains("0/0"), "{:?}", ran.stdout);
    for (term, args) in [("dumb", "plan"), ("xterm", "plan -v")] {
        let ran = on_terminal(&stage.sandbox, term, args);
        assert!(!ran.stdout.contains("importing"), "{term} {args}: {:?}", ran.stdout);
    }
}
