//! Followers: checks for missing tags and cycles, and the order in which digests pass along.
//!
//! A tag follows at most one other tag, so that from each tag there is a single path.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use super::{Definitions, TagSource};
use crate::model::image::{FollowedTag, NameError, RemoteName, RemoteTag, StreamName, TagId, TagName};
use crate::model::settings::remote::RemoteSettings;
use crate::text::diagnostics::{Problem, SourceFile, did_you_mean, nearest};
use crate::text::escape::excerpt;

/// The number of missing tags for which the nearest one is suggested, which bounds the cost for a broken root.
const NEAREST_MAX: usize = 20;
/// The number of tags of a cycle that are shown.
const PATH_MAX: usize = 40;

/// A tag that follows another one, with the position of that name.
#[derive(Debug)]
pub(crate) struct Follower {
    /// The follower.
    pub(crate) tag: TagId,
    /// The follower's file.
    pub(crate) file: Arc<SourceFile>,
    /// The position of the followed tag's name.
    pub(crate) place: Range<usize>,
}

/// The tags that can be followed.
pub(crate) struct FollowTargets<'a> {
    /// Valid tags.
    pub(crate) definitions: &'a Definitions,
    /// Tags with problems.
    pub(crate) broken: &'a HashSet<TagId>,
    /// Streams that were not read completely.
    pub(crate) unread: &'a HashSet<StreamName>,
    /// The remotes; `None` if the settings were not read completely.
    pub(crate) remotes: Option<&'a BTreeMap<RemoteName, RemoteSettings>>,
}

/// Returns all tags: first those that follow none, sorted, then [`followers`].
pub fn order(definitions: &Definitions) -> Vec<TagId> {
    let others = definitions.tags.iter().filter(|(_, tag)| tag.source.target().is_none());
    others.map(|(id, _)| id).chain(followers(definitions)).cloned().collect()
}

/// Returns the tags that follow another one of the root, each after the one it follows, otherwise sorted by name.
///
/// Tags of a cycle, which only invalid definitions have, are left out.
pub fn followers(definitions: &Definitions) -> Vec<&TagId> {
    let mut order = Vec::new();
    let mut seen: HashSet<&TagId> = HashSet::new();
    for (tag, _) in definitions.tags.iter().filter(|(_, tag)| tag.source.target().is_some()) {
        let mut path = Vec::new();
        let mut next = tag;
        while let Some(target) = definitions.target(next).filter(|_| seen.insert(next)) {
            path.push(next);
            next = target;
        }
        // A path that ends in itself is a cycle; one that ends in an earlier path, or at an image, continues from
        // there.
        let turn = path.iter().position(|known| *known == next).unwrap_or(path.len());
        order.extend(path[..turn].iter().rev());
    }
    order
}

/// Parses the value of `follow` in `stream`.
pub(super) fn target(text: &str, stream: &StreamName) -> Result<FollowedTag, NameError> {
    if text.contains('@') {
        return Err(NameError::new(format!("`{}` is a digest, not a tag", excerpt(text)))
            .help("use `image` for an image with its digest"));
    }
    match text.contains(':') {
        true => text.parse(),
        false => Ok(FollowedTag::Local(TagId { stream: stream.clone(), tag: text.parse::<TagName>()? })),
    }
}

/// Reports missing tags and cycles.
pub(super) fn check(known: &FollowTargets<'_>, followers: &[Follower]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut looked_up = 0;
    for follower in followers {
        problems.extend(unknown_remote(known, follower));
        let Some(target) = known.definitions.target(&follower.tag) else { continue };
        let is_there = known.definitions.tags.contains_key(target)
            || known.broken.contains(target)
            || known.unread.contains(&target.stream)
            || known.definitions.discover.get(&target.stream).is_some_and(|found| found.select.admits(&target.tag));
        if !is_there {
            looked_up += 1;
            let help = (looked_up <= NEAREST_MAX).then(|| help(known, follower, target));
            let help = help.unwrap_or_else(|| "define it, or follow an existing tag".to_owned());
            let message = format!("`{}` follows `{target}`, which does not exist", follower.tag);
            problems.push(Problem::at(&follower.file, follower.place.clone(), message).help(help));
        }
    }
    problems.extend(cycles(known.definitions, followers));
    problems
}

