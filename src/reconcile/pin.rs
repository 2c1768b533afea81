//! Fourth step: the next lock, from the definitions, the lock as it is and what was found. Pure.
//!
//! A tag that failed, or was not asked for, keeps its pin; a tag taken out of the definitions loses it; a follower
//! stands where what it follows stands.

use std::collections::BTreeMap;

use crate::image::TagId;
use crate::lock::{Details, Lock, Pin};
use crate::registry::{FailureKind, ImportError};
use crate::stream::{Definitions, Source, follow};

use super::resolve::{Finding, Findings, Found};

/// The failures of tags, by tag.
pub type Failures = BTreeMap<TagId, ImportError>;

/// Builds the lock that follows `lock`.
pub fn pin(definitions: &Definitions, lock: &Lock, findings: Findings) -> (Lock, Failures) {
    let mut next = Lock::default();
    let mut failures = Failures::new();
    let mut findings = findings;
    for id in follow::order(definitions) {
        let Some(tag) = definitions.tags.get(&id) else { continue };
        let old = lock.pins.get(&id);
        let pin = match &tag.source {
            Source::Image { image, .. } => match findings.remove(&id) {
                Some(Ok(Finding::Found(found))) => {
                    let Found { digest, index, details, .. } = (*found).clone();
                    let previous = old.map(|old| old.previous_for(&digest)).unwrap_or_default();
                    Some(Pin { follow: None, image: image.clone(), digest, index, details, previous })
                }
                Some(Ok(Finding::Unchanged)) | None => old.cloned(),
                Some(Err(error)) => {
                    failures.insert(id.clone(), error);
                    old.cloned()
                }
            },
            Source::Follow(target) => match next.pins.get(target) {
                Some(followed) => Some(Pin {
                    follow: Some(target.clone()),
                    image: followed.image.clone(),
                    digest: followed.digest.clone(),
                    index: None,
                    details: Details::default(),
                    previous: old.map(|old| old.previous_for(&followed.digest)).unwrap_or_default(),
                }),
                None => {
                    if let Some(error) = failures.get(target) {
                        failures.insert(id.clone(), follower_failure(target, error.kind));
                    }
                    old.cloned()
                }
            },
        };
        if let Some(pin) = pin {
            next.pins.insert(id, pin);
        }
    }
    (next, failures)
}

fn follower_failure(target: &TagId, kind: FailureKind) -> ImportError {
    ImportError::new(kind, format!("`{target}`, which it follows, has no pin"))
}
