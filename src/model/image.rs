//! Names of images, tags and streams, parsed once and valid from then on.
//!
//! The grammar is that of distribution references (`distribution/reference`, OCI Distribution Specification 1.1,
//! "Pulling manifests"), except that the registry is mandatory. Nothing here touches a network; values of these types
//! need no escaping in URLs, files and messages.

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

pub use crate::text::diagnostics::NameError;
use crate::text::escape::excerpt;
pub use digest::Digest;
pub use followed::{FollowedTag, RemoteName, RemoteTag};
pub use platform::Platform;
pub use spellings::{
    complete, defined_image, defined_registry, defined_repository, has_tag_or_digest, image_spellings,
    repository_spellings, written_repository,
};

/// The longest tag name (OCI Distribution 1.1, `<reference>` as a tag).
const TAG_MAX: usize = 128;
/// The longest `registry/repository` that clients accept (`distribution/reference`, `NameTotalLengthMax`).
const NAME_MAX: usize = 255;

/// A registry as `host` or `host:port`, in lower case: the origin to which credentials and settings are bound.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistryHost(String);

impl RegistryHost {
    /// Returns the host without its port; an IPv6 address keeps its brackets.
    pub fn host(&self) -> &str {
        self.split().0
    }

    /// Returns the port, if it is explicit.
    pub fn port(&self) -> Option<u16> {
        self.split().1
    }

    /// Returns all names of the registry, this one first: Docker Hub has several.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let aliases: &[&str] = if spellings::HUB.contains(&self.0.as_str()) { &spellings::HUB } else { &[] };
        let others = aliases.iter().copied().filter(|name| *name != self.0);
        std::iter::once(self.0.as_str()).chain(others)
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
            let error = NameError::new(format!("invalid registry `{text}`"));
            match text.split_once("://") {
                Some((_, rest)) => {
                    error.help(format!("remove the scheme: `{}`", rest.split('/').next().unwrap_or(rest)))
                }
                None => error.help("write `host` or `host:port`, e.g. `quay.io` or `localhost:5000`"),
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
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let is_port = |port: &str| {
            port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit()) && port.parse().is_ok_and(|port: u16| port > 0)
        };
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let is_name = |host: &str| host.len() <= 253 && host.split('.').all(is_label);
        if !port.is_none_or(is_port) || !(host.starts_with('[') || is_name(host)) {
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
    /// Returns the repository's registry.
    pub fn registry(&self) -> &RegistryHost {
        &self.registry
    }

    /// Returns the path within the registry: `library/python`.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// Returns true if `text` is a name of at most 63 lower-case letters, digits and `-`, and does not start with `-`.
pub(crate) fn is_label(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(fits) && !text.starts_with('-')
}

/// Returns true if `text` is the path of a repository, without its registry: components separated by `/`.
pub(crate) fn is_repository_path(text: &str) -> bool {
    text.len() <= NAME_MAX && text.split('/').all(is_path_component)
}

/// Returns true if `text` is one component of a repository path (`distribution/reference`, `path-component`).
fn is_path_component(text: &str) -> bool {
    let is_alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_separator = |run: &[u8]| matches!(run, b"" | b"." | b"_" | b"__") || run.iter().all(|b| *b == b'-');
    let bytes = text.as_bytes();
    bytes.first().is_some_and(is_alphanumeric)
        && bytes.last().is_some_and(is_alphanumeric)
        && bytes.split(is_alphanumeric).all(is_separator)
}

/// Returns true if the first part of a repository is a registry.
fn names_registry(text: &str) -> bool {
    let Some((first, _)) = text.split_once('/') else { return false };
    first.contains(['.', ':']) || first == "localhost" || first.starts_with('[')
}

impl FromStr for Repository {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (first, rest) = text.split_once('/').map_or((text, None), |(first, rest)| (first, Some(rest)));
        let Some(path) = rest.filter(|_| names_registry(text)) else {
            let known = !text.is_empty() && text.split('/').all(is_path_component);
            let error = NameError::new(format!("image `{text}` has no registry"));
            return Err(match (known, rest) {
                (true, None) => error.help(format!("write `docker.io/library/{text}`")),
                (true, Some(_)) => error.help(format!("write `docker.io/{text}`")),
                (false, _) => error.help("write `registry/repository:tag`"),
            });
        };
        let registry = first.parse()?;
        if !path.split('/').all(is_path_component) {
            if path.bytes().any(|b| b.is_ascii_uppercase()) {
                return Err(NameError::new(format!("upper-case letters in repository `{path}`"))
                    .help(format!("write `{}`", path.to_ascii_lowercase())));
            }
            if let Some((path, _)) = path.split_once([':', '@'])
                && is_repository_path(path)
            {
                return Err(NameError::new(format!("`{text}` is an image, not a repository"))
                    .help(format!("remove the tag: `{first}/{path}`")));
            }
            return Err(NameError::new(format!("invalid repository path `{path}`"))
                .help("use lower-case letters and digits, with single `.`, `_` or `-` between them, in parts separated by `/`"));
        }
        if text.len() > NAME_MAX {
            return Err(NameError::new(format!("repository name longer than {NAME_MAX} characters"))
                .help("use a shorter name; registries reject longer ones"));
        }
        Ok(Self { registry, path: path.to_owned() })
    }
}

/// A tag of a registry or of a stream: `3.12`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagName(String);

impl FromStr for TagName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
        let rest = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        if first && rest && text.len() <= TAG_MAX {
            return Ok(Self(text.to_owned()));
        }
        Err(NameError::new(format!("invalid tag name `{}`", excerpt(text)))
            .help("use at most 128 letters, digits, `_`, `.` and `-`, and do not start with `.` or `-`"))
    }
}

