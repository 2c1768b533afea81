//! The authentication schemes that a server offers.

/// Returns the schemes of a `WWW-Authenticate` header (RFC 9110, section 11.6.1): the first word of each part, unless that is
/// a parameter.
pub(super) fn schemes_of(challenges: &str) -> Vec<String> {
    let mut is_quoted = false;
    let parts = challenges.split(|c: char| {
        is_quoted ^= c == '"';
        c == ',' && !is_quoted
    });
    let word = |part: &str| part.split_whitespace().next().filter(|word| !word.contains('=')).map(str::to_owned);
    parts.filter_map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_of_one_header_are_told_apart() {
        for (text, expected) in [
            ("Basic realm=\"git\"", &["Basic"][..]),
            ("Negotiate, Basic realm=\"a, b\", charset=\"UTF-8\"", &["Negotiate", "Basic"]),
            ("Bearer realm=\"x\",service=\"y\", basic realm=x", &["Bearer", "basic"]),
            ("", &[]),
        ] {
            assert_eq!(schemes_of(text), expected, "{text}");
        }
    }
}
