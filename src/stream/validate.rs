//! From streams as written to [`Definitions`] that are true, or to everything that is wrong with them.
//!
//! One file after the other is read into a [`Draft`]; what is written there is let go before the next. What a tag
//! follows can be in any file, so that is held together at the end.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::follow::{self, Follower};
use super::table::{SHAPE, StreamTable, TagEntry, TagTable, unquoted};
use super::{Definitions, Source, Stream, Tag};
use crate::image::{ImageRef, Platform, StreamName, TagId, TagName};
use crate::problem::{At, Findings, Problem, SourceFile};
use crate::settings::ImportSettings;
use crate::settings::schedule::Schedules;
use crate::settings::validate::{Written, annotations, is_text};
use crate::table::{Read, shape::short};

/// How many tags a root may have.
pub(crate) const TAGS_MAX: usize = 100_000;
/// The folder of the streams, in their root.
pub(crate) const FOLDER: &str = "streams/";

/// The streams that have been read so far.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    definitions: Definitions,
    followers: Vec<Follower>,
    /// Tags that are there and wrong, so that following them is not wrong.
    broken: HashSet<TagId>,
    /// Streams of which no tag, or not every tag, could be read.
    unread: HashSet<StreamName>,
    /// How many tags were written, right or wrong.
    tags: usize,
}

impl Draft {
    /// Reads one more stream, whose settings fall back on `defaults`; the answer is what is wrong with its file.
    pub(crate) fn stream(
        &mut self,
        file: &Arc<SourceFile>,
        name: StreamName,
        defaults: &ImportSettings,
        schedules: &mut Schedules,
    ) -> Vec<Problem> {
        let mut findings = Findings::new(file);
        let read: Option<Read<StreamTable>> = crate::table::read(&SHAPE, &mut findings, unquoted);
        let Some(Read { table, spoiled }) = read else {
            self.unread.insert(name);
            return findings.problems;
        };
        if !findings.problems.is_empty() {
            self.unread.insert(name.clone());
        }
        let before = self.tags;
        self.tags += table.tags.0.len();
        if self.tags > TAGS_MAX {
            if before <= TAGS_MAX {
                let problem = Problem::whole(Some(file), format!("the root has more tags than the cap of {TAGS_MAX}"));
                findings.problems.push(problem.help("split it into several roots, each with its own `pinstream.toml`"));
            }
            self.unread.insert(name);
            return findings.problems;
        }
        let import = &table.import;
        let written = Written {
            schedule: import.schedule.as_ref(),
            timezone: import.timezone.as_ref(),
            platforms: import.platforms.as_deref(),
        };
        let defaults = written.over(defaults, schedules, &mut findings);
        let mut tags = Tags { stream: &name, defaults: &defaults, schedules, findings };
        for (key, entry) in table.tags.0 {
            let Some(tag) = tags.findings.parse::<TagName>(&key) else { continue };
            let id = TagId { stream: name.clone(), tag };
            let whole = !spoiled.contains(&key.span.start);
            match tags.tag(&key, entry, whole) {
                Some((tag, place)) => {
                    if let Some(place) = place {
                        self.followers.push(Follower { tag: id.clone(), file: Arc::clone(file), place });
                    }
                    self.definitions.tags.insert(id, tag);
                }
                None => drop(self.broken.insert(id)),
            }
        }
        let mut findings = tags.findings;
        let description = table.description.filter(|text| is_text(text, &mut findings)).map(|text| text.value);
        let annotations = annotations(table.annotations, &mut findings);
        self.definitions.streams.insert(name, Stream { description, annotations });
        findings.problems
    }

    /// Notes a stream whose file is not fit to be read.
    pub(crate) fn unread(&mut self, name: StreamName) {
        self.unread.insert(name);
    }

    /// The streams held together: what is followed is there, and nothing follows itself.
    pub(crate) fn finish(self) -> (Definitions, Vec<Problem>) {
        let known = follow::Known { definitions: &self.definitions, broken: &self.broken, unread: &self.unread };
        let problems = follow::check(&known, &self.followers);
        (self.definitions, problems)
    }
}

/// The tags of one stream while they are read.
struct Tags<'a, 'b> {
    stream: &'a StreamName,
    defaults: &'a ImportSettings,
    schedules: &'a mut Schedules,
    findings: Findings<'b>,
}

