//! YAML and JSON that others wrote, as trees whose values know their bytes.
//!
//! Caps stand before and within the parser: bytes, depth, values. An alias is the value it names, shared and never
//! copied, so that a small text cannot become a large tree. No tag of YAML makes anything but text, lists and maps; a
//! local one is only kept. What was read is never written: [`mod@write`] is for YAML of our own.

pub mod write;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, Span, Tag};

use crate::text::diagnostics::{Problem, SourceFile};
use crate::text::escape;

/// How deep lists and maps may stand in each other.
const DEPTH_MAX: usize = 64;
/// How many values one text may hold.
const NODES_MAX: usize = 2_000_000;
/// How many merges (`<<`) are followed for one key.
const MERGES_MAX: usize = 16;

/// A value and the bytes it was written in.
#[derive(Debug)]
pub struct YamlNode {
    /// The value.
    pub value: YamlValue,
    /// Its bytes in the text: quotes are part of them, an anchor is not.
    pub span: Range<usize>,
    /// The local tag before it, `reset` of `!reset`: what it means is for the file's own rules to say.
    pub tag: Option<Box<str>>,
    /// Whether it has an anchor, so that aliases may stand for it elsewhere.
    pub is_anchored: bool,
    /// Whether it is text in a block, below `|` or `>`: its bytes are then those of the lines.
    pub is_block: bool,
}

/// What a value is.
#[derive(Debug)]
pub enum YamlValue {
    /// A scalar that stands in quotes, or in a block.
    Quoted(String),
    /// A scalar without quotes: text, a number, a truth value, or nothing at all.
    Plain(String),
    /// `[…]`, or lines with `-`
    List(Vec<Rc<YamlNode>>),
    /// `{…}`, or lines with `key:`
    Map(Vec<(Rc<YamlNode>, Rc<YamlNode>)>),
}

impl YamlNode {
    /// A value of a text that is no YAML, and has neither anchors nor blocks.
    pub fn plain(value: YamlValue, span: Range<usize>) -> Self {
        Self { value, span, tag: None, is_anchored: false, is_block: false }
    }

