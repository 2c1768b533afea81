//! Replaces tags that follow a missing tag or themselves.

use std::collections::HashSet;

use crate::model::image::{TagId, TagName};
use crate::model::root::Root;
use crate::model::stream::write::{NewSource, NewTag};

use super::note::AdoptNotes;
use super::{StreamDraft, StreamDrafts, stream};

/// Replaces tags that follow a missing tag or themselves by the image that the cluster copied, as OpenShift does across
/// streams, or removes them.
pub(super) fn replace_broken(drafts: &mut StreamDrafts, root: &Root, notes: &mut AdoptNotes) {
    let mut visited: HashSet<TagId> = HashSet::new();
    for id in tags(drafts).map(|(id, ..)| id).collect::<Vec<_>>() {
        // From each tag one path leads to an image, to a visited or missing tag, or back to itself.
        let mut path: Vec<TagId> = Vec::new();
        let mut next = Some(id);
        while let Some(id) = next.take_if(|id| visited.insert(id.clone())) {
            if let Some(NewTag { source: NewSource::Follow(target), .. }) = find(drafts, &id) {
                next = Some(target.clone());
                path.push(id);
            }
        }
        if let Some(start) = next.and_then(|id| path.iter().position(|known| *known == id)) {
            for id in path.split_off(start) {
                replace(drafts, &id, "part of a cycle of followed tags", notes);
            }
        }
        for id in path.iter().rev() {
            let Some(NewTag { source: NewSource::Follow(target), .. }) = find(drafts, id) else { continue };
            let is_in_root = !drafts.contains_key(&target.stream) && root.definitions.tags.contains_key(target);
            if !is_in_root && find(drafts, target).is_none() {
                let why = format!("follows `{target}`, which is not in the input");
                replace(drafts, id, &why, notes);
            }
        }
    }
}

/// Returns the new tags, each with its stream.
pub(super) fn tags(drafts: &StreamDrafts) -> impl Iterator<Item = (TagId, &StreamDraft, &NewTag)> {
    drafts.iter().flat_map(|(stream, draft)| {
        let id = |tag: &TagName| TagId { stream: stream.clone(), tag: tag.clone() };
        draft.stream.tags.iter().map(move |(tag, new)| (id(tag), draft, new))
    })
}

/// Returns the new tag `id`.
pub(super) fn find<'a>(drafts: &'a StreamDrafts, id: &TagId) -> Option<&'a NewTag> {
    drafts.get(&id.stream)?.stream.tags.iter().find(|(tag, _)| *tag == id.tag).map(|(_, new)| new)
}

fn replace(drafts: &mut StreamDrafts, id: &TagId, why: &str, notes: &mut AdoptNotes) {
    let Some(draft) = drafts.get_mut(&id.stream) else { return };
    let Some(at) = draft.stream.tags.iter().position(|(tag, _)| *tag == id.tag) else { return };
    let Some(image) = draft.copies.remove(&id.tag) else {
        draft.stream.tags.remove(at);
        return stream::skip(&mut draft.stream, id.stream.as_str(), id.tag.as_str(), why, notes);
    };
    let why = format!("{why}; replaced by the image that the cluster copied");
    let new = &mut draft.stream.tags[at].1;
    new.source = NewSource::Image(image, None);
    new.comments.push(format!("not converted: from: {why}"));
    notes.add(&id.to_string(), "from", why);
}
