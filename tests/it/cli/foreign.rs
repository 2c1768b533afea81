//! Untrusted text is displayed harmlessly: image labels, responses of registries, text in definitions.

use pinstream::text::escape::is_deceptive;

use super::{Stage, image};
use crate::support::registry::http::Answer;

const HOSTILE: &str = "1\u{1b}[31m\u{202e}\u{7}\r\n::set-env name=PATH::/evil\n::error::x\u{9b}2J##[error]";

#[test]
fn t9_hostile_labels_and_texts_are_escaped() {
    let stage = Stage::new();
    // Definitions reject control characters, but not log commands.
    let (hostile, key) = ("\"::error::x ##[error] <b>\"", "\"::add-mask::##vso[task.setvariable]\"");
    stage.stream(&format!(
        "description = {hostile}\nannotations = {{ a = {hostile}, {key} = \"x\" }}\n[tags]\n\
         \"3.12\" = {{ image = \"REGISTRY/python:3.12\", annotations = {{ b = {hostile}, {key} = \"x\" }} }}\nlatest = {{ follow = \"3.12\" }}\n\
         gone = \"REGISTRY/gone:1\"\n"
    ));
    let hostile_image = |seed| image(seed, HOSTILE).revision(HOSTILE);
    stage.registry.push("python", "3.12", &hostile_image(1));
    stage.registry.lie(|request| {
        let body = serde_json::json!({"errors": [{"code": HOSTILE, "message": HOSTILE}]}).to_string();
        request
            .target
            .contains("/gone/")
            .then(|| Answer::new(403).header("content-type", "application/json").body(body))
    });
    stage.sandbox.git(&["init", "-q"]);
    let mut seen = 0;
    for round in 0..2_u64 {
        for args in [
            &["plan", "-v"][..],
            &["plan", "--format", "json"],
            &["update"],
            &["update", "--format", "json"],
            &["list"],
            &["list", "--format", "json"],
            &["describe"],
            &["get", "python:3.12"],
            &["check"],
            &["check", "--upstream"],
            &["plan", "--format", "markdown"],
            &["plan", "--format", "sarif"],
            &["check", "--upstream", "--format", "junit"],
            &["check", "--upstream", "--format", "gitlab"],
            &["check", "--upstream", "--format", "markdown"],
        ] {
            let ran = stage.sandbox.run(args);
            for text in [&ran.stdout, &ran.stderr] {
                let acts = |c: char| is_deceptive(c) && c != '\n' && !(c == '\t' && args == ["describe"]);
                assert!(!text.chars().any(acts), "{args:?}: {text:?}");
                assert!(!text.lines().any(|line| line.trim_start().starts_with("::")), "{args:?}: {text}");
                // Our own headings are allowed.
                assert!(!text.replacen("### `pinstream ", "", 1).contains("##"), "{args:?}: {text}");
                seen += text.matches("[31m").count();
            }
        }
        stage.commit("A commit");
        stage.registry.push("python", "3.12", &hostile_image(2 + round));
    }
    assert!(seen > 20, "{seen}");
    let lock = stage.sandbox.read("pinstream.lock");
    assert!(!lock.chars().any(|c| c != '\n' && is_deceptive(c)), "{lock:?}");
}

#[test]
fn t9_the_diff_of_a_lock_is_escaped() {
    let stage = Stage::pinned();
    for hostile in ["##vso[task.setvariable variable=a]b", "::error::x", "##teamcity[message]"] {
        let lock = stage.sandbox.read("pinstream.lock");
        // A follower has no details of its own: the diff removes them.
        stage.sandbox.write("pinstream.lock", &format!("{lock}version = \"{hostile}\"\n"));
        for args in [&["check"][..], &["check", "--format", "json"], &["list", "--format", "json"]] {
            let ran = stage.sandbox.run(args);
            assert!(ran.stdout.contains(&hostile[3..8]), "{args:?}: {}", ran.stdout);
            assert!(!ran.stdout.contains("##"), "{args:?}: {}", ran.stdout);
        }
        stage.sandbox.write("pinstream.lock", &lock);
    }
}

