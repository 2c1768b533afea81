//! What the cluster's tags stood at, as the first lock.
//!
//! A history is believed only of the repository that its tag names: a digest from elsewhere may not be there.

use crate::model::image::{Digest, FollowedTag, ImageRef, TagId};
use crate::model::lock::{Details, Lock, PREVIOUS_MAX, Pin};
use crate::model::root::Root;
use crate::model::stream::write::NewSource;

use super::note::AdoptNotes;
use super::{HistoryItem, StreamDraft, StreamDrafts, follow, tag};

/// The pins of all new tags, as far as their histories go.
pub(super) fn lock(drafts: &StreamDrafts, root: &Root, notes: &mut AdoptNotes) -> Lock {
    let mut lock = Lock::default();
    for (stream, draft) in drafts {
        for (tag, new) in &draft.stream.tags {
            let id = TagId { stream: stream.clone(), tag: tag.clone() };
            let NewSource::Image(image, _) = &new.source else { continue };
            let history = digests(draft, &id);
            match current(draft, &id, image) {
                Ok(digest) => {
                    lock.pins.insert(id.clone(), pin(None, image.clone(), digest, &history));
                    if history.len() > PREVIOUS_MAX + 1 {
                        notes.say(&id.to_string(), "status.tags.items", "a pin remembers five earlier digests");
                    }
                }
                Err(why) => notes.say(&id.to_string(), "status.tags.items", why),
            }
        }
    }
    for (stream, draft) in drafts {
        for (tag, new) in &draft.stream.tags {
            let id = TagId { stream: stream.clone(), tag: tag.clone() };
            let NewSource::Follow(target) = &new.source else { continue };
            let last = last(drafts, target);
            let Some(followed) = lock.pins.get(&last).or_else(|| root.lock.pins.get(&last)).cloned() else {
                notes.say(&id.to_string(), "status.tags.items", "what it follows has no history");
                continue;
            };
            let history = digests(draft, &id);
            if history.first().is_some_and(|digest| *digest != followed.digest) {
                notes.say(&id.to_string(), "status.tags.items", "it stands where the tag it follows stands");
            }
            lock.pins.insert(id, pin(Some(target.clone()), followed.image, followed.digest, &history));
        }
    }
    lock
}

fn pin(follow: Option<TagId>, image: ImageRef, digest: Digest, history: &[Digest]) -> Pin {
    let previous = history.iter().filter(|known| **known != digest).take(PREVIOUS_MAX).cloned().collect();
    Pin { follow: follow.map(FollowedTag::from), image, digest, index: None, details: Details::default(), previous }
}

/// The digests of a tag's history, newest first, none of them twice.
fn digests(draft: &StreamDraft, id: &TagId) -> Vec<Digest> {
    let mut found: Vec<Digest> = Vec::new();
    for digest in draft.histories.get(&id.tag).into_iter().flatten().filter_map(HistoryItem::digest) {
        if !found.contains(&digest) {
            found.push(digest);
        }
    }
    found
}

/// What a tag of `image` stands at.
fn current(draft: &StreamDraft, id: &TagId, image: &ImageRef) -> Result<Digest, &'static str> {
    if let Some(digest) = image.digest() {
        return Ok(digest.clone());
    }
    let first = draft.histories.get(&id.tag).and_then(|history| history.first()).ok_or("there is no history yet")?;
    let digest = first.digest().ok_or("the cluster kept no digest of it")?;
    let is_of = first.found_at().is_some_and(|found| tag::is_of(&found, image));
    if is_of { Ok(digest) } else { Err("the last image is of another repository") }
}

/// The tag at the end of a chain, or the first one of it that was there before.
fn last(drafts: &StreamDrafts, id: &TagId) -> TagId {
    let mut at = id;
    while let Some(NewSource::Follow(target)) = follow::find(drafts, at).map(|new| &new.source) {
        at = target;
    }
    at.clone()
}
