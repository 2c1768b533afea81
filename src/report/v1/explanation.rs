//! Differences between two images, as part of reports and events.

use schemars::JsonSchema;
use serde::Serialize;

/// Differences between the old and the new image of a change, as far as manifests and configurations show them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ExplanationV1 {
    /// `attestation`, `config`, `layers`, `platforms`, `patch`, `minor` or `major`; absent if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Reason why the explanation is incomplete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    /// Link to a comparison of the source revisions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compare: Option<String>,
    /// Warnings for reviewers, one sentence each.
    pub warnings: Vec<String>,
    /// Build times, RFC 3339.
    pub built: SidesV1<String>,
    /// Compressed sizes of the layers in bytes, for the platform that is compared.
    pub size: SidesV1<u64>,
    /// Numbers of kept, added and removed layers; absent if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<LayersV1>,
    /// Platforms that only the new image supports.
    pub platforms_gained: Vec<String>,
    /// Platforms that only the old image supports.
    pub platforms_lost: Vec<String>,
    /// Base images; absent if the base is the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<SidesV1<BaseV1>>,
    /// Other differences in the image configuration and labels.
    pub differences: Vec<DifferenceV1>,
}

/// Values of the old and the new image; null if unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SidesV1<T> {
    /// Value of the old image.
    pub old: Option<T>,
    /// Value of the new image.
    pub new: Option<T>,
}

/// Comparison of the layers of two images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LayersV1 {
    /// Number of layers in both images.
    pub kept: usize,
    /// Number of layers only in the new image.
    pub added: usize,
    /// Number of layers only in the old image.
    pub removed: usize,
}

/// Base image, according to the labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BaseV1 {
    /// Name of the base image.
    pub name: Option<String>,
    /// Digest of the base image.
    pub digest: Option<String>,
}

/// One difference in configuration or labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DifferenceV1 {
    /// Kind of difference.
    pub what: DifferenceKindV1,
    /// Name of the variable or label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Old value; null if it was not set.
    pub old: Option<String>,
    /// New value; null if it was removed.
    pub new: Option<String>,
}

/// Part of an image configuration that can differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DifferenceKindV1 {
    /// User that runs the process.
    User,
    /// Entry point.
    Entrypoint,
    /// Command, or arguments of the entry point.
    Command,
    /// Working directory.
    WorkingDirectory,
    /// Exposed port.
    Port,
    /// Environment variable.
    Variable,
    /// Image label.
    Label,
}
