//! Which tags are the share of a pass, where several processes share a root: those of its repositories, and all that
//! follow them. Pure.
//!
//! All tags of one repository are in one share, so that its tokens, its list and one question an image stay shared.

use crate::model::image::TagId;
use crate::model::root::{Root, UnknownTag};
use crate::model::settings::globs::TagGlobs;
use crate::model::shard::Shard;
use crate::model::stream::{Tag, TagSource};

/// A tag that follows none, with its definition; what is still to be discovered has none.
pub type End<'a> = (&'a TagId, Option<&'a Tag>);

/// The tag at the end of what `id` follows.
pub fn origin<'a>(root: &'a Root, id: &'a TagId) -> End<'a> {
    end(root, (id, root.definitions.tags.get(id)))
}

/// The tag at the end of what a tag follows that was looked up already.
pub fn end<'a>(root: &'a Root, tag: End<'a>) -> End<'a> {
    let mut at = tag;
    while let Some(TagSource::Follow(next)) = at.1.map(|tag| &tag.source) {
        at = (next, root.definitions.tags.get(next));
    }
    at
}

/// Whether the share of `shard` has the tag at the end of what `id` follows; without a shard it has all.
pub fn has(root: &Root, shard: Option<Shard>, id: &TagId) -> bool {
    shard.is_none_or(|shard| has_end(root, shard, origin(root, id)))
}

/// Whether the share of `shard` has a tag that follows none.
pub fn has_end(root: &Root, shard: Shard, (id, tag): End<'_>) -> bool {
    match tag.map(|tag| &tag.source) {
        Some(TagSource::Image { image, .. }) => shard.contains(image.repository()),
        Some(TagSource::Select { repository, .. }) => shard.contains(repository),
        // Which repository it stands for only the other lock can tell; a stream is mostly of one.
        Some(TagSource::Remote(far)) => shard.contains(format_args!("{}//{}", far.remote, far.tag.stream)),
        // What is still to be discovered goes with the list that would show it; what nobody defines, anybody drops.
        Some(TagSource::Follow(_)) | None => {
            root.definitions.discover.get(&id.stream).is_none_or(|discover| shard.contains(&discover.repository))
        }
    }
}

/// Whether each of `only` means a tag. What the list of another share may show is not known to this one.
///
/// # Errors
/// The first that means none.
pub fn names(root: &Root, shard: Option<Shard>, only: &TagGlobs) -> Result<(), UnknownTag> {
    let is_elsewhere = |shard: Shard| {
        let mut discover = root.definitions.discover.iter();
        discover.any(|(stream, discover)| only.matches_stream(stream) && !shard.contains(&discover.repository))
    };
    if shard.is_some_and(is_elsewhere) { Ok(()) } else { root.check_patterns(only) }
}

/// What a person should know of a pass over a share: how much of the root it is.
pub fn note(root: &Root, shard: Option<Shard>) -> Option<String> {
    let shard = shard?;
    let tags = &root.definitions.tags;
    let own = tags.iter().filter(|(id, tag)| has_end(root, shard, end(root, (id, Some(tag))))).count();
    Some(format!("this is shard {shard}, which has {own} of {} tags", tags.len()))
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

    /// The number of the shard that has `tag`; one has it, and no other.
    fn at(root: &Root, tag: &str, of: u32) -> u32 {
        let id: TagId = tag.parse().unwrap();
        let is_in = |index: &u32| has(root, Some(format!("{index}/{of}").parse().unwrap()), &id);
        let all: Vec<u32> = (1..=of).filter(is_in).collect();
        assert_eq!(all.len(), 1, "{tag}: {all:?}");
        all[0]
    }

    #[test]
    fn what_shares_a_repository_is_in_one_share_with_all_that_follows_it() {
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
    fn what_nobody_defines_is_for_anybody_to_drop() {
        let (root, gone) = (root(), "s:gone".parse().unwrap());
        assert!((1..=8).all(|index| has(&root, format!("{index}/8").parse().ok(), &gone)));
    }
}
