//! Which tag follows which: what is there to be followed, cycles, and the order in which digests pass along.
//!
//! A tag follows one other at most, so that from each tag there is one path, and no search.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use super::{Definitions, TagSource};
use crate::model::image::{FollowedTag, NameError, RemoteName, RemoteTag, StreamName, TagId, TagName};
use crate::model::settings::remote::RemoteSettings;
use crate::text::diagnostics::{Problem, SourceFile, nearest};
use crate::text::toml::schema_check::short;

/// For how many missing tags the nearest known one is looked up, so that a broken root is not slow to say so.
const NEAREST_MAX: usize = 20;
/// How many tags of a cycle are named.
const PATH_MAX: usize = 40;

/// A tag that follows another, and where that is written.
#[derive(Debug)]
pub(crate) struct Follower {
    /// The tag that follows.
    pub(crate) tag: TagId,
    /// Its file.
    pub(crate) file: Arc<SourceFile>,
    /// Where the followed tag is named.
    pub(crate) place: Range<usize>,
}

/// What there is to be followed.
pub(crate) struct FollowTargets<'a> {
    /// Tags that are right.
    pub(crate) definitions: &'a Definitions,
    /// Tags that are there and wrong.
    pub(crate) broken: &'a HashSet<TagId>,
    /// Streams whose tags are not all known.
    pub(crate) unread: &'a HashSet<StreamName>,
    /// The other repositories; none where the settings that name them could not all be read.
    pub(crate) remotes: Option<&'a BTreeMap<RemoteName, RemoteSettings>>,
}

/// All tags: those that follow none in the order of their names, then [`followers`].
pub fn order(definitions: &Definitions) -> Vec<TagId> {
    let others = definitions.tags.iter().filter(|(_, tag)| !matches!(tag.source, TagSource::Follow(_)));
    others.map(|(id, _)| id).chain(followers(definitions)).cloned().collect()
}

/// The tags that follow another one of the root, each after the one it follows, and otherwise in the order of their names.
///
/// Of a cycle, which no root that was read has, no tag is in the answer.
pub fn followers(definitions: &Definitions) -> Vec<&TagId> {
    let mut order = Vec::new();
    let mut seen: HashSet<&TagId> = HashSet::new();
    for (tag, _) in definitions.tags.iter().filter(|(_, tag)| matches!(tag.source, TagSource::Follow(_))) {
        let mut path = Vec::new();
        let mut next = tag;
        while let Some(target) = followed(definitions, next).filter(|_| seen.insert(next)) {
            path.push(next);
            next = target;
        }
        // A path that ends on itself is a cycle; one that ends on an earlier path, or at an image, goes on from there.
        let turn = path.iter().position(|known| *known == next).unwrap_or(path.len());
        order.extend(path[..turn].iter().rev());
    }
    order
}

fn followed<'a>(definitions: &'a Definitions, tag: &TagId) -> Option<&'a TagId> {
    match &definitions.tags.get(tag)?.source {
        TagSource::Follow(target) => Some(target),
        TagSource::Image { .. } | TagSource::Select { .. } | TagSource::Remote(_) => None,
    }
}

/// The tag that `text` names where it stands after `follow` in `stream`.
pub(super) fn target(text: &str, stream: &StreamName) -> Result<FollowedTag, NameError> {
    if text.contains('@') {
        return Err(NameError::new(format!("`{}` names a digest, and a tag is followed", short(text)))
            .help("an image and its digest stand after `image`"));
    }
    match text.contains(':') {
        true => text.parse(),
        false => Ok(FollowedTag::Local(TagId { stream: stream.clone(), tag: text.parse::<TagName>()? })),
    }
}

/// What is wrong between tags: those that are not there, and those that follow themselves.
pub(super) fn check(known: &FollowTargets<'_>, followers: &[Follower]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut looked_up = 0;
    for follower in followers {
        problems.extend(unknown_remote(known, follower));
        let Some(target) = followed(known.definitions, &follower.tag) else { continue };
        let is_there = known.definitions.tags.contains_key(target)
            || known.broken.contains(target)
            || known.unread.contains(&target.stream)
            || known.definitions.discover.get(&target.stream).is_some_and(|found| found.admits(&target.tag));
        if !is_there {
            looked_up += 1;
            let help = (looked_up <= NEAREST_MAX).then(|| help(known, follower, target));
            let help = help.unwrap_or_else(|| "define it, or follow one that is defined".to_owned());
            let message = format!("`{}` follows `{target}`, which is not defined", follower.tag);
            problems.push(Problem::at(&follower.file, follower.place.clone(), message).help(help));
        }
    }
    problems.extend(cycles(known.definitions, followers));
    problems
}

