//! Renders findings as SARIF 2.1.0 for code scanning on GitHub, Azure DevOps and others.
//!
//! Format: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0". Findings without a file become
//! notifications, because code scanning rejects results without a location.

use serde_json::{Value, json};

use super::excerpt::MESSAGE_MAX;
use super::exit::Exit;
use super::finding::{FilePosition, Finding, FindingLocation, Rule, RunResults};
use super::v1;

/// URL of the published schema.
const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// Name for the top of the repository.
const TOP: &str = "%SRCROOT%";

/// Renders `results` as JSON text.
pub(super) fn render(results: &RunResults) -> String {
    let placed = results.findings.iter().filter_map(|finding| Some(result(finding, finding.place.as_ref()?)));
    let of_run = results.findings.iter().filter(|finding| finding.place.is_none()).map(notification);
    let folder = if results.root.is_empty() { String::new() } else { format!("{}/", results.root) };
    v1::encode(&json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "pinstream",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": Rule::ALL.map(rule),
            } },
            // Distinguishes runs of other commands and roots on the same commit (section 3.17.3: the part after the last
            // slash belongs to the run).
            "automationDetails": { "id": format!("pinstream/{}/{folder}", results.command) },
            "originalUriBaseIds": { TOP: { "description": { "text": "Top of the repository." } } },
            "columnKind": "utf16CodeUnits",
            "invocations": [{
                // An aborted run may have missed findings.
                "executionSuccessful": !matches!(results.exit, Exit::Error | Exit::Contention | Exit::Usage),
                "exitCode": results.exit.code(),
                "toolExecutionNotifications": of_run.collect::<Vec<_>>(),
            }],
            "results": placed.collect::<Vec<_>>(),
        }],
    }))
}

fn rule(rule: Rule) -> Value {
    let about = json!({ "text": rule.description() });
    // GitHub code scanning shows, and requires, the full description and the help.
    let help = json!({ "text": rule.help() });
    json!({ "id": rule, "shortDescription": about, "fullDescription": about, "help": help })
}

fn result(finding: &Finding, place: &FindingLocation) -> Value {
    json!({
        "ruleId": finding.rule,
        "ruleIndex": Rule::ALL.iter().position(|rule| *rule == finding.rule),
        "level": finding.level,
        "message": { "text": finding.text_with_output(MESSAGE_MAX) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(&place.path), "uriBaseId": TOP },
            "region": region(place.span),
        } }],
        "partialFingerprints": { "pinstreamFinding/v1": finding.fingerprint },
    })
}

fn notification(finding: &Finding) -> Value {
    json!({
        "level": finding.level,
        "message": { "text": finding.text_with_output(MESSAGE_MAX) },
        "associatedRule": { "id": finding.rule },
    })
}

/// Converts a position. A whole file becomes its first line, because readers of SARIF require one.
fn region(position: Option<FilePosition>) -> Value {
    match position {
        None => json!({ "startLine": 1 }),
        Some(FilePosition::Line(line)) => json!({ "startLine": line }),
        Some(FilePosition::Part(span)) => json!({
            "startLine": span.line,
            "startColumn": span.column,
            "endLine": span.end_line,
            "endColumn": span.end_column,
        }),
    }
}

