//! A report for people: what changed, what failed and why, and one line that sums it up.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::rc::Rc;

use anstyle::{AnsiColor, Color};

use super::{HookOutcome, HookRow, OutputFormat, PassEnd, ProposalOutcome, ProposalRow, Report, TagOutcome, TagRow};
use crate::image_diff::Explanation;
use crate::image_diff::text::lines;
use crate::model::image::TagId;
use crate::model::lock::diff::PinSide;
use crate::model::settings::adoption::HeldUpdate;
use crate::text::diagnostics::RenderStyle;
use crate::text::escape;

/// How many characters of a failure are shown: it may name an image, who has to have signed it, and who did.
const FAILURE_MAX: usize = 1_000;

/// How many lines of one file are named.
const FILE_LINES_MAX: usize = 10;

/// Which tags are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFilter {
    /// Those that moved or failed, and of what moves change only what must not be missed.
    Changes,
    /// Those that moved or failed, and all that moves change.
    Explanations,
    /// All of them.
    Everything,
}

/// `report` as lines of text.
pub fn text(report: &Report, show: RowFilter, style: RenderStyle) -> String {
    let mut out = Page { text: String::new(), style };
    let quiet =
        |row: &&TagRow| matches!(row.outcome, TagOutcome::Unchanged | TagOutcome::NotDue | TagOutcome::NotAsked);
    let rows: Vec<&TagRow> = report.rows.iter().filter(|row| show == RowFilter::Everything || !quiet(row)).collect();
    let words = rows.iter().map(|row| row.outcome.word().len()).max().unwrap_or(0);
    let tags = rows.iter().map(|row| row.tag.to_string().len()).max().unwrap_or(0);
    let ends = ends(report);
    for row in rows {
        out.row(row, words, tags);
        out.explanation(row, &ends, show, words + 2);
    }
    for remote in &report.remotes {
        let url = escape::terminal(&remote.url);
        out.put(format_args!("read {} at {} of {url}\n", remote.name, remote.commit.short()));
    }
    for file in &report.files {
        let verb = if report.end == PassEnd::Planned { "would write" } else { "wrote" };
        let lines: Vec<String> = file.lines.iter().take(FILE_LINES_MAX).map(ToString::to_string).collect();
        let word = if file.lines.len() == 1 { "line" } else { "lines" };
        let more = if file.lines.len() > FILE_LINES_MAX { ", …" } else { "" };
        out.put(format_args!("{verb} {}, {word} {}{more}\n", escape::terminal(&file.path), lines.join(", ")));
    }
    for proposal in &report.proposals {
        out.proposal(proposal);
    }
    for hook in &report.hooks {
        out.hook(hook);
    }
    if let Some(message) = report.message.as_deref().filter(|_| show == RowFilter::Everything) {
        out.put(format_args!("message:\n"));
        for line in escape::lines(message).lines() {
            out.put(format_args!("{}\n", format!("    {line}").trim_end()));
        }
    }
    for note in &report.notes {
        out.put(format_args!("note: {}\n", escape::terminal(note)));
    }
    for error in &report.errors {
        out.put(format_args!("error: {}\n", escape::terminal(&error.message)));
        if let Some(help) = &error.help {
            out.put(format_args!("help: {}\n", escape::within(help, FAILURE_MAX)));
        }
    }
    out.put(format_args!("{}\n", summary(report)));
    out.text
}

/// By an explanation's place in memory, the first tag with it that follows no other.
fn ends(report: &Report) -> HashMap<*const Explanation, &TagId> {
    let mut ends = HashMap::new();
    for row in report.rows.iter().filter(|row| row.follow.is_none()) {
        if let Some(explanation) = &row.explanation {
            ends.entry(Rc::as_ptr(explanation)).or_insert(&row.tag);
        }
    }
    ends
}

