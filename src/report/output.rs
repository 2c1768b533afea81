//! What a failed hook wrote, as each form has room for it: one `match`, so that no form goes without.
//!
//! The end of it is told, which says why it failed, and no line of it acts where it is told. Where in a form it stands is
//! for that form to say.

use super::OutputFormat;
use crate::text::escape;

/// How many characters are told in a form that is read as a page or a log.
const PAGE_MAX: usize = 20_000;
/// How many are told in one message among others.
const MESSAGE_MAX: usize = 1_000;

impl OutputFormat {
    /// `output` of a hook in this form.
    pub(super) fn output(self, output: &str) -> String {
        match self {
            // A hook's output has bounds already.
            Self::Text => escape::lines(output),
            // A program reads what was written; within JSON nothing of it acts.
            Self::Json => output.to_owned(),
            Self::Markdown | Self::Github | Self::Junit => end(output, PAGE_MAX),
            Self::Sarif | Self::Gitlab => end(output, MESSAGE_MAX),
        }
    }
}

/// The last lines of `output` that have at most `max` characters together, without empty ones around them.
fn end(output: &str, max: usize) -> String {
    let output = output.trim_matches('\n').trim_end();
    let Some(too_much) = output.chars().count().checked_sub(max + 1) else { return escape::lines(output) };
    let cut = output.char_indices().nth(too_much + 1).map_or(0, |(at, _)| at);
    let kept = &output[cut..];
    // A line that is longer than all there is room for has no beginning to go to.
    let kept = if output[..cut].ends_with('\n') { kept } else { kept.split_once('\n').map_or(kept, |(_, rest)| rest) };
    format!("[… what it wrote before is left out …]\n{}", escape::lines(kept))
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;
    use proptest::prelude::{ProptestConfig, any, proptest};

    use super::*;
    use crate::report::exit::Exit;
    use crate::report::finding::{FindingLocation, RunResults, pass};
    use crate::report::text::{RowFilter, text};
    use crate::report::{Render, Report, json, markdown, sample};
    use crate::text::diagnostics::RenderStyle;

    /// A pass whose failed hook wrote something.
    struct Passed(Report);

    impl Render for Passed {
        fn text(&self) -> String {
            text(&self.0, RowFilter::Changes, RenderStyle::Plain)
        }

        fn json(&self) -> String {
            json::json(&self.0, self.0.exit())
        }

        fn markdown(&self) -> String {
            markdown::pass("reconcile", &self.0)
        }

        fn results(&self) -> RunResults {
            let mut results = RunResults::new("reconcile", "", self.0.exit());
            pass::add_report(&mut results, &self.0, Exit::Success, &|_| FindingLocation::whole("streams/a.toml"));
            results
        }
    }

    #[test]
    fn every_form_tells_what_a_failed_hook_wrote() {
        let mut report = sample::report();
        report.hooks[1].output = format!("{}\n````\n::error::x ##[y\nno such <room>\n", "x".repeat(30_000));
        let passed = Passed(report);
        for format in OutputFormat::value_variants() {
            let shown = format.write(&passed);
            let reason = if *format == OutputFormat::Junit { "no such &lt;room&gt;" } else { "no such <room>" };
            assert!(shown.contains(reason), "{format:?}: {shown}");
            assert!(!shown.lines().any(|line| line.trim_start().starts_with("::error::x")), "{format:?}: {shown}");
            assert!(!shown.contains("##["), "{format:?}: {shown}");
        }
    }

    #[test]
    fn of_too_much_the_last_lines_are_kept() {
        assert_eq!(end("\n\n  a\nb\n\n", 7), "  a\nb");
        assert_eq!(end("ab\ncd\nef\n", 5), "[… what it wrote before is left out …]\ncd\nef");
        assert_eq!(end("ab\ncd\nef\n", 4), "[… what it wrote before is left out …]\nef");
        assert_eq!(end("\u{fc}\u{fc}\u{fc}::x", 3), "[… what it wrote before is left out …]\n\\u{3a}:x");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn t9_no_output_acts_where_it_is_told(text in any::<String>(), more in "[:#\u{1b} \n\r]{0,16}", max in 0usize..20) {
            let text = format!("{text}{more}{text}");
            let forms = OutputFormat::value_variants().iter().filter(|format| **format != OutputFormat::Json);
            for shown in forms.map(|format| format.output(&text)).chain([end(&text, max)]) {
                assert!(!shown.lines().any(|line| line.trim_start().starts_with("::")), "{shown:?}");
                assert!(!shown.contains("##"), "{shown:?}");
                assert!(!shown.chars().any(|c| c != '\n' && escape::is_deceptive(c)), "{shown:?}");
            }
        }
    }
}
