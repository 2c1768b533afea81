//! Fifth step: the commit, where there is anything to commit. Pure.

use crate::lock::{Lock, diff, encode};
use crate::report::message;
use crate::settings::Author;
use crate::world::Change;

use super::load::Scene;

/// The commit that takes the root's lock to `next`, none where it already is.
pub fn commit(scene: &Scene, next: &Lock) -> Option<Change> {
    let lock = &scene.root.lock;
    if next == lock {
        return None;
    }
    let author = scene.root.settings.git.author.clone();
    Some(Change {
        parent: scene.sight.tip.clone(),
        lock: encode::encode(next),
        message: message::message(&diff::moves(lock, next)),
        author: author
            .unwrap_or_else(|| Author { name: "pinstream".to_owned(), email: "pinstream@localhost".to_owned() }),
    })
}
