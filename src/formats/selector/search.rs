//! Finds selectors for values whose bytes are known, for all values of a file in one walk.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::super::SelectorStep;
use crate::text::yaml::YamlNode;

use super::super::tree::dig;
use super::{Selector, format};

/// Returns the selectors of the value at each of `spans`, which are sorted by start: the shortest first, then those that
/// also select one document of several. List items are selected by what only they have, else by number.
pub(in crate::formats) fn selectors(documents: &[Arc<YamlNode>], spans: &[Range<usize>]) -> Vec<Vec<Selector>> {
    let mut search = SelectorSearch { spans, found: vec![None; spans.len()], steps: Vec::new() };
    for document in documents {
        search.visit(document, document, 0..spans.len());
    }
    let selectors = |found: Option<(Arc<YamlNode>, Vec<SelectorStep>)>| {
        let Some((document, steps)) = found else { return Vec::new() };
        let filters = if documents.len() > 1 { filters(&document) } else { Vec::new() };
        let filters = std::iter::once(Vec::new()).chain(filters);
        filters.filter_map(|filter| selector([filter, steps.clone()].concat())).collect()
    };
    search.found.into_iter().map(selectors).collect()
}

/// Returns the selector with these steps; none if its text would be parsed differently.
fn selector(steps: Vec<SelectorStep>) -> Option<Selector> {
    format(&steps).parse().ok().filter(|selector: &Selector| selector.steps == steps)
}

/// Returns steps that may select one document of several.
fn filters(document: &Arc<YamlNode>) -> Vec<Vec<SelectorStep>> {
    let named = |keys: &[&str]| has(document, keys);
    let (kind, name) = (named(&["kind"]), named(&["metadata", "name"]));
    let both = kind.clone().zip(name.clone()).map(|(kind, name)| vec![kind, name]);
    let all = both.clone().zip(named(&["metadata", "namespace"])).map(|(mut both, space)| {
        both.push(space);
        both
    });
    [kind.map(|kind| vec![kind]), name.map(|name| vec![name]), both, all].into_iter().flatten().collect()
}

/// A walk over all documents that collects the values at `spans`.
struct SelectorSearch<'a> {
    spans: &'a [Range<usize>],
    /// Document and steps of each value found so far.
    found: Vec<Option<(Arc<YamlNode>, Vec<SelectorStep>)>>,
    /// Steps to the current value.
    steps: Vec<SelectorStep>,
}

impl SelectorSearch<'_> {
    /// Visits `node`, which may contain some of the spans numbered `among`.
    fn visit(&mut self, document: &Arc<YamlNode>, node: &Arc<YamlNode>, among: Range<usize>) {
        let starts = |numbers: Range<usize>, before: usize| {
            numbers.start + self.spans[numbers].partition_point(|span| span.start < before)
        };
        let first = starts(among.clone(), node.span.start);
        let here = first..starts(first..among.end, node.span.end);
        // An alias leads to a visited value.
        if here.clone().all(|number| self.found[number].is_some()) {
            return;
        }
        let is_leaf = node.items().is_empty() && node.entries().is_empty();
        for number in here.clone() {
            let is_it = self.spans[number] == node.span || (is_leaf && node.contains(&self.spans[number]));
            if is_it && self.found[number].is_none() {
                self.found[number] = Some((Arc::clone(document), self.steps.clone()));
            }
        }
        let length = self.steps.len();
        for (key, value) in node.entries() {
            let Some(key) = key.text() else { continue };
            self.steps.push(SelectorStep::Key(key.to_owned()));
            self.visit(document, value, here.clone());
            self.steps.truncate(length);
        }
        if !node.items().is_empty() {
            for (item, steps) in node.items().iter().zip(item_steps(node.items())) {
                self.steps.extend(steps);
                self.visit(document, item, here.clone());
                self.steps.truncate(length);
            }
        }
    }
}

/// Returns the steps to each of several items: by name if it is unique.
fn item_steps(items: &[Arc<YamlNode>]) -> Vec<Vec<SelectorStep>> {
    let choices = |item: &Arc<YamlNode>| {
        let (kind, name) = (has(item, &["kind"]), has(item, &["metadata", "name"]));
        let both = kind.zip(name.clone()).map(|(kind, name)| vec![kind, name]);
        let choices = [has(item, &["name"]).map(|name| vec![name]), name.map(|name| vec![name]), both];
        choices.into_iter().flatten().collect::<Vec<_>>()
    };
    let choices: Vec<Vec<Vec<SelectorStep>>> = items.iter().map(choices).collect();
    let mut count: HashMap<&[SelectorStep], usize> = HashMap::new();
    for choice in choices.iter().flatten() {
        *count.entry(choice).or_default() += 1;
    }
    let first_unique = |(number, choices): (usize, &Vec<Vec<SelectorStep>>)| {
        let unique = choices.iter().find(|choice| count.get(choice.as_slice()) == Some(&1));
        unique.cloned().unwrap_or_else(|| vec![SelectorStep::Item(number)])
    };
    choices.iter().enumerate().map(first_unique).collect()
}

/// Returns the step that selects candidates with the same string below `keys` as `node`.
fn has(node: &Arc<YamlNode>, keys: &[&str]) -> Option<SelectorStep> {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let value = dig(node, &keys)?.text().filter(|text| !text.is_empty())?.to_owned();
    Some(SelectorStep::With(keys, value))
}