/// `2 moved, 97 unchanged; landed as 0f1c2d3ee on main`
pub(super) fn summary(report: &Report) -> String {
    let words = [
        "moved",
        "proposed",
        "deferred",
        "refreshed",
        "added",
        "removed",
        "unchanged",
        "not-due",
        "not-asked",
        "refused",
        "failed",
    ];
    let count = |word: &str| report.rows.iter().filter(|row| row.outcome.word() == word).count();
    let counts: Vec<String> = words
        .iter()
        .map(|word| (count(word), word.replace('-', " ")))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let counts = if counts.is_empty() { "no tags".to_owned() } else { counts.join(", ") };
    let branch = report.branch.as_deref().map_or("the branch".to_owned(), escape::terminal);
    let end = match &report.end {
        PassEnd::Planned => "nothing was written".to_owned(),
        PassEnd::Written => written(report),
        PassEnd::Landed(commit) => format!("landed as {} on {branch}", commit.short()),
        PassEnd::Proposed => format!("{branch} waits for a decision"),
        PassEnd::Unchanged => "nothing to write".to_owned(),
    };
    format!("{counts}; {end}")
}

/// What a pass wrote in a folder.
fn written(report: &Report) -> String {
    let files = match report.files.len() {
        1 => "1 file".to_owned(),
        several => format!("{several} files"),
    };
    let lock = crate::model::lock::FILE_NAME;
    match (report.changes_lock(), report.files.len()) {
        (_, 0) => format!("`{lock}` was written"),
        (true, _) => format!("`{lock}` and {files} were written"),
        (false, 1) => format!("{files} was written"),
        (false, _) => format!("{files} were written"),
    }
}

struct Page {
    text: String,
    style: RenderStyle,
}

impl Page {
    fn row(&mut self, row: &TagRow, words: usize, tags: usize) {
        let word = row.outcome.word();
        let colour = match row.outcome {
            TagOutcome::Updated | TagOutcome::Proposed | TagOutcome::Refreshed => Some(AnsiColor::Yellow),
            TagOutcome::Added => Some(AnsiColor::Green),
            TagOutcome::Removed => Some(AnsiColor::Magenta),
            TagOutcome::Failed(_) | TagOutcome::Deferred => Some(AnsiColor::Red),
            TagOutcome::Held(_) => Some(AnsiColor::Cyan),
            TagOutcome::Unchanged | TagOutcome::NotDue | TagOutcome::NotAsked => None,
        };
        let tag = row.tag.to_string();
        self.coloured(word, colour);
        self.put(format_args!("{:1$}  {tag:tags$}", "", words - word.len()));
        if let TagOutcome::Failed(error) = &row.outcome {
            let kind = Some(error.kind.word()).filter(|kind| *kind != word);
            let kind = kind.map(|kind| format!("{kind}: ")).unwrap_or_default();
            self.put(format_args!("  {kind}{}\n", escape::within(&error.message, FAILURE_MAX)));
            if let Some(help) = &error.help {
                self.put(format_args!("{:1$}help: {2}\n", "", words + tags + 4, escape::terminal(help)));
            }
            return;
        }
        let [old, new] = [&row.old, &row.new].map(Option::as_ref);
        self.sides([old, new].map(|side| side.map(|side| side.digest.short().to_owned())), 12);
        self.sides([old, new].map(|side| side.and_then(version)), 0);
        if let TagOutcome::Held(HeldUpdate { digest, kept }) = &row.outcome {
            self.put(format_args!("  not {}: {}", digest.short(), escape::terminal(&kept.to_string())));
        }
        self.text.truncate(self.text.trim_end().len());
        self.text.push('\n');
    }

    /// What a row's move changes. A tag that moved as another did which it follows refers to that one.
    fn explanation(
        &mut self,
        row: &TagRow,
        ends: &HashMap<*const Explanation, &TagId>,
        show: RowFilter,
        indent: usize,
    ) {
        let Some(explanation) = &row.explanation else { return };
        if let (Some(_), Some(end)) = (&row.follow, ends.get(&Rc::as_ptr(explanation))) {
            if show != RowFilter::Changes {
                self.put(format_args!("{:indent$}as {end}\n", ""));
            }
            return;
        }
        let is_weighty = |line: &String| line.starts_with('!');
        for line in lines(explanation).iter().filter(|line| show != RowFilter::Changes || is_weighty(line)) {
            self.put(format_args!("{:indent$}", ""));
            self.coloured(line, is_weighty(line).then_some(AnsiColor::Red));
            self.text.push('\n');
        }
    }

