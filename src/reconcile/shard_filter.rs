//! The tags of one shard, when several processes share a root: the tags of its repositories and all that follow them.
//!
//! All tags of one repository belong to one shard, so that its tokens, its tag list and one request per image are shared.

use crate::model::image::TagId;
use crate::model::root::{Root, UnknownTag};
use crate::model::settings::globs::TagGlobs;
use crate::model::shard::Shard;
use crate::model::stream::{Tag, TagSource};

/// A tag with its definition; a tag that is still to be discovered has none.
pub type DefinedTag<'a> = (&'a TagId, Option<&'a Tag>);

/// Returns the tag at the end of the chain that `id` follows.
pub fn origin<'a>(root: &'a Root, id: &'a TagId) -> DefinedTag<'a> {
    end_of_chain(root, (id, root.definitions.tags.get(id)))
}

/// Returns the tag at the end of the chain that `tag` follows.
pub fn end_of_chain<'a>(root: &'a Root, tag: DefinedTag<'a>) -> DefinedTag<'a> {
    let mut at = tag;
    while let Some(TagSource::Follow(next)) = at.1.map(|tag| &tag.source) {
        at = (next, root.definitions.tags.get(next));
    }
    at
}

/// Returns whether `id` belongs to the shard; without a shard every tag does.
pub fn contains(root: &Root, shard: Option<Shard>, id: &TagId) -> bool {
    shard.is_none_or(|shard| contains_end(root, shard, origin(root, id)))
}

/// Returns whether a tag that follows no other belongs to the shard.
pub fn contains_end(root: &Root, shard: Shard, (id, tag): DefinedTag<'_>) -> bool {
    match tag.map(|tag| &tag.source) {
        Some(TagSource::Image { image, .. }) => shard.contains(image.repository()),
        Some(TagSource::Select { repository, .. }) => shard.contains(repository),
        // The repository is known only from the other lock; a stream is mostly of one repository.
        Some(TagSource::Remote(remote)) => shard.contains(format_args!("{}//{}", remote.remote, remote.tag.stream)),
        // An undiscovered tag belongs to the shard that reads the list; an undefined one to every shard, to be dropped.
        Some(TagSource::Follow(_)) | None => {
            root.definitions.discover.get(&id.stream).is_none_or(|discover| shard.contains(&discover.repository))
        }
    }
}

/// Checks that each of `only` matches a tag; tags that another shard may discover are unknown here and pass.
///
/// # Errors
/// The first pattern without a match.
pub fn check_patterns(root: &Root, shard: Option<Shard>, only: &TagGlobs) -> Result<(), UnknownTag> {
    let is_elsewhere = |shard: Shard| {
        let mut discover = root.definitions.discover.iter();
        discover.any(|(stream, discover)| only.matches_stream(stream) && !shard.contains(&discover.repository))
    };
    if shard.is_some_and(is_elsewhere) { Ok(()) } else { root.check_patterns(only) }
}

/// Returns a note on how many tags of the root the shard has.
pub fn note(root: &Root, shard: Option<Shard>) -> Option<String> {
    let shard = shard?;
    let tags = &root.definitions.tags;
    let own = tags.iter().filter(|(id, tag)| contains_end(root, shard, end_of_chain(root, (id, Some(tag))))).count();
    Some(format!("shard {shard} has {own} of {} tags", tags.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::RootFiles;

    const STREAM: &str = r#"
        [tags]
        one = "one.example/a:1"
        other = "one.example/a:2"
        edge = { repository = "one.example/a", semver = ">=1" }
        far = { follow = "hub//python:3.12" }
        near = { follow = "hub//python:latest" }
        last = { follow = "follower" }
        follower = { follow = "one" }
        ahead = { follow = "found:9" }
    "#;
    const FOUND: &str = "[tags]\n1 = \"one.example/found:1\"\n[discover]\nrepository = \"one.example/found\"\n";

    fn root() -> Root {
        let settings = "[remote.hub]\nurl = \"https://hub.example/a.git\"\n";
        let files: RootFiles =
            [("pinstream.toml", settings), ("streams/s.toml", STREAM), ("streams/found.toml", FOUND)]
                .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
                .into();
        Root::read(&files).unwrap()
    }

    /// Returns the only shard that has `tag`.
    fn at(root: &Root, tag: &str, of: u32) -> u32 {
        let id: TagId = tag.parse().unwrap();
        let is_in = |index: &u32| contains(root, Some(format!("{index}/{of}").parse().unwrap()), &id);
        let all: Vec<u32> = (1..=of).filter(is_in).collect();
        assert_eq!(all.len(), 1, "{tag}: {all:?}");
        all[0]
    }

    #[test]
    fn tags_of_one_repository_and_their_followers_are_in_one_shard() {
        let root = root();
        for of in 1..50 {
            let same = |tags: &[&str]| {
                let all: Vec<u32> = tags.iter().map(|tag| at(&root, tag, of)).collect();
                assert!(all.iter().all(|one| *one == all[0]), "{tags:?} of {of}: {all:?}");
            };
            same(&["s:one", "s:other", "s:edge", "s:follower", "s:last"]);
            same(&["s:far", "s:near"]);
            same(&["s:ahead", "found:1", "found:9"]);
        }
    }

    #[test]
    fn an_undefined_tag_belongs_to_every_shard() {
        let (root, gone) = (root(), "s:gone".parse().unwrap());
        assert!((1..=8).all(|index| contains(&root, format!("{index}/8").parse().ok(), &gone)));
    }
}
