//! Prints problems: file, line and column, the line underlined, and the remedy.
//!
//! At most [`SHOWN_MAX`] are printed in full, the rest is counted. Returns text; never writes to a stream.

use std::fmt;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{Problem, Problems};
use crate::text::escape;

/// The number of problems printed in full.
pub const SHOWN_MAX: usize = 100;
/// The longest source line that is printed, in bytes; for a longer one only the position is given.
const LINE_MAX: usize = 1_000;

/// Output style of rendered problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenderStyle {
    /// With colours, for a terminal.
    Colour,
    /// Plain text.
    Plain,
}

/// Problems as text, each with its source line underlined.
pub struct RenderedProblems<'a>(pub &'a Problems, pub RenderStyle);

impl fmt::Display for RenderedProblems<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let renderer = if self.1 == RenderStyle::Colour { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let problems = &self.0.0;
        for (index, problem) in problems.iter().take(SHOWN_MAX).enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            let shown = renderer.render(&[group(problem)]);
            // Without a source line there is no gutter to align the help with.
            match &problem.help {
                Some(help) if problem.file.is_none() => writeln!(f, "{gap}{shown}\nhelp: {help}")?,
                _ => writeln!(f, "{gap}{shown}")?,
            }
        }
        match problems.len().saturating_sub(SHOWN_MAX) {
            0 => Ok(()),
            1 => writeln!(f, "\n… and 1 more problem"),
            rest => writeln!(f, "\n… and {rest} more problems"),
        }
    }
}

fn group(problem: &Problem) -> Group<'_> {
    let title = Level::ERROR.primary_title(problem.message.as_str());
    let group = match (&problem.file, &problem.span, problem.position()) {
        (Some(file), Some(span), Some((line, column))) => {
            let start = file.text[..span.start].rfind('\n').map_or(0, |at| at + 1);
            let end = file.text[span.start..].find('\n').map_or(file.text.len(), |at| span.start + at);
            let shown = file.text[start..end].trim_end_matches('\r');
            if shown.len() > LINE_MAX {
                title.element(Origin::path(escape::terminal(&file.path)).line(line).char_column(column))
            } else {
                let from = (span.start - start).min(shown.len());
                let to = (span.end.max(span.start) - start).min(shown.len());
                let (shown, [from, to]) = harmless(&escape::mask_credentials(shown), [from, to]);
                let mark = AnnotationKind::Primary.span(from..to);
                let path = escape::terminal(&file.path);
                title.element(Snippet::source(shown).path(path).line_start(line).annotation(mark))
            }
        }
        (Some(file), ..) => title.element(Origin::path(escape::terminal(&file.path))),
        (None, ..) => Group::with_title(title),
    };
    match &problem.help {
        Some(help) if problem.file.is_some() => group.element(Level::HELP.message(help.as_str())),
        _ => group,
    }
}