#[test]
fn t9_a_quoted_source_line_is_escaped() {
    let stage = Stage::new();
    for hostile in ["x = 1 ##vso[task.setvariable]", "\"##[error]\" = 1", "##[error]\n::error::x\nx"] {
        stage.stream(hostile);
        for args in [&["list"][..], &["list", "--color", "always"]] {
            let ran = stage.sandbox.run(args);
            assert_eq!(ran.code, Some(1));
            let acts = |line: &str| line.contains("##") || line.trim_start().starts_with("::");
            assert!(!ran.stderr.lines().any(acts), "{}", ran.stderr);
        }
    }
}

#[test]
fn t9_a_hostile_argument_is_escaped() {
    let stage = Stage::new();
    let hostile = "a\u{1b}[31m\u{202e}";
    for args in [["list", hostile], ["get", hostile], ["describe", hostile], ["man", hostile], ["check", hostile]] {
        let ran = stage.sandbox.run(&args);
        assert_eq!(ran.code, Some(64), "{args:?}");
        assert!(!ran.stderr.chars().any(|c| c != '\n' && is_deceptive(c)), "{args:?}: {:?}", ran.stderr);
    }
}

#[test]
fn t9_definitions_with_control_characters_are_rejected() {
    let stage = Stage::new();
    for c in HOSTILE.chars().filter(|c| is_deceptive(*c) && !matches!(c, '\r' | '\n')) {
        let c = u32::from(c);
        for text in [
            format!("description = \"\\u{c:04x}\""),
            format!("annotations = {{ a = \"\\u{c:04x}\" }}"),
            format!("annotations = {{ \"\\u{c:04x}\" = \"\" }}"),
            format!("[tags]\n\"\\u{c:04x}\" = \"a.example/b:1\""),
            format!("\"\\u{c:04x}\" = 1"),
        ] {
            stage.stream(&text);
            let ran = stage.sandbox.run(&["list"]);
            assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{text}");
            assert!(!ran.stderr.chars().any(|c| c != '\n' && is_deceptive(c)), "{text}: {:?}", ran.stderr);
        }
    }
}

#[test]
fn t9_file_names_and_contents_are_escaped() {
    let stage = Stage::new();
    stage.update();
    stage.settings("[[target]]\nfrom = \"python:3.12\"\nyaml = { path = \"deploy/*.yaml\", at = \"image\" }\n");
    let host = stage.registry.host();
    let pod = "kind: Pod\nspec: {containers: [{image: \"a\\e[31m\\n::error::x:1\"}, {image: \"${X\\e[31m}\"}]}\n";
    for folder in ["deploy", "other"] {
        let path = format!("{folder}/{}.yaml", HOSTILE.replace('/', "|"));
        stage.sandbox.write(&path, &format!("image: {host}/python:3\n{pod}"));
        stage.sandbox.write(&path.replace(".yaml", "-values.yaml"), &format!("image: {host}/python:3.12\n"));
    }
    for args in [
        &["targets"][..],
        &["targets", "add", "--dry-run"],
        &["plan"],
        &["check", "--all-images"],
        &["check", "--all-images", "--format", "json"],
        &["check", "--all-images", "--format", "markdown"],
        &["check", "--all-images", "--format", "sarif"],
        &["check", "--all-images", "--format", "junit"],
        &["check", "--all-images", "--format", "gitlab"],
        &["init", "--from", "other"],
    ] {
        let ran = match args[0] {
            "init" => {
                std::fs::remove_file(stage.sandbox.work().join("pinstream.toml")).unwrap();
                stage.sandbox.run(args)
            }
            _ => stage.sandbox.run(args),
        };
        let shown = format!("{}{}", ran.stdout, ran.stderr);
        assert!(shown.contains("[31m"), "{args:?}: {shown:?}");
        assert!(!shown.chars().any(|c| c != '\n' && is_deceptive(c)), "{args:?}: {shown:?}");
        assert!(!shown.lines().any(|line| line.trim_start().starts_with("::")), "{args:?}: {shown}");
        assert!(!shown.replacen("### `pinstream ", "", 1).contains("##"), "{args:?}: {shown}");
    }
}
