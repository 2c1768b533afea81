//! `pinstream.targets/v1`: all sites of a root's targets.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::words::TargetStatusV1;

/// Name and version of a list of targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum TargetsSchema {
    /// Version 1.
    #[serde(rename = "pinstream.targets/v1")]
    V1,
}

/// Sites of a root's targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TargetsV1 {
    /// Always `pinstream.targets/v1`.
    pub schema: TargetsSchema,
    /// Sites, in the order of the settings and of each target's files.
    pub sites: Vec<TargetSiteV1>,
}

/// One site of a target, or a target that selects nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TargetSiteV1 {
    /// File, or the glob of a target that selects nothing.
    pub file: String,
    /// Line of the file, from 1; absent if nothing is selected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Kind of target: its key in `[[target]]`.
    pub kind: String,
    /// Other keys of the target, which select the site within the file.
    pub keys: BTreeMap<String, String>,
    /// Tag whose pin is written, `stream:tag`; absent if the marker that names it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Current value in the file; absent if nothing is selected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// State of the site relative to the pin.
    pub status: TargetStatusV1,
    /// Reason why nothing is selected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
