//! All tags of a root, as `pinstream.list/v1`.

use schemars::JsonSchema;
use serde::Serialize;

use super::words::StatusV1;
use super::{SideV1, text};
use crate::model::image::TagId;
use crate::model::lock::Lock;
use crate::model::lock::diff::side;
use crate::model::stream::{Tag, TagSource};

/// The name and version of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum ListSchema {
    /// Version 1.
    #[serde(rename = "pinstream.list/v1")]
    V1,
}

/// All tags, and what they are pinned to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ListV1 {
    /// Always `pinstream.list/v1`.
    pub schema: ListSchema,
    /// The tags, in the order of their names unless another was asked for.
    pub tags: Vec<PinV1>,
}

/// One tag of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PinV1 {
    /// The stream.
    pub stream: String,
    /// The tag's name within it.
    pub tag: String,
    /// The tag it follows, `stream:tag`; of another repository, `remote//stream:tag`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow: Option<String>,
    /// The image; null for a follower that is not pinned.
    pub image: Option<String>,
    /// The one platform that is pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The digest of the index that the pin is one platform's child of: what the image's tag serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// Where it stands; null if it has no pin.
    pub pin: Option<SideV1>,
    /// The reference to deploy, `registry/repository:tag@sha256:…`; null if it has no pin.
    pub reference: Option<String>,
    /// When the image was made, RFC 3339, as it says itself; null if it does not, or has no pin.
    pub created: Option<String>,
    /// How its pin and its definition go together.
    pub status: StatusV1,
}

impl ListV1 {
    /// The list of `tags`.
    pub fn new(tags: Vec<PinV1>) -> Self {
        Self { schema: ListSchema::V1, tags }
    }

    /// The list as JSON text.
    pub fn to_json(&self) -> String {
        text(self)
    }
}

impl PinV1 {
    /// The tag `id`, defined as `tag`, with its pin in `lock`, which is of this `status`.
    pub fn new(id: &TagId, tag: &Tag, lock: &Lock, status: StatusV1) -> Self {
        let pin = lock.pins.get(id);
        let side = pin.map(|pin| side(lock, pin));
        let (follow, image, platform) = match &tag.source {
            followed @ (TagSource::Follow(_) | TagSource::Remote(_)) => {
                let followed = followed.followed().map(|followed| followed.to_string());
                (followed, pin.map(|pin| pin.image.to_string()), None)
            }
            TagSource::Image { image, platform } => (None, Some(image.to_string()), platform.as_ref()),
            TagSource::Select { platform, .. } => (None, pin.map(|pin| pin.image.to_string()), platform.as_ref()),
        };
        Self {
            stream: id.stream.to_string(),
            tag: id.tag.to_string(),
            follow,
            image,
            platform: platform.map(ToString::to_string),
            index: pin.and_then(|pin| pin.index.as_ref()).map(ToString::to_string),
            created: side.as_ref().and_then(|side| side.created.clone()),
            pin: side.as_ref().map(SideV1::from),
            reference: pin.map(|pin| pin.reference().to_string()),
            status,
        }
    }
}

/// The JSON schema of a list.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(ListV1)
}
