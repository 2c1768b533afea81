//! Findings as a JUnit report, which Jenkins, GitLab and others show as tests: a suite for each stream or file, and a case
//! for each tag, or other thing, that was looked at.
//!
//! Nobody owns that form; what is written here is what both the schema of Jenkins' xUnit plugin (`junit-10.xsd`) allows
//! and GitLab's documentation, "Unit test reports", names. A case fails where something is not as it should be; it is an
//! error where that could not be found out.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::OutputFormat;
use super::finding::{FilePosition, Finding, FindingLocation, RunResults, Severity};
use crate::text::escape::{self, xml};

/// What is known of one thing that was looked at.
#[derive(Default)]
struct TestCase<'a> {
    findings: Vec<&'a Finding>,
    /// Why nothing was to be done about it.
    skipped: Option<&'a str>,
}

/// How a case ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TestEnding {
    Passed,
    Skipped,
    Failed,
    Errored,
}

/// `results` as XML text.
pub(super) fn junit(results: &RunResults) -> String {
    let mut suites = BTreeMap::<&str, BTreeMap<&str, TestCase<'_>>>::new();
    for (subject, skipped) in &results.seen {
        let case = suites.entry(&subject.group).or_default().entry(&subject.one).or_default();
        case.skipped = skipped.as_deref();
    }
    for finding in &results.findings {
        let suite = suites.entry(&finding.subject.group).or_default();
        suite.entry(&finding.subject.one).or_default().findings.push(finding);
    }
    let all = || suites.values().flat_map(BTreeMap::values);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let name = format!("pinstream {}", results.command);
    // Writing to a `String` does not fail.
    let _ = writeln!(out, "<testsuites name=\"{}\" {}>", xml(&name), counts(all()));
    for (name, cases) in &suites {
        let skipped = cases.values().filter(|case| case.ending() == TestEnding::Skipped).count();
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
    let endings: Vec<TestEnding> = cases.map(TestCase::ending).collect();
    let count = |ending: TestEnding| endings.iter().filter(|one| **one == ending).count();
    let [failed, errored] = [TestEnding::Failed, TestEnding::Errored].map(count);
    format!("tests=\"{}\" failures=\"{failed}\" errors=\"{errored}\"", endings.len())
}

impl TestCase<'_> {
    fn ending(&self) -> TestEnding {
        let mut errors = self.findings.iter().filter(|finding| finding.level == Severity::Error).peekable();
        if errors.peek().is_none() {
            return if self.skipped.is_some() { TestEnding::Skipped } else { TestEnding::Passed };
        }
        if errors.all(|finding| finding.rule.is_failure()) { TestEnding::Errored } else { TestEnding::Failed }
    }

    /// Writes what stands in the case, and its end. Readers show one failure of a case, so that all are told in it.
    fn write(&self, out: &mut String) {
        let (bad, said): (Vec<&Finding>, Vec<&Finding>) =
            self.findings.iter().copied().partition(|finding| finding.level == Severity::Error);
        let element = match self.ending() {
            TestEnding::Failed => "failure",
            TestEnding::Errored => "error",
            TestEnding::Skipped | TestEnding::Passed => "",
        };
        let said = if self.ending() == TestEnding::Skipped { Vec::new() } else { said };
        if bad.is_empty() && said.is_empty() && self.skipped.is_none() {
            out.push_str("/>\n");
            return;
        }
        out.push_str(">\n");
        if let Some(first) = bad.first() {
            let more = if bad.len() > 1 { format!(" (and {} more)", bad.len() - 1) } else { String::new() };
            let message = xml(&format!("{}{more}", first.message));
            let body = xml(&bad.iter().map(|finding| told(finding)).collect::<Vec<_>>().join("\n\n"));
            let _ = writeln!(
                out,
                "      <{element} type=\"{}\" message=\"{message}\">{body}</{element}>",
                first.rule.code()
            );
        } else if let Some(reason) = self.skipped {
            let _ = writeln!(out, "      <skipped message=\"{}\"/>", attribute(reason));
        }
        if !said.is_empty() {
            let body = xml(&said.iter().map(|finding| told(finding)).collect::<Vec<_>>().join("\n\n"));
            let _ = writeln!(out, "      <system-out>{body}</system-out>");
        }
        out.push_str("    </testcase>\n");
    }
}

