//! `streams/**/*.toml`: the streams of a root and their tags.
//!
//! What was written is read by `table` with positions; `validate` turns it into [`Definitions`] or into all its
//! problems at once; [`follow`] says in which order tags follow each other. Nothing here knows a registry's answer.

pub mod follow;
mod table;
pub(crate) mod validate;

use std::collections::BTreeMap;

use crate::image::{ImageRef, Platform, StreamName, TagId};
use crate::settings::schedule::Schedule;

/// Every stream and tag of a root, right in themselves: no cycle, no missing target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Definitions {
    /// The streams, also those without a tag.
    pub streams: BTreeMap<StreamName, Stream>,
    /// The tags of all streams.
    pub tags: BTreeMap<TagId, Tag>,
}

/// What a stream says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// `description`
    pub description: Option<String>,
    /// `annotations`
    pub annotations: BTreeMap<String, String>,
}

/// A tag's definition.
#[derive(Clone, Debug, PartialEq)]
pub struct Tag {
    /// Where its digest comes from.
    pub source: Source,
    /// Platforms an index must have for it to be pinned.
    pub platforms: Vec<Platform>,
    /// When `--due` imports it; none means at every pass.
    pub schedule: Option<Schedule>,
    /// `annotations`
    pub annotations: BTreeMap<String, String>,
}

/// Where a tag's digest comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An image of a registry.
    Image {
        /// The image.
        image: ImageRef,
        /// The one platform whose manifest is pinned in place of the index.
        platform: Option<Platform>,
    },
    /// Another tag of the root.
    Follow(TagId),
}

/// The JSON schema of a stream's file.
pub fn schema() -> serde_json::Value {
    crate::table::schema::<table::StreamTable>()
}
