//! Text of others, made fit for a message: no control characters, nothing that turns the reading direction, and
//! short.

/// The most characters of a foreign text that get into a message.
const MAX: usize = 200;

/// `text` with whatever could disturb a terminal or a reader escaped, at most 200 characters of it.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::new();
    for (count, c) in text.trim().chars().enumerate() {
        if count == MAX {
            out.push('…');
            break;
        }
        if c.is_control() || c == '`' || is_invisible(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether `c` is a bidirectional control, a zero-width or a line-breaking character.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn what_disturbs_a_reader_is_escaped_and_long_text_is_cut() {
        assert_eq!(plain("a\x1b[31mb\u{202e}c`d\n"), "a\\u{1b}[31mb\\u{202e}c\\u{60}d");
        assert_eq!(plain(&"x".repeat(500)).chars().count(), 201);
        assert_eq!(plain("größe"), "größe");
    }
}