/// Replaces dangerous characters of a source line, and maps `places` of it to the result. Each character remains one
/// character, so that columns stay the same.
fn harmless(line: &str, places: [usize; 2]) -> (String, [usize; 2]) {
    let (mut shown, mut moved, mut last) = (String::with_capacity(line.len()), places, '\0');
    for (at, c) in line.char_indices().chain([(line.len(), '\n')]) {
        for (moved, _) in moved.iter_mut().zip(places).filter(|(_, place)| *place == at) {
            *moved = shown.len();
        }
        match c {
            '\n' => {}
            '\t' => shown.push(' '),
            // Log readers of CI systems act on `##`.
            c if escape::is_deceptive(c) || (c == '#' && last == '#') => shown.push('\u{fffd}'),
            c => shown.push(c),
        }
        last = c;
    }
    (shown, moved)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::text::diagnostics::SourceFile;

    fn file(text: &str) -> Arc<SourceFile> {
        Arc::new(SourceFile { path: "a.toml".to_owned(), text: text.to_owned() })
    }

    #[track_caller]
    fn check(problems: Vec<Problem>, style: RenderStyle, expected: &str) {
        assert_eq!(RenderedProblems(&Problems(problems), style).to_string(), expected);
    }

    #[test]
    fn a_problem_shows_its_position_the_line_and_a_remedy() {
        let file = file("a = 1\r\nö = \"x\"\r\n");
        check(
            vec![Problem::at(&file, 12..15, "`x` is wrong").help("write `y`")],
            RenderStyle::Plain,
            "error: `x` is wrong\n --> a.toml:2:5\n  |\n2 | ö = \"x\"\n  |     ^^^\n  |\n  = help: write `y`\n",
        );
    }

    #[test]
    fn the_colour_style_prints_escape_sequences() {
        let problem = Problem::at(&file("a = 1"), 4..5, "wrong");
        let text = RenderedProblems(&Problems(vec![problem]), RenderStyle::Colour).to_string();
        assert!(text.contains("\u{1b}["), "{text}");
    }

    #[test]
    fn a_problem_without_a_position_shows_no_line() {
        check(
            vec![Problem::whole(Some(&file("")), "too large"), Problem::whole(None, "nothing there").help("look")],
            RenderStyle::Plain,
            "error: too large\n--> a.toml\n\nerror: nothing there\nhelp: look\n",
        );
    }

    #[test]
    fn terminal_escape_sequences_are_shown_not_sent() {
        let file = file("a = \"\u{1b}[31m\u{202e}\"");
        let problem = Problem::at(&file, 4..5, "`\u{1b}[31m\u{202e}` is wrong").help("\u{7}");
        let text = RenderedProblems(&Problems(vec![problem]), RenderStyle::Plain).to_string();
        assert!(text.contains("`\\u{1b}[31m\\u{202e}` is wrong"), "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{text}");
    }

    #[test]
    fn t9_log_commands_are_escaped_and_the_underline_still_fits() {
        let file = Arc::new(SourceFile { path: "##vso[a].toml".to_owned(), text: "::a = ##vso[b] \"x\"".to_owned() });
        check(
            vec![Problem::at(&file, 15..18, "##[error]`\u{200b}\u{e0041}` is wrong").help("##[c]")],
            RenderStyle::Plain,
            "error: #\\u{23}[error]`\\u{200b}\\u{e0041}` is wrong\n --> #\\u{23}vso[a].toml:1:16\n  |\n\
             1 | ::a = #\u{fffd}vso[b] \"x\"\n  |                ^^^\n  |\n  = help: #\\u{23}[c]\n",
        );
    }

    #[test]
    fn a_very_long_line_is_replaced_by_its_position() {
        let file = file(&format!("a = 1\nb = \"{}\"", "x".repeat(5_000)));
        check(vec![Problem::at(&file, 10..20, "wrong")], RenderStyle::Plain, "error: wrong\n--> a.toml:2:5\n");
    }

    #[test]
    fn positions_at_the_end_of_a_file_and_over_several_lines_are_shown() {
        let file = file("a = [\n1,\n");
        check(
            vec![Problem::at(&file, 4..8, "several"), Problem::at(&file, 9..9, "the end")],
            RenderStyle::Plain,
            "error: several\n --> a.toml:1:5\n  |\n1 | a = [\n  |     ^\n\n\
             error: the end\n --> a.toml:3:1\n  |\n3 |\n  | ^\n",
        );
    }

    #[test]
    fn a_hundred_problems_are_shown_and_the_rest_is_counted() {
        let file = file("a = 1");
        let problems = (0..3_000).map(|_| Problem::at(&file, 0..1, "wrong")).collect();
        let text = RenderedProblems(&Problems(problems), RenderStyle::Plain).to_string();
        assert_eq!(text.matches("error: wrong").count(), 100);
        assert!(text.ends_with("\n… and 2900 more problems\n"), "{text}");
    }
}