/// The mutable or immutable part of an image reference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// A tag, which is mutable.
    Tag(TagName),
    /// A digest, which is immutable.
    Digest(Digest),
}

/// An image reference, `docker.io/library/python:3.12`; immutable with `@sha256:…`.
///
/// If it has both a tag and a digest, the digest counts and the tag is informative, as in all clients.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageRef {
    repository: Repository,
    reference: Reference,
    /// The informative tag next to a digest.
    beside: Option<TagName>,
}

impl ImageRef {
    /// Creates the reference to `tag` of `repository`.
    pub fn tagged(repository: Repository, tag: TagName) -> Self {
        Self { repository, reference: Reference::Tag(tag), beside: None }
    }

    /// Returns the image's repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Returns its digest if it has one, else its tag.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// Returns the tag, even if it is only informative.
    pub fn tag(&self) -> Option<&TagName> {
        match &self.reference {
            Reference::Tag(tag) => Some(tag),
            Reference::Digest(_) => self.beside.as_ref(),
        }
    }

    /// Returns the digest it is fixed to, if any.
    pub fn digest(&self) -> Option<&Digest> {
        if let Reference::Digest(digest) = &self.reference { Some(digest) } else { None }
    }

    fn parse(text: &str) -> Result<Self, NameError> {
        let (name, digest) = text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
        let digest = digest.map(str::parse).transpose()?;
        let (repository, tag) = match name.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') && !repository.is_empty() => (repository, Some(tag)),
            _ => (name, None),
        };
        let repository: Repository = repository.parse().map_err(|error| {
            if names_registry(repository) || !is_repository_path(repository) {
                return error;
            }
            let library = if repository.contains('/') { "" } else { "library/" };
            let rest = if repository.len() == text.len() { ":latest" } else { &text[repository.len()..] };
            NameError::new(format!("image `{}` has no registry", excerpt(text)))
                .help(format!("write `docker.io/{library}{repository}{rest}`"))
        })?;
        let tag = tag.map(str::parse).transpose()?;
        match (tag, digest) {
            (tag, Some(digest)) => Ok(Self { repository, reference: Reference::Digest(digest), beside: tag }),
            (Some(tag), None) => Ok(Self::tagged(repository, tag)),
            (None, None) => {
                Err(NameError::new(format!("image `{text}` has no tag"))
                    .help(format!("add a tag, e.g. `{text}:latest`")))
            }
        }
    }
}

impl FromStr for ImageRef {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text).map_err(|error| match text.split_once("://") {
            Some((_, rest)) => NameError::new(format!("`{}` is a URL, not an image", excerpt(text)))
                .help(format!("remove the scheme: `{}`", excerpt(rest))),
            None => error,
        })
    }
}

/// An image with its pinned digest: `docker.io/library/python:3.12@sha256:…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PinnedRef {
    /// The image, as in the definitions.
    pub image: ImageRef,
    /// The pinned digest.
    pub digest: Digest,
}

/// A stream's name: the path of its file below `streams/` without `.toml`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(String);

impl FromStr for StreamName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if is_repository_path(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(NameError::new(format!("invalid stream name `{}`", excerpt(text))).help(
            "use lower-case letters and digits, with single `.`, `_` or `-` between them, in parts separated by `/`",
        ))
    }
}

/// A tag of a stream, `python:3.12`: an image stream tag in OpenShift.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagId {
    /// The stream's name.
    pub stream: StreamName,
    /// The tag's name within the stream.
    pub tag: TagName,
}

impl FromStr for TagId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (stream, tag) = text
            .split_once(':')
            .ok_or_else(|| NameError::new(format!("invalid tag `{}`", excerpt(text))).help("write `stream:tag`"))?;
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
        impl $name {
            /// Returns the value as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
text_type!(RegistryHost, TagName, Digest, StreamName, RemoteName);

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
