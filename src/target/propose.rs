//! Targets for images that a file names, thought of, tried in memory, and only then proposed.
//!
//! A target is right where all that it writes over is what it was thought of for, and the file read again names the pin
//! there and all other images as before. Nothing here changes a file.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::find::{self, Mention};
use crate::image::{ImageRef, PinnedRef, TagId};
use crate::problem::{Place, Problem, SourceFile};

use super::part::Part;
use super::path::FilePath;
use super::text::Text;
use super::way::Way;
use super::{Found, Kind, Pins, Target, Unfit, compose, dockerfile, kustomize, workflow};

/// A file whose images shall be written by targets.
pub struct Asked<'a> {
    /// The file, its path counted from the root.
    pub file: &'a Arc<SourceFile>,
    /// What kind of file it is.
    pub kind: find::Kind,
    /// The images that it names.
    pub mentions: &'a [Mention],
    /// The tag whose pin shall stand in the place of each; none where it shall stay.
    pub wanted: &'a [Option<TagId>],
    /// The targets there are already.
    pub targets: &'a [Target],
    /// What is known of each tag; what none is pinned to yet may be anything.
    pub pins: Pins<'a>,
}

/// What becomes of the place of an image.
#[derive(Clone, Debug, PartialEq)]
pub enum Proposal {
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
}

/// A place that a target writes over, with what is written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hit {
    from: TagId,
    span: Range<usize>,
    new: String,
}

/// A target that did well, and what it writes over.
struct Tried {
    target: Target,
    hits: Vec<Hit>,
}

/// What becomes of each image that a file names.
pub fn propose(asked: &Asked<'_>) -> Vec<Proposal> {
    match (FilePath::new(&asked.file.path), Text::new(&asked.file.path, asked.file.text.as_bytes())) {
        (Ok(path), Some(text)) if !path.is_glob() => Proposing::begin(asked, text, path).finish(),
        (path, _) => {
            let message = path.err().map(|error| error.message);
            let message = message.unwrap_or_else(|| format!("`{}` is not what a target can be for", asked.file.path));
            let help = "give the file another name, or write its image elsewhere";
            let unfit = Problem::whole(Some(asked.file), message).help(help);
            let unfit =
                |wanted: &Option<TagId>| wanted.as_ref().map_or(Proposal::None, |_| Proposal::Unfit(unfit.clone()));
            asked.wanted.iter().map(unfit).collect()
        }
    }
}

struct Proposing<'a> {
    asked: &'a Asked<'a>,
    text: Text,
    path: FilePath,
    /// What the targets there are write over, by where it begins.
    there: BTreeMap<usize, Hit>,
    /// The targets that did well, each with the number of the first image it is for.
    tried: BTreeMap<usize, Tried>,
    unfit: BTreeMap<usize, Problem>,
}

impl<'a> Proposing<'a> {
    fn begin(asked: &'a Asked<'a>, text: Text, path: FilePath) -> Self {
        let ours = asked.targets.iter().filter(|target| target.path.matches(&asked.file.path));
        // What is wrong with a target that is there is for `check` to say.
        let hits = ours.filter_map(|target| hits(target, &text, asked.pins).ok()).flatten();
        let there = hits.map(|hit| (hit.span.start, hit)).collect();
        Self { asked, text, path, there, tried: BTreeMap::new(), unfit: BTreeMap::new() }
    }