    /// The text of a scalar; none where it is nothing, a list or a map.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            YamlValue::Quoted(text) => Some(text),
            YamlValue::Plain(text) => Some(text.as_str()).filter(|text| !is_null(text)),
            YamlValue::List(_) | YamlValue::Map(_) => None,
        }
    }

    /// Whether `span` lies within its bytes.
    pub fn contains(&self, span: &Range<usize>) -> bool {
        self.span.start <= span.start && span.end <= self.span.end
    }

    /// The values of a list; none of anything else.
    pub fn items(&self) -> &[Rc<Self>] {
        match &self.value {
            YamlValue::List(items) => items,
            _ => &[],
        }
    }

    /// The keys and values of a map; none of anything else. What is merged into it is not among them.
    pub fn entries(&self) -> &[(Rc<Self>, Rc<Self>)] {
        match &self.value {
            YamlValue::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value of `key`: its own, else the one that a merge (`<<: *base`) brings.
    pub fn get(&self, key: &str) -> Option<&Rc<Self>> {
        self.merged(key, &mut 0)
    }

    fn merged(&self, key: &str, merges: &mut usize) -> Option<&Rc<Self>> {
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

/// The documents of a text, each as a tree.
///
/// # Errors
/// The first thing that is wrong with it, at its place.
pub fn parse(file: &Arc<SourceFile>) -> Result<Vec<Rc<YamlNode>>, Problem> {
    let mut builder = TreeBuilder { file, open: Vec::new(), anchors: HashMap::new(), nodes: 0, done: Vec::new() };
    for next in Parser::new_from_str(&file.text) {
        let (event, span) = next.map_err(|error| {
            let at = error.marker().byte_offset().unwrap_or(0).min(file.text.len());
            let at = (0..=at).rev().find(|at| file.text.is_char_boundary(*at)).unwrap_or(0);
            Problem::at(file, at..at, format!("this is not YAML: {}", escape::terminal(&error.info())))
        })?;
        builder.take(event, &span)?;
    }
    Ok(builder.done)
}

/// Shows each value of trees to `look`; what several aliases name is shown once.
pub fn visit(documents: &[Rc<YamlNode>], look: &mut impl FnMut(&YamlNode)) {
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

/// The name of a local tag, `!name` (YAML 1.2.2, section 6.8.2, "Tag Handles").
fn local(tag: Option<&Tag>) -> Option<Box<str>> {
    tag.filter(|tag| tag.handle() == "!" && !tag.suffix().is_empty()).map(|tag| tag.suffix().into())
}

/// The trees of a text that are still open, and what came of it so far.
struct TreeBuilder<'a> {
    file: &'a Arc<SourceFile>,
    open: Vec<OpenCollection>,
    anchors: HashMap<usize, Rc<YamlNode>>,
    nodes: usize,
    done: Vec<Rc<YamlNode>>,
}

/// A list or a map whose end has not come yet.
struct OpenCollection {
    start: usize,
    anchor: usize,
    tag: Option<Box<str>>,
    is_map: bool,
    items: Vec<Rc<YamlNode>>,
}

impl TreeBuilder<'_> {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), Problem> {
        let span = span.byte_range().unwrap_or(0..0);
        match event {
            Event::SequenceStart(_, anchor, tag) => self.open(span.start, anchor, local(tag.as_deref()), false),
            Event::MappingStart(_, anchor, tag) => self.open(span.start, anchor, local(tag.as_deref()), true),
            Event::Scalar(text, style, anchor, tag) => {
                let tag = local(tag.as_deref());
                let text = text.into_owned();
                let value = if style == ScalarStyle::Plain { YamlValue::Plain(text) } else { YamlValue::Quoted(text) };
                let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                self.put(Rc::new(YamlNode { value, span, tag, is_anchored: anchor > 0, is_block }), anchor)
            }
            Event::Alias(id) => match self.anchors.get(&id).cloned() {
                Some(node) => self.put(node, 0),
                None => Err(self.wrong(span, "an alias names a value that holds it")),
            },
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => self.close(open, span.end),
                None => Ok(()),
            },
            Event::DocumentEnd => {
                self.anchors.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, start: usize, anchor: usize, tag: Option<Box<str>>, is_map: bool) -> Result<(), Problem> {
        if self.open.len() >= DEPTH_MAX {
            let message = format!("lists and maps stand in each other deeper than the cap of {DEPTH_MAX} levels");
            return Err(self.wrong(start..start, &message));
        }
        self.open.push(OpenCollection { start, anchor, tag, is_map, items: Vec::new() });
        Ok(())
    }

    fn close(&mut self, open: OpenCollection, end: usize) -> Result<(), Problem> {
        let OpenCollection { start, anchor, tag, is_map, items } = open;
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
        self.put(
            Rc::new(YamlNode { value, span: start..end.max(start), tag, is_anchored: anchor > 0, is_block: false }),
            anchor,
        )
    }

    fn put(&mut self, node: Rc<YamlNode>, anchor: usize) -> Result<(), Problem> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            let message = format!("the file holds more values than the cap of {NODES_MAX}");
            return Err(self.wrong(node.span.clone(), &message));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        match self.open.last_mut() {
            Some(open) => open.items.push(node),
            None => self.done.push(node),
        }
        Ok(())
    }

    fn wrong(&self, span: Range<usize>, message: &str) -> Problem {
        Problem::at(self.file, span, message)
    }
}

/// A tree as JSON has it, by the core schema of YAML 1.2: what is merged is written out, a later key wins.
///
/// # Errors
/// Where aliases make it larger than any text may be.
pub fn to_json(file: &Arc<SourceFile>, node: &YamlNode) -> Result<serde_json::Value, Problem> {
    let mut left = NODES_MAX;
    json(node, &mut left).ok_or_else(|| {
        Problem::at(file, node.span.clone(), format!("aliases make more values of this than the cap of {NODES_MAX}"))
    })
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
        // JSON's numbers are those of the core schema that Kubernetes writes; any other stays the text it is.
        _ => match text.parse::<serde_json::Number>() {
            Ok(number) => Json::Number(number),
            Err(_) => Json::String(text.to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Arc<SourceFile> {
        Arc::new(SourceFile { path: "a.yaml".to_owned(), text: text.to_owned() })
    }

    fn wrong(text: &str) -> String {
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
    fn documents_are_trees_by_the_core_schema() {
        check("a: [1, -2.5, yes, true, ~, '1', 0x1]\n", r#"{"a":[1,-2.5,"yes",true,null,"1","0x1"]}"#);
        check("a: 1\n---\n- b\n---\n", "{\"a\":1}\n[\"b\"]\nnull");
        check("a: |\n  one\n  two\nb: >-\n  one\n  two\n", r#"{"a":"one\ntwo\n","b":"one two"}"#);
        check("{\n\t\"a\": {\n\t\t\"b\": []\n\t}\n}\n", r#"{"a":{"b":[]}}"#);
        check("", "");
    }

    #[test]
    fn an_alias_is_the_value_it_names_and_a_merge_gives_way_to_own_keys() {
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
    fn each_value_knows_its_bytes() {
        let text = "# ü\nweb: &w\n  image: \"nginx:1\" # here\n  other: plain text\n";
        let documents = parse(&file(text)).unwrap();
        let web = documents[0].get("web").unwrap();
        for (key, written) in [("image", "\"nginx:1\""), ("other", "plain text")] {
            assert_eq!(&text[web.get(key).unwrap().span.clone()], written);
        }
    }

    #[test]
    fn what_is_not_yaml_is_named_by_its_place() {
        assert!(wrong("a: 1\nb: [1,\n").starts_with("2:4 this is not YAML: "), "{}", wrong("a: 1\nb: [1,\n"));
        assert!(wrong("a: ü\n- b\n").contains(" this is not YAML: "), "{}", wrong("a: ü\n- b\n"));
        assert!(wrong("a: *nobody\n").contains("not YAML"));
        assert_eq!(wrong("a: &a [*a]\n"), "1:8 an alias names a value that holds it");
    }

    #[test]
    fn t6_depth_and_aliases_are_capped() {
        let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
        assert!(wrong(&deep).ends_with("deeper than the cap of 64 levels"));
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let all = vec![format!("*a{}", n - 1); 10].join(", ");
            bomb.push_str(&format!("a{n}: &a{n} [{all}]\n"));
        }
        // The tree shares its values, so it is small; written out it would not be.
        assert!(parse(&file(&bomb)).is_ok());
        assert!(wrong(&bomb).contains("aliases make more values"), "{}", wrong(&bomb));
    }
}