/// A finding, with its place as compilers have it.
fn told(finding: &Finding) -> String {
    let words = finding.all(OutputFormat::Junit);
    let Some(FindingLocation { path, span }) = &finding.place else { return words };
    let path = escape::terminal(path);
    match span {
        None => format!("{path}: {words}"),
        Some(FilePosition::Line(line)) => format!("{path}:{line}: {words}"),
        Some(FilePosition::Part(span)) => format!("{path}:{}:{}: {words}", span.line, span.column),
    }
}

/// A text of others as the value of an attribute.
fn attribute(text: &str) -> String {
    xml(&escape::terminal(text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, proptest};
    use roxmltree::Document;

    use super::*;
    use crate::report::sample;

    #[test]
    fn each_thing_that_was_looked_at_is_a_case() {
        insta::assert_snapshot!(junit(&sample::results()), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="pinstream check" tests="10" failures="6" errors="2">
          <testsuite name="deploy/prod/deploy/web.yaml" tests="1" failures="1" errors="0" skipped="0">
            <testcase name="python:3.12" classname="deploy/prod/deploy/web.yaml">
              <failure type="target" message="`deploy/web.yaml`, line 5: `python:3` stands there (and 1 more)">deploy/prod/deploy/web.yaml:5: `deploy/web.yaml`, line 5: `python:3` stands there

        deploy/prod/deploy/web.yaml:12: `deploy/web.yaml`, line 12: `python:3` stands there</failure>
            </testcase>
          </testsuite>
          <testsuite name="deploy/prod/hooks" tests="1" failures="0" errors="0" skipped="0">
            <testcase name="rollout" classname="deploy/prod/hooks">
              <system-out>`on` of the hook `rollout` means no tag: `x:*`</system-out>
            </testcase>
          </testsuite>
          <testsuite name="deploy/prod/policy" tests="1" failures="1" errors="0" skipped="0">
            <testcase name="the file" classname="deploy/prod/policy">
              <failure type="definition" message="`/etc/policy.toml`: unknown key `hosts`">`/etc/policy.toml`: unknown key `hosts`</failure>
            </testcase>
          </testsuite>
          <testsuite name="deploy/prod/run" tests="1" failures="0" errors="1" skipped="0">
            <testcase name="check" classname="deploy/prod/run">
              <error type="run" message="the remote is gone">the remote is gone</error>
            </testcase>
          </testsuite>
          <testsuite name="deploy/prod/streams/big.toml" tests="1" failures="1" errors="0" skipped="0">
            <testcase name="the file" classname="deploy/prod/streams/big.toml">
              <failure type="definition" message="`streams/big.toml` is too large">deploy/prod/streams/big.toml: `streams/big.toml` is too large</failure>
            </testcase>
          </testsuite>
          <testsuite name="deploy/prod/streams/node" tests="1" failures="0" errors="1" skipped="0">
            <testcase name="22" classname="deploy/prod/streams/node">
              <error type="unverified" message="what `node:22` serves could not be asked: &lt;timeout&gt; &amp; &quot;more&quot;">deploy/prod/pinstream.lock:3: what `node:22` serves could not be asked: &lt;timeout&gt; &amp; &quot;more&quot;</error>
            </testcase>
          </testsuite>
          <testsuite name="deploy/prod/streams/node.toml" tests="1" failures="1" errors="0" skipped="0">
            <testcase name="the file" classname="deploy/prod/streams/node.toml">
              <failure type="definition" message="`🐍` is no name of a tag, 100% (and 1 more)">deploy/prod/streams/node.toml:3:1: `🐍` is no name of a tag, 100%
        help: write `node`

        deploy/prod/streams/node.toml:3:1: a table has no end</failure>
            </testcase>
          </testsuite>
          <testsuite name="deploy/prod/streams/python" tests="3" failures="2" errors="0" skipped="0">
            <testcase name="3.11" classname="deploy/prod/streams/python">
              <failure type="unvouched" message="`python:3.11` is pinned to `sha256:01`, which it does not serve">deploy/prod/pinstream.lock:9: `python:3.11` is pinned to `sha256:01`, which it does not serve</failure>
            </testcase>
            <testcase name="3.12" classname="deploy/prod/streams/python">
              <failure type="lock" message="`python:3.12` is not pinned">deploy/prod/streams/python.toml:4: `python:3.12` is not pinned
        help: pinstream update</failure>
            </testcase>
            <testcase name="latest" classname="deploy/prod/streams/python"/>
          </testsuite>
        </testsuites>
        "#);
    }

    #[test]
    fn what_waits_is_skipped_and_what_moved_is_told() {
        insta::assert_snapshot!(junit(&sample::of_pass()), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="pinstream reconcile" tests="13" failures="0" errors="3">
          <testsuite name="deploy/web.yaml" tests="1" failures="0" errors="0" skipped="0">
            <testcase name="targets" classname="deploy/web.yaml">
              <system-out>deploy/web.yaml:4: the pass wrote what is pinned into `deploy/web.yaml`, lines 4, 12</system-out>
            </testcase>
          </testsuite>
          <testsuite name="hooks" tests="3" failures="0" errors="1" skipped="0">
            <testcase name="chat" classname="hooks">
              <error type="hook" message="the hook `chat` failed for 2 moves, which stay pending: it ended with exit code 7">pinstream.toml: the hook `chat` failed for 2 moves, which stay pending: it ended with exit code 7
        it wrote: ```
        \u{3a}:error::x
        no such &lt;room&gt;</error>
            </testcase>
            <testcase name="rollout" classname="hooks"/>
            <testcase name="slow" classname="hooks">
              <system-out>pinstream.toml: the hook `slow` is run by somebody else, for 2 moves</system-out>
            </testcase>
          </testsuite>
          <testsuite name="run" tests="1" failures="0" errors="0" skipped="0">
            <testcase name="reconcile" classname="run">
              <system-out>the remote takes no state ref: the state is kept on this machine</system-out>
            </testcase>
          </testsuite>
          <testsuite name="streams/alpine" tests="1" failures="0" errors="1" skipped="0">
            <testcase name="3" classname="streams/alpine">
              <error type="import" message="`alpine:3` could not be imported: not-found: `docker.io/library/alpine:3` is not in its registry">streams/alpine.toml: `alpine:3` could not be imported: not-found: `docker.io/library/alpine:3` is not in its registry</error>
            </testcase>
          </testsuite>
          <testsuite name="streams/node" tests="1" failures="0" errors="1" skipped="0">
            <testcase name="22" classname="streams/node">
              <error type="import" message="`node:22` could not be imported: tls: `quay.io` has no certificate that is trusted">streams/node.toml: `node:22` could not be imported: tls: `quay.io` has no certificate that is trusted
        help: set `ca`</error>
            </testcase>
          </testsuite>
          <testsuite name="streams/python" tests="6" failures="0" errors="0" skipped="2">
            <testcase name="3.10" classname="streams/python">
              <system-out>pinstream.lock: `python:3.10` was removed, at 040404040404 (3.10.9)</system-out>
            </testcase>
            <testcase name="3.11" classname="streams/python">
              <skipped message="soaking: seen since 2026-11-24T12:00:00Z, adopted from 2026-12-01T00:00:00Z on"/>
            </testcase>
            <testcase name="3.12" classname="streams/python">
              <system-out>streams/python.toml: `python:3.12` moved from 010101010101 (3.12.4) to 020202020202 (3.12.5\u{1b}[2J)</system-out>
            </testcase>
            <testcase name="3.13-slim-bookworm" classname="streams/python">
              <system-out>streams/python.toml: `python:3.13-slim-bookworm` was added at 060606060606 (3.13.0)</system-out>
            </testcase>
            <testcase name="3.9" classname="streams/python">
              <skipped message="its schedule has not fired"/>
            </testcase>
            <testcase name="latest" classname="streams/python">
              <system-out>streams/python.toml: `python:latest` moved from 010101010101 to 020202020202</system-out>
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
                let shown = junit(&results);
                let document = Document::parse(&shown).unwrap();
                let failure = document.descendants().find(|node| node.has_tag_name("failure")).unwrap();
                // What no XML may hold is its number.
                let held = |text: &str| text.replace('\u{fffe}', "\\u{fffe}").replace('\u{ffff}', "\\u{ffff}");
                let first = &results.findings[0];
                assert!(failure.attribute("message").unwrap().starts_with(&held(&first.message)), "{shown}");
                assert!(failure.text().unwrap().contains(&held(&first.text())), "{shown}");
                let cases = document.descendants().filter(|node| node.has_tag_name("testcase")).count();
                assert_eq!(document.root_element().attribute("tests"), Some(cases.to_string().as_str()));
            }
        }
    }
}
