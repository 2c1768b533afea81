//! `streams/**/*.toml`: the streams of a root and their tags.
//!
//! What was written is read by `table` with positions; `validate` turns it into [`Definitions`] or into all its
//! problems at once; [`follow`] says in which order tags follow each other; [`mod@write`] makes the file of a new
//! stream, and [`edit`] changes one that is there. Nothing here knows a registry's answer.

pub mod discover;
pub mod edit;
pub mod follow;
pub mod tag_spans;
pub mod select;
mod table;
pub(crate) mod validate;
pub mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::image::{FollowedTag, ImageRef, Platform, RemoteTag, Repository, StreamName, TagId};
use crate::model::settings::ImportSettings;
use crate::model::settings::adoption_rules::AdoptionRules;
use crate::model::settings::schedule::Schedule;
use crate::model::settings::verify::TrustFile;
use select::Select;

/// Every stream and tag of a root, right in themselves: no cycle, no missing target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Definitions {
    /// The streams, also those without a tag.
    pub streams: BTreeMap<StreamName, Stream>,
    /// The tags of all streams.
    pub tags: BTreeMap<TagId, Tag>,
    /// The streams that take tags of a repository beside those above.
    pub discover: BTreeMap<StreamName, Discovery>,
    /// The files that `verify` of streams and tags names, each once, whether they are there or not.
    pub trust_files: Vec<TrustFile>,
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
    pub source: TagSource,
    /// Platforms an index must have for it to be pinned.
    pub platforms: Vec<Platform>,
    /// When `--due` imports it; none means at every pass.
    pub schedule: Option<Schedule>,
    /// By what rules it adopts digests; none for those that hold without any.
    pub adoption: Option<Arc<AdoptionRules>>,
    /// `annotations`
    pub annotations: BTreeMap<String, String>,
    /// Whether `[discover]` found it, so that it is written down nowhere.
    pub discovered: bool,
}

/// `[discover]`: every tag of a repository that fits is a tag of the stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Discovery {
    /// The repository.
    pub repository: Repository,
    /// Which of its tags, and in what order.
    pub select: Select,
    /// How many at the most, the highest first.
    pub limit: usize,
    /// What holds for each of them.
    pub import: ImportSettings,
}

/// Where a tag's digest comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagSource {
    /// An image of a registry.
    Image {
        /// The image.
        image: ImageRef,
        /// The one platform whose manifest is pinned in place of the index.
        platform: Option<Platform>,
    },
    /// The highest tag of a repository that a rule admits.
    Select {
        /// The repository.
        repository: Repository,
        /// The rule.
        select: Arc<Select>,
        /// The one platform whose manifest is pinned in place of the index.
        platform: Option<Platform>,
    },
    /// Another tag of the root.
    Follow(TagId),
    /// A tag of another repository, whose lock says what it is.
    Remote(RemoteTag),
}

impl Definitions {
    /// Whether `id` stands where another tag stands.
    pub fn follows(&self, id: &TagId) -> bool {
        matches!(self.tags.get(id), Some(Tag { source: TagSource::Follow(_), .. }))
    }

    /// The tag that `word` was most likely meant to be.
    pub fn nearest(&self, word: &str) -> Option<&TagId> {
        let score = |id: &TagId| strsim::jaro_winkler(&id.to_string(), word);
        let best = self.tags.keys().max_by(|a, b| score(a).total_cmp(&score(b)));
        best.filter(|best| score(best) > 0.7)
    }
}

impl TagSource {
    /// The one platform that is asked for.
    pub fn platform(&self) -> Option<&Platform> {
        match self {
            Self::Image { platform, .. } | Self::Select { platform, .. } => platform.as_ref(),
            Self::Follow(_) | Self::Remote(_) => None,
        }
    }

    /// What is followed.
    pub fn followed(&self) -> Option<FollowedTag> {
        match self {
            Self::Image { .. } | Self::Select { .. } => None,
            Self::Follow(tag) => Some(FollowedTag::Local(tag.clone())),
            Self::Remote(far) => Some(FollowedTag::from(far.clone())),
        }
    }
}

/// The JSON schema of a stream's file.
pub fn schema() -> serde_json::Value {
    crate::text::toml::schema::<table::StreamTable>()
}
