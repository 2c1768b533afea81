//! Tags that follow: what they follow has to be there, and no tag may follow itself.

use std::collections::HashSet;

use crate::model::image::{StreamName, TagId, TagName};
use crate::model::root::Root;
use crate::model::stream::write::{NewSource, NewTag};

use super::note::AdoptNotes;
use super::{StreamDraft, StreamDrafts, stream};

/// Takes out the tags that follow what is not there, or themselves; where the cluster had copied an image for one, as
/// OpenShift does across streams, that image stands in.
pub(super) fn settle(drafts: &mut StreamDrafts, root: &Root, notes: &mut AdoptNotes) {
    let mut settled: HashSet<TagId> = HashSet::new();
    for id in ids(drafts) {
        // From each tag there is one path, to an image, to a tag that is settled or not there, or back onto itself.
        let mut path: Vec<TagId> = Vec::new();
        let mut next = Some(id);
        while let Some(id) = next.take_if(|id| settled.insert(id.clone())) {
            if let Some(NewTag { source: NewSource::Follow(target), .. }) = find(drafts, &id) {
                next = Some(target.clone());
                path.push(id);
            }
        }
        if let Some(turn) = next.and_then(|id| path.iter().position(|known| *known == id)) {
            for id in path.split_off(turn) {
                mend(drafts, &id, "it follows itself, over one or more tags", notes);
            }
        }
        for id in path.iter().rev() {
            let Some(NewTag { source: NewSource::Follow(target), .. }) = find(drafts, id) else { continue };
            let is_old = !drafts.contains_key(&target.stream) && root.definitions.tags.contains_key(target);
            if !is_old && find(drafts, target).is_none() {
                let why = format!("it follows `{target}`, which is not here");
                mend(drafts, id, &why, notes);
            }
        }
    }
}

fn ids(drafts: &StreamDrafts) -> Vec<TagId> {
    let tags = |(stream, draft): (&StreamName, &StreamDraft)| {
        let id = |(tag, _): &(TagName, NewTag)| TagId { stream: stream.clone(), tag: tag.clone() };
        draft.stream.tags.iter().map(id).collect::<Vec<_>>()
    };
    drafts.iter().flat_map(tags).collect()
}

/// The tag `id`, where it is a new one.
pub(super) fn find<'a>(drafts: &'a StreamDrafts, id: &TagId) -> Option<&'a NewTag> {
    drafts.get(&id.stream)?.stream.tags.iter().find(|(tag, _)| *tag == id.tag).map(|(_, new)| new)
}

fn mend(drafts: &mut StreamDrafts, id: &TagId, why: &str, notes: &mut AdoptNotes) {
    let Some(draft) = drafts.get_mut(&id.stream) else { return };
    let Some(at) = draft.stream.tags.iter().position(|(tag, _)| *tag == id.tag) else { return };
    match draft.stand_ins.remove(&id.tag) {
        Some(image) => {
            let new = &mut draft.stream.tags[at].1;
            new.source = NewSource::Image(image, None);
            new.comments.push(format!("not carried: from: {why}; this is the image that was copied"));
            notes.say(&id.to_string(), "from", format!("{why}; fixed to the image that the cluster had copied"));
        }
        None => {
            draft.stream.tags.remove(at);
            stream::lose(&mut draft.stream, id.stream.as_str(), id.tag.as_str(), why, notes);
        }
    }
}