/// What is wrong with a tag that follows into a repository that the settings do not name.
fn unknown_remote(known: &FollowTargets<'_>, follower: &Follower) -> Option<Problem> {
    let TagSource::Remote(RemoteTag { remote, .. }) = &known.definitions.tags.get(&follower.tag)?.source else {
        return None;
    };
    let remotes = known.remotes.filter(|remotes| !remotes.contains_key(remote))?;
    let message = format!("`{}` follows a tag of the remote `{remote}`, which is not defined", follower.tag);
    let help = match nearest(remote.as_str(), remotes.keys().map(RemoteName::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("add `[remote.{remote}]` and its `url` to `pinstream.toml`"),
    };
    Some(Problem::at(&follower.file, follower.place.clone(), message).help(help))
}

fn help(known: &FollowTargets<'_>, follower: &Follower, target: &TagId) -> String {
    let definitions = known.definitions;
    let tags_of = |stream: &StreamName| {
        let stream = stream.clone();
        let all = definitions.tags.keys();
        all.skip_while({
            let stream = stream.clone();
            move |tag| tag.stream < stream
        })
        .take_while(move |tag| tag.stream == stream)
    };
    let written = follower.file.text.get(follower.place.clone()).unwrap_or_default().trim_matches(['"', '\'']);
    if let (false, Ok(stream)) = (written.contains(':'), written.parse::<StreamName>())
        && let Some(first) = tags_of(&stream).next()
    {
        return format!("`{stream}` is a stream: say which tag of it, as `{first}`");
    }
    if definitions.streams.contains_key(&target.stream) {
        let near = nearest(target.tag.as_str(), tags_of(&target.stream).map(|tag| tag.tag.as_str()));
        if let Some(near) = near {
            return format!("did you mean `{}:{near}`?", target.stream);
        }
        let some: Vec<String> = tags_of(&target.stream).take(5).map(|tag| format!("`{tag}`")).collect();
        return match some.is_empty() {
            true => format!("the stream `{}` has no tags", target.stream),
            false => format!("the stream `{}` has {}", target.stream, some.join(", ")),
        };
    }
    let near = nearest(target.stream.as_str(), definitions.streams.keys().map(StreamName::as_str));
    match near {
        Some(near) => format!("there is no stream `{}`; did you mean `{near}:{}`?", target.stream, target.tag),
        None if target.stream.as_str().split('/').next().is_some_and(|first| first.contains('.')) => {
            "an image of a registry stands after `image`".to_owned()
        }
        None => format!("there is no stream `{}`", target.stream),
    }
}

/// One problem a cycle, at the least of its tags.
fn cycles(definitions: &Definitions, followers: &[Follower]) -> Vec<Problem> {
    // For each tag the round in which it was reached: within one round, the second time closes a cycle.
    let mut rounds: HashMap<&TagId, usize> = HashMap::with_capacity(followers.len());
    let mut starts: Vec<(&TagId, Vec<&TagId>)> = Vec::new();
    for (round, follower) in followers.iter().enumerate() {
        let mut path: Vec<&TagId> = Vec::new();
        let mut next = Some(&follower.tag);
        while let Some(tag) = next.filter(|tag| !rounds.contains_key(tag)) {
            rounds.insert(tag, round);
            path.push(tag);
            next = followed(definitions, tag);
        }
        let Some(closing) = next.filter(|tag| rounds.get(tag) == Some(&round)) else { continue };
        let Some(from) = path.iter().position(|tag| *tag == closing) else { continue };
        let mut cycle = path.split_off(from);
        let least = cycle.iter().enumerate().min_by_key(|(_, tag)| **tag).map_or(0, |(at, _)| at);
        cycle.rotate_left(least);
        starts.push((cycle[0], cycle));
    }
    let mut by_tag: HashMap<&TagId, &Follower> = HashMap::new();
    if !starts.is_empty() {
        by_tag.extend(followers.iter().map(|follower| (&follower.tag, follower)));
    }
    let problem = |(first, cycle): (&TagId, Vec<&TagId>)| {
        let follower = by_tag.get(first)?;
        let message = match cycle.as_slice() {
            [only] => format!("`{only}` follows itself"),
            _ => {
                let more = cycle.len().saturating_sub(PATH_MAX);
                let mut path: Vec<String> = cycle.iter().take(PATH_MAX).map(|tag| tag.to_string()).collect();
                if more > 0 {
                    path.push(format!("{more} more"));
                }
                path.push(first.to_string());
                format!("`{first}` follows itself: {}", path.join(" → "))
            }
        };
        let problem = Problem::at(&follower.file, follower.place.clone(), message);
        Some(problem.help("one tag of a chain has to name an image"))
    };
    starts.into_iter().filter_map(problem).collect()
}

#[cfg(test)]
mod tests;
