//! Shell variables in Dockerfiles and compose files: `$A`, `${A}`, `${A:-b}`, `${A-b}`, `${A:+b}`.

use crate::model::image::written_repository;

/// Replaces every variable in `text` that has a value or a default; the others remain.
pub(super) fn expand(text: &str, value: impl Fn(&str) -> Option<String> + Copy) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some((length, found)) = variable(rest, value) else {
            out.push('$');
            rest = &rest[1..];
            continue;
        };
        match found {
            Some(found) => out.push_str(&found),
            None => out.push_str(&rest[..length]),
        }
        rest = &rest[length..];
    }
    out.push_str(rest);
    out
}

/// Splits `text` before its only variable, if that ends the text, and returns the name of the variable.
pub(super) fn trailing_variable(text: &str) -> Option<(&str, &str)> {
    let (before, rest) = text.split_once('$')?;
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let name = match rest.strip_prefix('{') {
        // The default does not matter if there is a value.
        Some(braced) => braced.strip_suffix('}')?.split([':', '-', '?']).next()?,
        None => rest,
    };
    (is_name(name) && !rest.contains(['$', '+'])).then_some((before, name))
}

/// Returns the image after the only variable in `text`, if that is its prefix: `nginx:1` of `${PREFIX}nginx:1`.
pub(super) fn after_prefix(text: &str) -> Option<&str> {
    let (length, _) = text.starts_with('$').then(|| variable(text, |_| None))??;
    let rest = &text[length..];
    (rest.starts_with(|c: char| c.is_ascii_alphanumeric()) && !rest.contains('$')).then_some(rest)
}

/// Returns the length of an image in `text` without tag and digest, which follow its last variable; none if a variable
/// decides them.
pub(super) fn repository_length(text: &str) -> Option<usize> {
    let (mut literal, mut end) = (String::new(), 0);
    while let Some(at) = text[end..].find('$') {
        literal.push_str(&text[end..end + at]);
        end += at + variable(&text[end + at..], |_| None)?.0;
    }
    let rest = &text[end..];
    let is_open = literal.contains('@') || written_repository(&literal) != literal || (end > 0 && rest.is_empty());
    (!is_open).then(|| end + written_repository(rest).len())
}

/// Parses the variable at the start of `text`: its length and its value.
fn variable(text: &str, value: impl Fn(&str) -> Option<String> + Copy) -> Option<(usize, Option<String>)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let Some(braced) = text.strip_prefix("${") else {
        let name: String = text[1..].chars().take_while(|c| is_name(*c)).collect();
        return (!name.is_empty()).then(|| (name.len() + 1, value(&name)));
    };
    let end = braced.find('}')?;
    let inner = &braced[..end];
    let (name, modifier) = inner.split_at(inner.find(|c| !is_name(c)).unwrap_or(inner.len()));
    let set = value(name);
    let found = match modifier.split_at(modifier.find(['-', '+', '?']).map_or(modifier.len(), |at| at + 1)) {
        ("", "") => set,
        (":-", default) => set.filter(|set| !set.is_empty()).or_else(|| Some(default.to_owned())),
        ("-", default) => set.or_else(|| Some(default.to_owned())),
        (":+", other) => Some(set.filter(|set| !set.is_empty()).map_or(String::new(), |_| other.to_owned())),
        ("+", other) => Some(set.map_or(String::new(), |_| other.to_owned())),
        _ => set,
    };
    // Nested variables are not expanded.
    Some((end + 3, found.filter(|found| !found.contains('$'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let value = |name: &str| match name {
            "A" => Some("a".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        assert_eq!(expand(text, value), expected);
    }

    #[test]
    fn variables_with_a_value_are_expand() {
        check("$A:${A}-x/$A_", "a:a-x/$A_");
        check("${B:-b} ${B-b} ${EMPTY:-b} ${EMPTY-b}", "b b b ");
        check("${A:+yes}${B:+yes}${A+y}", "yesy");
        check("${A:?needed} ${B:?needed} ${B}", "a ${B:?needed} ${B}");
    }

    #[test]
    fn a_trailing_variable_is_split_off() {
        for (text, expected) in [
            ("$A", Some(("", "A"))),
            ("a/b:${TAG}", Some(("a/b:", "TAG"))),
            ("a:${TAG:-1}", Some(("a:", "TAG"))),
            ("${A}-x", None),
            ("$A$B", None),
            ("${A:-${B}}", None),
            ("${A:+b}", None),
            ("${A", None),
            ("a", None),
            ("$", None),
        ] {
            assert_eq!(trailing_variable(text), expected, "{text}");
        }
    }

    #[test]
    fn f14_a_variable_may_precede_the_image_but_not_decide_its_tag() {
        for (text, image, repository) in [
            ("${PREFIX}nginx:1", Some("nginx:1"), Some("${PREFIX}nginx")),
            ("$REGISTRY/nginx:1@x", None, Some("$REGISTRY/nginx")),
            ("${A}a/${B:-x:1}b", None, Some("${A}a/${B:-x:1}b")),
            ("localhost:5000/$A:1", None, Some("localhost:5000/$A")),
            ("${A}:5000/b:1", None, Some("${A}:5000/b")),
            ("nginx:1", None, Some("nginx")),
            ("nginx:$TAG", None, None),
            ("nginx:1${SUFFIX}", None, None),
            ("nginx:$V-slim", None, None),
            ("nginx@$D", None, None),
            ("${IMAGE}", None, None),
            ("${IMAGE", None, None),
            ("$(IMAGE)nginx", None, None),
        ] {
            assert_eq!(after_prefix(text), image, "{text}");
            assert_eq!(repository_length(text).map(|length| &text[..length]), repository, "{text}");
        }
    }

    #[test]
    fn other_dollar_signs_remain() {
        check("$ ${ $$ a$", "$ ${ $$ a$");
        check("${B:-${C}}", "${B:-${C}}");
    }
}
