//! Renders a pass or check as Markdown tables, for job summaries and comments.
//!
//! Foreign text is put into code spans or escaped, so that nothing in it acts.

use std::fmt::Write as _;

use super::excerpt::{PAGE_MAX, excerpt};
use super::finding::{Finding, FindingLocation, RunResults};
use super::pass::{HookOutcome, ProposalRow, Report};
use super::tag::{Deferral, TagOutcome, TagRow};
use super::text;
use super::v1::words::{KindV1, word};
use crate::image_diff::arrow;
use crate::model::lock::diff::PinSide;
use crate::text::escape::{self, markdown, markdown_code};

/// Maximum number of rows per table; GitHub accepts summaries up to 1 MiB.
const ROWS_MAX: usize = 500;
/// Maximum number of lines of a diff.
const LINES_MAX: usize = 500;

/// Renders the pass of `command`.
pub fn pass(command: &str, report: &Report) -> String {
    let mut page = MarkdownPage::new(command, &text::summary(report));
    page.warnings(&report.rows);
    let is_proposal =
        |outcome: &TagOutcome| matches!(outcome, TagOutcome::Proposed | TagOutcome::Deferred(Deferral::Proposal));
    let is_change = |row: &&TagRow| row.outcome.is_change() || is_proposal(&row.outcome);
    let changes = report.rows.iter().filter(is_change).map(change_row);
    page.table(["tag", "outcome", "digest", "version", "change"], changes);
    page.table(["tag", "outcome", "reason", "help"], report.rows.iter().filter_map(reason_row));
    let files = report.files.iter().map(|file| {
        let lines: Vec<String> = file.lines.iter().map(ToString::to_string).collect();
        [markdown_code(&file.path), lines.join(", ")]
    });
    page.table(["target file", "lines"], files);
    page.table(["proposal", "outcome", "changes", "reason"], report.proposals.iter().map(proposal_row));
    let hooks = report.hooks.iter().map(|hook| {
        let reason = hook.outcome.reason().map(|reason| markdown(&reason)).unwrap_or_default();
        [markdown_code(&hook.name), hook.outcome.word(), hook.changes.to_string(), reason]
    });
    page.table(["hook", "outcome", "changes", "reason"], hooks);
    for hook in report.hooks.iter().filter(|hook| matches!(hook.outcome, HookOutcome::Failed(_))) {
        page.output(&hook.name, &excerpt(&hook.output, PAGE_MAX));
    }
    page.gap();
    for remote in &report.remotes {
        page.item(format_args!("read remote {} at `{}`", markdown_code(remote.name.as_str()), remote.commit.short()));
    }
    for error in &report.errors {
        page.item(format_args!("**error**: {}", markdown(&error.sentence())));
    }
    for note in &report.notes {
        page.item(format_args!("note: {}", markdown(note)));
    }
    page.finish()
}

/// Renders findings, and the diff to the expected files.
pub fn findings(results: &RunResults, diff: Option<&str>) -> String {
    let mut page = MarkdownPage::new(results.command, &results.summary);
    page.table(["level", "location", "message", "help"], results.findings.iter().map(finding_row));
    if let Some(diff) = diff {
        page.diff(diff);
    }
    page.finish()
}

fn finding_row(finding: &Finding) -> [String; 4] {
    let place = finding.place.as_ref().map(|FindingLocation { path, span }| match span {
        Some(spot) => format!("{}, line {}", markdown_code(path), spot.first_line()),
        None => markdown_code(path),
    });
    let help = finding.help.as_deref().map(markdown).unwrap_or_default();
    [word(finding.level), place.unwrap_or_default(), markdown(&finding.message), help]
}

fn change_row(row: &TagRow) -> [String; 5] {
    let digest = |side: &PinSide| format!("`{}`", side.digest.short());
    let version = |side: &PinSide| side.version.as_deref().map(markdown_code);
    let digests = arrow(row.old.as_ref().map(digest), row.new.as_ref().map(digest));
    let versions = arrow(row.old.as_ref().and_then(version), row.new.as_ref().and_then(version));
    let change = match (&row.follow, row.explanation.as_deref()) {
        (Some(followed), _) => format!("follows {}", markdown_code(&followed.to_string())),
        (None, explanation) => {
            let class = explanation.and_then(|one| one.class).map(|class| class.to_string());
            let link = explanation.and_then(|one| one.compare.as_ref()).map(|link| format!("[compare]({link})"));
            class.into_iter().chain(link).collect::<Vec<_>>().join(" ")
        }
    };
    [markdown_code(&row.tag.to_string()), row.outcome.word(), digests, versions, change]
}

