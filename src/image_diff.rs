//! What a move changes, for whoever decides whether it is good: one explanation feeds plan, report, commit, proposal
//! and hooks.
//!
//! Pure: all of it follows from the manifests and configurations of the two images, never from their layers. Texts of
//! the images stay as they are here; each output escapes them for where it is printed.

mod link;
pub mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::image::class::{ChangeClass, VersionLevel};
use crate::model::image::facts::{BaseImage, ImageFacts, RuntimeConfig};
use crate::model::image::{Platform, TagId};
use crate::model::lock::diff::PinChange;

/// Of each tag that moved, what the move changes. Tags that moved together share one.
pub type Explanations = BTreeMap<TagId, Arc<Explanation>>;

/// What a move changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// How much; none where the images could not both be read and do not say their versions.
    pub class: Option<ChangeClass>,
    /// Why not all of it is known, in a sentence.
    pub unknown: Option<String>,
    /// Where the changes of the source can be read.
    pub compare: Option<String>,
    /// When the images were built.
    pub made: OldNew<Timestamp>,
    /// The sizes of their layers in bytes, of the platform that describes them.
    pub size: OldNew<u64>,
    /// What became of the layers.
    pub layers: Option<LayerDiff>,
    /// The platforms that only the new one runs on.
    pub gained: Vec<Platform>,
    /// The platforms that only the old one runs on.
    pub lost: Vec<Platform>,
    /// What they were built upon, where that is another image.
    pub base: Option<OldNew<BaseImage>>,
    /// Whether the new one runs as root and the old one did not.
    pub to_root: bool,
    /// What else differs in how they run, and in their labels.
    pub differences: Vec<Difference>,
}

/// What there is of the old image and of the new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldNew<T> {
    /// Of the old one.
    pub old: Option<T>,
    /// Of the new one.
    pub new: Option<T>,
}

/// What became of layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerDiff {
    /// How many both have.
    pub kept: usize,
    /// How many only the new one has.
    pub added: usize,
    /// How many only the old one has.
    pub removed: usize,
}

/// Something that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What.
    pub what: DifferenceKind,
    /// What it was; none where it was not there.
    pub old: Option<String>,
    /// What it is; none where it is not there any more.
    pub new: Option<String>,
}

/// What can differ in how an image runs, the weightiest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DifferenceKind {
    /// As whom it runs.
    User,
    /// The program that is always run.
    Entrypoint,
    /// The program, or what the entry point is given.
    Command,
    /// The folder that it runs in.
    Folder,
    /// A port.
    Port,
    /// A variable of the environment.
    Variable(String),
    /// A label.
    Label(String),
}

impl<T> Default for OldNew<T> {
    fn default() -> Self {
        Self { old: None, new: None }
    }
}

impl<T: PartialEq> OldNew<T> {
    /// Whether both are known and are not the same.
    pub fn differ(&self) -> bool {
        self.old.is_some() && self.new.is_some() && self.old != self.new
    }
}

impl Explanation {
    /// What `one` changes, as far as the images are known; a sentence says why one of them is not.
    pub fn of(one: &PinChange, old: Result<&ImageFacts, String>, new: Result<&ImageFacts, String>) -> Self {
        let (old, new, unknown) = match (old, new) {
            (Ok(old), Ok(new)) => return Self::between(old, new),
            (Err(why), new) => (None, new.ok(), format!("the image that it leaves cannot be read: {why}")),
            (old, Err(why)) => (old.ok(), None, format!("the image that it goes to cannot be read: {why}")),
        };
        let [was, is] = [one.before(), one.after()].map(|side| side?.version.as_deref());
        let level = was.zip(is).and_then(|(old, new)| VersionLevel::between(old, new));
        let known = |facts: Option<&ImageFacts>| facts.cloned().unwrap_or_default();
        let (old, new) = (known(old), known(new));
        Self {
            class: level.map(ChangeClass::Version),
            unknown: Some(unknown),
            made: OldNew { old: old.made, new: new.made },
            size: OldNew { old: old.size(), new: new.size() },
            ..Self::default()
        }
    }

