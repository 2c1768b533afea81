//! A file as a tree, and what the ways of many targets lead to in it. Most ways of one file begin alike: where a beginning
//! leads to is found once, and what a step chooses from is sorted once, so that as many targets as a file has images do
//! not look through it anew each.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;
use std::rc::Rc;

use crate::text::yaml::YamlNode;

use super::way::{SelectorStep, dig};

/// How many values are remembered of one file: aliases can make more ways than there is memory.
const REMEMBERED_MAX: usize = 1_000_000;

/// The documents of a file.
pub(super) struct DocumentTree {
    /// The documents, in their order.
    pub(super) documents: Vec<Rc<YamlNode>>,
    begun: RefCell<WalkMemo>,
}

/// A value that a way leads to.
#[derive(Clone)]
pub(super) struct SelectedNode {
    pub(super) node: Rc<YamlNode>,
    /// What of the way stands in several places of the file, and so cannot be edited in one.
    pub(super) shared: Option<Range<usize>>,
}

/// Where a way ends too early: the number of the step that leads nowhere, and the values it was to lead on from.
pub(super) struct NoMatch {
    pub(super) step: usize,
    pub(super) from: Rc<[SelectedNode]>,
}

/// What is remembered of all ways.
struct WalkMemo {
    top: SelectorWalk,
    /// How many values are remembered.
    count: usize,
}

/// The values that the first steps of ways lead to.
struct SelectorWalk {
    at: Rc<[SelectedNode]>,
    /// Where one more step leads.
    next: HashMap<SelectorStep, Self>,
    /// What steps choose from, by what they choose by; none where each has to be looked at.
    sorted: HashMap<StepChoice, Option<HashMap<String, Vec<SelectedNode>>>>,
}

/// What a step chooses by.
#[derive(PartialEq, Eq, Hash)]
enum StepChoice {
    /// The key that a value has in its map.
    Key,
    /// The text that it has itself below these keys.
    Text(Vec<String>),
}

impl DocumentTree {
    pub(super) fn new(documents: Vec<Rc<YamlNode>>) -> Self {
        let begun = RefCell::new(WalkMemo::new(&documents));
        Self { documents, begun }
    }

    /// The values that `steps` lead to from all documents, at least one.
    pub(super) fn reach(&self, steps: &[SelectorStep]) -> Result<Rc<[SelectedNode]>, NoMatch> {
        let mut begun = self.begun.borrow_mut();
        if begun.count > REMEMBERED_MAX {
            *begun = WalkMemo::new(&self.documents);
        }
        let WalkMemo { top, count } = &mut *begun;
        let mut here = top;
        for (number, step) in steps.iter().enumerate() {
            let from = Rc::clone(&here.at);
            here = here.step(step, count);
            if here.at.is_empty() {
                return Err(NoMatch { step: number, from });
            }
        }
        Ok(Rc::clone(&here.at))
    }
}

impl WalkMemo {
    fn new(documents: &[Rc<YamlNode>]) -> Self {
        let top = documents.iter().map(|node| SelectedNode::new(Rc::clone(node), None)).collect();
        Self { top: SelectorWalk::new(top), count: documents.len() }
    }
}

impl SelectorWalk {
    fn new(at: Vec<SelectedNode>) -> Self {
        Self { at: at.into(), next: HashMap::new(), sorted: HashMap::new() }
    }

    fn step(&mut self, step: &SelectorStep, count: &mut usize) -> &mut Self {
        match self.next.entry(step.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let found = take(&self.at, &mut self.sorted, step, count);
                *count += found.len();
                new.insert(Self::new(found))
            }
        }
    }
}

