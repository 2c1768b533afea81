//! Description of a stream, as `oc describe is` shows it: tags with their sources, rules, followers, pins and earlier
//! digests.

pub mod rules;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::git::checkout::Provenance;
use crate::model::drift::{Drift, DriftKind};
use crate::model::image::{Digest, StreamName, TagId, TagName, priority};
use crate::model::lock::{Pin, diff};
use crate::model::root::Root;
use crate::model::settings::remote::RemoteSettings;
use crate::model::stream::{Discovery, Stream, Tag, TagSource};

use super::status::DriftIndex;

/// Commits that introduced digests, by tag and digest.
pub type DigestProvenance = BTreeMap<(TagId, Digest), Provenance>;

/// A root with everything that its streams are described from.
#[derive(Debug)]
pub struct Describer<'a> {
    /// The definitions and the lock.
    pub root: &'a Root,
    /// Differences between the two.
    pub drift: &'a DriftIndex,
    /// Commits that introduced the digests; empty outside a checkout.
    pub provenance: &'a DigestProvenance,
}

/// Description of one stream.
#[derive(Debug)]
pub struct StreamDescription<'a> {
    /// Name of the stream.
    pub name: &'a StreamName,
    /// Its description and annotations.
    pub stream: &'a Stream,
    /// Its `[discover]` table.
    pub discovery: Option<&'a Discovery>,
    /// Number of defined tags.
    pub tag_count: usize,
    /// Number of distinct digests.
    pub image_count: usize,
    /// Tags with a section of their own, by priority; aliases are listed with the tag that they follow.
    pub tags: Vec<TagDescription<'a>>,
    /// Pins without a definition.
    pub undefined: Vec<PinDescription<'a>>,
}

/// One tag of a stream, with its aliases.
#[derive(Debug)]
pub struct TagDescription<'a> {
    /// Name of the tag.
    pub id: &'a TagId,
    /// Definition of the tag.
    pub tag: &'a Tag,
    /// Tags of the same stream that follow this one without rules of their own.
    pub aliases: Vec<&'a TagId>,
    /// The `[remote.…]` table of the tag that it follows.
    pub remote: Option<&'a RemoteSettings>,
    /// Other tags that follow this one or an alias of it.
    pub followers: Vec<&'a TagId>,
    /// Drift of the tag and its aliases, except missing pins.
    pub drift: Vec<&'a Drift>,
    /// Pin of the tag, if it has one.
    pub pin: Option<PinDescription<'a>>,
}

/// One pin with its earlier digests.
#[derive(Debug)]
pub struct PinDescription<'a> {
    /// Name of the tag.
    pub id: &'a TagId,
    /// The pin.
    pub pin: &'a Pin,
    /// The repository's tag that was selected by version, pattern or discovery.
    pub selected: Option<&'a TagName>,
    /// Version according to the image (untrusted text).
    pub version: Option<String>,
    /// Creation time according to the image.
    pub created: Option<Timestamp>,
    /// The current digest, then earlier ones, newest first.
    pub digests: Vec<PinnedDigest<'a>>,
}

/// A digest and the commit that introduced it.
#[derive(Debug)]
pub struct PinnedDigest<'a> {
    /// The digest.
    pub digest: &'a Digest,
    /// The commit; none if it is uncommitted or unknown.
    pub provenance: Option<&'a Provenance>,
}

impl<'a> Describer<'a> {
    /// Describes a stream; none if it does not exist.
    pub fn stream(&self, name: &StreamName) -> Option<StreamDescription<'a>> {
        let root = self.root;
        let (name, stream) = root.definitions.streams.get_key_value(name)?;
        let mut tags: Vec<(&TagId, &Tag)> = root.definitions.tags.iter().filter(|(id, _)| id.stream == *name).collect();
        tags.sort_by_cached_key(|(id, _)| priority::key(id.tag.as_str()));
        let digests: BTreeSet<&Digest> =
            tags.iter().filter_map(|(id, _)| root.lock.pins.get(*id)).map(|pin| &pin.digest).collect();
        let sections = tags.iter().filter(|(id, _)| self.alias_target(id).is_none());
        let is_undefined = |id: &&TagId| id.stream == *name && !root.definitions.tags.contains_key(*id);
        Some(StreamDescription {
            name,
            stream,
            discovery: root.definitions.discover.get(name),
            tag_count: tags.len(),
            image_count: digests.len(),
            tags: sections.map(|(id, tag)| self.tag(id, tag, &tags)).collect(),
            undefined: root.lock.pins.keys().filter(is_undefined).filter_map(|id| self.pin(id)).collect(),
        })
    }

    fn tag(&self, id: &'a TagId, tag: &'a Tag, siblings: &[(&'a TagId, &'a Tag)]) -> TagDescription<'a> {
        let aliases: Vec<&TagId> = siblings
            .iter()
            .map(|(alias, _)| *alias)
            .filter(|alias| *alias != id && self.resolves_to(alias, id))
            .collect();
        let drift = std::iter::once(id).chain(aliases.iter().copied()).filter_map(|id| self.drift.get(id));
        TagDescription {
            id,
            tag,
            remote: match &tag.source {
                TagSource::Remote(remote) => self.root.settings.remotes.get(&remote.remote),
                _ => None,
            },
            followers: self.followers(id, &aliases),
            drift: drift.filter(|drift| drift.kind != DriftKind::Missing).collect(),
            pin: self.pin(id),
            aliases,
        }
    }

    /// Returns the tag of the same stream whose section an alias belongs to. A follower with rules of its own is not an
    /// alias, because its digest may differ.
    fn alias_target(&self, id: &TagId) -> Option<&'a TagId> {
        let tag = self.root.definitions.tags.get(id)?;
        match &tag.source {
            TagSource::Follow(target) if target.stream == id.stream && tag.adoption.is_none() => Some(target),
            _ => None,
        }
    }

    /// Returns true if following aliases from `alias` ends at `id`.
    fn resolves_to(&self, alias: &'a TagId, id: &TagId) -> bool {
        std::iter::successors(Some(alias), |at| self.alias_target(at)).last() == Some(id)
    }

    fn followers(&self, id: &TagId, aliases: &[&TagId]) -> Vec<&'a TagId> {
        let is_here = |target: &TagId| target == id || aliases.contains(&target);
        let follows = |(follower, tag): &(&TagId, &Tag)| {
            matches!(&tag.source, TagSource::Follow(target) if is_here(target)) && !aliases.contains(follower)
        };
        self.root.definitions.tags.iter().filter(follows).map(|(follower, _)| follower).collect()
    }

    fn pin(&self, id: &TagId) -> Option<PinDescription<'a>> {
        let (id, pin) = self.root.lock.pins.get_key_value(id)?;
        let tag = self.root.definitions.tags.get(id);
        let is_selected = tag.is_some_and(|tag| !matches!(tag.source, TagSource::Image { .. }));
        let side = diff::side(&self.root.lock, pin);
        let digests = std::iter::once(&pin.digest).chain(&pin.previous);
        Some(PinDescription {
            id,
            pin,
            selected: pin.image.tag().filter(|_| is_selected && pin.followed().is_none()),
            version: side.version,
            created: side.created.and_then(|created| created.parse().ok()),
            digests: digests
                .map(|digest| PinnedDigest { digest, provenance: self.provenance.get(&(id.clone(), digest.clone())) })
                .collect(),
        })
    }
}
