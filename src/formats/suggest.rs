//! Suggests targets for the images in a file. Each candidate is tried in memory: it must change only the intended places, and
//! afterwards the file must name the pin there and all other images as before. No file is written.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use super::edit::apply;
use super::{
    DocumentTree, FileKind, FilePath, FileText, GLOB_CHARS, ImageSite, PinLookup, ReferencePart, Selector, Target,
    TargetEdit, TargetKind, TargetPin,
};
use crate::model::image::{ImageRef, PinnedRef, TagId};
use crate::text::diagnostics::{Problem, SourceFile, SourceLocation};

use super::selector::selectors;

/// A file and the images in it that targets should write.
pub struct TargetRequest<'a> {
    /// The file; its path is relative to the root.
    pub file: &'a Arc<SourceFile>,
    /// Kind of the file.
    pub kind: FileKind,
    /// Other files of its directory, with which the images were found.
    pub companions: &'a [Arc<SourceFile>],
    /// The images in the file.
    pub sites: &'a [ImageSite],
    /// The tag whose pin each image should receive; none if it should remain.
    pub wanted: &'a [Option<TagId>],
    /// The existing targets.
    pub targets: &'a [Target],
    /// Looks up pins; tags without a pin yet may return any.
    pub pins: PinLookup<'a>,
}

/// Suggestion for one image.
#[derive(Clone, Debug, PartialEq)]
pub enum SuggestedTarget {
    /// Not requested.
    None,
    /// An existing target writes the image.
    Existing,
    /// This target would write it.
    New(Target),
    /// The new target for another image would write it as well.
    Shared,
    /// No target can write it.
    Unsupported(Problem),
    /// No target can name the file or may write it, not even one for markers.
    BadPath(Problem),
}

/// A target that might write an image.
#[derive(Clone)]
pub(super) struct SiteCandidate {
    pub(super) kind: TargetKind,
    /// The part to write, if it is not the whole reference.
    pub(super) part: Option<ReferencePart>,
}

/// Returns candidates that select each site in a tree by a selector.
pub(super) fn by_selector(
    tree: &DocumentTree,
    sites: &[ImageSite],
    kind: impl Fn(Selector) -> TargetKind,
) -> Vec<Vec<SiteCandidate>> {
    let spans: Vec<Range<usize>> = sites.iter().map(|site| site.span.clone()).collect();
    let found = selectors(&tree.documents, &spans);
    let candidate = |selector| SiteCandidate { kind: kind(selector), part: None };
    found.into_iter().map(|selectors| selectors.into_iter().map(candidate).collect()).collect()
}

/// Returns candidates that select each site by what `names` has for its first byte.
pub(super) fn by_start<T>(
    sites: &[ImageSite],
    names: &HashMap<usize, T>,
    kind: impl Fn(&T) -> TargetKind,
) -> Vec<Vec<SiteCandidate>> {
    let candidate =
        |site: &ImageSite| names.get(&site.span.start).map(|name| SiteCandidate { kind: kind(name), part: None });
    sites.iter().map(|site| candidate(site).into_iter().collect()).collect()
}

/// A suitable target and its edits by start.
struct TargetTrial {
    target: Target,
    edits: BTreeMap<usize, TargetEdit>,
}

/// Returns a suggestion for each image of a file.
pub fn suggest(request: &TargetRequest<'_>) -> Vec<SuggestedTarget> {
    let problem = match TargetSuggester::new(request) {
        Ok(suggester) => return suggester.finish(),
        Err(problem) => problem,
    };
    let suggestion = |_: &TagId| SuggestedTarget::BadPath(problem.clone());
    request.wanted.iter().map(|wanted| wanted.as_ref().map_or(SuggestedTarget::None, suggestion)).collect()
}

struct TargetSuggester<'a> {
    request: &'a TargetRequest<'a>,
    text: FileText,
    path: FilePath,
    /// Candidates for each image, best first, or why there are none.
    candidates: Result<Vec<Vec<SiteCandidate>>, Problem>,
    deciding: DecidingBytes,
    /// Edits of the existing targets by start.
    existing: BTreeMap<usize, TargetEdit>,
    /// Suitable targets by the number of the first image they are for.
    trials: BTreeMap<usize, TargetTrial>,
    /// Numbers of the trials by the start of their edits.
    trials_at: BTreeMap<usize, Vec<usize>>,
    unsupported: BTreeMap<usize, Problem>,
}