/// Returns the row of a tag that fails, is held back or was not resolved in time.
fn reason_row(row: &TagRow) -> Option<[String; 4]> {
    let (why, help) = match &row.outcome {
        TagOutcome::Failed(error) => {
            let note = row.failing_suffix();
            (format!("{}: {}{note}", word(KindV1::from(error.kind)), error.message), error.help.as_deref())
        }
        TagOutcome::BackingOff => (row.skip_note()?, None),
        TagOutcome::Held(update) => (format!("available: `{}`; {}", update.digest.short(), update.reason), None),
        TagOutcome::Deferred(Deferral::Budget) => (row.outcome.skip_reason()?.to_owned(), None),
        _ => return None,
    };
    let tag = markdown_code(&row.tag.to_string());
    Some([tag, row.outcome.word(), markdown(&why), help.map(markdown).unwrap_or_default()])
}

fn proposal_row(row: &ProposalRow) -> [String; 4] {
    // Only plain URLs become links.
    let link = row.url.as_deref().filter(|url| url.starts_with("https://") && url.bytes().all(is_plain));
    let name = markdown_code(&row.branch);
    let name = link.map_or(name.clone(), |url| format!("[{name}]({url})"));
    let reason = row.outcome.reason().map(markdown).unwrap_or_default();
    [name, row.outcome.word(), row.changes.to_string(), reason]
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b":/._-%?=&~".contains(&byte)
}

/// Blocks of Markdown, separated by empty lines.
struct MarkdownPage(String);

impl MarkdownPage {
    fn new(command: &str, summary: &str) -> Self {
        let summary = if summary.is_empty() { String::new() } else { format!(": {}", markdown(summary)) };
        Self(format!("### `pinstream {command}`{summary}\n"))
    }

    /// Lists warnings about changed images, once for all followers.
    fn warnings(&mut self, rows: &[TagRow]) {
        self.gap();
        for row in rows.iter().filter(|row| row.follow.is_none()).take(ROWS_MAX) {
            for warning in row.explanation.iter().flat_map(|one| one.warnings()) {
                self.item(format_args!("**{}: {warning}**", markdown_code(&row.tag.to_string())));
            }
        }
    }

    /// Adds a table, unless it is empty.
    fn table<const N: usize>(&mut self, head: [&str; N], rows: impl Iterator<Item = [String; N]>) {
        let rows: Vec<[String; N]> = rows.collect();
        if rows.is_empty() {
            return;
        }
        self.gap();
        self.put(format_args!("| {} |\n|{}\n", head.join(" | "), " --- |".repeat(N)));
        for row in rows.iter().take(ROWS_MAX) {
            self.put(format_args!("| {} |\n", row.join(" | ")));
        }
        if rows.len() > ROWS_MAX {
            self.put(format_args!("\nand {} more\n", rows.len() - ROWS_MAX));
        }
    }

    /// Adds the output of a hook, unless it is empty.
    fn output(&mut self, hook: &str, output: &str) {
        if !output.is_empty() {
            self.gap();
            self.put(format_args!("Output of {}:\n", markdown_code(hook)));
            self.block("text", output);
        }
    }

    /// Adds escaped lines between fences longer than any in them (CommonMark 0.31, "Fenced code blocks").
    fn block(&mut self, kind: &str, lines: &str) {
        let longest = lines.split(|c| c != '`').map(str::len).max().unwrap_or_default();
        let fence = "`".repeat(longest.max(2) + 1);
        self.gap();
        self.put(format_args!("{fence}{kind}\n{lines}\n{fence}\n"));
    }

    /// Adds a diff.
    fn diff(&mut self, diff: &str) {
        let lines: Vec<&str> = diff.lines().take(LINES_MAX).collect();
        let more = diff.lines().count() - lines.len();
        self.block("diff", &escape::lines(&lines.join("\n")));
        if more > 0 {
            self.put(format_args!("\nand {more} more lines\n"));
        }
    }

    fn finish(self) -> String {
        format!("{}\n", self.0.trim_end())
    }

