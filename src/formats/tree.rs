//! The documents of a file, and what the selectors of many targets match in them.
//!
//! Most selectors in a file share a prefix. Each prefix is resolved once and each filter's candidates are indexed once, so
//! that the cost does not grow with targets times values.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use crate::system::lock;
use crate::text::yaml::YamlNode;

/// Maximum number of values that are cached per file: aliases can multiply them.
const CACHED_MAX: usize = 1_000_000;

/// The documents of a file.
pub(super) struct DocumentTree {
    pub(super) documents: Vec<Arc<YamlNode>>,
    cache: Mutex<SelectorCache>,
}

/// One step of a selector.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum SelectorStep {
    /// The value of a key.
    Key(String),
    /// An item of a list, from 0.
    Item(usize),
    /// Every item of a list.
    Each,
    /// The candidates that have this string below these keys.
    With(Vec<String>, String),
}

/// A value that a selector matches.
#[derive(Clone)]
pub(super) struct SelectedNode {
    pub(super) node: Arc<YamlNode>,
    /// Bytes of the anchor, alias or merge key that shares the value, which therefore cannot be edited here.
    pub(super) shared: Option<Range<usize>>,
}

/// A selector without a match: the number of the failing step and the values it was applied to.
pub(super) struct NoMatch {
    pub(super) step: usize,
    pub(super) from: Arc<[SelectedNode]>,
}

/// Cached matches of all selectors.
struct SelectorCache {
    top: SelectorPrefix,
    /// Number of cached values.
    count: usize,
}

/// Matches of the first steps of selectors.
struct SelectorPrefix {
    matches: Arc<[SelectedNode]>,
    /// The prefixes with one more step.
    next: HashMap<SelectorStep, Self>,
    /// Candidates of steps by what they are selected by; none if each must be tested.
    index: HashMap<StepIndex, Option<HashMap<String, Vec<SelectedNode>>>>,
}

/// Key by which a step selects.
#[derive(PartialEq, Eq, Hash)]
enum StepIndex {
    /// The key of the value.
    Key,
    /// The string below these keys of the value.
    Text(Vec<String>),
}

/// Returns the value below nested keys.
pub(super) fn dig(node: &Arc<YamlNode>, keys: &[String]) -> Option<Arc<YamlNode>> {
    keys.iter().try_fold(Arc::clone(node), |node, key| node.get(key).cloned())
}

impl DocumentTree {
    pub(super) fn new(documents: Vec<Arc<YamlNode>>) -> Self {
        let cache = Mutex::new(SelectorCache::new(&documents));
        Self { documents, cache }
    }

    /// Returns the values that `steps` match in all documents, at least one.
    pub(super) fn select(&self, steps: &[SelectorStep]) -> Result<Arc<[SelectedNode]>, NoMatch> {
        let mut cache = lock(&self.cache);
        if cache.count > CACHED_MAX {
            *cache = SelectorCache::new(&self.documents);
        }
        let SelectorCache { top, count } = &mut *cache;
        let mut prefix = top;
        for (number, step) in steps.iter().enumerate() {
            let from = Arc::clone(&prefix.matches);
            prefix = prefix.step(step, count);
            if prefix.matches.is_empty() {
                return Err(NoMatch { step: number, from });
            }
        }
        Ok(Arc::clone(&prefix.matches))
    }
}

impl SelectorCache {
    fn new(documents: &[Arc<YamlNode>]) -> Self {
        let top = documents.iter().map(|node| SelectedNode::new(Arc::clone(node), None)).collect();
        Self { top: SelectorPrefix::new(top), count: documents.len() }
    }
}

impl SelectorPrefix {
    fn new(matches: Vec<SelectedNode>) -> Self {
        Self { matches: matches.into(), next: HashMap::new(), index: HashMap::new() }
    }

    fn step(&mut self, step: &SelectorStep, count: &mut usize) -> &mut Self {
        match self.next.entry(step.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let found = matches(&self.matches, &mut self.index, step, count);
                *count += found.len();
                new.insert(Self::new(found))
            }
        }
    }
}