impl<'a> TargetSuggester<'a> {
    /// Checks that targets can name the file and may write it.
    fn new(request: &'a TargetRequest<'a>) -> Result<Self, Problem> {
        let name = &request.file.path;
        let invalid = |message: String| {
            Problem::whole(Some(request.file), message).help("rename the file, or write its image in another one")
        };
        if let Some(c) = name.chars().find(|c| GLOB_CHARS.contains(c)) {
            return Err(invalid(format!("`{name}` contains `{c}`, which would make the target's path a glob")));
        }
        let path = FilePath::new(name).map_err(|error| invalid(error.message))?;
        let text = FileText::from_bytes(name, request.file.text.as_bytes());
        let text =
            text.ok_or_else(|| invalid(format!("`{name}` contains a NUL character; targets are for text files")))?;
        if let Some(problem) = super::refusal(&text) {
            return Err(problem);
        }
        let targets = request.targets.iter().filter(|target| target.path.matches(name));
        // `check` reports what is wrong with existing targets.
        let edits = targets.filter_map(|target| target.edits_in(&text, request.pins).ok()).flatten();
        let existing = edits.map(|edit| (edit.span.start, edit)).collect();
        // A target is written without companions.
        let whole = FileText::of(Arc::clone(request.file)).with(request.companions);
        let candidates = request.kind.candidates(&whole, request.sites);
        let deciding = DecidingBytes::new(request.sites);
        let (trials, trials_at, unsupported) = Default::default();
        Ok(Self { request, text, path, candidates, deciding, existing, trials, trials_at, unsupported })
    }

    fn finish(mut self) -> Vec<SuggestedTarget> {
        for (number, from) in self.request.wanted.iter().enumerate() {
            if let Some(from) = from.as_ref().filter(|_| !self.is_existing(number) && !self.is_covered(number)) {
                match self.first_suitable(number, from) {
                    Ok(trial) => self.accept(number, trial),
                    Err(problem) => drop(self.unsupported.insert(number, problem)),
                }
            }
        }
        self.verify();
        (0..self.request.sites.len()).map(|number| self.suggestion(number)).collect()
    }

    fn suggestion(&self, number: usize) -> SuggestedTarget {
        if self.is_existing(number) {
            SuggestedTarget::Existing
        } else if let Some(trial) = self.trials.get(&number) {
            SuggestedTarget::New(trial.target.clone())
        } else if self.is_covered(number) {
            SuggestedTarget::Shared
        } else if let Some(problem) = self.unsupported.get(&number) {
            SuggestedTarget::Unsupported(problem.clone())
        } else {
            SuggestedTarget::None
        }
    }

    /// Returns whether an existing target writes the image.
    fn is_existing(&self, number: usize) -> bool {
        let decided = &self.request.sites[number].decided;
        self.existing.range(decided.start..decided.end.max(decided.start + 1)).next().is_some()
    }

    /// Returns whether a trial writes the image.
    fn is_covered(&self, number: usize) -> bool {
        let decided = &self.request.sites[number].decided;
        let starts = self.trials_at.range(decided.start..decided.end.max(decided.start + 1));
        let mut edits = starts.flat_map(|(at, numbers)| numbers.iter().map(|number| &self.trials[number].edits[at]));
        edits.any(|edit| is_within(&edit.span, decided))
    }

    /// Returns the first suitable candidate, or why the first one is not.
    fn first_suitable(&self, number: usize, from: &TagId) -> Result<TargetTrial, Problem> {
        let site = &self.request.sites[number];
        let mut first = None;
        let candidates = self.candidates.as_ref().map_err(Clone::clone)?;
        for SiteCandidate { kind, part } in candidates[number].iter().cloned() {
            let write = match (part, &site.image) {
                // The kind writes each part by itself.
                _ if kind.kind().refuse_part(ReferencePart::default()).is_some() => ReferencePart::default(),
                (None, Ok(image)) if image.tag().is_none() => ReferencePart::RepositoryAtDigest,
                _ => part.unwrap_or_default(),
            };
            let place = SourceLocation { file: Arc::clone(self.request.file), span: 0..0 };
            match self.attempt(Target { from: Some(from.clone()), path: self.path.clone(), kind, write, place }, number)
            {
                Ok(trial) => return Ok(trial),
                Err(problem) => first = first.or(Some(problem)),
            }
        }
        Err(first.unwrap_or_else(|| {
            let message = "the image is composed of parts that no single target can write";
            self.text.problem(site.span.clone(), message).help("write it out in one place")
        }))
    }

    /// Returns the edits of `target` if it writes image `number` and no place that it should not.
    fn attempt(&self, target: Target, number: usize) -> Result<TargetTrial, Problem> {
        let site = &self.request.sites[number];
        let edits = target.edits_in(&self.text, self.request.pins).map_err(|error| error.problem)?;
        let is_allowed = edits.iter().all(|edit| self.may_write(edit));
        if !is_allowed || !edits.iter().any(|edit| is_within(&edit.span, &site.decided)) {
            let problem = self.text.problem(site.span.clone(), "a target for it would change other places as well");
            return Err(problem.help("write the image out separately, so that a target can select it alone"));
        }
        Ok(TargetTrial { target, edits: edits.into_iter().map(|edit| (edit.span.start, edit)).collect() })
    }

