//! Fourth step: the next lock, from the definitions, the lock as it is and what was found. Pure.
//!
//! A tag that failed, or was not asked for, keeps its pin; a tag taken out of the definitions loses it; a follower
//! stands where what it follows stands.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::image::TagId;
use crate::lock::{Details, Lock, Pin};
use crate::registry::{FailureKind, ImportError};
use crate::stream::{Definitions, Source, follow};

use super::resolve::{Finding, Findings};

/// The failures of tags, by tag.
pub type Failures = BTreeMap<TagId, ImportError>;

/// Builds the lock that follows `lock`: that one itself where nothing is to be changed, so that a pass which finds
/// nothing new has no second lock in memory.
pub fn pin<'a>(definitions: &Definitions, lock: &'a Lock, mut findings: Findings) -> (Cow<'a, Lock>, Failures) {
    let mut next = Cow::Borrowed(lock);
    let mut failures = Failures::new();
    let is_defined = |id: &TagId| definitions.tags.contains_key(id);
    if !lock.pins.keys().all(is_defined) {
        next.to_mut().pins.retain(|id, _| is_defined(id));
    }
    for id in follow::order(definitions) {
        let Some(tag) = definitions.tags.get(&id) else { continue };
        let old = lock.pins.get(&id);
        let pin = match &tag.source {
            Source::Image { image, .. } => match findings.remove(&id) {
                Some(Ok(Finding::Found(found))) => {
                    let digest = found.digest();
                    Some(Pin {
                        follow: None,
                        image: image.clone(),
                        digest: digest.clone(),
                        index: found.index().cloned(),
                        details: found.details().clone(),
                        previous: old.map(|old| old.previous_for(digest)).unwrap_or_default(),
                    })
                }
                Some(Ok(Finding::Unchanged)) | None => None,
                Some(Err(error)) => {
                    failures.insert(id.clone(), error);
                    None
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
                    None
                }
            },
        };
        if let Some(pin) = pin
            && old != Some(&pin)
        {
            next.to_mut().pins.insert(id, pin);
        }
    }
    (next, failures)
}

fn follower_failure(target: &TagId, kind: FailureKind) -> ImportError {
    ImportError::new(kind, format!("`{target}`, which it follows, has no pin"))
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::git::Files;
    use crate::lock::sample::digest;
    use crate::reconcile::resolve::Found;
    use crate::registry::manifest::{Content, Verified};
    use crate::root::Root;

    fn definitions(tags: &str) -> Definitions {
        let stream = format!("[tags]\n{tags}");
        let files: Files = [("pinstream.toml", ""), ("streams/s.toml", &stream)]
            .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
            .into();
        Root::read(&files).unwrap().definitions
    }

    fn found(number: u8) -> Result<Finding, ImportError> {
        let manifest = Verified::unhashed(digest(number), Content::Index { children: Vec::new() }, BTreeMap::new());
        Ok(Finding::Found(Rc::new(Found::of(&manifest, None, Details::default(), None))))
    }

    fn failed() -> Result<Finding, ImportError> {
        Err(ImportError::new(FailureKind::Network, "down"))
    }

    fn findings(all: Vec<(&str, Result<Finding, ImportError>)>) -> Findings {
        all.into_iter().map(|(tag, finding)| (format!("s:{tag}").parse().unwrap(), finding)).collect()
    }

    fn pin(definitions: &Definitions, lock: &Lock, findings: Findings) -> (Lock, Failures) {
        let (next, failures) = super::pin(definitions, lock, findings);
        (next.into_owned(), failures)
    }

    /// The lock as `tag=first digit of its digest`, with earlier digests in brackets and failures after it.
    fn shown((lock, failures): &(Lock, Failures)) -> String {
        let digit = |digest: &crate::image::Digest| digest.short()[..2].to_owned();
        let pin = |(id, pin): (&TagId, &Pin)| {
            let previous: Vec<String> = pin.previous.iter().map(digit).collect();
            format!("{}={}{previous:?}", id.tag, digit(&pin.digest)).replace('"', "")
        };
        let mut all: Vec<String> = lock.pins.iter().map(pin).collect();
        all.extend(failures.iter().map(|(id, error)| format!("{}!{}", id.tag, error.kind.word())));
        all.join(" ")
    }

    const CHAIN: &str = "a = \"x.example/a:1\"\nz = { follow = \"y\" }\ny = { follow = \"a\" }\n";

    #[test]
    fn followers_of_followers_stand_where_the_first_stands_in_one_go() {
        let definitions = definitions(CHAIN);
        let first = pin(&definitions, &Lock::default(), findings(vec![("a", found(1))]));
        assert_eq!(shown(&first), "a=01[] y=01[] z=01[]");
        let second = pin(&definitions, &first.0, findings(vec![("a", found(2))]));
        assert_eq!(shown(&second), "a=02[01] y=02[01] z=02[01]");
    }

    #[test]
    fn a_lock_that_stays_as_it_is_is_not_copied() {
        let definitions = definitions(CHAIN);
        let first = pin(&definitions, &Lock::default(), findings(vec![("a", found(1))])).0;
        for finding in [Ok(Finding::Unchanged), failed(), found(1)] {
            let (next, _) = super::pin(&definitions, &first, findings(vec![("a", finding)]));
            assert!(matches!(next, Cow::Borrowed(_)));
        }
    }

    #[test]
    fn a_tag_that_failed_keeps_its_pin_and_so_do_its_followers() {
        let definitions = definitions(CHAIN);
        let first = pin(&definitions, &Lock::default(), findings(vec![("a", found(1))]));
        let second = pin(&definitions, &first.0, findings(vec![("a", failed())]));
        assert_eq!(shown(&second), "a=01[] y=01[] z=01[] a!network");
        assert_eq!(second.0, first.0);
    }

    #[test]
    fn a_follower_of_what_never_was_pinned_fails_with_it() {
        let none = pin(&definitions(CHAIN), &Lock::default(), findings(vec![("a", failed())]));
        assert_eq!(shown(&none), "a!network y!network z!network");
    }

    #[test]
    fn a_tag_that_is_not_asked_for_keeps_its_pin_and_one_taken_out_loses_it() {
        let two = definitions("a = \"x.example/a:1\"\nb = \"x.example/b:1\"\n");
        let first = pin(&two, &Lock::default(), findings(vec![("a", found(1)), ("b", found(2))]));
        assert_eq!(shown(&pin(&two, &first.0, Findings::new())), "a=01[] b=02[]");
        assert_eq!(shown(&pin(&definitions("b = \"x.example/b:1\"\n"), &first.0, Findings::new())), "b=02[]");
    }

    #[test]
    fn five_earlier_digests_are_remembered_and_none_of_them_twice() {
        let one = definitions("a = \"x.example/a:1\"\n");
        let mut lock = Lock::default();
        for number in [1, 2, 3, 2, 4, 5, 6, 7, 8] {
            lock = pin(&one, &lock, findings(vec![("a", found(number))])).0;
        }
        assert_eq!(shown(&(lock, Failures::new())), "a=08[07, 06, 05, 04, 02]");
    }

    #[test]
    fn pinning_again_changes_nothing() {
        let definitions = definitions(CHAIN);
        let first = pin(&definitions, &Lock::default(), findings(vec![("a", found(1))])).0;
        assert_eq!(pin(&definitions, &first, Findings::new()).0, first);
    }
}
