//! Checks of the class of every byte, eight bytes at a time.
//!
//! A lock of 10 000 tags has 60 000 digests, and the compiler does not vectorize loops if it optimizes for size. Each
//! check computes a word in which the highest bit of a byte is set if the byte is in the class.

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);

/// Returns whether all bytes are lower-case hexadecimal digits.
pub fn is_lower_hex(text: &str) -> bool {
    let class = |word: u64| {
        // With bytes below 0x80, adding 0x80 - n sets the highest bit of those that are at least n.
        let at_least = |byte: u64| word.wrapping_add((0x80 - byte) * ONES);
        let digits = at_least(0x30) & !at_least(0x3a);
        let letters = at_least(0x61) & !at_least(0x67);
        digits | letters
    };
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    words.iter().map(|bytes| u64::from_ne_bytes(*bytes)).all(|word| word & HIGH == 0 && class(word) & HIGH == HIGH)
        && rest.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Returns whether no byte is an ASCII control character.
pub fn has_no_control(text: &str) -> bool {
    // Only a byte in the class borrows from the next one, so the result is exact for the word as a whole.
    let class = |word: u64| {
        let below_space = word.wrapping_sub(0x20 * ONES) & !word;
        let delete = word ^ (0x7f * ONES);
        below_space | (delete.wrapping_sub(ONES) & !delete)
    };
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    words.iter().all(|bytes| class(u64::from_ne_bytes(*bytes)) & HIGH == 0) && !rest.iter().any(u8::is_ascii_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares both checks with those of each character, at every position of a text of `length`.
    #[track_caller]
    fn check(length: usize) {
        for c in (0..=0xff_u8).map(char::from) {
            for at in 0..length {
                let text: String = (0..length).map(|index| if index == at { c } else { 'f' }).collect();
                let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
                assert_eq!(is_lower_hex(&text), text.chars().all(is_hex), "{text:?}");
                assert_eq!(has_no_control(&text), !text.chars().any(|c| c.is_ascii_control()), "{text:?}");
            }
        }
    }

    #[test]
    fn whole_words_are_checked() {
        check(16);
    }

    #[test]
    fn the_rest_after_the_last_word_is_checked() {
        check(11);
        check(3);
    }
}
