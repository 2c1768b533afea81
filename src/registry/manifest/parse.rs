//! Parses manifests and indexes strictly: a body that two parsers could understand differently is rejected.
//!
//! Sources: OCI Image Specification 1.1 ("Image Manifest", "Image Index"), Docker Image Manifest V2 Schema 2; ambiguity
//! rules after CVE-2021-41190.

use std::collections::BTreeMap;

use oci_distribution::manifest as oci;
use serde_json::Value;

use super::json::{self, JsonError, JsonObject};
use crate::http::quotable;
use crate::model::image::{Digest, Platform};
use crate::registry::{FailureKind, ResolveError};
use crate::signature::{PAYLOAD, PayloadAnnotations};

/// Largest number of children of an index or layers of an image. Real images have a few hundred; 4 MiB could contain
/// tens of thousands, and many manifests are in memory at once.
pub(super) const DESCRIPTORS_MAX: usize = 1024;

/// Prefix of annotations and labels that describe an image (OCI Image Specification 1.1, "Pre-Defined Annotation Keys").
pub const IMAGE_ANNOTATIONS: &str = "org.opencontainers.image.";

/// The four media types that are requested and pinned.
pub const MEDIA_TYPES: [&str; 4] = [
    oci::OCI_IMAGE_INDEX_MEDIA_TYPE,
    oci::IMAGE_MANIFEST_LIST_MEDIA_TYPE,
    oci::OCI_IMAGE_MEDIA_TYPE,
    oci::IMAGE_MANIFEST_MEDIA_TYPE,
];

/// The media type of manifests of Docker's schema 1, which are not supported.
const SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+json";

/// Reference to content by digest (OCI Image Specification 1.1, "Content Descriptors").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Media type of the content.
    pub media_type: String,
    /// Digest of the content.
    pub digest: Digest,
    /// Size in bytes.
    pub size: u64,
    /// Platform, if the index names one.
    pub platform: Option<Platform>,
    /// True if it is an attestation rather than an image (BuildKit's `attestation-manifest`).
    pub attestation: bool,
    /// Artifact type, if the index names one.
    pub artifact_type: Option<String>,
    /// Signature in the annotations, if the content is a signed payload.
    pub signature: Option<Box<PayloadAnnotations>>,
    /// The annotations that describe an image, such as those that BuildKit writes into indexes.
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// Creates a descriptor with the required fields only.
    pub fn of(media_type: String, digest: Digest, size: u64) -> Self {
        let (platform, attestation, artifact_type, signature, annotations) = Default::default();
        Self { media_type, digest, size, platform, attestation, artifact_type, signature, annotations }
    }

    /// Returns true if the content is an index.
    pub fn is_index(&self) -> bool {
        is_index(&self.media_type)
    }
}

/// Defect of a manifest.
#[derive(Debug, thiserror::Error)]
pub(super) enum ManifestError {
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error("`schemaVersion` is not 2")]
    SchemaVersion,
    #[error("it has keys of schema 1")]
    Schema1,
    #[error("`mediaType` is `{own}`, but the `Content-Type` is `{header}`")]
    MediaType { own: String, header: String },
    #[error("it has both `manifests` and `layers` or `config`")]
    Mixed,
    #[error("it has no `{0}`")]
    Missing(&'static str),
    #[error("`{0}` has more than {DESCRIPTORS_MAX} entries")]
    TooMany(&'static str),
    #[error("a descriptor has no valid `{0}`")]
    Descriptor(&'static str),
}

/// Content of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestContent {
    /// One image for one platform.
    Image {
        /// Image configuration.
        config: Descriptor,
        /// Layers, lowest first.
        layers: Vec<Descriptor>,
    },
    /// Several images, usually one per platform.
    Index {
        /// Children in the order of the index.
        children: Vec<Descriptor>,
    },
}

/// Returns a media type without its parameters (RFC 9110, section 8.3.1).
pub(in crate::registry) fn essence(content_type: Option<&str>) -> &str {
    content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim()
}

/// Returns true if `media_type` is one that servers send for any JSON or any bytes.
pub(in crate::registry) fn is_generic(media_type: &str) -> bool {
    matches!(media_type, "" | "application/json" | "application/octet-stream" | "binary/octet-stream" | "text/plain")
}

/// Returns the media type of a manifest: that of its `Content-Type` or, if that is generic, the one that `body` names.
///
/// # Errors
/// [`FailureKind::Unsupported`] if it is not one of [`MEDIA_TYPES`].
pub(in crate::registry) fn media_type<'a>(content_type: Option<&'a str>, body: &[u8]) -> Result<&'a str, ResolveError> {
    let header = essence(content_type);
    let body = if is_generic(header) { json::parse(body).ok() } else { None };
    let own = body.as_ref().and_then(|body| JsonObject(body).get("mediaType")?.as_str());
    if let Some(own) = MEDIA_TYPES.into_iter().find(|known| Some(*known) == own) {
        return Ok(own);
    }
    let is_schema_1 = body.is_some_and(|body| body.get("schemaVersion").and_then(Value::as_u64) == Some(1));
    check_media_type(if is_schema_1 { SCHEMA_1 } else { header })?;
    Ok(header)
}

