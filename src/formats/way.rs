//! The way to a value in a tree: `spec.containers[name=web].image`.
//!
//! `a.b` goes into maps, `"a.b"` is one key with a dot, `[0]` is an item of a list, `[*]` is each of them, and
//! `[name=web]` keeps what has that: items of a list, or the documents of a file where it stands first.

use std::collections::HashSet;
use std::rc::Rc;
use std::str::FromStr;

use crate::model::image::NameError;
use crate::text::diagnostics::{Problem, nearest};
use crate::text::yaml::YamlNode;

use super::text::FileText;
use super::tree::{DocumentTree, NoMatch};
use super::{TargetError, list};

mod to;

pub(super) use to::to;

/// The longest way, in bytes.
const LENGTH_MAX: usize = 1_000;
/// What a way looks like.
const FORM: &str = "as `spec.containers[name=web].image`; a key with a dot stands in quotes, as `metadata.\"a.b\"`";

/// A way from the top of a file to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    text: String,
    steps: Vec<SelectorStep>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum SelectorStep {
    /// Into the value of a key.
    Key(String),
    /// To an item of a list, from 0.
    Item(usize),
    /// To each item of a list.
    Each,
    /// To what has this text below these keys.
    With(Vec<String>, String),
}

impl Selector {
    /// The way over `keys`, and then to what has `value` as its `name`.
    pub(super) fn of(keys: &[&str], name: Option<(&str, &str)>) -> Self {
        let mut steps: Vec<SelectorStep> = keys.iter().map(|key| SelectorStep::Key((*key).to_owned())).collect();
        steps.extend(name.map(|(key, value)| SelectorStep::With(vec![key.to_owned()], value.to_owned())));
        Self { text: written(&steps), steps }
    }

    /// The way on into the value of `key`.
    pub(super) fn key(&self, key: &str) -> Self {
        self.on(SelectorStep::Key(key.to_owned()))
    }

    /// The way on to the item `number` of a list.
    pub(super) fn item(&self, number: usize) -> Self {
        self.on(SelectorStep::Item(number))
    }

    fn on(&self, step: SelectorStep) -> Self {
        let steps = [self.steps.as_slice(), &[step]].concat();
        Self { text: written(&steps), steps }
    }

    /// The one value it leads to in a file, or each of several where it has a `[*]`.
    pub(super) fn follow(&self, text: &FileText, tree: &DocumentTree) -> Result<Vec<Rc<YamlNode>>, TargetError> {
        let apart = "name one of them, as `[kind=Deployment][metadata.name=web].spec…` for one document of several, or all of \
                     them with `[*]`";
        self.reach(text, tree, apart)
    }

    /// The one value it leads to, where nobody wrote the way: what is there several times cannot be told apart.
    pub(super) fn alone(&self, text: &FileText, tree: &DocumentTree) -> Result<Vec<Rc<YamlNode>>, TargetError> {
        self.reach(text, tree, "keep one of them, or let a target `yaml` name the one that is meant")
    }

    /// The value, or values; `apart` says what to do where there are several and one is meant.
    fn reach(&self, text: &FileText, tree: &DocumentTree, apart: &str) -> Result<Vec<Rc<YamlNode>>, TargetError> {
        let at = tree.reach(&self.steps).map_err(|astray| TargetError::Nothing(self.miss(text, &astray)))?;
        let names_several = self.steps.contains(&SelectorStep::Each);
        if at.len() > 1 && !names_several {
            let lines = list(at.iter().map(|one| format!("line {}", text.line(one.node.span.start))));
            let message = format!("`{}` leads to {} places of `{}`: {lines}", self.text, at.len(), text.path());
            return Err(TargetError::Wrong(text.problem(&at[1].node.span, message).help(apart)));
        }
        if let Some(shared) = at.iter().find_map(|one| one.shared.clone()) {
            return Err(TargetError::Wrong(text.shared(&shared, self)));
        }
        Ok(at.iter().map(|one| Rc::clone(&one.node)).collect())
    }

