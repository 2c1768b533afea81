//! The end of a hook's output, shortened for formats with limited space. The last lines show why the hook failed.

use crate::text::escape;

/// Maximum characters of output in a format that is read as a page or a log.
pub(super) const PAGE_MAX: usize = 20_000;
/// Maximum characters of output in a message among others.
pub(super) const MESSAGE_MAX: usize = 1_000;

/// Returns the last lines of `output` with at most `max` characters, escaped so that none acts in a log, without empty
/// lines around them.
pub(super) fn excerpt(output: &str, max: usize) -> String {
    let output = output.trim_matches('\n').trim_end();
    let Some(excess) = output.chars().count().checked_sub(max + 1) else { return escape::lines(output) };
    let cut = output.char_indices().nth(excess + 1).map_or(0, |(at, _)| at);
    let rest = &output[cut..];
    // A cut line is dropped, unless it is longer than the limit.
    let rest = if output[..cut].ends_with('\n') { rest } else { rest.split_once('\n').map_or(rest, |(_, rest)| rest) };
    format!("[… earlier output omitted …]\n{}", escape::lines(rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, proptest};

    use super::*;

    #[test]
    fn the_last_lines_of_long_output_remain() {
        assert_eq!(excerpt("\n\n  a\nb\n\n", 7), "  a\nb");
        assert_eq!(excerpt("ab\ncd\nef\n", 5), "[… earlier output omitted …]\ncd\nef");
        assert_eq!(excerpt("ab\ncd\nef\n", 4), "[… earlier output omitted …]\nef");
        assert_eq!(excerpt("\u{fc}\u{fc}\u{fc}::x", 3), "[… earlier output omitted …]\n\\u{3a}:x");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn t9_no_line_of_output_acts_in_a_log(text in any::<String>(), more in "[:#\u{1b} \n\r]{0,16}", max in 0usize..20) {
            let text = format!("{text}{more}{text}");
            for shown in [excerpt(&text, PAGE_MAX), excerpt(&text, max)] {
                assert!(!shown.lines().any(|line| line.trim_start().starts_with("::")), "{shown:?}");
                assert!(!shown.contains("##"), "{shown:?}");
                assert!(!shown.chars().any(|c| c != '\n' && escape::is_deceptive(c)), "{shown:?}");
            }
        }
    }
}
