//! The ways to values whose bytes are known, found for all values of a file at once.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use crate::text::yaml::YamlNode;

use super::{Selector, SelectorStep, dig, written};

/// The ways to the value at each of `spans`, which stand in the order of their first bytes. Each way may do: the shortest
/// comes first, then those that name the document of several. Items of lists are named by what only they have, else by
/// their number. None where no way leads there.
pub(in crate::formats) fn to(documents: &[Rc<YamlNode>], spans: &[Range<usize>]) -> Vec<Vec<Selector>> {
    let mut leading = SelectorSearch { spans, found: vec![None; spans.len()], steps: Vec::new() };
    for document in documents {
        leading.go(document, document, 0..spans.len());
    }
    let ways = |found: Option<(Rc<YamlNode>, Vec<SelectorStep>)>| {
        let Some((document, steps)) = found else { return Vec::new() };
        let filters = if documents.len() > 1 { filters(&document) } else { Vec::new() };
        let filters = std::iter::once(Vec::new()).chain(filters);
        filters.filter_map(|filter| way([filter, steps.clone()].concat())).collect()
    };
    leading.found.into_iter().map(ways).collect()
}

/// The way of these steps. What cannot be written so that it is read as the same is none.
fn way(steps: Vec<SelectorStep>) -> Option<Selector> {
    written(&steps).parse().ok().filter(|way: &Selector| way.steps == steps)
}

/// The steps that may name one document of several.
fn filters(document: &Rc<YamlNode>) -> Vec<Vec<SelectorStep>> {
    let named = |keys: &[&str]| has(document, keys);
    let (kind, name) = (named(&["kind"]), named(&["metadata", "name"]));
    let both = kind.clone().zip(name.clone()).map(|(kind, name)| vec![kind, name]);
    let all = both.clone().zip(named(&["metadata", "namespace"])).map(|(mut both, space)| {
        both.push(space);
        both
    });
    [kind.map(|kind| vec![kind]), name.map(|name| vec![name]), both, all].into_iter().flatten().collect()
}

/// A walk over all documents that looks for the values at `spans`.
struct SelectorSearch<'a> {
    spans: &'a [Range<usize>],
    /// The document and the steps to each that was found.
    found: Vec<Option<(Rc<YamlNode>, Vec<SelectorStep>)>>,
    /// The steps to where the walk is.
    steps: Vec<SelectorStep>,
}

impl SelectorSearch<'_> {
    /// Goes into `node`, in which some of the spans with the numbers `among` may be.
    fn go(&mut self, document: &Rc<YamlNode>, node: &Rc<YamlNode>, among: Range<usize>) {
        let starts = |numbers: Range<usize>, before: usize| {
            numbers.start + self.spans[numbers].partition_point(|span| span.start < before)
        };
        let first = starts(among.clone(), node.span.start);
        let here = first..starts(first..among.end, node.span.end);
        // An alias leads to where the walk has been.
        if here.clone().all(|number| self.found[number].is_some()) {
            return;
        }
        let is_leaf = node.items().is_empty() && node.entries().is_empty();
        for number in here.clone() {
            let is_it = self.spans[number] == node.span || (is_leaf && node.contains(&self.spans[number]));
            if is_it && self.found[number].is_none() {
                self.found[number] = Some((Rc::clone(document), self.steps.clone()));
            }
        }
        let length = self.steps.len();
        for (key, value) in node.entries() {
            let Some(key) = key.text() else { continue };
            self.steps.push(SelectorStep::Key(key.to_owned()));
            self.go(document, value, here.clone());
            self.steps.truncate(length);
        }
        if !node.items().is_empty() {
            for (item, steps) in node.items().iter().zip(select(node.items())) {
                self.steps.extend(steps);
                self.go(document, item, here.clone());
                self.steps.truncate(length);
            }
        }
    }
}

/// The steps to each of several items: by its name where no other has it.
fn select(items: &[Rc<YamlNode>]) -> Vec<Vec<SelectorStep>> {
    let choices = |item: &Rc<YamlNode>| {
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
    let first_alone = |(number, choices): (usize, &Vec<Vec<SelectorStep>>)| {
        let alone = choices.iter().find(|choice| count.get(choice.as_slice()) == Some(&1));
        alone.cloned().unwrap_or_else(|| vec![SelectorStep::Item(number)])
    };
    choices.iter().enumerate().map(first_alone).collect()
}

/// The step that keeps what has the same text as `node` below `keys`.
fn has(node: &Rc<YamlNode>, keys: &[&str]) -> Option<SelectorStep> {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let value = dig(node, &keys)?.text().filter(|text| !text.is_empty())?.to_owned();
    Some(SelectorStep::With(keys, value))
}