    /// Returns whether an edit changes only images for its tag.
    fn may_write(&self, edit: &TargetEdit) -> bool {
        if let Some(existing) = self.existing.get(&edit.span.start) {
            return existing == edit;
        }
        let mut images = self.deciding.within(&edit.span).peekable();
        images.peek().is_some() && images.all(|number| self.request.wanted[number].as_ref() == Some(&edit.from))
    }

    /// Adds a target, and removes those that it makes redundant.
    fn accept(&mut self, number: usize, trial: TargetTrial) {
        let others = trial.edits.keys().filter_map(|at| self.trials_at.get(at)).flatten();
        let is_redundant =
            |other: &usize| self.trials[other].edits.iter().all(|(at, edit)| trial.edits.get(at) == Some(edit));
        let redundant: BTreeSet<usize> = others.copied().filter(is_redundant).collect();
        for other in redundant {
            self.remove(other);
        }
        for at in trial.edits.keys() {
            self.trials_at.entry(*at).or_default().push(number);
        }
        self.trials.insert(number, trial);
    }

    fn remove(&mut self, number: usize) {
        for at in self.trials.remove(&number).iter().flat_map(|trial| trial.edits.keys()) {
            self.trials_at.entry(*at).or_default().retain(|other| *other != number);
        }
    }

    /// Removes the targets whose result does not name the pins.
    fn verify(&mut self) {
        let numbers: Vec<usize> = self.trials.keys().copied().collect();
        for number in self.failing(&numbers) {
            self.remove(number);
            let message = "after the edit, a target here would not produce the pinned reference";
            let problem = self.text.problem(self.request.sites[number].span.clone(), message);
            self.unsupported.insert(number, problem.help("write the whole image in one place"));
        }
    }

    /// Returns the targets whose result does not name the pins, by bisection.
    fn failing(&self, numbers: &[usize]) -> Vec<usize> {
        let edits = numbers.iter().flat_map(|number| self.trials[number].edits.values());
        match numbers {
            _ if numbers.is_empty() || self.names_pins_after(edits) => Vec::new(),
            [only] => vec![*only],
            several => {
                let (some, others) = several.split_at(several.len() / 2);
                [self.failing(some), self.failing(others)].concat()
            }
        }
    }

    /// Returns whether the edited file names the pins, and all other images as before.
    fn names_pins_after<'e>(&self, edits: impl Iterator<Item = &'e TargetEdit>) -> bool {
        let mut edits: Vec<&TargetEdit> = edits.collect();
        edits.sort_by_key(|edit| edit.span.start);
        edits.dedup();
        let Some(new) = apply(self.text.text(), edits.iter().copied()) else { return false };
        let file = Arc::new(SourceFile { path: self.request.file.path.clone(), text: new });
        let Ok(found) = self.request.kind.find_with(&file, self.request.companions) else { return false };
        found.len() == self.request.sites.len()
            && self.request.sites.iter().zip(&found).all(|(old, new)| {
                let next = edits.partition_point(|edit| edit.span.start < old.decided.start);
                match edits.get(next).filter(|edit| is_within(&edit.span, &old.decided)) {
                    None => old.image == new.image,
                    Some(edit) => match ((self.request.pins)(&edit.from), &new.image) {
                        (TargetPin::At(pin), Ok(image)) => is_pin(image, &pin),
                        _ => false,
                    },
                }
            })
    }
}

/// The bytes that decide each image of a file.
struct DecidingBytes {
    /// Bytes and number of each image, by start.
    sorted: Vec<(Range<usize>, usize)>,
    /// Largest end up to each of them.
    ends: Vec<usize>,
}

impl DecidingBytes {
    fn new(sites: &[ImageSite]) -> Self {
        let mut sorted: Vec<_> =
            sites.iter().enumerate().map(|(number, site)| (site.decided.clone(), number)).collect();
        sorted.sort_by_key(|(decided, _)| decided.start);
        let largest = |end: &mut usize, (decided, _): &(Range<usize>, usize)| {
            *end = decided.end.max(*end);
            Some(*end)
        };
        let ends = sorted.iter().scan(0, largest).collect();
        Self { sorted, ends }
    }

    /// Returns the images whose deciding bytes contain `span`.
    fn within(&self, span: &Range<usize>) -> impl Iterator<Item = usize> {
        let before = self.sorted.partition_point(|(decided, _)| decided.start <= span.start);
        let reach = (0..before).rev().take_while(|place| self.ends[*place] >= span.end);
        let within = reach.map(|place| &self.sorted[place]).filter(|(decided, _)| is_within(span, decided));
        within.map(|(_, number)| *number)
    }
}

fn is_within(inner: &Range<usize>, outer: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

fn is_pin(image: &ImageRef, pin: &PinnedRef) -> bool {
    image.repository() == pin.image.repository() && image.digest() == Some(&pin.digest)
}

#[cfg(test)]
mod tests;
