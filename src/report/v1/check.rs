//! `pinstream.check/v1`: the result of `check`.

use schemars::JsonSchema;
use serde::Serialize;

use super::report::ReportV1;
use super::words::{FindingKindV1, UnreadReasonV1};

/// Name and version of a check result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum CheckSchema {
    /// Version 1.
    #[serde(rename = "pinstream.check/v1")]
    V1,
}

/// Result of a `check` run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CheckV1 {
    /// Always `pinstream.check/v1`.
    pub schema: CheckSchema,
    /// Exit code of the process.
    pub exit: u8,
    /// Number of pins in the lock.
    pub pins: usize,
    /// Number of defined streams.
    pub streams: usize,
    /// Problems, in the order in which they were found.
    pub findings: Vec<FindingV1>,
    /// Differences from the current lock and target files to the expected ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// Command that resolves the differences.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// Files of the root that Git ignores and does not track, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignored: Option<Vec<IgnoredFileV1>>,
    /// With `--all-images`, images in files that no stream covers, that have no digest, or that are invalid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<ImageV1>>,
    /// With `--all-images`, the number of files that were not read, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<Vec<UnreadFilesV1>>,
    /// With `--upstream`, the plan of a pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<ReportV1>,
}

/// Problem with one tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FindingV1 {
    /// Name of the stream.
    pub stream: String,
    /// Name of the tag within its stream.
    pub tag: String,
    /// Kind of problem.
    pub kind: FindingKindV1,
    /// Description of the problem.
    pub message: String,
    /// Target file, from the root, for the kind `target`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line of that file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Suggested remedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// File of the root that Git ignores and does not track.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct IgnoredFileV1 {
    /// Path of the file, from the root.
    pub file: String,
    /// File and line of the rule, and its pattern.
    pub message: String,
    /// Suggested remedy.
    pub help: String,
}

/// Files that were not read for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UnreadFilesV1 {
    /// Reason.
    pub reason: UnreadReasonV1,
    /// Number of files.
    pub files: usize,
}

/// Image found in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ImageV1 {
    /// Path of the file, from the root.
    pub file: String,
    /// Line of the file, from 1.
    pub line: usize,
    /// Image as written, with variables replaced where their values are known.
    pub image: String,
    /// True if a stream covers the image.
    pub covered: bool,
    /// True if the image has a digest.
    pub pinned: bool,
    /// Reason why the value is not a valid image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
