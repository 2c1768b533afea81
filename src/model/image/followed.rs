//! What a tag can follow: another tag of its root, or one of another repository, as `platform//python:3.12`.

use std::fmt;
use std::str::FromStr;

use super::{NameError, TagId, shorten};

/// The longest name of a remote.
const REMOTE_MAX: usize = 63;

/// The name that a root has for another repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteName(String);

impl RemoteName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A tag of another repository: `platform//python:3.12`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteTag {
    /// The repository.
    pub remote: RemoteName,
    /// The tag of the root there.
    pub tag: TagId,
}

/// What a tag follows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FollowedTag {
    /// A tag of the same root.
    Local(TagId),
    /// A tag of another repository; boxed, for a lock has many pins and few of these.
    Remote(Box<RemoteTag>),
}

impl FollowedTag {
    /// The tag of the same root.
    pub fn local(&self) -> Option<&TagId> {
        match self {
            Self::Local(tag) => Some(tag),
            Self::Remote(_) => None,
        }
    }

    /// The tag of another repository.
    pub fn elsewhere(&self) -> Option<&RemoteTag> {
        match self {
            Self::Local(_) => None,
            Self::Remote(far) => Some(far),
        }
    }
}

impl From<TagId> for FollowedTag {
    fn from(tag: TagId) -> Self {
        Self::Local(tag)
    }
}

impl From<RemoteTag> for FollowedTag {
    fn from(far: RemoteTag) -> Self {
        Self::Remote(Box::new(far))
    }
}

impl FromStr for RemoteName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let fits = (1..=REMOTE_MAX).contains(&text.len()) && text.bytes().all(good) && !text.starts_with('-');
        if fits {
            return Ok(Self(text.to_owned()));
        }
        Err(NameError::new(format!("`{}` is not the name of a remote", shorten(text)))
            .help("lower-case letters, digits and `-`, not beginning with `-`, at most 63"))
    }
}

impl FromStr for RemoteTag {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (remote, tag) = text.split_once("//").ok_or_else(|| {
            NameError::new(format!("`{}` does not name a tag of another repository", shorten(text)))
                .help("such a tag is `remote//stream:tag`")
        })?;
        Ok(Self { remote: remote.parse()?, tag: tag.parse()? })
    }
}

impl FromStr for FollowedTag {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.contains("//") {
            true => text.parse::<RemoteTag>().map(Self::from),
            false => text.parse().map(Self::Local),
        }
    }
}

impl fmt::Display for RemoteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RemoteTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}//{}", self.remote, self.tag)
    }
}

impl fmt::Display for FollowedTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(tag) => write!(f, "{tag}"),
            Self::Remote(far) => write!(f, "{far}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_followed_is_read_as_it_is_written() {
        for text in ["python:3.12", "platform//python:3.12", "a-1//team/x:_y"] {
            assert_eq!(text.parse::<FollowedTag>().unwrap().to_string(), text);
        }
        assert!("python:3.12".parse::<FollowedTag>().unwrap().local().is_some());
        assert!("p//python:3.12".parse::<FollowedTag>().unwrap().elsewhere().is_some());
        for text in ["", "//python:3.12", "P//a:b", "-p//a:b", "p//a", "p//q//a:b", "p/a//b:c", "https://a/b:c"] {
            assert!(text.parse::<FollowedTag>().is_err(), "{text}");
        }
        assert!("x".repeat(64).parse::<RemoteName>().is_err());
    }
}
