//! `toml = { path, at }`: a value of a TOML file.

use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::text::diagnostics::{Problem, SourceFile};
use crate::text::yaml::{YamlNode, YamlValue};

use super::text::FileText;
use super::way::Selector;
use super::{TargetError, TextChange, WriteSpec, in_quotes};

/// How many keys and lists a file may have: each takes hundreds of bytes while it is read.
const ENTRIES_MAX: usize = 200_000;

/// What the value at the end of `way` becomes.
pub(super) fn edits(way: &Selector, text: &FileText, writing: &WriteSpec<'_>) -> Result<Vec<TextChange>, TargetError> {
    let found = way.follow(text, text.toml()?)?;
    let new = writing.value(text)?;
    found.iter().map(|node| in_quotes(text, node, &new, quotes)).collect()
}

/// How many quotes stand at each end of a string as it is `written`.
fn quotes(written: &str) -> usize {
    let is_long = written.len() >= 6 && ["\"\"\"", "'''"].iter().any(|long| written.starts_with(long));
    if is_long { 3 } else { 1 }
}

/// A TOML file as a tree, the only document of it.
///
/// # Errors
/// The first thing that is wrong with it, at its place.
pub(super) fn documents(file: &Arc<SourceFile>) -> Result<Vec<Rc<YamlNode>>, Problem> {
    let help = "name a TOML file, or use a `marker` in a file of another kind";
    if file.text.bytes().filter(|b| matches!(b, b'=' | b'[')).count() > ENTRIES_MAX {
        let message = format!("`{}` has more keys and lists than the cap of {ENTRIES_MAX}", file.path);
        return Err(Problem::whole(Some(file), message).help(help));
    }
    if let Some(span) = crate::text::toml::source::too_deep(&file.text) {
        return Err(Problem::at(file, span, "tables stand in each other too deep").help(help));
    }
    match DeTable::parse(&file.text) {
        Ok(table) => {
            let span = table.span();
            Ok(vec![map(file, table.get_ref(), span)])
        }
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            Err(Problem::at(file, span, format!("this is not TOML: {}", error.message())).help(help))
        }
    }
}

fn map(file: &SourceFile, table: &DeTable<'_>, span: Range<usize>) -> Rc<YamlNode> {
    let mut entries: Vec<_> = table
        .iter()
        .map(|(key, value)| (node(YamlValue::Quoted(key.get_ref().to_string()), key.span()), tree(file, value)))
        .collect();
    entries.sort_by_key(|(key, _)| key.span.start);
    node(YamlValue::Map(entries), span)
}

fn tree(file: &SourceFile, value: &Spanned<DeValue<'_>>) -> Rc<YamlNode> {
    let span = value.span();
    let value = match value.get_ref() {
        DeValue::Table(table) => return map(file, table, span),
        DeValue::Array(items) => YamlValue::List(items.iter().map(|item| tree(file, item)).collect()),
        DeValue::String(text) => YamlValue::Quoted(text.to_string()),
        _ => YamlValue::Plain(file.text.get(span.clone()).unwrap_or_default().to_owned()),
    };
    node(value, span)
}

fn node(value: YamlValue, span: Range<usize>) -> Rc<YamlNode> {
    Rc::new(YamlNode::plain(value, span))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DIGEST, check};

    #[track_caller]
    fn at_image(toml: &str, expected: &str) {
        check("toml = { path = \"a.toml\", at = \"app.image\" }", "a.toml", toml, expected);
    }

    #[test]
    fn each_style_of_a_value_is_kept() {
        let new = format!("docker.io/library/python:3.12@{DIGEST}");
        for (before, after) in [
            ("[app]\nimage = \"python:3\" # here\n", "[app]\nimage = \"NEW\" # here\n"),
            ("\u{feff}app.image='python:3'\r\n[b]\r\n", "\u{feff}app.image='NEW'\r\n[b]\r\n"),
            (
                "app = { x = [1, 2], \"image\"\t=\t\"\"\"python:3\"\"\" }",
                "app = { x = [1, 2], \"image\"\t=\t\"\"\"NEW\"\"\" }",
            ),
            ("# ü\n[app]\nimage = '''\npython:3'''", "# ü\n[app]\nimage = '''NEW'''"),
            ("[app]\nimage = \"\"", "[app]\nimage = \"NEW\""),
            ("[app]\nimage = 3.12\n", "[app]\nimage = \"NEW\"\n"),
        ] {
            at_image(before, &after.replace("NEW", &new));
            at_image(&after.replace("NEW", &new), &after.replace("NEW", &new));
        }
    }

    #[test]
    fn what_cannot_be_written_over_says_so() {
        at_image("[app]\nimages = 1\n", "1 ! `app` of `a.toml` has no `image`; did you mean `images`?");
        at_image(
            "[app\n",
            "1 ! invalid TOML: unclosed table, expected `]`; name a TOML file, or use a `marker` in a file of another kind",
        );
        let many = "a = 1\n".repeat(200_001);
        let text = super::super::text::FileText::new("a.toml", many.as_bytes()).unwrap();
        assert!(text.toml().err().unwrap().message.contains("200000"));
        let deep = format!("a = {}", "[".repeat(100));
        let text = super::super::text::FileText::new("a.toml", deep.as_bytes()).unwrap();
        assert!(text.toml().err().unwrap().message.contains("too deep"));
    }
}
