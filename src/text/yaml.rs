//! Parses foreign YAML and JSON into trees whose nodes have byte ranges.
//!
//! Size, depth and number of values are limited. An alias shares the node it refers to and never copies it, so that a
//! small text cannot expand into a large tree. Tags never construct anything but text, lists and maps; local tags are
//! only recorded. Nothing parsed here is written back: [`mod@write`] is for our own YAML.

pub mod write;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, Span, Tag};

use crate::text::diagnostics::{Problem, SourceFile};
use crate::text::escape;

/// The deepest nesting of lists and maps.
const DEPTH_MAX: usize = 64;
/// The largest number of values in one text.
const NODES_MAX: usize = 2_000_000;
/// The number of merges (`<<`) followed for one key.
const MERGES_MAX: usize = 16;

/// A value with its byte range.
#[derive(Debug)]
pub struct YamlNode {
    /// The value.
    pub value: YamlValue,
    /// Its byte range, including quotes but not an anchor.
    pub span: Range<usize>,
    /// Its local tag: `reset` for `!reset`. The rules of the file kind define what it means.
    pub tag: Option<Box<str>>,
    /// True if it has an anchor, so that aliases elsewhere may refer to it.
    pub is_anchored: bool,
    /// True for a block scalar, below `|` or `>`; its byte range is then that of the lines.
    pub is_block: bool,
}

/// The kinds of values.
#[derive(Debug)]
pub enum YamlValue {
    /// A quoted or block scalar.
    Quoted(String),
    /// A plain scalar: text, a number, a boolean, or null.
    Plain(String),
    /// A flow (`[…]`) or block (`-`) sequence.
    List(Vec<Arc<YamlNode>>),
    /// A flow (`{…}`) or block (`key:`) mapping.
    Map(Vec<(Arc<YamlNode>, Arc<YamlNode>)>),
}

impl YamlNode {
    /// Creates a node for a format without anchors and block scalars.
    pub fn plain(value: YamlValue, span: Range<usize>) -> Self {
        Self { value, span, tag: None, is_anchored: false, is_block: false }
    }

    /// Returns the text of a scalar; `None` for null, lists and maps.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            YamlValue::Quoted(text) => Some(text),
            YamlValue::Plain(text) => Some(text.as_str()).filter(|text| !is_null(text)),
            YamlValue::List(_) | YamlValue::Map(_) => None,
        }
    }

    /// Returns true if `span` lies within the node.
    pub fn contains(&self, span: &Range<usize>) -> bool {
        self.span.start <= span.start && span.end <= self.span.end
    }

    /// Returns the items of a list; empty for anything else.
    pub fn items(&self) -> &[Arc<Self>] {
        if let YamlValue::List(items) = &self.value { items } else { &[] }
    }

    /// Returns the keys and values of a map, without merged ones; empty for anything else.
    pub fn entries(&self) -> &[(Arc<Self>, Arc<Self>)] {
        if let YamlValue::Map(entries) = &self.value { entries } else { &[] }
    }

    /// Returns the value of `key`: the map's own, or one merged in (`<<: *base`).
    pub fn get(&self, key: &str) -> Option<&Arc<Self>> {
        self.merged(key, &mut 0)
    }

    fn merged(&self, key: &str, merges: &mut usize) -> Option<&Arc<Self>> {
        let own = |key: &str| self.entries().iter().rfind(|(name, _)| name.text() == Some(key)).map(|(_, value)| value);
        if let Some(found) = own(key) {
            return Some(found);
        }
        let base = own("<<")?;
        let several = base.items();
        let bases = if several.is_empty() { std::slice::from_ref(base) } else { several };
        bases.iter().find_map(|base| {
            *merges += 1;
            if *merges > MERGES_MAX { None } else { base.merged(key, merges) }
        })
    }
}

fn is_null(plain: &str) -> bool {
    matches!(plain, "" | "~" | "null" | "Null" | "NULL")
}

