//! Targets for images that a file names, thought of, tried in memory, and only then proposed.
//!
//! A target is right where all that it writes over is what it was thought of for, and the file read again names the pin
//! there and all other images as before. Nothing here changes a file.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use crate::formats::find::{self, FoundImage};
use crate::model::image::{ImageRef, PinnedRef, TagId};
use crate::text::diagnostics::{Problem, SourceFile, SourceLocation};

use super::part::ReferencePart;
use super::path::{FilePath, PATTERN};
use super::text::FileText;
use super::tree::DocumentTree;
use super::way::{self, Selector};
use super::{PinLookup, Target, TargetError, TargetKind, TargetPin, compose, dockerfile, kustomize, workflow};

/// A file whose images shall be written by targets.
pub struct TargetRequest<'a> {
    /// The file, its path counted from the root.
    pub file: &'a Arc<SourceFile>,
    /// What kind of file it is.
    pub kind: find::FileKind,
    /// The images that it names.
    pub mentions: &'a [FoundImage],
    /// The tag whose pin shall stand in the place of each; none where it shall stay.
    pub wanted: &'a [Option<TagId>],
    /// The targets there are already.
    pub targets: &'a [Target],
    /// What is known of each tag; what none is pinned to yet may be anything.
    pub pins: PinLookup<'a>,
}

/// What becomes of the place of an image.
#[derive(Clone, Debug, PartialEq)]
pub enum SuggestedTarget {
    /// It is not asked for.
    None,
    /// A target is there that writes it.
    There,
    /// This target would write it.
    New(Target),
    /// The target for another place would write it as well.
    Shared,
    /// No target can.
    Unfit(Problem),
    /// No target can be for its file, not even one for markers.
    Unnamed(Problem),
}

/// A place that a target writes over, with what is written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SiteHit {
    from: TagId,
    span: Range<usize>,
    new: String,
}

/// A place that may be that of an image, and what is written there where that is known.
type SiteCandidate = (TargetKind, Option<ReferencePart>);

/// A target that did well, and what it writes over.
struct TargetTrial {
    target: Target,
    /// What it writes over, by where that begins.
    hits: BTreeMap<usize, SiteHit>,
}

/// What becomes of each image that a file names.
pub fn propose(asked: &TargetRequest<'_>) -> Vec<SuggestedTarget> {
    match begin(asked) {
        Ok(proposing) => proposing.finish(),
        Err(message) => {
            let help = "give the file another name, or write its image elsewhere";
            let problem = Problem::whole(Some(asked.file), message).help(help);
            let unnamed = |_: &TagId| SuggestedTarget::Unnamed(problem.clone());
            asked.wanted.iter().map(|wanted| wanted.as_ref().map_or(SuggestedTarget::None, unnamed)).collect()
        }
    }
}

/// The file's text and path as targets have them, or why none can be for it.
fn begin<'a>(asked: &'a TargetRequest<'a>) -> Result<TargetSuggester<'a>, String> {
    let name = &asked.file.path;
    if let Some(c) = name.chars().find(|c| PATTERN.contains(c)) {
        return Err(format!("`{name}` has `{c}`, which makes a pattern of the path of a target"));
    }
    let path = FilePath::new(name).map_err(|error| error.message)?;
    let text = FileText::new(name, asked.file.text.as_bytes());
    let text = text.ok_or_else(|| format!("`{name}` has a NUL character, and targets are for text"))?;
    Ok(TargetSuggester::begin(asked, text, path))
}

struct TargetSuggester<'a> {
    asked: &'a TargetRequest<'a>,
    text: FileText,
    path: FilePath,
    /// The places that may be that of each image, the best first.
    candidates: Vec<Vec<SiteCandidate>>,
    decided: DecidingBytes,
    /// What the targets there are write over, by where it begins.
    there: BTreeMap<usize, SiteHit>,
    /// The targets that did well, each with the number of the first image it is for.
    tried: BTreeMap<usize, TargetTrial>,
    /// The numbers of those that write over what begins at a byte.
    tried_at: BTreeMap<usize, Vec<usize>>,
    unfit: BTreeMap<usize, Problem>,
}

