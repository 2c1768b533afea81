//! Platforms: what an image of an index runs on.

use std::fmt;
use std::str::FromStr;

use super::{NAME_MAX, NameError, shorten};

/// An operating system and processor as OCI image indexes name them: `linux/arm64`, `linux/arm/v7`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    /// `os` of the index entry.
    pub os: String,
    /// `architecture` of the index entry.
    pub architecture: String,
    /// `variant` of the index entry.
    pub variant: Option<String>,
}

impl FromStr for Platform {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let good = |part: &&str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        };
        let parts: Vec<&str> = text.split('/').collect();
        if parts.len() < 2 || parts.len() > 3 || !parts.iter().all(good) || text.len() > NAME_MAX {
            return Err(NameError::new(format!("`{}` is not a platform", shorten(text)))
                .help("a platform is `os/architecture` or `os/architecture/variant`, as `linux/amd64`"));
        }
        Ok(Self {
            os: parts[0].to_owned(),
            architecture: parts[1].to_owned(),
            variant: parts.get(2).map(|part| (*part).to_owned()),
        })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}
