//! Followed tags: another tag of the root, or one of another repository, such as `platform//python:3.12`.

use std::fmt;
use std::str::FromStr;

use super::{TagId, is_label};
use crate::text::diagnostics::NameError;
use crate::text::escape::excerpt;

/// The name of another repository, from `[remote.name]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteName(pub(super) String);

/// A tag of another repository: `platform//python:3.12`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteTag {
    /// The other repository.
    pub remote: RemoteName,
    /// The tag in that repository's root.
    pub tag: TagId,
}

/// A tag that is followed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FollowedTag {
    /// A tag of the same root.
    Local(TagId),
    /// A tag of another repository; boxed, since a lock has many pins and few of these.
    Remote(Box<RemoteTag>),
}

impl FollowedTag {
    /// Returns the tag if it is in the same root.
    pub fn local(&self) -> Option<&TagId> {
        if let Self::Local(tag) = self { Some(tag) } else { None }
    }

    /// Returns the tag if it is in another repository.
    pub fn remote(&self) -> Option<&RemoteTag> {
        if let Self::Remote(tag) = self { Some(tag) } else { None }
    }
}

impl From<TagId> for FollowedTag {
    fn from(tag: TagId) -> Self {
        Self::Local(tag)
    }
}

impl From<RemoteTag> for FollowedTag {
    fn from(tag: RemoteTag) -> Self {
        Self::Remote(Box::new(tag))
    }
}

impl FromStr for RemoteName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if is_label(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(NameError::new(format!("invalid remote name `{}`", excerpt(text)))
            .help("use at most 63 lower-case letters, digits and `-`, and do not start with `-`"))
    }
}

impl FromStr for RemoteTag {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (remote, tag) = text.split_once("//").ok_or_else(|| {
            NameError::new(format!("invalid remote tag `{}`", excerpt(text))).help("write `remote//stream:tag`")
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

impl fmt::Display for RemoteTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}//{}", self.remote, self.tag)
    }
}

impl fmt::Display for FollowedTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(tag) => write!(f, "{tag}"),
            Self::Remote(tag) => write!(f, "{tag}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn followed_tags_are_parsed_and_formatted() {
        for text in ["python:3.12", "platform//python:3.12", "a-1//team/x:_y"] {
            assert_eq!(text.parse::<FollowedTag>().unwrap().to_string(), text);
        }
        assert!("python:3.12".parse::<FollowedTag>().unwrap().local().is_some());
        assert!("p//python:3.12".parse::<FollowedTag>().unwrap().remote().is_some());
        for text in ["", "//python:3.12", "P//a:b", "-p//a:b", "p//a", "p//q//a:b", "p/a//b:c", "https://a/b:c"] {
            assert!(text.parse::<FollowedTag>().is_err(), "{text}");
        }
        assert!("x".repeat(64).parse::<RemoteName>().is_err());
    }
}
