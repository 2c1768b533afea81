//! Finds the tags of a root for images named in other files. Pure; never queries a registry.

use std::collections::HashMap;

use crate::model::image::{Digest, ImageRef, Repository, StreamName, TagId, TagName};
use crate::model::stream::TagSource;

use super::Root;

/// Index of the images that the tags of a root pin.
#[derive(Debug)]
pub struct ImageCoverage<'a> {
    tags: HashMap<(&'a Repository, &'a TagName), Vec<(CoverageRank, &'a TagId)>>,
    digests: HashMap<(&'a Repository, &'a Digest), Vec<(CoverageRank, &'a TagId)>>,
}

/// Relation of a tag to an image; earlier variants are preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum CoverageRank {
    /// The tag is defined by the image.
    Image,
    /// The tag is one platform of the image.
    Platform,
    /// A rule selected the image.
    Selected,
    /// The tag follows one with the image.
    Followed,
}

impl<'a> ImageCoverage<'a> {
    /// Indexes the tags of `root`.
    pub fn new(root: &'a Root) -> Self {
        let mut cover = Self { tags: HashMap::new(), digests: HashMap::new() };
        for (id, tag) in &root.definitions.tags {
            let rank = match &tag.source {
                TagSource::Image { platform: None, .. } => CoverageRank::Image,
                TagSource::Image { .. } => CoverageRank::Platform,
                TagSource::Select { .. } => CoverageRank::Selected,
                TagSource::Follow(_) | TagSource::Remote(_) => CoverageRank::Followed,
            };
            let Some(image) = root.image(id) else { continue };
            let repository = image.repository();
            if let Some(tag) = image.tag() {
                cover.tags.entry((repository, tag)).or_default().push((rank, id));
            }
            let pin = root.lock.pins.get(id);
            let pinned =
                pin.into_iter().flat_map(|pin| std::iter::once(&pin.digest).chain(&pin.index).chain(&pin.previous));
            for digest in image.digest().into_iter().chain(pinned) {
                let known = cover.digests.entry((repository, digest)).or_default();
                if !known.contains(&(rank, id)) {
                    known.push((rank, id));
                }
            }
        }
        cover
    }

    /// Returns true if a tag covers `image`, or did when it had that digest.
    pub fn covers(&self, image: &ImageRef) -> bool {
        let has = |digest| self.digests.contains_key(&(image.repository(), digest));
        !self.tags(image).is_empty() || image.digest().is_some_and(has)
    }

    /// Returns the tags for `image`, best first: by repository and tag, or by digest if it has no tag. Followers only
    /// if there is no other.
    pub fn tags(&self, image: &ImageRef) -> Vec<&'a TagId> {
        let repository = image.repository();
        let found = match (image.tag(), image.digest()) {
            (Some(tag), _) => self.tags.get(&(repository, tag)),
            (None, Some(digest)) => self.digests.get(&(repository, digest)),
            (None, None) => None,
        };
        let mut found = found.cloned().unwrap_or_default();
        found.sort_unstable();
        let is_followed = |(rank, _): &(CoverageRank, &TagId)| *rank == CoverageRank::Followed;
        if !found.iter().all(is_followed) {
            found.retain(|one| !is_followed(one));
        }
        found.into_iter().map(|(_, id)| id).collect()
    }

    /// Returns the first stream with a tag of `repository`.
    pub fn stream_with(&self, repository: &Repository) -> Option<&'a StreamName> {
        let ours = self.tags.iter().filter(|((of, _), _)| *of == repository).flat_map(|(_, tags)| tags);
        ours.min().map(|(_, id)| &id.stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::RootFiles;

    /// The tags that stand for each of `images`, in a root with one stream and one pin.
    #[track_caller]
    fn check(images: &[(&str, &str)]) {
        let digest = |byte: &str| format!("sha256:{}", byte.repeat(32));
        let stream = "[tags]\nb = \"q.io/a:1\"\na = \"q.io/a:1\"\nthin = { image = \"q.io/a:1\", platform = \"linux/arm64\" }\n\
                      new = { repository = \"q.io/a\", semver = \">=1\" }\nprod = { follow = \"new\" }\nlast = { follow = \"a\" }\n\
                      far = { follow = \"p//x:1\" }\n";
        let lock = format!(
            "version = 1\n\n[[pin]]\nstream = \"x\"\ntag = \"new\"\nimage = \"q.io/a:2\"\ndigest = \"{}\"\nprevious = [\"{}\"]\n",
            digest("ab"),
            digest("cd")
        );
        let files: RootFiles = [
            ("pinstream.toml", "[remote.p]\nurl = \"https://git.example/p\"\n"),
            ("streams/x.toml", stream),
            ("pinstream.lock", &lock),
        ]
        .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
        .into();
        let root = Root::read(&files).unwrap();
        let cover = ImageCoverage::new(&root);
        for (image, expected) in images {
            let image: ImageRef = image.replace("AB", &digest("ab")).replace("CD", &digest("cd")).parse().unwrap();
            let tags: Vec<String> = cover.tags(&image).into_iter().map(|id| id.tag.to_string()).collect();
            let has = if cover.covers(&image) { "" } else { " -" };
            assert_eq!(format!("{}{has}", tags.join(" ")), *expected, "{image}");
        }
        let stream = |repository: &str| cover.stream_with(&repository.parse().unwrap()).map(ToString::to_string);
        assert_eq!((stream("q.io/a"), stream("q.io/b")), (Some("x".to_owned()), None));
    }

    #[test]
    fn the_tag_of_an_image_covers_it_and_followers_only_without_one() {
        check(&[
            ("q.io/a:1", "a b thin"),
            ("q.io/a:2", "new"),
            ("q.io/a@AB", "new"),
            ("q.io/a@CD", "new"),
            ("q.io/a:1@CD", "a b thin"),
            ("q.io/a:3@CD", ""),
            ("q.io/a:3", " -"),
            ("q.io/b:1", " -"),
            ("q.io/b@AB", " -"),
        ]);
    }
}
