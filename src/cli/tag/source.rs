//! The SOURCE argument of `tag`: an image, a tag, or a digest of a stream.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::model::image::{Digest, ImageRef, NameError, Reference, RemoteTag, StreamName, TagId, defined_image};
use crate::model::lock::Pin;
use crate::model::root::Root;
use crate::model::stream::TagSource;
use crate::model::stream::write::NewSource;

use crate::cli::CliError;

/// SOURCE, recognized by its syntax alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TagOrigin {
    /// `registry/repository:tag`, `registry/repository@digest`
    Image(ImageRef),
    /// `stream:tag`
    Tag(TagId),
    /// `remote//stream:tag`
    Remote(RemoteTag),
    /// `stream@prefix`
    Digest(StreamName, String),
}

impl FromStr for TagOrigin {
    type Err = NameError;

    /// A registry is recognized by a dot, a colon or `localhost` before the first slash, as in `oc`.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let registry = text.split_once('/').map(|(first, _)| first);
        if registry.is_some_and(|first| first.contains(['.', ':']) || first == "localhost") {
            return defined_image(text).map(Self::Image);
        }
        if text.contains("//") {
            return text.parse().map(Self::Remote);
        }
        match text.split_once('@') {
            Some((stream, prefix)) => Ok(Self::Digest(stream.parse()?, prefix.to_owned())),
            None if text.contains(':') => text.parse().map(Self::Tag),
            None => Err(NameError::new(format!("`{text}` is neither an image nor a tag"))
                .help("write an image as `registry/repository:tag`, a tag as `stream:tag`")),
        }
    }
}

impl TagOrigin {
    /// Converts SOURCE to the source of the new definition.
    pub(super) fn resolve(self, root: &Root, alias: bool) -> Result<NewSource, CliError> {
        match self {
            Self::Tag(id) if alias => {
                require_tag(root, &id)?;
                Ok(NewSource::Follow(id))
            }
            Self::Remote(remote) if alias => Ok(NewSource::Remote(remote)),
            Self::Remote(remote) => {
                Err(CliError::usage(format!("cannot copy `{remote}`, a tag of another repository"))
                    .help("follow it with `--alias`, or name an image: `registry/repository@sha256:…`"))
            }
            _ if alias => Err(CliError::usage("`--alias` requires a tag").help("name the tag to follow, `stream:tag`")),
            Self::Image(image) => Ok(NewSource::Image(image, None)),
            Self::Tag(id) => {
                require_tag(root, &id)?;
                let pin = root.lock.pins.get(&id).ok_or_else(|| {
                    CliError::new(format!("cannot copy `{id}`, which is not pinned yet"))
                        .help(format!("run `pinstream update {id}` first, or follow it with `--alias`"))
                })?;
                fixed(pin, &pin.digest, true)
            }
            Self::Digest(stream, prefix) => by_digest(root, &stream, &prefix),
        }
    }
}

fn require_tag(root: &Root, id: &TagId) -> Result<(), CliError> {
    if root.definitions.tags.contains_key(id) {
        return Ok(());
    }
    let error = root.unknown_tag(&id.to_string());
    Err(CliError::usage(error.to_string()).help(format!("{}; images start with their registry", error.help())))
}

fn by_digest(root: &Root, stream: &StreamName, prefix: &str) -> Result<NewSource, CliError> {
    let pins = root.lock.pins.iter().filter(|(id, _)| id.stream == *stream);
    let mut found: BTreeMap<&Digest, (&Pin, bool)> = BTreeMap::new();
    for (id, pin) in pins {
        // An earlier digest of a selected tag may belong to another tag of the repository.
        let is_selected =
            matches!(root.definitions.tags.get(id).map(|tag| &tag.source), Some(TagSource::Select { .. }));
        let all = std::iter::once(&pin.digest).chain(&pin.previous);
        for digest in all.filter(|digest| !prefix.is_empty() && digest.begins_with(prefix)) {
            found.entry(digest).or_insert((pin, !is_selected || *digest == pin.digest));
        }
    }
    let mut digests = found.into_iter();
    match (digests.next(), digests.next()) {
        (Some((digest, (pin, is_tagged))), None) => fixed(pin, digest, is_tagged),
        (Some((first, _)), Some((second, _))) => {
            let all = [first, second].into_iter().chain(digests.map(|(digest, _)| digest));
            Err(CliError::ambiguous(prefix, stream, all))
        }
        _ => Err(CliError::usage(format!("no tag of `{stream}` is or was pinned to `{prefix}`"))
            .help("run `pinstream history` to see digests, or name an image: `registry/repository@sha256:…`")),
    }
}

/// Returns the image of a pin at a fixed digest. The tag is included for readers if the digest was pinned from it.
fn fixed(pin: &Pin, digest: &Digest, is_tagged: bool) -> Result<NewSource, CliError> {
    let repository = pin.image.repository();
    let tag = pin.image.tag().filter(|_| is_tagged);
    let text = match tag {
        Some(tag) => format!("{repository}:{tag}@{digest}"),
        None => format!("{repository}@{digest}"),
    };
    let image: ImageRef = text.parse()?;
    debug_assert!(matches!(image.reference(), Reference::Digest(_)));
    Ok(NewSource::Image(image, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_recognized_by_its_syntax() {
        let of = |text: &str| match text.parse::<TagOrigin>() {
            Ok(TagOrigin::Image(image)) => format!("image {image}"),
            Ok(TagOrigin::Tag(id)) => format!("tag {id}"),
            Ok(TagOrigin::Remote(remote)) => format!("remote {remote}"),
            Ok(TagOrigin::Digest(stream, prefix)) => format!("digest {prefix} of {stream}"),
            Err(error) => error.to_string(),
        };
        for (text, expected) in [
            ("quay.io/a/b:1", "image quay.io/a/b:1"),
            ("localhost/a:1", "image localhost/a:1"),
            ("host:5000/a:1", "image host:5000/a:1"),
            ("quay.io/a/b", "image `quay.io/a/b` has no tag"),
            ("python:3.12", "tag python:3.12"),
            ("team-a/python:3.12", "tag team-a/python:3.12"),
            ("platform//python:3.12", "remote platform//python:3.12"),
            ("https://quay.io/a/b:1", "`https://quay.io/a/b:1` is a URL, not an image"),
            ("python@sha256:0a", "digest sha256:0a of python"),
            ("team-a/python@0a", "digest 0a of team-a/python"),
            ("python", "`python` is neither an image nor a tag"),
            ("python:.x", "invalid tag name `.x`"),
        ] {
            assert_eq!(of(text), expected);
        }
    }
}
