//! Verifies that a fetched image is signed as a tag's rules require.
//!
//! Signatures are searched where `cosign` puts them: behind the tag `sha256-….sig`, and among the referrers, listed by the
//! registry or by the fallback tag. Everything is fetched by digest and hashed. A missing signature is never treated as a
//! transient failure, nor a transient failure as a missing signature.

use crate::effects::Registries;
use crate::model::image::{Digest, ImageRef, Repository};
use crate::registry::manifest::{Descriptor, ManifestContent};
use crate::registry::{FailureKind, ResolveError};
use crate::signature::{ARTIFACT, BUNDLE, PAYLOAD, RawSignature, Trust, Verifier, Verify};

use super::images::{FetchedImage, ImageCache};

/// Maximum number of signatures of an image that are checked.
const SIGNATURES_MAX: usize = 50;
/// Largest payload or bundle, in bytes.
const SIZE_MAX: u64 = 1 << 20;

/// Reason why an image is not verified.
#[derive(Debug)]
pub(super) enum Unverified {
    /// No trusted signer has signed it.
    Unsigned(ResolveError),
    /// Another failure.
    Other(ResolveError),
}

impl Unverified {
    pub(super) fn into_error(self) -> ResolveError {
        match self {
            Self::Unsigned(error) | Self::Other(error) => error,
        }
    }
}

impl From<ResolveError> for Unverified {
    fn from(error: ResolveError) -> Self {
        Self::Other(error)
    }
}

/// Verifies images against the required signers.
#[derive(Clone, Copy, Debug)]
pub(super) struct SignatureCheck<'a> {
    /// Keys and trusted roots.
    pub(super) trust: &'a Trust,
    /// Cache of earlier results.
    pub(super) images: &'a ImageCache,
}

impl SignatureCheck<'_> {
    /// Checks that `image`, found as `found`, is signed by `signer`. For one platform's child, a signature of its index
    /// suffices: that is what `cosign` signs by default, and the index determines the child.
    ///
    /// # Errors
    /// No trusted signature, or a failure to find out.
    pub(super) async fn verify<R: Registries>(
        &self,
        registries: &R,
        image: &ImageRef,
        found: &FetchedImage,
        signer: &Verify,
    ) -> Result<(), Unverified> {
        let Some(verifier) = self.trust.verifier(signer) else {
            let message = format!("the files that verify {signer} were not read; cannot verify `{image}`");
            return Err(Unverified::Other(ResolveError::new(FailureKind::Refused, message)));
        };
        let digests: Vec<Digest> = found.index().into_iter().chain([found.digest()]).cloned().collect();
        let key = (image.repository().clone(), digests, signer.clone(), verifier.id().clone());
        let verdict = match self.images.verdict(&key) {
            Some(verdict) => verdict,
            None => {
                let mut search =
                    Search { registries, repository: &key.0, verifier, checked: 0, flaw: None, failure: None };
                let is_signed = search.any(&key.1).await;
                if let (false, Some(failure)) = (is_signed, search.failure) {
                    return Err(Unverified::Other(failure));
                }
                let verdict =
                    if is_signed { Ok(()) } else { Err(unsigned(found, signer, search.checked, search.flaw)) };
                self.images.remember_verdict(key, verdict.clone());
                verdict
            }
        };
        let with_image =
            |error: ResolveError| ResolveError { message: format!("`{image}` {}", error.message), ..error };
        verdict.map_err(|error| Unverified::Unsigned(with_image(error)))
    }
}

/// Builds the error, without the name of the image.
fn unsigned(found: &FetchedImage, signer: &Verify, checked: usize, flaw: Option<String>) -> ResolveError {
    let short = found.digest().short();
    let message = match (checked, flaw) {
        (0, None) => format!("is not signed: no signature for {short}"),
        (0, Some(flaw)) => format!("is not signed: no readable signature for {short}: {flaw}"),
        (1, Some(flaw)) => format!("is not signed by {signer}: the only signature for {short} is invalid: {flaw}"),
        (count, flaw) => {
            let flaw = flaw.map(|flaw| format!("; first: {flaw}")).unwrap_or_default();
            format!("is not signed by {signer}: none of {count} signatures for {short} is valid{flaw}")
        }
    };
    let subject = found.index().unwrap_or(found.digest());
    let help = match signer {
        Verify::Key(_) => format!("sign `…@{subject}`, or set `key` to the key that signed it"),
        Verify::Keyless(_) => {
            format!("sign `…@{subject}` as that identity, or set `identity` and `issuer` to those of the signer")
        }
    };
    ResolveError::new(FailureKind::Refused, message).help(help)
}