/// Reports a follower of a remote that the settings do not define.
fn unknown_remote(known: &FollowTargets<'_>, follower: &Follower) -> Option<Problem> {
    let TagSource::Remote(RemoteTag { remote, .. }) = &known.definitions.tags.get(&follower.tag)?.source else {
        return None;
    };
    let remotes = known.remotes.filter(|remotes| !remotes.contains_key(remote))?;
    let message = format!("`{}` follows a tag of the remote `{remote}`, which does not exist", follower.tag);
    let add = || format!("add `[remote.{remote}]` and its `url` to `pinstream.toml`");
    let near = nearest(remote.as_str(), remotes.keys().map(RemoteName::as_str));
    let help = near.map_or_else(add, did_you_mean);
    Some(Problem::at(&follower.file, follower.place.clone(), message).help(help))
}

fn help(known: &FollowTargets<'_>, follower: &Follower, target: &TagId) -> String {
    let definitions = known.definitions;
    let tags_of = |stream: &StreamName| {
        let (before, of) = (stream.clone(), stream.clone());
        let from = definitions.tags.keys().skip_while(move |tag| tag.stream < before);
        from.take_while(move |tag| tag.stream == of)
    };
    let written = follower.file.text.get(follower.place.clone()).unwrap_or_default().trim_matches(['"', '\'']);
    if let (false, Ok(stream)) = (written.contains(':'), written.parse::<StreamName>())
        && let Some(first) = tags_of(&stream).next()
    {
        return format!("`{stream}` is a stream; add a tag, e.g. `{first}`");
    }
    if definitions.streams.contains_key(&target.stream) {
        let near = nearest(target.tag.as_str(), tags_of(&target.stream).map(|tag| tag.tag.as_str()));
        if let Some(near) = near {
            return format!("did you mean `{}:{near}`?", target.stream);
        }
        let some: Vec<String> = tags_of(&target.stream).take(5).map(|tag| format!("`{tag}`")).collect();
        let some = if some.is_empty() { "no tags".to_owned() } else { some.join(", ") };
        return format!("the stream `{}` has {some}", target.stream);
    }
    let near = nearest(target.stream.as_str(), definitions.streams.keys().map(StreamName::as_str));
    match near {
        Some(near) => format!("there is no stream `{}`; did you mean `{near}:{}`?", target.stream, target.tag),
        None if target.stream.as_str().split('/').next().is_some_and(|first| first.contains('.')) => {
            "use `image` for an image of a registry".to_owned()
        }
        None => format!("there is no stream `{}`", target.stream),
    }
}

/// Reports one problem per cycle, at its first tag.
fn cycles(definitions: &Definitions, followers: &[Follower]) -> Vec<Problem> {
    // The round in which each tag was reached: reaching it twice in one round closes a cycle.
    let mut rounds: HashMap<&TagId, usize> = HashMap::with_capacity(followers.len());
    let mut cycles: Vec<Vec<&TagId>> = Vec::new();
    for (round, follower) in followers.iter().enumerate() {
        let mut path: Vec<&TagId> = Vec::new();
        let mut next = Some(&follower.tag);
        while let Some(tag) = next.filter(|tag| !rounds.contains_key(tag)) {
            rounds.insert(tag, round);
            path.push(tag);
            next = definitions.target(tag);
        }
        let Some(closing) = next.filter(|tag| rounds.get(tag) == Some(&round)) else { continue };
        let Some(from) = path.iter().position(|tag| *tag == closing) else { continue };
        let mut cycle = path.split_off(from);
        let least = cycle.iter().enumerate().min_by_key(|(_, tag)| **tag).map_or(0, |(at, _)| at);
        cycle.rotate_left(least);
        cycles.push(cycle);
    }
    if cycles.is_empty() {
        return Vec::new();
    }
    let by_tag: HashMap<&TagId, &Follower> = followers.iter().map(|follower| (&follower.tag, follower)).collect();
    let problem = |cycle: Vec<&TagId>| {
        let (first, more) = (cycle[0], cycle.len().saturating_sub(PATH_MAX));
        let follower = by_tag.get(first)?;
        let mut path: Vec<String> = cycle.iter().take(PATH_MAX).map(ToString::to_string).collect();
        path.extend((more > 0).then(|| format!("{more} more")));
        let message = match path.as_slice() {
            [only] => format!("`{only}` follows itself"),
            _ => format!("`{first}` follows itself: {} → {first}", path.join(" → ")),
        };
        let problem = Problem::at(&follower.file, follower.place.clone(), message);
        Some(problem.help("define one of the tags by an image"))
    };
    cycles.into_iter().filter_map(problem).collect()
}

#[cfg(test)]
mod tests;
