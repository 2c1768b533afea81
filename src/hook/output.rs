//! The output of a hook: bounded while it is read, without secrets, and escaped for a terminal.
//!
//! The beginning and the end of a long output are kept: the beginning shows what the hook tried, the end why it failed.

use std::collections::VecDeque;
use std::fmt::Write as _;

use crate::http::SecretMask;
use crate::text::escape;

/// The bytes that are kept of the beginning, and again of the end.
const PART: usize = 64 << 10;

/// The beginning and the end of an output.
#[derive(Debug, Default)]
pub(super) struct CapturedOutput {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    omitted: u64,
}

impl CapturedOutput {
    /// Appends what was read.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let (first, rest) = bytes.split_at(bytes.len().min(PART - self.head.len()));
        self.head.extend_from_slice(first);
        let newest = &rest[rest.len().saturating_sub(PART)..];
        let over = (self.tail.len() + newest.len()).saturating_sub(PART);
        self.tail.drain(..over);
        self.tail.extend(newest);
        self.omitted += (rest.len() - newest.len() + over) as u64;
    }

    /// Returns the output, masked and escaped for a terminal.
    pub(super) fn text(mut self, mask: &SecretMask) -> String {
        let tail = self.tail.make_contiguous();
        if self.omitted == 0 {
            self.head.extend_from_slice(tail);
            return escaped(&mask.apply(&String::from_utf8_lossy(&self.head)));
        }
        // A cut may split a character; its halves are omitted with the rest.
        let begun = self.head.utf8_chunks().last().map_or(0, |chunk| chunk.invalid().len());
        let head = &self.head[..self.head.len() - begun];
        let ended = tail.iter().take(3).take_while(|byte| (0x80..0xC0).contains(*byte)).count();
        let mut text = escaped(&mask.apply_to_beginning(&String::from_utf8_lossy(head)));
        let between = if text.ends_with('\n') { "" } else { "\n" };
        let _ = writeln!(text, "{between}[… {} bytes omitted …]", self.omitted);
        text.push_str(&escaped(&mask.apply_to_end(&String::from_utf8_lossy(&tail[ended..]))));
        text
    }
}

/// Escapes everything that a terminal acts on except line ends and tabs. A carriage return, which progress bars use, ends a
/// line.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.replace("\r\n", "\n").replace('\r', "\n").chars() {
        match character {
            '\n' | '\t' => out.push(character),
            _ if escape::is_deceptive(character) => out.extend(character.escape_unicode()),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{ProptestConfig, any, prop_oneof, proptest};
    use proptest::sample::select;
    use proptest::strategy::{Just, Strategy as _};

    use super::*;

    #[track_caller]
    fn check(pushes: &[&[u8]], expected: &str) {
        let mut kept = CapturedOutput::default();
        pushes.iter().for_each(|bytes| kept.push(bytes));
        assert_eq!(kept.text(&SecretMask::default()), expected);
    }

    #[test]
    fn a_short_output_is_kept_whole() {
        check(&[b"a", b"", b"b\n"], "ab\n");
        check(&["gr\u{fc}n \u{2713}".as_bytes()], "gr\u{fc}n \u{2713}");
        check(&[b"\xe2\x9c", b"\x93"], "\u{2713}");
        check(&[b"bad \xff byte"], "bad \u{fffd} byte");
    }

    #[test]
    fn what_a_terminal_acts_on_is_escaped() {
        check(&[b"\x1b[31mred\x07\x00\x7f"], "\\u{1b}[31mred\\u{7}\\u{0}\\u{7f}");
        check(&["\u{202e}evil\u{9b}2J\u{feff}".as_bytes()], "\\u{202e}evil\\u{9b}2J\\u{feff}");
        check(&[b"10%\r20%\r\nend\tx"], "10%\n20%\nend\tx");
    }

    #[test]
    fn t30_of_a_long_output_both_ends_are_kept_in_bounded_memory() {
        let mut kept = CapturedOutput::default();
        kept.push(&[b'a'; PART]);
        for _ in 0..1000 {
            kept.push(&[b'b'; 100_000]);
        }
        kept.push(&[b'c'; PART]);
        assert!(kept.head.capacity() + kept.tail.capacity() <= 4 * PART, "{}", kept.tail.capacity());
        let (a, c) = ("a".repeat(PART), "c".repeat(PART));
        assert_eq!(kept.text(&SecretMask::default()), format!("{a}\n[… 100000000 bytes omitted …]\n{c}"));
    }

    #[test]
    fn a_cut_splits_no_character() {
        let mut kept = CapturedOutput::default();
        kept.push(&[b'a'; PART - 1]);
        kept.push("\u{2713}\u{2713}".repeat(PART / 3).as_bytes());
        let text = kept.text(&SecretMask::default());
        assert!(!text.contains('\u{fffd}'));
        assert!(text.starts_with(&format!("{}\n[…", "a".repeat(PART - 1))) && text.ends_with('\u{2713}'));
        let mut whole = CapturedOutput::default();
        whole.push("\u{fc}".repeat(PART / 2).as_bytes());
        whole.push(&[b'x'; PART + 1]);
        assert!(whole.text(&SecretMask::default()).starts_with(&format!("{}\n[… 1 bytes", "\u{fc}".repeat(PART / 2))));
    }

    const COMMANDS: [&str; 8] = ["::", "::set-output name=a::b", "::stop-commands::x", "##[", "##", "#", "[", ":"];
    const BLANKS: [&str; 10] = ["\n", "\r", "\r\n", "\t", " ", "\u{85}", "\u{a0}", "\u{2028}", "\u{3000}", "\u{feff}"];

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// GitHub's runner (actions/runner, `ActionCommand.TryParseV2` and `TryParse`) finds a command at the start of a line,
        /// after what .NET calls white space, or in the older form anywhere in a line.
        #[test]
        fn t9_no_output_is_a_command_for_the_log_reader(
            pushes in vec(
                prop_oneof![
                    vec(any::<u8>(), 0..20),
                    select(&COMMANDS[..]).prop_map(|text| text.as_bytes().to_vec()),
                    select(&BLANKS[..]).prop_map(|text| text.as_bytes().to_vec()),
                    Just(vec![b'x'; PART]),
                ],
                0..12,
            ),
        ) {
            let mut kept = CapturedOutput::default();
            pushes.iter().for_each(|bytes| kept.push(bytes));
            let shown = escape::lines(&kept.text(&SecretMask::default()));
            for line in shown.split(['\n', '\r']) {
                assert!(!line.trim_start().starts_with("::") && !line.contains("##"), "{line:?}");
            }
        }
    }
}
