//! `streams/**/*.toml`: the streams of a root and their tags.
//!
//! `table` reads the files with positions; `validate` turns them into [`Definitions`] or reports all their problems;
//! [`follow`] orders tags along the chains of followers; [`mod@write`] writes the file of a new stream, and [`edit`]
//! changes an existing one. Never depends on an answer of a registry.

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
use crate::text::diagnostics::nearest;
use select::Select;

/// The longest chain of followers that is walked: a guard against cycles, which only invalid definitions have.
const CHAIN_MAX: usize = 1_000;

/// The streams and tags of a root, validated: no cycles, no missing tags.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Definitions {
    /// The streams, including those without tags.
    pub streams: BTreeMap<StreamName, Stream>,
    /// The tags of all streams.
    pub tags: BTreeMap<TagId, Tag>,
    /// The streams that also discover tags of a repository.
    pub discover: BTreeMap<StreamName, Discovery>,
    /// The files named by `verify` of streams and tags, without duplicates, existing or not.
    pub trust_files: Vec<TrustFile>,
}

/// The description and annotations of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// `description`
    pub description: Option<String>,
    /// `annotations`
    pub annotations: BTreeMap<String, String>,
}

/// The definition of one tag.
#[derive(Clone, Debug, PartialEq)]
pub struct Tag {
    /// The source of its digest.
    pub source: TagSource,
    /// Platforms that an index must have.
    pub platforms: Arc<[Platform]>,
    /// The schedule for `--due`; `None` means at every pass.
    pub schedule: Option<Schedule>,
    /// The rules for adopting digests; `None` for the defaults.
    pub adoption: Option<Arc<AdoptionRules>>,
    /// `annotations`
    pub annotations: BTreeMap<String, String>,
    /// True if it was found by `[discover]` and is not in a file.
    pub discovered: bool,
}

/// `[discover]`: each matching tag of a repository is a tag of the stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Discovery {
    /// The repository to list.
    pub repository: Repository,
    /// The rule that selects and orders its tags.
    pub select: Select,
    /// The maximum number of tags, highest first.
    pub limit: usize,
    /// The import settings of each tag.
    pub import: ImportSettings,
}

/// The source of a tag's digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagSource {
    /// An image of a registry.
    Image {
        /// The image reference.
        image: ImageRef,
        /// The platform whose manifest is pinned instead of the index.
        platform: Option<Platform>,
    },
    /// The highest tag of a repository selected by a rule.
    Select {
        /// The repository to select from.
        repository: Repository,
        /// The selection rule.
        select: Arc<Select>,
        /// The platform whose manifest is pinned instead of the index.
        platform: Option<Platform>,
    },
    /// Another tag of the root.
    Follow(TagId),
    /// A tag of another repository, from its lock.
    Remote(RemoteTag),
}

impl Definitions {
    /// Returns the tag of this root that `id` follows, if any.
    pub fn target(&self, id: &TagId) -> Option<&TagId> {
        self.tags.get(id)?.source.target()
    }

    /// Walks from `id` along the tags of this root that it follows. Tags still to be discovered have no definition.
    pub fn chain<'a>(&'a self, id: &'a TagId) -> impl Iterator<Item = (&'a TagId, Option<&'a Tag>)> {
        let next = |(_, tag): &(&'a TagId, Option<&'a Tag>)| {
            let target = (*tag)?.source.target()?;
            Some((target, self.tags.get(target)))
        };
        std::iter::successors(Some((id, self.tags.get(id))), next).take(CHAIN_MAX)
    }

    /// Returns the tag at the end of the chain of `id`, which follows no tag of this root.
    pub fn end_of<'a>(&'a self, id: &'a TagId) -> (&'a TagId, Option<&'a Tag>) {
        self.chain(id).last().unwrap_or((id, None))
    }

    /// Returns the tag whose name is closest to `text`, or else the first one of a stream or tag named `text`.
    pub fn nearest(&self, text: &str) -> Option<&TagId> {
        let names: BTreeMap<String, &TagId> = self.tags.keys().map(|id| (id.to_string(), id)).collect();
        let near = nearest(text, names.keys().map(String::as_str)).and_then(|name| names.get(name).copied());
        near.or_else(|| self.tags.keys().find(|id| id.stream.as_str() == text || id.tag.as_str() == text))
    }
}

impl Tag {
    /// Creates a tag of a file, without annotations, from its source and import settings.
    pub(crate) fn new(source: TagSource, import: ImportSettings) -> Self {
        let ImportSettings { schedule, platforms, adoption, .. } = import;
        Self { source, platforms, schedule, adoption, annotations: BTreeMap::new(), discovered: false }
    }
}

impl TagSource {
    /// Returns the followed tag of this root, if any.
    pub fn target(&self) -> Option<&TagId> {
        if let Self::Follow(target) = self { Some(target) } else { None }
    }

    /// Returns the platform to pin instead of the index.
    pub fn platform(&self) -> Option<&Platform> {
        match self {
            Self::Image { platform, .. } | Self::Select { platform, .. } => platform.as_ref(),
            Self::Follow(_) | Self::Remote(_) => None,
        }
    }

    /// Returns the followed tag, if any.
    pub fn followed(&self) -> Option<FollowedTag> {
        match self {
            Self::Image { .. } | Self::Select { .. } => None,
            Self::Follow(tag) => Some(FollowedTag::Local(tag.clone())),
            Self::Remote(far) => Some(FollowedTag::from(far.clone())),
        }
    }
}

/// Returns the JSON schema of a stream file.
pub fn schema() -> serde_json::Value {
    crate::text::toml::schema::<table::StreamTable>()
}