    /// `old → new`, or one of them where the other is the same or missing.
    fn sides(&mut self, [old, new]: [Option<String>; 2], width: usize) {
        let column = width * 2 + 3 * usize::from(width > 0);
        let text = match (old, new) {
            (Some(old), Some(new)) if old != new => format!("{old} → {new}"),
            (Some(one), _) | (None, Some(one)) => one,
            (None, None) => String::new(),
        };
        self.put(format_args!("  {text:column$}"));
    }

    fn proposal(&mut self, proposal: &ProposalRow) {
        let colour = match &proposal.outcome {
            ProposalOutcome::Created | ProposalOutcome::Refreshed => Some(AnsiColor::Yellow),
            ProposalOutcome::Skipped(_) | ProposalOutcome::Failed(_) => Some(AnsiColor::Red),
            ProposalOutcome::Unchanged | ProposalOutcome::Closed => None,
        };
        self.put(format_args!("proposal {} ", proposal.branch));
        self.coloured(proposal.outcome.word(), colour);
        if let Some(url) = &proposal.url {
            self.put(format_args!("  {}", escape::terminal(url)));
        }
        if let Some(reason) = proposal.outcome.reason() {
            self.put(format_args!(": {}", escape::terminal(reason)));
        }
        self.text.push('\n');
    }

    fn hook(&mut self, hook: &HookRow) {
        let moves = if hook.moves == 1 { "1 move".to_owned() } else { format!("{} moves", hook.moves) };
        let (colour, said) = match &hook.outcome {
            HookOutcome::Succeeded => (AnsiColor::Green, format!("succeeded for {moves}")),
            HookOutcome::Failed(_) => (AnsiColor::Red, format!("failed for {moves}, stays pending")),
            HookOutcome::Running => (AnsiColor::Yellow, format!("is run by somebody else, for {moves}")),
            HookOutcome::Pending => (AnsiColor::Yellow, format!("would run for {moves}")),
            HookOutcome::Refused(_) => (AnsiColor::Red, format!("refused, {moves} stay pending")),
        };
        self.coloured("hook", Some(colour));
        let reason = hook.outcome.reason().map(|reason| format!(": {}", escape::terminal(&reason)));
        self.put(format_args!(" {} {said}{}\n", escape::terminal(&hook.name), reason.unwrap_or_default()));
        for line in OutputFormat::Text.output(&hook.output).lines() {
            self.put(format_args!("    {line}\n"));
        }
    }

    fn coloured(&mut self, text: &str, colour: Option<AnsiColor>) {
        match colour.filter(|_| self.style == RenderStyle::Colour) {
            Some(colour) => {
                let style = anstyle::Style::new().fg_color(Some(Color::Ansi(colour)));
                self.put(format_args!("{style}{text}{style:#}"));
            }
            None => self.text.push_str(text),
        }
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a `String` does not fail.
        let _ = self.text.write_fmt(text);
    }
}

