//! Paths to the images in a tree, and the walk that follows them.
//!
//! A path is a selector with wildcards: `*` is any key, `*image` any key that ends in `image` (in any case), `**` any
//! number of keys and items, `{key}` the keys of a map instead of their values, and `[uses^=a@]` filters by a prefix. As in
//! a selector, a filter applies to the items of a list or to the value itself.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::super::{FileText, Selector, SharedValue};
use super::known::KnownImage;
use crate::text::yaml::YamlNode;

/// Images at one path, and how they are spelled there.
pub(super) struct ImageRule {
    /// Path to the values.
    pub(super) at: &'static str,
    /// Returns the images that a value names.
    pub(super) images: fn(&RulePlace<'_>) -> Vec<KnownImage>,
}

/// A value at the path of a rule.
pub(super) struct RulePlace<'a> {
    pub(super) text: &'a FileText,
    pub(super) node: &'a Arc<YamlNode>,
    /// Set if an anchor, an alias or a merge key shares the value.
    pub(super) shared: Option<SharedValue>,
}

/// One step of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PathStep<'r> {
    /// The value of a key.
    Key(&'r str),
    /// The values of all keys that end in this text, in lower case.
    KeysEndingIn(&'r str),
    /// All keys.
    Names,
    /// The value, and all values below it.
    Below,
    /// Every item of a list.
    Each,
    /// The candidates with this string, or with this prefix.
    With { key: &'r str, value: &'r str, is_prefix: bool },
}

/// A key or an item on the way to a value.
#[derive(Clone)]
enum Crumb {
    Key(String),
    Item(usize),
}

/// Returns the images at the path of `rule` below `document`.
pub(super) fn images(rule: &ImageRule, text: &FileText, document: &Arc<YamlNode>) -> Vec<KnownImage> {
    let steps = steps(rule.at);
    let mut walk = RuleWalk { rule, text, steps: &steps, crumbs: Vec::new(), seen: HashSet::new(), found: Vec::new() };
    walk.visit(document, 0, None);
    // `kubectl get -o yaml` prints lists of objects.
    if document.get("kind").is_some_and(|kind| kind.text() == Some("List")) {
        let items = document.get("items").map(|items| items.items()).unwrap_or_default();
        for (number, item) in items.iter().enumerate() {
            walk.crumbs = vec![Crumb::Key("items".to_owned()), Crumb::Item(number)];
            walk.visit(item, 0, None);
        }
    }
    walk.found
}

/// Splits a path into its steps.
fn steps(path: &str) -> Vec<PathStep<'_>> {
    let (mut steps, mut rest) = (Vec::new(), path);
    while !rest.is_empty() {
        if let Some((inside, after)) = rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            steps.push(match inside.split_once('=') {
                None => PathStep::Each,
                Some((key, value)) => {
                    let is_prefix = key.ends_with('^');
                    PathStep::With { key: key.trim_end_matches('^'), value, is_prefix }
                }
            });
            rest = after;
            continue;
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
        let (name, after) = match rest.strip_prefix('"').and_then(|inner| inner.split_once('"')) {
            Some(quoted) => quoted,
            None => rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len())),
        };
        steps.push(match name {
            "**" => PathStep::Below,
            "{key}" => PathStep::Names,
            _ => name.strip_prefix('*').map_or(PathStep::Key(name), PathStep::KeysEndingIn),
        });
        rest = after;
    }
    steps
}

/// A walk along one path.
struct RuleWalk<'a> {
    rule: &'a ImageRule,
    text: &'a FileText,
    steps: &'a [PathStep<'a>],
    /// Keys and items on the way to the current value.
    crumbs: Vec<Crumb>,
    /// Values and steps that were visited: aliases can multiply them.
    seen: HashSet<(*const YamlNode, usize)>,
    found: Vec<KnownImage>,
}

