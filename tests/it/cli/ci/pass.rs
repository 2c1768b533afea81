//! What CI systems are told of a pass: what moves, what could not be imported, and the summary of a job.

use super::super::{Stage, image};
use super::{all, json, said, stage};
use crate::support::ci;
use crate::support::remote::BareRepo;

#[test]
fn a_plan_notices_what_would_move() {
    let stage = stage();
    stage.move_upstream();
    stage.registry.push("python", "3.11", &image(11, "3.11.10"));
    all(&stage, 0, &["plan"]);
    insta::assert_snapshot!(said(&stage, &["plan", "--format", "github"]), @"
    --- out
    ::notice file=work/streams/python.toml,line=3,endLine=3,col=1,endColumn=6,title=pinstream move::`python:3.11` moves from e0660bcc5200 (3.11.9) to 432923e7f33e (3.11.10), patch
    ::notice file=work/streams/python.toml,line=4,endLine=4,col=1,endColumn=6,title=pinstream move::`python:3.12` moves from 346028a7044f (3.12.4) to 4b8343596c64 (3.12.5), patch
    ::notice file=work/streams/python.toml,line=5,endLine=5,col=1,endColumn=3,title=pinstream move::`python:arm` moves from e7a589004cc2 (3.12.4) to 688f172987f3 (3.12.5), patch
    ::notice file=work/streams/python.toml,line=6,endLine=6,col=1,endColumn=6,title=pinstream move::`python:latest` moves from 346028a7044f (3.12.4) to 4b8343596c64 (3.12.5), patch
    ::notice file=work/deploy/web.yaml,line=2,title=pinstream target::the pass would write what is pinned into `deploy/web.yaml`, line 2
    4 moved; nothing was written
    --- exit 0
    ");
    insta::assert_snapshot!(said(&stage, &["plan", "--format", "gitlab"]), @r#"
    --- out
    [
      {
        "check_name": "move",
        "description": "`python:3.11` moves from e0660bcc5200 (3.11.9) to 432923e7f33e (3.11.10), patch",
        "fingerprint": "282f13476859a8bd31d5d69b360066c1",
        "location": {
          "lines": {
            "begin": 3
          },
          "path": "work/streams/python.toml"
        },
        "severity": "info"
      },
      {
        "check_name": "move",
        "description": "`python:3.12` moves from 346028a7044f (3.12.4) to 4b8343596c64 (3.12.5), patch",
        "fingerprint": "4239d4dfa37a84b3bbceb37caa05b32d",
        "location": {
          "lines": {
            "begin": 4
          },
          "path": "work/streams/python.toml"
        },
        "severity": "info"
      },
      {
        "check_name": "move",
        "description": "`python:arm` moves from e7a589004cc2 (3.12.4) to 688f172987f3 (3.12.5), patch",
        "fingerprint": "c1928e1a17eabbe6f705662a8288ae44",
        "location": {
          "lines": {
            "begin": 5
          },
          "path": "work/streams/python.toml"
        },
        "severity": "info"
      },
      {
        "check_name": "move",
        "description": "`python:latest` moves from 346028a7044f (3.12.4) to 4b8343596c64 (3.12.5), patch",
        "fingerprint": "abd99bcf71933df282a9c5d8702b3ed1",
        "location": {
          "lines": {
            "begin": 6
          },
          "path": "work/streams/python.toml"
        },
        "severity": "info"
      },
      {
        "check_name": "target",
        "description": "the pass would write what is pinned into `deploy/web.yaml`, line 2",
        "fingerprint": "f147589cb7167aeb4b167901feba48a6",
        "location": {
          "lines": {
            "begin": 2
          },
          "path": "work/deploy/web.yaml"
        },
        "severity": "info"
      }
    ]
    --- exit 0
    "#);
    insta::assert_snapshot!(said(&stage, &["plan", "--format", "junit"]), @r#"
    --- out
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="pinstream plan" tests="5" failures="0" errors="0">
      <testsuite name="work/deploy/web.yaml" tests="1" failures="0" errors="0" skipped="0">
        <testcase name="targets" classname="work/deploy/web.yaml">
          <system-out>work/deploy/web.yaml:2: the pass would write what is pinned into `deploy/web.yaml`, line 2</system-out>
        </testcase>
      </testsuite>
      <testsuite name="work/streams/python" tests="4" failures="0" errors="0" skipped="0">
        <testcase name="3.11" classname="work/streams/python">
          <system-out>work/streams/python.toml:3:1: `python:3.11` moves from e0660bcc5200 (3.11.9) to 432923e7f33e (3.11.10), patch</system-out>
        </testcase>
        <testcase name="3.12" classname="work/streams/python">
          <system-out>work/streams/python.toml:4:1: `python:3.12` moves from 346028a7044f (3.12.4) to 4b8343596c64 (3.12.5), patch</system-out>
        </testcase>
        <testcase name="arm" classname="work/streams/python">
          <system-out>work/streams/python.toml:5:1: `python:arm` moves from e7a589004cc2 (3.12.4) to 688f172987f3 (3.12.5), patch</system-out>
        </testcase>
        <testcase name="latest" classname="work/streams/python">
          <system-out>work/streams/python.toml:6:1: `python:latest` moves from 346028a7044f (3.12.4) to 4b8343596c64 (3.12.5), patch</system-out>
        </testcase>
      </testsuite>
    </testsuites>
    --- exit 0
    "#);
    insta::assert_snapshot!(said(&stage, &["plan", "--format", "markdown"]), @"
    --- out
    ### `pinstream plan`: 4 moved; nothing was written

    | tag |  | digest | version | change |
    | --- | --- | --- | --- | --- |
    | `python:3.11` | moved | `e0660bcc5200` → `432923e7f33e` | `3.11.9` → `3.11.10` | patch |
    | `python:3.12` | moved | `346028a7044f` → `4b8343596c64` | `3.12.4` → `3.12.5` | patch |
    | `python:arm` | moved | `e7a589004cc2` → `688f172987f3` | `3.12.4` → `3.12.5` | patch |
    | `python:latest` | moved | `346028a7044f` → `4b8343596c64` | `3.12.4` → `3.12.5` | follows `python:3.12` |

    | file of a target | lines |
    | --- | --- |
    | `deploy/web.yaml` | 2 |
    --- exit 0
    ");
    let log = json(&stage, &["plan", "--format", "sarif"]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&log["runs"][0]["results"][0]).unwrap(), @r#"
    {
      "level": "note",
      "locations": [
        {
          "physicalLocation": {
            "artifactLocation": {
              "uri": "work/streams/python.toml",
              "uriBaseId": "%SRCROOT%"
            },
            "region": {
              "endColumn": 7,
              "endLine": 3,
              "startColumn": 1,
              "startLine": 3
            }
          }
        }
      ],
      "message": {
        "text": "`python:3.11` moves from e0660bcc5200 (3.11.9) to 432923e7f33e (3.11.10), patch"
      },
      "partialFingerprints": {
        "pinstreamFinding/v1": "282f13476859a8bd31d5d69b360066c1"
      },
      "ruleId": "move",
      "ruleIndex": 7
    }
    "#);
    // What makes a job red is an error.
    all(&stage, 2, &["plan", "--exit-code"]);
    all(&stage, 2, &["check", "--upstream"]);
    let ran = stage.sandbox.run(&["plan", "--exit-code", "--format", "github"]);
    assert!(ran.stdout.starts_with("::error file=work/streams/python.toml,line="), "{}", ran.stdout);
    assert_eq!(ran.stdout.matches("::notice").count(), 0, "{}", ran.stdout);
}

#[test]
fn a_job_gets_its_summary_where_it_wants_one() {
    let mut stage = stage();
    stage.move_upstream();
    let path = stage.sandbox.home().join("summary.md");
    stage.sandbox.env("GITHUB_STEP_SUMMARY", path.to_str().unwrap());
    let read = || std::fs::read_to_string(&path).unwrap_or_default();
    for format in ["text", "json", "markdown", "sarif"] {
        stage.sandbox.run(&["plan", "--format", format]);
    }
    assert_eq!(read(), "");
    stage.sandbox.run(&["plan", "--format", "github"]);
    let first = read();
    ci::holds("markdown", &first);
    stage.stream("nonsense = 1\n");
    stage.sandbox.run(&["check", "--format", "github"]);
    let whole = read();
    ci::holds("markdown", whole.strip_prefix(&first).unwrap());
    assert!(whole.ends_with("\n\n"), "what is added next is a paragraph of its own: {whole:?}");
    stage.sandbox.env("GITHUB_STEP_SUMMARY", stage.sandbox.home().to_str().unwrap());
    insta::assert_snapshot!(said(&stage, &["plan", "--format", "github"]), @"
    --- out
    ::error file=work/streams/python.toml,line=1,endLine=1,col=1,endColumn=8,title=pinstream definition::unknown key `nonsense`%0Ahelp: known here: `annotations`, `description`, `discover`, `import`, `tags`
    --- err
    warning: the summary `[SANDBOX]/home`, which `GITHUB_STEP_SUMMARY` names, cannot be written: Is a directory (os error 21)
    error: unknown key `nonsense`
     --> streams/python.toml:1:1
      |
    1 | nonsense = 1
      | ^^^^^^^^
      |
      = help: known here: `annotations`, `description`, `discover`, `import`, `tags`
    --- exit 1
    ");
}

#[test]
fn a_pass_over_a_remote_names_files_from_its_top() {
    let mut stage = Stage::new();
    let (repo, host) = (BareRepo::new(), stage.registry.host());
    stage.sandbox.scrub(repo.path().display().to_string(), "[REMOTE]");
    let settings = format!("[registry.\"{host}\"]\nplain-http = true\n");
    let stream = format!("[tags]\n1 = \"{host}/python:3.12\"\ngone = \"{host}/gone:1\"\n");
    repo.commit("main", &[("deploy/prod/pinstream.toml", &settings), ("deploy/prod/streams/web.toml", &stream)]);
    let remote = repo.url();
    let args = ["reconcile", "--remote", &remote, "--root", "deploy/prod"];
    let ran = stage.sandbox.run(&[&args[..], &["--format", "github"]].concat());
    let tip = repo.tip("refs/heads/main").unwrap();
    stage.sandbox.scrub(&tip[..9], "[TIP]");
    insta::assert_snapshot!(stage.sandbox.shown(&ran), @"
    --- out
    ::notice file=deploy/prod/streams/web.toml,title=pinstream move::`web:1` was added at 346028a7044f (3.12.4)
    ::error file=deploy/prod/streams/web.toml,title=pinstream import::`web:gone` could not be imported: not-found: `REGISTRY/gone:1` not found: `REGISTRY` returned 404
    1 added, 1 failed; landed as [TIP] on main
    --- exit 3
    ");
    all(&stage, 3, &args);
    insta::assert_snapshot!(said(&stage, &[&args[..], &["--format", "junit"]].concat()), @r#"
    --- out
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="pinstream reconcile" tests="2" failures="0" errors="1">
      <testsuite name="deploy/prod/streams/web" tests="2" failures="0" errors="1" skipped="0">
        <testcase name="1" classname="deploy/prod/streams/web"/>
        <testcase name="gone" classname="deploy/prod/streams/web">
          <error type="import" message="`web:gone` could not be imported: not-found: `REGISTRY/gone:1` not found: `REGISTRY` returned 404">deploy/prod/streams/web.toml: `web:gone` could not be imported: not-found: `REGISTRY/gone:1` not found: `REGISTRY` returned 404</error>
        </testcase>
      </testsuite>
    </testsuites>
    --- exit 3
    "#);
    repo.commit("main", &[("deploy/prod/streams/web.toml", "nonsense = 1\n")]);
    all(&stage, 1, &args);
    let ran = stage.sandbox.run(&[&args[..], &["--format", "github"]].concat());
    assert!(
        ran.stdout.starts_with("::error file=deploy/prod/streams/web.toml,line=1,endLine=1,col=1,endColumn=8,"),
        "{}",
        ran.stdout
    );
}
