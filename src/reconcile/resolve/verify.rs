//! Whether an image that was fetched is signed as a tag's rules ask for: finds its signatures in its repository.
//!
//! They are looked for where `cosign` puts them: behind the tag `sha256-….sig`, and among what refers to the image, by
//! the registry's own list or by the tag that stands in for one. Everything is fetched by digest and hashed. That none
//! is found is never taken for a failure that may pass, and a failure that may pass never for none.

use crate::effects::World;
use crate::model::image::{Digest, ImageRef, Repository};
use crate::registry::manifest::{Descriptor, ManifestContent};
use crate::registry::{FailureKind, ResolveError};
use crate::signature::{ARTIFACT, BUNDLE, PAYLOAD, RawSignature, Trust, Verifier, Verify};

use super::{FetchedImage, ImageCache};

/// How many signatures of an image are looked at.
const SIGNATURES_MAX: usize = 50;
/// The largest payload or bundle that is read, in bytes.
const SIZE_MAX: u64 = 1 << 20;
/// The flaw of a payload without a signature.
const NOTHING_BESIDE: &str = "nothing stands beside what was signed";

/// Why an image is not adopted.
#[derive(Debug)]
pub(super) enum Unverified {
    /// Nobody who is trusted has signed it.
    Unsigned(ResolveError),
    /// Something else is in the way.
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

/// Lets `found` through if it is signed `by` whom it has to be. For one platform's child a signature of its index
/// vouches as well: that is what `cosign` signs unless it is told otherwise, and the child follows from the index.
pub(super) async fn verify<W: World>(
    world: &W,
    image: &ImageRef,
    found: &FetchedImage,
    (by, trust): (&Verify, &Trust),
    fetched: &ImageCache,
) -> Result<(), Unverified> {
    let Some(verifier) = trust.verifier(by) else {
        let error = format!("what it takes to verify {by} was not read, so nothing can vouch for `{image}`");
        return Err(Unverified::Other(ResolveError::new(FailureKind::Refused, error)));
    };
    let digests: Vec<Digest> = found.index().into_iter().chain([found.digest()]).cloned().collect();
    let question = (image.repository().clone(), digests, by.clone(), verifier.id().clone());
    let known = fetched.verdicts.borrow().get(&question).cloned();
    let verdict = match known {
        Some(verdict) => verdict,
        None => {
            let mut search = Search { world, repository: &question.0, verifier, looked: 0, flaw: None, failure: None };
            let is_signed = search.any(&question.1).await;
            if let (false, Some(failure)) = (is_signed, search.failure) {
                return Err(Unverified::Other(failure));
            }
            let verdict = if is_signed { Ok(()) } else { Err(unsigned(found, by, search.looked, search.flaw)) };
            fetched.verdicts.borrow_mut().insert(question, verdict.clone());
            verdict
        }
    };
    verdict.map_err(|error| {
        Unverified::Unsigned(ResolveError { message: format!("`{image}` {}", error.message), ..error })
    })
}

/// The refusal, without the name of the image.
fn unsigned(found: &FetchedImage, by: &Verify, looked: usize, flaw: Option<String>) -> ResolveError {
    let short = found.digest().short();
    let message = match (looked, flaw) {
        (0, None) => format!("is not signed: there is no signature of {short}"),
        (0, Some(flaw)) => format!("is not signed: no signature of {short} can be read: {flaw}"),
        (1, Some(flaw)) => format!("is not signed by {by}: of {short} there is one signature, and {flaw}"),
        (count, flaw) => {
            let flaw = flaw.map(|flaw| format!("; of the first, {flaw}")).unwrap_or_default();
            format!("is not signed by {by}: of {short} there are {count} signatures, none of which holds{flaw}")
        }
    };
    let subject = found.index().unwrap_or(found.digest());
    let help = match by {
        Verify::Key(_) => format!("sign `…@{subject}`, or name the key that did"),
        Verify::Keyless(_) => format!("sign `…@{subject}` as that identity, or name the one that did and its issuer"),
    };
    ResolveError::new(FailureKind::Refused, message).help(help)
}

/// Looks for a signature that vouches.
struct Search<'a, W> {
    world: &'a W,
    repository: &'a Repository,
    verifier: Verifier<'a>,
    /// How many were looked at.
    looked: usize,
    /// What is wrong with the first that does not vouch.
    flaw: Option<String>,
    /// A failure that may pass, behind which one may be that vouches.
    failure: Option<ResolveError>,
}

