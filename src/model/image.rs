//! Names of images, tags and streams: parsed once at the door, right from then on.
//!
//! The grammar is that of the distribution reference (`distribution/reference`, OCI Distribution
//! Specification 1.1, "Pulling manifests"), with one difference: the registry must be written out. Nothing here
//! touches a network; a value of these types can be put into a URL, a file or a message as it is.

pub mod class;
mod digest;
pub mod facts;
mod followed;
mod platform;
pub mod priority;
mod spellings;
pub mod version;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use digest::Digest;
pub use followed::{FollowedTag, RemoteName, RemoteTag};
pub use platform::Platform;
pub use spellings::{complete, image_spellings, repository_spellings};

/// The longest tag name of a registry and of a stream (OCI Distribution 1.1, `<reference>` as a tag).
const TAG_MAX: usize = 128;
/// The longest `registry/repository` that clients accept (`distribution/reference`, `NameTotalLengthMax`).
const NAME_MAX: usize = 255;

/// Why a name was not accepted, as a sentence for the person who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NameError {
    /// What is wrong.
    pub message: String,
    /// What to write in its place, where that is known.
    pub help: Option<String>,
}

impl NameError {
    /// The sentence alone.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    /// The same with a way out.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A registry as `host` or `host:port`, in lower case: the origin that credentials and settings are bound to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistryHost(String);

impl RegistryHost {
    /// The text, `host[:port]`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host without its port; an IPv6 address keeps its brackets.
    pub fn host(&self) -> &str {
        self.split().0
    }

    /// The port, where one was written.
    pub fn port(&self) -> Option<u16> {
        self.split().1
    }

    fn split(&self) -> (&str, Option<u16>) {
        match self.0.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
            _ => (&self.0, None),
        }
    }
}

impl FromStr for RegistryHost {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let bad = || {
            let error = NameError::new(format!("`{text}` is not a registry's `host` or `host:port`"));
            match text.split_once("://") {
                Some((_, rest)) => {
                    error.help(format!("leave the scheme out: `{}`", rest.split('/').next().unwrap_or(rest)))
                }
                None => {
                    error.help("letters, digits and `-` between dots, and a port, as `quay.io` or `localhost:5000`")
                }
            }
        };
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, after) = rest.split_once(']').ok_or_else(bad)?;
                address.parse::<std::net::Ipv6Addr>().map_err(|_| bad())?;
                match after {
                    "" => (text, None),
                    _ => (&text[..address.len() + 2], Some(after.strip_prefix(':').ok_or_else(bad)?)),
                }
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        if let Some(port) = port {
            let plain = !port.is_empty() && port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
            if !plain || port.parse::<u16>().is_ok_and(|p| p == 0) || port.parse::<u16>().is_err() {
                return Err(bad());
            }
        }
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if !host.starts_with('[') && (host.len() > 253 || !host.split('.').all(label)) {
            return Err(bad());
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

/// A repository with its registry: `docker.io/library/python`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    registry: RegistryHost,
    path: String,
}

impl Repository {
    /// The registry the repository is in.
    pub fn registry(&self) -> &RegistryHost {
        &self.registry
    }

    /// The path within the registry: `library/python`.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// Whether `text` is a repository's path, without its registry: components parted by `/`.
pub(crate) fn is_repository_path(text: &str) -> bool {
    text.len() <= NAME_MAX && text.split('/').all(is_path_component)
}

/// Whether `text` is one component of a repository path (`distribution/reference`, `path-component`).
fn is_path_component(text: &str) -> bool {
    let bytes = text.as_bytes();
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else { return false };
    if !alphanumeric(first) || !alphanumeric(last) {
        return false;
    }
    let mut at = 0;
    while at < bytes.len() {
        if alphanumeric(bytes[at]) {
            at += 1;
            continue;
        }
        let run = bytes[at..].iter().take_while(|b| !alphanumeric(**b)).count();
        match &bytes[at..at + run] {
            b"." | b"_" | b"__" => {}
            dashes if dashes.iter().all(|b| *b == b'-') => {}
            _ => return false,
        }
        at += run;
    }
    true
}

impl FromStr for Repository {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (first, rest) = text.split_once('/').map_or((text, None), |(first, rest)| (first, Some(rest)));
        let is_registry = first.contains(['.', ':']) || first == "localhost" || first.starts_with('[');
        let Some(path) = rest.filter(|_| is_registry) else {
            let known = !text.is_empty() && text.split('/').all(is_path_component);
            let error = NameError::new(format!("`{text}` does not name its registry"));
            return Err(match (known, rest) {
                (true, None) => error.help(format!("write it out: `docker.io/library/{text}`")),
                (true, Some(_)) => error.help(format!("write it out: `docker.io/{text}`")),
                (false, _) => error.help("an image is `registry/repository:tag`"),
            });
        };
        let registry = first.parse()?;
        if path.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(NameError::new(format!("the repository `{path}` has upper-case letters"))
                .help(format!("registries know lower case only: `{}`", path.to_ascii_lowercase())));
        }
        if let Some((path, _)) = path.split_once([':', '@'])
            && is_repository_path(path)
        {
            return Err(NameError::new(format!("`{text}` is an image, not a repository"))
                .help(format!("leave the tag out: `{first}/{path}`")));
        }
        if !path.split('/').all(is_path_component) {
            return Err(NameError::new(format!("`{path}` is not a repository's path"))
                .help("lower-case letters, digits and single `.`, `_`, `-` between them, parted by `/`"));
        }
        if text.len() > NAME_MAX {
            return Err(NameError::new(format!("a repository's name has at most {NAME_MAX} characters"))
                .help("no registry takes a longer one"));
        }
        Ok(Self { registry, path: path.to_owned() })
    }
}