/// Checks that `media_type` is one of [`MEDIA_TYPES`].
///
/// # Errors
/// [`FailureKind::Unsupported`] with the media type.
pub(in crate::registry) fn check_media_type(media_type: &str) -> Result<(), ResolveError> {
    if MEDIA_TYPES.contains(&media_type) {
        return Ok(());
    }
    let message = match media_type {
        SCHEMA_1 | "application/vnd.docker.distribution.manifest.v1+prettyjws" => {
            "schema 1 manifests are not supported: their digest does not match their bytes".to_owned()
        }
        generic if is_generic(generic) => "the registry returned a manifest without a media type".to_owned(),
        other => format!("unsupported media type `{}`", quotable(other)),
    };
    Err(ResolveError::new(FailureKind::Unsupported, message))
}

/// Parses an index without verifying it; none if it is invalid.
pub(in crate::registry) fn parse_index(bytes: &[u8]) -> Option<Vec<Descriptor>> {
    match parse(oci::OCI_IMAGE_INDEX_MEDIA_TYPE, bytes) {
        Ok((ManifestContent::Index { children }, _)) => Some(children),
        Ok(_) | Err(_) => None,
    }
}

/// Parses a manifest of `media_type` into content and annotations.
pub(super) fn parse(
    media_type: &str,
    bytes: &[u8],
) -> Result<(ManifestContent, BTreeMap<String, String>), ManifestError> {
    let object = json::parse(bytes)?;
    let object = JsonObject(&object);
    object.check_spelling(
        "schemaVersion mediaType config layers manifests annotations artifactType subject fsLayers signatures",
    )?;
    if object.get("schemaVersion").and_then(Value::as_u64) != Some(2) {
        return Err(ManifestError::SchemaVersion);
    }
    if object.get("fsLayers").is_some() || object.get("signatures").is_some() {
        return Err(ManifestError::Schema1);
    }
    match object.text("mediaType")? {
        Some(own) if own != media_type => {
            return Err(ManifestError::MediaType { own: quotable(own), header: media_type.to_owned() });
        }
        None if media_type.starts_with("application/vnd.docker.") => return Err(ManifestError::Missing("mediaType")),
        _ => {}
    }
    let has = |key| object.get(key).is_some();
    if has("manifests") && (has("layers") || has("config")) {
        return Err(ManifestError::Mixed);
    }
    let list = |key: &'static str| {
        let objects = object.objects(key)?.ok_or(ManifestError::Missing(key))?;
        if objects.len() > DESCRIPTORS_MAX {
            return Err(ManifestError::TooMany(key));
        }
        objects.into_iter().map(descriptor).collect()
    };
    let content = if is_index(media_type) {
        ManifestContent::Index { children: list("manifests")? }
    } else {
        let config = object.object("config")?.ok_or(ManifestError::Missing("config"))?;
        ManifestContent::Image { config: descriptor(config)?, layers: list("layers")? }
    };
    Ok((content, object.texts("annotations")?))
}

fn is_index(media_type: &str) -> bool {
    matches!(media_type, oci::OCI_IMAGE_INDEX_MEDIA_TYPE | oci::IMAGE_MANIFEST_LIST_MEDIA_TYPE)
}

fn descriptor(object: JsonObject<'_>) -> Result<Descriptor, ManifestError> {
    object.check_spelling("mediaType digest size platform annotations urls data artifactType")?;
    let media_type = object.text("mediaType")?.ok_or(ManifestError::Descriptor("mediaType"))?.to_owned();
    let digest = object.text("digest")?.and_then(|digest| digest.parse().ok());
    let digest = digest.ok_or(ManifestError::Descriptor("digest"))?;
    let size = object.get("size").and_then(Value::as_u64).ok_or(ManifestError::Descriptor("size"))?;
    let mut annotations = object.texts("annotations")?;
    let mut attestation =
        annotations.get("vnd.docker.reference.type").is_some_and(|kind| kind == "attestation-manifest");
    let signature = (media_type == PAYLOAD).then(|| PayloadAnnotations::of(&annotations)).flatten().map(Box::new);
    let artifact_type = object.text("artifactType")?.map(str::to_owned);
    let mut platform = None;
    if let Some(platform_object) = object.object("platform")? {
        platform_object.check_spelling("os architecture variant os.version os.features features")?;
        let os = platform_object.text("os")?.unwrap_or_default();
        let architecture = platform_object.text("architecture")?.unwrap_or_default();
        attestation |= (os, architecture) == ("unknown", "unknown");
        if !os.is_empty() && !architecture.is_empty() {
            let found = parse_platform(os, architecture, platform_object.text("variant")?);
            platform = Some(found.ok_or(ManifestError::Descriptor("platform"))?);
        }
    }
    annotations.retain(|key, _| key.starts_with(IMAGE_ANNOTATIONS));
    let own = Descriptor::of(media_type, digest, size);
    Ok(Descriptor { platform, attestation, artifact_type, signature, annotations, ..own })
}

/// Creates a platform from its parts; none if they are invalid.
pub(super) fn parse_platform(os: &str, architecture: &str, variant: Option<&str>) -> Option<Platform> {
    let text = match variant.filter(|variant| !variant.is_empty()) {
        Some(variant) => format!("{os}/{architecture}/{variant}"),
        None => format!("{os}/{architecture}"),
    };
    text.parse().ok()
}
