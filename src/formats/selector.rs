//! Selectors of values in a tree: `spec.containers[name=web].image`.
//!
//! `a.b` descends into maps, `"a.b"` is one key with a dot, `[0]` is an item of a list, `[*]` is every item, and
//! `[name=web]` filters the items of a list, or the documents of a file if it comes first.

mod search;

use std::collections::HashSet;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use super::{DocumentTree, FileText, NoMatch, SelectorStep, TargetError, available, list};
use crate::model::image::NameError;
use crate::text::diagnostics::{Problem, nearest};
use crate::text::yaml::YamlNode;

use super::tree::dig;

pub(super) use search::selectors;

/// Maximum length of a selector in bytes.
const LENGTH_MAX: usize = 1_000;
/// Advice on the form of a selector.
const FORM: &str = "e.g. `spec.containers[name=web].image`; quote a key that contains a dot: `metadata.\"a.b\"`";

/// Advice if the selector of a target selects several values.
pub(super) const SELECT_ONE: &str = "select one, e.g. `[kind=Deployment][metadata.name=web].spec…` for one document of \
                                     several, or all of them with `[*]`";
/// Advice if the selector that a kind of file implies selects several values.
pub(super) const KEEP_ONE: &str = "remove one of them, or select one with a `yaml` target";

/// A path from the top of a file to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selector {
    text: String,
    steps: Vec<SelectorStep>,
}

/// A selected value that an anchor, an alias or a merge key uses in several places.
#[derive(Clone, Debug)]
pub(super) struct SharedValue {
    pub(super) selector: Selector,
    pub(super) span: Range<usize>,
}

impl SharedValue {
    pub(super) fn problem(&self, text: &FileText) -> Problem {
        let (selector, path) = (self.selector.as_str(), text.path());
        let message = format!("cannot edit `{selector}` in `{path}`: an anchor, an alias or a merge key shares it");
        text.problem(self.span.clone(), message).help("write the value out there, without `&`, `*` or `<<`")
    }
}

impl Selector {
    /// Selects the value below `keys`, or the item of it whose `name.0` is `name.1`.
    pub(super) fn of(keys: &[&str], name: Option<(&str, &str)>) -> Self {
        let mut steps: Vec<SelectorStep> = keys.iter().map(|key| SelectorStep::Key((*key).to_owned())).collect();
        steps.extend(name.map(|(key, value)| SelectorStep::With(vec![key.to_owned()], value.to_owned())));
        Self { text: format(&steps), steps }
    }

    /// Extends the selector to the value of `key`.
    pub(super) fn key(&self, key: &str) -> Self {
        self.extended(SelectorStep::Key(key.to_owned()))
    }

    /// Extends the selector to item `number` of a list.
    pub(super) fn item(&self, number: usize) -> Self {
        self.extended(SelectorStep::Item(number))
    }

    fn extended(&self, step: SelectorStep) -> Self {
        let steps = [self.steps.as_slice(), &[step]].concat();
        Self { text: format(&steps), steps }
    }

    /// Returns the selected values, none of which an anchor shares; `help` is the advice if there are several.
    ///
    /// # Errors
    /// There is no such value, there are several without `[*]`, or one is shared.
    pub(super) fn select(
        &self,
        text: &FileText,
        tree: &DocumentTree,
        help: &str,
    ) -> Result<Vec<Arc<YamlNode>>, TargetError> {
        let found = tree.select(&self.steps).map_err(|no_match| self.no_match(text, &no_match))?;
        if found.len() > 1 && !self.steps.contains(&SelectorStep::Each) {
            let lines = list(found.iter().map(|one| format!("line {}", text.line(one.node.span.start))));
            let message = format!("`{}` matches {} values in `{}`: {lines}", self.text, found.len(), text.path());
            return Err(text.invalid(found[1].node.span.clone(), message, help));
        }
        if let Some(span) = found.iter().find_map(|one| one.shared.clone()) {
            return Err(SharedValue { selector: self.clone(), span }.problem(text).into());
        }
        Ok(found.iter().map(|one| Arc::clone(&one.node)).collect())
    }