    fn item(&mut self, text: std::fmt::Arguments<'_>) {
        self.put(format_args!("- {text}\n"));
    }

    fn gap(&mut self) {
        if !self.0.ends_with("\n\n") {
            self.0.push('\n');
        }
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a `String` does not fail.
        let _ = self.0.write_fmt(text);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::{ProptestConfig, any, proptest};
    use pulldown_cmark::{Event, Options, Parser, Tag};

    use super::*;
    use crate::image_diff::Explanation;
    use crate::report::exit::Exit;
    use crate::report::pass::{ProposalOutcome, ReportError};
    use crate::report::tests::sample;

    fn report(foreign: &str) -> Report {
        let mut report = sample::report();
        report.rows[4].explanation = Some(Arc::new(Explanation {
            class: "patch".parse().ok(),
            compare: Some("https://github.com/acme/web/compare/0a...1b".to_owned()),
            becomes_root: true,
            ..Explanation::default()
        }));
        let proposal = |branch: &str, outcome| ProposalRow {
            branch: branch.to_owned(),
            number: Some(7),
            url: Some("https://github.com/acme/web/pull/7".to_owned()),
            changes: 2,
            outcome,
        };
        report.proposals = vec![
            proposal("pinstream/python", ProposalOutcome::Created),
            proposal("pinstream/web", ProposalOutcome::Failed(foreign.to_owned())),
        ];
        report.errors =
            vec![ReportError { exit: Exit::Error, message: foreign.to_owned(), help: Some(foreign.to_owned()) }];
        report
    }

    #[test]
    fn a_pass_is_rendered_as_tables() {
        insta::assert_snapshot!(pass("reconcile", &report("`forge` is gone")), @r"
            ### `pinstream reconcile`: 2 updated, 1 added, 1 removed, 1 unchanged, 2 skipped, 2 failed; landed as 0f1c2d3e4 on main

            - **`python:3.12`: now runs as root**

            | tag | outcome | digest | version | change |
            | --- | --- | --- | --- | --- |
            | `python:3.10` | removed | `040404040404` | `3.10.9` |  |
            | `python:3.12` | updated | `010101010101` → `020202020202` | `3.12.4` → `3.12.5\u{1b}[2J` | patch [compare](https://github.com/acme/web/compare/0a...1b) |
            | `python:3.13-slim-bookworm` | added | `060606060606` | `3.13.0` |  |
            | `python:latest` | updated | `010101010101` → `020202020202` |  | follows `python:3.12` |

            | tag | outcome | reason | help |
            | --- | --- | --- | --- |
            | `alpine:3` | failed | not-found: `docker.io/library/alpine:3` does not exist |  |
            | `node:22` | failed | tls: TLS handshake with `quay.io` failed | set `ca` |
            | `python:dead` | skipped | backing off: failing since 2026-11-24T11:00:00Z (not-found, 3 attempts); next attempt 2026-11-24T12:06:00Z |  |

            | target file | lines |
            | --- | --- |
            | `deploy/web.yaml` | 4, 12 |

            | proposal | outcome | changes | reason |
            | --- | --- | --- | --- |
            | [`pinstream/python`](https://github.com/acme/web/pull/7) | created | 2 |  |
            | [`pinstream/web`](https://github.com/acme/web/pull/7) | failed | 2 | `forge` is gone |

            | hook | outcome | changes | reason |
            | --- | --- | --- | --- |
            | `rollout` | succeeded | 2 |  |
            | `chat` | failed | 2 | exit code 7 |
            | `slow` | running | 2 | claimed by another pass until 2026-11-24T12:02:00Z; if that pass does not renew its claim, a later pass runs the hook |

            Output of `chat`:

            ````text
            ```
            \u{3a}:error::x
            no such <room>
            ````

            - read remote `platform` at `012345678`
            - **error**: `forge` is gone; `forge` is gone
            - note: the remote rejects the state ref; state is stored locally
        ");
    }

    #[test]
    fn findings_are_rendered_as_a_table() {
        insta::assert_snapshot!(findings(&sample::results(), Some("--- a\n+++ b\n-```\n+::error::x\n")), @r#"
        ### `pinstream check`: 4 pins of 2 streams: 9 findings

        | level | location | message | help |
        | --- | --- | --- | --- |
        | error | `deploy/prod/streams/node.toml`, line 3 | `🐍` is not a valid tag, 100% | write `node` |
        | error | `deploy/prod/streams/node.toml`, line 3 | unterminated table |  |
        | error | `deploy/prod/streams/big.toml` | `streams/big.toml` is too large |  |
        | error |  | `/etc/policy.toml`: unknown key `hosts` |  |
        | error | `deploy/prod/streams/python.toml`, line 4 | `python:3.12` is not pinned | run `pinstream update` |
        | error | `deploy/prod/pinstream.lock`, line 9 | the registry does not serve `sha256:01`, the pin of `python:3.11` |  |
        | error | `deploy/prod/pinstream.lock`, line 3 | the pin of `node:22` could not be verified: \<timeout\> \& "more" |  |
        | error | `deploy/prod/deploy/web.yaml`, line 5 | expected the pin of `python:3.12`, found `python:5` |  |
        | error | `deploy/prod/deploy/web.yaml`, line 12 | expected the pin of `python:3.12`, found `python:12` |  |
        | warning |  | `x:*` in `on` of hook `rollout` matches no tag |  |
        | error |  | the remote is unreachable |  |

        ````diff
        --- a
        +++ b
        -```
        +::error::x
        ````
        "#);
    }

    #[test]
    fn no_findings_render_no_table() {
        let mut results = RunResults::new("check", "", Exit::Success);
        results.summary = "4 pins of 1 stream: lock matches the definitions".to_owned();
        let expected = "### `pinstream check`: 4 pins of 1 stream: lock matches the definitions\n";
        assert_eq!(findings(&results, None), expected);
    }

    #[test]
    fn long_tables_and_diffs_are_cut() {
        let mut report = report("x");
        report.rows = vec![report.rows[4].clone(); 600];
        let shown = pass("plan", &report);
        assert!(shown.contains("\nand 100 more\n") && shown.len() < 200_000, "{}", shown.len());
        let shown = findings(&sample::results(), Some(&"+x\n".repeat(510)));
        assert!(shown.ends_with("```\n\nand 10 more lines\n"), "{shown}");
    }

    /// Lists what acts in a page: links, and everything else but text, code, tables, lists and emphasis.
    fn acts(page: &str) -> Vec<String> {
        let acts = |event: Event<'_>| match event {
            Event::Start(Tag::Link { dest_url, .. }) => Some(dest_url.into_string()),
            Event::Start(
                Tag::Image { .. } | Tag::HtmlBlock | Tag::BlockQuote(_) | Tag::Emphasis | Tag::Strikethrough,
            ) => Some(format!("{event:?}")),
            Event::Html(_) | Event::InlineHtml(_) | Event::Rule | Event::HardBreak => Some(format!("{event:?}")),
            _ => None,
        };
        Parser::new_ext(page, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH).filter_map(acts).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn t9_no_foreign_text_acts_in_a_page(text in any::<String>(), more in "[`|@#<>\\[\\]()!*_~\\\\\n]{0,20}") {
            for text in [format!("{text}{more}"), format!("{more}{text}")] {
                let plain = pass("plan", &report("x"));
                let mut report = report(&text);
                for side in report.rows.iter_mut().flat_map(|row| row.old.iter_mut().chain(&mut row.new)) {
                    side.version = side.version.as_ref().map(|_| text.clone());
                }
                report.hooks.iter_mut().for_each(|hook| hook.name.clone_from(&text));
                report.notes = vec![text.clone()];
                let shown = pass("plan", &report);
                assert_eq!(acts(&shown), acts(&plain), "{shown}");
                assert_eq!(shown.lines().count(), plain.lines().count(), "{shown}");
                assert!(!shown.contains("##vso") && !shown.contains("##["), "{shown}");
                report.hooks[1].output.clone_from(&text);
                let shown = pass("plan", &report);
                assert_eq!(acts(&shown), acts(&plain), "{shown}");
                let is_block = |event: &Event<'_>| matches!(event, Event::Start(Tag::CodeBlock(_)));
                assert_eq!(Parser::new(&shown).filter(is_block).count(), usize::from(!text.trim().is_empty()), "{shown}");
                let found = findings(&sample::hostile(&text), Some(&text));
                assert_eq!(acts(&found), Vec::<String>::new(), "{found}");
            }
        }
    }
}
