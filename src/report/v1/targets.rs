//! All targets of a root, as `pinstream.targets/v1`.

use schemars::JsonSchema;
use serde::Serialize;

use super::text;
use super::words::TargetStatusV1;

/// The name and version of a list of targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum TargetsSchema {
    /// Version 1.
    #[serde(rename = "pinstream.targets/v1")]
    V1,
}

/// All places that targets mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TargetsV1 {
    /// Always `pinstream.targets/v1`.
    pub schema: TargetsSchema,
    /// The places: of each target in the order of the settings, in that of its files.
    pub sites: Vec<TargetSiteV1>,
}

/// One place of a target; or a target without any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TargetSiteV1 {
    /// The file, or the pattern of a target that has no place.
    pub file: String,
    /// The line, from 1; absent where there is no place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What kind of target it is: its key in `[[target]]`.
    pub kind: String,
    /// Which place of the file it is: the other keys of it.
    pub keys: std::collections::BTreeMap<String, String>,
    /// The tag whose pin is written there, `stream:tag`; absent where a marker that should name it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What stands there; absent where there is no place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// How what stands there and the pin go together.
    pub status: TargetStatusV1,
    /// Why there is no place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl TargetsV1 {
    /// The list of `places`.
    pub fn new(sites: Vec<TargetSiteV1>) -> Self {
        Self { schema: TargetsSchema::V1, sites }
    }

    /// The list as JSON text.
    pub fn to_json(&self) -> String {
        text(self)
    }
}

/// The JSON schema of a list of targets.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(TargetsV1)
}