/// Search for a valid signature.
struct Search<'a, R> {
    registries: &'a R,
    repository: &'a Repository,
    verifier: Verifier<'a>,
    /// Signatures checked so far.
    checked: usize,
    /// Flaw of the first invalid one.
    flaw: Option<String>,
    /// A transient failure that may hide a valid signature.
    failure: Option<ResolveError>,
}

impl<R: Registries> Search<'_, R> {
    async fn any(&mut self, digests: &[Digest]) -> bool {
        for digest in digests {
            // Colon and hash make a tag: `sha256-….sig` for signatures, and, cut to 64 digits (OCI Distribution 1.1,
            // "Referrers Tag Schema"), for the list of what refers to it.
            let tag = digest.as_str().replacen(':', "-", 1);
            if let Some(manifest) = self.tagged(&format!("{tag}.sig")).await
                && self.manifest(&manifest, digest).await
            {
                return true;
            }
            for referrer in self.referrers(digest, &tag).await {
                if self.checked >= SIGNATURES_MAX {
                    break;
                }
                if is_signature(&referrer) && self.manifest(&referrer.digest, digest).await {
                    return true;
                }
            }
        }
        false
    }

    /// Resolves a tag of the repository; `None` if it does not exist.
    async fn tagged(&mut self, tag: &str) -> Option<Digest> {
        let image = ImageRef::tagged(self.repository.clone(), tag.parse().ok()?);
        let answer = self.registries.digest(&image).await;
        self.available(answer)
    }

    async fn referrers(&mut self, digest: &Digest, tag: &str) -> Vec<Descriptor> {
        match self.registries.referrers(self.repository, digest).await {
            Err(error) if error.kind == FailureKind::NotFound => {}
            answer => return self.available(answer).unwrap_or_default(),
        }
        let (algorithm, hex) = tag.split_once('-').unwrap_or_default();
        let Some(index) = self.tagged(&format!("{algorithm}-{}", hex.get(..64).unwrap_or(hex))).await else {
            return Vec::new();
        };
        let answer = self.registries.manifest(self.repository, &index).await;
        match self.available(answer).as_ref().map(|manifest| manifest.content()) {
            Some(ManifestContent::Index { children }) => children.clone(),
            _ => Vec::new(),
        }
    }

    /// Returns whether one of the signatures in the manifest `at` is valid for `digest`.
    async fn manifest(&mut self, at: &Digest, digest: &Digest) -> bool {
        let answer = self.registries.manifest(self.repository, at).await;
        let Some(manifest) = self.available(answer) else {
            // A listed signature that cannot be fetched counts as invalid.
            self.checked += 1;
            return false;
        };
        let ManifestContent::Image { layers, .. } = manifest.content() else { return false };
        let is_one = |layer: &&Descriptor| layer.media_type == PAYLOAD || layer.media_type.starts_with(BUNDLE);
        for layer in layers.iter().filter(is_one) {
            if self.checked >= SIGNATURES_MAX {
                break;
            }
            self.checked += 1;
            if self.is_valid(layer, digest).await {
                return true;
            }
        }
        false
    }

    async fn is_valid(&mut self, layer: &Descriptor, digest: &Digest) -> bool {
        if layer.size > SIZE_MAX {
            self.flaw.get_or_insert_with(|| "larger than 1 MiB".to_owned());
            return false;
        }
        let answer = self.registries.blob(self.repository, layer).await;
        let Some(bytes) = self.available(answer) else { return false };
        let signed = match &layer.signature {
            _ if layer.media_type != PAYLOAD => RawSignature::Bundle(&bytes),
            Some(beside) => RawSignature::Payload(&bytes, beside),
            None => {
                self.flaw.get_or_insert_with(|| "no signature beside the payload".to_owned());
                return false;
            }
        };
        let verdict = self.verifier.verify(digest, signed);
        if let Err(flaw) = &verdict {
            self.flaw.get_or_insert_with(|| flaw.to_string());
        }
        verdict.is_ok()
    }

    /// Returns the answer, or `None` after recording why there is none: missing content and flaws are final, other
    /// failures are transient.
    fn available<T>(&mut self, answer: Result<T, ResolveError>) -> Option<T> {
        match answer {
            Ok(answer) => return Some(answer),
            Err(error) => match error.kind {
                FailureKind::NotFound => {}
                FailureKind::Integrity | FailureKind::Unsupported => {
                    self.flaw.get_or_insert(error.message);
                }
                _ => self.failure = self.failure.take().or(Some(error)),
            },
        }
        None
    }
}

/// Returns whether a referrer can be a signature. Some registries omit the artifact type.
fn is_signature(referrer: &Descriptor) -> bool {
    let named = referrer.artifact_type.as_deref();
    named.is_none_or(|kind| kind.is_empty() || kind == ARTIFACT || kind.starts_with(BUNDLE))
}