/// Encodes a path as a relative reference: all but unreserved characters (RFC 3986, sections 2.3 and 4.2), so that it
/// cannot be read as a scheme.
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, proptest};

    use super::*;
    use crate::report::tests::sample;

    #[test]
    fn findings_are_results_of_a_run() {
        let mut log: Value = serde_json::from_str(&render(&sample::results())).unwrap();
        let run = &mut log["runs"][0];
        let (rules, results) = (run["tool"]["driver"]["rules"].take(), run["results"].take());
        let (rules, results) = (rules.as_array().unwrap(), results.as_array().unwrap());
        assert_eq!((rules.len(), results.len()), (Rule::ALL.len(), 8));
        run["tool"]["driver"]["rules"] = json!(rules[..1]);
        run["results"] = json!(results[..1]);
        let notifications = run["invocations"][0]["toolExecutionNotifications"].as_array_mut().unwrap();
        assert_eq!(notifications.len(), 3);
        notifications.truncate(1);
        insta::assert_snapshot!(serde_json::to_string_pretty(&log).unwrap(), @r#"
        {
          "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
          "runs": [
            {
              "automationDetails": {
                "id": "pinstream/check/deploy/prod/"
              },
              "columnKind": "utf16CodeUnits",
              "invocations": [
                {
                  "executionSuccessful": true,
                  "exitCode": 4,
                  "toolExecutionNotifications": [
                    {
                      "associatedRule": {
                        "id": "definition"
                      },
                      "level": "error",
                      "message": {
                        "text": "`/etc/policy.toml`: unknown key `hosts`"
                      }
                    }
                  ]
                }
              ],
              "originalUriBaseIds": {
                "%SRCROOT%": {
                  "description": {
                    "text": "Top of the repository."
                  }
                }
              },
              "results": [
                {
                  "level": "error",
                  "locations": [
                    {
                      "physicalLocation": {
                        "artifactLocation": {
                          "uri": "deploy/prod/streams/node.toml",
                          "uriBaseId": "%SRCROOT%"
                        },
                        "region": {
                          "endColumn": 5,
                          "endLine": 3,
                          "startColumn": 1,
                          "startLine": 3
                        }
                      }
                    }
                  ],
                  "message": {
                    "text": "`🐍` is not a valid tag, 100%\nhelp: write `node`"
                  },
                  "partialFingerprints": {
                    "pinstreamFinding/v1": "a1e9b3dd6ddb1d82dfa83ab26186fa0f"
                  },
                  "ruleId": "definition",
                  "ruleIndex": 0
                }
              ],
              "tool": {
                "driver": {
                  "name": "pinstream",
                  "rules": [
                    {
                      "fullDescription": {
                        "text": "A definition file is invalid or cannot be read."
                      },
                      "help": {
                        "text": "Correct the file at the reported position."
                      },
                      "id": "definition",
                      "shortDescription": {
                        "text": "A definition file is invalid or cannot be read."
                      }
                    }
                  ],
                  "version": "0.1.0"
                }
              }
            }
          ],
          "version": "2.1.0"
        }
        "#);
    }

    #[test]
    fn a_region_is_a_range_or_the_first_line_of_a_file() {
        let log: Value = serde_json::from_str(&render(&sample::results())).unwrap();
        let region = |at: usize| &log["runs"][0]["results"][at]["locations"][0]["physicalLocation"]["region"];
        assert_eq!(region(0), &json!({ "startLine": 3, "startColumn": 1, "endLine": 3, "endColumn": 5 }));
        assert_eq!(region(1), &json!({ "startLine": 3, "startColumn": 1, "endLine": 4, "endColumn": 2 }));
        assert_eq!(region(2), &json!({ "startLine": 1 }));
        assert_eq!(region(3), &json!({ "startLine": 4 }));
    }

    #[test]
    fn a_path_is_a_relative_reference() {
        assert_eq!(uri("streams/team-a/x_1.toml"), "streams/team-a/x_1.toml");
        assert_eq!(uri("a:b/ä %?#[x].yaml"), "a%3Ab/%C3%A4%20%25%3F%23%5Bx%5D.yaml");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn t9_any_finding_makes_a_document(text in any::<String>()) {
            let results = sample::hostile(&text);
            let shown = render(&results);
            assert!(!shown.contains("##"), "{shown}");
            let read: Value = serde_json::from_str(&shown).unwrap();
            let found = &read["runs"][0]["results"];
            assert_eq!(found.as_array().unwrap().len(), results.findings.len());
            assert_eq!(found[0]["message"]["text"], results.findings[0].text());
            let location = &found[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
            assert!(location.as_str().unwrap().bytes().all(|byte| byte.is_ascii_graphic()), "{location}");
        }
    }
}
