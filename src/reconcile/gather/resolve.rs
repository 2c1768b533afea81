//! Resolves images: one request per distinct image; the bytes of a new digest are fetched by digest and hashed.
//!
//! A failure is the result of one tag and affects no other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};

use crate::effects::{Clock, Progress, Registries};
use crate::model::adoption::{AdoptionPolicy, Observation};
use crate::model::image::class::{ChangeClass, VersionLevel};
use crate::model::image::version::TagVersion;
use crate::model::image::{Digest, ImageRef, Reference, TagId, TagName};
use crate::model::lock::Pin;
use crate::model::settings::adoption_rules::HoldReason;
use crate::model::stream::{Tag, TagSource};
use crate::registry::{FailureKind, ResolveError};
use crate::signature::Trust;

use super::deadline::Deadline;
use super::images::{FetchedImage, ImageCache, require_platforms};
use super::queries::{ImageQuery, QueryPlan, TagQuery};
use super::remote_locks::RemotePin;
use super::signatures::{SignatureCheck, Unverified};

/// Number of images that are resolved concurrently, over all registries; each registry has a lower limit of its own.
const IN_FLIGHT: usize = 256;

/// Delay before a digest that was pinned earlier is confirmed by a second request.
const ROLLBACK_CONFIRMATION: Duration = Duration::from_secs(1);

/// Results of resolving, by tag.
pub type Resolutions = BTreeMap<TagId, Result<Resolution, ResolveError>>;

/// Result of resolving one tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The registry serves the pinned digest.
    Unchanged,
    /// The registry serves another digest.
    Candidate(Candidate),
}

/// A digest that a tag may be updated to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The image that was resolved.
    pub image: ImageRef,
    /// The digest behind the image's tag: of the index, if `digest` is one of its children.
    pub served: Digest,
    /// The digest to pin.
    pub digest: Digest,
    /// The image at that digest; `None` if a rule holds the tag regardless of the content.
    pub content: Option<Arc<FetchedImage>>,
    /// Class of the change, if a rule needs it and it could be determined.
    pub class: Option<ChangeClass>,
    /// Higher tags of the selection that lack a valid signature.
    pub passed_over: Vec<TagName>,
}

impl Candidate {
    /// Returns why `tag`, pinned as `pin`, is not updated to this candidate; `None` if it is.
    pub fn hold_reason(
        &self,
        policy: &AdoptionPolicy<'_>,
        id: &TagId,
        tag: &Tag,
        pin: Option<&Pin>,
    ) -> Option<HoldReason> {
        let is_lower = pin.is_some_and(|pin| self.is_lower(tag, pin));
        let observed = Observation { digest: &self.digest, served: &self.served, class: self.class, is_lower };
        policy.hold_reason(id, tag, pin, &observed)
    }

    /// Returns true if the rule of `tag` ranks the candidate's tag lower than the one in `pin`.
    pub fn is_lower(&self, tag: &Tag, pin: &Pin) -> bool {
        let TagSource::Select { select, .. } = &tag.source else { return false };
        self.image.tag().zip(pin.image.tag()).is_some_and(|(tag, pinned)| select.is_below(tag, pinned))
    }
}

/// Context of all resolutions of a pass.
#[derive(Clone, Copy, Debug)]
pub struct Resolver<'a> {
    /// Images fetched so far.
    pub images: &'a ImageCache,
    /// Adoption policy, to avoid fetching images that it holds anyway.
    pub policy: &'a AdoptionPolicy<'a>,
    /// Keys and trusted roots of the root.
    pub trust: &'a Trust,
}

