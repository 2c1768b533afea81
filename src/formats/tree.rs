//! A file as a tree, and what the ways of many targets lead to in it. Most ways of one file begin alike: where a beginning
//! leads to is found once, and what a step chooses from is sorted once, so that as many targets as a file has images do
//! not look through it anew each.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;
use std::rc::Rc;

use crate::text::yaml::Node;

use super::way::{Step, dig};

/// How many values are remembered of one file: aliases can make more ways than there is memory.
const REMEMBERED_MAX: usize = 1_000_000;

/// The documents of a file.
pub(super) struct Tree {
    /// The documents, in their order.
    pub(super) documents: Vec<Rc<Node>>,
    begun: RefCell<Begun>,
}

/// A value that a way leads to.
#[derive(Clone)]
pub(super) struct Reached {
    pub(super) node: Rc<Node>,
    /// What of the way stands in several places of the file, and so cannot be edited in one.
    pub(super) shared: Option<Range<usize>>,
}

/// Where a way ends too early: the number of the step that leads nowhere, and the values it was to lead on from.
pub(super) struct Astray {
    pub(super) step: usize,
    pub(super) from: Rc<[Reached]>,
}

/// What is remembered of all ways.
struct Begun {
    top: Walk,
    /// How many values are remembered.
    count: usize,
}

/// The values that the first steps of ways lead to.
struct Walk {
    at: Rc<[Reached]>,
    /// Where one more step leads.
    next: HashMap<Step, Self>,
    /// What steps choose from, by what they choose by; none where each has to be looked at.
    sorted: HashMap<By, Option<HashMap<String, Vec<Reached>>>>,
}

/// What a step chooses by.
#[derive(PartialEq, Eq, Hash)]
enum By {
    /// The key that a value has in its map.
    Key,
    /// The text that it has itself below these keys.
    Text(Vec<String>),
}

impl Tree {
    pub(super) fn new(documents: Vec<Rc<Node>>) -> Self {
        let begun = RefCell::new(Begun::new(&documents));
        Self { documents, begun }
    }

    /// The values that `steps` lead to from all documents, at least one.
    pub(super) fn reach(&self, steps: &[Step]) -> Result<Rc<[Reached]>, Astray> {
        let mut begun = self.begun.borrow_mut();
        if begun.count > REMEMBERED_MAX {
            *begun = Begun::new(&self.documents);
        }
        let Begun { top, count } = &mut *begun;
        let mut here = top;
        for (number, step) in steps.iter().enumerate() {
            let from = Rc::clone(&here.at);
            here = here.step(step, count);
            if here.at.is_empty() {
                return Err(Astray { step: number, from });
            }
        }
        Ok(Rc::clone(&here.at))
    }
}

impl Begun {
    fn new(documents: &[Rc<Node>]) -> Self {
        let top = documents.iter().map(|node| Reached::new(Rc::clone(node), None)).collect();
        Self { top: Walk::new(top), count: documents.len() }
    }
}

impl Walk {
    fn new(at: Vec<Reached>) -> Self {
        Self { at: at.into(), next: HashMap::new(), sorted: HashMap::new() }
    }

    fn step(&mut self, step: &Step, count: &mut usize) -> &mut Self {
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
    at: &[Reached],
    sorted: &mut HashMap<By, Option<HashMap<String, Vec<Reached>>>>,
    step: &Step,
    count: &mut usize,
) -> Vec<Reached> {
    let chosen = match step {
        Step::Key(key) => Some((By::Key, key)),
        Step::With(keys, text) => Some((By::Text(keys.clone()), text)),
        Step::Item(_) | Step::Each => None,
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
fn sort(at: &[Reached], by: &By) -> Option<HashMap<String, Vec<Reached>>> {
    let mut sorted: HashMap<String, Vec<Reached>> = HashMap::new();
    match by {
        By::Key => {
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
        By::Text(keys) => {
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

impl Reached {
    fn new(node: Rc<Node>, shared: Option<Range<usize>>) -> Self {
        let shared = shared.or_else(|| node.anchored.then(|| node.span.start..node.span.start));
        Self { node, shared }
    }

    /// What one step leads to from here.
    fn take(&self, step: &Step) -> Vec<Self> {
        match step {
            Step::Key(key) => {
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
            Step::Item(number) => self.node.items().get(*number).map(|item| self.item(item)).into_iter().collect(),
            Step::Each => self.node.items().iter().map(|item| self.item(item)).collect(),
            Step::With(keys, value) => {
                let has = |one: &&Rc<Node>| dig(one, keys).is_some_and(|node| node.text() == Some(value));
                self.candidates().iter().filter(has).map(|one| self.chosen(one)).collect()
            }
        }
    }

    /// The value of a key that stands at `name`; where it is an alias, that place is named.
    fn to(&self, value: &Rc<Node>, name: Range<usize>) -> Self {
        let shared = self.shared.clone().or_else(|| value.anchored.then_some(name));
        Self { node: Rc::clone(value), shared }
    }

    fn item(&self, item: &Rc<Node>) -> Self {
        Self::new(Rc::clone(item), self.shared.clone())
    }

    /// What a filter chooses from: the items of a list, or the value itself.
    pub(super) fn candidates(&self) -> &[Rc<Node>] {
        if self.node.items().is_empty() { std::slice::from_ref(&self.node) } else { self.node.items() }
    }

    /// One of the candidates.
    fn chosen(&self, one: &Rc<Node>) -> Self {
        if Rc::ptr_eq(one, &self.node) { self.clone() } else { self.item(one) }
    }
}
