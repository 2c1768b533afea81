//! Encodings of bytes as text: hexadecimal, percent-encoding, and the FNV-1a hash.

use std::fmt::{self, Display, Write as _};

const LOWER: &[u8; 16] = b"0123456789abcdef";
/// Encodes bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(LOWER[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Decodes hexadecimal in either case; `None` for anything else.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| hex_byte(pair.first().copied()?, pair.get(1).copied()?)).collect()
}

fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

/// Percent-encodes all bytes but those that are `plain` (RFC 3986, section 2.1).
pub fn percent_encode(text: &str, plain: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii() && plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Decodes percent-encoding; `None` if an escape is incomplete or the result is not UTF-8.
pub fn percent_decode(text: &str) -> Option<String> {
    let (bytes, is_valid) = decode_percent(text.as_bytes());
    String::from_utf8(bytes).ok().filter(|_| is_valid)
}

/// Decodes percent-encoding; an incomplete escape stays as it is.
pub fn percent_decode_lossy(text: &[u8]) -> Vec<u8> {
    decode_percent(text).0
}

fn decode_percent(mut text: &[u8]) -> (Vec<u8>, bool) {
    let (mut bytes, mut is_valid) = (Vec::with_capacity(text.len()), true);
    while let [first, rest @ ..] = text {
        let byte = match rest {
            [high, low, ..] if *first == b'%' => hex_byte(*high, *low),
            _ => None,
        };
        is_valid &= byte.is_some() || *first != b'%';
        bytes.push(byte.unwrap_or(*first));
        text = if byte.is_some() { &rest[2..] } else { rest };
    }
    (bytes, is_valid)
}

/// Hashes the text of a value with 64-bit FNV-1a (Fowler, Noll, Vo and Eastlake, "The FNV Non-Cryptographic Hash
/// Algorithm"). Fast, and the same on all machines and in all versions; not for anything an attacker may choose.
pub fn fnv1a(value: impl Display) -> u64 {
    struct Fnv1a(u64);
    impl fmt::Write for Fnv1a {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let next = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            self.0 = text.bytes().fold(self.0, next);
            Ok(())
        }
    }
    let mut hash = Fnv1a(0xcbf2_9ce4_8422_2325);
    // Writing to it does not fail.
    let _ = write!(hash, "{value}");
    hash.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, proptest};

    use super::*;

    #[test]
    fn hexadecimal_is_decoded_in_either_case_and_whole() {
        assert_eq!(hex(&[0, 0x9f, 255]), "009fff");
        assert_eq!(from_hex("009FfF"), Some(vec![0, 0x9f, 255]));
        for text in ["0", "0g", "+1", "ä"] {
            assert_eq!(from_hex(text), None, "{text}");
        }
    }

    #[test]
    fn an_incomplete_percent_escape_is_invalid() {
        assert_eq!(percent_encode("a/ä %", |b| b.is_ascii_alphanumeric()), "a%2F%C3%A4%20%25");
        assert_eq!(percent_decode("a%2f%C3%A4").as_deref(), Some("a/ä"));
        for text in ["%", "%2", "%2g", "%ff", "%+1"] {
            assert_eq!(percent_decode(text), None, "{text}");
        }
        assert_eq!(percent_decode_lossy(b"%2g%41%"), b"%2gA%");
    }

    #[test]
    fn fnv_1a_has_its_published_values() {
        assert_eq!(fnv1a(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a("foobar"), 0x8594_4171_f739_67e8);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn encoded_text_is_decoded_unchanged(text in any::<String>()) {
            let encoded = percent_encode(&text, |b| b.is_ascii_alphanumeric());
            assert_eq!(percent_decode(&encoded).as_ref(), Some(&text));
            assert_eq!(from_hex(&hex(text.as_bytes())).as_deref(), Some(text.as_bytes()));
        }
    }
}
