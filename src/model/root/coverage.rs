//! Which tags of a root stand for an image that some other file names. Pure, and asks no registry.

use std::collections::HashMap;

use crate::model::image::{Digest, ImageRef, Repository, StreamName, TagId, TagName};
use crate::model::stream::TagSource;

use super::Root;

/// The images that the tags of a root stand for.
#[derive(Debug)]
pub struct ImageCoverage<'a> {
    tags: HashMap<(&'a Repository, &'a TagName), Vec<(CoverageRank, &'a TagId)>>,
    digests: HashMap<(&'a Repository, &'a Digest), Vec<(CoverageRank, &'a TagId)>>,
}

/// How a tag comes to stand for an image: what comes first is meant first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum CoverageRank {
    /// It is its image.
    Image,
    /// One platform of it is.
    Platform,
    /// A rule chose it.
    Chosen,
    /// It follows a tag of it.
    Followed,
}

impl<'a> ImageCoverage<'a> {
    /// What the tags of `root` stand for.
    pub fn new(root: &'a Root) -> Self {
        let mut cover = Self { tags: HashMap::new(), digests: HashMap::new() };
        for (id, tag) in &root.definitions.tags {
            let how = match &tag.source {
                TagSource::Image { platform: None, .. } => CoverageRank::Image,
                TagSource::Image { .. } => CoverageRank::Platform,
                TagSource::Select { .. } => CoverageRank::Chosen,
                TagSource::Follow(_) | TagSource::Remote(_) => CoverageRank::Followed,
            };
            let Some(image) = root.image(id) else { continue };
            let repository = image.repository();
            if let Some(tag) = image.tag() {
                cover.tags.entry((repository, tag)).or_default().push((how, id));
            }
            let pin = root.lock.pins.get(id);
            let pinned =
                pin.into_iter().flat_map(|pin| std::iter::once(&pin.digest).chain(&pin.index).chain(&pin.previous));
            for digest in image.digest().into_iter().chain(pinned) {
                let known = cover.digests.entry((repository, digest)).or_default();
                if !known.contains(&(how, id)) {
                    known.push((how, id));
                }
            }
        }
        cover
    }

    /// Whether a tag stands for `image`, or did for its digest.
    pub fn has(&self, image: &ImageRef) -> bool {
        let has = |digest| self.digests.contains_key(&(image.repository(), digest));
        !self.tags(image).is_empty() || image.digest().is_some_and(has)
    }

    /// The tags that stand for `image`, the one that is meant first: those of its repository and tag, or of its digest
    /// where it has no tag. Followers are among them only where no other tag is.
    pub fn tags(&self, image: &ImageRef) -> Vec<&'a TagId> {
        let repository = image.repository();
        let found = match (image.tag(), image.digest()) {
            (Some(tag), _) => self.tags.get(&(repository, tag)),
            (None, Some(digest)) => self.digests.get(&(repository, digest)),
            (None, None) => None,
        };
        let mut found = found.cloned().unwrap_or_default();
        found.sort_unstable();
        let is_followed = |(how, _): &(CoverageRank, &TagId)| *how == CoverageRank::Followed;
        if !found.iter().all(is_followed) {
            found.retain(|one| !is_followed(one));
        }
        found.into_iter().map(|(_, id)| id).collect()
    }

    /// The first stream that has a tag of `repository`.
    pub fn stream(&self, repository: &Repository) -> Option<&'a StreamName> {
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
            let has = if cover.has(&image) { "" } else { " -" };
            assert_eq!(format!("{}{has}", tags.join(" ")), *expected, "{image}");
        }
        let stream = |repository: &str| cover.stream(&repository.parse().unwrap()).map(ToString::to_string);
        assert_eq!((stream("q.io/a"), stream("q.io/b")), (Some("x".to_owned()), None));
    }

    #[test]
    fn the_tag_of_an_image_stands_for_it_and_followers_only_where_no_other_does() {
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
