//! Validates stream files: turns their tables into [`Definitions`], and reports all problems.
//!
//! Files are read one by one into a [`DefinitionsDraft`], and each table is dropped before the next file. A tag may
//! follow one in any file, so that is checked at the end.

mod select_keys;
mod tag;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::follow::{self, Follower};
use super::table::{SHAPE, StreamTable, unquoted};
use super::{Definitions, Stream};
use crate::model::image::{RemoteName, StreamName, TagId, TagName};
use crate::model::settings::ImportSettings;
use crate::model::settings::remote::RemoteSettings;
use crate::model::settings::schedule::Schedules;
use crate::model::settings::user_text::{annotations, is_text};
use crate::model::settings::verify;
use crate::text::diagnostics::{Diagnostics, Problem, SourceFile};
use crate::text::toml::ParsedFile;
use tag::TagReader;

/// The maximum number of tags of a root.
pub(crate) const TAGS_MAX: usize = 100_000;
/// The directory of stream files, in their root.
pub(crate) const DIRECTORY: &str = "streams/";

/// The streams read so far.
#[derive(Debug, Default)]
pub(crate) struct DefinitionsDraft {
    definitions: Definitions,
    followers: Vec<Follower>,
    /// Tags with problems, which may be followed nevertheless.
    broken: HashSet<TagId>,
    /// Streams that were not read completely.
    pub(crate) unread: HashSet<StreamName>,
    /// The number of tags read, valid or not.
    tags: usize,
}

impl DefinitionsDraft {
    /// Reads another stream, whose settings fall back on `defaults`; returns the problems of its file.
    pub(crate) fn add_stream(
        &mut self,
        file: &Arc<SourceFile>,
        name: StreamName,
        defaults: &ImportSettings,
        schedules: &mut Schedules,
    ) -> Vec<Problem> {
        let mut findings = Diagnostics::new(file);
        let read: Option<ParsedFile<StreamTable>> = crate::text::toml::read(&SHAPE, &mut findings, unquoted);
        let Some(ParsedFile { table, incomplete }) = read else {
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
                let problem = Problem::whole(Some(file), format!("the root has more than {TAGS_MAX} tags"));
                findings.problems.push(problem.help("split it into several roots, each with its own `pinstream.toml`"));
            }
            self.unread.insert(name);
            return findings.problems;
        }
        let anchors = verify::trust_file(table.import.verify.as_ref(), &findings).into_iter().collect();
        let defaults = table.import.overlay(defaults, schedules, &mut findings);
        let mut tags = TagReader { stream: &name, defaults: &defaults, schedules, findings, anchors };
        for (key, entry) in table.tags.0 {
            let Some(tag) = tags.findings.parse::<TagName>(&key) else { continue };
            let id = TagId { stream: name.clone(), tag };
            let whole = !incomplete.contains(&key.span.start);
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
        for anchor in tags.anchors {
            if !self.definitions.trust_files.iter().any(|known| known.is_same_file(&anchor)) {
                self.definitions.trust_files.push(anchor);
            }
        }
        let description = table.description.filter(|text| is_text(text, &mut findings)).map(|text| text.value);
        let annotations = annotations(table.annotations, &mut findings);
        if let Some(discover) = table.discover {
            let whole = !incomplete.contains(&discover.span.start);
            match select_keys::discover(discover, &defaults, whole, &mut findings) {
                Some(discover) => drop(self.definitions.discover.insert(name.clone(), discover)),
                None => drop(self.unread.insert(name.clone())),
            }
        }
        self.definitions.streams.insert(name, Stream { description, annotations });
        findings.problems
    }

    /// Checks followers across all streams: followed tags exist and there are no cycles. `remotes` are the other
    /// repositories, if all of them are known.
    pub(crate) fn finish(self, remotes: Option<&BTreeMap<RemoteName, RemoteSettings>>) -> (Definitions, Vec<Problem>) {
        let (broken, unread) = (&self.broken, &self.unread);
        let known = follow::FollowTargets { definitions: &self.definitions, broken, unread, remotes };
        let problems = follow::check(&known, &self.followers);
        (self.definitions, problems)
    }
}

#[cfg(test)]
mod tests;
