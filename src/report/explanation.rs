//! Converts explanations of changes to their JSON types.

use super::v1::explanation::{BaseV1, DifferenceKindV1, DifferenceV1, ExplanationV1, LayersV1, SidesV1};
use crate::image_diff::{Difference, DifferenceKind, Explanation, LayerDiff, OldNew};
use crate::model::image::Platform;
use crate::model::image::facts::BaseImage;

impl From<&Explanation> for ExplanationV1 {
    fn from(one: &Explanation) -> Self {
        let base_of = |base: &BaseImage| BaseV1 { name: base.name.clone(), digest: base.digest.clone() };
        let texts = |platforms: &[Platform]| platforms.iter().map(ToString::to_string).collect();
        Self {
            class: one.class.map(|class| class.to_string()),
            unknown: one.unknown.clone(),
            compare: one.compare.clone(),
            warnings: one.warnings(),
            built: sides(&one.created, ToString::to_string),
            size: sides(&one.size, |size| *size),
            layers: one.layers.map(|LayerDiff { kept, added, removed }| LayersV1 { kept, added, removed }),
            platforms_gained: texts(&one.added_platforms),
            platforms_lost: texts(&one.removed_platforms),
            base: one.base.as_ref().map(|base| sides(base, base_of)),
            differences: one.differences.iter().map(DifferenceV1::from).collect(),
        }
    }
}

fn sides<T, U>(sides: &OldNew<T>, show: impl Fn(&T) -> U) -> SidesV1<U> {
    SidesV1 { old: sides.old.as_ref().map(&show), new: sides.new.as_ref().map(&show) }
}

impl From<&Difference> for DifferenceV1 {
    fn from(difference: &Difference) -> Self {
        let Difference { kind, old, new } = difference;
        let (what, name) = match kind {
            DifferenceKind::User => (DifferenceKindV1::User, None),
            DifferenceKind::Entrypoint => (DifferenceKindV1::Entrypoint, None),
            DifferenceKind::Command => (DifferenceKindV1::Command, None),
            DifferenceKind::WorkingDir => (DifferenceKindV1::WorkingDirectory, None),
            DifferenceKind::Port => (DifferenceKindV1::Port, None),
            DifferenceKind::Variable(name) => (DifferenceKindV1::Variable, Some(name.clone())),
            DifferenceKind::Label(name) => (DifferenceKindV1::Label, Some(name.clone())),
        };
        Self { what, name, old: old.clone(), new: new.clone() }
    }
}