impl<'a> TargetSuggester<'a> {
    fn begin(asked: &'a TargetRequest<'a>, text: FileText, path: FilePath) -> Self {
        let ours = asked.targets.iter().filter(|target| target.path.matches(&asked.file.path));
        // What is wrong with a target that is there is for `check` to say.
        let hits = ours.filter_map(|target| hits(target, &text, asked.pins).ok()).flatten();
        let there = hits.map(|hit| (hit.span.start, hit)).collect();
        let (candidates, decided) = (candidates(asked, &text), DecidingBytes::new(asked.mentions));
        let (tried, tried_at, unfit) = Default::default();
        Self { asked, text, path, candidates, decided, there, tried, tried_at, unfit }
    }

    fn finish(mut self) -> Vec<SuggestedTarget> {
        for (number, from) in self.asked.wanted.iter().enumerate() {
            if let Some(from) = from.as_ref().filter(|_| !self.is_there(number) && !self.is_tried(number)) {
                match self.first_right(number, from) {
                    Ok(tried) => self.take(number, tried),
                    Err(problem) => drop(self.unfit.insert(number, problem)),
                }
            }
        }
        self.read_again();
        let numbers = 0..self.asked.mentions.len();
        numbers.map(|number| self.proposal(number)).collect()
    }

    fn proposal(&self, number: usize) -> SuggestedTarget {
        if self.is_there(number) {
            SuggestedTarget::There
        } else if let Some(tried) = self.tried.get(&number) {
            SuggestedTarget::New(tried.target.clone())
        } else if self.is_tried(number) {
            SuggestedTarget::Shared
        } else if let Some(problem) = self.unfit.get(&number) {
            SuggestedTarget::Unfit(problem.clone())
        } else {
            SuggestedTarget::None
        }
    }

    fn is_there(&self, number: usize) -> bool {
        let decided = &self.asked.mentions[number].decided;
        self.there.range(decided.start..decided.end.max(decided.start + 1)).next().is_some()
    }

    fn is_tried(&self, number: usize) -> bool {
        let decided = &self.asked.mentions[number].decided;
        let begin = self.tried_at.range(decided.start..decided.end.max(decided.start + 1));
        let mut hits = begin.flat_map(|(at, numbers)| numbers.iter().map(|number| &self.tried[number].hits[at]));
        hits.any(|hit| is_within(&hit.span, decided))
    }

    /// The first of all targets that may do which does.
    fn first_right(&self, number: usize, from: &TagId) -> Result<TargetTrial, Problem> {
        let mention = &self.asked.mentions[number];
        let mut first = None;
        for (kind, part) in self.candidates[number].iter().cloned() {
            let write = match (&kind, &mention.image) {
                // These write what there is of an image, each part by itself.
                (TargetKind::Kustomize(_) | TargetKind::Helm(_), _) => ReferencePart::default(),
                (_, Ok(image)) if part.is_none() && image.tag().is_none() => ReferencePart::RepositoryAtDigest,
                _ => part.unwrap_or_default(),
            };
            let place = SourceLocation { file: Arc::clone(self.asked.file), span: 0..0 };
            let target = Target { from: Some(from.clone()), path: self.path.clone(), kind, write, place };
            match self.attempt(target, number) {
                Ok(tried) => return Ok(tried),
                Err(problem) => first = first.or(Some(problem)),
            }
        }
        Err(first.unwrap_or_else(|| {
            let message = "the image is put together of more than one target can write";
            self.text.problem(&mention.span, message).help("write it out in one place")
        }))
    }

    /// `target`, if it writes over the image `number` and nothing that it should not.
    fn attempt(&self, target: Target, number: usize) -> Result<TargetTrial, Problem> {
        let mention = &self.asked.mentions[number];
        let hits = hits(&target, &self.text, self.asked.pins)?;
        let elsewhere = || {
            let message = "a target for it would write over other places as well";
            self.text.problem(&mention.span, message).help("give it a place of its own")
        };
        let is_fine = hits.iter().all(|hit| self.may_write(hit));
        let is_it = hits.iter().any(|hit| is_within(&hit.span, &mention.decided));
        let hits = hits.into_iter().map(|hit| (hit.span.start, hit)).collect();
        if is_fine && is_it { Ok(TargetTrial { target, hits }) } else { Err(elsewhere()) }
    }

