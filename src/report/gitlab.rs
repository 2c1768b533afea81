//! Renders findings as a Code Quality report, which GitLab shows in merge requests.
//!
//! Format: GitLab's documentation, "Code Quality report format": a list of issues with `description`,
//! `check_name`, `fingerprint`, `severity` and `location`, and no byte order mark.

use serde_json::{Value, json};

use super::excerpt::MESSAGE_MAX;
use super::finding::{FilePosition, Finding, Rule, RunResults, Severity};
use super::v1;

/// Renders `results` as JSON text.
pub(super) fn render(results: &RunResults) -> String {
    // Issues belong to files, so notes about the whole run are left out.
    let is_issue = |finding: &&Finding| finding.place.is_some() || finding.level != Severity::Note;
    let issues = results.findings.iter().filter(is_issue).map(|finding| issue(results, finding));
    v1::encode(&issues.collect::<Vec<_>>())
}

fn issue(results: &RunResults, finding: &Finding) -> Value {
    let (path, line) = match &finding.place {
        Some(place) => (place.path.clone(), place.span.map_or(1, FilePosition::first_line)),
        None => (results.settings(), 1),
    };
    json!({
        "description": finding.text_with_output(MESSAGE_MAX).replace('\n', "; "),
        "check_name": finding.rule.code(),
        "fingerprint": finding.fingerprint,
        "severity": severity(finding),
        "location": { "path": path, "lines": { "begin": line } },
    })
}

/// Maps to `info`, `minor`, `major`, `critical` or `blocker`.
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
    fn a_finding_is_an_issue() {
        insta::assert_snapshot!(render(&sample::results()), @r#"
        [
          {
            "check_name": "definition",
            "description": "`🐍` is not a valid tag, 100%; help: write `node`",
            "fingerprint": "a1e9b3dd6ddb1d82dfa83ab26186fa0f",
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
            "description": "unterminated table",
            "fingerprint": "47f2ec51bafb106b053b65beb196bf3a",
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
            "fingerprint": "2194ab96914dadea6a4d32c465a202a7",
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
            "fingerprint": "c94fa298800ba101efc0fb42c2db7ef5",
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
            "description": "`python:3.12` is not pinned; help: run `pinstream update`",
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
            "check_name": "hand-edited",
            "description": "the registry does not serve `sha256:01`, the pin of `python:3.11`",
            "fingerprint": "1428de1a5d0935f3a2b0fb16ea442809",
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
            "description": "the pin of `node:22` could not be verified: <timeout> & \"more\"",
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
            "description": "expected the pin of `python:3.12`, found `python:5`",
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
            "description": "expected the pin of `python:3.12`, found `python:12`",
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
            "description": "`x:*` in `on` of hook `rollout` matches no tag",
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
            "description": "the remote is unreachable",
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
            let shown = render(&results);
            assert!(!shown.contains("##"), "{shown}");
            let issues: Vec<Value> = serde_json::from_str(&shown).unwrap();
            let fingerprints: BTreeSet<&str> = issues.iter().filter_map(|issue| issue["fingerprint"].as_str()).collect();
            assert_eq!(fingerprints.len(), results.findings.len());
            assert_eq!(issues[0]["location"]["path"], text);
        }
    }
}
