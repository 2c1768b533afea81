//! Creates the first lock from the histories of the cluster's tags.
//!
//! A history is used only if it is of the tag's repository: a digest from another one may not exist there.

use crate::model::image::{Digest, FollowedTag, ImageRef, TagId};
use crate::model::lock::{Details, Lock, PREVIOUS_MAX, Pin};
use crate::model::root::Root;
use crate::model::stream::write::NewSource;

use super::note::AdoptNotes;
use super::{HistoryItem, StreamDraft, StreamDrafts, follow};

/// Returns pins for all new tags with a suitable history.
pub(super) fn lock(drafts: &StreamDrafts, root: &Root, notes: &mut AdoptNotes) -> Lock {
    let mut lock = Lock::default();
    let mut note = |id: &TagId, why: &str| notes.add(&id.to_string(), "status.tags.items", why);
    for (id, draft, new) in follow::tags(drafts) {
        let NewSource::Image(image, _) = &new.source else { continue };
        let history = digests(draft, &id);
        match current(draft, &id, image) {
            Ok(digest) => {
                if history.len() > PREVIOUS_MAX + 1 {
                    note(&id, "a pin has at most five earlier digests");
                }
                lock.pins.insert(id, pin(None, image.clone(), digest, &history));
            }
            Err(why) => note(&id, why),
        }
    }
    for (id, draft, new) in follow::tags(drafts) {
        let NewSource::Follow(target) = &new.source else { continue };
        let last = last(drafts, target);
        let Some(followed) = lock.pins.get(&last).or_else(|| root.lock.pins.get(&last)).cloned() else {
            note(&id, "the followed tag has no history");
            continue;
        };
        let history = digests(draft, &id);
        if history.first().is_some_and(|digest| *digest != followed.digest) {
            note(&id, "differs from the followed tag, whose digest is used");
        }
        lock.pins.insert(id, pin(Some(target.clone()), followed.image, followed.digest, &history));
    }
    lock
}

fn pin(follow: Option<TagId>, image: ImageRef, digest: Digest, history: &[Digest]) -> Pin {
    let previous = history.iter().filter(|known| **known != digest).take(PREVIOUS_MAX).cloned().collect();
    Pin { follow: follow.map(FollowedTag::from), image, digest, index: None, details: Details::default(), previous }
}

/// Returns the distinct digests in the history of a tag, newest first.
fn digests(draft: &StreamDraft, id: &TagId) -> Vec<Digest> {
    let mut found: Vec<Digest> = Vec::new();
    for digest in draft.histories.get(&id.tag).into_iter().flatten().filter_map(HistoryItem::digest) {
        if !found.contains(&digest) {
            found.push(digest);
        }
    }
    found
}

/// Returns the current digest of a tag of `image`.
fn current(draft: &StreamDraft, id: &TagId, image: &ImageRef) -> Result<Digest, &'static str> {
    if let Some(digest) = image.digest() {
        return Ok(digest.clone());
    }
    let first = draft.histories.get(&id.tag).and_then(|history| history.first()).ok_or("no history yet")?;
    let digest = first.digest().ok_or("no digest recorded")?;
    let is_of = first.imported_from().is_some_and(|from| from.repository() == image.repository());
    if is_of { Ok(digest) } else { Err("the last image is from another repository") }
}

/// Returns the last new tag in a chain, or the first one that already existed.
fn last(drafts: &StreamDrafts, id: &TagId) -> TagId {
    let mut at = id;
    while let Some(NewSource::Follow(target)) = follow::find(drafts, at).map(|new| &new.source) {
        at = target;
    }
    at.clone()
}
