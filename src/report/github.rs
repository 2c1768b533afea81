//! Findings as workflow commands, of which GitHub, Forgejo and Gitea make annotations at the lines of a change.
//!
//! The form is that of GitHub's documentation, "Workflow commands for GitHub Actions", and of what its runner undoes
//! (actions/runner, `ActionCommand.cs`: `%25`, `%0D`, `%0A`, and in properties `%3A` and `%2C`).

use std::fmt::Write as _;

use super::OutputFormat;
use super::finding::{FilePosition, Finding, FindingLocation, RunResults, Severity};
use crate::text::escape;

/// The longest path that is told, in characters: longer than a system takes one.
const PATH_MAX: usize = 4_096;

/// `results` as commands, one a line; what failed hooks wrote, for who reads the log; and a last line of words.
pub(super) fn github(results: &RunResults) -> String {
    let mut out = String::new();
    for finding in &results.findings {
        let word = match finding.level {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        // Writing to a `String` does not fail.
        let _ = writeln!(out, "::{word} {}::{}", properties(finding), data(&finding.text()));
    }
    for finding in &results.findings {
        let output = OutputFormat::Github.output(&finding.output);
        if !output.is_empty() {
            let _ = writeln!(out, "the hook {} wrote:", escape::terminal(&finding.subject.one));
            for line in output.lines() {
                let _ = writeln!(out, "    {line}");
            }
        }
    }
    if !results.summary.is_empty() {
        out.push_str(&escape::lines(&results.summary));
        out.push('\n');
    }
    out
}

fn properties(finding: &Finding) -> String {
    let mut properties = Vec::new();
    if let Some(FindingLocation { path, span }) = &finding.place {
        properties.push(("file", escape::within(path, PATH_MAX)));
        match span {
            Some(FilePosition::Line(line)) => properties.push(("line", line.to_string())),
            Some(FilePosition::Part(span)) => {
                properties.push(("line", span.line.to_string()));
                properties.push(("endLine", span.end_line.to_string()));
                // Columns are for what stands on one line; the last one is part of it.
                if span.line == span.end_line {
                    properties.push(("col", span.column.to_string()));
                    properties.push(("endColumn", span.end_column.saturating_sub(1).max(span.column).to_string()));
                }
            }
            None => {}
        }
    }
    properties.push(("title", format!("pinstream {}", finding.rule.code())));
    let properties: Vec<String> = properties.iter().map(|(key, value)| format!("{key}={}", property(value))).collect();
    properties.join(",")
}

/// What comes after the second `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, proptest};

    use super::*;
    use crate::report::sample;

    #[test]
    fn a_finding_is_a_command_at_its_line() {
        insta::assert_snapshot!(github(&sample::results()), @r#"
        ::error file=deploy/prod/streams/node.toml,line=3,endLine=3,col=1,endColumn=4,title=pinstream definition::`🐍` is no name of a tag, 100%25%0Ahelp: write `node`
        ::error file=deploy/prod/streams/node.toml,line=3,endLine=4,title=pinstream definition::a table has no end
        ::error file=deploy/prod/streams/big.toml,title=pinstream definition::`streams/big.toml` is too large
        ::error title=pinstream definition::`/etc/policy.toml`: unknown key `hosts`
        ::error file=deploy/prod/streams/python.toml,line=4,title=pinstream lock::`python:3.12` is not pinned%0Ahelp: pinstream update
        ::error file=deploy/prod/pinstream.lock,line=9,title=pinstream unvouched::`python:3.11` is pinned to `sha256:01`, which it does not serve
        ::error file=deploy/prod/pinstream.lock,line=3,title=pinstream unverified::what `node:22` serves could not be asked: <timeout> & "more"
        ::error file=deploy/prod/deploy/web.yaml,line=5,title=pinstream target::`deploy/web.yaml`, line 5: `python:3` stands there
        ::error file=deploy/prod/deploy/web.yaml,line=12,title=pinstream target::`deploy/web.yaml`, line 12: `python:3` stands there
        ::warning title=pinstream hook::`on` of the hook `rollout` means no tag: `x:*`
        ::error title=pinstream run::the remote is gone
        4 pins of 2 streams: 9 findings
        "#);
    }

    #[test]
    fn a_pass_notices_what_moved() {
        insta::assert_snapshot!(github(&sample::of_pass()), @r"
        ::error file=streams/alpine.toml,title=pinstream import::`alpine:3` could not be imported: not-found: `docker.io/library/alpine:3` is not in its registry
        ::error file=streams/node.toml,title=pinstream import::`node:22` could not be imported: tls: `quay.io` has no certificate that is trusted%0Ahelp: set `ca`
        ::notice file=pinstream.lock,title=pinstream move::`python:3.10` was removed, at 040404040404 (3.10.9)
        ::notice file=streams/python.toml,title=pinstream kept::`python:3.11` is not moved to 090909090909: seen since 2026-11-24T12:00:00Z, adopted from 2026-12-01T00:00:00Z on
        ::notice file=streams/python.toml,title=pinstream move::`python:3.12` moved from 010101010101 (3.12.4) to 020202020202 (3.12.5\u{1b}[2J)
        ::notice file=streams/python.toml,title=pinstream move::`python:3.13-slim-bookworm` was added at 060606060606 (3.13.0)
        ::notice file=streams/python.toml,title=pinstream move::`python:latest` moved from 010101010101 to 020202020202
        ::notice file=deploy/web.yaml,line=4,title=pinstream target::the pass wrote what is pinned into `deploy/web.yaml`, lines 4, 12
        ::error file=pinstream.toml,title=pinstream hook::the hook `chat` failed for 2 moves, which stay pending: it ended with exit code 7
        ::notice file=pinstream.toml,title=pinstream hook::the hook `slow` is run by somebody else, for 2 moves
        ::notice title=pinstream run::the remote takes no state ref: the state is kept on this machine
        the hook chat wrote:
            ```
            \u{3a}:error::x
            no such <room>
        2 moved, 1 added, 1 removed, 1 not due, 2 failed; landed as 0f1c2d3e4 on main
        ");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn t9_any_finding_is_one_command(text in any::<String>(), more in "[:,%\n\r\u{1b}\u{85}\u{2028}#a=]{0,16}") {
            for text in [format!("{more}{text}"), format!("{text}{more}")] {
                let results = sample::hostile(&text);
                let shown = github(&results);
                let lines: Vec<&str> = shown.split(['\n', '\r']).filter(|line| !line.is_empty()).collect();
                assert_eq!(lines.len(), results.findings.len(), "{shown:?}");
                for (line, finding) in lines.iter().zip(&results.findings) {
                    // As the runner reads it.
                    let (properties, message) = line.strip_prefix("::error ").unwrap().split_once("::").unwrap();
                    let undone = |text: &str| {
                        text.replace("%3A", ":").replace("%2C", ",").replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
                    };
                    assert_eq!(undone(message), finding.text());
                    let keys: Vec<_> = properties.split(',').map(|one| one.split_once('=').unwrap().0).collect();
                    assert_eq!(keys, ["file", "line", "title"], "{line:?}");
                    assert!(!line.chars().any(escape::is_deceptive), "{line:?}");
                }
            }
        }
    }
}
