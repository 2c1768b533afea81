//! Compares the runtime configuration and the labels of two images.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::model::image::facts::{ImageFacts, RuntimeConfig};
use crate::text::escape;

/// The number of characters shown of a name or value.
const TEXT_MAX: usize = 60;

/// A difference in configuration or labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The kind of setting that differs.
    pub kind: DifferenceKind,
    /// The previous value; `None` if it was absent.
    pub old: Option<String>,
    /// The new value; `None` if it is absent.
    pub new: Option<String>,
}

/// Kinds of settings, the most significant first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DifferenceKind {
    /// The user the image runs as.
    User,
    /// The entry point.
    Entrypoint,
    /// The command, or arguments of the entry point.
    Command,
    /// The working directory.
    WorkingDir,
    /// An exposed port.
    Port,
    /// An environment variable.
    Variable(String),
    /// A label of the image.
    Label(String),
}

/// Lists the differences, the most significant first; empty if a configuration could not be read.
pub(super) fn differences(old: &ImageFacts, new: &ImageFacts) -> Vec<Difference> {
    let Some((old_config, new_config)) = old.runtime.as_ref().zip(new.runtime.as_ref()) else { return Vec::new() };
    let mut differences = config_differences(old_config, new_config);
    differences.extend(map_differences(&old.labels, &new.labels, DifferenceKind::Label));
    differences.sort_by(|a, b| a.kind.cmp(&b.kind));
    differences
}

/// Returns true if the new image runs as root and the old one did not.
pub(super) fn becomes_root(old: &ImageFacts, new: &ImageFacts) -> bool {
    let configs = old.runtime.as_ref().zip(new.runtime.as_ref());
    configs.is_some_and(|(old, new)| new.is_root() && !old.is_root())
}

fn config_differences(old: &RuntimeConfig, new: &RuntimeConfig) -> Vec<Difference> {
    let single = |kind: DifferenceKind, value: fn(&RuntimeConfig) -> String| {
        let present = |config| Some(value(config)).filter(|text| !text.is_empty());
        let (old, new) = (present(old), present(new));
        (old != new).then_some(Difference { kind, old, new })
    };
    let singles = [
        single(DifferenceKind::User, user),
        single(DifferenceKind::Entrypoint, |config| config.entrypoint.join(" ")),
        single(DifferenceKind::Command, |config| config.command.join(" ")),
        single(DifferenceKind::WorkingDir, |config| config.working_dir.clone()),
    ];
    let port = |old, new| Difference { kind: DifferenceKind::Port, old, new };
    let removed = old.ports.difference(&new.ports).map(|text| port(Some(text.clone()), None));
    let added = new.ports.difference(&old.ports).map(|text| port(None, Some(text.clone())));
    let variables = map_differences(&old.environment, &new.environment, DifferenceKind::Variable);
    singles.into_iter().flatten().chain(removed).chain(added).chain(variables).collect()
}

/// Returns the user an image runs as, which is root unless the configuration names one.
fn user(config: &RuntimeConfig) -> String {
    if config.user.is_empty() { "root".to_owned() } else { config.user.clone() }
}

fn map_differences(
    old: &BTreeMap<String, String>,
    new: &BTreeMap<String, String>,
    kind: impl Fn(String) -> DifferenceKind,
) -> Vec<Difference> {
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differing = keys.into_iter().filter(|key| old.get(*key) != new.get(*key));
    differing
        .map(|key| Difference { kind: kind(key.clone()), old: old.get(key).cloned(), new: new.get(key).cloned() })
        .collect()
}

impl fmt::Display for Difference {
    /// Formats e.g. `user: app → root`, escaped for a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            DifferenceKind::User => f.write_str("user")?,
            DifferenceKind::Entrypoint => f.write_str("entry point")?,
            DifferenceKind::Command => f.write_str("command")?,
            DifferenceKind::WorkingDir => f.write_str("working directory")?,
            DifferenceKind::Port => f.write_str("port")?,
            DifferenceKind::Variable(name) => write!(f, "variable {}", escape::truncate(name, TEXT_MAX))?,
            DifferenceKind::Label(name) => write!(f, "label {}", escape::truncate(name, TEXT_MAX))?,
        }
        let text = |side: &Option<String>| side.as_deref().map(|text| escape::truncate(text, TEXT_MAX));
        match (text(&self.old), text(&self.new)) {
            (Some(old), Some(new)) => write!(f, ": {old} → {new}"),
            (None, Some(new)) => write!(f, ": {new} (added)"),
            (Some(old), None) => write!(f, ": {old} (removed)"),
            (None, None) => Ok(()),
        }
    }
}
