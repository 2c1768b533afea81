//! What a tag's digest is now, by one HEAD: a hint, never to be pinned by itself.

use reqwest::header::{CONTENT_TYPE, HeaderMap};

use super::manifest::{essence, supported};
use super::text::plain;
use super::{FailureKind, ResolveError};
use crate::model::image::Digest;

/// What the headers of an answer with status 200 say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DigestHint {
    /// The digest.
    Digest(Digest),
    /// They do not say: the bytes have to be fetched and hashed.
    Silent,
}

/// Reads the headers of a manifest's HEAD.
///
/// # Errors
/// Where the type is none that is pinned, or the digest is none.
pub(super) fn read(headers: &HeaderMap, registry: &str) -> Result<DigestHint, ResolveError> {
    let media_type = content_type(headers);
    if let Some(media_type) = media_type {
        supported(essence(Some(media_type)))?;
    }
    let mut digests = headers.get_all("docker-content-digest").iter();
    let Some(first) = digests.next() else { return Ok(DigestHint::Silent) };
    let text = String::from_utf8_lossy(first.as_bytes());
    let digest: Option<Digest> = text.trim().parse().ok();
    match digest {
        Some(digest) if digests.all(|other| other == first) => match media_type {
            Some(_) => Ok(DigestHint::Digest(digest)),
            None => Ok(DigestHint::Silent),
        },
        _ => Err(ResolveError::new(
            FailureKind::Integrity,
            format!("`{registry}` names `{}` as a digest, which is none", plain(&text)),
        )),
    }
}

/// The `Content-Type`, where there is one and only one.
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
    fn check(headers: &[(&'static str, &str)], expected: Result<DigestHint, FailureKind>) {
        let map: HeaderMap = headers
            .iter()
            .map(|(name, value)| (reqwest::header::HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        assert_eq!(read(&map, "r.example").map_err(|error| error.kind), expected, "{headers:?}");
    }

    #[test]
    fn t12_only_a_digest_and_a_known_type_make_a_hint() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let other = format!("sha256:{}", "b".repeat(64));
        let oci = ("content-type", "application/vnd.oci.image.index.v1+json");
        let named = ("docker-content-digest", digest.as_str());
        check(&[oci, named], Ok(DigestHint::Digest(digest.parse().unwrap())));
        check(&[oci, named, named], Ok(DigestHint::Digest(digest.parse().unwrap())));
        check(&[oci], Ok(DigestHint::Silent));
        check(&[named], Ok(DigestHint::Silent));
        check(&[oci, ("content-type", "text/html"), named], Ok(DigestHint::Silent));
        check(&[oci, named, ("docker-content-digest", &other)], Err(FailureKind::Integrity));
        for bad in ["", "sha256:zz", "md5:00", "sha256:../../x", &digest.to_uppercase()] {
            check(&[oci, ("docker-content-digest", bad)], Err(FailureKind::Integrity));
        }
        for bad in ["text/html", "application/vnd.docker.distribution.manifest.v1+prettyjws", ""] {
            check(&[("content-type", bad), named], Err(FailureKind::Unsupported));
        }
    }
}
