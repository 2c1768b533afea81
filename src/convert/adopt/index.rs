//! Index of all given ImageStreams: their namespaces and the images in their histories.

use std::collections::BTreeMap;

use crate::model::image::{Digest, ImageRef, StreamName, TagName, complete};

use super::{AdoptOptions, HistoryItem, TagHistory};

/// Namespaces and images of all streams.
#[derive(Debug)]
pub(super) struct StreamIndex {
    /// Namespaces by stream, if given.
    namespaces: BTreeMap<StreamName, Option<String>>,
    /// All images in the histories.
    images: BTreeMap<StreamName, Vec<HistoryItem>>,
}

impl StreamIndex {
    /// Indexes streams by name, namespace and histories.
    pub(super) fn of<'a>(
        streams: impl Iterator<Item = (&'a StreamName, Option<&'a str>, &'a BTreeMap<TagName, TagHistory>)>,
    ) -> Self {
        let mut index = Self { namespaces: BTreeMap::new(), images: BTreeMap::new() };
        for (name, namespace, histories) in streams {
            index.namespaces.insert(name.clone(), namespace.map(str::to_owned));
            index.images.entry(name.clone()).or_default().extend(histories.values().flatten().cloned());
        }
        index
    }

    /// Returns whether the stream `name` may belong to `namespace`.
    pub(super) fn may_be_of(&self, name: &StreamName, namespace: &str) -> bool {
        self.namespaces.get(name).is_none_or(|known| known.as_deref().is_none_or(|known| known == namespace))
    }

    /// Returns the only image in the history of `stream` whose digest starts with `id`.
    pub(super) fn image(&self, stream: &StreamName, id: &str) -> Result<ImageRef, &'static str> {
        let hex = |text: &str| text.strip_prefix("sha256:").unwrap_or(text).to_owned();
        let is_match = |item: &&HistoryItem| !id.is_empty() && hex(&item.image).starts_with(&hex(id));
        let mut found: Vec<&HistoryItem> = self.images.get(stream).into_iter().flatten().filter(is_match).collect();
        found.sort_by(|a, b| a.image.cmp(&b.image));
        found.dedup_by(|a, b| a.image == b.image);
        match found.as_slice() {
            [] => Err("not found in the given histories"),
            [one] => one.pinned().ok_or("the history has no reference for this image"),
            _ => Err("matches several images in the history"),
        }
    }
}

impl HistoryItem {
    /// Returns the digest if the cluster recorded one.
    pub(super) fn digest(&self) -> Option<Digest> {
        self.image.parse().ok()
    }

    /// Returns the reference under which the image was imported.
    pub(super) fn imported_from(&self) -> Option<ImageRef> {
        complete(&self.reference).ok()
    }

    /// Returns the image with its digest.
    pub(super) fn pinned(&self) -> Option<ImageRef> {
        format!("{}@{}", self.imported_from()?.repository(), self.digest()?).parse().ok()
    }
}

/// Returns the name of the stream for an ImageStream `name` of `namespace`.
pub(super) fn stream_name(namespace: Option<&str>, name: &str, options: &AdoptOptions) -> String {
    match namespace.filter(|_| options.namespaces) {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    }
}