/// Parses the documents of a text, each into a tree.
///
/// # Errors
/// Returns the first syntax error, with its position.
pub fn parse(file: &Arc<SourceFile>) -> Result<Vec<Arc<YamlNode>>, Problem> {
    let mut builder = TreeBuilder { file, open: Vec::new(), anchors: HashMap::new(), nodes: 0, done: Vec::new() };
    for next in Parser::new_from_str(&file.text) {
        let (event, span) = next.map_err(|error| {
            let at = error.marker().byte_offset().unwrap_or(0).min(file.text.len());
            let at = (0..=at).rev().find(|at| file.text.is_char_boundary(*at)).unwrap_or(0);
            Problem::at(file, at..at, format!("invalid YAML: {}", escape::terminal(&error.info())))
        })?;
        builder.handle(event, &span)?;
    }
    Ok(builder.done)
}

/// Calls `look` for each node; a node shared by several aliases is visited once.
pub fn visit(documents: &[Arc<YamlNode>], look: &mut impl FnMut(&YamlNode)) {
    let mut seen = HashSet::new();
    documents.iter().for_each(|document| each_below(document, &mut seen, look));
}

fn each_below(node: &YamlNode, seen: &mut HashSet<*const YamlNode>, look: &mut impl FnMut(&YamlNode)) {
    if !seen.insert(std::ptr::from_ref(node)) {
        return;
    }
    look(node);
    node.items().iter().for_each(|item| each_below(item, seen, look));
    node.entries().iter().for_each(|(_, value)| each_below(value, seen, look));
}

/// Returns the name of a local tag, `!name` (YAML 1.2.2, section 6.8.2, "Tag Handles").
fn local(tag: Option<&Tag>) -> Option<Box<str>> {
    tag.filter(|tag| tag.handle() == "!" && !tag.suffix().is_empty()).map(|tag| tag.suffix().into())
}

/// Builds trees from parser events.
struct TreeBuilder<'a> {
    file: &'a Arc<SourceFile>,
    open: Vec<OpenCollection>,
    /// Values with an anchor, and the number of levels below them.
    anchors: HashMap<usize, (Arc<YamlNode>, usize)>,
    nodes: usize,
    done: Vec<Arc<YamlNode>>,
}

/// A list or map that is still open.
struct OpenCollection {
    start: usize,
    anchor: usize,
    tag: Option<Box<str>>,
    is_map: bool,
    items: Vec<Arc<YamlNode>>,
    /// Number of levels of the items.
    height: usize,
}

impl TreeBuilder<'_> {
    fn handle(&mut self, event: Event<'_>, span: &Span) -> Result<(), Problem> {
        let span = span.byte_range().unwrap_or(0..0);
        match event {
            Event::SequenceStart(_, anchor, tag) => self.open(span.start, anchor, local(tag.as_deref()), false),
            Event::MappingStart(_, anchor, tag) => self.open(span.start, anchor, local(tag.as_deref()), true),
            Event::Scalar(text, style, anchor, tag) => {
                let tag = local(tag.as_deref());
                let text = text.into_owned();
                let value = if style == ScalarStyle::Plain { YamlValue::Plain(text) } else { YamlValue::Quoted(text) };
                let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                self.put(Arc::new(YamlNode { value, span, tag, is_anchored: anchor > 0, is_block }), anchor, 0)
            }
            Event::Alias(id) => match self.anchors.get(&id).cloned() {
                // Walks follow aliases, and the values of one may contain others.
                Some((_, height)) if self.open.len() + height > DEPTH_MAX => Err(self.too_deep(span.start)),
                Some((node, height)) => self.put(node, 0, height),
                None => Err(Problem::at(self.file, span, "an alias refers to a value that contains it")),
            },
            Event::SequenceEnd | Event::MappingEnd => self.open.pop().map_or(Ok(()), |open| self.close(open, span.end)),
            Event::DocumentEnd => {
                self.anchors.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, start: usize, anchor: usize, tag: Option<Box<str>>, is_map: bool) -> Result<(), Problem> {
        if self.open.len() >= DEPTH_MAX {
            return Err(self.too_deep(start));
        }
        self.open.push(OpenCollection { start, anchor, tag, is_map, items: Vec::new(), height: 0 });
        Ok(())
    }

    fn too_deep(&self, at: usize) -> Problem {
        Problem::at(self.file, at..at, format!("lists and maps are nested deeper than {DEPTH_MAX} levels"))
    }

    fn close(&mut self, open: OpenCollection, end: usize) -> Result<(), Problem> {
        let OpenCollection { start, anchor, tag, is_map, items, height } = open;
        let value = if is_map {
            let mut items = items.into_iter();
            let mut entries = Vec::with_capacity(items.len() / 2);
            while let (Some(key), Some(value)) = (items.next(), items.next()) {
                entries.push((key, value));
            }
            YamlValue::Map(entries)
        } else {
            YamlValue::List(items)
        };
        let span = start..end.max(start);
        self.put(Arc::new(YamlNode { value, span, tag, is_anchored: anchor > 0, is_block: false }), anchor, height + 1)
    }

    /// Adds a value that has `height` levels below and including its own, if it is a list or map.
    fn put(&mut self, node: Arc<YamlNode>, anchor: usize, height: usize) -> Result<(), Problem> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            let message = format!("the file has more than {NODES_MAX} values");
            return Err(Problem::at(self.file, node.span.clone(), message));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, (Arc::clone(&node), height));
        }
        match self.open.last_mut() {
            Some(open) => {
                open.height = open.height.max(height);
                open.items.push(node);
            }
            None => self.done.push(node),
        }
        Ok(())
    }
}

