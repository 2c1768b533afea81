//! People who write definitions, change and remove tags, add hooks, and edit the lock by hand.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;

use fastrand::Rng;

use crate::git::RootFiles;
use crate::model::lock::encode::encode;
use crate::model::root::Root;

use super::universe::{Commit, Inner, Shared};

/// Files of a new root, without a lock.
pub(super) fn first_files(rng: &mut Rng, images: &[String]) -> RootFiles {
    let mut files = RootFiles::new();
    files.insert("pinstream.toml".to_owned(), settings(rng).into_bytes());
    files.insert("streams/app.toml".to_owned(), stream(rng, images).into_bytes());
    files
}

fn settings(rng: &mut Rng) -> String {
    // A stale answer may be a digest that no pin ever had; holding it would need a person.
    let mut text = "[import]\non-rollback = \"allow\"\n".to_owned();
    for (name, on) in [("all", "[\"app:*\"]"), ("some", "[\"app:t0\", \"app:follower\"]")] {
        if rng.u8(..5) > 0 {
            let each = rng.bool();
            let _ = writeln!(text, "[[hook]]\nname = \"{name}\"\non = {on}\nrun = [\"tell\"]\neach = {each}");
        }
    }
    text
}

fn stream(rng: &mut Rng, images: &[String]) -> String {
    let mut text = "[tags]\n".to_owned();
    // With many images, most of them have tags at any time.
    let tags = rng.usize(if images.len() < 10 { 1 } else { images.len() - 10 }..images.len());
    for tag in 0..tags {
        let _ = writeln!(text, "t{tag} = \"{}\"", images[tag + rng.usize(..2)]);
    }
    if rng.bool() {
        let _ = writeln!(text, "follower = {{ follow = \"t{}\" }}", rng.usize(..tags));
        if rng.bool() {
            let _ = writeln!(text, "last = {{ follow = \"follower\" }}");
        }
    }
    for more in 0..images.len() / 10 {
        let _ = writeln!(text, "follower-{more} = {{ follow = \"t{}\" }}", rng.usize(..tags));
        let _ = writeln!(text, "last-{more} = {{ follow = \"follower-{more}\" }}");
    }
    text
}

/// Commits a random edit.
pub(super) fn commit(universe: &Shared) {
    universe.with(|inner| {
        let mut files = (*inner.commits[inner.tip].files).clone();
        match inner.rng.u8(..6) {
            0 | 1 => {
                let text = stream(&mut inner.rng, inner.registry.images());
                files.insert("streams/app.toml".to_owned(), text.into_bytes());
            }
            2 => {
                files.insert("pinstream.toml".to_owned(), settings(&mut inner.rng).into_bytes());
            }
            3 | 4 => put_back(inner, &mut files),
            _ => {
                let note = format!("{}", inner.step);
                files.insert("README".to_owned(), note.into_bytes());
            }
        }
        let root = Rc::new(Root::read(&files).unwrap());
        let parent = Some(inner.tip);
        inner.push(Commit { parent, files: Rc::new(files), root, by_person: true, seen_at: BTreeMap::new() });
    });
}

/// Resets the branch to an older commit, as `git push --force` does, with another commit on it.
pub(super) fn force_push(universe: &Shared) {
    universe.with(|inner| {
        let back = inner.rng.usize(1..4);
        let dropped: Vec<usize> = inner.history().take(back).collect();
        let Some(parent) = dropped.last().and_then(|oldest| inner.commits[*oldest].parent) else { return };
        inner.dropped.extend(dropped.into_iter().map(|commit| (commit, inner.step)));
        let Commit { files, root, seen_at, .. } = &inner.commits[parent];
        let (root, seen_at, mut files) = (Rc::clone(root), seen_at.clone(), (**files).clone());
        files.insert("README".to_owned(), format!("{}", inner.step).into_bytes());
        inner.push(Commit { parent: Some(parent), files: Rc::new(files), root, by_person: true, seen_at });
    });
}

/// Restores an earlier digest by hand, as `git revert` does, with every follower.
fn put_back(inner: &mut Inner, files: &mut RootFiles) {
    let root = inner.at_tip();
    let mut lock = root.lock.clone();
    let candidates: Vec<_> = lock
        .pins
        .iter()
        .filter(|(_, pin)| pin.follow.is_none() && !pin.previous.is_empty())
        .map(|(id, _)| id.clone())
        .collect();
    if candidates.is_empty() {
        return;
    }
    let id = candidates[inner.rng.usize(..candidates.len())].clone();
    if let Some(pin) = lock.pins.get_mut(&id) {
        pin.digest = pin.previous.remove(0);
    }
    files.insert(crate::model::lock::FILE_NAME.to_owned(), encode(&lock).into_bytes());
}
