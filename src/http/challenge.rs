//! `WWW-Authenticate` of a 401, parsed leniently, as real servers write it.
//!
//! Pure: nothing is sent or trusted here. Sources: RFC 9110 section 11, RFC 6750 section 3, the Docker Registry v2
//! token specification.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

use super::redact::quotable;

/// Longest header that is parsed, in bytes.
const HEADER_MAX: usize = 4096;

/// One challenge: a scheme and its parameters; names and scheme are lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Challenge {
    pub(crate) scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// Returns the first parameter `name`, which is lower case.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// Describes the header of a response without a usable challenge.
pub(crate) fn describe_unusable(headers: &HeaderMap) -> String {
    match headers.get_all(WWW_AUTHENTICATE).iter().next_back() {
        None => "without a `WWW-Authenticate` header".to_owned(),
        Some(header) => {
            let header = quotable(&String::from_utf8_lossy(header.as_bytes()));
            format!("with an unsupported `WWW-Authenticate` header: `{header}`")
        }
    }
}

/// Parses all challenges of a response. Unreadable parts are skipped: parameters are optional, an unquoted value ends at
/// the next comma, and bytes that are not UTF-8 are replaced.
pub(crate) fn parse(headers: &HeaderMap) -> Vec<Challenge> {
    let mut found = Vec::new();
    for value in headers.get_all(WWW_AUTHENTICATE) {
        if value.len() <= HEADER_MAX {
            parse_header(&String::from_utf8_lossy(value.as_bytes()), &mut found);
        }
    }
    found
}

fn parse_header(text: &str, found: &mut Vec<Challenge>) {
    let first = found.len();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
        let end = rest.find(|c: char| !is_token(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if name.is_empty() {
            // Not a token: skip to the next comma.
            let Some((_, next)) = rest.split_once(',') else { return };
            rest = next;
            continue;
        }
        match (after.trim_start().strip_prefix('='), &mut found[first..]) {
            (Some(value), [.., challenge]) => {
                // An unterminated string makes its challenge unreadable.
                let Some((value, next)) = parse_value(value.trim_start()) else {
                    found.pop();
                    return;
                };
                challenge.parameters.push((name.to_ascii_lowercase(), value));
                rest = next;
            }
            // A parameter without a scheme belongs to no challenge.
            (Some(value), []) => {
                let Some((_, next)) = parse_value(value.trim_start()) else { return };
                rest = next;
            }
            (None, _) => {
                found.push(Challenge { scheme: name.to_ascii_lowercase(), parameters: Vec::new() });
                rest = after;
            }
        }
    }
}

/// Parses a quoted string, or everything up to the next comma; returns it with the rest of the text.
fn parse_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find(',').unwrap_or(text.len()));
        return Some((value.trim_end().to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}

/// Returns true if `c` may be part of a token (RFC 9110, section 5.6.2).
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(headers: &[&str]) -> HeaderMap {
        let value = |text: &&str| reqwest::header::HeaderValue::from_bytes(text.as_bytes()).unwrap();
        headers.iter().map(|text| (WWW_AUTHENTICATE, value(text))).collect()
    }

    #[track_caller]
    fn check(texts: &[&str], expected: &[&str]) {
        let shown: Vec<String> = parse(&headers(texts))
            .into_iter()
            .map(|Challenge { scheme, parameters }| {
                let parameters: Vec<_> = parameters.iter().map(|(name, value)| format!(" {name}=<{value}>")).collect();
                scheme + &parameters.concat()
            })
            .collect();
        assert_eq!(shown, expected, "{texts:?}");
    }

    #[test]
    fn r07_challenges_are_parsed_leniently() {
        check(&["Basic"], &["basic"]);
        check(&["Basic realm=/"], &["basic realm=</>"]);
        check(&["BASIC Realm = \"x\" "], &["basic realm=<x>"]);
        check(&["Basic realm=My Registry, charset=UTF-8"], &["basic realm=<My Registry> charset=<UTF-8>"]);
        check(&["Bearer realm=https://a/t?x=y,service=s"], &["bearer realm=<https://a/t?x=y> service=<s>"]);
        check(&["Bearer realm=\"https://a/t\" service=\"s\""], &["bearer realm=<https://a/t> service=<s>"]);
        check(&["Bearer realm=\"a\\\"b, c\",,scope=\"d,e\""], &["bearer realm=<a\"b, c> scope=<d,e>"]);
        check(&["Basic realm=\"R\u{e9}gistre\""], &["basic realm=<R\u{e9}gistre>"]);
        check(&[", Negotiate, Basic"], &["negotiate", "basic"]);
        check(&["Negotiate YII=, Basic realm=x"], &["negotiate yii=<>", "basic realm=<x>"]);
        check(&["Basic realm=x", "Bearer realm=y"], &["basic realm=<x>", "bearer realm=<y>"]);
        check(&["Basic realm=x, Bearer realm=\"y\""], &["basic realm=<x>", "bearer realm=<y>"]);
        check(&["Basic, \"?\", Bearer realm=y"], &["basic", "bearer realm=<y>"]);
        check(&["realm=x, Basic"], &["basic"]);
        for unreadable in ["", " , ", "\"", "Bearer realm=\"unclosed", "Bearer realm=\"x\\"] {
            check(&[unreadable], &[]);
        }
        check(&[&format!("Bearer realm=\"{}\"", "x".repeat(5000))], &[]);
        check(&[], &[]);
    }

    #[test]
    fn r07_an_unusable_header_is_quoted() {
        let message = |texts: &[&str]| describe_unusable(&headers(texts));
        assert_eq!(message(&[]), "without a `WWW-Authenticate` header");
        assert_eq!(message(&["Digest `x`"]), "with an unsupported `WWW-Authenticate` header: `Digest \\u{60}x\\u{60}`");
    }
}