/// What `step` leads to from all of `at`.
fn take(
    at: &[SelectedNode],
    sorted: &mut HashMap<StepChoice, Option<HashMap<String, Vec<SelectedNode>>>>,
    step: &SelectorStep,
    count: &mut usize,
) -> Vec<SelectedNode> {
    let chosen = match step {
        SelectorStep::Key(key) => Some((StepChoice::Key, key)),
        SelectorStep::With(keys, text) => Some((StepChoice::Text(keys.clone()), text)),
        SelectorStep::Item(_) | SelectorStep::Each => None,
    };
    let sorted = chosen.and_then(|(by, wanted)| {
        let sorted = match sorted.entry(by) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let found = sort(at, new.key());
                *count += found.iter().flat_map(HashMap::values).map(Vec::len).sum::<usize>();
                new.insert(found)
            }
        };
        Some(sorted.as_ref()?.get(wanted).cloned().unwrap_or_default())
    });
    sorted.unwrap_or_else(|| at.iter().flat_map(|from| from.take(step)).collect())
}

/// What steps by `by` choose from, by what they may name.
fn sort(at: &[SelectedNode], by: &StepChoice) -> Option<HashMap<String, Vec<SelectedNode>>> {
    let mut sorted: HashMap<String, Vec<SelectedNode>> = HashMap::new();
    match by {
        StepChoice::Key => {
            let entries = || at.iter().flat_map(|from| from.node.entries());
            // What a merge brings has no entry of its own.
            let is_merged = entries().any(|(name, _)| name.text() == Some("<<"));
            if is_merged || entries().count() > REMEMBERED_MAX {
                return None;
            }
            for from in at {
                for (name, value) in from.node.entries() {
                    let Some(key) = name.text() else { continue };
                    sorted.entry(key.to_owned()).or_default().push(from.to(value, name.span.clone()));
                }
            }
        }
        StepChoice::Text(keys) => {
            if at.iter().map(|from| from.candidates().len()).sum::<usize>() > REMEMBERED_MAX {
                return None;
            }
            for from in at {
                for one in from.candidates() {
                    let Some(node) = dig(one, keys) else { continue };
                    let Some(text) = node.text() else { continue };
                    sorted.entry(text.to_owned()).or_default().push(from.chosen(one));
                }
            }
        }
    }
    Some(sorted)
}

impl SelectedNode {
    fn new(node: Rc<YamlNode>, shared: Option<Range<usize>>) -> Self {
        let shared = shared.or_else(|| node.is_anchored.then(|| node.span.start..node.span.start));
        Self { node, shared }
    }

    /// What one step leads to from here.
    fn take(&self, step: &SelectorStep) -> Vec<Self> {
        match step {
            SelectorStep::Key(key) => {
                let own: Vec<Self> = (self.node.entries().iter())
                    .filter(|(name, _)| name.text() == Some(key))
                    .map(|(name, value)| self.to(value, name.span.clone()))
                    .collect();
                if !own.is_empty() {
                    return own;
                }
                // What a merge brings stands elsewhere.
                let merged = self.node.get(key).map(|value| Self::new(Rc::clone(value), Some(self.node.span.clone())));
                merged.into_iter().collect()
            }
            SelectorStep::Item(number) => {
                self.node.items().get(*number).map(|item| self.item(item)).into_iter().collect()
            }
            SelectorStep::Each => self.node.items().iter().map(|item| self.item(item)).collect(),
            SelectorStep::With(keys, value) => {
                let has = |one: &&Rc<YamlNode>| dig(one, keys).is_some_and(|node| node.text() == Some(value));
                self.candidates().iter().filter(has).map(|one| self.chosen(one)).collect()
            }
        }
    }

    /// The value of a key that stands at `name`; where it is an alias, that place is named.
    fn to(&self, value: &Rc<YamlNode>, name: Range<usize>) -> Self {
        let shared = self.shared.clone().or_else(|| value.is_anchored.then_some(name));
        Self { node: Rc::clone(value), shared }
    }

    fn item(&self, item: &Rc<YamlNode>) -> Self {
        Self::new(Rc::clone(item), self.shared.clone())
    }

    /// What a filter chooses from: the items of a list, or the value itself.
    pub(super) fn candidates(&self) -> &[Rc<YamlNode>] {
        if self.node.items().is_empty() { std::slice::from_ref(&self.node) } else { self.node.items() }
    }

    /// One of the candidates.
    fn chosen(&self, one: &Rc<YamlNode>) -> Self {
        if Rc::ptr_eq(one, &self.node) { self.clone() } else { self.item(one) }
    }
}
