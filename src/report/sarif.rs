//! Findings as SARIF 2.1.0, which code scanning of GitHub, Azure and others takes.
//!
//! The form is that of OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0". What holds for the run
//! as a whole, and is in no file, is a notification: code scanning refuses results without a place.

use serde_json::{Value, json};

use super::OutputFormat;
use super::exit::Exit;
use super::finding::{FilePosition, Finding, FindingLocation, Rule, RunResults, Severity};
use crate::report::v1;

/// Where its schema is published.
const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// The name of the repository's top in it.
const TOP: &str = "%SRCROOT%";

/// `results` as JSON text.
pub(super) fn sarif(results: &RunResults) -> String {
    let placed = results.findings.iter().filter_map(|finding| Some(result(finding, finding.place.as_ref()?)));
    let of_run = results.findings.iter().filter(|finding| finding.place.is_none()).map(notification);
    let folder = if results.root.is_empty() { String::new() } else { format!("{}/", results.root) };
    v1::text(&json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "pinstream",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": Rule::ALL.map(rule),
            } },
            // Runs of other commands and roots on the same commit are others (section 3.17.3: what comes after the last
            // slash is the run's own).
            "automationDetails": { "id": format!("pinstream/{}/{folder}", results.command) },
            "originalUriBaseIds": { TOP: { "description": { "text": "The top of the repository." } } },
            "columnKind": "utf16CodeUnits",
            "invocations": [{
                // What was not found by a run that did not come to its end may be there all the same.
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
    // Code scanning of GitHub shows the full description and the help, and asks for both.
    let help = json!({ "text": rule.help() });
    json!({ "id": rule.code(), "shortDescription": about, "fullDescription": about, "help": help })
}

fn result(finding: &Finding, place: &FindingLocation) -> Value {
    json!({
        "ruleId": finding.rule.code(),
        "ruleIndex": Rule::ALL.iter().position(|rule| *rule == finding.rule),
        "level": level(finding.level),
        "message": { "text": finding.all(OutputFormat::Sarif) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(&place.path), "uriBaseId": TOP },
            "region": region(place.span),
        } }],
        "partialFingerprints": { "pinstreamFinding/v1": finding.fingerprint },
    })
}

fn notification(finding: &Finding) -> Value {
    json!({
        "level": level(finding.level),
        "message": { "text": finding.all(OutputFormat::Sarif) },
        "associatedRule": { "id": finding.rule.code() },
    })
}

fn level(level: Severity) -> &'static str {
    match level {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// A whole file is its first line: readers of SARIF ask for a line, though it need not have one.
fn region(spot: Option<FilePosition>) -> Value {
    match spot {
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

/// A path as a relative reference: all but the letters that are never reserved are encoded (RFC 3986, sections 2.3 and
/// 4.2), so that none is taken for a scheme.
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, proptest};

    use super::*;
    use crate::report::sample;

    #[test]
    fn a_finding_is_a_result_in_a_file() {
        let mut log: Value = serde_json::from_str(&sarif(&sample::results())).unwrap();
        let run = &mut log["runs"][0];
        let (rules, results) = (run["tool"]["driver"]["rules"].take(), run["results"].take());
        let (rules, results) = (rules.as_array().unwrap(), results.as_array().unwrap());
        assert_eq!((rules.len(), results.len()), (Rule::ALL.len(), 8));
        // One rule, and a result on one line, over two, and of a whole file, stand for the others.
        run["tool"]["driver"]["rules"] = json!(rules[..1]);
        run["results"] = json!(results[..3]);
        insta::assert_snapshot!(serde_json::to_string_pretty(&log).unwrap(), @r##"
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
                    },
                    {
                      "associatedRule": {
                        "id": "hook"
                      },
                      "level": "warning",
                      "message": {
                        "text": "`on` of the hook `rollout` means no tag: `x:*`"
                      }
                    },
                    {
                      "associatedRule": {
                        "id": "run"
                      },
                      "level": "error",
                      "message": {
                        "text": "the remote is gone"
                      }
                    }
                  ]
                }
              ],
              "originalUriBaseIds": {
                "%SRCROOT%": {
                  "description": {
                    "text": "The top of the repository."
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
                    "text": "`🐍` is no name of a tag, 100%\nhelp: write `node`"
                  },
                  "partialFingerprints": {
                    "pinstreamFinding/v1": "95447c144f8733bb5805524d5af32cf0"
                  },
                  "ruleId": "definition",
                  "ruleIndex": 0
                },
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
                          "endColumn": 2,
                          "endLine": 4,
                          "startColumn": 1,
                          "startLine": 3
                        }
                      }
                    }
                  ],
                  "message": {
                    "text": "a table has no end"
                  },
                  "partialFingerprints": {
                    "pinstreamFinding/v1": "ea81d494da61de826ab5663d43462bc5"
                  },
                  "ruleId": "definition",
                  "ruleIndex": 0
                },
                {
                  "level": "error",
                  "locations": [
                    {
                      "physicalLocation": {
                        "artifactLocation": {
                          "uri": "deploy/prod/streams/big.toml",
                          "uriBaseId": "%SRCROOT%"
                        },
                        "region": {
                          "startLine": 1
                        }
                      }
                    }
                  ],
                  "message": {
                    "text": "`streams/big.toml` is too large"
                  },
                  "partialFingerprints": {
                    "pinstreamFinding/v1": "e5db8b7ab829ec64baa6a1538702928b"
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
                        "text": "A file of the root cannot be read, or is wrong."
                      },
                      "help": {
                        "text": "Mend the file at the place that is named."
                      },
                      "id": "definition",
                      "shortDescription": {
                        "text": "A file of the root cannot be read, or is wrong."
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
        "##);
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
            let shown = sarif(&results);
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