    /// The problem that a step leads nowhere.
    fn miss(&self, text: &FileText, NoMatch { step: place, from: at }: &NoMatch) -> Problem {
        let step = &self.steps[*place];
        let span = at.first().map_or(0..0, |from| from.node.span.start..from.node.span.start);
        let keys = || at.iter().flat_map(|from| from.node.entries()).filter_map(|(key, _)| key.text());
        let there = |mut names: Vec<&str>| {
            let mut seen = HashSet::new();
            names.retain(|name| seen.insert(*name));
            let names = names.iter().map(|name| format!("`{name}`"));
            if names.len() == 0 { "nothing stands there".to_owned() } else { format!("there are: {}", list(names)) }
        };
        let (what, help) = match step {
            SelectorStep::Key(key) => match nearest(key, keys()) {
                Some(near) => (format!("has no `{key}`"), format!("did you mean `{near}`?")),
                None => (format!("has no `{key}`"), there(keys().collect())),
            },
            SelectorStep::Item(_) | SelectorStep::Each => {
                let items = at.iter().map(|from| from.node.items().len()).max().unwrap_or_default();
                let what = match step {
                    SelectorStep::Item(number) => format!("has no item {number}"),
                    _ => "has no items".to_owned(),
                };
                (what, format!("it has {items} of them, counted from 0"))
            }
            SelectorStep::With(keys, value) => {
                let candidates = at.iter().flat_map(|from| from.candidates());
                let texts: Vec<Rc<YamlNode>> = candidates.filter_map(|one| dig(one, keys)).collect();
                let texts: Vec<&str> = texts.iter().filter_map(|node| node.text()).collect();
                let what = format!("has nothing with `{}={value}`", keys.join("."));
                match nearest(value, texts.iter().copied()) {
                    Some(near) => (what, format!("did you mean `{near}`?")),
                    None => (what, there(texts)),
                }
            }
        };
        let before = self.before(*place);
        let subject =
            if before.is_empty() { format!("`{}`", text.path()) } else { format!("`{before}` of `{}`", text.path()) };
        text.problem(&span, format!("{subject} {what}")).help(help)
    }

    /// The way up to the step at `place`.
    fn before(&self, place: usize) -> String {
        written(&self.steps[..place])
    }

    /// As written.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

/// Steps as they are written.
fn written(steps: &[SelectorStep]) -> String {
    let key = |key: &String| match key.contains(['.', '[', ']', '=', '"']) {
        true => format!("\"{key}\""),
        false => key.clone(),
    };
    let mut text = String::new();
    for step in steps {
        match step {
            SelectorStep::Key(name) if text.is_empty() => text.push_str(&key(name)),
            SelectorStep::Key(name) => text.push_str(&format!(".{}", key(name))),
            SelectorStep::Item(number) => text.push_str(&format!("[{number}]")),
            SelectorStep::Each => text.push_str("[*]"),
            SelectorStep::With(keys, value) => {
                let keys = keys.iter().map(key).collect::<Vec<_>>().join(".");
                let value =
                    if value.contains(']') || value.starts_with('"') { format!("\"{value}\"") } else { value.clone() };
                text.push_str(&format!("[{keys}={value}]"));
            }
        }
    }
    text
}

pub(super) fn dig(node: &Rc<YamlNode>, keys: &[String]) -> Option<Rc<YamlNode>> {
    keys.iter().try_fold(Rc::clone(node), |node, key| node.get(key).cloned())
}

impl FromStr for Selector {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let bad = |why: &str| NameError::new(format!("`{text}` is not a way to a value: {why}")).help(FORM);
        if text.len() > LENGTH_MAX {
            return Err(NameError::new(format!("a way has at most {LENGTH_MAX} characters")).help(FORM));
        }
        let (mut steps, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            if let Some(inner) = rest.strip_prefix('[') {
                let (step, after) =
                    bracket(inner).ok_or_else(|| bad("a bracket holds a number, `*` or `key=value`"))?;
                steps.push(step);
                rest = after;
            } else {
                if !steps.is_empty() {
                    rest = rest.strip_prefix('.').ok_or_else(|| bad("keys are parted by `.`"))?;
                }
                let (name, after) = key(rest).ok_or_else(|| bad("a key is missing"))?;
                steps.push(SelectorStep::Key(name));
                rest = after;
            }
        }
        if steps.is_empty() {
            return Err(bad("it is empty"));
        }
        Ok(Self { text: text.to_owned(), steps })
    }
}

/// A key and what comes after it.
fn key(text: &str) -> Option<(String, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (name, rest) = quoted.split_once('"')?;
        return Some((name.to_owned(), rest));
    }
    let end = text.find(['.', '[', ']', '=', '"']).unwrap_or(text.len());
    (end > 0).then(|| (text[..end].to_owned(), &text[end..]))
}

