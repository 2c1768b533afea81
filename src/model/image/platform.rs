//! Platforms of images, normalized to one spelling each.

use std::fmt;
use std::str::FromStr;

use super::NAME_MAX;
use crate::text::diagnostics::NameError;
use crate::text::escape::excerpt;

/// An operating system and processor as OCI image indexes name them: `linux/arm64`, `linux/arm/v7`.
///
/// Some have several names, and images use all of them: `linux/arm64/v8` is `linux/arm64`, and `linux/arm` is
/// `linux/arm/v7`. Parsing normalizes them as containerd does, so that comparisons, output and lock agree.
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
        let is_good = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        };
        let lower = text.to_ascii_lowercase();
        // A slash in the third part is an invalid character.
        let mut parts = lower.splitn(3, '/');
        let (Some(os), Some(architecture), variant) = (parts.next(), parts.next(), parts.next()) else {
            return Err(unknown(text));
        };
        if text.len() > NAME_MAX || !is_good(os) || !is_good(architecture) || !variant.is_none_or(is_good) {
            return Err(unknown(text));
        }
        let os = if os == "macos" { "darwin" } else { os };
        let (architecture, variant) = usual(architecture, variant);
        Ok(Self { os: os.to_owned(), architecture: architecture.to_owned(), variant: variant.map(str::to_owned) })
    }
}

fn unknown(text: &str) -> NameError {
    NameError::new(format!("invalid platform `{}`", excerpt(text)))
        .help("write `os/architecture` or `os/architecture/variant`, e.g. `linux/amd64`")
}

/// Normalizes the name of an architecture (containerd, `platforms.Normalize`).
fn usual<'a>(architecture: &'a str, variant: Option<&'a str>) -> (&'a str, Option<&'a str>) {
    match (architecture, variant) {
        ("i386", _) => ("386", None),
        ("amd64" | "x86_64" | "x86-64", None | Some("v1")) => ("amd64", None),
        ("x86_64" | "x86-64", variant) => ("amd64", variant),
        ("arm64" | "aarch64", None | Some("8" | "v8" | "v8.0")) => ("arm64", None),
        ("aarch64", variant) => ("arm64", variant),
        ("armhf", _) | ("arm", None | Some("7")) => ("arm", Some("v7")),
        ("armel", _) | ("arm", Some("6")) => ("arm", Some("v6")),
        ("arm", Some("5")) => ("arm", Some("v5")),
        ("arm", Some("8")) => ("arm", Some("v8")),
        other => other,
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}
