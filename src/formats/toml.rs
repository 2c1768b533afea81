//! `toml = { path, at }`: a value in a TOML file.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{
    DocumentTree, FileFormat, FileText, SELECT_ONE, Selector, TargetEdit, TargetError, TargetReader, ValueTable,
    WriteSpec,
};
use crate::text::diagnostics::{Problem, SourceFile};
use crate::text::yaml::{YamlNode, YamlValue};

/// Maximum number of keys and lists in a file: each costs hundreds of bytes during parsing.
const ENTRIES_MAX: usize = 200_000;

/// A value in a TOML file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TomlPlace(Selector);

impl FileFormat for TomlPlace {
    type Table = ValueTable;

    fn read(table: &ValueTable, reader: &mut TargetReader<'_, '_>) -> Option<Self> {
        reader.selector(table).map(Self)
    }

    fn keys(&self) -> Vec<(&'static str, &str)> {
        vec![("at", self.0.as_str())]
    }

    fn edits(&self, spec: &WriteSpec<'_>) -> Result<Vec<TargetEdit>, TargetError> {
        let found = self.0.select(spec.text, &*tree(spec.text)?, SELECT_ONE)?;
        found.iter().map(|node| spec.replace_quoted(node)).collect()
    }
}

fn tree(text: &FileText) -> Result<Arc<DocumentTree>, Problem> {
    text.parsed("toml", || documents(&text.file).map(DocumentTree::new))
}

/// Parses a TOML file into its only document.
fn documents(file: &Arc<SourceFile>) -> Result<Vec<Arc<YamlNode>>, Problem> {
    let help = "name a TOML file, or use `marker` for another kind of file";
    if file.text.bytes().filter(|b| matches!(b, b'=' | b'[')).count() > ENTRIES_MAX {
        let message = format!("`{}` has more than {ENTRIES_MAX} keys and lists", file.path);
        return Err(Problem::whole(Some(file), message).help(help));
    }
    if let Some(span) = crate::text::toml::source::too_deep(&file.text) {
        return Err(Problem::at(file, span, "tables are nested too deeply").help(help));
    }
    match DeTable::parse(&file.text) {
        Ok(table) => {
            let span = table.span();
            Ok(vec![map(file, table.get_ref(), span)])
        }
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            Err(Problem::at(file, span, format!("invalid TOML: {}", error.message())).help(help))
        }
    }
}

fn map(file: &SourceFile, table: &DeTable<'_>, span: Range<usize>) -> Arc<YamlNode> {
    let mut entries: Vec<_> = table
        .iter()
        .map(|(key, value)| (node(YamlValue::Quoted(key.get_ref().to_string()), key.span()), value_node(file, value)))
        .collect();
    entries.sort_by_key(|(key, _)| key.span.start);
    node(YamlValue::Map(entries), span)
}

fn value_node(file: &SourceFile, value: &Spanned<DeValue<'_>>) -> Arc<YamlNode> {
    let span = value.span();
    let value = match value.get_ref() {
        DeValue::Table(table) => return map(file, table, span),
        DeValue::Array(items) => YamlValue::List(items.iter().map(|item| value_node(file, item)).collect()),
        DeValue::String(text) => YamlValue::Quoted(text.to_string()),
        _ => YamlValue::Plain(file.text.get(span.clone()).unwrap_or_default().to_owned()),
    };
    node(value, span)
}

fn node(value: YamlValue, span: Range<usize>) -> Arc<YamlNode> {
    Arc::new(YamlNode::plain(value, span))
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
        let full = format!("docker.io/library/python:3.12@{DIGEST}");
        let new = format!("python:3.12@{DIGEST}");
        for (before, after) in [
            ("[app]\nimage = \"python:3\" # here\n", "[app]\nimage = \"NEW\" # here\n"),
            ("\u{feff}app.image='python:3'\r\n[b]\r\n", "\u{feff}app.image='NEW'\r\n[b]\r\n"),
            (
                "app = { x = [1, 2], \"image\"\t=\t\"\"\"python:3\"\"\" }",
                "app = { x = [1, 2], \"image\"\t=\t\"\"\"NEW\"\"\" }",
            ),
            ("# ü\n[app]\nimage = '''\npython:3'''", "# ü\n[app]\nimage = '''NEW'''"),
            ("[app]\nimage = \"\"", "[app]\nimage = \"FULL\""),
            ("[app]\nimage = 3.12\n", "[app]\nimage = \"FULL\"\n"),
        ] {
            let after = after.replace("FULL", &full).replace("NEW", &new);
            at_image(before, &after);
            at_image(&after, &after);
        }
    }

    #[test]
    fn a_value_that_cannot_be_edited_is_reported() {
        at_image("[app]\nimages = 1\n", "1 ! `app` in `a.toml` has no `image`; did you mean `images`?");
        at_image(
            "[app\n",
            "1 ! invalid TOML: unclosed table, expected `]`; name a TOML file, or use `marker` for another kind of file",
        );
        let many = "a = 1\n".repeat(200_001);
        let text = super::super::file_text::FileText::from_bytes("a.toml", many.as_bytes()).unwrap();
        assert!(super::tree(&text).err().unwrap().message.contains("200000"));
        let deep = format!("a = {}", "[".repeat(100));
        let text = super::super::file_text::FileText::from_bytes("a.toml", deep.as_bytes()).unwrap();
        assert!(super::tree(&text).err().unwrap().message.contains("too deeply"));
    }
}
