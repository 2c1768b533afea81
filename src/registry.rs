//! Registries: what an image is *now*, asked with as few requests as can be, believed only after hashing.
//!
//! [`Registry`] speaks the OCI Distribution Specification 1.1. A digest from a header is a hint; only
//! [`manifest::Verified`], which hashes bytes, lets a digest be pinned. No caller sees HTTP: failures come as
//! [`ImportError`], by what the reader can do about them.

pub mod manifest;

use std::time::Duration;

use crate::image::ImageRef;

/// The largest manifest that is read, in bytes (OCI Distribution 1.1 asks registries to take at least 4 MiB).
pub const MANIFEST_MAX: usize = 4 << 20;

/// What kind of failure an import ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// The registry does not have it.
    NotFound,
    /// Credentials are missing, wrong or not enough.
    Unauthorized,
    /// The registry asks to come back later.
    RateLimited,
    /// The connection could not be secured.
    Tls,
    /// The registry could not be reached, or did not answer in time or in order.
    Network,
    /// What came is not what was promised.
    Integrity,
    /// It is of a kind that is not pinned.
    Unsupported,
    /// A rule forbids it: the policy, an address that is never contacted, a platform that is missing.
    Refused,
}

impl FailureKind {
    /// The word used in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Unauthorized => "unauthorized",
            Self::RateLimited => "rate-limited",
            Self::Tls => "tls",
            Self::Network => "network",
            Self::Integrity => "integrity",
            Self::Unsupported => "unsupported",
            Self::Refused => "refused",
        }
    }
}

/// Why one image could not be imported. It is a row of the report; the pass goes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ImportError {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// What happened, in one sentence that names host and, where one was had, status. Never holds a secret, and
    /// text from a registry only escaped and shortened.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// When the registry asked to be left alone until, from now.
    pub retry_after: Option<Duration>,
}

impl ImportError {
    /// A failure of `kind`.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), help: None, retry_after: None }
    }

    /// The same with a way out.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The failure of an image that its registry does not have.
    pub fn not_found(image: &ImageRef) -> Self {
        Self::new(FailureKind::NotFound, format!("`{image}` is not in its registry"))
    }
}