impl<W: World> Search<'_, W> {
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
                if self.looked >= SIGNATURES_MAX {
                    break;
                }
                if is_signature(&referrer) && self.manifest(&referrer.digest, digest).await {
                    return true;
                }
            }
        }
        false
    }

    /// What the registry says that a tag of the repository is; none where there is no such tag.
    async fn tagged(&mut self, tag: &str) -> Option<Digest> {
        let image = ImageRef::tagged(self.repository.clone(), tag.parse().ok()?);
        let answer = self.world.digest(&image).await;
        self.kept(answer)
    }

    async fn referrers(&mut self, digest: &Digest, tag: &str) -> Vec<Descriptor> {
        match self.world.referrers(self.repository, digest).await {
            Err(error) if error.kind == FailureKind::NotFound => {}
            answer => return self.kept(answer).unwrap_or_default(),
        }
        let (algorithm, hex) = tag.split_once('-').unwrap_or_default();
        let Some(index) = self.tagged(&format!("{algorithm}-{}", hex.get(..64).unwrap_or(hex))).await else {
            return Vec::new();
        };
        let answer = self.world.manifest(self.repository, &index).await;
        match self.kept(answer).as_ref().map(|manifest| manifest.content()) {
            Some(ManifestContent::Index { children }) => children.clone(),
            _ => Vec::new(),
        }
    }

    /// Whether one of the signatures in the manifest `at` vouches for `digest`.
    async fn manifest(&mut self, at: &Digest, digest: &Digest) -> bool {
        let answer = self.world.manifest(self.repository, at).await;
        let Some(manifest) = self.kept(answer) else {
            // What is listed and cannot be had is a signature that does not hold.
            self.looked += 1;
            return false;
        };
        let ManifestContent::Image { layers, .. } = manifest.content() else { return false };
        let is_one = |layer: &&Descriptor| layer.media_type == PAYLOAD || layer.media_type.starts_with(BUNDLE);
        for layer in layers.iter().filter(is_one) {
            if self.looked >= SIGNATURES_MAX {
                break;
            }
            self.looked += 1;
            if self.vouches(layer, digest).await {
                return true;
            }
        }
        false
    }

    async fn vouches(&mut self, layer: &Descriptor, digest: &Digest) -> bool {
        if layer.size > SIZE_MAX {
            self.flaw.get_or_insert_with(|| "it is larger than 1 MiB".to_owned());
            return false;
        }
        let answer = self.world.blob(self.repository, layer).await;
        let Some(bytes) = self.kept(answer) else { return false };
        let signed = match &layer.signature {
            _ if layer.media_type != PAYLOAD => RawSignature::Bundle(&bytes),
            Some(beside) => RawSignature::Payload(&bytes, beside),
            None => {
                self.flaw.get_or_insert_with(|| NOTHING_BESIDE.to_owned());
                return false;
            }
        };
        let verdict = self.verifier.verify(digest, signed);
        if let Err(flaw) = &verdict {
            self.flaw.get_or_insert_with(|| flaw.to_string());
        }
        verdict.is_ok()
    }

    /// The answer; none for what is not there or is not what it was said to be, and for a failure that may pass, which is
    /// remembered.
    fn kept<T>(&mut self, answer: Result<T, ResolveError>) -> Option<T> {
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

/// Whether what refers to an image may be a signature. Some registries leave out what it is.
fn is_signature(referrer: &Descriptor) -> bool {
    let named = referrer.artifact_type.as_deref();
    named.is_none_or(|kind| kind.is_empty() || kind == ARTIFACT || kind.starts_with(BUNDLE))
}