impl RuleWalk<'_> {
    /// Follows the steps from `number` on; `shared` is the position of the outermost shared value.
    fn visit(&mut self, node: &Arc<YamlNode>, number: usize, shared: Option<Range<usize>>) {
        if !self.seen.insert((Arc::as_ptr(node), number)) {
            return;
        }
        let Some(step) = self.steps.get(number).copied() else { return self.add(node, shared) };
        match step {
            PathStep::Key(key) => self.visit_key(node, key, number + 1, shared),
            PathStep::KeysEndingIn(end) => {
                for (name, value) in node.entries() {
                    if name.text().is_some_and(|name| name.to_ascii_lowercase().ends_with(end)) {
                        self.visit_entry(name, value, number + 1, shared.clone());
                    }
                }
            }
            PathStep::Names => node.entries().iter().for_each(|(name, _)| self.visit(name, number + 1, shared.clone())),
            PathStep::Below => {
                self.visit(node, number + 1, shared.clone());
                for (name, value) in node.entries() {
                    self.visit_entry(name, value, number, shared.clone());
                }
                self.visit_items(node, number, shared.as_ref());
            }
            PathStep::Each => self.visit_items(node, number + 1, shared.as_ref()),
            PathStep::With { key, value, is_prefix } => {
                let has = |one: &YamlNode| {
                    let text = one.get(key).and_then(|node| node.text());
                    text.is_some_and(|text| if is_prefix { text.starts_with(value) } else { text == value })
                };
                if node.items().is_empty() {
                    if has(node) {
                        self.visit(node, number + 1, shared);
                    }
                    return;
                }
                for (item, one) in node.items().iter().enumerate().filter(|(_, one)| has(one)) {
                    self.visit_item(item, one, number + 1, shared.clone());
                }
            }
        }
    }

    fn visit_key(&mut self, node: &YamlNode, key: &str, number: usize, shared: Option<Range<usize>>) {
        let own = || node.entries().iter().filter(|(name, _)| name.text() == Some(key));
        for (name, value) in own() {
            self.visit_entry(name, value, number, shared.clone());
        }
        // A merged value is defined elsewhere.
        if let Some(value) = node.get(key).filter(|_| own().next().is_none()) {
            self.crumbs.push(Crumb::Key(key.to_owned()));
            self.visit(value, number, shared.or_else(|| Some(node.span.clone())));
            self.crumbs.pop();
        }
    }

    fn visit_entry(&mut self, name: &YamlNode, value: &Arc<YamlNode>, number: usize, shared: Option<Range<usize>>) {
        let shared = shared.or_else(|| value.is_anchored.then(|| name.span.clone()));
        self.crumbs.push(Crumb::Key(name.text().unwrap_or_default().to_owned()));
        self.visit(value, number, shared);
        self.crumbs.pop();
    }

    fn visit_items(&mut self, node: &YamlNode, number: usize, shared: Option<&Range<usize>>) {
        for (item, one) in node.items().iter().enumerate() {
            self.visit_item(item, one, number, shared.cloned());
        }
    }

    fn visit_item(&mut self, item: usize, one: &Arc<YamlNode>, number: usize, shared: Option<Range<usize>>) {
        let shared = shared.or_else(|| one.is_anchored.then(|| one.span.start..one.span.start));
        self.crumbs.push(Crumb::Item(item));
        self.visit(one, number, shared);
        self.crumbs.pop();
    }

    fn add(&mut self, node: &Arc<YamlNode>, shared: Option<Range<usize>>) {
        let selector = self.crumbs.iter().fold(Selector::of(&[], None), |selector, crumb| match crumb {
            Crumb::Key(key) => selector.key(key),
            Crumb::Item(number) => selector.item(*number),
        });
        let shared = shared.map(|span| SharedValue { selector: selector.clone(), span });
        for image in (self.rule.images)(&RulePlace { text: self.text, node, shared }) {
            // No selector selects a key.
            let is_value = Arc::ptr_eq(&image.node, node) && self.steps.last() != Some(&PathStep::Names);
            let at = is_value.then(|| selector.clone());
            self.found.push(KnownImage { at, ..image });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_selector_with_wildcards() {
        use PathStep::{Below, Each, Key, KeysEndingIn, Names, With};
        let with = |key, value, is_prefix| With { key, value, is_prefix };
        for (path, expected) in [
            ("image", vec![Key("image")]),
            ("jobs.*.docker[*].image", vec![Key("jobs"), KeysEndingIn(""), Key("docker"), Each, Key("image")]),
            ("spec.**.*image", vec![Key("spec"), Below, KeysEndingIn("image")]),
            ("features.{key}", vec![Key("features"), Names]),
            ("[kind=Pod].a.\"b.c/d\"", vec![with("kind", "Pod", false), Key("a"), Key("b.c/d")]),
            ("steps[uses^=a/b@].with", vec![Key("steps"), with("uses", "a/b@", true), Key("with")]),
        ] {
            assert_eq!(steps(path), expected, "{path}");
        }
    }
}