    /// Whether what `hit` writes over are images that its tag is for.
    fn may_write(&self, hit: &SiteHit) -> bool {
        if let Some(there) = self.there.get(&hit.span.start) {
            return there == hit;
        }
        let mut over = self.decided.over(&hit.span).peekable();
        over.peek().is_some() && over.all(|number| self.asked.wanted[number].as_ref() == Some(&hit.from))
    }

    /// Keeps a target, in place of those that write nothing besides.
    fn take(&mut self, number: usize, tried: TargetTrial) {
        let others = tried.hits.keys().filter_map(|at| self.tried_at.get(at)).flatten();
        let is_less = |other: &usize| self.tried[other].hits.iter().all(|(at, hit)| tried.hits.get(at) == Some(hit));
        let less: BTreeSet<usize> = others.copied().filter(is_less).collect();
        for other in less {
            self.let_go(other);
        }
        for at in tried.hits.keys() {
            self.tried_at.entry(*at).or_default().push(number);
        }
        self.tried.insert(number, tried);
    }

    fn let_go(&mut self, number: usize) {
        for at in self.tried.remove(&number).iter().flat_map(|tried| tried.hits.keys()) {
            self.tried_at.entry(*at).or_default().retain(|other| *other != number);
        }
    }

    /// Lets those targets go after which the file would not name what it should.
    fn read_again(&mut self) {
        let numbers: Vec<usize> = self.tried.keys().copied().collect();
        for number in self.wrong(&numbers) {
            self.let_go(number);
            let message = "what a target writes there would not be the image that is read there";
            let problem = self.text.problem(&self.asked.mentions[number].span, message);
            self.unfit.insert(number, problem.help("write the whole image out in one place"));
        }
    }

    /// Those of some targets after which the file would not name what it should, looked for by halves.
    fn wrong(&self, numbers: &[usize]) -> Vec<usize> {
        let hits = numbers.iter().flat_map(|number| self.tried[number].hits.values());
        match numbers {
            _ if numbers.is_empty() || self.names_what_it_should(hits) => Vec::new(),
            [only] => vec![*only],
            several => {
                let (some, others) = several.split_at(several.len() / 2);
                [self.wrong(some), self.wrong(others)].concat()
            }
        }
    }

    /// Whether the file names the pins in the place of the images that are written over, and all others as before.
    fn names_what_it_should<'h>(&self, hits: impl Iterator<Item = &'h SiteHit>) -> bool {
        let mut hits: Vec<&SiteHit> = hits.collect();
        hits.sort_by_key(|hit| hit.span.start);
        hits.dedup();
        let (mut new, mut at) = (String::with_capacity(self.text.text().len() + hits.len() * 100), 0);
        for hit in &hits {
            // Two that write into each other are no target's doing alone.
            let Some(between) = self.text.text().get(at..hit.span.start) else { return false };
            new.push_str(between);
            new.push_str(&hit.new);
            at = hit.span.end;
        }
        new.push_str(&self.text.text()[at..]);
        let file = Arc::new(SourceFile { path: self.asked.file.path.clone(), text: new });
        let Ok(found) = self.asked.kind.find(&file) else { return false };
        found.len() == self.asked.mentions.len()
            && self.asked.mentions.iter().zip(&found).all(|(old, new)| {
                let next = hits.partition_point(|hit| hit.span.start < old.decided.start);
                match hits.get(next).filter(|hit| is_within(&hit.span, &old.decided)) {
                    None => old.image == new.image,
                    Some(hit) => match ((self.asked.pins)(&hit.from), &new.image) {
                        (TargetPin::At(pin), Ok(image)) => is_of(image, &pin),
                        _ => false,
                    },
                }
            })
    }
}

