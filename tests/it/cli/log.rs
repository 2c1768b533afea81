//! T9: untrusted text cannot inject log commands of CI systems.

use serde_json::Value;

use crate::reconcile::stage::Stage;
use crate::support::lane::slow;
use crate::support::registry::Image;

/// Log commands of GitHub (current and legacy), Azure and TeamCity, each with a prefix.
const HOSTILE: [&str; 9] = [
    "::set-output name=a::b",
    "::add-mask::a",
    "::stop-commands::a",
    " \u{a0}\t::error::a",
    "\u{2028}::error::a",
    "x\r::error::a",
    "x ##[set-env name=PATH]a",
    "##vso[task.setvariable variable=a]b",
    "##teamcity[setParameter name='a' value='b']",
];

/// Finds lines that CI systems interpret as commands. GitHub trims whitespace as defined by .NET and accepts the legacy
/// syntax anywhere in a line (actions/runner, `ActionCommand`).
fn commands(text: &str) -> Vec<&str> {
    let acts = |line: &&str| {
        line.trim_start().starts_with("::") || ["##[", "##vso[", "##teamcity["].iter().any(|word| line.contains(word))
    };
    text.split(['\n', '\r', '\u{2028}', '\u{85}']).filter(acts).collect()
}

#[test]
fn t9_log_commands_are_recognized() {
    for text in HOSTILE {
        assert_eq!(commands(text).len(), 1, "{text:?}");
    }
    assert!(commands("a::b\n# ::x\n#[x]").is_empty());
}

#[test]
fn t9_a_hook_cannot_inject_log_commands() {
    slow!();
    let lines = HOSTILE.join("\n");
    let settings = |exit: u8| {
        format!(
            "[[hook]]\nname = \"loud\"\nfiles = [\"lines\"]\nrun = [\"sh\", \"-c\", \"cat lines; cat lines >&2; exit {exit}\"]\n"
        )
    };
    let mut stage = Stage::new(&settings(3));
    stage.sandbox.env("GITHUB_ACTIONS", "true");
    stage.commit("lines", &format!("{lines}\n"));
    stage.stream("web", &[("1", 1)]);
    for args in [&[][..], &["-v"], &["-vv"], &["--format", "json"]] {
        let said = stage.ends(6, args);
        assert_eq!(commands(&said), Vec::<&str>::new(), "{args:?}");
        assert!(said.contains("add-mask::a") && said.contains("vso[task"), "{said}");
    }
    // JSON contains every line unchanged, except for cursor movements.
    let report: Value = stage.report(6, &[]);
    let output = report["hooks"][0]["output"].as_str().unwrap();
    assert!(output.starts_with("::set-output name=a::b\n::add-mask::a\n"), "{output}");
    stage.settings(&settings(0));
    assert_eq!(commands(&stage.ends(0, &[])), Vec::<&str>::new());
}

#[test]
fn t9_images_commits_and_servers_cannot_inject_log_commands() {
    slow!();
    for (seed, hostile) in (10..).zip(HOSTILE) {
        let mut stage = Stage::new("");
        stage.sandbox.env("GITHUB_ACTIONS", "true");
        let image = |seed: u64| {
            let image = Image::new(seed).version(&format!("{hostile}{seed}")).revision(hostile).label(hostile, hostile);
            image.label("org.opencontainers.image.source", hostile).runs("User", hostile.into())
        };
        stage.registry.push("web", "1", &image(seed));
        stage.commit("streams/web.toml", "description = \"web\"\n[tags]\none = \"REGISTRY/web:1\"\n");
        stage.ends(0, &[]);
        stage.registry.push("web", "1", &image(seed + 100));
        // The server accepts the branch and rejects the state ref with a message.
        let words = hostile.replace('\'', "\"");
        stage
            .repo
            .hook("update", &format!("case $1 in refs/heads/*) ;; *) printf '%s\\n' '{words}' >&2; exit 1;; esac"));
        let mut said = String::new();
        for args in [&["-vv"][..], &["-v"], &["--format", "json"]] {
            said += &stage.ends(0, args);
        }
        let lock = stage.lock();
        stage.repo.commit_as(
            "main",
            &format!("x\n\n{hostile}\n"),
            &[("pinstream.lock", &lock.replace("version = \"", "version = \"x"))],
            &[],
        );
        stage.sandbox.git(&["clone", "--quiet", &stage.remote, "clone"]);
        for args in [
            &["plan", "-v"][..],
            &["list"],
            &["describe"],
            &["history", "web:one"],
            &["history", "web:one", "--format", "json"],
            &["check"],
            &["check", "--base", "main~1"],
            &["check", "--upstream"],
            &["graph"],
            &["export", "json"],
        ] {
            let mut command = stage.sandbox.pinstream(args);
            command.current_dir(stage.sandbox.work().join("clone"));
            let ran = stage.sandbox.finish(command);
            said += &format!("{}{}\n", ran.stdout, ran.stderr);
        }
        assert_eq!(commands(&said), Vec::<&str>::new(), "{hostile:?}");
    }
}
