//! Renders findings as workflow commands, which GitHub, Forgejo and Gitea show as annotations.
//!
//! Syntax: GitHub's documentation, "Workflow commands for GitHub Actions"; the runner decodes `%25`, `%0D`, `%0A`, and in
//! properties `%3A` and `%2C` (actions/runner, `ActionCommand.cs`).

use std::fmt::Write as _;

use super::excerpt::{PAGE_MAX, excerpt};
use super::finding::{FilePosition, Finding, FindingLocation, RunResults, Severity};
use super::v1::words::word;
use crate::text::escape;

/// Maximum characters of a path; more than any system allows.
const PATH_MAX: usize = 4_096;

/// Renders one command per line, followed by the output of failed hooks and the summary.
pub(super) fn render(results: &RunResults) -> String {
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
        let output = excerpt(&finding.output, PAGE_MAX);
        if !output.is_empty() {
            let _ = writeln!(out, "output of hook {}:", escape::terminal(&finding.subject.name));
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
    let mut add = |key, value: &str| properties.push(format!("{key}={}", property(value)));
    if let Some(FindingLocation { path, span }) = &finding.place {
        add("file", &escape::truncate(path, PATH_MAX));
        match span {
            Some(FilePosition::Line(line)) => add("line", &line.to_string()),
            Some(FilePosition::Part(span)) => {
                add("line", &span.line.to_string());
                add("endLine", &span.end_line.to_string());
                // Columns are allowed on a single line only; `endColumn` is inclusive.
                if span.line == span.end_line {
                    add("col", &span.column.to_string());
                    add("endColumn", &span.end_column.saturating_sub(1).max(span.column).to_string());
                }
            }
            None => {}
        }
    }
    add("title", &format!("pinstream {}", word(finding.rule)));
    properties.join(",")
}

/// Encodes the text after the second `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Encodes the value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, proptest};

    use super::*;
    use crate::report::tests::sample;

    #[test]
    fn a_finding_is_a_command_with_its_line() {
        insta::assert_snapshot!(render(&sample::results()), @r#"
        ::error file=deploy/prod/streams/node.toml,line=3,endLine=3,col=1,endColumn=4,title=pinstream definition::`🐍` is not a valid tag, 100%25%0Ahelp: write `node`
        ::error file=deploy/prod/streams/node.toml,line=3,endLine=4,title=pinstream definition::unterminated table
        ::error file=deploy/prod/streams/big.toml,title=pinstream definition::`streams/big.toml` is too large
        ::error title=pinstream definition::`/etc/policy.toml`: unknown key `hosts`
        ::error file=deploy/prod/streams/python.toml,line=4,title=pinstream lock::`python:3.12` is not pinned%0Ahelp: run `pinstream update`
        ::error file=deploy/prod/pinstream.lock,line=9,title=pinstream hand-edited::the registry does not serve `sha256:01`, the pin of `python:3.11`
        ::error file=deploy/prod/pinstream.lock,line=3,title=pinstream unverified::the pin of `node:22` could not be verified: <timeout> & "more"
        ::error file=deploy/prod/deploy/web.yaml,line=5,title=pinstream target::expected the pin of `python:3.12`, found `python:5`
        ::error file=deploy/prod/deploy/web.yaml,line=12,title=pinstream target::expected the pin of `python:3.12`, found `python:12`
        ::warning title=pinstream hook::`x:*` in `on` of hook `rollout` matches no tag
        ::error title=pinstream run::the remote is unreachable
        4 pins of 2 streams: 9 findings
        "#);
    }

    #[test]
    fn changes_of_a_pass_are_notices() {
        insta::assert_snapshot!(render(&sample::of_pass()), @r"
            ::error file=streams/alpine.toml,title=pinstream resolve::`alpine:3` could not be resolved: not-found: `docker.io/library/alpine:3` does not exist
            ::error file=streams/node.toml,title=pinstream resolve::`node:22` could not be resolved: tls: TLS handshake with `quay.io` failed%0Ahelp: set `ca`
            ::notice file=pinstream.lock,title=pinstream change::`python:3.10` was removed; previous pin 040404040404 (3.10.9)
            ::notice file=streams/python.toml,title=pinstream held::`python:3.11` is not updated to 090909090909: soaking since 2026-11-24T12:00:00Z, until 2026-12-01T00:00:00Z
            ::notice file=streams/python.toml,title=pinstream change::`python:3.12` was updated from 010101010101 (3.12.4) to 020202020202 (3.12.5\u{1b}[2J)
            ::notice file=streams/python.toml,title=pinstream change::`python:3.13-slim-bookworm` was added at 060606060606 (3.13.0)
            ::warning file=streams/python.toml,title=pinstream resolve::`python:dead` was not tried: failing since 2026-11-24T11:00:00Z (not-found, 3 attempts); next attempt 2026-11-24T12:06:00Z
            ::notice file=streams/python.toml,title=pinstream change::`python:latest` was updated from 010101010101 to 020202020202
            ::notice file=deploy/web.yaml,line=4,title=pinstream target::pins were written to `deploy/web.yaml`, lines 4, 12
            ::error file=pinstream.toml,title=pinstream hook::hook `chat` failed for 2 changes and stays pending: exit code 7
            ::error file=pinstream.toml,title=pinstream hook::hook `slow` is unconfirmed for 2 changes: claimed by another pass until 2026-11-24T12:02:00Z; if that pass does not renew its claim, a later pass runs the hook
            ::notice title=pinstream run::the remote rejects the state ref; state is stored locally
            output of hook chat:
                ```
                \u{3a}:error::x
                no such <room>
            2 updated, 1 added, 1 removed, 1 soaking, 2 skipped, 2 failed; landed as 0f1c2d3e4 on main
        ");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn t9_any_finding_is_one_command(text in any::<String>(), more in "[:,%\n\r\u{1b}\u{85}\u{2028}#a=]{0,16}") {
            for text in [format!("{more}{text}"), format!("{text}{more}")] {
                let results = sample::hostile(&text);
                let shown = render(&results);
                let lines: Vec<&str> = shown.split(['\n', '\r']).filter(|line| !line.is_empty()).collect();
                assert_eq!(lines.len(), results.findings.len(), "{shown:?}");
                for (line, finding) in lines.iter().zip(&results.findings) {
                    // As the runner parses it.
                    let (properties, message) = line.strip_prefix("::error ").unwrap().split_once("::").unwrap();
                    let decoded = |text: &str| {
                        text.replace("%3A", ":").replace("%2C", ",").replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
                    };
                    assert_eq!(decoded(message), finding.text());
                    let keys: Vec<_> = properties.split(',').map(|one| one.split_once('=').unwrap().0).collect();
                    assert_eq!(keys, ["file", "line", "title"], "{line:?}");
                    assert!(!line.chars().any(escape::is_deceptive), "{line:?}");
                }
            }
        }
    }
}