/// The places that may be those of the images that are asked for.
fn candidates(asked: &TargetRequest<'_>, text: &FileText) -> Vec<Vec<SiteCandidate>> {
    let whole = |kind: TargetKind| (kind, None);
    let each = |of: &mut dyn FnMut(usize, &FoundImage) -> Vec<SiteCandidate>| {
        let is_wanted = |number: usize| asked.wanted[number].is_some();
        let numbered = asked.mentions.iter().enumerate();
        numbered.map(|(number, mention)| if is_wanted(number) { of(number, mention) } else { Vec::new() }).collect()
    };
    let named = |names: HashMap<usize, String>, kind: fn(String) -> TargetKind| {
        each(&mut |_, mention| names.get(&mention.span.start).cloned().map(kind).map(whole).into_iter().collect())
    };
    let spans = || asked.mentions.iter().map(|mention| mention.span.clone()).collect::<Vec<_>>();
    let ways = |tree: Result<&DocumentTree, Problem>| {
        way::to(tree.map(|tree| tree.documents.as_slice()).unwrap_or_default(), &spans())
    };
    let along = |ways: Vec<Vec<Selector>>, kind: fn(Selector) -> TargetKind| {
        ways.into_iter().map(|ways| ways.into_iter().map(kind).map(whole).collect()).collect()
    };
    match asked.kind {
        find::FileKind::Dockerfile => each(&mut |_, mention| {
            let places = dockerfile::places(text, mention).into_iter();
            places.map(|(place, part)| (TargetKind::Dockerfile(place), part)).collect()
        }),
        find::FileKind::Compose => named(compose::names(text), |name| TargetKind::Compose(Some(name))),
        find::FileKind::Workflow => {
            let (places, ways) = (workflow::places(text), ways(text.yaml()));
            each(&mut |number, mention| {
                // What a step uses is more than the image.
                let is_used = text.text()[mention.span.clone()].starts_with(find::DOCKER);
                let ways = ways[number].iter().filter(|_| !is_used).cloned().map(TargetKind::Yaml);
                let place = places.get(&mention.span.start).cloned().map(TargetKind::Workflow);
                place.into_iter().chain(ways).map(whole).collect()
            })
        }
        find::FileKind::Kustomize => named(kustomize::names(text), TargetKind::Kustomize),
        find::FileKind::Helm => along(ways(text.yaml()), TargetKind::Helm),
        find::FileKind::Kubernetes if text.path().ends_with(".json") => along(ways(text.json()), TargetKind::Json),
        find::FileKind::Kubernetes => along(ways(text.yaml()), TargetKind::Yaml),
    }
}

/// Which bytes decide which image is named, for all images of a file.
struct DecidingBytes {
    /// The bytes and the number of each image, by where they begin.
    sorted: Vec<(Range<usize>, usize)>,
    /// How far those up to each of them go at most.
    ends: Vec<usize>,
}

impl DecidingBytes {
    fn new(mentions: &[FoundImage]) -> Self {
        let mut sorted: Vec<_> =
            mentions.iter().enumerate().map(|(number, mention)| (mention.decided.clone(), number)).collect();
        sorted.sort_by_key(|(decided, _)| decided.start);
        let furthest = |end: &mut usize, (decided, _): &(Range<usize>, usize)| {
            *end = decided.end.max(*end);
            Some(*end)
        };
        let ends = sorted.iter().scan(0, furthest).collect();
        Self { sorted, ends }
    }

    /// The images that are written over with `span`.
    fn over(&self, span: &Range<usize>) -> impl Iterator<Item = usize> {
        let before = self.sorted.partition_point(|(decided, _)| decided.start <= span.start);
        let reach = (0..before).rev().take_while(|place| self.ends[*place] >= span.end);
        let over = reach.map(|place| &self.sorted[place]).filter(|(decided, _)| is_within(span, decided));
        over.map(|(_, number)| *number)
    }
}

fn is_within(inner: &Range<usize>, outer: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

fn is_of(image: &ImageRef, pin: &PinnedRef) -> bool {
    image.repository() == pin.image.repository() && image.digest() == Some(&pin.digest)
}

/// What `target` writes over in a file.
fn hits(target: &Target, text: &FileText, pins: PinLookup<'_>) -> Result<Vec<SiteHit>, Problem> {
    match target.changes(text, pins) {
        Ok(changes) => {
            Ok(changes.into_iter().map(|(from, change)| SiteHit { from, span: change.span, new: change.new }).collect())
        }
        Err(TargetError::Nothing(problem) | TargetError::Wrong(problem)) => Err(problem),
    }
}

#[cfg(test)]
mod tests;