impl Tags<'_, '_> {
    /// A tag, and for one that follows where that is written. None where it is wrong; `whole` says that nothing of it
    /// was left unread.
    fn tag(&mut self, key: &At<String>, entry: At<TagEntry>, whole: bool) -> Option<(Tag, Option<Range<usize>>)> {
        let table = match entry.value {
            TagEntry::Image(value) => {
                let image = self.findings.parse(&At { value, span: entry.span })?;
                return Some((self.plain(image), None));
            }
            TagEntry::Table(table) => *table,
        };
        match (&table.image, &table.follow) {
            (Some(image), None) => {
                let image = image.clone();
                self.image(&image, table).filter(|_| whole).map(|tag| (tag, None))
            }
            (None, Some(follow)) => {
                let follow = follow.clone();
                let tag = self.follow(&follow, table)?;
                Some((tag, Some(follow.span))).filter(|_| whole)
            }
            (Some(_), Some(follow)) => {
                let message = format!("`{}` has both `image` and `follow`", short(&key.value));
                self.findings.say(&follow.span, message, "keep one: an image of a registry, or another tag");
                None
            }
            (None, None) => {
                if whole {
                    let message = format!("`{}` has neither `image` nor `follow`", short(&key.value));
                    let help = "add `image = \"registry/repository:tag\"` or `follow = \"stream:tag\"`";
                    self.findings.say(&key.span, message, help);
                }
                None
            }
        }
    }

    /// A tag of an image and nothing else.
    fn plain(&self, image: ImageRef) -> Tag {
        let source = Source::Image { image, platform: None };
        let ImportSettings { schedule, platforms, .. } = self.defaults;
        Tag { source, platforms: platforms.clone(), schedule: schedule.clone(), annotations: Default::default() }
    }

    fn image(&mut self, written: &At<String>, table: TagTable) -> Option<Tag> {
        let findings = &mut self.findings;
        let before = findings.problems.len();
        let image: Option<ImageRef> = findings.parse(written);
        let platform: Option<Platform> = table.platform.as_ref().and_then(|text| findings.parse(text));
        if let (Some(_), Some(platforms)) = (&table.platform, &table.platforms) {
            let help = "`platform` pins one platform's own digest; `platforms` says which ones the index must have";
            findings.say(&platforms.span, "`platform` and `platforms` exclude each other", help);
        }
        if let (Some(schedule), Some(true)) = (&table.schedule, image.as_ref().map(|image| image.digest().is_some())) {
            let help = "take the schedule out, or name a tag without its digest";
            findings.say(&schedule.span, "an image named by its digest never moves, so it needs no schedule", help);
        }
        let own = Written {
            schedule: table.schedule.as_ref(),
            timezone: table.timezone.as_ref(),
            platforms: table.platforms.as_ref().map(|list| list.value.as_slice()),
        };
        let import = own.over(self.defaults, self.schedules, findings);
        if let (Some(timezone), None, None) = (&table.timezone, &table.schedule, &import.schedule) {
            let help = "add a schedule, or take the time zone out";
            findings.say(&timezone.span, "a time zone says nothing without a schedule", help);
        }
        let annotations = annotations(table.annotations, findings);
        let platforms = if platform.is_some() { Vec::new() } else { import.platforms };
        let source = Source::Image { image: image?, platform };
        let right = findings.problems.len() == before;
        right.then_some(Tag { source, platforms, schedule: import.schedule, annotations })
    }

    fn follow(&mut self, written: &At<String>, table: TagTable) -> Option<Tag> {
        let findings = &mut self.findings;
        let before = findings.problems.len();
        let own = [
            ("platform", table.platform.as_ref().map(|text| &text.span)),
            ("platforms", table.platforms.as_ref().map(|list| &list.span)),
            ("schedule", table.schedule.as_ref().map(|text| &text.span)),
            ("timezone", table.timezone.as_ref().map(|text| &text.span)),
        ];
        for (key, span) in own.into_iter().filter_map(|(key, span)| span.map(|span| (key, span))) {
            let message = format!("`{key}` cannot stand beside `follow`: it belongs to what the tag follows");
            findings.say(span, message, format!("write it at `{}`", short(&written.value)));
        }
        let annotations = annotations(table.annotations, findings);
        let target = findings.keep(&written.span, follow::target(&written.value, self.stream))?;
        let right = findings.problems.len() == before;
        right.then_some(Tag { source: Source::Follow(target), platforms: Vec::new(), schedule: None, annotations })
    }
}

#[cfg(test)]
mod tests;
