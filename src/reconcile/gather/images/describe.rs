//! Reads the metadata of an image from annotations, labels and its configuration.

use crate::effects::Registries;
use crate::model::image::Digest;
use crate::model::image::Repository;
use crate::model::image::facts::{BaseImage, BuildOrigin, ImageFacts, Layer};
use crate::model::lock::Details;
use crate::registry::manifest::{Descriptor, IMAGE_ANNOTATIONS, ImageConfig, ManifestContent, VerifiedManifest, short};
use crate::registry::{FailureKind, ResolveError};

use super::FetchedImage;

/// Longest label that is copied to a lock, in characters.
const LABEL_MAX: usize = 200;

/// Maximum number of labels that are compared.
const LABELS_MAX: usize = 64;

/// Largest configuration that is read, in bytes.
const CONFIG_MAX: u64 = 4 << 20;

/// Distributions whose images label themselves with their own name and version. Images based on them inherit both labels.
const DISTRIBUTIONS: [&str; 8] =
    ["almalinux", "alpine", "centos", "debian", "fedora", "opensuse", "rockylinux", "ubuntu"];

/// An index, and the child that describes it.
type IndexChild<'a> = (&'a VerifiedManifest, &'a Descriptor);

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
        Ok(manifest) => describe(registries, repository, &manifest, Some((index, child))).await,
        Err(error) => without_config(repository, index, Some((index, child)), error),
    }
}

/// Reads the metadata of an image: annotations of the index, then of its entry in the index, then of the manifest, then
/// labels of its configuration.
///
/// # Errors
/// A transient failure.
pub(super) async fn describe<R: Registries>(
    registries: &R,
    repository: &Repository,
    manifest: &VerifiedManifest,
    index: Option<IndexChild<'_>>,
) -> Result<ImageMetadata, ResolveError> {
    let ManifestContent::Image { config, .. } = manifest.content() else {
        let error = ResolveError::new(FailureKind::Unsupported, "nested index");
        return without_config(repository, manifest, index, error);
    };
    let unsupported = |message: String| ResolveError::new(FailureKind::Unsupported, message);
    let config = match config.size {
        size if size > CONFIG_MAX => Err(unsupported("the image configuration is larger than 4 MiB".to_owned())),
        // Its bytes match their digest, so it is of another type: the artifact is not an image to run.
        _ => registries
            .blob(repository, config)
            .await
            .and_then(|bytes| ImageConfig::read(&bytes).map_err(|error| unsupported(error.message))),
    };
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
    index: Option<IndexChild<'_>>,
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
    index: Option<IndexChild<'_>>,
    config: Option<ImageConfig>,
) -> ImageMetadata {
    let is_short = |text: &String| !text.is_empty() && text.chars().count() <= LABEL_MAX;
    let annotation = |key: &str| {
        let key = format!("{IMAGE_ANNOTATIONS}{key}");
        let of_index = index.and_then(|(index, child)| index.annotations().get(&key).or(child.annotations.get(&key)));
        of_index.or(manifest.annotations().get(&key)).cloned().filter(is_short)
    };
    let of_config =
        |key: &str| config.as_ref()?.labels.get(&format!("{IMAGE_ANNOTATIONS}{key}")).filter(|text| is_short(text));
    let label = |key: &str| annotation(key).or_else(|| of_config(key).cloned());
    let base = BaseImage { name: label("base.name"), digest: label("base.digest") };
    let name = repository.path().rsplit('/').next().unwrap_or_default();
    let from_environment = || config.as_ref()?.runs.version(name).map(str::to_owned).filter(is_short);
    let own_version =
        || of_config("version").filter(|version| !is_inherited(version, of_config("ref.name"), &base, name));
    let version = annotation("version").or_else(|| own_version().cloned()).or_else(from_environment);
    let revision = label("revision");
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
    let others = config.labels.iter().filter(|(key, _)| !key.starts_with(IMAGE_ANNOTATIONS)).take(LABELS_MAX);
    let labels = others.map(|(key, value)| (short(key), short(value))).collect();
    let (created, runtime) = (config.created, Some(config.runs));
    let facts = ImageFacts { layers, version, created, origin, runtime, labels, ..ImageFacts::default() };
    ImageMetadata { details, facts, note: None }
}

/// Returns true if a version label is that of the base image: the label next to it names a distribution, which is not
/// `name`, or the tag of the base image is the same.
fn is_inherited(version: &str, ref_name: Option<&String>, base: &BaseImage, name: &str) -> bool {
    let of_distribution = ref_name.is_some_and(|other| other != name && DISTRIBUTIONS.contains(&other.as_str()));
    let base_tag = base.name.as_deref().map(|name| name.split('@').next().unwrap_or(name));
    of_distribution || base_tag.and_then(|name| name.rsplit_once(':')).is_some_and(|(_, tag)| tag == version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r02_a_version_label_of_the_base_image_is_inherited() {
        let check = |ref_name: Option<&str>, base: Option<&str>, name: &str| {
            let base = BaseImage { name: base.map(str::to_owned), digest: None };
            is_inherited("24.04", ref_name.map(str::to_owned).as_ref(), &base, name)
        };
        assert!(check(Some("ubuntu"), None, "web"));
        assert!(check(None, Some("docker.io/library/ubuntu:24.04"), "web"));
        assert!(check(None, Some("docker.io/library/ubuntu:24.04@sha256:12"), "web"));
        assert!(!check(Some("ubuntu"), None, "ubuntu"));
        assert!(!check(Some("main"), None, "web"));
        assert!(!check(None, Some("docker.io/library/ubuntu:22.04"), "web"));
        assert!(!check(None, None, "web"));
    }
}
