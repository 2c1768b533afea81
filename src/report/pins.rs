//! Converts tags and pins to the entries of `list` and `export`.

use super::v1::SideV1;
use super::v1::export::ExportedV1;
use super::v1::list::PinV1;
use super::v1::words::StatusV1;
use crate::model::image::TagId;
use crate::model::lock::diff::{PinSide, details, side};
use crate::model::lock::{Lock, Pin};
use crate::model::stream::{Tag, TagSource};

impl From<&PinSide> for SideV1 {
    fn from(side: &PinSide) -> Self {
        Self { digest: side.digest.to_string(), version: side.version.clone() }
    }
}

impl PinV1 {
    /// Creates the entry of the tag `id`, defined as `tag`, with its pin in `lock`.
    pub fn new(id: &TagId, tag: &Tag, lock: &Lock, status: StatusV1) -> Self {
        let pin = lock.pins.get(id);
        let side = pin.map(|pin| side(lock, pin));
        let image = match &tag.source {
            TagSource::Image { image, .. } => Some(image),
            _ => pin.map(|pin| &pin.image),
        };
        Self {
            stream: id.stream.to_string(),
            tag: id.tag.to_string(),
            follow: tag.source.followed().map(|followed| followed.to_string()),
            image: image.map(ToString::to_string),
            platform: tag.source.platform().map(ToString::to_string),
            index: pin.and_then(|pin| pin.index.as_ref()).map(ToString::to_string),
            created: side.as_ref().and_then(|side| side.created.clone()),
            pin: side.as_ref().map(SideV1::from),
            reference: pin.map(|pin| pin.reference().to_string()),
            status,
        }
    }
}

impl ExportedV1 {
    /// Creates the entry of the tag `id`, defined as `tag` and pinned by `pin` in `lock`.
    pub fn new(id: &TagId, tag: &Tag, pin: &Pin, lock: &Lock) -> Self {
        let details = details(lock, pin);
        Self {
            stream: id.stream.to_string(),
            tag: id.tag.to_string(),
            follow: pin.follow.as_ref().map(ToString::to_string),
            image: pin.image.to_string(),
            repository: pin.image.repository().to_string(),
            digest: pin.digest.to_string(),
            index: pin.index.as_ref().map(ToString::to_string),
            reference: pin.reference().to_string(),
            version: details.version.clone(),
            revision: details.revision.clone(),
            created: details.created.clone(),
            platforms: details.platforms.iter().map(ToString::to_string).collect(),
            previous: pin.previous.iter().map(ToString::to_string).collect(),
            annotations: tag.annotations.clone(),
        }
    }
}
