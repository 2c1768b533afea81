//! Findings as a Code Quality report of GitLab, which shows them in a merge request.
//!
//! The form is that of GitLab's documentation, "Code Quality report format": a list of issues with `description`,
//! `check_name`, `fingerprint`, `severity` and `location`, and no byte order mark.

use serde_json::{Value, json};

use super::OutputFormat;
use super::finding::{FilePosition, Finding, Rule, RunResults, Severity};
use crate::report::v1;

/// `results` as JSON text.
pub(super) fn gitlab(results: &RunResults) -> String {
    // A report has issues of files; what is told of the run as a whole is none.
    let is_issue = |finding: &&Finding| finding.place.is_some() || finding.level != Severity::Note;
    let issues = results.findings.iter().filter(is_issue).map(|finding| issue(results, finding));
    v1::text(&issues.collect::<Vec<_>>())
}

fn issue(results: &RunResults, finding: &Finding) -> Value {
    let (path, line) = match &finding.place {
        Some(place) => (place.path.clone(), place.span.map_or(1, FilePosition::first_line)),
        None => (results.settings(), 1),
    };
    json!({
        "description": finding.all(OutputFormat::Gitlab).replace('\n', "; "),
        "check_name": finding.rule.code(),
        "fingerprint": finding.fingerprint,
        "severity": severity(finding),
        "location": { "path": path, "lines": { "begin": line } },
    })
}

/// One of `info`, `minor`, `major`, `critical` and `blocker`.
fn severity(finding: &Finding) -> &'static str {
    match (finding.level, finding.rule) {
        (Severity::Note, _) => "info",
        (Severity::Warning, _) => "minor",
        (Severity::Error, Rule::HandEdited | Rule::Refused | Rule::Policy) => "critical",
        (Severity::Error, _) => "major",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{ProptestConfig, any, proptest};

    use super::*;
    use crate::report::sample;

    #[test]
    fn a_finding_is_an_issue_of_a_file() {
        insta::assert_snapshot!(gitlab(&sample::results()), @r#"
        [
          {
            "check_name": "definition",
            "description": "`🐍` is no name of a tag, 100%; help: write `node`",
            "fingerprint": "95447c144f8733bb5805524d5af32cf0",
            "location": {
              "lines": {
                "begin": 3
              },
              "path": "deploy/prod/streams/node.toml"
            },
            "severity": "major"
          },
          {
            "check_name": "definition",
            "description": "a table has no end",
            "fingerprint": "ea81d494da61de826ab5663d43462bc5",
            "location": {
              "lines": {
                "begin": 3
              },
              "path": "deploy/prod/streams/node.toml"
            },
            "severity": "major"
          },
          {
            "check_name": "definition",
            "description": "`streams/big.toml` is too large",
            "fingerprint": "e5db8b7ab829ec64baa6a1538702928b",
            "location": {
              "lines": {
                "begin": 1
              },
              "path": "deploy/prod/streams/big.toml"
            },
            "severity": "major"
          },
          {
            "check_name": "definition",
            "description": "`/etc/policy.toml`: unknown key `hosts`",
            "fingerprint": "651f9dae374410f9377ed99d59d0c73a",
            "location": {
              "lines": {
                "begin": 1
              },
              "path": "deploy/prod/pinstream.toml"
            },
            "severity": "major"
          },
          {
            "check_name": "lock",
            "description": "`python:3.12` is not pinned; help: pinstream update",
            "fingerprint": "0076d0f649403cf17b1ab64ab6cde1d4",
            "location": {
              "lines": {
                "begin": 4
              },
              "path": "deploy/prod/streams/python.toml"
            },
            "severity": "major"
          },
          {
            "check_name": "unvouched",
            "description": "`python:3.11` is pinned to `sha256:01`, which it does not serve",
            "fingerprint": "6777dfbc9fe292095efd2ddef9a797df",
            "location": {
              "lines": {
                "begin": 9
              },
              "path": "deploy/prod/pinstream.lock"
            },
            "severity": "critical"
          },
          {
            "check_name": "unverified",
            "description": "what `node:22` serves could not be asked: <timeout> & \"more\"",
            "fingerprint": "5f14a80fab6f8093df11a0277b6f694d",
            "location": {
              "lines": {
                "begin": 3
              },
              "path": "deploy/prod/pinstream.lock"
            },
            "severity": "major"
          },
          {
            "check_name": "target",
            "description": "`deploy/web.yaml`, line 5: `python:3` stands there",
            "fingerprint": "394cd94245bb38c9187f7c4206badad7",
            "location": {
              "lines": {
                "begin": 5
              },
              "path": "deploy/prod/deploy/web.yaml"
            },
            "severity": "major"
          },
          {
            "check_name": "target",
            "description": "`deploy/web.yaml`, line 12: `python:3` stands there",
            "fingerprint": "69992fdb4cce9c21b928703d77fa90e3",
            "location": {
              "lines": {
                "begin": 12
              },
              "path": "deploy/prod/deploy/web.yaml"
            },
            "severity": "major"
          },
          {
            "check_name": "hook",
            "description": "`on` of the hook `rollout` means no tag: `x:*`",
            "fingerprint": "448b2a65b0e0141926a2cc09ac21765b",
            "location": {
              "lines": {
                "begin": 1
              },
              "path": "deploy/prod/pinstream.toml"
            },
            "severity": "minor"
          },
          {
            "check_name": "run",
            "description": "the remote is gone",
            "fingerprint": "06a3117891eb38bdbe1ff990b5f88a1b",
            "location": {
              "lines": {
                "begin": 1
              },
              "path": "deploy/prod/pinstream.toml"
            },
            "severity": "major"
          }
        ]
        "#);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn t9_any_finding_makes_a_report(text in any::<String>()) {
            let results = sample::hostile(&text);
            let shown = gitlab(&results);
            assert!(!shown.contains("##"), "{shown}");
            let issues: Vec<Value> = serde_json::from_str(&shown).unwrap();
            let fingerprints: BTreeSet<&str> = issues.iter().filter_map(|issue| issue["fingerprint"].as_str()).collect();
            assert_eq!(fingerprints.len(), results.findings.len());
            assert_eq!(issues[0]["location"]["path"], text);
        }
    }
}