    fn between(old: &ImageFacts, new: &ImageFacts) -> Self {
        let runs = old.runs.as_ref().zip(new.runs.as_ref());
        let base = OldNew { old: old.origin.base.known(), new: new.origin.base.known() };
        let mut differences = runs.map(|(old, new)| differences_in_runs(old, new)).unwrap_or_default();
        if runs.is_some() {
            differences.extend(differences_in_maps(&old.labels, &new.labels, DifferenceKind::Label));
        }
        differences.sort_by(|a, b| a.what.cmp(&b.what));
        Self {
            class: Some(ChangeClass::between(old, new)),
            unknown: None,
            compare: link::compare(&old.origin, &new.origin),
            made: OldNew { old: old.made, new: new.made },
            size: OldNew { old: old.size(), new: new.size() },
            layers: LayerDiff::between(old, new),
            gained: new.platforms.difference(&old.platforms).cloned().collect(),
            lost: old.platforms.difference(&new.platforms).cloned().collect(),
            base: (base.old != base.new).then_some(base),
            to_root: runs.is_some_and(|(old, new)| new.as_root() && !old.as_root()),
            differences,
        }
    }

    /// What a reviewer must not miss, a sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let root = self.to_root.then(|| "it runs as root, and did not before".to_owned());
        let lost = self.lost.iter().map(|platform| format!("it does not run on {platform} any more"));
        root.into_iter().chain(lost).collect()
    }
}

impl BaseImage {
    /// Itself, if it says anything.
    fn known(&self) -> Option<Self> {
        (*self != Self::default()).then(|| self.clone())
    }
}

impl LayerDiff {
    fn between(old: &ImageFacts, new: &ImageFacts) -> Option<Self> {
        if old.layers.is_empty() || new.layers.is_empty() {
            return None;
        }
        let [before, after] = [old, new].map(|facts| facts.layers.iter().map(|layer| &layer.digest).collect());
        let (before, after): (BTreeSet<_>, BTreeSet<_>) = (before, after);
        let kept = before.intersection(&after).count();
        Some(Self { kept, added: after.len() - kept, removed: before.len() - kept })
    }
}

fn differences_in_runs(old: &RuntimeConfig, new: &RuntimeConfig) -> Vec<Difference> {
    let one = |what: DifferenceKind, [old, new]: [String; 2]| {
        let [was, is] = [&old, &new].map(|text| (!text.is_empty()).then(|| text.clone()));
        (old != new).then_some(Difference { what, old: was, new: is })
    };
    let words = |words: &[String]| words.join(" ");
    let single = [
        one(DifferenceKind::User, [old, new].map(user)),
        one(DifferenceKind::Entrypoint, [old, new].map(|runs| words(&runs.entrypoint))),
        one(DifferenceKind::Command, [old, new].map(|runs| words(&runs.command))),
        one(DifferenceKind::Folder, [old, new].map(|runs| runs.folder.clone())),
    ];
    let port = |port: &String, is_new: bool| {
        let port = Some(port.clone());
        let (old, new) = if is_new { (None, port) } else { (port, None) };
        Difference { what: DifferenceKind::Port, old, new }
    };
    let gone = old.ports.difference(&new.ports).map(|one| port(one, false));
    let came = new.ports.difference(&old.ports).map(|one| port(one, true));
    let variables = differences_in_maps(&old.environment, &new.environment, DifferenceKind::Variable);
    single.into_iter().flatten().chain(gone).chain(came).chain(variables).collect()
}

/// As whom an image runs; it is root where it does not say.
fn user(runs: &RuntimeConfig) -> String {
    if runs.user.is_empty() { "root".to_owned() } else { runs.user.clone() }
}

fn differences_in_maps(
    old: &BTreeMap<String, String>,
    new: &BTreeMap<String, String>,
    what: impl Fn(String) -> DifferenceKind,
) -> Vec<Difference> {
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differs = keys.into_iter().filter(|key| old.get(*key) != new.get(*key));
    differs
        .map(|key| Difference { what: what(key.clone()), old: old.get(key).cloned(), new: new.get(key).cloned() })
        .collect()
}

#[cfg(test)]
mod tests;