/// A tag of a registry or of a stream: `3.12`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagName(String);

impl TagName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TagName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
        let rest = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        if first && rest && text.len() <= TAG_MAX {
            return Ok(Self(text.to_owned()));
        }
        Err(NameError::new(format!("`{}` is not a tag's name", shorten(text)))
            .help("letters, digits, `_`, `.` and `-`, not beginning with `.` or `-`, at most 128 characters"))
    }
}

fn shorten(text: &str) -> &str {
    text.char_indices().nth(80).map_or(text, |(at, _)| &text[..at])
}

/// What an image reference points at within its repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// A tag: it moves.
    Tag(TagName),
    /// A digest: it never moves.
    Digest(Digest),
}

/// An image out in the world: `docker.io/library/python:3.12`, or with `@sha256:…` one that never moves.
///
/// With both a tag and a digest the digest rules and the tag is kept for people to read, as all clients have it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageRef {
    repository: Repository,
    reference: Reference,
    /// The tag that stands beside a digest, for people to read.
    beside: Option<TagName>,
}

impl ImageRef {
    /// The image of `repository` that `tag` names.
    pub fn tagged(repository: Repository, tag: TagName) -> Self {
        Self { repository, reference: Reference::Tag(tag), beside: None }
    }

    /// The repository it is in.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// What it points at: its digest where it has one, else its tag.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The tag as written, also where a digest stands beside it and rules.
    pub fn tag(&self) -> Option<&TagName> {
        match &self.reference {
            Reference::Tag(tag) => Some(tag),
            Reference::Digest(_) => self.beside.as_ref(),
        }
    }

    /// The digest it is fixed to, if it is.
    pub fn digest(&self) -> Option<&Digest> {
        match &self.reference {
            Reference::Digest(digest) => Some(digest),
            Reference::Tag(_) => None,
        }
    }
}

impl FromStr for ImageRef {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if let Some((_, rest)) = text.split_once("://") {
            return Err(NameError::new(format!("`{}` is a URL, not an image", shorten(text)))
                .help(format!("leave the scheme out: `{}`", shorten(rest))));
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse()?)),
            None => (text, None),
        };
        let (repository, tag) = match name.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') && !repository.is_empty() => (repository, Some(tag)),
            _ => (name, None),
        };
        let whole = |error: NameError| match error.help.as_deref().and_then(|help| help.strip_prefix("write it out: `"))
        {
            Some(full) => {
                let full = full.trim_end_matches('`');
                let rest = &text[repository.len()..];
                let rest = if rest.is_empty() { ":latest" } else { rest };
                NameError::new(format!("`{}` does not name its registry", shorten(text)))
                    .help(format!("write it out: `{full}{rest}`"))
            }
            None => error,
        };
        let repository: Repository = repository.parse().map_err(whole)?;
        let tag = tag.map(str::parse).transpose()?;
        match (tag, digest) {
            (tag, Some(digest)) => Ok(Self { repository, reference: Reference::Digest(digest), beside: tag }),
            (Some(tag), None) => Ok(Self::tagged(repository, tag)),
            (None, None) => Err(NameError::new(format!("`{text}` has no tag"))
                .help(format!("say which tag to follow: `{text}:latest`"))),
        }
    }
}

/// An image with the digest it was pinned to: `docker.io/library/python:3.12@sha256:…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PinnedRef {
    /// The image as the definitions name it.
    pub image: ImageRef,
    /// The digest it stands at.
    pub digest: Digest,
}

/// A stream's name: the path of its file below `streams/`, less `.toml`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(String);

impl StreamName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StreamName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if is_repository_path(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(NameError::new(format!("`{}` is not a stream's name", shorten(text)))
            .help("lower-case letters, digits and single `.`, `_`, `-` between them, parted by `/`"))
    }
}

/// A tag of a stream, `python:3.12`: what `oc` calls an image stream tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagId {
    /// The stream.
    pub stream: StreamName,
    /// The tag within it.
    pub tag: TagName,
}

impl FromStr for TagId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (stream, tag) = text.split_once(':').ok_or_else(|| {
            NameError::new(format!("`{}` does not name a tag", shorten(text))).help("a tag is `stream:tag`")
        })?;
        Ok(Self { stream: stream.parse()?, tag: tag.parse()? })
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.repository)?;
        if let Some(tag) = self.tag() {
            write!(f, ":{tag}")?;
        }
        self.digest().map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

impl fmt::Display for PinnedRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.image.digest() {
            Some(digest) if *digest == self.digest => write!(f, "{}", self.image),
            Some(_) => write!(f, "{}@{}", self.image.repository(), self.digest),
            None => write!(f, "{}@{}", self.image, self.digest),
        }
    }
}

impl fmt::Display for TagId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.stream, self.tag)
    }
}

macro_rules! text_type {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
text_type!(RegistryHost, TagName, Digest, StreamName);

macro_rules! serde_by_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
serde_by_text!(RegistryHost, Repository, TagName, Digest, ImageRef, StreamName, TagId, Platform);

#[cfg(test)]
mod tests;
