//! Kinds of failures to resolve a tag.

use serde::{Deserialize, Serialize};

/// Kind of failure of one tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The registry does not have the image.
    NotFound,
    /// Credentials are missing, wrong or insufficient.
    Unauthorized,
    /// The registry's rate limit is exceeded.
    RateLimited,
    /// The TLS handshake failed.
    Tls,
    /// The registry could not be reached, or returned no usable response.
    Network,
    /// The response is not what was requested.
    Integrity,
    /// The artifact is of a type that cannot be pinned.
    Unsupported,
    /// A rule forbids it: the policy, an address that must not be contacted, a missing platform.
    Refused,
}