fn version(side: &PinSide) -> Option<String> {
    side.version.as_deref().map(escape::terminal)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, proptest};

    use super::*;
    use crate::git::CommitId;
    use crate::registry::{FailureKind, ResolveError};
    use crate::report::sample;

    #[test]
    fn a_report_shows_what_changed_and_what_failed() {
        insta::assert_snapshot!(text(&sample::report(), RowFilter::Changes, RenderStyle::Plain), @r"
        failed   alpine:3                   not-found: `docker.io/library/alpine:3` is not in its registry
        failed   node:22                    tls: `quay.io` has no certificate that is trusted
                                            help: set `ca`
        removed  python:3.10                040404040404                 3.10.9
        moved    python:3.12                010101010101 → 020202020202  3.12.4 → 3.12.5\u{1b}[2J
        added    python:3.13-slim-bookworm  060606060606                 3.13.0
        moved    python:latest              010101010101 → 020202020202
        read platform at 012345678 of https://git.example/platform/images
        wrote deploy/web.yaml, lines 4, 12
        hook rollout succeeded for 2 moves
            rolling out
            \u{3a}:error::web
        hook chat failed for 2 moves, stays pending: it ended with exit code 7
            ```
            \u{3a}:error::x
            no such <room>
        hook slow is run by somebody else, for 2 moves
        note: the remote takes no state ref: the state is kept on this machine
        2 moved, 1 added, 1 removed, 1 unchanged, 1 not due, 2 failed; landed as 0f1c2d3e4 on main
        ");
    }

    #[test]
    fn all_tags_are_shown_on_request() {
        let mut report = Report { hooks: Vec::new(), notes: Vec::new(), end: PassEnd::Planned, ..sample::report() };
        report.remotes.clear();
        insta::assert_snapshot!(text(&report, RowFilter::Everything, RenderStyle::Plain), @r###"
        failed     alpine:3                   not-found: `docker.io/library/alpine:3` is not in its registry
        failed     node:22                    tls: `quay.io` has no certificate that is trusted
                                              help: set `ca`
        removed    python:3.10                040404040404                 3.10.9
        unchanged  python:3.11                030303030303                 3.11.1
        moved      python:3.12                010101010101 → 020202020202  3.12.4 → 3.12.5\u{1b}[2J
        added      python:3.13-slim-bookworm  060606060606                 3.13.0
        not-due    python:3.9                 070707070707
        moved      python:latest              010101010101 → 020202020202
        would write deploy/web.yaml, lines 4, 12
        2 moved, 1 added, 1 removed, 1 unchanged, 1 not due, 2 failed; nothing was written
        "###);
    }

    #[test]
    fn the_message_of_a_commit_is_shown_with_the_details() {
        let message = Some("pin\n\n## a\n::error::x\n".to_owned());
        let mut report = Report { message, end: PassEnd::Planned, ..sample::report() };
        report.rows.truncate(0);
        let shown = |show| text(&report, show, RenderStyle::Plain);
        assert!(!shown(RowFilter::Explanations).contains("message:"));
        insta::assert_snapshot!(shown(RowFilter::Everything).split_once("message:").unwrap().1, @r"
            pin

            #\u{23} a
            \u{3a}:error::x
        note: the remote takes no state ref: the state is kept on this machine
        no tags; nothing was written
        ");
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        let plain = text(&sample::report(), RowFilter::Everything, RenderStyle::Plain);
        let coloured = text(&sample::report(), RowFilter::Everything, RenderStyle::Colour);
        assert_ne!(plain, coloured);
        assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
    }

    #[test]
    fn the_last_line_says_how_it_ended() {
        let end = |end: PassEnd, rows: usize| {
            let mut report = Report { end, files: Vec::new(), ..sample::report() };
            report.rows.truncate(rows);
            summary(&report)
        };
        let with_files = |rows: usize, files: usize| {
            let mut report = Report { end: PassEnd::Written, ..sample::report() };
            report.rows.truncate(rows);
            report.files = vec![report.files[0].clone(); files];
            written(&report)
        };
        assert_eq!(with_files(0, 1), "1 file was written");
        assert_eq!(with_files(0, 2), "2 files were written");
        assert_eq!(with_files(6, 1), "`pinstream.lock` and 1 file were written");
        assert_eq!(end(PassEnd::Unchanged, 0), "no tags; nothing to write");
        assert_eq!(end(PassEnd::Written, 1), "1 failed; `pinstream.lock` was written");
        assert_eq!(
            end(PassEnd::Landed(CommitId("0123456789ab".to_owned())), 0),
            "no tags; landed as 012345678 on main"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn t9_no_foreign_text_acts_in_a_report(foreign in any::<String>(), start in "[ \n\r\t\u{1b}\u{202e}:#]{0,8}") {
            let foreign = format!("{start}{foreign}");
            let mut report = sample::report();
            for side in report.rows.iter_mut().flat_map(|row| row.old.iter_mut().chain(&mut row.new)) {
                side.version = Some(foreign.clone());
            }
            let error = ResolveError::new(FailureKind::Network, &foreign).help(&foreign);
            report.rows[0].outcome = TagOutcome::Failed(error);
            for hook in &mut report.hooks {
                (hook.name, hook.output) = (foreign.clone(), foreign.clone());
            }
            report.notes = vec![foreign.clone()];
            report.message = Some(foreign.clone());
            report.branch = Some(foreign);
            let shown = text(&report, RowFilter::Everything, RenderStyle::Plain);
            assert!(!shown.chars().any(|c| c != '\n' && escape::is_deceptive(c)), "{shown:?}");
            assert!(!shown.lines().any(|line| line.trim_start().starts_with("::")), "{shown:?}");
            assert!(!shown.contains("##"), "{shown:?}");
        }
    }
}