    fn finish(mut self) -> Vec<Proposal> {
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

    fn proposal(&self, number: usize) -> Proposal {
        if self.is_there(number) {
            Proposal::There
        } else if let Some(tried) = self.tried.get(&number) {
            Proposal::New(tried.target.clone())
        } else if self.is_tried(number) {
            Proposal::Shared
        } else if let Some(problem) = self.unfit.get(&number) {
            Proposal::Unfit(problem.clone())
        } else {
            Proposal::None
        }
    }

    fn is_there(&self, number: usize) -> bool {
        let decided = &self.asked.mentions[number].decided;
        self.there.range(decided.start..decided.end.max(decided.start + 1)).next().is_some()
    }

    fn is_tried(&self, number: usize) -> bool {
        let decided = &self.asked.mentions[number].decided;
        self.tried.values().flat_map(|tried| &tried.hits).any(|hit| is_within(&hit.span, decided))
    }

    /// The first of all targets that may do which does.
    fn first_right(&self, number: usize, from: &TagId) -> Result<Tried, Problem> {
        let mention = &self.asked.mentions[number];
        let mut first = None;
        for (kind, part) in self.candidates(mention) {
            let write = match (&kind, &mention.image) {
                // These write what there is of an image, each part by itself.
                (Kind::Kustomize(_) | Kind::Helm(_), _) => Part::default(),
                (_, Ok(image)) if part.is_none() && image.tag().is_none() => Part::RepositoryAtDigest,
                _ => part.unwrap_or_default(),
            };
            let place = Place { file: Arc::clone(self.asked.file), span: 0..0 };
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

    /// The places that may be that of `mention`, the best first, each with what is written there where that is known.
    fn candidates(&self, mention: &Mention) -> Vec<(Kind, Option<Part>)> {
        let (text, span) = (&self.text, &mention.span);
        let ways = || Way::to(text.yaml().unwrap_or_default(), span).into_iter();
        let kinds: Vec<Kind> = match self.asked.kind {
            find::Kind::Dockerfile => {
                let places = dockerfile::places(text, mention).into_iter();
                return places.map(|(place, part)| (Kind::Dockerfile(place), part)).collect();
            }
            find::Kind::Compose => {
                compose::service(text, span).map(|name| Kind::Compose(Some(name))).into_iter().collect()
            }
            find::Kind::Workflow => {
                // What a step uses is more than the image.
                let is_used = text.text()[span.clone()].starts_with(find::DOCKER);
                let ways = ways().filter(|_| !is_used).map(Kind::Yaml);
                workflow::place(text, span).map(Kind::Workflow).into_iter().chain(ways).collect()
            }
            find::Kind::Kustomize => kustomize::name(text, span).map(Kind::Kustomize).into_iter().collect(),
            find::Kind::Helm => ways().map(Kind::Helm).collect(),
            find::Kind::Kubernetes if text.path().ends_with(".json") => {
                Way::to(text.json().unwrap_or_default(), span).into_iter().map(Kind::Json).collect()
            }
            find::Kind::Kubernetes => ways().map(Kind::Yaml).collect(),
        };
        kinds.into_iter().map(|kind| (kind, None)).collect()
    }

    /// `target`, if it writes over the image `number` and nothing that it should not.
    fn attempt(&self, target: Target, number: usize) -> Result<Tried, Problem> {
        let mention = &self.asked.mentions[number];
        let hits = hits(&target, &self.text, self.asked.pins)?;
        let elsewhere = || {
            let message = "a target for it would write over other places as well";
            self.text.problem(&mention.span, message).help("give it a place of its own")
        };
        let is_fine = hits.iter().all(|hit| self.may_write(hit));
        let is_it = hits.iter().any(|hit| is_within(&hit.span, &mention.decided));
        if is_fine && is_it { Ok(Tried { target, hits }) } else { Err(elsewhere()) }
    }

    /// Whether what `hit` writes over are images that its tag is for.
    fn may_write(&self, hit: &Hit) -> bool {
        if let Some(there) = self.there.get(&hit.span.start) {
            return there == hit;
        }
        let mut over = self.over(hit).peekable();
        over.peek().is_some() && over.all(|number| self.asked.wanted[number].as_ref() == Some(&hit.from))
    }

    /// The images that `hit` writes over.
    fn over(&self, hit: &Hit) -> impl Iterator<Item = usize> {
        let mentions = self.asked.mentions.iter().enumerate();
        mentions.filter(|(_, mention)| is_within(&hit.span, &mention.decided)).map(|(number, _)| number)
    }

    /// Keeps a target, in place of those that write nothing besides.
    fn take(&mut self, number: usize, tried: Tried) {
        self.tried.retain(|_, other| !other.hits.iter().all(|hit| tried.hits.contains(hit)));
        self.tried.insert(number, tried);
    }

    /// Lets those targets go after which the file would not name what it should.
    fn read_again(&mut self) {
        let all = self.tried.values().flat_map(|tried| &tried.hits);
        if self.tried.is_empty() || self.names_what_it_should(all) {
            return;
        }
        let is_wrong = |tried: &Tried| !self.names_what_it_should(tried.hits.iter());
        let wrong: Vec<usize> =
            self.tried.iter().filter(|(_, tried)| is_wrong(tried)).map(|(number, _)| *number).collect();
        for number in wrong {
            self.tried.remove(&number);
            let message = "what a target writes there would not be the image that is read there";
            let problem = self.text.problem(&self.asked.mentions[number].span, message);
            self.unfit.insert(number, problem.help("write the whole image out in one place"));
        }
    }

    /// Whether the file names the pins in the place of the images that are written over, and all others as before.
    fn names_what_it_should<'h>(&self, hits: impl Iterator<Item = &'h Hit>) -> bool {
        let mut hits: Vec<&Hit> = hits.collect();
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
                        (Found::At(pin), Ok(image)) => is_of(image, &pin),
                        _ => false,
                    },
                }
            })
    }
}

fn is_within(inner: &Range<usize>, outer: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

fn is_of(image: &ImageRef, pin: &PinnedRef) -> bool {
    image.repository() == pin.image.repository() && image.digest() == Some(&pin.digest)
}

/// What `target` writes over in a file.
fn hits(target: &Target, text: &Text, pins: Pins<'_>) -> Result<Vec<Hit>, Problem> {
    match target.changes(text, pins) {
        Ok(changes) => {
            Ok(changes.into_iter().map(|(from, change)| Hit { from, span: change.span, new: change.new }).collect())
        }
        Err(Unfit::Nothing(problem) | Unfit::Wrong(problem)) => Err(problem),
    }
}

#[cfg(test)]
mod tests;
