//! Another repository that a pass read, in a report.

use schemars::JsonSchema;
use serde::Serialize;

/// Another repository, and what it stood at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RemoteV1 {
    /// The name that this root has for it.
    pub name: String,
    /// Its address, without credentials.
    pub url: String,
    /// The commit at the tip of its branch.
    pub commit: String,
}