    /// Describes a step that selects nothing.
    fn no_match(&self, text: &FileText, NoMatch { step: number, from }: &NoMatch) -> TargetError {
        let start = from.first().map_or(0, |from| from.node.span.start);
        let or_nearest = |wanted: &str, mut names: Vec<&str>, what: &str| {
            if let Some(near) = nearest(wanted, names.iter().copied()) {
                return format!("did you mean `{near}`?");
            }
            let mut seen = HashSet::new();
            names.retain(|name| seen.insert(*name));
            available(what, names.iter().map(|name| format!("`{name}`")))
        };
        let items = || from.iter().map(|from| from.node.items().len()).max().unwrap_or_default();
        let (what, help) = match &self.steps[*number] {
            SelectorStep::Key(key) => {
                let keys = from.iter().flat_map(|from| from.node.entries()).filter_map(|(key, _)| key.text());
                (format!("has no `{key}`"), or_nearest(key, keys.collect(), "keys"))
            }
            SelectorStep::Item(item) => {
                (format!("has no item {item}"), format!("it has {} items, counted from 0", items()))
            }
            SelectorStep::Each => ("has no items".to_owned(), "`[*]` selects the items of a list".to_owned()),
            SelectorStep::With(keys, value) => {
                let candidates = from.iter().flat_map(|from| from.candidates());
                let texts: Vec<Arc<YamlNode>> = candidates.filter_map(|one| dig(one, keys)).collect();
                let texts = texts.iter().filter_map(|node| node.text()).collect();
                let key = keys.join(".");
                (format!("has no entry with `{key}={value}`"), or_nearest(value, texts, &format!("`{key}`")))
            }
        };
        let before = format(&self.steps[..*number]);
        let path = text.path();
        let subject = if before.is_empty() { format!("`{path}`") } else { format!("`{before}` in `{path}`") };
        text.missing(start, format!("{subject} {what}"), help)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

/// Formats steps as a selector.
fn format(steps: &[SelectorStep]) -> String {
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

impl FromStr for Selector {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let bad = |why: &str| NameError::new(format!("`{text}` is not a valid selector: {why}")).help(FORM);
        if text.len() > LENGTH_MAX {
            return Err(NameError::new(format!("a selector has at most {LENGTH_MAX} characters")).help(FORM));
        }
        let (mut steps, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            if let Some(inner) = rest.strip_prefix('[') {
                let (step, after) =
                    bracket(inner).ok_or_else(|| bad("brackets contain a number, `*` or `key=value`"))?;
                steps.push(step);
                rest = after;
            } else {
                if !steps.is_empty() {
                    rest = rest.strip_prefix('.').ok_or_else(|| bad("keys are separated by `.`"))?;
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

/// Splits off a key.
fn key(text: &str) -> Option<(String, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (name, rest) = quoted.split_once('"')?;
        return Some((name.to_owned(), rest));
    }
    let end = text.find(['.', '[', ']', '=', '"']).unwrap_or(text.len());
    (end > 0).then(|| (text[..end].to_owned(), &text[end..]))
}

/// Splits off the content of brackets.
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
    use super::super::yaml;
    use super::*;

    #[track_caller]
    fn check(selector: &str, yaml: &str, expected: &str) {
        let text = FileText::from_bytes("a.yaml", yaml.as_bytes()).unwrap();
        let tree = yaml::tree(&text).unwrap();
        let found = match selector.parse::<Selector>().unwrap().select(&text, &tree, SELECT_ONE) {
            Ok(found) => found.iter().map(|node| yaml[node.span.clone()].to_owned()).collect::<Vec<_>>().join(" "),
            Err(TargetError { problem, .. }) => {
                let (line, _) = problem.position().unwrap();
                format!("{line} ! {}; {}", problem.message, problem.help.unwrap())
            }
        };
        assert_eq!(found, expected, "{selector}");
    }

    const PODS: &str = "kind: Deployment\nmetadata: {name: web}\nspec:\n  containers:\n  - name: web\n    image: a:1\n  - \
                        name: side\n    image: b:1\n---\nkind: Job\nmetadata: {name: web}\nspec:\n  containers:\n  - name: \
                        web\n    image: c:1\n";

    #[test]
    fn a_selector_selects_one_value() {
        check("spec.containers[name=side].image", PODS, "b:1");
        check("[kind=Job].spec.containers[name=web].image", PODS, "c:1");
        check("[metadata.name=web][kind=Job].spec.containers[0].image", PODS, "c:1");
        check("spec.containers[*].image", PODS, "a:1 b:1 c:1");
        check("\"a.b\".c", "a.b: {c: 1}\n", "1");
        check("a[\"b.c\"=\"d]\"].e", "a: [{b.c: 'd]', e: 1}]\n", "1");
        check("[0]", "[a, b]\n", "a");
    }

    #[test]
    fn a_selector_without_a_match_or_with_several_lists_the_alternatives() {
        check("spec.container[0]", PODS, "4 ! `spec` in `a.yaml` has no `container`; did you mean `containers`?");
        check(
            "spec.containers[name=wbe].image",
            PODS,
            "5 ! `spec.containers` in `a.yaml` has no entry with `name=wbe`; did you mean `web`?",
        );
        check("other", PODS, "1 ! `a.yaml` has no `other`; it has: `kind`, `metadata`, `spec`");
        check(
            "spec.containers[7]",
            PODS,
            "5 ! `spec.containers` in `a.yaml` has no item 7; it has 2 items, counted from 0",
        );
        check(
            "spec.containers[name=web].image",
            PODS,
            "15 ! `spec.containers[name=web].image` matches 2 values in `a.yaml`: line 6, line 15; select one, e.g. \
             `[kind=Deployment][metadata.name=web].spec…` for one document of several, or all of them with `[*]`",
        );
        check(
            "a",
            "a: 1\na: 2\n",
            "2 ! `a` matches 2 values in `a.yaml`: line 1, line 2; select one, e.g. \
             `[kind=Deployment][metadata.name=web].spec…` for one document of several, or all of them with `[*]`",
        );
        check("a", "", "1 ! `a.yaml` has no `a`; it has no keys");
    }

    #[test]
    fn shared_values_are_refused() {
        const SHARED: &str = "cannot edit `SELECTOR` in `a.yaml`: an anchor, an alias or a merge key shares it; write the \
                              value out there, without `&`, `*` or `<<`";
        let refused = |selector: &str, yaml: &str, line: usize| {
            check(selector, yaml, &format!("{line} ! {}", SHARED.replace("SELECTOR", selector)));
        };
        refused("a.image", "a: &a\n  image: x\nb: *a\n", 1);
        refused("b.image", "a: &a\n  image: x\nb: *a\n", 3);
        refused("b.image", "a: &a {image: x}\nb:\n  <<: *a\n  c: 1\n", 3);
        refused("a", "a: &x y\n", 1);
        refused("a[0].b", "a: [&x {b: 1}]\n", 1);
        check("b.image", "a: &a {image: x}\nb:\n  <<: *a\n  image: 1\n", "1");
    }

    #[test]
    fn an_invalid_selector_is_refused() {
        for selector in
            ["", ".a", "a.", "a..b", "a[", "a[]", "a[b]", "a[b=]", "a]b", "a[0]b", "\"a", "a[\"b=c]", "a[=b]"]
        {
            assert!(selector.parse::<Selector>().is_err(), "{selector}");
        }
    }
}