impl Resolver<'_> {
    /// Resolves the images of the plan, in its order, until `deadline`.
    pub async fn resolve<W: Registries + Clock>(
        &self,
        world: &W,
        plan: QueryPlan<'_>,
        deadline: Deadline,
    ) -> Resolutions {
        let of = plan.images.len();
        world.announce(&plan.repositories());
        let mut answers =
            stream::iter(plan.images).map(|query| self.resolve_image(world, query)).buffer_unordered(IN_FLIGHT);
        let mut resolutions: Resolutions = plan.failed.into_iter().map(|(id, error)| (id, Err(error))).collect();
        let mut done = 0;
        while let Some(answer) = deadline.next(world, &mut answers).await {
            resolutions.extend(answer);
            done += 1;
            world.progress(Progress::Resolving { done, of });
        }
        resolutions
    }

    async fn resolve_image<W: Registries + Clock>(
        &self,
        world: &W,
        query: ImageQuery<'_>,
    ) -> Vec<(TagId, Result<Resolution, ResolveError>)> {
        let ImageQuery { image, at, tags } = query;
        let served = match at.or(image.digest()) {
            Some(digest) => Ok(digest.clone()),
            None => head(world, &image, &tags).await,
        };
        let mut answers = Vec::with_capacity(tags.len());
        for query in tags {
            let resolution = match &served {
                Err(error) => Err(error.clone()),
                Ok(served) if query.is_unchanged(&image, served) => Ok(Resolution::Unchanged),
                // Most tags are unchanged; only the others need the memory of the larger future.
                Ok(served) => Box::pin(self.highest_signed(world, &image, served, &query)).await,
            };
            answers.push((query.id.clone(), resolution));
        }
        answers
    }

    /// Returns the candidate for one tag: `image`, or the highest tag below it that has the required signature.
    async fn highest_signed<W: Registries + Clock>(
        &self,
        world: &W,
        image: &ImageRef,
        served: &Digest,
        query: &TagQuery<'_>,
    ) -> Result<Resolution, ResolveError> {
        let mut first = match self.candidate(world, image, served, query).await {
            Err(Unverified::Unsigned(error)) => error,
            other => return other.map(Resolution::Candidate).map_err(Unverified::into_error),
        };
        if query.lower.is_empty() {
            return Err(first);
        }
        tracing::debug!("`{}` passes over a tag: {first}", query.id);
        let mut passed_over: Vec<TagName> = match image.reference() {
            Reference::Tag(tag) => vec![tag.clone()],
            Reference::Digest(_) => Vec::new(),
        };
        for tag in &query.lower {
            let image = ImageRef::tagged(image.repository().clone(), tag.clone());
            let served = head(world, &image, std::slice::from_ref(query)).await?;
            if query.is_unchanged(&image, &served) {
                return Ok(Resolution::Unchanged);
            }
            match self.candidate(world, &image, &served, query).await {
                Err(Unverified::Unsigned(error)) => {
                    tracing::debug!("`{}` passes over a tag: {error}", query.id);
                    passed_over.push(tag.clone());
                }
                Ok(found) if found.content.is_some() => {
                    return Ok(Resolution::Candidate(Candidate { passed_over, ..found }));
                }
                other => return other.map(Resolution::Candidate).map_err(Unverified::into_error),
            }
        }
        first.message += &format!("; the next {} lower tags have no valid signature either", query.lower.len());
        Err(first)
    }

    /// Builds the candidate for one tag; fetches no more than its rules need.
    async fn candidate<W: Registries>(
        &self,
        world: &W,
        image: &ImageRef,
        served: &Digest,
        query: &TagQuery<'_>,
    ) -> Result<Candidate, Unverified> {
        let &TagQuery { id, tag, pin, remote, .. } = query;
        let platform = query.platform();
        let signer = tag.adoption.as_ref().and_then(|rules| rules.verify.as_ref());
        let digest = remote.map_or(served, |pin| pin.digest).clone();
        let mut candidate = Candidate {
            image: image.clone(),
            served: served.clone(),
            digest,
            content: None,
            class: None,
            passed_over: Vec::new(),
        };
        // A soaking digest is verified first: an unsigned one must not block a lower tag that is signed.
        match candidate.hold_reason(self.policy, id, tag, pin) {
            Some(HoldReason::Soaking { .. }) if signer.is_some() => {}
            Some(_) => return Ok(candidate),
            None => {}
        }
        let found = self.images.fetch(world, image, served, platform).await?;
        if let Some(remote) = remote {
            confirm_child(image, &remote, &found)?;
        }
        require_platforms(world, image, &tag.platforms, &found).await?;
        if let Some(signer) = signer {
            let check = SignatureCheck { trust: self.trust, images: self.images };
            check.verify(world, image, &found, signer).await?;
        }
        if let Some(pin) = pin.filter(|pin| AdoptionPolicy::needs_class(tag) && pin.digest != *found.digest()) {
            candidate.class = self.class(world, image, pin, query, &found).await?;
        }
        candidate.digest = found.digest().clone();
        candidate.content = Some(found);
        Ok(candidate)
    }

    /// Classifies the change from `pin` to `found`. If the old image is gone, by the versions alone.
    ///
    /// # Errors
    /// A rule depends on the configuration of the image, which cannot be read.
    async fn class<W: Registries>(
        &self,
        world: &W,
        image: &ImageRef,
        pin: &Pin,
        query: &TagQuery<'_>,
        found: &FetchedImage,
    ) -> Result<Option<ChangeClass>, ResolveError> {
        let at = pin.index.as_ref().unwrap_or(&pin.digest);
        let tags = tag_versions(query.tag, pin, image);
        let level = match &tags {
            Some((old, new)) => VersionLevel::of(old, new),
            None => {
                let declared = pin.details.version.as_deref().zip(found.details().version.as_deref());
                declared.and_then(|(old, new)| VersionLevel::between(old, new))
            }
        };
        let needs_config = query.tag.adoption.as_ref().is_some_and(|rules| rules.needs_config());
        let class = match self.images.fetch(world, image, at, query.platform()).await {
            Ok(old) => Some(ChangeClass::between(old.facts(), found.facts(), tags.as_ref())),
            // The class decides whether the update is adopted.
            Err(error) if needs_config && level.is_none() && error.kind != FailureKind::NotFound => return Err(error),
            Err(_) => level.map(ChangeClass::Version),
        };
        match found.note() {
            Some(note) if needs_config && level.is_none() && class != Some(ChangeClass::Attestation) => {
                let message = format!("cannot tell what changes in `{image}`, as `allow` or `ignore` requires: {note}");
                Err(ResolveError::refused(message)
                    .help("remove `allow` and `ignore` from the tag, or select it by version"))
            }
            _ => Ok(class),
        }
    }
}

