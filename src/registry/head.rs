//! The headers of a manifest's HEAD: its digest is a hint, never to be pinned.

use std::sync::Mutex;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap};

use super::manifest::{check_media_type, essence, is_generic};
use super::{FailureKind, REFUSAL_TTL, ResolveError};
use crate::http::quotable;
use crate::model::image::Digest;
use crate::system::lock;

/// Record of a registry whose responses to HEAD are of no use although the manifests exist.
#[derive(Default)]
pub(super) struct HeadSupport(Mutex<Option<Duration>>);

impl HeadSupport {
    /// Returns true unless a response was unusable in the last ten minutes.
    pub(super) fn are_usable(&self, now: Duration) -> bool {
        lock(&self.0).is_none_or(|since| now.saturating_sub(since) >= REFUSAL_TTL)
    }

    /// Records that a GET succeeded where a HEAD was of no use.
    pub(super) fn record_unusable(&self, now: Duration) {
        *lock(&self.0) = Some(now);
    }
}

/// Returns true if the status of a HEAD says nothing about the manifest; a GET decides. Never for 429.
pub(super) fn is_inconclusive(status: StatusCode) -> bool {
    matches!(status.as_u16(), 403 | 404 | 405 | 412 | 501)
}

/// Parses the headers of a manifest's HEAD; none if they give no usable digest, so that the manifest must be fetched and
/// hashed.
///
/// # Errors
/// If the media type is not supported or the digest is invalid.
pub(super) fn parse(headers: &HeaderMap, registry: &str) -> Result<Option<Digest>, ResolveError> {
    let media_type = content_type(headers).filter(|media_type| !is_generic(essence(Some(media_type))));
    if let Some(media_type) = media_type {
        check_media_type(essence(Some(media_type)))?;
    }
    let mut digests = headers.get_all("docker-content-digest").iter();
    let Some(first) = digests.next() else { return Ok(None) };
    let text = String::from_utf8_lossy(first.as_bytes());
    let digest: Option<Digest> = text.trim().parse().ok();
    match digest {
        Some(digest) if digests.all(|other| other == first) => Ok(media_type.map(|_| digest)),
        _ => Err(ResolveError::new(
            FailureKind::Integrity,
            format!("`{registry}` returned an invalid digest: `{}`", quotable(&text)),
        )),
    }
}

/// Returns the `Content-Type`; none if there are several different ones.
pub(super) fn content_type(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let first = values.next()?;
    if values.any(|other| other != first) {
        return None;
    }
    first.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[(&'static str, &str)], expected: Result<Option<Digest>, FailureKind>) {
        let map: HeaderMap = headers
            .iter()
            .map(|(name, value)| (reqwest::header::HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        assert_eq!(parse(&map, "r.example").map_err(|error| error.kind), expected, "{headers:?}");
    }

    #[test]
    fn t12_only_a_digest_and_a_supported_type_make_a_hint() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let other = format!("sha256:{}", "b".repeat(64));
        let oci = ("content-type", "application/vnd.oci.image.index.v1+json");
        let named = ("docker-content-digest", digest.as_str());
        check(&[oci, named], Ok(Some(digest.parse().unwrap())));
        check(&[oci, named, named], Ok(Some(digest.parse().unwrap())));
        check(&[oci], Ok(None));
        check(&[named], Ok(None));
        check(&[oci, ("content-type", "text/html"), named], Ok(None));
        check(&[oci, named, ("docker-content-digest", &other)], Err(FailureKind::Integrity));
        for bad in ["", "sha256:zz", "md5:00", "sha256:../../x", &digest.to_uppercase()] {
            check(&[oci, ("docker-content-digest", bad)], Err(FailureKind::Integrity));
        }
        for generic in ["application/json; charset=utf-8", "application/octet-stream", ""] {
            check(&[("content-type", generic), named], Ok(None));
        }
        for bad in ["text/html", "application/vnd.docker.distribution.manifest.v1+prettyjws"] {
            check(&[("content-type", bad), named], Err(FailureKind::Unsupported));
        }
    }
}