/// What stands in a bracket, and what comes after it.
fn bracket(text: &str) -> Option<(SelectorStep, &str)> {
    if let Some(rest) = text.strip_prefix("*]") {
        return Some((SelectorStep::Each, rest));
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    if digits > 0
        && let Some(rest) = text[digits..].strip_prefix(']')
    {
        return Some((SelectorStep::Item(text[..digits].parse().ok()?), rest));
    }
    let (mut keys, mut rest) = (Vec::new(), text);
    loop {
        let (name, after) = key(rest)?;
        keys.push(name);
        match after.strip_prefix('.') {
            Some(more) => rest = more,
            None => {
                rest = after.strip_prefix('=')?;
                break;
            }
        }
    }
    if let Some(quoted) = rest.strip_prefix('"') {
        let (value, rest) = quoted.split_once("\"]")?;
        return Some((SelectorStep::With(keys, value.to_owned()), rest));
    }
    let (value, rest) = rest.split_once(']')?;
    (!value.is_empty()).then(|| (SelectorStep::With(keys, value.to_owned()), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(way: &str, yaml: &str, expected: &str) {
        let text = FileText::new("a.yaml", yaml.as_bytes()).unwrap();
        let found = match way.parse::<Selector>().unwrap().follow(&text, text.yaml().unwrap()) {
            Ok(found) => found.iter().map(|node| yaml[node.span.clone()].to_owned()).collect::<Vec<_>>().join(" "),
            Err(TargetError::Nothing(problem) | TargetError::Wrong(problem)) => {
                let (line, _) = problem.position().unwrap();
                format!("{line} ! {}; {}", problem.message, problem.help.unwrap())
            }
        };
        assert_eq!(found, expected, "{way}");
    }

    const PODS: &str = "kind: Deployment\nmetadata: {name: web}\nspec:\n  containers:\n  - name: web\n    image: a:1\n  - \
                        name: side\n    image: b:1\n---\nkind: Job\nmetadata: {name: web}\nspec:\n  containers:\n  - name: \
                        web\n    image: c:1\n";

    #[test]
    fn a_way_leads_to_one_value() {
        check("spec.containers[name=side].image", PODS, "b:1");
        check("[kind=Job].spec.containers[name=web].image", PODS, "c:1");
        check("[metadata.name=web][kind=Job].spec.containers[0].image", PODS, "c:1");
        check("spec.containers[*].image", PODS, "a:1 b:1 c:1");
        check("\"a.b\".c", "a.b: {c: 1}\n", "1");
        check("a[\"b.c\"=\"d]\"].e", "a: [{b.c: 'd]', e: 1}]\n", "1");
        check("[0]", "[a, b]\n", "a");
    }

    #[test]
    fn a_way_that_leads_nowhere_or_to_several_places_says_what_is_there() {
        check("spec.container[0]", PODS, "4 ! `spec` of `a.yaml` has no `container`; did you mean `containers`?");
        check(
            "spec.containers[name=wbe].image",
            PODS,
            "5 ! `spec.containers` of `a.yaml` has nothing with `name=wbe`; did you mean `web`?",
        );
        check("other", PODS, "1 ! `a.yaml` has no `other`; there are: `kind`, `metadata`, `spec`");
        check(
            "spec.containers[7]",
            PODS,
            "5 ! `spec.containers` of `a.yaml` has no item 7; it has 2 of them, counted from 0",
        );
        check(
            "spec.containers[name=web].image",
            PODS,
            "15 ! `spec.containers[name=web].image` leads to 2 places of `a.yaml`: line 6, line 15; name one of them, as \
             `[kind=Deployment][metadata.name=web].spec…` for one document of several, or all of them with `[*]`",
        );
        check(
            "a",
            "a: 1\na: 2\n",
            "2 ! `a` leads to 2 places of `a.yaml`: line 1, line 2; name one of them, as \
             `[kind=Deployment][metadata.name=web].spec…` for one document of several, or all of them with `[*]`",
        );
        check("a", "", "1 ! `a.yaml` has no `a`; nothing stands there");
    }

    #[test]
    fn anchors_aliases_and_merges_on_the_way_are_refused() {
        const SHARED: &str = "the way `WAY` leads over an anchor, an alias or a merge of `a.yaml`; write the value out in \
                              full there, without `&`, `*` or `<<`: others share it";
        let refused = |way: &str, yaml: &str, line: usize| {
            check(way, yaml, &format!("{line} ! {}", SHARED.replace("WAY", way)));
        };
        refused("a.image", "a: &a\n  image: x\nb: *a\n", 1);
        refused("b.image", "a: &a\n  image: x\nb: *a\n", 3);
        refused("b.image", "a: &a {image: x}\nb:\n  <<: *a\n  c: 1\n", 3);
        refused("a", "a: &x y\n", 1);
        refused("a[0].b", "a: [&x {b: 1}]\n", 1);
        check("b.image", "a: &a {image: x}\nb:\n  <<: *a\n  image: 1\n", "1");
    }

    #[test]
    fn what_is_no_way_is_refused() {
        for way in ["", ".a", "a.", "a..b", "a[", "a[]", "a[b]", "a[b=]", "a]b", "a[0]b", "\"a", "a[\"b=c]", "a[=b]"] {
            assert!(way.parse::<Selector>().is_err(), "{way}");
        }
    }
}