/// Converts a tree to JSON by the YAML 1.2 core schema: merges are expanded, and the last of duplicate keys wins.
///
/// # Errors
/// Returns a problem if aliases expand to more values than a text may have.
pub fn to_json(file: &Arc<SourceFile>, node: &YamlNode) -> Result<serde_json::Value, Problem> {
    let mut left = NODES_MAX;
    json(node, &mut left)
        .ok_or_else(|| Problem::at(file, node.span.clone(), format!("aliases expand to more than {NODES_MAX} values")))
}

fn json(node: &YamlNode, left: &mut usize) -> Option<serde_json::Value> {
    use serde_json::Value as Json;
    *left = left.checked_sub(1)?;
    Some(match &node.value {
        YamlValue::Quoted(text) => Json::String(text.clone()),
        YamlValue::Plain(text) => plain(text),
        YamlValue::List(items) => Json::Array(items.iter().map(|item| json(item, left)).collect::<Option<_>>()?),
        YamlValue::Map(entries) => {
            let mut map = serde_json::Map::new();
            let is_merge = |key: &YamlNode| matches!(&key.value, YamlValue::Plain(text) if text == "<<");
            for (_, base) in entries.iter().filter(|(key, _)| is_merge(key)) {
                let several = base.items();
                let bases = if several.is_empty() { std::slice::from_ref(base) } else { several };
                for base in bases.iter().rev() {
                    if let Json::Object(base) = json(base, left)? {
                        map.extend(base);
                    }
                }
            }
            for (key, value) in entries.iter().filter(|(key, _)| !is_merge(key)) {
                map.insert(key.text().unwrap_or_default().to_owned(), json(value, left)?);
            }
            Json::Object(map)
        }
    })
}

