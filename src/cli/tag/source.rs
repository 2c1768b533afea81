//! What `tag` makes of its first word: an image, a tag, or a digest of a stream.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::model::image::{Digest, ImageRef, NameError, Reference, RemoteTag, StreamName, TagId};
use crate::model::lock::Pin;
use crate::model::root::Root;
use crate::model::stream::TagSource;
use crate::model::stream::write::NewSource;

use crate::cli::CliError;

/// How many digests are named where a beginning means several.
const CANDIDATES: usize = 10;

/// The first word, by its form alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TagOrigin {
    /// `registry/repository:tag`, `registry/repository@digest`
    Image(ImageRef),
    /// `stream:tag`
    Tag(TagId),
    /// `remote//stream:tag`
    Far(RemoteTag),
    /// `stream@beginning`
    Digest(StreamName, String),
}

impl FromStr for TagOrigin {
    type Err = NameError;

    /// A registry is told by the dot, colon or `localhost` in front of the first slash, as by `oc`.
    fn from_str(word: &str) -> Result<Self, NameError> {
        let registry = word.split_once('/').map(|(first, _)| first);
        if registry.is_some_and(|first| first.contains(['.', ':']) || first == "localhost") {
            return word.parse().map(Self::Image);
        }
        if word.contains("//") {
            return word.parse().map(Self::Far);
        }
        match word.split_once('@') {
            Some((stream, beginning)) => Ok(Self::Digest(stream.parse()?, beginning.to_owned())),
            None if word.contains(':') => word.parse().map(Self::Tag),
            None => Err(NameError::new(format!("`{word}` is neither an image nor a tag"))
                .help("an image is `registry/repository:tag`, a tag `stream:tag`")),
        }
    }
}

impl TagOrigin {
    /// What a tag is then defined as.
    pub(super) fn resolve(self, root: &Root, alias: bool) -> Result<NewSource, CliError> {
        match self {
            Self::Tag(id) if alias => {
                known(root, &id)?;
                Ok(NewSource::Follow(id))
            }
            Self::Far(far) if alias => Ok(NewSource::Remote(far)),
            Self::Far(far) => {
                Err(CliError::usage(format!("`{far}` is of another repository, which is not asked here"))
                    .help("`--alias` follows it; a copy is made of an image: `registry/repository@sha256:…`"))
            }
            _ if alias => Err(CliError::usage("only a tag can be followed").help("`--alias` goes with `stream:tag`")),
            Self::Image(image) => Ok(NewSource::Image(image, None)),
            Self::Tag(id) => {
                known(root, &id)?;
                let pin = root.lock.pins.get(&id).ok_or_else(|| {
                    CliError::said(format!("`{id}` is not pinned yet, so there is nothing to copy"))
                        .help(format!("run `pinstream update {id}`, or follow it with `--alias`"))
                })?;
                frozen(pin, &pin.digest, true)
            }
            Self::Digest(stream, beginning) => by_digest(root, &stream, &beginning),
        }
    }
}

fn known(root: &Root, id: &TagId) -> Result<(), CliError> {
    match root.definitions.tags.contains_key(id) {
        true => Ok(()),
        false => {
            let error = root.unknown_tag(&id.to_string());
            let help = format!("{}; an image has its registry written out", error.help());
            Err(CliError::usage(error.to_string()).help(help))
        }
    }
}

fn by_digest(root: &Root, stream: &StreamName, beginning: &str) -> Result<NewSource, CliError> {
    let pins = root.lock.pins.iter().filter(|(id, _)| id.stream == *stream);
    let mut found: BTreeMap<&Digest, (&Pin, bool)> = BTreeMap::new();
    for (id, pin) in pins {
        // A tag of a repository may have stood at another tag of it before.
        let is_chosen = matches!(root.definitions.tags.get(id).map(|tag| &tag.source), Some(TagSource::Select { .. }));
        let all = std::iter::once(&pin.digest).chain(&pin.previous);
        for digest in all.filter(|digest| !beginning.is_empty() && digest.begins_with(beginning)) {
            found.entry(digest).or_insert((pin, !is_chosen || *digest == pin.digest));
        }
    }
    let mut digests = found.into_iter();
    match (digests.next(), digests.next()) {
        (Some((digest, (pin, is_tagged))), None) => frozen(pin, digest, is_tagged),
        (Some((first, _)), Some((second, _))) => {
            let all = [first, second].into_iter().chain(digests.map(|(digest, _)| digest));
            let all: Vec<String> = all.take(CANDIDATES).map(|digest| format!("`{digest}`")).collect();
            Err(CliError::usage(format!("`{beginning}` is the beginning of several digests of `{stream}`"))
                .help(format!("write more of one of {}", all.join(", "))))
        }
        _ => Err(CliError::usage(format!("no tag of `{stream}` is or was pinned to `{beginning}`"))
            .help("`pinstream history` shows what tags were pinned to; a whole digest can be had as an image")),
    }
}

/// A pin's image, fixed to `digest`; its tag is there for people to read, where it was the tag of that digest.
fn frozen(pin: &Pin, digest: &Digest, is_tagged: bool) -> Result<NewSource, CliError> {
    let repository = pin.image.repository();
    let tag = pin.image.tag().filter(|_| is_tagged);
    let text = match tag {
        Some(tag) => format!("{repository}:{tag}@{digest}"),
        None => format!("{repository}@{digest}"),
    };
    let image: ImageRef = text.parse().map_err(crate::cli::context::usage)?;
    debug_assert!(matches!(image.reference(), Reference::Digest(_)));
    Ok(NewSource::Image(image, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_tells_by_its_form_what_it_is() {
        let of = |word: &str| match word.parse::<TagOrigin>() {
            Ok(TagOrigin::Image(image)) => format!("image {image}"),
            Ok(TagOrigin::Tag(id)) => format!("tag {id}"),
            Ok(TagOrigin::Far(far)) => format!("far {far}"),
            Ok(TagOrigin::Digest(stream, beginning)) => format!("digest {beginning} of {stream}"),
            Err(error) => error.to_string(),
        };
        for (word, expected) in [
            ("quay.io/a/b:1", "image quay.io/a/b:1"),
            ("localhost/a:1", "image localhost/a:1"),
            ("host:5000/a:1", "image host:5000/a:1"),
            ("quay.io/a/b", "`quay.io/a/b` has no tag"),
            ("python:3.12", "tag python:3.12"),
            ("team-a/python:3.12", "tag team-a/python:3.12"),
            ("platform//python:3.12", "far platform//python:3.12"),
            ("https://quay.io/a/b:1", "`https://quay.io/a/b:1` is a URL, not an image"),
            ("python@sha256:0a", "digest sha256:0a of python"),
            ("team-a/python@0a", "digest 0a of team-a/python"),
            ("python", "`python` is neither an image nor a tag"),
            ("python:.x", "invalid tag name `.x`"),
        ] {
            assert_eq!(of(word), expected);
        }
    }
}
