//! Command lines in the examples: pinstream accepts them, and shells can parse the scripts around them.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use clap::{CommandFactory as _, Parser as _};
use pinstream::cli::Cli;
use serde_json::Value;

use super::words::{commands, of_pinstream};
use super::{documents, home, is_yaml};
use crate::support::files;

/// A shell script in an example.
struct Script {
    path: String,
    text: String,
}

/// Collects scripts from all kinds of files.
fn scripts() -> Vec<Script> {
    let mut found = Vec::new();
    for (path, bytes) in files(&home().join("examples")) {
        let Ok(text) = String::from_utf8(bytes) else { continue };
        let name = path.rsplit('/').next().unwrap();
        let mut texts = Vec::new();
        if is_yaml(name) {
            documents(&text).iter().for_each(|document| in_yaml(document, &mut texts));
        } else if name.ends_with(".sh") {
            texts.push(text);
        } else if name == "Jenkinsfile" {
            let quoted = ["sh '", "script: '"].iter().flat_map(|start| text.split(start).skip(1));
            texts.extend(quoted.map(|rest| rest.split('\'').next().unwrap().to_owned()));
        } else if name.ends_with(".service") {
            texts.extend(text.lines().filter_map(|line| line.strip_prefix("ExecStart=")).map(str::to_owned));
        } else if name == "crontab" {
            texts.extend(super::host::entries(&text).into_iter().map(|(_, command)| command));
        }
        found.extend(texts.into_iter().map(|text| Script { path: path.clone(), text }));
    }
    found
}

/// Collects the commands of GitHub and GitLab jobs, and the arguments of Kubernetes containers.
fn in_yaml(value: &Value, found: &mut Vec<String>) {
    for item in value.as_array().into_iter().flatten() {
        in_yaml(item, found);
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        match (key.as_str(), value) {
            ("run", Value::String(text)) => found.push(without_expressions(text)),
            ("script" | "before_script", Value::Array(lines)) => {
                found.extend(lines.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            ("args", Value::Array(words)) => {
                let words = words.iter().map(|word| format!(" '{}'", word.as_str().unwrap()));
                found.push(format!("pinstream{}", words.collect::<String>()));
            }
            _ => in_yaml(value, found),
        }
    }
}

/// Replaces expressions that GitHub evaluates before the shell runs.
fn without_expressions(text: &str) -> String {
    let mut parts = text.split("${{");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out += &format!("X{}", part.split_once("}}").unwrap().1);
    }
    out
}

/// Collects commands in comments: in backquotes, or indented on a line of their own up to a wide gap.
fn in_comments() -> Vec<Script> {
    let mut found = Vec::new();
    for (path, bytes) in files(&home().join("examples")) {
        let Ok(text) = String::from_utf8(bytes) else { continue };
        let comments = text.lines().filter_map(|line| line.trim_start().strip_prefix(['#', '/']));
        for comment in comments {
            let quoted = comment.split('`').skip(1).step_by(2).filter(|words| words.starts_with("pinstream "));
            let shown = comment.strip_prefix("   ").filter(|words| words.starts_with("pinstream "));
            let shown = shown.map(|words| words.split("  ").next().unwrap());
            found.extend(quoted.chain(shown).map(|words| Script { path: path.clone(), text: words.to_owned() }));
        }
    }
    found
}

/// Parses a command line and returns the error.
fn fault(words: &[String]) -> Option<String> {
    Cli::try_parse_from(["pinstream".to_owned()].iter().chain(words)).err().map(|error| error.to_string())
}

#[test]
fn pinstream_accepts_each_command_line_of_the_examples() {
    let mut counts = BTreeMap::new();
    let mut wrong = Vec::new();
    for script in scripts().into_iter().chain(in_comments()) {
        for command in commands(&script.text) {
            let Some(words) = of_pinstream(&command) else { continue };
            *counts.entry(script.path.clone()).or_insert(0) += 1;
            wrong.extend(fault(words).map(|fault| format!("{}: {}\n{fault}", script.path, words.join(" "))));
        }
    }
    let counts: Vec<String> = counts.iter().map(|(path, count)| format!("{count} {path}")).collect();
    let expected = [
        "1 air-gapped/carry/out.sh",
        "2 air-gapped/pinstream.toml",
        "1 ci/github/.github/workflows/check.yml",
        "1 ci/github/.github/workflows/reconcile-sharded.yml",
        "1 ci/github/.github/workflows/reconcile.yml",
        "3 ci/gitlab/.gitlab-ci.yml",
        "2 ci/jenkins/Jenkinsfile",
        "1 container/Dockerfile",
        "1 crontab",
        "1 follow-chain/streams/python.toml",
        "1 kubernetes/cronjob-sharded.yaml",
        "1 kubernetes/cronjob.yaml",
        "1 systemd/pinstream.service",
    ];
    assert_eq!(counts, expected);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pinstream_accepts_the_examples_in_its_help() {
    let mut program = Cli::command();
    program.build();
    let helps = program.get_subcommands_mut().map(|command| command.render_help().to_string());
    let mut count = 0;
    for line in helps.flat_map(|help| help.split("Examples:\n").skip(1).map(str::to_owned).collect::<Vec<_>>()) {
        for line in line.lines() {
            // An explanation follows after a wide gap.
            let call = line.trim_start().split("  ").next().unwrap();
            let call = call.replace("\"$(", "").replace(")\"", "");
            let words = commands(&call);
            let calls: Vec<_> = words.iter().filter_map(|words| of_pinstream(words)).collect();
            count += calls.len();
            let faults: Vec<String> = calls.into_iter().filter_map(fault).collect();
            assert!(faults.is_empty(), "{line}: {faults:?}");
        }
    }
    assert!(count > 40, "{count}");
}

#[test]
fn invalid_command_lines_are_found() {
    let words = |text: &str| of_pinstream(&commands(text)[0]).unwrap().to_vec();
    assert_eq!(fault(&words("pinstream reconcile --due --remote \"$URL\"")), None);
    assert!(fault(&words("pinstream reconcile --do")).unwrap().contains("--do"));
    assert!(fault(&words("pinstream chek")).unwrap().contains("chek"));
}

/// Tells if a shell can parse a script.
fn is_read(shell: &str, text: &str) -> bool {
    let mut command = Command::new(shell);
    command.args(["-n", "-c", text]).stderr(Stdio::null());
    command.status().unwrap().success()
}

#[test]
fn shells_can_parse_each_script_of_the_examples() {
    let scripts = scripts();
    assert!(scripts.len() > 15, "{}", scripts.len());
    for script in scripts {
        for shell in ["sh", "bash"] {
            assert!(is_read(shell, &script.text), "{shell}, {}: {}", script.path, script.text);
        }
    }
    assert!(!is_read("sh", "if true; fi") && !is_read("bash", "echo $("));
}

#[test]
fn scheduled_passes_use_due() {
    for script in scripts() {
        for command in commands(&script.text) {
            let Some(words) = of_pinstream(&command) else { continue };
            let is_due = words.iter().any(|word| word == "--due");
            assert!(words[0] != "reconcile" || is_due, "{}: {words:?}", script.path);
        }
    }
}
