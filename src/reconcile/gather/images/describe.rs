//! Reads the metadata of an image from annotations, labels and its configuration.

use crate::effects::Registries;
use crate::model::image::Digest;
use crate::model::image::Repository;
use crate::model::image::facts::{BaseImage, BuildOrigin, ImageFacts, Layer};
use crate::model::lock::Details;
use crate::registry::manifest::{Descriptor, ImageConfig, ManifestContent, VerifiedManifest, short};
use crate::registry::{FailureKind, ResolveError};

use super::FetchedImage;

/// Longest label that is copied to a lock, in characters.
const LABEL_MAX: usize = 200;

/// Maximum number of labels that are compared.
const LABELS_MAX: usize = 64;

/// Prefix of the labels that have a meaning of their own (OCI Image Specification 1.1, "Pre-Defined Annotation Keys").
const OCI_LABELS: &str = "org.opencontainers.image.";

/// Metadata of an image.
#[derive(Default)]
pub(super) struct ImageMetadata {
    /// Metadata for the pin.
    pub(super) details: Details,
    /// Facts for comparison, except manifests and platforms.
    facts: ImageFacts,
    /// A note on metadata that is missing.
    pub(super) note: Option<String>,
}

impl ImageMetadata {
    /// Returns the metadata of an index that has no image to run.
    pub(super) fn without_image() -> Self {
        Self { note: Some("the index has no runnable image".to_owned()), ..Self::default() }
    }

    /// Builds the image of `manifest`; `digests` are the manifests that it can run as.
    pub(super) fn into_image<'d>(
        self,
        manifest: &VerifiedManifest,
        index: Option<&VerifiedManifest>,
        digests: impl IntoIterator<Item = &'d Digest>,
    ) -> FetchedImage {
        let Self { details, facts, note } = self;
        let manifests = digests.into_iter().cloned().collect();
        let facts = ImageFacts { manifests, platforms: details.platforms.iter().cloned().collect(), ..facts };
        FetchedImage::of(manifest, index, details, note).with_facts(facts)
    }
}

/// Describes an index by one of its children. If the child does not exist, the index is pinned with a note.
///
/// # Errors
/// A transient failure.
pub(super) async fn describe_child<R: Registries>(
    registries: &R,
    repository: &Repository,
    index: &VerifiedManifest,
    child: &Descriptor,
) -> Result<ImageMetadata, ResolveError> {
    match registries.manifest(repository, &child.digest).await {
        Ok(manifest) => describe(registries, repository, &manifest, Some(index)).await,
        Err(error) => without_config(repository, index, None, error),
    }
}

/// Reads the metadata of an image: annotations of the index, then of the manifest, then labels of its configuration.
///
/// # Errors
/// A transient failure.
pub(super) async fn describe<R: Registries>(
    registries: &R,
    repository: &Repository,
    manifest: &VerifiedManifest,
    index: Option<&VerifiedManifest>,
) -> Result<ImageMetadata, ResolveError> {
    let ManifestContent::Image { config, .. } = manifest.content() else {
        let error = ResolveError::new(FailureKind::Unsupported, "nested index");
        return without_config(repository, manifest, index, error);
    };
    let config = registries.blob(repository, config).await.and_then(|bytes| ImageConfig::read(&bytes));
    match config {
        Ok(config) => Ok(metadata(repository, manifest, index, Some(config))),
        Err(error) => without_config(repository, manifest, index, error),
    }
}

/// Continues without a configuration that does not exist or cannot be read, with a note. A transient failure is passed
/// on, so that one image never leads to two different pins.
fn without_config(
    repository: &Repository,
    manifest: &VerifiedManifest,
    index: Option<&VerifiedManifest>,
    error: ResolveError,
) -> Result<ImageMetadata, ResolveError> {
    match error.kind {
        FailureKind::NotFound | FailureKind::Unsupported => {
            let note = Some(format!("no metadata: {error}"));
            Ok(ImageMetadata { note, ..metadata(repository, manifest, index, None) })
        }
        _ => Err(error),
    }
}

fn metadata(
    repository: &Repository,
    manifest: &VerifiedManifest,
    index: Option<&VerifiedManifest>,
    config: Option<ImageConfig>,
) -> ImageMetadata {
    let is_short = |text: &String| !text.is_empty() && text.chars().count() <= LABEL_MAX;
    let label = |key: &str| {
        let key = format!("{OCI_LABELS}{key}");
        let annotation = |of: &VerifiedManifest| of.annotations().get(&key).cloned();
        index
            .and_then(annotation)
            .or_else(|| annotation(manifest))
            .or_else(|| config.as_ref().and_then(|config| config.labels.get(&key).cloned()))
            .filter(is_short)
    };
    let name = repository.path().rsplit('/').next().unwrap_or_default();
    let from_environment = || config.as_ref()?.runs.version(name).map(str::to_owned).filter(is_short);
    let version = label("version").or_else(from_environment);
    let revision = label("revision");
    let base = BaseImage { name: label("base.name"), digest: label("base.digest") };
    let origin = BuildOrigin { source: label("source"), revision: revision.clone(), base };
    let layers = match manifest.content() {
        ManifestContent::Image { layers, .. } => {
            layers.iter().map(|layer| Layer { digest: layer.digest.clone(), size: layer.size }).collect()
        }
        ManifestContent::Index { .. } => Vec::new(),
    };
    let Some(config) = config else {
        let details = Details { version: version.clone(), revision, ..Details::default() };
        let facts = ImageFacts { version, origin, layers, ..ImageFacts::default() };
        return ImageMetadata { details, facts, note: None };
    };
    let details = Details {
        version: version.clone(),
        revision,
        created: config.created.map(|time| time.to_string()),
        platforms: config.platform.into_iter().collect(),
    };
    let others = config.labels.iter().filter(|(key, _)| !key.starts_with(OCI_LABELS)).take(LABELS_MAX);
    let labels = others.map(|(key, value)| (short(key), short(value))).collect();
    let (created, runtime) = (config.created, Some(config.runs));
    let facts = ImageFacts { layers, version, created, origin, runtime, labels, ..ImageFacts::default() };
    ImageMetadata { details, facts, note: None }
}
