//! What a move changes, as it leaves the process.

use schemars::JsonSchema;
use serde::Serialize;

use crate::image_diff::{Difference, DifferenceKind, Explanation, LayerDiff, OldNew};
use crate::model::image::facts::BaseImage;

/// What a move changes, as far as the manifests and configurations of the two images tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ExplanationV1 {
    /// `attestation`, `config`, `layers`, `platforms`, `patch`, `minor` or `major`; absent where it cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Why not all of it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    /// Where the changes of the source can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compare: Option<String>,
    /// What a reviewer must not miss, a sentence each.
    pub warnings: Vec<String>,
    /// When the images were built, RFC 3339.
    pub built: SidesV1<String>,
    /// The sizes of their layers in a registry, in bytes, of the platform that describes them.
    pub size: SidesV1<u64>,
    /// What became of the layers; absent where they are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<LayersV1>,
    /// The platforms that only the new image runs on.
    pub platforms_gained: Vec<String>,
    /// The platforms that only the old image runs on.
    pub platforms_lost: Vec<String>,
    /// What the images were built upon; absent where it is the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<SidesV1<BaseV1>>,
    /// What else differs in how they run, and in their labels.
    pub differences: Vec<DifferenceV1>,
}

/// What there is of the old image and of the new one; null where it is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SidesV1<T> {
    /// Of the old one.
    pub old: Option<T>,
    /// Of the new one.
    pub new: Option<T>,
}

/// What became of layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LayersV1 {
    /// How many both have.
    pub kept: usize,
    /// How many only the new one has.
    pub added: usize,
    /// How many only the old one has.
    pub removed: usize,
}

/// The image that another one was built upon, as its labels say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BaseV1 {
    /// Its name.
    pub name: Option<String>,
    /// Its digest.
    pub digest: Option<String>,
}

/// Something that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DifferenceV1 {
    /// What kind of thing.
    pub what: DifferenceKindV1,
    /// The name of the variable or label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it was; null where it was not there.
    pub old: Option<String>,
    /// What it is; null where it is not there any more.
    pub new: Option<String>,
}

/// What can differ in how an image runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DifferenceKindV1 {
    /// As whom it runs.
    User,
    /// The program that is always run.
    Entrypoint,
    /// The program, or what the entry point is given.
    Command,
    /// The folder that it runs in.
    WorkingDirectory,
    /// A port.
    Port,
    /// A variable of the environment.
    Variable,
    /// A label.
    Label,
}

impl From<&Explanation> for ExplanationV1 {
    fn from(explanation: &Explanation) -> Self {
        let Explanation { class, unknown, compare, made, size, layers, gained, lost, base, differences, .. } =
            explanation;
        let texts = |platforms: &[crate::model::image::Platform]| platforms.iter().map(ToString::to_string).collect();
        Self {
            class: class.map(|class| class.to_string()),
            unknown: unknown.clone(),
            compare: compare.clone(),
            warnings: explanation.warnings(),
            built: sides(made, ToString::to_string),
            size: sides(size, |size| *size),
            layers: layers.map(|LayerDiff { kept, added, removed }| LayersV1 { kept, added, removed }),
            platforms_gained: texts(gained),
            platforms_lost: texts(lost),
            base: base.as_ref().map(|base| sides(base, |base| BaseV1::from(base))),
            differences: differences.iter().map(DifferenceV1::from).collect(),
        }
    }
}

fn sides<T, U>(sides: &OldNew<T>, show: impl Fn(&T) -> U) -> SidesV1<U> {
    SidesV1 { old: sides.old.as_ref().map(&show), new: sides.new.as_ref().map(&show) }
}

impl From<&BaseImage> for BaseV1 {
    fn from(base: &BaseImage) -> Self {
        Self { name: base.name.clone(), digest: base.digest.clone() }
    }
}

impl From<&Difference> for DifferenceV1 {
    fn from(difference: &Difference) -> Self {
        let Difference { what, old, new } = difference;
        let (what, name) = match what {
            DifferenceKind::User => (DifferenceKindV1::User, None),
            DifferenceKind::Entrypoint => (DifferenceKindV1::Entrypoint, None),
            DifferenceKind::Command => (DifferenceKindV1::Command, None),
            DifferenceKind::Folder => (DifferenceKindV1::WorkingDirectory, None),
            DifferenceKind::Port => (DifferenceKindV1::Port, None),
            DifferenceKind::Variable(name) => (DifferenceKindV1::Variable, Some(name.clone())),
            DifferenceKind::Label(name) => (DifferenceKindV1::Label, Some(name.clone())),
        };
        Self { what, name, old: old.clone(), new: new.clone() }
    }
}
