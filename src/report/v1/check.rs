//! What `check` found, as `pinstream.check/v1`.

use schemars::JsonSchema;
use serde::Serialize;

use super::words::FindingKindV1;
use super::{ReportV1, text};

/// The name and version of what `check` found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum CheckSchema {
    /// Version 1.
    #[serde(rename = "pinstream.check/v1")]
    V1,
}

/// What `check` found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CheckV1 {
    /// Always `pinstream.check/v1`.
    pub schema: CheckSchema,
    /// The exit code that goes with it.
    pub exit: u8,
    /// How many pins the lock has.
    pub pins: usize,
    /// How many streams are defined.
    pub streams: usize,
    /// What is wrong, in the order in which it was found.
    pub findings: Vec<FindingV1>,
    /// The difference from the lock as it is to the lock as it follows from it and the definitions, and from the files of
    /// targets to what they should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// The command that brings lock, definitions and targets together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// With `--all-images`, the images of manifests that no stream covers, that have no digest, or that are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<ImageV1>>,
    /// With `--upstream`, what a pass would do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<ReportV1>,
}

/// One thing that is wrong with a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FindingV1 {
    /// The stream.
    pub stream: String,
    /// The tag's name within it.
    pub tag: String,
    /// What kind of thing.
    pub kind: FindingKindV1,
    /// What is wrong.
    pub message: String,
    /// The file that it is wrong in, from the root, where it is one of a target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line of that file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// An image that a manifest names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ImageV1 {
    /// The file, from the root.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is written there, with variables replaced where their values are known.
    pub image: String,
    /// Whether a stream covers it.
    pub covered: bool,
    /// Whether it has a digest.
    pub pinned: bool,
    /// Why it is no image, where it should be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl CheckV1 {
    /// What was found as JSON text.
    pub fn to_json(&self) -> String {
        text(self)
    }
}

/// The JSON schema of what `check` found.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(CheckV1)
}