fn plain(text: &str) -> serde_json::Value {
    use serde_json::Value as Json;
    match text {
        text if is_null(text) => Json::Null,
        "true" | "True" | "TRUE" => Json::Bool(true),
        "false" | "False" | "FALSE" => Json::Bool(false),
        // JSON numbers are the core-schema numbers that Kubernetes writes; other numbers stay text.
        _ => text.parse().map_or_else(|_| Json::String(text.to_owned()), Json::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Arc<SourceFile> {
        Arc::new(SourceFile { path: "a.yaml".to_owned(), text: text.to_owned() })
    }

    fn error_of(text: &str) -> String {
        let problem = match parse(&file(text)) {
            Err(problem) => problem,
            Ok(documents) => documents.iter().find_map(|document| to_json(&file(text), document).err()).unwrap(),
        };
        let (line, column) = problem.position().unwrap();
        format!("{line}:{column} {}", problem.message)
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let file = file(text);
        let documents = parse(&file).unwrap();
        let json: Vec<_> = documents.iter().map(|document| to_json(&file, document).unwrap().to_string()).collect();
        assert_eq!(json.join("\n"), expected);
    }

    #[test]
    fn documents_are_parsed_by_the_core_schema() {
        check("a: [1, -2.5, yes, true, ~, '1', 0x1]\n", r#"{"a":[1,-2.5,"yes",true,null,"1","0x1"]}"#);
        check("a: 1\n---\n- b\n---\n", "{\"a\":1}\n[\"b\"]\nnull");
        check("a: |\n  one\n  two\nb: >-\n  one\n  two\n", r#"{"a":"one\ntwo\n","b":"one two"}"#);
        check("{\n\t\"a\": {\n\t\t\"b\": []\n\t}\n}\n", r#"{"a":{"b":[]}}"#);
        check("", "");
    }

    #[test]
    fn an_alias_is_the_value_it_refers_to_and_own_keys_override_merged_ones() {
        check(
            "base: &base { image: a, tag: 1 }\nweb:\n  <<: *base\n  tag: 2\n",
            r#"{"base":{"image":"a","tag":1},"web":{"image":"a","tag":2}}"#,
        );
        let text = "x: &x {a: 1}\ny: {<<: [*x, {b: 2}], c: 3}\n";
        let documents = parse(&file(text)).unwrap();
        let y = documents[0].get("y").unwrap();
        for (key, expected) in [("a", Some("1")), ("b", Some("2")), ("c", Some("3")), ("d", None)] {
            assert_eq!(y.get(key).and_then(|node| node.text()), expected, "{key}");
        }
    }

    #[test]
    fn a_local_tag_is_kept_and_makes_nothing_else_of_a_value() {
        let text =
            "a: !reset\nb: !reset null\nc: !own [1]\nd: !own {x: 1}\ne: !!str 1\nf: ! 1\ng: &g !own 'x'\nh: *g\n";
        let documents = parse(&file(text)).unwrap();
        let tags = documents[0].entries().iter().map(|(_, value)| value.tag.as_deref()).collect::<Vec<_>>();
        let own = Some("own");
        assert_eq!(tags, [Some("reset"), Some("reset"), own, own, None, None, own, own]);
        assert_eq!(&text[documents[0].get("b").unwrap().span.clone()], "null");
    }

    #[test]
    fn each_value_has_its_byte_range() {
        let text = "# ü\nweb: &w\n  image: \"nginx:1\" # here\n  other: plain text\n";
        let documents = parse(&file(text)).unwrap();
        let web = documents[0].get("web").unwrap();
        for (key, written) in [("image", "\"nginx:1\""), ("other", "plain text")] {
            assert_eq!(&text[web.get(key).unwrap().span.clone()], written);
        }
    }

    #[test]
    fn invalid_yaml_is_reported_with_its_position() {
        assert!(error_of("a: 1\nb: [1,\n").starts_with("2:4 invalid YAML: "), "{}", error_of("a: 1\nb: [1,\n"));
        assert!(error_of("a: ü\n- b\n").contains(" invalid YAML: "), "{}", error_of("a: ü\n- b\n"));
        assert!(error_of("a: *nobody\n").contains("invalid YAML"));
        assert_eq!(error_of("a: &a [*a]\n"), "1:8 an alias refers to a value that contains it");
    }

    #[test]
    fn t6_depth_and_aliases_are_capped() {
        let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
        assert!(error_of(&deep).ends_with("deeper than 64 levels"));
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let all = vec![format!("*a{}", n - 1); 10].join(", ");
            bomb.push_str(&format!("a{n}: &a{n} [{all}]\n"));
        }
        let chain: String = (1..70).map(|n| format!("a{n}: &a{n} [*a{}]\n", n - 1)).collect();
        assert!(error_of(&format!("a0: &a0 x\n{chain}")).ends_with("deeper than 64 levels"));
        // The tree shares its values, so it is small; expanded it would not be.
        assert!(parse(&file(&bomb)).is_ok());
        assert!(error_of(&bomb).contains("aliases expand to more than"), "{}", error_of(&bomb));
    }
}