/// Returns the versions of the pinned and the selected tag, if `tag` is selected by version.
fn tag_versions(tag: &Tag, pin: &Pin, image: &ImageRef) -> Option<(TagVersion, TagVersion)> {
    let TagSource::Select { select, .. } = &tag.source else { return None };
    let versions = select.version(pin.image.tag()?).zip(select.version(image.tag()?));
    versions.filter(|(old, new)| old.tells_change_to(new))
}

/// Resolves `image` with one HEAD. A digest that was pinned earlier is confirmed by a second request, because a replica
/// may lag behind.
async fn head<W: Registries + Clock>(
    world: &W,
    image: &ImageRef,
    tags: &[TagQuery<'_>],
) -> Result<Digest, ResolveError> {
    let first = world.digest(image).await?;
    let is_earlier = |query: &TagQuery<'_>| query.pin.is_some_and(|pin| pin.previous.contains(&first));
    if !tags.iter().any(is_earlier) {
        return Ok(first);
    }
    world.sleep(ROLLBACK_CONFIRMATION).await;
    world.digest(image).await
}

impl TagQuery<'_> {
    /// Returns whether the pin is up to date with `image` at `served`, so that nothing needs to be fetched.
    fn is_unchanged(&self, image: &ImageRef, served: &Digest) -> bool {
        self.pin.is_some_and(|pin| {
            let at = pin.index.as_ref().unwrap_or(&pin.digest);
            let is_complete = match &self.remote {
                None => pin.satisfies(self.platform(), &self.tag.platforms),
                Some(remote) => pin.digest == *remote.digest && pin.index.as_ref() == remote.of.map(|(index, _)| index),
            };
            pin.follow == self.tag.source.followed() && pin.image == *image && at == served && is_complete
        })
    }
}

/// Refuses a child that differs from the one in the other repository's lock.
fn confirm_child(image: &ImageRef, remote: &RemotePin<'_>, found: &FetchedImage) -> Result<(), ResolveError> {
    if found.digest() == remote.digest {
        return Ok(());
    }
    let message = format!("the lock that is followed pins `{}`, which is not a child of `{image}`", remote.digest);
    Err(ResolveError::new(FailureKind::Integrity, message)
        .help("run `pinstream update` in the repository that is followed"))
}
