//! Renders findings as a JUnit report for Jenkins, GitLab and others: a suite per stream or file, and a case per tag or
//! other subject that was examined.
//!
//! The format has no specification; this is the common part of the schema of Jenkins' xUnit plugin (`junit-10.xsd`) and
//! GitLab's documentation, "Unit test reports". Violations are failures; failures to check are errors.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::excerpt::PAGE_MAX;
use super::finding::{FilePosition, Finding, FindingLocation, RunResults, Severity};
use super::v1::words::word;
use crate::text::escape::{self, xml};

/// Findings about one subject.
#[derive(Default)]
struct TestCase<'a> {
    findings: Vec<&'a Finding>,
    /// Reason why it was skipped.
    skipped: Option<&'a str>,
}

/// Result of a test case.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TestResult {
    Passed,
    Skipped,
    Failed,
    Errored,
}

/// Renders `results` as XML text.
pub(super) fn render(results: &RunResults) -> String {
    let mut suites = BTreeMap::<&str, BTreeMap<&str, TestCase<'_>>>::new();
    for (subject, skipped) in &results.checked {
        let case = suites.entry(&subject.group).or_default().entry(&subject.name).or_default();
        case.skipped = skipped.as_deref();
    }
    for finding in &results.findings {
        let suite = suites.entry(&finding.subject.group).or_default();
        suite.entry(&finding.subject.name).or_default().findings.push(finding);
    }
    let all = || suites.values().flat_map(BTreeMap::values);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let name = format!("pinstream {}", results.command);
    // Writing to a `String` does not fail.
    let _ = writeln!(out, "<testsuites name=\"{}\" {}>", xml(&name), counts(all()));
    for (name, cases) in &suites {
        let skipped = cases.values().filter(|case| case.result() == TestResult::Skipped).count();
        let counts = counts(cases.values());
        let _ = writeln!(out, "  <testsuite name=\"{}\" {counts} skipped=\"{skipped}\">", attribute(name));
        for (one, case) in cases {
            let _ = write!(out, "    <testcase name=\"{}\" classname=\"{}\"", attribute(one), attribute(name));
            case.write(&mut out);
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn counts<'a>(cases: impl Iterator<Item = &'a TestCase<'a>>) -> String {
    let results: Vec<TestResult> = cases.map(TestCase::result).collect();
    let count = |result: TestResult| results.iter().filter(|one| **one == result).count();
    let [failed, errored] = [TestResult::Failed, TestResult::Errored].map(count);
    format!("tests=\"{}\" failures=\"{failed}\" errors=\"{errored}\"", results.len())
}

impl TestCase<'_> {
    fn result(&self) -> TestResult {
        let mut errors = self.findings.iter().filter(|finding| finding.level == Severity::Error).peekable();
        if errors.peek().is_none() {
            return if self.skipped.is_some() { TestResult::Skipped } else { TestResult::Passed };
        }
        if errors.all(|finding| finding.rule.is_failure()) { TestResult::Errored } else { TestResult::Failed }
    }

    /// Writes the content and the end of the case. Readers show one failure per case, so it contains all of them.
    fn write(&self, out: &mut String) {
        let (errors, others): (Vec<&Finding>, Vec<&Finding>) =
            self.findings.iter().copied().partition(|finding| finding.level == Severity::Error);
        let others = if self.result() == TestResult::Skipped { Vec::new() } else { others };
        if errors.is_empty() && others.is_empty() && self.skipped.is_none() {
            out.push_str("/>\n");
            return;
        }
        out.push_str(">\n");
        if let Some(first) = errors.first() {
            let element = if self.result() == TestResult::Errored { "error" } else { "failure" };
            let more = if errors.len() > 1 { format!(" (and {} more)", errors.len() - 1) } else { String::new() };
            let message = xml(&format!("{}{more}", first.message));
            let body = located(&errors);
            let rule = word(first.rule);
            let _ = writeln!(out, "      <{element} type=\"{rule}\" message=\"{message}\">{body}</{element}>");
        } else if let Some(reason) = self.skipped {
            let _ = writeln!(out, "      <skipped message=\"{}\"/>", attribute(reason));
        }
        if !others.is_empty() {
            let _ = writeln!(out, "      <system-out>{}</system-out>", located(&others));
        }
        out.push_str("    </testcase>\n");
    }
}

/// Joins findings, each after its location, as compilers do.
fn located(findings: &[&Finding]) -> String {
    let located = |finding: &&Finding| {
        let text = finding.text_with_output(PAGE_MAX);
        let Some(FindingLocation { path, span }) = &finding.place else { return text };
        let path = escape::terminal(path);
        match span {
            None => format!("{path}: {text}"),
            Some(FilePosition::Line(line)) => format!("{path}:{line}: {text}"),
            Some(FilePosition::Part(span)) => format!("{path}:{}:{}: {text}", span.line, span.column),
        }
    };
    xml(&findings.iter().map(located).collect::<Vec<_>>().join("\n\n"))
}

/// Escapes foreign text as the value of an attribute.
fn attribute(text: &str) -> String {
    xml(&escape::terminal(text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, proptest};
    use roxmltree::Document;

    use super::*;
    use crate::report::tests::sample;

    #[test]
    fn each_subject_is_a_test_case() {
        insta::assert_snapshot!(render(&sample::results()), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="pinstream check" tests="10" failures="6" errors="2">
          <testsuite name="deploy/prod/deploy/web.yaml" tests="1" failures="1" errors="0" skipped="0">
            <testcase name="python:3.12" classname="deploy/prod/deploy/web.yaml">
              <failure type="target" message="expected the pin of `python:3.12`, found `python:5` (and 1 more)">deploy/prod/deploy/web.yaml:5: expected the pin of `python:3.12`, found `python:5`

        deploy/prod/deploy/web.yaml:12: expected the pin of `python:3.12`, found `python:12`</failure>
            </testcase>
          </testsuite>
          <testsuite name="deploy/prod/hooks" tests="1" failures="0" errors="0" skipped="0">
            <testcase name="rollout" classname="deploy/prod/hooks">
              <system-out>`x:*` in `on` of hook `rollout` matches no tag</system-out>
            </testcase>
          </testsuite>
          <testsuite name="deploy/prod/policy" tests="1" failures="1" errors="0" skipped="0">
            <testcase name="file" classname="deploy/prod/policy">
              <failure type="definition" message="`/etc/policy.toml`: unknown key `hosts`">`/etc/policy.toml`: unknown key `hosts`</failure>
            </testcase>
          </testsuite>
          <testsuite name="deploy/prod/run" tests="1" failures="0" errors="1" skipped="0">
            <testcase name="check" classname="deploy/prod/run">
              <error type="run" message="the remote is unreachable">the remote is unreachable</error>
            </testcase>
          </testsuite>
          <testsuite name="deploy/prod/streams/big.toml" tests="1" failures="1" errors="0" skipped="0">
            <testcase name="file" classname="deploy/prod/streams/big.toml">
              <failure type="definition" message="`streams/big.toml` is too large">deploy/prod/streams/big.toml: `streams/big.toml` is too large</failure>
            </testcase>
          </testsuite>
          <testsuite name="deploy/prod/streams/node" tests="1" failures="0" errors="1" skipped="0">
            <testcase name="22" classname="deploy/prod/streams/node">
              <error type="unverified" message="the pin of `node:22` could not be verified: &lt;timeout&gt; &amp; &quot;more&quot;">deploy/prod/pinstream.lock:3: the pin of `node:22` could not be verified: &lt;timeout&gt; &amp; &quot;more&quot;</error>
            </testcase>
          </testsuite>
          <testsuite name="deploy/prod/streams/node.toml" tests="1" failures="1" errors="0" skipped="0">
            <testcase name="file" classname="deploy/prod/streams/node.toml">
              <failure type="definition" message="`🐍` is not a valid tag, 100% (and 1 more)">deploy/prod/streams/node.toml:3:1: `🐍` is not a valid tag, 100%
        help: write `node`

        deploy/prod/streams/node.toml:3:1: unterminated table</failure>
            </testcase>
          </testsuite>
          <testsuite name="deploy/prod/streams/python" tests="3" failures="2" errors="0" skipped="0">
            <testcase name="3.11" classname="deploy/prod/streams/python">
              <failure type="hand-edited" message="the registry does not serve `sha256:01`, the pin of `python:3.11`">deploy/prod/pinstream.lock:9: the registry does not serve `sha256:01`, the pin of `python:3.11`</failure>
            </testcase>
            <testcase name="3.12" classname="deploy/prod/streams/python">
              <failure type="lock" message="`python:3.12` is not pinned">deploy/prod/streams/python.toml:4: `python:3.12` is not pinned
        help: run `pinstream update`</failure>
            </testcase>
            <testcase name="latest" classname="deploy/prod/streams/python"/>
          </testsuite>
        </testsuites>
        "#);
    }

    #[test]
    fn held_tags_are_skipped_and_changes_are_printed() {
        insta::assert_snapshot!(render(&sample::of_pass()), @r#"
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites name="pinstream reconcile" tests="14" failures="0" errors="4">
              <testsuite name="deploy/web.yaml" tests="1" failures="0" errors="0" skipped="0">
                <testcase name="targets" classname="deploy/web.yaml">
                  <system-out>deploy/web.yaml:4: pins were written to `deploy/web.yaml`, lines 4, 12</system-out>
                </testcase>
              </testsuite>
              <testsuite name="hooks" tests="3" failures="0" errors="2" skipped="0">
                <testcase name="chat" classname="hooks">
                  <error type="hook" message="hook `chat` failed for 2 changes and stays pending: exit code 7">pinstream.toml: hook `chat` failed for 2 changes and stays pending: exit code 7
            output: ```
            \u{3a}:error::x
            no such &lt;room&gt;</error>
                </testcase>
                <testcase name="rollout" classname="hooks"/>
                <testcase name="slow" classname="hooks">
                  <error type="hook" message="hook `slow` is unconfirmed for 2 changes: claimed by another pass until 2026-11-24T12:02:00Z; if that pass does not renew its claim, a later pass runs the hook">pinstream.toml: hook `slow` is unconfirmed for 2 changes: claimed by another pass until 2026-11-24T12:02:00Z; if that pass does not renew its claim, a later pass runs the hook</error>
                </testcase>
              </testsuite>
              <testsuite name="run" tests="1" failures="0" errors="0" skipped="0">
                <testcase name="reconcile" classname="run">
                  <system-out>the remote rejects the state ref; state is stored locally</system-out>
                </testcase>
              </testsuite>
              <testsuite name="streams/alpine" tests="1" failures="0" errors="1" skipped="0">
                <testcase name="3" classname="streams/alpine">
                  <error type="resolve" message="`alpine:3` could not be resolved: not-found: `docker.io/library/alpine:3` does not exist">streams/alpine.toml: `alpine:3` could not be resolved: not-found: `docker.io/library/alpine:3` does not exist</error>
                </testcase>
              </testsuite>
              <testsuite name="streams/node" tests="1" failures="0" errors="1" skipped="0">
                <testcase name="22" classname="streams/node">
                  <error type="resolve" message="`node:22` could not be resolved: tls: TLS handshake with `quay.io` failed">streams/node.toml: `node:22` could not be resolved: tls: TLS handshake with `quay.io` failed
            help: set `ca`</error>
                </testcase>
              </testsuite>
              <testsuite name="streams/python" tests="7" failures="0" errors="0" skipped="3">
                <testcase name="3.10" classname="streams/python">
                  <system-out>pinstream.lock: `python:3.10` was removed; previous pin 040404040404 (3.10.9)</system-out>
                </testcase>
                <testcase name="3.11" classname="streams/python">
                  <skipped message="soaking since 2026-11-24T12:00:00Z, until 2026-12-01T00:00:00Z"/>
                </testcase>
                <testcase name="3.12" classname="streams/python">
                  <system-out>streams/python.toml: `python:3.12` was updated from 010101010101 (3.12.4) to 020202020202 (3.12.5\u{1b}[2J)</system-out>
                </testcase>
                <testcase name="3.13-slim-bookworm" classname="streams/python">
                  <system-out>streams/python.toml: `python:3.13-slim-bookworm` was added at 060606060606 (3.13.0)</system-out>
                </testcase>
                <testcase name="3.9" classname="streams/python">
                  <skipped message="not due"/>
                </testcase>
                <testcase name="dead" classname="streams/python">
                  <skipped message="backing off: failing since 2026-11-24T11:00:00Z (not-found, 3 attempts); next attempt 2026-11-24T12:06:00Z"/>
                </testcase>
                <testcase name="latest" classname="streams/python">
                  <system-out>streams/python.toml: `python:latest` was updated from 010101010101 to 020202020202</system-out>
                </testcase>
              </testsuite>
            </testsuites>
        "#);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn t9_any_finding_makes_a_document(text in any::<String>(), more in "[<>&'\"\u{0}-\u{20}\u{fffe}\\]-]{0,12}") {
            for text in [format!("{more}{text}"), format!("{text}{more}")] {
                let results = sample::hostile(&text);
                let shown = render(&results);
                let document = Document::parse(&shown).unwrap();
                let failure = document.descendants().find(|node| node.has_tag_name("failure")).unwrap();
                // Characters that XML forbids are shown as their number.
                let escaped = |text: &str| text.replace('\u{fffe}', "\\u{fffe}").replace('\u{ffff}', "\\u{ffff}");
                let first = &results.findings[0];
                assert!(failure.attribute("message").unwrap().starts_with(&escaped(&first.message)), "{shown}");
                assert!(failure.text().unwrap().contains(&escaped(&first.text())), "{shown}");
                let cases = document.descendants().filter(|node| node.has_tag_name("testcase")).count();
                assert_eq!(document.root_element().attribute("tests"), Some(cases.to_string().as_str()));
            }
        }
    }
}