/// Returns the matches of `step` from all of `from`.
fn matches(
    from: &[SelectedNode],
    index: &mut HashMap<StepIndex, Option<HashMap<String, Vec<SelectedNode>>>>,
    step: &SelectorStep,
    count: &mut usize,
) -> Vec<SelectedNode> {
    let wanted = match step {
        SelectorStep::Key(key) => Some((StepIndex::Key, key)),
        SelectorStep::With(keys, text) => Some((StepIndex::Text(keys.clone()), text)),
        SelectorStep::Item(_) | SelectorStep::Each => None,
    };
    let indexed = wanted.and_then(|(by, wanted)| {
        let index = match index.entry(by) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let found = index_by(new.key(), from);
                *count += found.iter().flat_map(HashMap::values).map(Vec::len).sum::<usize>();
                new.insert(found)
            }
        };
        Some(index.as_ref()?.get(wanted).cloned().unwrap_or_default())
    });
    indexed.unwrap_or_else(|| from.iter().flat_map(|from| from.matches(step)).collect())
}

/// Indexes the candidates of steps that select by `by`.
fn index_by(by: &StepIndex, from: &[SelectedNode]) -> Option<HashMap<String, Vec<SelectedNode>>> {
    let mut index: HashMap<String, Vec<SelectedNode>> = HashMap::new();
    match by {
        StepIndex::Key => {
            let entries = || from.iter().flat_map(|from| from.node.entries());
            // Merged keys have no entry of their own.
            let is_merged = entries().any(|(name, _)| name.text() == Some("<<"));
            if is_merged || entries().count() > CACHED_MAX {
                return None;
            }
            for from in from {
                for (name, value) in from.node.entries() {
                    let Some(key) = name.text() else { continue };
                    index.entry(key.to_owned()).or_default().push(from.entry(value, name.span.clone()));
                }
            }
        }
        StepIndex::Text(keys) => {
            if from.iter().map(|from| from.candidates().len()).sum::<usize>() > CACHED_MAX {
                return None;
            }
            for from in from {
                for one in from.candidates() {
                    let Some(node) = dig(one, keys) else { continue };
                    let Some(text) = node.text() else { continue };
                    index.entry(text.to_owned()).or_default().push(from.candidate(one));
                }
            }
        }
    }
    Some(index)
}

impl SelectedNode {
    fn new(node: Arc<YamlNode>, shared: Option<Range<usize>>) -> Self {
        let shared = shared.or_else(|| node.is_anchored.then(|| node.span.start..node.span.start));
        Self { node, shared }
    }

    /// Returns the matches of one step from this value.
    fn matches(&self, step: &SelectorStep) -> Vec<Self> {
        match step {
            SelectorStep::Key(key) => {
                let own: Vec<Self> = (self.node.entries().iter())
                    .filter(|(name, _)| name.text() == Some(key))
                    .map(|(name, value)| self.entry(value, name.span.clone()))
                    .collect();
                if !own.is_empty() {
                    return own;
                }
                // A merged value is defined elsewhere.
                let merged = self.node.get(key).map(|value| Self::new(Arc::clone(value), Some(self.node.span.clone())));
                merged.into_iter().collect()
            }
            SelectorStep::Item(number) => {
                self.node.items().get(*number).map(|item| self.item(item)).into_iter().collect()
            }
            SelectorStep::Each => self.node.items().iter().map(|item| self.item(item)).collect(),
            SelectorStep::With(keys, value) => {
                let has = |one: &&Arc<YamlNode>| dig(one, keys).is_some_and(|node| node.text() == Some(value));
                self.candidates().iter().filter(has).map(|one| self.candidate(one)).collect()
            }
        }
    }

    /// Returns the value of the key at `name`, which is where a shared value is reported.
    fn entry(&self, value: &Arc<YamlNode>, name: Range<usize>) -> Self {
        let shared = self.shared.clone().or_else(|| value.is_anchored.then_some(name));
        Self { node: Arc::clone(value), shared }
    }

    fn item(&self, item: &Arc<YamlNode>) -> Self {
        Self::new(Arc::clone(item), self.shared.clone())
    }

    /// Returns what a filter selects from: the items of a list, or the value itself.
    pub(super) fn candidates(&self) -> &[Arc<YamlNode>] {
        if self.node.items().is_empty() { std::slice::from_ref(&self.node) } else { self.node.items() }
    }

    /// Selects one of the candidates.
    fn candidate(&self, one: &Arc<YamlNode>) -> Self {
        if Arc::ptr_eq(one, &self.node) { self.clone() } else { self.item(one) }
    }
}
