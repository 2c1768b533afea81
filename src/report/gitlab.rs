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
        "check_name": finding.rule,
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
    use crate::report::tests::sample;

    #[test]
    fn a_finding_is_an_issue() {
        let issues: Vec<Value> = serde_json::from_str(&render(&sample::results())).unwrap();
        assert_eq!(issues.len(), 11);
        // Errors in a file, and a warning without a location.
        let some = [&issues[0], &issues[5], &issues[9]];
        insta::assert_snapshot!(serde_json::to_string_pretty(&some).unwrap(), @r#"
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
